"""Taking in what a platform reports: new orders, changed ones, ones seen again.

A page is one transaction with its ids, reservations and journal, and repeating it changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from crossdock.core.config import Options
from crossdock.core.errors import UnknownStatus
from crossdock.core.model import Meaning, Order, OrderLine, RemoteId
from crossdock.core.store import catalog, intents, statuses, stock
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.intents import IntentState
from crossdock.core.store.journal import Kind
from crossdock.core.store.order_changes import (
    attach_ids,
    find_stock,
    free,
    id_row,
    park_without_vat,
    reserve_open,
    set_lines,
    set_state,
    unpark,
    wants_nothing,
    without_vat,
)
from crossdock.core.store.order_outcome import ship
from crossdock.core.store.orders import (
    ORDER_CODEC,
    LineRow,
    LineState,
    OrderRow,
    OrderState,
    ParkedFor,
    get,
    get_many,
    line_row,
    order_rows,
    with_proposal,
)
from crossdock.core.store.tables import offers, order_copies, order_ids, order_lines, order_versions, orders

UNDECIDED = frozenset({OrderState.PROPOSED, OrderState.UNKNOWN, OrderState.GONE, OrderState.LOST})
_HUBS_OWN = frozenset({"order_id", "state", "reason", "warehouse", "reserved", "shipped", "short"})  # columns of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Whose orders are taken in.

    Args:
        account: the account's id.
        options: its options: warehouses, VAT.
        countries: the country of each of its markets, for VAT while no address is known.
        not_before: orders bought earlier are left alone.
        actor: who does it, for the journal.
        sweep: the number of the sweep that is under way.
    """

    account: str
    options: Options
    countries: Mapping[str, str] = field(default_factory=dict)
    not_before: datetime | None = None
    actor: str = "orders"
    sweep: int = 0


@dataclass(slots=True)
class Taken:
    """What taking in a page did: order ids by what happened, and those that need a person."""

    added: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    unchanged: int = 0
    early: int = 0
    parked: dict[int, str] = field(default_factory=dict)
    short: list[tuple[int, str]] = field(default_factory=list)


# --- taking in


def take_in(tx: Write, intake: Intake, page: Sequence[Order]) -> Taken:
    """Take in what a platform reported: new orders, changed ones, ones seen again.

    Args:
        tx: the transaction which also keeps the cursor.
        intake: whose orders these are.
        page: in the order in which reservations are served.

    Returns:
        What happened, for the run's counts and events.
    """
    taken = Taken()
    known = _known(tx, intake.account, page)
    same = _as_they_were(tx, intake, known, page) | _echoes(tx, intake, known, page)
    again = {known[order.id] for order in page if order.id in known and order.id not in same}
    held = {row.id: row for row in get_many(tx, again, lock=True)} if again else {}
    goods = _find_goods(tx, intake.account, [line for order in page if order.id not in same for line in order.lines])
    fresh: list[Order] = []
    for order in page:
        if order.id in same:
            taken.unchanged += 1
        elif order.id in known:
            row = held.pop(known[order.id], None) or get(tx, known[order.id])  # seen twice on this page
            _see_again(tx, intake, row, order, goods, taken)
        elif intake.not_before is not None and order.placed_at < intake.not_before:
            taken.early += 1
        else:
            fresh.append(order)
    joined = _proposals_of(tx, intake.account, [order for order in fresh if not order.proposal])
    for order in fresh:
        if order.id in joined:
            attach_ids(tx, intake.account, joined[order.id], (order.id, *order.also))
            _see_again(tx, intake, get(tx, joined[order.id], lock=True), order, goods, taken)
    _flag_copies(tx, taken.changed)
    _add(tx, intake, [order for order in fresh if order.id not in joined], goods, taken)
    return taken


def _known(tx: Read, account: str, page: Sequence[Order]) -> dict[RemoteId, int]:
    """Return the order of each id on the page that the store knows; an alias leads to its order too."""
    names = {name: order.id for order in page for name in (order.id, *order.also)}
    values = sorted({name.value for name in names})
    query = select(order_ids).where(order_ids.c.account == account, order_ids.c.remote_id.in_(values))
    found: dict[RemoteId, int] = {}
    for row in tx.execute(query).mappings():
        name = RemoteId(kind=row["kind"], scope=row["scope"], value=row["remote_id"])
        if name in names:
            found[names[name]] = row["order_id"]
    return found


