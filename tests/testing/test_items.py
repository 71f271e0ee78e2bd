"""The list of items itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crossdock.core.model import CONTRACT
from crossdock.testing import ITEMS, Item, Rehearsal, find
from crossdock.testing.faults import ACCEPTING, CONNECTING, PUSHING, READING
from crossdock.testing.items import add
from crossdock.twins.kit import FaultKind

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def item(**changes: object) -> Item:
    values = {"id": "one.more", "sentence": "It is so.", "reason": "It was not.", "since": 1}
    return Item(**{**values, "function": lambda rehearsal: None, **changes})  # type: ignore[arg-type]  # wrong on purpose


def test_ids_are_unique() -> None:
    ids = [known.id for known in ITEMS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("known", ITEMS, ids=[known.id for known in ITEMS])
def test_an_item_says_what_and_why_in_a_sentence(known: Item) -> None:
    for text in (known.sentence, known.reason):
        assert re.fullmatch(r"[A-Z0-9][^|\n]+[^.]\.", text)
        assert len(text) < 250
    assert 1 <= known.since <= CONTRACT
    assert find(known.id) is known


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "accept.won"},
        {"id": "nothing"},
        {"id": "Accept.Won"},
        {"sentence": "No period"},
        {"reason": "no capital."},
    ],
    ids=str,
)
def test_a_malformed_or_second_item_is_refused(wrong: dict[str, str]) -> None:
    before = len(ITEMS)
    with pytest.raises(ValueError, match=r"no id|two items|no sentence"):
        add(item(**wrong))
    assert len(ITEMS) == before


def test_nobody_finds_what_is_not_there() -> None:
    with pytest.raises(KeyError, match="no item"):
        find("one.more")


def test_every_fault_is_judged_wherever_it_makes_sense() -> None:
    after_a_write = {FaultKind.ERROR_AFTER_WRITE, FaultKind.RESET_AFTER_WRITE}
    everywhere = {*FaultKind} - after_a_write - {FaultKind.REPEAT_PAGE, FaultKind.HALF_ACCEPTED}
    assert set(READING) == everywhere
    assert set(PUSHING) == everywhere | after_a_write | {FaultKind.HALF_ACCEPTED}
    assert set(ACCEPTING) == everywhere | after_a_write
    # A test opens a session of its own, and a slow one is still an answer.
    assert set(CONNECTING) == everywhere - {FaultKind.EXPIRED_TOKEN, FaultKind.SLOW_BODY}
    assert find("fault.repeat-page.orders")


def test_an_item_that_judged_nothing_fails(rehearsal: Rehearsal) -> None:
    with pytest.raises(AssertionError, match=r"^one\.more: It is so\.\n  Nothing reached the platform"):
        item().check(rehearsal)


def test_the_page_lists_every_item() -> None:
    rows = re.findall(r"^\| `(.+)` \| (.+) \| (.+) \| (\d+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((known.id, known.sentence, known.reason, str(known.since)) for known in ITEMS)
