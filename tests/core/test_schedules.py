"""Schedules: each moment once, across changes of the clock, and never a burst."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.store import Store, runs, schedules
from crossdock.core.store.runs import RunState
from crossdock.core.store.schedules import next_run
from crossdock.core.store.tables import metadata
from crossdock.twins.kit import VirtualClock

BUDAPEST = ZoneInfo("Europe/Budapest")
START = datetime(2026, 11, 2, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def store(database_url: str, clock: VirtualClock) -> Iterator[Store]:
    store = Store(database_url, clock=clock)
    metadata.create_all(store.engine)
    yield store
    store.close()


def set_schedule(store: Store, account: str = "a", job: str = "orders", **rhythm: object) -> schedules.Schedule:
    with store.write() as tx:
        return schedules.set(tx, account, job, **rhythm)  # type: ignore[arg-type]  # any of its options


def dispatch(store: Store) -> int:
    """Ask for what is due, let all of it run, and return how much that was."""
    with store.write() as tx:
        asked = schedules.dispatch_due(tx, tx.now)
    with store.write() as tx:
        for run in runs.claim(tx, "p1", limit=1000):
            runs.finish(tx, run, RunState.DONE)
    return len(asked)


def moments(store: Store, clock: VirtualClock, until: datetime, step: int) -> list[datetime]:
    """Look every `step` seconds, and return when something was asked for, by the clock on a wall in Budapest."""
    asked = []
    while clock.now() < until:
        clock.advance(step)
        asked += [clock.now().astimezone(BUDAPEST)] * dispatch(store)
    return asked


# --- across changes of the clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("month", "day"), [(3, 28), (10, 31)], ids=["spring", "autumn"])
def test_half_past_two_comes_once_each_day(store: Store, clock: VirtualClock, month: int, day: int) -> None:
    change = datetime(2027, month, day, tzinfo=BUDAPEST)
    clock.set(change - timedelta(days=1))
    set_schedule(store, cron="30 2 * * *", time_zone="Europe/Budapest")
    found = moments(store, clock, change + timedelta(days=2), step=10 * MINUTE)
    assert [moment.day for moment in found] == [(change + timedelta(days=away)).day for away in (-1, 0, 1)]
    # On the morning when half past two is left out, it is made up for at three, when clocks go from two to three.
    on_the_day = (3, 0) if month == 3 else (2, 30)
    assert [(moment.hour, moment.minute) for moment in found] == [(2, 30), on_the_day, (2, 30)]
    assert found[1].utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 28, 23), (10, 31, 25)], ids=["spring", "autumn"])
def test_every_hour_comes_once(store: Store, clock: VirtualClock, month: int, day: int, hours: int) -> None:
    change = datetime(2027, month, day, tzinfo=BUDAPEST)
    clock.set(change - timedelta(minutes=1))
    set_schedule(store, cron="0 * * * *", time_zone="Europe/Budapest")
    found = moments(store, clock, change + timedelta(days=1) - timedelta(minutes=1), step=20 * MINUTE)
    assert len(found) == hours
    apart = {later.astimezone(UTC) - sooner.astimezone(UTC) for sooner, later in pairwise(found)}
    assert apart == {timedelta(hours=1)}


def test_a_dispatcher_late_in_the_hour_that_comes_twice_asks_once(store: Store, clock: VirtualClock) -> None:
    clock.set(datetime(2027, 10, 30, 22, tzinfo=UTC))  # midnight in Budapest
    schedule = set_schedule(store, cron="30 2 * * *", time_zone="Europe/Budapest")
    assert schedule.next_run_at == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    clock.set(datetime(2027, 10, 31, 1, 10, tzinfo=UTC))  # ten past two, for the second time
    assert [dispatch(store) for _ in range(3)] == [1, 0, 0]
    with store.read() as tx:
        assert schedules.get(tx, "a", "orders").next_run_at == datetime(2027, 11, 1, 1, 30, tzinfo=UTC)


@given(
    line=st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 2-3 * * SUN", "15 */2 1,28-31 * *", "59 2 L * *"]),
    zone=st.sampled_from(["Europe/Budapest", "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - in UTC
)
def test_the_next_moment_lies_ahead_and_none_is_left_out(line: str, zone: str, now: datetime) -> None:
    first = next_run("a", now, cron=line, time_zone=zone)
    assert first > now
    assert first.tzinfo is UTC
    assert next_run("a", now + (first - now) / 2, cron=line, time_zone=zone) == first
    assert next_run("a", first, cron=line, time_zone=zone) > first


# --- every so many seconds -------------------------------------------------------------------------------------------


@given(
    account=st.text(min_size=1),
    now=st.datetimes(datetime(2026, 1, 1), timezones=st.just(UTC), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    every=st.integers(1, schedules.LONGEST),
)
def test_an_account_keeps_to_its_own_beat(account: str, now: datetime, every: int) -> None:
    first = next_run(account, now, every_seconds=every)
    assert timedelta(0) < first - now <= timedelta(seconds=every)
    assert next_run(account, first, every_seconds=every) == first + timedelta(seconds=every)


def test_accounts_do_not_start_all_at_once() -> None:
    starts = Counter(next_run(f"account {number}", START, every_seconds=HOUR).minute for number in range(6_000))
    assert len(starts) == 60
    assert max(starts.values()) < 160  # 100 for each minute on average


def test_a_dispatcher_that_was_away_asks_once(store: Store, clock: VirtualClock) -> None:
    set_schedule(store, "a", every_seconds=5 * MINUTE)
    set_schedule(store, "b", cron="*/5 * * * *")
    clock.advance(2 * DAY)
    assert [dispatch(store) for _ in range(3)] == [2, 0, 0]
    clock.advance(5 * MINUTE)
    assert dispatch(store) == 2


# --- dispatching -----------------------------------------------------------------------------------------------------


def test_only_what_is_due_is_asked_for(store: Store, clock: VirtualClock) -> None:
    set_schedule(store, "a", "orders", cron="0 9 * * *")
    set_schedule(store, "a", "stock", cron="0 10 * * *")
    set_schedule(store, "b", "orders", cron="0 9 * * *", enabled=False)
    clock.set(datetime(2026, 11, 2, 9, tzinfo=UTC) - timedelta(seconds=1))
    with store.write() as tx:
        assert not schedules.is_due(tx)
        assert schedules.dispatch_due(tx, tx.now) == ()
    clock.advance(1)
    with store.write() as tx:
        assert schedules.is_due(tx)
        (number,) = schedules.dispatch_due(tx, tx.now)
        assert not schedules.is_due(tx)
    with store.read() as tx:
        (run,) = runs.list(tx)
    assert (run.id, run.account, run.job, run.asked_by) == (number, "a", "orders", "schedule")


def test_a_run_that_is_still_waiting_is_not_asked_for_twice(store: Store, clock: VirtualClock) -> None:
    set_schedule(store, every_seconds=MINUTE)
    numbers = set()
    for _ in range(5):
        clock.advance(MINUTE)
        with store.write() as tx:
            numbers |= {*schedules.dispatch_due(tx, tx.now)}
    assert len(numbers) == 1


def test_what_is_beyond_the_limit_stays_due(store: Store, clock: VirtualClock) -> None:
    for number in range(5):
        set_schedule(store, f"account {number}", every_seconds=MINUTE)
    clock.advance(MINUTE)
    asked = []
    with store.write() as tx:
        while schedules.is_due(tx):
            asked.append(len(schedules.dispatch_due(tx, tx.now, limit=2)))
    assert asked == [2, 2, 1]


def test_dispatchers_side_by_side_ask_once(store: Store, clock: VirtualClock) -> None:
    for number in range(30):
        set_schedule(store, f"account {number}", every_seconds=MINUTE)
    clock.advance(MINUTE)
    together = threading.Barrier(4)

    def look(_: int) -> tuple[int, ...]:
        together.wait(30)
        with store.write() as tx:
            return schedules.dispatch_due(tx, tx.now)

    with ThreadPoolExecutor(4) as pool:
        asked = [number for numbers in pool.map(look, range(4)) for number in numbers]
    assert len(asked) == len(set(asked)) == 30


# --- setting ---------------------------------------------------------------------------------------------------------


def test_a_schedule_takes_the_place_of_the_one_before(store: Store) -> None:
    set_schedule(store, cron="0 9 * * *", time_zone="Europe/Budapest")
    schedule = set_schedule(store, every_seconds=HOUR, enabled=False)
    assert (schedule.every_seconds, schedule.cron, schedule.time_zone, schedule.enabled) == (HOUR, None, "UTC", False)
    with store.read() as tx:
        assert schedules.list(tx) == (schedule,)
        assert schedules.get(tx, "a", "orders") == schedule


def test_schedules_are_listed_by_account_and_job(store: Store) -> None:
    for account, job in (("b", "orders"), ("a", "stock"), ("a", "orders")):
        set_schedule(store, account, job, every_seconds=HOUR)
    with store.read() as tx:
        assert [(one.account, one.job) for one in schedules.list(tx)] == [
            ("a", "orders"),
            ("a", "stock"),
            ("b", "orders"),
        ]
        assert [one.job for one in schedules.list(tx, account="b")] == ["orders"]


def test_a_schedule_that_rested_begins_from_now(store: Store, clock: VirtualClock) -> None:
    set_schedule(store, cron="0 9 * * *")
    with store.write() as tx:
        assert not schedules.enable(tx, "a", "orders", False).enabled
    clock.advance(7 * DAY)
    assert dispatch(store) == 0
    with store.write() as tx:
        schedule = schedules.enable(tx, "a", "orders", True)
    assert (schedule.enabled, schedule.next_run_at) == (True, datetime(2026, 11, 9, 9, tzinfo=UTC))
    assert dispatch(store) == 0


def test_a_removed_schedule_asks_no_more(store: Store, clock: VirtualClock) -> None:
    set_schedule(store, every_seconds=HOUR)
    with store.write() as tx:
        schedules.remove(tx, "a", "orders")
    clock.advance(DAY)
    assert dispatch(store) == 0


@pytest.mark.parametrize("how", ["get", "remove", "enable"])
def test_a_schedule_that_is_not_there_is_named(store: Store, how: str) -> None:
    arguments = (True,) if how == "enable" else ()
    with pytest.raises(NotFoundHere, match="orders has no schedule for account a"), store.write() as tx:
        getattr(schedules, how)(tx, "a", "orders", *arguments)


FAULTS = {
    "no rhythm": ({}, "either a number of seconds or a cron line"),
    "two rhythms": ({"every_seconds": 5, "cron": "* * * * *"}, "either a number of seconds or a cron line"),
    "zero seconds": ({"every_seconds": 0}, "Every 0 seconds"),
    "a year": ({"every_seconds": 365 * DAY}, "from 1 to 2678400"),
    "four fields": ({"cron": "30 2 * *"}, "'30 2 \\* \\*' is wrong: it has not five fields"),
    "seconds": ({"cron": "0 30 2 * * *"}, "it has not five fields"),
    "empty": ({"cron": ""}, "it has not five fields"),
    "hour 25": ({"cron": "30 25 * * *"}, "Bad hour"),
    "a name": ({"cron": "30 2 * * FOO"}, "Bad day-of-week"),
    "step of nth day": ({"cron": "0 0 * * 1#2/3"}, "Bad day-of-week"),
    "5000 digits": ({"cron": f"{'9' * 5000} * * * *"}, "is wrong"),
    "February 30": ({"cron": "0 0 30 2 *"}, "Bad day-of-month"),
    "never": ({"cron": "0 0 */29 2 1#5"}, "never comes due"),
    "no zone": ({"cron": "30 2 * * *", "time_zone": ""}, "no time zone ''"),
    "small letters": ({"cron": "30 2 * * *", "time_zone": "europe/budapest"}, "no time zone 'europe/budapest'"),
    "a folder": ({"every_seconds": 5, "time_zone": "Europe"}, "no time zone 'Europe'"),
    "outside": ({"cron": "30 2 * * *", "time_zone": "../UTC"}, "no time zone '../UTC'"),
}


@pytest.mark.parametrize(("rhythm", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_is_said(rhythm: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        next_run("a", START, **rhythm)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.advice


@given(line=st.lists(st.text("0123456789*/,-L#W", min_size=1, max_size=5), min_size=5, max_size=5).map(" ".join))
def test_any_line_gives_a_moment_or_says_what_is_wrong(line: str) -> None:
    try:
        assert next_run("a", START, cron=line) > START
    except ConfigError as fault:
        assert repr(line) in fault.message  # noqa: PT017 - a moment is as right as a fault


def test_a_fault_leaves_the_schedule_as_it_was(store: Store) -> None:
    schedule = set_schedule(store, every_seconds=HOUR)
    with pytest.raises(ConfigError):
        set_schedule(store, cron="30 25 * * *")
    with store.read() as tx:
        assert schedules.list(tx) == (schedule,)
