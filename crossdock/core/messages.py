"""Requests and responses as plugins see them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from crossdock.core.errors import BadAnswer
from crossdock.core.redaction import SECRETS, Redactor

# Characters of an answer: within an error's text, kept beside it, looked at.
WORDS: Final = 300
RAW: Final = 4_000
WINDOW: Final = 65_536


class Headers(Mapping[str, str]):
    """Headers by name in any case; the values of a repeated one are joined by a comma."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        for name, value in items:
            first = self._items.get(name.lower())
            self._items[name.lower()] = (first[0], f"{first[1]}, {value}") if first else (name, value)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"

    def merged(self, more: Mapping[str, str]) -> Headers:
        """Return these headers with others added or put in their place."""
        merged = Headers()
        merged._items = self._items | {name.lower(): (name, value) for name, value in more.items()}
        return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it will be sent, for `Auth.sign`; its repr tells method and origin alone.

    Args:
        method: in capital letters.
        origin: scheme, host, and port where it is not the scheme's own.
        host: without port.
        path, query: exactly as sent, percent-encoded; the query without its question mark.
        headers: all but those that signing adds.
        body: exactly as sent.
    """

    method: str
    origin: str
    host: str = field(repr=False)
    path: str = field(repr=False)
    query: str = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def url(self) -> str:
        """The whole URL."""
        return self.origin + self.target

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return self.path + (f"?{self.query}" if self.query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer that came whole.

    Args:
        status: HTTP status.
        headers: by name in any case.
        body: decompressed.
        method, url: of the request; the URL without secrets and query values.
        unclear: whether the request may have been carried out where this answer cannot be understood.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=Headers, repr=False)
    body: bytes = field(default=b"", repr=False)
    method: str = "GET"
    url: str = ""
    unclear: bool = field(default=False, repr=False)
    _redactor: Redactor = field(default=SECRETS, repr=False, compare=False)
    _hidden: tuple[str, ...] = field(default=(), repr=False, compare=False)
    _read: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)  # what `json` returned

    def text(self) -> str:
        """Return the body as text in its declared charset, else UTF-8; what does not decode becomes U+FFFD."""
        declared = re.search(r"charset=[\"']?([\w.:-]+)", self.headers.get("Content-Type", ""), re.IGNORECASE)
        try:
            text = self.body.decode(declared[1] if declared else "utf-8", errors="replace")
        except (LookupError, UnicodeError):
            text = self.body.decode(errors="replace")
        return text.removeprefix("\ufeff")

    def json(self) -> Any:
        """Return the body read as JSON, the same value each time; numbers with a fraction are Decimals.

        Raises:
            BadAnswer: it is no JSON; the text says whether it is an HTML page, empty or cut off, `raw` holds its start.
        """
        if not self._read:
            self._read.append(self._parsed())
        return self._read[0]

    def _parsed(self) -> Any:
        fault = ""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            fault = self._json_fault(error)
        raise BadAnswer(
            f"{self.method} {self.url}: the platform answered {self.status} with {fault}.",
            status=self.status,
            raw=self.excerpt(RAW),
            unclear=self.unclear,
            advice="See the raw answer; the address may be wrong or the platform in maintenance.",
        )

    def excerpt(self, length: int) -> str:
        """Return the start of the body, free of secrets."""
        # Cut after masking: half a secret would not be recognised.
        return keepable(self._redactor.redact(self.text()[:WINDOW], self._hidden)).strip()[:length]

    def words(self) -> str:
        """Return what the platform says in this answer, short enough for an error's text."""
        if not self._is_html():
            return " ".join(self.excerpt(WORDS).split())
        title = re.search(r"<title[^<>]*>([^<]*)", self.excerpt(WINDOW), re.IGNORECASE)
        return f"an HTML page titled “{' '.join(title[1].split())[:WORDS]}”" if title else "an HTML page"

    def _is_html(self) -> bool:
        return self.text()[:200].lstrip().lower().startswith(("<!doctype html", "<html"))

    def _json_fault(self, error: Exception) -> str:
        text = self.text().strip()
        if not text:
            return "an empty body in place of JSON"
        if text.startswith("<"):
            return "an HTML page in place of JSON" if self._is_html() else "markup in place of JSON"
        closed = {"{": "}", "[": "]"}.get(text[0]) == text[-1]
        at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(error.doc.rstrip())
        if text[0] in "{[" and (at_end or not closed):
            return "JSON that is cut off"
        return "something that is no JSON"


def keepable(text: str) -> str:
    """Return the text without NUL and lone surrogates, which no database keeps."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
