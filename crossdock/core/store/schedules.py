"""Schedules: when a job is asked for by itself.

A schedule holds its next moment only, counted from now each time it comes due: a dispatcher that was away for a day
asks once, not for every moment it missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from sqlalchemy import Row, and_, bindparam, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.store import runs
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import schedules

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST: Final = 31 * 86_400  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When an account's job is asked for; either `every_seconds` or `cron`.

    Args:
        account: the account's id.
        cron: five fields, read in `time_zone`.
        time_zone: IANA name.
        next_run_at: when it comes due.
    """

    account: str
    job: str
    every_seconds: int | None
    cron: str | None
    time_zone: str
    enabled: bool
    next_run_at: datetime


# --- setting ---------------------------------------------------------------------------------------------------------


def set(
    tx: Write,
    account: str,
    job: str,
    *,
    every_seconds: int | None = None,
    cron: str | None = None,
    time_zone: str = "UTC",
    enabled: bool = True,
) -> Schedule:
    """Set an account's schedule for a job, in place of the one it had.

    Args:
        tx: a transaction.
        account: the account's id.
        job: the job's name.
        every_seconds: from one start to the next; accounts start at different moments.
        cron: minute, hour, day of month, month, day of week, as in "30 2 * * *". An hour that a change of clocks leaves
            out is made up for right after it, one that comes twice counts once; fields with `*` go by real time.
        time_zone: IANA name of the zone that cron is read in.
        enabled: whether it runs.

    Raises:
        ConfigError: saying what is wrong with the rhythm or the zone.
    """
    moment = next_run(account, tx.now, every_seconds=every_seconds, cron=cron, time_zone=time_zone)
    rhythm = {"every_seconds": every_seconds, "cron": cron, "time_zone": time_zone}
    values = {**rhythm, "enabled": enabled, "next_run_at": moment}
    row = insert(schedules).values(account=account, job=job, **values)
    row = row.on_conflict_do_update(index_elements=["account", "job"], set_=values)
    return _schedule(tx.execute(row.returning(schedules)).one())


def remove(tx: Write, account: str, job: str) -> None:
    """Forget a schedule.

    Raises:
        NotFoundHere: there is none.
    """
    get(tx, account, job)
    tx.execute(delete(schedules).where(_is(account, job)))


def enable(tx: Write, account: str, job: str, enabled: bool) -> Schedule:
    """Let a schedule run, from now on, or let it rest.

    Raises:
        NotFoundHere: there is none.
    """
    moment = _next(get(tx, account, job), tx.now)
    tx.execute(update(schedules).where(_is(account, job)).values(enabled=enabled, next_run_at=moment))
    return get(tx, account, job)


# --- reading ---------------------------------------------------------------------------------------------------------


def get(tx: Read, account: str, job: str) -> Schedule:
    """Return the schedule of an account's job.

    Raises:
        NotFoundHere: there is none.
    """
    row = tx.execute(select(schedules).where(_is(account, job))).first()
    if row is None:
        raise NotFoundHere(f"The job {job} has no schedule for account {account}.", advice="Set one.")
    return _schedule(row)


def list(tx: Read, *, account: str | None = None) -> tuple[Schedule, ...]:
    """Return the schedules of one account or of all, by account and job."""
    query = select(schedules).order_by(schedules.c.account, schedules.c.job)
    query = query if account is None else query.where(schedules.c.account == account)
    return tuple(map(_schedule, tx.execute(query)))


def is_due(tx: Read) -> bool:
    """Whether a schedule has come due."""
    return bool(tx.scalar(select(exists().where(_due(tx.now)))))


# --- dispatching -----------------------------------------------------------------------------------------------------


