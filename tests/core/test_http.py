"""The way out: what goes over the wire, what becomes of every fault, and what is never told."""

import gzip
import json
import logging
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from crossdock.core import http as http_module
from crossdock.core.config import Settings, Url
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
from crossdock.core.http import FAULTS, Headers, Http, Request, Response, open_pool
from crossdock.core.model import Kind, Limits, Plugin, Rate
from crossdock.core.redaction import MASK, Redactor

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKER = "marker/Secret+4711="
ORDERS = "https://api.example.com/orders"


# --- what the tests stand on -----------------------------------------------------------------------------------------


class ShopSettings(Settings):
    key: SecretStr = SecretStr(MARKER)
    api: Url | None = None


PLUGIN = Plugin(contract=1, kind=Kind.SHOP, title="Shop", settings=ShopSettings, hosts=("api.example.com",))


class VirtualClock:
    def __init__(self) -> None:
        self.moment = BEGIN
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


class Rates:
    """A rate store that answers from a list of waits and remembers what it was told."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.asked: list[tuple[str, tuple[Rate, ...]]] = []
        self.held: list[tuple[str, datetime]] = []

    def acquire(self, key: str, rates: tuple[Rate, ...]) -> float:
        self.asked.append((key, rates))
        return self.waits.pop(0) if self.waits else 0.0

    def hold(self, key: str, until: datetime) -> None:
        self.held.append((key, until))


class Signer:
    """Signs with a token that changes when renewed, and remembers what it saw."""

    def __init__(self, *, renews: bool = True) -> None:
        self.renews = renews
        self.token = 1
        self.renewed = 0
        self.seen: list[Request] = []

    def sign(self, request: Request) -> Mapping[str, str]:
        self.seen.append(request)
        return {"X-Token": f"session-token-{self.token}"}

    def renew(self) -> bool:
        self.renewed += 1
        self.token += 1
        return self.renews


class Platform:
    """Answers from a list, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


MakeHttp = Callable[..., Http]


@pytest.fixture
def make(clock: VirtualClock) -> MakeHttp:
    """Give a maker of Http whose parts can be replaced; waits are the longest that jitter allows."""

    def make(platform: Platform | httpx.BaseTransport, **parts: Any) -> Http:
        given: dict[str, Any] = {
            "account_id": "a1",
            "plugin": PLUGIN,
            "settings": ShopSettings(),
            "clock": clock,
            "redactor": Redactor(),
            "jitter": lambda: 1.0,
            "transport": platform.transport if isinstance(platform, Platform) else platform,
        }
        return Http(**(given | parts))

    return make


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> httpx.Response:
    return httpx.Response(
        status, content=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


# --- a server that does what it is told, byte by byte ----------------------------------------------------------------

RESET, HANG = object(), object()


def plain(body: bytes = b"{}", *, headers: bytes = b"", length: int | None = None, status: bytes = b"200 OK") -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, size, headers, body)


class Wire:
    """A raw server on loopback; answers from a list, then 200 for ever."""

    def __init__(self) -> None:
        self.answers: list[bytes | object] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self._over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._talk, args=(connection,)))
            self._threads[-1].start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while request := self._read(stream):
                self.requests.append(request)
                reply = self.answers.pop(0) if self.answers else plain()
                if reply is HANG:
                    self._over.wait(timeout=10)
                    return
                if reply is RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                assert isinstance(reply, bytes)
                connection.sendall(reply)
                if b"Connection: close" in reply:
                    return

    @staticmethod
    def _read(stream: Any) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return b""
            head += line
        sizes = [line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length:")]
        return head + stream.read(int(sizes[0]) if sizes else 0)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def on_wire(wire: Wire, make: MakeHttp) -> Iterator[Http]:
    """Give an Http that reaches the raw server and waits 0.2 s for it."""
    pool = open_pool()
    yield make(pool, settings=ShopSettings(endpoint=wire.url), timeout=0.2)
    pool.close()


def request_line(request: bytes) -> str:
    return request.partition(b"\r\n")[0].decode()


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_the_url_goes_out_as_it_was_signed(wire: Wire, on_wire: Http) -> None:
    signer = Signer()
    params = [("status[]", "pending"), ("sort", "-createdAt"), ("q", "a b&c=d/é")]
    on_wire.request("get", f"{wire.url}/shops/1-m!i!s-048-1234/transfers", params=params, auth=signer)
    path, query = "/shops/1-m!i!s-048-1234/transfers", "status%5B%5D=pending&sort=-createdAt&q=a%20b%26c%3Dd%2F%C3%A9"
    assert request_line(wire.requests[0]) == f"GET {path}?{query} HTTP/1.1"
    seen = signer.seen[0]
    assert (seen.method, seen.host, seen.path, seen.query) == ("GET", "127.0.0.1", path, query)
    assert seen.url == f"{wire.url}{path}?{query}"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a/", "/a/"),
        ("/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/100%", "/100%25"),
        ("/é ü", "/%C3%A9%20%C3%BC"),
        ("/a;b=c,d'(e)*+$&@:~", "/a;b=c,d'(e)*+$&@:~"),
        ("//a//b", "//a//b"),
        ("/a?next=x%3D&ids[]=1", "/a?next=x%3D&ids%5B%5D=1"),
    ],
)
def test_what_is_encoded_stays_and_the_rest_is_encoded(wire: Wire, on_wire: Http, given: str, sent: str) -> None:
    on_wire.request("GET", wire.url + given)
    assert request_line(wire.requests[0]) == f"GET {sent} HTTP/1.1"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(path=st.text(max_size=20), name=st.text(max_size=10), value=st.text(max_size=10))
