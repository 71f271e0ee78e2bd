"""Check a replay: recompute every outcome from its two input files by the rules of docs/demo.md, and compare.

It reads what `crossdock demo` wrote with --ledger, --stock and --book (and printed with --json), with the same --floor,
--rivals and --keep-open as there, and imports nothing of crossdock. Exit code 0: all agrees; 1: it prints the first
differences.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

SHOWN = 20
LEDGER = ("invoice", "sku", "quantity", "outcome", "reason", "remote_id")
STOCK = ("sku", "on_hand", "reserved", "sellable", "told")
NO_SALE, UNKNOWN, SHORT, CHEAP = "not a sale", "unknown product", "out of stock", "below price floor"
FASTER, NOTHING = "another seller was faster", "no earlier sale"
POSITION_STATES = {"won": "accepted", "lost": "lost", "declined": "declined"}


# --- files -----------------------------------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    """Return the text of a file, plain or gzipped."""
    raw = path.read_bytes()
    return (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode("utf-8-sig")


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """Give the rows of CSV (or TSV) or JSON lines, columns in lower case and cells without blanks around."""
    text = read_text(path).lstrip()
    head = text.partition("\n")[0]
    rows: Iterable[Mapping[str, Any]]
    if head.startswith("{"):
        rows = (json.loads(line) for line in text.splitlines() if line.strip())
    else:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=head.count))
    for row in rows:
        cells = {str(name).strip().lower(): "" if value is None else str(value).strip() for name, value in row.items()}
        if any(cells.values()):
            yield cells


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the orders file; the price in whole pence, fractions rounded up."""

    sku: str
    quantity: int
    pence: int
    customer: str


def read_invoices(path: Path) -> dict[str, list[Line]]:
    """Return the invoices in the order in which they are played: by the earliest of their lines, then as they come."""
    lines: dict[str, list[Line]] = defaultdict(list)
    begun: dict[str, str] = {}
    for row in read_table(path):
        invoice, at = row["invoiceno"], row["invoicedate"]
        begun[invoice] = min(at, begun.get(invoice, at))
        pence = int((Decimal(row["unitprice"]) * 100).to_integral_value(ROUND_CEILING))
        lines[invoice].append(Line(row["stockcode"], int(row["quantity"]), pence, row["customerid"]))
    return {invoice: lines[invoice] for invoice in sorted(begun, key=lambda invoice: begun[invoice])}


@dataclass(frozen=True, slots=True)
class Variant:
    """A row of the catalogue: its price in GBP, its units, and what a bundle is made of."""

    price: Decimal | None
    units: int
    parts: Mapping[str, int]


def read_catalogue(path: Path, units: int) -> dict[str, Variant]:
    """Return the variants by SKU; `units` is what there is of one whose row has no quantity."""
    return {row["sku"]: _variant(row, units) for row in read_table(path)}


def _variant(cells: Mapping[str, str], units: int) -> Variant:
    priced = cells.get("price") and (cells.get("currency") or "GBP") == "GBP"
    parts = dict(_part(text) for text in cells["bundle"].split("+")) if cells.get("bundle") else {cells["sku"]: 1}
    return Variant(Decimal(cells["price"]) if priced else None, int(cells.get("quantity") or units), parts)


def _part(text: str) -> tuple[str, int]:
    sku, star, units = text.strip().rpartition("*")
    return (sku.strip(), int(units)) if star and units.strip().isdecimal() else (text.strip(), 1)


