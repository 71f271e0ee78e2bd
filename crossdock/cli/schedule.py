"""Schedules: `schedule list`, `set`, `remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import App
from crossdock.cli.commands import Group
from crossdock.cli.values import DURATION

if TYPE_CHECKING:
    from crossdock.core.store.schedules import Schedule


@click.group(cls=Group)
def schedule() -> None:
    """Say when jobs run by themselves, while crossdock work runs.

    Switching something on sets its schedule; here it is changed.
    """


@schedule.command("list", epilog="Example: crossdock schedule list shop-pl")
@click.argument("account", required=False)
@click.pass_obj
def list_(app: App, account: str | None) -> None:
    """List what runs by itself, of one account or of all."""
    with app.hub() as hub:
        names = hub.accounts.names()
        rows = [_schedule(item, names[item.account]) for item in hub.work.schedules(account=account)]
    app.show(rows, "account", "job", "every_seconds", "cron", "time_zone", "next_run_at")


@schedule.command("set", epilog="Example: crossdock schedule set shop-pl stock --cron '30 2 * * *'")
@click.argument("account")
@click.argument("job")
@click.option("--every", type=DURATION, help="From one start to the next: 30s, 5m, 3h, 1d.")
@click.option("--cron", metavar="LINE", help="Minute, hour, day of month, month, day of week.")
@click.option("--time-zone", default="UTC", show_default=True, help="Where the cron line is read: Europe/Warsaw.")
@click.pass_obj
def set_(app: App, account: str, job: str, every: int | None, cron: str | None, time_zone: str) -> None:
    """Let a job run by itself, in place of the schedule that it had."""
    with app.hub() as hub:
        item = hub.work.schedule(account, job, every_seconds=every, cron=cron, time_zone=time_zone)
        name = hub.accounts.names()[item.account]
    next_run = item.next_run_at.astimezone()
    app.done(f"The job {job} of {name} runs next at {next_run:%Y-%m-%d %H:%M:%S}.", _schedule(item, name))


@schedule.command(epilog="Example: crossdock schedule remove shop-pl stock")
@click.argument("account")
@click.argument("job")
@click.pass_obj
def remove(app: App, account: str, job: str) -> None:
    """Let a job run by itself no more."""
    with app.hub() as hub:
        hub.work.unschedule(account, job)
    app.done(f"The job {job} of {account} runs by itself no more.", {"account": account, "job": job})


def _schedule(item: Schedule, account: str) -> dict[str, Any]:
    return {
        "account": account,
        "job": item.job,
        "every_seconds": item.every_seconds,
        "cron": item.cron,
        "time_zone": item.time_zone,
        "enabled": item.enabled,
        "next_run_at": item.next_run_at,
    }