def _as_they_were(tx: Write, intake: Intake, known: Mapping[RemoteId, int], page: Sequence[Order]) -> set[RemoteId]:
    """Return the orders of the page about which there is no news, and note which proposals this sweep has seen.

    A proposal that was decided may be listed late; that is no news either.
    """
    columns = (orders.c.id, orders.c.state, orders.c.hash, orders.c.sweep)
    query = select(*columns).where(orders.c.id.in_(sorted(set(known.values()))))
    heads = {row.id: row for row in tx.execute(query)} if known else {}
    same: set[RemoteId] = set()
    seen: list[int] = []
    for order in page:
        if order.id not in known:
            continue
        head = heads[known[order.id]]
        late = order.proposal and head.state not in (OrderState.PROPOSED, OrderState.GONE)
        comparable = head.state == OrderState.PROPOSED if order.proposal else head.state not in UNDECIDED
        if late or (comparable and head.hash == digest(ORDER_CODEC.dump_python(order, mode="json"))):
            same.add(order.id)
        if order.id in same and order.proposal and not late and head.sweep != intake.sweep:
            seen.append(head.id)
    if seen:
        tx.execute(update(orders).where(orders.c.id.in_(seen)).values(sweep=intake.sweep))
    return same


def _echoes(tx: Write, intake: Intake, known: Mapping[RemoteId, int], page: Sequence[Order]) -> set[RemoteId]:
    """Return the orders that the hub itself wrote there, and note their remote ids on the copies."""
    echoes = [(order.echo.removeprefix("crossdock-"), order.id) for order in page if order.echo]
    named = [(int(number), name) for number, name in echoes if number.isdecimal() and name not in known]
    if not named:
        return set()
    ours = (order_copies.c.account == intake.account, order_copies.c.order_id.in_({number for number, _ in named}))
    query = select(order_copies.c.order_id, order_copies.c.remote_id).where(*ours)
    copies: dict[int, str | None] = {row.order_id: row.remote_id for row in tx.execute(query)}
    found = [(number, name) for number, name in named if number in copies]
    news = [{"copy": number, "name": name.value} for number, name in found if copies[number] != name.value]
    if news:
        change = update(order_copies).where(ours[0], order_copies.c.order_id == bindparam("copy"))
        tx.execute(change.values(remote_id=bindparam("name")), news)
    return {name for _, name in found}


def _proposals_of(tx: Read, account: str, page: Sequence[Order]) -> dict[RemoteId, int]:
    """Find the proposal that an order came out of by the ids of its positions.

    Platforms may keep the ids of positions from proposal to order. Where all of an order's positions have the ids,
    products and quantities of one proposal's, it is that one; where they do not, the order is simply new.
    """
    lines = sorted({line.id for order in page for line in order.lines})
    if not lines:
        return {}
    undecided = (OrderState.PROPOSED, OrderState.UNKNOWN, OrderState.GONE, OrderState.LOST)
    columns = (order_lines.c.order_id, orders.c.scope, order_lines.c.remote_id, order_lines.c.quantity)
    query = (
        select(*columns, order_lines.c.product_id, order_lines.c.gtin)
        .select_from(order_lines.join(orders))
        .where(orders.c.account == account, orders.c.state.in_(undecided), order_lines.c.remote_id.in_(lines))
    )
    signs: dict[int, set[tuple[object, ...]]] = defaultdict(set)
    for number, *sign in tx.execute(query):
        signs[number].add(tuple(sign))
    found: dict[RemoteId, int] = {}
    for order in page:
        wanted = {(order.id.scope, line.id, line.quantity, line.product_id, line.gtin) for line in order.lines}
        fits = [number for number, there in signs.items() if wanted and wanted <= there]
        if len(fits) == 1:
            found[order.id] = fits[0]
    return found


# --- new orders


