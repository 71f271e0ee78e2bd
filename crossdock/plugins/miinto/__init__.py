"""Miinto: a fashion marketplace that proposes orders to several shops and gives each to the one that accepts first.

Documents: Miinto's API portal is not public. The facts come from client code that others published and from help pages;
they are listed in docs/plugins/miinto.md.

Authentication: identifier and secret (the login of the admin panel) open a channel; its token signs all else.

Quirks
- A *transfer* is a proposal, an *order* is what was won; both are numbered by themselves.
- Accepting is not winning: an answer without `newOrder` means that another shop was faster.
- Prices are gross, in minor units; transfers name no currency, so theirs is the market's.
- A failure may come with HTTP 200. How a channel dies is not documented, so each failure gets one try with a new one.
- An empty object may come as a list.

Unconfirmed
- where a transfer's `createdAt` stands; that a list sorted by it keeps its order from page to page;
- that the positions of an order keep the ids they had in its transfer (used only to find an outcome that was not told);
- the telephone codes of the later markets, and with them the market of a shop whose privileges name no platform;
- what an unknown variant does to a stock call (taken for a refusal of the whole, and repeated one by one);
- how tracking numbers are written, and orders changed: off unless the setting `unconfirmed_writes` is on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from crossdock.plugin import (
    Acceptance,
    Account,
    AuthError,
    ConfigError,
    Decision,
    Field,
    Gap,
    Intent,
    Kind,
    Limits,
    Market,
    Meaning,
    NotFound,
    Order,
    OrderPage,
    Outcome,
    Pending,
    PlatformStatus,
    Plugin,
    ProductPage,
    Rejected,
    RemoteError,
    RemoteId,
    Result,
    SecretStr,
    Settings,
    StatusUpdate,
    StockLevel,
    Url,
    hookimpl,
)
from crossdock.plugins.miinto import mapping
from crossdock.plugins.miinto.client import Client
from crossdock.plugins.miinto.sweep import Page, Place

# Code, country, currency, and the telephone code that is the third part of a shop's id, as in 1-m!i!s-048-1234.
# The markets of the second half were seen later; their telephone codes follow the same pattern (unconfirmed).
TABLE = """
pl PL PLN 048
se SE SEK 046
no NO NOK 047
ch CH CHF 041
be BE EUR 032
nl NL EUR 031
dk DK DKK 045

