"""The control API's way in and out: JSON both ways, and a clear 400 for what cannot be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

T = TypeVar("T")


def control(action: Callable[[Any], Any], *, slow: bool = False) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of the control API: JSON body in (None if there is none), JSON out, ValueError becomes a 400.

    Args:
        action: gets what was sent, returns what to answer.
        slow: it waits for others, so that it goes into a thread of its own.
    """

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            payload = await request.json() if body else None
            return JSONResponse(await run_in_threadpool(action, payload) if slow else action(payload))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


def read(payload: object, key: str, kind: type[T]) -> T:
    """Return one value of a JSON object; ValueError where it is missing or of another type (true is no number)."""
    if not isinstance(payload, Mapping):
        raise ValueError(f"expected a JSON object with {key!r}, got {payload!r}")
    if key not in payload:
        raise ValueError(f"{key!r} is missing; there is {', '.join(map(repr, payload)) or 'nothing'}")
    value = payload[key]
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{key!r} has to be {kind.__name__}, not {value!r}")
    return value


def build(kind: type[T], row: object) -> T:
    """Make a dataclass of a JSON object whose keys are its fields; ValueError says what does not fit."""
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # T is a dataclass
    if not isinstance(row, Mapping):
        raise ValueError(f"expected a JSON object of {', '.join(known)}, not {row!r}")
    if unknown := sorted(set(row) - set(known)):
        raise ValueError(f"{', '.join(map(repr, unknown))} is not known here; there is {', '.join(known)}")
    try:
        return kind(**row)
    except TypeError as error:
        raise ValueError(f"{row!r} does not fit: {error}") from error
