"""How proposals end, and what happens to orders afterwards: settled, gone, unknown, shipped, cancelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, update

from crossdock.core.model import RemoteId
from crossdock.core.store import intents, stock
from crossdock.core.store.engine import Write
from crossdock.core.store.journal import Kind
from crossdock.core.store.order_changes import (
    attach_ids,
    free,
    open_units,
    park,
    park_without_vat,
    reserve_open,
    set_lines,
    set_state,
    wants_nothing,
)
from crossdock.core.store.orders import LineRow, LineState, OrderRow, OrderState, ParkedFor, get
from crossdock.core.store.tables import order_lines

_SHIP_LINES = (
    update(order_lines)
    .where(order_lines.c.id == bindparam("line"))
    .values(
        reserved=order_lines.c.reserved - bindparam("held"),
        shipped=order_lines.c.shipped + bindparam("count"),
        short=False,
    )
)

# --- decisions


@dataclass(frozen=True, slots=True)
class Settled:
    """How an order stands after its proposal was settled, and why it waits for a person now, if it does."""

    state: OrderState
    parked: str | None = None


def settle(
    tx: Write,
    row: OrderRow,
    *,
    won: Iterable[str],
    lost: Iterable[str],
    declined: Mapping[str, str],
    names: Iterable[RemoteId],
    warehouses: Sequence[str],
    actor: str,
) -> Settled:
    """Write how a proposal ended: line states, reservations of what was not won, remote ids, journal.

    Args:
        tx: the transaction that also closes the intent.
        row: the proposal, read under lock in this transaction.
        won: remote line ids.
        lost: remote line ids.
        declined: remote line id to reason.
        names: ids under which the order goes on.
        warehouses: the account's, for what a won line still lacks.
        actor: who decided.

    Returns:
        The new state: open if anything was won; else it goes on waiting while lines are undecided; else lost if
        anything was lost; else declined.
    """
    by_name = {line.remote_id: line for line in row.lines}
    gained, missed = [by_name[name] for name in won], [by_name[name] for name in lost]
    refused = [by_name[name] for name in declined]
    news = any(line.state is LineState.PROPOSED for line in (*gained, *missed, *refused))
    state = OrderState.OPEN if gained or row.state is OrderState.OPEN else _without_gain(row, missed, refused)
    set_state(tx, row, state, decided=True)
    set_lines(tx, [line.id for line in gained], LineState.WON, None)
    set_lines(tx, [line.id for line in missed], LineState.LOST, "another seller was faster")
    for reason in sorted(set(declined.values())):
        lines = [line.id for line in refused if declined[line.remote_id] == reason]
        set_lines(tx, lines, LineState.DECLINED, reason)
    free(tx, [*missed, *refused])
    attach_ids(tx, row.account, row.id, names)
    if news:
        # Where the order came in by itself before its answer was written, the journal has it already.
        kind = Kind.WON if gained else Kind.LOST if missed else Kind.DECLINED
        waited = int((tx.now - row.seen_at).total_seconds())
        payload = {"won": len(gained), "lost": len(missed), "declined": len(refused), "seconds": waited}
        tx.journal(kind, account=row.account, order_id=row.id, actor=actor, payload=payload)
    if wants_nothing(gained):
        return Settled(state)
    current = get(tx, row.id)
    reserve_open(tx, [current], warehouses)
    return Settled(state, park_without_vat(tx, [current], actor=actor).get(row.id))


def _without_gain(row: OrderRow, missed: Sequence[LineRow], refused: Sequence[LineRow]) -> OrderState:
    """Return the state of a proposal of which nothing was won: it goes on waiting while lines are undecided."""
    decided = {line.id for line in (*missed, *refused)}
    if any(line.state is LineState.PROPOSED and line.id not in decided for line in row.lines):
        return OrderState.PROPOSED
    return OrderState.LOST if missed else OrderState.DECLINED


def close_gone(tx: Write, order_id: int, *, actor: str) -> bool:
    """Close a proposal that the platform no longer has and release what it held; False if it moved on meanwhile."""
    row = get(tx, order_id, lock=True)
    living = intents.living_of(tx, order_id)
    if row.state is not OrderState.PROPOSED or (living and living.state is intents.IntentState.OPEN):
        return False
    set_state(tx, row, OrderState.GONE, decided=True)
    set_lines(tx, [line.id for line in row.lines], LineState.LOST, "withdrawn by the platform")
    free(tx, row.lines)
    tx.journal(Kind.GONE, account=row.account, order_id=row.id, actor=actor)
    return True


def mark_unknown(tx: Write, row: OrderRow, because: str, *, actor: str) -> None:
    """Nobody can tell how a decision ended: the order is parked, its reservation kept."""
    set_state(tx, row, OrderState.UNKNOWN)
    park(tx, row, ParkedFor.OUTCOME, because, actor=actor)


# --- afterwards


Parcel = tuple[OrderRow, Mapping[int, int]]
"""An order, read in this transaction, and by line number how many of its units leave; never more than are open."""


def ship(tx: Write, parcels: Sequence[Parcel], *, actor: str) -> None:
    """Let units of orders leave the warehouse.

    Args:
        tx: a write transaction.
        parcels: each order at most once.
        actor: who says so.

    Raises:
        ValueError: a line has not so many units to ship.
    """
    lines = {line.id: line for row, _ in parcels for line in row.lines}
    leaving = {number: count for _, units in parcels for number, count in units.items() if count}
    held = {number: count for number, count in leaving.items() if lines[number].reserved}
    stock.ship(tx, held)
    for number in leaving.keys() - held.keys():
        _ship_unreserved(tx, lines[number], leaving[number])
    if leaving:
        changes = [{"line": n, "held": held.get(n, 0), "count": count} for n, count in leaving.items()]
        tx.execute(_SHIP_LINES, changes)
    for row, units in parcels:
        if any(units.values()):
            payload = {"lines": sum(map(bool, units.values())), "units": sum(units.values())}
            tx.journal(Kind.SHIPPED, account=row.account, order_id=row.id, actor=actor, payload=payload)
        if all(open_units(line) == units.get(line.id, 0) for line in row.lines if line.state is LineState.WON):
            set_state(tx, row, OrderState.DONE)


def _ship_unreserved(tx: Write, line: LineRow, units: int) -> None:
    if units > open_units(line):
        raise ValueError(f"line {line.id} has {open_units(line)} open units, not {units}")
    if line.variant_id is not None and line.warehouse is not None:
        want = stock.Want(line_id=line.id, variant_id=line.variant_id, quantity=units)
        stock.ship_unreserved(tx, [want], line.warehouse)


def cancel_lines(tx: Write, row: OrderRow, units: Mapping[int, int], *, reason: str, actor: str) -> None:
    """Cancel units of won lines inside the hub: open units come free, shipped ones come back on hand.

    Args:
        tx: a write transaction.
        row: the order, read in it under lock.
        units: by line number, how many units; never more than were sold and not cancelled yet.
        reason: why, in words.
        actor: who says so.

    Raises:
        ValueError: a line has not so many units.
    """
    lines = {line.id: line for line in row.lines}
    for number, count in units.items():
        line = lines[number]
        if count > line.quantity - line.cancelled or line.state is not LineState.WON:
            raise ValueError(f"line {number} ({line.state.value}) has not {count} units to cancel")
    free = {number: min(count, lines[number].reserved) for number, count in units.items()}
    back = {number: min(units[number] - free[number], lines[number].shipped) for number in units}
    stock.release(tx, {number: count for number, count in free.items() if count})
    stock.take_back(tx, {number: count for number, count in back.items() if count})
    change = update(order_lines).where(order_lines.c.id == bindparam("line"))
    change = change.values(
        reserved=order_lines.c.reserved - bindparam("free"),
        shipped=order_lines.c.shipped - bindparam("back"),
        cancelled=order_lines.c.cancelled + bindparam("count"),
    )
    rows = [{"line": n, "free": free[n], "back": back[n], "count": count} for n, count in units.items() if count]
    if rows:
        tx.execute(change, rows)
    whole = [n for n in units if lines[n].cancelled + units[n] == lines[n].quantity]
    set_lines(tx, whole, LineState.CANCELLED, reason)
    payload = {"units": sum(units.values()), "returned": sum(back.values()), "reason": reason}
    tx.journal(Kind.CANCELLED, account=row.account, order_id=row.id, actor=actor, payload=payload)
    current = get(tx, row.id)
    if not any(line.state is LineState.WON for line in current.lines):
        set_state(tx, current, OrderState.CANCELLED)
