"""When an account's jobs run by themselves: derived from its switches and options, kept as schedules."""

from __future__ import annotations

from crossdock.core.config import Options
from crossdock.core.store import runs, schedules
from crossdock.core.store.accounts import AccountRow, Switch
from crossdock.core.store.engine import Write
from crossdock.jobs import feeds, orders, statuses, stock

DAILY = 24 * 3600
STOCK_TRIGGERS = {"hourly": 3600, "3 hours": 3 * 3600, "twice a day": 12 * 3600}


def keep_time(tx: Write, account: AccountRow, options: Options, polls: int) -> None:
    """Bring an account's schedules into line with its switches and options.

    Args:
        tx: a write transaction.
        account: as it stands now.
        options: the engine's settings of it.
        polls: seconds between two looks for orders, as its plugin proposes.
    """
    alive = account.stopped_because is None
    pushes = alive and account.armed and Switch.STOCK in account.switches
    wanted = {
        orders.JOB: (options.poll_seconds or polls) if Switch.ORDERS in account.switches and alive else None,
        stock.JOB: STOCK_TRIGGERS.get(options.stock_trigger) if pushes else None,
        feeds.JOB: options.feed_seconds if Switch.FEED in account.switches and alive else None,
        statuses.JOB: DAILY if account.switches - {Switch.FEED} and alive else None,
    }
    there = {schedule.job: schedule for schedule in schedules.list(tx, account=account.id)}
    for job, seconds in wanted.items():
        known = there.get(job)
        if seconds is None:
            if known is not None and known.cron is None:
                schedules.remove(tx, account.id, job)
        elif known is None or (known.cron is None and known.every_seconds != seconds):
            schedules.set(tx, account.id, job, every_seconds=seconds)
    if pushes and options.stock_trigger == "change":
        runs.ask(tx, account.id, stock.JOB, asked_by="switch")
