"""Offers files as people handle them: look at one, at what is not in it, at one offer; give out its link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import FaultCode, FieldKind
from crossdock.core.store import Read, accounts, catalog, feed_rows, feeds, marks, offers, stock
from crossdock.core.store.feed_rows import Effect, OfferFault
from crossdock.core.store.feeds import Download, FeedRow, Version
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.hub.mapping import ShownField
from crossdock.hub.prices import ExplainedPrice

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub

PATH = "/feed/"  # below it a link's token, and the extension of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStory:
    """All there is to see of an offers file.

    Args:
        feed: its link and login.
        url: its link; None where nobody may fetch it, or nothing has been published yet.
        version: what is out; None if nothing is.
        last: the last build, which may have failed.
        faults: offers by code of what is wrong with them, and what comes of it.
        fetched: when it was last fetched in full by somebody else.
    """

    feed: FeedRow
    url: str | None
    version: Version | None
    last: Version | None
    faults: Mapping[tuple[FaultCode, Effect], int]
    fetched: Download | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The link of an offers file; the password is told this once."""

    url: str
    user: str | None
    password: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferStory:
    """Why an offer is as it is.

    Args:
        market: of the file.
        published: its row there, without stock; None where it is not in it.
        units: what can be sold of it; None where nobody counted.
        faults: what the last build found wrong.
        fields: what rules and prices give now, and how.
        prices: how its prices are made, by market.
    """

    market: str
    published: Mapping[str, str] | None
    units: int | None
    faults: tuple[OfferFault, ...]
    fields: tuple[ShownField, ...]
    prices: tuple[ExplainedPrice, ...]


