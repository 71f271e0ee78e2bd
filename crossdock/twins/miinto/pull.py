"""Miinto fetches a seller's feed: when, how fast it has to come, what became of it (reference sheet, section 8.1)."""

from __future__ import annotations

import base64
import gzip
import http.client
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from crossdock.twins.miinto.feed import Live, Row, Unreadable, as_json, judge, take

EVERY: Final = timedelta(minutes=30)
FIRST_BYTE: Final = 5.0  # seconds
WHOLE: Final = 15.0  # seconds
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
SHOWN: Final = 1000  # findings of a pull that the book keeps


class Missed(Exception):
    """The file did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that came: its bytes as the seller means them, and seconds to its first byte and to its last."""

    body: bytes
    first_byte: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAddress:
    """Where a seller's feed is.

    Args:
        url: on this machine; nothing else is fetched.
        user, password: of HTTP Basic, if it is asked for.
        gzip: whether to ask for it packed.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    gzip: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(str(self.url))
        if parts.scheme != "http" or parts.hostname not in LOOPBACK or not parts.path:
            raise ValueError("url is an http:// address on this machine")

    def fetch(self, first_byte: float = FIRST_BYTE, whole: float = WHOLE) -> Fetched:
        """Fetch the file as Miinto does: all of it, with limits in seconds of real time.

        Raises:
            Missed: it did not come, or not in time.
        """
        parts, began = urlsplit(self.url), time.monotonic()
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=max(first_byte, 0.001))
        try:
            connection.request(
                "GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=self._headers()
            )
            answer = connection.getresponse()
            body = answer.read(1)
            came = time.monotonic() - began
            if answer.status != 200:
                raise Missed(f"the answer is {answer.status}")
            if came > first_byte:
                raise Missed(f"the first byte came after {came:.1f} s, more than {first_byte:g} s")
            body += _rest(answer, began + whole)
        except (OSError, http.client.HTTPException) as error:
            raise Missed(f"the file did not come: {type(error).__name__}") from None
        finally:
            connection.close()
        packed = answer.headers.get("content-encoding") == "gzip"
        return Fetched(body=_unpacked(body) if packed else body, first_byte=came, seconds=time.monotonic() - began)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "gzip" if self.gzip else "identity", "User-Agent": "Miinto twin"}
        if self.user is not None:
            login = base64.b64encode(f"{self.user}:{self.password or ''}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        return headers


def _rest(answer: http.client.HTTPResponse, until: float) -> bytes:
    chunks = []
    while chunk := answer.read(1 << 16):
        chunks.append(chunk)
        if time.monotonic() > until:
            raise Missed("the whole file took too long")
    if answer.length:
        raise Missed(f"{answer.length} bytes of it are missing")
    return b"".join(chunks)


def _unpacked(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError):
        raise Missed("what came packed cannot be unpacked") from None


class FeedReader:
    """What Miinto knows of one seller's feed.

    Args:
        address: where it is.
    """

    def __init__(self, address: FeedAddress) -> None:
        self.address = address
        self.live: dict[str, Live] = {}
        self.next_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether half an hour has passed since the last pull."""
        return self.next_at is None or now >= self.next_at

    def shown(self) -> list[Row]:
        """Return the rows that are live, as buyers see them."""
        return [live.row for live in self.live.values()]

    def pull(self, now: datetime) -> dict[str, Any]:
        """Fetch and judge it; return what the book keeps, with a fault where nothing of it could be taken."""
        self.next_at = now + EVERY
        entry: dict[str, Any] = {"at": now.isoformat(), "fetched": False, "fault": None}
        try:
            came = self.address.fetch()
            entry |= {"fetched": True, "bytes": len(came.body), "first_byte": came.first_byte, "seconds": came.seconds}
            verdict = judge(came.body, self.live, now)
        except (Missed, Unreadable) as fault:
            return entry | {"fault": str(fault)}
        take(verdict, self.live, now)
        entry |= {"rows": verdict.rows, "accepted": sorted(verdict.accepted)}
        for name, findings in (("rejected", verdict.rejected), ("remarks", verdict.remarks)):
            entry |= {name: [as_json(finding) for finding in findings[:SHOWN]], f"{name}_count": len(findings)}
        return entry
