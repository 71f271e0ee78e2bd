"""How records look on the wire: ids, links, texts for all scalars, JSON or XML."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from crossdock.twins.shoprenter.book import LANGUAGES, STOCKS, NewOrder, Order, Product, ShoprenterBook

ZONE = ZoneInfo("Europe/Budapest")
ZERO = "-0001-11-30T00:00:00"
EMPTIES: Mapping[str, Any] = {"text": "", "null": None, "object": {}, "array": []}

# What the text within an id names.
KINDS = {
    "orders": "order-order_id",
    "orderExtend": "order-order_id",
    "orderProducts": "orderProduct-order_product_id",
    "orderProductOptions": "orderProductOption-order_option_id",
    "orderProductAddons": "orderProductAddon-order_product_addon_id",
    "orderTotals": "orderTotal-order_total_id",
    "orderStatuses": "orderStatus-order_status_id",
    "products": "product-product_id",
    "productExtend": "product-product_id",
    "customerGroups": "customerGroup-customer_group_id",
    "languages": "language-language_id",
    "currencies": "currency-currency_id",
    "countries": "country-country_id",
    "settings": "setting-setting_id",
    "coupons": "coupon-coupon_id",
}
NET, TAX, GROSS = ("SUB_TOTAL", "1", "Nettó részösszeg:"), ("TAX", "3", "ÁFA:"), ("SUB_TOTAL_WITH_TAX", "4", "Bruttó:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What the documents leave open, or what differs from shop to shop.

    Args:
        empty: how an empty scalar is written; `mixed` takes all four in turn.
        newest_first: whether lists are descending by id.
        times_out_above: a full page with more rows than this answers 504; None for no bound.
        scopes: what tokens allow.
        api_enabled: whether the shop's admin has switched the API on.
    """

    empty: Literal["text", "null", "object", "array", "mixed"] = "text"
    newest_first: bool = False
    times_out_above: int | None = None
    scopes: tuple[str, ...] = (
        "order.order:read",
        "order.order:write",
        "order.status:read",
        "product.product:read",
        "product.product:write",
        "localization.language:read",
        "store.setting:read",
    )
    api_enabled: bool = True

    def __post_init__(self) -> None:
        if self.empty not in (*EMPTIES, "mixed"):
            raise ValueError(f"empty is one of {', '.join(EMPTIES)} or mixed, not {self.empty!r}")


# --- ids and scalars -------------------------------------------------------------------------------------------------


def resource_id(resource: str, number: int | str) -> str:
    """Return the id of a record: base64 of a text with its number."""
    return base64.b64encode(f"{KINDS[resource]}={number}".encode()).decode()


def description_id(status: int, language: int) -> str:
    """Return the id of a status's text in a language."""
    return base64.b64encode(f"orderStatusDescription-order_status_id={status}&language_id={language}".encode()).decode()


def local(moment: datetime) -> str:
    """Return a time as the shop writes it: of its own zone, without offset."""
    return moment.astimezone(ZONE).replace(tzinfo=None).isoformat(timespec="seconds")


def _decimal(value: Decimal | str) -> str:
    return f"{Decimal(value):.4f}"


# --- records ---------------------------------------------------------------------------------------------------------


