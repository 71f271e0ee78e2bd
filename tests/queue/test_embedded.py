"""The embedded queue: what is asked for is executed once, whatever happens to threads and processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

import crossdock
from crossdock.core.clock import Clock, SystemClock
from crossdock.core.errors import NotFoundHere, Unavailable
from crossdock.core.store import Store, Write, runs, schedules
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.core.store.tables import consumers, metadata
from crossdock.jobs.run import JobFunction, Run
from crossdock.queue import JobQueue
from crossdock.queue.embedded import EmbeddedQueue
from crossdock.queue.execute import Executor
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
PATIENCE = 30  # seconds, for what takes milliseconds on a machine with nothing else to do


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@contextmanager
def opened(url: str, clock: Clock) -> Iterator[Store]:
    store = Store(url, clock=clock)
    metadata.create_all(store.engine)
    yield store
    store.close()


@pytest.fixture
def store(database_url: str, clock: VirtualClock) -> Iterator[Store]:
    with opened(database_url, clock) as store:
        yield store


@pytest.fixture
def real_store(database_url: str) -> Iterator[Store]:
    """A store with the machine's own clock, for tests with processes of their own."""
    with opened(database_url, SystemClock()) as store:
        yield store


def make_queue(store: Store, *, threads: int = 4, timeout: float = 60.0, **jobs: JobFunction) -> EmbeddedQueue:
    def no_account(*wanted: object) -> NoReturn:
        raise AssertionError(f"the job wants an account: {wanted}")

    executor = Executor(store, jobs, open_connector=no_account, stop_account=no_account, redact=str)
    queue = EmbeddedQueue(
        executor, threads=threads, poll=0.05, heartbeat_interval=timeout / 6, heartbeat_timeout=timeout
    )
    store.on_queued = queue.enqueue
    return queue


def ask(store: Store, account: str = "a", job: str = "stock", **options: object) -> int:
    with store.write() as tx:
        return runs.request(tx, account, job, asked_by="test", **options)  # type: ignore[arg-type]  # any of its options


def get(store: Store, run_id: int) -> RunRecord:
    with store.read() as tx:
        return runs.get(tx, run_id)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until another thread or process has made it true."""
    ticks = threading.Event()
    for _ in range(PATIENCE * 50):
        if condition():
            return
        ticks.wait(0.02)
    raise AssertionError(f"it did not come true in {PATIENCE} s")


@contextmanager
def serving(queue: JobQueue) -> Iterator[threading.Event]:
    """Let a queue serve in a thread; what it raises is raised here."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(queue.serve, stop)
        try:
            yield stop
        finally:
            stop.set()
        served.result(PATIENCE)


def count_up(tx: Write, name: str) -> None:
    row = insert(consumers).values(name=name, position=1, at=tx.now)
    tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"position": consumers.c.position + 1}))


def counted(store: Store) -> int:
    with store.read() as tx:
        return int(tx.scalar(select(consumers.c.position)) or 0)


