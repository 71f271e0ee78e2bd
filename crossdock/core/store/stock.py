"""The stock ledger: moves are appended, on hand and reserved are their sums, kept in the same transaction.

A reservation takes units off what can be sold. Shipping turns it into minus on hand. An order line is reserved whole,
in the first of its account's warehouses that holds it; a line of a won order that finds no stock is `short` and is
reserved as soon as units appear. A bundle has no stock of its own: its lines move its parts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, update

from crossdock.core.config import Options
from crossdock.core.model import Contains
from crossdock.core.store import catalog, offer_levels
from crossdock.core.store.engine import IDS, Read, Write, in_parts
from crossdock.core.store.tables import accounts, bundle_parts, order_lines, orders, stock, stock_moves


class MoveKind(StrEnum):
    """Why stock changed."""

    COUNT = "count"
    RESERVE = "reserve"
    RELEASE = "release"
    SHIP = "ship"
    RETURN = "return"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What to add to on hand and to reserved of one variant in one warehouse, and its unique cause."""

    variant_id: int
    warehouse: str
    kind: MoveKind
    on_hand: int = 0
    reserved: int = 0
    cause: str
    line_id: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Units of a variant that somebody counted in a warehouse."""

    variant_id: int
    warehouse: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Units that an order line needs."""

    line_id: int
    variant_id: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a line holds of one variant in one warehouse: units reserved, and units shipped less returned."""

    variant_id: int
    warehouse: str
    reserved: int
    shipped: int


Place = tuple[int, str]

# What every order asks several times is built once: building a statement takes longer than executing it.
_LEVELS = (
    select(stock.c.variant_id, stock.c.warehouse, stock.c.on_hand, stock.c.reserved, stock.c.counted_at)
    .where(stock.c.variant_id.in_(IDS))
    .order_by(stock.c.variant_id, stock.c.warehouse)
)
_LOCKED_LEVELS = _LEVELS.with_for_update()
_LINE_AND_VARIANT = (stock_moves.c.line_id, stock_moves.c.variant_id)
_MOVES_OF_LINES = (
    select(*_LINE_AND_VARIANT, func.count()).where(stock_moves.c.line_id.in_(IDS)).group_by(*_LINE_AND_VARIANT)
)
_SHORT_LINES = (
    select(
        order_lines.c.id,
        order_lines.c.variant_id,
        order_lines.c.quantity,
        order_lines.c.cancelled,
        order_lines.c.shipped,
        accounts.c.options,
    )
    .select_from(order_lines.join(orders).join(accounts, accounts.c.id == orders.c.account))
    .where(
        order_lines.c.short.is_(True),
        or_(
            order_lines.c.variant_id.in_(IDS),
            order_lines.c.variant_id.in_(select(bundle_parts.c.bundle_id).where(bundle_parts.c.part_id.in_(IDS))),
        ),
    )
    .order_by(orders.c.placed_at, order_lines.c.id)
)
_TOTALS = select(order_lines.c.id, order_lines.c.reserved, order_lines.c.shipped).where(order_lines.c.id.in_(IDS))
_ADD = (
    update(stock)
    .where(stock.c.variant_id == bindparam("variant"), stock.c.warehouse == bindparam("place"))
    .values(on_hand=stock.c.on_hand + bindparam("hand"), reserved=stock.c.reserved + bindparam("held"))
)
_ADD_COUNTED = _ADD.values(counted_at=bindparam("now"))
_GONE = case((stock_moves.c.kind.in_([MoveKind.SHIP, MoveKind.RETURN]), -stock_moves.c.on_hand), else_=0)
_HOLDINGS = (
    select(*_LINE_AND_VARIANT, stock_moves.c.warehouse, func.sum(stock_moves.c.reserved), func.sum(_GONE))
    .where(stock_moves.c.line_id.in_(IDS))
    .group_by(*_LINE_AND_VARIANT, stock_moves.c.warehouse)
    .order_by(*_LINE_AND_VARIANT, stock_moves.c.warehouse)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Stock that was found for lines: the warehouse of each by its id, the moves to be made, the places locked."""

    places: dict[int, str]
    moves: list[Move]
    locked: Collection[Place]


