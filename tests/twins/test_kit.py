"""The twin kit, tried on a toy platform."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossdock.twins.kit import (
    Fault,
    FaultKind,
    Faults,
    RateLimit,
    Refused,
    TrafficBook,
    Twin,
    VirtualClock,
    control,
    read,
    serve,
)

START = datetime(2024, 3, 1, 12, tzinfo=UTC)
PAGE = 2


class Shelf:
    """The toy's own book."""

    def __init__(self) -> None:
        self.items: list[str] = []

    def as_dict(self) -> dict[str, Any]:
        return {"items": list(self.items)}


class Toy(Twin):
    """A platform that keeps a list of words; the token is a number that grows when tokens are forgotten."""

    def __init__(self, clock: VirtualClock | None = None, **options: Any) -> None:
        super().__init__(clock=clock, **options)
        self.book: Shelf = Shelf()
        self.token = 1

    def routes(self) -> list[Route]:
        return [
            Route("/items", self._list),
            Route("/items", self._add, methods=["POST"]),
            Route("/batch", self._add_many, methods=["POST"]),
        ]

    def control_routes(self) -> list[Route]:
        return [Route("/items", control(self._put), methods=["POST"])]

    def error(self, status: int, message: str) -> Response:
        return JSONResponse({"fault": message}, status)

    def forget_tokens(self) -> None:
        self.token += 1

    def is_batch(self, method: str, path: str) -> bool:
        return path == "/batch"

    def is_list(self, method: str, path: str) -> bool:
        return method == "GET" and path == "/items"

    def _put(self, payload: Any) -> dict[str, Any]:
        self.book.items.append(read(payload, "word", str))
        return self.book.as_dict()

    def _check(self, request: Request) -> None:
        if request.headers.get("x-token", "1") != str(self.token):
            raise Refused(401, "wrong token")

    async def _list(self, request: Request) -> Response:
        self._check(request)
        offset = int(request.query_params.get("offset", "0"))
        return JSONResponse(self.book.items[offset : offset + PAGE])

    async def _add(self, request: Request) -> Response:
        self._check(request)
        word = await request.json()
        if not word:
            raise Refused(422, "an empty word")
        self.book.items.append(word)
        return JSONResponse({"added": word})

    async def _add_many(self, request: Request) -> Response:
        self.book.items += request.state.exchange.half(await request.json())
        return JSONResponse({})


@contextmanager
def running(toy: Toy) -> Iterator[httpx.Client]:
    with serve(toy.app) as url, httpx.Client(base_url=url, timeout=5, verify=False) as client:
        yield client


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def toy(clock: VirtualClock) -> Toy:
    return Toy(clock)


@pytest.fixture
def client(toy: Toy) -> Iterator[httpx.Client]:
    with running(toy) as client:
        yield client


# Clock


def test_a_virtual_clock_moves_only_when_told(clock: VirtualClock) -> None:
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.sleep(1.5)
    clock.advance(60)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=61.5), 61.5)
    clock.set(START)
    assert (clock.now(), clock.monotonic()) == (START, 61.5)


def test_a_virtual_clock_speaks_utc() -> None:
    clock = VirtualClock(datetime.fromisoformat("2024-03-01T13:00:00+01:00"))
    assert clock.now() == START
    assert clock.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "wrong",
    [lambda clock: clock.advance(-1), lambda clock: clock.set(START.replace(tzinfo=None))],
    ids=["back", "naive"],
)
def test_a_virtual_clock_refuses(clock: VirtualClock, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"not by -1|no time zone"):
        wrong(clock)
    assert clock.now() == START


