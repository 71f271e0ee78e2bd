"""Runs: one execution of a job for an account, never two at once for the same account and job.

Why no change is left waiting: whoever changes something asks for a run in the same transaction. Asking writes to the
run's row, so a claim of that run either comes after the change is committed and sees it, or came before; then the row
is marked `again`, and the end of the run puts its successor into the queue, all under the lock of that one row.

Why a run that was taken over cannot write: claiming counts the run's `token` up, and every write of a run ends with a
check of the token (`fence`) in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.errors import Fenced, NotFoundHere
from crossdock.core.store import events
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import runs

MAX_ATTEMPTS: Final = 8
MAX_TAKEOVERS: Final = 5
TAKEN_OVER: Final = "taken_over"  # code of the event


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE: Final = (RunState.QUEUED, RunState.RUNNING)
# Word for word the condition of the partial indexes: SQLite does not see through bound values, and would read all runs.
_IS_ACTIVE: Final = runs.c.state.in_(bindparam("active", [*map(str, ACTIVE)], expanding=True, literal_execute=True))

# What every run asks many times is built once: building a statement takes longer than executing it.
_MAKE: Final = insert(runs).on_conflict_do_nothing().returning(runs.c.id)
_BY_ID: Final = select(runs).where(runs.c.id == bindparam("run"))
_IS_MINE: Final = and_(
    runs.c.id == bindparam("run"), runs.c.token == bindparam("claimed"), runs.c.state == RunState.RUNNING
)
_LOCK_MINE: Final = select(runs).where(_IS_MINE).with_for_update(key_share=True)
_TOUCH_MINE: Final = update(runs).where(_IS_MINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the store has it.

    Args:
        account: the account's id.
        again: somebody asked for the job after this run was asked for.
        cancel: somebody asked the running run to stop.
        force: guards may be overridden.
        priority: the higher, the sooner.
        asked_by: a person, a schedule, a change.
        not_before: when it is due.
        began_at: when the present or last attempt began.
        owner: the process that runs it.
        token: how often it was claimed.
        attempts: how many attempts came to nothing since the last one that got anything done.
        progress: {"done": int, "total": int or None, "message": str}, if it said so.
        checkpoint: where the next attempt goes on; the job's own value.
        counts: items seen, added, changed, unchanged, failed.
        error: why it failed, or why it has to be tried again.
    """

    id: int
    account: str
    job: str
    state: RunState
    again: bool
    cancel: bool
    force: bool
    priority: int
    asked_by: str
    asked_at: datetime
    not_before: datetime
    began_at: datetime | None
    heartbeat_at: datetime | None
    ended_at: datetime | None
    owner: str | None
    token: int
    attempts: int
    progress: Mapping[str, Any] | None
    checkpoint: Any
    counts: Mapping[str, int]
    error: str | None


# --- asking ----------------------------------------------------------------------------------------------------------


def request(
    tx: Write, account: str, job: str, *, asked_by: str, force: bool = False, delay: float = 0.0, priority: int = 0
) -> int:
    """Ask for a run and return its number: of a new one, or of the one that is queued or running already.

    It locks the run's row until the transaction ends; within a bigger transaction use `ask`.

    Args:
        tx: the transaction of the change that is the reason for asking.
        account: the account's id.
        job: the job's name.
        asked_by: who or what wants it.
        force: whether guards may be overridden; a run that is running already hands this on to its successor.
        delay: seconds until a new run is due.
        priority: the higher, the sooner; of a new run.
    """
    row = {"account": account, "job": job, "state": RunState.QUEUED, "force": force, "priority": priority}
    row |= {"asked_by": asked_by, "asked_at": tx.now, "not_before": tx.now + timedelta(seconds=delay), "counts": {}}
    while True:
        new: int | None = tx.execute(_MAKE, row).scalar()
        if new is not None:
            _tell_queue(tx, new, account, job)
            return new
        mark = {"again": True} | ({"force": True} if force else {})
        holder = update(runs).where(runs.c.account == account, runs.c.job == job, _IS_ACTIVE).values(**mark)
        held: int | None = tx.scalar(holder.returning(runs.c.id))
        if held is not None:
            return held
        # The holder ended between the two statements.


