"""Printing: no text can steer a terminal or break a table; JSON keeps everything."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.cli import screen
from crossdock.core.model import Meaning, Money

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown", "kept"),
    [
        (Decimal("1E+2"), "100", "100"),
        (Decimal("12.5000"), "12.5000", "12.5000"),
        (MOMENT, "2026-03-01T12:30:15+00:00", "2026-03-01T12:30:15.250000+00:00"),
        (
            MOMENT.astimezone(timezone(timedelta(hours=5))),
            "2026-03-01T12:30:15+00:00",
            "2026-03-01T12:30:15.250000+00:00",
        ),
        (None, "", None),
        (True, "yes", True),
        (0, "0", 0),
        (Meaning.NEW, "new", "new"),
        (Money(amount=Decimal("9.90"), currency="PLN"), "9.90 PLN", {"amount": "9.90", "currency": "PLN"}),
        (frozenset({"b", "a"}), "a, b", ["a", "b"]),
        (("b", "a"), "b, a", ["b", "a"]),
        ({"name": "Ann", "city": "", "floor": 0}, "name: Ann, floor: 0", {"name": "Ann", "city": "", "floor": 0}),
    ],
)
def test_a_value_for_people_and_for_programs(value: Any, shown: str, kept: Any) -> None:
    assert screen.text(value, local=False) == shown
    assert json.loads(json.dumps(screen.plain(value))) == kept


@pytest.mark.usefixtures("warsaw")
def test_people_at_a_terminal_see_local_time() -> None:
    assert screen.text(MOMENT, local=True) == "2026-03-01 13:30:15"
    assert screen.text(MOMENT + timedelta(days=100), local=True) == "2026-06-09 14:30:15"


@given(st.text())
def test_no_text_has_a_letter_that_steers(text: str) -> None:
    shown = screen.legible(text)
    assert shown.isprintable()
    assert screen.legible(shown) == shown


def test_what_steers_is_spelled_out() -> None:
    assert screen.legible("a\x1b[31mb\tc\nd\u202e\x9b") == "a\\x1b[31mb c d\\u202e\\x9b"
    assert screen.legible("a\nb\r", lines=True) == "a\nb "


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.none() | st.integers() | st.booleans()}), max_size=5))
def test_a_table_in_a_pipe_has_a_line_for_each_row(rows: list[dict[str, Any]]) -> None:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", lines.append)
        screen.show(rows, ["a", "b"])
    header, *rest = "\n".join(lines).split("\n")
    assert header == "a\tb"
    assert [line.count("\t") for line in rest] == [1] * len(rows)


def test_a_record_shows_what_is_known_and_then_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    record = {"name": "Ann", "none": None, "empty": [], "zero": 0, "tags": ["x", "y"], "rows": [{"a": 1, "b": 2}]}
    screen.show(record, sections={"rows": ["b"]})
    assert capsys.readouterr().out == "name\tAnn\nzero\t0\ntags\tx, y\n\nrows\nb\n2\n"


@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_titles_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show({"remote_id": "[bold]7[/bold]", "rows": [{"last_state": "failed"}]})
    out = capsys.readouterr().out
    assert out.startswith("Remote ID  [bold]7[/bold]\n\nRows\n")
    assert "Last state" in out
    assert "failed" in out


@pytest.mark.usefixtures("terminal")
def test_a_terminal_says_that_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show([], ["a"])
    assert capsys.readouterr().out == "None.\n"


def test_a_bar_without_a_terminal_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress_bar("working") as bar:
        bar(1, 2, "half")
    assert capsys.readouterr() == ("", "")
