"""Of an ended offer nothing can be sold, whatever is in stock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from crossdock.core.config import Options
from crossdock.core.store import Store, accounts, catalog, migrate, offer_levels, offers, stock
from crossdock.core.store.catalog import VariantDraft
from crossdock.core.store.offers import OfferDraft, OfferState
from crossdock.jobs.stock import plan
from crossdock.twins.kit.clock import VirtualClock


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(datetime(2026, 9, 1, 12, tzinfo=UTC)))
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.mark.parametrize(("state", "units"), [(OfferState.LISTED, 5), (OfferState.ENDED, 0)])
def test_an_ended_offer_is_told_as_zero(store: Store, state: OfferState, units: int) -> None:
    with store.write() as tx:
        account = accounts.create(tx, name="shop-pl", platform="shop", settings={}, options={}).id
        variant = catalog.upsert(tx, [VariantDraft(sku="CUP", name="Cup")])["CUP"].id
        draft = OfferDraft(market="pl", variant_id=variant, state=state)
        offer_levels.ensure(tx, account, [offers.upsert(tx, account, [draft])[draft.place].id])
        stock.count(tx, [stock.Count(variant_id=variant, warehouse="main", quantity=5)], source="test", as_of=tx.now)
    with store.read() as tx:
        (change,) = plan(tx, account, Options()).changes
    assert change.after == units
