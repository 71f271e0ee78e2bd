"""Feeds that nobody fetches: since when, and whether that was said already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, select, update

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.feeds import VersionState, last_whole_download
from crossdock.core.store.tables import accounts, feed_versions, feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A feed that can be fetched.

    Args:
        account, market: whose.
        since: when it was last fetched, or found unchanged; before that, since when it can be fetched by its link.
        warned_at: when a warning went out that nobody fetches it by this link; None if none did, or that is over.
    """

    account: str
    market: str
    since: datetime
    warned_at: datetime | None


def watched(tx: Read) -> tuple[Watched, ...]:
    """Return every feed that has a link and a version that is out."""
    out = and_(
        feed_versions.c.account == feeds.c.account,
        feed_versions.c.market == feeds.c.market,
        feed_versions.c.state == VersionState.PUBLISHED.value,
    )
    first = select(func.min(feed_versions.c.ended_at)).where(out).scalar_subquery()
    columns = [feeds.c[name] for name in ("account", "market", "token_at", "warned_at")]
    query = select(*columns, first.label("first_at")).join(accounts, accounts.c.id == feeds.c.account)
    there = and_(feeds.c.token.is_not(None), feeds.c.current_version.is_not(None), accounts.c.removed_at.is_(None))
    return tuple(_watched(tx, row.account, row.market, row) for row in tx.execute(query.where(there)))


def warned(tx: Write, feed: Watched) -> bool:
    """Keep that a warning goes out; False if somebody else was faster."""
    return _set(tx, feed, tx.now)


def over(tx: Write, feed: Watched) -> bool:
    """Keep that a silence is over; False if somebody else was faster."""
    return _set(tx, feed, None)


def _watched(tx: Read, account: str, market: str, row: Row[*tuple[Any, ...]]) -> Watched:
    last = last_whole_download(tx, account, market)
    possible = [last.at if last else None, row.token_at, row.first_at]
    under_this_link = row.warned_at is not None and row.warned_at > row.token_at
    return Watched(
        account=account,
        market=market,
        since=max(moment for moment in possible if moment is not None),
        warned_at=row.warned_at if under_this_link else None,
    )


def _set(tx: Write, feed: Watched, warned_at: datetime | None) -> bool:
    none = feeds.c.warned_at.is_(None) | (feeds.c.warned_at <= feeds.c.token_at)
    known = none if feed.warned_at is None else feeds.c.warned_at == feed.warned_at
    place = and_(feeds.c.account == feed.account, feeds.c.market == feed.market)
    return tx.execute(update(feeds).where(place, known).values(warned_at=warned_at)).rowcount == 1
