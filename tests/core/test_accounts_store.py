"""Accounts are found by name and id, change one thing at a time, and leave their name behind when they go."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from crossdock.core.config import SecretBox
from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.store import Store, Write, accounts, secrets, tables
from crossdock.core.store.accounts import AccountRow, Switch

BOX = SecretBox((b"k" * 32,))
MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Give an empty store."""
    store = Store(database_url)
    tables.metadata.create_all(store.engine)
    yield store
    store.close()


def create(store: Store, name: str = "north") -> AccountRow:
    with store.write() as tx:
        return accounts.create(tx, name=name, platform="shop", settings={"shop": "ż1"}, options={"stock_buffer": 2})


def get(store: Store, name_or_id: str = "north") -> AccountRow:
    with store.read() as tx:
        return accounts.get(tx, name_or_id)


# --- adding and finding ----------------------------------------------------------------------------------------------


def test_a_new_account_does_nothing_by_itself(store: Store) -> None:
    row = create(store)
    assert re.fullmatch(r"a[0-9a-f]{16}", row.id)
    assert (row.name, row.platform, row.settings, row.options) == ("north", "shop", {"shop": "ż1"}, {"stock_buffer": 2})
    assert (row.armed, row.switches, row.orders_not_before, row.stopped_because) == (False, frozenset(), None, None)
    assert row.created_at.tzinfo is UTC


def test_an_account_is_found_by_name_and_by_id(store: Store) -> None:
    row = create(store)
    assert get(store, "north") == get(store, row.id) == row


def test_accounts_are_listed_by_name(store: Store) -> None:
    for name in ("west", "East", "ærø", "north"):
        create(store, name)
    with store.read() as tx:
        assert [row.name for row in accounts.list_all(tx)] == ["East", "north", "west", "ærø"]


@pytest.mark.parametrize(
    ("asked", "advice"),
    [("nroth", "Did you mean north?"), ("miinto", "Here are: islands, north.")],
)
def test_an_unknown_account_is_answered_with_those_that_are_near(store: Store, asked: str, advice: str) -> None:
    create(store, "north")
    create(store, "islands")
    with pytest.raises(NotFoundHere) as caught:
        get(store, asked)
    assert caught.value.message == f"There is no account {asked!r}."
    assert caught.value.advice == advice


def test_without_any_account_the_answer_says_so(store: Store) -> None:
    with pytest.raises(NotFoundHere, match="Here are: none"):
        get(store)


def test_a_name_is_taken_once(store: Store) -> None:
    create(store)
    with pytest.raises(ConfigError, match="There is an account 'north' already"):
        create(store)


def test_of_two_who_take_a_name_at_once_one_is_refused(store: Store) -> None:
    begin, outcomes = threading.Barrier(2), []

    def add() -> None:
        begin.wait(30)
        try:
            outcomes.append(create(store).name)
        except ConfigError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["There is an account 'north' already.", "north"]


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=accounts.LONGEST_NAME))
def test_any_printable_name_is_allowed(name: str) -> None:
    assert accounts.name_faults(name) == [] or re.fullmatch("a[0-9a-f]{16}", name)


@pytest.mark.parametrize(
    "name", ["", " north", "north ", "no\nrth", "no\0rth", "no\ud800rth", "n" * 65, "a" + "0" * 16]
)
def test_other_names_are_not(name: str) -> None:
    assert [fault.partition(":")[0] for fault in accounts.name_faults(name)] == ["name"]


def test_a_name_that_is_not_allowed_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="name: it must have"):
        create(store, "no\nrth")
    create(store)
    with store.write() as tx, pytest.raises(ConfigError, match="name: it must have"):
        accounts.rename(tx, "north", "no\nrth")


# --- changing --------------------------------------------------------------------------------------------------------


def test_renaming_keeps_the_id(store: Store) -> None:
    row = create(store)
    create(store, "south")
    with store.write() as tx:
        assert accounts.rename(tx, row.id, "far north").id == row.id
    with pytest.raises(NotFoundHere):
        get(store, "north")
    with pytest.raises(ConfigError, match="'south' already"), store.write() as tx:
        accounts.rename(tx, row.id, "south")
    with store.write() as tx:
        assert accounts.rename(tx, row.id, "far north").name == "far north"


