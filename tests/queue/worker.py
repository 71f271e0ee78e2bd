"""A process that executes runs, for tests that freeze or kill it.

Started with the URL of the store and the heartbeat's time-out in seconds. It says "begun" when a job begins, and waits
for a line before the job writes; then it says how that went.
"""

import sys
from typing import NoReturn

from sqlalchemy.dialects.postgresql import insert

from crossdock.core.errors import Fenced
from crossdock.core.store import Store, Write
from crossdock.core.store.tables import consumers
from crossdock.jobs.run import Run
from crossdock.queue.embedded import EmbeddedQueue
from crossdock.queue.execute import Executor


def count_up(tx: Write, name: str) -> None:
    """Leave a mark in the store: how often the job was carried out."""
    row = insert(consumers).values(name=name, position=1, at=tx.now)
    tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"position": consumers.c.position + 1}))


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def write(run: Run) -> None:
    say("begun")
    sys.stdin.readline()
    try:
        with run.write() as tx:
            count_up(tx, "written")
    except Fenced:
        say("fenced")
        raise
    say("written")


def end(run: Run) -> None:
    """Write nothing but the end of the run."""
    say("begun")
    sys.stdin.readline()


def no_account(*wanted: object) -> NoReturn:
    raise AssertionError(f"the job wants an account: {wanted}")


def make_queue(store: Store, timeout: float) -> EmbeddedQueue:
    executor = Executor(
        store,
        {"write": write, "end": end},
        open_connector=no_account,
        stop_account=no_account,
        redact=str,
    )
    return EmbeddedQueue(executor, poll=0.05, heartbeat_interval=timeout / 5, heartbeat_timeout=timeout)


if __name__ == "__main__":
    store = Store(sys.argv[1])
    make_queue(store, float(sys.argv[2])).run_until_idle()
    say("over")
    store.close()
