"""Feed links as clients see them: the file, its parts, conditions and secrets; and what is kept of each request."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import logging
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_site import CONTENT, MEDIA_TYPE, NOW, Site

from crossdock.core.config import Serve
from crossdock.core.redaction import SECRETS
from crossdock.core.store import feeds
from crossdock.core.store.feeds import DownloadKind
from crossdock.twins.miinto import FeedAddress, MiintoTwin

ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
PLAIN = {"accept-encoding": "identity"}
PATIENCE = 30  # seconds


def kinds(site: Site) -> list[tuple[str, int, int]]:
    """Return kind, status and bytes of all that was fetched."""
    return [(download.kind.value, download.status, download.bytes) for download in site.downloads()]


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_is_sent_as_it_is_or_packed(site: Site) -> None:
    with site.served() as url, httpx.Client() as client:
        plain = client.get(url, headers=PLAIN)
        packed = client.get(url, headers={"accept-encoding": "gzip"})
    assert (plain.status_code, plain.content) == (200, CONTENT)
    assert plain.headers["content-type"] == packed.headers["content-type"] == MEDIA_TYPE
    assert int(plain.headers["content-length"]) == len(CONTENT)
    assert (packed.content, packed.headers["content-encoding"]) == (CONTENT, "gzip")
    assert int(packed.headers["content-length"]) == len(gzip.compress(CONTENT, 1))
    assert (plain.headers["etag"], packed.headers["etag"]) == (ETAG, f'{ETAG[:-1]}-1-gzip"')
    assert plain.headers["last-modified"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert kinds(site) == [("whole", 200, len(CONTENT)), ("whole", 200, len(gzip.compress(CONTENT, 1)))]


def test_head_sends_the_same_headers_and_no_body(site: Site) -> None:
    with site.served() as url, httpx.Client(headers=PLAIN) as client:
        head, whole = client.head(url), client.get(url)
    assert (head.status_code, head.content) == (200, b"")
    of_answer = {"date"}
    assert {name: value for name, value in head.headers.items() if name not in of_answer} == {
        name: value for name, value in whole.headers.items() if name not in of_answer
    }
    assert kinds(site)[0] == ("head", 200, 0)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_any_range_is_that_slice_of_the_file(site: Site, coding: str) -> None:
    file = CONTENT if coding == "identity" else gzip.compress(CONTENT, 1)
    place = st.integers(0, len(file) + 1000)
    with site.served() as url, httpx.Client(headers={"accept-encoding": coding}) as client:

        @given(st.tuples(place, place).map(sorted), st.sampled_from(["between", "from", "last"]))
        @settings(max_examples=60)
        def check(places: list[int], form: str) -> None:
            first, last = places
            asked = {"between": f"{first}-{last}", "from": f"{first}-", "last": f"-{last}"}[form]
            want = {"between": file[first : last + 1], "from": file[first:], "last": file[-last:] if last else b""}[
                form
            ]
            with client.stream("GET", url, headers={"range": f"bytes={asked}"}) as answer:
                got = b"".join(answer.iter_raw())
            assert got == want
            assert answer.status_code == (206 if want else 416)
            assert int(answer.headers["content-length"]) == len(want)

        check()


def test_a_part_counts_as_a_part_and_a_range_of_everything_as_the_whole(site: Site) -> None:
    with site.served() as url, httpx.Client(headers=PLAIN) as client:
        for asked in ("bytes=0-9", "bytes=0-", f"bytes={len(CONTENT)}-"):
            client.get(url, headers={"range": asked})
    assert kinds(site) == [("partial", 206, 10), ("whole", 206, len(CONTENT)), ("partial", 416, 0)]


def test_who_has_the_version_already_is_told_so(site: Site) -> None:
    with site.served() as url, httpx.Client(headers=PLAIN) as client:
        known = client.get(url)
        for condition in (
            {"if-none-match": known.headers["etag"]},
            {"if-modified-since": known.headers["last-modified"]},
        ):
            again = client.get(url, headers=condition)
            assert (again.status_code, again.content) == (304, b"")
        packed = client.get(url, headers={"if-none-match": ETAG, "accept-encoding": "gzip"})
        site.clock.advance(1)
        site.publish(CONTENT + b"one more\n")
        assert client.get(url, headers={"if-none-match": ETAG}).status_code == 200
        assert client.get(url, headers={"if-modified-since": known.headers["last-modified"]}).status_code == 200
    assert packed.status_code == 200
    assert [kind for kind, _, _ in kinds(site)] == ["whole", *["not_modified"] * 2, *["whole"] * 3]
    assert [download.version for download in site.downloads()] == [1, 1, 1, 1, 2, 2]


def test_an_interrupted_download_goes_on_only_with_the_same_version(site: Site) -> None:
    with site.served() as url, httpx.Client(headers=PLAIN) as client:
        rest = {"range": "bytes=100-", "if-range": client.head(url).headers["etag"]}
        assert client.get(url, headers=rest).content == CONTENT[100:]
        site.publish(b"another\n")
        answer = client.get(url, headers=rest)
        assert (answer.status_code, answer.content) == (200, b"another\n")


def test_a_file_that_is_gone_is_said_and_does_not_hurt(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    (file,) = site.hub.downloads.folder.glob("*/pl/1.tsv")
    file.unlink()
    with site.served() as url, httpx.Client(headers=PLAIN) as client:
        assert client.get(url).status_code == 503
    assert "has lost its file" in caplog.text
    assert site.token not in caplog.text


def test_a_version_that_is_replaced_while_it_is_looked_up_is_looked_up_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = site.hub.downloads.find
    before = find(site.token)
    site.publish(b"new\n", tidy=True)
    answers = iter([before])
    monkeypatch.setattr(site.hub.downloads, "find", lambda token: next(answers, None) or find(token))
    with site.served() as url:
        assert httpx.get(url).content == b"new\n"


# --- who may have it -------------------------------------------------------------------------------------------------


def test_no_token_that_leads_nowhere_differs_from_another(site: Site) -> None:
    old = site.token
    site.renew_link()
    paths = [
        f"/feed/{old}.tsv",  # taken back
        f"/feed/{'A' * 43}.tsv",  # never given out
        f"/feed/{site.token}.xml",
        f"/feed/{site.token}",
        f"/feed/{site.token[:-1]}.tsv",
        "/feed/x.tsv",
        "/feed/%00%ff.tsv",
        "/feed/" + "A" * 5000 + ".tsv",
        "/feed/.tsv",
        "/feed/",
        "/nowhere",
    ]
    with site.server() as server, httpx.Client() as client:
        answers = [client.get(server.url + path, headers={"authorization": "Basic eDp5"}) for path in paths]
    faces = {(found.status_code, found.content, str({**found.headers, "date": ""})) for found in answers}
    assert len(faces) == 1
    assert faces.pop()[:2] == (404, b"Not Found")
    assert site.downloads() == []


def test_a_feed_without_a_version_or_a_link_is_not_there(empty_site: Site) -> None:
    with empty_site.served() as url, httpx.Client() as client:
        assert client.get(url).status_code == 404
        empty_site.publish(CONTENT)
        assert client.get(url).status_code == 200
        with empty_site.hub.store.write() as tx:
            feeds.revoke_link(tx, empty_site.account, "pl")
        assert client.get(url).status_code == 404
        assert client.post(url).status_code == 405


def test_every_token_is_looked_up_the_same_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    find = site.hub.downloads.find
    monkeypatch.setattr(site.hub.downloads, "find", lambda token: (asked.append(token), find(token))[1])
    with site.server() as server, httpx.Client() as client:
        for name in (f"{site.token}.tsv", f"{'A' * 43}.tsv", "x", "%00.tsv"):
            client.get(f"{server.url}/feed/{name}")
    assert asked == [site.token, "A" * 43, "", ""]


def test_a_login_is_asked_for_where_there_is_one(site: Site) -> None:
    with site.hub.store.write() as tx:
        password = feeds.renew_login(tx, site.account, "pl", "żuk")

    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    wrong = ["", "Basic", "Basic !!!", "Basic /w==", f"Bearer {password}"]
    wrong += [basic(text) for text in ("żuk", "żuk:", f"zuk:{password}", f"żuk:{password}x", f":{password}", ":")]
    with site.served() as url, httpx.Client() as client:
        for given_ in wrong:
            refused = client.get(url, headers={"authorization": given_})
            assert (refused.status_code, refused.content) == (401, b"Unauthorized")
            assert refused.headers["www-authenticate"] == 'Basic realm="feed", charset="UTF-8"'
        right = client.get(url, headers={"authorization": basic(f"żuk:{password}").replace("Basic", "basic")})
    assert right.content == CONTENT
    assert [kind for kind, _, _ in kinds(site)] == ["whole"]


class Everything(logging.Handler):
    """Keeps all that is logged, whatever its level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    root, handler = logging.getLogger(), Everything()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.texts
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_log_holds_a_token(site: Site, logged: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, malformed = "B" * 43, "malformed-token!"
    with site.server() as server:
        host = urlsplit(server.url).netloc
        for name in (site.token, wrong, malformed):
            for method in ("GET", "HEAD", "POST"):
                connection = http.client.HTTPConnection(host, timeout=PATIENCE)
                connection.request(method, f"/feed/{name}.tsv?own=1&x={name}", headers={"upgrade": "x"})
                connection.getresponse().read()
                connection.close()
        monkeypatch.setattr(site.hub.downloads, "record", lambda *_, **__: 1 / 0)
        httpx.get(server.url + site.path)
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        connection.putrequest("GET", f"/feed/{site.token}.tsv", skip_host=True)  # what h11 refuses
        connection.endheaders()
        connection.getresponse().read()
        connection.close()
    text = "\n".join(line for line in logged if not line.startswith(("httpx", "httpcore")))
    assert "version 1: own, status 200" in text
    assert "ZeroDivisionError" in text
    assert [token for token in (site.token, wrong, malformed) if token in text] == []


def test_a_link_is_masked_wherever_it_stands() -> None:
    text = f"GET https://feeds.example.com/feed/{'A' * 43}.tsv answered 200"
    assert SECRETS.redact(text) == "GET https://feeds.example.com/feed/***.tsv answered 200"


# --- who had it ------------------------------------------------------------------------------------------------------


def test_the_sellers_own_look_is_told_apart(site: Site) -> None:
    with site.served() as url, httpx.Client(headers={"user-agent": "browser", **PLAIN}) as client:
        client.get(f"{url}?own=1")
        client.head(f"{url}?own=1")
        client.get(f"{url}?own=0")
    assert [kind for kind, _, _ in kinds(site)] == ["own", "own", "whole"]
    (first, *_) = site.downloads()
    assert (first.agent, first.address, first.at, first.version) == ("browser", "127.0.0.1", NOW, 1)


@pytest.mark.parametrize(
    ("proxies", "address"),
    [
        ((), "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.7"),
        (("127.0.0.0/8",), "203.0.113.7"),
        (("10.0.0.1",), "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_who_called(site: Site, proxies: tuple[str, ...], address: str) -> None:
    serve = Serve(trusted_proxies=proxies)
    site.hub.installation = site.hub.installation.model_copy(update={"serve": serve})
    with site.served() as url:
        httpx.get(url, headers={"x-forwarded-for": "198.51.100.1, 203.0.113.7"})
    assert [download.address for download in site.downloads()] == [address]


@contextmanager
def reader(url: str) -> Iterator[socket.socket]:
    """Give a connection that has asked for the plain file, and takes as little as it can at a time."""
    parts = urlsplit(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect((parts.hostname, parts.port))
        client.sendall(f"GET {parts.path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        yield client


def listens(url: str) -> bool:
    """Whether anybody takes new connections there."""
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((parts.hostname, parts.port)) == 0


def rest(client: socket.socket) -> bytes:
    """Return all that still comes, taken as fast as possible."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    received = b""
    while more := client.recv(1 << 20):
        received += more
    return received


def parse(received: bytes) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of an answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}, body


BIG = 16 * 1024 * 1024  # more than all buffers between the two ends hold


def test_a_client_that_goes_away_has_had_only_what_was_sent(empty_site: Site) -> None:
    empty_site.publish(bytes(BIG))
    with empty_site.served() as url:
        with reader(url) as client:
            got = len(client.recv(2000))
        assert got
    ((kind, status, sent),) = kinds(empty_site)
    assert (kind, status) == ("aborted", 200)
    assert sent < BIG


def test_a_client_that_is_still_reading_when_the_process_ends_is_cut_off_and_recorded(
    empty_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossdock.web.server.GRACE", 0)
    empty_site.publish(bytes(BIG))
    with empty_site.server() as server, reader(server.url + empty_site.path) as client:
        assert client.recv(10) == b"HTTP/1.1 2"
        server.stop()
        while listens(server.url):  # who reads on at once may have all of it before the end begins
            pass
        assert len(rest(client)) < BIG
    assert [kind for kind, _, _ in kinds(empty_site)] == ["aborted"]


def test_a_request_under_way_is_finished_before_the_process_ends(empty_site: Site) -> None:
    content = bytes(BIG)
    empty_site.publish(content)
    with empty_site.server() as server, reader(server.url + empty_site.path) as client:
        received = client.recv(10)
        server.stop()
        received += rest(client)
    assert parse(received)[1] == content
    assert kinds(empty_site) == [("whole", 200, BIG)]


# --- while it is rebuilt ---------------------------------------------------------------------------------------------


def version_of(number: int, size: int) -> bytes:
    """Return a file that shows by each of its lines which version it is."""
    line = b"version %06d\n" % number
    return line * (size // len(line))


def test_slow_readers_get_whole_versions_while_the_feed_is_rebuilt_a_hundred_times(empty_site: Site) -> None:
    empty_site.publish(version_of(0, BIG))
    rebuilt = threading.Event()

    def read_slowly(url: str) -> bytes:
        with reader(url) as client:
            received = client.recv(1000)
            started.release()
            rebuilt.wait(PATIENCE)
            return received + rest(client)

    def read_again_and_again(url: str) -> set[bytes]:
        seen = set()
        with httpx.Client() as client:
            while not rebuilt.is_set():
                for coding in ("identity", "gzip"):
                    answer = client.get(url, headers={"accept-encoding": coding})
                    assert answer.headers["etag"].startswith(f'"{hashlib.sha256(answer.content).hexdigest()}')
                    seen.add(answer.content[:14])
        return seen

    started = threading.Semaphore(0)
    with empty_site.served() as url, ThreadPoolExecutor(5) as pool:
        slow = [pool.submit(read_slowly, url) for _ in range(3)]
        for _ in slow:
            assert started.acquire(timeout=PATIENCE)
        fast = [pool.submit(read_again_and_again, url) for _ in range(2)]
        for number in range(1, 101):
            empty_site.publish(version_of(number, 20_000), tidy=True)
        rebuilt.set()
        answers = [parse(future.result()) for future in slow]
        seen = set.union(*(future.result() for future in fast))
    for headers, body in answers:
        assert len(body) == int(headers["content-length"])
        assert body == version_of(0, BIG)
    assert len(seen) > 1


# --- independent clients ---------------------------------------------------------------------------------------------


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is needed for this test"
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_urllib_reads_it(site: Site) -> None:
    with site.served() as url, urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        assert answer.read() == CONTENT
    assert kinds(site) == [("whole", 200, len(CONTENT))]


def test_curl_reads_it_packed_resumes_it_and_asks_whether_it_changed(site: Site, tmp_path: Path) -> None:
    curl, out, etag = tool("curl"), tmp_path / "feed.tsv", tmp_path / "etag"
    with site.served() as url:
        run(curl, "-sf", "--compressed", "-o", out, url)
        assert out.read_bytes() == CONTENT
        out.write_bytes(CONTENT[:777])
        run(curl, "-sf", "-C", "-", "-o", out, url)
        assert out.read_bytes() == CONTENT
        run(curl, "-sf", "--etag-save", etag, "-o", out, url)
        code = run(curl, "-sf", "--etag-compare", etag, "-o", tmp_path / "none", "-w", "%{http_code}", url)
        assert code == "304"
        assert "HTTP/1.1 200 OK" in run(curl, "-sfI", url)
        assert run(curl, "-s", "-o", tmp_path / "none", "-w", "%{http_code}", "-r", "999999999-", url) == "416"
    assert [kind for kind, _, _ in kinds(site)] == ["whole", "partial", "whole", "not_modified", "head", "partial"]


def test_a_client_that_goes_on_where_it_stopped_gets_the_rest(site: Site, tmp_path: Path) -> None:
    wget, out = tool("wget"), tmp_path / "feed.tsv"
    out.write_bytes(CONTENT[:5000])
    with site.served() as url:
        run(wget, "-q", "-c", "-O", out, url)
    assert out.read_bytes() == CONTENT
    assert kinds(site) == [("partial", 206, len(CONTENT) - 5000)]


MIINTO = (
    b"id\titem_group_id\tc:style_id:string\tbrand\ttitle\tcolor\tsize\timage_link\tc:stock_level:integer\t"
    b"c:retail_price_PLN:integer\tmaterial\tmadein\tdescription\n"
    b"SKU-1-M\tPROD-1\tST-100\tAcme\tLinen shirt\tWhite\tM\thttps://img.example.com/1.jpg\t5\t29900\t"
    b'"{""en_EN.utf8"":""Linen""}"\tPT\tLight summer shirt\n'
)


@pytest.mark.parametrize("packed", [False, True])
def test_miinto_pulls_it_by_its_link_and_its_login(empty_site: Site, packed: bool) -> None:
    empty_site.publish(MIINTO)
    with empty_site.hub.store.write() as tx:
        password = feeds.renew_login(tx, empty_site.account, "pl", "miinto")
    twin = MiintoTwin(empty_site.clock)
    with empty_site.served() as url:
        for given_ in ("wrong", password):
            address = FeedAddress(url=url, user="miinto", password=given_, gzip=packed)
            twin.set_feed(twin.account.identifier, address)
            twin.pull_feeds()
    refused, taken = twin.book.as_dict()["feed_pulls"]
    assert (refused["fetched"], refused["fault"]) == (False, "the answer is 401")
    assert (taken["fault"], taken["accepted"], taken["rejected"]) == (None, ["SKU-1-M"], [])
    (download,) = empty_site.downloads()
    assert (download.kind.value, download.agent) == ("whole", "Miinto twin")


def test_every_kind_is_one_of_the_closed_list(site: Site) -> None:
    assert {kind.value for kind in DownloadKind} == {"whole", "head", "not_modified", "partial", "aborted", "own"}
