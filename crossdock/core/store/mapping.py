"""Mapping: an account's favourite categories, links, look-up tables and rules, read and replaced as a whole.

What is the same stays untouched; a change of anything that fills fields marks the account's offers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Table, and_, delete, insert, select

from crossdock.core.rules import Rule, RuleKind
from crossdock.core.store import marks
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import category_links, favourite_categories, lookups, rules


class LinkKind(StrEnum):
    """What is linked to a platform's category; closed."""

    CATEGORY = "category"
    PRODUCT = "product"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The whole mapping of an account.

    Args:
        favourites: the platform's categories that the seller uses: path, as people read it, by id.
        links: the platform's category by kind and what is linked: an own category, or the code of a product (the SKU
            of a variant without one).
        lookups: entries by the name of the table.
        rules: in order, by market (empty for all) and name of the field.
    """

    favourites: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[tuple[LinkKind, str], str] = field(default_factory=dict)
    lookups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rules: Mapping[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a replacement adds, changes and removes: a line for each thing, in order."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


# --- reading ---------------------------------------------------------------------------------------------------------


def read(tx: Read, account: str) -> Content:
    """Return the mapping of an account."""
    return Content(
        favourites={row.category: row.path for row in _rows(tx, favourite_categories, account)},
        links={(LinkKind(row.kind), row.own): row.category for row in _rows(tx, category_links, account)},
        lookups={row.name: row.entries for row in _rows(tx, lookups, account)},
        rules=_rules(tx, account),
    )


def _rows(tx: Read, table: Table, account: str) -> Iterator[Any]:
    return iter(tx.execute(select(table).where(table.c.account == account).order_by(*table.primary_key.columns)))


def _rules(tx: Read, account: str) -> dict[tuple[str, str], tuple[Rule, ...]]:
    query = select(rules).where(rules.c.account == account).order_by(rules.c.market, rules.c.field, rules.c.position)
    found: dict[tuple[str, str], tuple[Rule, ...]] = defaultdict(tuple)
    for row in tx.execute(query):
        found[row.market, row.field] += (Rule(kind=RuleKind(row.kind), **row.value),)
    return dict(found)


# --- writing ---------------------------------------------------------------------------------------------------------


def difference(old: Content, new: Content) -> Difference:
    """Return what makes the new mapping of the old one."""
    before, after = _items(old), _items(new)
    return Difference(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
    )


def _items(content: Content) -> dict[str, object]:
    """Return everything in a mapping by the name that people see."""
    items: dict[str, object] = {}
    items |= {f"favourite {category}": path for category, path in content.favourites.items()}
    items |= {f"link of {kind.value} {own}": category for (kind, own), category in content.links.items()}
    items |= {f"look-up table {name}": dict(entries) for name, entries in content.lookups.items()}
    for (market, name), found in content.rules.items():
        items[f"rules of {name}" + (f" in {market}" if market else "")] = tuple(found)
    return dict(sorted(items.items()))


def replace(tx: Write, account: str, new: Content) -> Difference:
    """Make an account's mapping be this one, and mark its offers if any field may be filled in another way now."""
    old = read(tx, account)
    _replace(tx, account, favourite_categories, _favourite_rows(old), _favourite_rows(new))
    links = _replace(tx, account, category_links, _link_rows(old), _link_rows(new))
    tables = _replace(tx, account, lookups, _lookup_rows(old), _lookup_rows(new))
    filled = _replace_rules(tx, account, old, new)
    if links or tables or filled:
        marks.mark_account(tx, account)
    return difference(old, new)


Key = tuple[str, ...]


def _favourite_rows(content: Content) -> dict[Key, dict[str, Any]]:
    return {(category,): {"category": category, "path": path} for category, path in content.favourites.items()}


def _link_rows(content: Content) -> dict[Key, dict[str, Any]]:
    return {
        (kind.value, own): {"kind": kind.value, "own": own, "category": category}
        for (kind, own), category in content.links.items()
    }


def _lookup_rows(content: Content) -> dict[Key, dict[str, Any]]:
    return {(name,): {"name": name, "entries": dict(entries)} for name, entries in content.lookups.items()}


def _replace(
    tx: Write, account: str, table: Table, old: Mapping[Key, dict[str, Any]], new: Mapping[Key, dict[str, Any]]
) -> bool:
    """Write the rows of a table that differ; return whether any did."""
    gone = sorted(key for key in old if new.get(key) != old[key])
    fresh = [new[key] | {"account": account} for key in sorted(new) if new[key] != old.get(key)]
    _, *columns = table.primary_key.columns  # the account comes first
    for key in gone:
        same = (column == part for column, part in zip(columns, key, strict=True))
        tx.execute(delete(table).where(table.c.account == account, *same))
    if fresh:
        tx.execute(insert(table), fresh)
    return bool(gone or fresh)


def _replace_rules(tx: Write, account: str, old: Content, new: Content) -> bool:
    places = sorted({*old.rules, *new.rules})
    changed = [place for place in places if tuple(old.rules.get(place, ())) != tuple(new.rules.get(place, ()))]
    for market, name in changed:
        here = and_(rules.c.account == account, rules.c.market == market, rules.c.field == name)
        tx.execute(delete(rules).where(here))
    fresh = [
        {"account": account, "market": place[0], "field": place[1], "position": position} | _rule_row(rule)
        for place in changed
        for position, rule in enumerate(new.rules.get(place, ()), start=1)
    ]
    if fresh:
        tx.execute(insert(rules), fresh)
    return bool(changed)


def _rule_row(rule: Rule) -> dict[str, Any]:
    value = {"text": rule.text, "table": rule.table, "default": rule.default}
    return {"kind": rule.kind.value, "value": value}


def linked(content: Content, *, product: str, categories: Sequence[str]) -> str:
    """Return the platform's category of a product: its own link, else that of its category; empty without one.

    Args:
        content: the account's mapping.
        product: its code, or the SKU of a variant without one.
        categories: the seller's own, the one that counts most first.
    """
    found = (content.links.get((LinkKind.CATEGORY, own)) for own in categories)
    return content.links.get((LinkKind.PRODUCT, product)) or next(filter(None, found), "")
