"""Offers: one for each place and variant of an account, written where they changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from crossdock.core.errors import NotFoundHere
from crossdock.core.model import Money
from crossdock.core.store import Store, accounts, catalog, marks, migrate, offers
from crossdock.core.store.catalog import Change, VariantDraft
from crossdock.core.store.offers import OfferDraft, OfferState
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture
def account(store: Store) -> str:
    return add_account(store, "shop-pl")


def add_account(store: Store, name: str) -> str:
    with store.write() as tx:
        return accounts.create(tx, name=name, platform="shop", settings={}, options={}).id


def variants(store: Store, *skus: str) -> list[int]:
    with store.write() as tx:
        return [row.id for row in catalog.upsert(tx, [VariantDraft(sku=sku, name=sku) for sku in skus]).values()]


def put(store: Store, account: str, *drafts: OfferDraft) -> list[Change]:
    with store.write() as tx:
        done = offers.upsert(tx, account, drafts)
    return [done[draft.place].change for draft in drafts]


def test_an_offer_is_added_changed_and_left_alone(store: Store, account: str) -> None:
    (cup,) = variants(store, "CUP")
    draft = OfferDraft(market="PL", scope="1", variant_id=cup, remote_id="r1", keys={"size": "S"})
    assert put(store, account, draft) == [Change.ADDED]
    assert put(store, account, draft) == [Change.UNCHANGED]
    for changed in (
        replace(draft, remote_id=None),
        replace(draft, keys={"size": "M"}),
        replace(draft, state=OfferState.ENDED),
    ):
        assert put(store, account, changed) == [Change.UPDATED]
        assert put(store, account, changed) == [Change.UNCHANGED]
    with store.read() as tx:
        (row,) = offers.list(tx, account)
        assert offers.get(tx, row.id) == row
        with pytest.raises(NotFoundHere, match="no offer 99"):
            offers.get(tx, 99)
    assert (row.sku, row.market, row.scope, row.remote_id, row.keys) == ("CUP", "PL", "1", "r1", {"size": "S"})
    assert (row.state, row.exported_price, row.exported_at) == (OfferState.ENDED, None, None)


def test_a_variant_is_offered_once_in_each_place(store: Store, account: str) -> None:
    cup, plate = variants(store, "CUP", "PLATE")
    other = add_account(store, "shop-hu")
    places = [("PL", "1"), ("PL", "2"), ("HU", "1")]
    drafts = [OfferDraft(market=m, scope=s, variant_id=v, remote_id="r") for m, s in places for v in (cup, plate)]
    assert put(store, account, *drafts) == [Change.ADDED] * 6
    assert put(store, other, drafts[0]) == [Change.ADDED]
    assert put(store, account, *drafts[:2], OfferDraft(market="HU", scope="2", variant_id=cup)) == [
        Change.UNCHANGED,
        Change.UNCHANGED,
        Change.ADDED,
    ]
    with store.read() as tx:
        assert len(offers.list(tx, account)) == 7
        assert [row.place for row in offers.list(tx, account, market="HU")] == sorted(
            draft.place for draft in (*drafts[4:], OfferDraft(market="HU", scope="2", variant_id=cup))
        )
        found = offers.by_remote(tx, account, ["r", "s"])
        assert list(found) == ["r"]
        assert len(found["r"]) == 6
        assert {row.account for row in offers.of_variants(tx, other, [cup])} == {other}


def test_numbers_belong_to_their_places(store: Store, account: str) -> None:
    """Also when the database answers a bulk insert in an order of its own."""
    numbers = variants(store, *(f"SKU-{number:04}" for number in range(1500)))
    drafts = [OfferDraft(market="PL", variant_id=number, remote_id=str(number)) for number in reversed(numbers)]
    with store.write() as tx:
        done = offers.upsert(tx, account, drafts)
    with store.read() as tx:
        rows = offers.list(tx, account, limit=2000)
    assert {row.place: row.id for row in rows} == {place: item.id for place, item in done.items()}


def test_pages_follow_each_other_and_can_be_narrowed(store: Store, account: str) -> None:
    numbers = variants(store, *(f"SKU-{number}" for number in range(7)))
    put(store, account, *(OfferDraft(market="PL", variant_id=number) for number in numbers))
    put(store, account, OfferDraft(market="PL", variant_id=numbers[3], state=OfferState.ENDED))
    seen: list[int] = []
    with store.read() as tx:
        while page := offers.list(tx, account, after=seen[-1] if seen else 0, limit=3):
            seen.extend(row.id for row in page)
        assert len(offers.list(tx, account, state=OfferState.LISTED)) == 6
        assert len(offers.list(tx, account, state=OfferState.ENDED, market="PL")) == 1
    assert seen == sorted(seen)
    assert len(seen) == 7


def test_what_is_given_by_hand_stays_whatever_becomes_of_the_listing(store: Store, account: str) -> None:
    cup, plate = variants(store, "CUP", "PLATE")
    draft = OfferDraft(market="PL", variant_id=cup)
    put(store, account, draft, OfferDraft(market="PL", variant_id=plate))
    with store.write() as tx:
        first, second = offers.list(tx, account)
        marks.take_off(tx, account, marks.take(tx, account, limit=10))
        offers.set_own(tx, [])
        assert (first.own, second.own) == ({}, {})
        offers.set_own(tx, [replace(first, own={"title": "Żółty", "gender": "F"})])
    with store.read() as tx:
        assert list(marks.take(tx, account, limit=10)) == [cup]
    with store.write() as tx:
        offers.move(tx, {first.id: "7"})
    for state in (OfferState.ENDED, OfferState.LISTED):
        changed = replace(draft, scope="7", state=state, remote_id="r1", keys={"size": "M"})
        assert put(store, account, changed) == [Change.UPDATED]
        with store.read() as tx:
            assert [row.own for row in offers.list(tx, account)] == [{"title": "Żółty", "gender": "F"}, {}]


def test_the_exported_price_is_remembered_with_its_time(store: Store, account: str) -> None:
    cup, plate = variants(store, "CUP", "PLATE")
    put(store, account, OfferDraft(market="PL", variant_id=cup), OfferDraft(market="PL", variant_id=plate))
    store.clock.sleep(60)
    price = Money(amount=Decimal("12.3456"), currency="PLN")
    with store.write() as tx:
        first, second = offers.list(tx, account)
        offers.set_exported_price(tx, {first.id: price})
        offers.set_exported_price(tx, {})
    with store.read() as tx:
        told, untold = offers.list(tx, account)
    assert (told.exported_price, told.exported_at) == (price, store.clock.now())
    assert untold == second
    assert put(store, account, OfferDraft(market="PL", variant_id=cup, keys={"size": "S"})) == [Change.UPDATED]
    with store.read() as tx:
        assert offers.get(tx, told.id).exported_price == price
