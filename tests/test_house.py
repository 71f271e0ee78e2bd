"""Rules of the house that no linter knows."""

import ast
import configparser
import importlib
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "crossdock"

# Where `except Exception` may stand: "module/file.py:function". Each of them records the traceback and the run.
BLIND_EXCEPTS = {"core/connector.py:tell", "queue/execute.py:_carry_out"}


# --- files -----------------------------------------------------------------------------------------------------------


def project_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield every file that is, or would be, committed: what .gitignore names is left out, with all that is in it."""
    ignored = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]
    for path in sorted(root.iterdir()):
        if path.name == ".git" or any(fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from project_files(path)
        else:
            yield path


# A folder of one machine, not part of a longer word or of a URL's path.
MACHINE_PATH = re.compile(r"(?<![\w.~)\]}-])(/(?:root|home|Users|work|farm|tmp)/|[A-Z]:\\Users\\)[\w.$-]")


def machine_paths(file: Path) -> list[str]:
    """Return "file:line: text" for each line that names a folder of one machine."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        return []
    return [f"{file.name}:{number}: {line}" for number, line in enumerate(lines, 1) if MACHINE_PATH.search(line)]


def test_no_file_names_a_folder_of_one_machine() -> None:
    assert [fault for file in project_files() for fault in machine_paths(file)] == []


@pytest.mark.parametrize("folder", ["root", "home", "work", "tmp"])
def test_a_folder_of_one_machine_is_noticed(tmp_path: Path, folder: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"See\n`/{folder}/notes.txt`, but not https://example.com/{folder}/notes.txt\n")
    assert len(machine_paths(page)) == 1


# --- errors ----------------------------------------------------------------------------------------------------------


def blind_excepts(source: str, name: str) -> list[str]:
    """Return "name:function" for each handler that takes every error: bare, Exception or BaseException."""
    found = []

    def visit(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.ExceptHandler) and _takes_everything(node.type):
            found.append(f"{name}:{function}")
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(ast.parse(source), "<module>")
    return found


def _takes_everything(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    classes = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(ast.unparse(kind).rpartition(".")[2] in {"Exception", "BaseException"} for kind in classes)


def test_every_error_is_caught_in_the_named_places_only() -> None:
    found = [
        place
        for file in sorted(PACKAGE.rglob("*.py"))
        for place in blind_excepts(file.read_text("utf-8"), file.relative_to(PACKAGE).as_posix())
    ]
    assert sorted(found) == sorted(BLIND_EXCEPTS)


@pytest.mark.parametrize("handler", ["except:", "except Exception:", "except (OSError, builtins.BaseException) as e:"])
def test_a_blind_except_is_noticed(handler: str) -> None:
    source = f"def run():\n    try:\n        go()\n    {handler}\n        stop()\n"
    assert blind_excepts(source, "job.py") == ["job.py:run"]


def test_a_precise_except_is_not() -> None:
    assert blind_excepts("try:\n    go()\nexcept (OSError, PluginException):\n    stop()\n", "job.py") == []


# --- plugins ---------------------------------------------------------------------------------------------------------


def entry_points(group: str) -> dict[str, str]:
    """Return name and target of the entry points that setup.cfg declares in a group."""
    config = configparser.ConfigParser(delimiters=["="])
    config.read(ROOT / "setup.cfg", "utf-8")
    lines = config["options.entry_points"][group].splitlines()
    return dict(re.split(r"\s*=\s*", line) for line in lines if line)


PLUGINS = sorted(entry_points("crossdock.plugins"))


def test_every_module_of_plugins_is_declared() -> None:
    there = [path.stem for path in (PACKAGE / "plugins").iterdir() if not path.name.startswith("_")]
    assert sorted(there) == PLUGINS


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_has_module_twin_test_and_page(name: str) -> None:
    assert entry_points("crossdock.plugins")[name] == f"crossdock.plugins.{name}"
    if importlib.import_module(f"crossdock.plugins.{name}").PLUGIN.hosts:  # who calls nobody needs nobody to call
        twin_module, _, twin = entry_points("crossdock.twins")[name].partition(":")
        assert hasattr(importlib.import_module(twin_module), twin)
    assert list((ROOT / "tests" / "plugins").glob(f"test_{name}*.py")), f"tests/plugins/test_{name}.py is missing"
    assert (ROOT / "docs" / "plugins" / f"{name}.md").is_file(), f"docs/plugins/{name}.md is missing"


# --- what others rely on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crossdock", "crossdock.plugin"])
def test_what_a_public_module_promises_is_there(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__all__, f"{name} promises nothing"
    assert len(set(module.__all__)) == len(module.__all__), "a name is promised twice"
    assert [promise for promise in module.__all__ if not hasattr(module, promise)] == []


# --- pages -----------------------------------------------------------------------------------------------------------


def links(page: Path) -> set[Path]:
    """Return the files that a page of Markdown links to, outside its code blocks; addresses elsewhere are left out."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text)
    return {(page.parent / unquote(target)).resolve() for target in targets if ":" not in target}


PAGES = [file for file in project_files() if file.suffix == ".md"]


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [str(target.relative_to(ROOT)) for target in links(page) if not target.exists()] == []


def test_every_page_of_the_documentation_is_linked() -> None:
    linked = links(ROOT / "README.md") | links(ROOT / "docs" / "index.md")
    unlinked = {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - linked - {ROOT / "docs" / "index.md"}
    assert (ROOT / "docs" / "index.md") in linked
    assert [str(page.relative_to(ROOT)) for page in sorted(unlinked)] == []
