"""The twin's own book: orders, products and statuses of one shop, and all that was written to them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

STOCKS = ("stock1", "stock2", "stock3", "stock4")
STATUSES = {1: ("Függőben", "Pending"), 2: ("Feldolgozás alatt", "Processing"), 5: ("Teljesítve", "Complete")}
DELETED = 14
LANGUAGES = {1: ("hu", "Magyar"), 2: ("en", "English")}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """One line of an order to come: net price of one in the main currency, tax in percent, units by warehouse."""

    sku: str
    price: str
    quantity: int = 1
    tax: str = "27"
    name: str = "Shirt"
    gtin: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    gross: bool = True  # whether the shop tells gross prices, too


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to come; amounts are gross, in the shop's main currency.

    Args:
        lines: of goods, at least one.
        charges: by type (SHIPPING, PAYMENT, COUPON, CART_AMOUNT_DISCOUNT, LOYALTYPOINTS_TO_USE); discounts below zero.
        addons: name, net price, quantity and tax of what is sold with the goods.
        currency, rate, places: its code, how much of it is one unit of the main one, and its decimals.
        status: inner id of a status; 0 for an abandoned cart.
        created_at: None means now.
        fields: whatever else the order says, as the API shows it.
    """

    lines: Sequence[NewLine]
    charges: Mapping[str, str] = field(default_factory=dict)
    addons: Sequence[tuple[str, str, int, str]] = ()
    currency: str = "HUF"
    rate: str = "1.00000000"
    places: int = 0
    coupon: str = ""
    status: int = 1
    created_at: datetime | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError("an order has at least one line")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """A product of the shop: net price in the main currency, tax in percent, units in the first warehouse."""

    sku: str
    name: str = "Shirt"
    price: str = "1000.0000"
    tax: str = "27"
    gtin: str = ""
    stock: int = 0
    parent: str = ""


@dataclass(slots=True, eq=False)
class Order:
    """An order as the shop keeps it."""

    id: int
    new: NewOrder
    created: datetime
    updated: datetime
    status: int
    line_ids: tuple[int, ...]

    def total(self) -> Decimal:
        """Return what is to be paid, rounded as the currency is, in the main currency where the rate is 1."""
        net = [Decimal(line.price) * line.quantity * (1 + Decimal(line.tax) / 100) for line in self.new.lines]
        more = [Decimal(price) * units * (1 + Decimal(tax) / 100) for _, price, units, tax in self.new.addons]
        whole = sum(net, Decimal(0)) + sum(more, Decimal(0)) + sum(map(Decimal, self.new.charges.values()), Decimal(0))
        return whole.quantize(Decimal(1).scaleb(-self.new.places), ROUND_HALF_UP)


@dataclass(slots=True, eq=False)
class Product:
    """A product as the shop keeps it."""

    id: int
    new: NewProduct
    created: datetime
    stock: dict[str, int]


class ShoprenterBook:
    """All that happened in the shop. Callers hold `lock`, but for `as_dict`, which takes it."""

    def __init__(self, now: Callable[[], datetime], lock: threading.RLock) -> None:
        self._now, self._lock = now, lock
        self.orders: dict[int, Order] = {}
        self.products: dict[int, Product] = {}
        self.statuses: dict[int, tuple[str, str]] = {**STATUSES, DELETED: ("Törölt", "Deleted")}
        self.settings = {"config_language": "hu", "config_timezone": "Europe/Budapest", "config_currency": "HUF"}
        self.settings["storno_order_status_id"] = str(DELETED)
        self.writes: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.refused_logins = 0
        self._order_ids, self._line_ids, self._product_ids = (itertools.count(first) for first in (101, 501, 901))

    def add_order(self, new: NewOrder) -> int:
        """Place an order and return its number."""
        if new.status and new.status not in self.statuses:
            raise ValueError(f"there is no status {new.status}; there are {', '.join(map(str, self.statuses))}")
        moment, number = new.created_at or self._now(), next(self._order_ids)
        ids = tuple(next(self._line_ids) for _ in new.lines)
        self.orders[number] = Order(number, new, moment, moment, new.status, ids)
        return number

    def add_product(self, new: NewProduct) -> int:
        """Put a product into the shop and return its number."""
        number = next(self._product_ids)
        units = dict.fromkeys(STOCKS, 0) | {"stock1": new.stock}
        self.products[number] = Product(number, new, self._now(), units)
        return number

    def set_status(self, number: int, status: int, by: str = "api") -> None:
        """Change the status of an order."""
        if status not in self.statuses:
            raise ValueError(f"there is no status {status}")
        order = self.orders[number]
        order.status, order.updated = status, self._now()
        self._note(order=number, status=status, by=by)

    def set_stock(self, number: int, levels: Mapping[str, int]) -> None:
        """Change the stock of a product."""
        self.products[number].stock |= levels
        self._note(product=number, **levels)

    def stock_of(self, sku: str) -> dict[str, int]:
        """Return the units of a product by warehouse."""
        return next(product.stock for product in self.products.values() if product.new.sku == sku)

    def as_dict(self) -> dict[str, Any]:
        """Return the whole record as JSON."""
        with self._lock:
            orders = [
                {"id": order.id, "status": order.status, "created": order.created.isoformat()}
                | {"updated": order.updated.isoformat(), "total": str(order.total()), "currency": order.new.currency}
                for order in self.orders.values()
            ]
            products = [
                {"id": product.id, "stock": product.stock, **asdict(product.new)} for product in self.products.values()
            ]
            return {
                "orders": orders,
                "products": products,
                "writes": list(self.writes),
                "tokens": len(self.tokens),
                "refused_logins": self.refused_logins,
            }

    def _note(self, **what: Any) -> None:
        self.writes.append({"at": self._now().isoformat(), **what})
