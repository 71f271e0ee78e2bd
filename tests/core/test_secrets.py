"""What is sealed opens only where it belongs and only with its key; a wrong key is found out before anything runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from crossdock.core.config import SecretBox, key_id, new_key
from crossdock.core.errors import ConfigError
from crossdock.core.redaction import Redactor
from crossdock.core.store import Store, accounts, secrets, tables

OLD, NEW = SecretBox((b"o" * 32,)), SecretBox((b"n" * 32,))
BOTH = SecretBox((b"n" * 32, b"o" * 32))

texts = st.text(st.characters(codec="utf-8"), max_size=200)
names = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=20)


# --- the box ---------------------------------------------------------------------------------------------------------


@given(names, names, texts)
def test_what_is_sealed_opens_again(account: str, field: str, text: str) -> None:
    sealed = OLD.seal(account, field, text)
    assert OLD.open(account, field, OLD.current, sealed) == text
    assert len(text) < 4 or text.encode() not in sealed


@given(st.lists(st.tuples(names, names), min_size=2, max_size=2, unique=True), texts)
def test_what_is_moved_to_another_place_does_not_open(places: list[tuple[str, str]], text: str) -> None:
    here, there = places
    sealed = OLD.seal(*here, text)
    with pytest.raises(ConfigError, match="altered or moved"):
        OLD.open(*there, OLD.current, sealed)


@given(texts, st.data())
def test_what_is_altered_does_not_open(text: str, data: st.DataObject) -> None:
    sealed = bytearray(OLD.seal("a1", "token", text))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ConfigError, match="altered or moved"):
        OLD.open("a1", "token", OLD.current, bytes(sealed))


@given(texts, st.data())
def test_what_is_cut_short_does_not_open(text: str, data: st.DataObject) -> None:
    sealed = OLD.seal("a1", "token", text)
    length = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(ConfigError, match="altered or moved"):
        OLD.open("a1", "token", OLD.current, sealed[:length])


def test_the_same_text_is_never_sealed_the_same() -> None:
    assert OLD.seal("a1", "token", "text") != OLD.seal("a1", "token", "text")


def test_an_older_key_only_opens() -> None:
    sealed = OLD.seal("a1", "token", "text")
    assert BOTH.open("a1", "token", OLD.current, sealed) == "text"
    assert BOTH.current == NEW.current
    with pytest.raises(ConfigError, match="that key is not here"):
        NEW.open("a1", "token", OLD.current, sealed)


def test_a_key_under_the_name_of_another_opens_nothing() -> None:
    sealed = OLD.seal("a1", "token", "text")
    with pytest.raises(ConfigError, match="altered or moved"):
        NEW.open("a1", "token", NEW.current, sealed)


def test_a_box_shows_no_key() -> None:
    key = new_key()
    assert repr(SecretBox((key,))) == f"SecretBox({key_id(key)})"


@pytest.mark.parametrize("keys", [(), (b"short",), (b"o" * 32, b"short")])
def test_a_key_has_32_bytes(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        SecretBox(keys)


# --- the store -------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(database_url: str) -> Iterator[Store]:
    """Give a store with its schema, without any key."""
    store = Store(database_url)
    tables.metadata.create_all(store.engine)
    yield store
    store.close()


@pytest.fixture
def store(empty: Store) -> Store:
    """Give a store that is sealed with the old key and has two accounts, north and south."""
    with empty.write() as tx:
        secrets.register_key(tx, OLD)
        for name in ("north", "south"):
            row = accounts.create(tx, name=name, platform="shop", settings={}, options={})
            accounts.arm(tx, row.id)
            for field in ("token", "memory:session"):
                secrets.put(tx, OLD, row.id, field, f"{name} {field}")
    return empty


def account_id(store: Store, name: str = "north") -> str:
    with store.read() as tx:
        return accounts.get(tx, name).id


def kept(store: Store, box: SecretBox) -> dict[str, dict[str, str]]:
    """Return all secrets by account's name and field."""
    with store.read() as tx:
        return {row.name: secrets.get_all(tx, box, row.id) for row in accounts.list_all(tx)}


