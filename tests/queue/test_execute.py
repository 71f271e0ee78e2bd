"""One run is carried out, and what it raises decides how it ends."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest

from crossdock.core.errors import (
    AuthError,
    BadAnswer,
    ConfigError,
    ContractError,
    CrossdockError,
    FeedError,
    NotFound,
    NotFoundHere,
    PluginLoadError,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownStatus,
    UnsafeChange,
    Unsupported,
)
from crossdock.core.store import Store, Write, events, runs
from crossdock.core.store.events import EventRecord, Level
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.core.store.tables import metadata
from crossdock.jobs.run import GiveBack, JobFunction, Run
from crossdock.queue.execute import Executor
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
SECRET = "hunter2hunter2"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def store(database_url: str, clock: VirtualClock) -> Iterator[Store]:
    store = Store(database_url, clock=clock)
    metadata.create_all(store.engine)
    yield store
    store.close()


def raising(error: BaseException) -> JobFunction:
    def job(run: Run) -> None:
        run.count(seen=2)
        raise error

    return job


class Bench:
    """Executes one job after the other, and keeps what was asked of its surroundings."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stopped: list[tuple[str, str]] = []
        self.opened: list[str] = []
        self.told: list[tuple[str, int, str]] = []

    def executor(self, job: JobFunction, stop: Callable[[Write, str, str], object] | None = None) -> Executor:
        return Executor(
            self.store,
            {"stock": job},
            open_connector=self._open,
            stop_account=stop or (lambda tx, account, reason: self.stopped.append((account, reason))),
            redact=lambda text: text.replace(SECRET, "***"),
            order_changed=lambda account, number, what: self.told.append((account, number, what)),
        )

    def _open(self, account: str) -> NoReturn:
        self.opened.append(account)
        raise PluginLoadError(f"The plugin of {account} is broken.")

    def claim(self, job: str = "stock", *, force: bool = False) -> RunRecord:
        with self.store.write() as tx:
            number = runs.request(tx, "a", job, asked_by="test", force=force)
            (record,) = runs.claim(tx, "p1", run_id=number)
        return record

    def run(self, job: JobFunction, *, force: bool = False) -> tuple[RunRecord, tuple[EventRecord, ...]]:
        record = self.claim(force=force)
        self.executor(job).execute(record)
        return self.see(record)

    def see(self, record: RunRecord) -> tuple[RunRecord, tuple[EventRecord, ...]]:
        with self.store.read() as tx:
            return runs.get(tx, record.id), events.list(tx, run_id=record.id)


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)


# --- the good end ----------------------------------------------------------------------------------------------------


def test_a_job_that_returns_is_done(bench: Bench, clock: VirtualClock) -> None:
    def job(run: Run) -> None:
        run.count(seen=3, added=1)
        clock.advance(5)
        run.count(seen=1, unchanged=3)

    run, told = bench.run(job)
    assert (run.state, run.error, run.ended_at) == (RunState.DONE, None, START + timedelta(seconds=5))
    assert run.counts == {"seen": 4, "added": 1, "changed": 0, "unchanged": 3, "failed": 0}
    assert told == ()
    assert bench.opened == []


def test_the_job_sees_its_run(bench: Bench, store: Store, clock: VirtualClock) -> None:
    seen = []

    def job(run: Run) -> None:
        seen.append((run.job, run.account_id, run.force, run.resume_from))
        assert run.store is store
        assert run.clock is clock
        run.tell_order_changed(7, "won")

    bench.run(job, force=True)
    assert seen == [("stock", "a", True, None)]
    assert bench.told == [("a", 7, "won")]


# --- the other ends --------------------------------------------------------------------------------------------------

ENDS = {
    "ConfigError": (ConfigError("The warehouse is missing.", faults=["no main"]), "config_error"),
    "NotFoundHere": (NotFoundHere("There is no SKU X."), "not_found_here"),
    "PluginLoadError": (PluginLoadError("The plugin is broken."), "plugin_load_error"),
    "ContractError": (ContractError("push_stock answered with str."), "contract_error"),
    "Unsupported": (Unsupported("Miinto cannot push_prices."), "unsupported"),
    "AuthError": (AuthError("The token is refused.", status=401), "auth_error"),
    "Rejected": (Rejected("No such warehouse.", code="W1"), "rejected"),
    "NotFound": (NotFound("No such shop."), "not_found"),
    "BadAnswer": (BadAnswer("That is no JSON.", raw="<html>"), "bad_answer"),
    "UnknownStatus": (UnknownStatus("The status X has no meaning."), "unknown_status"),
    "UnsafeChange": (UnsafeChange("80 % of all offers go to zero."), "unsafe_change"),
    "FeedError": (FeedError("The feed lost 90 % of its offers."), "feed_error"),
    "CrossdockError": (CrossdockError("Something else."), "crossdock_error"),
    "KeyError": (KeyError("sku"), "unexpected"),
    "ExceptionGroup": (ExceptionGroup("two", [ValueError("1"), OSError("2")]), "unexpected"),
}