def test_whatever_goes_out_was_signed_so(wire: Wire, on_wire: Http, path: str, name: str, value: str) -> None:
    signer = Signer()
    try:
        on_wire.request("GET", f"{wire.url}/{path}", params=[(name, value)], auth=signer)
    except ContractError:
        assert "#" in path or "." in path or any("\ud800" <= letter <= "\udfff" for letter in path + name + value)
        return
    assert request_line(wire.requests[-1]) == f"GET {signer.seen[0].target} HTTP/1.1"
    assert signer.seen[0].query.endswith(f"{quote(name, safe='')}={quote(value, safe='')}")


def test_a_json_body_is_encoded_once(wire: Wire, on_wire: Http) -> None:
    signer = Signer()
    on_wire.request("POST", wire.url, json={"name": "zażółć", "list": [1, None]}, auth=signer)
    head, _, body = wire.requests[0].partition(b"\r\n\r\n")
    assert body == '{"name":"zażółć","list":[1,null]}'.encode()
    assert signer.seen[0].body == body
    assert signer.seen[0].headers["content-type"] == "application/json"
    assert b"Content-Type: application/json\r\n" in head


def test_null_is_a_body_and_no_json_is_none(wire: Wire, on_wire: Http) -> None:
    on_wire.request("POST", wire.url, json=None)
    on_wire.request("POST", wire.url)
    on_wire.request("POST", wire.url, content=b"\x00raw", headers={"Content-Type": "text/csv"})
    assert [request.partition(b"\r\n\r\n")[2] for request in wire.requests] == [b"null", b"", b"\x00raw"]
    assert b"Content-Type" not in wire.requests[1]


def test_the_usual_headers_go_out_and_a_plugins_win(wire: Wire, on_wire: Http) -> None:
    on_wire.request("GET", wire.url, headers={"accept": "application/vnd.example+json"}, auth=Signer())
    head = wire.requests[0].decode()
    assert "\r\nUser-Agent: crossdock/" in head
    assert f"\r\nHost: 127.0.0.1:{wire.port}\r\n" in head
    assert "\r\nAccept-Encoding: gzip, deflate\r\n" in head
    assert "\r\naccept: application/vnd.example+json\r\n" in head
    assert "\r\nX-Token: session-token-1\r\n" in head
    assert "*/*" not in head


def test_cookies_are_not_kept(wire: Wire, on_wire: Http) -> None:
    wire.answers = [plain(headers=b"Set-Cookie: session=abc; Path=/\r\n")]
    assert on_wire.request("GET", wire.url).headers["set-cookie"] == "session=abc; Path=/"
    on_wire.request("GET", wire.url)
    assert b"cookie" not in wire.requests[1].lower()


def test_the_environment_redirects_nothing(wire: Wire, make: MakeHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "no/such/file")
    pool = open_pool()
    make(pool, settings=ShopSettings(endpoint=wire.url)).request("GET", f"{wire.url}/direct")
    pool.close()
    assert request_line(wire.requests[0]) == "GET /direct HTTP/1.1"


def test_accounts_share_the_connections_of_their_process(
    wire: Wire, make: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pool of its own: that of the process may hold connections of other tests.
    monkeypatch.setattr(http_module, "_pool", cache(http_module._pool.__wrapped__))
    for number in range(3):
        make(None, account_id=f"a{number}", settings=ShopSettings(endpoint=wire.url)).request("GET", wire.url)
    assert wire.connections == 1
    http_module._pool(http_module.os.getpid()).close()


def test_an_answer_is_decompressed(wire: Wire, on_wire: Http) -> None:
    wire.answers = [plain(gzip.compress(b'{"a":1}'), headers=b"Content-Encoding: gzip\r\n")]
    assert on_wire.request("GET", wire.url).json() == {"a": 1}


# --- where it may go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://api.example.com.attacker.example/",
        "https://evil.example/",
        "https://api.example.com@evil.example/",
        "https://user:pass@api.example.com/",
        "https://api.example.com/#fragment",
        "https://api.example.com:port/",
        "http://127.0.0.1:9/",
        "http://[::1/",
        "ftp://api.example.com/",
        "/orders",
        "",
    ],
)
def test_no_packet_leaves_for_another_address(make: MakeHttp, url: str) -> None:
    platform = Platform(answer())
    with pytest.raises(ContractError):
        make(platform).request("GET", url)
    assert platform.requests == []


@pytest.mark.parametrize("url", [ORDERS, "https://API.example.com:443/orders"])
def test_declared_hosts_are_reached_by_https(make: MakeHttp, url: str) -> None:
    platform = Platform(answer())
    make(platform).request("GET", url)
    assert platform.requests[0].url.host == "api.example.com"