def test_sleepers_in_many_threads_all_count(clock: VirtualClock) -> None:
    threads = [threading.Thread(target=lambda: [clock.sleep(0.25) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert clock.now() == START + timedelta(seconds=200)


@given(st.lists(st.one_of(st.floats(0, 1e6), st.datetimes(timezones=st.just(UTC))), max_size=20))
def test_monotonic_time_never_goes_back(moves: list[float | datetime]) -> None:
    clock = VirtualClock(START)
    clock.set(datetime(2000, 1, 1, tzinfo=UTC))
    before = clock.monotonic()
    for move in moves:
        if isinstance(move, datetime):
            clock.set(move.replace(year=2000))
        else:
            clock.advance(move)
        assert clock.monotonic() >= before
        before = clock.monotonic()


# Server


def test_serve_starts_and_stops_at_once(toy: Toy) -> None:
    begin = time.perf_counter()
    with serve(toy.app) as url:
        assert httpx.get(f"{url}/items").json() == []
    assert time.perf_counter() - begin < 2
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/items")


def test_serve_stops_although_a_client_still_waits(toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.TIME_OUT))
    ended = threading.Event()

    def wait_for_ever(url: str) -> None:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/items", timeout=60)
        ended.set()

    with serve(toy.app) as url:
        threading.Thread(target=wait_for_ever, args=[url], daemon=True).start()
        assert _until(lambda: len(toy.traffic) == 1)
    assert ended.wait(10)


def test_run_serves_in_the_foreground_until_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = (
        "from crossdock.twins.kit import run\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b''})\n"
        f"run(app, {port})\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert _until(lambda: _status(f"http://127.0.0.1:{port}/") == 204)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=10)
    assert (output, errors) == (b"", b"")
    assert process.returncode == -signal.SIGTERM


# Faults


def test_without_faults_everything_passes(client: httpx.Client, toy: Toy) -> None:
    assert client.post("/items", json="a").json() == {"added": "a"}
    assert client.get("/items").json() == ["a"]
    assert [(e.number, e.method, e.status, e.fault) for e in toy.traffic] == [
        (1, "POST", 200, None),
        (2, "GET", 200, None),
    ]


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (FaultKind.TOO_MANY, 429, {"fault": "too many requests"}),
        (FaultKind.TOO_MANY_RETRY_AFTER, 429, {"fault": "too many requests"}),
        (FaultKind.TOO_MANY_RETRY_AFTER_DATE, 429, {"fault": "too many requests"}),
        (FaultKind.SERVER_ERROR, 500, {"fault": "internal error"}),
        (FaultKind.UNAVAILABLE, 503, {"fault": "unavailable"}),
        (FaultKind.UNAUTHORISED, 401, {"fault": "unauthorised"}),
        (FaultKind.FAILURE_ENVELOPE, 200, {"fault": "something failed"}),
    ],
)
def test_an_answer_in_the_platforms_place(
    client: httpx.Client, toy: Toy, kind: FaultKind, status: int, body: dict[str, str]
) -> None:
    toy.faults.add(Fault(kind))
    answer = client.post("/items", json="a")
    assert (answer.status_code, answer.json()) == (status, body)
    assert toy.book.items == []
    assert [(e.status, e.fault) for e in toy.traffic] == [(status, kind)]
    assert client.post("/items", json="a").status_code == 200


def test_retry_after_is_named_as_asked(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.TOO_MANY), Fault(FaultKind.TOO_MANY_RETRY_AFTER, retry_after=7))
    toy.faults.add(Fault(FaultKind.TOO_MANY_RETRY_AFTER_DATE, retry_after=90))
    toy.faults.add(Fault(FaultKind.UNAVAILABLE), Fault(FaultKind.UNAVAILABLE, retry_after=3))
    named = [client.get("/items").headers.get("retry-after") for _ in range(5)]
    assert named[0] is None
    assert named[1] == "7"
    assert parsedate_to_datetime(str(named[2])) == START + timedelta(seconds=90)
    assert named[3:] == [None, "3"]


def test_reset_cuts_the_connection_before_the_write(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.RESET))
    with pytest.raises(httpx.ReadError):
        client.post("/items", json="a")
    assert toy.book.items == []
    assert [(e.status, e.fault) for e in toy.traffic] == [(None, FaultKind.RESET)]


def test_time_out_gives_no_answer(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.TIME_OUT))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/items", json="a", timeout=0.05)
    assert toy.book.items == []
    assert client.get("/items").status_code == 200