class Records:
    """The shop's records as the API shows them.

    Args:
        book: what there is.
        host: of the links, with scheme.
    """

    def __init__(self, book: ShoprenterBook, host: str) -> None:
        self._book, self._host = book, host

    def link(self, resource: str, name: str) -> dict[str, str]:
        """Return a reference."""
        return {"href": f"{self._host}/{resource}/{name}"}

    def order(self, order: Order, *, extended: bool) -> dict[str, Any]:
        """Return an order, expanded as `orderExtend` does it or with links."""
        new, name = order.new, resource_id("orders", order.id)
        head = self.link("orderExtend" if extended else "orders", name) | {"id": name, "innerId": str(order.id)}
        status = self.link("orderStatuses", resource_id("orderStatuses", order.status)) if order.status else None
        row: dict[str, Any] = {
            **head,
            **dict.fromkeys(("invoicePrefix", "fax", "taxNumber", "comment", "shippingZoneName"), ""),
            "firstname": "Minta",
            "lastname": "Anna",
            "phone": "+36201234567",
            "email": "anna@example.com",
            **_place("shipping"),
            **_place("payment"),
            "shippingMethodName": "Futár",
            "shippingMethodTaxRate": "27.0000",
            "shippingMethodExtension": "WSESHIP",
            "shippingReceivingPointId": "0",
            "pickPackPontShopCode": "",
            "paymentMethodName": "Utánvét",
            "paymentMethodCode": "COD",
            "paymentMethodTaxRate": "27.0000",
            "paymentMethodAfter": "1",
            "couponTaxRate": "-1.0000",
            "loyaltyPointsTaxRate": "-1.0000",
            "total": _decimal(order.total()),
            "value": new.rate,
            "dateCreated": local(order.created),
            "dateUpdated": local(order.updated),
            "customer": None,
            "orderStatus": status,
        }
        row |= self._expanded(order) if extended else self._linked(name)
        return {**row, **new.fields}

    def _expanded(self, order: Order) -> dict[str, Any]:
        country = self.link("countries", resource_id("countries", 97)) | {"name": "Magyarország", "isoCode2": "HU"}
        currency = {"code": order.new.currency, "decimalPlace": str(order.new.places), "value": order.new.rate}
        return {
            "shippingCountry": country,
            "paymentCountry": country,
            "currency": self.link("currencies", resource_id("currencies", 4)) | currency,
            "coupon": {"code": order.new.coupon} if order.new.coupon else None,
            "orderTotals": self.totals(order),
            "orderProducts": self.lines(order),
            "orderProductAddons": self._addons(order),
            "orderGiftWrappings": [],
            "orderCreditCards": [],
        }

    def _linked(self, name: str) -> dict[str, Any]:
        children = ("orderTotals", "orderProducts", "orderProductAddons")
        return {child: {"href": f"{self._host}/{child}?orderId={name}"} for child in children} | {
            "shippingCountry": self.link("countries", resource_id("countries", 97)),
            "currency": self.link("currencies", resource_id("currencies", 4)),
        }

    def lines(self, order: Order) -> list[dict[str, Any]]:
        """Return the lines of an order."""
        return [self._line(order, position) for position in range(len(order.line_ids))]

    def _line(self, order: Order, position: int) -> dict[str, Any]:
        line, rate = order.new.lines[position], Decimal(order.new.rate)
        name = resource_id("orderProducts", order.line_ids[position])
        price = Decimal(line.price)
        gross = price * (1 + Decimal(line.tax) / 100)
        products = (product.id for product in self._book.products.values() if product.new.sku == line.sku)
        row = self.link("orderProducts", name) | {
            "id": name,
            "name": line.name,
            "sku": line.sku,
            "modelNumber": "",
            "gtin": line.gtin,
            "originalPrice": "0.0000",
            "price": _decimal(price),
            "total": _decimal(price * line.quantity),
            "taxRate": _decimal(line.tax),
            **dict.fromkeys(STOCKS, "0"),
            "stock1": str(line.quantity),
            "dateCreated": ZERO,
            "dateUpdated": ZERO,
            "product": self.link("products", resource_id("products", next(products, 999_999))),
            "orderProductOptions": {"href": f"{self._host}/orderProductOptions?orderProductId={name}"},
        }
        told = {"grossPrice": _decimal(gross), "grossPriceCurrency": _decimal(gross * rate)}
        return row | (told if line.gross else {})

    def options(self, order: Order, position: int) -> list[dict[str, Any]]:
        """Return the options chosen with a line."""
        line, first = order.new.lines[position], order.line_ids[position] * 10
        return [
            {"id": resource_id("orderProductOptions", first + index), "name": name, "valueName": value}
            | {"price": "0.0000", "prefix": "+"}
            for index, (name, value) in enumerate(line.options.items())
        ]

    def _addons(self, order: Order) -> list[dict[str, Any]]:
        return [
            {"id": resource_id("orderProductAddons", order.id * 100 + index), "name": name, "sku": "", "type": "OTHER"}
            | {"price": _decimal(price), "quantity": str(units), "total": _decimal(Decimal(price) * units)}
            | {"taxRate": _decimal(tax)}
            for index, (name, price, units, tax) in enumerate(order.new.addons)
        ]

    def totals(self, order: Order) -> list[dict[str, Any]]:
        """Return the lines of totals of an order."""
        new = order.new
        net = sum((Decimal(line.price) * line.quantity for line in new.lines), Decimal(0))
        tax = sum((Decimal(line.price) * line.quantity * Decimal(line.tax) / 100 for line in new.lines), Decimal(0))
        rows = [(*NET, net), (*TAX, tax), (*GROSS, net + tax)]
        rows += [(kind, "6", _charge_name(kind, new), Decimal(value)) for kind, value in new.charges.items()]
        rows += [
            ("LOYALTYPOINTS_TO_GET", "9", "Gyűjtött pont:", Decimal(12)),
            ("TOTAL", "10", "Összesen:", order.total()),
        ]
        return [
            {"id": resource_id("orderTotals", order.id * 100 + index), "name": name, "value": _decimal(value)}
            | {"valueText": f"{value:.0f} Ft", "sortOrder": place, "type": _type(kind), "description": ""}
            | {"key": kind if kind == "CART_AMOUNT_DISCOUNT" else "", "dateCreated": ZERO, "dateUpdated": ZERO}
            for index, (kind, place, name, value) in enumerate(rows)
        ]

    def product(self, product: Product, *, extended: bool) -> dict[str, Any]:
        """Return a product, expanded as `productExtend` does it or with links."""
        new, name = product.new, resource_id("products", product.id)
        parents = (other.id for other in self._book.products.values() if other.new.sku == new.parent)
        row: dict[str, Any] = self.link("productExtend" if extended else "products", name) | {
            "id": name,
            "innerId": str(product.id),
            "sku": new.sku,
            "modelNumber": "",
            "gtin": new.gtin,
            "status": "1",
            "price": _decimal(new.price),
            **{stock: str(units) for stock, units in product.stock.items()},
            "quantity": "0.0000",
            "availableDate": "0000-00-00",
            "dateCreated": local(product.created),
            "dateUpdated": local(product.created),
            "parentProduct": self.link("products", resource_id("products", next(parents, product.id))),
        }
        if not extended:
            return row | {"productDescriptions": {"href": f"{self._host}/productDescriptions?productId={name}"}}
        gross = Decimal(new.price) * (1 + Decimal(new.tax) / 100)
        group = {"id": resource_id("customerGroups", 8), "innerId": 8}
        prices = [
            {"customerGroup": group | {"default": default}, "net": new.price, "gross": f"{price:f}"}
            | {"netSpecial": None, "grossSpecial": None, "currencyCode": self._book.settings["config_currency"]}
            for default, price in ((False, gross / 2), (True, gross))
        ]
        texts = [
            {"name": new.name if language == 1 else f"{new.name} ({code})"}
            | {"language": self.link("languages", resource_id("languages", language))}
            for language, (code, _) in reversed(LANGUAGES.items())
        ]
        return row | {"productPrices": prices, "productDescriptions": texts}

    def status(self, number: int) -> dict[str, Any]:
        """Return an order status."""
        name = resource_id("orderStatuses", number)
        texts = {"href": f"{self._host}/orderStatusDescriptions?orderStatusId={name}"}
        return self.link("orderStatuses", name) | {"id": name, "innerId": str(number), "orderStatusDescriptions": texts}

    def status_text(self, number: int, language: int) -> dict[str, Any]:
        """Return the text of an order status in a language."""
        name = description_id(number, language)
        return self.link("orderStatusDescriptions", name) | {
            "id": name,
            "name": self._book.statuses[number][language - 1],
            "color": "#ff00ff",
            "orderStatus": self.link("orderStatuses", resource_id("orderStatuses", number)),
            "language": self.link("languages", resource_id("languages", language)),
        }

    def language(self, number: int) -> dict[str, Any]:
        """Return a language."""
        (code, title), name = LANGUAGES[number], resource_id("languages", number)
        return self.link("languages", name) | {
            "id": name,
            "innerId": str(number),
            "name": title,
            "code": code,
            "locale": f"{code}.UTF-8",
            "sortOrder": str(number),
            "status": "1",
        }

    def setting(self, number: int, key: str, value: str) -> dict[str, Any]:
        """Return a setting of the shop."""
        name = resource_id("settings", number)
        return self.link("settings", name) | {"id": name, "group": "config", "key": key, "value": value}


