"""What went over the wire, without its secrets, and how much of it is allowed."""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import unquote_plus

from crossdock.twins.kit.faults import FaultKind

T = TypeVar("T")
HIDDEN = "***"


@dataclass(slots=True)
class Exchange:
    """One request and its answer.

    Headers are never kept. `status` is None while there is no answer, and stays so where the connection was cut.
    `notes` is for what only the platform knows (which form of a signature matched).
    """

    number: int
    at: datetime
    method: str
    path: str
    query: str
    status: int | None = None
    fault: FaultKind | None = None
    notes: dict[str, str] = field(default_factory=dict)
    request_body: str | None = None
    answer_body: str | None = None

    def half(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of a batch that the platform is to apply: all, or the first half under `half_accepted`."""
        return items[: len(items) // 2] if self.fault is FaultKind.HALF_ACCEPTED else items

    def as_dict(self) -> dict[str, Any]:
        row = {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "fault": self.fault,
            "notes": dict(self.notes),
        }
        if self.request_body is not None or self.answer_body is not None:
            row |= {"request_body": self.request_body, "answer_body": self.answer_body}
        return row


class TrafficBook:
    """Every exchange in order of arrival, numbered from 1.

    Args:
        keep_bodies: keep request and answer bodies too.
        secret_paths: beginnings of paths whose bodies hold secrets; these bodies are never kept.
        secret_query: names of query parameters that are secrets; their values are never kept.
    """

    def __init__(
        self, *, keep_bodies: bool = False, secret_paths: Sequence[str] = (), secret_query: Collection[str] = ()
    ) -> None:
        self.keep_bodies = keep_bodies
        self._secret_paths = tuple(secret_paths)
        self._secret_query = frozenset(secret_query)
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def begin(self, at: datetime, method: str, path: str, query: str) -> Exchange:
        if self._secret_query and query:
            query = "&".join(self._without_secret(pair) for pair in query.split("&"))
        with self._lock:
            exchange = Exchange(len(self._exchanges) + 1, at, method, path, query)
            self._exchanges.append(exchange)
        return exchange

    def keep(self, exchange: Exchange, request_body: bytes, answer_body: bytes | None) -> None:
        """Keep the bodies of an exchange, if bodies are asked for and may be kept."""
        if self.keep_bodies and not exchange.path.startswith(self._secret_paths):
            exchange.request_body = request_body.decode(errors="replace")
            exchange.answer_body = None if answer_body is None else answer_body.decode(errors="replace")

    def since(self, number: int) -> list[Exchange]:
        """Return the exchanges after that number."""
        with self._lock:
            return self._exchanges[max(0, number) :]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.since(0))

    def __len__(self) -> int:
        return len(self._exchanges)

    def _without_secret(self, pair: str) -> str:
        name, _, _ = pair.partition("=")
        return f"{name}={HIDDEN}" if unquote_plus(name) in self._secret_query else pair


class RateLimit:
    """At most `limit` requests per caller in any `seconds` by the twin's clock; a refused request does not count."""

    def __init__(self, limit: int, seconds: float) -> None:
        if limit < 1 or seconds <= 0:
            raise ValueError(f"a rate limit is 1 or more requests per more than 0 seconds, not {limit} per {seconds}")
        self._limit = limit
        self._window = timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._admitted: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def wait(self, caller: str, now: datetime) -> int:
        """Admit a request and return 0, or return the whole seconds until the next one is admitted."""
        with self._lock:
            admitted = self._admitted[caller]
            while admitted and admitted[0] <= now - self._window:
                admitted.popleft()
            if len(admitted) < self._limit:
                admitted.append(now)
                return 0
            return math.ceil((admitted[0] + self._window - now).total_seconds())
