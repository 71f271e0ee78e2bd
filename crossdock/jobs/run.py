"""What a job is handed: the run it carries out, with the store, the way to the platform, and a voice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from crossdock.core.account import Account
from crossdock.core.connector import Connector
from crossdock.core.errors import Cancelled, Fenced
from crossdock.core.store import Store, Write, events, runs
from crossdock.core.store.events import Level
from crossdock.core.store.runs import RunRecord, RunState


class GiveBack(BaseException):
    """The process is about to end; no job catches this, its run goes back to the queue."""


OrderListener = Callable[[str, int, str], object]


def nobody(account_id: str, order_id: int, what: str) -> None:
    """Hear of a changed order where nobody listens."""


class Run:
    """One run, for the one thread that carries it out.

    Every transaction of a run goes through `write`, which refuses it once the run has been taken over.

    Args:
        store: where everything is kept.
        record: the run as it was claimed.
        open_connector: gives the connector of an account by its id; called when the job first needs it.
        leaving: set when the process is about to end.
        order_changed: see `tell_order_changed`.
        folder: the installation's, for jobs that write files.

    Attributes:
        id: the run's number.
        job: the job's name.
        account_id: for whom it runs.
        store: for reading; writing goes through `write`.
        clock: the store's.
        folder: the installation's.
        force: whether guards may be overridden.
        resume_from: the checkpoint of the attempt before, or None.
        counts: items seen, added, changed, unchanged, failed.
    """

    def __init__(
        self,
        store: Store,
        record: RunRecord,
        open_connector: Callable[[str], Connector],
        leaving: threading.Event | None = None,
        order_changed: OrderListener = nobody,
        folder: Path = Path(),
    ) -> None:
        self.id = record.id
        self.job = record.job
        self.account_id = record.account
        self.store = store
        self.clock = store.clock
        self.folder = folder
        self.force = record.force
        self.resume_from = record.checkpoint
        # Who begins anew counts anew.
        self.counts = {} if record.checkpoint is None else dict(record.counts)
        self._counted_before, self._wrote = dict(self.counts), False
        self._record = record
        self._open_connector = open_connector
        self._leaving = leaving or threading.Event()
        self._order_changed = order_changed
        self._tx: Write | None = None
        self._changes: dict[str, Any] = {}  # of the run's row, in the transaction that is open
        self._said: dict[str, Any] = {}  # and those for the next one

    @cached_property
    def connector(self) -> Connector:
        """The account's plugin.

        Raises:
            ConfigError, PluginLoadError: the account or its plugin cannot be used.
        """
        return self._open_connector(self.account_id)

    @property
    def came_on(self) -> bool:
        """Whether this attempt got anything done."""
        return self._wrote and self.counts != self._counted_before

    @property
    def account(self) -> Account:
        """The account as its plugin sees it."""
        return self.connector.account

    @contextmanager
    def write(self) -> Iterator[Write]:
        """Change the store in one short transaction, whole or not at all; never call the platform within it.

        Raises:
            Fenced: the run was taken over; nothing was written.
        """
        changes, self._said = self._said, {}

        def fence(tx: Write) -> None:
            runs.fence(tx, self._record, counts=dict(self.counts), **changes)

        with self.store.write() as tx:
            # Its key sorts right after that of asking for this very run: the same row, locked in the same order.
            tx.defer(("1 runs", self.account_id, self.job, "fence"), fence)
            self._tx, self._changes = tx, changes
            try:
                yield tx
            finally:
                self._tx = None
        self._wrote = True

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Say how far the run is; told with the transaction that is open, else with the next one."""
        self._say(progress={"done": done, "total": total, "message": events.legible(message)})

    def checkpoint(self, value: Mapping[str, Any]) -> None:
        """Say where an attempt after this one goes on (see `resume_from`); within `write` in the same transaction."""
        with self._joined():
            self._say(checkpoint=dict(value))

    def count(self, *, seen: int = 0, added: int = 0, changed: int = 0, unchanged: int = 0, failed: int = 0) -> None:
        """Add to the run's counts; they are kept with the next transaction, and at the end."""
        more = {"seen": seen, "added": added, "changed": changed, "unchanged": unchanged, "failed": failed}
        for name, number in more.items():
            self.counts[name] = self.counts.get(name, 0) + number

    def event(
        self,
        level: Level,
        code: str,
        message: str,
        *,
        item: str = "",
        advice: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell people something; within `write` it is part of that transaction.

        Args:
            level: how much it matters.
            code: stands for the kind of event.
            message: what happened.
            item: the order, SKU, offer … that it is about.
            advice: what a person can do.
            detail: further facts by name, JSON-able.
        """
        with self._joined() as tx:
            about = {"item": item, "advice": advice}
            events.add(tx, level, code, message, account=self.account_id, run_id=self.id, **about, detail=detail)

    def tell_order_changed(self, order_id: int, what: str) -> None:
        """Tell the extensions that an order changed, once that is committed; `what` as in the hook `order_changed`."""
        self._order_changed(self.account_id, order_id, what)

    def check_cancelled(self) -> None:
        """Leave the job if it should not go on; call it before each page or batch, outside of `write`.

        Raises:
            Cancelled: somebody asked the run to stop.
            Fenced: it was taken over.
            GiveBack: the process is about to end.
        """
        if self._leaving.is_set():
            raise GiveBack
        with self.store.read() as tx:
            now = runs.get(tx, self.id)
        if now.state is not RunState.RUNNING or now.token != self._record.token:
            raise Fenced(f"Run {self.id} ({self.job} of account {self.account_id}) was taken over.")
        if now.cancel:
            raise Cancelled(f"Run {self.id} ({self.job} of account {self.account_id}) was cancelled.")

    @contextmanager
    def _joined(self) -> Iterator[Write]:
        if self._tx is not None:
            yield self._tx
            return
        with self.write() as tx:
            yield tx

    def _say(self, **columns: Any) -> None:
        (self._said if self._tx is None else self._changes).update(columns)


JobFunction = Callable[[Run], None]
