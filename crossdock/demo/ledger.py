"""What came of a rehearsal, told by the hub and by the marketplace's own book, and how the two are compared."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossdock.core.store import catalog, stock
from crossdock.core.store.orders import LineRow, LineState, OrderRow
from crossdock.hub import Hub

WAREHOUSE = "main"
PAGE = 500
LEDGER = ("invoice", "sku", "quantity", "outcome", "reason", "remote_id")
STOCK = ("sku", "on_hand", "reserved", "sellable", "told")

Key = tuple[str, str, str, str]

# What was won and cancelled later was won all the same.
WON = (LineState.WON, LineState.CANCELLED)
STATES = {"accepted": WON, "lost": (LineState.LOST,), "declined": (LineState.DECLINED,)}


@dataclass(frozen=True, slots=True)
class Row:
    """One position of an invoice and what became of it; the columns of the ledger."""

    invoice: str
    sku: str
    quantity: int
    outcome: str
    reason: str
    remote_id: str


@dataclass(frozen=True, slots=True)
class StockRow:
    """The stock of one SKU: what the hub holds (None: a bundle, which has none), may sell, and told the platform."""

    sku: str
    on_hand: int | None
    reserved: int | None
    sellable: int | None
    told: int | None

    @property
    def agrees(self) -> bool:
        """Whether the platform shows what can be sold."""
        return self.sellable == self.told


# --- the hub's side --------------------------------------------------------------------------------------------------


def all_orders(hub: Hub, account: str) -> Iterator[OrderRow]:
    """Give every order of an account."""
    before = None
    while rows := hub.orders.list(account=account, before=before, limit=PAGE):
        yield from rows
        before = rows[-1].id


def in_file_order(order: OrderRow) -> list[LineRow]:
    """Return the lines as they were proposed: the twin counts its positions up."""
    return sorted(order.lines, key=lambda line: int(line.remote_id))


def outcome_of(line: LineRow) -> tuple[str, str]:
    """Return what became of a position, and why."""
    return ("won", "") if line.state in WON else (line.state.value, line.reason or "")


def stock_rows(hub: Hub, account: str, told: Mapping[str, int]) -> list[StockRow]:
    """Return the stock of every SKU.

    Args:
        hub: the installation.
        account: whose warehouses and buffer count.
        told: what the marketplace shows, by SKU.
    """
    rows = []
    after = ""
    while page := hub.catalog.list(after=after, limit=PAGE):
        with hub.store.read() as tx:
            ids = [variant.id for variant in page]
            levels, bundles = stock.levels(tx, ids), catalog.parts_of(tx, ids)
            free = stock.sellable(tx, ids, hub.options(tx, account))
        for variant in page:
            level = None if variant.id in bundles else levels.get((variant.id, WAREHOUSE))
            on_hand, reserved = (level.on_hand, level.reserved) if level else (None, None)
            rows.append(StockRow(variant.sku, on_hand, reserved, free[variant.id], told.get(variant.sku)))
        after = page[-1].sku
    return rows


# --- the two sides together ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the hub's orders agree with the marketplace's own book.

    Args:
        missing: transfers that the hub does not have, and orders that it does not know to have won.
        doubled: transfers that the hub has twice or that were won twice.
        different: positions that ended otherwise here than there.
        undecided: orders of the hub whose end is not known.
    """

    missing: int
    doubled: int
    different: int
    undecided: int

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, doubled, different or undecided."""
        return not (self.missing or self.doubled or self.different or self.undecided)


def compare(orders: Iterable[OrderRow], book: Mapping[str, Any]) -> Comparison:
    """Compare the hub's orders with the marketplace's book, position by position."""
    transfer_of = {str(position["id"]): row["id"] for row in book["transfers"] for position in row["positions"]}
    states = {str(position["id"]): position["state"] for row in book["transfers"] for position in row["positions"]}
    sold: dict[int, list[str]] = defaultdict(list)
    for order in book["orders"]:
        sold[order["transfer"]].append(str(order["id"]))
    known: Counter[int] = Counter()
    missing = different = undecided = 0
    for row in orders:
        transfers = {transfer_of.get(line.remote_id) for line in row.lines}
        known.update(transfer for transfer in transfers if transfer is not None)
        different += sum(line.state not in STATES.get(states.get(line.remote_id, ""), ()) for line in row.lines)
        undecided += row.parked_code is not None or any(line.state is LineState.PROPOSED for line in row.lines)
        won = {order for transfer in transfers if transfer is not None for order in sold[transfer]}
        missing += len(won - {row.order.id.value}) if row.order.id.kind == "order" else len(won)
    missing += sum(row["id"] not in known for row in book["transfers"])
    doubled = sum(times - 1 for times in known.values()) + sum(len(ids) - 1 for ids in sold.values() if ids)
    return Comparison(missing, doubled, different, undecided)


def told_levels(book: Mapping[str, Any], shop: str, skus: Mapping[Key, str]) -> dict[str, int]:
    """Return what the marketplace shows of each SKU; `skus` by group, brand, colour and size."""
    levels = {(row["group"], row["brand"], row["color"], row["size"]): row["stock"] for row in book["stock"][shop]}
    return {skus[key]: level for key, level in levels.items() if key in skus}


# --- figures ---------------------------------------------------------------------------------------------------------


def counts(rows: Iterable[Row]) -> dict[str, Any]:
    """Return how many invoices and positions ended how.

    A transfer is won if a position of it was; else lost if a position was; else declined.
    """
    by_invoice: dict[str, Counter[str]] = defaultdict(Counter)
    positions: Counter[str] = Counter()
    declined_by: Counter[str] = Counter()
    for row in rows:
        by_invoice[row.invoice][row.outcome] += 1
        positions[row.outcome] += 1
        declined_by[row.reason] += row.outcome == "declined"
    orders = Counter(_order_outcome(outcomes) for outcomes in by_invoice.values())
    partly = sum(bool(outcomes["won"] and outcomes["declined"]) for outcomes in by_invoice.values())
    return {
        "orders": {name: orders[name] for name in ("won", "lost", "declined", "cancelled")} | {"won_partly": partly},
        "declined_by": {reason: number for reason, number in sorted(declined_by.items()) if number},
        "positions": dict(sorted(positions.items())),
    }


def _order_outcome(outcomes: Mapping[str, int]) -> str:
    return next((name for name in ("won", "lost", "declined") if outcomes.get(name)), "cancelled")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row | StockRow]) -> None:
    """Write rows with these columns; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([getattr(row, name) for name in columns] for row in rows)


def verdict(comparison: Comparison, stock: Sequence[StockRow]) -> str:
    """Say in a sentence whether the two sides agree."""
    wrong = [row.sku for row in stock if not row.agrees]
    if comparison.agrees and not wrong:
        return f"Hub and marketplace agree: nothing missing, nothing doubled, the stock of {len(stock):,} SKUs equal."
    return (
        f"Hub and marketplace differ: {comparison.missing} missing, {comparison.doubled} doubled,"
        f" {comparison.different} positions different, {comparison.undecided} undecided,"
        f" the stock of {len(wrong)} SKUs ({', '.join(wrong[:5])})."
    )
