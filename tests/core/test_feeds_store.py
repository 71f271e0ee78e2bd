"""Links, logins, versions and downloads of offers files, as the store keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from crossdock.core.errors import NotFoundHere
from crossdock.core.model import FaultCode, FieldFault
from crossdock.core.store import Store, accounts, catalog, feed_rows, feeds, offers, tables
from crossdock.core.store.feed_rows import Effect
from crossdock.core.store.feeds import DownloadKind, VersionState
from crossdock.core.store.offers import OfferDraft
from crossdock.twins.kit import VirtualClock


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url, clock=VirtualClock(datetime(2026, 11, 2, 8, tzinfo=UTC)))
    tables.metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def account(store: Store) -> str:
    with store.write() as tx:
        return accounts.create(tx, name="shop", platform="google", settings={}, options={}).id


def publish(store: Store, account: str, *, market: str = "pl") -> int:
    with store.write() as tx:
        number = feeds.begin_version(tx, account, market)
        facts = {"file": f"{account}/{market}/{number}.tsv", "media_type": "text/plain", "sha256": "ab"}
        feeds.publish(tx, number, rows=1, bytes=10, counts={"new": 1}, **facts)
        return number


def test_a_link_leads_to_the_version_that_is_out(store: Store, account: str) -> None:
    with store.write() as tx:
        token = feeds.renew_link(tx, account, "pl")
        assert feeds.current(tx, token) is None, "nothing is out yet"
    number = publish(store, account)
    with store.write() as tx:
        feeds.begin_version(tx, account, "pl")
        file = feeds.current(tx, token)
    assert file is not None
    assert (file.account, file.market, file.version, file.user) == (account, "pl", number, None)
    assert (file.path, file.etag, file.bytes) == (f"{account}/pl/{number}.tsv", "ab", 10)


def test_a_renewed_or_revoked_link_leads_nowhere(store: Store, account: str) -> None:
    publish(store, account)
    with store.write() as tx:
        first = feeds.renew_link(tx, account, "pl")
        second = feeds.renew_link(tx, account, "pl")
        assert (feeds.current(tx, first), feeds.current(tx, second) is None) == (None, False)
        assert len(second) >= 43
        feeds.revoke_link(tx, account, "pl")
        assert feeds.current(tx, second) is None
        assert feeds.get(tx, account, "pl").token is None


def test_a_removed_account_has_no_link(store: Store, account: str) -> None:
    publish(store, account)
    with store.write() as tx:
        token = feeds.renew_link(tx, account, "pl")
        accounts.remove(tx, account)
        assert feeds.current(tx, token) is None


def test_a_password_is_kept_as_a_hash_only(store: Store, account: str) -> None:
    publish(store, account)
    with store.write() as tx:
        token = feeds.renew_link(tx, account, "pl")
        password = feeds.renew_login(tx, account, "pl", "miinto")
        other = feeds.renew_login(tx, account, "pl", "miinto")
        file = feeds.current(tx, token)
    assert file is not None
    assert (file.user, password in str(file), other in str(file)) == ("miinto", False, False)
    fits = [feeds.password_fits(str(file.password), given) for given in (other, password, "", "ż")]
    assert fits == [True, False, False, False]


def test_downloads_are_told_newest_first_and_the_last_whole_one(store: Store, account: str) -> None:
    with store.write() as tx:
        for kind, sent in ((DownloadKind.WHOLE, 10), (DownloadKind.HEAD, 0), (DownloadKind.ABORTED, 4)):
            about = {"agent": "Fetcher\x00\ud800" + "x" * 900, "address": "127.0.0.1"}
            feeds.record_download(tx, account, "pl", 1, kind=kind, status=200, bytes=sent, **about)
    with store.read() as tx:
        found = feeds.downloads(tx, account, "pl", 2)
        assert [download.kind for download in found] == ["aborted", "head"]
        assert len(found[0].agent) <= 520
        assert [download.kind for download in feeds.downloads(tx, account, "pl", before=found[1].id)] == ["whole"]
        last = feeds.last_whole_download(tx, account, "pl")
        assert last is not None
        assert (last.kind, last.bytes) == ("whole", 10)
        assert feeds.last_whole_download(tx, account, "se") is None


def test_a_build_that_never_ended_is_told_by_the_next(store: Store, account: str) -> None:
    with store.write() as tx:
        first = feeds.begin_version(tx, account, "pl")
    with store.write() as tx:
        feeds.begin_version(tx, account, "pl")
        lost = feeds.get_version(tx, first)
    assert (lost.state, lost.reason) == (VersionState.FAILED, feeds.BROKEN_OFF)


def test_versions_are_told_newest_first(store: Store, account: str) -> None:
    numbers = [publish(store, account) for _ in range(3)]
    with store.write() as tx:
        feeds.forget_files(tx, numbers[:1])
        assert [version.id for version in feeds.versions(tx, account, "pl", 2)] == numbers[:0:-1]
        assert [version.id for version in feeds.versions(tx, account, "pl", before=numbers[1])] == numbers[:1]
        assert [version.id for version in feeds.with_files(tx, account, "pl")] == numbers[:0:-1]


def test_what_is_not_there_is_named(store: Store, account: str) -> None:
    with store.read() as tx, pytest.raises(NotFoundHere, match="no feed for the market 'se'"):
        feeds.get(tx, account, "se")
    with store.read() as tx, pytest.raises(NotFoundHere, match="no version 99"):
        feeds.get_version(tx, 99)


def test_faults_are_replaced_and_filtered(store: Store, account: str) -> None:
    with store.write() as tx:
        variants = catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku) for sku in ("A", "B")])
        drafts = [OfferDraft(market="pl", variant_id=variant.id) for variant in variants.values()]
        first, second = (found.id for found in offers.upsert(tx, account, drafts).values())
        missing = FieldFault(code=FaultCode.MISSING, field="brand", remedy="Give it one.")
        long = FieldFault(code=FaultCode.TOO_LONG, field="title", value="x", remedy="Shorten it.")
        feed_rows.tell(tx, account, "pl", {first: (Effect.LEFT_OUT, (missing, long))})
        feed_rows.tell(tx, account, "pl", {second: (Effect.KEPT_BACK, (long,))})
    with store.write() as tx:
        told = feed_rows.told(tx, account, "pl", after=0, upto=first)
        assert told == {first: (Effect.LEFT_OUT, (missing, long))}
        by_code = feed_rows.faults(tx, account, "pl", code=FaultCode.TOO_LONG)
        assert [(found.sku, found.effect) for _, found in by_code] == [("A", "left_out"), ("B", "kept_back")]
        assert [found.sku for _, found in feed_rows.faults(tx, account, "pl", effect=Effect.KEPT_BACK)] == ["B"]
        assert [found.fault.code for _, found in feed_rows.faults(tx, account, "pl", sku="A")] == [
            "missing",
            "too_long",
        ]
        assert feed_rows.fault_counts(tx, account, "pl") == {
            (FaultCode.MISSING, Effect.LEFT_OUT): 1,
            (FaultCode.TOO_LONG, Effect.LEFT_OUT): 1,
            (FaultCode.TOO_LONG, Effect.KEPT_BACK): 1,
        }
        feed_rows.tell(tx, account, "pl", {first: None})
        assert list(feed_rows.told(tx, account, "pl", after=0, upto=None)) == [second]