# --- moving ----------------------------------------------------------------------------------------------------------


def move(tx: Write, moves: Iterable[Move], *, locked: Collection[Place] = ()) -> None:
    """Append moves and keep the sums; the database refuses a cause that is in the ledger already.

    Offers of the touched variants become pending; lines that wait for units are served at the end of the transaction.

    Args:
        tx: a write transaction.
        moves: what happened.
        locked: places whose sums this transaction has locked by `levels` already.
    """
    fresh = list(moves)
    if not fresh:
        return
    tx.execute(insert(stock_moves), [_row(tx, item) for item in fresh])
    sums: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
    for item in fresh:
        total = sums[item.variant_id, item.warehouse]
        total[0] += item.on_hand
        total[1] += item.reserved
    _hold(tx, [place for place in sums if place not in locked])
    _add(tx, sums, counted=any(item.kind in (MoveKind.COUNT, MoveKind.ADJUST) for item in fresh))
    offer_levels.mark_changed(tx, {variant for variant, _ in sums})
    freed = {variant for (variant, _), (on_hand, reserved) in sums.items() if on_hand > reserved}
    if freed:
        tx.scratch.setdefault("freed", set()).update(freed)
        tx.defer(("0 stock",), _serve_short_lines)


def _fresh(tx: Read, moves: Iterable[Move]) -> list[Move]:
    """Leave out moves whose cause is in the ledger already."""
    wanted = {item.cause: item for item in moves}
    known = {
        cause
        for part in in_parts(wanted)
        for (cause,) in tx.execute(select(stock_moves.c.cause).where(stock_moves.c.cause.in_(part)))
    }
    return [item for cause, item in wanted.items() if cause not in known]


def _row(tx: Write, item: Move) -> dict[str, object]:
    return {
        "variant_id": item.variant_id,
        "warehouse": item.warehouse,
        "kind": item.kind.value,
        "on_hand": item.on_hand,
        "reserved": item.reserved,
        "cause": item.cause,
        "at": tx.now,
        "line_id": item.line_id,
        "note": item.note,
    }


def _hold(tx: Write, places: Collection[Place]) -> None:
    """Lock the sums of these places, in their order so that two writers cannot lock each other out; make what lacks."""
    there = levels(tx, {variant for variant, _ in places}, lock=True)
    missing = sorted({*places} - there.keys())
    if missing:
        zero = {"on_hand": 0, "reserved": 0}
        tx.execute(insert(stock), [{"variant_id": variant, "warehouse": name, **zero} for variant, name in missing])


def _add(tx: Write, sums: Mapping[Place, Sequence[int]], *, counted: bool) -> None:
    """Add to sums that are there."""
    rows = [{"variant": v, "place": w, "hand": sums[v, w][0], "held": sums[v, w][1]} for v, w in sorted(sums)]
    if counted:
        tx.execute(_ADD_COUNTED, [{**row, "now": tx.now} for row in rows])
    else:
        tx.execute(_ADD, rows)


@dataclass(frozen=True, slots=True)
class Level:
    """The sums of one variant in one warehouse; `counted_at` is None while its quantity is unknown."""

    on_hand: int
    reserved: int
    counted_at: datetime | None

    @property
    def free(self) -> int:
        """Units that can still be reserved."""
        return self.on_hand - self.reserved


def levels(tx: Read, variant_ids: Iterable[int], *, lock: bool = False) -> dict[Place, Level]:
    """Return the sums by (variant, warehouse); `lock` holds the rows until the end of the transaction."""
    found: dict[Place, Level] = {}
    for part in in_parts(variant_ids):
        rows = tx.execute(_LOCKED_LEVELS if lock else _LEVELS, {"ids": part})
        for variant, warehouse, on_hand, reserved, counted_at in rows:
            found[variant, warehouse] = Level(on_hand, reserved, counted_at)
    return found


# --- counts ----------------------------------------------------------------------------------------------------------


