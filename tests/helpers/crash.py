"""A process that works for a hub and is killed with -9 at a named point, as test_kills.py wants it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import crossdock
from crossdock.core.connector import Connector
from crossdock.core.store import order_intake, order_outcome
from crossdock.jobs import orders as orders_job
from crossdock.twins.kit import VirtualClock

# The owner of each function, its name, and whether the process dies before or after it.
POINTS: dict[str, tuple[Any, str, bool]] = {
    "page before commit": (order_intake, "take_in", False),
    "page after commit": (orders_job, "report", True),
    "intent before call": (Connector, "accept_order", True),
    "call before outcome": (Connector, "accept_order", False),
    "outcome before commit": (order_outcome, "settle", False),
    "in a stock batch": (Connector, "push_stock", False),
}


def work(folder: Path, now: datetime, point: str | None, nth: int) -> None:
    """Run all jobs of the account until nothing is due; at the n-th time that `point` is reached, die."""
    if point is not None:
        owner, name, before = POINTS[point]
        setattr(owner, name, deadly(getattr(owner, name), before, nth))
    with crossdock.open(folder / "crossdock.toml", clock=VirtualClock(now)) as hub:
        for job in ("orders", "accept", "stock"):
            hub.run("shop", job)
        hub.work.run_until_idle()


def deadly(function: Callable[..., Any], before: bool, nth: int) -> Callable[..., Any]:
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if before and calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if not before and calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call
