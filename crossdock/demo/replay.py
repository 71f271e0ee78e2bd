"""The replay of an orders file: every invoice in order of time, through the real hub, against a marketplace of our own.

docs/demo.md has the rules. Invoices are proposed together as long as the order among them cannot matter, and everything
else is played strictly one after another.
"""

from __future__ import annotations

import gc
import json
import resource
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from crossdock.core.errors import ConfigError
from crossdock.core.store import catalog, stock
from crossdock.core.store.orders import LineState, OrderRow, OrderState
from crossdock.demo import ledger
from crossdock.demo.invoices import Invoice, Line, OrdersFile, read_orders
from crossdock.demo.ledger import WAREHOUSE, Comparison, Row, StockRow
from crossdock.demo.marketplace import open_marketplace
from crossdock.demo.order_of_play import parts_of, together
from crossdock.demo.seller import ACCOUNT, KEYS, Seller, installation, item_id, proposal_of
from crossdock.twins.kit import FaultKind

MARKET, CURRENCY, VAT_RATE = "test", "GBP", "20"
UNITS = 500  # of a variant whose quantity the catalogue file does not tell
SHARE = 0.08  # of the transfers that rivals want
PUSH_EVERY = timedelta(days=1)
AT_ONCE = 50  # invoices; the marketplace lists so many on a page
FAULT_SHARE = 0.02
# Those that end by themselves. A refused login needs a person, and a silent platform costs a minute of real time.
FAULTS = (
    FaultKind.TOO_MANY,
    FaultKind.TOO_MANY_RETRY_AFTER,
    FaultKind.SERVER_ERROR,
    FaultKind.UNAVAILABLE,
    FaultKind.RESET,
    FaultKind.ERROR_AFTER_WRITE,
    FaultKind.RESET_AFTER_WRITE,
    FaultKind.HALF_ACCEPTED,
    FaultKind.HTML,
    FaultKind.EMPTY,
    FaultKind.TRUNCATED,
    FaultKind.REPEAT_PAGE,
    FaultKind.EXPIRED_TOKEN,
)
NOTHING_SOLD = "no earlier sale"

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a replay is asked for.

    Args:
        catalogue: any file that `catalog import` accepts.
        orders: a file with the columns of Online Retail.
        floor: least share of the catalogue's price at which a position is accepted; None for any price.
        rivals: the seed of the other sellers.
        faults: the seed of the marketplace's faults; None for a marketplace without.
        keep_open: won orders are not shipped.
    """

    catalogue: Path
    orders: Path
    floor: Decimal | None = None
    rivals: int = 1
    faults: int | None = None
    keep_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a replay.

    Args:
        rows: one per position, in the order of play.
        stock: one per SKU.
        book: the marketplace's own.
        comparison: how hub and book agree.
        figures: what `--json` prints beside the counts.
    """

    rows: Sequence[Row]
    stock: Sequence[StockRow]
    book: Mapping[str, Any]
    comparison: Comparison
    figures: Mapping[str, Any]

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, doubled or different, in orders and stock."""
        return self.comparison.agrees and all(row.agrees for row in self.stock)

    def as_dict(self) -> dict[str, Any]:
        """Return it all but the rows, as JSON."""
        return {
            **ledger.counts(self.rows),
            **asdict(self.comparison),
            "stock_equal": all(row.agrees for row in self.stock),
            **self.figures,
        }


def play(settings: Settings, progress: Progress = lambda done, total: None) -> Result:
    """Play all invoices of a file.

    Raises:
        ConfigError: a file cannot be played as it is; nothing was played.
    """
    began = time.perf_counter()
    file = read_orders(settings.orders)
    if not file.invoices:
        raise ConfigError(f"{settings.orders} has no lines.")
    with ExitStack() as stack:
        gc.freeze()  # what was read stays: looking through all of it for garbage again and again is slow
        stack.callback(gc.unfreeze)
        marketplace = stack.enter_context(open_marketplace())
        hub, clock, folder = stack.enter_context(installation(file.invoices[0].at, ("no-adjustments",)))
        marketplace.set_clock(clock.now())
        shop = marketplace.open_account(MARKET)
        replay = Replay(Seller(hub, marketplace, shop, clock), settings)
        replay.prepare(file, folder)
        replay.play(file.invoices, progress)
        rows, stock_there, book, comparison = replay.close(file.invoices)
        figures = replay.figures(file)
    peaks = {
        "hub": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "marketplace": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }
    seconds = round(time.perf_counter() - began, 1)
    figures |= {"seconds": seconds, "peak_memory_mib": peaks}
    return Result(rows=rows, stock=stock_there, book=book, comparison=comparison, figures=figures)


# --- playing ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sale:
    """A won position, and how many of its units are neither cancelled nor returned."""

    order: int
    position: str
    left: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What the hub says in the end of a transfer: how it is called there, and the outcomes of its positions."""

    name: str
    outcomes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a line of a cancellation found: how many units, of which orders."""

    units: int
    orders: tuple[int, ...]


@dataclass
class Replay:
    """A seller who plays invoices."""

    seller: Seller
    settings: Settings
    sales: dict[tuple[str, str], deque[Sale]] = field(default_factory=lambda: defaultdict(deque))
    cancelled: dict[str, list[Cancelled]] = field(default_factory=dict)
    parts: dict[str, dict[str, int]] = field(default_factory=dict)
    pushes: int = 0
    _pushed_at: datetime | None = None

    # --- before

    def prepare(self, file: OrdersFile, folder: Path) -> None:
        """Connect the account, import and link the catalogue, tell the first stock, and let rivals and faults loose.

        Raises:
            ConfigError: the catalogue is not fit for the orders.
        """
        seller, settings = self.seller, self.settings
        seller.connect(
            {"shop_markets": {seller.shop: MARKET}, "extra_markets": {MARKET: CURRENCY}},
            {
                "vat_rate": VAT_RATE,
                "price_floor": None if settings.floor is None else str(settings.floor),
                "stock_trigger": "twice a day",
                # A day of the file is one push: more may change in one than a careful seller allows.
                "max_changed_share": "1",
                "max_zero_share": "1",
            },
        )
        report = seller.import_catalogue(settings.catalogue, CURRENCY)
        if report.failed:
            faults = [str(fault) for fault in report.faults[:20]]
            raise ConfigError(
                f"{report.failed} rows of {settings.catalogue} cannot be imported.",
                faults=faults,
                advice="Mend them; nothing was played.",
            )
        seller.fill_in(folder, UNITS)
        self._check_prices(file)
        self.parts = self._bundles()
        seller.list_goods()
        seller.switch_on(file.invoices[0].at)
        self._push()
        seller.marketplace.compete(settings.rivals, SHARE)
        if settings.faults is not None:
            seller.marketplace.scatter_faults(settings.faults, FAULT_SHARE, FAULTS)

    def _check_prices(self, file: OrdersFile) -> None:
        """Refuse a floor where there is nothing to compare a price with."""
        if self.settings.floor is None:
            return
        lines = (line for invoice in file.invoices if not invoice.cancels for line in invoice.lines if line.is_sale)
        skus = sorted({line.sku for line in lines})
        with self.seller.hub.store.read() as tx:
            found = catalog.find_by_sku(tx, skus)
        bare = [sku for sku, row in found.items() if row.price is None or row.price.currency != CURRENCY]
        if bare:
            raise ConfigError(
                f"With a price floor every SKU that is sold needs a price in {CURRENCY}; {len(bare)} have none.",
                faults=sorted(bare)[:20],
                advice="Fill the columns price and currency of the catalogue, or leave --floor out.",
            )

    def _bundles(self) -> dict[str, dict[str, int]]:
        """Return what a bundle is made of, by bundle: units of each part, by SKU."""
        found: dict[str, dict[str, int]] = {}
        after = ""
        while page := self.seller.hub.catalog.list(after=after, limit=ledger.PAGE):
            with self.seller.hub.store.read() as tx:
                parts = catalog.parts_of(tx, [row.id for row in page])
                named = catalog.get_many(tx, {part for each in parts.values() for part in each})
            skus = {row.id: row.sku for row in page}
            found |= {
                skus[bundle]: {named[part].sku: units for part, units in each.items()} for bundle, each in parts.items()
            }
            after = page[-1].sku
        return found

    # --- in between

    def play(self, invoices: Sequence[Invoice], progress: Progress) -> None:
        """Play the invoices in their order."""
        done = 0
        while done < len(invoices):
            ahead = invoices[done : done + AT_ONCE]
            batch = ahead[: together(ahead, self.parts, self._free(ahead), self.sales)]
            self._play(batch)
            done += len(batch)
            progress(done, len(invoices))

    def _free(self, invoices: Sequence[Invoice]) -> dict[str, int]:
        """Return the units that can be sold now of what these invoices need."""
        skus = {part for invoice in invoices for line in invoice.lines for part in parts_of(line.sku, self.parts)}
        with self.seller.hub.store.read() as tx:
            known = catalog.ids_by_sku(tx, skus)
            levels = stock.levels(tx, known.values())
        return {sku: levels[number, WAREHOUSE].free for sku, number in known.items() if (number, WAREHOUSE) in levels}

    def _play(self, batch: Sequence[Invoice]) -> None:
        self.seller.wait_until(batch[-1].at)
        proposals = [invoice for invoice in batch if not invoice.cancels]
        decided: Mapping[str, OrderRow] = {}
        if proposals:
            self.seller.marketplace.propose([self._transfer(invoice) for invoice in proposals])
            decided = self.seller.decide([invoice.number for invoice in proposals])
            if not self.settings.keep_open:
                won = [row.id for row in decided.values() if row.state is OrderState.OPEN]
                self.seller.hub.orders.ship_all(won)
        for invoice in batch:
            if invoice.cancels:
                self._cancel(invoice)
            else:
                self._note_sales(decided[invoice.number], invoice)
        if self._pushed_at is None or self.seller.clock.now() - self._pushed_at >= PUSH_EVERY:
            self._push()

    def _transfer(self, invoice: Invoice) -> dict[str, Any]:
        return {
            "shop": self.seller.shop,
            "reference": invoice.number,
            "created_at": invoice.at.isoformat(),
            "currency": CURRENCY,
            "positions": [_position(invoice.number, line) for line in invoice.lines],
        }

    def _note_sales(self, row: OrderRow, invoice: Invoice) -> None:
        for line, sold in zip(ledger.in_file_order(row), invoice.lines, strict=True):
            if line.state is LineState.WON and sold.customer:
                self.sales[sold.customer, sold.sku].append(Sale(row.id, line.remote_id, line.quantity))

    def _cancel(self, invoice: Invoice) -> None:
        """Cancel earlier sales of the same goods to the same customer, first in first out."""
        orders: dict[int, Counter[str]] = defaultdict(Counter)
        self.cancelled[invoice.number] = [self._match(line, orders) for line in invoice.lines]
        for number, units in orders.items():
            self.seller.hub.orders.cancel(number, units, reason=f"cancelled by invoice {invoice.number}")

    def _match(self, line: Line, orders: dict[int, Counter[str]]) -> Cancelled:
        sales = self.sales.get((line.customer, line.sku), deque()) if line.customer else deque()
        wanted = max(0, -line.quantity)
        left = wanted
        found = []
        while left and sales:
            sale = sales[0]
            units = min(left, sale.left)
            sale.left -= units
            left -= units
            orders[sale.order][sale.position] += units
            found.append(sale.order)
            if not sale.left:
                sales.popleft()
        if not sales:
            self.sales.pop((line.customer, line.sku), None)
        return Cancelled(wanted - left, tuple(dict.fromkeys(found)))

    def _push(self) -> None:
        self.seller.work("stock")
        self.pushes += 1
        self._pushed_at = self.seller.clock.now()
        self.seller.marketplace.count_calls()

    # --- afterwards

    def close(self, invoices: Sequence[Invoice]) -> tuple[list[Row], list[StockRow], dict[str, Any], Comparison]:
        """Read the orders once more, tell the last stock, and compare with the marketplace's own book."""
        seller = self.seller
        seller.work("orders")
        self._push()
        book = seller.marketplace.book()
        ended: dict[str, Ended] = {}
        names: dict[int, str] = {}
        comparison = ledger.compare(self._noted(ended, names), book)
        rows = [row for invoice in invoices for row in self._rows(invoice, ended, names)]
        skus = {(row["group"], *(row[key] for key in KEYS)): row["group"] for row in book["stock"][seller.shop]}
        told = ledger.told_levels(book, seller.shop, skus)
        return rows, ledger.stock_rows(seller.hub, ACCOUNT, told), book, comparison

    def _noted(self, ended: dict[str, Ended], names: dict[int, str]) -> Iterator[OrderRow]:
        """Give all orders, and note on the way how each ended, by invoice, and its name, by number."""
        for row in ledger.all_orders(self.seller.hub, ACCOUNT):
            names[row.id] = f"{row.order.id.kind} {row.order.id.value}"
            outcomes = tuple(map(ledger.outcome_of, ledger.in_file_order(row)))
            ended[proposal_of(row)] = Ended(names[row.id], outcomes)
            yield row

    def _rows(self, invoice: Invoice, ended: Mapping[str, Ended], names: Mapping[int, str]) -> Iterator[Row]:
        if invoice.cancels:
            yield from self._cancelled_rows(invoice, names)
            return
        end = ended[invoice.number]
        for (outcome, reason), sold in zip(end.outcomes, invoice.lines, strict=True):
            yield Row(invoice.number, sold.sku, sold.quantity, outcome, reason, end.name)

    def _cancelled_rows(self, invoice: Invoice, names: Mapping[int, str]) -> Iterator[Row]:
        for line, found in zip(invoice.lines, self.cancelled[invoice.number], strict=True):
            if not found.units:
                yield Row(invoice.number, line.sku, line.quantity, "unmatched", NOTHING_SOLD, "")
                continue
            part = "" if found.units == -line.quantity else f"{found.units} of {-line.quantity} units"
            sold_as = ", ".join(names[number] for number in found.orders)
            yield Row(invoice.number, line.sku, line.quantity, "cancelled", part, sold_as)

    def figures(self, file: OrdersFile) -> dict[str, Any]:
        """Return what there is to tell beside the outcomes."""
        found = [
            (line, match) for invoice in file.invoices if invoice.cancels for line, match in self._matches(invoice)
        ]
        asked = sum(max(0, -line.quantity) for line, _ in found)
        units = sum(match.units for _, match in found)
        return {
            "invoices": len(file.invoices),
            "prices_rounded_up": file.rounded,
            "cancelled_units": {"matched": units, "unmatched": asked - units},
            "calls": self.seller.marketplace.calls,
            "faults_met": dict(sorted(self.seller.marketplace.faults.items())),
            "outcomes_settled_by_hand": self.seller.unclear,
            "runs": _by_job(self.seller.runs),
            "stock_pushes": self.pushes,
        }

    def _matches(self, invoice: Invoice) -> Iterator[tuple[Line, Cancelled]]:
        return zip(invoice.lines, self.cancelled[invoice.number], strict=True)