def test_a_star_declares_all_hosts_below(make: MakeHttp) -> None:
    platform = Platform(answer())
    plugin = Plugin(contract=1, kind=Kind.SHOP, title="Shop", settings=ShopSettings, hosts=("*.example.com",))
    make(platform, plugin=plugin).request("GET", "https://my.shop.example.com/")
    for url in ("https://example.com/", "https://notexample.com/"):
        with pytest.raises(ContractError, match="was stopped"):
            make(platform, plugin=plugin).request("GET", url)
    assert len(platform.requests) == 1


def test_a_rehearsal_never_reaches_the_platform(make: MakeHttp) -> None:
    platform = Platform(answer())
    http = make(platform, settings=ShopSettings(endpoint="http://127.0.0.1:8901"))
    http.request("GET", "http://127.0.0.1:8901/orders")
    for url in (ORDERS, "http://127.0.0.1:8902/orders", "http://localhost:8901/orders"):
        with pytest.raises(ContractError, match=r"may go to: http://127\.0\.0\.1:8901\."):
            http.request("GET", url)
    assert len(platform.requests) == 1


def test_a_setting_does_not_open_other_hosts(make: MakeHttp) -> None:
    platform = Platform(answer())
    with pytest.raises(ContractError):
        make(platform, settings=ShopSettings(api="https://evil.example")).request("GET", "https://evil.example/")
    assert platform.requests == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"headers": {"X-Name": "zażółć"}}, "header 'X-Name'"),
        ({"headers": {"X-Name": "a\r\nHost: evil.example"}}, "header 'X-Name'"),
        ({"headers": {"X Name": "a"}}, "header 'X Name'"),
        ({"headers": {"Host": "evil.example"}}, "header Host"),
        ({"headers": {"content-length": "1"}}, "header content-length"),
        ({"json": {"price": Decimal("1.10")}}, "Decimal is not JSON serializable"),
        ({"json": float("nan")}, "JSON"),
        ({"json": "\ud800 lone"}, "UnicodeEncodeError"),
        ({"params": [("a", "\ud800")]}, "cannot be encoded"),
        ({"url": "https://api.example.com/orders/../admin"}, "dot segments"),
        ({"url": "https://api.example.com/" + "a" * 70_000}, "HTTP does not allow"),
        ({"bucket": "typo"}, "bucket 'typo'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_plugin_must_not_send_is_refused(make: MakeHttp, call: dict[str, Any], words: str) -> None:
    platform = Platform(answer())
    with pytest.raises(ContractError, match=words):
        make(platform).request("POST", **({"url": ORDERS} | call))
    assert platform.requests == []


def test_signing_is_held_to_the_same_rules(make: MakeHttp) -> None:
    class Careless(Signer):
        def sign(self, request: Request) -> Mapping[str, str]:
            return {"X-Token": "line\nbreak"}

    platform = Platform(answer())
    with pytest.raises(ContractError, match="header 'X-Token'") as caught:
        make(platform).request("GET", ORDERS, auth=Careless())
    assert "break" not in str(caught.value)
    assert platform.requests == []


# --- what a status means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "unclear"),
    [
        (301, BadAnswer, True),
        (304, BadAnswer, True),
        (400, Rejected, False),
        (401, AuthError, False),
        (403, AuthError, False),
        (404, NotFound, False),
        (408, Unavailable, True),
        (409, Rejected, False),
        (422, Rejected, False),
        (429, RateLimited, False),
        (500, Unavailable, True),
        (503, Unavailable, True),
        (599, Unavailable, True),
    ],
)
def test_a_status_becomes_an_error(make: MakeHttp, status: int, error: type[RemoteError], unclear: bool) -> None:
    platform = Platform(answer(status, b'{"error": "no such thing"}', Location="https://evil.example/"))
    http = make(platform)
    for call in ({"method": "POST"}, {"method": "GET"}, {"method": "POST", "idempotent": True}):
        with pytest.raises(RemoteError) as caught:
            http.request(url=f"{ORDERS}?page=2", **call)
        assert type(caught.value) is error
        assert caught.value.status == status
        assert caught.value.words == '{"error": "no such thing"}'
        assert caught.value.unclear == (unclear and call == {"method": "POST"})
        assert f"{call['method']} {ORDERS}?page=…: {status}" in str(caught.value)
        assert caught.value.advice
    assert {request.url.host for request in platform.requests} == {"api.example.com"}


def test_every_row_of_the_table_is_reachable() -> None:
    families = {"3xx", "4xx", "5xx"}
    assert {row for row in FAULTS if isinstance(row, str)} - families == set(http_module._ON_THE_WAY.values()) - {
        "impossible"
    }


def test_a_plugin_overrides_and_adds_rows(make: MakeHttp) -> None:
    plugin = Plugin(
        contract=1,
        kind=Kind.SHOP,
        title="Shop",
        settings=ShopSettings,
        hosts=PLUGIN.hosts,
        faults={400: AuthError, 409: Unavailable, 500: Rejected, 503: RateLimited, 404: BadAnswer},
    )
    for status, error in plugin.faults.items():
        with pytest.raises(error) as caught:
            make(Platform(answer(status)), plugin=plugin).request("POST", ORDERS)
        assert type(caught.value) is error
        assert not caught.value.unclear


