"""Shoprenter: a Hungarian platform for web shops, one REST API per shop.

Documents: https://doc.shoprenter.hu (the repository Shoprenter/sr-api-docs); more in docs/plugins/shoprenter.md.

Authentication: user name and API key by HTTP Basic on the legacy host, or OAuth2 client credentials on API2's host.

Quirks
- Scalars are texts, and an empty one comes as `""`, null, `{}` or `[]`; without `Accept` the answer is XML.
- Times have no offset: they are in the shop's time zone.
- An order has no quantity: it is the sum of what each of the four warehouses gives.
- Amounts are net and in the shop's main currency, but for the lines of totals, which are gross.
- Pages count from 0; one that is too large to be made in time ends in 504.
- A batch answers 200 whatever became of its parts.

Unconfirmed
- nothing was tried against a shop: all is from the documents and from clients that others published;
- in which order lists come, and whether their time filters are inclusive (nothing here depends on either);
- that times are in the zone of the shop's own settings;
- that a batch may hold GET requests (it reads the options of lines; the setting `line_options` does without);
- the sign of discounts (always taken as less to pay), and that totals are in the shop's main currency;
- that `innerId` stands in an order status: only by it the status of deleted orders is known;
- that `config_language` holds the code of a language;
- which status answers a missing scope: 401 and 403 are told alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, Literal
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from pydantic import ValidationInfo, field_validator

from crossdock.plugin import (
    Account,
    AuthError,
    Field,
    Gap,
    Kind,
    Limits,
    Meaning,
    Node,
    NotFound,
    Order,
    OrderPage,
    PlatformStatus,
    Plugin,
    ProductPage,
    Rate,
    Rejected,
    Result,
    SecretStr,
    Settings,
    StatusUpdate,
    StockLevel,
    fingerprint,
    hookimpl,
    refused,
    send_batch,
)
from crossdock.plugins.shoprenter import mapping
from crossdock.plugins.shoprenter.client import BATCH, PAGE, Call, Client, Part, Spot

CURSOR = 1  # its version, see `fetch_orders`

LAG = timedelta(seconds=30)  # what is younger may still be joined by others of the same moment
OVERLAP = timedelta(minutes=90)  # an hour for the night when clocks go back, the rest for what was stored late
REMEMBERED = 1000  # orders

ADDRESS = re.compile(
    r"(?:https?://)?(?P<name>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)"
    r"(?P<host>\.(?:api2?\.)?(?:my)?shoprenter\.hu)?(?:/(?:api|admin)?)?/?",
    re.IGNORECASE,
)
OLD_HOST = ".api.shoprenter.hu"

TO_READ = ("order.order:read", "order.status:read", "product.product:read")
TO_WRITE = {"product.product:write": "stock", "order.order:write": "order statuses"}
LEFT_OUT = "The status is set; for tracking numbers the API has no documented place."
REFUSED = (
    "Check address and credentials; the API may also be switched off in the shop's admin, or be no part of its plan."
)


class ShoprenterSettings(Settings):
    """What the plugin needs to know of one shop."""

    shop: str = Field(
        title="Shop address",
        description="The shop's name, or any address of its API or admin.",
        examples=["myshop.api.myshoprenter.hu"],
    )
    user: str | None = Field(None, title="User name", description="Of the API settings in the shop's admin.")
    api_key: SecretStr | None = Field(None, title="API key", description="Beside the user name.")
    client_id: str | None = Field(None, title="Client id", description="Of an API client, in place of a user name.")
    client_secret: SecretStr | None = Field(
        None, validate_default=True, title="Client secret", description="Beside the client id."
    )
    stock: Literal["stock1", "stock2", "stock3", "stock4"] = Field(
        "stock1", title="Warehouse", description="Which of the shop's four warehouses is read and written."
    )
    time_zone: str = Field("Europe/Budapest", title="Time zone", description="Of the shop, by its IANA name.")
    line_options: bool = Field(
        True, title="Options of lines", description="Reads the options chosen with a product; a call for 200 lines."
    )

    @field_validator("shop")
    @classmethod
    def _address(cls, text: str) -> str:
        found = ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError("this is no address of a Shoprenter shop, such as myshop.api.myshoprenter.hu")
        old = (found["host"] or "").lower() == OLD_HOST
        return found["name"].lower() + (OLD_HOST if old else "")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            raise ValueError("there is no such time zone; write for example Europe/Budapest") from None
        return name

    @field_validator("client_secret")
    @classmethod
    def _one_way(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        given = {**info.data, "client_secret": secret}
        ways = [
            [bool(given.get(name)) for name in way] for way in (("user", "api_key"), ("client_id", "client_secret"))
        ]
        if sorted(ways) != [[False, False], [True, True]]:
            raise ValueError("give either user and api_key, or client_id and client_secret, and not both")
        return secret

    @property
    def name(self) -> str:
        """The shop's name, the first part of its hosts."""
        return self.shop.partition(".")[0]

    @property
    def base(self) -> str:
        """What the paths of resources are added to."""
        if self.client_id:
            return (self.endpoint or f"https://{self.name}.api2.myshoprenter.hu") + "/api"
        host = self.shop if self.shop.endswith(OLD_HOST) else f"{self.name}.api.myshoprenter.hu"
        return self.endpoint or f"https://{host}"

    @property
    def token_url(self) -> str:
        """Where API2's tokens are asked for."""
        return f"{self.endpoint or 'https://oauth.app.shoprenter.net'}/{self.name}/app/token"


