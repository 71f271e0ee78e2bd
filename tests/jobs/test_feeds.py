"""What stands in an offers file, what does not and why, and what a new version takes to be out."""

from __future__ import annotations

import base64
import errno
import shutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from feed_shop import START, FeedShop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

import crossdock
from crossdock.core.model import FaultCode, FieldFault, Money
from crossdock.core.store import feed_rows, feeds, offers, resolved, tables
from crossdock.core.store.feeds import VersionState
from crossdock.core.store.offers import OfferState
from crossdock.feeds.files import Output
from crossdock.hub import Hub
from crossdock.plugins.miinto import feed as miinto_feed
from crossdock.twins.kit import VirtualClock

STOCK = "c:stock_level:integer"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def hub(database_url: str, tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("CROSSDOCK_TEST_KEY", base64.b64encode(bytes(32)).decode())
    with crossdock.init(tmp_path / "hub", database_url, "env:CROSSDOCK_TEST_KEY", clock=clock) as opened:
        yield opened


@pytest.fixture
def shop(hub: Hub) -> FeedShop:
    return FeedShop(hub, "miinto")


def test_the_file_says_what_was_resolved_and_what_can_be_sold(shop: FeedShop) -> None:
    shop.list("A-1", units=7, description='The "best" shirt,\nwith\ttabs')
    shop.list("A-2", units=0)
    assert shop.build().state == "done"
    assert list(shop.rows()) == ["A-1", "A-2"]
    row = shop.rows()["A-1"]
    assert row["description"] == 'The "best" shirt, with tabs'
    assert row["material"] == '{"en_EN.utf8":"Linen 100%"}'
    assert (row[STOCK], shop.rows()["A-2"][STOCK]) == ("7", "0")
    assert shop.out().counts == {
        "new": 2,
        "changed": 0,
        "unchanged": 0,
        "removed": 0,
        "left_out": 0,
        "kept_back": 0,
        "not_in_market": 0,
    }


def test_a_build_with_nothing_new_makes_no_version(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    before = shop.out()
    record = shop.build()
    assert (record.state, record.counts["unchanged"], record.counts["changed"]) == ("done", 1, 0)
    assert shop.versions() == (before,)


def test_what_changed_is_told_apart_from_what_did_not(shop: FeedShop) -> None:
    for number in range(4):
        shop.list(f"A-{number}")
    shop.build()
    shop.resolve("A-1", description="Another shirt")
    shop.count("A-2", 3)
    shop.list("A-4")
    shop.build()
    counts = shop.out().counts
    assert (counts["new"], counts["changed"], counts["unchanged"]) == (1, 2, 2)
    assert shop.rows()["A-1"]["description"] == "Another shirt"
    assert shop.rows()["A-2"][STOCK] == "3"


def test_the_same_offers_make_the_same_bytes_whether_they_are_copied_or_made_anew(shop: FeedShop) -> None:
    for number in range(40):
        shop.list(f"A-{number:02}")
    shop.build()
    shop.count("A-07", 1)
    shop.build()
    copied = shop.bytes()
    assert shop.build(force=True).counts["unchanged"] == 0, "force copies nothing"
    assert shop.bytes() == copied
    assert len(shop.versions()) == 2


# --- left out, kept back ---------------------------------------------------------------------------------------------


def test_what_is_wrong_leaves_an_offer_out_with_its_remedy(shop: FeedShop) -> None:
    shop.list("good")
    shop.list("no-brand", brand="")
    shop.list("bad-url", image_link="https://img.example.com/a b.jpg")
    shop.list("uncounted", units=None)
    shop.list("free", **{"c:retail_price_PLN:integer": "0"})
    shop.build()
    assert list(shop.rows()) == ["good"]
    assert shop.faults() == {
        "no-brand": [("left_out", "missing", "brand")],
        "bad-url": [("left_out", "bad_url", "image_link")],
        "uncounted": [("left_out", "no_stock", STOCK)],
        "free": [
            ("left_out", "bad_format", "c:retail_price_PLN:integer"),
            ("left_out", "bad_format", "c:discount_retail_price_PLN:integer"),
        ],
    }
    assert all(wrong.fault.remedy for wrong in shop.all_faults())
    shop.resolve("no-brand")
    shop.build()
    assert "no-brand" in shop.rows()
    assert "no-brand" not in shop.faults()


def test_what_resolving_found_wrong_counts_and_is_not_told_twice(shop: FeedShop) -> None:
    shop.list("good")
    shop.list("A-1")
    broken = FieldFault(code=FaultCode.BAD_RULE, field="brand", remedy="Mend the rule.")
    shop.resolve("A-1", [broken], brand="")
    shop.build()
    assert shop.faults() == {"A-1": [("left_out", "bad_rule", "brand")]}


def test_an_offer_that_nobody_resolved_is_told(shop: FeedShop) -> None:
    shop.list("good")
    shop.list("A-1")
    with shop.hub.store.write() as tx:
        found = select(tables.resolved_offers.c.offer_id).order_by(tables.resolved_offers.c.offer_id.desc())
        last = tx.scalar(found)
        tx.execute(tables.resolved_offers.delete().where(tables.resolved_offers.c.offer_id == last))
    shop.build()
    assert shop.faults() == {"A-1": [("left_out", "not_resolved", "")]}


def test_a_live_offer_that_turns_faulty_keeps_its_last_valid_row_with_its_stock_of_now(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    shop.resolve("A-1", description="")
    shop.count("A-1", 2)
    shop.build()
    row = shop.rows()["A-1"]
    assert (row["description"], row[STOCK]) == ("A light shirt", "2")
    assert shop.faults() == {"A-1": [("kept_back", "missing", "description")]}
    assert shop.out().counts["kept_back"] == 1
    shop.resolve("A-1", description="A new shirt")
    shop.build()
    assert shop.rows()["A-1"]["description"] == "A new shirt"
    assert shop.faults() == {}


def test_a_frozen_field_keeps_the_old_row(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    shop.resolve("A-1", color="Black", description="Changed")
    shop.build()
    assert (shop.rows()["A-1"]["color"], shop.rows()["A-1"]["description"]) == ("White", "A light shirt")
    (wrong,) = shop.all_faults()
    assert (wrong.effect.value, wrong.fault.code.value, wrong.fault.value) == ("kept_back", "frozen", "White -> Black")


def test_a_live_offer_whose_stock_nobody_knows_any_more_stays_as_it_is_and_is_told(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    with shop.hub.store.write() as tx:
        tx.execute(tables.stock.update().values(counted_at=None))
    shop.build()
    assert shop.rows()["A-1"][STOCK] == "5"
    assert shop.faults() == {"A-1": [("kept_back", "no_stock", STOCK)]}


def test_two_offers_cannot_have_the_same_key_and_the_live_one_stays(shop: FeedShop) -> None:
    shop.list("first", item_group_id="G", description="")
    shop.list("second", item_group_id="G")
    shop.build()
    assert list(shop.rows()) == ["second"]
    shop.resolve("first", item_group_id="G")
    shop.build()
    assert list(shop.rows()) == ["second"]
    assert shop.faults() == {"first": [("left_out", "not_unique", "item_group_id")]}


def test_a_new_rule_is_applied_to_what_is_out_already(shop: FeedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.list("A-1")
    shop.list("A-2", brand="Other")
    shop.build()
    monkeypatch.setattr(miinto_feed, "KEY", ("color",))
    monkeypatch.setattr(miinto_feed, "check", no_acme)
    shop.build()
    # What must be unique is reckoned in another way, so one of the two has to go; the faulty one is kept as it was.
    assert list(shop.rows()) == ["A-1"]
    assert shop.faults() == {
        "A-1": [("kept_back", "bad_format", "brand")],
        "A-2": [("left_out", "not_unique", "color")],
    }


def no_acme(offer: dict[str, str]) -> Iterator[FieldFault]:
    if offer["brand"] == "Acme":
        yield FieldFault(code=FaultCode.BAD_FORMAT, field="brand", remedy="Another brand.")


# --- ending ----------------------------------------------------------------------------------------------------------


def test_an_ended_offer_goes_out_with_stock_0_for_a_while_and_then_leaves(shop: FeedShop, clock: VirtualClock) -> None:
    shop.list("A-1")
    shop.list("A-2")
    shop.build()
    shop.set_state("A-1", OfferState.ENDED)
    shop.build()
    assert shop.rows()["A-1"][STOCK] == "0"
    clock.advance((miinto_feed.AFTER_END - timedelta(minutes=1)).total_seconds())
    shop.build()
    assert shop.rows()["A-1"][STOCK] == "0"
    clock.advance(60)
    shop.build()
    assert list(shop.rows()) == ["A-2"]
    assert shop.out().counts["removed"] == 1
    shop.set_state("A-1", OfferState.LISTED)
    shop.resolve("A-1", color="Black")
    shop.build()
    assert shop.rows()["A-1"]["color"] == "Black", "what left the file may come back as something else"


def test_an_offer_that_is_listed_again_in_time_begins_anew(shop: FeedShop, clock: VirtualClock) -> None:
    shop.list("A-1", units=4)
    shop.build()
    shop.set_state("A-1", OfferState.ENDED)
    shop.build()
    shop.set_state("A-1", OfferState.LISTED)
    shop.build()
    assert shop.rows()["A-1"][STOCK] == "4"
    clock.advance(7200)
    shop.set_state("A-1", OfferState.ENDED)
    shop.build()
    assert shop.rows()["A-1"][STOCK] == "0"


def test_an_offer_that_ended_before_it_was_out_never_goes_out(shop: FeedShop) -> None:
    shop.list("good")
    shop.list("A-1")
    shop.set_state("A-1", OfferState.ENDED)
    shop.build()
    assert list(shop.rows()) == ["good"]
    assert shop.faults() == {}


# --- what the platform was told --------------------------------------------------------------------------------------


def test_what_was_published_is_what_orders_and_stock_go_by(shop: FeedShop) -> None:
    number = shop.list("A-1")
    shop.build()
    with shop.hub.store.read() as tx:
        offer = offers.get(tx, number)
    assert offer.exported_price == Money(amount=Decimal("249.00"), currency="PLN")
    assert offer.keys == {"group": "G-A-1", "brand": "Acme", "color": "White", "size": "M"}
    shop.resolve("A-1", **{"c:discount_retail_price_PLN:integer": "19900"}, description="")
    shop.build()
    with shop.hub.store.read() as tx:
        assert offers.get(tx, number).exported_price == offer.exported_price, "it is kept back, and so is its price"


def test_what_is_resolved_anew_during_a_build_is_not_taken_for_what_went_out(
    shop: FeedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = shop.list("A-1")
    shop.list("A-2")
    finish = Output.finish

    def change_meanwhile(output: Output) -> object:
        shop.resolve("A-1", color="Black")
        return finish(output)

    with monkeypatch.context() as patch:
        patch.setattr(Output, "finish", change_meanwhile)
        shop.build()
    assert shop.rows()["A-1"]["color"] == "White"
    with shop.hub.store.read() as tx:
        assert feed_rows.fields_of(tx, [number])[number]["color"] == "White"
    shop.build()
    assert shop.faults() == {"A-1": [("kept_back", "frozen", "color")]}


# --- guards and failures ---------------------------------------------------------------------------------------------


def test_a_sudden_drop_keeps_the_old_version_until_it_is_forced(hub: Hub) -> None:
    shop = FeedShop(hub, "miinto", options={"guard_from": 3})
    for number in range(10):
        shop.list(f"A-{number}")
    shop.build()
    old = shop.out()
    with hub.store.write() as tx:
        tx.execute(tables.feed_rows.delete().where(tables.feed_rows.c.offer_id > 6))
    for number in range(6, 10):
        shop.resolve(f"A-{number}", brand="")
    record = shop.build()
    assert (record.state, len(shop.versions())) == ("failed", 2)
    assert "6 rows where 10 are out" in str(record.error)
    assert shop.versions()[0].state is VersionState.KEPT_OLD
    assert shop.out() == old
    assert len(shop.rows()) == 10
    (event,) = hub.work.events(run_id=record.id)
    assert (event.code, "--force" in event.advice) == ("unsafe_change", True)
    assert shop.build(force=True).state == "done"
    assert len(shop.rows()) == 6


def test_a_few_rows_fewer_are_no_sudden_drop(hub: Hub) -> None:
    shop = FeedShop(hub, "miinto", options={"guard_from": 5})
    for number in range(10):
        shop.list(f"A-{number}")
    shop.build()
    with hub.store.write() as tx:
        tx.execute(tables.feed_rows.delete().where(tables.feed_rows.c.offer_id > 6))
    for number in range(6, 10):
        shop.resolve(f"A-{number}", brand="")
    assert shop.build().state == "done"
    assert len(shop.rows()) == 6


def test_a_renderer_that_fails_leaves_the_old_version_out(shop: FeedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.list("A-1")
    shop.build()
    old = shop.out()
    monkeypatch.setattr(miinto_feed.tsv, "rows", lose_one)
    shop.list("A-2")
    record = shop.build()
    assert record.state == "failed"
    assert "made 0 item(s) of 1 offers" in str(record.error) or "made 1 item(s) of 2 offers" in str(record.error)
    assert shop.out() == old
    assert shop.versions()[0].state is VersionState.FAILED
    assert [path.name for path in sorted(shop.folder.rglob("*.*")) if path.name.endswith(".part")] == []
    monkeypatch.undo()
    shop.build()
    assert list(shop.rows()) == ["A-1", "A-2"]


def lose_one(context: object, offers: list[dict[str, str]]) -> list[bytes]:
    return [b"row\n"] * (len(offers) - 1)


def test_a_disk_that_fails_leaves_the_old_version_out(shop: FeedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.list("A-1")
    shop.build()
    old = shop.out()

    def full(output: Output) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "9.tsv")

    monkeypatch.setattr(Output, "finish", full)
    shop.count("A-1", 1)
    record = shop.build()
    assert (record.state, "No space left on device (9.tsv)" in str(record.error)) == ("failed", True)
    assert (shop.out(), shop.versions()[0].state) == (old, VersionState.FAILED)
    assert [event.code for event in shop.hub.work.events(run_id=record.id)] == ["feed_error"]


def test_lost_files_are_made_anew(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    shutil.rmtree(shop.folder)
    shop.resolve("A-1", color="Black")
    shop.build()
    assert shop.rows()["A-1"]["color"] == "White", "what is frozen is kept in the store, not with the files"


def test_a_file_that_was_tampered_with_is_not_copied_from(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    path = shop.folder / str(shop.out().file)
    path.write_bytes(path.read_bytes()[:-5])
    shop.list("A-2")
    shop.build()
    assert list(shop.rows()) == ["A-1", "A-2"]


def test_old_files_are_removed_but_their_numbers_are_kept(hub: Hub) -> None:
    shop = FeedShop(hub, "miinto", options={"feed_versions": 2})
    shop.list("A-1")
    for units in range(1, 6):
        shop.count("A-1", units)
        shop.build()
    kept = [version.id for version in shop.versions() if version.file]
    assert kept == [5, 4, 3]
    names = {path.name for path in shop.folder.rglob("*.*")}
    assert names == {"5.tsv", "5.tsv.gz", "5.tsv.index", "4.tsv", "4.tsv.gz", "3.tsv", "3.tsv.gz"}
    assert [version.rows for version in shop.versions()] == [1] * 5


def test_a_broken_build_is_told_and_its_files_are_removed(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    place = (shop.folder / str(shop.out().file)).parent
    with shop.hub.store.write() as tx:
        feeds.begin_version(tx, shop.account, "pl")
    (place / "2.tsv.part").write_bytes(b"half a")
    shop.count("A-1", 1)
    shop.build()
    assert [version.state.value for version in shop.versions()] == ["published", "failed", "published"]
    assert not (place / "2.tsv.part").exists()


# --- who builds what and when ----------------------------------------------------------------------------------------


def test_the_switch_gates_the_build(shop: FeedShop) -> None:
    shop.hub.accounts.disable("shop", "feed")
    record = shop.build()
    assert (record.state, "feed switched off" in str(record.error)) == ("failed", True)


def test_the_feed_is_built_every_half_hour_and_soon_after_a_change(shop: FeedShop, clock: VirtualClock) -> None:
    planned = {plan.job: plan.every_seconds for plan in shop.hub.work.schedules(account="shop")}
    assert planned == {"feed": 1800}
    shop.list("A-1")
    shop.build()
    clock.advance(300)
    shop.count("A-1", 1)
    (asked,) = [run for run in shop.hub.work.list(job="feed") if run.state == "queued"]
    assert asked.not_before - asked.asked_at == timedelta(seconds=feeds.CHANGES_WAIT)
    clock.advance(feeds.CHANGES_WAIT)
    shop.hub.work.run_until_idle()
    assert shop.rows()["A-1"][STOCK] == "1"


def test_a_feed_need_not_follow_changes(hub: Hub) -> None:
    shop = FeedShop(hub, "miinto", options={"feed_on_change": False, "feed_seconds": 3600})
    shop.list("A-1")
    assert [run.job for run in hub.work.list() if run.job == "feed"] == []
    assert [plan.every_seconds for plan in hub.work.schedules(account="shop")] == [3600]


def test_offers_of_other_markets_are_not_in_the_file(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.list("A-2", market="se")
    shop.build()
    assert list(shop.rows()) == ["A-1"]


def test_a_market_that_lost_its_file_is_told(shop: FeedShop) -> None:
    shop.list("A-1")
    shop.build()
    shop.hub.accounts.set("shop", {"main_market": "se"})
    record = shop.build()
    events = [(event.code, event.item) for event in shop.hub.work.events(run_id=record.id)]
    assert ("feed_refused", "pl") in events
    assert record.state == "done"


def test_a_feed_of_no_market_says_why(shop: FeedShop) -> None:
    shop.hub.accounts.set("shop", {"main_market": "mars"})
    record = shop.build()
    assert (record.state, "one offers file" in str(record.error)) == ("failed", True)


def test_extensions_hear_of_what_was_published_and_of_nothing_else(
    shop: FeedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, str, int]] = []

    def tell(event: str, **facts: Any) -> None:
        if event == "feed_published":
            heard.append((facts["account_view"].name, facts["market"], facts["version"]))

    monkeypatch.setattr(shop.hub, "hears", lambda event: event == "feed_published")
    monkeypatch.setattr(shop.hub, "tell", tell)
    shop.list("A-1")
    shop.build()
    shop.hub.store.clock.advance(60)  # type: ignore[attr-defined]
    shop.build()
    assert heard == [("shop", "pl", shop.out().id)]


# --- whatever is offered ---------------------------------------------------------------------------------------------

saying = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["Shirt", "Acme shirt", "", 'A "quoted"\tshirt\n', "Rubašk\u0430 \x07"]),
        "item_group_id": st.sampled_from(["G1", "G2"]),
        "color": st.sampled_from(["White", "Black"]),
        "description": st.sampled_from(["One", "Two"]),
    }
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("resolve"), st.integers(0, 4), saying),
        st.tuples(st.just("count"), st.integers(0, 4), st.integers(0, 3)),
        st.tuples(st.just("state"), st.integers(0, 4), st.sampled_from(OfferState)),
        st.tuples(st.just("wait"), st.integers(1, 90), st.none()),
        st.tuples(st.just("build"), st.integers(0, 1), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_happens_keys_are_unique_and_copies_are_what_is_made_anew(
    tmp_path: Path, plan: list[tuple[str, int, Any]]
) -> None:
    clock = VirtualClock(START)
    with crossdock.init(tmp_path / uuid4().hex, clock=clock) as hub:
        shop = FeedShop(hub, "miinto", options={"feed_on_change": False})
        for number in range(5):
            shop.list(f"A-{number}", item_group_id=f"G{number}")
        shop.build()
        for what, number, value in plan:
            clock.advance(1)
            match what:
                case "resolve":
                    shop.resolve(f"A-{number}", **value)
                case "count":
                    shop.count(f"A-{number}", value)
                case "state":
                    shop.set_state(f"A-{number}", value)
                case "wait":
                    clock.advance(60 * number)
                case "build":
                    assert shop.build().state == "done"
        assert shop.build().state == "done"
        compare(shop)


def compare(shop: FeedShop) -> None:
    """Compare what is out with what was resolved, and with the same file made anew."""
    rows, told = shop.rows(), shop.faults()
    keys = [tuple(row[name] for name in miinto_feed.KEY) for row in rows.values()]
    assert len(set(keys)) == len(keys)
    with shop.hub.store.read() as tx:
        listed = {row.sku: row.state for row in offers.list(tx, shop.account)}
        said = {row.sku: row.fields for row in resolved.page(tx, shop.account, "pl", after=0, limit=100)}
    for sku, state in listed.items():
        if sku in told:
            assert (sku in rows) == (told[sku][0][0] == "kept_back")
        elif state is OfferState.LISTED:
            shown = said[sku]["title"].replace("\t", " ").replace("\n", " ")
            assert (rows[sku]["title"], rows[sku]["description"]) == (shown, said[sku]["description"])
        elif sku in rows:
            assert rows[sku][STOCK] == "0"
    before = shop.bytes()
    shop.build(force=True)
    assert shop.bytes() == before