uk GB GBP 044
de DE EUR 049
fr FR EUR 033
it IT EUR 039
es ES EUR 034
fi FI EUR 358
cn CN CNY 086
"""
ROWS = tuple(line.split() for line in TABLE.splitlines() if line)
MARKETS = {code: Market(code=code, country=country, currency=currency) for code, country, currency, _ in ROWS}
TELEPHONE = {telephone: code for code, _, _, telephone in ROWS}

EARLIER = timedelta(days=1)  # an order bears the time of the purchase, which is before that of its transfer

BATCH = 50  # ours: Miinto documents no limit, and this many single calls are bearable when it refuses a batch


class MiintoSettings(Settings):
    """What the plugin needs to know of one Miinto account."""

    identifier: str = Field(min_length=1, title="API identifier", description="Login of the Miinto admin panel.")
    secret: SecretStr = Field(min_length=1, title="API secret", description="Password of the Miinto admin panel.")
    main_market: str = Field(
        "pl",
        title="Main service",
        description="The market whose listing supplies what all markets share.",
        examples=["pl"],
    )
    shop_markets: dict[str, str] = Field(
        default_factory=dict,
        title="Markets of shops",
        description="Shop id to market, for a shop whose market neither its privileges nor its id tell.",
        examples=[{"1-m!i!s-048-1234": "pl"}],
    )
    extra_markets: dict[str, Annotated[str, Field(pattern="^[A-Z]{3}$")]] = Field(
        default_factory=dict,
        title="Further markets",
        description="Market to currency, for a market that the plugin does not know.",
        examples=[{"test": "GBP"}],
    )
    closed_shops: tuple[str, ...] = Field(
        (), title="Closed shops", description="Ids of shops to leave alone, for instance because Miinto closed them."
    )
    unconfirmed_writes: bool = Field(
        False,
        title="Unconfirmed writing",
        description="Write tracking numbers in a way that nobody has confirmed with Miinto yet.",
    )
    control_version: str = Field("2.6", title="API version", description="Newest seen: 2.6.", pattern=r"^\d+\.\d+$")
    auth: Url = Field("https://api-auth.miinto.net", title="Auth service", description="Opens channels.")
    order: Url = Field("https://api-order.miinto.net", title="Order service", description="Transfers and orders.")
    stock: Url = Field("https://api-stock.miinto.net", title="Stock service", description="Stock levels.")
    pc: Url = Field("https://api-pc.miinto.net", title="Product centre", description="The product map.")
    pms: Url = Field("https://api-pms.miinto.net", title="Product management", description="Not called so far.")


PLUGIN = Plugin(
    contract=1,
    kind=Kind.MARKETPLACE,
    title="Miinto",
    settings=MiintoSettings,
    hosts=(
        *(f"api-{service}.miinto.net" for service in ("auth", "order", "stock", "pc", "pms")),
        "api-auth-sandbox.miinto.net",
        "api-auth-uat.miinto.net",
        "api-order-sandbox.miinto.net",
    ),
    markets=tuple(MARKETS.values()),
    limits=Limits(batch={"push_stock": BATCH, "push_status": BATCH}),
    idempotent=frozenset({"push_stock"}),
    polls=300,
    gaps=(
        Gap(what="returns", kind="upstream", reason="Miinto's calls for returns are not public."),
        Gap(what="build_feed", kind="todo", reason="The offers file comes with the feeds."),
        Gap(what="push_prices", kind="never", reason="Prices travel in the feed only."),
        Gap(what="push_offers", kind="never", reason="Offers travel in the feed only."),
        Gap(what="fetch_stock", kind="upstream", reason="Miinto has no call that tells its stock levels."),
        Gap(what="fetch_categories", kind="upstream", reason="Miinto publishes no list of its categories."),
        Gap(what="fetch_parameters", kind="never", reason="All categories share the columns of the feed."),
        Gap(what="push_orders", kind="never", reason="Orders come from Miinto."),
        Gap(what="push_contacts", kind="never", reason="Miinto is no CRM."),
        Gap(what="push_events", kind="never", reason="Miinto is no CRM."),
        Gap(what="receive", kind="upstream", reason="Miinto calls nobody; it is asked."),
    ),
    documents=(
        "https://github.com/miinto/miinto_api_client",
        "https://github.com/Setono/SyliusMiintoPlugin",
        "https://github.com/giuseppechecchia/miinto-api-wrapper",
    ),
)

STATUSES = (
    PlatformStatus(code="pending", label="Pending", meaning=Meaning.PENDING),
    PlatformStatus(code="accepted", label="Accepted", meaning=Meaning.NEW),
    PlatformStatus(code="declined", label="Declined", meaning=Meaning.CANCELLED),
)


# --- hooks -----------------------------------------------------------------------------------------------------------


@hookimpl
def fetch_orders(account: Account, cursor: Mapping[str, Any] | None) -> OrderPage:
    client, place = Client(account), Place.read(cursor)
    if place.begins and place.full:
        client.open()  # a shop added since the channel was opened shows in a new one only
    shops = tuple(client.shops())
    place = place.among(shops)
    page = client.page(place.listing, place.shop, place.spot.offset)
    orders, skus = _orders(client, place, page)
    following = replace(place, skus={**place.skus, place.shop: skus}).after(page, shops)
    done = following.sweep > place.sweep
    return OrderPage(orders=orders, cursor=following.cursor(), more=not done, sweep="complete" if done else None)


@hookimpl
def accept_order(account: Account, order: Order, decision: Decision) -> Acceptance:
    client, shop = Client(account), order.id.scope
    try:
        answer = client.decide(shop, order.id.value, decision.accepted, [line.id for line in decision.declined])
    except Rejected:
        # What is decided cannot be decided again, and a second call has to end like the first.
        outcome = _look_up(client, order, decision)
        if not isinstance(outcome, Outcome) or outcome.acceptance is None:
            raise
        return outcome.acceptance
    new = mapping.read_new_order(answer)
    won = dict.fromkeys(decision.accepted, RemoteId(kind="order", scope=shop, value=new)) if new else {}
    return mapping.acceptance(decision, won or _won_before(client, order, decision))


@hookimpl
def push_stock(account: Account, levels: tuple[StockLevel, ...]) -> tuple[Result, ...]:
    client = Client(account)
    shops = client.shops()
    results, sendable = [], defaultdict(list)
    for level in levels:
        if level.offer.scope not in shops:
            results.append(_refused_level(level, f"{level.offer.scope!r} is no shop of this account."))
        elif missing := [key for key in mapping.STOCK_KEYS if not level.offer.keys.get(key)]:
            results.append(
                _refused_level(level, f"It has no published {', '.join(missing)}; Miinto finds it by these.")
            )
        else:
            sendable[level.offer.scope].append(level)
    for shop, shop_levels in sendable.items():
        results += _send_levels(client, shop, shop_levels)
    return tuple(results)


@hookimpl
def map_status(account: Account) -> tuple[PlatformStatus, ...]:
    return STATUSES


@hookimpl
def check_connection(account: Account) -> str:
    client = Client(account)
    client.open()
    open_shops, closed_shops = [], []
    for shop in client.shops():
        try:
            waiting = client.page("transfers", shop, 0, limit=0).total
        except Rejected as error:
            closed_shops.append(f"{shop}: {error.words}")
        else:
            open_shops.append(_describe(client, shop, waiting))
    if closed_shops:
        raise AuthError(
            "The credentials are right, but Miinto refuses the orders of a shop, which may be inactive.",
            words="; ".join(closed_shops),
            advice="Open it at Miinto, or name it in the setting closed_shops.",
        )
    return f"The credentials open {len(open_shops)} shop(s): {'; '.join(open_shops)}."


@hookimpl
def fetch_order(account: Account, order: Order) -> Order | Pending:
    client, shop = Client(account), order.id.scope
    if order.id.kind == "order":
        found = mapping.read_order(client.order(shop, order.id.value), shop, _market(client, shop))
        return mapping.with_skus(found, _skus(client, shop, [found], {}))
    if _pending(client, order) is None:
        raise NotFound(f"The {order.id} is not among the pending ones any more.")
    return Pending()


@hookimpl
def fetch_products(account: Account, cursor: Mapping[str, Any] | None) -> ProductPage:
    client = Client(account)
    shops, read = client.shops(), (cursor or {}).get("shop", "")
    shop, *later = [shop for shop in shops if shop > read] or shops
    market = _market(client, shop)
    products = tuple(mapping.read_product(item, shop, market) for item in client.product_map(shop))
    return ProductPage(products=products, cursor={"version": 1, "shop": shop if later else ""}, more=bool(later))


@hookimpl
def push_status(account: Account, updates: tuple[StatusUpdate, ...]) -> tuple[Result, ...]:
    client = Client(account)
    return tuple(_push_update(client, update) for update in updates)


@hookimpl
def find_outcome(account: Account, intent: Intent) -> Outcome | Pending | None:
    if intent.verb != "accept_order" or intent.order is None or intent.decision is None:
        return None
    return _look_up(Client(account), intent.order, intent.decision)


# --- orders ----------------------------------------------------------------------------------------------------------


def _market(client: Client, shop: str) -> Market:
    code, _ = _market_code(client, shop)
    further = client.account.settings.extra_markets
    if code in further:
        return Market(code=code, country="", currency=further[code])
    if code not in MARKETS:
        raise ConfigError(
            f"The market {code or '(unknown)'} of the shop {shop} has no currency here.",
            advice="Name its market in the setting shop_markets and, if that is new, its currency in extra_markets.",
        )
    return MARKETS[code]


def _market_code(client: Client, shop: str) -> tuple[str, str]:
    """Return the code of a shop's market, empty where nothing tells it, and where it is from."""
    settings, platform = client.account.settings, client.channel().shops.get(shop, "")
    if shop in settings.shop_markets:
        return settings.shop_markets[shop], "by the settings"
    if platform:
        return platform.lower(), "by its privileges"
    _, _, telephone, *_ = [*shop.split("-"), "", ""]
    return TELEPHONE.get(telephone, ""), "guessed from its telephone code"


