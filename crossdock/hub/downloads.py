"""Downloads: the offers files that links lead to, who fetched them, and a warning where nobody does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossdock.core.redaction import get_logger
from crossdock.core.store import accounts, events, feeds, silence
from crossdock.core.store.events import Level
from crossdock.core.store.feeds import DownloadKind, FeedFile
from crossdock.core.store.silence import Watched
from crossdock.jobs.feeds import FOLDER

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub

log = get_logger(__name__)

SILENT: Final = "feed_silent"
FETCHED_AGAIN: Final = "feed_fetched_again"


class Downloads:
    """What is fetched of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    @property
    def folder(self) -> Path:
        """Where the offers files lie."""
        return self._hub.installation.folder / FOLDER

    def find(self, token: str) -> FeedFile | None:
        """Return the file behind a link; None where the token leads nowhere."""
        with self._hub.store.read() as tx:
            return feeds.current(tx, token)

    def record(
        self, file: FeedFile, *, kind: DownloadKind, status: int, bytes: int, agent: str = "", address: str = ""
    ) -> None:
        """Keep that somebody fetched a version, or tried to; see `feeds.Download`."""
        about = {"agent": agent, "address": address}
        with self._hub.store.write() as tx:
            feeds.record_download(
                tx, file.account, file.market, file.version, kind=kind, status=status, bytes=bytes, **about
            )
        words = "Feed of account %s in %s, version %s: %s, status %s, %s bytes to %s"
        log.info(words, file.account, file.market, file.version, kind.value, status, bytes, address)

    def watch(self) -> None:
        """Warn, once, of each feed that nobody has fetched for as long as its account allows; say when that is over."""
        with self._hub.store.read() as tx:
            limits = {row.id: self._hub.options(tx, row.id).feed_silence_minutes for row in accounts.list_all(tx)}
            watched, now = silence.watched(tx), tx.now
        for feed in watched:
            minutes = limits.get(feed.account)
            if feed.warned_at is not None and feed.since > feed.warned_at:
                self._say_it_is_over(feed)
            elif feed.warned_at is None and minutes and feed.since + timedelta(minutes=minutes) <= now:
                self._warn(feed)

    def _warn(self, feed: Watched) -> None:
        with self._hub.store.write() as tx:
            if silence.warned(tx, feed):
                events.add(
                    tx,
                    Level.WARNING,
                    SILENT,
                    f"Nobody has fetched the feed for {feed.market} since {feed.since:%Y-%m-%d %H:%M} UTC.",
                    account=feed.account,
                    item=feed.market,
                    advice="See whether the link is the one that the platform was given, and reachable from outside.",
                )

    def _say_it_is_over(self, feed: Watched) -> None:
        with self._hub.store.write() as tx:
            if silence.over(tx, feed):
                message = f"The feed for {feed.market} is fetched again, since {feed.since:%Y-%m-%d %H:%M} UTC."
                events.add(tx, Level.INFO, FETCHED_AGAIN, message, account=feed.account, item=feed.market)