ALL = {name: {field: f"{name} {field}" for field in ("memory:session", "token")} for name in ("north", "south")}


def test_secrets_are_kept_replaced_and_forgotten(store: Store) -> None:
    assert kept(store, OLD) == ALL
    north = account_id(store)
    with store.write() as tx:
        secrets.put(tx, OLD, north, "token", "another")
        secrets.forget(tx, north, "memory:session")
        secrets.forget(tx, north, "never there")
    assert kept(store, OLD) == ALL | {"north": {"token": "another"}}
    with store.read() as tx:
        assert secrets.get(tx, OLD, north, "token") == "another"
        assert secrets.get(tx, OLD, north, "memory:session") is None
        assert secrets.kept_fields(tx, north) == {"token"}


def test_a_row_moved_to_another_account_or_field_does_not_open(store: Store) -> None:
    north, south = account_id(store), account_id(store, "south")
    moved = tables.secrets.c
    with store.write() as tx:
        tx.execute(delete(tables.secrets).where(moved.account == south, moved.field == "token"))
        tx.execute(update(tables.secrets).where(moved.account == north, moved.field == "token").values(account=south))
        here = (moved.account == north) & (moved.field == "memory:session")
        tx.execute(update(tables.secrets).where(here).values(field="token"))
    for account in (north, south):
        with store.read() as tx, pytest.raises(ConfigError, match="altered or moved"):
            secrets.get(tx, OLD, account, "token")


# --- memory ----------------------------------------------------------------------------------------------------------


def test_memory_outlives_the_process_and_is_told_to_the_redactor(store: Store) -> None:
    redactor = Redactor()
    memory = secrets.SealedMemory(store, OLD, account_id(store), redactor)
    assert memory.get("refresh") is None
    memory.put("refresh", "canary-1")
    memory.put("refresh", "canary-2")
    assert redactor.redact("canary-1 canary-2") == "*** ***"
    later = Redactor()
    assert secrets.SealedMemory(store, OLD, account_id(store), later).get("refresh") == "canary-2"
    assert later.redact("canary-2") == "***"
    memory.forget("refresh")
    assert memory.get("refresh") is None


def test_memory_is_one_accounts_alone(store: Store) -> None:
    secrets.SealedMemory(store, OLD, account_id(store)).put("refresh", "of the north")
    assert secrets.SealedMemory(store, OLD, account_id(store, "south")).get("refresh") is None


def test_memory_does_not_touch_settings(store: Store) -> None:
    memory = secrets.SealedMemory(store, OLD, account_id(store))
    assert memory.get("token") is None
    memory.forget("token")
    assert kept(store, OLD) == ALL


# --- the key in force ------------------------------------------------------------------------------------------------


def test_the_right_key_is_accepted(store: Store) -> None:
    assert secrets.verify_key(store, OLD).current == OLD.current
    assert secrets.key_in_force(store) == OLD.current


def test_a_wrong_key_is_found_before_anything_is_opened(store: Store) -> None:
    with pytest.raises(ConfigError, match=f"The key given is {NEW.current}, .* sealed with the key {OLD.current}"):
        secrets.verify_key(store, NEW)


def test_a_wrong_key_is_found_even_where_nothing_is_sealed_yet(empty: Store) -> None:
    with empty.write() as tx:
        secrets.register_key(tx, OLD)
    with pytest.raises(ConfigError, match="sealed with the key"):
        secrets.verify_key(empty, NEW)


def test_among_several_keys_the_one_in_force_seals(store: Store) -> None:
    assert secrets.verify_key(store, BOTH).current == OLD.current


def test_a_store_without_tables_or_key_was_never_set_up(database_url: str) -> None:
    store = Store(database_url)
    assert secrets.key_in_force(store) is None
    with pytest.raises(ConfigError, match="never set up"):
        secrets.verify_key(store, OLD)
    tables.metadata.create_all(store.engine)
    with pytest.raises(ConfigError, match="never set up"):
        secrets.verify_key(store, OLD)
    store.close()