def _add(tx: Write, intake: Intake, page: Sequence[Order], goods: Goods, taken: Taken) -> None:
    """Add new orders with all that belongs to them, in as many statements for a full page as for one order."""
    if not page:
        return
    fresh = dict(zip(tx.numbers(orders, len(page)), page, strict=True))
    heads = [_head(tx, intake, number, order) for number, order in fresh.items()]
    names = [
        id_row(intake.account, number, name)
        for number, order in fresh.items()
        for name in dict.fromkeys((order.id, *order.also))
    ]
    lines = _new_lines(tx, intake, fresh, goods)
    rows = order_rows(heads, [line_row([line[name] for name in LineRow._fields]) for line in lines])
    found = find_stock(tx, rows, intake.options.warehouses)
    tx.execute(insert(orders), heads)
    tx.execute(insert(order_ids), names)
    if lines:
        tx.execute(insert(order_lines), [{**line, **found.columns.get(line["id"], {})} for line in lines])
    stock.move(tx, found.stock.moves, locked=found.stock.locked)
    for row in rows:
        payload = {"remote": str(fresh[row.id].id), "state": row.state.value}
        tx.journal(Kind.CREATED, account=intake.account, order_id=row.id, actor=intake.actor, payload=payload)
    taken.added.extend(fresh)
    taken.short.extend(found.short)
    _tell_parked(tx, intake, rows, taken)


def _tell_parked(tx: Write, intake: Intake, rows: Sequence[OrderRow], taken: Taken) -> None:
    """Say which new orders wait for a person: those with an unknown status, and now those without a VAT rate."""
    for row in rows:
        if row.parked_code is not None:
            taken.parked[row.id] = row.parked_because or ""
            payload = {"code": row.parked_code, "because": row.parked_because}
            tx.journal(Kind.PARKED, account=row.account, order_id=row.id, actor=intake.actor, payload=payload)
    taken.parked.update(park_without_vat(tx, rows, actor=intake.actor))


def _head(tx: Write, intake: Intake, number: int, order: Order) -> dict[str, Any]:
    content = ORDER_CODEC.dump_python(order, mode="json")
    status = _status(tx, intake.account, order.status)
    return {
        "id": number,
        "account": intake.account,
        "scope": order.id.scope,
        "market": order.market,
        "state": OrderState.PROPOSED.value if order.proposal else OrderState.OPEN.value,
        "currency": order.lines[0].price.currency if order.lines else "",
        "placed_at": order.placed_at,
        "seen_at": tx.now,
        "decided_at": None,
        "changed_at": tx.now,
        "sweep": intake.sweep,
        "version": 1,
        "content": content,
        "hash": digest(content),
        **status,
    }


def _status(tx: Write, account: str, code: str) -> dict[str, Any]:
    """Return the columns that say an order's status; what nobody mapped parks the order."""
    cache: dict[tuple[str, str], dict[str, Any]] = tx.scratch.setdefault("statuses", {})
    if (account, code) not in cache:
        columns: dict[str, Any] = {"platform_status": code, "status_id": None, "meaning": None}
        columns |= {"parked_code": None, "parked_because": None}
        try:
            status_id, meaning = statuses.inwards(tx, account, code)
            columns |= {"status_id": status_id, "meaning": meaning.value}
        except UnknownStatus as error:
            columns |= {"parked_code": ParkedFor.STATUS.value, "parked_because": str(error)}
        cache[account, code] = columns
    return cache[account, code]


