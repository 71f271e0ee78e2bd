"""Judges: public clients of the platforms, each in a virtual environment of its own, that drive our twins.

The environments are kept in the directory that CROSSDOCK_JUDGES names, else in `.judges/` of the repository.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def judge() -> Callable[..., dict[str, Any]]:
    """Return a function that runs a judge's script and gives the JSON which it prints."""

    def run(script: str, requirements: Sequence[str], *arguments: str) -> dict[str, Any]:
        command = [_python_with(Path(script).stem, requirements), HERE / script, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def _python_with(name: str, requirements: Sequence[str]) -> Path:
    """Return the interpreter of the judge's environment, made anew where it holds other requirements than these."""
    root = Path(os.environ.get("CROSSDOCK_JUDGES") or HERE.parents[1] / ".judges")
    home, wanted = root / name, "\n".join(requirements)
    installed, python = home / "requirements.txt", home / "bin" / "python"
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != wanted:
            venv.create(home, with_pip=True, clear=True)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*install, *requirements], check=True, timeout=200)
            installed.write_text(wanted)
    return python
