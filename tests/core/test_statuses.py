"""Which status leads to which: the seller's word, then the plugin's, else it is unknown."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, insert, select, update

from crossdock.core.errors import ConfigError, NotFoundHere, UnknownStatus
from crossdock.core.model import Meaning, PlatformStatus
from crossdock.core.store import Store, accounts, migrate, statuses
from crossdock.core.store.statuses import Direction, Saved, StatusMap
from crossdock.core.store.tables import platform_statuses
from crossdock.core.store.tables import statuses as own_statuses

LISTED = (
    PlatformStatus(code="created", label="Created", meaning=Meaning.NEW),
    PlatformStatus(code="packing", label="Being packed", meaning=Meaning.PACKED, settable=True),
    PlatformStatus(code="sent", label="Sent", meaning=Meaning.SHIPPED, settable=True),
    PlatformStatus(code="handed_over", label="Handed over", meaning=Meaning.SHIPPED, settable=True),
    PlatformStatus(code="custom-7", label="At the gift counter", settable=True),
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture
def account(store: Store) -> str:
    with store.write() as tx:
        row = accounts.create(tx, name="shop-pl", platform="shop", settings={}, options={})
        statuses.save_platform(tx, row.id, LISTED)
    return row.id


def own(store: Store, name: str) -> int:
    with store.read() as tx:
        return statuses.find(tx, name).id


def inwards(store: Store, account: str, code: str) -> tuple[int, Meaning]:
    with store.read() as tx:
        return statuses.inwards(tx, account, code)


def outwards(store: Store, account: str, name: str) -> str:
    with store.read() as tx:
        return statuses.outwards(tx, account, statuses.find(tx, name).id)


def add_own(store: Store, name: str, meaning: Meaning, position: int) -> int:
    with store.write() as tx:
        row = {"name": name, "colour": "#000000", "meaning": meaning.value, "position": position}
        return int(tx.execute(insert(own_statuses).returning(own_statuses.c.id), row).scalar_one())


# --- own -------------------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_those_there_are(store: Store) -> None:
    with store.read() as tx, pytest.raises(NotFoundHere, match=r"no status 'Packd'.*Confirmed, Packed, Shipped"):
        statuses.find(tx, "Packd")


# --- inwards ---------------------------------------------------------------------------------------------------------


def test_the_plugins_meaning_counts_where_the_seller_says_nothing(store: Store, account: str) -> None:
    assert inwards(store, account, "created") == (own(store, "New"), Meaning.NEW)


def test_the_first_own_status_of_a_meaning_is_taken(store: Store, account: str) -> None:
    add_own(store, "New, second look", Meaning.NEW, position=99)
    assert inwards(store, account, "created") == (own(store, "New"), Meaning.NEW)
    first = add_own(store, "New, look first", Meaning.NEW, position=0)
    assert inwards(store, account, "created") == (first, Meaning.NEW)


def test_the_sellers_word_counts_more_than_the_plugins(store: Store, account: str) -> None:
    with store.write() as tx:
        statuses.set_map(tx, account, Direction.IN, "created", own(store, "Confirmed"))
    assert inwards(store, account, "created") == (own(store, "Confirmed"), Meaning.CONFIRMED)
    with store.write() as tx:
        statuses.set_map(tx, account, Direction.IN, "created", own(store, "Pending"))
    assert inwards(store, account, "created") == (own(store, "Pending"), Meaning.PENDING)
    with store.write() as tx:
        statuses.remove_map(tx, account, Direction.IN, "created")
    assert inwards(store, account, "created") == (own(store, "New"), Meaning.NEW)


def test_a_code_that_the_platform_never_listed_can_be_mapped(store: Store, account: str) -> None:
    with pytest.raises(UnknownStatus, match="shop-pl: status 'surprise' leads nowhere: the platform never listed it"):
        inwards(store, account, "surprise")
    with store.write() as tx:
        statuses.set_map(tx, account, Direction.IN, "surprise", own(store, "New"))
    assert inwards(store, account, "surprise") == (own(store, "New"), Meaning.NEW)


def test_a_code_without_meaning_asks_the_seller(store: Store, account: str) -> None:
    with pytest.raises(UnknownStatus, match=r"'At the gift counter' means what the seller says.*one of: Pending, N"):
        inwards(store, account, "custom-7")


def test_a_meaning_that_no_own_status_has_is_unknown(store: Store, account: str) -> None:
    with store.write() as tx:
        tx.execute(delete(own_statuses).where(own_statuses.c.meaning == "new"))
    with pytest.raises(UnknownStatus, match="it means new, and none of your statuses does"):
        inwards(store, account, "created")


def test_accounts_are_apart(store: Store, account: str) -> None:
    with store.write() as tx:
        other = accounts.create(tx, name="shop-hu", platform="shop", settings={}, options={}).id
        statuses.set_map(tx, account, Direction.IN, "custom-7", own(store, "New"))
    for code in ("created", "custom-7"):
        with pytest.raises(UnknownStatus, match="shop-hu"):
            inwards(store, other, code)


# --- outwards --------------------------------------------------------------------------------------------------------


def test_the_only_settable_code_of_a_meaning_is_told(store: Store, account: str) -> None:
    assert outwards(store, account, "Packed") == "packing"


def test_two_codes_of_a_meaning_ask_the_seller(store: Store, account: str) -> None:
    with pytest.raises(UnknownStatus, match=r"'Shipped' cannot be told: 2 codes mean shipped.*handed_over \(Handed"):
        outwards(store, account, "Shipped")
    with store.write() as tx:
        statuses.set_map(tx, account, Direction.OUT, "handed_over", own(store, "Shipped"))
    assert outwards(store, account, "Shipped") == "handed_over"


def test_a_code_that_may_not_be_set_is_not_told(store: Store, account: str) -> None:
    with pytest.raises(UnknownStatus, match=r"'New' cannot be told: no code that may be set means new.*packing"):
        outwards(store, account, "New")
    with (
        store.write() as tx,
        pytest.raises(ConfigError, match=r"'created' cannot be set there.*custom-7 \(At"),
    ):
        statuses.set_map(tx, account, Direction.OUT, "created", own(store, "New"))


def test_an_own_status_has_one_code_and_a_code_any_number(store: Store, account: str) -> None:
    express = add_own(store, "Packed, express", Meaning.PACKED, position=50)
    with store.write() as tx:
        statuses.set_map(tx, account, Direction.OUT, "sent", own(store, "Packed"))
        statuses.set_map(tx, account, Direction.OUT, "packing", own(store, "Packed"))
        statuses.set_map(tx, account, Direction.OUT, "packing", express)
    assert outwards(store, account, "Packed") == outwards(store, account, "Packed, express") == "packing"
    with store.read() as tx:
        assert statuses.list_maps(tx, account) == [
            StatusMap(direction=Direction.OUT, code="packing", status="Packed"),
            StatusMap(direction=Direction.OUT, code="packing", status="Packed, express"),
        ]


def test_a_status_that_is_not_there_is_told_so(store: Store, account: str) -> None:
    with store.read() as tx, pytest.raises(NotFoundHere, match="no status with number 999"):
        statuses.outwards(tx, account, 999)


# --- what platforms list ---------------------------------------------------------------------------------------------


def test_only_what_changed_is_written(store: Store, account: str) -> None:
    early = "2020-01-01 00:00:00.000000"

    def touched() -> list[str]:
        with store.read() as tx:
            columns = (platform_statuses.c.code, platform_statuses.c.read_at)
            return sorted(code for code, moment in tx.execute(select(*columns)) if moment.year > 2020)

    with store.write() as tx:
        tx.connection.exec_driver_sql(f"UPDATE platform_statuses SET read_at = '{early}'")
        saved = statuses.save_platform(tx, account, LISTED)
    assert saved == Saved(added=0, changed=0, unchanged=5, removed=0)
    assert touched() == []
    newer = (
        *LISTED[:3],
        PlatformStatus(code="handed_over", label="Handed over", meaning=Meaning.SHIPPED, settable=False),
        PlatformStatus(code="lost", label="Lost"),
    )
    with store.write() as tx:
        saved = statuses.save_platform(tx, account, newer)
    assert saved == Saved(added=1, changed=1, unchanged=3, removed=1)
    assert touched() == ["handed_over", "lost"]
    with store.read() as tx:
        assert {status.code: status for status in statuses.list_platform(tx, account)} == {
            status.code: status for status in newer
        }


def test_the_sellers_word_outlives_what_a_platform_lists(store: Store, account: str) -> None:
    with store.write() as tx:
        statuses.set_map(tx, account, Direction.IN, "custom-7", own(store, "Packed"))
        statuses.save_platform(tx, account, LISTED[:1])
    assert inwards(store, account, "custom-7") == (own(store, "Packed"), Meaning.PACKED)
    with pytest.raises(UnknownStatus, match="never listed"):
        inwards(store, account, "packing")


def test_a_meaning_may_become_unknown(store: Store, account: str) -> None:
    with store.write() as tx:
        statuses.save_platform(tx, account, [PlatformStatus(code="created", label="Created")])
        tx.execute(update(own_statuses).values(colour="#ffffff"))
    with pytest.raises(UnknownStatus, match="nobody said it yet"):
        inwards(store, account, "created")
