"""The ways into the database, its column types and the order of the journal, the same on both databases."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, delete, func, insert, select, update
from sqlalchemy.exc import StatementError

from crossdock.core.errors import ConfigError
from crossdock.core.store import Store, Write, journal, migrate
from crossdock.core.store.types import Amount, Id, Json, Key, UtcTime

probe = Table(
    "probe",
    MetaData(),
    Column("id", Id, primary_key=True),
    Column("at", UtcTime),
    Column("amount", Amount),
    Column("json", Json),
    Column("key", Key),
)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
many_examples = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    migrate.upgrade(store)
    with store.write() as tx:
        probe.create(tx.connection)
    yield store
    store.close()


# --- transactions ----------------------------------------------------------------------------------------------------


def increment(store: Store, times: int) -> None:
    for _ in range(times):
        with store.write() as tx:
            number = tx.scalar(select(probe.c.amount).where(probe.c.id == 1).with_for_update())
            tx.execute(update(probe).where(probe.c.id == 1).values(amount=number + 1))


def start_counting(store: Store) -> None:
    with store.write() as tx:
        tx.execute(insert(probe), {"id": 1, "amount": Decimal(0)})


def counted(store: Store) -> Decimal:
    with store.read() as tx:
        return Decimal(tx.scalar(select(probe.c.amount)))


def test_threads_lose_no_update(store: Store) -> None:
    start_counting(store)
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(increment, store, 50) for _ in range(8)]:
            done.result()
    assert counted(store) == 400


INCREMENT = """
import sys
from sqlalchemy import column, select, table, update
from crossdock.core.store import Store

probe = table("probe", column("id"), column("amount"))
store = Store(sys.argv[1])
for _ in range(100):
    with store.write() as tx:
        number = tx.scalar(select(probe.c.amount).where(probe.c.id == 1).with_for_update())
        tx.execute(update(probe).where(probe.c.id == 1).values(amount=number + 10000))