def test_error_after_write(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.ERROR_AFTER_WRITE))
    assert client.get("/items").json() == []  # no write: not this one
    assert client.post("/items", json="a").status_code == 500
    assert toy.book.items == ["a"]


def test_reset_after_write(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.RESET_AFTER_WRITE))
    with pytest.raises(httpx.ReadError):
        client.post("/items", json="a")
    assert toy.book.items == ["a"]


@pytest.mark.parametrize("kind", [FaultKind.ERROR_AFTER_WRITE, FaultKind.RESET_AFTER_WRITE])
def test_a_write_that_the_platform_refused_leaves_the_fault_for_the_next(
    client: httpx.Client, toy: Toy, kind: FaultKind
) -> None:
    toy.faults.add(Fault(kind, path="/items"))
    assert client.post("/items", json="").status_code == 422
    assert [row["kind"] for row in toy.faults.as_list()] == [kind]
    assert [e.fault for e in toy.traffic] == [None]


def test_html_and_empty_in_place_of_json(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.HTML), Fault(FaultKind.EMPTY))
    page, nothing = client.post("/items", json="a"), client.post("/items", json="a")
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    with pytest.raises(json.JSONDecodeError):
        page.json()
    assert (nothing.status_code, nothing.content) == (200, b"")
    assert toy.book.items == []


def test_truncated_ends_before_the_length_it_named(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.TRUNCATED))
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/items", json="a")
    assert toy.book.items == ["a"]


def test_slow_body_comes_late_but_whole(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.SLOW_BODY, seconds=0.02), Fault(FaultKind.SLOW_BODY, seconds=60))
    assert client.post("/items", json="a").json() == {"added": "a"}
    with pytest.raises(httpx.ReadTimeout):
        client.get("/items", timeout=0.05)
    assert client.get("/items").json() == ["a"]


def test_expired_token_forgets_every_token(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.EXPIRED_TOKEN))
    assert [client.get("/items").status_code for _ in range(2)] == [401, 401]
    assert client.get("/items", headers={"x-token": "2"}).status_code == 200


def test_repeat_page_gives_the_page_before_once(client: httpx.Client, toy: Toy) -> None:
    toy.book.items = list("abcdef")
    toy.faults.add(Fault(FaultKind.REPEAT_PAGE))  # waits for a second page
    pages = [client.get("/items", params={"offset": offset}).json() for offset in (0, 2, 4)]
    assert pages == [["a", "b"], ["a", "b"], ["e", "f"]]


def test_half_accepted_applies_the_first_half_and_fails(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.HALF_ACCEPTED))
    assert client.post("/items", json="x").status_code == 200  # no batch: not this one
    assert client.post("/batch", json=list("abcde")).status_code == 500
    assert toy.book.items == ["x", "a", "b"]
    assert client.post("/batch", json=list("abcde")).status_code == 200


def test_a_fault_strikes_where_when_and_as_often_as_told(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.SERVER_ERROR, method="GET", path="/it", after=1, times=2))
    assert client.post("/batch", json=[]).status_code == 200
    assert [client.get("/items").status_code for _ in range(4)] == [200, 500, 500, 200]


def test_a_fault_for_ever_lasts_until_it_is_cleared(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.UNAVAILABLE, times=None))
    assert [client.get("/items").status_code for _ in range(5)] == [503] * 5
    toy.faults.clear()
    assert client.get("/items").status_code == 200


def test_seeded_faults_are_the_same_for_the_same_seed() -> None:
    kinds = (FaultKind.RESET, FaultKind.TOO_MANY, FaultKind.HTML)

    def story(seed: int) -> list[FaultKind | None]:
        faults = Faults.seeded(seed, 0.25, kinds)
        drawn = [faults.draw("GET", "/items", lambda _: True) for _ in range(1000)]
        return [fault and fault.kind for fault in drawn]

    assert story(1) == story(1) != story(2)
    assert 200 < sum(kind is not None for kind in story(1)) < 300
    assert set(story(1)) == {None, *kinds}


