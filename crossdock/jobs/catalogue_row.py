"""One row of a catalogue file: what its cells say, exactly as written, with every fault at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from crossdock.core.model import Money
from crossdock.core.store.catalog import ANY_COUNTRY, GTIN_LENGTHS, ProductDraft, VariantDraft, VariantRow
from crossdock.core.store.imports import Fault
from crossdock.jobs.rowfile import Row, fault

LONGEST_CODE = 255  # characters of a SKU or a product's code; databases bear no long keys
DECIMAL_PLACES = 4
OWN_COLUMNS = frozenset({"sku", "name", "price", "currency", "quantity", "gtin", "product", "bundle"})
VAT = "vat_rate"

_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.([0-9]+))?")
_UNITS = re.compile(r"[0-9]{1,9}")
_VAT = re.compile(rf"{VAT}(_[a-z]{{2}})?")

Value = TypeVar("Value")
Texted = TypeVar("Texted", ProductDraft, VariantRow)


class BadRow(ValueError):
    """A row that cannot be landed, with all that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a row says of a variant.

    Args:
        line: where the row begins.
        digest: the same for rows of the same content, within one process.
        said: our own columns that the row has; None in one of them is "no value".
        vat_rates: percent by country, None where the rate is unknown.
        attributes: by name, empty where the value is unknown.
        quantity, bundle: None leaves what is there.
    """

    line: int
    digest: int
    said: frozenset[str]
    sku: str
    name: str
    product: str | None
    gtin: str | None
    price: Money | None
    vat_rates: Mapping[str, Decimal | None]
    attributes: Mapping[str, str]
    quantity: int | None
    bundle: Mapping[str, int] | None

    def draft(self, old: VariantRow | None) -> VariantDraft:
        """Return the variant as it is to be; what the row does not speak of stays as it was."""
        was = old or VariantDraft(sku=self.sku, name=self.name)
        rates = {**was.vat_rates, **self.vat_rates}
        return VariantDraft(
            sku=self.sku,
            name=self.name,
            product=self.product if "product" in self.said else was.product,
            gtin=self.gtin if "gtin" in self.said else was.gtin,
            price=self.price if "price" in self.said else was.price,
            vat_rates={country: rate for country, rate in rates.items() if rate is not None},
            attributes=_known({**was.attributes, **self.attributes}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductItem:
    """What a row says of a product: see `Item`."""

    line: int
    digest: int
    code: str
    name: str
    attributes: Mapping[str, str]

    def draft(self, old: ProductDraft | None) -> ProductDraft:
        """Return the product as it is to be; what the row does not speak of stays as it was."""
        return ProductDraft(
            code=self.code, name=self.name, attributes=_known({**(old.attributes if old else {}), **self.attributes})
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextsItem:
    """What a row says of the texts of a product or a variant in one view of the shop.

    Args:
        line, digest: as in `Item`.
        code: of the product, or the SKU of the variant.
        attributes: by name, with the view's code at its end; empty where the view has no text of its own.
    """

    line: int
    digest: int
    code: str
    attributes: Mapping[str, str]

    def added_to(self, there: Texted) -> Texted:
        """Return the product or the variant as it is to be."""
        return replace(there, attributes=_known({**there.attributes, **self.attributes}))


def is_own(column: str) -> bool:
    """Whether a column of this name is one of our own, or one that is easily taken for it; others are attributes."""
    return column in OWN_COLUMNS or column.startswith(VAT)


def read_item(row: Row, currency: str | None = None, attributes: Mapping[str, str] | None = None) -> Item:
    """Understand the row of a variant.

    Args:
        row: our own columns of it.
        currency: of prices on rows that name none.
        attributes: what else the row says.

    Raises:
        BadRow: with every fault of the row.
    """
    cells = _Cells(row)
    rates, misnamed = _vat_columns(frozenset(row.cells))
    more = attributes or {}
    item = Item(
        line=row.line,
        digest=_digest(row.cells, more),
        said=frozenset(row.cells),
        sku=cells.required("sku", _code),
        name=cells.required("name", str),
        product=cells.take("product", _code),
        gtin=cells.take("gtin", _gtin),
        price=cells.take("price", lambda text: _price(text, row.cells.get("currency") or currency)),
        vat_rates={country: cells.take(name, _rate) for name, country in rates.items()},
        attributes=more,
        quantity=cells.take("quantity", _units),
        bundle=cells.take("bundle", _bundle),
    )
    for name in misnamed:
        cells.refuse(name, f"name the column {VAT}, or {VAT}_pl with the two letters of a country")
    if item.quantity is not None and item.bundle is not None:
        cells.refuse("quantity", "what there is of a bundle follows from its parts; leave this empty")
    if cells.faults:
        raise BadRow(cells.faults)
    return item


def read_product(row: Row, attributes: Mapping[str, str]) -> ProductItem:
    """Understand the row of a product.

    Args:
        row: its code as `sku`, and its name.
        attributes: what else the row says.

    Raises:
        BadRow: with every fault of the row.
    """
    cells = _Cells(row)
    item = ProductItem(
        line=row.line,
        digest=_digest(row.cells, attributes),
        code=cells.required("sku", _code),
        name=cells.required("name", str),
        attributes=attributes,
    )
    if cells.faults:
        raise BadRow(cells.faults)
    return item


def read_texts(row: Row, view: str, attributes: Mapping[str, str]) -> TextsItem:
    """Understand the row of one view's texts.

    Args:
        row: the SKU or the code as `sku`.
        view: its code.
        attributes: the texts by name.

    Raises:
        BadRow: with every fault of the row.
    """
    cells = _Cells(row)
    code = cells.required("sku", _code)
    if cells.faults:
        raise BadRow(cells.faults)
    texts = {f"{name}_{view}": text for name, text in attributes.items()}
    return TextsItem(line=row.line, digest=_digest(row.cells, texts), code=code, attributes=texts)


def _digest(cells: Mapping[str, str], attributes: Mapping[str, str]) -> int:
    return hash((tuple(sorted(cells.items())), tuple(sorted(attributes.items()))))


def _known(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value}


class _Cells:
    """The cells of a row, each taken by what can read it; faults are gathered."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.faults: list[Fault] = []

    def take(self, name: str, read: Callable[[str], Value]) -> Value | None:
        text = self._row.cells.get(name)
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.refuse(name, str(error))
            return None

    def required(self, name: str, read: Callable[[str], str]) -> str:
        if not self._row.cells.get(name):
            self.refuse(name, "this is needed")
        return self.take(name, read) or ""

    def refuse(self, name: str, reason: str) -> None:
        self.faults.append(fault(self._row.line, name, self._row.cells.get(name, ""), reason))