def test_a_database_that_does_not_answer_is_an_error() -> None:
    store = Store("postgresql://seller:canary-5d1f@127.0.0.1:1/nowhere")
    with pytest.raises(ConfigError, match="cannot be opened") as caught:
        secrets.verify_key(store, OLD)
    assert "canary" not in str(caught.value)
    store.close()


def test_only_the_first_key_registers(store: Store) -> None:
    for box in (OLD, NEW):
        with pytest.raises(ConfigError, match="belongs to an installation already"), store.write() as tx:
            secrets.register_key(tx, box)
    assert secrets.key_in_force(store) == OLD.current


# --- rotation --------------------------------------------------------------------------------------------------------


def test_rotation_seals_everything_anew(store: Store) -> None:
    assert secrets.rotate(store, OLD, NEW) == 4
    assert kept(store, NEW) == ALL
    assert secrets.verify_key(store, NEW).current == NEW.current
    with pytest.raises(ConfigError, match="sealed with the key"):
        secrets.verify_key(store, OLD)
    with store.read() as tx:
        assert set(tx.execute(select(tables.secrets.c.key)).scalars()) == {NEW.current}


class Crash(Exception):
    """The process ends here."""


class CrashingBox(SecretBox):
    """Seals a few texts and then crashes."""

    left = 2

    def seal(self, account: str, field: str, text: str) -> bytes:
        """Seal, or crash."""
        if not self.left:
            raise Crash
        self.left -= 1
        return super().seal(account, field, text)


@pytest.mark.parametrize("sealed", [0, 3, 4])
def test_a_crash_within_a_rotation_leaves_all_as_it_was(store: Store, sealed: int) -> None:
    crashing = CrashingBox((b"n" * 32,))
    crashing.left = sealed
    with pytest.raises(Crash):
        secrets.rotate(store, OLD, crashing)
    assert kept(store, OLD) == ALL
    assert secrets.verify_key(store, OLD).current == OLD.current


def test_rotation_from_a_key_that_is_not_in_force_changes_nothing(store: Store) -> None:
    with pytest.raises(ConfigError, match="changed meanwhile"):
        secrets.rotate(store, NEW, OLD)
    assert kept(store, OLD) == ALL


def test_a_process_with_the_old_key_seals_nothing_after_a_rotation(store: Store) -> None:
    memory = secrets.SealedMemory(store, OLD, account_id(store))
    secrets.rotate(store, OLD, NEW)
    with pytest.raises(ConfigError, match="changed meanwhile"):
        memory.put("refresh", "too late")
    assert kept(store, NEW) == ALL


def test_who_writes_during_a_rotation_waits_for_it_and_is_refused(store: Store) -> None:
    memory = secrets.SealedMemory(store, OLD, account_id(store))
    refused = threading.Event()

    def write() -> None:
        try:
            memory.put("refresh", "too late")
        except ConfigError:
            refused.set()

    writer = threading.Thread(target=write)

    class StartingBox(SecretBox):
        """Lets the other begin to write in the middle of the rotation."""

        def seal(self, account: str, field: str, text: str) -> bytes:
            """Seal."""
            if writer.ident is None:
                writer.start()
            return super().seal(account, field, text)

    secrets.rotate(store, OLD, StartingBox((b"n" * 32,)))
    writer.join(30)
    assert refused.is_set()
    assert kept(store, NEW) == ALL


# --- a lost key ------------------------------------------------------------------------------------------------------


def test_a_lost_key_stops_all_accounts_and_asks_for_their_secrets(store: Store) -> None:
    with store.write() as tx:
        accounts.stop(tx, account_id(store, "south"), "The platform refused the credentials.")
    assert secrets.lost(store, NEW) == ("north", "south")
    assert kept(store, NEW) == {"north": {}, "south": {}}
    assert secrets.verify_key(store, NEW).current == NEW.current
    with store.read() as tx:
        for row in accounts.list_all(tx):
            assert not row.armed
            assert row.stopped_because == "The key was lost: enter the account's secrets again."
            assert row.stopped_at is not None
