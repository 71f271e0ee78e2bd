"""Offers files: their links, versions, rows, what is not in them, and who fetched them.

A version is built beside the one that is out and becomes current in one transaction (`publish`); until then nobody
sees anything of it. The files themselves lie in the installation's folder for feeds; here stands where.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, and_, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from crossdock.core.config import Options
from crossdock.core.errors import NotFoundHere
from crossdock.core.store import runs
from crossdock.core.store.engine import Read, Write, in_parts
from crossdock.core.store.tables import accounts, bundle_parts, feed_downloads, feed_versions, feeds, offers

FEED_JOB: Final = "feed"
CHANGES_WAIT: Final = 120.0  # seconds from a change to the build, so that many changes are one build
BROKEN_OFF: Final = "The process that built it ended before it was done."


class VersionState(StrEnum):
    """How a build stands or ended; closed."""

    BUILDING = "building"
    PUBLISHED = "published"
    KEPT_OLD = "kept_old"
    FAILED = "failed"


class DownloadKind(StrEnum):
    """What was fetched; closed. What the seller fetches to look at it is `own`, whatever else it is."""

    WHOLE = "whole"
    PARTIAL = "partial"
    HEAD = "head"
    NOT_MODIFIED = "not_modified"
    ABORTED = "aborted"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFile:
    """The file behind a link.

    Args:
        account, market: whose.
        version: the version's number.
        path: of the plain file, relative to the folder for feeds; the same with `.gz` at its end is the gzip of it.
        media_type: of the plain file.
        etag: SHA-256 of the plain file in hexadecimal.
        bytes: length of the plain file.
        published_at: when it became current.
        user, password: what HTTP Basic has to give (`password_fits`); None where the link alone is enough.
    """

    account: str
    market: str
    version: int
    path: str
    media_type: str
    etag: str
    bytes: int
    published_at: datetime
    user: str | None
    password: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """A feed: its link (None: nobody can fetch it), since when, its login, and which version is out."""

    account: str
    market: str
    token: str | None
    token_at: datetime | None
    user: str | None
    current_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One build of a feed.

    Args:
        state: how it ended. reason: why, where it is not out.
        file: the plain file, relative to the folder for feeds; None where there is none (any more).
        rows, bytes, sha256: of the plain file.
        counts: offers by what became of them: new, changed, unchanged, removed, left_out, kept_back.
    """

    id: int
    account: str
    market: str
    state: VersionState
    reason: str | None
    began_at: datetime
    ended_at: datetime | None
    file: str | None
    media_type: str | None
    rows: int | None
    bytes: int | None
    sha256: str | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Somebody fetched a version, or tried to.

    Args:
        kind: what was fetched. status: the HTTP status that was answered. bytes: sent in the body.
        agent: what the client calls itself. address: where it called from.
    """

    id: int
    account: str
    market: str
    version: int
    at: datetime
    kind: DownloadKind
    status: int
    bytes: int
    agent: str
    address: str


# --- asking ----------------------------------------------------------------------------------------------------------


def ask_for_build(tx: Write, account_ids: Iterable[str]) -> None:
    """Ask for builds of those of these accounts whose feed is on and follows changes, when the transaction ends."""
    wanted = sorted(account_ids)
    if not wanted:  # as for nearly every order of a seller without feeds
        return
    alive = and_(accounts.c.feed, accounts.c.stopped_at.is_(None), accounts.c.removed_at.is_(None))
    query = select(accounts.c.id, accounts.c.options).where(accounts.c.id.in_(wanted), alive)
    for account, options in tx.execute(query):
        if Options.model_validate(options).feed_on_change:
            # The same key as that of `runs.ask`, for the same reason.
            tx.defer(("1 runs", account, FEED_JOB), partial(_ask, account=account))


def _ask(tx: Write, account: str) -> None:
    runs.request(tx, account, FEED_JOB, asked_by="change of offers", delay=CHANGES_WAIT)


def listing(tx: Read, variant_ids: Iterable[int]) -> tuple[str, ...]:
    """Return the accounts whose feed is on and that list one of these variants, or a bundle made of them."""
    on = tx.execute(select(accounts.c.id).where(accounts.c.feed)).scalars().all()
    if not on:
        return ()
    found: set[str] = set()
    for part in in_parts(variant_ids):
        listed = or_(
            offers.c.variant_id.in_(part),
            offers.c.variant_id.in_(select(bundle_parts.c.bundle_id).where(bundle_parts.c.part_id.in_(part))),
        )
        found.update(tx.execute(select(offers.c.account).where(offers.c.account.in_(on), listed).distinct()).scalars())
    return tuple(sorted(found))


# --- links -----------------------------------------------------------------------------------------------------------


def ensure(tx: Write, account: str, market: str) -> FeedRow:
    """Return an account's feed in a market, made if it is not there yet."""
    tx.execute(upsert(feeds).values(account=account, market=market).on_conflict_do_nothing())
    return get(tx, account, market)


