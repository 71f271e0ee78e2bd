"""How rows of a catalogue file land in the store: in batches, each row whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crossdock.core.model import Contains
from crossdock.core.store import Write, catalog, offer_levels, stock
from crossdock.core.store.catalog import Change, ProductDraft, Upserted, VariantRow
from crossdock.core.store.imports import Fault
from crossdock.jobs.catalogue_row import Item, ProductItem, Texted, TextsItem
from crossdock.jobs.rowfile import fault

SOURCE = "import"


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a batch: the change of each row that landed, the faults of each that did not."""

    changes: list[Change] = field(default_factory=list)
    faults: list[Sequence[Fault]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Writes batches.

    Args:
        warehouse: where quantities were counted.
        as_of: when.
        contains: by account, which of its orders the quantities leave out already.
        makes_products: whether a product that is not there is made from its first variant; else that is a fault.
    """

    warehouse: str
    as_of: datetime
    contains: Mapping[str, Contains]
    makes_products: bool

    def land_products(self, tx: Write, items: Sequence[ProductItem]) -> Landed:
        """Write a batch of products."""
        old = catalog.find_products(tx, (item.code for item in items))
        done = catalog.upsert_products(tx, [item.draft(old.get(item.code)) for item in items])
        return Landed([row.change for row in done.values()])

    def land(self, tx: Write, items: Sequence[Item]) -> Landed:
        """Write a batch of variants; a row that cannot land is left out whole."""
        landed = Landed()
        if not self.makes_products:
            items = _with_products(tx, items, landed)
        self._land_plain(tx, [item for item in items if item.bundle is None], landed)
        for item in items:
            if item.bundle is not None:
                _land_bundle(tx, item, item.bundle, landed)
        return landed

    def _land_plain(self, tx: Write, items: Sequence[Item], landed: Landed) -> None:
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
        landed.changes.extend(_change(row, row.id in moved) for row in done.values())


def land_texts(tx: Write, items: Iterable[TextsItem]) -> Landed:
    """Add texts of views to the product of their code, else to the variant of their SKU; one may have several views."""
    items, landed = [*items], Landed()
    products = catalog.find_products(tx, {item.code for item in items})
    variants = catalog.find_by_sku(tx, {item.code for item in items} - products.keys())
    for item in items:
        if item.code in products:
            landed.changes.append(_add_texts(products, item))
        elif item.code in variants:
            landed.changes.append(_add_texts(variants, item))
        else:
            because = "there is no product and no variant of this SKU, neither in this file nor in the catalogue"
            landed.faults.append([fault(item.line, "sku", item.code, because)])
    catalog.upsert_products(tx, products.values())
    catalog.upsert(tx, variants.values())
    return landed


def _add_texts(there: dict[str, Texted], item: TextsItem) -> Change:
    old = there[item.code]
    there[item.code] = item.added_to(old)
    return Change.UNCHANGED if there[item.code].attributes == old.attributes else Change.UPDATED


def _with_products(tx: Write, items: Sequence[Item], landed: Landed) -> list[Item]:
    """Return the items whose product is there, or that have none."""
    there = catalog.ids_by_code(tx, (item.product for item in items if item.product))
    good = [item for item in items if item.product is None or item.product in there]
    because = "there is no such product, neither in this file nor in the catalogue"
    landed.faults.extend(
        [fault(item.line, "product", item.product, because)]
        for item in items
        if item.product is not None and item.product not in there
    )
    return good


def _land_bundle(tx: Write, item: Item, parts: Mapping[str, int], landed: Landed) -> None:
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
    landed.changes.append(_change(row, other))


def _upsert(tx: Write, items: Iterable[Item], old: Mapping[str, VariantRow]) -> dict[str, Upserted]:
    drafts = [item.draft(old.get(item.sku)) for item in items]
    # A product that is new gets the name of its first variant.
    names = {draft.product: draft.name for draft in reversed(drafts) if draft.product is not None}
    missing = set(names) - set(catalog.ids_by_code(tx, names))
    catalog.upsert_products(tx, [ProductDraft(code=code, name=names[code]) for code in missing])
    return catalog.upsert(tx, drafts)


def _change(row: Upserted, more: bool) -> Change:
    return Change.UPDATED if more and row.change is Change.UNCHANGED else row.change
