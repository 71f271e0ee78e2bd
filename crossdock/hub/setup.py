"""What is done to an installation as a whole: setting it up, bringing its schema up to date, replacing a lost key."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

from crossdock.core.clock import Clock
from crossdock.core.config import (
    Installation,
    SecretBox,
    new_key,
    read_installation,
    read_keys,
    validate,
    write_key_file,
)
from crossdock.core.errors import ConfigError
from crossdock.core.store import Store, migrate, secrets
from crossdock.hub.hub import Hub, open_store

CONFIG_FILE = "crossdock.toml"
KEY_FILE = "crossdock.key"


def init(folder: str | Path, database: str | None = None, key: str | None = None, *, clock: Clock | None = None) -> Hub:
    """Set up an installation and open it; nothing is overwritten, and what fails leaves nothing behind.

    Args:
        folder: where `crossdock.toml` goes; made if it is not there.
        database: SQLAlchemy URL; a SQLite file in the folder by default.
        key: `file:PATH` or `env:NAME` of a key that is there already. By default a new one is written to
            `crossdock.key`; on PostgreSQL, which several machines may share, it has to be given.
        clock: the source of time.

    Raises:
        ConfigError: something is there already, is missing, or cannot be written.
    """
    folder = Path(folder)
    values = {"folder": folder, "database": database, "key": key}
    given = {name: value for name, value in values.items() if value is not None}
    installation = validate(Installation, given, where="crossdock init")
    with ExitStack() as undo:
        try:
            if not folder.exists():
                folder.mkdir()
                undo.callback(folder.rmdir)
            _write_config(installation, undo)
            store = _new_store(installation, clock, undo)
            if store.postgresql and key is None:
                raise ConfigError(
                    "On PostgreSQL the key for secrets has to be given.",
                    advice="Make 32 random bytes in base64 and give key as file:PATH or env:NAME.",
                )
            box = SecretBox(_new_key(installation, undo) if key is None else read_keys(key, folder))
        except FileExistsError as error:
            raise ConfigError(f"{error.filename} is there already.", advice="Choose another place.") from None
        except OSError as error:
            raise ConfigError(f"{error.filename or folder} cannot be made: {error.strerror}.") from None
        migrate.upgrade(store)
        with store.write() as tx:
            secrets.register_key(tx, box)
        hub = Hub(installation, store, box)
        undo.pop_all()
    return hub


def _write_config(installation: Installation, undo: ExitStack) -> None:
    path = installation.folder / CONFIG_FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # the database's URL may hold a password
    undo.callback(path.unlink)
    settings = {"database": installation.database, "key": installation.key}
    lines = ["# The installation. Accounts, mappings and schedules are in the database."]
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()]
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join([*lines, "extensions = []", ""]))


def _new_store(installation: Installation, clock: Clock | None, undo: ExitStack) -> Store:
    database = installation.database_file()
    if database:
        database.touch(mode=0o600, exist_ok=False)
        for suffix in ("", "-wal", "-shm"):
            undo.callback(database.with_name(database.name + suffix).unlink, missing_ok=True)
    store = Store(installation.database_url(), clock=clock)
    undo.callback(store.close)
    if secrets.key_in_force(store) is not None:
        raise ConfigError(
            "The database belongs to an installation already.",
            advice="Use its crossdock.toml and its key, or give another database.",
        )
    return store


def _new_key(installation: Installation, undo: ExitStack) -> tuple[bytes, ...]:
    path = installation.folder / KEY_FILE
    keys = (new_key(),)
    write_key_file(path, keys)
    undo.callback(path.unlink)
    return keys


def upgrade(path: str | Path = CONFIG_FILE) -> bool:
    """Bring an installation's schema to what this crossdock needs.

    Returns:
        Whether there was something to do.

    Raises:
        ConfigError: the installation cannot be opened, or its schema is newer.
    """
    installation = read_installation(Path(path))
    store = open_store(installation)
    try:
        secrets.verify_key(store, SecretBox(read_keys(installation.key, installation.folder)))
        return migrate.upgrade(store)
    finally:
        store.close()


def replace_lost_key(path: str | Path = CONFIG_FILE) -> tuple[str, ...]:
    """Put a new key in force where the old one is lost: its secrets are dropped, all accounts disarmed and stopped.

    A missing key file is made anew; otherwise the first key that is given counts.

    Returns:
        The names of the accounts whose secrets have to be entered again.

    Raises:
        ConfigError: the key is not lost, or the installation cannot be opened.
    """
    installation = read_installation(Path(path))
    kind, _, place = installation.key.partition(":")
    file = installation.folder / place
    store = open_store(installation)
    try:
        in_force = secrets.key_in_force(store)
        if in_force is None:
            raise ConfigError("The database was never set up.", advice="Run `crossdock init`.")
        if kind == "file" and not file.exists():
            write_key_file(file, (new_key(),))
        box = SecretBox(read_keys(installation.key, installation.folder))
        if in_force in box:
            raise ConfigError(
                f"The key {in_force} is not lost: {installation.key} holds it.",
                advice="To change it, run `crossdock key rotate`.",
            )
        return secrets.lost(store, box)
    finally:
        store.close()
