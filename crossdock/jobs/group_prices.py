"""Imports of the prices of price groups: columns sku, group, price, currency."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from crossdock.core.model import Money
from crossdock.core.store import Store, catalog, prices
from crossdock.core.store.catalog import Change
from crossdock.core.store.imports import Fault
from crossdock.core.store.prices import GroupPrice
from crossdock.jobs.catalogue_row import BadRow
from crossdock.jobs.rowfile import Row, fault, open_rows

REQUIRED: Final = ("sku", "group", "price")
BATCH: Final = 1000  # rows of one transaction
FAULTS_KEPT: Final = 1000  # in the report
_PRICE: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,4})?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesReport:
    """What came of an import: numbers of rows, and what is wrong with those that were left out."""

    added: int
    updated: int
    unchanged: int
    failed: int
    faults: tuple[Fault, ...]


def import_file(store: Store, path: Path, *, currency: str | None = None) -> PricesReport:
    """Read prices of price groups into the store, in short transactions.

    Args:
        store: an opened store.
        path: CSV, TSV or JSON lines in UTF-8, plain or gzipped.
        currency: ISO 4217 code of prices on rows that name none.

    Raises:
        ConfigError: there is no such file, or a column is missing; or the file is broken in the middle, and what was
            read before has landed.
    """
    landing = _Landing(store, currency)
    with open_rows(path, required=REQUIRED) as rows:
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                landing.land(batch)
                batch = []
        landing.land(batch)
    counts = {change.value: landing.changes[change] for change in Change}
    return PricesReport(**counts, failed=landing.failed, faults=tuple(landing.faults))


class _Landing:
    """Writes batches of rows, and gathers what came of them."""

    def __init__(self, store: Store, currency: str | None) -> None:
        self.changes: Counter[Change] = Counter()
        self.failed = 0
        self.faults: list[Fault] = []
        self._store = store
        self._currency = currency or ""
        self._seen: dict[tuple[int, str], int] = {}  # line by variant and group

    def land(self, rows: Sequence[Row]) -> None:
        """Write a batch; rows with faults are left out."""
        with self._store.write() as tx:
            known = catalog.ids_by_sku(tx, (row.cells.get("sku", "") for row in rows))
            wanted = []
            for row in rows:
                try:
                    wanted.append(self._read(row, known))
                except BadRow as error:
                    self.failed += 1
                    self.faults += error.faults[: max(0, FAULTS_KEPT - len(self.faults))]
            self.changes.update(prices.put(tx, wanted).values())

    def _read(self, row: Row, known: Mapping[str, int]) -> GroupPrice:
        sku, group, price = (row.cells.get(name, "") for name in REQUIRED)
        code = row.cells.get("currency") or self._currency
        faults = [*row.faults]
        if sku not in known:
            faults.append(fault(row.line, "sku", sku, "there is no variant with this SKU"))
        if not group:
            faults.append(fault(row.line, "group", group, "name the price group"))
        if not _PRICE.fullmatch(price) or not Decimal(price):
            faults.append(fault(row.line, "price", price, "write a price above zero, such as 12.90"))
        if not _CURRENCY.fullmatch(code):
            faults.append(fault(row.line, "currency", code, "write an ISO 4217 code such as EUR, or say --currency"))
        if faults:
            raise BadRow(faults)
        place = (known[sku], group)
        first = self._seen.setdefault(place, row.line)
        if first != row.line:
            raise BadRow(
                [fault(row.line, "sku", sku, f"line {first} has a price for it in this group; that one counts")]
            )
        return GroupPrice(variant_id=place[0], group=group, price=Money(amount=Decimal(price), currency=code))
