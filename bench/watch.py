"""Seconds and memory of this process, with the standard library alone."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")


class Watch:
    """Adds up the seconds spent within it, by the wall clock and of this process's processor time."""

    def __init__(self) -> None:
        self.seconds = self.processor = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.processor += time.process_time() - self._began[1]

    def around(self, function: Callable[[Given], None]) -> Callable[[Given], None]:
        """Return the function with its time added up here."""

        def timed(given: Given) -> None:
            with self:
                function(given)

        return timed


def peak_mib() -> int:
    """Return the most memory that this process ever held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
