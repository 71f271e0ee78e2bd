"""The single steps of which every change of an order is made: states, ids, reservations, parking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, update

from crossdock.core.model import Meaning, RemoteId
from crossdock.core.store import stock
from crossdock.core.store.engine import IDS, Write
from crossdock.core.store.journal import Kind
from crossdock.core.store.orders import LineRow, LineState, OrderRow, OrderState, ParkedFor, remote_ids
from crossdock.core.store.tables import order_ids, order_lines, orders

RESERVING = frozenset({Meaning.PENDING, Meaning.NEW, Meaning.CONFIRMED, Meaning.PACKED})

# Done several times for every order, and so built once.
_THIS_ORDER = update(orders).where(orders.c.id == bindparam("order"))
_SET_STATE = _THIS_ORDER.values(state=bindparam("to"), changed_at=bindparam("now"))
_DECIDE = _SET_STATE.values(decided_at=bindparam("now"))
_THESE_LINES = update(order_lines).where(order_lines.c.id.in_(IDS))
_PUT_INTO_STATE = _THESE_LINES.values(state=bindparam("to"), reason=bindparam("because"), short=False)
_HOLD_NOTHING = _THESE_LINES.values(reserved=0)


# --- ids and states


def attach_ids(tx: Write, account: str, order_id: int, names: Iterable[RemoteId]) -> None:
    """Make further remote ids lead to an order; one that leads there already is left alone."""
    known = set(remote_ids(tx, order_id))
    rows = [id_row(account, order_id, name) for name in dict.fromkeys(names) if name not in known]
    if rows:
        tx.execute(insert(order_ids), rows)


def id_row(account: str, order_id: int, name: RemoteId) -> dict[str, Any]:
    """Return the row that makes a remote id lead to an order."""
    return {
        "account": account,
        "kind": name.kind,
        "scope": name.scope,
        "remote_id": name.value,
        "order_id": order_id,
    }


def set_state(tx: Write, row: OrderRow, state: OrderState, *, decided: bool = False) -> None:
    """Put an order into a state; `decided` also notes the moment."""
    tx.execute(_DECIDE if decided else _SET_STATE, {"order": row.id, "to": state.value, "now": tx.now})


def set_lines(tx: Write, line_ids: Sequence[int], state: LineState, reason: str | None) -> None:
    """Put lines into a state, with the reason; none of them is short any more."""
    if line_ids:
        tx.execute(_PUT_INTO_STATE, {"ids": line_ids, "to": state.value, "because": reason})


# --- reservations


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservations:
    """What open lines get.

    Args:
        columns: what changes in each line that changes, by its id.
        stock: what is to be moved.
        short: order number and SKU (or name) of each won line that finds too little.
    """

    columns: Mapping[int, Mapping[str, Any]]
    stock: stock.Choice
    short: Sequence[tuple[int, str]]


def reserve_open(tx: Write, rows: Sequence[OrderRow], warehouses: Sequence[str]) -> Reservations:
    """Reserve what the lines of these orders still need; a won line that finds too little is short."""
    found = find_stock(tx, rows, warehouses)
    if found.columns:
        change = update(order_lines).where(order_lines.c.id == bindparam("line"))
        tx.execute(change, [{"line": number, **columns} for number, columns in found.columns.items()])
    stock.move(tx, found.stock.moves, locked=found.stock.locked)
    return found


def find_stock(tx: Write, rows: Sequence[OrderRow], warehouses: Sequence[str]) -> Reservations:
    """Find what the lines of these orders still need, and hold it; it is up to the caller to write it down."""
    lines = [(row, line) for row in rows for line in row.lines if _wants_stock(row, line)]
    wants = [
        stock.Want(line_id=line.id, variant_id=line.variant_id, quantity=open_units(line))
        for _, line in lines
        if line.variant_id is not None
    ]
    found = stock.choose(tx, wants, warehouses)
    short = [(row.id, line) for row, line in lines if line.state is LineState.WON and line.id not in found.places]
    columns: dict[int, Mapping[str, Any]] = {
        want.line_id: {"reserved": want.quantity, "warehouse": found.places[want.line_id], "short": False}
        for want in wants
        if want.line_id in found.places
    }
    # The warehouse is where they will be missed when they are shipped all the same.
    columns |= {line.id: {"reserved": 0, "warehouse": warehouses[0], "short": True} for _, line in short}
    return Reservations(columns=columns, stock=found, short=[(number, line.sku or line.name) for number, line in short])


def _wants_stock(row: OrderRow, line: LineRow) -> bool:
    open_here = row.state in (OrderState.PROPOSED, OrderState.OPEN)
    alive = line.state in (LineState.PROPOSED, LineState.WON)
    sale = line.variant_id is not None and line.price > 0 and open_units(line) > 0
    return open_here and alive and sale and not line.reserved and (row.meaning is None or row.meaning in RESERVING)


def open_units(line: LineRow) -> int:
    """Return the units that are neither cancelled nor shipped."""
    return line.quantity - line.cancelled - line.shipped


def free(tx: Write, lines: Iterable[LineRow]) -> None:
    """Give back all that these lines hold reserved."""
    held = [line for line in lines if line.reserved]
    stock.release(tx, {line.id: line.reserved for line in held})
    if held:
        tx.execute(_HOLD_NOTHING, {"ids": [line.id for line in held]})


# --- parking


def park(tx: Write, row: OrderRow, code: ParkedFor, because: str, *, actor: str) -> None:
    """Let an order wait for a person."""
    _park(tx, [(row, because)], code, actor)


def _park(tx: Write, parked: Sequence[tuple[OrderRow, str]], code: ParkedFor, actor: str) -> None:
    change = update(orders).where(orders.c.id == bindparam("order"))
    change = change.values(parked_code=code.value, parked_because=bindparam("because"), changed_at=tx.now)
    tx.execute(change, [{"order": row.id, "because": because} for row, because in parked])
    for row, because in parked:
        payload = {"code": code.value, "because": because}
        tx.journal(Kind.PARKED, account=row.account, order_id=row.id, actor=actor, payload=payload)


def unpark(tx: Write, row: OrderRow, *, actor: str) -> None:
    """End the waiting of a parked order."""
    change = update(orders).where(orders.c.id == row.id)
    tx.execute(change.values(parked_code=None, parked_because=None, changed_at=tx.now))
    tx.journal(Kind.UNPARKED, account=row.account, order_id=row.id, actor=actor, payload={"was": row.parked_code})


def park_without_vat(tx: Write, rows: Iterable[OrderRow], *, actor: str) -> dict[int, str]:
    """Park orders of which a sold line has no VAT rate (a proposal may be won first); return why, by number."""
    parked = [(row, because) for row in rows if row.parked_code is None and (because := without_vat(row))]
    if parked:
        _park(tx, parked, ParkedFor.VAT, actor)
    return {row.id: because for row, because in parked}


def wants_nothing(lines: Iterable[LineRow]) -> bool:
    """Whether sold lines have all that the hub gives them: their units, and a VAT rate."""
    return all(line.vat_rate is not None and (line.reserved or not open_units(line)) for line in lines)


def without_vat(row: OrderRow) -> str | None:
    """Return which sold lines of an open order have no VAT rate, in a sentence; None if all have one."""
    bare = [line for line in row.lines if line.state is LineState.WON and line.vat_rate is None]
    if row.state is not OrderState.OPEN or not bare:
        return None
    names = ", ".join(line.sku or line.name for line in bare[:5])
    return f"No VAT rate is known for {names}: give the product or the account one."
