"""Where runs are executed.

The table of runs says what is to be done; a queue decides which process does it. Job code never learns which.
"""

from __future__ import annotations

import threading
from typing import Protocol

from crossdock.core.store import Write


class JobQueue(Protocol):
    """Brings queued runs to processes that execute them.

    The store calls `enqueue` through its hook: `store.on_queued = queue.enqueue`.

    A run may be brought twice, or late: `runs.claim` gives it to one process only. It must not be lost, therefore
    `enqueue` works inside the transaction that queues the run.
    """

    def enqueue(self, tx: Write, run_id: int, account: str, job: str) -> None:
        """Take in a run that has just become queued: a new one, one to be tried again, one taken over.

        Args:
            tx: the transaction that queues it; if it is rolled back, nothing was taken in.
            run_id: the run's number; its row says when it is due.
            account: the account's id.
            job: the job's name.
        """
        ...

    def serve(self, stop: threading.Event) -> None:
        """Execute runs until `stop` is set; what is running then ends, or gives its run back at its next check."""
        ...
