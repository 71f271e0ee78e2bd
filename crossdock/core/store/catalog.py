"""What the seller owns: products, their variants (each has a SKU), and bundles made of variants.

Rows are written only where their content changed, told by a hash. A GTIN is compared as a number of 14 digits, as GS1
has it, so that an UPC of 12 and its EAN of 13 are the same; where two variants share one, nobody picks.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, delete, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert_into

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import Money
from crossdock.core.store import marks
from crossdock.core.store.engine import IDS, Read, Write, in_parts
from crossdock.core.store.tables import bundle_parts, products, variants

# Asked for every page of orders, and so built once.
_VAT_RATES = select(variants.c.id, variants.c.vat_rates).where(variants.c.vat_rates != {}, variants.c.id.in_(IDS))
_PARTS_OF = select(bundle_parts.c.bundle_id, bundle_parts.c.part_id, bundle_parts.c.quantity).where(
    bundle_parts.c.bundle_id.in_(IDS)
)

ANY_COUNTRY = "*"
GTIN_LENGTHS = (8, 12, 13, 14)
LIST_END = "\n"  # between the texts of an attribute that has several: images, categories, materials


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDraft:
    """A product as it is to be: what its variants have in common."""

    code: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDraft:
    """A variant as it is to be.

    Args:
        sku: the seller's own code, compared exactly.
        name: what it is called.
        product: the code of its product, which is in the store already.
        gtin: EAN, UPC or GTIN, digits.
        price: gross; None is unknown.
        vat_rates: percent by country (ISO 3166-1 alpha-2), `ANY_COUNTRY` for those without their own.
        attributes: everything else, by name.
    """

    sku: str
    name: str
    product: str | None = None
    gtin: str | None = None
    price: Money | None = None
    vat_rates: Mapping[str, Decimal] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow(VariantDraft):
    """A variant as it is kept.

    Args:
        id: the store's number.
        updated_at: when its content last changed.
    """

    id: int
    updated_at: datetime


class Change(StrEnum):
    """What an upsert did with a row."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """The store's number of a row, and what was done with it."""

    id: int
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class GtinMatches:
    """Variants by the GTIN that was asked for, and the SKUs that share one."""

    found: Mapping[str, VariantRow]
    ambiguous: Mapping[str, tuple[str, ...]]


# --- writing ---------------------------------------------------------------------------------------------------------


def upsert_products(tx: Write, drafts: Iterable[ProductDraft]) -> dict[str, Upserted]:
    """Make products be as they are drafted; return what was done, by code. Each code at most once."""
    wanted = {draft.code: draft for draft in drafts}
    rows = {code: _product_values(wanted[code]) for code in sorted(wanted)}
    known = _hashes(tx, products.c.code, rows)
    _write(tx, products, "code", [row for code, row in rows.items() if known.get(code, (0, ""))[1] != row["hash"]])
    done = _outcome(tx, products.c.code, rows, known)
    marks.mark_products(tx, _updated(done))
    return done


def upsert(tx: Write, drafts: Iterable[VariantDraft]) -> dict[str, Upserted]:
    """Make variants be as they are drafted.

    Args:
        tx: a write transaction.
        drafts: each SKU at most once; their products are in the store.

    Returns:
        By SKU, the store's number and whether the row was added, updated or, its content being the same, not written.

    Raises:
        NotFoundHere: a draft names a product that is not in the store.
    """
    wanted = {draft.sku: draft for draft in drafts}
    codes = {draft.product for draft in wanted.values() if draft.product is not None}
    owners = ids_by_code(tx, codes)
    for code in sorted(codes - set(owners)):
        raise NotFoundHere(f"There is no product {code!r}.")
    rows = {sku: _variant_values(wanted[sku]) for sku in sorted(wanted)}
    known = _hashes(tx, variants.c.sku, rows)
    changed = [
        row | {"product_id": owners.get(wanted[sku].product or ""), "updated_at": tx.now}
        for sku, row in rows.items()
        if known.get(sku, (0, ""))[1] != row["hash"]
    ]
    _write(tx, variants, "sku", changed)
    done = _outcome(tx, variants.c.sku, rows, known)
    marks.mark_variants(tx, _updated(done))
    return done


