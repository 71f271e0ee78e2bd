"""The schema that the migrations make is the one that `tables.py` declares, on both databases."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from crossdock.core.errors import ConfigError
from crossdock.core.model import Meaning
from crossdock.core.store import Store, migrate, offers, statuses, warehouses
from crossdock.core.store.tables import metadata

SCHEMA = {
    "sqlite": ["SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'"],
    "postgresql": [
        "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, collation_name,"
        " is_identity FROM information_schema.columns WHERE table_schema = :schema AND table_name <> 'alembic_version'",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = :schema AND tablename <> 'alembic_version'",
        "SELECT conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint"
        " JOIN pg_namespace ON pg_namespace.oid = connamespace"
        " WHERE nspname = :schema AND conname NOT LIKE 'alembic%'",
    ],
}


@pytest.fixture
def empty(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def schema(connection: Connection, name: str = "public") -> set[tuple[str, ...]]:
    """Return everything that the database itself says of its tables, in words that do not name the schema."""
    rows = [
        row
        for question in SCHEMA[connection.dialect.name]
        for row in connection.execute(text(question), {"schema": name} if ":schema" in question else {})
    ]
    return {tuple(_words(str(cell).replace(f"{name}.", "")) for cell in row) for row in rows}


def _words(statement: str) -> str:
    # SQLite keeps the statement as it was written: one line for each column and constraint, in any order, and a column
    # that came later on the line of the one before.
    lines = re.sub(r", (?=[a-z_]+ [A-Z])", ",\n", statement).splitlines()
    return "\n".join(sorted(" ".join(line.strip(" \t,").split()) for line in lines))


def test_the_steps_make_what_the_tables_declare(empty: Store) -> None:
    migrate.upgrade(empty)
    with empty.read() as tx:
        context = MigrationContext.configure(
            tx.connection, opts={"compare_type": True, "compare_server_default": True, "include_schemas": False}
        )
        assert compare_metadata(context, metadata) == []


def test_the_database_cannot_tell_the_two_apart(empty: Store) -> None:
    """Partial indexes, checks, collations, defaults: alembic's comparison does not see all of them."""
    migrate.upgrade(empty)
    with empty.read() as tx:
        migrated = schema(tx.connection)
    with empty.write() as tx:
        if empty.postgresql:
            tx.execute(text("CREATE SCHEMA declared"))
            tx.execute(text("SET LOCAL search_path TO declared"))
        else:
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))
            metadata.drop_all(tx.connection)
        metadata.create_all(tx.connection)
        declared = schema(tx.connection, "declared")
    assert declared == migrated
    assert len(migrated) > len(metadata.tables)


def test_offers_that_were_there_before_have_nothing_given_by_hand(empty: Store) -> None:
    from alembic import command

    with empty.write() as tx:
        config = migrate._config()
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "0002")
        names = "id, account, market, scope, variant_id, keys, state"
        now = "'2026-01-01 00:00:00'"
        for table, columns, values in (
            ("accounts", "id, name, platform, settings, options, created_at", f"'a1', 'n', 'p', '{{}}', '{{}}', {now}"),
            (
                "variants",
                "id, sku, name, vat_rates, attributes, hash, updated_at",
                f"1, 's', 's', '{{}}', '{{}}', '', {now}",
            ),
            ("offers", names, "1, 'a1', 'PL', '', 1, '{\"size\": \"M\"}', 'listed'"),
        ):
            tx.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"))
    assert migrate.upgrade(empty)
    with empty.read() as tx:
        row = offers.get(tx, 1)
    assert (row.own, row.keys, row.sku) == ({}, {"size": "M"}, "s")


def test_the_last_step_is_found_without_alembic() -> None:
    folder = ScriptDirectory(str(migrate.MIGRATIONS))
    assert folder.get_heads() == [migrate.head()]
    numbers = [step.revision for step in folder.walk_revisions()]
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_a_new_store_has_a_status_for_each_meaning_and_a_warehouse(empty: Store) -> None:
    assert migrate.upgrade(empty)
    assert not migrate.upgrade(empty)
    with empty.read() as tx:
        assert [status.meaning for status in statuses.list_own(tx)] == list(Meaning)
        assert [status.name for status in statuses.list_own(tx)][:3] == ["Pending", "New", "Confirmed"]
        assert warehouses.names(tx) == ["main"]


def test_a_current_store_is_left_alone_at_once(empty: Store) -> None:
    migrate.upgrade(empty)

    def seconds() -> float:
        began = time.perf_counter()
        migrate.upgrade(empty)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.020


def test_a_current_store_is_opened_without_alembic(database_url: str, empty: Store) -> None:
    migrate.upgrade(empty)
    program = (
        "import sys; from crossdock.core.store import Store, migrate; migrate.check(Store(sys.argv[1]));"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=60)


def test_many_processes_may_start_at_once(database_url: str) -> None:
    program = "import sys; from crossdock.core.store import Store, migrate; migrate.upgrade(Store(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", program, database_url]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]


def test_many_threads_may_start_at_once(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(migrate.upgrade, stores)) == [False, False, False, True]
    with stores[0].read() as tx:
        assert len(statuses.list_own(tx)) == len(Meaning)
    for store in stores:
        store.close()


def say_version(store: Store, version: str) -> None:
    with store.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_an_older_schema_is_left_to_the_operator(empty: Store) -> None:
    migrate.upgrade(empty)
    say_version(empty, "0000")
    with pytest.raises(ConfigError, match=rf"has schema 0000, .* needs {migrate.head()}.*crossdock upgrade"):
        migrate.check(empty)


def test_a_newer_schema_is_refused(empty: Store) -> None:
    migrate.upgrade(empty)
    say_version(empty, "9999")
    for refuses in (migrate.check, migrate.upgrade):
        with pytest.raises(ConfigError, match=rf"has schema 9999, .* knows {migrate.head()} at most.*Update crossdock"):
            refuses(empty)


def test_an_empty_database_is_not_opened(empty: Store) -> None:
    with pytest.raises(ConfigError, match=r"empty.*crossdock init"):
        migrate.check(empty)
    migrate.upgrade(empty)
    migrate.check(empty)


def test_somebody_elses_tables_are_not_touched(empty: Store) -> None:
    with empty.write() as tx:
        tx.execute(text("CREATE TABLE invoices (number INTEGER)"))
    for refuses in (migrate.check, migrate.upgrade):
        with pytest.raises(ConfigError, match=r"other tables \(invoices.*database of its own"):
            refuses(empty)
    with empty.read() as tx:
        assert {row[1] for row in schema(tx.connection) if "invoices" not in row} <= {"number"}


def test_a_step_that_breaks_leaves_nothing(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tx: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(statuses, "create_defaults", broken)
    with pytest.raises(RuntimeError, match="broken"):
        migrate.upgrade(empty)
    with empty.read() as tx:
        assert migrate.current(tx) is None
