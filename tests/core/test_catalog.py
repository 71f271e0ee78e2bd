"""What the seller owns is written where it changed, found exactly, and made into bundles that can be sold."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import Money
from crossdock.core.store import Store, catalog, migrate
from crossdock.core.store.catalog import ANY_COUNTRY, Change, ProductDraft, VariantDraft
from crossdock.core.store.tables import products, variants
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


def pln(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="PLN")


SHIRT = VariantDraft(
    sku="SHIRT-S",
    name="Koszula, S",
    product="SHIRT",
    gtin="5901234123457",
    price=pln("129.90"),
    vat_rates={"PL": Decimal(23), ANY_COUNTRY: Decimal("5.5")},
    attributes={"color": "zielona łąka", "size": "S"},
)


def put(store: Store, *drafts: VariantDraft) -> dict[str, Change]:
    with store.write() as tx:
        codes = {draft.product for draft in drafts if draft.product}
        catalog.upsert_products(tx, [ProductDraft(code=code, name=code) for code in codes])
        return {sku: row.change for sku, row in catalog.upsert(tx, drafts).items()}


def plain(*skus: str, **values: Any) -> list[VariantDraft]:
    return [VariantDraft(sku=sku, name=f"Name of {sku}", **values) for sku in skus]


def row_versions(store: Store, table: Any) -> dict[str, str]:
    """Return what changes with every write of a row, even with one of the same content."""
    with store.read() as tx:
        if store.postgresql:
            mark = f"{table.name}.xmin::text || '/' || {table.name}.ctid::text"
            return dict(tx.execute(select(table.c.id, text(mark))).all())
        return dict(tx.execute(select(table.c.id, table.c.hash)).all())


# --- upsert ----------------------------------------------------------------------------------------------------------


def test_a_variant_comes_back_as_it_was_put(store: Store) -> None:
    assert put(store, SHIRT) == {"SHIRT-S": Change.ADDED}
    with store.read() as tx:
        row = catalog.get(tx, "SHIRT-S")
    assert row == catalog.VariantRow(
        id=row.id,
        sku="SHIRT-S",
        name="Koszula, S",
        product="SHIRT",
        gtin="5901234123457",
        price=pln("129.90"),
        vat_rates={"PL": Decimal(23), "*": Decimal("5.5")},
        attributes={"color": "zielona łąka", "size": "S"},
        updated_at=NOW,
    )


def test_what_is_unknown_stays_unknown(store: Store) -> None:
    put(store, *plain("BARE"))
    with store.read() as tx:
        row = catalog.get(tx, "BARE")
    assert (row.product, row.gtin, row.price, row.vat_rates, row.attributes) == (None, None, None, {}, {})


def test_every_part_of_the_content_counts(store: Store) -> None:
    changes: list[dict[str, Any]] = [
        {"name": "Koszula"},
        {"product": None},
        {"product": "SHIRTS"},
        {"gtin": None},
        {"price": None},
        {"price": pln("129.91")},
        {"price": Money(amount=Decimal("129.90"), currency="EUR")},
        {"vat_rates": {"PL": Decimal(8), ANY_COUNTRY: Decimal("5.5")}},
        {"vat_rates": {}},
        {"attributes": {"color": "zielona łąka"}},
    ]
    for change in changes:
        put(store, SHIRT)
        store.clock.sleep(60)
        changed = replace(SHIRT, **change)
        assert put(store, changed) == {"SHIRT-S": Change.UPDATED}
        with store.read() as tx:
            row = catalog.get(tx, "SHIRT-S")
        assert {name: getattr(row, name) for name in change} == change
        assert row.updated_at == store.clock.now()


def test_unchanged_rows_are_not_written(store: Store) -> None:
    drafts = [SHIRT, *plain(*(f"SKU-{number:04}" for number in range(1200)), product="MANY")]
    put(store, *drafts)
    versions = row_versions(store, variants), row_versions(store, products)
    store.clock.sleep(60)
    same_price = replace(SHIRT, price=pln("129.9"))
    with store.write() as tx:
        before = writes(tx)
        catalog.upsert_products(tx, [ProductDraft(code=code, name=code) for code in ("MANY", "SHIRT")])
        done = catalog.upsert(tx, [same_price, *drafts[1:]])
        assert writes(tx) == before
    assert {row.change for row in done.values()} == {Change.UNCHANGED}
    assert (row_versions(store, variants), row_versions(store, products)) == versions
    drafts[7] = VariantDraft(sku=drafts[7].sku, name="another", product="MANY")
    changes = put(store, *drafts)
    assert [sku for sku, change in changes.items() if change is not Change.UNCHANGED] == [drafts[7].sku]
    after = row_versions(store, variants)
    assert len(after.items() - versions[0].items()) == 1


def writes(tx: Any) -> int:
    """Return how many rows were written so far: by the connection on SQLite, in the transaction on PostgreSQL."""
    if tx.postgresql:
        mine = "pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)"
        return int(tx.scalar(text(f"SELECT sum({mine}) FROM pg_class c WHERE relname IN ('variants', 'products')")))
    return int(tx.scalar(text("SELECT total_changes()")))


def test_a_product_is_named_before_its_variants(store: Store) -> None:
    with store.write() as tx, pytest.raises(NotFoundHere, match="no product 'SHIRT'"):
        catalog.upsert(tx, [SHIRT])


def test_products_are_changed_by_their_code(store: Store) -> None:
    with store.write() as tx:
        first = catalog.upsert_products(tx, [ProductDraft(code="A", name="one", attributes={"brand": "Acme"})])
        second = catalog.upsert_products(tx, [ProductDraft(code="A", name="two"), ProductDraft(code="B", name="b")])
        assert [first["A"].change, second["A"].change, second["B"].change] == ["added", "updated", "added"]
        assert first["A"].id == second["A"].id
        assert catalog.ids_by_code(tx, ["A", "B", "C"]) == {code: row.id for code, row in second.items()}


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.dictionaries(names, st.tuples(names, st.dictionaries(names, names, max_size=2)), max_size=6))
def test_whatever_is_put_is_there_and_the_second_time_unchanged(
    store: Store, wanted: dict[str, tuple[str, dict[str, str]]]
) -> None:
    drafts = [VariantDraft(sku=sku, name=name, attributes=more) for sku, (name, more) in wanted.items()]
    put(store, *drafts)
    assert set(put(store, *drafts).values()) <= {Change.UNCHANGED}
    with store.read() as tx:
        found = catalog.find_by_sku(tx, wanted)
    assert {sku: (row.name, row.attributes) for sku, row in found.items()} == wanted


# --- finding ---------------------------------------------------------------------------------------------------------


def test_skus_are_found_exactly(store: Store) -> None:
    put(store, *plain("a", "A", "a ", "ä"))
    with store.read() as tx:
        assert set(catalog.find_by_sku(tx, ["a", "A", "b"])) == {"a", "A"}
        assert set(catalog.ids_by_sku(tx, ["a ", "ä", "Ä"])) == {"a ", "ä"}
        with pytest.raises(NotFoundHere, match=r"SKU 'Ä'.*case included"):
            catalog.get(tx, "Ä")


def test_many_are_found_at_once(store: Store) -> None:
    skus = [f"SKU-{number:04}" for number in range(1300)]
    put(store, *plain(*skus))
    with store.read() as tx:
        found = catalog.find_by_sku(tx, skus)
        assert len(found) == 1300
        assert catalog.get_many(tx, {row.id for row in found.values()}) == {row.id: row for row in found.values()}
        assert catalog.vat_rates(tx, [found["SKU-0001"].id]) == {}


def test_a_gtin_that_two_variants_share_is_reported_and_not_picked(store: Store) -> None:
    shared = plain("B", "A", gtin="4006381333931")
    put(store, SHIRT, *shared)
    with store.read() as tx:
        matches = catalog.find_by_gtin(tx, ["5901234123457", "4006381333931", "96385074"])
        ids = catalog.ids_by_gtin(tx, ["5901234123457", "4006381333931", "96385074"])
        shirt = catalog.get(tx, "SHIRT-S")
    assert matches.found == {"5901234123457": shirt}
    assert matches.ambiguous == {"4006381333931": ("A", "B")}
    assert ids == {"5901234123457": shirt.id}


def test_leading_zeros_of_a_gtin_make_no_difference(store: Store) -> None:
    spellings = ["614141007349", "0614141007349", "00614141007349"]
    for kept in spellings:
        put(store, *plain("UPC", gtin=kept))
        with store.read() as tx:
            matches = catalog.find_by_gtin(tx, spellings)
        assert {gtin: row.sku for gtin, row in matches.found.items()} == dict.fromkeys(spellings, "UPC")


def test_two_spellings_of_a_gtin_are_ambiguous_too(store: Store) -> None:
    put(store, *plain("EAN", gtin="0614141007349"), *plain("UPC", gtin="614141007349"))
    with store.read() as tx:
        assert catalog.find_by_gtin(tx, ["614141007349"]).ambiguous == {"614141007349": ("EAN", "UPC")}


def test_what_is_no_gtin_is_compared_as_it_is(store: Store) -> None:
    put(store, *plain("OLD", gtin="0614"))
    with store.read() as tx:
        assert set(catalog.find_by_gtin(tx, ["0614", "614", ""]).found) == {"0614"}


def test_pages_follow_each_other_in_the_order_of_skus(store: Store) -> None:
    skus = ["a", "B", "ä", "Z", "ź", "\U0001f600", "\uffff", "10", "9", "a-b", "ab"]
    put(store, *plain(*skus))
    seen: list[str] = []
    with store.read() as tx:
        while page := catalog.list(tx, after=seen[-1] if seen else "", limit=3):
            seen.extend(row.sku for row in page)
    assert seen == sorted(skus, key=str.encode)


def test_search_finds_parts_and_takes_no_wildcards(store: Store) -> None:
    put(store, SHIRT, *plain("100%-COTTON", "1000", "SOCKS_1"))

    def found(search: str) -> list[str]:
        with store.read() as tx:
            return [row.sku for row in catalog.list(tx, search=search)]

    assert found("100%") == ["100%-COTTON"]
    assert found("s_1") == ["SOCKS_1"]
    assert found("koszula") == ["SHIRT-S"]
    assert found("12345") == ["SHIRT-S"]
    assert found("nothing") == []


# --- bundles ---------------------------------------------------------------------------------------------------------


def bundle(store: Store, sku: str, **parts: int) -> bool:
    with store.write() as tx:
        return catalog.set_bundle(tx, sku, parts)


def test_a_bundle_is_made_changed_and_undone(store: Store) -> None:
    put(store, *plain("SET", "CUP", "PLATE"))
    with store.read() as tx:
        ids = catalog.ids_by_sku(tx, ["SET", "CUP", "PLATE"])
    assert bundle(store, "SET", CUP=2, PLATE=1)
    assert not bundle(store, "SET", PLATE=1, CUP=2)
    with store.read() as tx:
        assert catalog.parts_of(tx, ids.values()) == {ids["SET"]: {ids["CUP"]: 2, ids["PLATE"]: 1}}
        assert catalog.bundles_of(tx, ids.values()) == {ids["CUP"]: {ids["SET"]}, ids["PLATE"]: {ids["SET"]}}
    assert bundle(store, "SET", CUP=3)
    with store.read() as tx:
        assert catalog.parts_of(tx, ids.values()) == {ids["SET"]: {ids["CUP"]: 3}}
    assert bundle(store, "SET")
    assert not bundle(store, "SET")
    with store.read() as tx:
        assert catalog.parts_of(tx, ids.values()) == {}


def test_what_cannot_be_a_bundle_is_refused_with_every_reason(store: Store) -> None:
    put(store, *plain("SET", "PAIR", "CUP"))
    bundle(store, "PAIR", CUP=2)

    def refusal(sku: str, **parts: int) -> str:
        with store.write() as tx, pytest.raises(ConfigError) as refused:
            catalog.set_bundle(tx, sku, parts)
        return str(refused.value)

    assert "'SET': a bundle cannot hold itself" in refusal("SET", SET=1)
    assert "'CUP': 0 is no number of units above zero" in refusal("SET", CUP=0)
    assert "'PAIR': it is a bundle itself" in refusal("SET", PAIR=1)
    assert "'CUP': it is a part of bundle 'PAIR'" in refusal("CUP", SET=1)
    assert "There is no variant with SKU 'MISSING'" in refusal("MISSING", CUP=1)
    both = refusal("SET", CUP=-1, SAUCER=1)
    assert "'SAUCER': there is no variant with this SKU" in both
    assert "'CUP': -1 is no number of units" in both
    with store.read() as tx:
        assert len(catalog.parts_of(tx, catalog.ids_by_sku(tx, ["SET", "PAIR", "CUP"]).values())) == 1
