"""WooCommerce's product CSV, as its own exporter writes it and its importer takes it.

A row of type `variable` is a product; the rows of type `variation` whose `Parent` is its SKU, or `id:` and its ID, are
its variants; a `simple` row is a variant of no product. Attributes stand in columns by number. Several values have
commas between them, a comma within one has a backslash before it; a line end in a text is written as a backslash and n.
Prices may have the shop's decimal comma. The columns are named in the shop's language: these are the English names.

Source: WooCommerce's exporter and importer (github.com/woocommerce/woocommerce, class-wc-product-csv-exporter.php and
class-wc-product-csv-importer.php), read in 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crossdock.jobs.layouts.layout import Entry, Layout, Products, bad, filled, joined, renamed
from crossdock.jobs.rowfile import Row

GTIN = "gtin, upc, ean, or isbn"
OWN = {"sku": "sku", "name": "name", "regular price": "price", "stock": "quantity", GTIN: "gtin", "parent": "product"}
TEXTS = {
    "description": "description",
    "short description": "short_description",
    "sale price": "sale_price",
    "date sale price starts": "sale_price_from",
    "date sale price ends": "sale_price_to",
}
LISTS = {"images": "images", "categories": "category", "tags": "tags", "brands": "brand"}
KNOWN = frozenset({"id", "type", *OWN, *TEXTS, *LISTS})
PRODUCT, VARIATION, SIMPLE = "variable", "variation", "simple"
ALSO = {"virtual", "downloadable"}  # said beside the type
TAKEN = f"only {PRODUCT}, {VARIATION} and {SIMPLE} are taken, each also as {' or '.join(sorted(ALSO))}"

_MEASURE = re.compile(r"(weight|length|width|height) \((\w+)\)")
_ATTRIBUTE = re.compile(r"attribute ([0-9]+) (?:name|value\(s\))")
_ESCAPED = re.compile(r"'[=+@-]")  # the exporter keeps spreadsheets from taking a text for a formula
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]{1,2}")  # three digits could be thousands
_COMMA = re.compile(r"(?<!\\),")


def read(row: Row) -> Entry:
    """Return what the row of a variant says.

    Raises:
        BadRow: it has a type that is none of ours, is a variation without its parent, or an attribute has no name.
    """
    kind = _kind(row)
    if kind not in (VARIATION, SIMPLE):
        raise bad(row, "type", TAKEN)
    own = _own(row)
    if kind == VARIATION and not own.get("product"):
        raise bad(row, "parent", "a variation has to name its parent: the SKU, or id: and the ID")
    if kind == SIMPLE and "product" in own:
        own["product"] = ""
    if _DECIMAL_COMMA.fullmatch(own.get("price", "")):
        own["price"] = own["price"].replace(",", ".")
    if own.get("quantity") == "parent":  # counted for all variations together: how many there are of each is unknown
        own["quantity"] = ""
    if "gtin" in own:
        own["gtin"] = own["gtin"].replace("-", "")
    return Entry(row=Row(line=row.line, cells=own), attributes=_attributes(row))


def is_product(row: Row) -> bool:
    """Whether a row is one of a product."""
    return _kind(row) == PRODUCT


def read_product(row: Row) -> Entry:
    """Return what the row of a product says; where it has no SKU, its ID is its code, as its variations know it then.

    Raises:
        BadRow: an attribute has no name.
    """
    own = _own(row)
    number = row.cells.get("id", "")
    alias = f"id:{number}" if number else ""
    cells = {"sku": own.get("sku") or alias, "name": own.get("name", "")}
    return Entry(row=Row(line=row.line, cells=cells), attributes=_attributes(row), alias=alias)


def _kind(row: Row) -> str:
    return ", ".join(part.lower() for part in _values(row.cells.get("type", "")) if part.lower() not in ALSO)


def _own(row: Row) -> dict[str, str]:
    return {name: _unescaped(cell) for name, cell in renamed(row, OWN).items()}


def _attributes(row: Row) -> dict[str, str]:
    """Return the attributes that have columns of their own, and those that have columns by number."""
    return filled(dict(_columns(row)), dict(_numbered(row)))


def _columns(row: Row) -> Iterator[tuple[str, str]]:
    """Yield the attributes that have columns of their own."""
    for theirs, ours in TEXTS.items():
        if theirs in row.cells:
            yield ours, _lines(_unescaped(row.cells[theirs]))
    for theirs, ours in LISTS.items():
        if theirs in row.cells:
            yield ours, joined(_values(row.cells[theirs]))
    for name, cell in row.cells.items():
        if measure := _MEASURE.fullmatch(name):
            yield measure[1], f"{cell} {measure[2]}" if cell else ""


def _numbered(row: Row) -> Iterator[tuple[str, str]]:
    for column in row.cells:
        match = _ATTRIBUTE.fullmatch(column)
        if match and column.endswith(" value(s)"):
            name, values = row.cells.get(f"attribute {match[1]} name", ""), row.cells[column]
            if values and not name:
                raise bad(row, column, f"the attribute has no name in column attribute {match[1]} name")
            if name:
                yield name.lower(), joined(_values(values))


def _values(text: str) -> list[str]:
    return [part.strip().replace("\\,", ",") for part in _COMMA.split(_unescaped(text))]


def _unescaped(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text


def _lines(text: str) -> str:
    return "\\n".join(part.replace("\\n", "\n") for part in text.split("\\\\n"))


def _knows(column: str) -> bool:
    return column in KNOWN or bool(_MEASURE.fullmatch(column) or _ATTRIBUTE.fullmatch(column))


WOOCOMMERCE = Layout(
    name="woocommerce",
    needs=("sku", "name", "type"),
    marks=frozenset({"sku", "name", "type", "regular price"}),
    knows=_knows,
    read=read,
    products=Products(has=is_product, read=read_product),
)
