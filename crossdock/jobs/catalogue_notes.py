"""What has to be remembered of a catalogue file until its end, on disk: memory does not grow with the file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE rows (kind TEXT, code TEXT, digest INTEGER, line INTEGER, PRIMARY KEY (kind, code)) WITHOUT ROWID;
CREATE TABLE products (code TEXT PRIMARY KEY, name TEXT, line INTEGER, met INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE aliases (alias TEXT PRIMARY KEY, code TEXT) WITHOUT ROWID;
CREATE TABLE members (sku TEXT PRIMARY KEY, code TEXT, attributes TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Parent:
    """The product of a variant: its code and name, and what its row says of that variant."""

    code: str
    name: str
    attributes: Mapping[str, str]


class Notes:
    """Notes on one file, in a database that nobody else sees and that is gone when they are closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()

    def first(self, kind: str, code: str, digest: int, line: int) -> tuple[int, int]:
        """Return digest and line of the first row of this kind and code, which is the given one if there was none."""
        self._db.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)", (kind, code, digest, line))
        digest, line = self._one("SELECT digest, line FROM rows WHERE kind = ? AND code = ?", kind, code)
        return digest, line

    def add_product(
        self, code: str, name: str, line: int, alias: str, members: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Note a product, another name for it, and what its row says of its variants, by SKU."""
        self._db.execute("INSERT INTO products (code, name, line) VALUES (?, ?, ?)", (code, name, line))
        self._db.execute("INSERT OR IGNORE INTO aliases VALUES (?, ?)", (alias or code, code))
        rows = ((sku, code, json.dumps(dict(attributes))) for sku, attributes in members.items())
        self._db.executemany("INSERT INTO members VALUES (?, ?, ?)", rows)

    def parent(self, sku: str, called: str) -> Parent | None:
        """Return the product whose row names this SKU, else the one that the variant calls by this name."""
        row = self._one(
            "SELECT code, name, attributes FROM members JOIN products USING (code) WHERE sku = ?", sku
        ) or self._one(
            "SELECT code, name, '{}' FROM products"
            " WHERE code = ?1 OR code = (SELECT code FROM aliases WHERE alias = ?1) ORDER BY code <> ?1",
            called,
        )
        if row is None:
            return None
        code, name, attributes = row
        self._db.execute("UPDATE products SET met = 1 WHERE code = ? AND met = 0", (code,))
        return Parent(code, name, json.loads(attributes))

    def claimed(self, sku: str) -> tuple[str, int] | None:
        """Return code and line of the product whose row names this SKU."""
        row = self._one("SELECT code, line FROM members JOIN products USING (code) WHERE sku = ?", sku)
        return None if row is None else (row[0], row[1])

    def childless(self, limit: int) -> tuple[str, ...]:
        """Return the codes of products that no variant was found for, in the order of the file."""
        rows = self._db.execute("SELECT code FROM products WHERE met = 0 ORDER BY line LIMIT ?", (limit,))
        return tuple(code for (code,) in rows)

    def _one(self, query: str, *values: object) -> Any:
        return self._db.execute(query, values).fetchone()