PLUGIN = Plugin(
    contract=1,
    kind=Kind.SHOP,
    title="Shoprenter",
    settings=ShoprenterSettings,
    hosts=("*.api.myshoprenter.hu", "*.api2.myshoprenter.hu", "*.api.shoprenter.hu", "oauth.app.shoprenter.net"),
    limits=Limits(rates=(Rate(requests=3, seconds=1.0),), batch={"push_stock": BATCH, "push_status": BATCH}),
    idempotent=frozenset({"push_stock", "push_status"}),
    gaps=(
        Gap(what="accept_order", kind="never", reason="Orders of a shop are sold; nothing is to be accepted."),
        Gap(what="build_feed", kind="never", reason="A Shoprenter shop fetches no offers file."),
        Gap(what="tracking numbers", kind="upstream", reason="The API has no documented place for them."),
        Gap(what="payments", kind="upstream", reason="The API does not tell whether an order is paid."),
        Gap(what="returns", kind="upstream", reason="The API has no returns."),
        Gap(what="push_orders", kind="todo", reason="Writing orders into the shop is not written yet."),
        Gap(what="push_prices", kind="todo", reason="Prices are net and per customer group; not written yet."),
        Gap(what="push_offers", kind="todo", reason="Creating and changing products is not written yet."),
        Gap(what="fetch_stock", kind="todo", reason="Stock of the shop as a source is not read yet."),
        Gap(what="fetch_categories", kind="todo", reason="The shop's own categories are not read yet."),
        Gap(what="fetch_parameters", kind="todo", reason="The shop's product classes are not read yet."),
        Gap(what="receive", kind="todo", reason="Webhooks are not signed; they would only hint at reading sooner."),
        Gap(what="push_contacts", kind="never", reason="Shoprenter is no CRM."),
        Gap(what="push_events", kind="never", reason="Shoprenter is no CRM."),
    ),
    documents=(
        "https://doc.shoprenter.hu",
        "https://github.com/Shoprenter/sr-api-docs",
        "https://github.com/Shoprenter/api-client",
    ),
)


# --- connection ------------------------------------------------------------------------------------------------------


