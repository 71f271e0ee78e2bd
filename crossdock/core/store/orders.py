"""Orders as they are kept, and how they are read.

An order is one purchase of one account under all its remote ids. A proposal waits for a decision; an order that comes
without ever having been a proposal, or after one was decided in the platform's own panel, is open at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import bindparam, exists, func, or_, select

from crossdock.core.errors import NotFoundHere
from crossdock.core.model import Meaning, Money, Order, OrderLine, RemoteId
from crossdock.core.store.engine import IDS, Read
from crossdock.core.store.tables import intents, order_ids, order_lines, order_versions, orders

ORDER_CODEC: TypeAdapter[Order] = TypeAdapter(Order)


class OrderState(StrEnum):
    """Where an order stands in the hub; closed."""

    PROPOSED = "proposed"
    UNKNOWN = "unknown"
    OPEN = "open"
    DONE = "done"
    LOST = "lost"
    DECLINED = "declined"
    GONE = "gone"
    CANCELLED = "cancelled"


class LineState(StrEnum):
    """Where a line stands; closed."""

    PROPOSED = "proposed"
    WON = "won"
    LOST = "lost"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class ParkedFor(StrEnum):
    """Why an order waits for a person; closed."""

    STATUS = "unknown_status"
    VAT = "no_vat_rate"
    OUTCOME = "outcome_unknown"
    PRICE = "no_exported_price"
    REFUSED = "refused"


class LineRow(NamedTuple):
    """One line as it is kept; see `tables.order_lines`. Lines are what is read most, and tuples are made fast."""

    id: int
    order_id: int
    position: int
    remote_id: str
    sku: str | None
    gtin: str | None
    product_id: str | None
    name: str
    quantity: int
    price: Decimal
    currency: str
    variant_id: int | None
    state: LineState
    reason: str | None
    vat_rate: Decimal | None
    vat_source: str | None
    net_price: Decimal | None
    warehouse: str | None
    reserved: int
    shipped: int
    cancelled: int
    short: bool


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    """One order as it is kept, with its lines; `content` is what the platform last said, as JSON."""

    id: int
    account: str
    scope: str
    market: str
    state: OrderState
    platform_status: str
    status_id: int | None
    meaning: Meaning | None
    currency: str
    placed_at: datetime
    seen_at: datetime
    decided_at: datetime | None
    changed_at: datetime
    sweep: int
    version: int
    hash: str
    parked_code: str | None
    parked_because: str | None
    content: Mapping[str, Any]
    lines: tuple[LineRow, ...] = ()

    @cached_property
    def order(self) -> Order:
        """What the platform last said; read when it is first asked for, which most changes of an order never do."""
        return ORDER_CODEC.validate_python(self.content)


# --- reading ---------------------------------------------------------------------------------------------------------

# What is asked most often is built once: building a statement takes longer than executing it.
_HEADS = select(orders).where(orders.c.id.in_(IDS)).order_by(orders.c.id)
_LOCKED_HEADS = _HEADS.with_for_update()
_LINE_COLUMNS = select(*(order_lines.c[name] for name in LineRow._fields))
_LINES = _LINE_COLUMNS.where(order_lines.c.order_id.in_(IDS)).order_by(order_lines.c.order_id, order_lines.c.position)
_HEAD = select(orders).where(orders.c.id == bindparam("order"))
_LOCKED_HEAD = _HEAD.with_for_update()
_ITS_LINES = _LINE_COLUMNS.where(order_lines.c.order_id == bindparam("order")).order_by(order_lines.c.position)
_STATE = LineRow._fields.index("state")


def get(tx: Read, order_id: int, *, lock: bool = False) -> OrderRow:
    """Return one order.

    Raises:
        NotFoundHere: there is no such order.
    """
    this = {"order": order_id}
    head = tx.execute(_LOCKED_HEAD if lock else _HEAD, this).mappings().first()
    if head is None:
        raise NotFoundHere(f"There is no order {order_id}.", advice="See `crossdock orders list`.")
    return _order_row(head, tuple(map(line_row, tx.execute(_ITS_LINES, this))))


def get_many(tx: Read, order_numbers: Iterable[int], *, lock: bool = False) -> list[OrderRow]:
    """Return orders with their lines, in the order of their numbers; `lock` holds them until the end."""
    ids = {"ids": sorted(set(order_numbers))}
    heads = tx.execute(_LOCKED_HEADS if lock else _HEADS, ids).mappings().all()
    return order_rows(heads, (line_row(line) for line in tx.execute(_LINES, ids)))


def line_row(values: Sequence[Any]) -> LineRow:
    """Return a line from its columns in the order of `LineRow`."""
    return LineRow._make((*values[:_STATE], LineState(values[_STATE]), *values[_STATE + 1 :]))


def order_rows(heads: Iterable[Mapping[Any, Any]], lines: Iterable[LineRow]) -> list[OrderRow]:
    """Return orders from rows of `tables.orders`, and their lines."""
    theirs: dict[int, list[LineRow]] = defaultdict(list)
    for line in lines:
        theirs[line.order_id].append(line)
    return [_order_row(head, tuple(theirs[head["id"]])) for head in heads]


def _order_row(head: Mapping[Any, Any], lines: tuple[LineRow, ...]) -> OrderRow:
    meaning = None if head["meaning"] is None else Meaning(head["meaning"])
    return OrderRow(**{**head, "state": OrderState(head["state"]), "meaning": meaning, "lines": lines})


def select_ids(
    tx: Read,
    *,
    account: str | None = None,
    states: Iterable[OrderState] = (),
    undecided: bool = False,
    parked: bool | None = None,
    text: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[int]:
    """Return numbers of orders, newest first; `text` is a remote id or a SKU, compared exactly.

    `undecided` are those with a line that waits for a decision, of proposals and of orders won in part so far.
    """
    query = select(orders.c.id).order_by(orders.c.id.desc()).limit(limit)
    if account is not None:
        query = query.where(orders.c.account == account)
    if states := list(states):
        query = query.where(orders.c.state.in_(states))
    if undecided:
        waits = exists().where(order_lines.c.order_id == orders.c.id, order_lines.c.state == LineState.PROPOSED)
        query = query.where(orders.c.state.in_([OrderState.PROPOSED, OrderState.OPEN]), waits)
    if parked is not None:
        query = query.where(orders.c.parked_code.is_not(None) if parked else orders.c.parked_code.is_(None))
    if before is not None:
        query = query.where(orders.c.id < before)
    if text:
        named = select(order_ids.c.order_id).where(order_ids.c.remote_id == text)
        sold = select(order_lines.c.order_id).where(order_lines.c.sku == text)
        query = query.where(or_(orders.c.id.in_(named), orders.c.id.in_(sold)))
    return list(tx.execute(query).scalars())


def waiting(tx: Read, account: str, *, limit: int) -> list[int]:
    """Return proposals without a decision, oldest purchase first; parked ones wait for a person."""
    query = (
        select(orders.c.id)
        .where(orders.c.account == account, orders.c.state == OrderState.PROPOSED, orders.c.parked_code.is_(None))
        .order_by(orders.c.placed_at, orders.c.id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def unseen(tx: Read, account: str, sweep: int) -> list[int]:
    """Return proposals that the sweep with this number did not list and about which no call is under way."""
    calling = select(intents.c.order_id).where(intents.c.account == account, intents.c.state == "open")
    query = select(orders.c.id).where(
        orders.c.account == account,
        orders.c.state == OrderState.PROPOSED,
        orders.c.sweep < sweep,
        orders.c.id.not_in(calling.where(intents.c.order_id.is_not(None))),
    )
    return list(tx.execute(query.order_by(orders.c.id)).scalars())


def parked(tx: Read) -> dict[str, int]:
    """Return how many orders wait for a person, by account."""
    query = select(orders.c.account, func.count()).where(orders.c.parked_code.is_not(None)).group_by(orders.c.account)
    return {account: int(number) for account, number in tx.execute(query)}


def short(tx: Read) -> dict[str, int]:
    """Return how many sold lines wait for units, by account."""
    query = select(orders.c.account, func.count()).select_from(order_lines.join(orders))
    waiting_lines = query.where(order_lines.c.short.is_(True)).group_by(orders.c.account)
    return {account: int(number) for account, number in tx.execute(waiting_lines)}


def remote_ids(tx: Read, order_id: int) -> tuple[RemoteId, ...]:
    """Return all names of an order."""
    query = select(order_ids).where(order_ids.c.order_id == order_id).order_by(order_ids.c.kind, order_ids.c.remote_id)
    return tuple(
        RemoteId(kind=row["kind"], scope=row["scope"], value=row["remote_id"]) for row in tx.execute(query).mappings()
    )


def with_proposal(order: Order, known: Order) -> Order:
    """Return an order that keeps the name of the proposal which it came out of, last among its further names."""
    name = known.id if known.proposal else next(reversed(known.also), None)
    if order.proposal or name is None or name in order.also:
        return order
    return replace(order, also=(*order.also, name))


def as_proposal(row: OrderRow) -> Order:
    """Return an order as the proposal that it was, for what is still to be decided, or asked, of it."""
    if row.order.proposal or not row.order.also:
        return row.order
    *also, name = row.order.also
    lines = tuple(
        OrderLine(
            id=line.remote_id,
            name=line.name,
            quantity=line.quantity,
            price=Money(amount=line.price, currency=line.currency),
            sku=line.sku,
            gtin=line.gtin,
            product_id=line.product_id,
        )
        for line in row.lines
    )
    return replace(row.order, id=name, also=(row.order.id, *also), proposal=True, lines=lines)


def versions(tx: Read, order_id: int) -> list[dict[str, Any]]:
    """Return the changes of an order after it was taken in: version, at, difference."""
    query = select(order_versions).where(order_versions.c.order_id == order_id).order_by(order_versions.c.version)
    return [dict(row) for row in tx.execute(query).mappings()]
