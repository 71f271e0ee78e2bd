"""What may stand in one cell of a feed, column by column (reference sheet, section 8.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Check = Callable[[str], str | None]  # a cell that is not empty -> what is wrong with it, or None

CURRENCIES: Final = ("NOK", "DKK", "SEK", "EUR", "PLN", "GBP", "CNY", "CHF")  # CHF: by the pattern, unconfirmed
LANGUAGES: Final = ("DA", "SV", "NL", "NO", "EN", "DE", "PL", "IT", "FR", "ES", "FI")
PHOTOS: Final = frozenset({"jpg", "jpeg"})
PACKSHOTS: Final = PHOTOS | {"webp"}

_URL_LETTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_LOCALE = re.compile(r"[a-z]{2}_[A-Z]{2}\.utf8")


@dataclass(frozen=True, slots=True)
class Column:
    """A known column; `required` means that no row may leave it empty."""

    required: bool = False
    check: Check = lambda cell: None


def _matches(pattern: str, words: str) -> Check:
    form = re.compile(pattern, re.ASCII)
    return lambda cell: None if form.fullmatch(cell) else words


def _at_most(length: int) -> Check:
    return lambda cell: f"longer than {length} characters" if len(cell) > length else None


def _url(cell: str, endings: frozenset[str]) -> str | None:
    if not _URL_LETTERS.fullmatch(cell):
        return "not percent-encoded"
    try:
        parts = urlsplit(cell)
    except ValueError:
        return "not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "not a URL that begins with http:// or https://"
    _, dot, ending = parts.path.rpartition("/")[2].rpartition(".")
    if dot and ending.lower() not in endings:
        return f"not a picture of the kind {' or '.join(sorted(endings))}"
    return None


def _urls(cell: str) -> str | None:
    return next((fault for url in cell.split(",") if (fault := _url(url, PHOTOS))), None)


def _by_locale(cell: str) -> str | None:
    try:
        value = json.loads(cell)
    except ValueError:
        return "not JSON"
    if not isinstance(value, dict) or not value:
        return "not a JSON object with a text for each locale"
    if odd := [key for key in value if not _LOCALE.fullmatch(key)]:
        return f"{odd[0]!r} is no locale such as en_EN.utf8"
    return None if all(isinstance(text, str) and text.strip() for text in value.values()) else "a text is missing"


_PRICE = _matches(r"[1-9]\d{0,11}", "not a whole number of minor units above zero")

COLUMNS: Final[Mapping[str, Column]] = {
    **{name: Column(True) for name in ("id", "item_group_id", "c:style_id:string", "title", "description")},
    "brand": Column(True, _at_most(149)),
    "color": Column(True, _at_most(254)),
    "size": Column(True, _at_most(254)),
    "image_link": Column(True, lambda cell: _url(cell, PACKSHOTS)),
    "additional_image_link": Column(check=_urls),
    "c:stock_level:integer": Column(True, _matches(r"\d{1,9}", "not a whole number of units, 0 or more")),
    "material": Column(True, _by_locale),
    "madein": Column(True, _matches(r"[A-Z]{2}", "not a country code of two capital letters")),
    "gtin": Column(check=_matches(r"\d{9,13}", "not 9 to 13 digits")),
    "product_type": Column(check=_matches(r"[^>]*[^> ]( > [^> ][^>]*)*", "not levels joined with ' > '")),
    "gender": Column(check=_matches("[MFU]", "not M, F or U")),
    "c:season_tag:string": Column(check=_at_most(8)),
    "washing": Column(check=_by_locale),
    "hs_code": Column(check=lambda cell: _hs_code(cell)),
    **{f"c:{kind}_{code}:string": Column() for kind in ("title", "description") for code in LANGUAGES},
    **{
        f"c:{kind}_{code}:integer": Column(check=_PRICE)
        for kind in ("retail_price", "discount_retail_price")
        for code in CURRENCIES
    },
}


def _hs_code(cell: str) -> str | None:
    digits = cell.replace(".", "")
    right = re.fullmatch(r"\d+(\.\d+)*", cell) and len(digits) in (6, 8, 10)
    return None if right else "not 6, 8 or 10 digits"
