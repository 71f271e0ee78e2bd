"""What stands in an offers file, row by row, and what does not stand there and why.

A row is the last valid one of its offer, as published, without its stock. Rows go from the resolved offers into
`feed_rows` as the JSON text that they are, so that a build looks into those only that changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import Text, and_, bindparam, case, cast, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from crossdock.core.model import FaultCode, FieldFault
from crossdock.core.store.engine import IDS, Read, Write, in_parts
from crossdock.core.store.offers import OfferState
from crossdock.core.store.tables import feed_faults, feed_rows, offers, resolved_offers, variants
from crossdock.core.store.types import Json

NO_FAULTS: Final = "[]"

Fields = dict[str, str]


class Head(NamedTuple):
    """An offer as a build sees it first.

    Args:
        state: of the offer. hash: of what was resolved for it; None where nothing was yet.
        row_hash: of its row in the file; None where it has none. row_ended_at: since when that goes out with stock 0.
        fields: JSON text of what was resolved; None where it stands in the file already.
        faults: JSON text of what was found wrong when it was resolved.
    """

    offer_id: int
    variant_id: int
    sku: str
    state: str
    hash: str | None
    row_hash: str | None
    row_ended_at: datetime | None
    fields: str | None
    faults: str | None

    @property
    def live(self) -> bool:
        """Whether it stands in the file."""
        return self.row_hash is not None

    @property
    def ended(self) -> bool:
        """Whether the seller has ended it."""
        return self.state != OfferState.LISTED

    @property
    def settled(self) -> bool:
        """Whether its row in the file is what was resolved."""
        return self.fields is None and self.hash is not None and self.faults == NO_FAULTS


class FreshRow(NamedTuple):
    """A row that is new in the file or says something else: JSON text of its fields, hash, price (as texts), keys."""

    offer_id: int
    hash: str
    fields: str
    price: tuple[str, str] | None = None
    keys: Mapping[str, str] | None = None


class Effect(StrEnum):
    """What faults do to an offer; closed: it is not in the file, stands in it as it was, or not for one market."""

    LEFT_OUT = "left_out"
    KEPT_BACK = "kept_back"
    NOT_IN_MARKET = "not_in_market"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFault:
    """What is wrong with one offer, and what comes of it."""

    offer_id: int
    sku: str
    effect: Effect
    fault: FieldFault


# --- reading ---------------------------------------------------------------------------------------------------------

_RESOLVED: Final = cast(resolved_offers.c.fields, Text)
_SAME: Final = feed_rows.c.hash == resolved_offers.c.hash
_JOINED: Final = (
    offers.join(variants, variants.c.id == offers.c.variant_id)
    .outerjoin(resolved_offers, resolved_offers.c.offer_id == offers.c.id)
    .outerjoin(feed_rows, feed_rows.c.offer_id == offers.c.id)
)
_CONCERNED: Final = and_(
    offers.c.account == bindparam("of"),
    offers.c.market == bindparam("where"),
    or_(offers.c.state == OfferState.LISTED.value, feed_rows.c.offer_id.is_not(None)),
)


def count(tx: Read, account: str, market: str) -> int:
    """Return how many offers a build has to look at."""
    query = select(func.count()).select_from(_JOINED).where(_CONCERNED)
    return int(tx.execute(query, {"of": account, "where": market}).scalar_one())


def heads(tx: Read, account: str, market: str, *, after: int, limit: int = 1000, anew: bool = False) -> list[Head]:
    """Return one page of the offers that are listed or stand in the file, in the order of their numbers.

    Args:
        tx: a transaction.
        account: whose.
        market: of the feed.
        after: the last number of the page before.
        limit: how many at most.
        anew: give the fields of all, also of those that stand in the file as they are.
    """
    columns = (
        offers.c.id,
        offers.c.variant_id,
        variants.c.sku,
        offers.c.state,
        resolved_offers.c.hash,
        feed_rows.c.hash,
        feed_rows.c.ended_at,
        _RESOLVED if anew else case((_SAME, None), else_=_RESOLVED),
        cast(resolved_offers.c.faults, Text),
    )
    query = select(*columns).select_from(_JOINED).where(_CONCERNED, offers.c.id > after)
    found = tx.execute(query.order_by(offers.c.id).limit(limit), {"of": account, "where": market})
    return [Head(*row) for row in found]


def fields_of(tx: Read, offer_ids: Iterable[int]) -> dict[int, Fields]:
    """Return the rows of these offers as they were published."""
    found: dict[int, Fields] = {}
    for part in in_parts(offer_ids):
        query = select(feed_rows.c.offer_id, feed_rows.c.fields).where(feed_rows.c.offer_id.in_(part))
        found.update((row[0], row[1]) for row in tx.execute(query))
    return found


def all_fields(tx: Read, account: str, market: str) -> Iterator[tuple[int, Fields]]:
    """Yield every row of a file, page by page, in the order of offers."""
    after = 0
    while True:
        query = select(feed_rows.c.offer_id, feed_rows.c.fields).where(
            feed_rows.c.account == account, feed_rows.c.market == market, feed_rows.c.offer_id > after
        )
        rows = tx.execute(query.order_by(feed_rows.c.offer_id).limit(1000)).all()
        if not rows:
            return
        yield from ((row[0], row[1]) for row in rows)
        after = rows[-1][0]


# --- writing ---------------------------------------------------------------------------------------------------------

_RAW: Final = cast(bindparam("raw", type_=Text()), Json())
_SAVE: Final = upsert(feed_rows).values(
    offer_id=bindparam("offer"),
    account=bindparam("of"),
    market=bindparam("where"),
    fields=_RAW,
    hash=bindparam("of_fields"),
    live_since=bindparam("now"),
    ended_at=None,
)
_SAVE_OVER: Final = _SAVE.on_conflict_do_update(
    index_elements=["offer_id"], set_={"fields": _SAVE.excluded.fields, "hash": _SAVE.excluded.hash, "ended_at": None}
)
_RESOLVED_ROWS: Final = select(
    resolved_offers.c.offer_id,
    bindparam("of", type_=feed_rows.c.account.type),
    bindparam("where", type_=feed_rows.c.market.type),
    resolved_offers.c.fields,
    resolved_offers.c.hash,
    bindparam("now", type_=feed_rows.c.live_since.type),
).where(resolved_offers.c.offer_id.in_(IDS))
_COPY: Final = upsert(feed_rows).from_select(
    ["offer_id", "account", "market", "fields", "hash", "live_since"], _RESOLVED_ROWS
)
_COPY_OVER: Final = _COPY.on_conflict_do_update(
    index_elements=["offer_id"], set_={"fields": _COPY.excluded.fields, "hash": _COPY.excluded.hash, "ended_at": None}
)
_KEYS: Final = bindparam("found_by", type_=offers.c["keys"].type)
_TELL: Final = (
    update(offers)
    .where(offers.c.id == bindparam("offer"))
    .values(
        exported_price=func.coalesce(bindparam("amount", type_=offers.c.exported_price.type), offers.c.exported_price),
        exported_currency=func.coalesce(bindparam("currency", type_=Text()), offers.c.exported_currency),
        exported_at=bindparam("now"),
        keys=func.coalesce(_KEYS, offers.c["keys"]),
    )
)


def save(tx: Write, account: str, market: str, fresh: Sequence[FreshRow]) -> None:
    """Keep rows that go out, and with their offers the price and the keys that stand there."""
    if not fresh:
        return
    for start in range(0, len(fresh), 500):
        _copy(tx, account, market, fresh[start : start + 500])
    tx.execute(_TELL, [_told_of(row, tx.now) for row in fresh])


def _copy(tx: Write, account: str, market: str, fresh: Sequence[FreshRow]) -> None:
    """Let the database copy the rows from what was resolved; what was resolved anew meanwhile is written by itself."""
    ids = [row.offer_id for row in fresh]
    tx.execute(_COPY_OVER, {"ids": ids, "of": account, "where": market, "now": tx.now})
    query = select(feed_rows.c.offer_id, feed_rows.c.hash).where(feed_rows.c.offer_id.in_(ids))
    there = {row.offer_id: row.hash for row in tx.execute(query)}
    place = {"of": account, "where": market, "now": tx.now}
    others = [row for row in fresh if there.get(row.offer_id) != row.hash]
    if others:
        rows = [{"offer": row.offer_id, "raw": row.fields, "of_fields": row.hash, **place} for row in others]
        tx.execute(_SAVE_OVER, rows)


def _told_of(row: FreshRow, now: datetime) -> dict[str, Any]:
    amount, currency = (Decimal(row.price[0]), row.price[1]) if row.price else (None, None)
    return {"offer": row.offer_id, "amount": amount, "currency": currency, "now": now, "found_by": row.keys}


def end(tx: Write, offer_ids: Iterable[int]) -> None:
    """Remember that these rows go out with stock 0 from now on."""
    _change(tx, offer_ids, feed_rows.c.ended_at.is_(None), ended_at=tx.now)


def revive(tx: Write, offer_ids: Iterable[int]) -> None:
    """Remember that these rows go out with their stock again."""
    _change(tx, offer_ids, feed_rows.c.ended_at.is_not(None), ended_at=None)


def _change(tx: Write, offer_ids: Iterable[int], condition: Any, **values: Any) -> None:
    for part in in_parts(offer_ids):
        tx.execute(update(feed_rows).where(feed_rows.c.offer_id.in_(part), condition).values(**values))


def remove(tx: Write, offer_ids: Iterable[int]) -> None:
    """Forget rows that left the file."""
    for part in in_parts(offer_ids):
        tx.execute(delete(feed_rows).where(feed_rows.c.offer_id.in_(part)))


# --- faults ----------------------------------------------------------------------------------------------------------

Told = tuple[Effect, tuple[FieldFault, ...]]
"""What comes of an offer's faults, and what they are."""