def ask(tx: Write, account: str, job: str, *, asked_by: str, force: bool = False) -> None:
    """Ask for a run at the end of the transaction, in an order that keeps transactions from locking each other out."""

    def at_the_end(tx: Write) -> None:
        request(tx, account, job, asked_by=asked_by, force=force)

    tx.defer(("1 runs", account, job), at_the_end)


def cancel(tx: Write, run_id: int) -> RunRecord:
    """Cancel a queued run, or ask a running one to stop at its next check; a run that has ended stays as it is.

    Raises:
        NotFoundHere: there is no such run.
    """
    row = _record_of(tx.execute(_BY_ID.with_for_update(key_share=True), {"run": run_id}).first(), run_id)
    if row.state is RunState.QUEUED:
        _set(tx, run_id, state=RunState.CANCELLED, ended_at=tx.now)
    if row.state is RunState.RUNNING:
        _set(tx, run_id, cancel=True)
    return get(tx, run_id)


# --- executing -------------------------------------------------------------------------------------------------------


def claim(tx: Write, owner: str, *, limit: int = 1, run_id: int | None = None) -> tuple[RunRecord, ...]:
    """Take queued runs to execute: the due ones by priority and age, or the given one whether due or not.

    Args:
        tx: a transaction for this alone.
        owner: names the process; see `heartbeat`.
        limit: how many at most.
        run_id: this one and no other; none is returned if it is not queued.
    """
    query = select(runs.c.id).where(_IS_ACTIVE, runs.c.state == RunState.QUEUED)
    if run_id is None:
        query = query.where(runs.c.not_before <= tx.now).limit(limit)
        query = query.order_by(runs.c.priority.desc(), runs.c.not_before, runs.c.id)
    else:
        query = query.where(runs.c.id == run_id)
    # Among many, one that somebody is asking for right now can wait for the next look.
    ids = tx.execute(query.with_for_update(key_share=True, skip_locked=run_id is None)).scalars().all()
    values = {
        "state": RunState.RUNNING,
        "token": runs.c.token + 1,
        "owner": owner,
        "began_at": tx.now,
        "heartbeat_at": tx.now,
        "progress": None,
        # Beginning anew covers all that was asked for so far; going on from a checkpoint does not.
        "again": and_(runs.c.again, runs.c.checkpoint.is_not(None)),
    }
    claimed = tx.execute(update(runs).where(runs.c.id.in_(ids)).values(**values).returning(runs))
    return tuple(sorted(map(_record, claimed), key=lambda run: ids.index(run.id)))


def heartbeat(tx: Write, owner: str, run_ids: Collection[int]) -> None:
    """Say that the process is still at these runs; what was taken over stays with its new owner."""
    mine = and_(runs.c.id.in_(run_ids), runs.c.owner == owner, runs.c.state == RunState.RUNNING)
    # A locked row cannot be taken over either, so it may miss a beat.
    free = select(runs.c.id).where(mine).with_for_update(key_share=True, skip_locked=True)
    ids = tx.execute(free).scalars().all()
    tx.execute(update(runs).where(runs.c.id.in_(ids)).values(heartbeat_at=tx.now))


def fence(tx: Write, run: RunRecord, **values: Any) -> None:
    """Make sure, to the end of the transaction, that the run still belongs to who claimed it; a sign of life as well.

    Args:
        tx: the transaction that the run writes.
        run: as it was claimed.
        values: further columns to set: progress, checkpoint, counts.

    Raises:
        Fenced: it was taken over, or has ended.
    """
    named = {"run": run.id, "claimed": run.token}
    if not tx.execute(_TOUCH_MINE, {**named, "heartbeat_at": tx.now, **values}).rowcount:
        raise _fenced(run)


