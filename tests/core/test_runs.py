"""Runs: never two at once, no change left waiting, no write by one that was taken over."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError

import crossdock
from crossdock.core.errors import Fenced, NotFoundHere
from crossdock.core.store import Store, Write, events, runs
from crossdock.core.store.events import Level
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.core.store.tables import consumers, metadata
from crossdock.core.store.tables import runs as table
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def store(database_url: str, clock: VirtualClock) -> Iterator[Store]:
    store = Store(database_url, clock=clock)
    metadata.create_all(store.engine)
    yield store
    store.close()


def request(store: Store, account: str = "a", job: str = "stock", **options: object) -> int:
    with store.write() as tx:
        return runs.request(tx, account, job, asked_by="test", **options)  # type: ignore[arg-type]  # any of its options


def claim(store: Store, owner: str = "p1", run_id: int | None = None) -> RunRecord:
    with store.write() as tx:
        (run,) = runs.claim(tx, owner, run_id=run_id)
    return run


def claim_nothing(store: Store) -> None:
    with store.write() as tx:
        assert runs.claim(tx, "p1") == ()


def finish(store: Store, run: RunRecord, state: RunState = RunState.DONE) -> None:
    with store.write() as tx:
        runs.finish(tx, run, state)


def get(store: Store, run_id: int) -> RunRecord:
    with store.read() as tx:
        return runs.get(tx, run_id)


def newest(store: Store) -> RunRecord:
    with store.read() as tx:
        return runs.list(tx, limit=1)[0]


def how_many(store: Store) -> int:
    with store.read() as tx:
        return len(runs.list(tx))


# --- asking ----------------------------------------------------------------------------------------------------------


def test_a_new_run_waits_with_nothing_done_yet(store: Store) -> None:
    run = get(store, request(store, "a", "orders", delay=5, priority=3, force=True))
    assert (run.account, run.job, run.state, run.asked_by) == ("a", "orders", RunState.QUEUED, "test")
    assert (run.asked_at, run.not_before, run.priority, run.force) == (START, START + timedelta(seconds=5), 3, True)
    assert (run.again, run.cancel, run.token, run.attempts, dict(run.counts)) == (False, False, 0, 0, {})
    assert (run.owner, run.began_at, run.ended_at, run.checkpoint, run.progress, run.error) == (None,) * 6


def test_asking_again_gives_the_same_run_until_it_ends(store: Store) -> None:
    first = request(store)
    assert request(store) == first
    run = claim(store)
    assert request(store) == first
    assert get(store, first).again
    finish(store, run)
    successor = newest(store)
    assert (successor.id > first, successor.state, successor.again) == (True, RunState.QUEUED, False)
    assert request(store) == successor.id


def test_other_accounts_and_jobs_have_runs_of_their_own(store: Store) -> None:
    assert len({request(store, "a", "stock"), request(store, "a", "orders"), request(store, "b", "stock")}) == 3


def test_a_hundred_who_ask_from_threads_at_once_get_one_run(store: Store) -> None:
    together = threading.Barrier(20)  # as many connections as the store's pool keeps

    def ask(_: int) -> list[int]:
        together.wait(30)
        return [request(store) for _ in range(5)]

    with ThreadPoolExecutor(20) as pool:
        numbers = [number for mine in pool.map(ask, range(20)) for number in mine]
    assert len(numbers) == 100
    assert set(numbers) == {newest(store).id}
    assert how_many(store) == 1


ASK_FROM_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from crossdock.core.store import Store, runs

def ask(_):
    with store.write() as tx:
        return runs.request(tx, "a", "stock", asked_by="test")

store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(5) as pool:
    print(*pool.map(ask, range(25)))
store.close()
"""


