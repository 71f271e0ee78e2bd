"""What Miinto says in crossdock's words and back: pure functions, no calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from crossdock.plugin import (
    Acceptance,
    Address,
    Decision,
    Delivery,
    LineOutcome,
    Market,
    Money,
    Node,
    Order,
    OrderLine,
    Payment,
    RemoteId,
    RemoteProduct,
    StockLevel,
)

STOCK_KEYS = ("group", "brand", "color", "size")
POSITIONS = {"accepted": "acceptedPositions", "pending": "pendingPositions", "declined": "declinedPositions"}

# Code, country, currency, and the telephone code that is the third part of a shop's id, as in 1-m!i!s-048-1234.
TABLE = "pl PL PLN 048, se SE SEK 046, no NO NOK 047, ch CH CHF 041, be BE EUR 032, nl NL EUR 031, dk DK DKK 045"
# Seen later; their telephone codes follow the same pattern (unconfirmed).
LATER = "uk GB GBP 044, de DE EUR 049, fr FR EUR 033, it IT EUR 039, es ES EUR 034, fi FI EUR 358, cn CN CNY 086"
ROWS = tuple(row.split() for row in f"{TABLE}, {LATER}".split(", "))
MARKETS = {code: Market(code=code, country=country, currency=currency) for code, country, currency, _ in ROWS}
TELEPHONE = {telephone: code for code, _, _, telephone in ROWS}


# --- orders ----------------------------------------------------------------------------------------------------------


def read_transfer(row: Mapping[str, Any], shop: str, market: Market) -> Order:
    """Return a transfer as a proposal; its prices are in the market's currency, since transfers name none."""
    transfer = Node(row, f"Miinto's transfer {row.get('id')} of shop {shop}")
    return Order(
        id=RemoteId(kind="transfer", scope=shop, value=_number(transfer)),
        proposal=True,
        market=market.code,
        status="pending",
        placed_at=transfer.time("createdAt", "parentOrder.createdAt"),
        lines=_lines(transfer, "pending", market.currency),
    )


def read_order(row: Mapping[str, Any], shop: str, market: Market) -> Order:
    """Return an order. Its `parentOrder` is shared by several shops, so that number names no order here: a comment."""
    order = Node(row, f"Miinto's order {row.get('id')} of shop {shop}")
    status, currency = _status(order), order.currency()
    lines = _lines(order, status, currency)
    billing, delivery = order.child("billingInformation"), order.child("shippingInformation").child("deliveryAddress")
    paid = sum((line.price * line.quantity for line in lines), Money.from_minor(0, currency))
    return Order(
        id=RemoteId(kind="order", scope=shop, value=_number(order)),
        market=market.code,
        status=status,
        placed_at=bought_at(order),
        lines=lines,
        buyer=_address(billing),
        billing=_address(billing),
        shipping=_address(delivery),
        delivery=Delivery(method=delivery.text("type")),
        payment=Payment(method="Miinto", paid=paid),
        comment=_comment(order, status),
    )


def bought_at(order: Node) -> datetime:
    """Return when the buyer bought what became this order."""
    return order.time("parentOrder.createdAt", "createdAt")


def position_ids(order: Node) -> set[str]:
    """Return the ids of all positions of an order."""
    return {_number(position) for positions in POSITIONS.values() for position in order.children(positions)}


def _status(order: Node) -> str:
    """Return what became of an order: accepted as soon as one position is."""
    for status, positions in POSITIONS.items():
        if order.children(positions):
            return status
    raise order.fault("it has no positions at all")


def _comment(order: Node, status: str) -> str:
    parent = order.child("parentOrder").text("id")
    waiting = [_number(position) for position in order.children(POSITIONS["pending"])] if status == "accepted" else []
    told = [f"Miinto order {parent}."] if parent else []
    if waiting:
        told.append(f"Not in this order yet, to be decided at Miinto: position {', '.join(waiting)}.")
    return " ".join(told)


def _lines(order: Node, status: str, currency: str) -> tuple[OrderLine, ...]:
    return tuple(_line(position, currency) for position in order.children(POSITIONS[status]))


def _number(thing: Node) -> str:
    """Return the id, a whole number at Miinto, as text."""
    return str(thing.whole("id"))