def told(tx: Read, account: str, market: str, *, after: int, upto: int | None) -> dict[int, Told]:
    """Return what is kept of the faults of offers in a range of numbers, `upto` None for no end."""
    query = select(feed_faults).where(
        feed_faults.c.account == account, feed_faults.c.market == market, feed_faults.c.offer_id > after
    )
    query = query if upto is None else query.where(feed_faults.c.offer_id <= upto)
    found: dict[int, Told] = {}
    for row in tx.execute(query.order_by(feed_faults.c.id)):
        before = found[row.offer_id][1] if row.offer_id in found else ()
        found[row.offer_id] = (Effect(row.effect), (*before, _fault(row)))
    return found


def tell(tx: Write, account: str, market: str, faults: Mapping[int, Told | None]) -> None:
    """Replace what is kept of the faults of these offers; None: nothing is wrong any more."""
    for part in in_parts(faults):
        tx.execute(delete(feed_faults).where(feed_faults.c.offer_id.in_(part)))
    rows = [
        {"offer_id": offer, "account": account, "market": market, "effect": wrong[0].value, "code": fault.code.value}
        | {"field": fault.field, "value": fault.value, "remedy": fault.remedy}
        for offer, wrong in sorted(faults.items())
        if wrong is not None
        for fault in wrong[1]
    ]
    if rows:
        tx.execute(insert(feed_faults), rows)


