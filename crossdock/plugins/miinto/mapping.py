"""What Miinto says in crossdock's words and back: pure functions, no calls."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from crossdock.plugin import (
    Acceptance,
    Address,
    BadAnswer,
    Decision,
    Delivery,
    LineOutcome,
    Market,
    Money,
    Order,
    OrderLine,
    Payment,
    RemoteId,
    RemoteProduct,
    StockLevel,
)

STOCK_KEYS = ("group", "brand", "color", "size")
POSITIONS = {"accepted": "acceptedPositions", "pending": "pendingPositions", "declined": "declinedPositions"}


# --- orders ----------------------------------------------------------------------------------------------------------


def read_transfer(row: Mapping[str, Any], shop: str, market: Market) -> Order:
    """Return a transfer as a proposal; its prices are in the market's currency, since transfers name none."""
    transfer = Node(row, f"transfer {row.get('id')} of shop {shop}")
    return Order(
        id=RemoteId(kind="transfer", scope=shop, value=transfer.id()),
        proposal=True,
        market=market.code,
        status="pending",
        placed_at=transfer.time(("createdAt",), ("parentOrder", "createdAt")),
        lines=_lines(transfer, "pending", market.currency),
    )


def read_order(row: Mapping[str, Any], shop: str, market: Market) -> Order:
    """Return an order. Its `parentOrder` is shared by several shops, so that number names no order here: a comment."""
    order = Node(row, f"order {row.get('id')} of shop {shop}")
    status, currency = _status(order), order.currency()
    lines = _lines(order, status, currency)
    billing, delivery = order.child("billingInformation"), order.child("shippingInformation").child("deliveryAddress")
    paid = sum((line.price * line.quantity for line in lines), Money.from_minor(0, currency))
    return Order(
        id=RemoteId(kind="order", scope=shop, value=order.id()),
        market=market.code,
        status=status,
        placed_at=order.time(("parentOrder", "createdAt"), ("createdAt",)),
        lines=lines,
        buyer=_address(billing),
        billing=_address(billing),
        shipping=_address(delivery),
        delivery=Delivery(method=delivery.text("type")),
        payment=Payment(method="Miinto", paid=paid),
        comment=_comment(order, status),
    )


def _status(order: Node) -> str:
    """Return what became of an order: accepted as soon as one position is."""
    for status, positions in POSITIONS.items():
        if order.children(positions):
            return status
    raise order.fault("it has no positions at all")


def _comment(order: Node, status: str) -> str:
    parent = order.child("parentOrder").text("id")
    waiting = [position.id() for position in order.children(POSITIONS["pending"])] if status == "accepted" else []
    told = [f"Miinto order {parent}."] if parent else []
    if waiting:
        told.append(f"Not in this order yet, to be decided at Miinto: position {', '.join(waiting)}.")
    return " ".join(told)


def _lines(order: Node, status: str, currency: str) -> tuple[OrderLine, ...]:
    return tuple(_line(position, currency) for position in order.children(POSITIONS[status]))


