"""Requests are never let out faster than allowed, whoever asks, and hardly slower."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crossdock
from crossdock.core.model import Rate
from crossdock.core.store import Store, tables
from crossdock.core.store.rates import SqlRates, admit

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TWENTY = (Rate(requests=20),)


class VirtualClock:
    def __init__(self) -> None:
        self.moment = BEGIN

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def most_in_a_window(moments: list[datetime], seconds: float) -> int:
    """Return the largest number of moments in any half-open window of this length."""
    length = timedelta(seconds=seconds)
    return max(sum(begin <= moment < begin + length for moment in moments) for begin in moments)


# --- counting --------------------------------------------------------------------------------------------------------


def let_out(rates: tuple[Rate, ...], pauses: list[float]) -> list[datetime]:
    """Ask again and again, each time later by a pause than one has to wait, and return when requests went out."""
    state: dict[str, int] = {}
    moment, out = BEGIN, []
    for pause in pauses:
        state, wait = admit(state, rates, moment)
        if not wait:
            out.append(moment)
        moment += timedelta(seconds=wait + pause)
    return out


def a_rate(bursts: st.SearchStrategy[int]) -> st.SearchStrategy[Rate]:
    lengths = st.sampled_from([0.05, 0.1, 1.0, 2.5, 60.0, 3600.0])
    return st.builds(Rate, requests=st.integers(1, 30), seconds=lengths, burst=bursts)


pauses = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 90)), min_size=1, max_size=150)


@given(a_rate(bursts=st.just(1)), pauses)
def test_no_window_holds_more_than_its_limit(rate: Rate, pauses: list[float]) -> None:
    assert most_in_a_window(let_out((rate,), pauses), rate.seconds) <= rate.requests


@given(a_rate(bursts=st.integers(2, 30)), pauses)
def test_a_burst_adds_no_more_than_itself(rate: Rate, pauses: list[float]) -> None:
    assert most_in_a_window(let_out((rate,), pauses), rate.seconds) <= rate.requests + rate.burst - 1


@given(a_rate(bursts=st.just(1)), a_rate(bursts=st.just(1)), pauses)
def test_of_two_rates_both_are_kept(one: Rate, other: Rate, pauses: list[float]) -> None:
    out = let_out((one, other), pauses)
    assert most_in_a_window(out, one.seconds) <= one.requests
    assert most_in_a_window(out, other.seconds) <= other.requests


@given(a_rate(bursts=st.integers(1, 30)), pauses)
def test_who_waits_as_told_may_go(rate: Rate, pauses: list[float]) -> None:
    state: dict[str, int] = {}
    moment = BEGIN
    for pause in pauses:
        state, wait = admit(state, (rate,), moment)
        if wait:
            moment += timedelta(seconds=wait)
            state, wait = admit(state, (rate,), moment)
            assert wait == 0.0
        moment += timedelta(seconds=pause)


@pytest.mark.parametrize("late", [0.0, 0.005, 0.02])
@pytest.mark.parametrize("requests", [1, 20, 200])
def test_the_rate_is_used_even_by_those_who_wake_up_late(requests: int, late: float) -> None:
    state: dict[str, int] = {}
    moment, out = BEGIN, 0
    while moment < BEGIN + timedelta(seconds=20):
        state, wait = admit(state, (Rate(requests=requests),), moment)
        out += not wait
        moment += timedelta(seconds=wait + late if wait else 0)
    assert 0.95 * 20 * requests <= out <= 20 * requests + 1


def test_a_burst_goes_out_at_once() -> None:
    out = let_out((Rate(requests=10, seconds=60, burst=5),), [0.0] * 6)
    assert out == [BEGIN] * 5


def test_a_clock_that_was_set_back_stops_nobody_for_long() -> None:
    state, _ = admit({}, TWENTY, BEGIN)
    _, wait = admit(state, TWENTY, BEGIN - timedelta(hours=3))
    assert 0 < wait < 0.1


# --- the store -------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def virtual(tmp_path: Path, clock: VirtualClock) -> Iterator[SqlRates]:
    """Give rates on SQLite, where the store's clock counts."""
    store = Store(f"sqlite:///{tmp_path / 'rates.sqlite'}", clock=clock)
    tables.metadata.create_all(store.engine)
    yield SqlRates(store)
    store.close()


@pytest.fixture
def rates(database_url: str) -> Iterator[SqlRates]:
    store = Store(database_url)
    tables.metadata.create_all(store.engine)
    yield SqlRates(store)
    store.close()


