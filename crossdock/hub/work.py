"""Work: run jobs here and now, serve them in the background, see what ran and what needs a person."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crossdock.core.errors import ConfigError, Unsupported
from crossdock.core.store import accounts, events, feeds, offer_levels, orders, runs, schedules
from crossdock.core.store.engine import Write
from crossdock.core.store.events import EventRecord, Level
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.core.store.schedules import Schedule
from crossdock.jobs import stock
from crossdock.jobs.registry import JOBS
from crossdock.jobs.stock import Plan
from crossdock.queue.embedded import EmbeddedQueue
from crossdock.queue.execute import Executor

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How a job of an account stands.

    Args:
        account, job: whose, and which.
        last_success: when it last ended well; None if never.
        last_state: how the last run ended, or stands.
        next_run_at: when it runs again by itself; None if it does not.
        late: whether it should have succeeded by now: its schedule passed three times without a success.
    """

    account: str
    job: str
    last_success: datetime | None
    last_state: RunState | None
    next_run_at: datetime | None
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a monitor has to know.

    Args:
        jobs: every account and job that ran or is scheduled.
        stopped: accounts that are stopped, with the reason.
        parked: orders that wait for a person, by account.
        short: sold lines that wait for units, by account.
        levels: stock levels by account and state.
    """

    jobs: tuple[JobStatus, ...]
    stopped: Mapping[str, str]
    parked: Mapping[str, int]
    short: Mapping[str, int]
    levels: Mapping[str, Mapping[str, int]]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs a person."""
        failed = any(job.last_state is RunState.FAILED or job.late for job in self.jobs)
        return not (failed or self.stopped or self.parked or self.short)


