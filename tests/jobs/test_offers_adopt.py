"""Adoption links what is listed already: exactly, once, and aloud where it cannot."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from crossdock.core.errors import BadAnswer, ContractError, Unavailable
from crossdock.core.model import Market, Meaning, Money, PlatformStatus, ProductPage, RemoteProduct
from crossdock.core.store import Store, accounts, catalog, events, migrate, offers, runs, statuses
from crossdock.core.store.catalog import ProductDraft, VariantDraft
from crossdock.core.store.events import Level
from crossdock.core.store.offers import OfferDraft, OfferState
from crossdock.core.store.tables import offer_levels
from crossdock.core.store.tables import offers as offer_rows
from crossdock.jobs import offers as job
from crossdock.jobs import statuses as status_job
from crossdock.jobs.run import Run
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
PL, HU = Market(code="PL", country="PL", currency="PLN"), Market(code="HU", country="HU", currency="HUF")


class Platform:
    """A connector of a platform that lists these pages, and may fail before one of them."""

    def __init__(
        self, *pages: list[RemoteProduct], markets: tuple[Market, ...] = (PL, HU), by_file: bool = False
    ) -> None:
        self.pages = pages
        self.by_file = by_file
        self.facts = SimpleNamespace(markets=markets)
        self.fails_before: int | None = None
        self.asked: list[Mapping[str, Any] | None] = []

    def can(self, verb: str) -> bool:
        return verb == "build_feed" and self.by_file

    def fetch_products(self, cursor: Mapping[str, Any] | None) -> ProductPage:
        number = cursor["page"] if cursor else 0
        if number == self.fails_before:
            raise Unavailable("not now")
        self.asked.append(cursor)
        more = number + 1 < len(self.pages)
        return ProductPage(products=tuple(self.pages[number]), cursor={"page": number + 1}, more=more)


def pln(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="PLN")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    own(
        store,
        VariantDraft(
            sku="SHIRT-S",
            name="Shirt, S",
            product="SHIRT",
            gtin="5901234123457",
            price=pln("129.90"),
            attributes={"brand": "Acme", "color": "black", "size": "S", "fabric": "linen"},
        ),
        VariantDraft(sku="SHIRT-M", name="Shirt, M", product="SHIRT", attributes={"group": "G-7", "size": "M"}),
        VariantDraft(sku="CUP", name="Cup", gtin="4006381333931", price=Money(amount=Decimal(990), currency="HUF")),
        VariantDraft(sku="MUG", name="Mug", gtin="4006381333931"),
    )
    yield store
    store.close()


def own(store: Store, *drafts: VariantDraft) -> None:
    with store.write() as tx:
        codes = {draft.product for draft in drafts if draft.product}
        catalog.upsert_products(tx, [ProductDraft(code=code, name=code) for code in codes])
        catalog.upsert(tx, drafts)


@pytest.fixture
def account(store: Store) -> str:
    with store.write() as tx:
        return accounts.create(tx, name="shop-pl", platform="shop", settings={}, options={}).id


def attempt(store: Store, account: str, platform: Any, name: str = job.JOB) -> Run:
    with store.write() as tx:
        number = runs.request(tx, account, name, asked_by="test")
        (record,) = runs.claim(tx, "test", run_id=number)
    return Run(store, record, lambda account: platform)


def adopt(store: Store, account: str, platform: Platform) -> dict[str, int]:
    run = attempt(store, account, platform)
    job.adopt(run)
    end(store, run)
    return {name: number for name, number in run.counts.items() if number}


def end(store: Store, run: Run) -> None:
    with store.write() as tx:
        runs.finish(tx, runs.get(tx, run.id), runs.RunState.DONE, counts=run.counts)


def listed(store: Store, account: str) -> dict[str, offers.OfferRow]:
    with store.read() as tx:
        return {row.remote_id or "": row for row in offers.list(tx, account, limit=1000)}


def told(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as tx:
        return [(event.level.value, event.code, event.item) for event in reversed(events.list(tx, limit=1000))]


def product(remote_id: str, **values: Any) -> RemoteProduct:
    return RemoteProduct(remote_id=remote_id, **{"market": "PL", **values})


# --- linking ---------------------------------------------------------------------------------------------------------


def test_a_listing_is_linked_by_sku_then_by_gtin(store: Store, account: str) -> None:
    page = [
        product("r1", sku="SHIRT-S", gtin="4006381333931"),
        product("r2", sku="unknown", gtin="05901234123457", market="HU"),
        product("r3", sku="SHIRT-M", scope="outlet"),
    ]
    assert adopt(store, account, Platform(page)) == {"seen": 3, "added": 3}
    rows = listed(store, account)
    assert {remote: (row.sku, row.market, row.scope, row.state) for remote, row in rows.items()} == {
        "r1": ("SHIRT-S", "PL", "", OfferState.LISTED),
        "r2": ("SHIRT-S", "HU", "", OfferState.LISTED),
        "r3": ("SHIRT-M", "PL", "outlet", OfferState.LISTED),
    }
    assert told(store) == []
    with store.read() as tx:
        levels = tx.execute(select(offer_levels.c.offer_id, offer_levels.c.state, offer_levels.c.account)).all()
    assert sorted(levels) == sorted((row.id, "pending", account) for row in rows.values())


def test_a_known_listing_stays_with_its_variant(store: Store, account: str) -> None:
    adopt(store, account, Platform([product("r1", sku="SHIRT-S")]))
    again = [product("r1", sku="SHIRT-M", gtin="4006381333931")]
    assert adopt(store, account, Platform(again)) == {"seen": 1, "unchanged": 1}
    assert listed(store, account)["r1"].sku == "SHIRT-S"


def test_what_is_ambiguous_or_unmatched_is_told_and_not_guessed(store: Store, account: str) -> None:
    page = [
        product("r1", gtin="4006381333931", name="Cup or mug"),
        product("r2", sku="shirt-s"),
        product("r3"),
        product("r4", sku="CUP"),
        product("r5", sku="CUP"),
    ]
    assert adopt(store, account, Platform(page)) == {"seen": 5, "added": 1, "failed": 4}
    assert list(listed(store, account)) == ["r4"]
    assert told(store) == [
        ("warning", "offer_ambiguous", "r1"),
        ("warning", "offer_unmatched", "r2"),
        ("warning", "offer_unmatched", "r3"),
        ("warning", "offer_ambiguous", "r5"),
    ]
    with store.read() as tx:
        said = {event.item: (event.message, event.advice) for event in events.list(tx)}
    assert said["r1"][0] == (
        "Listing r1 'Cup or mug' (GTIN 4006381333931) has a GTIN that several variants share: CUP, MUG."
    )
    assert said["r2"][0] == "Listing r2 (SKU shirt-s) is none of the variants in the catalogue."
    assert said["r3"][0].startswith("Listing r3 (without SKU and GTIN)")
    assert said["r5"][0] == "Listing r5 (SKU CUP) is 'CUP', and that is linked to listing r4 already."
    assert all(advice for _, advice in said.values())


def test_a_place_is_free_again_once_its_listing_ended(store: Store, account: str) -> None:
    adopt(store, account, Platform([product("r1", sku="CUP")]))
    assert adopt(store, account, Platform([product("r2", sku="CUP")])) == {"seen": 1, "failed": 1}
    with store.write() as tx:
        (row,) = offers.list(tx, account)
        ended = OfferDraft(market="PL", variant_id=row.variant_id, remote_id="r1", state=OfferState.ENDED)
        offers.upsert(tx, account, [ended])
    assert adopt(store, account, Platform([product("r2", sku="CUP")])) == {"seen": 1, "changed": 1}
    assert {remote: row.state for remote, row in listed(store, account).items()} == {"r2": OfferState.LISTED}


def test_a_remote_id_of_two_variants_is_ambiguous(store: Store, account: str) -> None:
    adopt(store, account, Platform([product("r1", sku="CUP"), product("r2", sku="MUG")]))
    with store.write() as tx:
        tx.execute(delete(offer_levels))
        tx.execute(offer_rows.update().values(remote_id="r1"))
    assert adopt(store, account, Platform([product("r1", sku="CUP")])) == {"seen": 1, "failed": 1}
    assert told(store) == [("warning", "offer_ambiguous", "r1")]


def test_accounts_do_not_share_listings(store: Store, account: str) -> None:
    with store.write() as tx:
        other = accounts.create(tx, name="shop-hu", platform="shop", settings={}, options={}).id
    adopt(store, account, Platform([product("r1", sku="CUP")]))
    assert adopt(store, other, Platform([product("r1", sku="MUG")])) == {"seen": 1, "added": 1}
    assert [row.sku for row in (*listed(store, account).values(), *listed(store, other).values())] == ["CUP", "MUG"]


# --- keys and prices -------------------------------------------------------------------------------------------------


def test_keys_are_the_platforms_then_the_last_then_the_variants(store: Store, account: str) -> None:
    page = [product("r1", sku="SHIRT-S", keys={"color": "Black", "style": "x"}), product("r2", sku="SHIRT-M")]
    adopt(store, account, Platform(page))
    rows = listed(store, account)
    assert rows["r1"].keys == {"group": "SHIRT", "brand": "Acme", "color": "Black", "size": "S", "style": "x"}
    assert rows["r2"].keys == {"group": "G-7", "size": "M"}
    own(store, VariantDraft(sku="SHIRT-M", name="M", product="SHIRT", attributes={"size": "XL", "color": "red"}))
    adopt(store, account, Platform([product("r1", sku="SHIRT-S", keys={"style": "y"}), product("r2")]))
    rows = listed(store, account)
    assert rows["r1"].keys == {"group": "SHIRT", "brand": "Acme", "color": "Black", "size": "S", "style": "y"}
    assert rows["r2"].keys == {"group": "G-7", "size": "M", "color": "red"}


def test_the_price_that_stands_there_is_the_platforms_else_the_catalogues(store: Store, account: str) -> None:
    page = [
        product("r1", sku="SHIRT-S", price=pln("119.00")),
        product("r2", sku="SHIRT-S", scope="outlet"),
        product("r3", sku="SHIRT-S", market="HU"),
        product("r4", sku="CUP", market="HU"),
        product("r5", sku="SHIRT-M"),
    ]
    adopt(store, account, Platform(page))
    huf = Money(amount=Decimal(990), currency="HUF")
    prices = {remote: row.exported_price for remote, row in listed(store, account).items()}
    assert prices == {"r1": pln("119.00"), "r2": pln("129.90"), "r3": None, "r4": huf, "r5": None}
    assert listed(store, account)["r1"].exported_at == NOW
    own(store, VariantDraft(sku="SHIRT-S", name="S", product="SHIRT", price=pln("99.00")))
    store.clock.sleep(60)
    page[0] = product("r1", sku="SHIRT-S", price=pln("125.00"))
    assert adopt(store, account, Platform(page)) == {"seen": 5, "changed": 1, "unchanged": 4}
    rows = listed(store, account)
    assert (rows["r1"].exported_price, rows["r1"].exported_at) == (pln("125.00"), store.clock.now())
    assert (rows["r2"].exported_price, rows["r2"].exported_at) == (pln("129.90"), NOW)


def test_the_only_market_needs_no_name(store: Store, account: str) -> None:
    page = [product("r1", sku="SHIRT-S", market=""), product("r2", sku="CUP", market="")]
    adopt(store, account, Platform(page, markets=(PL,)))
    rows = listed(store, account)
    assert (rows["r1"].exported_price, rows["r2"].exported_price) == (pln("129.90"), None)


def test_a_market_that_the_plugin_does_not_know_takes_the_catalogues_price(store: Store, account: str) -> None:
    adopt(store, account, Platform([product("r1", sku="SHIRT-S", market="SE")]))
    assert listed(store, account)["r1"].exported_price == pln("129.90")


# --- pages -----------------------------------------------------------------------------------------------------------


def pages(number: int) -> list[list[RemoteProduct]]:
    skus = ["SHIRT-S", "SHIRT-M", "CUP", "MUG"]
    return [[product(f"r{index}", sku=skus[index % 4], scope=str(index // 4))] for index in range(number)]


def test_pages_follow_the_cursor_and_the_next_run_begins_anew(store: Store, account: str) -> None:
    platform = Platform(*pages(3))
    assert adopt(store, account, platform) == {"seen": 3, "added": 3}
    assert adopt(store, account, platform) == {"seen": 3, "unchanged": 3}
    assert platform.asked == [None, {"page": 1}, {"page": 2}] * 2


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(breaks=st.lists(st.integers(1, 4), max_size=3, unique=True))
def test_an_interrupted_run_goes_on_and_doubles_nothing(store: Store, account: str, breaks: list[int]) -> None:
    with store.write() as tx:
        tx.execute(delete(offer_levels))
        tx.execute(delete(offer_rows))
    platform = Platform(*pages(4), [product("lost")])
    run = attempt(store, account, platform)
    for page in sorted(breaks):
        platform.fails_before = page
        with pytest.raises(Unavailable):
            job.adopt(run)
        with store.write() as tx:
            runs.retry(tx, runs.get(tx, run.id), delay=0, error="not now")
        run = attempt(store, account, platform)
        assert run.resume_from == {"cursor": {"page": page}}
    platform.fails_before = None
    job.adopt(run)
    end(store, run)
    assert platform.asked == [None, *({"page": page} for page in range(1, 5))]
    assert run.counts == {"seen": 5, "added": 4, "changed": 0, "unchanged": 0, "failed": 1}
    assert sorted(listed(store, account)) == ["r0", "r1", "r2", "r3"]


def test_an_endless_page_is_noticed(store: Store, account: str) -> None:
    class Endless(Platform):
        def fetch_products(self, cursor: Mapping[str, Any] | None) -> ProductPage:
            return ProductPage(products=(), cursor={"page": 1}, more=True)

    with pytest.raises(ContractError, match="where it was already"):
        job.adopt(attempt(store, account, Endless()))


def test_many_failures_are_summed_up(store: Store, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "EVENTS_PER_RUN", 3)
    lost = [[product("a"), product("b")], [product("c"), product("d")], [product("e")]]
    assert adopt(store, account, Platform(*lost)) == {"seen": 5, "failed": 5}
    assert [item for _, _, item in told(store)] == ["a", "b", "c", ""]
    with store.read() as tx:
        (last,) = events.list(tx, limit=1)
    assert (last.level, last.code) == (Level.WARNING, "offers_not_linked")
    assert "5 listings could not be linked; 3 of them" in last.message


# --- the job `statuses` ----------------------------------------------------------------------------------------------


def test_the_platforms_statuses_are_kept(store: Store, account: str) -> None:
    listed = (PlatformStatus(code="new", label="New", meaning=Meaning.NEW), PlatformStatus(code="x", label="X"))
    run = attempt(store, account, SimpleNamespace(map_status=lambda: listed), status_job.JOB)
    status_job.refresh(run)
    assert run.counts == {"seen": 2, "added": 2, "changed": 0, "unchanged": 0, "failed": 0}
    with store.read() as tx:
        assert tuple(statuses.list_platform(tx, account)) == listed
    with pytest.raises(BadAnswer, match="no order status at all"):
        status_job.refresh(Run(store, run._record, lambda account: SimpleNamespace(map_status=lambda: ())))
    with store.read() as tx:
        assert len(statuses.list_platform(tx, account)) == 2


# --- offers that were made here for an offers file -------------------------------------------------------------------


def made_here(store: Store, account: str, sku: str, state: OfferState = OfferState.LISTED) -> int:
    with store.write() as tx:
        variant = catalog.ids_by_sku(tx, [sku])[sku]
        draft = OfferDraft(market="PL", variant_id=variant, state=state)
        return offers.upsert(tx, account, [draft])[draft.place].id


def shirt_in(scope: str, *, remote_id: str = "r1") -> RemoteProduct:
    return RemoteProduct(remote_id=remote_id, market="PL", scope=scope, sku="SHIRT-S")


def test_an_offer_made_here_and_the_platforms_listing_of_it_are_one(store: Store, account: str) -> None:
    number = made_here(store, account, "SHIRT-S")
    platform = Platform([shirt_in("7")], by_file=True)
    assert adopt(store, account, platform)["changed"] == 1
    with store.read() as tx:
        (row,) = offers.list(tx, account)
        assert (row.id, row.scope, row.remote_id, row.state) == (number, "7", "r1", OfferState.LISTED)
        assert tx.execute(select(offer_levels.c.offer_id)).scalars().all() == [number]
    assert adopt(store, account, platform)["unchanged"] == 1


def test_what_was_given_by_hand_to_an_offer_made_here_stays_when_it_is_adopted(store: Store, account: str) -> None:
    number = made_here(store, account, "SHIRT-S")
    with store.write() as tx:
        offers.set_own(tx, [replace(offers.get(tx, number), own={"title": "Linen"})])
    for page in ([shirt_in("7")], [shirt_in("7")], [shirt_in("8", remote_id="r2"), shirt_in("7")]):
        adopt(store, account, Platform(page, by_file=True))
    with store.read() as tx:
        found = {row.scope: (row.id, row.own) for row in offers.list(tx, account)}
    assert (found["7"], found["8"][1]) == ((number, {"title": "Linen"}), {})


def test_one_offer_made_here_is_not_the_listing_of_two_shops(store: Store, account: str) -> None:
    number = made_here(store, account, "SHIRT-S")
    adopt(store, account, Platform([shirt_in("7"), shirt_in("8", remote_id="r2"), shirt_in("7")], by_file=True))
    with store.read() as tx:
        found = {(row.scope, row.remote_id): row.id for row in offers.list(tx, account)}
    assert set(found) == {("7", "r1"), ("8", "r2")}
    assert found["7", "r1"] == number


@pytest.mark.parametrize(("by_file", "state"), [(True, OfferState.ENDED), (False, OfferState.LISTED)])
def test_an_offer_ended_here_stays_so_where_the_offers_file_says_what_is_listed(
    store: Store, account: str, by_file: bool, state: OfferState
) -> None:
    adopt(store, account, Platform([shirt_in("7")], by_file=by_file))
    with store.write() as tx:
        (row,) = offers.list(tx, account)
        draft = OfferDraft(
            market=row.market, scope=row.scope, variant_id=row.variant_id, remote_id="r1", state=OfferState.ENDED
        )
        offers.upsert(tx, account, [draft])
    adopt(store, account, Platform([shirt_in("7")], by_file=by_file))
    with store.read() as tx:
        assert [row.state for row in offers.list(tx, account)] == [state]