def get(tx: Read, account: str, market: str) -> FeedRow:
    """Return a feed.

    Raises:
        NotFoundHere: there is none.
    """
    found = next((feed for feed in of_account(tx, account) if feed.market == market), None)
    if found is None:
        raise NotFoundHere(f"There is no feed for the market {market!r}.", advice="Build it: `crossdock feed build`.")
    return found


def of_account(tx: Read, account: str) -> tuple[FeedRow, ...]:
    """Return an account's feeds, by market."""
    columns = [feeds.c[field.name] for field in fields(FeedRow)]
    query = select(*columns).where(feeds.c.account == account).order_by(feeds.c.market)
    return tuple(FeedRow(**row._mapping) for row in tx.execute(query))


def current(tx: Read, token: str) -> FeedFile | None:
    """Return the file behind a link; None where the link is not (any more) one, or nothing has been published."""
    joined = feeds.join(feed_versions, feed_versions.c.id == feeds.c.current_version).join(
        accounts, accounts.c.id == feeds.c.account
    )
    query = select(feeds, feed_versions).select_from(joined)
    row = tx.execute(query.where(feeds.c.token == token, accounts.c.removed_at.is_(None))).first()
    if row is None:
        return None
    found = row._mapping
    return FeedFile(
        account=found[feeds.c.account],
        market=found[feeds.c.market],
        version=found[feed_versions.c.id],
        path=found[feed_versions.c.file],
        media_type=found[feed_versions.c.media_type],
        etag=found[feed_versions.c.sha256],
        bytes=found[feed_versions.c.bytes],
        published_at=found[feed_versions.c.ended_at],
        user=found[feeds.c.user],
        password=found[feeds.c.password],
    )


def renew_link(tx: Write, account: str, market: str) -> str:
    """Give a feed a new link that nobody can guess, and return its token; the old link leads nowhere from now on."""
    ensure(tx, account, market)
    token = secrets.token_urlsafe(32)
    tx.execute(update(feeds).where(_is(feeds, account, market)).values(token=token, token_at=tx.now))
    return token


def revoke_link(tx: Write, account: str, market: str) -> None:
    """Take a feed's link away: nobody can fetch it any more."""
    tx.execute(update(feeds).where(_is(feeds, account, market)).values(token=None, token_at=tx.now))


def renew_login(tx: Write, account: str, market: str, user: str) -> str:
    """Ask who fetches a feed for this user and a new password, and return the password; it is kept as a hash only."""
    ensure(tx, account, market)
    password = secrets.token_urlsafe(24)
    values = {"user": user, "password": _hashed(password, secrets.token_hex(16))}
    tx.execute(update(feeds).where(_is(feeds, account, market)).values(**values))
    return password


def forget_login(tx: Write, account: str, market: str) -> None:
    """Let the link alone be enough."""
    tx.execute(update(feeds).where(_is(feeds, account, market)).values(user=None, password=None))


def password_fits(kept: str, given: str) -> bool:
    """Whether a password is the one whose hash is kept."""
    return hmac.compare_digest(kept, _hashed(given, kept.partition("$")[0]))


def _hashed(password: str, salt: str) -> str:
    # Nobody chooses these passwords: 24 random bytes need no slow hash, and each download has to be checked.
    return f"{salt}${hashlib.sha256((salt + password).encode(errors='surrogatepass')).hexdigest()}"


# --- versions --------------------------------------------------------------------------------------------------------


def begin_version(tx: Write, account: str, market: str) -> int:
    """Begin a build and return its number; those that never ended are told to have been broken off."""
    ensure(tx, account, market)
    lost = _is(feed_versions, account, market), feed_versions.c.state == VersionState.BUILDING.value
    values = {"state": VersionState.FAILED.value, "reason": BROKEN_OFF, "ended_at": tx.now}
    tx.execute(update(feed_versions).where(*lost).values(**values))
    row = {"account": account, "market": market, "state": VersionState.BUILDING.value, "began_at": tx.now, "counts": {}}
    return int(tx.execute(insert(feed_versions).values(**row).returning(feed_versions.c.id)).scalar_one())


def publish(
    tx: Write,
    version_id: int,
    *,
    file: str,
    media_type: str,
    rows: int,
    bytes: int,
    sha256: str,
    counts: Mapping[str, int],
) -> None:
    """Let a version be the one that is out, from the end of this transaction; the arguments are those of `Version`."""
    facts = {"file": file, "media_type": media_type, "rows": rows, "bytes": bytes, "sha256": sha256}
    _end(tx, version_id, VersionState.PUBLISHED, None, counts, **facts)
    version = get_version(tx, version_id)
    tx.execute(update(feeds).where(_is(feeds, version.account, version.market)).values(current_version=version_id))


def keep_old(tx: Write, version_id: int, reason: str, counts: Mapping[str, int]) -> None:
    """End a build that is not to go out."""
    _end(tx, version_id, VersionState.KEPT_OLD, reason, counts)


