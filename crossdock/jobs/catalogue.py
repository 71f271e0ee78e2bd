"""Imports of the seller's catalogue: products, prices, quantities and bundles from a file.

Columns: `sku` and `name`, and as needed `price`, `currency`, `quantity`, `gtin`, `product` (the code of the product
that the variant belongs to), `vat_rate` and `vat_rate_XX` by country, `bundle` ("SKU*2+SKU2"); any other column is an
attribute. What a file has no column for stays as it is. An empty cell is unknown: a quantity or a bundle stays as it
is, everything else has no value then. A row is landed whole or not at all, and one that changes nothing of the
catalogue writes nothing of it.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from crossdock.core.config import Options
from crossdock.core.errors import ConfigError
from crossdock.core.model import Contains, Money
from crossdock.core.store import Read, Store, Write, accounts, catalog, imports, offer_levels, stock, warehouses
from crossdock.core.store.catalog import Change, ProductDraft, Upserted, VariantRow
from crossdock.jobs.catalogue_row import BadRow, Item, read_item
from crossdock.jobs.rowfile import BrokenFile, Fault, Row, RowFile, fault, open_rows

SOURCE = "import"
REQUIRED = ("sku", "name")
BATCH = 1000  # rows of one transaction
FAULTS_KEPT = 1000  # in the report; a faults file has all

Progress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What came of an import.

    Args:
        id: the import's number in the store.
        file: what was read.
        added, updated, unchanged, failed: numbers of rows.
        faults: the first of them; a row may have several.
    """

    id: int
    file: str
    added: int
    updated: int
    unchanged: int
    failed: int
    faults: tuple[Fault, ...]


class ImportBroken(ConfigError):
    """The file is broken from a place on; `report` says what landed before."""

    def __init__(self, cause: BrokenFile, report: ImportReport) -> None:
        landed = report.added + report.updated + report.unchanged
        super().__init__(f"{cause.message} {landed} rows before that have landed.", advice=cause.advice)
        self.report = report


