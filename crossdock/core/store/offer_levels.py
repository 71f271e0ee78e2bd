"""What the platforms have to be told of stock: one row per offer and remote warehouse.

`version` goes up with every change, `sent_version` says which one the platform acknowledged; while they differ the
row is pending, so a change that arrives during a push is never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, tuple_, update

from crossdock.core.config import Options
from crossdock.core.model import Offer
from crossdock.core.store import feeds, runs
from crossdock.core.store.engine import IDS, Read, Write, in_parts
from crossdock.core.store.offers import OfferState
from crossdock.core.store.tables import accounts, bundle_parts, offer_levels, offers, variants

STOCK_JOB = "stock"

_LEVELS = (
    select(
        *(offer_levels.c[name] for name in ("warehouse", "version", "acknowledged")),
        *(offers.c[name] for name in ("id", "variant_id", "market", "scope", "remote_id", "keys", "state")),
        variants.c.sku,
    )
    .select_from(offer_levels.join(offers, offers.c.id == offer_levels.c.offer_id).join(variants))
    .order_by(offer_levels.c.offer_id, offer_levels.c.warehouse)
)


class LevelState(StrEnum):
    """Where a level stands; closed."""

    PENDING = "pending"
    SENT = "sent"
    SKIPPED = "skipped"
    ERROR = "error"


# Of some variants (`ids`) and of the bundles made of them; done for every order, and so built once.
_BUNDLES = select(bundle_parts.c.bundle_id).where(bundle_parts.c.part_id.in_(IDS))
_LISTED = select(offers.c.id).where(or_(offers.c.variant_id.in_(IDS), offers.c.variant_id.in_(_BUNDLES)))
_LOCK_LEVELS = (
    select(offer_levels.c.offer_id)
    .where(offer_levels.c.offer_id.in_(_LISTED))
    .order_by(offer_levels.c.offer_id, offer_levels.c.warehouse)
    .with_for_update()
)
_MAKE_PENDING = (
    update(offer_levels)
    .where(offer_levels.c.offer_id.in_(_LISTED))
    .values(version=offer_levels.c.version + 1, state=LevelState.PENDING.value, changed_at=bindparam("now"))
    .returning(offer_levels.c.account)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLevel:
    """An offer whose level is to be told: which version, what the platform acknowledged last, whether it has ended."""

    offer: Offer
    variant_id: int
    warehouse: str
    version: int
    acknowledged: int | None
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How one level ended: the version that was meant, the state, the acknowledged units, the platform's words."""

    offer_id: int
    warehouse: str
    version: int
    state: LevelState
    acknowledged: int | None = None
    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRow:
    """A level as it is kept: what the platform acknowledged last, and its words where it refused."""

    offer_id: int
    warehouse: str
    state: LevelState
    acknowledged: int | None
    code: str | None
    words: str | None
    changed_at: datetime
    sent_at: datetime | None


_THIS_LEVEL = update(offer_levels).where(
    offer_levels.c.offer_id == bindparam("offer"), offer_levels.c.warehouse == bindparam("place")
)
_HOW_IT_ENDED = {
    "sent_version": bindparam("meant", type_=offer_levels.c.version.type),
    **{name: bindparam(f"its_{name}", type_=offer_levels.c[name].type) for name in ("state", "code", "words")},
}
_AS_MEANT = offer_levels.c.version == bindparam("meant")
_END = _THIS_LEVEL.where(_AS_MEANT).values(_HOW_IT_ENDED)
# What the platform acknowledged is what stands there now, also if the level has changed meanwhile and stays pending.
_ACKNOWLEDGE = _THIS_LEVEL.values(
    acknowledged=bindparam("units"),
    sent_at=bindparam("now"),
    **{name: case((_AS_MEANT, value), else_=offer_levels.c[name]) for name, value in _HOW_IT_ENDED.items()},
)


def ensure(tx: Write, account: str, offer_ids: Iterable[int]) -> None:
    """Make a pending row for each offer that has none, and ask for the push."""
    ids = sorted(set(offer_ids))
    known = {
        row.offer_id for row in tx.execute(select(offer_levels.c.offer_id).where(offer_levels.c.account == account))
    }
    fresh = [offer_id for offer_id in ids if offer_id not in known]
    if not fresh:
        return
    row = {"warehouse": "", "account": account, "version": 1, "sent_version": 0, "state": LevelState.PENDING.value}
    tx.execute(insert(offer_levels), [{"offer_id": offer_id, "changed_at": tx.now, **row} for offer_id in fresh])
    _ask_for_push(tx, {account})


def mark_changed(tx: Write, variant_ids: Iterable[int]) -> None:
    """Make every offer of these variants, and of bundles made of them, pending at the end of the transaction."""
    tx.scratch.setdefault("changed", set()).update(variant_ids)
    tx.defer(("0 stock offers",), _mark_changed)


def _mark_changed(tx: Write) -> None:
    changed: set[int] = tx.scratch.pop("changed")
    feeds.ask_for_build(tx, feeds.listing(tx, changed))
    concerned: set[str] = set()
    for part in in_parts(changed):
        variants = {"ids": part}
        if tx.postgresql:
            tx.execute(_LOCK_LEVELS, variants)
        concerned.update(tx.execute(_MAKE_PENDING, {**variants, "now": tx.now}).scalars())
    if concerned:
        _ask_for_push(tx, concerned)


