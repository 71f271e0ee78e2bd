"""The list of items, and how their checks say what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from crossdock.testing.rehearsal import Rehearsal

Check = Callable[["Rehearsal"], None]
Error = TypeVar("Error", bound=Exception)

ID = re.compile(r"[a-z]+(\.[a-z]+(-[a-z]+)*)+")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is expected.

    Args:
        id: stable, in words joined by dots and hyphens, such as `stock.lowering-first`.
        sentence: what is expected.
        reason: why, or what went wrong where it was not so.
        since: the contract version it came with.
        function: judges a rehearsal, and raises AssertionError where it falls short.
    """

    id: str
    sentence: str
    reason: str
    since: int
    function: Check = field(repr=False, compare=False)

    def check(self, rehearsal: Rehearsal) -> int:
        """Judge a fresh rehearsal, and return how many exchanges with the platform were judged.

        Raises:
            AssertionError: with id, sentence and what was found; also where nothing at all reached the platform.
        """
        begin = len(rehearsal.twin.traffic)
        try:
            self.function(rehearsal)
        except AssertionError as error:
            raise AssertionError(f"{self.id}: {self.sentence}\n  {error}") from error
        judged = len(rehearsal.twin.traffic) - begin
        if not judged:
            raise AssertionError(f"{self.id}: {self.sentence}\n  Nothing reached the platform, so nothing was judged.")
        return judged


ITEMS: list[Item] = []


def add(item: Item) -> None:
    """Put an item on the list.

    Raises:
        ValueError: its id is taken or malformed, or sentence or reason is no sentence.
    """
    if not ID.fullmatch(item.id):
        raise ValueError(f"{item.id!r} is no id such as stock.lowering-first")
    if any(item.id == known.id for known in ITEMS):
        raise ValueError(f"there are two items {item.id}")
    for text in (item.sentence, item.reason):
        if not re.fullmatch(r"[A-Z0-9][^\n]*\.", text):
            raise ValueError(f"{item.id}: {text!r} is no sentence")
    ITEMS.append(item)


def item(id: str, sentence: str, reason: str, since: int = 1) -> Callable[[Check], Check]:
    """Make an item of a function that judges a rehearsal; see `Item`."""

    def register(function: Check) -> Check:
        add(Item(id, sentence, reason, since, function))
        return function

    return register


def find(id: str) -> Item:
    """Return the item with this id.

    Raises:
        KeyError: there is none.
    """
    for known in ITEMS:
        if known.id == id:
            return known
    raise KeyError(f"there is no item {id!r}")


# --- saying what is wrong --------------------------------------------------------------------------------------------
# Not by `assert`, which `python -O` leaves out.


def same(what: str, found: object, expected: object) -> None:
    """Fail unless two values are equal."""
    if found != expected:
        raise AssertionError(f"{what}: {found!r} in place of {expected!r}.")


def holds(what: str, truth: object) -> None:
    """Fail with this sentence unless something is true."""
    if not truth:
        raise AssertionError(f"Not so: {what}.")


def fails(kind: type[Error], what: str, action: Callable[[], object]) -> Error:
    """Return the error that an action ends with; fail if it ends well."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"{what} went well in place of failing with {kind.__name__}.")
