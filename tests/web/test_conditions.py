"""How a request for a file is answered, whatever it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.store.feeds import DownloadKind
from crossdock.web.conditions import Answer, Representation, answer, wants_gzip

MODIFIED = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
DATE = "Sun, 01 Mar 2026 12:00:05 GMT"
FILE = Representation(etag="abc", size=1000, modified=MODIFIED, media_type="text/plain", gzip=False)


def get(**headers: str) -> Answer:
    return answer("GET", {name.replace("_", "-"): value for name, value in headers.items()}, FILE)


def test_without_conditions_the_whole_file_is_sent() -> None:
    found = get()
    assert (found.status, found.start, found.length, found.kind) == (200, 0, 1000, DownloadKind.WHOLE)
    assert found.headers == {
        "etag": '"abc"',
        "last-modified": DATE,
        "cache-control": "private, no-cache",
        "vary": "accept-encoding",
        "accept-ranges": "bytes",
        "content-type": "text/plain",
        "content-length": "1000",
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": '"abc"'}, 304),
        ({"if_none_match": 'W/"abc"'}, 304),
        ({"if_none_match": '"x", "abc"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_none_match": "abc"}, 200),
        ({"if_modified_since": DATE}, 304),
        ({"if_modified_since": "Sun, 01 Mar 2026 12:00:06 GMT"}, 304),
        ({"if_modified_since": "Sun, 01 Mar 2026 12:00:04 GMT"}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_none_match": '"x"', "if_modified_since": DATE}, 200),
        ({"if_none_match": '"abc"', "range": "bytes=0-1"}, 304),
    ],
)
def test_what_the_client_has_already_is_not_sent_again(headers: dict[str, str], status: int) -> None:
    found = get(**headers)
    assert found.status == status
    if status == 304:
        assert (found.length, found.kind) == (0, DownloadKind.NOT_MODIFIED)
        assert "content-length" not in found.headers
        assert found.headers["etag"] == '"abc"'


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=10-19", range(10, 20)),
        ("bytes=990-", range(990, 1000)),
        ("bytes=990-5000", range(990, 1000)),
        ("bytes=-10", range(990, 1000)),
        ("Bytes=-5000", range(1000)),
        ("bytes=0-", range(1000)),
    ],
)
def test_one_range_is_sent(asked: str, part: range) -> None:
    found = get(range=asked)
    assert (found.status, found.start, found.length) == (206, part.start, len(part))
    assert found.headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/1000"
    assert found.headers["content-length"] == str(len(part))
    assert found.kind is (DownloadKind.WHOLE if len(part) == 1000 else DownloadKind.PARTIAL)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(asked: str) -> None:
    found = get(range=asked)
    assert (found.status, found.length, found.headers["content-range"]) == (416, 0, "bytes */1000")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=0-1", "bytes=5-1", "bytes=-", "bytes=a-b", "bytes 0-1", ""])
def test_what_is_no_single_range_of_bytes_gets_the_whole_file(asked: str) -> None:
    assert get(range=asked).status == 200


@pytest.mark.parametrize(("tag", "status"), [('"abc"', 206), ('"x"', 200), ('W/"abc"', 200), (DATE, 200)])
def test_a_range_of_another_version_gets_the_whole_file(tag: str, status: int) -> None:
    assert get(range="bytes=0-1", if_range=tag).status == status


def test_head_announces_what_get_sends() -> None:
    found = answer("HEAD", {"range": "bytes=0-1"}, FILE)
    assert (found.status, found.length, found.kind) == (200, 0, DownloadKind.HEAD)
    assert found.headers == get().headers


@pytest.mark.parametrize(
    ("accepted", "gzip"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("gzip;q=junk", False),
        ("br", False),
    ],
)
def test_gzip_is_sent_to_who_likes_it(accepted: str | None, gzip: bool) -> None:
    assert wants_gzip(accepted) is gzip


@given(
    st.dictionaries(
        st.sampled_from(["range", "if-range", "if-none-match", "if-modified-since"]),
        st.text(st.characters(max_codepoint=255), max_size=40)
        | st.from_regex(r"bytes=\d{0,30}-\d{0,30}", fullmatch=True)
        | st.sampled_from(['"abc"', DATE, "Sun, 01 Mar 99999 12:00:05 +99999999"]),
    ),
    st.integers(0, 50),
    st.sampled_from(["GET", "HEAD"]),
)
def test_any_request_gets_bytes_that_are_there(headers: dict[str, str], size: int, method: str) -> None:
    file = Representation(etag="abc", size=size, modified=MODIFIED, media_type="text/plain", gzip=False)
    found = answer(method, headers, file)
    assert found.status in (200, 206, 304, 416)
    assert 0 <= found.start <= found.start + found.length <= size
    if method == "GET" and found.status != 304:
        assert int(found.headers["content-length"]) == found.length


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_accept_encoding_is_understood(accepted: str) -> None:
    wants_gzip(accepted)
