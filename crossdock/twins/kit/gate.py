"""The gate before every platform: counts, records and spoils what passes through it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossdock.twins.kit.faults import Fault, FaultKind
from crossdock.twins.kit.traffic import Exchange

if TYPE_CHECKING:
    from crossdock.twins.kit.twin import Twin

CONTROL = "/_twin/"
HTML_PAGE = "<!doctype html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: the peer sees a reset, not an end

AFTER_WRITE = frozenset({FaultKind.ERROR_AFTER_WRITE, FaultKind.RESET_AFTER_WRITE})


@dataclass(slots=True)
class Answer:
    """A finished answer, not sent yet."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> Answer:
        headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
        return cls(response.status_code, headers, bytes(response.body))


class Gate:
    """ASGI middleware; everything but the control API passes through it."""

    def __init__(self, app: ASGIApp, twin: Twin) -> None:
        self._app = app
        self._twin = twin
        self._last_page: dict[str, bytes] = {}  # by path: what REPEAT_PAGE repeats
        self._spoiled: dict[FaultKind, Callable[[Passage, Fault], Awaitable[Answer | None]]] = {
            FaultKind.RESET: _reset,
            FaultKind.TIME_OUT: _never_answer,
            FaultKind.ERROR_AFTER_WRITE: self._error_after_write,
            FaultKind.RESET_AFTER_WRITE: self._reset_after_write,
            FaultKind.HALF_ACCEPTED: self._error_after_write,
            FaultKind.EXPIRED_TOKEN: self._expired_token,
            FaultKind.TRUNCATED: self._truncated,
            FaultKind.SLOW_BODY: self._slow_body,
            FaultKind.REPEAT_PAGE: self._repeat_page,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            return
        twin, method, path = self._twin, scope["method"], scope["path"]
        exchange = twin.traffic.begin(twin.clock.now(), method, path, scope["query_string"].decode("latin-1"))
        scope.setdefault("state", {})["exchange"] = exchange
        passage = Passage(self._app, scope, receive, send, body, exchange)

        answer = self._over_limit(scope)
        if answer is None:
            fault = twin.faults.draw(method, path, lambda kind: self._possible(kind, method, path))
            answer = await (self._spoil(passage, fault) if fault else self._pass(passage))
        twin.traffic.keep(exchange, body, answer.body if answer else None)
        if answer is not None:
            exchange.status = answer.status
            await passage.send_all(answer)

    def _over_limit(self, scope: Scope) -> Answer | None:
        limit = self._twin.rate_limit
        if limit is None or not (wait := limit.wait(self._twin.caller(scope), self._twin.clock.now())):
            return None
        return self._refusal(429, "too many requests", {"Retry-After": str(wait)})

    def _possible(self, kind: FaultKind, method: str, path: str) -> bool:
        if kind in AFTER_WRITE:
            return self._twin.is_write(method, path)
        if kind is FaultKind.HALF_ACCEPTED:
            return self._twin.is_batch(method, path)
        if kind is FaultKind.REPEAT_PAGE:
            return self._twin.is_list(method, path) and path in self._last_page
        return True

    async def _pass(self, passage: Passage) -> Answer:
        answer = await passage.ask_platform()
        if answer.status == 200 and self._twin.is_list(passage.exchange.method, passage.exchange.path):
            self._last_page[passage.exchange.path] = answer.body
        return answer

    async def _spoil(self, passage: Passage, fault: Fault) -> Answer | None:
        passage.exchange.fault = fault.kind
        if spoiled := self._spoiled.get(fault.kind):
            return await spoiled(passage, fault)
        return self._instead(fault)

    def _instead(self, fault: Fault) -> Answer:
        """Return the answer that stands in the place of the platform's, which is not asked at all."""
        wait = 1 if fault.retry_after is None else fault.retry_after
        match fault.kind:
            case FaultKind.TOO_MANY:
                return self._refusal(429, "too many requests")
            case FaultKind.TOO_MANY_RETRY_AFTER:
                return self._refusal(429, "too many requests", {"Retry-After": str(wait)})
            case FaultKind.TOO_MANY_RETRY_AFTER_DATE:
                moment = self._twin.clock.now() + timedelta(seconds=wait)
                return self._refusal(429, "too many requests", {"Retry-After": format_datetime(moment, usegmt=True)})
            case FaultKind.UNAVAILABLE:
                named = fault.retry_after is not None
                return self._refusal(503, "unavailable", {"Retry-After": str(wait)} if named else {})
            case FaultKind.UNAUTHORISED:
                return self._refusal(401, "unauthorised")
            case FaultKind.FAILURE_ENVELOPE:
                return self._refusal(200, "something failed")
            case FaultKind.HTML:
                return Answer.of(HTMLResponse(HTML_PAGE))
            case FaultKind.EMPTY:
                return Answer(200, [(b"content-type", b"application/json")], b"")
            case _:
                return self._refusal(500, "internal error")

    def _refusal(self, status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
        answer = Answer.of(self._twin.error(status, message))
        answer.headers += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        return answer

    async def _error_after_write(self, passage: Passage, fault: Fault) -> Answer:
        answer = await self._written(passage, fault)
        return answer or self._refusal(500, "internal error")

    async def _reset_after_write(self, passage: Passage, fault: Fault) -> Answer | None:
        answer = await self._written(passage, fault)
        if answer is None:
            await _reset(passage, fault)
        return answer

    async def _written(self, passage: Passage, fault: Fault) -> Answer | None:
        """Let the platform write; return its answer only where it refused, which leaves the fault for another time."""
        answer = await passage.ask_platform()
        if answer.status < 400:
            return None
        passage.exchange.fault = None
        self._twin.faults.give_back(fault)
        return answer

    async def _expired_token(self, passage: Passage, _: Fault) -> Answer:
        with self._twin.lock:
            self._twin.forget_tokens()
        return await self._pass(passage)

    async def _truncated(self, passage: Passage, _: Fault) -> None:
        answer = await self._pass(passage)
        passage.exchange.status = answer.status
        await passage.send_half(answer)
        _transport(passage).close()
        await _gone(passage.receive)

    async def _slow_body(self, passage: Passage, fault: Fault) -> None:
        answer = await self._pass(passage)
        passage.exchange.status = answer.status
        await passage.send_half(answer)
        try:
            await asyncio.wait_for(_gone(passage.receive), fault.seconds)
        except TimeoutError:
            await passage.send({"type": "http.response.body", "body": answer.body[len(answer.body) // 2 :]})

    async def _repeat_page(self, passage: Passage, _: Fault) -> Answer:
        before = self._last_page[passage.exchange.path]
        answer = await self._pass(passage)
        if answer.status == 200:
            answer.body = before
        return answer


@dataclass(slots=True)
class Passage:
    """One request on its way through the gate."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    body: bytes
    exchange: Exchange

    async def ask_platform(self) -> Answer:
        answer = Answer(500, [], b"")

        async def request() -> Message:
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [pair for pair in message.get("headers", ()) if pair[0] != b"content-length"]
            else:
                answer.body += message.get("body", b"")

        await self.app(self.scope, request, collect)
        return answer

    async def send_all(self, answer: Answer) -> None:
        await self._start(answer)
        await self.send({"type": "http.response.body", "body": answer.body})

    async def send_half(self, answer: Answer) -> None:
        """Send the first half of the body under the length of the whole (at least one byte is always missing)."""
        answer.body = answer.body or b"\n"
        await self._start(answer)
        half = answer.body[: len(answer.body) // 2]
        await self.send({"type": "http.response.body", "body": half, "more_body": True})

    async def _start(self, answer: Answer) -> None:
        headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _read(receive: Receive) -> bytes | None:
    """Return the whole request body, or None if the client left before it was sent."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    """Wait until the client, or the server itself, has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def _never_answer(passage: Passage, _: Fault) -> None:
    await _gone(passage.receive)


async def _reset(passage: Passage, _: Fault) -> None:
    transport = _transport(passage)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
    await _gone(passage.receive)


def _transport(passage: Passage) -> asyncio.Transport:
    transport: asyncio.Transport | None = passage.scope["state"].get("transport")
    if transport is None:
        raise RuntimeError(f"fault {passage.exchange.fault} needs a connection: run the twin with serve() or run()")
    return transport