def test_seeded_faults_strike_only_where_they_make_sense() -> None:
    faults = Faults.seeded(1, 1.0, [FaultKind.HALF_ACCEPTED])
    assert faults.draw("GET", "/items", lambda kind: kind is not FaultKind.HALF_ACCEPTED) is None
    faults.clear()
    assert faults.draw("POST", "/batch", lambda _: True) is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Fault("sulk"), "no fault is called 'sulk'"),  # type: ignore[arg-type]  # that is the point
        (lambda: Fault(FaultKind.RESET, times=0), "times is 1 or more"),
        (lambda: Fault(FaultKind.RESET, after=-1), "after is 0 or more"),
        (lambda: Fault(FaultKind.TOO_MANY_RETRY_AFTER, retry_after=-1), "retry_after is 0 or more"),
        (lambda: Faults.seeded(1, 1.5, [FaultKind.RESET]), "0 to 1"),
        (lambda: Faults.seeded(1, 0.5, []), "kinds is empty"),
        (lambda: RateLimit(0, 1), "1 or more requests"),
    ],
)
def test_nonsense_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_a_cut_connection_needs_a_connection(toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.RESET))

    async def ask() -> None:
        transport = httpx.ASGITransport(app=toy.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
            await client.get("/items")

    with pytest.raises(RuntimeError, match="needs a connection"):
        asyncio.run(ask())


# Rate limit


def test_the_rate_limit_is_a_sliding_window_of_the_twins_clock(clock: VirtualClock) -> None:
    toy = Toy(clock, rate_limit=RateLimit(2, 10))
    with running(toy) as client:
        statuses = []
        for pause in (0, 4, 0, 5.5, 0.5, 0):
            clock.advance(pause)
            answer = client.get("/items")
            statuses.append((answer.status_code, answer.headers.get("retry-after")))
    # Admitted at 0 and 4 seconds; the one at 0 leaves the window at 10.
    assert statuses == [(200, None), (200, None), (429, "6"), (429, "1"), (200, None), (429, "4")]


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5))
def test_no_window_ever_admits_more_than_the_limit(pauses: list[float], limit: int) -> None:
    clock, rate = VirtualClock(START), RateLimit(limit, 3)
    admitted = []
    for pause in pauses:
        clock.advance(pause)
        if rate.wait("caller", clock.now()) == 0:
            admitted.append(clock.now())
    for moment in admitted:
        assert sum(moment <= other < moment + timedelta(seconds=3) for other in admitted) <= limit


def test_callers_have_limits_of_their_own() -> None:
    rate = RateLimit(1, 10)
    assert [rate.wait(caller, START) for caller in ("a", "b", "a")] == [0, 0, 10]


# Traffic book


def test_the_traffic_book_keeps_bodies_only_on_demand(client: httpx.Client, toy: Toy) -> None:
    client.post("/items", json="a")
    toy.traffic.keep_bodies = True
    client.post("/items", json="b")
    first, second = toy.traffic.since(0)
    assert (first.request_body, first.answer_body) == (None, None)
    assert (second.request_body, second.answer_body) == ('"b"', '{"added":"b"}')


def test_the_traffic_book_never_keeps_secrets(clock: VirtualClock) -> None:
    traffic = TrafficBook(keep_bodies=True, secret_paths=("/items",), secret_query=("key", "p[w]"))
    toy = Toy(clock, traffic=traffic)
    with running(toy) as client:
        client.post("/items?key=s3cret&offset=1&p%5Bw%5D=s3cret", json="s3cret", headers={"x-token": "1"})
        client.post("/batch", json=["fine"])
    assert toy.traffic is traffic
    rows = [exchange.as_dict() for exchange in traffic]
    assert rows[0]["query"] == "key=***&offset=1&p%5Bw%5D=***"
    assert "s3cret" not in json.dumps(rows)
    assert rows[1]["request_body"] == '["fine"]'


# Control API


def test_the_control_api_is_neither_booked_nor_spoiled(client: httpx.Client, toy: Toy) -> None:
    toy.faults.add(Fault(FaultKind.SERVER_ERROR, times=None))
    assert client.get("/_twin/book").json() == {"items": []}
    assert client.post("/_twin/items", json={"word": "a"}).json() == {"items": ["a"]}
    assert len(toy.traffic) == 0


