"""The seller's catalogue: imports, products, bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crossdock.core.store import catalog, offer_levels
from crossdock.core.store.catalog import VariantRow
from crossdock.jobs import catalogue
from crossdock.jobs.catalogue import ImportReport, Progress

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDetails:
    """All there is to see of a variant.

    Args:
        variant: the row.
        parts: of a bundle, units by SKU; empty for an ordinary variant.
        bundles: SKUs of the bundles that hold it.
    """

    variant: VariantRow
    parts: Mapping[str, int]
    bundles: tuple[str, ...]


class Catalog:
    """The catalogue of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def import_file(
        self,
        path: Path,
        *,
        warehouse: str = "main",
        columns: Mapping[str, str] | None = None,
        currency: str | None = None,
        as_of: datetime | None = None,
        faults_file: Path | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Read a catalogue file; see `jobs.catalogue.import_file`."""
        return catalogue.import_file(
            self._hub.store,
            path,
            warehouse=warehouse,
            columns=columns,
            currency=currency,
            as_of=as_of,
            faults_file=faults_file,
            progress=progress,
        )

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
        return VariantDetails(
            variant=variant,
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
