"""How far each job of an account has read, and the number of the sweep it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, null, select, update
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import cursors

# Asked for every page, and so built once.
_GET = select(cursors.c.cursor, cursors.c.sweep).where(
    cursors.c.account == bindparam("owner"), cursors.c.job == bindparam("name")
)
_PUT = insert(cursors)
_PUT = _PUT.on_conflict_do_update(
    index_elements=["account", "job"], set_={name: _PUT.excluded[name] for name in ("cursor", "sweep", "at")}
)


def get(tx: Read, account: str, job: str) -> tuple[Mapping[str, Any] | None, int]:
    """Return the cursor to go on with and the number of the sweep; None and 1 at the very first time."""
    row = tx.execute(_GET, {"owner": account, "name": job}).one_or_none()
    return (row.cursor, row.sweep) if row else (None, 1)


def put(tx: Write, account: str, job: str, cursor: Mapping[str, Any], sweep: int) -> None:
    """Keep the cursor, in the transaction of what was read with it."""
    row = {"account": account, "job": job, "cursor": dict(cursor), "sweep": sweep, "at": tx.now}
    tx.execute(_PUT, row)


def begin_anew(tx: Write, account: str, job: str) -> None:
    """Forget how far the reading came, but not the number of the sweep."""
    mine = (cursors.c.account == account, cursors.c.job == job)
    tx.execute(update(cursors).where(*mine).values(cursor=null(), at=tx.now))