class Gate:
    """A job that waits in the middle, so that a test can act meanwhile."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, run: Run) -> None:
        self.inside.release()
        assert self.open.wait(PATIENCE)

    def wait_inside(self) -> None:
        assert self.inside.acquire(timeout=PATIENCE)


# --- executing -------------------------------------------------------------------------------------------------------


def test_what_is_due_is_executed_and_no_more(store: Store, clock: VirtualClock) -> None:
    done: list[str] = []
    queue = make_queue(store, stock=lambda run: done.append(run.account_id))
    for number in range(10):
        ask(store, f"account {number}")
    later = ask(store, "later", delay=60)
    assert queue.run_until_idle() == 10
    assert sorted(done) == [f"account {number}" for number in range(10)]
    assert queue.run_until_idle() == 0
    clock.advance(60)
    assert queue.run_until_idle() == 1
    assert get(store, later).state is RunState.DONE


def test_what_a_job_asks_for_is_executed_too(store: Store) -> None:
    done: list[str] = []

    def orders(run: Run) -> None:
        done.append("orders")
        with run.write() as tx:
            runs.ask(tx, "a", "stock", asked_by="orders")

    queue = make_queue(store, orders=orders, stock=lambda run: done.append("stock"))
    ask(store, job="orders")
    assert queue.run_until_idle() == 2
    assert done == ["orders", "stock"]


def test_no_more_run_at_once_than_there_are_threads(store: Store) -> None:
    gate = Gate()
    queue = make_queue(store, threads=3, stock=gate)
    for number in range(7):
        ask(store, f"account {number}")
    with serving(queue):
        for _ in range(3):
            gate.wait_inside()
        assert not gate.inside.acquire(timeout=0.3)
        with store.read() as tx:
            assert len(runs.list(tx, state=RunState.QUEUED)) == 4
        gate.open.set()
        for _ in range(4):
            gate.wait_inside()


def test_jobs_of_one_account_run_side_by_side_but_none_beside_itself(store: Store) -> None:
    gate = Gate()
    queue = make_queue(store, stock=gate, orders=gate)
    ask(store), ask(store, job="orders")
    with serving(queue):
        gate.wait_inside()
        gate.wait_inside()
        ask(store), ask(store, job="orders")
        assert not gate.inside.acquire(timeout=0.3)
        gate.open.set()
        gate.wait_inside()
        gate.wait_inside()


def test_a_commit_of_this_process_wakes_the_queue_at_once(store: Store) -> None:
    gate = Gate()
    queue = make_queue(store, stock=gate)
    queue.poll = PATIENCE * 2  # nothing is found by looking again
    with serving(queue) as stop:
        eventually(lambda: not queue._wake.is_set())
        ask(store)
        gate.wait_inside()
        stop.set()
        gate.open.set()  # the end of a run wakes it as well


def test_what_another_process_asked_for_is_found_soon(store: Store, database_url: str, clock: VirtualClock) -> None:
    gate = Gate()
    gate.open.set()
    with serving(make_queue(store, stock=gate)):
        other = Store(database_url, clock=clock)
        ask(other)
        other.close()
        gate.wait_inside()


def test_schedules_are_served(store: Store, clock: VirtualClock) -> None:
    gate = Gate()
    gate.open.set()
    with store.write() as tx:
        schedules.set(tx, "a", "stock", every_seconds=600)
        schedules.set(tx, "b", "stock", cron="5 8 * * *")
    queue = make_queue(store, stock=gate)
    assert queue.run_until_idle() == 0
    clock.advance(600)
    assert queue.run_until_idle() == 2
    with serving(queue):
        gate.wait_inside()
        gate.wait_inside()
        clock.advance(600)
        gate.wait_inside()


def test_a_platform_that_is_away_is_tried_again_when_it_is_time(store: Store, clock: VirtualClock) -> None:
    attempts: list[datetime] = []

    def stock(run: Run) -> None:
        attempts.append(clock.now())
        if len(attempts) == 1:
            raise Unavailable("Too many.", retry_after=120)
        if len(attempts) == 2:
            raise Unavailable("No answer.")

    queue = make_queue(store, stock=stock)
    number = ask(store)
    assert queue.run_until_idle() == 1
    clock.advance(119)
    assert queue.run_until_idle() == 0
    clock.advance(1)
    assert queue.run_until_idle() == 1
    clock.advance(30)
    assert queue.run_until_idle() == 1
    run = get(store, number)
    assert (run.state, run.attempts, run.token) == (RunState.DONE, 2, 3)


def test_a_store_that_fails_ends_the_queue_loudly(store: Store, clock: VirtualClock) -> None:
    def stock(run: Run) -> None:
        metadata.drop_all(store.engine)

    queue = make_queue(store, stock=stock)
    ask(store)
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        queue.run_until_idle()


# --- no change is left waiting ---------------------------------------------------------------------------------------


def test_changes_from_many_threads_all_reach_the_platform(store: Store) -> None:
    there: list[int] = [0]

    def change(_: int) -> None:
        with store.write() as tx:
            count_up(tx, "value")
            runs.ask(tx, "a", "stock", asked_by="change")

    def push(run: Run) -> None:
        there[0] = counted(store)

    queue = make_queue(store, stock=push)
    with serving(queue):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(change, range(200)))
        eventually(lambda: there[0] == 200)
    queue.run_until_idle()
    assert there[0] == counted(store) == 200


# --- here and now ----------------------------------------------------------------------------------------------------


def test_one_run_is_executed_here_whatever_else_waits(store: Store) -> None:
    done: list[tuple[str, threading.Thread]] = []
    queue = make_queue(store, stock=lambda run: done.append((run.account_id, threading.current_thread())))
    ask(store, "a", priority=9)
    wanted = ask(store, "b", delay=900)
    assert queue.run_one(wanted).state is RunState.DONE
    assert done == [("b", threading.current_thread())]


def test_one_run_that_is_not_queued_is_left_as_it_is(store: Store) -> None:
    queue = make_queue(store, stock=lambda run: None)
    number = ask(store)
    with store.write() as tx:
        runs.claim(tx, "elsewhere")
    assert queue.run_one(number) == get(store, number)
    assert get(store, number).owner == "elsewhere"
    with pytest.raises(NotFoundHere):
        queue.run_one(4711)


def test_a_job_is_run_now(store: Store) -> None:
    forced: list[bool] = []
    queue = make_queue(store, stock=lambda run: forced.append(run.force))
    waiting = ask(store, delay=900)
    run = queue.run_now("a", "stock", asked_by="operator", force=True)
    assert (run.id, run.state, forced) == (waiting, RunState.DONE, [True])
    assert queue.run_now("a", "stock", asked_by="operator").id > waiting


def test_a_job_that_must_be_tried_again_is_not_waited_for(store: Store) -> None:
    def stock(run: Run) -> None:
        raise Unavailable("No answer.")

    run = make_queue(store, stock=stock).run_now("a", "stock", asked_by="operator")
    assert (run.state, run.error, run.attempts) == (RunState.QUEUED, "No answer.", 1)


def test_a_job_that_runs_elsewhere_is_run_here_after_it(store: Store) -> None:
    gate, here = Gate(), list[int]()
    number = ask(store)
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(make_queue(store, stock=gate).run_one, number)
        gate.wait_inside()
        queue = make_queue(store, stock=lambda run: here.append(run.id))
        with ThreadPoolExecutor(1) as other:
            now = other.submit(queue.run_now, "a", "stock", asked_by="operator", force=True)
            eventually(lambda: get(store, number).again)
            assert not now.done()
            gate.open.set()
            run = now.result(PATIENCE)
        assert elsewhere.result(PATIENCE).state is RunState.DONE
    assert (run.state, run.force, here) == (RunState.DONE, True, [run.id])
    assert run.id > number


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_gives_the_run_back(store: Store, end: type[BaseException]) -> None:
    def stock(run: Run) -> None:
        raise end

    queue = make_queue(store, stock=stock)
    number = ask(store)
    with pytest.raises(end):
        queue.run_one(number)
    assert (get(store, number).state, get(store, number).attempts) == (RunState.QUEUED, 0)


# --- stopping and cancelling -----------------------------------------------------------------------------------------


def test_a_queue_that_stops_lets_what_runs_end(store: Store) -> None:
    gate = Gate()
    number, waiting = ask(store, "a"), ask(store, "b")
    with serving(make_queue(store, threads=1, stock=gate)) as stop:
        gate.wait_inside()
        stop.set()
        gate.open.set()
    assert get(store, number).state is RunState.DONE
    assert get(store, waiting).state is RunState.QUEUED


def checking(inside: threading.Event) -> JobFunction:
    """Return a job that only checks whether it should go on."""

    def job(run: Run) -> None:
        inside.set()
        for _ in range(PATIENCE * 50):
            run.check_cancelled()
            threading.Event().wait(0.02)

    return job


def test_a_queue_that_stops_gives_back_what_asks(store: Store) -> None:
    inside = threading.Event()
    stock = checking(inside)
    number = ask(store)
    with serving(make_queue(store, stock=stock)) as stop:
        assert inside.wait(PATIENCE)
        stop.set()
    run = get(store, number)
    assert (run.state, run.attempts, run.owner) == (RunState.QUEUED, 0, None)


def test_a_running_run_is_cancelled(store: Store) -> None:
    inside = threading.Event()
    stock = checking(inside)
    number = ask(store)
    with serving(make_queue(store, stock=stock)):
        assert inside.wait(PATIENCE)
        with store.write() as tx:
            runs.cancel(tx, number)
        eventually(lambda: get(store, number).state is RunState.CANCELLED)


# --- signs of life ---------------------------------------------------------------------------------------------------


def test_a_long_run_gives_signs_of_life(store: Store, clock: VirtualClock) -> None:
    gate, rival = Gate(), make_queue(store, stock=lambda run: None)
    number = ask(store)
    with serving(make_queue(store, stock=gate)):
        gate.wait_inside()
        for _ in range(12):
            clock.advance(10)
            eventually(lambda: get(store, number).heartbeat_at == clock.now())
            assert rival.run_until_idle() == 0
        gate.open.set()
    assert get(store, number).state is RunState.DONE
    assert get(store, number).token == 1


def test_a_run_in_the_foreground_gives_signs_of_life(store: Store, clock: VirtualClock) -> None:
    def stock(run: Run) -> None:
        clock.advance(30)
        eventually(lambda: get(store, run.id).heartbeat_at == clock.now())

    run = make_queue(store, stock=stock).run_now("a", "stock", asked_by="operator")
    assert (run.state, run.heartbeat_at) == (RunState.DONE, START + timedelta(seconds=30))


def test_a_run_whose_process_is_gone_is_taken_over(store: Store, clock: VirtualClock) -> None:
    number = ask(store)
    with store.write() as tx:
        runs.claim(tx, "a process that is gone")
    done: list[int] = []
    queue = make_queue(store, stock=lambda run: done.append(run.id))
    clock.advance(60)
    assert queue.run_until_idle() == 0
    clock.advance(1)
    assert queue.run_until_idle() == 1
    assert done == [number]


# --- real processes --------------------------------------------------------------------------------------------------


class Worker:
    """Another process that executes runs; see worker.py."""

    def __init__(self, url: str, timeout: float) -> None:
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), url, str(timeout)]
        root = str(Path(crossdock.__file__).parents[1])
        self.process = subprocess.Popen(
            command, env={"PYTHONPATH": root}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()


def do_it(run: Run) -> None:
    with run.write() as tx:
        count_up(tx, "written")
    run.count(changed=1)


def test_a_run_of_a_killed_process_is_done_once_by_another(real_store: Store, database_url: str) -> None:
    number = ask(real_store, job="write")
    with Worker(database_url, 1.0) as worker:
        assert worker.hear() == "begun"
        worker.process.send_signal(signal.SIGKILL)
        assert worker.process.wait(PATIENCE) == -signal.SIGKILL
        with serving(make_queue(real_store, timeout=1.0, write=do_it)):
            eventually(lambda: get(real_store, number).state is RunState.DONE)
    run = get(real_store, number)
    assert (run.token, run.attempts, counted(real_store)) == (2, 1, 1)
    assert run.owner is not None
    assert f":{worker.process.pid}:" not in run.owner


@pytest.mark.parametrize("job", ["write", "end"])
def test_a_frozen_process_that_thaws_too_late_cannot_write(real_store: Store, database_url: str, job: str) -> None:
    number = ask(real_store, job=job)
    with Worker(database_url, 1.0) as worker:
        assert worker.hear() == "begun"
        worker.process.send_signal(signal.SIGSTOP)
        with serving(make_queue(real_store, timeout=1.0, **{job: do_it})):
            eventually(lambda: get(real_store, number).state is RunState.DONE)
        before = get(real_store, number)
        worker.process.send_signal(signal.SIGCONT)
        worker.go_on()
        if job == "write":
            assert worker.hear() == "fenced"
        assert worker.hear() == "over"
        assert worker.process.wait(PATIENCE) == 0
    assert get(real_store, number) == before
    assert (before.token, before.counts["changed"], counted(real_store)) == (2, 1, 1)


def test_a_process_that_only_pauses_goes_on(real_store: Store, database_url: str) -> None:
    number = ask(real_store, job="write")
    with Worker(database_url, 60.0) as worker:
        assert worker.hear() == "begun"
        worker.process.send_signal(signal.SIGSTOP)
        worker.process.send_signal(signal.SIGCONT)
        worker.go_on()
        assert [worker.hear(), worker.hear()] == ["written", "over"]
    assert (get(real_store, number).state, get(real_store, number).token) == (RunState.DONE, 1)