def digest(content: object) -> str:
    """Return the hash by which an unchanged order is known."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _new_lines(tx: Write, intake: Intake, page: Mapping[int, Order], goods: Goods) -> list[dict[str, Any]]:
    rows = [
        _line_values(intake, order, number, position, line, goods)
        for number, order in page.items()
        for position, line in enumerate(order.lines)
    ]
    numbers = tx.numbers(order_lines, len(rows))
    return [{"id": number, **row} for number, row in zip(numbers, rows, strict=True)]


def _line_values(
    intake: Intake,
    order: Order,
    number: int,
    position: int,
    line: OrderLine,
    goods: Goods,
) -> dict[str, Any]:
    variant = goods.variants.get(_line_key(line))
    rate, source = _vat(intake, order, line, goods.vat_rates.get(variant, {}) if variant is not None else {})
    return {
        "order_id": number,
        "position": position,
        "remote_id": line.id,
        "sku": line.sku,
        "gtin": line.gtin,
        "product_id": line.product_id,
        "name": line.name,
        "quantity": line.quantity,
        "price": line.price.amount,
        "currency": line.price.currency,
        "variant_id": variant,
        "state": (LineState.PROPOSED if order.proposal else LineState.WON).value,
        "reason": None,
        "vat_rate": rate,
        "vat_source": source,
        "net_price": None if rate is None else net(line.price.amount, rate),
        "warehouse": None,
        "reserved": 0,
        "shipped": 0,
        "cancelled": line.cancelled,
        "short": False,
    }


def net(gross: Decimal, rate: Decimal) -> Decimal:
    """Return the price without VAT of `rate` percent, to the hundredth of a cent."""
    return (gross / (1 + rate / 100)).quantize(Decimal("0.0001"))


def _vat(
    intake: Intake, order: Order, line: OrderLine, product_rates: Mapping[str, str]
) -> tuple[Decimal | None, str | None]:
    """Return rate and source: the platform's, the product's for the country, the market's or the account's."""
    if line.vat_rate is not None:
        return line.vat_rate, "platform"
    country = next((place.country for place in (order.shipping, order.billing) if place and place.country), None)
    country = country or intake.countries.get(order.market, "")
    for place in (country, catalog.ANY_COUNTRY):
        if place in product_rates:
            return Decimal(product_rates[place]), f"product {place}"
    if order.market in intake.options.vat_rates:
        return intake.options.vat_rates[order.market], f"market {order.market}"
    if intake.options.vat_rate is not None:
        return intake.options.vat_rate, "account"
    return None, None


LineKey = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What the catalogue knows of a page's lines: the variant of each, and by variant its VAT rates."""

    variants: Mapping[LineKey, int]
    vat_rates: Mapping[int, Mapping[str, str]]


def _line_key(line: OrderLine) -> LineKey:
    return line.sku, line.product_id, line.gtin


def _find_goods(tx: Read, account: str, lines: Sequence[OrderLine]) -> Goods:
    found = _match(tx, account, lines)
    return Goods(variants=found, vat_rates=catalog.vat_rates(tx, found.values()))


def _match(tx: Read, account: str, lines: Sequence[OrderLine]) -> dict[LineKey, int]:
    """Find the variant of each line: by SKU, else by the linked offer, else by a GTIN that only one variant has."""
    by_sku = catalog.ids_by_sku(tx, {line.sku for line in lines if line.sku})
    listed = {line.product_id for line in lines if line.product_id and line.sku not in by_sku}
    query = select(offers.c.remote_id, offers.c.variant_id).where(
        offers.c.account == account, offers.c.remote_id.in_(sorted(listed))
    )
    by_offer: dict[str, int] = {row.remote_id: row.variant_id for row in tx.execute(query)} if listed else {}
    rest = {line.gtin for line in lines if line.gtin and line.sku not in by_sku and line.product_id not in by_offer}
    by_gtin = catalog.ids_by_gtin(tx, rest)
    found: dict[LineKey, int] = {}
    for line in lines:
        variant = by_sku.get(line.sku or "") or by_offer.get(line.product_id or "") or by_gtin.get(line.gtin or "")
        if variant is not None:
            found[_line_key(line)] = variant
    return found


# --- parked orders


def look_again(tx: Write, intake: Intake, number: int) -> str | None:
    """Give an order what was not known when it came in, its status and VAT rates; return what is still unknown."""
    row = get(tx, number, lock=True)
    status = _status(tx, intake.account, row.platform_status)
    if status["parked_because"]:
        return str(status["parked_because"])
    tx.execute(
        update(orders).where(orders.c.id == number).values(status_id=status["status_id"], meaning=status["meaning"])
    )
    rates = catalog.vat_rates(tx, {line.variant_id for line in row.lines if line.variant_id is not None})
    for line in row.lines:
        known = next((there for there in row.order.lines if there.id == line.remote_id), None)
        if line.vat_rate is None and known is not None:
            rate, source = _vat(intake, row.order, known, rates.get(line.variant_id or 0, {}))
            values = {
                "vat_rate": rate,
                "vat_source": source,
                "net_price": None if rate is None else net(line.price, rate),
            }
            tx.execute(update(order_lines).where(order_lines.c.id == line.id).values(**values))
    reserve_open(tx, [get(tx, number)], intake.options.warehouses)
    return without_vat(get(tx, number))


