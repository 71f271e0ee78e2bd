"""Offers: which variant is listed where, under which name, and the price that was last told there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, bindparam, case, func, insert, select, update

from crossdock.core.errors import NotFoundHere
from crossdock.core.model import Money
from crossdock.core.store import marks
from crossdock.core.store.catalog import Change, Upserted
from crossdock.core.store.engine import IDS, Read, Write, in_parts
from crossdock.core.store.tables import offers, variants


class OfferState(StrEnum):
    """Whether a listing is there; closed."""

    LISTED = "listed"
    ENDED = "ended"


Place = tuple[str, str, int]
"""Market, scope and variant: one offer at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDraft:
    """A listing as it is to be.

    Args:
        market, scope: where it is listed: the market, and the shop or storefront within it.
        variant_id: what is listed.
        remote_id: the platform's id of the listing, where it has one.
        keys: fields by which the platform finds it, as they were last published.
        state: whether it is there.
    """

    market: str
    scope: str = ""
    variant_id: int
    remote_id: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    state: OfferState = OfferState.LISTED

    @property
    def place(self) -> Place:
        """Where it is and what; unique in an account."""
        return self.market, self.scope, self.variant_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow(OfferDraft):
    """A listing as it is kept.

    Args:
        ended_at: when it ended, if it did.
        exported_price, exported_at: what the platform was told last of its price, and when.
        own: the fields that a person gave by hand, by name; no draft has them, so that adopting and ending keep them.
    """

    id: int
    account: str
    sku: str
    ended_at: datetime | None
    exported_price: Money | None
    exported_at: datetime | None
    own: Mapping[str, str]


def upsert(tx: Write, account: str, drafts: Iterable[OfferDraft]) -> dict[Place, Upserted]:
    """Make the offers of an account be as they are drafted; unchanged ones are not written.

    Args:
        tx: a write transaction.
        account: the account's id.
        drafts: each place at most once.

    Returns:
        By place, the store's number and whether the offer was added, updated or left alone.
    """
    wanted = {draft.place: draft for draft in drafts}
    known = {row.place: row for row in of_variants(tx, account, (place[2] for place in wanted))}
    done = {place: _compared(draft, known[place]) for place, draft in wanted.items() if place in known}
    _update(tx, [(done[place].id, wanted[place]) for place in done if done[place].change is Change.UPDATED])
    fresh = [wanted[place] for place in sorted(set(wanted) - set(known))]
    marks.mark_variants(tx, (place[2] for place in wanted if place not in done or done[place].change is Change.UPDATED))
    added = (Upserted(id=number, change=Change.ADDED) for number in _insert(tx, account, fresh))
    return done | dict(zip((draft.place for draft in fresh), added, strict=True))


def _compared(draft: OfferDraft, row: OfferRow) -> Upserted:
    return Upserted(id=row.id, change=Change.UNCHANGED if _content(draft) == _content(row) else Change.UPDATED)


def _content(draft: OfferDraft) -> dict[str, Any]:
    return {"remote_id": draft.remote_id, "keys": dict(draft.keys), "state": draft.state.value}


def _update(tx: Write, changed: Sequence[tuple[int, OfferDraft]]) -> None:
    if changed:
        columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("remote_id", "keys", "state")}
        # A listing that has ended keeps the time at which it did.
        ended = func.coalesce(offers.c.ended_at, tx.now)
        columns["ended_at"] = case((bindparam("new_state") == OfferState.ENDED.value, ended), else_=None)
        rows = [
            {"offer": number} | {f"new_{name}": value for name, value in _content(draft).items()}
            for number, draft in sorted(changed, key=lambda pair: pair[0])
        ]
        tx.execute(update(offers).where(offers.c.id == bindparam("offer")).values(columns), rows)


def _insert(tx: Write, account: str, fresh: Sequence[OfferDraft]) -> Sequence[int]:
    if not fresh:
        return ()
    rows = [
        {"account": account, "market": draft.market, "scope": draft.scope, "variant_id": draft.variant_id}
        | _content(draft)
        | {"ended_at": tx.now if draft.state is OfferState.ENDED else None}
        for draft in fresh
    ]
    return tx.execute(insert(offers).returning(offers.c.id, sort_by_parameter_order=True), rows).scalars().all()


def move(tx: Write, scopes: Mapping[int, str]) -> None:
    """Say in which shop or storefront offers are listed that had none so far; by the store's numbers."""
    if scopes:
        rows = [{"offer": offer, "place": scope} for offer, scope in sorted(scopes.items())]
        tx.execute(update(offers).where(offers.c.id == bindparam("offer")).values(scope=bindparam("place")), rows)


