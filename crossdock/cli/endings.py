"""How runs ended: for people in words, for programs as a document and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import App
from crossdock.core.errors import Cancelled, CrossdockError

if TYPE_CHECKING:
    from crossdock.core.store.events import EventRecord
    from crossdock.core.store.runs import RunRecord
    from crossdock.hub import Hub

EVENTS = 1000  # of one run
COUNTS = ("seen", "added", "changed", "unchanged", "failed")


def run_document(record: RunRecord, account: str) -> dict[str, Any]:
    """Return a run as programs read it."""
    return {
        "id": record.id,
        "account": account,
        "job": record.job,
        "state": record.state,
        "asked_by": record.asked_by,
        "asked_at": record.asked_at,
        "not_before": record.not_before,
        "began_at": record.began_at,
        "ended_at": record.ended_at,
        "force": record.force,
        "attempts": record.attempts,
        "progress": record.progress,
        "counts": {name: record.counts[name] for name in COUNTS if name in record.counts},
        "error": record.error,
    }


def event_document(event: EventRecord, account: str) -> dict[str, Any]:
    """Return an event as programs read it."""
    return {
        "id": event.id,
        "at": event.at,
        "level": event.level,
        "account": account,
        "run": event.run_id,
        "code": event.code,
        "item": event.item,
        "message": event.message,
        "advice": event.advice,
        "detail": event.detail,
    }


def story(hub: Hub, record: RunRecord) -> dict[str, Any]:
    """Return a run with what it had to tell, oldest first."""
    account = hub.accounts.names()[record.account]
    told = hub.work.events(run_id=record.id, limit=EVENTS)
    return run_document(record, account) | {"events": [event_document(event, account) for event in reversed(told)]}


def sentence(record: RunRecord, account: str) -> str:
    """Say how a run stands."""
    counts = ", ".join(f"{record.counts[name]} {name}" for name in COUNTS if record.counts.get(name))
    how = "is put off" if record.state == "queued" else "failed" if record.state == "failed" else f"is {record.state}"
    return f"Run {record.id} ({record.job} of {account}) {how}{': ' if counts else ''}{counts}."


def tell(app: App, hub: Hub, record: RunRecord) -> None:
    """Print how a run ended; where it did not end well, leave with the exit code that says why.

    Raises:
        Exit: with that code.
    """
    app.done(sentence(record, hub.accounts.names()[record.account]), story(hub, record))
    complain(app, hub, record)


def complain(app: App, hub: Hub, record: RunRecord) -> None:
    """Tell on standard error what a run wants a person to know; see `tell`."""
    told = hub.work.events(run_id=record.id, limit=EVENTS)
    for event in reversed(told):
        if event.level != "info":
            item = f"{event.item}: " if event.item else ""
            app.warn(f"{event.level}: {item}{event.message} {event.advice}".rstrip())
            app.warn((event.detail or {}).get("traceback", ""))
    code = exit_code(record, told)
    if code:
        raise click.exceptions.Exit(code)


def exit_code(record: RunRecord, told: Sequence[EventRecord]) -> int:
    """Return the exit code for how a run ended: of the error that ended it, 1 for a bug.

    Args:
        record: the run.
        told: its events, newest first.
    """
    if record.state == "done":
        return 0
    if record.state == "cancelled":
        return Cancelled.exit_code
    codes = {kind.__name__.lower(): kind.exit_code for kind in _tree(CrossdockError)}
    ends = (codes.get(event.code.replace("_", "")) for event in told)
    return next((code for code in ends if code), CrossdockError.exit_code)


def _tree(kind: type[CrossdockError]) -> list[type[CrossdockError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]
