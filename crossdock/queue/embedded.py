"""The queue that needs nothing but the store: threads in any number of processes, on SQLite or PostgreSQL."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from crossdock.core.store import Write, runs, schedules
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.queue.execute import Executor

THREADS: Final = 4
POLL: Final = 1.0  # seconds
HEARTBEAT_INTERVAL: Final = 10.0
HEARTBEAT_TIMEOUT: Final = 60.0


class EmbeddedQueue:
    """Executes the runs of one store in this process, beside any number of others that do the same.

    A commit of this process wakes it at once; what other processes queue it finds at its next look.

    Args:
        executor: carries the runs out.
        threads: how many runs at the same time.
        poll: seconds from one look to the next, of real time.
        heartbeat_interval: seconds from one sign of life of running runs to the next, by the store's clock.
        heartbeat_timeout: seconds without one after which a run is taken over, by the store's clock. All processes
            have the same, and clocks that differ by far less.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        threads: int = THREADS,
        poll: float = POLL,
        heartbeat_interval: float = HEARTBEAT_INTERVAL,
        heartbeat_timeout: float = HEARTBEAT_TIMEOUT,
    ) -> None:
        self.store = executor.store
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.threads = threads
        self.poll = poll
        self.heartbeat_interval = heartbeat_interval
        self.heartbeat_timeout = heartbeat_timeout
        self._executor = executor
        self._wake = threading.Event()
        self._running: set[tuple[int, int]] = set()  # number and token
        self._running_lock = threading.Lock()

    # --- in a loop ---------------------------------------------------------------------------------------------------

    def enqueue(self, tx: Write, run_id: int, account: str, job: str) -> None:
        """Wake up once the run is committed; its row is all there is to a job here (see `JobQueue`)."""
        tx.after_commit(self._wake.set)

    def serve(self, stop: threading.Event) -> None:
        """Execute runs until `stop` is set; what is running then ends, or gives its run back at its next check."""
        self._work(lambda idle: stop.is_set())

    def run_until_idle(self) -> int:
        """Execute what is due until nothing is, and return how many runs that were."""
        return self._work(lambda idle: idle)

    def tick(self) -> None:
        """Ask for what schedules want by now, and take over runs whose process is gone."""
        with self.store.write() as tx:
            schedules.dispatch_due(tx, tx.now)
        with self.store.write() as tx:
            runs.take_over(tx, self.heartbeat_timeout)

    def _work(self, enough: Callable[[bool], bool]) -> int:
        leaving, flights, started = threading.Event(), set[Future[None]](), 0
        with self._signs_of_life() as heartbeat, ThreadPoolExecutor(self.threads, "run") as pool:
            try:
                while True:
                    self._wake.clear()
                    flights = {flight for flight in flights if not _landed(flight)}
                    due = self._look()
                    if enough(not due and not flights) or _landed(heartbeat):
                        return started
                    claimed = self._claim(self.threads - len(flights)) if due else ()
                    flights |= {self._take_off(pool, record, leaving) for record in claimed}
                    started += len(claimed)
                    self._wake.wait(self.poll)
            finally:
                leaving.set()

    def _look(self) -> bool:
        """See to what is due by the clock, and return whether a run waits to be claimed."""
        with self.store.read() as tx:
            if not runs.is_stale(tx, self.heartbeat_timeout) and not schedules.is_due(tx):
                return runs.is_due(tx)
        self.tick()
        return True

    def _claim(self, limit: int) -> tuple[RunRecord, ...]:
        if not limit:
            return ()
        with self.store.write() as tx:
            return runs.claim(tx, self.owner, limit=limit)

    def _take_off(self, pool: ThreadPoolExecutor, record: RunRecord, leaving: threading.Event) -> Future[None]:
        flight = pool.submit(self._execute, record, leaving)
        flight.add_done_callback(lambda _: self._wake.set())
        return flight

    # --- one run, here and now ---------------------------------------------------------------------------------------

    def run_one(self, run_id: int) -> RunRecord:
        """Execute this run in this thread if it is queued, due or not and whatever else waits; return how it stands.

        Raises:
            NotFoundHere: there is no such run.
        """
        with self._signs_of_life():
            with self.store.write() as tx:
                claimed = runs.claim(tx, self.owner, run_id=run_id)
            for record in claimed:
                self._execute(record, threading.Event())
        with self.store.read() as tx:
            return runs.get(tx, run_id)

    def run_now(self, account: str, job: str, *, asked_by: str, force: bool = False) -> RunRecord:
        """Ask for a job and execute it in this thread; return how its run stands in the end.

        If another process is at it already, wait for its end and then execute what was asked for here.
        """
        with self.store.write() as tx:
            run_id = runs.request(tx, account, job, asked_by=asked_by, force=force)
            elsewhere = runs.get(tx, run_id).state is RunState.RUNNING
        if elsewhere:
            self._wait(run_id)
            with self.store.read() as tx:
                (successor,) = runs.list(tx, account=account, job=job, limit=1)
            run_id = successor.id
        record = self.run_one(run_id)
        return record if record.state is not RunState.RUNNING else self._wait(run_id)

    def _wait(self, run_id: int) -> RunRecord:
        """Return the run once no process is at it any more."""
        while True:
            with self.store.read() as tx:
                record = runs.get(tx, run_id)
            if record.state is not RunState.RUNNING:
                return record
            threading.Event().wait(self.poll)
            self.tick()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _execute(self, record: RunRecord, leaving: threading.Event) -> None:
        flight = (record.id, record.token)
        with self._running_lock:
            self._running.add(flight)
        try:
            self._executor.execute(record, leaving)
        finally:
            with self._running_lock:
                self._running.remove(flight)

    @contextmanager
    def _signs_of_life(self) -> Iterator[Future[None]]:
        """Have a thread give signs of life of what this process runs; the future ends early only if that fails."""
        over = threading.Event()
        with ThreadPoolExecutor(1, "heartbeat") as thread:
            heartbeat = thread.submit(self._beat_until, over)
            try:
                yield heartbeat
            finally:
                over.set()
        heartbeat.result()

    def _beat_until(self, over: threading.Event) -> None:
        last = self.store.clock.monotonic()
        while not over.wait(min(self.poll, self.heartbeat_interval)):
            if self.store.clock.monotonic() - last >= self.heartbeat_interval:
                last = self.store.clock.monotonic()
                self._beat()

    def _beat(self) -> None:
        with self._running_lock:
            run_ids = {run_id for run_id, _ in self._running}
        if run_ids:
            with self.store.write() as tx:
                runs.heartbeat(tx, self.owner, run_ids)


def _landed(flight: Future[None]) -> bool:
    """Whether it is over; what it raised is raised here."""
    if flight.done():
        flight.result()
    return flight.done()
