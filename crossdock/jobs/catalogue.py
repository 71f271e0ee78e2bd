"""Imports of the seller's catalogue: products, prices, quantities and bundles from a file.

Columns of the plain layout: `sku` and `name`, and as needed `price`, `currency`, `quantity`, `gtin`, `product` (the
code of the product that the variant belongs to), `vat_rate` and `vat_rate_XX` by country, `bundle` ("SKU*2+SKU2"); any
other column is an attribute. The layouts of shops are in `layouts`. What a file has no column for stays as it is. An
empty cell is unknown: a quantity or a bundle stays as it is, everything else has no value then. A row is landed whole
or not at all, and one that changes nothing of the catalogue writes nothing of it.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from crossdock.core.config import Options
from crossdock.core.errors import ConfigError
from crossdock.core.model import Contains, Money
from crossdock.core.store import Read, Store, Write, accounts, imports, warehouses
from crossdock.core.store.catalog import Change
from crossdock.core.store.imports import Fault
from crossdock.jobs import layouts
from crossdock.jobs.catalogue_landing import SOURCE, Landed, Landing, land_texts
from crossdock.jobs.catalogue_notes import Notes
from crossdock.jobs.catalogue_row import BadRow, Item, ProductItem, TextsItem, read_item, read_product, read_texts
from crossdock.jobs.layouts.layout import Entry, Layout, Others, Products, filled
from crossdock.jobs.rowfile import BrokenFile, Columns, Row, RowFile, fault, open_rows

BATCH = 1000  # rows of one transaction
FAULTS_KEPT = 1000  # in the report and in the store; a faults file has all
CHILDLESS_KEPT = 100

Progress = Callable[[int, float], None]
Taken = TypeVar("Taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What came of an import.

    Args:
        id: the import's number in the store.
        file: what was read.
        layout: how it was read.
        recognised: whether the layout was found out from the columns.
        added, updated, unchanged, failed: numbers of rows.
        products: how many of the rows that landed are rows of products.
        faults: the first of them; a row may have several.
        left_out: columns that held something and were not taken.
        childless: codes of the first products in the file that have no variant there.
    """

    id: int
    file: str
    layout: str
    recognised: bool
    added: int
    updated: int
    unchanged: int
    failed: int
    products: int
    faults: tuple[Fault, ...]
    left_out: tuple[str, ...]
    childless: tuple[str, ...]


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
    layout: str | None = None,
    warehouse: str = "main",
    columns: Mapping[str, str] | None = None,
    keep: Collection[str] | None = (),
    currency: str | None = None,
    as_of: datetime | None = None,
    faults_file: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read a catalogue file into the store, in short transactions.

    Args:
        store: an opened store.
        path: CSV, TSV or JSON lines in UTF-8, plain or gzipped.
        layout: one of `layouts.LAYOUTS`; by default the one that the columns tell.
        warehouse: where the quantities were counted.
        columns: the file's name of a column by the layout's: `{"sku": "Item no."}`.
        keep: columns unknown to the layout that become attributes; None keeps all.
        currency: ISO 4217 code of prices on rows that name none.
        as_of: when the quantities were true, aware; by default now.
        faults_file: gets every fault, as CSV: line, field, value, reason.
        progress: called after each batch with the rows so far and how much of the file was read, 0 to 1.

    Returns:
        The numbers of rows by what came of them, and the first faults.

    Raises:
        ConfigError: nothing was read: no such file, layout, warehouse, column or currency, or `as_of` lies ahead.
        ImportBroken: the file is broken in the middle; what was read before has landed and is in its report.
    """
    moment = _moment(as_of, store.clock.now())
    _check_currency(currency)
    with ExitStack() as stack:
        needs = layouts.find(layout or layouts.DEFAULT).needs
        rows = stack.enter_context(open_rows(path, required=needs, columns=columns))
        found = rows.columns()
        chosen = layouts.find(layout) if layout else layouts.recognise(found.names)
        others = Others(chosen, _kept(path, keep, found))
        faults = _Faults(stack.enter_context(_new_file(faults_file)) if faults_file else None)
        number, landing = _begin(store, path, chosen, warehouse, moment)
        reader = _Reader(chosen, others, stack.enter_context(Notes()), currency)
        work = _Import(store, number, landing, reader, faults, progress)
        recognised = layout is None and chosen.name != layouts.DEFAULT
        try:
            work.read(rows)
        except BrokenFile as error:
            report = work.end(path, recognised=recognised, because=str(error))
            raise ImportBroken(error, report) from error
        return work.end(path, recognised=recognised)


def _begin(store: Store, path: Path, layout: Layout, warehouse: str, as_of: datetime) -> tuple[int, Landing]:
    """Note that the import begins; return its number, and what writes its batches."""
    with store.write() as tx:
        warehouses.require(tx, warehouse)
        contains, makes_products = _contained(tx), layout.products is None
        landing = Landing(warehouse=warehouse, as_of=as_of, contains=contains, makes_products=makes_products)
        return imports.begin(tx, str(path), layout.name), landing


def _moment(as_of: datetime | None, now: datetime) -> datetime:
    if as_of is None:
        return now
    if as_of.tzinfo is None:
        raise ConfigError(f"{as_of} has no time zone.", advice=f"Write for example {as_of.isoformat()}+00:00.")
    if as_of > now:
        raise ConfigError(f"The quantities cannot be true as of {as_of}: that is still to come.")
    return as_of


def _kept(path: Path, keep: Collection[str] | None, there: Columns) -> frozenset[str] | None:
    if keep is None:
        return None
    names = frozenset(name.strip().lower() for name in keep)
    absent = sorted(names - there.names) if there.fixed else []
    if absent:
        faults = [f"column {name!r} is not there" for name in absent]
        raise ConfigError(f"{path} has not all that is to be kept.", faults=faults)
    return names


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
    """Gathers faults: the first for report and store, all of them for a file."""

    def __init__(self, file: IO[str] | None) -> None:
        self.first: list[Fault] = []
        self.rows = 0
        self.total = 0
        self._stored = 0
        self._writer = csv.writer(file) if file else None
        if self._writer:
            self._writer.writerow(["line", "field", "value", "reason"])

    def add(self, faults: Sequence[Fault]) -> None:
        """Take what is wrong with one row."""
        self.rows += 1
        self.total += len(faults)
        self.first.extend(faults[: FAULTS_KEPT - len(self.first)])
        if self._writer:
            self._writer.writerows((one.line, one.field, one.value, one.reason) for one in faults)

    def store(self, tx: Write, number: int) -> None:
        """Put those of the first that are new into the store."""
        imports.keep_faults(tx, number, self._stored + 1, self.first[self._stored :])
        self._stored = len(self.first)


class _Reader:
    """Understands the rows of one file."""

    def __init__(self, layout: Layout, others: Others, notes: Notes, currency: str | None) -> None:
        self.layout = layout.name
        self.products = layout.products
        self._read = layout.read
        self._others = others
        self._notes = notes
        self._currency = currency

    def left_out(self) -> tuple[str, ...]:
        """Return the columns that held something and were not taken."""
        return tuple(sorted(self._others.left_out))

    def childless(self) -> tuple[str, ...]:
        """Return the codes of the first products without a variant in the file."""
        return self._notes.childless(CHILDLESS_KEPT)

    def is_product(self, row: Row) -> bool:
        """Whether a row is one of a product; one that cannot be read is none."""
        return self.products is not None and not row.faults and self.products.has(row)

    def product(self, row: Row, products: Products) -> ProductItem | None:
        """Return what the row of a product says, and note it; None if it said the same before.

        Raises:
            BadRow: it cannot be understood, or contradicts a row before.
        """
        entry = products.read(row)
        item = read_product(entry.row, filled(entry.attributes, self._others.take(row)))
        claimed = {sku: self._notes.claimed(sku) for sku in entry.members}
        faults = [
            fault(item.line, "variant", sku, f"this variant belongs to {parent[0]!r} on line {parent[1]} already")
            for sku, parent in claimed.items()
            if parent is not None and parent[0] != item.code
        ]
        if faults:
            raise BadRow(faults)
        digest = hash((item.digest, json.dumps(entry.members, sort_keys=True)))
        if not self._is_first("product", item.code, digest, item.line):
            return None
        self._notes.add_product(item.code, item.name, item.line, entry.alias, entry.members)
        return item

    def entry(self, row: Row) -> Entry:
        """Return what a row says that is none of a product.

        Raises:
            BadRow: it cannot be read.
        """
        if row.faults:
            raise BadRow(row.faults)
        entry = self._read(row)
        return replace(entry, attributes=filled(entry.attributes, self._others.take(row)))

    def variant(self, entry: Entry) -> Item | None:
        """Return what an entry says of a variant; None if one before said the same.

        Raises:
            BadRow: it cannot be understood, or contradicts one before.
        """
        if self.products is not None:
            entry = self._with_product(entry)
        item = read_item(entry.row, self._currency, entry.attributes)
        return item if self._is_first("variant", item.sku, item.digest, item.line) else None

    def texts(self, entry: Entry) -> TextsItem | None:
        """Return what an entry says of the texts of one view; None if one before said the same.

        Raises:
            BadRow: it cannot be understood, or contradicts one before.
        """
        item = read_texts(entry.row, entry.view, entry.attributes)
        return item if self._is_first(f"texts of {entry.view}", item.code, item.digest, item.line) else None

    def _with_product(self, entry: Entry) -> Entry:
        cells = entry.row.cells
        parent = self._notes.parent(cells.get("sku", ""), cells.get("product", ""))
        if parent is None:
            return entry
        own = {**cells, "product": parent.code, "name": cells.get("name") or parent.name}
        return Entry(row=Row(line=entry.row.line, cells=own), attributes=filled(entry.attributes, parent.attributes))

    def _is_first(self, kind: str, code: str, digest: int, line: int) -> bool:
        known, place = self._notes.first(kind, code, digest, line)
        if known != digest:
            because = f"line {place} has this SKU too, with other content; that one counts"
            raise BadRow([fault(line, "sku", code, because)])
        return place == line


class _Import:
    """One import on its way: rows come in one by one and land in batches."""

    def __init__(
        self,
        store: Store,
        number: int,
        landing: Landing,
        reader: _Reader,
        faults: _Faults,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._number = number
        self._landing = landing
        self._reader = reader
        self._faults = faults
        self._progress = progress or (lambda rows, share: None)
        self._changes: Counter[Change] = Counter()
        self._products = 0
        self._product_batch: list[ProductItem] = []
        self._batch: list[Item] = []
        self._texts_batch: list[TextsItem] = []
        self._since = 0  # rows since the last batch landed

    def read(self, rows: RowFile) -> None:
        """Land every row: products first, since their variants may stand above them.

        Raises:
            BrokenFile: the file is broken in the middle; what was read before has landed.
        """
        if self._reader.products is None:
            self._read_variants(rows, lambda: rows.share)
            return
        with suppress(BrokenFile):  # the second reading comes to the same place
            self._read_products(rows, self._reader.products)
        self._land(0.5)
        self._read_variants(rows, lambda: 0.5 + rows.share / 2)

    def _read_products(self, rows: RowFile, products: Products) -> None:
        for row in rows:
            if self._reader.is_product(row):
                with self._gathering_faults():
                    item = self._reader.product(row, products)
                    self._take(item, self._product_batch)
                self._step(rows.share / 2)

    def _read_variants(self, rows: RowFile, share: Callable[[], float]) -> None:
        """Land every row that is none of a product; bundles and texts last, for what they name may stand below them."""
        with _aside() as bundles, _aside() as texts:
            broken = None
            try:
                for row in rows:
                    if not self._reader.is_product(row):
                        self._read_variant(row, bundles, texts)
                        self._step(share())
            except BrokenFile as error:
                broken = error
            self._land(share())
            self._read_aside(bundles, self._reader.variant, self._batch, share)
            self._read_aside(texts, self._reader.texts, self._texts_batch, share)
        if broken:
            raise broken

    def _read_variant(self, row: Row, bundles: IO[str], texts: IO[str]) -> None:
        with self._gathering_faults():
            entry = self._reader.entry(row)
            if entry.view:
                _put_aside(texts, entry)
            elif entry.row.cells.get("bundle"):
                _put_aside(bundles, entry)
            else:
                self._take(self._reader.variant(entry), self._batch)

    def _read_aside(
        self, file: IO[str], read: Callable[[Entry], Taken | None], batch: list[Taken], share: Callable[[], float]
    ) -> None:
        for entry in _entries(file):
            with self._gathering_faults():
                self._take(read(entry), batch)
            self._step(share())
        self._land(share())

    def _take(self, item: Taken | None, batch: list[Taken]) -> None:
        if item is None:
            self._changes[Change.UNCHANGED] += 1
        else:
            batch.append(item)

    @contextmanager
    def _gathering_faults(self) -> Iterator[None]:
        try:
            yield
        except BadRow as error:
            self._faults.add(error.faults)

    def _step(self, share: float) -> None:
        self._since += 1
        if self._since == BATCH:
            self._land(share)

    def _land(self, share: float) -> None:
        if self._since:
            with self._store.write() as tx:
                products = self._landing.land_products(tx, self._product_batch)
                variants = self._landing.land(tx, self._batch)
                texts = land_texts(tx, self._texts_batch)
                self._count(products, variants, texts)
                self._products += len(products.changes)
                self._faults.store(tx, self._number)
                imports.go_on(tx, self._number, self._counts())
            self._product_batch.clear()
            self._batch.clear()
            self._texts_batch.clear()
            self._since = 0
        self._progress(self._changes.total() + self._faults.rows, share)

    def end(self, path: Path, *, recognised: bool, because: str = "") -> ImportReport:
        """Note what came of it, and why it ended early if it did."""
        counts = self._counts()
        with self._store.write() as tx:
            self._faults.store(tx, self._number)
            imports.end(tx, self._number, counts | ({"broken": because} if because else {}))
        return ImportReport(
            id=self._number,
            file=str(path),
            layout=self._reader.layout,
            recognised=recognised,
            faults=tuple(self._faults.first),
            left_out=self._reader.left_out(),
            childless=self._reader.childless(),
            **{name: counts[name] for name in (*Change, "failed", "products")},
        )

    def _count(self, *landed: Landed) -> None:
        for part in landed:
            self._changes.update(part.changes)
            for faults in part.faults:
                self._faults.add(faults)

    def _counts(self) -> dict[str, Any]:
        counts = {change.value: self._changes[change] for change in Change}
        found = {"failed": self._faults.rows, "faults": self._faults.total, "products": self._products}
        return {"layout": self._reader.layout, **counts, **found}


def _aside() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _put_aside(file: IO[str], entry: Entry) -> None:
    json.dump([entry.row.line, dict(entry.row.cells), dict(entry.attributes), entry.view], file)
    file.write("\n")


def _entries(file: IO[str]) -> Iterator[Entry]:
    file.seek(0)
    for text in file:
        line, cells, attributes, view = json.loads(text)
        yield Entry(row=Row(line=line, cells=cells), attributes=attributes, view=view)