def set_own(tx: Write, wanted: Iterable[OfferRow]) -> None:
    """Keep the fields that a person gave to offers by hand as these rows have them, and have the offers resolved."""
    rows = sorted(wanted, key=lambda row: row.id)
    if rows:
        change = update(offers).where(offers.c.id == bindparam("offer")).values(own=bindparam("fields"))
        tx.execute(change, [{"offer": row.id, "fields": dict(row.own)} for row in rows])
        marks.mark_variants(tx, (row.variant_id for row in rows))


def set_exported_price(tx: Write, prices: Mapping[int, Money]) -> None:
    """Remember the price that the platform was told of each offer, now; by the store's numbers."""
    if prices:
        change = update(offers).where(offers.c.id == bindparam("offer"))
        change = change.values(
            exported_price=bindparam("amount"), exported_currency=bindparam("currency"), exported_at=tx.now
        )
        rows = [
            {"offer": offer, "amount": price.amount, "currency": price.currency}
            for offer, price in sorted(prices.items())
        ]
        tx.execute(change, rows)


# --- finding ---------------------------------------------------------------------------------------------------------


def get(tx: Read, offer_id: int) -> OfferRow:
    """Return one offer.

    Raises:
        NotFoundHere: there is none with this number.
    """
    row = tx.execute(_select().where(offers.c.id == offer_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundHere(f"There is no offer {offer_id}.")
    return _offer(row)


def of_variants(tx: Read, account: str, variant_ids: Iterable[int]) -> tuple[OfferRow, ...]:
    """Return an account's offers of these variants."""
    return _found(tx, account, offers.c.variant_id, variant_ids)


# Asked about every proposal, and so built once; the last row of a variant counts.
_EXPORTED = (
    select(offers.c.variant_id, offers.c.exported_price, offers.c.exported_currency)
    .where(
        offers.c.account == bindparam("owner"),
        offers.c.market == bindparam("place"),
        offers.c.variant_id.in_(IDS),
        offers.c.exported_at.is_not(None),
        offers.c.exported_price.is_not(None),
    )
    .order_by(offers.c.exported_at, offers.c.id)
)


def markets(tx: Read, account: str) -> tuple[str, ...]:
    """Return the markets where an account has offers."""
    query = select(offers.c.market).where(offers.c.account == account).distinct().order_by(offers.c.market)
    return tuple(tx.execute(query).scalars())


def exported_prices(tx: Read, account: str, market: str, variant_ids: Iterable[int]) -> dict[int, Money]:
    """Return the price that was last published of each variant in a market."""
    wanted = {"owner": account, "place": market, "ids": sorted(set(variant_ids))}
    rows = tx.execute(_EXPORTED, wanted)
    return {variant: Money(amount=amount, currency=currency) for variant, amount, currency in rows}


def by_remote(tx: Read, account: str, remote_ids: Iterable[str]) -> dict[str, tuple[OfferRow, ...]]:
    """Return an account's offers by the platform's id, which may be the same in several markets and scopes."""
    found: dict[str, tuple[OfferRow, ...]] = defaultdict(tuple)
    for row in _found(tx, account, offers.c.remote_id, remote_ids):
        found[row.remote_id or ""] += (row,)
    return dict(found)


def list(
    tx: Read,
    account: str,
    *,
    market: str | None = None,
    state: OfferState | None = None,
    after: int = 0,
    limit: int = 100,
) -> tuple[OfferRow, ...]:
    """Return one page of an account's offers in the order of their numbers, `after` one of them."""
    query = _select().where(offers.c.account == account, offers.c.id > after).order_by(offers.c.id).limit(limit)
    if market is not None:
        query = query.where(offers.c.market == market)
    if state is not None:
        query = query.where(offers.c.state == state)
    return tuple(_offer(row) for row in tx.execute(query).mappings())


def _found(tx: Read, account: str, column: Any, values: Iterable[Any]) -> tuple[OfferRow, ...]:
    query = _select().where(offers.c.account == account).order_by(offers.c.id)
    return tuple(
        _offer(row) for part in in_parts(values) for row in tx.execute(query.where(column.in_(part))).mappings()
    )


def _select() -> Any:
    return select(offers, variants.c.sku).select_from(offers.join(variants))


def _offer(row: RowMapping) -> OfferRow:
    amount, currency = row["exported_price"], row["exported_currency"]
    return OfferRow(
        id=row["id"],
        account=row["account"],
        market=row["market"],
        scope=row["scope"],
        variant_id=row["variant_id"],
        sku=row["sku"],
        remote_id=row["remote_id"],
        keys=row["keys"],
        state=OfferState(row["state"]),
        ended_at=row["ended_at"],
        exported_price=None if amount is None else Money(amount=amount, currency=currency),
        exported_at=row["exported_at"],
        own=row["own"],
    )
