"""What a layout is: it says in crossdock's own words what a row of somebody's file says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from crossdock.core.store.catalog import LIST_END
from crossdock.jobs.catalogue_row import BadRow
from crossdock.jobs.rowfile import Row, fault

_ZEROS = re.compile(r"(\d+)\.(\d*?)0+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a row says of a variant or of a product, in our words, or of its texts in one view of the shop.

    Args:
        row: its cells under the names of our own columns; the code of a product is its `sku`, and the `product` of a
            variant is what the row calls it.
        attributes: everything else, by name in lower case; empty where the value is unknown.
        alias: another name by which variants may call this product.
        members: what the row of a product says of its variants: attributes by SKU.
        view: the view of the shop, such as a language, whose texts the attributes are, in lower case; the row has no
            cell but `sku` then, which is that of the variant or the code of the product. Empty everywhere else.
    """

    row: Row
    attributes: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""
    members: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """How a layout reads products that have rows of their own.

    Args:
        has: whether a row is one of a product.
        read: what such a row says; raises BadRow.
    """

    has: Callable[[Row], bool]
    read: Callable[[Row], Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a kind of file is read.

    Args:
        name: what it is called.
        needs: columns without which it is none.
        marks: columns that together are found in no other kind of file.
        knows: whether it takes what stands in a column of that name.
        read: what a row says that is none of a product; raises BadRow.
        products: where products have rows of their own.
    """

    name: str
    needs: tuple[str, ...]
    marks: frozenset[str]
    knows: Callable[[str], bool]
    read: Callable[[Row], Entry]
    products: Products | None = None


class Others:
    """The columns that a layout does not know: they are kept as attributes, or it is told that they were left out.

    Args:
        layout: how the file is read.
        keep: names of those to be kept; None keeps all.

    Attributes:
        left_out: names of those which were not kept, though they held something.
    """

    def __init__(self, layout: Layout, keep: frozenset[str] | None) -> None:
        self.left_out: set[str] = set()
        self._keep = keep
        self._unknown = lru_cache(lambda names: [name for name in names if not layout.knows(name)])

    def take(self, row: Row) -> dict[str, str]:
        """Return what is kept of a row."""
        unknown = self._unknown(tuple(row.cells))
        kept = [name for name in unknown if self._keep is None or name in self._keep]
        self.left_out.update(name for name in unknown if row.cells[name] and name not in kept)
        return {name: row.cells[name] for name in kept}


def filled(attributes: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Return attributes, with those of `more` where they have no value."""
    return {**more, **{name: text for name, text in attributes.items() if text or name not in more}}


def bad(row: Row, column: str, reason: str) -> BadRow:
    """Return what to raise for a row with one bad cell."""
    return BadRow([fault(row.line, column, row.cells.get(column, ""), reason)])


def renamed(row: Row, names: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of those columns that the row has, under the names that they have here."""
    return {ours: row.cells[theirs] for theirs, ours in names.items() if theirs in row.cells}


def joined(texts: Iterable[str]) -> str:
    """Return several texts as one attribute, each once, without empty ones."""
    return LIST_END.join(dict.fromkeys(text for text in map(str.strip, texts) if text))


def without_zeros(number: str) -> str:
    """Write 52.000000 as 52 and 52.500000 as 52.5; what is no such number stays as it is."""
    match = _ZEROS.fullmatch(number)
    if match is None:
        return number
    return f"{match[1]}.{match[2]}" if match[2] else match[1]
