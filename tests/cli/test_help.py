"""Help: every command says what it does and gives an example that works; pages name only commands that are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from crossdock.cli import SECTIONS, main

ROOT = Path(__file__).parents[2]
OURS = {name: (heading, what) for heading, commands in SECTIONS.items() for name, (_, what) in commands.items()}


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            if name != "demo":
                yield from tree(below, (*path, name))


TREE = dict(tree(main))
CALLABLE = [
    path
    for path, command in TREE.items()
    if path and (not isinstance(command, click.Group) or command.invoke_without_command)
]


def understood(line: str) -> None:
    """Let click read a command line as far as it can be read without doing anything."""
    words = shlex.split(line)
    assert words[0] == "crossdock", line
    context = main.make_context("crossdock", words[1:])
    command: click.Command = main
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        name, below, rest = command.resolve_command(context, rest)
        assert below is not None, line
        command, context = below, below.make_context(name, rest, parent=context)


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CALLABLE, ids=" ".join)
def test_a_command_has_help_and_an_example_that_is_understood(path: tuple[str, ...]) -> None:
    command = TREE[path]
    assert command.help, "it has no help"
    assert command.help.split("\n")[0].endswith((".", ":", ",")), "the first line is no sentence"
    example = (command.epilog or "").removeprefix("Example: ")
    line = re.split(r" \|\| ", example)[0]
    assert line.startswith(f"crossdock {' '.join(path)}"), "its example is another command's"
    understood(line)


@pytest.mark.parametrize("path", CALLABLE, ids=" ".join)
def test_every_option_and_choice_is_explained(path: tuple[str, ...]) -> None:
    options = [parameter for parameter in TREE[path].params if isinstance(parameter, click.Option)]
    assert [option.opts for option in options if not option.help] == []
    assert {"--config", "--json", "--verbose"} <= {name for option in options for name in option.opts}


def test_the_help_shows_all_sections_in_order() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    headings = re.findall(r"^([A-Z][\w ]+):$", text, re.MULTILINE)
    assert headings == ["Options", *SECTIONS]
    for (name,) in (path for path in TREE if len(path) == 1):
        assert re.search(rf"^  {name} +{re.escape(OURS[name][1])}$", text, re.MULTILINE)


def test_a_command_of_which_the_part_is_missing_is_not_offered(tmp_path: Path) -> None:
    from crossdock.cli.commands import Main

    sections = {"Work": {"run": SECTIONS["Work"]["run"], "fly": ("crossdock.wings.cli:fly", "Fly.")}}
    top = Main("crossdock", sections=sections)
    assert top.list_commands(click.Context(top)) == ["run"]
    assert top.get_command(click.Context(top), "fly") is None


def test_a_mistyped_command_is_told_which_are_close() -> None:
    result = CliRunner().invoke(main, ["ordres"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such command 'ordres'" in result.stderr
    assert "'orders'" in result.stderr


@pytest.mark.parametrize("line", ["--json account list", "account --json list", "account list --json"])
def test_global_options_may_stand_anywhere(line: str, tmp_path: Path) -> None:
    runner = CliRunner()
    config = str(tmp_path / "crossdock.toml")
    assert runner.invoke(main, ["--config", config, "init"]).exit_code == 0
    for words in (["--config", config, *line.split()], [*line.split(), "--config", config]):
        assert runner.invoke(main, words).stdout == "[]\n"
    assert runner.invoke(main, line.split(), env={"CROSSDOCK_CONFIG": config}).stdout == "[]\n"


def test_the_version_is_told() -> None:
    from crossdock import __version__

    assert (
        CliRunner().invoke(main, ["--version"], prog_name="crossdock").stdout == f"crossdock, version {__version__}\n"
    )


# --- pages -----------------------------------------------------------------------------------------------------------

GENERATED = ROOT / "docs" / "commands.md"  # help texts, not lines to type
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")} - {GENERATED})


def commands_of(page: Path) -> list[str]:
    """Return the command lines in a page's code blocks, without prompts, comments and what a shell does with them."""
    blocks = re.findall(r"^```(?:console|sh|shell)?\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = (re.sub(r"^(\$ )?(.*?)( *#.*)?$", r"\2", line) for line in lines)
    return [line for line in found if re.match(r"crossdock [a-z-]", line) and "..." not in line]


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_a_page_names_only_commands_and_options_that_are_there(page: Path) -> None:
    for line in commands_of(page):
        if not line.startswith("crossdock demo"):
            understood(re.split(r" (?:\|\||&&|\||>) ", line)[0])


def test_a_wrong_command_on_a_page_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ crossdock orders list --pendign   # soon\n```\n")
    (line,) = commands_of(page)
    assert line == "crossdock orders list --pendign"
    with pytest.raises(click.NoSuchOption):
        understood(line)


def test_the_errors_of_the_library_name_only_commands_that_are_there() -> None:
    named = re.compile(r"`crossdock ([a-z][a-z -]*[a-z])")
    paths = {" ".join(path) for path in TREE}
    wrong = []
    for file in sorted((ROOT / "crossdock").rglob("*.py")):
        for match in named.finditer(file.read_text("utf-8")):
            words = match[1].split()
            if not any(" ".join(words[:length]) in paths for length in (2, 1)) and words[0] != "demo":
                wrong.append(f"{file.relative_to(ROOT)}: crossdock {match[1]}")
    assert wrong == []
