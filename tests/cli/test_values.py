"""What people type is understood exactly, or refused with an example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from crossdock.cli.values import DURATION, MOMENT, Pair, Units, mapping, typed
from crossdock.core.config import Options, describe
from crossdock.core.errors import ConfigError

FIELDS = describe(Options)


@pytest.mark.usefixtures("warsaw")
@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2026-03-01", datetime(2026, 2, 28, 23, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026-03-01T08:30", datetime(2026, 3, 1, 7, 30, tzinfo=UTC)),
        ("2026-03-01 08:30:15", datetime(2026, 3, 1, 7, 30, 15, tzinfo=UTC)),
        ("2026-03-01T08:30Z", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("2026-03-01T08:30-05:00", datetime(2026, 3, 1, 13, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_without_an_offset_is_local(typed: str, moment: datetime) -> None:
    assert MOMENT.convert(typed, None, None) == moment


def test_now_is_a_moment() -> None:
    assert abs(datetime.now(UTC) - MOMENT.convert("now", None, None)) < timedelta(minutes=1)


@pytest.mark.parametrize("typed", ["tomorrow", "01.03.2026", "2026-02-30", "", "0001-01-01T00:00+14:00"])
def test_what_is_no_moment_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="write 2026-03-01"):
        MOMENT.convert(typed, None, None)


@pytest.mark.parametrize(("typed", "seconds"), [("30s", 30), ("5m", 300), ("3h", 10_800), ("1d", 86_400)])
def test_a_duration_has_a_unit(typed: str, seconds: int) -> None:
    assert DURATION.convert(typed, None, None) == seconds


@pytest.mark.parametrize("typed", ["5", "m", "-5m", "5 m", "1.5h", "5w", ""])
def test_what_is_no_duration_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="write 30s, 5m, 3h or 1d"):
        DURATION.convert(typed, None, None)


@pytest.mark.parametrize(
    ("typed", "pair"), [("a=b", ("a", "b")), ("a=b=c", ("a", "b=c")), ("a=", ("a", "")), (" a = b", ("a", " b"))]
)
def test_a_pair_is_cut_at_its_first_equals_sign(typed: str, pair: tuple[str, str]) -> None:
    assert Pair().convert(typed, None, None) == pair


@pytest.mark.parametrize("typed", ["canary", "=canary", ""])
def test_a_pair_that_is_none_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="Write it as field=value") as caught:
        Pair("field=value").convert(typed, None, None)
    assert "canary" not in str(caught.value)


def test_units_are_whole_and_above_zero() -> None:
    assert Units("SKU=units").convert("A=3", None, None) == ("A", 3)
    for other in ("A=0", "A=-1", "A=1.5", "A=many", "A=", "A=٣"):
        with pytest.raises(click.BadParameter, match="write SKU=units"):
            Units("SKU=units").convert(other, None, None)


def test_a_name_that_is_given_twice_is_refused() -> None:
    assert mapping([("a", 1), ("b", 2)], "--set") == {"a": 1, "b": 2}
    with pytest.raises(ConfigError, match="--set names a twice"):
        mapping([("a", 1), ("a", 1)], "--set")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("vat_rate", "23", "23"),
        ("vat_rate", "", None),
        ("warehouses", '["main", "second"]', ["main", "second"]),
        ("vat_rates", '{"PL": 23, "HU": 27.5}', {"PL": 23, "HU": "27.5"}),
        ("unheard_of", "[", "["),
    ],
)
def test_settings_are_typed_by_their_model(name: str, text: str, value: Any) -> None:
    assert typed({name: text}, FIELDS) == {name: value}


def test_lists_and_mappings_that_are_no_json_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        typed({"warehouses": "main", "vat_rates": "PL=23", "vat_rate": "23"}, FIELDS)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["warehouses", "vat_rates"]
