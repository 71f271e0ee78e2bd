"""Google Merchant Center: an offers file that Google fetches, RSS 2.0 with Google's own elements; nothing else.

Documents: the product data specification (https://support.google.com/merchants/answer/7052112) and the RSS 2.0
specification for it (https://support.google.com/merchants/answer/14987622).

Authentication: none of ours; Google fetches the link, with HTTP Basic if it is set.

Quirks
- One file is for one country; its code in lower case is the market.
- Stock goes out as in stock or out of stock, without a number.
- A product without GTIN, and without brand and manufacturer's number, has to say that it has none.

Unconfirmed
- nothing was tried against Google: elements and lengths are as documented.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from html import escape

from crossdock.plugin import (
    Account,
    FaultCode,
    Feed,
    FeedError,
    FeedField,
    FieldFault,
    FieldKind,
    Gap,
    Kind,
    ListingDefault,
    Plugin,
    Settings,
    hookimpl,
)
from crossdock.plugin import Field as Setting

NAMESPACE = "http://base.google.com/ns/1.0"
TAIL = b"</channel>\n</rss>\n"
IMAGES = 10  # additional ones that Google takes
MISSING = {
    "fetch_orders": "Google sells nothing itself; orders come from the shop that it leads to.",
    "accept_order": "There are no orders.",
    "map_status": "There are no orders.",
    "push_stock": "Stock travels in the file.",
    "push_prices": "Prices travel in the file.",
    "push_offers": "Offers travel in the file.",
    "check_connection": "Google calls; it is not called.",
}


class GoogleSettings(Settings):
    """What the plugin needs to know of one shop at Google."""

    shop: str = Setting(min_length=1, title="Shop", description="Its name, as Google shows it.")
    link: str = Setting(
        pattern=r"^https?://\S+$", title="Address", description="Of the shop.", examples=["https://shop.example.com"]
    )
    country: str = Setting(pattern="^[A-Z]{2}$", title="Country", description="Where it sells.", examples=["PL"])
    currency: str = Setting(pattern="^[A-Z]{3}$", title="Currency", description="Of its prices.", examples=["PLN"])


PLUGIN = Plugin(
    contract=1,
    kind=Kind.MARKETING,
    title="Google Merchant Center",
    settings=GoogleSettings,
    listing={
        ListingDefault.MULTIPLIER: "",
        ListingDefault.PRICE_GROUP: "",
        ListingDefault.MARKET: "",
        ListingDefault.DESCRIPTION: "description",
    },
    gaps=tuple(Gap(what=verb, kind="never", reason=reason) for verb, reason in MISSING.items()),
    documents=(
        "https://support.google.com/merchants/answer/7052112",
        "https://support.google.com/merchants/answer/14987622",
    ),
)


@hookimpl
def build_feed(account: Account, market: str) -> Feed:
    settings: GoogleSettings = account.settings
    if market != settings.country.lower():
        raise FeedError(f"The file is for the market {settings.country.lower()} only.", advice="See `country`.")
    return Feed(
        media_type="application/rss+xml; charset=utf-8",
        extension="xml",
        fields=tuple(_fields(settings.currency)),
        renderer="google.xml",
        head=_head(settings.shop, settings.link),
        tail=TAIL,
        key=("id",),
        check=check,
    )


def _head(shop: str, link: str) -> bytes:
    channel = f"<title>{escape(shop)}</title>\n<link>{escape(link)}</link>\n<description>{escape(shop)}</description>"
    rss = f'<rss version="2.0" xmlns:g="{NAMESPACE}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{rss}\n<channel>\n{channel}\n'.encode()


def _fields(currency: str) -> Iterator[FeedField]:
    """Yield what the template feeds/templates/google.xml writes."""
    wanted = partial(FeedField, required=True)
    price = partial(FeedField, kind=FieldKind.PRICE, currency=currency, minor=False)
    yield wanted(name="id", source="sku", max_length=50, frozen=True)
    yield wanted(name="title", source="name", max_length=150)
    yield wanted(name="description", source="attribute:description", max_length=5000)
    yield wanted(name="link", source="attribute:link|attribute:url", kind=FieldKind.URL)
    yield wanted(name="image_link", source="attribute:image|attribute:images", kind=FieldKind.URL)
    yield FeedField(name="additional_image_link", source="attribute:images", kind=FieldKind.URLS, separator=" ")
    yield wanted(name="quantity", source="stock", kind=FieldKind.STOCK)
    yield price(name="price", source="old_price|price", required=True)
    yield price(name="sale_price", source="price")
    yield FeedField(name="brand", source="attribute:brand", max_length=70)
    yield FeedField(name="gtin", source="gtin", kind=FieldKind.GTIN)
    yield FeedField(name="mpn", source="attribute:mpn", max_length=70)
    yield FeedField(name="condition", source="attribute:condition", choices=("new", "refurbished", "used"))
    yield FeedField(name="item_group_id", source="product", max_length=50)
    yield FeedField(name="google_product_category", source="category")
    yield FeedField(name="product_type", source="attribute:category", max_length=750)
    yield FeedField(name="color", source="attribute:color|attribute:colour", max_length=100)
    yield FeedField(name="size", source="attribute:size", max_length=100)
    yield FeedField(name="material", source="attribute:material", max_length=200)
    yield FeedField(name="gender", source="attribute:gender", choices=("male", "female", "unisex"))
    yield FeedField(
        name="age_group", source="attribute:age_group", choices=("newborn", "infant", "toddler", "kids", "adult")
    )


def check(offer: Mapping[str, str]) -> Iterator[FieldFault]:
    """Yield what Google refuses although each field is right."""
    if len(offer["additional_image_link"].split()) > IMAGES:
        remedy = f"Keep {IMAGES} of them."
        yield FieldFault(code=FaultCode.TOO_LONG, field="additional_image_link", remedy=remedy)
