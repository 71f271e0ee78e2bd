"""How far each job of an account has read, and the number of the sweep it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import cursors


def get(tx: Read, account: str, job: str) -> tuple[Mapping[str, Any] | None, int]:
    """Return the cursor to go on with and the number of the sweep; None and 1 at the very first time."""
    query = select(cursors.c.cursor, cursors.c.sweep).where(cursors.c.account == account, cursors.c.job == job)
    row = tx.execute(query).one_or_none()
    return (row.cursor, row.sweep) if row else (None, 1)


def put(tx: Write, account: str, job: str, cursor: Mapping[str, Any], sweep: int) -> None:
    """Keep the cursor, in the transaction of what was read with it."""
    tx.execute(delete(cursors).where(cursors.c.account == account, cursors.c.job == job))
    row = {"account": account, "job": job, "cursor": dict(cursor), "sweep": sweep, "at": tx.now}
    tx.execute(insert(cursors), row)