def fail(tx: Write, version_id: int, reason: str) -> None:
    """End a build that came to nothing."""
    _end(tx, version_id, VersionState.FAILED, reason, {})


def forget_version(tx: Write, version_id: int) -> None:
    """Forget a build that made no other file than the one that is out."""
    tx.execute(delete(feed_versions).where(feed_versions.c.id == version_id))


def _end(
    tx: Write, version_id: int, state: VersionState, reason: str | None, counts: Mapping[str, int], **facts: Any
) -> None:
    values = {"state": state.value, "reason": reason, "ended_at": tx.now, "counts": dict(counts), **facts}
    tx.execute(update(feed_versions).where(feed_versions.c.id == version_id).values(**values))


def get_version(tx: Read, version_id: int) -> Version:
    """Return a version.

    Raises:
        NotFoundHere: there is none with this number.
    """
    row = tx.execute(select(feed_versions).where(feed_versions.c.id == version_id)).first()
    if row is None:
        raise NotFoundHere(f"There is no version {version_id} of a feed.", advice="See `crossdock feed log`.")
    return _version(row)


def current_version(tx: Read, account: str, market: str) -> Version | None:
    """Return the version that is out; None where nothing has been published yet."""
    found = [feed.current_version for feed in of_account(tx, account) if feed.market == market]
    return get_version(tx, found[0]) if found and found[0] is not None else None


def versions(tx: Read, account: str, market: str, limit: int = 50, *, before: int | None = None) -> tuple[Version, ...]:
    """Return the builds of a feed, the newest first; `before` is the last number of the page before."""
    query = select(feed_versions).where(_is(feed_versions, account, market))
    query = query if before is None else query.where(feed_versions.c.id < before)
    return tuple(map(_version, tx.execute(query.order_by(feed_versions.c.id.desc()).limit(limit))))


def published_since(tx: Read, account: str, moment: datetime) -> tuple[Version, ...]:
    """Return an account's versions that came out at or after a moment, the oldest first."""
    query = select(feed_versions).where(
        feed_versions.c.account == account,
        feed_versions.c.state == VersionState.PUBLISHED.value,
        feed_versions.c.ended_at >= moment,
    )
    return tuple(map(_version, tx.execute(query.order_by(feed_versions.c.id))))


def with_files(tx: Read, account: str, market: str) -> tuple[Version, ...]:
    """Return the published versions whose files are still kept, the newest first."""
    query = select(feed_versions).where(_is(feed_versions, account, market), feed_versions.c.file.is_not(None))
    return tuple(map(_version, tx.execute(query.order_by(feed_versions.c.id.desc()))))


def forget_files(tx: Write, version_ids: Iterable[int]) -> None:
    """Remember that the files of these versions are not kept any more; their numbers are."""
    tx.execute(update(feed_versions).where(feed_versions.c.id.in_(sorted(version_ids))).values(file=None))


def _version(row: Row[*tuple[Any, ...]]) -> Version:
    return Version(**{**row._mapping, "state": VersionState(row.state)})


# --- downloads -------------------------------------------------------------------------------------------------------


def record_download(
    tx: Write,
    account: str,
    market: str,
    version: int,
    *,
    kind: DownloadKind,
    status: int,
    bytes: int,
    agent: str = "",
    address: str = "",
) -> None:
    """Keep that somebody fetched a version; the arguments are those of `Download`."""
    row = {"account": account, "market": market, "version": version, "at": tx.now, "kind": DownloadKind(kind)}
    about = {name: _legible(value) for name, value in (("agent", agent), ("address", address))}
    tx.execute(insert(feed_downloads).values(**row, status=status, bytes=bytes, **about))


def downloads(
    tx: Read, account: str, market: str, limit: int = 50, *, before: int | None = None
) -> tuple[Download, ...]:
    """Return downloads of a feed, the newest first; `before` is the last number of the page before."""
    query = select(feed_downloads).where(_is(feed_downloads, account, market))
    query = query if before is None else query.where(feed_downloads.c.id < before)
    return tuple(map(_download, tx.execute(query.order_by(feed_downloads.c.id.desc()).limit(limit))))


def last_whole_download(tx: Read, account: str, market: str) -> Download | None:
    """Return when a feed was last fetched in full, or found to be the one that the client has already."""
    kinds = (DownloadKind.WHOLE.value, DownloadKind.NOT_MODIFIED.value)
    query = select(feed_downloads).where(_is(feed_downloads, account, market), feed_downloads.c.kind.in_(kinds))
    row = tx.execute(query.order_by(feed_downloads.c.at.desc(), feed_downloads.c.id.desc()).limit(1)).first()
    return None if row is None else _download(row)


def _download(row: Row[*tuple[Any, ...]]) -> Download:
    return Download(**{**row._mapping, "kind": DownloadKind(row.kind)})


def _legible(text: str) -> str:
    return text[:500].encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _is(table: Any, account: str, market: str) -> Any:
    return and_(table.c.account == account, table.c.market == market)
