"""A clock that stands still until it is told otherwise, so that a day can be rehearsed in a second."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """Time that moves only by `sleep`, `advance` and `set`; safe to share between threads."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._now = aware_utc(start)
        self._monotonic = 0.0

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return the seconds that passed since the start; setting the clock back takes none of them away."""
        with self._lock:
            return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Return at once, that many seconds later."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"a clock advances by zero seconds or more, not by {seconds}; use set() to go back")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def set(self, moment: datetime) -> None:
        """Go to that moment, forwards or backwards."""
        moment = aware_utc(moment)
        with self._lock:
            self._monotonic += max(0.0, (moment - self._now).total_seconds())
            self._now = moment


def aware_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; a moment without a time zone is refused (ValueError)."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write for example {moment.isoformat()}+00:00")
    return moment.astimezone(UTC)