# --- orders seen again


def _see_again(tx: Write, intake: Intake, row: OrderRow, order: Order, goods: Goods, taken: Taken) -> None:
    """Take in what the platform says now of an order, which this transaction holds locked."""
    if order.proposal:
        _see_proposal_again(tx, intake, row, order, goods, taken)
        return
    if _is_further(row.order, order) and not _has_news(row, order):
        taken.unchanged += 1
        return
    won_elsewhere = row.state in UNDECIDED
    if won_elsewhere:
        _won_elsewhere(tx, row, order, intake.actor)
    changed_lines = _new_version(tx, intake, row, order, goods)
    taken.changed.append(row.id)
    sold = [line for line in row.lines if line.state is LineState.WON]
    if won_elsewhere or changed_lines or not wants_nothing(sold):
        current = get(tx, row.id)
        taken.short.extend(reserve_open(tx, [current], intake.options.warehouses).short)
        taken.parked.update(park_without_vat(tx, [current], actor=intake.actor))


def _see_proposal_again(tx: Write, intake: Intake, row: OrderRow, order: Order, goods: Goods, taken: Taken) -> None:
    """A proposal that is listed with other content, or again after it seemed gone."""
    tx.execute(update(orders).where(orders.c.id == row.id).values(sweep=intake.sweep))
    if row.state is OrderState.GONE:
        set_state(tx, row, OrderState.PROPOSED)
        set_lines(tx, [line.id for line in row.lines], LineState.PROPOSED, None)
    _new_version(tx, intake, row, order, goods)
    taken.short.extend(reserve_open(tx, [get(tx, row.id)], intake.options.warehouses).short)
    taken.changed.append(row.id)


def _flag_copies(tx: Write, numbers: Sequence[int]) -> None:
    """Note that the copies of these orders, sent on to other accounts, do not say any more what the platform says."""
    if numbers:
        tx.execute(update(order_copies).where(order_copies.c.order_id.in_(numbers)).values(stale=True))


def _is_further(known: Order, order: Order) -> bool:
    """Whether this is one more order that came out of the same proposal, whose positions were won one after another."""
    return not known.proposal and known.id != order.id and known.id not in order.also


def _has_news(row: OrderRow, order: Order) -> bool:
    """Whether a further order says of one of its lines what is not known of it."""
    there = {line.remote_id: line for line in row.lines if line.state in (LineState.WON, LineState.CANCELLED)}
    return any(line.id not in there or _differs(there[line.id], line) for line in order.lines)


def _won_elsewhere(tx: Write, row: OrderRow, order: Order, actor: str) -> None:
    """A proposal turned out to be an order: won without our hearing so, or accepted in the platform's own panel."""
    won = {line.id for line in order.lines}
    kept = [line for line in row.lines if line.remote_id in won]
    rest = [line for line in row.lines if line.remote_id not in won and line.state is LineState.PROPOSED]
    set_state(tx, row, OrderState.OPEN, decided=True)
    set_lines(tx, [line.id for line in kept], LineState.WON, None)
    set_lines(tx, [line.id for line in rest], LineState.DECLINED, "decided on the platform")
    free(tx, rest)
    unclear = intents.living_of(tx, row.id)
    if row.parked_code == ParkedFor.OUTCOME and unclear:
        unpark(tx, row, actor=actor)
        intents.close(tx, unclear.id, IntentState.DONE, words=f"It came in by itself as {order.id}.")
    tx.journal(Kind.WON, account=row.account, order_id=row.id, actor="platform", payload={"remote": str(order.id)})