def _place(kind: str) -> dict[str, str]:
    return {
        f"{kind}Firstname": "Minta",
        f"{kind}Lastname": "Anna",
        f"{kind}Company": "",
        f"{kind}Address1": "Fő utca 1.",
        f"{kind}Address2": "",
        f"{kind}City": "Budapest",
        f"{kind}Postcode": "1011",
        f"{kind}ZoneName": "",
        f"{kind}CountryName": "Magyarország",
    }


def _charge_name(kind: str, new: NewOrder) -> str:
    return f"Kupon ({new.coupon}):" if kind == "COUPON" else f"{kind.capitalize()}:"


def _type(kind: str) -> str:
    return "COUPON" if kind == "CART_AMOUNT_DISCOUNT" else kind


# --- bodies ----------------------------------------------------------------------------------------------------------


def with_empties(value: Any, kind: str) -> Any:
    """Return JSON with every empty scalar written in one way, or in all four in turn."""
    turns = itertools.cycle(EMPTIES.values() if kind == "mixed" else [EMPTIES[kind]])

    def spoil(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: spoil(below) for name, below in part.items()}
        if isinstance(part, list):
            return [spoil(below) for below in part]
        return next(turns) if part == "" or (part is None and kind != "text") else part

    return spoil(value)


def as_json(value: Any) -> bytes:
    """Return a body as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def as_xml(value: Any) -> bytes:
    """Return a body as XML: `<response>`, lists as repeated `<item>`, texts as CDATA."""
    return f'<?xml version="1.0" encoding="UTF-8"?><response>{_element(value)}</response>'.encode()


def _element(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(_tag(escape(name), below) for name, below in value.items())
    if isinstance(value, list):
        return "".join(_tag("item", below) for below in value)
    return "<![CDATA[{}]]>".format(str(value).replace("]]>", "]]]]><![CDATA[>"))


def _tag(name: str, value: Any) -> str:
    return f"<{name}/>" if value in ("", None, [], {}) else f"<{name}>{_element(value)}</{name}>"
