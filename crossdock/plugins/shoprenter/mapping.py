"""What Shoprenter says in crossdock's words: pure functions, no calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from crossdock.plugin import Address, Delivery, Money, Node, Order, OrderLine, Payment, RemoteId, RemoteProduct

UNFINISHED = "0"  # an order without status is an abandoned cart
STOCKS = ("stock1", "stock2", "stock3", "stock4")

NO_CHARGES = {"SUB_TOTAL", "TAX", "SUB_TOTAL_WITH_TAX", "TOTAL", "LOYALTYPOINTS_TO_GET"}
DISCOUNTS = {"COUPON", "CART_AMOUNT_DISCOUNT", "LOYALTYPOINTS_TO_USE"}
TAX_OF = {"PAYMENT": "paymentMethodTaxRate", "COUPON": "couponTaxRate", "LOYALTYPOINTS_TO_USE": "loyaltyPointsTaxRate"}


# --- scalars ---------------------------------------------------------------------------------------------------------


def whole(node: Node, name: str) -> int:
    """Return a whole number, which may come as text and with decimals: `"3.0000"`."""
    number = node.decimal(name)
    if number != number.to_integral_value():
        raise node.fault(f"{name} is {number} and no whole number")
    return int(number)


def naive(node: Node, name: str) -> str | None:
    """Return a time as the shop's own clock shows it, None where it is empty or zero."""
    text = node.text(name).replace(" ", "T")
    if not text or text.startswith(("0000", "-0001")):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="seconds")
    except ValueError:
        raise node.fault(f"{name} is {text!r} and no time") from None


def last(node: Node, name: str) -> str:
    """Return the last part of the path of a link: the id of what it leads to."""
    return unquote(urlsplit(node.text(name)).path.rpartition("/")[2])


def status_of(order: Node) -> str:
    """Return the code of an order's status: its id."""
    return last(order.child("orderStatus"), "href") or UNFINISHED


def _rate(node: Node, name: str) -> Decimal | None:
    """Return a tax rate in percent, None where it is empty or, as for none, below zero."""
    rate = node.decimal(name) if node.value.get(name) is not None else None
    return rate if rate is not None and rate >= 0 else None


# --- money -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Currency:
    """An order's currency: its code, how much of it one unit of the shop's main one is, and what can be paid with."""

    code: str
    rate: Decimal
    smallest: Decimal

    @classmethod
    def of(cls, order: Node) -> Currency:
        """Return the currency of an order."""
        told = order.child("currency")
        code = told.currency("code")
        step = Money.from_minor(1, code).amount
        places = told.value.get("decimalPlace")
        smallest = step if places is None else max(step, Decimal(1).scaleb(-whole(told, "decimalPlace")))
        return cls(code, order.decimal("value"), smallest)

    @property
    def step(self) -> Decimal:
        """The minor unit, which all money is rounded to: what is told net has lost the gross price's last digits."""
        return Money.from_minor(1, self.code).amount

    def own(self, amount: Decimal) -> Money:
        """Return money told in this currency."""
        return Money(amount=amount.quantize(self.step, ROUND_HALF_UP), currency=self.code)

    def main(self, amount: Decimal) -> Money:
        """Return money told in the shop's main currency."""
        return self.own(amount * self.rate)


# --- orders ----------------------------------------------------------------------------------------------------------


def read_order(row: Node, options: Mapping[str, Sequence[Node]], zone: ZoneInfo) -> Order:
    """Return an order.

    Args:
        row: of orderExtend.
        options: chosen with its lines, by the line's id.
        zone: of the shop.

    Raises:
        BadAnswer: something in it is unclear; above all, lines and charges that do not make its total.
    """
    number = row.id("innerId")
    order = Node(row.value, f"Shoprenter's order {number}", row.answer)
    placed = naive(order, "dateCreated")
    if placed is None:
        raise order.fault("dateCreated is empty")
    currency, totals = Currency.of(order), order.children("orderTotals")
    goods = [_line(product, options, currency) for product in order.children("orderProducts")]
    addons = [_addon(addon, currency) for addon in order.children("orderProductAddons")]
    lines = [*goods, *addons, *_charges(order, totals, currency)]
    shipping = [currency.main(total.decimal("value")) for total in totals if total.text("type") == "SHIPPING"]
    delivery = sum(shipping, Money.from_minor(0, currency.code)) if shipping else None
    phone, email, tax = order.text("phone"), order.text("email"), order.text("taxNumber")
    return Order(
        id=RemoteId(kind="order", value=number),
        market="",
        status=status_of(order),
        placed_at=datetime.fromisoformat(placed).replace(tzinfo=zone).astimezone(UTC),
        lines=(*lines, *_rounding(order, totals, lines, delivery, currency)),
        buyer=Address(name=_name(order, "firstname", "lastname"), phone=phone, email=email, tax_id=tax),
        billing=_address(order, "payment", phone, email, tax),
        shipping=_address(order, "shipping", phone, email, ""),
        delivery=Delivery(
            method=order.text("shippingMethodExtension") or order.text("shippingMethodName"),
            price=delivery,
            point=_point(order),
        ),
        payment=Payment(method=order.text("paymentMethodCode") or order.text("paymentMethodName")),
        comment=" ".join(_comments(order, totals, currency)),
    )


