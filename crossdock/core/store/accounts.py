"""Accounts: one row for each configured connection to a platform.

An account's id is random and never changes; its name may, and is unique among the accounts that are not removed. A
new account has every switch off and is not armed, so that it neither reads nor writes anything.

Wherever an `account_id` is taken, a NotFoundHere says that there is no such account.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from crossdock.core.config import is_loopback
from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.store import tables
from crossdock.core.store.engine import Read, Write

LONGEST_NAME = 64
_ID = re.compile(r"a[0-9a-f]{16}")
_accounts = tables.accounts
_PRESENT = select(_accounts).where(_accounts.c.removed_at.is_(None))
# Asked many times a run, and so built once.
_BY_NAME_OR_ID = _PRESENT.where((_accounts.c.name == bindparam("key")) | (_accounts.c.id == bindparam("key")))


class Switch(StrEnum):
    """What an account does by itself; each is off until somebody switches it on."""

    ORDERS = "orders"
    ACCEPT = "accept"
    DECLINE = "decline"
    STOCK = "stock"
    PRICES = "prices"
    FEED = "feed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One account as it is kept; its secrets are kept elsewhere.

    Args:
        id: random, never changes. name: the operator's, may change.
        platform: the plugin's entry-point name.
        settings: what was set of the plugin's settings, without secrets.
        options: what was set of the engine's.
        armed: whether anything may be written to the platform.
        switches: what is on.
        orders_not_before: orders placed before are not taken in; None until orders are first switched on.
        stopped_because, stopped_at: why and since when nothing runs, if somebody must act first.
        created_at: when it was added.
    """

    id: str
    name: str
    platform: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    armed: bool
    switches: frozenset[Switch]
    orders_not_before: datetime | None
    stopped_because: str | None
    stopped_at: datetime | None
    created_at: datetime

    @property
    def rehearsal(self) -> bool:
        """Whether its requests go to a loopback stand-in and not to the platform."""
        return any(isinstance(value, str) and is_loopback(value) for value in self.settings.values())


# --- reading ---------------------------------------------------------------------------------------------------------


def get(tx: Read, name_or_id: str, *, lock: bool = False) -> AccountRow:
    """Return the account with this name or id.

    Args:
        tx: a transaction.
        name_or_id: no name looks like an id.
        lock: keep others from changing the account until the transaction ends.

    Raises:
        NotFoundHere: naming the accounts whose names are close.
    """
    query = _BY_NAME_OR_ID.with_for_update() if lock else _BY_NAME_OR_ID
    row = tx.execute(query, {"key": name_or_id}).one_or_none()
    if row is None:
        raise _not_found(tx, name_or_id)
    return _account(row)


def list_all(tx: Read) -> tuple[AccountRow, ...]:
    """Return all accounts that are not removed, by name."""
    return tuple(map(_account, tx.execute(_PRESENT.order_by(_accounts.c.name))))


def name_of(tx: Read, account_id: str) -> str:
    """Return the name of the account with this id, also of a removed one, whose history is still there."""
    return str(tx.execute(select(_accounts.c.name).where(_accounts.c.id == account_id)).scalar_one())


def names(tx: Read) -> dict[str, str]:
    """Return the names of all accounts by id, also of removed ones."""
    return {row.id: row.name for row in tx.execute(select(_accounts.c.id, _accounts.c.name))}


def _account(row: Row[Any]) -> AccountRow:
    values = row._asdict()
    switches = frozenset(switch for switch in Switch if values.pop(switch))
    del values["removed_at"]
    return AccountRow(**values, switches=switches)


def _not_found(tx: Read, name: str) -> NotFoundHere:
    names = [account.name for account in list_all(tx)]
    near = get_close_matches(name, names, n=3)
    advice = f"Did you mean {' or '.join(near)}?" if near else f"Here are: {', '.join(names) or 'none'}."
    return NotFoundHere(f"There is no account {name!r}.", advice=advice)