@hookimpl
def check_connection(account: Account) -> str:
    client, settings = Client(account), account.settings
    try:
        scopes = client.scopes()
        if missing := [scope for scope in TO_READ if scopes is not None and scope not in scopes]:
            told = f"Shoprenter's token for {settings.name} lacks the scopes {', '.join(missing)}."
            raise AuthError(told, advice="Grant them to the API client in the shop's admin.")
        for resource in ("orderStatuses", "orderExtend", "products"):
            client.rows(client.get(resource, ("limit", "1")))
    except NotFound as error:
        raise AuthError(f"There is no API of the shop {settings.name}.", words=error.words, advice=REFUSED) from None
    except AuthError as error:
        error.advice = error.advice if "scopes" in error.message else REFUSED
        raise
    way = "The token opens" if settings.client_id else f"User {settings.user} opens"
    closed = [what for scope, what in TO_WRITE.items() if scopes is not None and scope not in scopes]
    limit = f" It may not write {' and '.join(closed)}." if closed else ""
    return f"{way} the shop {settings.name}: orders, order statuses and products can be read.{limit}"


@hookimpl
def map_status(account: Account) -> tuple[PlatformStatus, ...]:
    client = Client(account)
    labels = mapping.labels(client.all("orderStatusDescriptions"), client.language())
    deleted = client.setting("storno_order_status_id")
    numbers = {row.id(): row.text("innerId") for row in client.all("orderStatuses")}
    unfinished = PlatformStatus(code=mapping.UNFINISHED, label="(unfinished: an abandoned cart)")
    statuses = (
        PlatformStatus(
            code=code,
            label=labels.get(code, code),
            meaning=Meaning.CANCELLED if number and number == deleted else None,
            settable=True,
        )
        for code, number in numbers.items()
    )
    return (unfinished, *statuses)


# --- orders ----------------------------------------------------------------------------------------------------------


@hookimpl
def fetch_orders(account: Account, cursor: Mapping[str, Any] | None) -> OrderPage:
    """Read one page of the orders that changed since the newest change that was seen, and an overlap.

    The cursor has `mark` (the newest change seen, by the shop's clock) and `seen` (by order, when it changed and a
    fingerprint: of the newest ones and of the page before). Within a sweep it has `spot`, and `since` and `until`, the
    bounds of the sweep; between two it has the `limit` of the next one.
    """
    client = Client(account)
    kept = cursor or {"mark": None, "seen": {}, "limit": PAGE}
    if "spot" in kept:
        spot, since, until = Spot(**kept["spot"]), kept["since"], kept["until"]
    else:
        spot, since, until = Spot(limit=kept["limit"]), _since(kept["mark"]), _now(account)
    window = (("updatedAtMin", since),) if since else ()
    rows, spot, following = client.step(
        "orderExtend", spot, ("excludeAbandonedCart", "1"), ("updatedAtMax", until), *window
    )
    marks = {row.id("innerId"): f"{row.text('dateUpdated')} {fingerprint(row.value)}" for row in rows}
    news = [row for row in rows if kept["seen"].get(row.id("innerId")) != marks[row.id("innerId")]]
    older = sorted((item for item in kept["seen"].items() if item[0] not in marks), key=itemgetter(1))
    changes = (mapping.naive(row, "dateUpdated") for row in rows)
    known = {
        "version": CURSOR,
        "mark": max(filter(None, (kept["mark"], *changes)), default=None),
        "seen": dict([*older[-REMEMBERED:], *marks.items()]),
    }
    rest = (
        {"spot": following.as_dict(), "since": since, "until": until}
        if following
        else {"limit": min(2 * spot.limit, PAGE)}  # the next sweep tries larger pages again
    )
    return OrderPage(orders=_understood(client, news), cursor={**known, **rest}, more=following is not None)


@hookimpl
def fetch_order(account: Account, order: Order) -> Order:
    client = Client(account)
    rows = client.rows(client.get("orderExtend", ("full", "1"), ("innerId", order.id.value)))
    if not rows:
        raise NotFound(f"Shoprenter has no order {order.id.value}.")
    return _understood(client, rows)[0]


