"""One result for each item of a batch, whatever the platform refuses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.errors import NotFound, Rejected, Unavailable
from crossdock.core.model import Offer, RemoteId, Result, StatusUpdate, StockLevel
from crossdock.core.results import refused, send_batch


def level(number: int) -> StockLevel:
    return StockLevel(offer=Offer(id=str(number), sku=f"S{number}", market="pl"), quantity=number, warehouse="w1")


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_what_is_refused_holds_back_nothing_else(numbers: set[int], unknown: set[int]) -> None:
    taken: list[int] = []

    def send(levels: Sequence[StockLevel]) -> None:
        if bad := [level.quantity for level in levels if level.quantity in unknown]:
            raise Rejected("They are not known.", words=f"unknown: {bad}")
        taken.extend(level.quantity for level in levels)

    results = send_batch([level(number) for number in sorted(numbers)], send)
    assert [result.item for result in results] == [str(number) for number in sorted(numbers)]
    assert {int(result.item) for result in results if result.accepted} == numbers - unknown == {*taken}
    assert len(taken) == len({*taken})
    assert all(result.words == f"unknown: [{result.item}]" for result in results if not result.accepted)


def test_items_that_are_taken_together_are_sent_once() -> None:
    sent: list[int] = []
    results = send_batch([level(1), level(2)], lambda levels: sent.append(len(levels)))
    assert sent == [2]
    assert results == [Result(item=number, warehouse="w1", accepted=True) for number in ("1", "2")]


def test_any_other_error_is_raised() -> None:
    def send(levels: Sequence[StockLevel]) -> None:
        raise Unavailable("Not now.")

    with pytest.raises(Unavailable):
        send_batch([level(1)], send)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Rejected("No.", code="E7", status=400, words="too many"), "E7", "too many"),
        (NotFound("No such thing.", status=404), "404", "No such thing."),
        (Rejected("Not sent."), "", "Not sent."),
    ],
)
def test_a_refusal_keeps_the_platforms_code_and_words(error: Rejected, code: str, words: str) -> None:
    update = StatusUpdate(order=RemoteId(kind="order", value="12"))
    assert refused(update, error) == Result(item="12", accepted=False, code=code, words=words)
    assert refused(level(3), error) == Result(item="3", warehouse="w1", accepted=False, code=code, words=words)