"""


def test_processes_lose_no_update(store: Store, database_url: str) -> None:
    start_counting(store)
    processes = [subprocess.Popen([sys.executable, "-c", INCREMENT, database_url]) for _ in range(4)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0, 0, 0]
    assert counted(store) == 400


def test_a_write_within_a_write_is_refused(store: Store) -> None:
    with pytest.raises(RuntimeError, match="within a write"), store.write(), store.write():
        pass
    with store.write() as tx:  # and the store goes on
        assert store.writing()
        tx.execute(insert(probe), {"id": 1})
    assert not store.writing()


def test_a_failed_write_leaves_nothing(store: Store) -> None:
    afterwards: list[str] = []

    def fill(tx: Write) -> None:
        tx.execute(insert(probe), {"id": 1})
        tx.journal("created", account="a", actor="test")
        tx.defer(("0",), lambda tx: afterwards.append("deferred"))
        tx.after_commit(lambda: afterwards.append("committed"))
        raise KeyError("broken")

    with pytest.raises(KeyError), store.write() as tx:
        fill(tx)
    with store.read() as tx:
        assert tx.scalar(select(func.count()).select_from(probe)) == 0
        assert journal.read(tx, 0) == []
    assert afterwards == []


def test_what_fails_at_the_end_takes_everything_back(store: Store) -> None:
    def broken(tx: Write) -> None:
        tx.execute(insert(probe), {"id": 2})
        raise KeyError("broken")

    def fill(tx: Write) -> None:
        tx.execute(insert(probe), {"id": 1})
        tx.defer(("0",), broken)

    with pytest.raises(KeyError), store.write() as tx:
        fill(tx)
    with store.read() as tx:
        assert tx.scalar(select(func.count()).select_from(probe)) == 0


def test_deferred_actions_run_once_per_key_in_their_order(store: Store) -> None:
    done: list[str] = []
    with store.write() as tx:
        tx.defer(("1 runs", "b"), lambda tx: done.append("b"))
        tx.defer(("1 runs", "a"), lambda tx: done.append("a, first"))
        tx.defer(("0 stock",), lambda tx: tx.defer(("1 runs", "c"), lambda tx: done.append("c")))
        tx.defer(("1 runs", "a"), lambda tx: done.append("a"))
        tx.after_commit(lambda: done.append("committed"))
        assert done == []
    assert done == ["a", "b", "c", "committed"]


def test_a_reader_sees_one_state(store: Store) -> None:
    count = select(func.count()).select_from(probe)
    with store.read() as reading:
        before = reading.scalar(count)
        with store.write() as tx:
            tx.execute(insert(probe), {"id": 1})
        assert reading.scalar(count) == before == 0
    with store.read() as reading:
        assert reading.scalar(count) == 1


@pytest.mark.parametrize("url", ["mysql://localhost/x", "no url at all", "sqlite+nonsense:///x", "oracle:///x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="database"):
        Store(url)


def test_a_password_is_not_shown() -> None:
    store = Store("postgresql://seller:hidden@127.0.0.1/nothing")
    assert "hidden" not in repr(store)
    store.close()


# --- types -----------------------------------------------------------------------------------------------------------


def round_trip(store: Store, column: Column[Any], value: Any) -> Any:
    with store.write() as tx:
        tx.execute(delete(probe))
        tx.execute(insert(probe), {"id": 1, column.name: value})
        return tx.execute(select(column)).scalar_one()


def refused(store: Store, column: Column[Any], value: Any) -> None:
    with pytest.raises((StatementError, ValueError)), store.write() as tx:
        tx.execute(insert(probe), {"id": 1, column.name: value})
    with store.read() as tx:
        assert tx.scalar(select(func.count()).select_from(probe)) == 0


zones = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)


@many_examples
@given(moment=st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=zones))  # noqa: DTZ001
@example(moment=datetime(2026, 10, 25, 1, 30, 0, 1, tzinfo=UTC))
def test_times_come_back_in_utc(store: Store, moment: datetime) -> None:
    back = round_trip(store, probe.c.at, moment)
    assert back == moment
    assert back.tzinfo is UTC


def test_naive_time_is_refused(store: Store) -> None:
    refused(store, probe.c.at, datetime(2026, 1, 1))  # noqa: DTZ001


@many_examples
@given(amount=st.integers(-(2**63), 2**63 - 1).map(lambda units: Decimal(units).scaleb(-4)))
@example(amount=Decimal("-0.0001"))
@example(amount=Decimal("12.500000000000000000000000000000000000"))
def test_amounts_come_back_exactly(store: Store, amount: Decimal) -> None:
    back = round_trip(store, probe.c.amount, amount)
    assert isinstance(back, Decimal)
    assert back == amount


def test_other_amounts_are_refused(store: Store) -> None:
    refused(store, probe.c.amount, 1.5)
    refused(store, probe.c.amount, 1)
    refused(store, probe.c.amount, "1.50")
    refused(store, probe.c.amount, Decimal("0.00001"))
    refused(store, probe.c.amount, Decimal("1.00000000000000000000000000000000001"))  # the context has 28 digits
    refused(store, probe.c.amount, Decimal("NaN"))
    refused(store, probe.c.amount, Decimal("Infinity"))
    refused(store, probe.c.amount, Decimal(10) ** 15)  # the column has 64 bits


# Floats beyond 1e16 come back from PostgreSQL as whole numbers.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@many_examples
@given(value=json_values)
@example(value={"\\u0000": ["\\", "\\\\u0000"]})
def test_json_comes_back(store: Store, value: Any) -> None:
    assert round_trip(store, probe.c.json, value) == value


def test_what_is_no_json_is_refused(store: Store) -> None:
    refused(store, probe.c.json, Decimal("1.5"))
    refused(store, probe.c.json, datetime(2026, 1, 1, tzinfo=UTC))
    refused(store, probe.c.json, [float("nan")])
    refused(store, probe.c.json, {"name": "a\0b"})
    refused(store, probe.c.json, {"a\0b": 1})
    refused(store, probe.c.json, ["\\\0"])
    refused(store, probe.c.json, ["\ud83d"])  # half of an emoji


def test_no_json_is_null_on_both(store: Store) -> None:
    with store.write() as tx:
        tx.execute(insert(probe), {"id": 1, "json": None})
        assert tx.scalar(select(probe.c.id).where(probe.c.json.is_(None))) == 1


@many_examples
@given(key=texts)
def test_keys_come_back(store: Store, key: str) -> None:
    assert round_trip(store, probe.c.key, key) == key


def test_what_no_database_keeps_is_no_key(store: Store) -> None:
    refused(store, probe.c.key, "a\0b")
    refused(store, probe.c.key, "\ud800")


@many_examples
@given(keys=st.sets(texts, min_size=2, max_size=20))
@example(
    keys={"a", "B", "ä", "Z", "z", "ź", "", " ", "\U0001f600", "\uffff", "a-b", "ab", "10", "9", "ﬁ", "é", "e\u0301"}
)
def test_keys_have_the_same_order_everywhere(store: Store, keys: set[str]) -> None:
    with store.write() as tx:
        tx.execute(delete(probe))
        tx.execute(insert(probe), [{"id": number, "key": key} for number, key in enumerate(keys)])
    by_bytes = sorted(keys, key=lambda key: key.encode())
    with store.read() as tx:
        assert list(tx.execute(select(probe.c.key).order_by(probe.c.key)).scalars()) == by_bytes
        page, pages = "", [""] if "" in keys else []
        while following := tx.scalar(select(probe.c.key).where(probe.c.key > page).order_by(probe.c.key).limit(1)):
            pages.append(page := following)
    assert pages == by_bytes


# --- journal ---------------------------------------------------------------------------------------------------------


def tell(store: Store, kind: journal.Kind, *, entries: int = 1, actor: str = "test") -> None:
    with store.write() as tx:
        for number in range(entries):
            tx.journal(kind, account="a", actor=actor, payload={"number": number})


@on_postgresql
def test_numbers_follow_the_order_of_commits_not_of_beginnings(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with store.write() as tx:
            tx.journal(journal.Kind.CREATED, account="a", actor="slow")
            begun.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(slow)
        assert begun.wait(30)
        tell(store, journal.Kind.EDITED, actor="fast")
        with store.read() as tx:
            first = journal.read(tx, 0)
        go_on.set()
        done.result(30)
    with store.read() as tx:
        second = journal.read(tx, first[-1].id)
    assert [entry.actor for entry in (*first, *second)] == ["fast", "slow"]


@on_postgresql
def test_a_reader_never_sees_a_number_before_the_smaller_ones(store: Store) -> None:
    """A second writer waits with its numbers until the first has committed."""
    numbered, go_on = threading.Event(), threading.Event()

    class Slow(Write):
        def finish(self) -> None:
            super().finish()
            numbered.set()
            assert go_on.wait(30)

    def slow() -> None:
        with store.write() as tx:
            tx.__class__ = Slow
            tx.journal(journal.Kind.CREATED, account="a", actor="slow")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(slow)
        assert numbered.wait(30)
        second = threads.submit(tell, store, journal.Kind.EDITED, actor="waits")
        with pytest.raises(TimeoutError):
            second.result(0.3)
        with store.read() as tx:
            assert journal.read(tx, 0) == []
        go_on.set()
        first.result(30)
        second.result(30)
    with store.read() as tx:
        assert [entry.actor for entry in journal.read(tx, 0)] == ["slow", "waits"]


def test_a_reader_with_a_cursor_misses_nothing_and_sees_nothing_twice(store: Store) -> None:
    def write(name: int) -> None:
        for turn in range(30):
            tell(store, journal.Kind.EDITED, entries=1 + turn % 3, actor=f"{name}:{turn}")

    seen: list[journal.Entry] = []

    def read() -> int:
        with store.read() as tx:
            page = journal.read(tx, seen[-1].id if seen else 0, limit=7)
        seen.extend(page)
        return len(page)

    with ThreadPoolExecutor(6) as threads:
        writers = [threads.submit(write, name) for name in range(6)]
        while not all(writer.done() for writer in writers):
            read()
        for writer in writers:
            writer.result()
    while read():
        pass
    with store.read() as tx:
        everything = journal.read(tx, 0, limit=10_000)
    assert seen == everything
    assert len(everything) == 6 * 10 * (1 + 2 + 3)
    for entry, following in pairwise(everything):
        # Entries of one transaction stay together, in the order in which they were made.
        if following.payload["number"]:
            assert (following.actor, following.payload["number"]) == (entry.actor, entry.payload["number"] + 1)
