"""What a request for a file is answered with: whole or a part, gzip or plain, or that nothing changed (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from crossdock.core.store.feeds import DownloadKind

_ETAGS = re.compile(r'(?:W/)?("[^"]*")')
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """A file as it is offered in one coding.

    Args:
        etag: a strong validator of exactly these bytes, without quotes.
        size: in bytes.
        modified: since when it is offered.
        media_type: of the file without its coding.
        gzip: whether these bytes are the gzip of it.
    """

    etag: str
    size: int
    modified: datetime
    media_type: str
    gzip: bool

    def headers(self) -> dict[str, str]:
        """Return what every answer about it says."""
        return {
            "etag": f'"{self.etag}"',
            "last-modified": format_datetime(self.modified, usegmt=True),
            "cache-control": "private, no-cache",
            "vary": "accept-encoding",
            "accept-ranges": "bytes",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send: `length` bytes from `start` on, after these headers.

    Args:
        kind: what it counts as once all of it is sent.
    """

    status: int
    headers: Mapping[str, str]
    start: int
    length: int
    kind: DownloadKind


def wants_gzip(accepted: str | None) -> bool:
    """Tell by Accept-Encoding whether gzip is welcome, and at least as welcome as the plain file."""
    weights = dict(map(_weight, (accepted or "").lower().split(",")))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight(coding: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in coding.split(";"))
    given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    return name, float(given) if re.fullmatch(r"[01](\.\d{0,3})?", given) else 0.0


def answer(method: str, headers: Mapping[str, str], offered: Representation) -> Answer:
    """Return how a GET or HEAD is answered.

    A date in If-Range is never taken for a match: two versions may come within its second.

    Args:
        method: of the request.
        headers: of the request, by names in small letters.
        offered: the representation that the client gets.
    """
    if _not_modified(headers, offered):
        return _answer(304, offered.headers(), kind=DownloadKind.NOT_MODIFIED)
    content = offered.headers() | {"content-type": offered.media_type}
    if offered.gzip:
        content["content-encoding"] = "gzip"
    if method == "HEAD":
        return _answer(200, content | {"content-length": str(offered.size)}, kind=DownloadKind.HEAD)
    part = _part(headers, offered)
    if part is None:
        whole = content | {"content-length": str(offered.size)}
        return _answer(200, whole, length=offered.size, kind=DownloadKind.WHOLE)
    if not part:
        refusal = offered.headers() | {"content-range": f"bytes */{offered.size}", "content-length": "0"}
        return _answer(416, refusal, kind=DownloadKind.PARTIAL)
    place = {"content-range": f"bytes {part.start}-{part.stop - 1}/{offered.size}", "content-length": str(len(part))}
    kind = DownloadKind.WHOLE if len(part) == offered.size else DownloadKind.PARTIAL
    return _answer(206, content | place, start=part.start, length=len(part), kind=kind)


def _answer(status: int, headers: Mapping[str, str], *, start: int = 0, length: int = 0, kind: DownloadKind) -> Answer:
    return Answer(status=status, headers=headers, start=start, length=length, kind=kind)


def _not_modified(headers: Mapping[str, str], offered: Representation) -> bool:
    known = headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or f'"{offered.etag}"' in _ETAGS.findall(known)
    since = _date(headers.get("if-modified-since", ""))
    return since is not None and offered.modified.replace(microsecond=0) <= since


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _part(headers: Mapping[str, str], offered: Representation) -> range | None:
    """Return the bytes asked for: None for all of them, empty where there are no such bytes."""
    asked = _RANGE.fullmatch(headers.get("range", "").strip())
    if asked is None or not _still_the_same(headers, offered):
        return None
    first, last = (int(text) if text else None for text in asked.groups())
    if first is None:
        return None if last is None else range(max(0, offered.size - last), offered.size)
    if last is not None and last < first:
        return None
    return range(first, offered.size if last is None else min(last + 1, offered.size))


def _still_the_same(headers: Mapping[str, str], offered: Representation) -> bool:
    return headers.get("if-range", f'"{offered.etag}"').strip() == f'"{offered.etag}"'