@pytest.mark.parametrize("faults", [{400: ValueError}, {200: Rejected}, {700: Rejected}])
def test_a_wrong_table_of_a_plugin_is_refused(make: MakeHttp, faults: dict[int, type[Exception]]) -> None:
    plugin = Plugin(contract=1, kind=Kind.SHOP, title="Shop", settings=ShopSettings, faults=faults)
    with pytest.raises(ContractError, match="faults"):
        make(Platform(answer()), plugin=plugin)


# --- what may go wrong on the way ------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


BROKEN = {
    "reset": ([RESET], Unavailable, "broke the connection off"),
    "closed": ([plain(b"", length=5, headers=b"Connection: close\r\n")], Unavailable, "broke the connection off"),
    "half a body": ([plain(b'{"a', length=50, headers=b"Connection: close\r\n")], Unavailable, "broke the connection"),
    "half a head": ([b"HTTP/1.1 200 OK\r\nConnection: close\r\n"], Unavailable, "broke the connection off"),
    "no HTTP": ([b"SSH-2.0-Connection: close\r\n\r\n"], Unavailable, "broke the connection off"),
    "silence": ([HANG], Unavailable, "did not answer in time"),
    "garbled": ([plain(b"no gzip", headers=b"Content-Encoding: gzip\r\n")], BadAnswer, "cannot be decompressed"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_exchange_is_told(wire: Wire, on_wire: Http, fault: str, method: str) -> None:
    answers, error, words = BROKEN[fault]
    wire.answers = answers * 4
    with pytest.raises(error, match=words) as caught:
        on_wire.request(method, f"{wire.url}/orders")
    assert caught.value.unclear == (method == "POST")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert len(wire.requests) == (4 if method == "GET" and error is Unavailable else 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_after_a_broken_exchange_the_next_try_may_succeed(wire: Wire, on_wire: Http, method: str) -> None:
    wire.answers = [RESET, HANG, plain(b'{"a', length=50, headers=b"Connection: close\r\n"), plain(b'{"a":1}')]
    assert on_wire.request(method, wire.url, idempotent=True).json() == {"a": 1}
    assert len(wire.requests) == 4


def test_a_server_that_is_not_there_has_done_nothing(make: MakeHttp, clock: VirtualClock) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    pool = open_pool()
    with pytest.raises(Unavailable, match="could not be reached") as caught:
        make(pool, settings=ShopSettings(endpoint=url)).request("POST", url)
    pool.close()
    assert "refused" in str(caught.value)
    assert not caught.value.unclear
    assert len(clock.slept) == 3


def test_a_pool_that_is_busy_has_sent_nothing(make: MakeHttp, clock: VirtualClock) -> None:
    platform = Platform(httpx.PoolTimeout("busy"), answer())
    assert make(platform).request("POST", ORDERS).status == 200
    assert len(clock.slept) == 1


def test_an_endless_body_is_given_up(make: MakeHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MAX_BODY", 1000)
    with pytest.raises(BadAnswer, match="more than this program takes") as caught:
        make(Platform(answer(200, b"x" * 1001))).request("POST", ORDERS)
    assert caught.value.unclear
    assert len(make(Platform(answer(200, b"x" * 1000))).request("POST", ORDERS).body) == 1000


def test_a_body_that_dribbles_for_ever_is_given_up(make: MakeHttp, clock: VirtualClock) -> None:
    def dribble() -> Iterator[bytes]:
        for _ in range(1000):
            clock.sleep(9)
            yield b"x"

    platform = Platform(httpx.Response(200, content=dribble()))
    with pytest.raises(Unavailable, match="did not answer in time"):
        make(platform, timeout=10).request("POST", ORDERS)
    assert len(clock.slept) < 15


# --- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "idempotent", "first", "tries"),
    [
        ("GET", False, answer(500), 2),
        ("HEAD", False, answer(408), 2),
        ("POST", True, answer(503), 2),
        ("DELETE", False, answer(500), 1),
        ("PUT", False, httpx.ReadTimeout("x"), 1),
        ("POST", False, httpx.ReadError("x"), 1),
        ("POST", False, httpx.WriteError("x"), 1),
        ("POST", False, httpx.ConnectError("x"), 2),
        ("POST", False, httpx.ConnectTimeout("x"), 2),
        ("POST", False, answer(429), 2),
        ("GET", False, answer(404), 1),
        ("GET", False, answer(400), 1),
        ("GET", False, answer(302), 1),
    ],
    ids=repr,
)
def test_only_what_is_safe_is_repeated(
    make: MakeHttp, method: str, idempotent: bool, first: httpx.Response | Exception, tries: int
) -> None:
    platform = Platform(first, answer())
    http = make(platform)
    if tries == 2:
        assert http.request(method, ORDERS, idempotent=idempotent).status == 200
    else:
        with pytest.raises(RemoteError):
            http.request(method, ORDERS, idempotent=idempotent)
    assert len(platform.requests) == tries


@pytest.mark.parametrize(("jitter", "waits"), [(0.0, [0.5, 1.0, 2.0]), (1.0, [1.0, 2.0, 4.0])])
def test_four_tries_wait_longer_and_longer(
    make: MakeHttp, clock: VirtualClock, jitter: float, waits: list[float]
) -> None:
    platform = Platform(answer(502))
    with pytest.raises(Unavailable):
        make(platform, jitter=lambda: jitter).request("GET", ORDERS)
    assert len(platform.requests) == 4
    assert clock.slept == waits


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20.0),
        ("Sun, 01 Mar 2026 12:00:20 -0000", 20.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(make: MakeHttp, clock: VirtualClock, status: int, header: str, seconds: float) -> None:
    rates = Rates()
    assert (
        make(Platform(answer(status, Retry_After=header), answer()), rates=rates).request("GET", ORDERS).status == 200
    )
    assert clock.slept == [seconds]
    assert rates.held == [("a1:", BEGIN + timedelta(seconds=seconds))]


@pytest.mark.parametrize("header", ["soon", "-5", "1.5", "", "Sun, 01 Mar 99999999999 12:00:20 GMT"])
def test_a_retry_after_that_makes_no_sense_is_left_aside(make: MakeHttp, clock: VirtualClock, header: str) -> None:
    rates = Rates()
    make(Platform(answer(429, Retry_After=header), answer()), rates=rates).request("GET", ORDERS)
    assert clock.slept == [1.0]
    assert rates.held == []


@pytest.mark.parametrize(
    ("status", "header", "error", "seconds"),
    [
        (429, "31", RateLimited, 31.0),
        (503, "Sun, 01 Mar 2026 12:10:00 GMT", Unavailable, 600.0),
        (429, "9" * 400, RateLimited, 86_400.0),
    ],
    ids=["seconds", "date", "absurd"],
)
def test_a_long_wait_is_left_to_the_queue(
    make: MakeHttp, clock: VirtualClock, status: int, header: str, error: type[Unavailable], seconds: float
) -> None:
    platform, rates = Platform(answer(status, Retry_After=header), answer()), Rates()
    with pytest.raises(error) as caught:
        make(platform, rates=rates).request("GET", ORDERS)
    assert caught.value.retry_after == seconds
    assert clock.slept == []
    assert len(platform.requests) == 1
    assert rates.held == [("a1:", BEGIN + timedelta(seconds=seconds))]


# --- limits ----------------------------------------------------------------------------------------------------------

LIMITED = Plugin(
    contract=1,
    kind=Kind.SHOP,
    title="Shop",
    settings=ShopSettings,
    hosts=PLUGIN.hosts,
    limits=Limits(rates=(Rate(requests=5), Rate(requests=100, seconds=60), Rate(requests=1, bucket="stock"))),
)


def test_every_try_waits_for_its_turn(make: MakeHttp, clock: VirtualClock) -> None:
    rates = Rates(0.2, 0.1, 0.0, 0.5)
    platform = Platform(answer(500), answer())
    make(platform, plugin=LIMITED, rates=rates).request("GET", ORDERS)
    assert clock.slept == [0.2, 0.1, 1.0, 0.5]
    assert rates.asked == [("a1:", LIMITED.limits.rates[:2])] * 5


def test_a_bucket_is_counted_by_its_own_limits(make: MakeHttp) -> None:
    rates = Rates()
    make(Platform(answer()), plugin=LIMITED, rates=rates).request("GET", ORDERS, bucket="stock")
    assert rates.asked == [("a1:stock", LIMITED.limits.rates[2:])]


def test_a_turn_that_is_far_away_is_left_to_the_queue(make: MakeHttp, clock: VirtualClock) -> None:
    platform = Platform(answer())
    with pytest.raises(RateLimited, match="180 more seconds") as caught:
        make(platform, plugin=LIMITED, rates=Rates(5.0, 179.5)).request("POST", ORDERS)
    assert caught.value.retry_after == 179.5
    assert not caught.value.unclear
    assert clock.slept == [5.0]
    assert platform.requests == []


def test_a_request_is_signed_when_its_turn_has_come(make: MakeHttp, clock: VirtualClock) -> None:
    class Dated(Signer):
        def sign(self, request: Request) -> Mapping[str, str]:
            return {"X-Date": clock.now().isoformat()}

    platform = Platform(answer(500), answer())
    make(platform, rates=Rates(3.0), plugin=LIMITED).request("GET", ORDERS, auth=Dated())
    dates = [datetime.fromisoformat(request.headers["X-Date"]) for request in platform.requests]
    assert dates == [BEGIN + timedelta(seconds=3), BEGIN + timedelta(seconds=4)]


# --- credentials -----------------------------------------------------------------------------------------------------


def refuse_envelope(response: Response) -> None:
    if response.json().get("status") == "failure":
        raise AuthError("the token has expired", code="E1")


REFUSED = {
    "401": (answer(401), None),
    "403": (answer(403), None),
    "in a 200": (answer(200, b'{"status": "failure"}'), refuse_envelope),
}


@pytest.mark.parametrize("how", REFUSED)
def test_refused_credentials_are_renewed_once(make: MakeHttp, how: str) -> None:
    refusal, check = REFUSED[how]
    platform, signer = Platform(refusal, answer()), Signer()
    assert make(platform).request("POST", ORDERS, auth=signer, check=check, json=1).status == 200
    assert [request.headers["X-Token"] for request in platform.requests] == ["session-token-1", "session-token-2"]
    assert [request.content for request in platform.requests] == [b"1", b"1"]
    assert signer.renewed == 1


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize("renews", [True, False])
def test_credentials_that_stay_refused_are_an_error(make: MakeHttp, how: str, renews: bool) -> None:
    refusal, check = REFUSED[how]
    platform, signer = Platform(refusal), Signer(renews=renews)
    with pytest.raises(AuthError):
        make(platform).request("GET", ORDERS, auth=signer, check=check)
    assert signer.renewed == 1
    assert len(platform.requests) == (2 if renews else 1)


def test_without_credentials_nothing_is_renewed(make: MakeHttp) -> None:
    platform = Platform(answer(401))
    with pytest.raises(AuthError, match="Check the account's credentials"):
        make(platform).request("GET", ORDERS)
    assert len(platform.requests) == 1


class LoggingIn(Signer):
    """Opens a session by the same Http before it signs."""

    http: Http

    def sign(self, request: Request) -> Mapping[str, str]:
        session = self.http.request("POST", "https://api.example.com/login", auth=None).json()
        return {"X-Token": session["token"]}


def test_signing_may_call_the_platform(make: MakeHttp) -> None:
    platform, signer = Platform(answer(200, b'{"token": "fresh-session"}'), answer()), LoggingIn()
    signer.http = make(platform)
    signer.http.request("GET", ORDERS, auth=signer)
    assert [request.url.path for request in platform.requests] == ["/login", "/orders"]
    assert platform.requests[1].headers["X-Token"] == "fresh-session"


def test_a_refused_login_is_not_renewed(make: MakeHttp) -> None:
    platform, signer = Platform(answer(401)), LoggingIn()
    signer.http = make(platform)
    with pytest.raises(AuthError, match="/login"):
        signer.http.request("GET", ORDERS, auth=signer)
    assert signer.renewed == 0
    assert len(platform.requests) == 1


def test_the_tries_of_a_login_are_not_multiplied(make: MakeHttp, clock: VirtualClock) -> None:
    platform, signer = Platform(httpx.ConnectError("no route")), LoggingIn()
    signer.http = make(platform)
    with pytest.raises(Unavailable, match="/login"):
        signer.http.request("GET", ORDERS, auth=signer)
    assert len(platform.requests) == 4


# --- looking into a 200 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "error", "tries"),
    [
        ("GET", Unavailable("busy"), 2),
        ("POST", Unavailable("busy"), 1),
        ("POST", RateLimited("too many", retry_after=3.0), 2),
        ("POST", RateLimited("too many", retry_after=300.0), 1),
        ("GET", Rejected("wrong"), 1),
    ],
    ids=str,
)
def test_what_a_check_raises_is_treated_alike(
    make: MakeHttp, clock: VirtualClock, method: str, error: RemoteError, tries: int
) -> None:
    seen = []

    def check(response: Response) -> None:
        seen.append(response)
        if len(seen) == 1:
            raise error

    rates = Rates()
    http = make(Platform(answer()), rates=rates)
    if tries == 2:
        http.request(method, ORDERS, check=check)
    else:
        with pytest.raises(type(error)) as caught:
            http.request(method, ORDERS, check=check)
        assert caught.value is error
    assert len(seen) == tries
    asked = getattr(error, "retry_after", None)
    assert rates.held == ([("a1:", BEGIN + timedelta(seconds=asked))] if asked else [])


def test_a_check_sees_no_refusal(make: MakeHttp) -> None:
    seen: list[Response] = []
    with pytest.raises(Rejected):
        make(Platform(answer(400))).request("GET", ORDERS, check=seen.append)
    assert seen == []


# --- reading answers -------------------------------------------------------------------------------------------------


def test_fractions_are_exact(make: MakeHttp) -> None:
    body = b'{"price": 19.99, "rate": 1e-3, "count": 3, "big": 12345678901234567890.1}'
    assert make(Platform(answer(200, body))).request("GET", ORDERS).json() == {
        "price": Decimal("19.99"),
        "rate": Decimal("0.001"),
        "count": 3,
        "big": Decimal("12345678901234567890.1"),
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty body"),
        (b" \r\n", "an empty body"),
        (b"<!DOCTYPE html><title>Maintenance</title>", "an HTML page"),
        (b"\xef\xbb\xbf\n<html>", "an HTML page"),
        (b"<?xml version='1.0'?><error/>", "markup"),
        (b'{"a": [1, 2', "cut off"),
        (b'{"a": {"b": 1}', "cut off"),
        (b'{"a": "long te', "cut off"),
        (b'{"a": tru', "cut off"),
        ('{"a": "ż'.encode()[:-1], "cut off"),
        (b"[1, 2", "cut off"),
        (b"Internal error", "no JSON"),
        (b'{"a": 1} trailing }', "no JSON"),
        (b"NaN", "no JSON"),
        (b'{"a": Infinity}', "no JSON"),
        (b'{"a": "\xff"}', "no JSON"),
        (b"[" * 200_000 + b"]" * 200_000, "no JSON"),
        (b"9" * 10_000, "no JSON"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_json_is_told_apart(make: MakeHttp, body: bytes, words: str) -> None:
    for method, unclear in (("GET", False), ("POST", True)):
        response = make(Platform(answer(200, body))).request(method, ORDERS)
        with pytest.raises(BadAnswer, match=words) as caught:
            response.json()
        assert caught.value.raw == body.decode("utf-8-sig", errors="replace").strip()[:4000]
        assert caught.value.unclear == unclear
        assert f"{method} {ORDERS}: the platform answered 200" in str(caught.value)
        assert caught.value.__context__ is None


def test_an_error_page_is_told_by_its_title(make: MakeHttp) -> None:
    page = b"<html><head><style>b{}</style><title>502  Bad\nGateway</title></head>" + b"<p>much more</p>" * 500
    with pytest.raises(Unavailable) as caught:
        make(Platform(answer(502, page))).request("POST", ORDERS)
    assert caught.value.words == "an HTML page titled “502 Bad Gateway”"
    with pytest.raises(BadAnswer) as redirected:
        make(Platform(answer(302, page))).request("POST", ORDERS)
    assert redirected.value.raw.startswith("<html>")
    assert len(redirected.value.raw) == 4000


def test_long_words_are_cut(make: MakeHttp) -> None:
    with pytest.raises(Rejected) as caught:
        make(Platform(answer(400, b"word  " * 1000))).request("POST", ORDERS)
    assert caught.value.words.startswith("word word")
    assert len(caught.value.words) <= 300


def test_what_an_error_keeps_can_be_stored(make: MakeHttp) -> None:
    def check(response: Response) -> None:
        raise Rejected("a\0b", words=json.loads('"\\ud800"'))

    with pytest.raises(Rejected) as caught:
        make(Platform(answer())).request("GET", ORDERS, check=check)
    assert (caught.value.message, caught.value.words) == ("a\ufffdb", "\ufffd")
    with pytest.raises(Rejected) as caught:
        make(Platform(answer(400, b"a\0b"))).request("GET", ORDERS)
    assert caught.value.words == "a\ufffdb"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=windows-1251", "Привет".encode("cp1251"), "Привет"),
        ('text/plain; charset="ISO-8859-2"', "żółw".encode("iso-8859-2"), "żółw"),
        ("text/plain", "żółw".encode(), "żółw"),
        ("text/plain; charset=idna", "żółw".encode(), "żółw"),
        ("text/plain; charset=unheard-of", "żółw".encode(), "żółw"),
        ("text/plain", b"a\xffb", "a\ufffdb"),
        ("text/plain", "żółw".encode("utf-8-sig"), "żółw"),
    ],
)
def test_text_is_read_in_its_charset(make: MakeHttp, content_type: str, body: bytes, text: str) -> None:
    response = make(Platform(answer(200, body, Content_Type=content_type))).request("GET", ORDERS)
    assert response.text() == text


def test_headers_are_found_in_any_case() -> None:
    headers = Headers([("Content-Type", "a/b"), ("Link", "one"), ("LINK", "two")])
    assert headers["content-type"] == headers["CONTENT-TYPE"] == "a/b"
    assert headers["link"] == "one, two"
    assert "Accept" not in headers
    assert list(headers) == ["Content-Type", "Link"]
    merged = headers.merged({"content-type": "c/d", "Accept": "*/*"})
    assert dict(merged) == {"content-type": "c/d", "Link": "one, two", "Accept": "*/*"}
    assert headers["Content-Type"] == "a/b"


# --- what is told ----------------------------------------------------------------------------------------------------


def test_each_exchange_is_logged(make: MakeHttp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(NotFound):
        make(Platform(answer(500), httpx.ReadTimeout("x"), answer(404))).request("GET", ORDERS, params=[("a", "b")])
    assert [record.getMessage() for record in caplog.records if record.name == "crossdock.http"] == [
        f"GET {ORDERS}?a=…: 500, 0 ms (account a1)",
        f"GET {ORDERS}?a=…: time-out, 0 ms (account a1)",
        f"GET {ORDERS}?a=…: 404, 0 ms (account a1)",
    ]


def test_a_recorder_sees_every_exchange_without_secrets(make: MakeHttp) -> None:
    seen: list[tuple[Request, Response | None]] = []
    platform = Platform(
        httpx.ReadTimeout("x"), answer(200, b'{"access_token": "t0k", "n": 1}', Set_Cookie="a=b", X_Request_Id="7")
    )
    http = make(platform, recorder=lambda request, response: seen.append((request, response)))
    http.request("GET", ORDERS, params=[("page", "2"), ("key", MARKER)], headers={"X-Shop": "5"}, auth=Signer())
    assert [response and response.status for _, response in seen] == [None, 200]
    request, response = seen[1]
    assert (request.method, request.path, request.query) == ("GET", "/orders", f"page=2&key={MASK}")
    assert (request.headers["X-Shop"], request.headers["X-Token"]) == ("5", MASK)
    assert response
    assert response.json() == {"access_token": MASK, "n": 1}
    assert (response.headers["Set-Cookie"], response.headers["X-Request-Id"]) == (MASK, "7")


def test_a_short_secret_is_kept_out_of_recordings_where_it_stands_alone(make: MakeHttp) -> None:
    seen: list[Request] = []
    http = make(
        Platform(answer()),
        settings=ShopSettings(key=SecretStr("q7")),
        recorder=lambda request, response: seen.append(request),
    )
    http.request("GET", ORDERS, params=[("pin", "q7"), ("sku", "q7x")], headers={"X-Pin": "q7"})
    assert seen[0].query == f"pin={MASK}&sku=q7x"
    assert seen[0].headers["X-Pin"] == MASK


# --- the canary ------------------------------------------------------------------------------------------------------

SESSION, COOKIE = "session-of-today-0815", "jar-of-today-4242"  # handed out by the platform: registered nowhere
ECHO = json.dumps({"sent": MARKER, "and": f"Bearer {SESSION}", "as": [COOKIE, quote(MARKER, safe="")]}).encode()
ECHO_HEADERS = (
    f"Set-Cookie: session={SESSION}\r\nX-Echo: {MARKER}\r\nLocation: /login?next={quote(MARKER, safe='')}\r\n".encode()
)

CANARY: dict[str, list[bytes | object]] = {
    "200": [plain(ECHO, headers=ECHO_HEADERS)],
    "200 refused by check": [plain(ECHO, headers=ECHO_HEADERS + b"X-Refuse: yes\r\n")] * 2,
    "200 no JSON": [plain(b"<html>" + ECHO, headers=ECHO_HEADERS)],
    **{
        f"{status}": [plain(ECHO, headers=ECHO_HEADERS, status=b"%d Status" % status)] * 4
        for status in (302, 400, 401, 403, 404, 408, 409, 429, 500, 503)
    },
    "error page": [plain(b"<html><title>" + ECHO, headers=ECHO_HEADERS, status=b"500 Oops")] * 4,
    "garbled": [plain(ECHO, headers=b"Content-Encoding: gzip\r\n")],
    "reset": [RESET] * 4,
    "silence": [HANG] * 4,
    "half an answer": [plain(ECHO, length=9999, headers=ECHO_HEADERS + b"Connection: close\r\n")] * 4,
    "half a head": [b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + ECHO_HEADERS] * 4,
    "no HTTP": [ECHO + b"Connection: close\r\n\r\n"] * 4,
}


class Bearer(Signer):
    def sign(self, request: Request) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {SESSION}", "X-Signature": MARKER, "X-Channel": SESSION}

    def renew(self) -> bool:
        return True


def careless_check(response: Response) -> None:
    """Do what a careless plugin would: put the whole answer into the error."""
    if "X-Refuse" in response.headers:
        raise AuthError(f"refused: {response.text()}", code=MARKER, words=response.text(), advice=SESSION)


def told(error: BaseException | None) -> Iterator[str]:
    """Yield all that anybody could print of an error and of what it was chained to."""
    while error is not None:
        yield str(error)
        yield repr(error)
        yield repr(error.args)
        yield repr(vars(error))
        yield "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__


def canary_call(http: Http, url: str) -> Response:
    return http.request(
        "POST",
        f"{url}/shops/{quote(MARKER, safe='')}/orders?old={quote(MARKER, safe='')}",
        params=[("key", MARKER), (MARKER, "x")],
        json={"key": MARKER, "nested": [f"a {MARKER} b"]},
        headers={"X-Plain": MARKER, "Cookie": f"id={COOKIE}; lang=pl"},
        auth=Bearer(),
        idempotent=True,
        check=careless_check,
    )


@pytest.mark.parametrize("fault", [*CANARY, "nobody there", "pool", "header"])
def test_a_secret_is_never_told(
    wire: Wire, make: MakeHttp, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    def record(request: Request, response: Response | None) -> None:
        texts.extend([repr(request), repr(response), request.url, request.path, request.query])
        texts.extend([repr(dict(request.headers)), request.body.decode()])
        if response:
            texts.extend([repr(dict(response.headers)), response.body.decode(), response.text(), response.words()])

    pool: httpx.BaseTransport = open_pool()
    if fault == "pool":
        pool = Platform(httpx.PoolTimeout(MARKER)).transport
    if fault == "header":
        pool = Platform(httpx.LocalProtocolError(f"Illegal header value {MARKER} {SESSION}")).transport
    url = f"http://127.0.0.1:{free_port()}" if fault == "nobody there" else wire.url
    wire.answers = list(CANARY.get(fault, []))
    # The redactor of the process: it is the one that the logs' filter asks.
    parts = {"settings": ShopSettings(endpoint=url), "redactor": http_module.SECRETS}
    http = make(pool, timeout=0.2, recorder=record, **parts)
    try:
        response = canary_call(http, url)
        texts.extend([repr(response), str(response), response.url, response.excerpt(5000)])
        response.json()
    except (RemoteError, ContractError) as error:
        texts.extend(told(error))
        http_module.log.exception("the run failed")
    else:
        assert fault == "200"
    pool.close()
    texts.extend([caplog.text, *(repr(vars(entry)) for entry in caplog.records), *capsys.readouterr()])
    assert any("POST http://127.0.0.1" in text for text in texts)
    for secret in (MARKER, SESSION, COOKIE, quote(MARKER), quote(MARKER, safe=""), "Secret+4711", "Secret%2B4711"):
        assert [text for text in texts if secret in text] == []


def test_the_canary_is_alive(wire: Wire, on_wire: Http) -> None:
    canary_call(on_wire, wire.url)
    assert wire.requests[0].count(MARKER.encode()) == 4
    assert wire.requests[0].count(quote(MARKER, safe="").encode()) == 4
    assert wire.requests[0].count(SESSION.encode()) == 2
    assert wire.requests[0].count(COOKIE.encode()) == 1
