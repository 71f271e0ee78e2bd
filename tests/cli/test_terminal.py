"""A real terminal: prompts that hide secrets, tables with colours, bars; and none of it where nobody looks."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest
from command import CANARY, Cli

from crossdock.cli import screen

PATIENCE = 30.0  # seconds
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")


class Terminal:
    """A command on a terminal of 120 columns."""

    def __init__(self, cli: Cli, *arguments: str, **environment: str) -> None:
        self.screen, end = pty.openpty()
        code = "from crossdock.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--config", str(cli.config), *arguments],
            stdin=end,
            stdout=end,
            stderr=end,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment},
            start_new_session=True,
        )
        os.close(end)
        self.shown = ""

    def waits_for(self, words: str) -> None:
        """Read until these words stand on the screen."""
        until = time.monotonic() + PATIENCE
        while words not in self.shown:
            assert time.monotonic() < until, f"{words!r} never came: {self.shown}"
            self._read(0.1)

    def types(self, text: str) -> None:
        os.write(self.screen, f"{text}\n".encode())

    def ends(self) -> int:
        """Read until the command has ended, and return its exit code."""
        while self._read(PATIENCE):
            pass
        os.close(self.screen)
        return self.process.wait(PATIENCE)

    def _read(self, patience: float) -> bool:
        if not select.select([self.screen], [], [], patience)[0]:
            return False
        try:
            data = os.read(self.screen, 65_536)
        except OSError:  # the other end is closed
            return False
        self.shown += data.decode()
        return bool(data)


def test_a_prompt_hides_a_secret(cli: Cli) -> None:
    terminal = Terminal(cli, "account", "add", "miinto", "shop-pl")
    terminal.waits_for("identifier: ")
    terminal.types("seller@example.com")
    terminal.waits_for("secret: ")
    terminal.types(CANARY)
    assert terminal.ends() == 0
    assert "seller@example.com" in terminal.shown
    assert CANARY not in terminal.shown
    assert "Account shop-pl is added" in terminal.shown
    assert cli.json("account", "show", "shop-pl")["settings"]["secret"] == "set"


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_table_has_colours_unless_they_are_not_wanted(
    selling: Cli, environment: dict[str, str], coloured: bool
) -> None:
    terminal = Terminal(selling, "runs", **environment)
    assert terminal.ends() == 0
    assert "───" in terminal.shown
    assert bool(COLOUR.search(terminal.shown)) is coloured


def test_a_bar_moves_while_a_file_is_read(cli: Cli) -> None:
    path = cli.folder / "many.csv"
    path.write_text("sku,name\n" + "".join(f"S{number},Name {number}\n" for number in range(2500)))
    terminal = Terminal(cli, "catalog", "import", str(path))
    assert terminal.ends() == 0
    assert "reading" in terminal.shown
    assert "2500 added" in terminal.shown
    assert "\x1b[2K" in terminal.shown, "the bar does not go away in the end"


def test_a_run_is_watched_and_ends_in_words(monkeypatch: pytest.MonkeyPatch, selling: Cli) -> None:
    moves: list[tuple[float, float | None, str]] = []

    class Bar:
        def __enter__(self) -> object:
            return lambda *move: moves.append(move)

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(screen, "shows_progress", lambda: True)
    monkeypatch.setattr(screen, "progress_bar", lambda title: Bar())
    monkeypatch.setattr("crossdock.cli.run.LOOK_EVERY", 0.001)
    assert "is done: 1 seen, 1 changed." in selling("run", "north", "stock").stdout
    assert {message for _, _, message in moves} <= {"sending stock levels", "stock levels sent"}


def test_where_nobody_looks_nothing_is_drawn(selling: Cli) -> None:
    code = "from crossdock.cli import main; main()"
    environment = {**os.environ, "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    catalog = str(selling.folder / "catalog.csv")
    for arguments in (["runs"], ["catalog", "import", catalog]):
        line = [sys.executable, "-c", code, "--config", str(selling.config), *arguments]
        done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
        assert "\x1b" not in done.stdout + done.stderr, arguments
