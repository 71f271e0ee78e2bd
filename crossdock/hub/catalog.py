"""The seller's catalogue: imports and their history, column maps, products, bundles."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.core.errors import ConfigError
from crossdock.core.store import catalog, column_maps, imports, offer_levels
from crossdock.core.store.catalog import ProductDraft, VariantRow
from crossdock.core.store.column_maps import ColumnMap
from crossdock.core.store.imports import Fault, ImportRow
from crossdock.jobs import catalogue, layouts
from crossdock.jobs.catalogue import ImportReport, Progress

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDetails:
    """All there is to see of a variant.

    Args:
        variant: the row.
        product: what it belongs to.
        parts: of a bundle, units by SKU; empty for an ordinary variant.
        bundles: SKUs of the bundles that hold it.
    """

    variant: VariantRow
    product: ProductDraft | None
    parts: Mapping[str, int]
    bundles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDetails:
    """An import with its faults.

    Args:
        row: the import.
        faults: the first of its faults.
        beyond: how many more there were.
    """

    row: ImportRow
    faults: tuple[Fault, ...]
    beyond: int


class Catalog:
    """The catalogue of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def import_file(
        self,
        path: str | Path,
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
        """Read a catalogue file; see `jobs.catalogue.import_file`."""
        return catalogue.import_file(
            self._hub.store,
            Path(path),
            layout=layout,
            warehouse=warehouse,
            columns=columns,
            keep=keep,
            currency=currency,
            as_of=as_of,
            faults_file=faults_file,
            progress=progress,
        )

    # --- imports of the past

    def history(self, *, limit: int = 20) -> tuple[ImportRow, ...]:
        """Return the last imports, newest first; one that has no end goes on, or was cut off."""
        with self._hub.store.read() as tx:
            return imports.latest(tx, limit=limit)

    def show_import(self, number: int) -> ImportDetails:
        """Return one import with the faults that were kept.

        Raises:
            NotFoundHere: there is no import of this number.
        """
        with self._hub.store.read() as tx:
            row = imports.get(tx, number)
            faults = imports.faults(tx, number)
        return ImportDetails(row=row, faults=faults, beyond=row.counts.get("faults", len(faults)) - len(faults))

    # --- column maps

    def save_columns(self, name: str, columns: Mapping[str, str], *, layout: str = layouts.DEFAULT) -> ColumnMap:
        """Keep a column map; one that had the name before is replaced.

        Args:
            name: what it is to be called.
            columns: the file's name of a column by the layout's: `{"sku": "Item no."}`.
            layout: whose columns are meant.

        Raises:
            NotFoundHere: there is no such layout.
            ConfigError: it maps nothing, or one column of the file to two.
        """
        layouts.find(layout)
        sources = [source.strip().lower() for source in columns.values()]
        doubled = sorted({source for source in sources if sources.count(source) > 1})
        if doubled or not columns:
            faults = [f"column {source!r} of the file is named twice" for source in doubled]
            raise ConfigError("This is no column map." if doubled else "A column map names columns.", faults=faults)
        with self._hub.store.write() as tx:
            column_maps.save(tx, name, layout=layout, columns=columns)
            return column_maps.get(tx, name)

    def list_columns(self) -> tuple[ColumnMap, ...]:
        """Return all column maps by name."""
        with self._hub.store.read() as tx:
            return column_maps.list_all(tx)

    def show_columns(self, name: str) -> ColumnMap:
        """Return one column map.

        Raises:
            NotFoundHere: there is none of this name.
        """
        with self._hub.store.read() as tx:
            return column_maps.get(tx, name)

    def remove_columns(self, name: str) -> None:
        """Forget a column map.

        Raises:
            NotFoundHere: there is none of this name.
        """
        with self._hub.store.write() as tx:
            column_maps.remove(tx, name)

    # --- what is sold

    def list(self, *, search: str = "", after: str = "", limit: int = 100) -> tuple[VariantRow, ...]:
        """Return one page of variants in the order of their SKUs.

        Args:
            search: a part of SKU, name or GTIN; the case of letters makes no difference.
            after: the last SKU of the page before.
            limit: how many at most.
        """
        with self._hub.store.read() as tx:
            return catalog.list(tx, search=search, after=after, limit=limit)

    def show(self, sku: str) -> VariantDetails:
        """Return one variant with the bundles that it makes or is part of.

        Raises:
            NotFoundHere: nobody has this SKU.
        """
        with self._hub.store.read() as tx:
            variant = catalog.get(tx, sku)
            parts = catalog.parts_of(tx, [variant.id]).get(variant.id, {})
            bundles = catalog.bundles_of(tx, [variant.id]).get(variant.id, set())
            named = catalog.get_many(tx, [*parts, *bundles])
            product = catalog.find_products(tx, [variant.product] if variant.product else [])
        return VariantDetails(
            variant=variant,
            product=product.get(variant.product or ""),
            parts={named[part].sku: units for part, units in parts.items()},
            bundles=tuple(sorted(named[bundle].sku for bundle in bundles)),
        )

    def set_bundle(self, sku: str, parts: Mapping[str, int]) -> bool:
        """Make a variant a bundle of these parts, or with no parts an ordinary variant again.

        Args:
            sku: the bundle.
            parts: units by SKU.

        Returns:
            Whether anything changed; then its offers are pending.

        Raises:
            NotFoundHere: the bundle is not in the store.
            ConfigError: with all faults of the parts at once.
        """
        with self._hub.store.write() as tx:
            changed = catalog.set_bundle(tx, sku, parts)
            if changed:
                offer_levels.mark_changed(tx, [catalog.get(tx, sku).id])
            return changed
