"""The vocabulary that the engine, its plugins and its callers share.

Frozen, slotted, keyword-only values. Money is a Decimal with a currency, time is aware UTC, remote ids are strings,
quantities are whole numbers, unknown is None and never zero. What a later contract adds has a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import chain, repeat
from types import NoneType
from typing import Any, Literal, TypeAlias

# ISO 4217:2015, minor units other than two (list one, 2024-06).
_MINOR_UNITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


# --- values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in one currency.

    Args:
        amount: exact; a float is refused because it is not.
        currency: ISO 4217 code, three capital letters.

    Raises:
        ValueError: the amount is no finite Decimal or the currency no such code.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        amount: object = self.amount
        if not isinstance(amount, Decimal) or not amount.is_finite():
            raise ValueError(f"money needs a finite Decimal, got {amount!r}")
        if len(self.currency) != 3 or not (self.currency.isascii() and self.currency.isupper()):
            raise ValueError(f"{self.currency!r} is no ISO 4217 code such as EUR")

    @classmethod
    def from_minor(cls, units: int, currency: str) -> Money:
        """Return the money for whole minor units: 29900 in PLN is 299.00, 500 in JPY is 500."""
        if isinstance(units, bool) or not isinstance(units, int):
            raise ValueError(f"minor units are whole numbers, got {units!r}")
        return cls(amount=Decimal(units).scaleb(-minor_digits(currency)), currency=currency)

    def to_minor(self) -> int:
        """Return whole minor units; money finer than that is an error, not a rounding."""
        units = self.amount.scaleb(minor_digits(self.currency))
        if units != units.to_integral_value():
            raise ValueError(f"{self} is finer than the smallest unit of {self.currency}")
        return int(units)

    def __mul__(self, factor: int | Decimal) -> Money:
        return Money(amount=self.amount * factor, currency=self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(amount=self.amount + self._same(other), currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} are in different currencies")
        return other.amount

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


def minor_digits(currency: str) -> int:
    """Return how many decimal places the currency's minor unit has (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD."""
    return _MINOR_UNITS.get(currency, 2)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RemoteId:
    """How a platform names a thing.

    Args:
        kind: which of the platform's numberings, e.g. `transfer` or `order` at Miinto. Two kinds never mix.
        scope: where the number is unique: a shop, a warehouse, or empty for the whole account.
        value: the id itself, as text.
    """

    kind: str
    scope: str = ""
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}" + (f" ({self.scope})" if self.scope else "")


class Meaning(StrEnum):
    """What a status means to the engine; closed. A seller's own statuses each have one."""

    PENDING = "pending"
    NEW = "new"
    CONFIRMED = "confirmed"
    PACKED = "packed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"


