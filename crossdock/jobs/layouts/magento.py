"""Magento's product export: Magento Open Source and Adobe Commerce 2.

A row of type `configurable` is a product; the rows of type `simple` that its `configurable_variations` names are its
variants. Most attributes are packed into one cell: `size=XS,color=Black`, several values with `|` between them. A pair
or its value may stand in quotes, doubled within; what follows a comma without being a pair belongs to the value before.

A row with a `store_view_code` stands below the row of its SKU, and says what one store view says otherwise than that:
it is written only for what differs, and has empty cells for all else.

Source: the sample data of Magento 2 (github.com/magento/magento2-sample-data, 53807565) and its export and import
(github.com/magento/magento2, CatalogImportExport), read in 2026. Unconfirmed: files of shops with extensions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from crossdock.jobs.layouts.layout import Entry, Layout, Products, bad, filled, joined, renamed, without_zeros
from crossdock.jobs.rowfile import Row

VARIANTS = {"simple", "virtual", "downloadable"}
PRODUCT = "configurable"
OWN = {"sku": "sku", "name": "name", "price": "price", "qty": "quantity"}
VIEW = "store_view_code"
VIEW_TEXTS = ("name", "description", "short_description", "url_key")  # prices of store views are no texts
TEXTS = (
    "description",
    "short_description",
    "url_key",
    "weight",
    "special_price",
    "special_price_from_date",
    "special_price_to_date",
)
IMAGES = ("base_image", "small_image", "thumbnail_image", "additional_images")
GTINS = ("gtin", "ean")  # what shops call it; Magento itself has no such attribute
PACKED, VARIATIONS, LABELS = "additional_attributes", "configurable_variations", "configurable_variation_labels"
STRUCTURE = ("product_type", VIEW, "categories", PACKED, VARIATIONS, LABELS)
COLUMNS = frozenset({*OWN, *TEXTS, *IMAGES, *GTINS, *STRUCTURE})

_QUOTED = r'"(?:[^"]|"")*"'
_PIECE = re.compile(rf"({_QUOTED}|\w+={_QUOTED}|[^,]*)(?:,|\Z)")
_PAIR = re.compile(r"\s*([A-Za-z]\w*)=(.*)", re.DOTALL)


def read(row: Row) -> Entry:
    """Return what the row of a variant says, or that of a store view.

    Raises:
        BadRow: it has a type that is none of ours, or is packed wrongly.
    """
    if view := _view(row):
        texts = filled(renamed(row, {name: name for name in VIEW_TEXTS}), _packed(row))
        return Entry(row=Row(line=row.line, cells=renamed(row, {"sku": "sku"})), attributes=texts, view=view)
    if row.cells.get("product_type", "").lower() not in VARIANTS:
        raise bad(row, "product_type", f"only {', '.join(sorted({PRODUCT, *VARIANTS}))} are taken")
    attributes = _attributes(row)
    own = renamed(row, OWN)
    own |= {name: without_zeros(own[name]) for name in ("price", "quantity") if name in own}
    gtins = renamed(row, {name: name for name in GTINS}) | {
        name: attributes.pop(name) for name in GTINS if name in attributes
    }
    if gtins:
        own["gtin"] = next(filter(None, gtins.values()), "")
    return Entry(row=Row(line=row.line, cells=own), attributes=attributes)


def is_product(row: Row) -> bool:
    """Whether a row is one of a product."""
    return row.cells.get("product_type", "").lower() == PRODUCT and not _view(row)


def read_product(row: Row) -> Entry:
    """Return what the row of a product says.

    Raises:
        BadRow: it is packed wrongly.
    """
    own = renamed(row, {"sku": "sku", "name": "name"})
    labels = renamed(row, {LABELS: "variation_labels"})
    return Entry(row=Row(line=row.line, cells=own), attributes=filled(_attributes(row), labels), members=_members(row))


def _view(row: Row) -> str:
    return row.cells.get(VIEW, "").lower()


def _attributes(row: Row) -> dict[str, str]:
    """Return the attributes that have columns of their own, and those that are packed."""
    return filled({**renamed(row, {name: name for name in TEXTS}), **_lists(row)}, _packed(row))


def _packed(row: Row) -> dict[str, str]:
    try:
        pairs = _pairs(row.cells.get(PACKED, ""))
    except ValueError as error:
        raise bad(row, PACKED, str(error)) from None
    return {name: joined(value.split("|")) for name, value in pairs.items()}


def _lists(row: Row) -> dict[str, str]:
    """Return images and categories, of those columns that the row has."""
    found = {}
    if any(name in row.cells for name in IMAGES):
        found["images"] = joined(image for name in IMAGES for image in _pieces(row.cells.get(name, "")))
    if "categories" in row.cells:
        found["category"] = joined(_pieces(row.cells["categories"]))
    return found


def _members(row: Row) -> dict[str, Mapping[str, str]]:
    """Return the variants of a product, each with the attributes by which it differs from the others."""
    members: dict[str, Mapping[str, str]] = {}
    for text in filter(None, row.cells.get(VARIATIONS, "").split("|")):
        try:
            pairs = _pairs(text)
        except ValueError as error:
            raise bad(row, VARIATIONS, str(error)) from None
        sku = pairs.pop("sku", "")
        if not sku:
            raise bad(row, VARIATIONS, f"{text[:60]!r} names no SKU")
        if members.setdefault(sku, pairs) != pairs:
            raise bad(row, VARIATIONS, f"SKU {sku!r} stands there twice, with other attributes")
    return members


def _pairs(text: str) -> dict[str, str]:
    """Read `size=XS,color=Black`; names become lower case.

    Raises:
        ValueError: it does not begin with a name.
    """
    found: dict[str, str] = {}
    name = ""
    for piece in _pieces(text):
        pair = _PAIR.fullmatch(piece)
        if pair is None and not name:
            raise ValueError("write it like size=XS,color=Black")
        if pair is None:
            found[name] += f",{piece}"
        else:
            name = pair[1].lower()
            found[name] = _unquoted(pair[2])
    return {name: value.strip() for name, value in found.items()}


def _pieces(text: str) -> list[str]:
    """Cut at the commas that stand outside quotes; a piece that is quoted as a whole loses its quotes."""
    return [_unquoted(match[1]) for match in _PIECE.finditer(text) if match[1]]


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text


MAGENTO = Layout(
    name="magento",
    needs=("sku", "name", "product_type"),
    marks=frozenset({"sku", "name", "product_type", "attribute_set_code"}),
    knows=COLUMNS.__contains__,
    read=read,
    products=Products(has=is_product, read=read_product),
)
