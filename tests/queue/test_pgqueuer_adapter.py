"""PgQueuer behind the same interface: it takes runs in within the caller's transaction, its workers execute them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NoReturn

import psycopg
import pytest
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import PsycopgDriver
from pgqueuer.models import Job
from pgqueuer.queries import SyncQueries
from psycopg.rows import dict_row
from sqlalchemy import make_url, select, text
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.errors import Unavailable
from crossdock.core.store import Store, Write, runs
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.core.store.tables import consumers, metadata
from crossdock.jobs.run import JobFunction, Run
from crossdock.queue import JobQueue
from crossdock.queue.embedded import EmbeddedQueue
from crossdock.queue.execute import Executor

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ENTRYPOINT = "run"


class OnCallersConnection:
    """PgQueuer's synchronous driver on the connection, and in the transaction, that the store is using."""

    def __init__(self, tx: Write) -> None:
        connection = tx.connection.connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        self.connection: psycopg.Connection[Any] = connection

    def fetch(self, query: str, *arguments: object) -> list[dict[str, object]]:
        cursor = psycopg.RawCursor(self.connection, row_factory=dict_row)
        return cursor.execute(query, arguments or None).fetchall()


class PgQueue:
    """A queue of numbers of runs; a number that is there twice, or late, is not claimed and does nothing."""

    def __init__(self, embedded: EmbeddedQueue, url: str) -> None:
        self.embedded = embedded
        self.url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def enqueue(self, tx: Write, run_id: int, account: str, job: str) -> None:
        run = runs.get(tx, run_id)
        SyncQueries(OnCallersConnection(tx)).enqueue(
            ENTRYPOINT,
            str(run_id).encode(),
            run.priority,
            max(timedelta(0), run.not_before - tx.now),
            # The run's own number would not do: the job that executes it is still there when it must be tried again.
            dedupe_key=f"{run_id}:{run.token}",
            on_conflict="skip",
        )

    def serve(self, stop: threading.Event) -> None:
        asyncio.run(self._work(stop))

    async def _work(self, stop: threading.Event) -> None:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            worker = PgQueuer(PsycopgDriver(connection))

            @worker.entrypoint(ENTRYPOINT)
            async def execute(job: Job) -> None:
                await asyncio.to_thread(self.embedded.run_one, int(job.payload or b"0"))

            async def leave() -> None:
                await asyncio.to_thread(stop.wait)
                worker.shutdown.set()

            await asyncio.gather(leave(), worker.qm.run(dequeue_timeout=timedelta(seconds=0.2)))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    metadata.create_all(store.engine)
    yield store
    store.close()


async def install(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await Queries(PsycopgDriver(connection)).install()


def count_up(run: Run) -> None:
    with run.write() as tx:
        row = insert(consumers).values(name="done", position=1, at=tx.now)
        tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"position": consumers.c.position + 1}))


def make_queue(store: Store, url: str, **jobs: JobFunction) -> PgQueue:
    executor = Executor(store, jobs, open_connector=no_account, stop_account=no_account, redact=str)
    queue = PgQueue(EmbeddedQueue(executor), url)
    asyncio.run(install(queue.url))
    store.on_queued = queue.enqueue
    return queue


def no_account(*wanted: object) -> NoReturn:
    raise AssertionError(f"the job wants an account: {wanted}")


def ask(store: Store, **options: object) -> int:
    with store.write() as tx:
        return runs.request(tx, "a", "stock", asked_by="test", **options)  # type: ignore[arg-type]  # any of its options


def get(store: Store, run_id: int) -> RunRecord:
    with store.read() as tx:
        return runs.get(tx, run_id)


def waiting(store: Store) -> int:
    with store.read() as tx:
        return int(tx.scalar(text("SELECT count(*) FROM pgqueuer")))


def counted(store: Store) -> int:
    with store.read() as tx:
        return int(tx.scalar(select(consumers.c.position)) or 0)


def serve_until(queue: JobQueue, condition: Callable[[], bool]) -> None:
    """Let the queue serve until it is true, and stop it; it must not take longer than half a minute."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(queue.serve, stop)
        looks = 0
        while not condition() and looks < 600:
            looks += 1
            stop.wait(0.05)
        stop.set()
        served.result(30)
    assert condition()


# --- taking in -------------------------------------------------------------------------------------------------------


def test_a_run_is_taken_in_with_the_change_that_asked_for_it(store: Store, database_url: str) -> None:
    make_queue(store, database_url)
    with store.write() as tx:
        runs.ask(tx, "a", "stock", asked_by="change")
        runs.ask(tx, "b", "stock", asked_by="change")
        assert tx.scalar(text("SELECT count(*) FROM pgqueuer")) == 0
    assert waiting(store) == 2


def test_a_transaction_that_fails_leaves_neither_run_nor_job(store: Store, database_url: str) -> None:
    make_queue(store, database_url)

    def ask_and_fail() -> None:
        with store.write() as tx:
            runs.request(tx, "a", "stock", asked_by="change")
            assert tx.scalar(text("SELECT count(*) FROM pgqueuer")) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_fail()
    with store.read() as tx:
        assert runs.list(tx) == ()
    assert waiting(store) == 0


def test_what_is_there_already_leaves_the_transaction_usable(store: Store, database_url: str) -> None:
    queue = make_queue(store, database_url)
    with store.write() as tx:
        number = runs.request(tx, "a", "stock", asked_by="change")
        assert runs.request(tx, "a", "stock", asked_by="change") == number
        queue.enqueue(tx, number, "a", "stock")
        queue.enqueue(tx, number, "a", "stock")
        runs.request(tx, "b", "stock", asked_by="change")
    assert waiting(store) == 2


# --- executing -------------------------------------------------------------------------------------------------------


def test_a_worker_executes_what_was_taken_in(store: Store, database_url: str) -> None:
    queue = make_queue(store, database_url, stock=count_up)
    number = ask(store)
    serve_until(queue, lambda: waiting(store) == 0)
    run = get(store, number)
    assert (run.state, run.token, counted(store)) == (RunState.DONE, 1, 1)


def test_what_is_asked_for_during_a_run_is_executed_after_it(store: Store, database_url: str) -> None:
    def stock(run: Run) -> None:
        if run.id == first:
            ask(store)
        count_up(run)

    queue = make_queue(store, database_url, stock=stock)
    first = ask(store)
    serve_until(queue, lambda: waiting(store) == 0)
    with store.read() as tx:
        assert [run.state for run in runs.list(tx)] == [RunState.DONE, RunState.DONE]
    assert counted(store) == 2


def test_a_run_that_must_be_tried_again_is_taken_in_anew(store: Store, database_url: str) -> None:
    attempts: list[int] = []

    def stock(run: Run) -> None:
        attempts.append(run.id)
        if len(attempts) == 1:
            raise Unavailable("No answer.", retry_after=0.2)

    queue = make_queue(store, database_url, stock=stock)
    number = ask(store)
    serve_until(queue, lambda: waiting(store) == 0)
    assert attempts == [number, number]
    assert (get(store, number).state, get(store, number).attempts) == (RunState.DONE, 1)


def test_a_job_that_comes_late_does_nothing(store: Store, database_url: str) -> None:
    queue = make_queue(store, database_url, stock=count_up)
    number = ask(store)
    queue.embedded.run_until_idle()
    assert waiting(store) == 1
    serve_until(queue, lambda: waiting(store) == 0)
    assert (get(store, number).token, counted(store)) == (1, 1)