def _line(position: Node, currency: str) -> OrderLine:
    item = position.child("item")
    return OrderLine(
        id=_number(position),
        name=item.text("name"),
        quantity=position.whole("quantity"),
        price=Money.from_minor(position.whole("price"), currency),
        gtin=item.text("gtin") or None,
        product_id=item.text("productId") or None,
        attributes={name: text for name in ("brand", "color", "size") if (text := item.text(name))},
    )


def _address(person: Node) -> Address | None:
    """Return name and place as they came; a young record has `countryCode`, an old one `country`."""
    if not person.value:
        return None
    place = person.child("address")
    return Address(
        name=person.text("name"),
        street=place.text("street"),
        postcode=place.text("postcode"),
        city=place.text("city"),
        country=place.text("countryCode") or place.text("country"),
        phone=person.text("phone"),
        email=person.text("email"),
    )


# --- acceptance ------------------------------------------------------------------------------------------------------


def read_new_order(answer: Node) -> str | None:
    """Return the id of the order that came out of an acceptance, or None where another shop was faster.

    Raises:
        BadAnswer: something else stands there, and it is unclear who won.
    """
    new = answer.child("newOrder")
    return _number(new) if new.value else None


def acceptance(decision: Decision, won: Mapping[str, RemoteId]) -> Acceptance:
    """Return how a decision ended; `won` maps accepted positions to the order that came out of them."""
    accepted = {line: LineOutcome.WON if line in won else LineOutcome.LOST for line in decision.accepted}
    declined = {line.id: LineOutcome.DECLINED for line in decision.declined}
    return Acceptance(lines=accepted | declined, remote_ids=tuple(sorted(set(won.values()))))


def won(order: Order, decision: Decision, placed: Iterable[Order]) -> dict[str, RemoteId]:
    """Return the accepted positions that stand in one of the orders, with that order: same id, goods and price."""
    wanted = {line.id: line for line in order.lines if line.id in decision.accepted}
    return {
        line.id: found.id
        for found in placed
        for line in found.lines
        if line.id in wanted and same_goods(line, wanted[line.id])
    }


def same_goods(one: OrderLine, other: OrderLine) -> bool:
    """Whether two lines sell the same thing, as often and at the same price."""
    named = (one.gtin and one.gtin == other.gtin) or (one.product_id and one.product_id == other.product_id)
    return bool(named) and (one.quantity, one.price) == (other.quantity, other.price)


# --- goods -----------------------------------------------------------------------------------------------------------


def read_product(row: object, shop: str, market: Market) -> RemoteProduct:
    """Return a row of the product map, `[group or style id, id, gtin, uuid]`, as a product to link."""
    if not isinstance(row, list) or len(row) < 4:
        raise Node({"row": row}, "Miinto's product map").fault(f"the row {row!r} has not four values")
    cells = Node(dict(zip(("group", "id", "gtin", "uuid"), row, strict=False)), f"Miinto's product map, row {row}")
    group = cells.text("group")
    return RemoteProduct(
        remote_id=cells.id("uuid"),
        market=market.code,
        scope=shop,
        sku=cells.id("id"),
        gtin=cells.text("gtin") or None,
        keys={"group": group} if group else {},
    )


def names_one(row: object, names: Set[str]) -> bool:
    """Whether a row of the product map has one of these ids; what is no row may have any."""
    return not isinstance(row, list) or not names.isdisjoint(map(str, row))


def skus_of(product_ids: Collection[str], products: Iterable[RemoteProduct]) -> dict[str, str]:
    """Return the SKU of each product id that the map knows as UUID, as id, or as the group of a single product."""
    found = defaultdict[str, tuple[set[str], ...]](lambda: (set(), set(), set()))
    for product in products:
        sku, group = product.sku or "", product.keys.get("group", "")
        for rank, name in enumerate((product.remote_id, sku, group)):
            if name in product_ids:
                found[name][rank].add(sku)
    best = {name: next(filter(None, ranks)) for name, ranks in found.items()}
    return {name: skus.pop() for name, skus in best.items() if len(skus) == 1}


def with_skus(order: Order, skus: Mapping[str, str]) -> Order:
    """Return the order with the SKU of each line that has no GTIN, where the map knows it."""
    lines = (line if line.gtin else replace(line, sku=skus.get(line.product_id or "")) for line in order.lines)
    return replace(order, lines=tuple(lines))


def stock_item(level: StockLevel) -> dict[str, Any]:
    """Return a stock level as Miinto takes it: the variant by its published key fields."""
    return {"stock": level.quantity, **{key: level.offer.keys[key] for key in STOCK_KEYS}}
