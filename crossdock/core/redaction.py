"""Secrets stay out of texts: logs, errors, recordings.

A value that was registered is masked wherever it stands, also percent-encoded, in base64 (which covers Basic
credentials), or escaped for JSON, HTML or `repr`. What was never registered, such as a token that a platform has just
handed out, is masked by the name it stands under.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4  # a shorter value would mask half of every text; it is masked where it stands alone

_SENSITIVE = r"(?:passw|secret|token|cookie|session|credential|signature|authori[sz]ation|api[_-]?key|access[_-]?key)"
# Bounded and begun at a word's start: long answers must not make these patterns slow.
_NAME = rf"[\w.-]{{0,40}}{_SENSITIVE}[\w.-]{{0,40}}"
_NAMED = (
    (re.compile(rf'("{_NAME}"\s*:\s*)"(?:[^"\\]|\\.)*(?:"|$)', re.IGNORECASE), rf'\1"{MASK}"'),
    (re.compile(rf"(<{_NAME}>)[^<]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"((?<![\w.-]){_NAME}=)[^\s&;,\"'<>]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(/feed/)[\w%~-]{8,}"), rf"\1{MASK}"),  # a link to an offers file: who has it needs no more
    (re.compile(r"((?<![\w.-])(?:proxy-)?(?:authorization|(?:set-)?cookie): *)[^\r\n]+", re.IGNORECASE), rf"\1{MASK}"),
)
_HEADER = re.compile(rf"auth|sign|{_SENSITIVE}", re.IGNORECASE)
_URL_WITH_QUERY = re.compile(r"""https?://[^\s"'<>?]+\?[^\s"'<>]*""")


def sensitive_header(name: str) -> bool:
    """Whether a header of this name carries credentials, a session or a signature."""
    return _HEADER.search(name) is not None


class Redactor:
    """Knows secret values and takes them out of texts; safe to use from many threads."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._index: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Redactor({len(self._values)} values)"

    def register(self, values: Iterable[str]) -> None:
        """Remember secret values for as long as the process lives."""
        with self._lock:
            for value in {*values} - self._values - {""}:
                self._values.add(value)
                _add_to_index(self._index, value)

    def redact(self, text: str, also: Iterable[str] = ()) -> str:
        """Return the text with all secrets masked.

        Args:
            text: any text.
            also: further secret values, for this text only.
        """
        text = _mask(text, self._index)
        further: dict[str, tuple[str, ...]] = {}
        for value in also:
            _add_to_index(further, value)
        text = _mask(text, further)
        for pattern, replacement in _NAMED:
            text = pattern.sub(replacement, text)
        return text

    def redact_value(self, value: str, also: Iterable[str] = ()) -> str:
        """Return a single value, such as a header's, masked; unlike `redact`, it catches the shortest secrets."""
        return MASK if value in self._values else self.redact(value, also)

    def redact_url(self, url: str, also: Iterable[str] = ()) -> str:
        """Return the URL with secrets masked and the values of its query left out."""
        base, mark, query = url.partition("?")
        names = [part.partition("=")[0] + "=…" if "=" in part else "…" for part in query.split("&")]
        return self.redact(base + mark + ("&".join(names) if query else ""), also)


def _mask(text: str, index: dict[str, tuple[str, ...]]) -> str:
    """Replace all known forms in one walk; its time does not grow with their number."""
    if not index:
        return text
    kept, begin, position = [], 0, 0
    while position <= len(text) - SHORTEST:
        forms = index.get(text[position : position + SHORTEST], ())
        found = next((form for form in forms if text.startswith(form, position)), None)
        if found is None:
            position += 1
            continue
        kept += [text[begin:position], MASK]
        begin = position = position + len(found)
    return "".join([*kept, text[begin:]])


def _add_to_index(index: dict[str, tuple[str, ...]], value: str) -> None:
    for form in _forms(value):
        start = form[:SHORTEST]
        index[start] = tuple(sorted({*index.get(start, ()), form}, key=len, reverse=True))


def _forms(value: str) -> set[str]:
    """Return how a value may be written."""
    if len(value) < SHORTEST:
        return set()
    raw = value.encode(errors="surrogatepass")
    if re.fullmatch(r"[\w.~-]+", value, re.ASCII):
        return {value} | _base64_forms(raw)  # nobody escapes these letters
    encoded = {quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="/!$&'()*+,;=:@~")}
    encoded |= {re.sub("%[0-9A-F]{2}", lambda triplet: triplet[0].lower(), form) for form in encoded}
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    escaped |= {form.replace("/", r"\/") for form in escaped}
    escaped |= {html.escape(value), repr(value)[1:-1], repr(raw)[2:-1]}
    return {value} | encoded | escaped | _base64_forms(raw)


def _base64_forms(raw: bytes) -> set[str]:
    """Return the letters of base64 that `raw` alone decides, for its three possible places in a longer text."""
    forms = set()
    for shift in range(3):
        plain = base64.b64encode(bytes(shift) + raw).decode()
        inner = plain[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= SHORTEST}


# --- logs ------------------------------------------------------------------------------------------------------------

_LIBRARIES = (
    "httpx",
    "httpcore",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)


class SecretFilter(logging.Filter):
    """Takes secrets out of log records, before any handler sees them.

    Args:
        redactor: what knows the secrets.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is never dropped."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = f"{record.msg} {record.args!r}"
        if record.name.startswith("httpcore"):
            text = text.partition(" ")[0]  # the event's name; its details hold headers of all sorts
        if record.name == "httpx":
            text = _URL_WITH_QUERY.sub(lambda url: self.redactor.redact_url(url[0]), text)
        record.msg, record.args = self.redactor.redact(text), None
        if record.exc_info:
            record.exc_text = self.redactor.redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True


SECRETS = Redactor()  # of this process
_FILTER = SecretFilter(SECRETS)


def get_logger(name: str) -> logging.Logger:
    """Return the logger of that name with secrets kept out; all of crossdock gets its loggers here.

    A filter of the standard library works for its own logger alone, not for those below it.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger


def guard_logs() -> None:
    """Keep secrets out of the loggers of the HTTP libraries and of every crossdock logger there is by now."""
    ours = [name for name in tuple(logging.root.manager.loggerDict) if name.startswith("crossdock.")]
    for name in ("crossdock", *_LIBRARIES, *ours):
        get_logger(name)