def import_file(
    store: Store,
    path: Path,
    *,
    warehouse: str = "main",
    columns: Mapping[str, str] | None = None,
    currency: str | None = None,
    as_of: datetime | None = None,
    faults_file: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read a catalogue file into the store, in short transactions.

    Args:
        store: an opened store.
        path: CSV, TSV or JSON lines in UTF-8, plain or gzipped.
        warehouse: where the quantities were counted.
        columns: the file's name of a column by the name it is to have: `{"sku": "Item no."}`.
        currency: ISO 4217 code of prices on rows that name none.
        as_of: when the quantities were true, aware; by default now.
        faults_file: gets every fault, as CSV: line, field, value, reason.
        progress: called after each batch with the rows so far and how much of the file was read, 0 to 1.

    Returns:
        The numbers of rows by what came of them, and the first faults.

    Raises:
        ConfigError: nothing was read: no such file, warehouse, column or currency, or `as_of` lies ahead.
        ImportBroken: the file is broken in the middle; what was read before has landed and is in its report.
    """
    moment = _moment(as_of, store.clock.now())
    _check_currency(currency)
    with ExitStack() as stack:
        rows = stack.enter_context(open_rows(path, required=REQUIRED, columns=columns))
        faults = _Faults(stack.enter_context(_new_file(faults_file)) if faults_file else None)
        with store.write() as tx:
            warehouses.require(tx, warehouse)
            number = imports.begin(tx, str(path))
            landing = _Landing(warehouse, moment, _contained(tx))
        work = _Import(store, landing, faults, currency, progress)
        try:
            work.read(rows)
        except ConfigError as error:
            report = work.end(number, path, because=str(error))
            if isinstance(error, BrokenFile):
                raise ImportBroken(error, report) from error
            raise
        return work.end(number, path)


def _moment(as_of: datetime | None, now: datetime) -> datetime:
    if as_of is None:
        return now
    if as_of.tzinfo is None:
        raise ConfigError(f"{as_of} has no time zone.", advice=f"Write for example {as_of.isoformat()}+00:00.")
    if as_of > now:
        raise ConfigError(f"The quantities cannot be true as of {as_of}: that is still to come.")
    return as_of


def _new_file(path: Path) -> IO[str]:
    try:
        return path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None


def _check_currency(currency: str | None) -> None:
    if currency is None:
        return
    try:
        Money.from_minor(0, currency)
    except ValueError as error:
        raise ConfigError(f"The currency of the import: {error}.") from None


def _contained(tx: Read) -> dict[str, Contains]:
    """Return by account which of its orders the quantities of an import leave out already, where somebody said so."""
    said = {row.id: Options.model_validate(row.options).count_contains.get(SOURCE) for row in accounts.list_all(tx)}
    return {account: Contains(what) for account, what in said.items() if what is not None}


class _Faults:
    """Gathers faults: the first for the report, all of them for a file."""

    def __init__(self, file: IO[str] | None) -> None:
        self.first: list[Fault] = []
        self.rows = 0
        self._writer = csv.writer(file) if file else None
        if self._writer:
            self._writer.writerow(["line", "field", "value", "reason"])

    def add(self, faults: Sequence[Fault]) -> None:
        """Take what is wrong with one row."""
        self.rows += 1
        self.first.extend(faults[: FAULTS_KEPT - len(self.first)])
        if self._writer:
            self._writer.writerows((one.line, one.field, one.value, one.reason) for one in faults)


class _Import:
    """One import on its way: rows come in one by one and land in batches."""

    def __init__(
        self, store: Store, landing: _Landing, faults: _Faults, currency: str | None, progress: Progress | None
    ) -> None:
        self._store = store
        self._landing = landing
        self._faults = faults
        self._currency = currency
        self._progress = progress or (lambda rows, share: None)
        self._changes: Counter[Change] = Counter()
        self._batch: list[Item] = []
        self._seen: dict[str, tuple[int, int]] = {}  # digest and line by SKU

    def read(self, rows: RowFile) -> None:
        """Land every row; bundles last, since their parts may stand further down."""
        broken = None
        with tempfile.TemporaryFile("w+", encoding="utf-8") as bundles:
            try:
                for row in rows:
                    if row.cells.get("bundle") and not row.faults:
                        json.dump([row.line, dict(row.cells)], bundles)
                        bundles.write("\n")
                    else:
                        self._take(row, rows.share)
            except BrokenFile as error:
                broken = error
            self._land(rows.share)
            for row in _put_aside(bundles):
                self._take(row, rows.share)
            self._land(rows.share)
        if broken:
            raise broken

    def _take(self, row: Row, share: float) -> None:
        try:
            item = read_item(row, self._currency)
        except BadRow as error:
            self._faults.add(error.faults)
            return
        digest, line = self._seen.setdefault(item.sku, (item.digest, item.line))
        if line == item.line:
            self._batch.append(item)
        elif digest == item.digest:
            self._changes[Change.UNCHANGED] += 1
        else:
            because = f"line {line} has this SKU too, with other content; that one counts"
            self._faults.add([fault(item.line, "sku", item.sku, because)])
        if len(self._batch) == BATCH:
            self._land(share)

    def _land(self, share: float) -> None:
        if self._batch:
            with self._store.write() as tx:
                landed = self._landing.land(tx, self._batch)
            self._changes.update(landed.changes.values())
            for faults in landed.faults:
                self._faults.add(faults)
            self._batch.clear()
        self._progress(self._changes.total() + self._faults.rows, share)

    def end(self, number: int, path: Path, *, because: str = "") -> ImportReport:
        """Note what came of it, and why it ended early if it did."""
        counts = {change.value: self._changes[change] for change in Change} | {"failed": self._faults.rows}
        with self._store.write() as tx:
            imports.end(tx, number, counts | ({"broken": because} if because else {}))
        return ImportReport(id=number, file=str(path), faults=tuple(self._faults.first), **counts)


def _put_aside(file: IO[str]) -> Iterator[Row]:
    file.seek(0)
    for text in file:
        line, cells = json.loads(text)
        yield Row(line=line, cells=cells)


@dataclass(frozen=True, slots=True)
class _Landed:
    """What became of a batch: the change of each SKU that landed, the faults of each row that did not."""

    changes: dict[str, Change]
    faults: list[Sequence[Fault]]


@dataclass(frozen=True, slots=True)
class _Landing:
    """Writes batches: where quantities were counted, when, and which orders of which account they leave out already."""

    warehouse: str
    as_of: datetime
    contains: Mapping[str, Contains]

    def land(self, tx: Write, items: Sequence[Item]) -> _Landed:
        """Write a batch; a row that cannot land is left out whole."""
        landed = _Landed({}, [])
        self._land_plain(tx, [item for item in items if item.bundle is None], landed)
        for item in items:
            if item.bundle is not None:
                _land_bundle(tx, item, item.bundle, landed)
        return landed

    def _land_plain(self, tx: Write, items: Sequence[Item], landed: _Landed) -> None:
        old = catalog.find_by_sku(tx, (item.sku for item in items))
        bundles = catalog.parts_of(tx, (row.id for row in old.values()))
        good = []
        for item in items:
            if item.quantity is not None and item.sku in old and old[item.sku].id in bundles:
                because = "this SKU is a bundle, and what there is of it follows from its parts; leave this empty"
                landed.faults.append([fault(item.line, "quantity", str(item.quantity), because)])
            else:
                good.append(item)
        done = _upsert(tx, good, old)
        counts = [
            stock.Count(variant_id=done[item.sku].id, warehouse=self.warehouse, quantity=item.quantity)
            for item in good
            if item.quantity is not None
        ]
        moved = set(stock.count(tx, counts, source=SOURCE, as_of=self.as_of, contains=self.contains))
        landed.changes.update({sku: _change(row, row.id in moved) for sku, row in done.items()})


def _land_bundle(tx: Write, item: Item, parts: Mapping[str, int], landed: _Landed) -> None:
    """Write one bundle; one by one, because each may be what the next must not hold."""
    numbers = catalog.ids_by_sku(tx, {item.sku, *parts})
    wrong = catalog.bundle_faults(tx, item.sku, parts, numbers)
    if wrong:
        shown = "+".join(f"{sku}*{units}" for sku, units in parts.items())
        landed.faults.append([fault(item.line, "bundle", shown, reason) for reason in wrong])
        return
    row = _upsert(tx, [item], catalog.find_by_sku(tx, [item.sku]))[item.sku]
    other = catalog.set_bundle(tx, item.sku, parts)
    if other:
        offer_levels.mark_changed(tx, [row.id])
    landed.changes[item.sku] = _change(row, other)


def _upsert(tx: Write, items: Iterable[Item], old: Mapping[str, VariantRow]) -> dict[str, Upserted]:
    drafts = [item.draft(old.get(item.sku)) for item in items]
    # A product that is new gets the name of its first variant.
    names = {draft.product: draft.name for draft in reversed(drafts) if draft.product is not None}
    missing = set(names) - set(catalog.ids_by_code(tx, names))
    catalog.upsert_products(tx, [ProductDraft(code=code, name=names[code]) for code in missing])
    return catalog.upsert(tx, drafts)


def _change(row: Upserted, more: bool) -> Change:
    return Change.UPDATED if more and row.change is Change.UNCHANGED else row.change
