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
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from crossdock.plugin import (
    Acceptance,
    Account,
    AuthError,
    Decision,
    Feed,
    FeedError,
    Field,
    Gap,
    Intent,
    Kind,
    Limits,
    ListingDefault,
    Meaning,
    Node,
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
    Sweep,
    Url,
    hookimpl,
    refused,
    send_batch,
)
from crossdock.plugins.miinto import feed, mapping
from crossdock.plugins.miinto.client import LISTS, ORDERS, TRANSFERS, Client
from crossdock.plugins.miinto.mapping import MARKETS

CURSOR = 2  # its version: `sweep`, and by shop the SKUs that the product map told since the last full sweep

EARLIER = timedelta(days=1)  # an order bears the time of the purchase, which is before that of its transfer

HOSTS = "auth order stock pc pms auth-sandbox auth-uat order-sandbox"

BATCH = 100  # ours: Miinto documents no limit, and this many single calls are bearable when it refuses a batch


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
    own_conversion: bool = Field(
        True,
        title="Miinto converts",
        description="Miinto makes names, texts and prices of the other markets out of the main one's by itself.",
    )
    feed_markets: tuple[str, ...] = Field(
        (),
        title="Markets with own prices",
        description="Which markets, besides the main one, get prices and texts of their own; without conversion only.",
        examples=[["se", "dk"]],
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
    hosts=tuple(f"api-{name}.miinto.net" for name in HOSTS.split()),
    markets=tuple(MARKETS.values()),
    limits=Limits(batch={"push_stock": BATCH, "push_status": BATCH}),
    idempotent=frozenset({"push_stock"}),
    polls=300,
    listing={
        ListingDefault.MULTIPLIER: "",
        ListingDefault.PRICE_GROUP: "",
        ListingDefault.MARKET: "",
        ListingDefault.DESCRIPTION: "description",
    },
    gaps=(
        Gap(what="returns", kind="upstream", reason="Miinto's calls for returns are not public."),
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
    client, kept = Client(account), cursor if cursor and cursor["version"] == CURSOR else {}
    sweep, skus = Sweep.read(tuple(LISTS), kept.get("sweep")), kept.get("skus", {})
    if sweep.begins and sweep.full:
        client.session.open()  # a shop added since the channel was opened shows in a new one only
        skus = {}
    shops = client.shops()
    sweep = sweep.among(shops)
    page = client.page(sweep.listing, sweep.scope, sweep.spot.offset, prints=True)
    orders = client.understand(sweep.listing, sweep.scope, sweep.news(page))
    skus = {**skus, sweep.scope: _skus(client, sweep.scope, orders, skus.get(sweep.scope, {}))}
    following = sweep.after(page, shops)
    return OrderPage(
        orders=tuple(mapping.with_skus(order, skus[sweep.scope]) for order in orders),
        cursor={"version": CURSOR, "sweep": following.cursor(), "skus": skus},
        more=not following.begins,
        sweep="complete" if following.begins else None,
    )


@hookimpl
def accept_order(account: Account, order: Order, decision: Decision) -> Acceptance:
    client, shop = Client(account), order.id.scope
    try:
        new = client.decide(shop, order.id.value, decision.accepted, [line.id for line in decision.declined])
    except Rejected:
        # What is decided cannot be decided again, and a second call has to end like the first.
        outcome = _look_up(client, order, decision)
        if not isinstance(outcome, Outcome) or outcome.acceptance is None:
            raise
        return outcome.acceptance
    won = dict.fromkeys(decision.accepted, RemoteId(kind="order", scope=shop, value=new)) if new else {}
    return mapping.acceptance(decision, won or _won_before(client, order, decision))


@hookimpl
def push_stock(account: Account, levels: tuple[StockLevel, ...]) -> tuple[Result, ...]:
    client = Client(account)
    shops = client.shops()
    results, sendable = [], defaultdict(list)
    for level in levels:
        if fault := _unsendable(level, shops):
            results.append(refused(level, Rejected(fault)))
        else:
            sendable[level.offer.scope].append(level)
    for shop, shop_levels in sendable.items():
        results += send_batch(shop_levels, partial(client.set_stock, shop))
    return tuple(results)


@hookimpl
def build_feed(account: Account, market: str) -> Feed:
    settings: MiintoSettings = account.settings
    if market != settings.main_market:
        raise FeedError(
            f"Miinto has one offers file for all markets, that of the main one, which is {settings.main_market}.",
            advice="Other markets are columns in it.",
        )
    known = {code: market.currency for code, market in MARKETS.items()} | settings.extra_markets
    wanted = (market, *(() if settings.own_conversion else settings.feed_markets))
    if unknown := [code for code in wanted if code not in known]:
        raise FeedError(f"Miinto has no market {', '.join(unknown)}.", advice="Mend main_market or feed_markets.")
    return feed.describe(market, {code: known[code] for code in wanted})


@hookimpl
def map_status(account: Account) -> tuple[PlatformStatus, ...]:
    return STATUSES


@hookimpl
def check_connection(account: Account) -> str:
    client = Client(account)
    client.session.open()
    open_shops, closed_shops = [], []
    for shop in client.shops():
        try:
            open_shops.append(_describe(client, shop, client.page(TRANSFERS, shop, 0, limit=0).total))
        except Rejected as error:
            closed_shops.append(f"{shop}: {error.words}")
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
        found = client.order(shop, order.id.value)
        return mapping.with_skus(found, _skus(client, shop, [found], {}))
    if _pending(client, order) is None:
        raise NotFound(f"The {order.id} is not among the pending ones any more.")
    return Pending()


@hookimpl
def fetch_products(account: Account, cursor: Mapping[str, Any] | None) -> ProductPage:
    client = Client(account)
    shops, read = client.shops(), (cursor or {}).get("shop", "")
    shop, *later = [shop for shop in shops if shop > read] or shops
    products = tuple(client.products(shop))
    return ProductPage(products=products, cursor={"version": 1, "shop": shop if later else ""}, more=bool(later))


@hookimpl
def push_status(account: Account, updates: tuple[StatusUpdate, ...]) -> tuple[Result, ...]:
    client = Client(account)
    return tuple(result for update in updates for result in send_batch([update], partial(_write_tracking, client)))


@hookimpl
def find_outcome(account: Account, intent: Intent) -> Outcome | Pending | None:
    if intent.verb != "accept_order" or intent.order is None or intent.decision is None:
        return None
    return _look_up(Client(account), intent.order, intent.decision)


# --- orders ----------------------------------------------------------------------------------------------------------


def _describe(client: Client, shop: str, waiting: int) -> str:
    code, source = client.market_code(shop)
    market = f"market {code}, {source}" if code else "market unknown: name it in the setting shop_markets"
    return f"{shop} ({market}; proposals waiting: {waiting})"


def _skus(client: Client, shop: str, orders: Sequence[Order], known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the known SKUs by product id and those that lines without GTIN need; reads the map only if one does."""
    needed = {line.product_id for order in orders for line in order.lines if line.product_id and not line.gtin}
    unknown = needed - known.keys()
    if not unknown:
        return known
    try:
        products = client.products(shop, unknown)
    except Rejected as error:  # a shop that has not moved to the product centre has no map
        client.account.log.warning("No product map, so lines without GTIN have no SKU either: %s", error)
        return known
    return {**known, **mapping.skus_of(unknown, products)}


# --- the outcome of an acceptance ------------------------------------------------------------------------------------


def _look_up(client: Client, order: Order, decision: Decision) -> Outcome | Pending | None:
    """Find out how a decision ended.

    What proves most is asked first. If Miinto gives the positions of an order new ids, nothing is found by them, and an
    order that looks the same makes the outcome unclear; it comes in through the list of orders in any case.
    """
    placed = client.understand(ORDERS, order.id.scope, _orders_since(client, order, decision))
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
        placed = _orders_since(client, order, decision)
        ours = [row for row in placed if mapping.position_ids(row) & {*decision.accepted}]
        return mapping.won(order, decision, client.understand(ORDERS, order.id.scope, ours))
    except RemoteError as error:
        error.unclear = True  # the decision is made, whatever happens to this question
        raise


def _orders_since(client: Client, order: Order, decision: Decision) -> list[Node]:
    """Return the shop's orders that may have come out of this proposal, none if nothing of it was accepted."""
    if not decision.accepted:
        return []
    since = order.placed_at - EARLIER
    placed = client.read(ORDERS, order.id.scope, lambda page: all(mapping.bought_at(row) < since for row in page.rows))
    return [row for row in placed if mapping.bought_at(row) >= since]


def _pending(client: Client, order: Order) -> Order | None:
    """Return a proposal as it still waits, or None."""
    shop, number = order.id.scope, order.id.value
    rows = client.read(TRANSFERS, shop, lambda page: number in page.ids)
    waiting = client.understand(TRANSFERS, shop, [row for row in rows if row.id() == number])
    return waiting[0] if waiting else None


# --- stock and tracking ----------------------------------------------------------------------------------------------


def _unsendable(level: StockLevel, shops: Collection[str]) -> str:
    if level.offer.scope not in shops:
        return f"{level.offer.scope!r} is no shop of this account."
    missing = [key for key in mapping.STOCK_KEYS if not level.offer.keys.get(key)]
    return f"It has no published {', '.join(missing)}; Miinto finds it by these." if missing else ""


def _write_tracking(client: Client, updates: Sequence[StatusUpdate]) -> None:
    (update,) = updates
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
        lines = shipment.line_ids or [line.id for line in client.order(shop, number).lines]
        client.track(shop, number, lines, shipment.tracking, carrier)