class Work:
    """The runs of an installation.

    Args:
        hub: the installation.

    Attributes:
        listeners: called with each run that this process carried out, in the thread that did; they must not raise.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.listeners: list[Callable[[RunRecord], object]] = []
        executor = Executor(
            hub.store,
            JOBS,
            open_connector=hub.connector,
            stop_account=hub.stop_account,
            redact=hub.redactor.redact,
            order_changed=hub.order_changed,
            run_ended=self._tell_ended,
            folder=hub.installation.folder,
        )
        self._queue = EmbeddedQueue(executor)
        hub.store.on_queued = self._queue.enqueue

    def run(self, account: str, job: str, *, force: bool = False, asked_by: str = "person") -> RunRecord:
        """Run a job of an account now, in this thread, and return how it ended.

        Raises:
            ConfigError: there is no such account or job.
        """
        account_id = self._account_id(account, job)
        with self._hub.store.write() as tx:
            _try_refused_again(tx, account_id, job)
        return self._queue.run_now(account_id, job, asked_by=asked_by, force=force)

    def ask(self, account: str, job: str, *, force: bool = False, asked_by: str = "person") -> int:
        """Ask for a job; whoever serves runs it. Return the run's number.

        Raises:
            ConfigError: there is no such account or job.
        """
        account_id = self._account_id(account, job)
        with self._hub.store.write() as tx:
            _try_refused_again(tx, account_id, job)
            return runs.request(tx, account_id, job, asked_by=asked_by, force=force)

    def cancel(self, run_id: int) -> RunRecord:
        """Ask a run to stop; a queued one ends at once."""
        with self._hub.store.write() as tx:
            return runs.cancel(tx, run_id)

    def run_until_idle(self) -> int:
        """Run what is due until nothing is; return the number of runs."""
        return self._queue.run_until_idle()

    def serve(self, stop: threading.Event) -> None:
        """Run what becomes due until `stop` is set."""
        self._queue.serve(stop)

    def plan(self, account: str, job: str) -> Plan:
        """Say what a job would do, without doing it.

        Raises:
            Unsupported: the job has no plan.
        """
        account_id = self._account_id(account, job)
        if job != stock.JOB:
            raise Unsupported(f"The job {job} has no plan.", advice=f"A plan has: {stock.JOB}.")
        with self._hub.store.read() as tx:
            return stock.plan(tx, account_id, self._hub.options(tx, account_id))

    def list(self, *, account: str | None = None, job: str | None = None, limit: int = 50) -> tuple[RunRecord, ...]:
        """Return runs, newest first."""
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id if account else None
            return runs.list(tx, account=owner, job=job, limit=limit)

    def show(self, run_id: int) -> RunRecord:
        """Return one run."""
        with self._hub.store.read() as tx:
            return runs.get(tx, run_id)

    def events(
        self,
        *,
        account: str | None = None,
        run_id: int | None = None,
        level: Level | None = None,
        limit: int = 100,
    ) -> tuple[EventRecord, ...]:
        """Return events, newest first."""
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id if account else None
            return events.list(tx, account=owner, run_id=run_id, level=level, limit=limit)

    def schedules(self, *, account: str | None = None) -> tuple[Schedule, ...]:
        """Return what runs by itself."""
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id if account else None
            return schedules.list(tx, account=owner)

    def schedule(
        self,
        account: str,
        job: str,
        *,
        every_seconds: int | None = None,
        cron: str | None = None,
        time_zone: str = "UTC",
    ) -> Schedule:
        """Let a job run by itself: every so many seconds, or by a cron line in a time zone.

        Raises:
            ConfigError: there is no such account or job, or the rhythm cannot be understood.
        """
        account_id = self._account_id(account, job)
        with self._hub.store.write() as tx:
            schedules.set(tx, account_id, job, every_seconds=every_seconds, cron=cron, time_zone=time_zone)
            return schedules.get(tx, account_id, job)

    def unschedule(self, account: str, job: str) -> None:
        """Let a job run by itself no more."""
        account_id = self._account_id(account, job)
        with self._hub.store.write() as tx:
            schedules.remove(tx, account_id, job)

    def status(self) -> Status:
        """Return what a monitor has to know."""
        with self._hub.store.read() as tx:
            rows = accounts.list_all(tx)
            names = {row.id: row.name for row in rows}
            planned = {(item.account, item.job): item for item in schedules.list(tx) if item.account in names}
            last = {(item.account, item.job): item for item in runs.latest(tx) if item.account in names}
            good = {key: when for key, when in runs.last_successes(tx).items() if key[0] in names}
            return Status(
                jobs=tuple(
                    _job_status(names[key[0]], key[1], last.get(key), good.get(key), planned.get(key), tx.now)
                    for key in sorted({*planned, *last}, key=lambda key: (names[key[0]], key[1]))
                ),
                stopped={row.name: row.stopped_because for row in rows if row.stopped_because},
                parked={names[key]: number for key, number in orders.parked(tx).items() if key in names},
                short={names[key]: number for key, number in orders.short(tx).items() if key in names},
                levels={name: counts for key, name in names.items() if (counts := offer_levels.summary(tx, key))},
            )

    def _tell_ended(self, run_id: int) -> None:
        if not (self.listeners or self._hub.hears("run_finished") or self._hub.hears("feed_published")):
            return
        with self._hub.store.read() as tx:
            record = runs.get(tx, run_id)
        if record.state not in runs.ACTIVE:
            facts = {"account_id": record.account, "job": record.job, "state": record.state.value}
            self._hub.tell("run_finished", run_id=record.id, **facts)
            if record.job == feeds.FEED_JOB:
                self._hub.feeds_published(record)
        for listener in self.listeners:
            listener(record)

    def _account_id(self, account: str, job: str) -> str:
        if job not in JOBS:
            raise ConfigError(f"There is no job {job!r}.", advice=f"Jobs are: {', '.join(sorted(JOBS))}.")
        with self._hub.store.read() as tx:
            return accounts.get(tx, account).id


def _try_refused_again(tx: Write, account_id: str, job: str) -> None:
    """Who asks for a push has mended what the platform refused; a push that runs by itself leaves it alone."""
    if job == stock.JOB:
        offer_levels.retry_errors(tx, account_id)


def _job_status(
    account: str,
    job: str,
    last: RunRecord | None,
    success: datetime | None,
    schedule: Schedule | None,
    now: datetime,
) -> JobStatus:
    late = False
    if schedule is not None and schedule.enabled and schedule.every_seconds:
        late = success is not None and (now - success).total_seconds() > 3 * schedule.every_seconds
    return JobStatus(
        account=account,
        job=job,
        last_success=success,
        last_state=last.state if last else None,
        next_run_at=schedule.next_run_at if schedule and schedule.enabled else None,
        late=late,
    )
