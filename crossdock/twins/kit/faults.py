"""Faults on demand: what a platform does on its bad days, asked for by a test or scattered by a seed."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """Every way of misbehaving that the kit knows."""

    TOO_MANY = "too_many"
    TOO_MANY_RETRY_AFTER = "too_many_retry_after"
    TOO_MANY_RETRY_AFTER_DATE = "too_many_retry_after_date"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    RESET = "reset"
    TIME_OUT = "time_out"
    ERROR_AFTER_WRITE = "error_after_write"
    RESET_AFTER_WRITE = "reset_after_write"
    HTML = "html"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    FAILURE_ENVELOPE = "failure_envelope"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 (the name of a fault)
    UNAUTHORISED = "unauthorised"
    REPEAT_PAGE = "repeat_page"
    HALF_ACCEPTED = "half_accepted"
    SLOW_BODY = "slow_body"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come.

    Args:
        kind: what goes wrong.
        method: only requests of this HTTP method; None means any.
        path: only requests whose path contains this text; None means any.
        times: how often it strikes; None means until `Faults.clear()`.
        after: how many matching requests are left in peace first.
        retry_after: seconds named in Retry-After; the retry-after kinds name 1 when it is not given.
        seconds: how long `slow_body` dawdles in the middle of the body, in real time.
    """

    kind: FaultKind
    _: KW_ONLY
    method: str | None = None
    path: str | None = None
    times: int | None = 1
    after: int = 0
    retry_after: int | None = None
    seconds: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _known(self.kind))
        if self.times is not None and self.times < 1:
            raise ValueError(f"fault {self.kind}: times is 1 or more, or None for ever, not {self.times}")
        for name in ("after", "retry_after", "seconds"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"fault {self.kind}: {name} is 0 or more, not {value}")

    def matches(self, method: str, path: str) -> bool:
        return (self.method is None or self.method == method) and (self.path is None or self.path in path)


class Faults:
    """The plan of faults of one twin, safe to change while the twin is answering."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._scatter: _Scatter | None = None

    @classmethod
    def seeded(cls, seed: int, share: float, kinds: Iterable[FaultKind]) -> Faults:
        """Return a plan by which that share of all requests meets one of these faults, the same ones for one seed."""
        faults = cls()
        faults.scatter(seed, share, kinds)
        return faults

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._armed.extend(_Armed(fault, skip=fault.after, left=fault.times) for fault in faults)

    def scatter(self, seed: int, share: float, kinds: Iterable[FaultKind]) -> None:
        """Misbehave at random from here on: `share` (0 to 1) of the requests, reproducible by `seed`."""
        if not 0 <= share <= 1:
            raise ValueError(f"share is the part of all requests that meet a fault, 0 to 1, not {share}")
        plan = _Scatter(random.Random(seed), share, tuple(_known(kind) for kind in kinds))  # noqa: S311 (rehearsal)
        if not plan.kinds:
            raise ValueError("kinds is empty; name at least one fault")
        with self._lock:
            self._scatter = plan

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()
            self._scatter = None

    def draw(self, method: str, path: str, possible: Callable[[FaultKind], bool]) -> Fault | None:
        """Return the fault that this request meets, or None.

        Args:
            method: of the request.
            path: of the request.
            possible: whether a kind makes sense here (a half accepted batch needs a batch).
        """
        with self._lock:
            fault = self._next_armed(method, path, possible)
            if fault is None and self._scatter is not None:
                fault = self._scatter.draw(possible)
            return fault

    def give_back(self, fault: Fault) -> None:
        """Arm a drawn fault again that could not strike, because the platform refused the request by itself."""
        if fault.times is not None:
            self.add(dataclasses.replace(fault, times=1, after=0))

    def as_list(self) -> list[dict[str, Any]]:
        """Return what is still to strike, as JSON."""
        with self._lock:
            return [
                dataclasses.asdict(armed.fault) | {"times": armed.left, "after": armed.skip} for armed in self._armed
            ]

    def _next_armed(self, method: str, path: str, possible: Callable[[FaultKind], bool]) -> Fault | None:
        chosen: _Armed | None = None
        for armed in self._armed:
            if not armed.fault.matches(method, path) or not possible(armed.fault.kind):
                continue
            if armed.skip:
                armed.skip -= 1
            elif chosen is None:
                chosen = armed
        if chosen is None:
            return None
        if chosen.left is not None:
            chosen.left -= 1
            if not chosen.left:
                self._armed.remove(chosen)
        return chosen.fault


@dataclass(slots=True, eq=False)
class _Armed:
    fault: Fault
    skip: int
    left: int | None


@dataclass(slots=True)
class _Scatter:
    random: random.Random
    share: float
    kinds: tuple[FaultKind, ...]

    def draw(self, possible: Callable[[FaultKind], bool]) -> Fault | None:
        if self.random.random() >= self.share:
            return None
        kinds = [kind for kind in self.kinds if possible(kind)]
        return Fault(self.random.choice(kinds), times=None) if kinds else None


def _known(kind: str) -> FaultKind:
    try:
        return FaultKind(kind)
    except ValueError:
        raise ValueError(f"no fault is called {kind!r}; there are {', '.join(FaultKind)}") from None