def test_faults_by_the_control_api(client: httpx.Client, toy: Toy) -> None:
    answer = client.post("/_twin/faults", json=[{"kind": "server_error", "path": "/items"}, {"kind": "html"}])
    assert [(row["kind"], row["times"]) for row in answer.json()["faults"]] == [("server_error", 1), ("html", 1)]
    assert client.get("/items").status_code == 500
    assert [row["kind"] for row in client.get("/_twin/faults").json()["faults"]] == ["html"]
    assert client.delete("/_twin/faults").json() == {"faults": []}
    assert client.get("/items").json() == []
    client.post("/_twin/faults", json={"seed": 1, "share": 1, "kinds": ["unavailable"]})
    assert [client.get("/items").status_code for _ in range(3)] == [503] * 3


@pytest.mark.parametrize(
    ("path", "payload", "says"),
    [
        ("/_twin/faults", {"kind": "sulk"}, "no fault is called 'sulk'"),
        ("/_twin/faults", {"kind": "reset", "mood": 1}, "'mood' is not known"),
        ("/_twin/faults", {"path": "/x"}, "kind"),
        ("/_twin/faults", {"kind": "reset", "times": "two"}, "does not fit"),
        ("/_twin/faults", ["reset"], "expected a JSON object"),
        ("/_twin/faults", {"seed": 1, "share": "much", "kinds": []}, "'share' has to be float"),
        ("/_twin/clock", {"now": "2024-03-01T12:00:00"}, "no time zone"),
        ("/_twin/clock", {"later": 5}, "'now' is missing"),
        ("/_twin/clock", {"advance": True}, "'advance' has to be float"),
        ("/_twin/keep-bodies", {"on": "yes"}, "'on' has to be bool"),
    ],
)
def test_the_control_api_says_what_is_wrong(client: httpx.Client, path: str, payload: Any, says: str) -> None:
    answer = client.post(path, json=payload)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert client.get("/_twin/faults").json() == {"faults": []}
    assert client.get("/_twin/clock").json() == {"now": START.isoformat()}


def test_broken_json_is_a_clear_400(client: httpx.Client) -> None:
    answer = client.post("/_twin/faults", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_clock_by_the_control_api(client: httpx.Client, clock: VirtualClock) -> None:
    assert client.post("/_twin/clock", json={"advance": 90}).json() == {"now": "2024-03-01T12:01:30+00:00"}
    assert (
        client.post("/_twin/clock", json={"now": "2030-01-01T00:00:00+01:00"}).json()["now"].startswith("2029-12-31T23")
    )
    assert clock.now() == datetime(2029, 12, 31, 23, tzinfo=UTC)


def test_setting_the_clock_makes_real_time_virtual() -> None:
    toy = Toy()
    assert abs(toy.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    with running(toy) as client:
        client.post("/_twin/clock", json={"now": START.isoformat()})
        client.get("/items")
    assert [exchange.at for exchange in toy.traffic] == [START]


def test_exchanges_by_the_control_api(client: httpx.Client) -> None:
    for word in "abc":
        client.post("/items", json=word)
    rows = client.get("/_twin/exchanges", params={"since": 1}).json()["exchanges"]
    assert [(row["number"], row["path"], row["status"], row["at"]) for row in rows] == [
        (number, "/items", 200, START.isoformat()) for number in (2, 3)
    ]
    assert client.post("/_twin/keep-bodies", json={"on": True}).json() == {"on": True}
    client.post("/items", json="d")
    assert client.get("/_twin/exchanges?since=3").json()["exchanges"][0]["request_body"] == '"d"'
    assert client.get("/_twin/exchanges?since=-1").status_code == 400


def test_unknown_calls_get_the_platforms_own_error(client: httpx.Client) -> None:
    assert client.get("/nowhere").json() == {"fault": "Not Found: GET /nowhere"}
    assert client.delete("/items").status_code == 405


def _status(url: str) -> int | None:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return None


def _until(condition: Any, seconds: float = 10) -> bool:
    """Wait until the condition holds; False if it did not within that time."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.005)
    return True