@hookimpl
def push_status(account: Account, updates: tuple[StatusUpdate, ...]) -> tuple[Result, ...]:
    client = Client(account)
    # People know an order by its number, which never changes; a write needs the id, which a client may change.
    lookups = [Call("GET", f"orders?{urlencode({'innerId': update.order.value})}") for update in updates]
    results, calls = [], []
    for update, found in zip(updates, client.batch(lookups), strict=True):
        try:
            calls.append((update, _status_change(client, update, found)))
        except Rejected as error:
            results.append(refused(update, error))
    for (update, _), answer in zip(calls, client.batch([call for _, call in calls]), strict=True):
        (result,) = send_batch([update], partial(_check_status, answer))
        results.append(replace(result, words=LEFT_OUT) if update.shipments and result.accepted else result)
    return tuple(results)


def _status_change(client: Client, update: StatusUpdate, found: Part) -> Call:
    if update.order.kind != "order" or update.status in (None, mapping.UNFINISHED):
        raise Rejected("Shoprenter takes nothing of an order but one of the shop's own statuses.")
    rows = client.rows(found.body())
    if not rows:
        raise NotFound(f"Shoprenter has no order {update.order.value}.")
    data = {"orderStatus": {"id": update.status}}
    return Call("PUT", f"orders/{quote(mapping.last(rows[0], 'href'), safe='')}", data)


def _check_status(answer: Part, updates: Sequence[StatusUpdate]) -> None:
    order = answer.body()
    status = mapping.status_of(order)
    if status != updates[0].status:
        raise Rejected(f"{order.where}: Shoprenter answers with the status {status}, not with {updates[0].status}.")


def _understood(client: Client, rows: Sequence[Node]) -> tuple[Order, ...]:
    options = client.options(rows) if client.settings.line_options else {}
    zone = ZoneInfo(client.settings.time_zone)
    return tuple(mapping.read_order(row, options, zone) for row in rows)


def _since(mark: str | None) -> str | None:
    """Return where a sweep begins, by the shop's clock; None for the very first, which reads all."""
    return (datetime.fromisoformat(mark) - OVERLAP).isoformat() if mark else None


def _now(account: Account) -> str:
    local = (account.clock.now() - LAG).astimezone(ZoneInfo(account.settings.time_zone))
    return local.replace(tzinfo=None).isoformat(timespec="seconds")


# --- goods -----------------------------------------------------------------------------------------------------------


@hookimpl
def push_stock(account: Account, levels: tuple[StockLevel, ...]) -> tuple[Result, ...]:
    client, results = Client(account), []
    calls = [_stock_change(level, level.warehouse or client.settings.stock) for level in levels]
    for level, answer in zip(levels, client.batch(calls), strict=True):
        results += send_batch([level], partial(_check_stock, answer))
    return tuple(results)


def _stock_change(level: StockLevel, warehouse: str) -> Call:
    """Return the write of a level: by the product's id, or where it is not known by SKU."""
    offer, data = level.offer, {warehouse: str(level.quantity)}
    if offer.remote_id:
        return Call("PUT", f"products/{quote(offer.remote_id, safe='')}", data)
    return Call("PUT", f"productExtend?{urlencode({'sku': offer.sku})}", data)


def _check_stock(answer: Part, levels: Sequence[StockLevel]) -> None:
    answer.body()


@hookimpl
def fetch_products(account: Account, cursor: Mapping[str, Any] | None) -> ProductPage:
    client = Client(account)
    language = cursor["language"] if cursor else client.language()
    rows, _, following = client.step("productExtend", Spot(**cursor["spot"]) if cursor and cursor["spot"] else Spot())
    products = tuple(mapping.read_product(row, language, client.settings.stock) for row in rows)
    spot = following.as_dict() if following else None
    return ProductPage(
        products=products, cursor={"version": CURSOR, "spot": spot, "language": language}, more=following is not None
    )