def _position(invoice: str, line: Line) -> dict[str, Any]:
    item = {"name": f"{invoice} {line.name}".strip(), "productId": item_id(line.sku)}
    return {"quantity": line.quantity, "price": line.pence, "item": item}


def _by_job(runs: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (job, state), number in sorted(runs.items()):
        found[job][state] = number
    return dict(found)


def write(result: Result, *, ledger_file: Path | None, stock_file: Path | None, book_file: Path | None) -> None:
    """Write what the checker reads, where it is asked for."""
    if ledger_file:
        ledger.write_csv(ledger_file, ledger.LEDGER, result.rows)
    if stock_file:
        ledger.write_csv(stock_file, ledger.STOCK, result.stock)
    if book_file:
        book_file.write_text(json.dumps(result.book), "utf-8")


def report(result: Result) -> Iterator[str]:
    """Tell people what came of it, line by line."""
    found = result.as_dict()
    orders, positions = found["orders"], Counter(found["positions"])
    proposals = orders["won"] + orders["lost"] + orders["declined"]
    yield f"{found['invoices']:,} invoices with {len(result.rows):,} positions, played in {found['seconds']:,} s."
    for name in ("won", "lost", "declined"):
        share = orders[name] / (proposals or 1)
        yield f"  {name:<10}{orders[name]:>9,} transfers {share:>7.1%} {positions[name]:>11,} positions"
    yield f"  cancelled {orders['cancelled']:>9,} invoices          {positions['cancelled']:>11,} positions"
    for reason, number in found["declined_by"].items():
        yield f"  declined: {reason:<28}{number:>21,} positions"
    yield f"Won in part: {orders['won_partly']:,}. Cancelled positions without a sale: {positions['unmatched']:,}."
    faults = sum(found["faults_met"].values())
    yield f"Calls: {found['calls']:,}. Faults met: {faults:,}. Stock pushes: {found['stock_pushes']:,}."
    yield ledger.verdict(result.comparison, result.stock)
