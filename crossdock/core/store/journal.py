"""The journal: what happened to orders, append-only, read by any number of consumers at their own pace.

Entries are made by `Write.journal`; their numbers grow in the order of commits, so a consumer that remembers the last
number it read misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import consumers, journal


class Kind(StrEnum):
    """What happened to an order; closed."""

    CREATED = "created"
    CONFIRMED = "confirmed"
    PAID = "paid"
    REMOVED = "removed"
    MERGED = "merged"
    SPLIT = "split"
    COPIED = "copied"
    INVOICE = "invoice"
    INVOICE_EDITED = "invoice_edited"
    INVOICE_REMOVED = "invoice_removed"
    RECEIPT = "receipt"
    RECEIPT_REMOVED = "receipt_removed"
    PACKAGE = "package"
    PACKAGE_REMOVED = "package_removed"
    DELIVERY_EDITED = "delivery_edited"
    PRODUCT_ADDED = "product_added"
    PRODUCT_EDITED = "product_edited"
    PRODUCT_REMOVED = "product_removed"
    BLACKLISTED = "blacklisted"
    EDITED = "edited"
    STATUS = "status"
    WON = "won"
    LOST = "lost"
    DECLINED = "declined"
    GONE = "gone"
    PARKED = "parked"
    UNPARKED = "unparked"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    SHIPPED = "shipped"


# BaseLinker's `log_type` in getJournalList (method page and working clients, 2026-05); its 22nd is not known to us. A
# kind that is not here is our own: BaseLinker has no proposals and no parked orders, and shows cancelling, returning
# and shipping as a change of status (18).
BASELINKER_LOG_TYPES: Mapping[Kind, int] = {
    Kind.CREATED: 1,
    Kind.CONFIRMED: 2,
    Kind.PAID: 3,
    Kind.REMOVED: 4,
    Kind.MERGED: 5,
    Kind.SPLIT: 6,
    Kind.INVOICE: 7,
    Kind.RECEIPT: 8,
    Kind.PACKAGE: 9,
    Kind.PACKAGE_REMOVED: 10,
    Kind.DELIVERY_EDITED: 11,
    Kind.PRODUCT_ADDED: 12,
    Kind.PRODUCT_EDITED: 13,
    Kind.PRODUCT_REMOVED: 14,
    Kind.BLACKLISTED: 15,
    Kind.EDITED: 16,
    Kind.COPIED: 17,
    Kind.STATUS: 18,
    Kind.INVOICE_REMOVED: 19,
    Kind.RECEIPT_REMOVED: 20,
    Kind.INVOICE_EDITED: 21,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened.

    Args:
        id: grows with each commit, with gaps.
        at: when the transaction began that did it.
        account, order_id: whose order, and which, where it is about one.
        kind: what happened.
        actor: who did it: a job, the platform, a person.
        payload: the particulars, in the shape of `payload_version`.
    """

    id: int
    at: datetime
    account: str
    order_id: int | None
    kind: Kind
    actor: str
    payload: Mapping[str, Any]
    payload_version: int


def read(tx: Read, after: int, limit: int = 1000) -> list[Entry]:
    """Return the entries that follow number `after`, oldest first, `limit` at most."""
    query = select(journal).where(journal.c.id > after).order_by(journal.c.id).limit(limit)
    return [Entry(**{**row, "kind": Kind(row["kind"])}) for row in tx.execute(query).mappings()]


def of_order(tx: Read, order_id: int) -> list[Entry]:
    """Return what happened to one order, oldest first."""
    query = select(journal).where(journal.c.order_id == order_id).order_by(journal.c.id)
    return [Entry(**{**row, "kind": Kind(row["kind"])}) for row in tx.execute(query).mappings()]


def position(tx: Read, name: str) -> int:
    """Return the number of the last entry that a consumer is done with, 0 for a new one.

    In a write transaction the consumer's row is held until the end, so that two of the same name take turns.
    """
    query = select(consumers.c.position).where(consumers.c.name == name)
    if isinstance(tx, Write):
        row = {"name": name, "position": 0, "at": tx.now}
        tx.execute(insert(consumers).on_conflict_do_nothing(index_elements=["name"]), row)
        query = query.with_for_update()
    return tx.scalar(query) or 0


def advance(tx: Write, name: str, position: int) -> None:
    """Remember that a consumer is done up to this number, in the transaction of what it did.

    Raises:
        ValueError: it was further already, so what this transaction did was done before.
    """
    row = {"name": name, "position": 0, "at": tx.now}
    tx.execute(insert(consumers).on_conflict_do_nothing(index_elements=["name"]), row)
    forwards = update(consumers).where(consumers.c.name == name, consumers.c.position <= position)
    if tx.execute(forwards.values(position=position, at=tx.now)).rowcount != 1:
        raise ValueError(f"consumer {name!r} is beyond entry {position} already")
