"""Bytes of an open file on their way to a client, and how many of them went."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from anyio import to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from crossdock.core.store.feeds import DownloadKind
from crossdock.web.conditions import Answer

CHUNK: Final = 128 * 1024  # bytes


@dataclass(slots=True)
class Line:
    """A client's connection, as the server sees it; it stands in the scope's state under `line`.

    Args:
        lost: whether it is over.
        broken: whether it ended before everything that was written to it had left, or was read.
    """

    lost: bool = False
    broken: bool = False


class CutShort(Exception):
    """An open file became shorter than it was."""


class Delivery(Response):
    """An answer whose body is read from one open file, which nobody changes by putting another in its place.

    Args:
        source: the file; closed when the answer is sent.
        answer: what of it to send, after which headers.
        record: hears what became of it, its kind and how many bytes of the body were sent; must not block.
    """

    def __init__(self, source: BinaryIO, answer: Answer, record: Callable[[DownloadKind, int], object]) -> None:
        super().__init__(status_code=answer.status)
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        self._source = source
        self._answer = answer
        self._record = record
        self._sent = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, then keep what became of it."""
        kind = DownloadKind.ABORTED
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if await self._send_body(scope.get("state", {}).get("line", Line()), send):
                kind = self._answer.kind
            await send({"type": "http.response.body"})
        finally:
            self._source.close()
            self._record(kind, self._sent)

    async def _send_body(self, line: Line, send: Send) -> bool:
        """Send the bytes one chunk after the other, and return whether the client stayed to the end.

        `send` begins by waiting until everything before has left this process (see `server.Protocol`): once it is
        through and the client is still there, what was sent before is sent.
        """
        end = self._answer.start + self._answer.length
        for begin in range(self._answer.start, end, CHUNK):
            wanted = min(CHUNK, end - begin)
            chunk = await to_thread.run_sync(os.pread, self._source.fileno(), wanted, begin)
            if len(chunk) != wanted:
                raise CutShort(f"a file ended at {begin + len(chunk)} of {end} bytes")
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if line.lost:
                return False
            self._sent = begin - self._answer.start
        await send({"type": "http.response.body", "more_body": True})
        if line.broken:
            return False
        self._sent = self._answer.length
        return True
