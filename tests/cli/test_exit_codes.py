"""Every kind of error has its exit code and one text on standard error; a bug stays a traceback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command import CANARY, Cli
from fake_plugins import Shop

from crossdock.cli import main
from crossdock.core import errors
from crossdock.core.errors import (
    AuthError,
    BadAnswer,
    ConfigError,
    CrossdockError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownStatus,
)
from crossdock.queue.execute import _code

PAGE = Path(__file__).parents[2] / "docs" / "exit-codes.md"
RAISED: list[CrossdockError] = [
    ConfigError("The shop is closed.", advice="Open it."),
    AuthError("The token is wrong.", words="invalid_token"),
    Unavailable("No answer."),
    RateLimited("Too many requests.", retry_after=7),
    Rejected("Refused.", code="E17"),
    NotFound("Nobody knows it."),
    BadAnswer("This is HTML.", raw="<html>"),
    UnknownStatus("Status 7 leads nowhere."),
]


def tree(kind: type[CrossdockError]) -> list[type[CrossdockError]]:
    return [
        kind,
        *(below for child in kind.__subclasses__() for below in tree(child) if below.__module__ == errors.__name__),
    ]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_error_is_one_text_and_its_exit_code(north: Cli, shop: Shop, error: CrossdockError) -> None:
    shop.answers["check_connection"] = error
    said = north.complains("account", "test", "north", code=type(error).exit_code)
    assert said == f"Error: {error}\n"


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_a_run_ends_with_the_exit_code_of_its_error(north: Cli, shop: Shop, error: CrossdockError) -> None:
    shop.answers["map_status"] = error
    result = north("run", "north", "statuses", code=type(error).exit_code)
    assert result.stdout.startswith("Run 1 (statuses of north) ")
    assert error.message in result.stderr


def test_all_faults_come_at_once(cli: Cli, shop: Shop) -> None:
    said = cli.complains("account", "add", "shop", " north", "--set", "extra=1", "--option", "vat_rate=lots")
    assert said.startswith("Error: Account  north: 5 setting(s) are wrong.")
    assert re.findall(r"^  - (\w+):", said, re.MULTILINE) == ["name", "shop", "token", "extra", "vat_rate"]


@pytest.mark.parametrize("job", [False, True])
def test_a_bug_shows_its_traceback(north: Cli, shop: Shop, job: bool) -> None:
    def crash(account: Any) -> str:
        raise KeyError(account.settings.token.get_secret_value())

    shop.answers["check_connection"] = shop.answers["map_status"] = crash
    if job:
        result = north("run", "north", "statuses", code=1)
        assert "Traceback (most recent call last)" in result.stderr
        assert "KeyError: '***'" in result.stderr
        assert CANARY not in result.output
        return
    result = CliRunner().invoke(main, ["--config", str(north.config), "account", "test", "north"])
    assert isinstance(result.exception, KeyError)


@pytest.mark.parametrize("job", [False, True])
def test_an_interrupt_ends_with_130(north: Cli, shop: Shop, job: bool) -> None:
    def interrupt(account: Any) -> str:
        raise KeyboardInterrupt

    shop.answers["check_connection"] = shop.answers["map_status"] = interrupt
    arguments = ("run", "north", "statuses") if job else ("account", "test", "north")
    assert north.complains(*arguments, code=130) == "Interrupted.\n"
    if job:
        assert [run["state"] for run in north.json("runs")] == ["queued"]


@pytest.mark.usefixtures("person")
def test_who_leaves_a_question_interrupts(north: Cli) -> None:
    result = north("account", "remove", "north", input="", code=130)
    assert result.stderr.endswith("Interrupted.\n")
    assert [row["name"] for row in north.json("account", "list")] == ["north"]


def test_a_mistyped_line_ends_like_any_fault_of_the_operator(cli: Cli) -> None:
    assert "No such option" in cli.complains("orders", "list", "--pendign", code=ConfigError.exit_code)


def test_the_event_of_a_run_leads_back_to_its_error() -> None:
    for kind in tree(CrossdockError):
        error = kind("Something.")
        assert _code(error).replace("_", "") == kind.__name__.lower()


# --- the page --------------------------------------------------------------------------------------------------------


ROOTS = {CrossdockError, errors.PluginError, errors.RemoteError}


def test_the_page_has_every_error_with_its_code() -> None:
    rows = re.findall(r"^\| (\d+) \| `?(\w*)`? \| \S", PAGE.read_text("utf-8"), re.MULTILINE)
    classes = {(str(kind.exit_code), kind.__name__) for kind in tree(CrossdockError) if kind not in ROOTS}
    assert set(rows) == {*classes, ("0", ""), ("1", ""), ("130", "")}
    assert len(rows) == len(set(rows))


def test_the_tree_on_top_of_the_errors_tells_the_same() -> None:
    drawn = dict(re.findall(r"(\w+) +(\d+)  ", errors.__doc__ or ""))
    assert drawn == {kind.__name__: str(kind.exit_code) for kind in tree(CrossdockError) if kind not in ROOTS}