def finish(
    tx: Write, run: RunRecord, state: RunState, *, error: str | None = None, counts: Mapping[str, int] | None = None
) -> None:
    """End a claimed run; if it was asked for again meanwhile, its successor is queued in the same transaction.

    Args:
        tx: the transaction.
        run: as it was claimed.
        state: done, failed or cancelled.
        error: why, in words for a person.
        counts: the last word on items seen, added, changed, unchanged, failed.

    Raises:
        Fenced: it was taken over, or has ended.
    """
    row = _mine(tx, run)
    # Force that came after the claim is meant for the successor; force that the run had is used up.
    _end(tx, row, state, error, force=row.force and not run.force, counts=row.counts if counts is None else counts)


def retry(tx: Write, run: RunRecord, *, delay: float, error: str, came_on: bool = False) -> RunState:
    """Put a claimed run back after an attempt that did not come to its end, and return its state.

    Args:
        tx: the transaction.
        run: as it was claimed.
        delay: seconds until it is due again.
        error: what happened, in words for a person.
        came_on: whether it got anything done; then those before it do not count: long work may wait often.

    Returns:
        Queued; failed after the last attempt; cancelled if somebody asked it to stop.

    Raises:
        Fenced: it was taken over, or has ended.
    """
    row = _mine(tx, run)
    attempts = 1 if came_on else row.attempts + 1
    if attempts >= MAX_ATTEMPTS and not row.cancel:
        _set(tx, row.id, attempts=attempts)
        _end(tx, row, RunState.FAILED, error, force=row.force and not run.force)
        return RunState.FAILED
    return _requeue(tx, row, delay=delay, attempts=attempts, error=error)


def give_back(tx: Write, run: RunRecord) -> RunState:
    """Put a claimed run back at once, because its process ends; that is no failed attempt.

    Raises:
        Fenced: it was taken over, or has ended.
    """
    row = _mine(tx, run)
    return _requeue(tx, row, delay=0.0, attempts=row.attempts, error=row.error)


def take_over(tx: Write, timeout: float) -> tuple[int, ...]:
    """Put runs back whose process gave no sign of life for `timeout` seconds, and return their numbers.

    A run that loses its process for the fifth time fails: it may be what kills the process.
    """
    # A row that is locked belongs to a living process.
    lost = select(runs).where(_stale(tx, timeout)).with_for_update(key_share=True, skip_locked=True)
    rows = tuple(map(_record, tx.execute(lost.order_by(runs.c.account, runs.c.job))))
    for row in rows:
        _take_over(tx, row)
    return tuple(row.id for row in rows)


def _take_over(tx: Write, row: RunRecord) -> None:
    message = f"The process {row.owner} gave no sign of life since {row.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
    before = len(events.list(tx, run_id=row.id, code=TAKEN_OVER, limit=MAX_TAKEOVERS))
    if before + 1 < MAX_TAKEOVERS or row.cancel:
        _event(tx, row, events.Level.WARNING, f"{message}; the run was taken from it.", "")
        _requeue(tx, row, delay=0.0, attempts=row.attempts + 1, error=message)
        return
    message = f"{message}; the run lost its process {before + 1} times and was given up."
    advice = "See in the system's log what ends the processes, such as too little memory; then ask for the run again."
    _event(tx, row, events.Level.ERROR, message, advice)
    _end(tx, row, RunState.FAILED, message)


# --- reading ---------------------------------------------------------------------------------------------------------


def get(tx: Read, run_id: int) -> RunRecord:
    """Return a run.

    Raises:
        NotFoundHere: there is no such run.
    """
    return _record_of(tx.execute(_BY_ID, {"run": run_id}).first(), run_id)


