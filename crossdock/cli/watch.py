"""Watching: `status`, `runs`, `events`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from crossdock.cli import endings
from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Command, Group
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.store.events import Level
    from crossdock.hub.work import Status


# --- status ----------------------------------------------------------------------------------------------------------


@click.command(cls=Command, epilog="Example: crossdock status --json || mail -s 'crossdock' me@example.com")
@click.pass_obj
def status(app: App) -> None:
    """Say whether all is well, and when each job last succeeded.

    The exit code is 0 if so, and 1 if somebody has to look: an account is stopped, an order is parked, a job failed
    or should have run by now.
    """
    with app.hub() as hub:
        found = hub.work.status()
    for complaint in _complaints(found):
        app.warn(complaint)
    jobs = [
        {
            "account": job.account,
            "job": job.job,
            "last_success": job.last_success,
            "last_state": job.last_state,
            "next_run_at": job.next_run_at,
            "late": job.late,
        }
        for job in found.jobs
    ]
    if app.json:
        facts = {"stopped": found.stopped, "parked": found.parked, "short": found.short, "levels": found.levels}
        app.show({"healthy": found.healthy, "jobs": jobs, **facts})
    else:
        app.say("All is well." if found.healthy else "Somebody has to look.")
        app.show(jobs, "account", "job", "last_success", "last_state", "next_run_at", "late")
    if not found.healthy:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


def _complaints(found: Status) -> Iterator[str]:
    for account, because in found.stopped.items():
        yield f"Account {account} is stopped: {because} Mend it, then: crossdock account resume {account}"
    for account, number in found.short.items():
        yield f"{number} sold line(s) of {account} are not in stock: crossdock orders list --account {account}"
    for account, number in found.parked.items():
        yield f"{number} order(s) of {account} wait for you: crossdock orders list --parked --account {account}"
    for job in found.jobs:
        if job.last_state == "failed":
            yield f"The job {job.job} of {job.account} failed: crossdock events --account {job.account}"
        if job.late:
            yield f"The job {job.job} of {job.account} is late: is crossdock work running?"


# --- runs ------------------------------------------------------------------------------------------------------------


@click.group(cls=Group, invoke_without_command=True, epilog="Example: crossdock runs --account shop-pl --job stock")
@click.option("--account", metavar="NAME", help="Only those of this account.")
@click.option("--job", metavar="JOB", help="Only those of this job.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@click.pass_context
def runs(context: click.Context, account: str | None, job: str | None, limit: int) -> None:
    """List what ran, newest first; or look at one run, or stop one."""
    if context.invoked_subcommand is not None:
        return
    app: App = context.obj
    with app.hub() as hub:
        names = hub.accounts.names()
        found = hub.work.list(account=account, job=job, limit=limit)
    rows = [endings.run_document(record, names[record.account]) for record in found]
    app.show(rows, "id", "account", "job", "state", "asked_by", "began_at", "ended_at", "counts", "error")


@runs.command(epilog="Example: crossdock runs show 31")
@click.argument("number", type=int, metavar="ID")
@click.pass_obj
def show(app: App, number: int) -> None:
    """Show one run with all that it had to tell."""
    with app.hub() as hub:
        document = endings.story(hub, hub.work.show(number))
    app.show(document, events=("at", "level", "item", "message", "advice"))


@runs.command(epilog="Example: crossdock runs cancel 31")
@click.argument("number", type=int, metavar="ID")
@click.pass_obj
def cancel(app: App, number: int) -> None:
    """Stop a run: one that waits at once, one that runs at its next page or batch."""
    with app.hub() as hub:
        record = hub.work.cancel(number)
        account = hub.accounts.names()[record.account]
    words = f"Run {number} stops soon." if record.state == "running" else endings.sentence(record, account)
    app.done(words, endings.run_document(record, account))


# --- events ----------------------------------------------------------------------------------------------------------


@click.command(cls=Command, epilog="Example: crossdock events --account shop-pl --level error")
@click.option("--account", metavar="NAME", help="Only those of this account.")
@click.option("--run", "run_id", type=int, metavar="ID", help="Only those of this run.")
@click.option("--level", metavar="LEVEL", help="Only these: info, warning or error.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@click.pass_obj
def events(app: App, account: str | None, run_id: int | None, level: str | None, limit: int) -> None:
    """List what runs had to tell, newest first, each with what you can do."""
    with app.hub() as hub:
        names = hub.accounts.names()
        found = hub.work.events(account=account, run_id=run_id, level=_level(level), limit=limit)
    rows = [endings.event_document(event, names[event.account]) for event in found]
    app.show(rows, "at", "level", "account", "run", "item", "message", "advice")


def _level(name: str | None) -> Level | None:
    from crossdock.core.store.events import Level

    if name is None:
        return None
    try:
        return Level(name)
    except ValueError:
        raise ConfigError(f"There is no level {name!r}.", advice=f"Here are: {', '.join(Level)}.") from None