def _new_version(tx: Write, intake: Intake, row: OrderRow, order: Order, goods: Goods) -> bool:
    """Write what the platform says now: the head, the lines, the difference.

    Returns:
        Whether lines changed.
    """
    seen = ORDER_CODEC.dump_python(order, mode="json")
    kept = with_proposal(order, row.order)
    content = seen if kept is order else ORDER_CODEC.dump_python(kept, mode="json")
    changed = {path: [old, new] for path, old, new in difference(row.content, content)}
    status = _status(tx, row.account, order.status)
    if row.parked_code not in (None, ParkedFor.STATUS):
        status = {name: value for name, value in status.items() if not name.startswith("parked")}
    values = {"content": content, "hash": digest(seen), "version": row.version + 1, "changed_at": tx.now}
    tx.execute(update(orders).where(orders.c.id == row.id).values(**values, **status))
    tx.execute(
        insert(order_versions),
        {"order_id": row.id, "version": row.version + 1, "at": tx.now, "difference": changed},
    )
    changed_lines = _update_lines(tx, intake, row, order, goods)
    if order.status != row.platform_status:
        _follow_status(tx, row.id, status["meaning"])
    kind = Kind.STATUS if order.status != row.platform_status else Kind.EDITED
    payload = {"version": row.version + 1, "changed": sorted(changed)}
    tx.journal(kind, account=row.account, order_id=row.id, actor=intake.actor, payload=payload)
    return changed_lines


def _update_lines(tx: Write, intake: Intake, row: OrderRow, order: Order, goods: Goods) -> bool:
    """Bring the lines to what the order says now: changed ones are reserved anew, vanished ones cancelled.

    Returns:
        Whether any changed.
    """
    there = {line.remote_id: line for line in row.lines}
    incoming = {line.id: line for line in order.lines}
    # Lines that were won one after another stand in several orders; each tells of its own.
    told = {line.id for line in row.order.lines} if row.order.id == order.id else set()
    gone = [there[name] for name in told - incoming.keys() if there[name].state is LineState.WON]
    if gone and not order.proposal:
        free(tx, gone)
        set_lines(tx, [line.id for line in gone], LineState.CANCELLED, "no longer part of the order")
    changed = [there[name] for name, line in incoming.items() if name in there and _differs(there[name], line)]
    free(tx, changed)
    added, edited = [], []
    for position, line in enumerate(order.lines):
        values = _line_values(intake, order, row.id, position, line, goods)
        old = there.get(line.id)
        if old is None:
            added.append(values)
        else:
            news = {name: value for name, value in values.items() if name not in _HUBS_OWN}
            news["variant_id"] = old.variant_id or values["variant_id"]
            news["cancelled"] = max(old.cancelled, line.cancelled)
            if any(getattr(old, name) != value for name, value in news.items()):
                edited.append({"line": old.id, **news})
    if added:
        tx.execute(insert(order_lines), added)
    if edited:
        tx.execute(update(order_lines).where(order_lines.c.id == bindparam("line")), edited)
    return bool(gone or added or edited)


def _differs(old: LineRow, new: OrderLine) -> bool:
    return old.quantity != new.quantity or new.cancelled > old.cancelled


def _follow_status(tx: Write, number: int, meaning: str | None) -> None:
    """Let stock follow what the platform says of the whole order: shipped goods leave, cancelled ones come free."""
    if meaning not in (Meaning.SHIPPED, Meaning.DELIVERED, Meaning.CANCELLED):
        return
    current = get(tx, number)
    if current.meaning is not Meaning.CANCELLED:
        ship(tx, [(current, {line.id: line.reserved for line in current.lines})], actor="platform")
    else:
        free(tx, current.lines)
        set_lines(tx, [line.id for line in current.lines], LineState.CANCELLED, "cancelled on the platform")
        set_state(tx, current, OrderState.CANCELLED)


def difference(old: Any, new: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Yield (path, old, new) for each leaf in which two JSON values differ; lists of lines are compared by line id."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from difference(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif path == "lines" and isinstance(old, list) and isinstance(new, list):
        yield from difference({line["id"]: line for line in old}, {line["id"]: line for line in new}, path)
    elif old != new:
        yield path, old, new
