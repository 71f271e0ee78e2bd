"""The job `feed`: build the offers files of an account, and publish those that changed.

It reads what was resolved and what can be sold, page by page, writes a new version beside the one that is out, and
makes it current in one transaction. Whatever happens before that, the old version is served.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import starmap
from pathlib import Path
from typing import Final

from crossdock.core.errors import FeedError, UnsafeChange
from crossdock.core.model import Feed
from crossdock.core.store import Write, feed_rows, feeds, offers, stock
from crossdock.core.store.events import Level
from crossdock.core.store.feed_rows import Effect, FreshRow, Head
from crossdock.core.store.feeds import Version
from crossdock.feeds import files
from crossdock.feeds.checks import Keys
from crossdock.feeds.files import Output, Previous, Written
from crossdock.feeds.rendering import fingerprint, renderer
from crossdock.jobs.feed_page import Page, Sorter, render
from crossdock.jobs.run import Run

JOB: Final = feeds.FEED_JOB
PAGE: Final = 1000  # offers
FOLDER: Final = "feeds"  # in the installation's folder


def build(run: Run) -> None:
    """Build every offers file of the account.

    Raises:
        FeedError: one of them could not be built; its old version stays.
        UnsafeChange: one of them would lose too many rows and the run is not forced; its old version stays.
    """
    failed: FeedError | UnsafeChange | None = None
    for market, feed in described(run).items():
        try:
            Build(run, market, feed).carry_out()
        except (FeedError, UnsafeChange) as error:
            failed = failed or error
    if failed:
        raise failed


def described(run: Run) -> Mapping[str, Feed]:
    """Return the account's offers files by market, as its plugin describes them.

    Raises:
        FeedError: there is none.
    """
    with run.store.read() as tx:
        known = {feed.market for feed in feeds.of_account(tx, run.account_id) if feed.current_version is not None}
        listed = offers.markets(tx, run.account_id)
    found, refused = {}, {}
    for market in sorted({*known, *listed, *(market.code for market in run.connector.facts.markets)}):
        try:
            found[market] = run.connector.build_feed(market)
        except FeedError as error:
            refused[market] = error
    for market in known & refused.keys():
        run.event(Level.WARNING, "feed_refused", str(refused[market]), item=market)
    if not found:
        raise next(iter(refused.values()), None) or FeedError(
            f"Account {run.account.name} has no offers in any market.", advice="List some: `crossdock offers create`."
        )
    return found


class Build:
    """One build of one offers file.

    Args:
        run: that it is part of.
        market: of the feed.
        feed: what the file looks like.
    """

    def __init__(self, run: Run, market: str, feed: Feed) -> None:
        self.run = run
        self.market = market
        self.feed = feed
        self.counts: dict[str, int] = {}
        self._place = files.folder_of(run.account_id, market)
        self._folder = run.folder / FOLDER
        self._made_by = fingerprint(feed, run.connector.loaded.source)
        with run.write() as tx:
            self._number = feeds.begin_version(tx, run.account_id, market)
            self._out = feeds.current_version(tx, run.account_id, market)
            self._began = tx.now
            self._total = feed_rows.count(tx, run.account_id, market)

    def carry_out(self) -> None:
        """Build and publish.

        Raises:
            FeedError: what was built is no good. UnsafeChange: it would lose too many rows.
        """
        try:
            self._tidy()
            self._build()
            self._tidy()
        except FeedError as error:
            self._fail(error)
            raise
        except OSError as error:
            told = FeedError(
                f"The offers file of {self.market} cannot be written: {error.strerror} ({error.filename}).",
                advice="Mend the disk or the rights of the folder for feeds; the old file stays until then.",
            )
            self._fail(told)
            raise told from error

    def _fail(self, error: FeedError) -> None:
        with self.run.write() as tx:
            feeds.fail(tx, self._number, str(error))

    def _build(self) -> None:
        file = f"{self._place}/{self._number}.{self.feed.extension}"
        with ExitStack() as opened:
            output = Output(self._folder / file, self._made_by)
            opened.callback(output.discard)
            changes = opened.enter_context(closing(Changes(self._folder / f"{file}.changes{files.UNFINISHED}")))
            self._fill(output, changes)
            written = output.finish()
            if self._out and written.sha256 == self._out.sha256 and self._is_there(self._out):
                self._settle(changes)
                return
            self._guard(written)
            output.publish()
            self._publish(file, written, changes)

    # --- building

    def _fill(self, output: Output, changes: Changes) -> None:
        """Write all offers, and gather what has to be remembered once they are out."""
        with closing(self._previous()) as previous:
            sorter = self._sorter(previous)
            make = renderer(self.feed)
            output.write(self.feed.head)
            for done, (heads, page) in enumerate(self._pages(sorter), 1):
                render(page.rows, make)
                output.add([row.item for row in page.rows], [row.data or b"" for row in page.rows])
                changes.add(page)
                self._count(page, len(heads))
                self.run.progress(min(done * PAGE, self._total), self._total, f"offers of {self.market}")
            output.write(self.feed.tail)

    def _pages(self, sorter: Sorter) -> Iterator[tuple[list[Head], Page]]:
        """Yield page after page of offers and what becomes of them; faults are told on the way."""
        after, more, account = 0, True, self.run.account_id
        while more:
            self.run.check_cancelled()
            with self.run.store.read() as tx:
                heads = feed_rows.heads(tx, account, self.market, after=after, limit=PAGE, anew=sorter.anew)
                units = stock.sellable(tx, {head.variant_id for head in heads}, self.run.account.options)
                more = len(heads) == PAGE
                upto = heads[-1].offer_id if more else None
                told = feed_rows.told(tx, account, self.market, after=after, upto=upto)
                published = feed_rows.fields_of(tx, sorter.look(heads, units, told))
            page = sorter.sort(heads, units, published)
            news = {
                offer: page.told.get(offer) for offer in {*told, *page.told} if told.get(offer) != page.told.get(offer)
            }
            if news or more:  # a sign of life in any case
                with self.run.write() as tx:
                    feed_rows.tell(tx, account, self.market, news)
            yield heads, page
            after = upto or after

    def _previous(self) -> Previous:
        # Force begins anew: whoever asks for it does not trust what is out.
        path = self._folder / self._out.file if self._out and self._out.file and not self.run.force else None
        return Previous(path, str(self._out and self._out.sha256), self._made_by, len(self.feed.head))

    def _sorter(self, previous: Previous) -> Sorter:
        anew = not previous.usable
        claimed = Keys(self._total)  # before anything new may take one of them
        sorter = Sorter(self.feed, self.market, previous, claimed, self._began, anew=anew)
        with self.run.store.read() as tx:
            rows = feed_rows.all_fields(tx, self.run.account_id, self.market)
            for key in previous.keys() if previous.usable else (sorter.key_of(fields) for _, fields in rows):
                claimed.add(key)
        return sorter

    def _count(self, page: Page, seen: int) -> None:
        found = page.count()
        for name, number in found.items():
            self.counts[name] = self.counts.get(name, 0) + number
        self.run.count(
            seen=seen,
            added=found["new"],
            changed=found["changed"] + found["removed"],
            unchanged=found["unchanged"],
            failed=found[Effect.LEFT_OUT] + found[Effect.KEPT_BACK],
        )

    # --- ending

    def _guard(self, written: Written) -> None:
        """Refuse a file that lost too many rows.

        Raises:
            UnsafeChange: the old one stays.
        """
        options, before = self.run.account.options, self._out.rows or 0 if self._out else 0
        lost = before - written.rows
        if self.run.force or lost < options.guard_from or lost <= options.max_drop_share * before:
            return
        reason = (
            f"It would have {written.rows} rows where {before} are out; allowed are {options.max_drop_share:%} fewer."
        )
        with self.run.write() as tx:
            feeds.keep_old(tx, self._number, reason, self.counts)
        raise UnsafeChange(
            f"Account {self.run.account.name}, offers file of {self.market}: {reason} The old one stays.",
            advice="See `crossdock feed check`; if it is right, build it again with --force.",
        )

    def _publish(self, file: str, written: Written, changes: Changes) -> None:
        with self.run.write() as tx:
            changes.keep(tx, self.run.account_id, self.market)
            feeds.publish(
                tx,
                self._number,
                file=file,
                media_type=self.feed.media_type,
                rows=written.rows,
                bytes=written.bytes,
                sha256=written.sha256,
                counts=self.counts,
            )

    def _settle(self, changes: Changes) -> None:
        """Remember what changed without a trace in the file, which stays as it is."""
        with self.run.write() as tx:
            changes.keep(tx, self.run.account_id, self.market)
            feeds.forget_version(tx, self._number)

    def _is_there(self, version: Version) -> bool:
        path = self._folder / str(version.file)
        return path.is_file() and path.with_name(path.name + files.GZIP).is_file()

    def _tidy(self) -> None:
        """Remove files that no version needs any more; the last ones stay for whoever is reading them."""
        account = self.run.account_id
        with self.run.store.read() as tx:
            out = feeds.current_version(tx, account, self.market)
            versions = feeds.with_files(tx, account, self.market)
        old = [version for version in versions if out is None or version.id != out.id]
        gone = old[self.run.account.options.feed_versions :]
        if gone:
            with self.run.write() as tx:
                feeds.forget_files(tx, [version.id for version in gone])
        kept = {Path(str(version.file)).name for version in versions if version not in gone}
        indexed = Path(out.file).name if out and out.file else None
        files.tidy(self._folder / self._place, kept, indexed=indexed)


class Changes:
    """What the store has to remember once a version is out; it waits in a file, since it may be much.

    Args:
        path: of that file; it is gone in the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.open("w+", encoding="utf-8")
        self._ended, self._revived, self._removed = array("Q"), array("Q"), array("Q")

    def close(self) -> None:
        """Forget it."""
        self._fresh.close()
        self._path.unlink(missing_ok=True)

    def add(self, page: Page) -> None:
        """Take what one page changed."""
        if page.fresh:
            self._fresh.write(json.dumps(page.fresh) + "\n")
        for kept, more in ((self._ended, page.ended), (self._revived, page.revived), (self._removed, page.removed)):
            kept.extend(more)

    def keep(self, tx: Write, account: str, market: str) -> None:
        """Write all of it into the store."""
        self._fresh.seek(0)
        for line in self._fresh:
            feed_rows.save(tx, account, market, [*starmap(FreshRow, json.loads(line))])
        feed_rows.end(tx, self._ended)
        feed_rows.revive(tx, self._revived)
        feed_rows.remove(tx, self._removed)
