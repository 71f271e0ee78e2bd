"""Reading lists that change while they are being read, so that nothing that stays listed is ever missed.

A sweep reads one scope after another (a shop, a storefront), and in each the plugin's lists in the order it names them;
one call of `fetch_orders` reads one page. It is for platforms that count their lists and show them by offset.

Pages overlap. Each has to begin with something that was on the page before; otherwise the list shrank by more than the
overlap (others accept proposals all the time), and it is read again from its start. So all that stays listed is seen.

Some lists keep their entries for ever, so only their newest end is read each time. Counting tells where to stop: where
as many entries as before stand behind one that the last sweep remembered, none came in behind it, however late it came.
What counting cannot tell, an entry that leaves and another that comes in between two sweeps, both behind the newest
page, is found by the full reading of every hundredth sweep. What stands there as it was last read is no news: it need
not be understood anew each minute, as long as the cursor is kept together with what was read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from crossdock.core.reading import Node

OVERLAP: Final = 10
REMEMBERED: Final = 200  # newest entries of each list
FULL_EVERY: Final = 100  # sweeps


Row = TypeVar("Row")


# --- lists and pages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of a platform, in an order that stays the same from page to page.

    Args:
        name: the plugin's own.
        size: how many entries a page has, all but the last; more than `OVERLAP`.
        stays: whether its entries stay listed for ever, the newest first. Of such a list the newest end is read, all of
            it by a full sweep; any other is read whole each time.
    """

    name: str
    size: int
    stays: bool = False

    def __post_init__(self) -> None:
        if self.size <= OVERLAP:
            raise ValueError(f"pages of {self.size} entries cannot overlap by {OVERLAP}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage(Generic[Row]):
    """One answer of a list.

    Args:
        rows: its entries, in whatever shape the plugin works with. ids: what names them, one for each.
        total: how long the whole list is.
        answer: the answer, for its place in errors.
        prints: a `fingerprint` of each entry if the list stays; without them every entry is news.

    Raises:
        BadAnswer: an entry stands there twice, or the count is below zero.
    """

    rows: Sequence[Row]
    ids: list[str]
    total: int
    answer: Node
    prints: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(set(self.ids)) < len(self.ids):
            raise self.answer.fault("an entry stands there twice")
        if self.total < 0:
            raise self.answer.fault(f"it counts {self.total} entries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where the next page of a list begins, and what the page before showed and counted."""

    offset: int = 0
    known: list[str] = field(default_factory=list)
    total: int = 0

    def after(self, page: ListPage[Any], size: int) -> Spot | None:
        """Return where to read on after this page (at the list's start if it has to be read again), None at its end.

        Raises:
            BadAnswer: the page is the one before once more, or shorter than its count allows.
        """
        if self.offset and (page.ids, page.total) == (self.known, self.total):
            raise page.answer.fault(f"offset {self.offset} shows the page before it once more")
        if self.offset and (not page.ids or page.ids[0] not in self.known or page.ids == self.known):
            return Spot()
        end = self.offset + len(page.ids)
        if len(page.ids) < min(size, page.total - self.offset):
            raise page.answer.fault(f"it counts {page.total} entries and shows only {end}")
        return Spot(offset=end - OVERLAP, known=page.ids, total=page.total) if end < page.total else None


def fingerprint(entry: object) -> str:
    """Return a short text that is another one as soon as anything in an entry, a JSON value, is."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]


def read_list(
    read: Callable[[int], ListPage[Row]], size: int, enough: Callable[[ListPage[Row]], bool] = lambda page: False
) -> list[Row]:
    """Read a whole list at once, or as far as the page that is enough; an entry that moves meanwhile is there once.

    Args:
        read: reads the page that begins at an offset.
        size: how many entries a page has, all but the last.
        enough: whether nothing behind this page is wanted.

    Raises:
        BadAnswer: see `Spot.after`.
    """
    rows: dict[str, Row] = {}
    spot: Spot | None = Spot()
    while spot:
        page = read(spot.offset)
        rows |= dict(zip(page.ids, page.rows, strict=True))
        spot = None if enough(page) else spot.after(page, size)
    return list(rows.values())


# --- sweeps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How far a sweep has come.

    In `fetch_orders`:

        sweep = Sweep.read(LISTS, cursor).among(shops)
        page = ...  # of the list sweep.listing of the shop sweep.scope, from sweep.spot.offset on
        following = sweep.after(page, shops)
        return OrderPage(
            orders=...,  # made of sweep.news(page)
            cursor=following.cursor(),
            more=not following.begins,
            sweep="complete" if following.begins else None,
        )

    Args:
        lists: what is read in each scope, in this order.
        number: of the sweep, from 0.
        begins: whether nothing of this sweep has been read; scope and spot say nothing then.
        scope, listing, spot: the list being read, and where in it.
        newest: what this sweep has read of this list if it stays, newest first, at most as many as are remembered.
        counted: how long this list is if it stays, as its first page said.
        prints: of the newest, by id.
        remembered: by listing and scope, `ids`, `total` and `prints`: what these three were in the last sweep.
    """

    lists: Sequence[Listing]
    number: int = 0
    begins: bool = True
    scope: str = ""
    listing: Listing
    spot: Spot = field(default_factory=Spot)
    newest: list[str] = field(default_factory=list)
    counted: int = 0
    prints: Mapping[str, str] = field(default_factory=dict)
    remembered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, lists: Sequence[Listing], cursor: Mapping[str, Any] | None) -> Sweep:
        """Return the sweep that a cursor tells of; without one, or one of another version or list, all is read again.

        Args:
            lists: what is read in each scope, in this order.
            cursor: what `cursor` returned after the page before.
        """
        named = {listing.name: listing for listing in lists}
        if not cursor or cursor["version"] != 1 or cursor["listing"] not in named:
            return cls(lists=lists, listing=lists[0])
        kept = {name: value for name, value in cursor.items() if name != "version"}
        return cls(**{**kept, "lists": lists, "listing": named[cursor["listing"]], "spot": Spot(**cursor["spot"])})

    def cursor(self) -> dict[str, Any]:
        """Return what `read` needs to go on, as JSON: a plugin's cursor, or, under a name, a part of it."""
        return {  # named one by one: `asdict` copies thousands of ids
            "version": 1,
            "number": self.number,
            "begins": self.begins,
            "scope": self.scope,
            "listing": self.listing.name,
            "spot": {"offset": self.spot.offset, "known": self.spot.known, "total": self.spot.total},
            "newest": self.newest,
            "counted": self.counted,
            "prints": self.prints,
            "remembered": self.remembered,
        }

    @property
    def full(self) -> bool:
        """Whether this sweep reads all of each list, and not the newest end of those that stay."""
        return self.number % FULL_EVERY == 0

    def among(self, scopes: Collection[str]) -> Sweep:
        """Return this sweep, at the next scope if it begins or its scope is not one of these (any more).

        Args:
            scopes: what there is to read now, at least one; an empty text names an account without scopes.
        """
        if self.begins:
            return self._at(min(scopes), self.lists[0])
        if self.scope in scopes:
            return self
        return self._at(min(self._later(scopes) or scopes), self.lists[0])

    def after(self, page: ListPage[Any], scopes: Collection[str]) -> Sweep:
        """Return the sweep after this page; it is the next one and `begins` when all scopes are read.

        Args:
            page: of this list, from this spot on.
            scopes: as for `among`.

        Raises:
            BadAnswer: see `Spot.after`.
        """
        spot = self.spot.after(page, self.listing.size)
        if not self.listing.stays:
            return replace(self, spot=spot) if spot else self._next(scopes)
        begun = self.spot.offset > 0
        newest = list(dict.fromkeys([*(self.newest if begun else ()), *page.ids]))
        prints = {**(self.prints if begun else {}), **dict(zip(page.ids, page.prints, strict=False))}
        # What comes in while the pages are read is not counted: it has to look new to the next sweep.
        counted = self.counted if begun else page.total
        behind = self._remembered_behind(page)
        if spot and (behind is None or not spot.offset):
            newest = newest[:REMEMBERED]
            prints = {name: prints[name] for name in newest if name in prints}
            return replace(self, spot=spot, newest=newest, counted=counted, prints=prints)
        ids = list(dict.fromkeys([*newest, *(behind or ())]))[:REMEMBERED]
        known = {**self._known_prints, **prints}
        memory = {"ids": ids, "total": counted, "prints": {name: known[name] for name in ids if name in known}}
        return replace(self, remembered={**self.remembered, self._key: memory})._next(scopes)

    def news(self, page: ListPage[Row]) -> list[Row]:
        """Return the entries of a page that are new or say something else than when they were last read.

        Of a list that does not stay, and in a full sweep, that is all of them.

        Args:
            page: of this list, from this spot on.
        """
        if not self.listing.stays or self.full or not page.prints:
            return list(page.rows)
        known = {**self._known_prints, **self.prints}
        entries = zip(page.ids, page.prints, page.rows, strict=True)
        return [row for name, mark, row in entries if known.get(name) != mark]

    @property
    def _known_prints(self) -> Mapping[str, str]:
        prints: Mapping[str, str] = self.remembered.get(self._key, {}).get("prints", {})
        return prints

    @property
    def _key(self) -> str:
        return f"{self.listing.name} {self.scope}"

    def _remembered_behind(self, page: ListPage[Any]) -> list[str] | None:
        """Return what is remembered behind one of this page's entries if nothing new is behind it, else None."""
        memory = self.remembered.get(self._key)
        if memory is None or self.full:
            return None
        ids: list[str] = memory["ids"]
        ranks = {name: rank for rank, name in enumerate(ids)}
        for position, name in enumerate(page.ids, self.spot.offset):
            if name in ranks and page.total - position <= memory["total"] - ranks[name]:
                return ids[ranks[name] + 1 :]
        return None

    def _next(self, scopes: Collection[str]) -> Sweep:
        """Return the sweep at the list after this one, in the next scope after the last list."""
        later_lists = self.lists[self.lists.index(self.listing) + 1 :]
        if later_lists:
            return self._at(self.scope, later_lists[0])
        if later := self._later(scopes):
            return self._at(min(later), self.lists[0])
        return replace(self._at("", self.lists[0]), number=self.number + 1, begins=True)

    def _later(self, scopes: Collection[str]) -> list[str]:
        return [scope for scope in scopes if scope > self.scope]

    def _at(self, scope: str, listing: Listing) -> Sweep:
        return replace(self, begins=False, scope=scope, listing=listing, spot=Spot(), newest=[], counted=0, prints={})