def _line(product: Node, options: Mapping[str, Sequence[Node]], currency: Currency) -> OrderLine:
    rate = _rate(product, "taxRate")
    return OrderLine(
        id=product.id(),
        name=product.text("name"),
        quantity=_quantity(product),
        price=_unit_price(product, rate, currency),
        sku=product.text("sku") or None,
        gtin=product.text("gtin") or None,
        product_id=last(product.child("product"), "href") or None,
        vat_rate=rate,
        attributes=_attributes(options.get(product.id(), ())),
    )


def _quantity(product: Node) -> int:
    """Return how many were ordered: what the warehouses give, else what the line costs by what one costs."""
    units = sum(whole(product, name) for name in STOCKS if product.value.get(name) is not None)
    if units:
        return units
    total, price = product.decimal("total"), product.decimal("price")
    if price and total and total % price == 0:
        return int(total / price)
    raise product.fault("no warehouse gives anything, and total by price is no quantity")


def _unit_price(product: Node, rate: Decimal | None, currency: Currency) -> Money:
    """Return the gross price of one; older shops tell only the net one."""
    if product.value.get("grossPriceCurrency") is not None:
        return currency.own(product.decimal("grossPriceCurrency"))
    if product.value.get("grossPrice") is not None:
        return currency.main(product.decimal("grossPrice"))
    return currency.main(_gross(product.decimal("price"), rate))


def _gross(net: Decimal, rate: Decimal | None) -> Decimal:
    return net * (1 + (rate or 0) / Decimal(100))


