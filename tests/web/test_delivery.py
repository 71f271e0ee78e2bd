"""What counts as sent, whenever and however a client goes away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_site import Site

from crossdock.core.store.feeds import DownloadKind
from crossdock.web.conditions import Answer
from crossdock.web.delivery import CHUNK, CutShort, Delivery, Line
from crossdock.web.server import Protocol

SIZE = 2 * CHUNK + 10


class Client:
    """A client that goes away while a message is being sent to it.

    Args:
        at: the number of that message, 0 for the headers.
        broken: whether something was on its way then.
    """

    def __init__(self, at: int | None = None, *, broken: bool = True) -> None:
        self.line = Line()
        self.got = b""
        self._messages = 0
        self._at = at
        self._broken = broken

    async def send(self, message: Any) -> None:
        if self._messages == self._at:
            self.line.lost, self.line.broken = True, self._broken
        self._messages += 1
        self.got += b"" if self.line.lost else message.get("body", b"")


def deliver(file: Path, client: Client, announced: int = SIZE) -> list[tuple[DownloadKind, int]]:
    """Send a file to a client and return what was recorded."""
    recorded: list[tuple[DownloadKind, int]] = []
    answer = Answer(status=200, headers={}, start=0, length=announced, kind=DownloadKind.WHOLE)
    delivery = Delivery(file.open("rb", buffering=0), answer, lambda kind, sent: recorded.append((kind, sent)))

    async def receive() -> Any:
        raise AssertionError("nobody asks for the request's body")

    asyncio.run(delivery({"type": "http", "state": {"line": client.line}}, receive, client.send))
    return recorded


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "feed.tsv"
    path.write_bytes(bytes(range(256)) * (SIZE // 256) + b"the rest.."[: SIZE % 256])
    return path


# The messages: headers, three chunks, one that waits until all has left, the end.


def test_who_stays_has_the_whole(file: Path) -> None:
    client = Client()
    assert deliver(file, client) == [(DownloadKind.WHOLE, SIZE)]
    assert client.got == file.read_bytes()


@pytest.mark.parametrize(("at", "sent"), [(0, 0), (1, 0), (2, 0), (3, CHUNK), (4, 2 * CHUNK)])
def test_who_goes_away_has_no_more_than_left_before(file: Path, at: int, sent: int) -> None:
    client = Client(at)
    assert deliver(file, client) == [(DownloadKind.ABORTED, sent)]
    assert len(client.got) >= sent


def test_who_has_everything_may_go(file: Path) -> None:
    assert deliver(file, Client(4, broken=False)) == [(DownloadKind.WHOLE, SIZE)]
    assert deliver(file, Client(5)) == [(DownloadKind.WHOLE, SIZE)]


def test_a_file_that_was_cut_is_no_whole_answer(file: Path) -> None:
    with pytest.raises(CutShort, match=f"ended at {SIZE} of {SIZE + 5} bytes"):
        deliver(file, Client(), announced=SIZE + 5)


def test_nothing_waits_in_the_process_unnoticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    begin = Protocol.connection_made

    def note(self: Protocol, transport: asyncio.Transport) -> None:
        begin(self, transport)
        limits.append(transport.get_write_buffer_limits())

    monkeypatch.setattr(Protocol, "connection_made", note)
    with site.served() as url:
        httpx.get(url)
    assert limits == [(0, 0)]