def test_an_error_ends_the_run_and_tells_a_person_what_to_do(bench: Bench) -> None:
    for name, (error, code) in ENDS.items():
        bench.stopped.clear()
        run, (event,) = bench.run(raising(error))
        words = error.message if isinstance(error, CrossdockError) else str(error)
        assert (run.state, run.attempts, run.counts["seen"]) == (RunState.FAILED, 0, 2), name
        assert words in (run.error or ""), name
        assert (event.level, event.code, event.account) == (Level.ERROR, code, "a"), name
        assert words in event.message, name
        assert len(event.advice) > 20, name
        assert bool(bench.stopped) == isinstance(error, AuthError), name


def test_the_advice_of_an_error_goes_before_that_of_its_class(bench: Bench) -> None:
    _, (event,) = bench.run(raising(ConfigError("No key.", faults=["one", "two"], advice="Give the key back.")))
    assert event.advice == "Give the key back."
    assert event.message == "No key.\n  - one\n  - two"
    assert event.detail == {"faults": "one\ntwo"}


def test_a_refusal_keeps_what_the_platform_said(bench: Bench) -> None:
    error = Rejected("The order is refused.", code="E17", status=422, words="zły kod", advice="Mend the code.")
    error.at("shop", "push_orders")
    _, (event,) = bench.run(raising(error))
    assert event.message == "account shop, push_orders: The order is refused. [E17] The platform said: zły kod"
    assert event.detail == {"verb": "push_orders", "code": "E17", "status": 422, "words": "zły kod"}


def test_a_bad_answer_is_kept_raw(bench: Bench) -> None:
    _, (event,) = bench.run(raising(BadAnswer("No JSON.", raw="<html>\0\ud800", status=200)))
    assert event.detail == {"status": 200, "raw": "<html>\\x00\\ud800"}


def test_what_nobody_expected_is_kept_with_its_traceback_and_without_secrets(bench: Bench) -> None:
    def job(run: Run) -> None:
        raise ValueError(f"the password {SECRET} is wrong \0")

    run, (event,) = bench.run(job)
    assert run.error == event.message == "ValueError: the password *** is wrong \\x00"
    assert event.detail is not None
    assert "test_execute.py" in event.detail["traceback"]
    assert SECRET not in json.dumps(event.detail)


@pytest.mark.parametrize("error", [AuthError(f"No: {SECRET}"), Rejected("No.", words=SECRET, advice=SECRET)])
def test_no_secret_is_kept_whoever_tells_it(bench: Bench, error: CrossdockError) -> None:
    run, (event,) = bench.run(raising(error))
    assert SECRET not in f"{run} {event} {bench.stopped}"


def test_a_connector_that_cannot_be_opened_fails_the_run(bench: Bench) -> None:
    run, (event,) = bench.run(lambda run: run.account.log.info("never"))
    assert (run.state, event.code) == (RunState.FAILED, "plugin_load_error")
    assert bench.opened == ["a"]


def test_a_job_that_is_not_there_fails_by_name(bench: Bench) -> None:
    record = bench.claim("stokc")
    bench.executor(raising(ZeroDivisionError())).execute(record)
    run, (event,) = bench.see(record)
    assert (run.state, event.message, event.advice) == (RunState.FAILED, "There is no job 'stokc'.", "Jobs are: stock.")


# --- credentials -----------------------------------------------------------------------------------------------------


def test_refused_credentials_stop_the_account_in_the_same_transaction(bench: Bench, store: Store) -> None:
    def stop(tx: Write, account: str, reason: str) -> None:
        events.add(tx, Level.INFO, "stopped", reason, account=account)

    record = bench.claim()
    bench.executor(raising(AuthError("The token is refused.", advice="Get another.")), stop).execute(record)
    with store.read() as tx:
        (event,) = events.list(tx, code="stopped")
        assert runs.get(tx, record.id).state is RunState.FAILED
    assert event.message == "The token is refused. Get another."


def test_an_account_that_was_removed_meanwhile_needs_no_stopping(bench: Bench) -> None:
    def stop(tx: Write, account: str, reason: str) -> None:
        raise NotFoundHere(f"There is no account {account}.")

    record = bench.claim()
    bench.executor(raising(AuthError("The token is refused.")), stop).execute(record)
    run, (event,) = bench.see(record)
    assert (run.state, event.code) == (RunState.FAILED, "auth_error")


# --- trying again ----------------------------------------------------------------------------------------------------