# --- orders ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where somebody is; every part as the platform gave it."""

    name: str = ""
    company: str = ""
    street: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    tax_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the goods travel: the platform's method, what the buyer paid for it (gross), a pick-up point's id."""

    method: str = ""
    price: Money | None = None
    point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """How the buyer pays: the platform's method, what has been paid, and when."""

    method: str = ""
    paid: Money | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One position of an order.

    Args:
        id: the platform's id of the position, unique within the order.
        name: what the buyer saw.
        quantity: units ordered; what is not above zero is no sale, and the engine declines it.
        price: gross price of one unit.
        sku: the seller's own code, where the platform knows it; compared exactly.
        gtin: EAN/GTIN as given.
        product_id: the platform's own id of the offer or product.
        vat_rate: percent, where the platform gives it: Decimal("23").
        cancelled: units cancelled after the purchase.
        attributes: what else names the variant: brand, size, colour.
    """

    id: str
    name: str
    quantity: int
    price: Money
    sku: str | None = None
    gtin: str | None = None
    product_id: str | None = None
    vat_rate: Decimal | None = None
    cancelled: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One purchase as one account reports it.

    Args:
        id: how the platform names it now.
        also: further ids of the same purchase.
        proposal: True while the order is not won yet: it waits for `accept_order`.
        market: the account's market it came from.
        status: the platform's status code; composite states joined into one code by the plugin.
        placed_at: when the buyer bought, aware UTC.
        lines: positions, in the platform's order, ids unique.
        buyer, billing, shipping: people and places; None where the platform does not tell (yet).
        echo: the hub's own reference found on the order, where the hub itself wrote it into this platform.
    """

    id: RemoteId
    also: tuple[RemoteId, ...] = ()
    proposal: bool = False
    market: str
    status: str
    placed_at: datetime
    lines: tuple[OrderLine, ...]
    buyer: Address | None = None
    billing: Address | None = None
    shipping: Address | None = None
    delivery: Delivery | None = None
    payment: Payment | None = None
    comment: str = ""
    echo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """One step of reading orders.

    Args:
        orders: what this step found.
        cursor: where the next step begins; the plugin's own versioned JSON object.
        more: True while the next step would find something at once.
        sweep: "complete" on the last page of a sweep in which every open order was listed: what the engine still
            holds as open and did not see since the sweep began is gone there.
    """

    orders: tuple[Order, ...]
    cursor: Mapping[str, Any]
    more: bool = False
    sweep: Literal["complete"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclinedLine:
    """A position that the seller does not take, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the seller takes and declines of one proposal; each position at most once."""

    accepted: tuple[str, ...] = ()
    declined: tuple[DeclinedLine, ...] = ()


class LineOutcome(StrEnum):
    """How a position of a proposal ended."""

    WON = "won"
    LOST = "lost"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The platform's answer to a decision.

    Args:
        lines: the outcome of each decided position, by its id.
        remote_ids: names under which the order goes on, e.g. the order that came out of a transfer.
        words: the platform's answer in short, for the record.
    """

    lines: Mapping[str, LineOutcome]
    remote_ids: tuple[RemoteId, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStatus:
    """One status of a platform.

    Args:
        code: as it stands in orders.
        label: as people there read it.
        meaning: what it means to the engine; None where sellers define it and must say.
        settable: whether `push_status` may set it.
    """

    code: str
    label: str
    meaning: Meaning | None = None
    settable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A parcel: its tracking number, the carrier in the platform's words, the positions in it (empty: all)."""

    tracking: str
    carrier: str = ""
    line_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """What the engine tells a platform about an order: the code to set, parcels, money received."""

    order: RemoteId
    status: str | None = None
    shipments: tuple[Shipment, ...] = ()
    paid: Money | None = None


# --- goods -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A variant as listed in one account and market.

    Args:
        id: the hub's id of the offer.
        sku: the seller's own code.
        market, scope: where it is listed: the market, and the shop or storefront within it.
        remote_id: the platform's id of the listing, where it has one.
        keys: fields by which the platform finds the listing, as they were last published (Miinto: group, brand, ...).
        fields: what the listing says; filled for `push_offers` and feeds.
    """

    id: str
    sku: str
    market: str
    scope: str = ""
    remote_id: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel:
    """How many units of an offer can be sold now: an absolute number, at one remote warehouse or (None) in all."""

    offer: Offer
    quantity: int
    warehouse: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an offer costs, gross; `before` is the crossed-out price."""

    offer: Offer
    price: Money
    before: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The platform's answer for one item of a batch.

    Args:
        item: the offer's id, the order's id … of what was sent.
        warehouse: the remote warehouse of a level, else None.
        accepted: whether the platform took it.
        code, words: the platform's own code and words for a refusal.
        remote_id: the id it gave to what was created.
    """

    item: str
    warehouse: str | None = None
    accepted: bool
    code: str = ""
    words: str = ""
    remote_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteProduct:
    """A product or variant as the platform lists it: for linking to what the seller owns, and for importing."""

    remote_id: str
    market: str = ""
    scope: str = ""
    sku: str | None = None
    gtin: str | None = None
    name: str = ""
    parent_id: str | None = None
    price: Money | None = None
    quantity: int | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage:
    """One step of reading products; cursor and more as in `OrderPage`."""

    products: tuple[RemoteProduct, ...]
    cursor: Mapping[str, Any]
    more: bool = False


class Contains(StrEnum):
    """Which of a source's orders a count already leaves out."""

    SHIPPED = "shipped"
    PLACED = "placed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCount:
    """Units that somebody counted or an outside system reports.

    Args:
        sku: the seller's own code.
        quantity: units on hand by that count.
        as_of: when it was true.
        warehouse: the remote warehouse, or None for the only one.
    """

    sku: str
    quantity: int
    as_of: datetime
    warehouse: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StockPage:
    """One step of reading stock; cursor and more as in `OrderPage`."""

    counts: tuple[StockCount, ...]
    cursor: Mapping[str, Any]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A node of a platform's category tree; only `listable` ones take offers."""

    id: str
    name: str
    parent_id: str | None = None
    listable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryPage:
    """One step of reading categories; cursor and more as in `OrderPage`."""

    categories: tuple[Category, ...]
    cursor: Mapping[str, Any]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An attribute that a category asks for; `values` maps a dictionary's value ids to their names."""

    id: str
    name: str
    required: bool = False
    multiple: bool = False
    values: Mapping[str, str] | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterPage:
    """One step of reading a category's parameters; cursor and more as in `OrderPage`."""

    parameters: tuple[Parameter, ...]
    cursor: Mapping[str, Any]
    more: bool = False


class FieldKind(StrEnum):
    """What may stand in a field of an offers file."""

    TEXT = "text"
    INTEGER = "integer"
    URL = "url"
    URLS = "urls"  # several, joined as the platform wants it
    GTIN = "gtin"
    COUNTRY = "country"  # ISO 3166-1 alpha-2
    JSON = "json"  # a JSON object in a cell
    PRICE = "price"
    STOCK = "stock"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedField:
    """One column or element of an offers file: what may stand in it, and what fills it where no rule does.

    Args:
        name: as the platform writes it.
        kind: what it holds.
        required: whether an offer without it is left out.
        max_length: in characters.
        pattern: a regular expression that the whole value has to match.
        choices: the only values; empty for any.
        frozen: whether it must stay as it is while the offer is live.
        currency: of a price; the value is in minor units if `minor`, else in units with two places.
        market: the market that it is for; None for what all markets share.
        source: what fills it by itself: `sku`, `gtin`, `name`, `product` (its code), `product_name`, `category`,
            `price`, `old_price`, `stock`, or `attribute:NAME` (the variant's, else its product's); several parted by
            `|`, the first that gives anything. Of an attribute with several lines an address takes the first.
        separator: between the values of a field of several.
        help: what the platform wants in it, in a sentence.
    """

    name: str
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    max_length: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    frozen: bool = False
    currency: str | None = None
    minor: bool = True
    market: str | None = None
    source: str | None = None
    separator: str = ","
    help: str = ""


class FaultCode(StrEnum):
    """Why an offer is left out, or kept as it was; closed."""

    MISSING = "missing"
    TOO_LONG = "too_long"
    BAD_FORMAT = "bad_format"
    NOT_A_CHOICE = "not_a_choice"
    NOT_UNIQUE = "not_unique"
    FROZEN = "frozen"
    NO_PRICE = "no_price"
    NO_STOCK = "no_stock"
    NO_CATEGORY = "no_category"
    BAD_URL = "bad_url"
    BAD_GTIN = "bad_gtin"
    FORBIDDEN_TEXT = "forbidden_text"
    BAD_RULE = "bad_rule"
    NOT_RESOLVED = "not_resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault:
    """What is wrong with one field of an offer, and what to do about it."""

    code: FaultCode
    field: str
    value: str = ""
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How an account's offers file is made; a picklable description, no offers in it.

    Args:
        media_type: of the whole file, e.g. `text/tab-separated-values; charset=utf-8`.
        extension: of the file's name, without a dot.
        fields: columns or elements, in order.
        renderer: a template's name, or a module-level pure function `(context, offers) -> list[bytes]`, one for each
            offer; an offer is a mapping of field name to text.
        head, tail: bytes before the first and after the last offer.
        key: the fields which together must be unique.
        check: a module-level pure function that says what no `FeedField` can, of the fields of one offer.
        after_end: how long an ended offer still goes out, with stock 0.
        keys: fields by which `push_stock` finds an offer once it is out: name in `Offer.keys` to name of the field.
    """

    media_type: str
    extension: str
    fields: tuple[FeedField, ...]
    renderer: Any
    head: bytes = b""
    tail: bytes = b""
    key: tuple[str, ...] = ()
    check: Callable[[Mapping[str, str]], Iterable[FieldFault]] | None = None
    after_end: timedelta = timedelta(hours=1)
    keys: Mapping[str, str] = field(default_factory=dict)


# --- people ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person for a CRM or marketing system: the hub's id, address, tags, consent, further fields."""

    id: str
    address: Address
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactEvent:
    """Something a contact did; `id` makes it countable once."""

    id: str
    contact: Contact
    kind: str
    at: datetime
    value: Money | None = None
    products: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


# --- what comes in by itself -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRequest:
    """A platform's call to us. Header names are in lower case; the body is as it came."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersArrived:
    """Effect: these orders are to be taken in."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCounted:
    """Effect: these counts are to be booked."""

    counts: tuple[StockCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWanted:
    """Effect: a job of this account is to run soon."""

    job: str


Effect: TypeAlias = OrdersArrived | StockCounted | JobWanted


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundReply:
    """The answer to a platform's call, and what the engine is to do in one transaction before it is sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    effects: tuple[Effect, ...] = ()


# --- what the hub was about to do ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What was written down before a call that creates something outside.

    Args:
        id: the hub's number.
        verb: the hook's name.
        made_at: when it was written.
        order: the order it is about, for the verbs about orders.
        decision: for `accept_order`.
        request: what else was to be sent.
    """

    id: int
    verb: str
    made_at: datetime
    order: Order | None = None
    decision: Decision | None = None
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`find_outcome` found how it ended."""

    acceptance: Acceptance | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """`find_outcome` found that nothing was done: the call may be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """An extension forbids to accept these positions (empty: all of the order), for this reason."""

    reason: str
    line_ids: tuple[str, ...] = ()


# --- what a plugin says of itself ------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What sort of system a platform is."""

    MARKETPLACE = "marketplace"
    SHOP = "shop"
    ERP = "erp"
    CRM = "crm"
    MARKETING = "marketing"
    HUB = "hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A country site of a platform: its code there, ISO 3166-1 alpha-2 country, ISO 4217 currency."""

    code: str
    country: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A limit: `requests` in any `seconds`.

    Args:
        bucket: what is counted together.
        burst: how many may go out at once; 1 where the platform counts a sliding window, `requests` where it documents
            a token bucket.
    """

    requests: int
    seconds: float = 1.0
    burst: int = 1
    bucket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a platform bears: request rates, and the largest batch of each verb."""

    rates: tuple[Rate, ...] = ()
    batch: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something the plugin does not do.

    Args:
        what: a verb, or words for a part of one.
        kind: never (makes no sense there), upstream (the platform has no such thing yet), todo (not written yet).
        reason: one sentence.
    """

    what: str
    kind: Literal["never", "upstream", "todo"]
    reason: str


class ListingDefault(StrEnum):
    """What an account may set for all that it lists, where its platform knows such a thing; closed."""

    DURATION = "duration"
    OFFER_FORMAT = "offer_format"
    MULTIPLIER = "multiplier"
    PRICE_GROUP = "price_group"
    MARKET = "market"
    DESCRIPTION = "description"

    @property
    def is_field(self) -> bool:
        """Whether it fills a field of the offer."""
        return self in (ListingDefault.DURATION, ListingDefault.OFFER_FORMAT, ListingDefault.DESCRIPTION)


CONTRACT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """The facts of a platform, at the top of its plugin.

    Args:
        contract: the contract version it was written for.
        kind, title: what it is, and its name as people write it.
        settings: the pydantic model of an account's settings (`config.Settings`).
        hosts: the only host names that its requests may go to.
        markets: its country sites; empty where an account has just one.
        limits: rates and batch sizes.
        idempotent: verbs that may be repeated without harm.
        faults: HTTP statuses that mean something else here than in the core's table, as error class.
        polls: seconds between two looks for orders by default.
        listing: the listing defaults that the platform knows; each that is a field of the offer names that field, which
            every offers file has, the others name nothing (an empty text).
        gaps: what it does not do, and why.
        documents: where the facts come from.
    """

    contract: int
    kind: Kind
    title: str
    settings: type[Any]
    hosts: tuple[str, ...] = ()
    markets: tuple[Market, ...] = ()
    limits: Limits = field(default_factory=Limits)
    idempotent: frozenset[str] = frozenset()
    faults: Mapping[int, type[Exception]] = field(default_factory=dict)
    polls: int = 300
    listing: Mapping[ListingDefault, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    documents: tuple[str, ...] = ()


# --- checks at the door ----------------------------------------------------------------------------------------------

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # none of these is printable
_SOUND = frozenset({NoneType, bool, int, Decimal})


def text_faults(value: object, where: str = "") -> Iterator[str]:
    """Yield a sentence for each text, time or number within `value` that the store must not take.

    Refused are NUL and lone surrogates (no database keeps them), naive or foreign time, and floats.
    """
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            yield f"{where or 'text'}: has a NUL or a lone surrogate, which no database keeps"
    elif isinstance(value, datetime):
        if value.utcoffset() != UTC.utcoffset(None):
            yield f"{where or 'time'}: {value!r} is not in UTC"
    elif isinstance(value, float):
        yield f"{where or 'number'}: {value!r} is a float; use Decimal or int"
    else:
        for name, part in _parts_of(value):
            # Nearly all of a page are such texts and numbers; a place in words is only made for the others.
            if type(part) not in _SOUND and not (type(part) is str and part.isprintable()):
                yield from text_faults(part, f"{where}{name}".lstrip("."))


def _parts_of(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping):
        return chain.from_iterable((("[key]", key), (f"[{key!r}]", item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return ((f"[{index}]", item) for index, item in enumerate(value))
    kind: Any = type(value)
    names, places = _fields_of(kind)
    return zip(places, map(getattr, repeat(value), names), strict=True)


@cache
def _fields_of(kind: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
    return names, tuple(f".{name}" for name in names)