def dispatch_due(tx: Write, now: datetime, *, limit: int = 500) -> tuple[int, ...]:
    """Ask for a run of each schedule that is due and return the runs' numbers; dispatchers may work side by side.

    Args:
        tx: a transaction for this alone.
        now: what has come due by then; the next moment of each lies after it.
        limit: how many schedules at most; what is left is still due.
    """
    query = select(schedules).where(_due(now)).order_by(schedules.c.account, schedules.c.job).limit(limit)
    due = tuple(map(_schedule, tx.execute(query.with_for_update(skip_locked=True))))
    if due:
        its = and_(schedules.c.account == bindparam("of"), schedules.c.job == bindparam("what"))
        later = [{"of": one.account, "what": one.job, "next_run_at": _next(one, now)} for one in due]
        tx.execute(update(schedules).where(its), later)
    # Sorted as those are that ask at the end of a transaction, so that nobody waits for each other.
    return tuple(runs.request(tx, one.account, one.job, asked_by="schedule") for one in due)


# --- the next moment -------------------------------------------------------------------------------------------------


def next_run(
    account: str, now: datetime, *, every_seconds: int | None = None, cron: str | None = None, time_zone: str = "UTC"
) -> datetime:
    """Return the first moment after `now` at which a schedule comes due.

    Raises:
        ConfigError: saying what is wrong with the rhythm or the zone.
    """
    zone = _zone(time_zone)
    if (every_seconds is None) == (cron is None):
        raise ConfigError("A schedule needs either a number of seconds or a cron line.", advice="Give one of them.")
    if every_seconds is not None:
        return _next_beat(account, now, every_seconds)
    moment = next((at for at in _cron(str(cron), now.astimezone(zone)) if at > now), None)
    if moment is None:
        raise ConfigError(f"The cron line {cron!r} never comes due.", advice="Mend its day and month.")
    return moment


def _next(schedule: Schedule, now: datetime) -> datetime:
    return next_run(
        schedule.account,
        now,
        every_seconds=schedule.every_seconds,
        cron=schedule.cron,
        time_zone=schedule.time_zone,
    )


def _next_beat(account: str, now: datetime, every_seconds: int) -> datetime:
    """Keep to a grid that is the account's own, so that the accounts of one platform do not all start at once."""
    if not 1 <= every_seconds <= LONGEST:
        raise ConfigError(
            f"Every {every_seconds} seconds is no rhythm.",
            advice=f"Give a whole number of seconds from 1 to {LONGEST} (31 days), or a cron line.",
        )
    step = timedelta(seconds=every_seconds)
    digest = hashlib.sha256(account.encode()).digest()
    first = EPOCH + timedelta(seconds=int.from_bytes(digest[:8], "big") % every_seconds)
    return first + ((now - first) // step + 1) * step


def _cron(line: str, start: datetime) -> Iterator[datetime]:
    # CronSim would read a sixth field as seconds, and then no longer mind changes of the clock.
    if len(line.split()) != 5:
        raise _cron_fault(line, "it has not five fields")
    try:
        moments = CronSim(line, start)
    # ValueError: a number of thousands of digits.
    except (CronSimError, ValueError) as error:
        raise _cron_fault(line, str(error)) from None
    # The second time that clocks show the same hour, CronSim begins with moments of the first.
    return (moment.astimezone(UTC) for moment in moments)


def _cron_fault(line: str, fault: str) -> ConfigError:
    return ConfigError(
        f"The cron line {line!r} is wrong: {fault}.",
        advice="Write minute, hour, day of month, month, day of week; '30 2 * * *' is half past two each day.",
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"There is no time zone {name!r}.", advice="Write an IANA name such as Europe/Budapest, or UTC."
        ) from None


# --- inside ----------------------------------------------------------------------------------------------------------


def _is(account: str, job: str) -> Any:
    return and_(schedules.c.account == account, schedules.c.job == job)


def _due(now: datetime) -> Any:
    return and_(schedules.c.enabled, schedules.c.next_run_at <= now)


def _schedule(row: Row[*tuple[Any, ...]]) -> Schedule:
    return Schedule(**row._mapping)
