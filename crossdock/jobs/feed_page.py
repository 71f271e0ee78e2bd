"""Which of some offers stand in the offers file, and as what.

What stands there and did not change is copied from the version that is out. An offer that is out and turns faulty
keeps its last valid row, with its stock as it is now; one that the seller ended stays with stock 0 for a while.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from crossdock.core.model import FaultCode, Feed, FieldFault, FieldKind, minor_digits
from crossdock.core.store import feed_rows
from crossdock.core.store.feed_rows import Effect, Fields, FreshRow, Head, Told
from crossdock.core.store.resolved import NOT_RESOLVED
from crossdock.feeds.checks import Checker, Keys, fault
from crossdock.feeds.files import Item, Previous
from crossdock.feeds.rendering import BATCH, Renderer


@dataclass(slots=True)
class Row:
    """An offer that goes out.

    Args:
        item: whose bytes, made of which row and units; its length is not known before they are there.
        fields: to be rendered; None where the bytes are copied.
        data: the bytes.
        before: the bytes in the version that is out; None where it is new there.
    """

    item: Item
    fields: Mapping[str, str] | None
    data: bytes | None
    before: bytes | None


@dataclass(slots=True)
class Page:
    """What becomes of some offers: rows that go out, and what the store has to remember once they are out."""

    rows: list[Row] = field(default_factory=list)
    fresh: list[FreshRow] = field(default_factory=list)
    told: dict[int, Told] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    def count(self) -> dict[str, int]:
        """Return how many offers became what."""
        effects = Counter(effect for effect, _ in self.told.values())
        new = sum(row.before is None for row in self.rows)
        same = sum(row.before == row.data for row in self.rows)
        return {
            "new": new,
            "changed": len(self.rows) - new - same,
            "unchanged": same,
            "removed": len(self.removed),
            **{effect.value: effects[effect] for effect in Effect},
        }


class Sorter:
    """Decides about one page of offers after another, in the order of their numbers.

    Args:
        feed: what the file looks like.
        market: of the feed.
        previous: the version that is out.
        claimed: keys of the rows that are out; what is new must not take one of them.
        now: when the build began.
        anew: whether rows that did not change are checked again.

    Attributes:
        anew: the same.
    """

    def __init__(
        self, feed: Feed, market: str, previous: Previous, claimed: Keys, now: datetime, *, anew: bool
    ) -> None:
        self._feed = feed
        self._market = market
        self._checker = Checker(feed)
        self._previous = previous
        self._claimed = claimed
        self._seen = Keys(len(claimed))
        self._now = now
        self.anew = anew
        self._found: dict[int, tuple[Item, bytes] | None] = {}
        self._prices = [
            (item.name, -minor_digits(str(item.currency)) if item.minor else 0, str(item.currency))
            for item in feed.fields
            if item.kind is FieldKind.PRICE and item.market in (None, market)
        ]
        self._others = {item.name for item in feed.fields if item.market not in (None, market)}
        self._told: Collection[int] = ()
        self._stock = next((item for item in feed.fields if item.kind is FieldKind.STOCK), None)

    def look(self, heads: Sequence[Head], units: Mapping[int, int | None], told: Collection[int]) -> list[int]:
        """Find the next offers in the version that is out; return those whose rows are needed to decide about them.

        Args:
            heads: the offers.
            units: what can be sold, by variant; None where nobody counted.
            told: those of them that had faults the last time.
        """
        self._told = told
        self._found = {head.offer_id: self._previous.find(head.offer_id) for head in heads if head.live}
        return [head.offer_id for head in heads if head.live and not self._copies(head, units[head.variant_id])]

    def sort(self, heads: Sequence[Head], units: Mapping[int, int | None], published: Mapping[int, Fields]) -> Page:
        """Decide about the offers that were looked at last.

        Args:
            heads: the offers.
            units: what can be sold, by variant; None where nobody counted.
            published: the rows as they are out, by offer; those that `look` asked for.
        """
        page = Page()
        for head in heads:
            known = units[head.variant_id] if self._stock else 0
            if head.ended:
                self._end(page, head, published)
            elif known is not None and self._settled(head):
                self._keep(page, head, known, published)
            else:
                self._judge(page, head, known, published)
        return page

    def _settled(self, head: Head) -> bool:
        """Whether an offer needs no new look at what it says."""
        return head.settled and not self.anew and head.offer_id not in self._told

    # --- one offer

    def _end(self, page: Page, head: Head, published: Mapping[int, Fields]) -> None:
        if head.row_ended_at is None:
            page.ended.append(head.offer_id)
        elif self._now - head.row_ended_at >= self._feed.after_end:
            page.removed.append(head.offer_id)
            return
        self._keep(page, head, 0, published)

    def _keep(self, page: Page, head: Head, units: int, published: Mapping[int, Fields]) -> None:
        """Let a row go out again as it is out, with other units."""
        if not head.ended and head.row_ended_at is not None:
            page.revived.append(head.offer_id)
        found = self._found.get(head.offer_id)
        if found and (found[0].hash, found[0].units) == (head.row_hash, units):
            self._out(page, head, Row(found[0], None, found[1], found[1]))
            return
        fields = self._published(published[head.offer_id], units)
        item = Item(head.offer_id, str(head.row_hash), units, self._checker.key(fields), 0)
        self._out(page, head, Row(item, fields, None, found[1] if found else b""))

    def _judge(self, page: Page, head: Head, units: int | None, published: Mapping[int, Fields]) -> None:
        fields, faults = self._resolved(head, units, published)
        elsewhere = [wrong for wrong in faults if wrong.field in self._others]
        faults = [wrong for wrong in faults if wrong.field not in self._others]
        fields |= {wrong.field: "" for wrong in elsewhere}
        key = self._checker.key(fields)
        if head.live:
            before = self._published(published[head.offer_id], 0)
            named = {wrong.field for wrong in faults}
            faults += (wrong for wrong in self._checker.thaws(before, fields) if wrong.field not in named)
            mine = self._checker.key(before)
        else:
            mine = 0
        if not faults and key and key != mine and not self._claimed.add(key):
            faults.append(self._checker.not_unique(fields))
        if faults:
            page.told[head.offer_id] = (Effect.KEPT_BACK if head.live else Effect.LEFT_OUT, tuple(faults))
            if head.live:
                self._keep(page, head, self._shown(head) if units is None else units, published)
            return
        if elsewhere:
            page.told[head.offer_id] = (Effect.NOT_IN_MARKET, tuple(elsewhere))
        if head.row_ended_at is not None:
            page.revived.append(head.offer_id)
        found = self._found.get(head.offer_id)
        item = Item(head.offer_id, str(head.hash), units or 0, key, 0)
        row = Row(item, fields, None, found[1] if found else b"" if head.live else None)
        if self._out(page, head, row) and head.hash != head.row_hash:
            page.fresh.append(self._fresh(head, fields))

    def _shown(self, head: Head) -> int:
        """Return the units that stand in the file: where nobody has counted any more, nothing else is told."""
        found = self._found.get(head.offer_id)
        return found[0].units if found else 0

    def _out(self, page: Page, head: Head, row: Row) -> bool:
        key = row.item.key
        if key and not self._seen.add(key):
            # Two rows that are out have become one, because what must be unique is reckoned in another way now.
            fields = row.fields or {}
            page.told[head.offer_id] = (Effect.LEFT_OUT, (self._checker.not_unique(fields),))
            if head.live:
                page.removed.append(head.offer_id)
            return False
        page.rows.append(row)
        return True

    # --- what an offer says

    def _resolved(
        self, head: Head, units: int | None, published: Mapping[int, Fields]
    ) -> tuple[Fields, list[FieldFault]]:
        """Return the fields of an offer and all that is wrong with them; one fault for each field."""
        if head.hash is None or head.faults is None:
            return self._filled({}, units or 0)[0], [NOT_RESOLVED]
        said = published[head.offer_id] if head.fields is None else json.loads(head.fields)
        fields, unclean = self._filled(said, units or 0)
        faults = list(feed_rows.resolved_faults(head.faults)) if head.faults != feed_rows.NO_FAULTS else []
        if units is None and self._stock:
            faults.append(fault(FaultCode.NO_STOCK, self._stock))
        named = {wrong.field for wrong in faults}
        faults += (wrong for wrong in (*unclean, *self._checker.faults(fields)) if wrong.field not in named)
        return fields, faults

    def _published(self, fields: Mapping[str, str], units: int) -> Fields:
        """Return a row as it is out, with these units."""
        filled = self._filled(fields, units)[0]
        if self._others:
            filled |= {wrong.field: "" for wrong in self._checker.faults(filled) if wrong.field in self._others}
        return filled

    def _filled(self, fields: Mapping[str, str], units: int) -> tuple[Fields, list[FieldFault]]:
        filled = self._checker.fill(fields, units)
        return filled, list(self._checker.clean(filled))

    def key_of(self, fields: Mapping[str, str]) -> int:
        """Return what must be unique of a row as it is out."""
        return self._checker.key(self._published(fields, 0))

    def _copies(self, head: Head, units: int | None) -> bool:
        """Whether the bytes of an offer can be copied without a look at what it says."""
        if not head.ended and not self._settled(head):
            return False
        found = self._found[head.offer_id]
        shown = 0 if head.ended or not self._stock else units
        return found is not None and (found[0].hash, found[0].units) == (head.row_hash, shown)

    def _fresh(self, head: Head, fields: Fields) -> FreshRow:
        keys = {name: fields[of] for name, of in self._feed.keys.items()} if self._feed.keys else None
        return FreshRow(head.offer_id, str(head.hash), str(head.fields), self._price(fields), keys)

    def _price(self, fields: Fields) -> tuple[str, str] | None:
        """Return what a buyer pays, amount and currency: the lowest of an offer's prices in the feed's market."""
        found = [
            (Decimal(text).scaleb(places), currency)
            for name, places, currency in self._prices
            if (text := fields[name])
        ]
        return (str(min(found)[0]), min(found)[1]) if found else None


def render(rows: Sequence[Row], renderer: Renderer) -> None:
    """Give rows their bytes where they are not copied; some are rendered at a time."""
    waiting = [row for row in rows if row.data is None]
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        for row, data in zip(batch, renderer([row.fields or {} for row in batch]), strict=True):
            row.data = data
