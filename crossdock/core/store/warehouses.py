"""The seller's own warehouses, by name."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.errors import NotFoundHere
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import warehouses


def add(tx: Write, name: str, *, title: str = "") -> None:
    """Add a warehouse; one of that name is left as it is."""
    row = {"name": name, "title": title or name}
    tx.execute(insert(warehouses).on_conflict_do_nothing(index_elements=["name"]), row)


def names(tx: Read) -> list[str]:
    """Return the names of all warehouses."""
    return list(tx.execute(select(warehouses.c.name).order_by(warehouses.c.name)).scalars())


def require(tx: Read, name: str) -> None:
    """Make sure that there is a warehouse of this name.

    Raises:
        NotFoundHere: there is none.
    """
    known = names(tx)
    if name not in known:
        raise NotFoundHere(f"There is no warehouse {name!r}.", advice=f"Here are: {', '.join(known) or 'none'}.")
