"""The command answers at once: what is heavy is imported by the commands that need it, when they run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from crossdock.cli import SECTIONS

HEAVY = {
    *"alembic cryptography httpx jinja2 lxml pgqueuer pluggy psycopg pydantic".split(),
    *"rich sqlalchemy starlette uvicorn".split(),
    "importlib.metadata",
}
MOST = 160  # modules; 134 when this was written, of which Python and click bring 125

CODE = """
import sys, json
from crossdock.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)
"""


def modules_after(*arguments: str) -> tuple[int, set[str]]:
    """Call the command in a fresh process and return its exit code and the modules that are there in the end."""
    code = CODE.format(arguments=list(arguments))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    end, modules = json.loads(result.stderr.splitlines()[-1])
    return end, set(modules)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["orders", "--help"], 0), (["account", "add", "--help"], 0), (["ordres"], 2), (["run"], 2)],
)
def test_help_and_mistakes_import_nothing_heavy(arguments: list[str], code: int) -> None:
    end, modules = modules_after(*arguments)
    assert end == code
    assert sorted(modules & HEAVY) == []
    assert len(modules) <= MOST


def test_no_help_of_any_command_imports_anything_heavy() -> None:
    ours = [name for commands in SECTIONS.values() for name in commands if name != "demo"]
    code = f"import sys\nfrom crossdock.cli import main\nfor name in {ours}:\n    main.get_command(None, name)\n"
    code += "print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert "crossdock.cli.catalog" in modules
    assert sorted(modules & HEAVY) == []


def test_a_command_is_imported_when_it_is_called() -> None:
    _, modules = modules_after("--help")
    assert sorted(module for module in modules if module.startswith("crossdock.cli.")) == [
        "crossdock.cli.app",
        "crossdock.cli.commands",
        "crossdock.cli.screen",
    ]


def test_the_heavy_ones_would_be_noticed() -> None:
    _, modules = modules_after("account", "list")
    assert {"sqlalchemy", "pydantic", "cryptography"} <= modules
