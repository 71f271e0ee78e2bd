"""Column maps: what the columns of somebody's files are called, saved by name, each for one layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, delete, select
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.errors import NotFoundHere
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import column_maps


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """A column map.

    Args:
        name: what it is called.
        layout: the layout whose columns are meant.
        columns: the file's name of a column by the layout's: `{"sku": "Item no."}`.
        saved_at: when it was last saved.
    """

    name: str
    layout: str
    columns: Mapping[str, str]
    saved_at: datetime


def save(tx: Write, name: str, *, layout: str, columns: Mapping[str, str]) -> None:
    """Keep a map under a name; one that had it before is replaced."""
    row = {"name": name, "columns": {"layout": layout, "columns": dict(columns)}, "saved_at": tx.now}
    change = insert(column_maps)
    change = change.on_conflict_do_update(
        index_elements=["name"],
        set_={"columns": change.excluded["columns"], "saved_at": change.excluded["saved_at"]},
    )
    tx.execute(change, row)


def get(tx: Read, name: str) -> ColumnMap:
    """Return one map.

    Raises:
        NotFoundHere: there is none of this name.
    """
    row = tx.execute(select(column_maps).where(column_maps.c.name == name)).mappings().one_or_none()
    if row is None:
        known = ", ".join(found.name for found in list_all(tx)) or "none"
        raise NotFoundHere(f"There is no column map {name!r}.", advice=f"Here are: {known}.")
    return _map(row)


def list_all(tx: Read) -> tuple[ColumnMap, ...]:
    """Return all maps by name."""
    return tuple(map(_map, tx.execute(select(column_maps).order_by(column_maps.c.name)).mappings()))


def remove(tx: Write, name: str) -> None:
    """Forget a map.

    Raises:
        NotFoundHere: there is none of this name.
    """
    get(tx, name)
    tx.execute(delete(column_maps).where(column_maps.c.name == name))


def _map(row: RowMapping) -> ColumnMap:
    return ColumnMap(name=row["name"], saved_at=row["saved_at"], **row["columns"])
