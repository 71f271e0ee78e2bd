"""What every twin is made of: a Starlette app behind the gate, and the control API under `/_twin/`."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Scope

from crossdock.core.clock import SystemClock
from crossdock.twins.kit.clock import VirtualClock
from crossdock.twins.kit.control import build, control, read
from crossdock.twins.kit.faults import Fault, Faults
from crossdock.twins.kit.gate import Gate
from crossdock.twins.kit.traffic import RateLimit, TrafficBook


class Clock(Protocol):
    """All that a twin asks of a clock."""

    def now(self) -> datetime:
        """Return the moment, aware, in UTC."""
        ...


class Book(Protocol):
    """A platform's own record of what happened on it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the whole record as JSON."""
        ...


class Refused(Exception):
    """The platform says no: raised by an endpoint, answered by `Twin.error`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Twin(ABC):
    """Base of every twin.

    Endpoints are coroutines that hold `lock` while they touch the platform's state, because tests touch the same state
    from their own thread.

    Args:
        clock: anything with `now()`; None for the machine's clock.
        faults: a ready plan of faults; None for an empty one.
        rate_limit: enforced before the platform is asked; None for no limit.
        traffic: the traffic book, which knows the platform's secret paths; None for a plain one.
    """

    book: Book

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        faults: Faults | None = None,
        rate_limit: RateLimit | None = None,
        traffic: TrafficBook | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.faults = faults or Faults()
        self.rate_limit = rate_limit
        self.traffic = TrafficBook() if traffic is None else traffic  # an empty book is false
        self.lock = threading.RLock()
        self.app = Starlette(
            routes=[Mount("/_twin", routes=[*self._common_control_routes(), *self.control_routes()]), *self.routes()],
            middleware=[Middleware(Gate, twin=self)],
            exception_handlers={Refused: self._refuse, HTTPException: self._no_such_call},
        )
        self.app.router.redirect_slashes = False

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """Return the platform's own calls."""

    @abstractmethod
    def control_routes(self) -> Sequence[BaseRoute]:
        """Return what `/_twin/` offers on this platform beyond the kit's own routes (paths without `/_twin`)."""

    @abstractmethod
    def error(self, status: int, message: str) -> Response:
        """Return the platform's error answer; with status 200 the platform's way of failing under a good status."""

    @abstractmethod
    def forget_tokens(self) -> None:
        """Make every token invalid that was given out so far; called with the lock held."""

    def settings(self) -> Mapping[str, str]:
        """Return the settings with which an account rehearses here, but for the address."""
        return {}

    def is_write(self, method: str, path: str) -> bool:
        """Tell whether this call changes something, so that it can be answered by an error after the change."""
        return method not in {"GET", "HEAD", "OPTIONS"}

    def is_batch(self, method: str, path: str) -> bool:
        """Tell whether this call changes many things at once; its endpoint then honours `Exchange.half`."""
        return False

    def is_list(self, method: str, path: str) -> bool:
        """Tell whether this call answers a page of a list."""
        return False

    def clock_was_set(self) -> None:  # noqa: B027 (most platforms do nothing by themselves)
        """Do what the platform does by itself at its times; called when the control API has moved the clock."""

    def caller(self, scope: Scope) -> str:
        """Return whose rate limit this request counts against; by default all share one."""
        return ""

    async def _refuse(self, _: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Refused)  # noqa: S101 (registered for nothing else)
        return self.error(refusal.status, str(refusal))

    async def _no_such_call(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 (registered for nothing else)
        return self.error(error.status_code, f"{error.detail}: {request.method} {request.url.path}")

    def _common_control_routes(self) -> list[Route]:
        return [
            Route("/book", control(lambda _: self.book.as_dict())),
            Route("/exchanges", self._exchanges),
            Route("/keep-bodies", control(self._keep_bodies), methods=["POST"]),
            Route("/faults", control(lambda _: {"faults": self.faults.as_list()}), methods=["GET"]),
            Route("/faults", control(self._add_faults), methods=["POST"]),
            Route("/faults", control(self._clear_faults), methods=["DELETE"]),
            Route("/clock", control(lambda _: {"now": self.clock.now().isoformat()}), methods=["GET"]),
            Route("/clock", control(self._set_clock, slow=True), methods=["POST"]),
        ]

    async def _exchanges(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            return JSONResponse({"error": f"since is the number of an exchange, not {since!r}"}, 400)
        return JSONResponse({"exchanges": [exchange.as_dict() for exchange in self.traffic.since(int(since))]})

    def _keep_bodies(self, payload: Any) -> dict[str, Any]:
        self.traffic.keep_bodies = read(payload, "on", bool)
        return {"on": self.traffic.keep_bodies}

    def _add_faults(self, payload: Any) -> dict[str, Any]:
        if isinstance(payload, Mapping) and "seed" in payload:
            seed, share = read(payload, "seed", int), read(payload, "share", float)
            self.faults.scatter(seed, share, read(payload, "kinds", list))
        else:
            rows = payload if isinstance(payload, list) else [payload]
            self.faults.add(*[build(Fault, row) for row in rows])
        return {"faults": self.faults.as_list()}

    def _clear_faults(self, _: Any) -> dict[str, Any]:
        self.faults.clear()
        return {"faults": []}

    def _set_clock(self, payload: Any) -> dict[str, Any]:
        """Go to a moment (`now`) or forward by seconds (`advance`); from then on the twin's time is virtual."""
        clock = self.clock if isinstance(self.clock, VirtualClock) else VirtualClock(self.clock.now())
        if isinstance(payload, Mapping) and "advance" in payload:
            clock.advance(read(payload, "advance", float))
        else:
            clock.set(datetime.fromisoformat(read(payload, "now", str)))
        self.clock = clock
        self.clock_was_set()
        return {"now": clock.now().isoformat()}