def test_buckets_are_counted_apart(rates: SqlRates) -> None:
    slow = (Rate(requests=1, seconds=60),)
    assert rates.acquire("a1:", slow) == 0.0
    assert rates.acquire("a1:stock", slow) == 0.0
    assert rates.acquire("a2:", slow) == 0.0
    assert 59 < rates.acquire("a1:", slow) < 61


def test_a_request_that_has_to_wait_counts_for_none(virtual: SqlRates, clock: VirtualClock) -> None:
    slow = (Rate(requests=1, seconds=10),)
    assert virtual.acquire("a1:", slow) == 0.0
    waits = [virtual.acquire("a1:", slow) for _ in range(5)]
    assert len(set(waits)) == 1
    clock.sleep(waits[0])
    assert virtual.acquire("a1:", slow) == 0.0


def test_a_changed_limit_counts_from_its_change(virtual: SqlRates) -> None:
    assert virtual.acquire("a1:", (Rate(requests=1, seconds=10),)) == 0.0
    assert virtual.acquire("a1:", (Rate(requests=5, seconds=10),)) == 0.0
    assert virtual.acquire("a1:", (Rate(requests=5, seconds=10),)) == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("limits", [(), TWENTY], ids=["no limit", "a limit"])
def test_what_the_platform_holds_is_held(rates: SqlRates, limits: tuple[Rate, ...]) -> None:
    now = datetime.now(UTC)
    rates.hold("a1:", now + timedelta(seconds=100))
    rates.hold("a1:", now + timedelta(seconds=50))
    assert 90 < rates.acquire("a1:", limits) <= 100
    assert rates.acquire("a1:stock", limits) == 0.0


@pytest.mark.parametrize("limits", [(), TWENTY], ids=["no limit", "a limit"])
def test_a_hold_ends(virtual: SqlRates, clock: VirtualClock, limits: tuple[Rate, ...]) -> None:
    virtual.hold("a1:", clock.now() + timedelta(seconds=5))
    assert virtual.acquire("a1:", limits) == 5.0
    clock.sleep(5)
    assert virtual.acquire("a1:", limits) == 0.0


def test_processes_of_several_machines_go_by_the_clock_of_postgresql(database_url: str, clock: VirtualClock) -> None:
    store = Store(database_url, clock=clock)
    tables.metadata.create_all(store.engine)
    now = datetime.now(UTC) if store.postgresql else clock.now()
    SqlRates(store).hold("a1:", now + timedelta(seconds=100))
    assert 90 < SqlRates(store).acquire("a1:", TWENTY) <= 100
    store.close()


def test_threads_share_a_bucket(rates: SqlRates) -> None:
    slow = (Rate(requests=5, seconds=60, burst=5),)
    granted, start = [], threading.Barrier(8)

    def ask() -> None:
        start.wait(timeout=10)
        granted.append(rates.acquire("a1:", slow) == 0.0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(granted) == [False] * 3 + [True] * 5


# --- many processes --------------------------------------------------------------------------------------------------

TAKE_TURNS = """
import json, sys, time
from crossdock.core.model import Rate
from crossdock.core.store import Store
from crossdock.core.store.rates import SqlRates

store = Store(sys.argv[1])
rates, turns, twenty = SqlRates(store), [], (Rate(requests=20),)
rates.acquire("warm-up:", twenty)
print("ready", flush=True)
sys.stdin.readline()
end = time.time() + 2
while (asked := time.time()) < end:
    wait = rates.acquire("a1:", twenty)
    if wait:
        time.sleep(wait)
    else:
        turns.append((asked, time.time()))
store.close()
print(json.dumps(turns))
"""


def test_four_processes_share_a_bucket(rates: SqlRates, database_url: str) -> None:
    command = [sys.executable, "-c", TAKE_TURNS, database_url]
    root = Path(crossdock.__file__).parents[1]
    workers = [
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * 4
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("\n")
        worker.stdin.flush()
    turns = sorted(turn for worker in workers for turn in json.loads(worker.communicate(timeout=60)[0]))
    assert [worker.returncode for worker in workers] == [0] * 4
    # A turn was had somewhere between asking and answer: what lies within a window for certain must not be too much.
    within = [sum(begin <= asked and had < begin + 1 for asked, had in turns) for begin, _ in turns]
    assert max(within) <= 20
    assert len(turns) >= 0.9 * 20 * 2
