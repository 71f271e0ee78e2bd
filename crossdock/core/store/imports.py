"""Imports: one row for each file that was read in, with what came of it, and the first of its faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from crossdock.core.errors import NotFoundHere
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import import_faults, imports


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a row: the line where it begins, the field (empty: all of it), its value's start, why."""

    line: int
    field: str
    value: str
    reason: str

    def __str__(self) -> str:
        field = f", {self.field} {self.value!r}" if self.field else ""
        return f"line {self.line}{field}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One import.

    Args:
        id: its number.
        file: what was read.
        began_at: when.
        ended_at: None while it goes on, or where it was cut off.
        counts: `layout`, numbers of rows by what came of them, `faults` (their number; a row may have several), and
            `broken`, why it ended early.
    """

    id: int
    file: str
    began_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, Any]


def begin(tx: Write, file: str, layout: str) -> int:
    """Note that a file is being read in; return the import's number."""
    row = {"file": file, "began_at": tx.now, "counts": {"layout": layout}}
    return int(tx.execute(insert(imports).returning(imports.c.id), row).scalar_one())


def go_on(tx: Write, import_id: int, counts: Mapping[str, Any]) -> None:
    """Note how far an import has come."""
    tx.execute(update(imports).where(imports.c.id == import_id).values(counts=dict(counts)))


def end(tx: Write, import_id: int, counts: Mapping[str, Any]) -> None:
    """Note what came of an import."""
    tx.execute(update(imports).where(imports.c.id == import_id).values(ended_at=tx.now, counts=dict(counts)))


def keep_faults(tx: Write, import_id: int, first: int, found: Iterable[Fault]) -> None:
    """Keep faults of an import; `first` is the number of the first of them, counted from 1."""
    rows = [asdict(one) | {"import_id": import_id, "position": place} for place, one in enumerate(found, first)]
    if rows:
        tx.execute(insert(import_faults), rows)


def get(tx: Read, import_id: int) -> ImportRow:
    """Return one import.

    Raises:
        NotFoundHere: there is no import of this number.
    """
    row = tx.execute(select(imports).where(imports.c.id == import_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundHere(f"There is no import {import_id}.", advice="`crossdock catalog history` lists them.")
    return ImportRow(**row)


def latest(tx: Read, *, limit: int = 20) -> tuple[ImportRow, ...]:
    """Return the last imports, newest first."""
    query = select(imports).order_by(imports.c.id.desc()).limit(limit)
    return tuple(ImportRow(**row) for row in tx.execute(query).mappings())


def faults(tx: Read, import_id: int) -> tuple[Fault, ...]:
    """Return the faults of an import that were kept, in the order in which they were found."""
    columns = (import_faults.c[name] for name in ("line", "field", "value", "reason"))
    query = select(*columns).where(import_faults.c.import_id == import_id).order_by(import_faults.c.position)
    return tuple(Fault(**row) for row in tx.execute(query).mappings())