def test_a_platform_that_is_away_is_tried_again_later_and_later(
    bench: Bench, store: Store, clock: VirtualClock
) -> None:
    record = bench.claim()
    executor = bench.executor(raising(Unavailable("No answer.")))
    waits = []
    while record.state is RunState.RUNNING:
        executor.execute(record)
        with store.read() as tx:
            record = runs.get(tx, record.id)
        if record.state is RunState.QUEUED:
            waits.append((record.not_before - clock.now()).total_seconds())
            clock.set(record.not_before)
            with store.write() as tx:
                (record,) = runs.claim(tx, "p1")
    assert len(waits) == runs.MAX_ATTEMPTS - 1
    for wait, longest in zip(waits, [15, 30, 60, 120, 240, 480, 900], strict=True):
        assert longest / 2 <= wait < longest
    run, told = bench.see(record)
    assert (run.state, run.attempts, run.error) == (RunState.FAILED, 8, "No answer.")
    assert [event.level for event in told] == [Level.ERROR, *[Level.WARNING] * 7]
    assert told[-1].message.startswith("No answer. Attempt 1 of 8; the next one in ")
    assert told[0].advice


def test_long_work_that_comes_on_may_be_put_off_as_often_as_it_takes(
    bench: Bench, store: Store, clock: VirtualClock
) -> None:
    def one_page_at_a_time(run: Run) -> None:
        with run.write():
            run.count(seen=1)
        raise RateLimited("Enough for this minute.", retry_after=60)

    record = bench.claim()
    executor = bench.executor(one_page_at_a_time)
    for _ in range(3 * runs.MAX_ATTEMPTS):
        executor.execute(record)
        clock.advance(60)
        with store.write() as tx:
            (record,) = runs.claim(tx, "p1")
    assert (record.state, record.attempts) == (RunState.RUNNING, 1)


def test_runs_that_fail_together_do_not_come_back_together(bench: Bench, store: Store) -> None:
    moments = set()
    for account in range(20):
        with store.write() as tx:
            number = runs.request(tx, f"account {account}", "stock", asked_by="test")
            (record,) = runs.claim(tx, "p1", run_id=number)
        bench.executor(raising(Unavailable("No answer."))).execute(record)
        moments.add(bench.see(record)[0].not_before)
    assert len(moments) > 10


@pytest.mark.parametrize("kind", [Unavailable, RateLimited])
@pytest.mark.parametrize("seconds", [0.0, 7.5, 3600.0])
def test_a_platform_that_says_when_is_asked_then(bench: Bench, kind: type[Unavailable], seconds: float) -> None:
    run, (event,) = bench.run(raising(kind("Too many.", retry_after=seconds)))
    assert (run.state, run.not_before) == (RunState.QUEUED, START + timedelta(seconds=seconds))
    assert event.level is Level.WARNING


def test_what_is_done_in_the_end_leaves_no_error(bench: Bench, store: Store, clock: VirtualClock) -> None:
    record = bench.claim()
    bench.executor(raising(Unavailable("No answer."))).execute(record)
    clock.advance(15)
    with store.write() as tx:
        (record,) = runs.claim(tx, "p1")
    bench.executor(lambda run: None).execute(record)
    run, _ = bench.see(record)
    assert (run.state, run.error) == (RunState.DONE, None)


# --- leaving ---------------------------------------------------------------------------------------------------------


def test_a_run_that_was_cancelled_ends_at_its_next_check(bench: Bench, store: Store) -> None:
    pages = []

    def job(run: Run) -> None:
        while True:
            run.check_cancelled()
            pages.append(run.id)
            with store.write() as tx:
                runs.cancel(tx, run.id)

    run, (event,) = bench.run(job)
    assert pages == [run.id]
    assert (run.state, event.level, event.code) == (RunState.CANCELLED, Level.INFO, "cancelled")


def test_a_cancelled_run_does_not_wait_for_the_platform(bench: Bench, store: Store) -> None:
    def job(run: Run) -> None:
        with store.write() as tx:
            runs.cancel(tx, run.id)
        raise Unavailable("No answer.")

    run, (event,) = bench.run(job)
    assert (run.state, event.level) == (RunState.CANCELLED, Level.INFO)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_passes_through_and_the_run_goes_back(bench: Bench, end: type[BaseException]) -> None:
    record = bench.claim()
    with pytest.raises(end):
        bench.executor(raising(end())).execute(record)
    run, told = bench.see(record)
    assert (run.state, run.attempts, run.not_before, told) == (RunState.QUEUED, 0, START, ())


def test_a_process_that_leaves_gets_runs_back_at_their_next_check(bench: Bench) -> None:
    record, leaving = bench.claim(), threading.Event()
    leaving.set()
    bench.executor(lambda run: run.check_cancelled()).execute(record, leaving)
    run, told = bench.see(record)
    assert (run.state, run.attempts, told) == (RunState.QUEUED, 0, ())
    with pytest.raises(GiveBack):
        Run(bench.store, record, lambda account: None, leaving).check_cancelled()  # type: ignore[arg-type, return-value]


