"""Work: `plan`, `run`, `work`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli import endings, screen
from crossdock.cli.app import App
from crossdock.cli.commands import Command

if TYPE_CHECKING:
    from crossdock.core.store.offer_levels import PendingLevel
    from crossdock.core.store.runs import RunRecord
    from crossdock.hub import Hub

LOOK_EVERY = 0.2  # seconds


@click.command(cls=Command, epilog="Example: crossdock plan shop-pl stock")
@click.argument("account")
@click.argument("job")
@click.pass_obj
def plan(app: App, account: str, job: str) -> None:
    """Say what a job would send, without sending it: for the job stock, which levels change from what to what."""
    with app.hub() as hub:
        found = hub.work.plan(account, job)
    changes = [_level(change.pending) | {"before": change.before, "after": change.after} for change in found.changes]
    document = {
        "offers": found.offers,
        "changing": len(changes),
        "same": len(found.same),
        "not_counted": [level.offer.sku for level in found.unknown],
        "objections": found.objections,
        "changes": changes,
    }
    app.show(document, changes=("sku", "market", "scope", "before", "after"))


def _level(pending: PendingLevel) -> dict[str, Any]:
    offer = pending.offer
    return {"offer": int(offer.id), "sku": offer.sku, "market": offer.market, "scope": offer.scope}


@click.command(cls=Command, epilog="Example: crossdock run shop-pl orders")
@click.argument("account")
@click.argument("job")
@click.option("--force", is_flag=True, help="Do it although the account's guards object; see crossdock plan.")
@click.pass_obj
def run(app: App, account: str, job: str, force: bool) -> None:
    """Run a job of an account now, and say how it ended.

    Jobs: orders, accept, stock, offers, resolve, feed, statuses. The exit code says how it ended: 0 is done; the others
    are in docs/exit-codes.md.
    """
    with app.hub() as hub:
        with watched(hub, account, job):
            record = hub.run(account, job, force=force)
        endings.tell(app, hub, record)


@contextmanager
def watched(hub: Hub, account: str, job: str) -> Iterator[None]:
    """Show on a terminal how far a job of an account is."""
    if not screen.shows_progress():
        yield
        return
    name, over = hub.accounts.get(account).name, threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY):
            for record in hub.work.list(account=name, job=job, limit=1):
                if record.progress and record.state == "running":
                    bar(record.progress["done"], record.progress["total"], record.progress["message"])

    with screen.progress_bar(f"{job} of {name}") as bar:
        watcher = threading.Thread(target=look, name="watcher")
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@click.command(cls=Command, epilog="Example: crossdock work --until-idle")
@click.option("--until-idle", is_flag=True, help="Stop when nothing is due any more: for a cron line.")
@click.pass_obj
def work(app: App, until_idle: bool) -> None:
    """Run what is due, by schedule or because something changed, until Ctrl-C.

    Any number of these may run at once. What is running when it is stopped is done again, or gone on with, by
    whoever works next.
    """
    done: list[dict[str, Any]] = []
    with app.hub() as hub:

        def tell(record: RunRecord) -> None:
            account = hub.accounts.names()[record.account]
            done.append(endings.run_document(record, account))
            app.say(endings.sentence(record, account))
            if record.error and record.state != "done":
                app.warn(f"Run {record.id}: {record.error}")

        hub.work.listeners.append(tell)
        if until_idle:
            hub.work.run_until_idle()
        else:
            app.warn("Working; Ctrl-C stops.")
            with _until_terminated() as stop:
                hub.work.serve(stop)
    app.done(f"{len(done)} run(s).", {"runs": done})


@contextmanager
def _until_terminated() -> Iterator[threading.Event]:
    """Give an event that is set when the system asks the process to end."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
