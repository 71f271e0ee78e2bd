"""The only way out: requests to platforms, with rate limits, retries, and faults told as errors of crossdock.

Nothing else imports httpx. All accounts of a process share one pooled `httpx.HTTPTransport`, and no `httpx.Client`: a
client keeps cookies, and those of one account would go out with the requests of another.
"""

from __future__ import annotations

import json as jsonlib  # `json` is a parameter of request()
import math
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, quote, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from crossdock.core.clock import Clock
from crossdock.core.config import Settings, is_declared, is_loopback
from crossdock.core.errors import (
    AuthError,
    BadAnswer,
    ContractError,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    Unavailable,
)
from crossdock.core.messages import RAW, Headers, Request, Response, keepable
from crossdock.core.model import Plugin, Rate
from crossdock.core.redaction import MASK, SECRETS, Redactor, get_logger, guard_logs, sensitive_header

__all__ = ["FAULTS", "MISSING", "Auth", "Fault", "Headers", "Http", "RateStore", "Recorder", "Request", "Response"]

# --- faults ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """What a failed exchange means.

    Args:
        error: the error to raise.
        words: what happened, for its text.
        advice: what a person can do.
        unclear: whether the platform may have carried the request out all the same.
    """

    error: type[RemoteError]
    words: str
    advice: str = ""
    unclear: bool = False


_LATER = "It is tried again later; see the platform's status page if it lasts."

# By HTTP status, by family of statuses, and by what may go wrong on the way. `Plugin.faults` overrides single statuses.
FAULTS: Final[Mapping[int | str, Fault]] = {
    "connect": Fault(Unavailable, "could not be reached", "Check the address and the network."),
    "pool": Fault(Unavailable, "found no free connection in time", "Run fewer jobs at once in this process."),
    "time-out": Fault(Unavailable, "did not answer in time", _LATER, unclear=True),
    "reset": Fault(Unavailable, "broke the connection off", _LATER, unclear=True),
    "garbled": Fault(BadAnswer, "answered with bytes that cannot be decompressed", unclear=True),
    "endless": Fault(BadAnswer, "answered with more than this program takes", "Ask for smaller pages.", unclear=True),
    "3xx": Fault(BadAnswer, "sends us elsewhere", "Check the address; redirects are not followed.", unclear=True),
    "4xx": Fault(Rejected, "refuses this request", "Mend what the platform names, then try again."),
    "5xx": Fault(Unavailable, "cannot do this now", _LATER, unclear=True),
    401: Fault(AuthError, "refuses the credentials", "Check the account's credentials."),
    403: Fault(AuthError, "forbids this", "Check the credentials and what they are allowed to do."),
    404: Fault(NotFound, "does not know this", "Check the id and the address."),
    408: Fault(Unavailable, "gave up waiting", _LATER, unclear=True),  # gateways say so of a slow backend, too
    # A request over the limit was counted and refused, not processed: any method may be repeated.
    429: Fault(RateLimited, "counted too many requests", "It is tried again when the platform allows it."),
}
# How an override is told, and which of them say that nothing was carried out.
_TOLD_AS: Final[Mapping[type[RemoteError], int | str]] = {
    AuthError: 401,
    NotFound: 404,
    RateLimited: 429,
    Rejected: "4xx",
    Unavailable: "5xx",
}
_REFUSALS = (AuthError, Rejected, RateLimited)


class _EndlessBody(Exception):
    """An answer is larger than any that makes sense."""


_ON_THE_WAY: Final[Mapping[type[Exception], str]] = {  # the first match counts
    httpx.ConnectError: "connect",
    httpx.ConnectTimeout: "connect",
    httpx.PoolTimeout: "pool",
    httpx.TimeoutException: "time-out",
    httpx.NetworkError: "reset",
    httpx.RemoteProtocolError: "reset",
    httpx.DecodingError: "garbled",
    _EndlessBody: "endless",
    httpx.TransportError: "impossible",  # what is left is a request that HTTP does not allow
    httpx.InvalidURL: "impossible",
}

TRIES: Final = 4
PATIENCE: Final = 30.0  # seconds to wait within a run; what takes longer is left to the queue
CONNECT_SECONDS: Final = 10.0
POOL_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 60.0
MAX_BODY: Final = 64 * 2**20
LONGEST_WAIT: Final = 86_400.0

MISSING: Final = object()

log = get_logger("crossdock.http")


# --- what the way out stands on --------------------------------------------------------------------------------------


class Auth(Protocol):
    """How an account proves who it is."""

    def sign(self, request: Request) -> Mapping[str, str]:
        """Return the headers to add; called anew for every try, after waiting for the rate limit.

        May itself call `Http.request(..., auth=None)`, e.g. to open a session.
        """
        ...

    def renew(self) -> bool:
        """Get fresh credentials; called once when the platform refuses a call. True: the call is repeated once."""
        ...


class RateStore(Protocol):
    """Counts requests for all threads and processes."""

    def acquire(self, key: str, rates: tuple[Rate, ...]) -> float:
        """Return 0.0 when a request may go out now, else the seconds to wait before asking again."""
        ...

    def hold(self, key: str, until: datetime) -> None:
        """Let nothing out before this moment: the platform said so."""
        ...


Recorder = Callable[[Request, Response | None], None]


# --- the way out -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of `Http.request`, however many tries it takes."""

    request: Request
    auth: Auth | None
    repeatable: bool
    bucket: str
    check: Callable[[Response], None] | None
    timeout: float


