"""How far the plugin has read lists that change while they are being read, so that no order is ever missed.

A sweep reads, shop by shop, the pending transfers and then the accepted orders.

Pages overlap. Each has to begin with something that was on the page before; otherwise the list shrank by more than the
overlap (others accept transfers all the time), and it is read again from its start. So all that stays listed is seen.

Accepted orders stay listed for ever, so only their newest end is read each time. Counting tells where to stop: where as
many orders as before stand behind one that the last sweep remembered, none came in behind it, however late it came.
What counting cannot tell, an order that leaves and another that comes in between two sweeps, both behind the newest
page, is found by the full reading of every hundredth sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

from crossdock.plugin import BadAnswer

PAGE = 50  # the limit that published clients use
OVERLAP = 10
REMEMBERED = 200  # newest orders per shop
FULL_EVERY = 100  # sweeps

Listing: TypeAlias = Literal["transfers", "orders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a list: its entries as they came, their ids, and how long the whole list is."""

    rows: tuple[Mapping[str, Any], ...]
    ids: list[str]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where the next page of a list begins, and what the page before showed and counted."""

    offset: int = 0
    known: list[str] = field(default_factory=list)
    total: int = 0

    def after(self, page: Page) -> Spot | None:
        """Return where to read on after this page (at the list's start if it has to be read again), None at its end.

        Raises:
            BadAnswer: the page is the one before once more, or shorter than its count allows.
        """
        if self.offset and (page.ids, page.total) == (self.known, self.total):
            raise BadAnswer(f"Miinto answered offset {self.offset} with the page before it.")
        if self.offset and (not page.ids or page.ids[0] not in self.known or page.ids == self.known):
            return Spot()
        end = self.offset + len(page.ids)
        if len(page.ids) < min(PAGE, page.total - self.offset):
            raise BadAnswer(f"Miinto counts {page.total} entries and shows only {end}.")
        return Spot(offset=end - OVERLAP, known=page.ids, total=page.total) if end < page.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a sweep has come; as JSON it is the cursor.

    Args:
        sweep: its number, from 0.
        shop, listing, spot: the list being read, and where in it.
        newest: the orders of this shop that this sweep has read, newest first, at most as many as are remembered.
        counted: how many orders this shop has, as the first page of them said.
        remembered: by shop, `ids` and `total`: what these two were in the last sweep.
        skus: by shop and Miinto's product id, what the product map said since the last full reading.
    """

    version: int = 1
    sweep: int = 0
    shop: str = ""
    listing: Listing = "transfers"
    spot: Spot = field(default_factory=Spot)
    newest: list[str] = field(default_factory=list)
    counted: int = 0
    remembered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    skus: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: Mapping[str, Any] | None) -> Place:
        """Return the place that a cursor names; without one, or with one of a later version, all is read again."""
        if not cursor or cursor["version"] != cls().version:
            return cls()
        return cls(**{**cursor, "spot": Spot(**cursor["spot"])})

    def cursor(self) -> dict[str, Any]:
        """Return the place as JSON."""
        return asdict(self)

    @property
    def full(self) -> bool:
        """Whether this sweep reads all orders and not the newest only."""
        return self.sweep % FULL_EVERY == 0

    @property
    def begins(self) -> bool:
        """Whether nothing of this sweep has been read."""
        return not self.shop

    def among(self, shops: Sequence[str]) -> Place:
        """Return this place, or where to read on if its shop is not one of these (any more)."""
        if self.shop in shops:
            return self
        return self._start(next((shop for shop in shops if shop > self.shop), shops[0]))

    def after(self, page: Page, shops: Sequence[str]) -> Place:
        """Return the place after this page; it is one of the next sweep when all shops are read."""
        spot = self.spot.after(page)
        if self.listing == "transfers":
            return replace(self, spot=spot) if spot else replace(self, listing="orders", spot=Spot())
        begun = self.spot.offset > 0
        newest = list(dict.fromkeys([*(self.newest if begun else ()), *page.ids]))
        # What comes in while the pages are read is not counted: it has to look new to the next sweep.
        counted = self.counted if begun else page.total
        behind = self._remembered_behind(page)
        if spot and (behind is None or not spot.offset):
            return replace(self, spot=spot, newest=newest[:REMEMBERED], counted=counted)
        memory = {"ids": list(dict.fromkeys([*newest, *(behind or ())]))[:REMEMBERED], "total": counted}
        return replace(self, remembered={**self.remembered, self.shop: memory})._next_shop(shops)

    def _remembered_behind(self, page: Page) -> list[str] | None:
        """Return what is remembered behind one of this page's orders if nothing new is behind it, else None."""
        memory = self.remembered.get(self.shop)
        if memory is None or self.full:
            return None
        ids: list[str] = memory["ids"]
        ranks = {order: rank for rank, order in enumerate(ids)}
        for position, order in enumerate(page.ids, self.spot.offset):
            if order in ranks and page.total - position <= memory["total"] - ranks[order]:
                return ids[ranks[order] + 1 :]
        return None

    def _next_shop(self, shops: Sequence[str]) -> Place:
        later = [shop for shop in shops if shop > self.shop]
        if later:
            return self._start(later[0])
        following = replace(self._start(""), sweep=self.sweep + 1)
        return replace(following, skus={}) if following.full else following

    def _start(self, shop: str) -> Place:
        return replace(self, shop=shop, listing="transfers", spot=Spot(), newest=[], counted=0)
