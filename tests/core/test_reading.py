"""Reading what a platform says: what is as expected is read, all else is told by its place and its value."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.errors import BadAnswer
from crossdock.core.messages import RAW, Response
from crossdock.core.model import Money
from crossdock.core.reading import SHOWN, Node
from crossdock.core.redaction import SECRETS

ORDER = {"id": 12, "lines": [{"price": 5}, {"price": "a"}], "buyer": {"address": {"zip": 7}}, "currency": "PLN"}
HERE = "Acme's order 12 of shop X"

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=5,
)

READERS: dict[str, Callable[[Node], object]] = {
    "text": lambda node: node.text("x"),
    "id": lambda node: node.id("x"),
    "whole": lambda node: node.whole("x"),
    "decimal": lambda node: node.decimal("x"),
    "amount": lambda node: node.amount("x", "PLN"),
    "currency": lambda node: node.currency("x"),
    "time": lambda node: node.time("x"),
    "child": lambda node: node.child("x"),
    "children": lambda node: node.children("x"),
    "items": lambda node: node.items("x"),
}


def node(**value: Any) -> Node:
    return Node(value, HERE)


def fault_of(read: Callable[[Node], object], thing: Node) -> BadAnswer | None:
    try:
        read(thing)
    except BadAnswer as error:
        return error
    return None


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_fault_names_platform_place_and_value() -> None:
    with pytest.raises(BadAnswer) as caught:
        Node(ORDER, HERE).children("lines")[1].whole("price")
    assert str(caught.value) == "Acme's order 12 of shop X, lines[1]: price is 'a' and no whole number."
    assert json.loads(caught.value.raw) == {"price": "a"}
    with pytest.raises(BadAnswer, match=r"^Acme's order 12 of shop X, buyer, address: zip is 7 and no object\.$"):
        Node(ORDER, HERE).child("buyer").child("address").child("zip")


@pytest.mark.parametrize("name", READERS)
@given(value=ANYTHING)
def test_whatever_stands_there_is_read_or_told(name: str, value: Any) -> None:
    told = fault_of(READERS[name], node(x=value))
    if told is not None:
        assert told.message.startswith(f"{HERE}: ")
        assert len(told.message) < len(HERE) + SHOWN + 100
        assert len(told.raw) <= RAW


def test_a_fault_of_an_answer_shows_its_whole_and_says_whether_it_was_carried_out() -> None:
    answer = Response(
        status=201, body=b'{"token": "tok", "lines": [{"price": "a"}]}', method="PATCH", url="/orders", unclear=True
    )
    with pytest.raises(BadAnswer, match=r"^PATCH /orders, lines\[0\]: price is 'a'") as caught:
        Node.of(answer).children("lines")[0].whole("price")
    assert caught.value.unclear
    assert caught.value.status == 201
    assert caught.value.raw == '{"token": "***", "lines": [{"price": "a"}]}'


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b"null"])
def test_an_answer_that_is_no_object_is_told(body: bytes) -> None:
    with pytest.raises(BadAnswer, match=r"^GET /orders: the answer is .* and no object\."):
        Node.of(Response(status=200, body=body, url="/orders"))


def test_a_bare_list_is_read_under_the_name_that_it_is_given() -> None:
    bare, wrapped = Response(status=200, body=b'[{"id": 1}]'), Response(status=200, body=b'{"data": [{"id": 1}]}')
    assert [row.id() for row in Node.of(bare, bare="data").children("data")] == ["1"]
    assert [row.id() for row in Node.of(wrapped, bare="data").children("data")] == ["1"]


def test_secrets_reach_neither_text_nor_raw_nor_repr() -> None:
    SECRETS.register(["the-secret-of-acme"])
    thing = node(x="the-secret-of-acme", access_token="never registered")
    with pytest.raises(BadAnswer) as caught:
        thing.whole("x")
    told = f"{caught.value} {caught.value.raw} {thing!r}"
    assert "the-secret-of-acme" not in told
    assert "never registered" not in told


# --- texts and numbers -----------------------------------------------------------------------------------------------


def test_a_text_may_be_missing_or_a_whole_number_and_an_id_may_not_be_missing() -> None:
    assert [node(x=value).text("x") for value in ("a", 5, None, "")] == ["a", "5", "", ""]
    assert node().text("x") == ""
    assert [node(x=value).id("x") for value in ("a", 5)] == ["a", "5"]
    for value in (None, "", True, Decimal("1.5")):
        with pytest.raises(BadAnswer, match=r"x is .* and no id"):
            node(x=value).id("x")


@pytest.mark.parametrize("value", [None, True, "5", 5.0, Decimal("5.0")])
def test_a_whole_number_is_nothing_else(value: Any) -> None:
    with pytest.raises(BadAnswer, match="and no whole number"):
        node(x=value).whole("x")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_an_amount_is_read_exactly_from_text_and_from_json(amount: Decimal) -> None:
    """As `Response.json` reads it."""
    money = Money(amount=amount, currency="PLN")
    answer = Response(status=200, body=f'{{"text": "{amount:f}", "number": {amount:f}}}'.encode())
    assert Node.of(answer).amount("text", "PLN") == money
    assert Node.of(answer).amount("number", "PLN") == money


@given(st.integers(-(10**12), 10**12), st.sampled_from(["PLN", "JPY", "KWD"]))
def test_minor_and_major_units_meet(units: int, currency: str) -> None:
    money = Money.from_minor(node(x=units).whole("x"), currency)
    assert node(x=f"{money.amount:f}").amount("x", currency) == money


@given(st.floats())
def test_a_float_is_taken_only_where_it_is_exactly_what_it_says(value: float) -> None:
    said = repr(value)
    if fault_of(READERS["decimal"], node(x=value)) is None:
        assert node(x=value).decimal("x") == Decimal(said) == Decimal(value)
    else:
        assert "e" in said or "n" in said or Decimal(said) != Decimal(value)


@pytest.mark.parametrize(
    "value",
    [0.1, "12,50", " 1", "1_000", "1e5", "NaN", Decimal("NaN"), Decimal("Infinity"), "", ".5", "٣", True, None, [1]],
)
def test_what_is_no_exact_number_is_told(value: Any) -> None:
    with pytest.raises(BadAnswer, match=r"x is .* and no exact number"):
        node(x=value).amount("x", "PLN")


def test_a_currency_is_a_code() -> None:
    assert Node(ORDER, HERE).currency() == "PLN"
    for value in (None, "zloty", "pln"):
        with pytest.raises(BadAnswer, match=r"x: .* is no ISO 4217 code"):
            node(x=value).currency("x")


# --- times -----------------------------------------------------------------------------------------------------------

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(0, 2**35), OFFSETS)
def test_a_time_is_the_same_moment_in_utc(seconds: int, offset: timezone) -> None:
    moment = datetime.fromtimestamp(seconds, offset)
    read = node(x=moment.isoformat()).time("x")
    assert read == moment
    assert read.tzinfo is UTC


def test_the_first_time_that_is_there_counts() -> None:
    order = node(created=None, parent={"created": "2024-03-01T08:00:00+01:00"}, updated="2024-03-02T00:00:00Z")
    assert order.time("created", "parent.created", "updated") == datetime(2024, 3, 1, 7, tzinfo=UTC)
    assert order.time("elsewhere.created", "updated") == datetime(2024, 3, 2, tzinfo=UTC)
    with pytest.raises(BadAnswer, match=r"no time under created or elsewhere\.created\."):
        order.time("created", "elsewhere.created")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("yesterday", "'yesterday' is no time"),
        ("2024-03-01 08:30:00", "has no offset from UTC"),
        ("0001-01-01T00:00:00+14:00", "is no time"),
        (1_700_000_000, "'1700000000' is no time"),
    ],
)
def test_what_is_no_time_is_told(value: Any, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        node(x=value).time("x")


# --- objects and lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, [], {}, "", False])
def test_nothing_is_an_empty_object_and_an_empty_list(nothing: Any) -> None:
    assert node(x=nothing).child("x").value == {}
    assert node(x=nothing).children("x") == []


def test_a_list_that_is_needed_has_to_be_there() -> None:
    assert node(x=[]).children("x", needed=True) == []
    assert node(x=[1, "a"]).items("x") == [1, "a"]
    with pytest.raises(BadAnswer, match="x is None and no list of objects"):
        node().children("x", needed=True)
    with pytest.raises(BadAnswer, match=r"x is {} and no list"):
        node(x={}).items("x")
    with pytest.raises(BadAnswer, match=r"x is \[1\] and no list of objects"):
        node(x=[1]).children("x")