def test_settings_and_options_are_saved_each_by_itself(store: Store) -> None:
    row = create(store)
    with store.write() as tx:
        accounts.save(tx, row.id, settings={"shop": "2"})
    assert (get(store).settings, get(store).options) == ({"shop": "2"}, {"stock_buffer": 2})
    with store.write() as tx:
        accounts.save(tx, row.id, options={})
    assert (get(store).settings, get(store).options) == ({"shop": "2"}, {})


def test_each_switch_is_its_own(store: Store) -> None:
    row = create(store)
    for switch in Switch:
        with store.write() as tx:
            assert accounts.set_switch(tx, row.id, switch, True).switches == {switch}
        assert get(store).switches == {switch}
        assert not get(store).armed
        with store.write() as tx:
            assert accounts.set_switch(tx, row.id, switch, False).switches == frozenset()


def test_arming_and_disarming(store: Store) -> None:
    row = create(store)
    with store.write() as tx:
        assert accounts.arm(tx, row.id).armed
        assert not accounts.disarm(tx, row.id).armed


def test_the_first_reason_to_stop_stays_until_somebody_acts(store: Store) -> None:
    row = create(store)
    with store.write() as tx:
        accounts.stop(tx, row.id, "first")
        stopped = accounts.stop(tx, row.id, "second")
    assert (stopped.stopped_because, stopped.stopped_at is None) == ("first", False)
    with store.write() as tx:
        resumed = accounts.resume(tx, row.id)
    assert (resumed.stopped_because, resumed.stopped_at) == (None, None)


def test_orders_count_from_a_moment_on(store: Store) -> None:
    row = create(store)
    with store.write() as tx:
        accounts.set_orders_not_before(tx, row.id, MOMENT)
    assert get(store).orders_not_before == MOMENT


def test_only_a_loopback_address_makes_a_rehearsal(store: Store) -> None:
    row = create(store)
    for address, rehearsal in {
        "https://api.example.com": False,
        "http://127.0.0.1:8901": True,
        "http://[": False,
    }.items():
        with store.write() as tx:
            assert accounts.save(tx, row.id, settings={"shop": "1", "api": address}).rehearsal == rehearsal


CHANGES: dict[str, Callable[[Write, str], object]] = {
    "rename": lambda tx, name: accounts.rename(tx, name, "other"),
    "save": lambda tx, name: accounts.save(tx, name, settings={}),
    "set_switch": lambda tx, name: accounts.set_switch(tx, name, Switch.STOCK, True),
    "set_orders_not_before": lambda tx, name: accounts.set_orders_not_before(tx, name, MOMENT),
    "arm": accounts.arm,
    "disarm": accounts.disarm,
    "stop": lambda tx, name: accounts.stop(tx, name, "reason"),
    "resume": accounts.resume,
    "remove": accounts.remove,
}


def test_no_change_passes_over_an_unknown_account(store: Store) -> None:
    for change in CHANGES.values():
        with store.write() as tx, pytest.raises(NotFoundHere):
            change(tx, "nobody")


# --- removing --------------------------------------------------------------------------------------------------------


def test_a_removed_account_leaves_its_history_and_its_name(store: Store) -> None:
    with store.write() as tx:
        secrets.register_key(tx, BOX)
    row, other = create(store), create(store, "south")
    with store.write() as tx:
        for account in (row, other):
            secrets.put(tx, BOX, account.id, "token", "text")
            schedule = {"account": account.id, "job": "orders", "every_seconds": 300, "time_zone": "UTC"}
            tx.execute(insert(tables.schedules).values(**schedule, enabled=True, next_run_at=MOMENT))
        tx.journal("test", account=row.id, actor="test")
        accounts.arm(tx, row.id)
        accounts.remove(tx, row.id)
    for gone in ("north", row.id):
        with pytest.raises(NotFoundHere):
            get(store, gone)
    with store.read() as tx:
        assert [account.id for account in accounts.list_all(tx)] == [other.id]
        assert accounts.name_of(tx, row.id) == "north"
        for table in (tables.secrets, tables.schedules):
            assert tx.execute(select(table.c.account)).scalars().all() == [other.id]
        assert tx.scalar(select(func.count()).select_from(tables.journal)) == 1
    assert create(store).id != row.id
