"""Lists that change while they are read: whatever happens between two pages, nothing that stays listed is missed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.plugin import BadAnswer
from crossdock.plugins.miinto.sweep import FULL_EVERY, OVERLAP, PAGE, REMEMBERED, Page, Place, Spot

SHOPS = ("1-m!i!s-046-1", "1-m!i!s-048-1")


def names(start: int, count: int) -> list[str]:
    return [str(number) for number in range(start, start + count)]


@dataclass
class Platform:
    """Lists as a platform keeps them: transfers with the oldest first, orders with the newest first."""

    transfers: dict[str, list[str]] = field(default_factory=lambda: {shop: [] for shop in SHOPS})
    orders: dict[str, list[str]] = field(default_factory=lambda: {shop: [] for shop in SHOPS})
    requests: int = 0

    def page(self, place: Place) -> Page:
        self.requests += 1
        there = getattr(self, place.listing)[place.shop]
        ids = there[place.spot.offset : place.spot.offset + PAGE]
        return Page(rows=tuple({"id": name} for name in ids), ids=ids, total=len(there))

    def step(self, place: Place) -> tuple[list[str], Place]:
        """Read one page; the place goes through JSON, as a cursor does."""
        place = place.among(SHOPS)
        page = self.page(place)
        return page.ids, Place.read(json.loads(json.dumps(place.after(page, SHOPS).cursor())))

    def sweep(self, place: Place) -> tuple[set[str], Place]:
        seen: set[str] = set()
        number = place.sweep
        while place.sweep == number:
            ids, place = self.step(place)
            seen |= {*ids}
        return seen, place


# --- transfers -------------------------------------------------------------------------------------------------------

CHANGES = st.lists(
    st.tuples(st.sampled_from(["accept", "arrive", "late"]), st.integers(0, 10_000), st.integers(1, 60)), max_size=4
)


@given(st.integers(0, 260), st.lists(CHANGES, max_size=25))
def test_a_transfer_that_stays_pending_is_seen(length: int, storms: list[list[tuple[str, int, int]]]) -> None:
    """Between any two pages some are accepted anywhere, some arrive at the end, and some older ones come back."""
    shop = SHOPS[0]
    platform = Platform()
    platform.transfers[shop] = names(0, length)
    stayed, seen, place, fresh = {*platform.transfers[shop]}, set(), Place(), length
    calm = iter(storms)
    while place.listing == "transfers" and place.shop in ("", shop):
        ids, place = platform.step(place)
        seen |= {*ids}
        for kind, where, count in next(calm, []):
            there = platform.transfers[shop]
            position = where % (len(there) + 1)
            if kind == "accept":
                stayed -= {*there[position : position + count]}
                del there[position : position + count]
            else:
                position = len(there) if kind == "arrive" else position
                there[position:position] = names(fresh, count)
                fresh += count
    assert stayed <= seen


def test_a_quiet_list_is_read_once() -> None:
    platform = Platform()
    platform.transfers[SHOPS[0]] = names(0, 130)
    seen, place = platform.sweep(Place())
    assert seen == {*names(0, 130)}
    # 0-49, 40-89, 80-129, and one page for each other list.
    assert platform.requests == 3 + 3
    assert place.sweep == 1


def test_a_list_that_shrank_by_more_than_the_overlap_is_read_again() -> None:
    spot = Spot().after(Page(rows=(), ids=names(0, PAGE), total=200))
    assert spot == Spot(offset=PAGE - OVERLAP, known=names(0, PAGE), total=200)
    tolerated = Page(rows=(), ids=names(PAGE - 1, PAGE), total=191)
    assert spot.after(tolerated) == Spot(offset=80, known=tolerated.ids, total=191)
    assert spot.after(Page(rows=(), ids=names(PAGE, PAGE), total=190)) == Spot()
    assert spot.after(Page(rows=(), ids=[], total=12)) == Spot()


def test_a_repeated_page_is_told_and_a_list_that_grew_by_a_page_is_read_again() -> None:
    first = Page(rows=(), ids=names(0, PAGE), total=90)
    spot = Spot().after(first)
    assert spot is not None
    with pytest.raises(BadAnswer, match="offset 40 with the page before"):
        spot.after(first)
    assert spot.after(Page(rows=(), ids=first.ids, total=130)) == Spot()


@pytest.mark.parametrize(("shown", "counted"), [(0, 1), (49, 60), (10, 11)])
def test_a_page_shorter_than_its_count_is_told(shown: int, counted: int) -> None:
    with pytest.raises(BadAnswer, match=f"counts {counted} entries and shows only {shown}"):
        Spot().after(Page(rows=(), ids=names(0, shown), total=counted))


# --- orders ----------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 400),
    st.lists(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 70)), max_size=3), min_size=1, max_size=6),
)
def test_an_order_is_seen_by_the_next_sweep_however_late_it_comes_in(
    length: int, rounds: list[list[tuple[int, int]]]
) -> None:
    shop = SHOPS[1]
    platform = Platform()
    platform.orders[shop] = names(0, length)
    seen, place = platform.sweep(Place())
    assert seen == {*platform.orders[shop]}
    fresh = length
    for arrivals in rounds:
        added: set[str] = set()
        for where, count in arrivals:
            there = platform.orders[shop]
            position = where % (len(there) + 1)
            there[position:position] = names(fresh, count)
            added |= {*names(fresh, count)}
            fresh += count
        seen, place = platform.sweep(place)
        assert added <= seen


@given(
    st.integers(100, 400),
    st.lists(st.tuples(st.sampled_from(["come", "leave"]), st.integers(0, 10_000), st.integers(1, 60)), max_size=40),
)
def test_an_order_that_stays_is_seen_by_a_full_sweep_whatever_comes_and_leaves(
    length: int, changes: list[tuple[str, int, int]]
) -> None:
    shop = SHOPS[1]
    platform = Platform()
    platform.orders[shop] = names(0, length)
    stayed, seen, fresh = {*names(0, length)}, set(), length
    place, calm = Place(shop=shop, listing="orders"), iter(changes)
    while place.sweep == 0:
        ids, place = platform.step(place)
        seen |= {*ids}
        there = platform.orders[shop]
        kind, where, count = next(calm, ("come", 0, 0))
        position = where % (len(there) + 1)
        if kind == "come":
            there[position:position] = names(fresh, count)
            fresh += count
        else:
            stayed -= {*there[position : position + count]}
            del there[position : position + count]
    assert stayed <= seen


def test_what_comes_in_during_a_sweep_does_not_hide_what_comes_in_late_after_it() -> None:
    platform, there = Platform(), names(0, 150)
    platform.orders[SHOPS[0]] = there
    _, place = platform.step(Place(shop=SHOPS[0], listing="orders"))
    there.insert(0, "during")
    _, place = platform.sweep(place)
    there.insert(120, "late")
    seen, _ = platform.sweep(place)
    assert {"during", "late"} <= seen


def test_a_remembered_order_does_not_end_a_sweep_that_has_to_read_again() -> None:
    platform, shop = Platform(), SHOPS[0]
    platform.orders[shop] = names(0, 300)
    _, place = platform.sweep(Place())
    fresh = [f"new {number}" for number in range(60)]
    platform.orders[shop] = [*fresh, *names(0, 300)]
    first, place = platform.step(replace(place, shop=shop, listing="orders"))
    del platform.orders[shop][:15]
    rest, _ = platform.sweep(place)
    assert {*first} | rest >= {*fresh}


def test_what_a_sweep_read_before_it_began_again_is_not_remembered() -> None:
    platform, there = Platform(), names(0, 150)
    platform.orders[SHOPS[0]] = there
    _, place = platform.step(Place(shop=SHOPS[0], listing="orders"))
    there[:0] = names(1_000, 45)
    _, again = platform.step(place)
    assert again.spot == Spot()
    _, place = platform.sweep(again)
    there.insert(180, "late")
    seen, _ = platform.sweep(place)
    assert "late" in seen


def test_a_poll_without_news_costs_two_requests_for_each_shop() -> None:
    platform = Platform()
    platform.orders = {shop: names(0, 5_000) for shop in SHOPS}
    _, place = platform.sweep(Place())
    for _ in range(FULL_EVERY - 1):
        platform.requests = 0
        _, place = platform.sweep(place)
        assert platform.requests == 2 * len(SHOPS)
    assert place.full
    platform.requests = 0
    platform.sweep(place)
    assert platform.requests > 200


def test_a_late_order_within_what_is_remembered_does_not_cost_a_full_reading() -> None:
    platform = Platform()
    platform.orders[SHOPS[0]] = names(0, 5_000)
    _, place = platform.sweep(Place())
    platform.orders[SHOPS[0]].insert(120, "late")
    platform.requests = 0
    seen, place = platform.sweep(place)
    assert "late" in seen
    assert platform.requests <= 2 * len(SHOPS) + 4
    assert len(place.remembered[SHOPS[0]]["ids"]) == REMEMBERED


# --- places ----------------------------------------------------------------------------------------------------------


def test_a_shop_that_vanished_or_came_does_not_stop_the_sweep() -> None:
    place = Place().among(("b", "d"))
    assert place.shop == "b"
    assert place.among(("a", "c", "d")).shop == "c"
    assert place.among(("a",)).shop == "a"


def test_what_the_product_map_said_is_forgotten_before_a_full_sweep() -> None:
    end = Place(shop=SHOPS[1], listing="orders", skus={SHOPS[0]: {"P-1": "SKU-1"}})
    empty = Page(rows=(), ids=[], total=0)
    assert replace(end, sweep=FULL_EVERY - 2).after(empty, SHOPS).skus == end.skus
    assert replace(end, sweep=FULL_EVERY - 1).after(empty, SHOPS).skus == {}


def test_a_cursor_of_a_later_version_reads_all_again() -> None:
    assert Place.read({"version": 2, "whatever": 1}) == Place()
    assert Place.read(None) == Place()