def _line(position: Node, currency: str) -> OrderLine:
    item = position.child("item")
    return OrderLine(
        id=position.id(),
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


def read_new_order(answer: Mapping[str, Any]) -> str | None:
    """Return the id of the order that came out of an acceptance, or None where another shop was faster.

    Raises:
        BadAnswer: something else stands there, and it is unclear who won.
    """
    new = answer.get("newOrder") or {}
    number = new.get("id") if isinstance(new, Mapping) else new
    if number is None or (type(number) is int and new is not number):
        return None if number is None else str(number)
    raise BadAnswer(f"Miinto answered an acceptance with newOrder = {new!r}.", raw=_raw(answer), unclear=True)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A row of the product map: group and id as in the seller's feed, GTIN, Miinto's own id of the item."""

    group: str
    sku: str
    gtin: str
    uuid: str


def read_item(row: object) -> Item:
    """Return a row of the product map: `[group or style id, id, gtin, uuid]`."""
    if not isinstance(row, list) or len(row) < 4:
        raise BadAnswer(f"The product map has the row {row!r}, not four values.", raw=_raw(row))
    cells = Node(dict(zip("group sku gtin uuid".split(), row, strict=False)), f"product map, row {row}")
    item = Item(**{name: cells.text(name) for name in cells.value})
    if not item.sku or not item.uuid:
        raise cells.fault("id or UUID is missing")
    return item


def read_product(item: Item, shop: str, market: Market) -> RemoteProduct:
    """Return a row of the product map as a product to link."""
    return RemoteProduct(
        remote_id=item.uuid,
        market=market.code,
        scope=shop,
        sku=item.sku,
        gtin=item.gtin or None,
        keys={"group": item.group} if item.group else {},
    )


def skus_of(product_ids: Collection[str], items: Iterable[Item]) -> dict[str, str]:
    """Return the SKU of each product id that the map knows as UUID, as id, or as the group of a single product."""
    found: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in ("uuid", "sku", "group")}
    for item in items:
        for name, skus in found.items():
            skus[getattr(item, name)].add(item.sku)
    answer = {}
    for product in product_ids:
        matches = next((skus[product] for skus in found.values() if product in skus), set())
        if len(matches) == 1:
            (answer[product],) = matches
    return answer


def with_skus(order: Order, skus: Mapping[str, str]) -> Order:
    """Return the order with the SKU of each line that has no GTIN, where the map knows it."""
    lines = (line if line.gtin else replace(line, sku=skus.get(line.product_id or "")) for line in order.lines)
    return replace(order, lines=tuple(lines))


def stock_item(level: StockLevel) -> dict[str, Any]:
    """Return a stock level as Miinto takes it: the variant by its published key fields."""
    return {"stock": level.quantity, **{key: level.offer.keys[key] for key in STOCK_KEYS}}


# --- reading what nobody promised ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object within an answer that knows where it stands: what is not as expected is told by place and value."""

    value: Mapping[str, Any]
    where: str

    def fault(self, what: str) -> BadAnswer:
        """Return the error that says what is wrong here."""
        return BadAnswer(f"Miinto's {self.where}: {what}.", raw=_raw(self.value))

    def id(self) -> str:
        """Return the id, a whole number at Miinto, as text."""
        return str(self.whole("id"))

    def whole(self, name: str) -> int:
        """Return a whole number."""
        number = self.value.get(name)
        if type(number) is not int:
            raise self.fault(f"{name} is {number!r} and no whole number")
        return number

    def text(self, name: str) -> str:
        """Return a text, empty where there is none; a number is as good."""
        text = self.value.get(name)
        if text is None or type(text) in (str, int):
            return "" if text is None else str(text)
        raise self.fault(f"{name} is {text!r} and no text")

    def currency(self) -> str:
        """Return the currency."""
        code = self.text("currency")
        try:
            return Money.from_minor(0, code).currency
        except ValueError as error:
            raise self.fault(f"currency: {error}") from None

    def time(self, *paths: tuple[str, ...]) -> datetime:
        """Return the first time that stands under one of these paths, in UTC."""
        for *parents, name in paths:
            node = self
            for parent in parents:
                node = node.child(parent)
            if text := node.text(name):
                return self._utc(text)
        raise self.fault(f"no time under {' or '.join('.'.join(path) for path in paths)}")

    def child(self, name: str) -> Node:
        """Return an object within, an empty one where there is none (which may come as an empty list)."""
        value = self.value.get(name) or {}
        if not isinstance(value, Mapping):
            raise self.fault(f"{name} is {value!r} and no object")
        return Node(value, f"{self.where}, {name}")

    def children(self, name: str) -> list[Node]:
        """Return the objects of a list within, none where there is none."""
        values = self.value.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.fault(f"{name} is {values!r} and no list of objects")
        return [Node(value, f"{self.where}, {name}[{index}]") for index, value in enumerate(values)]

    def _utc(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.fault(f"{text!r} is no time") from None
        raise self.fault(f"the time {text!r} has no offset from UTC")


def _raw(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:4_000]
