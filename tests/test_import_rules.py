"""The rules of pyproject.toml on who may import whom would notice, and the base installation needs no extra."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HOUSE = """
core/__init__ core/clock core/errors core/model core/hookspecs core/config core/http core/account
core/store/__init__ core/store/tables core/connector plugin feeds/__init__ jobs/__init__ queue/__init__ hub
plugins/__init__ plugins/miinto plugins/other twins/__init__ twins/miinto
testing/__init__ demo/__init__ web/__init__ web/app cli __init__
""".split()

ALLOWED = {
    "core/http": "import httpx",
    "core/store/tables": "import sqlalchemy",
    "core/connector": "import pluggy",
    "core/account": "from crossdock.core.http import Client",
    "plugin": "from crossdock.core.account import Account\nfrom crossdock.feeds import tsv",
    "plugins/miinto": "from crossdock.plugin import Account",
    "hub": "import crossdock.core.store, crossdock.queue",
    "web/app": "import starlette, uvicorn\nfrom crossdock.hub import Hub",
    "__init__": "from crossdock.hub import Hub",
    "demo/__init__": "import crossdock.web, crossdock.twins.miinto",
    "cli": "import crossdock",
}

FORBIDDEN = [
    ("core/model", "import crossdock.core.http", "Floors of the core"),
    ("core/store/tables", "from crossdock import jobs", "Floors of the house"),
    ("core/store/tables", "from crossdock import Hub", "Floors of the house"),
    ("jobs/__init__", "import crossdock.queue", "Floors of the house"),
    ("hub", "from crossdock.plugins import miinto", "Floors of the house"),
    ("hub", "import crossdock.web", "Floors of the house"),
    ("web/__init__", "import crossdock.cli", "Floors of the house"),
    ("web/__init__", "import crossdock.plugins.miinto", "The web is for all platforms"),
    ("web/__init__", "import crossdock.twins.miinto", "The web is for all platforms"),
    ("web/__init__", "import crossdock.demo", "Floors of the house"),
    ("twins/__init__", "import crossdock.demo", "Floors of the house"),
    ("cli", "import uvicorn", "Only the web and the twins import Starlette"),
    ("novelty", "", "Floors of the house"),
    ("core/novelty", "", "Floors of the core"),
    ("feeds/__init__", "import crossdock.core.store", "Feeds are bytes only"),
    ("feeds/__init__", "import crossdock.core.account", "Feeds are bytes only"),
    ("feeds/__init__", "import crossdock.plugin", "Floors of the house"),
    ("feeds/__init__", "import crossdock.jobs", "Floors of the house"),
    ("plugins/miinto", "from crossdock.core import errors", "A plugin imports crossdock.plugin"),
    ("plugins/miinto", "from crossdock import Hub", "A plugin imports crossdock.plugin"),
    ("plugins/miinto", "def lazily():\n    import crossdock.jobs", "A plugin imports crossdock.plugin"),
    ("plugins/miinto", "import crossdock.plugins.other", "No plugin knows another"),
    ("twins/miinto", "import crossdock.plugins.miinto", "No twin shares code"),
    ("twins/miinto", "import crossdock.plugin", "No twin shares code"),
    ("twins/miinto", "import httpx", "Only crossdock.core.http imports httpx"),
    ("jobs/__init__", "import pluggy", "Only the connector and the contract import pluggy"),
    ("queue/__init__", "from sqlalchemy import text", "Only the store imports SQLAlchemy"),
]


def lint(folder: Path, extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Build a house of the allowed imports and `extra`, and check it by the project's rules."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    for module in [*HOUSE, *extra]:
        file = folder / "crossdock" / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{ALLOWED.get(module, '')}\n{extra.get(module, '')}\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_allowed_imports_are_allowed(tmp_path: Path) -> None:
    result = lint(tmp_path, {})
    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(("module", "line", "contract"), FORBIDDEN)
def test_a_forbidden_import_is_noticed(tmp_path: Path, module: str, line: str, contract: str) -> None:
    result = lint(tmp_path, {module: line})
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(row.startswith(contract) and "BROKEN" in row for row in result.stdout.splitlines()), result.stdout


@pytest.mark.parametrize("module", ["crossdock", "crossdock.plugin", "crossdock.plugins.miinto", "crossdock.cli"])
def test_the_base_installation_needs_no_extra(module: str) -> None:
    extras = ["starlette", "uvicorn", "psycopg", "pgqueuer", "pytest", "hypothesis"]
    code = f"import sys; sys.modules.update(dict.fromkeys({extras})); import {module}"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