def _describe(client: Client, shop: str, waiting: int) -> str:
    code, source = _market_code(client, shop)
    market = f"market {code}, {source}" if code else "market unknown: name it in the setting shop_markets"
    return f"{shop} ({market}; proposals waiting: {waiting})"


def _orders(client: Client, place: Place, page: Page) -> tuple[tuple[Order, ...], Mapping[str, str]]:
    """Return the orders of a page, and all SKUs that this sweep knows of the shop."""
    read = mapping.read_transfer if place.listing == "transfers" else mapping.read_order
    market = _market(client, place.shop)
    orders = [read(row, place.shop, market) for row in page.rows]
    skus = _skus(client, place.shop, orders, place.skus.get(place.shop, {}))
    return tuple(mapping.with_skus(order, skus) for order in orders), skus


def _skus(client: Client, shop: str, orders: Sequence[Order], known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the known SKUs by product id and those that lines without GTIN need; reads the map only if one does."""
    needed = {line.product_id for order in orders for line in order.lines if line.product_id and not line.gtin}
    if needed <= known.keys():
        return known
    try:
        items = client.product_map(shop)
    except Rejected as error:  # a shop that has not moved to the product centre has no map
        client.account.log.warning("No product map, so lines without GTIN have no SKU either: %s", error)
        return known
    return {**known, **mapping.skus_of(needed - known.keys(), items)}


# --- the outcome of an acceptance ------------------------------------------------------------------------------------


def _look_up(client: Client, order: Order, decision: Decision) -> Outcome | Pending | None:
    """Find out how a decision ended.

    What proves most is asked first. If Miinto gives the positions of an order new ids, nothing is found by them, and an
    order that looks the same makes the outcome unclear; it comes in through the list of orders in any case.
    """
    placed = _orders_since(client, order, decision)
    won = mapping.won(order, decision, placed)
    if won.keys() >= {*decision.accepted} and won:
        return Outcome(acceptance=mapping.acceptance(decision, won))
    decided = {*decision.accepted, *(line.id for line in decision.declined)}
    pending = _pending(client, order)
    if pending is not None and decided & {line.id for line in pending.lines}:
        return Pending()
    wanted = [line for line in order.lines if line.id in decision.accepted and line.id not in won]
    others = [line for found in placed if found.id not in won.values() for line in found.lines]
    if any(mapping.same_goods(line, other) for line in wanted for other in others):
        return None
    return Outcome(acceptance=mapping.acceptance(decision, won))


def _won_before(client: Client, order: Order, decision: Decision) -> Mapping[str, RemoteId]:
    """Return what an earlier call may have won; without a new order in its answer, this one has won nothing."""
    try:
        return mapping.won(order, decision, _orders_since(client, order, decision))
    except RemoteError as error:
        error.unclear = True  # the decision is made, whatever happens to this question
        raise


def _orders_since(client: Client, order: Order, decision: Decision) -> list[Order]:
    """Return the shop's orders that may have come out of this proposal, none if nothing of it was accepted."""
    if not decision.accepted:
        return []
    shop = order.id.scope
    market, since = _market(client, shop), order.placed_at - EARLIER
    rows = client.read(
        "orders", shop, lambda page: all(mapping.read_order(row, shop, market).placed_at < since for row in page.rows)
    )
    orders = [mapping.read_order(row, shop, market) for row in rows]
    return [found for found in orders if found.placed_at >= since]


def _pending(client: Client, order: Order) -> Order | None:
    """Return a proposal as it still waits, or None."""
    shop, number = order.id.scope, order.id.value
    rows = client.read("transfers", shop, lambda page: number in page.ids)
    row = next((row for row in rows if str(row["id"]) == number), None)
    return mapping.read_transfer(row, shop, _market(client, shop)) if row else None


# --- stock and tracking ----------------------------------------------------------------------------------------------


def _send_levels(client: Client, shop: str, levels: Sequence[StockLevel]) -> list[Result]:
    """Send levels together, or one by one where Miinto refuses them together: one unknown variant must not stop all."""
    try:
        client.set_stock(shop, [mapping.stock_item(level) for level in levels])
    except Rejected as error:
        if len(levels) == 1:
            return [_refused_level(levels[0], error.words or error.message, error.code or str(error.status or ""))]
        return [result for level in levels for result in _send_levels(client, shop, [level])]
    return [Result(item=level.offer.id, warehouse=level.warehouse, accepted=True) for level in levels]


def _refused_level(level: StockLevel, words: str, code: str = "") -> Result:
    return Result(item=level.offer.id, warehouse=level.warehouse, accepted=False, code=code, words=words)


def _push_update(client: Client, update: StatusUpdate) -> Result:
    try:
        _write_tracking(client, update)
    except Rejected as error:
        return Result(
            item=update.order.value, accepted=False, code=error.code or "", words=error.words or error.message
        )
    return Result(item=update.order.value, accepted=True)


def _write_tracking(client: Client, update: StatusUpdate) -> None:
    shop, number = update.order.scope, update.order.value
    if not client.account.settings.unconfirmed_writes:
        raise Rejected("How Miinto takes tracking numbers is not confirmed, and the setting unconfirmed_writes is off.")
    if update.order.kind != "order" or update.status or not update.shipments:
        raise Rejected("Miinto takes nothing but tracking numbers, and these for orders that are won.")
    carriers = client.carriers(shop, number)
    for shipment in update.shipments:
        carrier = shipment.carrier or (carriers[0] if len(carriers) == 1 else "")
        if carrier not in carriers:
            raise Rejected(f"The carrier {carrier!r} is none of those that Miinto allows here: {', '.join(carriers)}.")
        lines = shipment.line_ids or [
            line.id for line in mapping.read_order(client.order(shop, number), shop, _market(client, shop)).lines
        ]
        client.track(shop, number, lines, shipment.tracking, carrier)