def _updated(done: Mapping[str, Upserted]) -> set[int]:
    """Return what was changed; what is new has no offers yet."""
    return {row.id for row in done.values() if row.change is Change.UPDATED}


def _product_values(draft: ProductDraft) -> dict[str, Any]:
    row = {"code": draft.code, "name": draft.name, "attributes": dict(draft.attributes)}
    return row | {"hash": _hash(row)}


def _variant_values(draft: VariantDraft) -> dict[str, Any]:
    price, currency = (draft.price.amount, draft.price.currency) if draft.price else (None, None)
    row = {
        "sku": draft.sku,
        "name": draft.name,
        "gtin": draft.gtin,
        "currency": currency,
        "vat_rates": {country: _plain(rate) for country, rate in draft.vat_rates.items()},
        "attributes": dict(draft.attributes),
    }
    return row | {"price": price, "hash": _hash([row, draft.product, None if price is None else _plain(price)])}


def _plain(number: Decimal) -> str:
    """Write 23.00 and 23 the same way."""
    whole, _, rest = f"{number:f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}.{rest}" if rest else whole


def _hash(content: object) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _write(tx: Write, table: Any, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    change = upsert_into(table)
    change = change.on_conflict_do_update(
        index_elements=[key],
        set_={name: change.excluded[name] for name in rows[0] if name != key},
        where=table.c.hash != change.excluded.hash,
    )
    tx.execute(change, rows)


def _outcome(
    tx: Read, key: Any, rows: Mapping[str, Mapping[str, Any]], known: Mapping[str, tuple[int, str]]
) -> dict[str, Upserted]:
    fresh = _numbers(tx, key, set(rows) - set(known))
    result = {name: Upserted(id=number, change=Change.ADDED) for name, number in fresh.items()}
    for name, (number, there) in known.items():
        change = Change.UNCHANGED if there == rows[name]["hash"] else Change.UPDATED
        result[name] = Upserted(id=number, change=change)
    return result


def _hashes(tx: Read, key: Any, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    table = key.table
    return {
        name: (number, there)
        for part in in_parts(names)
        for name, number, there in tx.execute(select(key, table.c.id, table.c.hash).where(key.in_(part)))
    }


def _numbers(tx: Read, key: Any, names: Iterable[str]) -> dict[str, int]:
    return {
        name: number
        for part in in_parts(names)
        for name, number in tx.execute(select(key, key.table.c.id).where(key.in_(part)))
    }


# --- finding ---------------------------------------------------------------------------------------------------------


def ids_by_sku(tx: Read, skus: Iterable[str]) -> dict[str, int]:
    """Return the store's numbers of variants by SKU; SKUs that nobody has are left out."""
    return _numbers(tx, variants.c.sku, skus)


def ids_by_code(tx: Read, codes: Iterable[str]) -> dict[str, int]:
    """Return the store's numbers of products by code; codes that are not there are left out."""
    return _numbers(tx, products.c.code, codes)


def ids_by_gtin(tx: Read, gtins: Iterable[str]) -> dict[str, int]:
    """Return the store's numbers of variants by GTIN; GTINs that nobody has, or more than one variant, are left out."""
    return {gtin: row.id for gtin, row in find_by_gtin(tx, gtins).found.items()}


def find_by_sku(tx: Read, skus: Iterable[str]) -> dict[str, VariantRow]:
    """Return variants by SKU; SKUs that nobody has are left out."""
    rows = (row for part in in_parts(skus) for row in tx.execute(_select().where(variants.c.sku.in_(part))).mappings())
    return {row["sku"]: _variant(row) for row in rows}


def find_products(tx: Read, codes: Iterable[str]) -> dict[str, ProductDraft]:
    """Return products by code; codes that are not there are left out."""
    columns = (products.c.code, products.c.name, products.c.attributes)
    query = select(*columns)
    rows = (row for part in in_parts(codes) for row in tx.execute(query.where(products.c.code.in_(part))).mappings())
    return {row["code"]: ProductDraft(**row) for row in rows}


def find_by_gtin(tx: Read, gtins: Iterable[str]) -> GtinMatches:
    """Find variants by GTIN; one that two variants share is reported, not picked.

    Args:
        tx: any transaction.
        gtins: as they were given; leading zeros make no difference.
    """
    wanted = set(gtins)
    spellings = {spelling for gtin in wanted for spelling in _spellings(gtin)}
    holders: dict[str, tuple[VariantRow, ...]] = defaultdict(tuple)
    for part in in_parts(spellings):
        query = _select().where(variants.c.gtin.in_(part)).order_by(variants.c.sku)
        for row in tx.execute(query).mappings():
            holders[_spellings(row["gtin"])[-1]] += (_variant(row),)
    matches = {gtin: holders[_spellings(gtin)[-1]] for gtin in wanted}
    return GtinMatches(
        found={gtin: rows[0] for gtin, rows in matches.items() if len(rows) == 1},
        ambiguous={gtin: tuple(row.sku for row in rows) for gtin, rows in matches.items() if len(rows) > 1},
    )


def _spellings(gtin: str) -> tuple[str, ...]:
    """Return a GTIN with as many leading zeros as its lengths allow, the longest last; what is none as it is."""
    if not (gtin.isascii() and gtin.isdecimal() and len(gtin) in GTIN_LENGTHS):
        return (gtin,)
    bare = gtin.lstrip("0")
    return tuple(bare.zfill(length) for length in GTIN_LENGTHS if len(bare) <= length)


def get(tx: Read, sku: str) -> VariantRow:
    """Return one variant.

    Raises:
        NotFoundHere: nobody has this SKU.
    """
    found = find_by_sku(tx, [sku])
    if not found:
        raise NotFoundHere(f"There is no variant with SKU {sku!r}.", advice="SKUs are compared exactly, case included.")
    return found[sku]


def get_many(tx: Read, variant_ids: Iterable[int]) -> dict[int, VariantRow]:
    """Return variants by the store's numbers."""
    rows = (
        row for part in in_parts(variant_ids) for row in tx.execute(_select().where(variants.c.id.in_(part))).mappings()
    )
    return {row["id"]: _variant(row) for row in rows}


def vat_rates(tx: Read, variant_ids: Iterable[int]) -> dict[int, Mapping[str, str]]:
    """Return percent by country, `ANY_COUNTRY` for the others, of each variant that has rates of its own."""
    parts = in_parts(variant_ids)
    return {number: rates for part in parts for number, rates in tx.execute(_VAT_RATES, {"ids": part})}


def list(tx: Read, *, search: str = "", after: str = "", limit: int = 100) -> tuple[VariantRow, ...]:
    """Return one page of variants in the order of their SKUs.

    Args:
        tx: any transaction.
        search: a part of SKU, name or GTIN; the case of letters makes no difference.
        after: the last SKU of the page before.
        limit: how many at most.
    """
    query = _select().where(variants.c.sku > after).order_by(variants.c.sku).limit(limit)
    if search:
        places = (variants.c.sku, variants.c.name, variants.c.gtin)
        query = query.where(or_(*(place.icontains(search, autoescape=True) for place in places)))
    return tuple(map(_variant, tx.execute(query).mappings()))


def _select() -> Any:
    return select(variants, products.c.code).select_from(variants.outerjoin(products))


def _variant(row: RowMapping) -> VariantRow:
    price, currency = row["price"], row["currency"]
    return VariantRow(
        id=row["id"],
        sku=row["sku"],
        name=row["name"],
        product=row["code"],
        gtin=row["gtin"],
        price=None if price is None else Money(amount=price, currency=currency),
        vat_rates={country: Decimal(rate) for country, rate in row["vat_rates"].items()},
        attributes=row["attributes"],
        updated_at=row["updated_at"],
    )


# --- bundles ---------------------------------------------------------------------------------------------------------


def set_bundle(tx: Write, sku: str, parts: Mapping[str, int]) -> bool:
    """Make a variant a bundle of these parts, or with no parts an ordinary variant again.

    The caller marks the variant's offers as changed, since what can be sold of it is another number now.

    Args:
        tx: a write transaction.
        sku: the bundle.
        parts: units by SKU.

    Returns:
        Whether anything changed.

    Raises:
        NotFoundHere: the bundle or a part is not in the store.
        ConfigError: a quantity is below one, or a bundle would hold a bundle.
    """
    numbers = ids_by_sku(tx, {sku, *parts})
    faults = bundle_faults(tx, sku, parts, numbers)
    if faults:
        raise ConfigError(f"The bundle {sku!r} cannot be made.", faults=faults)
    if sku not in numbers:
        raise NotFoundHere(f"There is no variant with SKU {sku!r}.")
    bundle = numbers[sku]
    wanted = {numbers[part]: quantity for part, quantity in parts.items()}
    if wanted == parts_of(tx, [bundle]).get(bundle, {}):
        return False
    tx.execute(delete(bundle_parts).where(bundle_parts.c.bundle_id == bundle))
    rows = [{"bundle_id": bundle, "part_id": part, "quantity": wanted[part]} for part in sorted(wanted)]
    if rows:
        tx.execute(insert(bundle_parts), rows)
    return True


def bundle_faults(tx: Read, sku: str, parts: Mapping[str, int], numbers: Mapping[str, int]) -> tuple[str, ...]:
    """Return why these parts cannot make a bundle, one sentence each.

    Args:
        tx: any transaction.
        sku: the bundle, which may be new.
        parts: units by SKU.
        numbers: the store's numbers of those that are in the store, by SKU.
    """
    if not parts:
        return ()
    there = {numbers[part]: part for part in parts if part in numbers}
    nested = [there[number] for number in parts_of(tx, there)]
    holders = get_many(tx, bundles_of(tx, [numbers[sku]]).get(numbers[sku], ())) if sku in numbers else {}
    faults = [f"{part!r}: there is no variant with this SKU" for part in parts if part not in numbers and part != sku]
    faults += [f"{part!r}: {units} is no number of units above zero" for part, units in parts.items() if units < 1]
    faults += [f"{part!r}: it is a bundle itself, and a bundle holds no bundles" for part in nested if part != sku]
    faults += [f"{sku!r}: a bundle cannot hold itself"] if sku in parts else []
    faults += [
        f"{sku!r}: it is a part of bundle {row.sku!r}, and a bundle holds no bundles" for row in holders.values()
    ]
    return tuple(faults)


def parts_of(tx: Read, variant_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Return the parts of those variants that are bundles: units by the store's number of the part."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for part in in_parts(variant_ids):
        for bundle, piece, units in tx.execute(_PARTS_OF, {"ids": part}):
            found[bundle][piece] = units
    return dict(found)


def bundles_of(tx: Read, variant_ids: Iterable[int]) -> dict[int, set[int]]:
    """Return the bundles that hold those variants which are parts, by the store's numbers."""
    found: dict[int, set[int]] = defaultdict(set)
    columns = (bundle_parts.c.part_id, bundle_parts.c.bundle_id)
    for part in in_parts(variant_ids):
        for piece, bundle in tx.execute(select(*columns).where(bundle_parts.c.part_id.in_(part))):
            found[piece].add(bundle)
    return dict(found)
