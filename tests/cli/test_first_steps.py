"""The page of first steps is what happens: its commands are run in order against a twin, their output compared."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from crossdock.cli import main
from crossdock.cli.app import LEFT_TO_A_PERSON

ROOT = Path(__file__).parents[2]
PORT = "8901"  # on the page
PATIENCE = 30  # seconds
COMPARE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WHEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class Step(NamedTuple):
    """A command of the page and what it prints there."""

    command: str
    output: str


def steps(text: str) -> Iterator[Step]:
    """Return the commands of all console blocks, each with the lines that follow it."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            match = re.match(r"((?:'[^']*'|\\\n|[^'\n])*)\n?(.*)", part, re.DOTALL)
            assert match is not None
            yield Step(match[1].replace("\\\n", ""), match[2])


def files(text: str) -> dict[str, str]:
    """Return the files that the page shows, by the name that stands before each."""
    return dict(re.findall(r"`([\w.]+)`[^`]*:\n\n```csv\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


class Reader:
    """Somebody who follows the page, with a free port in place of the one that it names."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.twin: subprocess.Popen[str] | None = None

    def types(self, command: str) -> str:
        """Do what a command does, and return what it prints."""
        words = shlex.split(command.replace(PORT, self.port))
        if words[0] == "curl":
            printed = self._post(words)
        elif words[:2] == ["crossdock", "twin"]:
            printed = self._start_twin(words[1:])
        else:
            assert words[0] == "crossdock", command
            result = CliRunner().invoke(main, words[1:], catch_exceptions=False)
            assert result.exit_code in ((0, LEFT_TO_A_PERSON) if "check" in words else (0,)), result.output
            printed = result.output
        return printed.replace(self.port, PORT)

    def _post(self, words: list[str]) -> str:
        *_, url, option, body = words
        assert option == "--data"
        with urllib.request.urlopen(url, body.encode(), timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def _start_twin(self, arguments: list[str]) -> str:
        code = "from crossdock.cli import main; main()"
        self.twin = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
        assert self.twin.stdout is not None
        return self.twin.stdout.readline() + self.twin.stdout.readline()

    def leaves(self) -> int:
        """Press Ctrl-C where the twin runs, and return its exit code."""
        assert self.twin is not None
        self.twin.send_signal(signal.SIGINT)
        self.twin.communicate(timeout=PATIENCE)
        return self.twin.returncode


@pytest.fixture
def reader(tmp_path: Path, terminal: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    reader = Reader()
    yield reader
    if reader.twin is not None and reader.twin.poll() is None:
        reader.twin.kill()
        reader.twin.communicate(timeout=PATIENCE)


def timeless(text: str) -> str:
    return WHEN.sub("WHEN", re.sub(r"Run \d+", "Run N", text))


@pytest.mark.parametrize(
    ("page", "least"), [("README.md", 8), ("docs/first-steps.md", 20), ("docs/magento-to-miinto.md", 17)]
)
def test_what_a_page_shows_is_what_happens(reader: Reader, tmp_path: Path, page: str, least: int) -> None:
    text = (ROOT / page).read_text("utf-8")
    for name, content in files(text).items():
        (tmp_path / name).write_text(content)
    for example in (ROOT / "docs" / "examples").iterdir():
        shutil.copy(example, tmp_path)
    taken = list(steps(text))
    for step in taken:
        printed = reader.types(step.command)
        same = doctest.OutputChecker().check_output(timeless(step.output), timeless(printed), COMPARE)
        assert same, f"$ {step.command}\nprinted:\n{printed}\nand the page says:\n{step.output}"
    assert reader.leaves() == 130
    assert len(taken) >= least


def test_a_page_is_cut_into_its_steps() -> None:
    console = "```console\n$ crossdock one \\\n  two\nprinted\n\n$ crossdock 'a\nb' c\n```\n"
    page = f"`a.csv` is:\n\n```csv\nx\n```\n\n{console}```sh\n$ no\n```\n"
    assert list(steps(page)) == [Step("crossdock one   two", "printed\n\n"), Step("crossdock 'a\nb' c", "")]
    assert files(page) == {"a.csv": "x\n"}
