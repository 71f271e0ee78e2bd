"""What is kept of imports and of the names of columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crossdock.core.errors import NotFoundHere
from crossdock.core.store import Store, column_maps, imports, migrate
from crossdock.core.store.imports import Fault
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


def fault(line: int) -> Fault:
    return Fault(line=line, field="price", value="x", reason="this is no price")


def test_an_import_has_no_end_until_it_ended(store: Store) -> None:
    with store.write() as tx:
        number = imports.begin(tx, "shop.csv", "magento")
        assert imports.get(tx, number).counts == {"layout": "magento"}
        imports.go_on(tx, number, {"layout": "magento", "added": 1})
        assert (imports.get(tx, number).ended_at, imports.get(tx, number).counts["added"]) == (None, 1)
        imports.end(tx, number, {"layout": "magento", "added": 2})
        assert (imports.get(tx, number).ended_at, imports.get(tx, number).counts["added"]) == (NOW, 2)


def test_faults_are_kept_in_the_order_in_which_they_were_found(store: Store) -> None:
    with store.write() as tx:
        first, second = (imports.begin(tx, "shop.csv", "plain") for _ in range(2))
        imports.keep_faults(tx, first, 1, [fault(9), fault(2)])
        imports.keep_faults(tx, second, 1, [fault(1)])
        imports.keep_faults(tx, first, 3, [fault(5)])
        imports.keep_faults(tx, first, 4, [])
    with store.read() as tx:
        assert imports.faults(tx, first) == (fault(9), fault(2), fault(5))
        assert imports.faults(tx, second) == (fault(1),)
        assert [row.id for row in imports.latest(tx, limit=1)] == [second]


def test_an_import_that_is_not_there_is_refused(store: Store) -> None:
    with store.read() as tx, pytest.raises(NotFoundHere, match=r"no import 7.*crossdock catalog history"):
        imports.get(tx, 7)


def test_a_column_map_is_saved_replaced_and_removed(store: Store) -> None:
    with store.write() as tx:
        column_maps.save(tx, "stockroom", layout="plain", columns={"sku": "Item", "name": "Title"})
        column_maps.save(tx, "Ärmel", layout="magento", columns={"qty": "Menge"})
    store.clock.sleep(60)
    with store.write() as tx:
        column_maps.save(tx, "stockroom", layout="plain", columns={"sku": "Item no."})
    with store.read() as tx:
        found = column_maps.get(tx, "stockroom")
        assert [one.name for one in column_maps.list_all(tx)] == ["stockroom", "Ärmel"]
    assert (found.layout, found.columns) == ("plain", {"sku": "Item no."})
    assert found.saved_at == NOW + timedelta(minutes=1)
    with store.write() as tx:
        column_maps.remove(tx, "stockroom")
        with pytest.raises(NotFoundHere, match=r"no column map 'stockroom'\. Here are: Ärmel\."):
            column_maps.get(tx, "stockroom")
        with pytest.raises(NotFoundHere, match="no column map 'stockroom'"):
            column_maps.remove(tx, "stockroom")