def test_a_hundred_who_ask_from_four_processes_at_once_get_one_run(store: Store, database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASK_FROM_THREADS, database_url],
            cwd=Path(crossdock.__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert [process.stdout and process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    numbers = [int(number) for process in processes for number in process.communicate(timeout=60)[0].split()]
    assert numbers == [newest(store).id] * 100
    assert how_many(store) == 1


def test_what_is_rolled_back_was_not_asked(store: Store) -> None:
    def ask_and_fail() -> None:
        with store.write() as tx:
            runs.request(tx, "a", "stock", asked_by="test")
            runs.ask(tx, "a", "orders", asked_by="test")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_fail()
    assert how_many(store) == 0


def test_ask_waits_for_the_end_of_the_transaction_and_sorts(store: Store) -> None:
    with store.write() as tx:
        for account in ("b", "a", "b"):
            runs.ask(tx, account, "stock", asked_by="test", force=True)
        assert runs.list(tx) == ()
    with store.read() as tx:
        assert [(run.account, run.force) for run in runs.list(tx)] == [("b", True), ("a", True)]


def in_opposite_order(store: Store, ask: str) -> None:
    """Let two transactions ask for the runs of a and b at the same time, each in another order."""
    both = threading.Barrier(2)

    def transaction(accounts: str) -> None:
        with store.write() as tx:
            for account in accounts:
                getattr(runs, ask)(tx, account, "stock", asked_by="test")
                if account == accounts[0]:
                    both.wait(30)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(transaction, order) for order in ("ab", "ba")]:
            done.result(30)


@only_postgresql
def test_transactions_that_ask_in_opposite_order_do_not_lock_each_other_out(store: Store) -> None:
    request(store, "a"), request(store, "b")
    for _ in range(20):
        in_opposite_order(store, "ask")
    assert how_many(store) == 2


@only_postgresql
def test_without_deferring_they_would(store: Store) -> None:
    request(store, "a"), request(store, "b")
    with pytest.raises(OperationalError, match="deadlock"):
        in_opposite_order(store, "request")


# --- claiming --------------------------------------------------------------------------------------------------------


def test_claims_go_by_priority_then_by_age(store: Store, clock: VirtualClock) -> None:
    old = request(store, "a")
    clock.advance(1)
    urgent, young, later = request(store, "b", priority=5), request(store, "c"), request(store, "d", delay=60)
    with store.write() as tx:
        first = runs.claim(tx, "p1", limit=2)
    assert [run.id for run in first] == [urgent, old]
    assert claim(store).id == young
    claim_nothing(store)
    clock.advance(60)
    assert claim(store).id == later


def test_a_claimed_run_is_owned(store: Store, clock: VirtualClock) -> None:
    request(store)
    clock.advance(3)
    run = claim(store, "p7")
    assert (run.state, run.owner, run.token) == (RunState.RUNNING, "p7", 1)
    assert run.began_at == run.heartbeat_at == START + timedelta(seconds=3)
    assert get(store, run.id) == run
    claim_nothing(store)


def test_a_certain_run_is_claimed_due_or_not_and_only_while_queued(store: Store) -> None:
    request(store, "a")
    wanted = request(store, "b", delay=900)
    with store.write() as tx:
        assert [run.id for run in runs.claim(tx, "p1", run_id=wanted)] == [wanted]
    with store.write() as tx:
        assert runs.claim(tx, "p1", run_id=wanted) == ()
        assert runs.claim(tx, "p1", run_id=4711) == ()


def test_no_run_is_claimed_twice(store: Store) -> None:
    wanted = {request(store, f"account {number}") for number in range(40)}
    together = threading.Barrier(4)

    def claim_all(owner: str) -> list[int]:
        together.wait(30)
        mine: list[int] = []
        while True:
            with store.write() as tx:
                claimed = runs.claim(tx, owner, limit=3)
            if not claimed and not newest_queued(store):
                return mine
            mine += [run.id for run in claimed]

    with ThreadPoolExecutor(4) as pool:
        claimed = [number for mine in pool.map(claim_all, "wxyz") for number in mine]
    assert len(claimed) == 40
    assert set(claimed) == wanted


def newest_queued(store: Store) -> tuple[RunRecord, ...]:
    with store.read() as tx:
        return runs.list(tx, state=RunState.QUEUED, limit=1)


# --- no change is left waiting ---------------------------------------------------------------------------------------

STEPS = ("asked", "claimed", "read", "sent", "acknowledged", "finished")


class Shop:
    """A value here that a push brings to a platform, while somebody changes it at given steps of the first pushes."""

    def __init__(self, store: Store, account: str, moments: tuple[str, ...]) -> None:
        self.store, self.account, self.moments = store, account, list(moments)
        self.there = 0

    def change(self) -> None:
        with self.store.write() as tx:
            row = insert(consumers).values(name=self.account, position=1, at=tx.now)
            up = {"position": consumers.c.position + 1}
            tx.execute(row.on_conflict_do_update(index_elements=["name"], set_=up))
            runs.ask(tx, self.account, "push", asked_by="change")

    def here(self) -> int:
        with self.store.read() as tx:
            return int(tx.scalar(select(consumers.c.position).where(consumers.c.name == self.account)))

    def at(self, step: str) -> None:
        if step in self.moments:
            self.moments.remove(step)
            self.change()

    def push(self) -> bool:
        self.at("asked")
        with self.store.write() as tx:
            claimed = runs.claim(tx, "p1")
        if not claimed:
            return False
        self.at("claimed")
        value = self.here()
        self.at("read")
        self.there = value
        self.at("sent")
        with self.store.write() as tx:
            runs.fence(tx, claimed[0])
        self.at("acknowledged")
        finish(self.store, claimed[0])
        self.at("finished")
        return True


def test_a_change_at_any_step_of_a_push_reaches_the_platform(store: Store) -> None:
    ways = chain.from_iterable(combinations(STEPS, size) for size in range(len(STEPS) + 1))
    for number, moments in enumerate(ways):
        # Twice each, so that the successor's steps are disturbed as well.
        shop = Shop(store, f"account {number}", moments * 2)
        shop.change()
        pushes = 0
        while shop.push():
            pushes += 1
        assert shop.moments == [], moments
        assert shop.there == shop.here() == 1 + 2 * len(moments), moments
        assert pushes <= 2 + 2 * len(moments), moments


@only_postgresql
def test_a_claim_leaves_alone_what_is_asked_for_at_that_moment(store: Store) -> None:
    number = request(store)
    with store.write() as tx:
        runs.request(tx, "a", "stock", asked_by="change")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(claim_nothing, store).result(30)
    assert claim(store).id == number


@only_postgresql
def test_the_end_of_a_run_waits_for_who_is_asking(store: Store) -> None:
    request(store)
    run = claim(store)
    with ThreadPoolExecutor(1) as pool:
        with store.write() as tx:
            runs.request(tx, "a", "stock", asked_by="change")
            end = pool.submit(finish, store, run)
            with pytest.raises(TimeoutError):
                end.result(0.3)
        end.result(30)
    assert newest(store).state is RunState.QUEUED
    assert newest(store).id > run.id


def test_going_on_from_a_checkpoint_does_not_forget_that_somebody_asked(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    with store.write() as tx:
        runs.fence(tx, run, checkpoint={"page": 7})
    request(store)
    with store.write() as tx:
        runs.retry(tx, run, delay=1, error="the platform is away")
    clock.advance(1)
    run = claim(store)
    assert (run.again, run.checkpoint) == (True, {"page": 7})
    finish(store, run)
    assert newest(store).state is RunState.QUEUED


def test_beginning_anew_covers_what_was_asked_for_meanwhile(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    request(store)
    with store.write() as tx:
        runs.retry(tx, run, delay=1, error="the platform is away")
    clock.advance(1)
    run = claim(store)
    assert not run.again
    finish(store, run)
    assert how_many(store) == 1


# --- force -----------------------------------------------------------------------------------------------------------


def test_force_counts_for_a_run_that_has_not_begun(store: Store) -> None:
    request(store)
    request(store, force=True)
    assert claim(store).force


def test_force_during_a_run_is_for_its_successor(store: Store) -> None:
    request(store)
    run = claim(store)
    request(store, force=True)
    finish(store, run)
    assert newest(store).force


def test_force_is_used_up_by_the_run_that_had_it(store: Store) -> None:
    request(store, force=True)
    run = claim(store)
    request(store)
    finish(store, run)
    assert newest(store).id > run.id
    assert not newest(store).force


# --- fencing ---------------------------------------------------------------------------------------------------------


def test_the_owner_of_a_run_may_write(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    clock.advance(5)
    with store.write() as tx:
        runs.fence(tx, run, counts={"seen": 3}, progress={"done": 3, "total": None, "message": ""})
    now = get(store, run.id)
    assert (now.heartbeat_at, now.counts) == (START + timedelta(seconds=5), {"seen": 3})
    assert now.progress == {"done": 3, "total": None, "message": ""}


def lose(store: Store, clock: VirtualClock, account: str, since: str) -> RunRecord:
    """Return a run as the process holds it that lost it since."""
    late = claim(store, run_id=request(store, account))
    clock.advance(61)
    with store.write() as tx:
        assert late.id in runs.take_over(tx, 60)
    if since == "claimed by the same process":
        claim(store, "p1", late.id)
    if since in ("claimed by another", "ended"):
        other = claim(store, "p2", late.id)
        if since == "ended":
            finish(store, other)
    return late


@pytest.mark.parametrize("what", ["fence", "finish", "retry", "give_back"])
def test_a_run_that_is_not_mine_any_more_takes_nothing_from_me(store: Store, clock: VirtualClock, what: str) -> None:
    further: dict[str, dict[str, Any]] = {"finish": {"state": RunState.DONE}, "retry": {"delay": 1, "error": "x"}}

    def write_late(late: RunRecord) -> None:
        with store.write() as tx:
            events.add(tx, Level.INFO, "late", "late", account=late.account, run_id=late.id)
            getattr(runs, what)(tx, late, **further.get(what, {}))

    for since in ("taken over", "claimed by the same process", "claimed by another", "ended"):
        late = lose(store, clock, since, since)
        before = get(store, late.id)
        with pytest.raises(Fenced, match=f"Run {late.id} "):
            write_late(late)
        assert get(store, late.id) == before
    with store.read() as tx:
        assert events.list(tx, code="late") == ()


# --- signs of life ---------------------------------------------------------------------------------------------------


def test_a_run_with_signs_of_life_stays_where_it_is(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    for _ in range(10):
        clock.advance(50)
        with store.write() as tx:
            runs.heartbeat(tx, "p1", {run.id})
            assert not runs.is_stale(tx, 60)
            assert runs.take_over(tx, 60) == ()
    assert get(store, run.id).owner == "p1"


def test_a_run_without_is_taken_over_with_its_checkpoint(store: Store, clock: VirtualClock) -> None:
    request(store)
    lost = claim(store)
    with store.write() as tx:
        runs.fence(tx, lost, checkpoint={"page": 3}, counts={"seen": 30})
    clock.advance(60)
    with store.write() as tx:
        assert runs.take_over(tx, 60) == ()
    clock.advance(1)
    with store.write() as tx:
        assert runs.is_stale(tx, 60)
        assert runs.take_over(tx, 60) == (lost.id,)
    run = claim(store, "p2")
    assert (run.id, run.token, run.attempts, run.owner) == (lost.id, 2, 1, "p2")
    assert (run.checkpoint, run.counts) == ({"page": 3}, {"seen": 30})
    with store.read() as tx:
        (event,) = events.list(tx, run_id=run.id)
    assert (event.level, event.code) == (Level.WARNING, runs.TAKEN_OVER)
    assert "p1 gave no sign of life since 2026-11-02 08:00:00 UTC" in event.message


def test_a_sign_of_life_of_the_old_owner_counts_for_nothing(store: Store, clock: VirtualClock) -> None:
    request(store)
    lost = claim(store)
    clock.advance(61)
    with store.write() as tx:
        runs.take_over(tx, 60)
    claim(store, "p2")
    clock.advance(61)
    with store.write() as tx:
        runs.heartbeat(tx, "p1", {lost.id})
        assert runs.is_stale(tx, 60)


def test_a_run_that_loses_its_process_again_and_again_is_given_up(store: Store, clock: VirtualClock) -> None:
    number = request(store)
    for _ in range(runs.MAX_TAKEOVERS):
        assert get(store, number).state is RunState.QUEUED
        claim(store)
        clock.advance(61)
        with store.write() as tx:
            runs.take_over(tx, 60)
    run = get(store, number)
    assert (run.state, run.attempts, run.ended_at) == (RunState.FAILED, 4, clock.now())
    with store.read() as tx:
        event = events.list(tx, run_id=number)[0]
    assert (event.level, "5 times" in event.message, bool(event.advice)) == (Level.ERROR, True, True)


def test_a_lost_run_that_was_to_stop_is_cancelled(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    with store.write() as tx:
        runs.cancel(tx, run.id)
    clock.advance(61)
    with store.write() as tx:
        runs.take_over(tx, 60)
    assert get(store, run.id).state is RunState.CANCELLED


@only_postgresql
def test_neither_claim_nor_takeover_nor_sign_of_life_waits_for_a_locked_run(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    clock.advance(61)

    def look() -> None:
        with store.write() as tx:
            runs.heartbeat(tx, "p1", {run.id})
            assert runs.take_over(tx, 60) == ()
            assert runs.claim(tx, "p1") == ()

    with store.write() as tx:
        runs.fence(tx, run)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(look).result(30)


@only_postgresql
def test_an_event_that_is_being_written_does_not_hold_its_run(store: Store, clock: VirtualClock) -> None:
    request(store)
    run = claim(store)
    clock.advance(61)

    def look() -> tuple[int, ...]:
        with store.write() as tx:
            return runs.take_over(tx, 60)

    with store.write() as tx:
        events.add(tx, Level.INFO, "page", "page 1", account="a", run_id=run.id)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(look).result(30) == (run.id,)


# --- trying again ----------------------------------------------------------------------------------------------------


def test_an_attempt_that_came_to_nothing_is_repeated_later(store: Store, clock: VirtualClock) -> None:
    number = request(store)
    with store.write() as tx:
        assert runs.retry(tx, claim_in(tx), delay=30, error="the platform is away") is RunState.QUEUED
    run = get(store, number)
    assert (run.state, run.attempts, run.owner) == (RunState.QUEUED, 1, None)
    assert (run.not_before, run.error) == (START + timedelta(seconds=30), "the platform is away")
    claim_nothing(store)
    clock.advance(30)
    finish(store, claim(store))
    run = get(store, number)
    assert (run.state, run.error, run.token) == (RunState.DONE, None, 2)


def claim_in(tx: Write) -> RunRecord:
    (run,) = runs.claim(tx, "p1")
    return run


def test_attempts_have_an_end(store: Store) -> None:
    number = request(store)
    states = []
    for _ in range(runs.MAX_ATTEMPTS):
        with store.write() as tx:
            states.append(runs.retry(tx, claim_in(tx), delay=0, error="the platform is away"))
    assert states == [RunState.QUEUED] * 7 + [RunState.FAILED]
    run = get(store, number)
    assert (run.state, run.attempts, run.error) == (RunState.FAILED, 8, "the platform is away")


def test_what_is_given_back_is_due_at_once_and_no_failure(store: Store) -> None:
    number = request(store)
    with store.write() as tx:
        assert runs.give_back(tx, claim_in(tx)) is RunState.QUEUED
    run = get(store, number)
    assert (run.state, run.attempts, run.not_before) == (RunState.QUEUED, 0, START)
    assert claim(store).token == 2


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_cancelled_at_once(store: Store) -> None:
    number = request(store)
    with store.write() as tx:
        assert runs.cancel(tx, number).state is RunState.CANCELLED
    claim_nothing(store)
    assert request(store) > number


def test_a_running_run_is_asked_to_stop(store: Store) -> None:
    request(store)
    run = claim(store)
    with store.write() as tx:
        now = runs.cancel(tx, run.id)
    assert (now.state, now.cancel) == (RunState.RUNNING, True)


@pytest.mark.parametrize("how", ["retry", "give_back"])
def test_what_was_asked_to_stop_does_not_come_back(store: Store, how: str) -> None:
    request(store)
    run = claim(store)
    with store.write() as tx:
        runs.cancel(tx, run.id)
    arguments = {"delay": 1, "error": "away"} if how == "retry" else {}
    with store.write() as tx:
        assert getattr(runs, how)(tx, run, **arguments) is RunState.CANCELLED
    assert get(store, run.id).ended_at == START


def test_a_run_that_has_ended_cannot_be_cancelled(store: Store) -> None:
    request(store)
    run = claim(store)
    finish(store, run)
    with store.write() as tx:
        assert runs.cancel(tx, run.id) == get(store, run.id)
    assert get(store, run.id).state is RunState.DONE


@pytest.mark.parametrize("function", [runs.get, runs.cancel])
def test_a_run_that_is_not_there_is_named(store: Store, function: object) -> None:
    with pytest.raises(NotFoundHere, match="no run 4711"), store.write() as tx:
        function(tx, 4711)  # type: ignore[operator]  # both take these


# --- the rest --------------------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first_by_page_and_by_what_is_wanted(store: Store) -> None:
    numbers = [request(store, account, job) for account in "abc" for job in ("orders", "stock")]
    finish(store, claim(store))
    with store.read() as tx:
        assert [run.id for run in runs.list(tx)] == numbers[::-1]
        assert [run.id for run in runs.list(tx, limit=2)] == numbers[:-3:-1]
        assert [run.id for run in runs.list(tx, limit=2, before=numbers[-2])] == numbers[-3:-5:-1]
        assert [run.id for run in runs.list(tx, account="b", job="stock")] == [numbers[3]]
        assert [run.id for run in runs.list(tx, state=RunState.DONE)] == [numbers[0]]


def test_whether_a_run_waits(store: Store, clock: VirtualClock) -> None:
    request(store, delay=10)
    with store.read() as tx:
        assert not runs.is_due(tx)
    clock.advance(10)
    with store.read() as tx:
        assert runs.is_due(tx)
    claim(store)
    with store.read() as tx:
        assert not runs.is_due(tx)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_history_however_long_is_not_read_for_what_is_active(store: Store) -> None:
    statements: list[tuple[str, Any]] = []
    request(store)  # what is asked for again has to be looked for
    listen(store.engine, "before_cursor_execute", lambda *call: statements.append(call[2:4]))
    request(store)
    claim(store)
    with store.write() as tx:
        assert not runs.is_due(tx)
        assert not runs.is_stale(tx, 60)
        assert runs.take_over(tx, 60) == ()
    with store.engine.connect() as connection:
        plans = [
            row[3]
            for statement, values in tuple(statements)
            if " runs" in statement and not statement.startswith("INSERT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    searches = [plan for plan in plans if "runs" in plan]
    assert len(searches) == 6
    assert [plan for plan in searches if plan.startswith("SCAN") or "account_job_ended_at" in plan] == []


def test_an_error_with_what_no_database_takes_is_kept_all_the_same(store: Store) -> None:
    request(store)
    run = claim(store)
    with store.write() as tx:
        runs.finish(tx, run, RunState.FAILED, error="a\0b \ud800 ż")
    assert get(store, run.id).error == "a\\x00b \\ud800 ż"


def test_the_queue_is_told_whenever_a_run_becomes_queued(store: Store, clock: VirtualClock) -> None:
    told: list[tuple[int, str, str]] = []

    def hear(tx: Write, run_id: int, account: str, job: str) -> None:
        assert runs.get(tx, run_id).state is RunState.QUEUED
        told.append((run_id, account, job))

    store.on_queued = hear
    first = request(store)
    request(store)  # the same run
    with store.write() as tx:
        runs.retry(tx, claim_in(tx), delay=0, error="away")
    with store.write() as tx:
        runs.give_back(tx, claim_in(tx))
    run = claim(store)
    request(store)  # again
    clock.advance(61)
    with store.write() as tx:
        runs.take_over(tx, 60)
    run = claim(store)
    request(store)
    finish(store, run)
    assert told == [(first, "a", "stock")] * 4 + [(newest(store).id, "a", "stock")]


def test_nothing_is_null_in_one_database_and_null_of_json_in_the_other(store: Store) -> None:
    request(store)
    claim(store)
    with store.read() as tx:
        assert tx.scalar(select(table.c.checkpoint.is_(None) & table.c.progress.is_(None)))
        assert tx.scalar(text("SELECT count(*) FROM runs WHERE checkpoint IS NULL AND progress IS NULL")) == 1
