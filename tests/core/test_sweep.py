"""Lists that change while they are read: whatever happens between two pages, nothing that stays listed is missed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.errors import BadAnswer
from crossdock.core.reading import Node
from crossdock.core.sweep import FULL_EVERY, OVERLAP, REMEMBERED, Listing, ListPage, Spot, Sweep, fingerprint, read_list

PAGE = 50
PROPOSALS = Listing(name="proposals", size=PAGE)
ORDERS = Listing(name="orders", size=PAGE, stays=True)
LISTS = (PROPOSALS, ORDERS)
SHOPS = ("shop 1", "shop 2")
START = Sweep.read(LISTS, None)


def names(start: int, count: int) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def page_of(ids: list[str], total: int, prints: Sequence[str] = ()) -> ListPage[str]:
    return ListPage(rows=ids, ids=ids, total=total, answer=Node({}, "Acme's list"), prints=prints)


def at(sweep: Sweep, scope: str, listing: Listing) -> Sweep:
    return replace(sweep, begins=False, scope=scope, listing=listing)


def through_json(sweep: Sweep) -> Sweep:
    """Return the sweep as the next call reads it."""
    return Sweep.read(LISTS, json.loads(json.dumps(sweep.cursor())))


@dataclass
class Platform:
    """Lists as a platform keeps them: proposals with the oldest first, orders with the newest first."""

    lists: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: {(listing.name, shop): [] for listing in LISTS for shop in SHOPS}
    )
    requests: int = 0

    def page(self, sweep: Sweep) -> ListPage[str]:
        self.requests += 1
        there = self.lists[sweep.listing.name, sweep.scope]
        return page_of(there[sweep.spot.offset : sweep.spot.offset + PAGE], len(there))

    def step(self, sweep: Sweep) -> tuple[list[str], Sweep]:
        """Read one page."""
        sweep = sweep.among(SHOPS)
        page = self.page(sweep)
        return page.ids, through_json(sweep.after(page, SHOPS))

    def sweep(self, sweep: Sweep) -> tuple[set[str], Sweep]:
        """Read to the end of this sweep."""
        ids, sweep = self.step(sweep)
        seen = {*ids}
        while not sweep.begins:
            ids, sweep = self.step(sweep)
            seen |= {*ids}
        return seen, sweep


# --- news ------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["edit", "arrive"]), st.integers(0, 10_000)), max_size=6), max_size=8)
)
def test_news_is_what_arrived_or_says_something_else_and_nothing_is_told_twice(
    sweeps: list[list[tuple[str, int]]],
) -> None:
    """What was told is what stands there after every sweep, and unchanged entries are told in full sweeps only."""
    says = {str(number): 0 for number in range(70)}
    told: dict[str, str] = {}
    sweep = at(replace(START, number=1), "shop 1", ORDERS)
    for changes in sweeps:
        expected = {*says} - told.keys()
        for kind, number in changes:
            name = str(len(says)) if kind == "arrive" else list(says)[-1 - number % 40]
            says[name] = says.get(name, -1) + 1
            expected.add(name)
        there, heard, begun = list(reversed(says)), [], sweep.number
        while (sweep.number, sweep.listing, sweep.scope) == (begun, ORDERS, "shop 1"):
            ids = there[sweep.spot.offset : sweep.spot.offset + PAGE]
            page = page_of(ids, len(there), [fingerprint(says[name]) for name in ids])
            heard += sweep.news(page)
            sweep = through_json(sweep.after(page, ["shop 1"]))
        told |= {name: fingerprint(says[name]) for name in heard}
        assert sorted(heard) == sorted(expected)
        assert told == {name: fingerprint(value) for name, value in says.items()}
        sweep = at(sweep, "shop 1", ORDERS)


def test_a_full_sweep_and_a_list_that_does_not_stay_tell_everything() -> None:
    page = page_of(["1", "2"], 2, ["a", "b"])
    known = at(replace(START, number=1), "shop 1", ORDERS).after(page, ["shop 1"])
    assert at(known, "shop 1", ORDERS).news(page) == []
    assert at(known, "shop 1", ORDERS).news(page_of(["1", "2"], 2, ["a", "c"])) == ["2"]
    assert at(known, "shop 1", PROPOSALS).news(page) == ["1", "2"]
    assert at(replace(known, number=FULL_EVERY), "shop 1", ORDERS).news(page) == ["1", "2"]


# --- lists that are read whole ---------------------------------------------------------------------------------------

CHANGES = st.lists(
    st.tuples(st.sampled_from(["accept", "arrive", "late"]), st.integers(0, 10_000), st.integers(1, 60)), max_size=4
)


@given(st.integers(0, 260), st.lists(CHANGES, max_size=25))
def test_a_proposal_that_stays_is_seen(length: int, storms: list[list[tuple[str, int, int]]]) -> None:
    """Between any two pages some are accepted anywhere, some arrive at the end, and some older ones come back."""
    platform = Platform()
    there = platform.lists["proposals", SHOPS[0]]
    there += names(0, length)
    stayed, seen, sweep, fresh = {*there}, set(), at(START, SHOPS[0], PROPOSALS), length
    calm = iter(storms)
    while (sweep.listing, sweep.scope) == (PROPOSALS, SHOPS[0]):
        ids, sweep = platform.step(sweep)
        seen |= {*ids}
        for kind, where, count in next(calm, []):
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
    platform.lists["proposals", SHOPS[0]] = names(0, 130)
    seen, sweep = platform.sweep(START)
    assert seen == {*names(0, 130)}
    # 0-49, 40-89, 80-129, and one page for each other list.
    assert platform.requests == 3 + 3
    assert sweep.number == 1


def test_a_list_that_shrank_by_more_than_the_overlap_is_read_again() -> None:
    spot = Spot().after(page_of(names(0, PAGE), 200), PAGE)
    assert spot == Spot(offset=PAGE - OVERLAP, known=names(0, PAGE), total=200)
    tolerated = page_of(names(PAGE - 1, PAGE), 191)
    assert spot.after(tolerated, PAGE) == Spot(offset=80, known=tolerated.ids, total=191)
    assert spot.after(page_of(names(PAGE, PAGE), 190), PAGE) == Spot()
    assert spot.after(page_of([], 12), PAGE) == Spot()


def test_a_repeated_page_is_told_and_a_list_that_grew_by_a_page_is_read_again() -> None:
    first = page_of(names(0, PAGE), 90)
    spot = Spot().after(first, PAGE)
    assert spot is not None
    with pytest.raises(BadAnswer, match="Acme's list: offset 40 shows the page before it once more"):
        spot.after(first, PAGE)
    assert spot.after(page_of(first.ids, 130), PAGE) == Spot()


@pytest.mark.parametrize(("shown", "counted"), [(0, 1), (49, 60), (10, 11)])
def test_a_page_shorter_than_its_count_is_told(shown: int, counted: int) -> None:
    with pytest.raises(BadAnswer, match=f"counts {counted} entries and shows only {shown}"):
        Spot().after(page_of(names(0, shown), counted), PAGE)


def test_a_page_that_cannot_be_is_told() -> None:
    with pytest.raises(BadAnswer, match="Acme's list: an entry stands there twice"):
        page_of(["1", "2", "1"], 3)
    with pytest.raises(BadAnswer, match="Acme's list: it counts -1 entries"):
        page_of([], -1)


def test_pages_that_cannot_overlap_are_refused() -> None:
    assert Listing(name="small", size=OVERLAP + 1).size == 11
    with pytest.raises(ValueError, match="pages of 10 entries cannot overlap by 10"):
        Listing(name="small", size=OVERLAP)


@given(st.integers(0, 260), st.integers(11, 60), st.lists(st.integers(0, 20), max_size=30))
def test_a_list_read_at_once_has_all_that_stays_and_nothing_twice(length: int, size: int, taken: list[int]) -> None:
    """Between two pages the first few are taken."""
    there, gone, calm = names(0, length), set(), iter(taken)

    def read(offset: int) -> ListPage[str]:
        page = page_of(there[offset : offset + size], len(there))
        count = next(calm, 0)
        gone.update(there[:count])
        del there[:count]
        return page

    rows = read_list(read, size)
    assert {*rows} >= {*names(0, length)} - gone
    assert len(rows) == len({*rows})


def test_a_list_is_read_as_far_as_is_enough() -> None:
    there, offsets = names(0, 500), []

    def read(offset: int) -> ListPage[str]:
        offsets.append(offset)
        return page_of(there[offset : offset + PAGE], len(there))

    assert read_list(read, PAGE, lambda page: "60" in page.ids) == names(0, 90)
    assert offsets == [0, 40]


# --- lists whose entries stay ----------------------------------------------------------------------------------------


@given(
    st.integers(0, 400),
    st.lists(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 70)), max_size=3), min_size=1, max_size=6),
)
def test_an_order_is_seen_by_the_next_sweep_however_late_it_comes_in(
    length: int, rounds: list[list[tuple[int, int]]]
) -> None:
    platform = Platform()
    there = platform.lists["orders", SHOPS[1]]
    there += names(0, length)
    seen, sweep = platform.sweep(START)
    assert seen == {*there}
    fresh = length
    for arrivals in rounds:
        added: set[str] = set()
        for where, count in arrivals:
            position = where % (len(there) + 1)
            there[position:position] = names(fresh, count)
            added |= {*names(fresh, count)}
            fresh += count
        seen, sweep = platform.sweep(sweep)
        assert added <= seen


@given(
    st.integers(100, 400),
    st.lists(st.tuples(st.sampled_from(["come", "leave"]), st.integers(0, 10_000), st.integers(1, 60)), max_size=40),
)
def test_an_order_that_stays_is_seen_by_a_full_sweep_whatever_comes_and_leaves(
    length: int, changes: list[tuple[str, int, int]]
) -> None:
    platform = Platform()
    there = platform.lists["orders", SHOPS[1]]
    there += names(0, length)
    stayed, seen, fresh = {*names(0, length)}, set(), length
    sweep, calm = at(START, SHOPS[1], ORDERS), iter(changes)
    while sweep.number == 0:
        ids, sweep = platform.step(sweep)
        seen |= {*ids}
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
    platform.lists["orders", SHOPS[0]] = there
    _, sweep = platform.step(at(START, SHOPS[0], ORDERS))
    there.insert(0, "during")
    _, sweep = platform.sweep(sweep)
    there.insert(120, "late")
    seen, _ = platform.sweep(sweep)
    assert {"during", "late"} <= seen


def test_a_remembered_order_does_not_end_a_sweep_that_has_to_read_again() -> None:
    platform, fresh = Platform(), [f"new {number}" for number in range(60)]
    there = platform.lists["orders", SHOPS[0]]
    there += names(0, 300)
    _, sweep = platform.sweep(START)
    there[:0] = fresh
    first, sweep = platform.step(at(sweep, SHOPS[0], ORDERS))
    del there[:15]
    rest, _ = platform.sweep(sweep)
    assert {*first} | rest >= {*fresh}


def test_what_a_sweep_read_before_it_began_again_is_not_remembered() -> None:
    platform, there = Platform(), names(0, 150)
    platform.lists["orders", SHOPS[0]] = there
    _, sweep = platform.step(at(START, SHOPS[0], ORDERS))
    there[:0] = names(1_000, 45)
    _, again = platform.step(sweep)
    assert again.spot == Spot()
    _, sweep = platform.sweep(again)
    there.insert(180, "late")
    seen, _ = platform.sweep(sweep)
    assert "late" in seen


def test_a_poll_without_news_costs_one_request_for_each_list() -> None:
    platform = Platform()
    for shop in SHOPS:
        platform.lists["orders", shop] = names(0, 5_000)
    _, sweep = platform.sweep(START)
    for _ in range(FULL_EVERY - 1):
        platform.requests = 0
        _, sweep = platform.sweep(sweep)
        assert platform.requests == len(LISTS) * len(SHOPS)
    assert sweep.full
    platform.requests = 0
    platform.sweep(sweep)
    assert platform.requests > 200


def test_a_late_order_within_what_is_remembered_does_not_cost_a_full_reading() -> None:
    platform = Platform()
    there = platform.lists["orders", SHOPS[0]]
    there += names(0, 5_000)
    _, sweep = platform.sweep(START)
    there.insert(120, "late")
    platform.requests = 0
    seen, sweep = platform.sweep(sweep)
    assert "late" in seen
    assert platform.requests <= 2 * len(SHOPS) + 4
    assert len(sweep.remembered[f"orders {SHOPS[0]}"]["ids"]) == REMEMBERED


# --- sweeps ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True), st.integers(1, 3))
def test_a_sweep_reads_each_list_of_each_scope_once_scope_by_scope(scopes: list[str], rounds: int) -> None:
    sweep = START
    for number in range(rounds):
        read: list[tuple[str, str]] = []
        while not read or not sweep.begins:
            sweep = sweep.among(scopes)
            assert sweep.number == number
            assert not sweep.begins
            read.append((sweep.scope, sweep.listing.name))
            sweep = through_json(sweep.after(page_of([], 0), scopes))
        assert read == [(scope, listing.name) for scope in sorted(scopes) for listing in LISTS]


def test_a_scope_that_vanished_or_came_does_not_stop_the_sweep() -> None:
    sweep = START.among(("b", "d"))
    assert sweep.scope == "b"
    assert sweep.among(("a", "c", "d")).scope == "c"
    assert sweep.among(("a",)).scope == "a"


def test_two_lists_that_stay_are_remembered_apart() -> None:
    lists = (ORDERS, replace(ORDERS, name="returns"))
    sweep = Sweep.read(lists, None).among(("",))
    sweep = sweep.after(page_of(["1"], 1), ("",)).after(page_of(["2"], 1), ("",))
    assert sweep.begins
    assert [memory["ids"] for memory in sweep.remembered.values()] == [["1"], ["2"]]


@pytest.mark.parametrize("strange", [{"version": 2, "whatever": 1}, {"version": 1, "listing": "gone"}, {}, None])
def test_a_cursor_of_another_version_or_list_reads_all_again(strange: dict[str, Any] | None) -> None:
    assert Sweep.read(LISTS, strange) == START


def test_a_page_of_a_big_account_costs_less_than_a_millisecond() -> None:
    """A hundred shops with all that is remembered, and a page that says where it can stop, the dearest one."""
    memory = {f"orders shop {number}": {"ids": names(0, REMEMBERED), "total": 5_000} for number in range(100)}
    sweep = replace(at(START, "shop 50", ORDERS), number=1, remembered=memory)
    page = page_of(names(REMEMBERED - PAGE, PAGE), 4_850)
    scopes = [f"shop {number}" for number in range(100)]
    costs = []
    for _ in range(20):
        begun = time.process_time()
        sweep.among(scopes).after(page, scopes).cursor()
        costs.append(time.process_time() - begun)
    assert min(costs) < 0.001