def mark_account(tx: Write, account: str) -> None:
    """Make every offer of an account pending, because what it may show is reckoned in another way from now on."""
    mine = offer_levels.c.account == account
    rows = select(offer_levels.c.offer_id).where(mine).order_by(offer_levels.c.offer_id, offer_levels.c.warehouse)
    tx.execute(rows.with_for_update())
    values = {"version": offer_levels.c.version + 1, "state": LevelState.PENDING.value, "changed_at": tx.now}
    if tx.execute(update(offer_levels).where(mine).values(**values)).rowcount:
        _ask_for_push(tx, {account})


def _ask_for_push(tx: Write, account_ids: set[str]) -> None:
    query = select(accounts.c.id, accounts.c.options).where(
        accounts.c.id.in_(sorted(account_ids)),
        and_(accounts.c.armed, accounts.c.stock, accounts.c.stopped_at.is_(None)),
    )
    for account, options in tx.execute(query):
        if Options.model_validate(options).stock_trigger == "change":
            runs.ask(tx, account, STOCK_JOB, asked_by="stock change")


def pending(tx: Read, account: str, *, after: PendingLevel | None = None, limit: int = 1000) -> list[PendingLevel]:
    """Return pending levels of an account in the order of offers and warehouses, `after` the last one seen."""
    query = _LEVELS.where(
        offer_levels.c.account == account,
        offer_levels.c.state == LevelState.PENDING.value,
    )
    if after is not None:
        place = tuple_(offer_levels.c.offer_id, offer_levels.c.warehouse)
        query = query.where(place > (int(after.offer.id), after.warehouse))
    return [_pending(row) for row in tx.execute(query.limit(limit))]


def refresh(tx: Read, levels: Sequence[PendingLevel]) -> list[PendingLevel]:
    """Return these levels as they stand now."""
    ids = sorted({int(level.offer.id) for level in levels})
    wanted = {(level.offer.id, level.warehouse) for level in levels}
    found = [_pending(row) for row in tx.execute(_LEVELS.where(offer_levels.c.offer_id.in_(ids)))]
    return [level for level in found if (level.offer.id, level.warehouse) in wanted]


def _pending(row: Sequence[Any]) -> PendingLevel:
    warehouse, version, acknowledged, number, variant, market, scope, remote_id, keys, state, sku = row
    return PendingLevel(
        offer=Offer(id=str(number), sku=sku, market=market, scope=scope, remote_id=remote_id, keys=keys),
        variant_id=variant,
        warehouse=warehouse,
        version=version,
        acknowledged=acknowledged,
        ended=state == OfferState.ENDED.value,
    )


def of_offers(tx: Read, offer_ids: Iterable[int]) -> dict[int, list[LevelRow]]:
    """Return the levels of these offers, by warehouse."""
    found: dict[int, list[LevelRow]] = defaultdict(list)
    columns = [offer_levels.c[field.name] for field in fields(LevelRow)]
    for part in in_parts(offer_ids):
        query = select(*columns).where(offer_levels.c.offer_id.in_(part))
        for row in tx.execute(query.order_by(offer_levels.c.offer_id, offer_levels.c.warehouse)).mappings():
            found[row["offer_id"]].append(LevelRow(**{**row, "state": LevelState(row["state"])}))
    return found


def count_offers(tx: Read, account: str) -> int:
    """Return how many offers of an account have a level."""
    query = select(func.count()).select_from(offer_levels).where(offer_levels.c.account == account)
    return int(tx.scalar(query))


def record(tx: Write, told: Sequence[Told]) -> None:
    """Write down how levels ended, and what the platform acknowledged; a level that changed meanwhile stays pending."""
    in_turn = sorted(told, key=lambda item: (item.offer_id, item.warehouse))
    answered = [_values(item, tx.now) for item in in_turn if item.acknowledged is not None]
    unanswered = [_values(item, tx.now) for item in in_turn if item.acknowledged is None]
    if answered:
        tx.execute(_ACKNOWLEDGE, answered)
    if unanswered:
        tx.execute(_END, unanswered)


def _values(item: Told, now: datetime) -> dict[str, Any]:
    return {
        "offer": item.offer_id,
        "place": item.warehouse,
        "meant": item.version,
        "units": item.acknowledged,
        "now": now,
        "its_state": item.state.value,
        "its_code": item.code or None,
        "its_words": item.words or None,
    }


def summary(tx: Read, account: str) -> dict[str, int]:
    """Return how many levels of an account stand in each state."""
    query = (
        select(offer_levels.c.state, func.count())
        .where(offer_levels.c.account == account)
        .group_by(offer_levels.c.state)
    )
    return {state: int(number) for state, number in tx.execute(query)}


def retry_errors(tx: Write, account: str) -> int:
    """Make refused levels pending again, so that the next push tries them; return their number."""
    change = (
        update(offer_levels)
        .where(offer_levels.c.account == account, offer_levels.c.state == LevelState.ERROR.value)
        .values(state=LevelState.PENDING.value, version=offer_levels.c.version + 1)
    )
    return tx.execute(change).rowcount
