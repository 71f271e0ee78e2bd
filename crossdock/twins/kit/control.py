"""The control API's way in and out: JSON both ways, and a clear 400 for what cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

T = TypeVar("T")


def control(action: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of the control API: JSON body in (None if there is none), JSON out, ValueError becomes a 400."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            return JSONResponse(action(await request.json() if body else None))
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