class Feeds:
    """The offers files of an installation. An account with files in several markets needs the market named.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def show(self, account: str, market: str | None = None) -> FeedStory:
        """Return an offers file with its numbers.

        Raises:
            NotFoundHere: there is no such account, or none of its files is built yet.
        """
        with self._hub.store.read() as tx:
            feed = self._feed(tx, account, market)
            place = (feed.account, feed.market)
            version = feeds.current_version(tx, *place)
            return FeedStory(
                feed=feed,
                url=self._url(feed.token, version) if feed.token and version else None,
                version=version,
                last=next(iter(feeds.versions(tx, *place, 1)), None),
                faults=feed_rows.fault_counts(tx, *place),
                fetched=feeds.last_whole_download(tx, *place),
            )

    def build(self, account: str, *, force: bool = False) -> RunRecord:
        """Apply rules and prices to what changed since they were applied last, then build the account's offers files.

        Args:
            account: name or id.
            force: build them from scratch, and publish them although they lost many rows.

        Returns:
            How the build ended; where rules and prices could not be applied, how that did.

        Raises:
            NotFoundHere: there is no such account.
        """
        with self._hub.store.read() as tx:
            waiting = marks.waiting(tx, accounts.get(tx, account).id)
        if waiting:
            applied = self._hub.run(account, marks.RESOLVE_JOB)
            if applied.state is not RunState.DONE:
                return applied
        return self._hub.run(account, feeds.FEED_JOB, force=force)

    def renew_link(self, account: str, market: str | None = None, *, user: str | None = None) -> Link:
        """Give an offers file a new link; the old one leads nowhere from now on.

        Args:
            account: whose.
            market: of the file.
            user: who has to log in (HTTP Basic), with a password that is made here; None: the link is enough.

        Raises:
            ConfigError: HTTP Basic cannot take that user.
        """
        if user is not None and (not user or ":" in user or not user.isprintable()):
            raise ConfigError(f"{user!r} is no user for HTTP Basic.", advice="Use letters and digits, no colon.")
        with self._hub.store.write() as tx:
            feed = self._feed(tx, account, market)
            version = self._version(tx, feed)
            token = feeds.renew_link(tx, feed.account, feed.market)
            feeds.forget_login(tx, feed.account, feed.market)
            password = feeds.renew_login(tx, feed.account, feed.market, user) if user else None
        return Link(url=self._url(token, version), user=user, password=password)

    def revoke_link(self, account: str, market: str | None = None) -> None:
        """Take the link of an offers file away."""
        with self._hub.store.write() as tx:
            feed = self._feed(tx, account, market)
            feeds.revoke_link(tx, feed.account, feed.market)
            feeds.forget_login(tx, feed.account, feed.market)

    def log(
        self, account: str, market: str | None = None, *, limit: int = 20
    ) -> tuple[tuple[Version, ...], tuple[Download, ...]]:
        """Return the last builds and the last downloads of an offers file, newest first."""
        with self._hub.store.read() as tx:
            feed = self._feed(tx, account, market)
            place = (feed.account, feed.market)
            return feeds.versions(tx, *place, limit), feeds.downloads(tx, *place, limit)

    def faults(
        self,
        account: str,
        market: str | None = None,
        *,
        code: FaultCode | None = None,
        effect: Effect | None = None,
        sku: str | None = None,
    ) -> Iterator[OfferFault]:
        """Yield what keeps offers out of the file, back as they were, or out of one of its markets."""
        with self._hub.store.read() as tx:
            feed = self._feed(tx, account, market)
        after = 0
        while True:
            with self._hub.store.read() as tx:
                found = feed_rows.faults(tx, feed.account, feed.market, code=code, effect=effect, sku=sku, after=after)
            if not found:
                return
            yield from (fault for _, fault in found)
            after = found[-1][0]

    def why(self, account: str, sku: str, field: str | None = None, *, market: str | None = None) -> OfferStory:
        """Say why an offer is as it is in the file, or why it is not there.

        Args:
            account: name or id.
            sku: the variant.
            field: only this one.
            market: of the file.

        Raises:
            NotFoundHere: nobody has this SKU, it is not listed there, or the file has no such field.
        """
        with self._hub.store.read() as tx:
            feed = self._feed(tx, account, market)
            variant = catalog.get(tx, sku)
            listed = [row.id for row in offers.of_variants(tx, feed.account, [variant.id]) if row.market == feed.market]
            if not listed:
                raise NotFoundHere(f"{sku!r} is not listed in {feed.market}.", advice="List it: `crossdock offers`.")
            rows = feed_rows.fields_of(tx, listed)
            units = stock.sellable(tx, [variant.id], self._hub.options(tx, feed.account))[variant.id]
        fields = self._hub.mapping.show(account, sku, market=feed.market)
        chosen = tuple(shown for shown in fields if field in (None, shown.field))
        if not chosen:
            names = ", ".join(shown.field for shown in fields)
            raise NotFoundHere(f"The file has no field {field!r}.", advice=f"It has {names}.")
        return OfferStory(
            market=feed.market,
            published=next(iter(rows.values()), None),
            units=units,
            faults=tuple(self.faults(account, feed.market, sku=sku)),
            fields=chosen,
            prices=tuple(self._prices(account, sku, feed.market, {shown.field for shown in chosen})),
        )

    def _prices(self, account: str, sku: str, market: str, names: set[str]) -> Iterator[ExplainedPrice]:
        described = self._hub.connector(account).build_feed(market).fields
        priced = [item for item in described if item.kind is FieldKind.PRICE and item.name in names]
        for place in dict.fromkeys(item.market or market for item in priced):
            yield self._hub.prices.explain(account, sku, market=place)

    def _feed(self, tx: Read, account: str, market: str | None) -> FeedRow:
        row = accounts.get(tx, account)
        if market is not None:
            return feeds.get(tx, row.id, market)
        found = feeds.of_account(tx, row.id)
        if not found:
            raise NotFoundHere(
                f"Account {row.name} has no offers file yet.", advice=f"Build it: `crossdock feed build {row.name}`."
            )
        published = [feed for feed in found if feed.current_version is not None] or found
        if len(published) > 1:
            names = ", ".join(feed.market for feed in published)
            raise ConfigError(f"Account {row.name} has files for {names}.", advice="Say which: --market NAME.")
        return published[0]

    def _version(self, tx: Read, feed: FeedRow) -> Version:
        version = feeds.current_version(tx, feed.account, feed.market)
        if version is None:
            raise NotFoundHere(f"No file of {feed.market} is out yet.", advice="Build it: `crossdock feed build`.")
        return version

    def _url(self, token: str, version: Version) -> str:
        extension = str(version.file).rpartition(".")[2]
        return self._hub.installation.serve.link(f"{PATH}{token}.{extension}")
