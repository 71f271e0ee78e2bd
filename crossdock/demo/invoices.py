"""The orders file of a replay: invoices, with the columns of the data set Online Retail."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from crossdock.core.errors import ConfigError
from crossdock.core.store.imports import Fault
from crossdock.jobs.rowfile import Row, fault, open_rows

COLUMNS = ("invoiceno", "stockcode", "description", "quantity", "invoicedate", "unitprice", "customerid")
FAULTS_SHOWN = 20
CANCELLATION, ADJUSTMENT = "C", "A"

_WHOLE = re.compile(r"-?[0-9]{1,9}")
_PRICE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Line:
    """One line; the price in whole pence. An empty customer is unknown."""

    sku: str
    name: str
    quantity: int
    pence: int
    customer: str

    @property
    def is_sale(self) -> bool:
        """Whether units are sold for money."""
        return self.quantity > 0 and self.pence > 0


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice with its lines in the order of the file; `at` is the time of the earliest."""

    number: str
    at: datetime
    lines: tuple[Line, ...]

    @property
    def cancels(self) -> bool:
        """Whether it cancels earlier sales and proposes none."""
        return self.number.startswith(CANCELLATION)


@dataclass(frozen=True, slots=True)
class OrdersFile:
    """What an orders file holds.

    Args:
        invoices: in the order in which they are played: by time, then as they first appear.
        rounded: how many lines have a price with fractions of a penny, which was rounded up.
    """

    invoices: tuple[Invoice, ...]
    rounded: int


def read_orders(path: Path) -> OrdersFile:
    """Read an orders file, plain or gzipped.

    Raises:
        ConfigError: it cannot be read, or lines in it cannot be understood; the first of them are named.
    """
    lines: dict[str, list[Line]] = defaultdict(list)
    begun: dict[str, datetime] = {}
    faults: list[Fault] = []
    rounded = 0
    with open_rows(path, required=COLUMNS) as rows:
        for row in rows:
            cells = _Cells(row)
            invoice, at = cells.take("invoiceno", _number), cells.take("invoicedate", _moment)
            price = cells.take("unitprice", _price)
            line = cells.line(price)
            faults += cells.faults
            if invoice is None or at is None or line is None or cells.faults:
                continue
            lines[invoice].append(line)
            begun[invoice] = min(at, begun.get(invoice, at))
            rounded += price != Decimal(line.pence) / 100
    if faults:
        raise _unreadable(path, faults)
    ordered = sorted(begun, key=lambda invoice: begun[invoice])
    return OrdersFile(tuple(Invoice(number, begun[number], tuple(lines[number])) for number in ordered), rounded)


def _unreadable(path: Path, faults: Sequence[Fault]) -> ConfigError:
    shown = [str(one) for one in faults[:FAULTS_SHOWN]]
    more = [f"and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
    advice = "Mend these cells; nothing was played."
    return ConfigError(f"{path} cannot be played as it is.", faults=[*shown, *more], advice=advice)


class _Cells:
    """The cells of a row, each taken by what can read it; faults are gathered."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.faults = list(row.faults)

    def take(self, name: str, read: Callable[[str], Value]) -> Value | None:
        text = self._row.cells.get(name, "")
        try:
            return read(text)
        except ValueError as error:
            if not self._row.faults:
                self.faults.append(fault(self._row.line, name, text, str(error)))
            return None

    def line(self, price: Decimal | None) -> Line | None:
        sku, quantity = self.take("stockcode", _code), self.take("quantity", _whole)
        if sku is None or quantity is None or price is None:
            return None
        name, customer = (sys.intern(self._row.cells.get(field, "")) for field in ("description", "customerid"))
        return Line(sku, name, quantity, pence(price), customer)


def pence(price: Decimal) -> int:
    """Return a price in whole pence; fractions are rounded up, so that what is above zero stays above zero."""
    return int((price * 100).to_integral_value(ROUND_CEILING))


# --- cells; each raises ValueError with the reason


def _code(text: str) -> str:
    if not text:
        raise ValueError("this is needed")
    return sys.intern(text)


def _number(text: str) -> str:
    if any(map(str.isspace, text)):
        raise ValueError("the number of an invoice is one word")
    return _code(text)


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("write a whole number of units, such as 6 or -6")
    return int(text)


@lru_cache(4096)
def _price(text: str) -> Decimal:
    if not _PRICE.fullmatch(text):
        raise ValueError("write it like 12.50: digits and a decimal point, nothing else")
    return Decimal(text)


@lru_cache(64)
def _moment(text: str) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise ValueError("write it like 2011-01-31 14:05:00")
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
