"""Imports: one row for each file that was read in, with what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import imports


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One import; `ended_at` is None while it goes on, or where it was cut off."""

    id: int
    file: str
    began_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, Any]


def begin(tx: Write, file: str) -> int:
    """Note that a file is being read in; return the import's number."""
    row = {"file": file, "began_at": tx.now, "counts": {}}
    return int(tx.execute(insert(imports).returning(imports.c.id), row).scalar_one())


def end(tx: Write, import_id: int, counts: Mapping[str, Any]) -> None:
    """Note what came of an import."""
    tx.execute(update(imports).where(imports.c.id == import_id).values(ended_at=tx.now, counts=dict(counts)))


def latest(tx: Read, *, limit: int = 20) -> tuple[ImportRow, ...]:
    """Return the last imports, newest first."""
    query = select(imports).order_by(imports.c.id.desc()).limit(limit)
    return tuple(ImportRow(**row) for row in tx.execute(query).mappings())