def count(
    tx: Write,
    counts: Sequence[Count],
    *,
    source: str,
    as_of: datetime,
    contains: Mapping[str, Contains] | None = None,
) -> list[int]:
    """Book counted units.

    Args:
        tx: a write transaction.
        counts: what was counted, each place once.
        source: who counted.
        as_of: when it was true; a count older than the last one of its place changes nothing.
        contains: by account id, which of that account's orders the numbers already leave out; by default those shipped.

    Returns:
        The variants whose on hand changed.
    """
    there = levels(tx, (item.variant_id for item in counts), lock=True)
    later = _since(tx, counts, as_of, contains or {})
    moves, seen = [], []
    for item in sorted(counts, key=lambda item: (item.variant_id, item.warehouse)):
        place = (item.variant_id, item.warehouse)
        level = there.get(place, Level(0, 0, None))
        if level.counted_at is not None and level.counted_at > as_of:
            continue
        seen.append(place)
        difference = item.quantity + later.get(place, 0) - level.on_hand
        if difference or level.counted_at is None:
            cause = f"count:{source}:{as_of.isoformat()}:{item.variant_id}:{item.warehouse}"
            moves.append(
                Move(
                    variant_id=item.variant_id,
                    warehouse=item.warehouse,
                    kind=MoveKind.COUNT,
                    on_hand=difference,
                    cause=cause,
                )
            )
    move(tx, _fresh(tx, moves), locked=there)
    _stamp(tx, seen, as_of)
    return sorted({item.variant_id for item in moves})


def _stamp(tx: Write, places: Sequence[Place], as_of: datetime) -> None:
    if places:
        tx.execute(
            update(stock)
            .where(stock.c.variant_id == bindparam("variant"), stock.c.warehouse == bindparam("place"))
            .values(counted_at=as_of),
            [{"variant": variant, "place": warehouse} for variant, warehouse in places],
        )


def _since(tx: Read, counts: Sequence[Count], as_of: datetime, contains: Mapping[str, Contains]) -> dict[Place, int]:
    """Return what has to be added to the counted numbers for what they do not know, or know too early.

    Shipped and returned units and adjustments after `as_of` are always news. Of an account whose orders count as
    contained once `placed`, only orders placed later are news, and what it holds reserved is still on our shelf. Of
    an account whose orders are contained in no case, every unit ever shipped is news.
    """
    kinds = (MoveKind.SHIP, MoveKind.RETURN, MoveKind.ADJUST)
    special = {how: [account for account, what in contains.items() if what is how] for how in Contains}
    ordinary = and_(
        stock_moves.c.at > as_of,
        or_(orders.c.account.is_(None), orders.c.account.not_in(special[Contains.PLACED] + special[Contains.NONE])),
    )
    placed = and_(orders.c.account.in_(special[Contains.PLACED]), orders.c.placed_at > as_of)
    never = orders.c.account.in_(special[Contains.NONE])
    shelf = and_(orders.c.account.in_(special[Contains.PLACED]), orders.c.placed_at <= as_of)
    news = case((and_(stock_moves.c.kind.in_(kinds), or_(ordinary, placed, never)), stock_moves.c.on_hand), else_=0)
    kept = case((shelf, stock_moves.c.reserved), else_=0)
    joined = stock_moves.outerjoin(order_lines, order_lines.c.id == stock_moves.c.line_id).outerjoin(
        orders, orders.c.id == order_lines.c.order_id
    )
    # Without special accounts nothing before `as_of` matters, and the index on time keeps the query small.
    window = (
        or_(stock_moves.c.at > as_of, orders.c.account.in_(list(contains))) if contains else stock_moves.c.at > as_of
    )
    found: dict[Place, int] = {}
    for part in in_parts(item.variant_id for item in counts):
        query = (
            select(stock_moves.c.variant_id, stock_moves.c.warehouse, func.sum(news + kept))
            .select_from(joined)
            .where(stock_moves.c.variant_id.in_(part), window)
            .group_by(stock_moves.c.variant_id, stock_moves.c.warehouse)
        )
        found.update({(variant, warehouse): int(total) for variant, warehouse, total in tx.execute(query)})
    return found


def adjust(tx: Write, variant_id: int, warehouse: str, units: int, *, cause: str, note: str = "") -> None:
    """Add units to on hand (or take them off) for a reason of the seller's own; `cause` makes it happen once."""
    correction = Move(
        variant_id=variant_id,
        warehouse=warehouse,
        kind=MoveKind.ADJUST,
        on_hand=units,
        cause=f"adjust:{cause}",
        note=note,
    )
    move(tx, _fresh(tx, [correction]))