def list(
    tx: Read,
    *,
    account: str | None = None,
    job: str | None = None,
    state: RunState | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[RunRecord, ...]:
    """Return runs, the newest first; `before` is the last number of the page before."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit)
    for column, value in ((runs.c.account, account), (runs.c.job, job), (runs.c.state, state)):
        query = query if value is None else query.where(column == value)
    query = query if before is None else query.where(runs.c.id < before)
    return tuple(map(_record, tx.execute(query)))


def latest(tx: Read) -> tuple[RunRecord, ...]:
    """Return the last run of each account and job."""
    newest = select(func.max(runs.c.id)).group_by(runs.c.account, runs.c.job)
    return tuple(map(_record, tx.execute(select(runs).where(runs.c.id.in_(newest)))))


def last_successes(tx: Read) -> dict[tuple[str, str], datetime]:
    """Return when each account's jobs last ended well."""
    query = select(runs.c.account, runs.c.job, func.max(runs.c.ended_at)).where(runs.c.state == RunState.DONE)
    return {(account, job): when for account, job, when in tx.execute(query.group_by(runs.c.account, runs.c.job))}


def is_due(tx: Read) -> bool:
    """Whether a run waits to be claimed."""
    waits = exists().where(_IS_ACTIVE, runs.c.state == RunState.QUEUED, runs.c.not_before <= tx.now)
    return bool(tx.scalar(select(waits)))


def is_stale(tx: Read, timeout: float) -> bool:
    """Whether a run waits to be taken over."""
    return bool(tx.scalar(select(exists().where(_stale(tx, timeout)))))


# --- inside ----------------------------------------------------------------------------------------------------------


def _stale(tx: Read, timeout: float) -> Any:
    silent = runs.c.heartbeat_at < tx.now - timedelta(seconds=timeout)
    return and_(_IS_ACTIVE, runs.c.state == RunState.RUNNING, silent)


def _record(row: Row[*tuple[Any, ...]]) -> RunRecord:
    return RunRecord(**{**row._mapping, "state": RunState(row.state)})


def _record_of(row: Row[*tuple[Any, ...]] | None, run_id: int) -> RunRecord:
    if row is None:
        raise NotFoundHere(f"There is no run {run_id}.", advice="See the list of runs.")
    return _record(row)


def _mine(tx: Write, run: RunRecord) -> RunRecord:
    """Lock the row of a claimed run and return it as it is now."""
    row = tx.execute(_LOCK_MINE, {"run": run.id, "claimed": run.token}).first()
    if row is None:
        raise _fenced(run)
    return _record(row)


def _fenced(run: RunRecord) -> Fenced:
    return Fenced(
        f"Run {run.id} ({run.job} of account {run.account}) was taken over from {run.owner}: nothing was written.",
        advice="See why its process gave no sign of life; the run goes on elsewhere.",
    )


def _set(tx: Write, run_id: int, **values: Any) -> None:
    tx.execute(update(runs).where(runs.c.id == run_id).values(**values))


def _end(
    tx: Write,
    row: RunRecord,
    state: RunState,
    error: str | None,
    *,
    force: bool = False,
    counts: Mapping[str, int] | None = None,
) -> None:
    kept = {} if counts is None else {"counts": dict(counts)}
    _set(tx, row.id, state=state, ended_at=tx.now, error=events.legible(error), **kept)
    if row.again:
        by = f"run {row.id}, which was asked for again"
        request(tx, row.account, row.job, asked_by=by, force=force, priority=row.priority)


def _requeue(tx: Write, row: RunRecord, *, delay: float, attempts: int, error: str | None) -> RunState:
    if row.cancel:
        _end(tx, row, RunState.CANCELLED, error)
        return RunState.CANCELLED
    values = {"not_before": tx.now + timedelta(seconds=delay), "attempts": attempts, "error": events.legible(error)}
    _set(tx, row.id, state=RunState.QUEUED, owner=None, **values)
    _tell_queue(tx, row.id, row.account, row.job)
    return RunState.QUEUED


def _tell_queue(tx: Write, run_id: int, account: str, job: str) -> None:
    if tx.store.on_queued:
        tx.store.on_queued(tx, run_id, account, job)


def _event(tx: Write, row: RunRecord, level: events.Level, message: str, advice: str) -> None:
    events.add(tx, level, TAKEN_OVER, message, account=row.account, run_id=row.id, advice=advice)
