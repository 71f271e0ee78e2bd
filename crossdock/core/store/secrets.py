"""Secrets at rest: settings of accounts, and what accounts remember between calls; and the key that seals them.

The store holds ciphertext and, for the one key that is in force, a check value: whoever opens the store with another
key is told so before anything runs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, insert, inspect, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError

from crossdock.core.config import SecretBox
from crossdock.core.errors import ConfigError
from crossdock.core.redaction import SECRETS, Redactor
from crossdock.core.store import accounts, tables
from crossdock.core.store.engine import Read, Store, Write

MEMORY = "memory:"
_CHECK = ("", "key check")  # account and field that a check value is sealed for: no account has this id
_CHECK_TEXT = "crossdock"
_secrets, _checks = tables.secrets, tables.key_checks
# Asked before every call of a plugin that keeps a token, and so built once.
_ONE = select(_secrets).where(_secrets.c.account == bindparam("owner"), _secrets.c.field == bindparam("name"))


# --- secrets of an account -------------------------------------------------------------------------------------------


def put(tx: Write, box: SecretBox, account_id: str, field: str, text: str) -> None:
    """Seal and keep one secret, replacing what was there.

    Raises:
        ConfigError: the store's key was changed since the box was opened.
    """
    _check_in_force(tx, box)
    dialect: Any = postgresql if tx.postgresql else sqlite
    statement = dialect.insert(_secrets).values(
        account=account_id,
        field=field,
        key=box.current,
        sealed=box.seal(account_id, field, text),
        at=tx.now,
    )
    changed = {name: statement.excluded[name] for name in ("key", "sealed", "at")}
    tx.execute(statement.on_conflict_do_update(index_elements=["account", "field"], set_=changed))


def get(tx: Read, box: SecretBox, account_id: str, field: str) -> str | None:
    """Return one secret, or None.

    Raises:
        ConfigError: it cannot be opened.
    """
    row = tx.execute(_ONE, {"owner": account_id, "name": field}).one_or_none()
    return None if row is None else box.open(account_id, field, row.key, row.sealed)


def get_all(tx: Read, box: SecretBox, account_id: str) -> dict[str, str]:
    """Return all secrets of an account by field; those that it remembers by itself begin with `memory:`.

    Raises:
        ConfigError: one cannot be opened.
    """
    return {row.field: box.open(account_id, row.field, row.key, row.sealed) for row in tx.execute(_of(account_id))}


def kept_fields(tx: Read, account_id: str) -> frozenset[str]:
    """Return which fields of an account have a secret, without opening any."""
    return frozenset(row.field for row in tx.execute(_of(account_id)))


def forget(tx: Write, account_id: str, field: str) -> None:
    """Drop one secret, if it is there."""
    tx.execute(delete(_secrets).where(_secrets.c.account == account_id, _secrets.c.field == field))


def _of(account_id: str) -> Any:
    return select(_secrets).where(_secrets.c.account == account_id).order_by(_secrets.c.field)


class SealedMemory:
    """An account's `Memory`, sealed in the store; every use is a short transaction of its own.

    Args:
        store: where it is kept.
        box: seals and opens.
        account_id: whose memory this is.
        redactor: is told every text, so that none shows up in a log or an error.
    """

    def __init__(self, store: Store, box: SecretBox, account_id: str, redactor: Redactor = SECRETS) -> None:
        self._store = store
        self._box = box
        self._account_id = account_id
        self._redactor = redactor

    def __repr__(self) -> str:
        return f"SealedMemory({self._account_id})"

    def get(self, name: str) -> str | None:
        """Return what was put under this name, or None."""
        with self._store.read() as tx:
            found = get(tx, self._box, self._account_id, MEMORY + name)
        if found is not None:
            self._redactor.register([found])
        return found

    def put(self, name: str, text: str) -> None:
        """Keep a text under this name, replacing what was there."""
        self._redactor.register([text])
        with self._store.write() as tx:
            put(tx, self._box, self._account_id, MEMORY + name, text)

    def forget(self, name: str) -> None:
        """Drop what is under this name."""
        with self._store.write() as tx:
            forget(tx, self._account_id, MEMORY + name)


# --- the key ---------------------------------------------------------------------------------------------------------


def key_in_force(store: Store) -> str | None:
    """Return the id of the key that the store is sealed with, or None where the database was never set up.

    Raises:
        ConfigError: the database does not answer.
    """
    row = _read_check(store)
    return None if row is None else str(row.key)


def register_key(tx: Write, box: SecretBox) -> None:
    """Put the first key in force.

    Raises:
        ConfigError: the store has a key already.
    """
    _lock_keys(tx)
    if tx.scalar(select(_checks.c.key)) is not None:
        raise ConfigError(
            "The database belongs to an installation already.",
            advice="Use its crossdock.toml and its key, or give another database.",
        )
    _put_in_force(tx, box)


def verify_key(store: Store, box: SecretBox) -> SecretBox:
    """Find the key in force among those given, before anything runs.

    Returns:
        A box of the same keys that seals with the one in force.

    Raises:
        ConfigError: the database does not answer or was never set up, or the key in force was not given.
    """
    row = _read_check(store)
    if row is None:
        raise ConfigError(
            "The database was never set up.", advice="Run `crossdock init`, or mend `database` in crossdock.toml."
        )
    if row.key not in box:
        raise ConfigError(
            f"The key given is {box.current}, but the store is sealed with the key {row.key}.",
            advice="Give that key back, or run `crossdock key lost` and enter the secrets again.",
        )
    box.open(*_CHECK, row.key, row.sealed)
    return box.sealing_with(row.key)


def _read_check(store: Store) -> Any:
    try:
        with store.read() as tx:
            if not inspect(tx.connection).has_table(_checks.name):
                return None
            return tx.execute(select(_checks)).one_or_none()
    except DatabaseError as error:
        raise ConfigError(
            f"The database cannot be opened: {error.orig}.", advice="Mend `database` in crossdock.toml."
        ) from None


def rotate(store: Store, old: SecretBox, new: SecretBox) -> int:
    """Seal everything anew and put the new key in force, in one transaction.

    Args:
        store: where the secrets are.
        old: opens what is there.
        new: seals with the new key.

    Returns:
        How many secrets were sealed anew.

    Raises:
        ConfigError: the old key is not in force, or a secret cannot be opened; nothing is changed then.
    """
    with store.write() as tx:
        _lock_keys(tx)
        _check_in_force(tx, old)
        rows = tx.execute(select(_secrets).order_by(_secrets.c.account, _secrets.c.field)).all()
        for row in rows:
            plain = old.open(row.account, row.field, row.key, row.sealed)
            here = (_secrets.c.account == row.account) & (_secrets.c.field == row.field)
            sealed = new.seal(row.account, row.field, plain)
            tx.execute(update(_secrets).where(here).values(key=new.current, sealed=sealed, at=tx.now))
        _put_in_force(tx, new)
    return len(rows)


def lost(store: Store, new: SecretBox) -> tuple[str, ...]:
    """Give up what a lost key sealed: drop all secrets, put the new key in force, disarm and stop every account.

    Returns:
        The names of the accounts whose secrets have to be entered again.
    """
    with store.write() as tx:
        _lock_keys(tx)
        tx.execute(delete(_secrets))
        _put_in_force(tx, new)
        rows = accounts.list_all(tx)
        for row in sorted(rows, key=lambda row: row.id):
            accounts.disarm(tx, row.id)
            accounts.resume(tx, row.id)  # an earlier reason gives way to this one
            accounts.stop(tx, row.id, "The key was lost: enter the account's secrets again.")
    return tuple(row.name for row in rows)


def _put_in_force(tx: Write, box: SecretBox) -> None:
    tx.execute(delete(_checks))
    tx.execute(insert(_checks).values(key=box.current, sealed=box.seal(*_CHECK, _CHECK_TEXT), at=tx.now))


def _check_in_force(tx: Write, box: SecretBox) -> None:
    # The shared lock lets a rotation wait for this transaction, and this one for a rotation.
    if tx.scalar(select(_checks.c.key).with_for_update(read=True)) != box.current:
        raise ConfigError(
            "The store's key was changed meanwhile.", advice="Start this process again, with the key in force."
        )


def _lock_keys(tx: Write) -> None:
    if tx.postgresql:
        tx.execute(text("LOCK TABLE key_checks IN EXCLUSIVE MODE"))