# --- order lines -----------------------------------------------------------------------------------------------------


def reserve(tx: Write, wants: Sequence[Want], warehouses: Sequence[str]) -> dict[int, str]:
    """Reserve whole lines; arguments as in `choose`.

    Returns:
        The warehouse of each line that was reserved, by line id; the others found too little.
    """
    found = choose(tx, wants, warehouses)
    move(tx, found.moves, locked=found.locked)
    return found.places


def choose(tx: Write, wants: Sequence[Want], warehouses: Sequence[str]) -> Choice:
    """Find the stock for whole lines, first come first served, and hold it for this transaction.

    Args:
        tx: a write transaction.
        wants: lines in the order in which they are served.
        warehouses: the account's, in order; a line is taken from the first that holds all of it.
    """
    parts = parts_of(tx, {want.variant_id for want in wants})
    there = levels(tx, {part for found in parts.values() for part in found}, lock=True)
    free = {place: level.free for place, level in there.items() if level.counted_at is not None}
    numbers = _move_numbers(tx, [want.line_id for want in wants])
    found = Choice(places={}, moves=[], locked=there.keys())
    for want in wants:
        needs = {part: units * want.quantity for part, units in parts[want.variant_id].items()}
        place = next((w for w in warehouses if all(free.get((p, w), 0) >= n for p, n in needs.items())), None)
        if place is None:
            continue
        found.places[want.line_id] = place
        for part, units in needs.items():
            free[part, place] -= units
            found.moves.append(
                Move(
                    variant_id=part,
                    warehouse=place,
                    kind=MoveKind.RESERVE,
                    reserved=units,
                    cause=f"reserve:{want.line_id}:{part}:{numbers[want.line_id, part]}",
                    line_id=want.line_id,
                )
            )
    return found


def release(tx: Write, units: Mapping[int, int]) -> None:
    """Give back reserved units of lines.

    Args:
        tx: a write transaction; it also writes what the lines hold from now on.
        units: by line id, how many units of the line are given back.
    """
    _settle(tx, units, MoveKind.RELEASE)


def ship(tx: Write, units: Mapping[int, int]) -> None:
    """Turn reserved units of lines into minus on hand; arguments as in `release`."""
    _settle(tx, units, MoveKind.SHIP)


def ship_unreserved(tx: Write, wants: Sequence[Want], warehouse: str) -> None:
    """Take units off hand for lines that left although nothing was reserved for them.

    On hand may fall below zero, which says that the last count was wrong.
    """
    parts = parts_of(tx, {want.variant_id for want in wants})
    numbers = _move_numbers(tx, [want.line_id for want in wants])
    move(
        tx,
        [
            Move(
                variant_id=part,
                warehouse=warehouse,
                kind=MoveKind.SHIP,
                on_hand=-units * want.quantity,
                cause=f"ship:{want.line_id}:{part}:{numbers[want.line_id, part]}",
                line_id=want.line_id,
            )
            for want in wants
            for part, units in parts[want.variant_id].items()
        ],
    )


def take_back(tx: Write, units: Mapping[int, int]) -> None:
    """Put shipped units of lines on hand again; arguments as in `release`."""
    _settle(tx, units, MoveKind.RETURN)


def _settle(tx: Write, units: Mapping[int, int], kind: MoveKind) -> None:
    """Move a share of what each line holds: the ledger knows it exactly, also if a bundle was changed since."""
    if not units:
        return
    held, numbers = holdings(tx, units), _move_numbers(tx, units)
    totals = _line_totals(tx, units, kind)
    moves = []
    for line_id, number in units.items():
        total = totals[line_id]
        if number < 0 or number > total:
            raise ValueError(f"line {line_id} holds {total} units, not {number}, to {kind.value}")
        for holding in held.get(line_id, ()):
            whole = holding.shipped if kind is MoveKind.RETURN else holding.reserved
            share, rest = divmod(whole * number, total) if total else (0, 0)
            if rest:
                raise ValueError(f"line {line_id} holds {whole} units of variant {holding.variant_id} for {total}")
            if share:
                moves.append(_settling(line_id, holding, kind, share, numbers[line_id, holding.variant_id]))
    move(tx, moves)


