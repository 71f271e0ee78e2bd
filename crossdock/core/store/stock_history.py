"""How the stock of one variant came to be, for people to read: its moves, and who holds units of it reserved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from crossdock.core.store.engine import Read
from crossdock.core.store.stock import MoveKind
from crossdock.core.store.tables import order_lines, orders, stock_moves


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRow:
    """One move of the ledger: what it added to on hand and to reserved, why, and for which order if for one."""

    id: int
    at: datetime
    warehouse: str
    kind: MoveKind
    on_hand: int
    reserved: int
    order_id: int | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Units that an order holds in a warehouse, itself or by a bundle."""

    order_id: int
    account: str
    warehouse: str
    units: int


def moves(tx: Read, variant_id: int, *, limit: int = 20) -> tuple[MoveRow, ...]:
    """Return the last moves of a variant, newest first."""
    names = ("id", "at", "warehouse", "kind", "on_hand", "reserved", "note")
    query = (
        select(*(stock_moves.c[name] for name in names), order_lines.c.order_id)
        .outerjoin(order_lines, order_lines.c.id == stock_moves.c.line_id)
        .where(stock_moves.c.variant_id == variant_id)
        .order_by(stock_moves.c.id.desc())
        .limit(limit)
    )
    return tuple(MoveRow(**{**row, "kind": MoveKind(row["kind"])}) for row in tx.execute(query).mappings())


def reservations(tx: Read, variant_id: int) -> tuple[Reservation, ...]:
    """Return what orders hold of a variant, by order and warehouse."""
    units = func.sum(stock_moves.c.reserved)
    place = (order_lines.c.order_id, orders.c.account, stock_moves.c.warehouse)
    query = (
        select(*place, units)
        .select_from(stock_moves.join(order_lines, order_lines.c.id == stock_moves.c.line_id).join(orders))
        .where(stock_moves.c.variant_id == variant_id)
        .group_by(*place)
        .having(units != 0)
        .order_by(*place)
    )
    return tuple(
        Reservation(order_id=order, account=account, warehouse=warehouse, units=int(held))
        for order, account, warehouse, held in tx.execute(query)
    )