# --- changing --------------------------------------------------------------------------------------------------------


def name_faults(name: str) -> list[str]:
    """Return what is wrong with an account's name."""
    faults = []
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        faults.append(f"name: it must have 1 to {LONGEST_NAME} printable characters, and no blank at either end")
    if _ID.fullmatch(name):
        faults.append("name: it looks like the id of an account")
    return faults


def create(
    tx: Write, *, name: str, platform: str, settings: Mapping[str, Any], options: Mapping[str, Any]
) -> AccountRow:
    """Add an account, with everything off and not armed; settings and options are valid and without secrets.

    Raises:
        ConfigError: the name is not allowed, or taken.
    """
    _check_name(tx, name)
    account_id = f"a{secrets.token_hex(8)}"
    row = {"id": account_id, "name": name, "platform": platform, "created_at": tx.now}
    _execute_unique(tx, insert(_accounts).values(**row, settings=dict(settings), options=dict(options)), name)
    return get(tx, account_id)


def rename(tx: Write, account_id: str, name: str) -> AccountRow:
    """Give an account another name.

    Raises:
        ConfigError: the name is not allowed, or taken.
    """
    row = get(tx, account_id)
    if name != row.name:
        _check_name(tx, name)
        _execute_unique(tx, update(_accounts).where(_accounts.c.id == row.id).values(name=name), name)
    return get(tx, row.id)


def save(
    tx: Write,
    account_id: str,
    *,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> AccountRow:
    """Replace the settings, the options, or both; they are valid and without secrets."""
    row = get(tx, account_id)
    settings, options = row.settings if settings is None else settings, row.options if options is None else options
    return _update(tx, row.id, settings=dict(settings), options=dict(options))


def set_switch(tx: Write, account_id: str, switch: Switch, on: bool) -> AccountRow:
    """Switch something on or off."""
    return _update(tx, account_id, **{switch: on})


def set_orders_not_before(tx: Write, account_id: str, moment: datetime) -> AccountRow:
    """Say from when on the account's orders count."""
    return _update(tx, account_id, orders_not_before=moment)


def arm(tx: Write, account_id: str) -> AccountRow:
    """Allow writing to the platform."""
    return _update(tx, account_id, armed=True)


def disarm(tx: Write, account_id: str) -> AccountRow:
    """Allow no more writing to the platform."""
    return _update(tx, account_id, armed=False)


def stop(tx: Write, account_id: str, reason: str) -> AccountRow:
    """Let nothing more run until somebody acts; the first reason stays."""
    row = get(tx, account_id)
    if row.stopped_because is not None:
        return row
    return _update(tx, account_id, stopped_because=reason, stopped_at=tx.now)


def resume(tx: Write, account_id: str) -> AccountRow:
    """Let a stopped account run again."""
    return _update(tx, account_id, stopped_because=None, stopped_at=None)


def remove(tx: Write, account_id: str) -> None:
    """Remove an account with its secrets, schedules and switches; its history stays, its name is free again."""
    row = get(tx, account_id)
    for table in (tables.secrets, tables.schedules):
        tx.execute(delete(table).where(table.c.account == row.id))
    off = {switch.value: False for switch in Switch} | {"armed": False}
    tx.execute(update(_accounts).where(_accounts.c.id == row.id).values(**off, removed_at=tx.now))


def _update(tx: Write, account_id: str, **values: Any) -> AccountRow:
    row = get(tx, account_id)
    tx.execute(update(_accounts).where(_accounts.c.id == row.id).values(**values))
    return get(tx, row.id)


def _check_name(tx: Write, name: str) -> None:
    faults = name_faults(name)
    if faults:
        raise ConfigError(f"An account cannot be called {name!r}.", faults=faults)


def _execute_unique(tx: Write, statement: Any, name: str) -> None:
    try:
        tx.execute(statement)
    except IntegrityError:
        raise ConfigError(f"There is an account {name!r} already.", advice="Take another name.") from None
