"""A process that builds an offers file and is killed with -9 at a named point, as test_feed_kills.py wants it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from crash import deadly

import crossdock
from crossdock.core.store import feed_rows, feeds
from crossdock.feeds.files import Output
from crossdock.jobs import feeds as job
from crossdock.twins.kit import VirtualClock

# The owner of each function, its name, and whether the process dies before or after it.
POINTS: dict[str, tuple[Any, str, bool]] = {
    "while it is begun": (feeds, "begin_version", False),
    "in a page": (job, "render", True),
    "half written": (Output, "add", False),
    "whole, without a name": (Output, "publish", True),
    "between two names": (Path, "rename", False),
    "named, not committed": (Output, "publish", False),
    "in the last transaction": (feed_rows, "save", False),
    "before the commit": (feeds, "publish", False),
    "after the commit": (job.Build, "_publish", False),
    "while old files are removed": (feeds, "forget_files", True),
}


def build(folder: Path, now: datetime, point: str | None) -> None:
    """Build; when `point` is reached, die."""
    with crossdock.open(folder / "crossdock.toml", clock=VirtualClock(now)) as hub:
        hub.connector("shop")
        if point is not None:
            owner, name, before = POINTS[point]
            setattr(owner, name, deadly(getattr(owner, name), before, 1))
        assert hub.run("shop", "feed").state == "done"
