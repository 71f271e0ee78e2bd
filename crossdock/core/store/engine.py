"""The two ways into the database: `store.write()` and `store.read()`.

A write takes SQLite's write lock at its start (BEGIN IMMEDIATE); SQLAlchemy's default would lose updates silently. On
PostgreSQL row locks do that work. What a transaction says to runs and to the journal waits for its end
(`Write.defer`): run rows and the journal are touched last and always in the same order, so two writers cannot lock
each other out, and journal numbers are given in the order of commits, so a reader that remembers the last number
misses nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BindParameter,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from crossdock.core.clock import Clock, SystemClock
from crossdock.core.errors import ConfigError
from crossdock.core.store import tables

JOURNAL_LOCK = (
    0x63726F7373  # "cross": one advisory lock of PostgreSQL, held from the first journal number to the commit.
)
BUSY_SECONDS = 60
MOST_PARAMETERS = 500  # of one statement's IN; every database takes so many, and twice

# For statements that are built once: the keys of one of the parts that `in_parts` cuts.
IDS: BindParameter[Any] = bindparam("ids", expanding=True)

Item = TypeVar("Item", int, str)


def in_parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut keys, each once and sorted, so that a statement's parameters stay within every database's limit."""
    wanted = sorted(set(items))
    return (wanted[start : start + MOST_PARAMETERS] for start in range(0, len(wanted), MOST_PARAMETERS))


class Read:
    """A consistent view of the store.

    Attributes:
        connection: SQLAlchemy's, for statements.
        now: the moment the transaction began.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now

    @property
    def postgresql(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.connection.dialect.name == "postgresql"

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute one statement, with one mapping or a list of them."""
        values = parameters if parameters is None or isinstance(parameters, Mapping) else list(parameters)
        return self.connection.execute(statement, values)

    def scalar(self, statement: Executable) -> Any:
        """Return the first column of the first row, or None."""
        return self.connection.execute(statement).scalar()


class Write(Read):
    """A transaction that changes the store; it is written whole or not at all.

    Attributes:
        scratch: where a module of the store gathers what its deferred action will need.
    """

    def __init__(self, connection: Connection, now: datetime, store: Store) -> None:
        super().__init__(connection, now)
        self.store = store
        self.scratch: dict[str, Any] = {}
        self._deferred: dict[tuple[str, ...], Callable[[Write], None]] = {}
        self._journal: list[dict[str, Any]] = []
        self._after: list[Callable[[], None]] = []

    def numbers(self, table: Table, count: int) -> list[int]:
        """Take the next ids of a table, for rows that others of this transaction name; each is given out once."""
        if self.postgresql:
            taken = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")
            return list(self.connection.execute(taken, {"name": table.name, "count": count}).scalars())
        kept = text("SELECT max(seq) FROM sqlite_sequence WHERE name = :name")  # of tables that give no id twice
        last = self.connection.execute(kept, {"name": table.name}).scalar() or 0
        there = self.scalar(select(func.max(table.c.id))) or 0
        return list(range(max(last, there) + 1, max(last, there) + 1 + count))

    def defer(self, key: tuple[str, ...], action: Callable[[Write], None]) -> None:
        """Do `action` at the end of the transaction, once per key, in the order of keys."""
        self._deferred[key] = action

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do `action` once the transaction is committed."""
        self._after.append(action)

    def journal(
        self,
        kind: str,
        *,
        account: str,
        order_id: int | None = None,
        actor: str,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the journal; its number is given at commit. `journal.py` holds the kinds."""
        entry = {"kind": kind, "account": account, "order_id": order_id, "actor": actor, "payload_version": 1}
        self._journal.append(entry | {"at": self.now, "payload": dict(payload or {})})

    def finish(self) -> None:
        """Do what was deferred, then number the journal (the store calls this)."""
        while self._deferred:
            self._deferred.pop(min(self._deferred))(self)
        if self._journal:
            if self.postgresql:
                self.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": JOURNAL_LOCK})
            self.connection.execute(insert(tables.journal), self._journal)

    def committed(self) -> None:
        """Do what waited for the commit (the store calls this)."""
        for action in self._after:
            action()


class Store:
    """One database, shared by any number of threads and processes.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL (psycopg).
        clock: the source of time for `now`.

    Raises:
        ConfigError: the URL is of another database.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.engine = _engine(url)
        self.on_queued: Callable[[Write, int, str, str], None] | None = None
        self._sqlite_turn = threading.Lock()
        self._local = threading.local()
        self._writer = self.engine.execution_options(crossdock_write=True)
        self._reader = self.engine.execution_options(
            **({"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if self.postgresql else {})
        )

    def __repr__(self) -> str:
        return f"Store({self.engine.url!r})"

    @property
    def postgresql(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def write(self) -> Iterator[Write]:
        """Change the store in one short transaction; never call a platform within it, never nest it."""
        if getattr(self._local, "writing", False):
            raise RuntimeError("a write transaction within a write transaction")
        self._local.writing = True
        try:
            with self._turn(), self._writer.connect() as connection, connection.begin():
                tx = Write(connection, self.clock.now(), self)
                yield tx
                tx.finish()
        finally:
            self._local.writing = False
        tx.committed()

    @contextmanager
    def read(self) -> Iterator[Read]:
        """Read one consistent state of the store."""
        with self._reader.connect() as connection, connection.begin():
            yield Read(connection, self.clock.now())

    def answers(self) -> bool:
        """Whether the database is there and can be read."""
        try:
            with self.read() as tx:
                return bool(tx.scalar(select(1)))
        except SQLAlchemyError:
            return False

    def writing(self) -> bool:
        """Whether this thread is inside a write transaction."""
        return bool(getattr(self._local, "writing", False))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        # SQLite's own waiting is a lottery among pollers; threads of one process take turns instead.
        if self.postgresql:
            yield
            return
        with self._sqlite_turn:
            yield


def _engine(url: str) -> Engine:
    # Errors of the database must not quote what was to be written: orders name people.
    private = {"hide_parameters": True}
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=20, max_overflow=20, **private)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(
                create_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, pool_size=20, max_overflow=40, **private)
            )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            f"The database URL cannot be used: {error}.", advice="For PostgreSQL install crossdock[postgres]."
        ) from None
    raise ConfigError("The database must be SQLite or PostgreSQL.", advice="Mend `database` in crossdock.toml.")


def _sqlite(engine: Engine) -> Engine:
    """Let us, not the driver, say when a transaction begins, and how."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("crossdock_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