# --- the rules -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rules:
    """What a replay was asked for; see docs/demo.md."""

    floor: Decimal | None
    seed: int
    share: float
    keep_open: bool

    def taken(self, invoice: str) -> bool:
        """Whether a rival takes this transfer."""
        digest = hashlib.sha256(f"{self.seed}:{invoice}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < self.share


class Shelf:
    """On hand and reserved of each SKU that has stock of its own; neither, nor their difference, is ever below zero."""

    def __init__(self, catalogue: Mapping[str, Variant]) -> None:
        self.on_hand = {sku: variant.units for sku, variant in catalogue.items() if variant.parts.keys() == {sku}}
        self.reserved = dict.fromkeys(self.on_hand, 0)
        self._parts = {sku: variant.parts for sku, variant in catalogue.items()}

    def sellable(self, sku: str) -> int:
        """Return how many units can be sold; a bundle is as available as its scarcest part."""
        return min((self.on_hand[part] - self.reserved[part]) // units for part, units in self._parts[sku].items())

    def move(self, sku: str, on_hand: int, reserved: int) -> None:
        """Add to both sums; ArithmeticError where one of them falls below zero."""
        for part, units in self._parts[sku].items():
            self.on_hand[part] += on_hand * units
            self.reserved[part] += reserved * units
            if self.reserved[part] < 0 or self.on_hand[part] < self.reserved[part]:
                raise ArithmeticError(f"{part}: {self.on_hand[part]} on hand, {self.reserved[part]} reserved")


@dataclass(slots=True)
class Row:
    """A row of the ledger as it has to be; `sales` are the invoices from whose orders a cancellation took units."""

    invoice: str
    sku: str
    quantity: int
    outcome: str
    reason: str
    sales: tuple[str, ...] = ()


@dataclass(slots=True)
class Sale:
    """A won line, and how many of its units are neither cancelled nor returned."""

    invoice: str
    left: int


@dataclass
class Replay:
    """One strictly sequential replay: each invoice is proposed, decided, answered and shipped before the next."""

    catalogue: Mapping[str, Variant]
    rules: Rules
    shelf: Shelf
    sales: dict[tuple[str, str], deque[Sale]] = field(default_factory=lambda: defaultdict(deque))

    def play(self, invoices: Mapping[str, Sequence[Line]]) -> Iterator[Row]:
        """Give a row for each line."""
        for invoice, lines in invoices.items():
            yield from (self._cancel if invoice.startswith("C") else self._propose)(invoice, lines)

    def _propose(self, invoice: str, lines: Sequence[Line]) -> Iterator[Row]:
        held = [self._reserve(line) for line in lines]
        refused = [self._reason_against(invoice, line, reserved) for line, reserved in zip(lines, held, strict=True)]
        lost = self.rules.taken(invoice)
        for line, reserved, reason in zip(lines, held, refused, strict=True):
            if reserved:
                self.shelf.move(line.sku, 0, -line.quantity)
            if reason:
                yield Row(invoice, line.sku, line.quantity, "declined", reason)
            elif lost:
                yield Row(invoice, line.sku, line.quantity, "lost", FASTER)
            else:
                self.shelf.move(line.sku, *((0, line.quantity) if self.rules.keep_open else (-line.quantity, 0)))
                self.sales[line.customer, line.sku].append(Sale(invoice, line.quantity))
                yield Row(invoice, line.sku, line.quantity, "won", "")

    def _reserve(self, line: Line) -> bool:
        sale = line.quantity > 0 and line.pence > 0 and line.sku in self.catalogue
        if not sale or self.shelf.sellable(line.sku) < line.quantity:
            return False
        self.shelf.move(line.sku, 0, line.quantity)
        return True

    def _reason_against(self, invoice: str, line: Line, reserved: bool) -> str:
        if line.quantity <= 0 or line.pence <= 0 or invoice.startswith("A"):
            return NO_SALE
        if line.sku not in self.catalogue:
            return UNKNOWN
        if not reserved:
            return SHORT
        if self.rules.floor is None:
            return ""
        price = self.catalogue[line.sku].price
        if price is None:
            raise ValueError(f"{line.sku} is sold and has no price in GBP, so that a floor has nothing to compare with")
        return CHEAP if Decimal(line.pence) / 100 < self.rules.floor * price else ""

    def _cancel(self, invoice: str, lines: Sequence[Line]) -> Iterator[Row]:
        for line in lines:
            wanted = max(0, -line.quantity)
            matched, sales = self._match(line, wanted)
            if not matched:
                yield Row(invoice, line.sku, line.quantity, "unmatched", NOTHING)
                continue
            self.shelf.move(line.sku, *((0, -matched) if self.rules.keep_open else (matched, 0)))
            part = "" if matched == wanted else f"{matched} of {wanted} units"
            yield Row(invoice, line.sku, line.quantity, "cancelled", part, sales)

    def _match(self, line: Line, wanted: int) -> tuple[int, tuple[str, ...]]:
        """Take units off earlier sales, first in first out; an empty customer is unknown and matches nothing."""
        queue = self.sales[line.customer, line.sku] if line.customer else deque()
        left, sales = wanted, []
        while left and queue:
            units = min(left, queue[0].left)
            queue[0].left -= units
            left -= units
            sales.append(queue[0].invoice)
            if not queue[0].left:
                queue.popleft()
        return wanted - left, tuple(dict.fromkeys(sales))


# --- comparing -------------------------------------------------------------------------------------------------------


class Book:
    """The twin's own book: transfers and orders by the invoice they were proposed under."""

    def __init__(self, book: Mapping[str, Any]) -> None:
        self.transfers = {transfer["reference"]: transfer for transfer in book["transfers"]}
        self.orders: dict[str, list[Any]] = defaultdict(list)
        for order in book["orders"]:
            self.orders[order["reference"]].append(order)
        self.proposed = len(book["transfers"])
        # Variants are listed in the twin under their SKU as group.
        self.told = {row["group"]: row["stock"] for rows in book["stock"].values() for row in rows}

    def remote_id(self, row: Row) -> str:
        """Return what the ledger has to say: the orders that a cancellation took units from, or where its own are."""
        if row.outcome == "unmatched":
            return ""
        return ", ".join(map(self._name_of, row.sales or (row.invoice,)))

    def _name_of(self, invoice: str) -> str:
        orders, transfer = self.orders[invoice], self.transfers.get(invoice, {"id": "that is not there"})
        return f"order {orders[0]['id']}" if orders else f"transfer {transfer['id']}"


def check_ledger(rows: Sequence[Row], ledger: Sequence[Mapping[str, str]], book: Book) -> Iterator[str]:
    """Yield how the ledger differs from what it has to be."""
    if len(rows) != len(ledger):
        yield f"the ledger has {len(ledger)} rows, the orders file {len(rows)} lines"
    for number, (row, found) in enumerate(zip(rows, ledger, strict=False), 2):
        expected = (row.invoice, row.sku, str(row.quantity), row.outcome, row.reason, book.remote_id(row))
        if expected != tuple(found.get(name) for name in LEDGER):
            yield f"ledger line {number} is {list(found.values())}, and has to be {list(expected)}"


def check_book(rows: Iterable[Row], book: Book) -> Iterator[str]:
    """Yield how the twin's book differs from the outcomes."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.outcome in POSITION_STATES:
            outcomes[row.invoice].append(POSITION_STATES[row.outcome])
    if book.proposed != len(book.transfers) or outcomes.keys() != book.transfers.keys():
        yield f"the twin has {book.proposed} transfers of {len(book.transfers)} invoices, not of {len(outcomes)}"
    for invoice, states in outcomes.items():
        transfer = book.transfers.get(invoice, {"positions": []})
        found = [position["state"] for position in transfer["positions"]]
        if found != states:
            yield f"the twin's positions of {invoice} are {found}, and have to be {states}"
        orders = book.orders.get(invoice, [])
        won = [position["id"] for position in transfer["positions"] if position["state"] == "accepted"]
        if [order["positions"] for order in orders] != ([won] if won else []):
            yield f"the twin made {len(orders)} orders of {invoice}, and had to make {int(bool(won))}"


def check_stock(
    ledger: Sequence[Mapping[str, str]],
    stock: Sequence[Mapping[str, str]],
    book: Book,
    catalogue: Mapping[str, Variant],
    *,
    keep_open: bool,
) -> Iterator[str]:
    """Yield where counted - shipped + returned is not on hand, or on hand - reserved not what is shown for sale."""
    shelf = Shelf(catalogue)
    for number, row in enumerate(ledger, 2):
        try:
            units = _units(row)
            if units:
                shelf.move(row["sku"], *((0, units) if keep_open else (-units, 0)))
        except (ArithmeticError, KeyError, ValueError) as error:
            yield f"ledger line {number}: {type(error).__name__}: {error}"
    found = {row["sku"]: tuple(row[name] for name in STOCK[1:]) for row in stock}
    if len(found) != len(stock) or found.keys() != catalogue.keys():
        yield f"the stock file has {len(stock)} rows of {len(found)} SKUs, the catalogue {len(catalogue)}"
    for sku in catalogue:
        own = (str(shelf.on_hand[sku]), str(shelf.reserved[sku])) if sku in shelf.on_hand else ("", "")
        free = str(shelf.sellable(sku))
        if found.get(sku) != (*own, free, free):
            yield f"stock of {sku} is {found.get(sku)}, and has to be {(*own, free, free)}"
        if book.told.get(sku) != int(free):
            yield f"the twin was told {book.told.get(sku)} of {sku}, and had to be told {free}"


def _units(row: Mapping[str, str]) -> int:
    """Return the units that a row of the ledger sold; below zero: that came back."""
    if row["outcome"] == "won":
        return int(row["quantity"])
    if row["outcome"] == "cancelled":
        return -int(row["reason"].partition(" ")[0]) if row["reason"] else int(row["quantity"])
    return 0


def counts(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures that the replay prints as JSON."""
    by_invoice: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_invoice[row.invoice][row.outcome] += 1
    orders = Counter(_order_outcome(invoice, outcomes) for invoice, outcomes in by_invoice.items())
    partly = sum(bool(outcomes["won"] and outcomes["declined"]) for outcomes in by_invoice.values())
    return {
        "orders": {name: orders[name] for name in ("won", "lost", "declined", "cancelled")} | {"won_partly": partly},
        "declined_by": dict(Counter(row.reason for row in rows if row.outcome == "declined")),
        "positions": dict(Counter(row.outcome for row in rows)),
    }


def _order_outcome(invoice: str, outcomes: Mapping[str, int]) -> str:
    if invoice.startswith("C"):
        return "cancelled"
    return next(name for name in ("won", "lost", "declined") if outcomes.get(name))


def check_result(rows: Sequence[Row], result: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the printed figures differ."""
    for name, figures in counts(rows).items():
        if result.get(name) != figures:
            yield f"the result's {name} is {result.get(name)}, and has to be {figures}"
    for name in ("missing", "doubled"):
        if result.get(name) != 0:
            yield f"the result's {name} is {result.get(name)}"


# --- the command -----------------------------------------------------------------------------------------------------


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a file that the replay wrote."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    if tuple(reader.fieldnames or ()) != tuple(columns):
        raise SystemExit(f"{path}: the columns are {reader.fieldnames}, and have to be {list(columns)}")
    return list(reader)


def differences(options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """Return what the ledger has to be, and how all files differ from it."""
    catalogue = read_catalogue(options.catalog, options.units)
    rules = Rules(options.floor, options.rivals, options.share, options.keep_open)
    rows = list(Replay(catalogue, rules, Shelf(catalogue)).play(read_invoices(options.orders)))
    ledger, stock = read_rows(options.ledger, LEDGER), read_rows(options.stock, STOCK)
    book = Book(json.loads(read_text(options.book)))
    found = [
        *check_book(rows, book),
        *check_ledger(rows, ledger, book),
        *check_stock(ledger, stock, book, catalogue, keep_open=options.keep_open),
    ]
    if options.result:
        found += check_result(rows, json.loads(read_text(options.result)))
    return rows, found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Recompute a replay by docs/demo.md and compare.")
    for name, what in (
        ("orders", "the orders file that was played"),
        ("catalog", "the catalogue file that was played"),
        ("ledger", "what --ledger wrote"),
        ("stock", "what --stock wrote"),
        ("book", "what --book wrote: the twin's own book"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument("--result", type=Path, metavar="FILE", help="what --json printed, to check its figures too")
    parser.add_argument("--floor", type=Decimal, metavar="SHARE", help="as in the replay; off without it")
    parser.add_argument("--rivals", type=int, default=1, metavar="SEED", help="as in the replay (1)")
    parser.add_argument("--share", type=float, default=0.08, help="part of the transfers that rivals want (0.08)")
    parser.add_argument("--units", type=int, default=500, help="units of a variant without a quantity (500)")
    parser.add_argument("--keep-open", action="store_true", help="as in the replay")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was checked, or the first differences; return the exit code."""
    rows, found = differences(parse(arguments))
    if found:
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        sys.stdout.write("\n".join([f"{len(found)} differences:", *found[:SHOWN], *more, ""]))
        return 1
    sys.stdout.write(f"All agrees: {json.dumps(counts(rows))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
