"""Miinto's offers file: tab-separated, one row for each variant, pulled by Miinto every half hour."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache, partial

from crossdock.plugin import FaultCode, Feed, FeedField, FieldFault, FieldKind, tsv
from crossdock.plugins.miinto.mapping import STOCK_KEYS

KEY = ("item_group_id", "size", "color", "brand")
STOCK = "c:stock_level:integer"

# Miinto wants a row to be there for an hour after it is sold out, and learns of that up to half an hour late, or more.
AFTER_END = timedelta(hours=2)

# The languages of each market, as Miinto writes them in the names of columns.
LANGUAGES = {
    **{code: (code.upper(),) for code in ("pl", "nl", "de", "fr", "it", "es", "fi")},
    **{"se": ("SV",), "no": ("NO",), "dk": ("DA",), "uk": ("EN",), "cn": ("EN",)},
    **{"be": ("NL", "FR"), "ch": ("DE", "FR", "IT")},
}

_JSON_HELP = 'A JSON object with a text for each locale, such as {"en_EN.utf8": "Linen 100%"}.'
_IMAGE_HELP = "Address of a JPG or WEBP, percent-encoded; it must stay the same and be open to everybody."


def describe(main: str, currencies: Mapping[str, str]) -> Feed:
    """Return the file of an account.

    Args:
        main: the market whose listing supplies what all markets share.
        currencies: by market, of the markets that get prices of their own; the main one is among them.
    """
    languages = dict.fromkeys(language for market in currencies for language in LANGUAGES.get(market, ()))
    fields = (*_shared(), *_prices(main, currencies), *_texts(list(languages)))
    return Feed(
        media_type=tsv.MEDIA_TYPE,
        extension="tsv",
        fields=fields,
        renderer=tsv.rows,
        head=tsv.head(fields),
        key=KEY,
        check=check,
        after_end=AFTER_END,
        keys=dict(zip(STOCK_KEYS, ("item_group_id", "brand", "color", "size"), strict=True)),
    )


def _shared() -> Iterator[FeedField]:
    text, wanted = FeedField, partial(FeedField, required=True)
    yield wanted(name="id", source="sku", help="The SKU: unique, and always the same.")
    yield wanted(name="item_group_id", source="product|sku", frozen=True, help="The product of the variant.")
    yield wanted(name="c:style_id:string", source="attribute:style_id|product|sku", help="The designer's number.")
    yield wanted(name="brand", source="attribute:brand", max_length=149, frozen=True)
    yield wanted(name="title", source="product_name|name", help="Without brand, size, colour and id.")
    yield wanted(name="color", source="attribute:color|attribute:colour", max_length=254, frozen=True)
    yield wanted(name="size", source="attribute:size", max_length=254, frozen=True, help="As on the label.")
    yield wanted(name="image_link", kind=FieldKind.URL, source="attribute:image|attribute:images", help=_IMAGE_HELP)
    yield text(name="additional_image_link", kind=FieldKind.URLS, source="attribute:images", help=_IMAGE_HELP)
    yield wanted(name=STOCK, kind=FieldKind.STOCK, source="stock")
    yield wanted(name="material", kind=FieldKind.JSON, source="attribute:material", help=_JSON_HELP)
    yield text(
        name="gtin", kind=FieldKind.GTIN, source="gtin", pattern="[0-9]{9,13}", help="9 to 13 digits, or nothing."
    )
    yield text(name="product_type", source="category", help="Levels joined with ' > ', such as Shoes > Sneakers.")
    yield text(name="gender", source="attribute:gender", choices=("M", "F", "U"))
    yield text(name="c:season_tag:string", source="attribute:season", max_length=8, help="Such as AW22.")
    yield wanted(name="description", source="attribute:description")
    yield text(name="washing", kind=FieldKind.JSON, source="attribute:washing", help=_JSON_HELP)
    yield text(
        name="hs_code",
        source="attribute:hs_code",
        pattern=r"[0-9]{4}\.?[0-9]{2}(\.?[0-9]{2}){0,2}",
        help="6, 8 or 10 digits, with dots or without.",
    )
    yield wanted(name="madein", kind=FieldKind.COUNTRY, source="attribute:madein|attribute:country_of_origin")


def _prices(main: str, currencies: Mapping[str, str]) -> Iterator[FeedField]:
    """Yield the two columns of each currency; markets that share one share them, the first of them sets the price."""
    markets: dict[str, str] = {}
    for market in sorted(currencies, key=lambda market: market != main):
        markets.setdefault(currencies[market], market)
    for currency, market in markets.items():
        price = partial(FeedField, kind=FieldKind.PRICE, currency=currency, market=market)
        yield price(name=discount_column(currency), source="price")
        yield price(name=retail_column(currency), source="old_price|price", required=True)


def _texts(languages: list[str]) -> Iterator[FeedField]:
    for language in languages:
        code = language.lower()
        yield FeedField(name=f"c:title_{language}:string", source=f"attribute:title_{code}")
        yield FeedField(name=f"c:description_{language}:string", source=f"attribute:description_{code}")


def retail_column(currency: str) -> str:
    """Return the column of the price before any discount."""
    return f"c:retail_price_{currency}:integer"


def discount_column(currency: str) -> str:
    """Return the column of the price that the buyer pays."""
    return f"c:discount_retail_price_{currency}:integer"


# --- what no column can say by itself --------------------------------------------------------------------------------


def check(offer: Mapping[str, str]) -> Iterator[FieldFault]:
    """Yield what Miinto refuses although each column is right: names in titles, discounts that raise the price."""
    titles, discounts = _columns(tuple(offer))
    for title in titles:
        if offer[title]:
            yield from _title_faults(title, offer[title], offer)
    for discount, retail in discounts:
        if offer[discount].isdecimal() and _above(offer[discount], offer[retail]):
            remedy = f"Make it {offer[retail]} or less." if offer[retail] else "Give the retail price, too."
            yield FieldFault(code=FaultCode.BAD_FORMAT, field=discount, value=offer[discount], remedy=remedy)


@lru_cache(maxsize=100)
def _columns(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the titles among some columns, and discount prices with their retail prices."""
    titles = tuple(name for name in names if name == "title" or name.startswith("c:title_"))
    discounts = tuple((name, name.replace("discount_", "")) for name in names if name.startswith("c:discount_"))
    return titles, discounts


def _above(discount: str, retail: str) -> bool:
    return not retail.isdecimal() or int(discount) > int(retail)


def _title_faults(column: str, title: str, offer: Mapping[str, str]) -> Iterator[FieldFault]:
    folded = title.casefold()
    for name in ("brand", "size", "color", "id"):
        for word in offer[name].split("/") if name == "color" else [offer[name]]:
            if (part := word.strip().casefold()) and part in folded and _alone(part).search(folded):
                remedy = f"Take the {name} {word.strip()!r} out: Miinto shows it beside the title."
                yield FieldFault(code=FaultCode.BAD_FORMAT, field=column, value=title[:200], remedy=remedy)
                return


@lru_cache(maxsize=10_000)
def _alone(word: str) -> re.Pattern[str]:
    """Return what finds a word where it stands alone: the size S is not in SHIRT, and not in MEN'S."""
    return re.compile(rf"(?<!\w)(?<!\w['’]){re.escape(word)}(?!\w)")
