"""Executes one claimed run and decides, by the class of what is raised, how it ends."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from crossdock.core.connector import Connector
from crossdock.core.errors import (
    AuthError,
    BadAnswer,
    Cancelled,
    ConfigError,
    ContractError,
    CrossdockError,
    FeedError,
    Fenced,
    NotFoundHere,
    PluginLoadError,
    Rejected,
    RemoteError,
    Unavailable,
    UnknownStatus,
    UnsafeChange,
    Unsupported,
)
from crossdock.core.redaction import get_logger
from crossdock.core.store import Store, Write, events, runs
from crossdock.core.store.events import Level
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.jobs.run import GiveBack, JobFunction, OrderListener, Run, nobody

log = get_logger(__name__)

Ending = Callable[[Write], None]

FIRST_WAIT: Final = 15.0  # seconds before the second attempt; twice as long before each one after
LONGEST_WAIT: Final = 900.0

# For errors that bring no advice of their own; the nearest class counts.
ADVICE: Final[Mapping[type[BaseException], str]] = {
    ConfigError: "Mend what is named here, then ask for the run again.",
    PluginLoadError: "Install a version of the plugin that can be loaded, then ask for the run again.",
    ContractError: "Report this to the plugin's author; the job cannot go on before it is mended.",
    Unsupported: "Switch this job off for the account: its platform cannot do it.",
    AuthError: "Enter the account's credentials again and test it; until then it stays stopped.",
    Unavailable: "Ask for the run again once the platform answers.",
    Rejected: "Mend what the platform refuses, then ask for the run again.",
    BadAnswer: "Look at the raw answer kept with this event; if the platform has changed, tell the plugin's author.",
    UnknownStatus: "Map the status, then ask for the run again.",
    UnsafeChange: "Look at the plan; if it is right, ask for the run again with force.",
    FeedError: "Mend what is named here; the last good feed stays until then.",
    CrossdockError: "Mend what is named here, then ask for the run again.",
    Exception: "This is a fault of the program or of a plugin: report it with the traceback kept with this event.",
}


class Executor:
    """Executes claimed runs, the same way for every queue.

    Args:
        store: where everything is kept.
        jobs: the functions by the name of their job.
        open_connector: gives the connector of an account by its id.
        stop_account: lets nothing more run for an account until a person acts; gets transaction, account id, reason.
        redact: takes secrets out of a text.
        order_changed: hears of changed orders, with account id, order number and what happened; it must not raise.
        run_ended: hears the number of each run that was carried out, however that ended; it must not raise.
        folder: the installation's, for jobs that write files.
    """

    def __init__(
        self,
        store: Store,
        jobs: Mapping[str, JobFunction],
        *,
        open_connector: Callable[[str], Connector],
        stop_account: Callable[[Write, str, str], object],
        redact: Callable[[str], str],
        order_changed: OrderListener = nobody,
        run_ended: Callable[[int], object] = lambda run_id: None,
        folder: Path = Path(),
    ) -> None:
        self.store = store
        self.jobs = jobs
        self._open_connector = open_connector
        self._stop_account = stop_account
        self._redact = redact
        self._order_changed = order_changed
        self._run_ended = run_ended
        self._folder = folder

    def execute(self, record: RunRecord, leaving: threading.Event | None = None) -> None:
        """Carry out a run and write how it ended; what a job raises ends here, except for a process's own end.

        Args:
            record: the run as it was claimed.
            leaving: set when the process is about to end.

        Raises:
            KeyboardInterrupt, SystemExit: passed on once the run was given back.
        """
        run = Run(self.store, record, self._open_connector, leaving, self._order_changed, self._folder)
        try:
            ending = self._carry_out(run, record)
            with self.store.write() as tx:
                ending(tx)
        except Fenced as late:
            log.warning("%s", late)
        except GiveBack:
            self._give_back(record)
        except (KeyboardInterrupt, SystemExit):
            self._give_back(record)
            raise
        else:
            self._run_ended(record.id)

    def _carry_out(self, run: Run, record: RunRecord) -> Ending:
        try:
            self._job(run.job)(run)
        except Fenced:
            raise
        except Cancelled as stop:
            return partial(self._end, run, record, RunState.CANCELLED, stop)
        except Unavailable as error:
            return partial(self._put_off, run, record, error)
        except AuthError as error:
            return partial(self._refused, run, record, error)
        except Exception as error:  # noqa: BLE001 - whatever a job or plugin does, its run ends with a record of it
            return partial(self._end, run, record, RunState.FAILED, error)
        return partial(runs.finish, run=record, state=RunState.DONE, counts=run.counts)

    def _job(self, name: str) -> JobFunction:
        if name not in self.jobs:
            raise ConfigError(f"There is no job {name!r}.", advice=f"Jobs are: {', '.join(sorted(self.jobs))}.")
        return self.jobs[name]

    # --- endings -----------------------------------------------------------------------------------------------------

    def _end(self, run: Run, record: RunRecord, state: RunState, error: Exception, tx: Write) -> None:
        self._tell(tx, record, Level.INFO if state is RunState.CANCELLED else Level.ERROR, error)
        runs.finish(tx, record, state, error=self._redact(_message(error)), counts=run.counts)

    def _refused(self, run: Run, record: RunRecord, error: AuthError, tx: Write) -> None:
        # It may have been removed meanwhile.
        with suppress(NotFoundHere):
            self._stop_account(tx, record.account, self._redact(str(error)))
        self._end(run, record, RunState.FAILED, error, tx)

    def _put_off(self, run: Run, record: RunRecord, error: Unavailable, tx: Write) -> None:
        before = 0 if run.came_on else record.attempts
        delay = _backoff(record.id, before) if error.retry_after is None else error.retry_after
        state = runs.retry(tx, record, delay=delay, error=self._redact(_message(error)), came_on=run.came_on)
        if state is RunState.QUEUED:
            note = f"Attempt {before + 1} of {runs.MAX_ATTEMPTS}; the next one in {delay:.0f} s."
            self._tell(tx, record, Level.WARNING, error, note)
        else:
            self._tell(tx, record, Level.ERROR if state is RunState.FAILED else Level.INFO, error)

    def _give_back(self, record: RunRecord) -> None:
        try:
            with self.store.write() as tx:
                runs.give_back(tx, record)
        except Fenced as late:
            log.warning("%s", late)

    def _tell(self, tx: Write, record: RunRecord, level: Level, error: Exception, note: str = "") -> None:
        message = self._redact(" ".join(filter(None, (_message(error), note))))
        log.log(getattr(logging, level.name), "Run %s, %s of %s: %s", record.id, record.job, record.account, message)
        events.add(
            tx,
            level,
            _code(error),
            message,
            account=record.account,
            run_id=record.id,
            advice=self._redact(_advice(error) if level is Level.ERROR else getattr(error, "advice", "")),
            detail=self._detail(error),
        )

    def _detail(self, error: Exception) -> dict[str, Any]:
        """Return what a person needs to look into it: the platform's answer, or where in the program it happened."""
        facts: dict[str, Any] = {}
        if isinstance(error, RemoteError):
            facts = {"verb": error.verb, "code": error.code, "status": error.status, "words": error.words}
        if isinstance(error, BadAnswer):
            facts["raw"] = error.raw
        if isinstance(error, ConfigError):
            facts["faults"] = "\n".join(error.faults)
        if not isinstance(error, CrossdockError):
            facts["traceback"] = "".join(traceback.format_exception(error))
        return {name: self._redact(fact) if isinstance(fact, str) else fact for name, fact in facts.items() if fact}


def _message(error: Exception) -> str:
    if not isinstance(error, CrossdockError):
        return f"{type(error).__name__}: {error}"
    return str(error).replace(f" {error.advice}", "", 1) if error.advice else str(error)


def _advice(error: Exception) -> str:
    given = error.advice if isinstance(error, CrossdockError) else ""
    return given or next(ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE)


def _code(error: Exception) -> str:
    if not isinstance(error, CrossdockError):
        return "unexpected"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


def _backoff(run_id: int, attempts: int) -> float:
    """Return seconds to wait: twice as many after each attempt, spread so that runs that failed together part."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempts)
    digest = hashlib.sha256(f"{run_id} {attempts}".encode()).digest()
    return longest * (0.5 + digest[0] / 512)