# --- taken over ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", ["write", "check", "event", "return", "raise", "away", "leave"])
def test_a_run_that_was_taken_over_writes_nothing(
    bench: Bench, store: Store, clock: VirtualClock, caplog: pytest.LogCaptureFixture, late: str
) -> None:
    went_on = []

    def job(run: Run) -> None:
        clock.advance(61)
        with store.write() as tx:
            runs.take_over(tx, 60)
            runs.claim(tx, "p2")
        if late == "write":
            with run.write() as tx:
                events.add(tx, Level.INFO, "late", "late", account="a")
        if late == "check":
            run.check_cancelled()
        if late == "event":
            run.event(Level.INFO, "late", "late")
        if late == "raise":
            raise ZeroDivisionError
        if late == "away":
            raise Unavailable("No answer.")
        if late == "leave":
            raise GiveBack
        went_on.append(late)

    with caplog.at_level(logging.WARNING):
        run, told = bench.run(job)
    assert (run.state, run.owner, run.token, run.counts) == (RunState.RUNNING, "p2", 2, {})
    assert [event.code for event in told] == [runs.TAKEN_OVER]
    with store.read() as tx:
        assert events.list(tx, code="late") == ()
    assert f"Run {run.id} (stock of account a) was taken over" in caplog.text
    assert went_on == (["return"] if late == "return" else [])


# --- what a job can say ----------------------------------------------------------------------------------------------


def test_progress_events_and_checkpoint_are_seen_while_the_job_runs(bench: Bench, store: Store) -> None:
    def job(run: Run) -> None:
        run.progress(3, 10, "reading pages")
        run.checkpoint({"page": 3})
        run.count(seen=30)
        run.event(Level.WARNING, "slow", "The platform is slow.", item="page 3", advice="Wait.", detail={"seconds": 9})
        with store.read() as tx:
            now, (event,) = runs.get(tx, run.id), events.list(tx, run_id=run.id)
        assert now.progress == {"done": 3, "total": 10, "message": "reading pages"}
        assert (now.checkpoint, now.counts["seen"]) == ({"page": 3}, 30)
        assert (event.code, event.item, event.advice, event.detail) == ("slow", "page 3", "Wait.", {"seconds": 9})

    run, _ = bench.run(job)
    assert run.state is RunState.DONE


def test_within_a_transaction_all_of_it_is_written_or_nothing(bench: Bench, store: Store) -> None:
    def page(run: Run, number: int) -> None:
        with run.write():
            run.progress(number)
            run.checkpoint({"page": number})
            run.event(Level.INFO, "page", f"page {number}")
            if number == 2:
                raise Rejected("No page 2.")

    def job(run: Run) -> None:
        page(run, 1)
        with pytest.raises(Rejected):
            page(run, 2)
        with run.write():
            pass  # nothing of the failed one is left over

    run, told = bench.run(job)
    assert (run.progress, run.checkpoint) == ({"done": 1, "total": None, "message": ""}, {"page": 1})
    assert [event.message for event in told] == ["page 1"]


def test_a_run_may_ask_for_itself_and_is_still_fenced(bench: Bench, store: Store, clock: VirtualClock) -> None:
    def job(run: Run) -> None:
        with run.write() as tx:
            runs.ask(tx, "a", "stock", asked_by="itself")
        with store.read() as tx:
            assert runs.get(tx, run.id).again
        clock.advance(61)
        with store.write() as tx:
            runs.take_over(tx, 60)
        with run.write() as tx:
            runs.ask(tx, "a", "stock", asked_by="itself")
            events.add(tx, Level.INFO, "late", "late", account="a", run_id=run.id)

    run, told = bench.run(job)
    assert (run.state, run.token) == (RunState.QUEUED, 1)
    assert [event.code for event in told] == [runs.TAKEN_OVER]


@pytest.mark.parametrize("saved", [True, False])
def test_an_attempt_goes_on_from_the_checkpoint_with_its_counts(
    bench: Bench, store: Store, clock: VirtualClock, saved: bool
) -> None:
    def first(run: Run) -> None:
        run.count(seen=30)
        if saved:
            run.checkpoint({"page": 3})
        run.progress(30)
        raise Unavailable("No answer.")

    def second(run: Run) -> None:
        assert run.resume_from == ({"page": 3} if saved else None)
        run.count(seen=5)

    record = bench.claim()
    bench.executor(first).execute(record)
    clock.advance(15)
    with store.write() as tx:
        (record,) = runs.claim(tx, "p1")
    assert record.progress is None
    bench.executor(second).execute(record)
    run, _ = bench.see(record)
    assert (run.state, run.counts["seen"]) == (RunState.DONE, 35 if saved else 5)