class _FailedTry(Exception):
    """A try failed in the exchange itself, and not in what signing it takes."""

    def __init__(self, error: RemoteError, *, again: bool) -> None:
        super().__init__()
        self.error = error
        self.again = again


class Http:
    """One account's way to its platform; safe to use from many threads.

    Args:
        account_id: whose requests these are.
        plugin: its platform's facts: hosts, limits, faults. `*.example.com` among the hosts stands for all below it.
        settings: the account's; their secrets are kept out of every text from here on.
        clock: the source of time.
        rates: counts requests together with all other processes; None counts nothing.
        redactor: keeps secrets out of texts.
        transport: a stand-in for the pool of this process.
        timeout: seconds that the platform may be silent.
        jitter: gives numbers from 0 to 1 that spread retries.
        recorder: is shown each exchange, without secrets; the response is None when none came.

    Raises:
        ContractError: the plugin's table of faults is wrong.
    """

    def __init__(
        self,
        *,
        account_id: str,
        plugin: Plugin,
        settings: Settings,
        clock: Clock,
        rates: RateStore | None = None,
        redactor: Redactor = SECRETS,
        transport: httpx.BaseTransport | None = None,
        timeout: float = SILENCE_SECONDS,
        jitter: Callable[[], float] = random.random,
        recorder: Recorder | None = None,
    ) -> None:
        redactor.register(settings.secrets())
        guard_logs()
        self._account_id = account_id
        self._plugin = plugin
        self._settings = settings
        self._clock = clock
        self._rates = rates
        self._redactor = redactor
        self._transport = transport
        self._timeout = timeout
        self._jitter = jitter
        self._recorder = recorder
        self._faults = _with_overrides(plugin)

    def __repr__(self) -> str:
        return f"Http({self._plugin.title}, account {self._account_id})"

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Sequence[tuple[str, str]] | None = None,
        json: Any = MISSING,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        idempotent: bool = False,
        bucket: str = "",
        check: Callable[[Response], None] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Send a request and return the answer if its status is 2xx.

        GET, HEAD and idempotent calls are tried up to four times; others are repeated only where the platform cannot
        have carried them out (no connection, 429). A wait of more than 30 seconds is left to the queue.

        Args:
            method: any; its case does not matter.
            url: absolute, at one of the plugin's hosts or at a loopback endpoint of the settings. A query is kept.
            params: appended to the query, percent-encoded.
            json: sent as JSON; encoded once, so what is signed is what is sent.
            content: sent as it is.
            headers: further headers.
            auth: signs each try.
            idempotent: twice is once, whatever the method.
            bucket: what `Plugin.limits` counts this call under.
            check: looks at a 2xx answer and may raise, e.g. where a platform reports failures in such answers.
            timeout: seconds that the platform may be silent, if other than usual.

        Raises:
            RemoteError: see `FAULTS`, and what `check` raises.
            ContractError: the plugin may not send this.
        """
        if bucket and not self._limits(bucket):
            raise ContractError(f"{self._plugin.title}: no limit is declared for the bucket {bucket!r}.")
        request = self._address(method.upper(), url, params or ())
        if json is not MISSING:
            content = _json_bytes(json)
            request = replace(request, headers=request.headers.merged({"Content-Type": "application/json"}))
        call = _Call(
            request=replace(request, headers=request.headers.merged(_checked(headers or {})), body=content or b""),
            auth=auth,
            repeatable=idempotent or request.method in {"GET", "HEAD"},
            bucket=bucket,
            check=check,
            timeout=self._timeout if timeout is None else timeout,
        )
        try:
            return self._try_repeatedly(call)
        except _FailedTry as failed:
            error = failed.error
        if not isinstance(error, AuthError) or auth is None or not auth.renew():
            raise error
        try:
            return self._try_repeatedly(call)
        except _FailedTry as failed:
            error = failed.error
        raise error

    # Where it goes.

    def _address(self, method: str, url: str, params: Sequence[tuple[str, str]]) -> Request:
        """Return a request without body, its URL encoded once and for all."""
        if re.search("[\ud800-\udfff]", "".join([url, *chain(*params)])):
            raise ContractError(f"{self._plugin.title}: a URL has letters that cannot be encoded.")
        parts = self._destination(url)
        path = _percent_encoded(parts.path or "/", safe="/")
        if {".", ".."} & set(path.split("/")):
            raise ContractError(f"{method} {self._redactor.redact_url(url)}: the path has dot segments.")
        pairs = (f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)
        query = "&".join(filter(None, [_percent_encoded(parts.query, safe="/?"), *pairs]))
        headers = {
            "Host": parts.netloc.lower(),
            "User-Agent": f"crossdock/{_version()}",
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
        }
        return Request(
            method=method,
            origin=f"{parts.scheme}://{parts.netloc.lower()}",
            host=parts.hostname or "",
            path=path,
            query=query,
            headers=Headers(headers.items()),
            body=b"",
        )

    def _destination(self, url: str) -> SplitResult:
        """Return the parts of a URL that this account's requests may go to."""
        parts, origin = _split(url)
        if origin is None or parts.fragment or "@" in parts.netloc:
            shown = self._redactor.redact_url(url)
            raise ContractError(f"{self._plugin.title}: {shown!r} is no absolute URL without user and fragment.")
        endpoints = [endpoint for endpoint in self._settings.endpoints() if is_loopback(endpoint)]
        if origin in (_split(endpoint)[1] for endpoint in endpoints):
            return parts
        scheme, host, port = origin
        declared = (scheme, port) == ("https", 443) and is_declared(host, self._plugin.hosts)
        if declared and not self._settings.rehearsal():
            return parts
        allowed = endpoints or [f"https://{name}" for name in self._plugin.hosts]
        raise ContractError(
            f"{self._plugin.title}: a request to {scheme}://{self._redactor.redact(parts.netloc)} was stopped.",
            advice=f"This account's requests may go to: {', '.join(allowed) or 'nowhere'}.",
        )

    # One try after another.

    def _try_repeatedly(self, call: _Call) -> Response:
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            retry=retry_if_exception(lambda error: isinstance(error, _FailedTry) and error.again),
            wait=self._pause,
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._try, call)

    def _pause(self, state: RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        asked = _retry_after(failed.error) if isinstance(failed, _FailedTry) else None
        return 2.0 ** (state.attempt_number - 1) * (0.5 + self._jitter() / 2) if asked is None else asked

    def _try(self, call: _Call) -> Response:
        self._wait_for_turn(call.bucket)
        exchange = _Exchange(self._redactor, call, _checked(call.auth.sign(call.request)) if call.auth else {})
        response = None
        try:
            response = self._exchange(exchange)
            if call.check:
                call.check(response)
            return response
        except RemoteError as error:
            exchange.clean(error)
            wait = _retry_after(error)
            if wait is not None and self._rates:
                self._rates.hold(self._key(call.bucket), self._clock.now() + timedelta(seconds=wait))
            untouched = response is None and error.status is None and not error.unclear
            harmless = call.repeatable or untouched or isinstance(error, RateLimited)
            again = isinstance(error, Unavailable) and harmless and (wait or 0) <= PATIENCE
            raise _FailedTry(error, again=again) from None

    def _wait_for_turn(self, bucket: str) -> None:
        if self._rates is None:
            return
        waited = 0.0
        while seconds := self._rates.acquire(self._key(bucket), self._limits(bucket)):
            waited += seconds
            if waited > PATIENCE:
                raise RateLimited(
                    f"{self._plugin.title}: its limit lets no request out for {math.ceil(seconds)} more seconds.",
                    retry_after=seconds,
                    advice="It is tried again by itself then.",
                )
            self._clock.sleep(seconds)

    def _key(self, bucket: str) -> str:
        return f"{self._account_id}:{bucket}"

    def _limits(self, bucket: str) -> tuple[Rate, ...]:
        return tuple(rate for rate in self._plugin.limits.rates if rate.bucket == bucket)

    # One exchange.

    def _exchange(self, exchange: _Exchange) -> Response:
        started = self._clock.monotonic()
        answer, failure, reason = None, "", ""
        try:
            answer = self._send(exchange.request, exchange.call.timeout)
        except tuple(_ON_THE_WAY) as error:
            failure = next(name for kind, name in _ON_THE_WAY.items() if isinstance(error, kind))
            reason = f" ({error})" if failure == "connect" else ""
        took = (self._clock.monotonic() - started) * 1000
        outcome = answer[0] if answer else failure
        log.debug("%s: %s, %.0f ms (account %s)", exchange.place, outcome, took, self._account_id)
        response = exchange.response(*answer) if answer else None
        if self._recorder:
            self._recorder(*exchange.recording(response))
        # Raised out here, so that nothing of httpx, which knows URL and headers, hangs on to an error.
        if response is None:
            if failure == "impossible":
                raise ContractError(
                    f"{exchange.place}: HTTP does not allow this request; a header or the URL is malformed."
                )
            raise exchange.error(self._faults[failure], f"the platform {self._faults[failure].words}{reason}")
        if not 200 <= response.status < 300:
            raise self._refusal(exchange, response)
        return response

    def _send(self, request: Request, timeout: float) -> tuple[int, Headers, bytes]:
        transport = self._transport or _pool(os.getpid())
        answer = transport.handle_request(
            httpx.Request(
                request.method,
                request.url,
                headers=list(request.headers.items()),
                content=request.body or None,
                extensions={
                    "timeout": {"connect": CONNECT_SECONDS, "pool": POOL_SECONDS, "read": timeout, "write": timeout}
                },
            )
        )
        latest = self._clock.monotonic() + 10 * timeout
        body = bytearray()
        try:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    raise _EndlessBody
                if self._clock.monotonic() > latest:  # never silent for long, and never done
                    raise httpx.ReadTimeout("")
        finally:
            answer.close()
        return answer.status_code, Headers(answer.headers.multi_items()), bytes(body)

    def _refusal(self, exchange: _Exchange, response: Response) -> RemoteError:
        status = response.status
        family = "3xx" if status < 400 else "4xx" if status < 500 else "5xx"
        fault = self._faults.get(status) or self._faults[family]
        phrase = next((f" {known.phrase}" for known in HTTPStatus if known == status), "")
        details: dict[str, Any] = {}
        if issubclass(fault.error, Unavailable):
            details["retry_after"] = _seconds(response.headers.get("Retry-After", ""), self._clock.now())
        if issubclass(fault.error, BadAnswer):
            details["raw"] = response.excerpt(RAW)
        what = f"{status}{phrase}, the platform {fault.words}"
        return exchange.error(fault, what, status=status, words=response.words(), **details)


class _Exchange:
    """One try of a call: its signed request, and how to speak of it without secrets."""

    def __init__(self, redactor: Redactor, call: _Call, signed: Mapping[str, str]) -> None:
        self.call = call
        self.request = replace(call.request, headers=call.request.headers.merged(signed))
        self._redactor = redactor
        self._signed = frozenset(name.lower() for name in signed)
        self._hidden = tuple(self._hidden_words())
        self.url = redactor.redact_url(self.request.url, self._hidden)
        self.place = f"{self.request.method} {self.url}"

    def response(self, status: int, headers: Headers, body: bytes) -> Response:
        """Return the answer in the form that plugins see."""
        return Response(
            status=status,
            headers=headers,
            body=body,
            method=self.request.method,
            url=self.url,
            unclear=not self.call.repeatable,
            _redactor=self._redactor,
            _hidden=self._hidden,
        )

    def error(self, fault: Fault, what: str, **details: Any) -> RemoteError:
        """Return the error of a fault."""
        unclear = fault.unclear and not self.call.repeatable
        return fault.error(f"{self.place}: {what}.", unclear=unclear, advice=fault.advice, **details)

    def clean(self, error: RemoteError) -> None:
        """Mask secrets in an error that a plugin may have made of a platform's answer."""
        for name in ("message", "words", "advice", "code", "raw"):
            text = getattr(error, name, None)
            if isinstance(text, str):
                setattr(error, name, keepable(self._text(text)))
        error.args = (error.message,)

    def recording(self, response: Response | None) -> tuple[Request, Response | None]:
        """Return request and response without secrets."""
        request = self.request
        parts = (part.partition("=") for part in request.query.split("&"))
        query = "&".join(f"{name}{mark}{self._redactor.redact_value(value)}" for name, mark, value in parts)
        shown = replace(
            request,
            origin=self._text(request.origin),
            path=self._text(request.path),
            query=self._text(query),
            headers=self._masked(request.headers),
            body=self._bytes(request.body),
        )
        if response is None:
            return shown, None
        return shown, replace(response, headers=self._masked(response.headers), body=self._bytes(response.body))

    def _hidden_words(self) -> Iterator[str]:
        """Yield what must not be told of credentials that were never registered, such as a session's token."""
        for name, value in self.request.headers.items():
            if name.lower() in self._signed or sensitive_header(name):
                yield from [word for word in re.split(r'[\s=;,"]+', value) if len(word) >= 8] or [value]

    def _text(self, text: str) -> str:
        return self._redactor.redact(text, self._hidden)

    def _bytes(self, content: bytes) -> bytes:
        return self._text(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def _masked(self, headers: Mapping[str, str]) -> Headers:
        secret = {name for name in headers if name.lower() in self._signed or sensitive_header(name)}
        return Headers(
            (name, MASK if name in secret else self._redactor.redact_value(value, self._hidden))
            for name, value in headers.items()
        )


# --- helpers ---------------------------------------------------------------------------------------------------------


def open_pool() -> httpx.HTTPTransport:
    """Return a fresh pool of connections that takes neither proxies nor certificates from the environment."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50, keepalive_expiry=5.0)
    return httpx.HTTPTransport(trust_env=False, limits=limits)


@cache
def _pool(process: int) -> httpx.HTTPTransport:
    """Return the pool of this process; a fork must not talk over its parent's connections."""
    return open_pool()


@cache
def _version() -> str:
    try:
        return version("crossdock")
    except PackageNotFoundError:  # run from a source tree
        return "0"


def _with_overrides(plugin: Plugin) -> Mapping[int | str, Fault]:
    """Return the table of faults as a plugin changes it."""
    faults = dict(FAULTS)
    for status, kind in plugin.faults.items():
        if not issubclass(kind, RemoteError) or not 300 <= status < 600:
            raise ContractError(f"{plugin.title}: faults[{status}] = {kind!r} is no RemoteError for an error status.")
        usual = FAULTS.get(status) or FAULTS[f"{status // 100}xx"]
        told_as = FAULTS.get(_TOLD_AS.get(kind, status), usual)
        faults[status] = replace(told_as, error=kind, unclear=usual.unclear and not issubclass(kind, _REFUSALS))
    return faults


def _split(url: str) -> tuple[SplitResult, tuple[str, str, int] | None]:
    """Return a URL's parts, and its origin or None if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return urlsplit(""), None
    return parts, (parts.scheme, parts.hostname, port) if parts.hostname else None


def _percent_encoded(text: str, *, safe: str) -> str:
    """Encode what a path or query may not hold (RFC 3986, 3.3); what is encoded already stays as it is."""
    return quote(re.sub("%(?![0-9A-Fa-f]{2})", "%25", text), safe=safe + "%!$&'()*+,;=:@~")


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return a plugin's headers if HTTP allows them and they leave address and framing alone."""
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise ContractError(
                f"The header {name!r} has letters that HTTP does not allow.", advice="Encode its value."
            )
        if name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
            raise ContractError(f"The header {name} is not for plugins to set.")
    return headers


def _json_bytes(value: Any) -> bytes:
    try:
        return jsonlib.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(error).__name__ if isinstance(error, UnicodeError) else str(error)
    raise ContractError(f"The body cannot be written as JSON: {kind}.", advice="Turn Decimals and times into text.")


def _retry_after(error: RemoteError) -> float | None:
    return error.retry_after if isinstance(error, Unavailable) else None


def _seconds(retry_after: str, now: datetime) -> float | None:
    """Read Retry-After: seconds, or an HTTP date (RFC 9110, 10.2.3); None when it is neither."""
    if re.fullmatch("[0-9]+", retry_after.strip()):
        return min(float(retry_after), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (aware - now).total_seconds()), LONGEST_WAIT)