def _attributes(options: Iterable[Node]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for option in options:
        name, value = option.text("name"), option.text("valueName")
        chosen[name] = f"{chosen[name]}, {value}" if name in chosen else value
    return chosen


def _addon(addon: Node, currency: Currency) -> OrderLine:
    """Return what is sold with a product, such as a deposit."""
    rate = _rate(addon, "taxRate")
    return OrderLine(
        id=f"addon {addon.id()}",
        name=addon.text("name"),
        quantity=whole(addon, "quantity"),
        price=currency.main(_gross(addon.decimal("price"), rate)),
        sku=addon.text("sku") or None,
        vat_rate=rate,
        attributes={"addon": addon.text("type")},
    )


# --- charges and totals ----------------------------------------------------------------------------------------------


def _charges(order: Node, totals: Sequence[Node], currency: Currency) -> Iterator[OrderLine]:
    """Yield what is paid or taken off besides goods and delivery; `Order` has no other place for it than a line."""
    for total in totals:
        kind = total.text("key") if total.text("key") in DISCOUNTS else total.text("type")
        value = total.decimal("value")
        if kind in NO_CHARGES or kind == "SHIPPING" or not value:
            continue
        code = order.child("coupon").text("code") if kind == "COUPON" else ""
        yield OrderLine(
            id=f"total {total.id()}",
            name=total.text("name"),
            quantity=1,
            price=currency.main(-abs(value) if kind in DISCOUNTS else value),
            vat_rate=_rate(order, TAX_OF[kind]) if kind in TAX_OF else None,
            attributes={"charge": kind, **({"coupon": code} if code else {})},
        )


def _rounding(
    order: Node, totals: Sequence[Node], lines: Sequence[OrderLine], delivery: Money | None, currency: Currency
) -> Iterator[OrderLine]:
    """Yield the line that makes lines and delivery the order's total to the unit, if rounding explains that it lacks.

    Raises:
        BadAnswer: the difference is more than rounding: half a minor unit for each piece, and half of the smallest
            amount that can be paid for each line, the delivery and the total.
    """
    told = [total.decimal("value") for total in totals if total.text("type") == "TOTAL"] or [order.decimal("total")]
    total = currency.main(told[0])
    found = sum((line.price * line.quantity for line in lines), delivery or Money.from_minor(0, currency.code))
    difference = total.amount - found.amount
    pieces = sum(abs(line.quantity) for line in lines)
    if abs(difference) > (currency.step * pieces + currency.smallest * (len(lines) + 2)) / 2:
        raise order.fault(
            f"its lines and charges make {found}, its total is {total}: the difference is {difference} {currency.code}"
        )
    if difference:
        price = Money(amount=difference, currency=currency.code)
        attributes = {"charge": "ROUNDING"}
        yield OrderLine(
            id="rounding", name="Rounding", quantity=1, price=price, vat_rate=Decimal(0), attributes=attributes
        )


# --- people and places -----------------------------------------------------------------------------------------------


def _name(order: Node, first: str, second: str) -> str:
    """Return a full name as Hungarians write it, the family name first: that is what shops keep in `firstname`."""
    return " ".join(filter(None, (order.text(first), order.text(second))))


def _address(order: Node, kind: str, phone: str, email: str, tax_id: str) -> Address | None:
    """Return a place with a name; None where the order has neither street, city nor postcode."""
    part = {name: order.text(f"{kind}{name}") for name in ("Address1", "Address2", "City", "Postcode", "ZoneName")}
    street = ", ".join(filter(None, (part["Address1"], part["Address2"])))
    if not (street or part["City"] or part["Postcode"]):
        return None
    return Address(
        name=_name(order, f"{kind}Firstname", f"{kind}Lastname"),
        company=order.text(f"{kind}Company"),
        street=street,
        postcode=part["Postcode"],
        city=part["City"],
        region=part["ZoneName"],
        country=order.child(f"{kind}Country").text("isoCode2") or order.text(f"{kind}CountryName"),
        phone=phone,
        email=email,
        tax_id=tax_id,
    )


def _point(order: Node) -> str:
    point = order.text("shippingReceivingPointId")
    if not point.strip("0") and order.text("shippingMethodExtension").upper() == "PICKPACKPONT":
        point = order.text("pickPackPontShopCode")
    return point if point.strip("0") else ""


def _comments(order: Node, totals: Sequence[Node], currency: Currency) -> Iterator[str]:
    """Yield the buyer's words, and what `Order` has no place for."""
    if words := order.text("comment"):
        yield words
    code = order.child("coupon").text("code")
    if code and not any(total.text("type") == "COUPON" and total.decimal("value") for total in totals):
        yield f"Coupon {code}."
    if currency.rate != 1:
        yield f"1 of the shop's main currency is {currency.rate} {currency.code}."
    origin = order.child("externalInfo")
    if number := origin.text("partner_order_id"):
        yield f"Order {number} of {origin.text('partner_prefix') or 'a marketplace'}."


# --- statuses and goods ----------------------------------------------------------------------------------------------


def labels(descriptions: Iterable[Node], language: str) -> dict[str, str]:
    """Return the name of each status, in this language where it has one."""
    found: dict[str, str] = {}
    for row in descriptions:
        code, name = last(row.child("orderStatus"), "href"), row.text("name")
        if name and (code not in found or last(row.child("language"), "href") == language):
            found[code] = name
    return found


def read_product(row: Node, language: str, stock: str) -> RemoteProduct:
    """Return a product to link: quantity as in one warehouse, price as for the main group of customers."""
    product = Node(row.value, f"Shoprenter's product {row.id()}", row.answer)
    texts = product.children("productDescriptions")
    here = [text for text in texts if last(text.child("language"), "href") == language]
    names = [name for text in (*here, *texts) if (name := text.text("name"))]
    main = [price for price in product.children("productPrices") if _is_main(price)]
    parent = last(product.child("parentProduct"), "href")
    return RemoteProduct(
        remote_id=product.id(),
        sku=product.text("sku") or None,
        gtin=product.text("gtin") or None,
        name=names[0] if names else "",
        parent_id=parent if parent != product.id() else None,
        price=main[0].amount("gross", main[0].currency("currencyCode")) if main else None,
        quantity=whole(product, stock) if product.value.get(stock) is not None else None,
    )


def _is_main(price: Node) -> bool:
    return price.child("customerGroup").value.get("default") in (True, "1", 1) and price.value.get("gross") is not None
