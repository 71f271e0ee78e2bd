"""The schema of a store: making it, bringing it up to date, refusing one that does not fit.

The steps are in `migrations/versions`, one file each, numbered in a line. Opening a store only checks; making the
schema and changing it is for the operator to say.

`python -m crossdock.core.store.migrate NAME` drafts the next step from what differs between the last one and
`tables.py`; a person reads it and cleans it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from crossdock.core.errors import ConfigError
from crossdock.core.store import statuses, warehouses
from crossdock.core.store.engine import Read, Store, Write

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")
VERSION_TABLE = "alembic_version"
MIGRATION_LOCK = 0x7363686D61  # "schma": PostgreSQL's advisory lock of whoever changes the schema.


def head() -> str:
    """Return the number of the last step that this crossdock knows; alembic itself takes long to import."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def current(tx: Read) -> str | None:
    """Return the number of the last step that the store has taken, or None where there is no table at all.

    Raises:
        ConfigError: the database holds somebody else's tables.
    """
    tables = inspect(tx.connection).get_table_names()
    if VERSION_TABLE in tables:
        return str(tx.scalar(text("SELECT version_num FROM alembic_version")))
    if tables:
        raise ConfigError(
            f"The database holds other tables ({', '.join(sorted(tables)[:3])}, ...) and no crossdock.",
            advice="Give crossdock a database of its own.",
        )
    return None


def check(store: Store) -> None:
    """Make sure that this crossdock and the schema fit; called whenever a store is opened.

    Raises:
        ConfigError: the schema is missing, older or newer, or the tables are somebody else's.
    """
    with store.read() as tx:
        there = current(tx)
    if there is None:
        raise ConfigError("The database is empty.", advice="Run `crossdock init`.")
    if there < head():
        raise ConfigError(
            f"The database has schema {there}, this crossdock needs {head()}.",
            advice="Make a copy of it, stop every other crossdock process, and run `crossdock upgrade`.",
        )
    if there > head():
        raise ConfigError(
            f"The database has schema {there}, this crossdock knows {head()} at most.", advice="Update crossdock."
        )


def upgrade(store: Store) -> bool:
    """Bring the schema to what this crossdock needs; any number of processes may do so at once.

    Returns:
        Whether there was something to do.

    Raises:
        ConfigError: the schema is newer, or the tables are somebody else's.
    """
    with store.read() as tx:
        if current(tx) == head():
            return False
    with store.write() as writing:
        if writing.postgresql:
            writing.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        there = current(writing)
        if there is None or there < head():
            _climb(writing)
        if there is None:
            statuses.create_defaults(writing)
            warehouses.add(writing, "main", title="Main warehouse")
    check(store)
    return there != head()


def _climb(tx: Write) -> None:
    from alembic import command  # it takes 0.2 s, which every other command is spared

    config = _config()
    config.attributes["connection"] = tx.connection
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def draft(name: str) -> None:
    """Write the next step: what differs between a database with all steps so far and `tables.py`."""
    from alembic import command

    numbers = [int(file.name[:4]) for file in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/draft.sqlite")
        with store.write() as tx:
            config = _config()
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")
            command.revision(config, name, autogenerate=True, rev_id=f"{max(numbers, default=0) + 1:04}")
        store.close()


if __name__ == "__main__":
    draft(sys.argv[1])
