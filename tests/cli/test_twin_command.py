"""`crossdock twin`: a platform of one's own, reached with the line that it prints."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from command import Cli

from crossdock.cli import main

PATIENCE = 30  # seconds
CODE = "from crossdock.cli import main; main()"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a function that starts the command in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, code: str = CODE) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", code, *arguments], **pipes))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE)


def test_a_twin_answers_until_ctrl_c(start: Callable[..., subprocess.Popen[str]], cli: Cli) -> None:
    twin = start("twin", "miinto")
    assert twin.stdout is not None
    first, line = twin.stdout.readline(), twin.stdout.readline()
    url = first.split()[0]
    with urllib.request.urlopen(f"{url}/_twin/accounts", timeout=PATIENCE) as answer:
        (account,) = json.load(answer)["accounts"]
    assert line == (
        f"crossdock account add miinto rehearsal --set endpoint={url} "
        f"--set identifier={account['identifier']} --set secret={account['secret']}\n"
    )
    cli(*line.split()[1:])
    assert "open 7 shop(s)" in cli("account", "test", "rehearsal").stdout
    twin.send_signal(signal.SIGINT)
    _, err = twin.communicate(timeout=PATIENCE)
    assert (twin.returncode, err) == (130, "Interrupted.\n")


def test_a_program_reads_where_the_twin_is(start: Callable[..., subprocess.Popen[str]]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    twin = start("twin", "miinto", "--port", str(port), "--json")
    assert twin.stdout is not None
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(twin.stdout.readline())
    document = json.loads("".join(lines))
    assert document["url"] == document["settings"]["endpoint"] == f"http://127.0.0.1:{port}"


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        result = CliRunner().invoke(main, ["twin", "miinto", "--port", port])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Port {port} cannot be used: Address already in use. Take another --port." in result.stderr


def test_an_unknown_twin_is_said_with_those_there_are() -> None:
    result = CliRunner().invoke(main, ["twin", "miintoo"])
    assert result.exit_code == 2
    assert "There is no twin 'miintoo'. Here are: miinto" in result.stderr


def test_without_its_extra_a_twin_says_what_to_install(start: Callable[..., subprocess.Popen[str]]) -> None:
    bare = start("twin", "miinto", code=f"import sys; sys.modules['starlette'] = None; {CODE}")
    out, err = bare.communicate(timeout=PATIENCE)
    assert (bare.returncode, out) == (3, "")
    assert "needs starlette" in err
    assert "pip install 'crossdock[twins]'" in err