@lru_cache
def _vat_columns(names: frozenset[str]) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return the columns with a VAT rate by their country, and those that look like one and are misnamed."""
    rates = {name: ANY_COUNTRY if name == VAT else name[-2:].upper() for name in names if _VAT.fullmatch(name)}
    return rates, sorted(name for name in names if name.startswith(VAT) and name not in rates)


# --- cells; each raises ValueError with the reason -------------------------------------------------------------------


def _code(text: str) -> str:
    if len(text) > LONGEST_CODE:
        raise ValueError(f"it is longer than {LONGEST_CODE} characters")
    return text


def _decimal(text: str, example: str) -> Decimal:
    match = _DECIMAL.fullmatch(text)
    if match is None and "," in text:
        raise ValueError(f"write it like {example}: with a decimal point, and nothing between thousands")
    if match is None:
        raise ValueError(f"write it like {example}: digits and a decimal point, nothing else")
    if len(match[1] or "") > DECIMAL_PLACES:
        raise ValueError(f"it has more than {DECIMAL_PLACES} decimal places")
    return Decimal(text)


def _price(text: str, currency: str | None) -> Money:
    amount = _decimal(text, "12.50")
    if not currency:
        raise ValueError("a price needs a currency: fill the column currency, or give one for the whole file")
    return Money(amount=amount, currency=currency)


def _rate(text: str) -> Decimal:
    rate = _decimal(text, "23 or 5.5")
    if rate >= 100:
        raise ValueError("a VAT rate is percent, below 100")
    return rate


def _units(text: str) -> int:
    if not _UNITS.fullmatch(text):
        raise ValueError("write a whole number of units, zero or more, below 1000000000")
    return int(text)


def _gtin(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and len(text) in GTIN_LENGTHS):
        raise ValueError("a GTIN has 8, 12, 13 or 14 digits and nothing else; in a spreadsheet make the column text")
    return text


def _bundle(text: str) -> dict[str, int]:
    """Read "SKU*2+SKU2": parts joined by a plus, each with its units after a star if there are more than one."""
    parts: dict[str, int] = {}
    for part in text.split("+"):
        sku, star, units = part.strip().rpartition("*")
        if not (star and _UNITS.fullmatch(units.strip())):
            sku, units = part, "1"
        sku = sku.strip()
        if not sku or int(units) < 1:
            raise ValueError("write it like SKU*2+SKU2: each part a SKU and how many of it")
        if sku in parts:
            raise ValueError(f"part {sku!r} stands there twice")
        parts[sku] = int(units)
    return parts
