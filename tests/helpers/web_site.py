"""An installation with one offers file, published as builds publish theirs, and served on loopback."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from crossdock import hub as library
from crossdock.core.config import new_key, write_key_file
from crossdock.core.store import accounts, feeds
from crossdock.core.store.feeds import Download
from crossdock.hub import Hub
from crossdock.twins.kit import VirtualClock
from crossdock.web.server import Server, serving

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEDIA_TYPE = "text/tab-separated-values; charset=utf-8"
CONTENT = b"".join(b"SKU-%d\tShirt %d\t%d\n" % (number, number, number % 7) for number in range(9000))


class Site:
    """An installation with the account `north` and its feed in `pl`.

    Args:
        folder: of the installation.
        database: its URL.
    """

    def __init__(self, folder: Path, database: str) -> None:
        folder.mkdir()
        key = folder / "key"
        write_key_file(key, (new_key(),))
        self.clock = VirtualClock(NOW)
        self.hub: Hub = library.init(folder, database, f"file:{key}", clock=self.clock)
        self.hub.work._queue.poll = 0.02  # how soon the scheduler notices its end
        with self.hub.store.write() as tx:
            self.account = accounts.create(tx, name="north", platform="shop", settings={}, options={}).id
        self.token = self.renew_link()

    @property
    def path(self) -> str:
        """Where the feed is, on whatever serves it."""
        return f"/feed/{self.token}.tsv"

    def renew_link(self) -> str:
        with self.hub.store.write() as tx:
            self.token = feeds.renew_link(tx, self.account, "pl")
        return self.token

    def publish(self, content: bytes, *, tidy: bool = False) -> int:
        """Put a new version out, and remove the files of all others if asked to; return its number."""
        with self.hub.store.write() as tx:
            version = feeds.begin_version(tx, self.account, "pl")
        folder = self.hub.downloads.folder / self.account / "pl"
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in ((f"{version}.tsv", content), (f"{version}.tsv.gz", gzip.compress(content, 1))):
            (folder / f"{name}.part").write_bytes(data)
            (folder / f"{name}.part").rename(folder / name)
        with self.hub.store.write() as tx:
            feeds.publish(
                tx,
                version,
                file=f"{self.account}/pl/{version}.tsv",
                media_type=MEDIA_TYPE,
                rows=content.count(b"\n"),
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                counts={},
            )
        for old in folder.iterdir() if tidy else ():
            if not old.name.startswith(f"{version}."):
                old.unlink()
        return version

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it, and give the URL of the feed; in the end every download is recorded."""
        with serving(self.hub) as server:
            yield server.url + self.path

    @contextmanager
    def server(self) -> Iterator[Server]:
        """Serve it, and give the server."""
        with serving(self.hub) as server:
            yield server

    def downloads(self) -> list[Download]:
        """Return what was fetched, the oldest first."""
        with self.hub.store.read() as tx:
            return list(reversed(feeds.downloads(tx, self.account, "pl", limit=10_000)))
