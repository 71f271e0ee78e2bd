"""Events: what people are told, and what of it still needs them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.core.store import Store, events, runs
from crossdock.core.store.events import EventRecord, Level
from crossdock.core.store.runs import RunState
from crossdock.core.store.tables import metadata
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(START))
    metadata.create_all(store.engine)
    yield store
    store.close()


def run(store: Store, state: RunState, error: str = "", account: str = "a", job: str = "stock") -> int:
    """Let a run end, with an error event if there is an error to tell."""
    with store.write() as tx:
        number = runs.request(tx, account, job, asked_by="test")
        (claimed,) = runs.claim(tx, "p1", run_id=number)
        if error:
            events.add(tx, Level.ERROR, error, "It did not work.", account=account, run_id=number)
        runs.finish(tx, claimed, state)
    return number


def attention(store: Store) -> list[str]:
    with store.read() as tx:
        return [event.code for event in events.attention(tx)]


def test_an_event_comes_back_as_it_was_told(store: Store) -> None:
    number = run(store, RunState.DONE)
    with store.write() as tx:
        events.add(
            tx,
            Level.WARNING,
            "level_refused",
            "The platform does not know the offer.",
            account="a",
            run_id=number,
            item="ABC-1",
            advice="Adopt the offers again.",
            detail={"status": 404, "words": ["gone"], "more": None},
        )
    with store.read() as tx:
        (event,) = events.list(tx)
    assert event == EventRecord(
        id=event.id,
        run_id=number,
        at=START,
        account="a",
        level=Level.WARNING,
        code="level_refused",
        item="ABC-1",
        message="The platform does not know the offer.",
        advice="Adopt the offers again.",
        detail={"status": 404, "words": ["gone"], "more": None},
    )


def test_an_event_needs_no_run_and_no_more_than_a_message(store: Store) -> None:
    with store.write() as tx:
        events.add(tx, Level.INFO, "adopted", "12 offers were adopted.", account="a")
    with store.read() as tx:
        (event,) = events.list(tx)
    assert (event.run_id, event.item, event.advice, event.detail) == (None, "", "", None)


def test_events_are_listed_newest_first_by_page_and_by_what_is_wanted(store: Store) -> None:
    first, second = run(store, RunState.DONE), run(store, RunState.DONE)
    with store.write() as tx:
        for account, number in (("a", first), ("b", second)):
            for level in Level:
                events.add(tx, level, f"{level.value}s", "Something.", account=account, run_id=number)
    with store.read() as tx:
        ids = [event.id for event in events.list(tx)]
        assert ids == sorted(ids, reverse=True)
        assert len(ids) == 6
        assert [event.id for event in events.list(tx, limit=2)] == ids[:2]
        assert [event.id for event in events.list(tx, limit=2, before=ids[1])] == ids[2:4]
        assert [event.level for event in events.list(tx, account="a")] == [Level.ERROR, Level.WARNING, Level.INFO]
        assert [event.account for event in events.list(tx, level=Level.ERROR)] == ["b", "a"]
        assert [event.account for event in events.list(tx, code="infos")] == ["b", "a"]
        assert [event.id for event in events.list(tx, run_id=second, code="warnings")] == [ids[1]]


def test_errors_need_attention_until_the_job_is_done_again(store: Store) -> None:
    run(store, RunState.FAILED, "first")
    run(store, RunState.FAILED, "second")
    run(store, RunState.FAILED, "orders", job="orders")
    run(store, RunState.FAILED, "other", account="b")
    assert attention(store) == ["other", "orders", "second", "first"]
    run(store, RunState.DONE)
    assert attention(store) == ["other", "orders"]
    run(store, RunState.CANCELLED, account="b")
    assert attention(store) == ["other", "orders"]


def test_an_error_within_a_run_that_is_done_needs_attention_too(store: Store) -> None:
    run(store, RunState.DONE, "parked")
    assert attention(store) == ["parked"]


def test_an_error_outside_of_any_run_needs_attention(store: Store) -> None:
    with store.write() as tx:
        events.add(tx, Level.ERROR, "key", "The key is lost.", account="a")
        events.add(tx, Level.WARNING, "slow", "The platform is slow.", account="a")
    run(store, RunState.DONE)
    assert attention(store) == ["key"]


def test_a_whole_page_in_place_of_an_answer_is_cut(store: Store) -> None:
    with store.write() as tx:
        events.add(tx, Level.ERROR, "bad_answer", "No JSON.", account="a", detail={"raw": "<p>" * 100_000})
    with store.read() as tx:
        (event,) = events.list(tx)
    assert event.detail is not None
    assert event.detail["raw"].endswith("<p … (300000 characters)")
    assert len(event.detail["raw"]) < 21_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(codec=None)),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(st.characters(codec=None)), parts),
    max_leaves=10,
)


@given(text=st.text(st.characters(codec=None)), detail=st.dictionaries(st.text(), JSON))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_told(store: Store, text: str, detail: dict[str, object]) -> None:
    with store.write() as tx:
        events.add(tx, Level.INFO, "any", text, account="a", item=text, advice=text, detail=detail)
    with store.read() as tx:
        event = events.list(tx)[0]
    assert event.message == event.item == event.advice == events.legible(text)
    assert event.detail == events.legible(detail)


@given(text=st.text())
def test_what_a_database_takes_is_left_as_it_is(text: str) -> None:
    legible = events.legible(text)
    assert legible == text.replace("\0", "\\x00")
    assert events.legible(legible) == legible