def faults(
    tx: Read,
    account: str,
    market: str,
    *,
    code: FaultCode | None = None,
    effect: Effect | None = None,
    sku: str | None = None,
    after: int = 0,
    limit: int = 1000,
) -> tuple[tuple[int, OfferFault], ...]:
    """Return what is wrong with offers, each fault with its number for `after`, in the order in which it was found."""
    joined = feed_faults.join(offers, offers.c.id == feed_faults.c.offer_id).join(variants)
    query = select(feed_faults, variants.c.sku).select_from(joined)
    query = query.where(feed_faults.c.account == account, feed_faults.c.market == market, feed_faults.c.id > after)
    for column, value in ((feed_faults.c.code, code), (feed_faults.c.effect, effect), (variants.c.sku, sku)):
        query = query if value is None else query.where(column == value)
    return tuple(
        (row.id, OfferFault(offer_id=row.offer_id, sku=row.sku, effect=Effect(row.effect), fault=_fault(row)))
        for row in tx.execute(query.order_by(feed_faults.c.id).limit(limit))
    )


def fault_counts(tx: Read, account: str, market: str) -> dict[tuple[FaultCode, Effect], int]:
    """Return how many offers have each fault, by code and what comes of it."""
    columns = (feed_faults.c.code, feed_faults.c.effect)
    query = select(*columns, func.count(func.distinct(feed_faults.c.offer_id))).where(
        feed_faults.c.account == account, feed_faults.c.market == market
    )
    found = tx.execute(query.group_by(*columns))
    return {(FaultCode(code), Effect(effect)): int(number) for code, effect, number in found}


def _fault(row: Any) -> FieldFault:
    return FieldFault(code=FaultCode(row.code), field=row.field, value=row.value, remedy=row.remedy)


def resolved_faults(text: str) -> tuple[FieldFault, ...]:
    """Return what was found wrong when an offer was resolved, from the JSON text in which `resolved` keeps it."""
    return tuple(
        FieldFault(code=FaultCode(code), field=field, value=value, remedy=remedy)
        for code, field, value, remedy in json.loads(text)
    )