def _settling(line_id: int, holding: Holding, kind: MoveKind, share: int, number: int) -> Move:
    on_hand = {MoveKind.RELEASE: 0, MoveKind.SHIP: -share, MoveKind.RETURN: share}[kind]
    return Move(
        variant_id=holding.variant_id,
        warehouse=holding.warehouse,
        kind=kind,
        on_hand=on_hand,
        reserved=0 if kind is MoveKind.RETURN else -share,
        cause=f"{kind.value}:{line_id}:{holding.variant_id}:{number}",
        line_id=line_id,
    )


def _move_numbers(tx: Read, line_ids: Iterable[int]) -> Counter[tuple[int, int]]:
    """Return how many moves each line made of each variant: the next one's number, which makes its cause unique."""
    numbers: Counter[tuple[int, int]] = Counter()
    for part in in_parts(line_ids):
        rows = tx.execute(_MOVES_OF_LINES, {"ids": part})
        numbers.update({(line_id, variant): number for line_id, variant, number in rows})
    return numbers


def _line_totals(tx: Read, units: Mapping[int, int], kind: MoveKind) -> dict[int, int]:
    """Return how many units of each line are reserved, or shipped and not yet returned."""
    return {
        line_id: shipped if kind is MoveKind.RETURN else reserved
        for part in in_parts(units)
        for line_id, reserved, shipped in tx.execute(_TOTALS, {"ids": part})
    }


def holdings(tx: Read, line_ids: Iterable[int]) -> dict[int, list[Holding]]:
    """Return what each line holds, by the ledger."""
    found: dict[int, list[Holding]] = defaultdict(list)
    for part in in_parts(line_ids):
        for line_id, variant, warehouse, reserved, shipped in tx.execute(_HOLDINGS, {"ids": part}):
            holding = Holding(variant_id=variant, warehouse=warehouse, reserved=int(reserved), shipped=int(shipped))
            found[line_id].append(holding)
    return found


def _serve_short_lines(tx: Write) -> None:
    """Reserve for lines of won orders that wait for units, oldest purchase first."""
    freed = {"ids": sorted(tx.scratch.pop("freed"))}
    for line_id, variant, quantity, cancelled, shipped, options in tx.execute(_SHORT_LINES, freed).all():
        want = Want(line_id=line_id, variant_id=variant, quantity=quantity - cancelled - shipped)
        places = Options.model_validate(options).warehouses
        chosen = reserve(tx, [want], places)
        if chosen:
            change = update(order_lines).where(order_lines.c.id == line_id)
            tx.execute(change.values(short=False, reserved=want.quantity, warehouse=chosen[line_id]))


# --- what can be sold ------------------------------------------------------------------------------------------------


def parts_of(tx: Read, variant_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Return the parts of each variant with their number: of a bundle its parts, of any other variant itself once."""
    wanted = sorted(set(variant_ids))
    bundles = catalog.parts_of(tx, wanted)
    return {variant: bundles.get(variant, {variant: 1}) for variant in wanted}


def sellable(tx: Read, variant_ids: Iterable[int], options: Options) -> dict[int, int | None]:
    """Return how many units of each variant an account may show.

    The sum over its warehouses of what is free (never below zero), less the buffer, within the cap; a bundle is as
    available as its scarcest part. None where nobody has counted yet.
    """
    parts = parts_of(tx, variant_ids)
    there = levels(tx, {part for found in parts.values() for part in found})
    counted = {place: level.free for place, level in there.items() if level.counted_at is not None}

    def free(variant: int) -> int | None:
        places = [counted[variant, name] for name in options.warehouses if (variant, name) in counted]
        return sum(max(0, units) for units in places) if places else None

    found: dict[int, int | None] = {}
    for variant, needs in parts.items():
        pieces = [(free(part), units) for part, units in needs.items()]
        known = [units // each for units, each in pieces if units is not None]
        if len(known) < len(pieces):
            found[variant] = None
        else:
            shown = max(0, min(known) - options.stock_buffer)
            found[variant] = shown if options.stock_cap is None else min(shown, options.stock_cap)
    return found
