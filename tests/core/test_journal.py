"""What consumers of the journal rely on; the order of its numbers is proved in test_store.py."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from crossdock.core.store import Store, journal, migrate
from crossdock.core.store.journal import BASELINKER_LOG_TYPES, Kind
from crossdock.core.store.tables import consumers, warehouses
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


def tell(store: Store, *kinds: Kind) -> None:
    with store.write() as tx:
        for kind in kinds:
            tx.journal(kind, account="a", actor="test", payload={"is": kind.value})


def test_entries_are_read_page_by_page(store: Store) -> None:
    tell(store, Kind.CREATED, Kind.CONFIRMED)
    tell(store, Kind.PAID)
    with store.read() as tx:
        first = journal.read(tx, 0, limit=2)
        second = journal.read(tx, first[-1].id, limit=2)
        assert journal.read(tx, second[-1].id) == []
    assert [entry.kind for entry in (*first, *second)] == [Kind.CREATED, Kind.CONFIRMED, Kind.PAID]
    entry = second[0]
    assert (entry.account, entry.order_id, entry.actor, entry.at) == ("a", None, "test", NOW)
    assert (entry.payload, entry.payload_version) == ({"is": "paid"}, 1)


def test_each_log_type_of_baselinker_stands_for_one_kind() -> None:
    assert sorted(BASELINKER_LOG_TYPES.values()) == list(range(1, 22))


def position(store: Store, name: str) -> int:
    with store.read() as tx:
        return journal.position(tx, name)


def test_a_consumer_moves_with_the_transaction_of_what_it_did(store: Store) -> None:
    def consume(*, breaks: bool) -> None:
        with store.write() as tx:
            assert journal.position(tx, "mail") == 0
            tx.execute(insert(warehouses), {"name": "done", "title": "done"})
            journal.advance(tx, "mail", 7)
            if breaks:
                raise KeyError("broken")

    assert position(store, "mail") == 0
    with pytest.raises(KeyError):
        consume(breaks=True)
    assert position(store, "mail") == 0
    consume(breaks=False)
    assert position(store, "mail") == 7
    assert position(store, "other") == 0
    with store.read() as tx:
        assert tx.scalar(select(consumers.c.at).where(consumers.c.name == "mail")) == NOW


def test_a_consumer_only_moves_forwards(store: Store) -> None:
    with store.write() as tx:
        journal.advance(tx, "mail", 7)
        journal.advance(tx, "mail", 7)
        with pytest.raises(ValueError, match="'mail' is beyond entry 6"):
            journal.advance(tx, "mail", 6)
        journal.advance(tx, "mail", 8)
    assert position(store, "mail") == 8


def test_two_consumers_of_the_same_name_take_turns(store: Store) -> None:
    tell(store, *[Kind.EDITED] * 40)
    done: list[int] = []
    together = threading.Barrier(4)

    def consume() -> None:
        together.wait(30)
        more = True
        while more:
            with store.write() as tx:
                page = journal.read(tx, journal.position(tx, "mail"), limit=3)
                if page:
                    journal.advance(tx, "mail", page[-1].id)
                more = bool(page)
            done.extend(entry.id for entry in page)

    with ThreadPoolExecutor(4) as threads:
        for consumer in [threads.submit(consume) for _ in range(4)]:
            consumer.result(60)
    assert sorted(done) == list(range(1, 41))
