"""The process of `crossdock serve`: what a monitor is told, how it ends, and who is warned when nobody fetches."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import httpx
import pytest
from web_site import CONTENT, Site

from crossdock.core.store import Store, accounts, events, feeds, silence
from crossdock.core.store.events import Level
from crossdock.web.server import serving

# --- health ----------------------------------------------------------------------------------------------------------


def test_a_monitor_is_told_that_all_is_well(site: Site) -> None:
    with site.server() as server:
        answer = httpx.get(f"{server.url}/health")
    assert (answer.status_code, answer.json()) == (200, {"store": True, "scheduler": True})
    assert answer.headers["cache-control"] == "no-store"


def test_without_a_scheduler_feeds_are_served_and_a_monitor_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.hub.work, "serve", lambda stop: pytest.fail("nobody asked for it"))
    with serving(site.hub, scheduler=False) as server:
        health, feed = (httpx.get(server.url + path) for path in ("/health", site.path))
    assert (health.status_code, health.json()) == (503, {"store": True, "scheduler": False})
    assert feed.content == CONTENT


def test_a_monitor_is_told_that_the_store_does_not_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.server() as server:
        monkeypatch.setattr(site.hub.store, "answers", lambda: False)
        answer = httpx.get(f"{server.url}/health")
    assert (answer.status_code, answer.json()) == (503, {"store": False, "scheduler": True})


def test_a_store_says_whether_it_answers(any_site: Site) -> None:
    assert any_site.hub.store.answers()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    store = Store(f"postgresql://postgres@127.0.0.1:{port}/none")
    assert not store.answers()
    store.close()


def test_a_scheduler_that_has_ended_is_told_and_feeds_are_still_served(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(stop: object) -> None:
        raise RuntimeError("the queue broke")

    monkeypatch.setattr(site.hub.work, "serve", breaks)
    answers: list[httpx.Response] = []

    def ask() -> None:
        with site.server() as server:
            answers.extend(httpx.get(server.url + path) for path in ("/health", site.path))

    with pytest.raises(RuntimeError, match="the queue broke"):
        ask()
    answer, feed = answers
    assert (answer.status_code, answer.json()) == (503, {"store": True, "scheduler": False})
    assert feed.content == CONTENT
    assert [record.levelno for record in caplog.records if "The scheduler has ended" in record.message] == [
        logging.CRITICAL
    ]


# --- where it listens ------------------------------------------------------------------------------------------------


def test_it_is_told_where_it_listens(site: Site) -> None:
    with serving(site.hub, "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_a_port_that_is_taken_is_an_error_at_once(site: Site) -> None:
    with site.server() as server, pytest.raises(OSError, match="Address already in use"):
        serving(site.hub, port=int(server.url.rpartition(":")[2])).__enter__()


# --- silence ---------------------------------------------------------------------------------------------------------

MINUTE = 60


@pytest.fixture
def told(any_site: Site) -> Callable[[], list[tuple[str, str]]]:
    """Return a function that looks after the feeds and gives level and text of what was said since the last call."""
    seen = 0

    def look() -> list[tuple[str, str]]:
        nonlocal seen
        any_site.hub.downloads.watch()
        with any_site.hub.store.read() as tx:
            found = events.list(tx, account=any_site.account)
        new, seen = found[: len(found) - seen], len(found)
        return [(event.level.value, event.message) for event in reversed(new)]

    return look


@pytest.fixture
def fetch(any_site: Site) -> Callable[[], None]:
    """Return a function that fetches the feed, as far as the store knows."""

    def record() -> None:
        file = any_site.hub.downloads.find(any_site.token)
        assert file is not None
        any_site.hub.downloads.record(file, kind=feeds.DownloadKind.WHOLE, status=200, bytes=file.bytes)

    return record


def test_a_silence_is_warned_of_once_and_said_to_be_over(
    any_site: Site, told: Callable[[], list[tuple[str, str]]], fetch: Callable[[], None]
) -> None:
    clock = any_site.clock
    clock.advance(600 * MINUTE)
    assert told() == []  # there is nothing to be fetched
    any_site.publish(CONTENT)
    clock.advance(119 * MINUTE)
    assert told() == []
    any_site.publish(CONTENT + b"x")
    clock.advance(1 * MINUTE)
    assert told() == [("warning", "Nobody has fetched the feed for pl since 2026-03-01 22:00 UTC.")]
    clock.advance(600 * MINUTE)
    assert told() == []
    fetch()
    assert told() == [("info", "The feed for pl is fetched again, since 2026-03-02 10:00 UTC.")]
    assert told() == []
    clock.advance(121 * MINUTE)
    assert told() == [("warning", "Nobody has fetched the feed for pl since 2026-03-02 10:00 UTC.")]


@pytest.mark.parametrize("kind", ["own", "head", "aborted", "partial"])
def test_who_did_not_fetch_the_whole_does_not_break_a_silence(site: Site, kind: str) -> None:
    site.clock.advance(119 * MINUTE)
    file = site.hub.downloads.find(site.token)
    assert file is not None
    site.hub.downloads.record(file, kind=feeds.DownloadKind(kind), status=200, bytes=1)
    site.clock.advance(1 * MINUTE)
    site.hub.downloads.watch()
    (event,) = site.hub.work.events()
    assert (event.level, event.code, event.item) == (Level.WARNING, "feed_silent", "pl")
    assert event.advice


def test_a_new_link_begins_anew_and_without_one_there_is_no_silence(
    any_site: Site, told: Callable[[], list[tuple[str, str]]]
) -> None:
    any_site.publish(CONTENT)
    any_site.clock.advance(120 * MINUTE)
    assert len(told()) == 1
    any_site.renew_link()
    any_site.clock.advance(119 * MINUTE)
    assert told() == []
    any_site.clock.advance(1 * MINUTE)
    assert [level for level, _ in told()] == ["warning"]
    with any_site.hub.store.write() as tx:
        feeds.revoke_link(tx, any_site.account, "pl")
    any_site.clock.advance(600 * MINUTE)
    assert told() == []


@pytest.mark.parametrize(("minutes", "after", "warned"), [(30, 29, 0), (30, 30, 1), (0, 60_000, 0)])
def test_an_account_says_how_long_a_silence_may_be(site: Site, minutes: int, after: int, warned: int) -> None:
    with site.hub.store.write() as tx:
        accounts.save(tx, site.account, options={"feed_silence_minutes": minutes})
    site.clock.advance(after * MINUTE)
    site.hub.downloads.watch()
    assert len(site.hub.work.events()) == warned


def test_of_two_that_notice_a_silence_one_warns(any_site: Site) -> None:
    any_site.publish(CONTENT)
    any_site.clock.advance(120 * MINUTE)
    with any_site.hub.store.read() as tx:
        (feed,) = silence.watched(tx)
    for notice, answers in ((silence.warned, [True, False]), (silence.over, [False, False])):
        found = []
        for _ in range(2):
            with any_site.hub.store.write() as tx:
                found.append(notice(tx, feed))
        assert found == answers
    with any_site.hub.store.read() as tx:
        (feed,) = silence.watched(tx)
    with any_site.hub.store.write() as tx:
        assert silence.over(tx, feed)


def test_the_server_looks_for_silent_feeds_by_itself(site: Site) -> None:
    site.clock.advance(120 * MINUTE)
    with site.server() as server:
        httpx.get(f"{server.url}/health")
    assert [event.code for event in site.hub.work.events()] == ["feed_silent"]
