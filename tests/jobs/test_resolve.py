"""Resolving: what changed is resolved once, what did not is not written, and no change is lost on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.core.errors import FeedError, NotFoundHere
from crossdock.core.model import FaultCode, Feed, FeedField, FieldKind, Market, Money, Offer, Price
from crossdock.core.prices import Policy
from crossdock.core.rules import Rule, RuleKind
from crossdock.core.store import (
    Store,
    Write,
    accounts,
    catalog,
    mapping,
    marks,
    migrate,
    offers,
    prices,
    resolved,
    runs,
)
from crossdock.core.store.accounts import Switch
from crossdock.core.store.catalog import ProductDraft, VariantDraft
from crossdock.core.store.mapping import Content, LinkKind
from crossdock.core.store.offers import OfferDraft, OfferState
from crossdock.core.store.prices import GroupPrice
from crossdock.jobs import resolve as job
from crossdock.jobs.resolver import own_categories
from crossdock.jobs.run import Run
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
FIELDS = (
    FeedField(name="id", required=True, source="sku"),
    FeedField(name="brand", required=True, source="attribute:brand"),
    FeedField(name="type", required=True, source="category"),
    FeedField(name="title_se", market="se", source="attribute:title_se"),
    FeedField(name="price", kind=FieldKind.PRICE, required=True, currency="PLN", source="price"),
    FeedField(name="was", kind=FieldKind.PRICE, currency="PLN", minor=False, source="old_price|price"),
    FeedField(name="price_se", kind=FieldKind.PRICE, market="se", currency="SEK"),
    FeedField(name="stock", kind=FieldKind.STOCK, required=True),
)


@dataclass
class Platform:
    """A connector of a platform with an offers file for Poland."""

    account: Any
    fields: tuple[FeedField, ...] = FIELDS
    adjust: Callable[[Offer, Price], Price | None] | None = None
    loaded: Any = field(default_factory=lambda: SimpleNamespace(require=lambda verb, account: None))
    facts: Any = field(
        default_factory=lambda: SimpleNamespace(markets=(Market(code="pl", country="PL", currency="PLN"),))
    )

    def build_feed(self, market: str) -> Feed:
        if market != "pl":
            raise FeedError(f"no feed for {market}")
        return Feed(media_type="text/plain", extension="txt", fields=self.fields, renderer="x")

    def adjusts_prices(self) -> bool:
        return self.adjust is not None

    def adjust_price(self, offer: Offer, price: Price) -> tuple[tuple[str, Price], ...]:
        answer = self.adjust(offer, price) if self.adjust else None
        return () if answer is None else (("extension", answer),)


def pln(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="PLN")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture
def platform(store: Store) -> Platform:
    with store.write() as tx:
        account = accounts.create(tx, name="shop-pl", platform="shop", settings={}, options={}).id
        catalog.upsert_products(tx, [ProductDraft(code="SHIRT", name="Shirt", attributes={"category": "Shirts"})])
        done = catalog.upsert(tx, [shirt("S"), shirt("M"), VariantDraft(sku="CUP", name="Cup")])
        offers.upsert(tx, account, [OfferDraft(market="pl", variant_id=row.id) for row in done.values()])
    return Platform(account=SimpleNamespace(id=account, name="shop-pl"))


def shirt(size: str, price: str = "100.00", **attributes: str) -> VariantDraft:
    about = {"brand": "Acme", "size": size, **attributes}
    return VariantDraft(sku=f"SHIRT-{size}", name="Shirt", product="SHIRT", price=pln(price), attributes=about)


def attempt(store: Store, platform: Platform) -> Run:
    with store.write() as tx:
        number = runs.request(tx, platform.account.id, job.JOB, asked_by="test")
        (record,) = runs.claim(tx, "test", run_id=number)
    return Run(store, record, lambda account: platform)  # type: ignore[arg-type, return-value]


def resolve(store: Store, platform: Platform) -> dict[str, int]:
    run = attempt(store, platform)
    job.resolve(run)
    with store.write() as tx:
        runs.finish(tx, run._record, runs.RunState.DONE, counts=run.counts)
    return {name: number for name, number in run.counts.items() if number}


def rows(store: Store, platform: Platform) -> dict[str, resolved.ResolvedRow]:
    with store.read() as tx:
        return {row.sku: row for row in resolved.page(tx, platform.account.id, "pl", after=0, limit=100)}


def waiting(store: Store, platform: Platform) -> int:
    with store.read() as tx:
        return resolved.waiting(tx, platform.account.id)


def change(store: Store, what: Callable[[Write], object]) -> None:
    with store.write() as tx:
        what(tx)


def number(store: Store, sku: str) -> int:
    with store.read() as tx:
        return catalog.ids_by_sku(tx, [sku])[sku]


def constant(text: str) -> tuple[Rule, ...]:
    return (Rule(kind=RuleKind.CONSTANT, text=text),)


LINKED = Content(links={(LinkKind.CATEGORY, "Shirts"): "Tops > Shirts"}, rules={("", "brand"): constant("Example")})


def test_an_offer_nobody_resolved_says_so(store: Store, platform: Platform) -> None:
    found = rows(store, platform)["CUP"]
    assert (found.fields, found.hash, found.state) == ({}, "", OfferState.LISTED)
    assert [fault.code for fault in found.faults] == [FaultCode.NOT_RESOLVED]
    assert waiting(store, platform) == 3


def test_fields_and_prices_are_filled_and_faults_are_told(store: Store, platform: Platform) -> None:
    change(store, lambda tx: mapping.replace(tx, platform.account.id, LINKED))
    policy = Policy(rates={"PLN": Decimal("2.5")}, multiplier=Decimal("1.1"))
    change(store, lambda tx: prices.set_policy(tx, platform.account.id, "se", policy))
    change(store, lambda tx: catalog.upsert(tx, [shirt("S", old_price="150", title_se="Skjorta")]))
    assert resolve(store, platform) == {"seen": 3, "changed": 3}
    found = rows(store, platform)
    assert found["SHIRT-S"].fields == {
        "id": "SHIRT-S",
        "brand": "Example",
        "type": "Tops > Shirts",
        "title_se": "Skjorta",
        "price": "10000",
        "was": "150.00",
        "price_se": "27500",
    }
    assert found["SHIRT-S"].faults == ()
    assert found["SHIRT-M"].fields["was"] == "100.00"
    codes = [(fault.code, fault.field) for fault in found["CUP"].faults]
    assert codes == [(FaultCode.NO_CATEGORY, "type"), (FaultCode.NO_PRICE, "price")]
    with store.read() as tx:
        explained = resolved.explain(tx, found["SHIRT-S"].offer_id)
        assert explained.row == found["SHIRT-S"]
        assert explained.origins["brand"] == "rule 1"
        assert (explained.origins["id"], explained.origins["was"]) == ("source", "old_price")
        assert explained.resolved_at == NOW
        with pytest.raises(NotFoundHere):
            resolved.explain(tx, 999)


def test_resolving_twice_writes_nothing(store: Store, platform: Platform) -> None:
    resolve(store, platform)
    before = rows(store, platform)
    assert waiting(store, platform) == 0
    assert resolve(store, platform) == {}
    change(store, lambda tx: marks.mark_account(tx, platform.account.id))
    assert resolve(store, platform) == {"seen": 3, "unchanged": 3}
    assert rows(store, platform) == before


def group_price(variant: int, amount: str) -> GroupPrice:
    return GroupPrice(variant_id=variant, group="wholesale", price=pln(amount))


CHANGES: dict[str, Callable[[Write, str], object]] = {
    "variant": lambda tx, account: catalog.upsert(tx, [shirt("S", price="90.00")]),
    "product": lambda tx, account: catalog.upsert_products(
        tx, [ProductDraft(code="SHIRT", name="Shirt", attributes={"category": "Shirts", "brand": "Other"})]
    ),
    "rules": lambda tx, account: mapping.replace(tx, account, LINKED),
    "policy": lambda tx, account: prices.set_policy(tx, account, "", Policy(multiplier=Decimal(2))),
    "group": lambda tx, account: prices.set_policy(tx, account, "", Policy(group="wholesale")),
    "group price": lambda tx, account: prices.put(
        tx, [group_price(catalog.ids_by_sku(tx, ["SHIRT-M"])["SHIRT-M"], "70.00")]
    ),
    "end": lambda tx, account: put_offer(tx, account, "SHIRT-M", OfferState.ENDED),
    "list": lambda tx, account: put_offer(tx, account, "SHIRT-M", OfferState.LISTED),
    "by hand": lambda tx, account: give(tx, account, "SHIRT-M", title_se="Skjorta", brand="Own"),
    "back": lambda tx, account: (
        give(tx, account, "SHIRT-M"),
        catalog.upsert(tx, [shirt("S")]),
        mapping.replace(tx, account, Content()),
        prices.set_policy(tx, account, "", None),
    ),
}


def give(tx: Write, account: str, sku: str, **fields: str) -> None:
    rows = offers.of_variants(tx, account, catalog.ids_by_sku(tx, [sku]).values())
    offers.set_own(tx, [replace(row, own=fields) for row in rows if row.own != fields])


def put_offer(tx: Write, account: str, sku: str, state: OfferState) -> object:
    variant = catalog.ids_by_sku(tx, [sku])[sku]
    return offers.upsert(tx, account, [OfferDraft(market="pl", variant_id=variant, state=state)])


@pytest.mark.parametrize("name", ["variant", "product", "rules", "policy", "group", "group price", "end", "by hand"])
def test_a_change_marks_what_it_concerns(store: Store, platform: Platform, name: str) -> None:
    resolve(store, platform)
    change(store, lambda tx: CHANGES[name](tx, platform.account.id))
    wanted = {"variant": 1, "product": 2, "group price": 1, "end": 1, "by hand": 1}
    assert waiting(store, platform) == wanted.get(name, 3)
    change(store, lambda tx: CHANGES[name](tx, platform.account.id))
    assert waiting(store, platform) == wanted.get(name, 3), "what is the same already marks nothing more"


def test_an_ended_offer_keeps_what_it_said_and_when_it_ended(store: Store, platform: Platform) -> None:
    resolve(store, platform)
    said = rows(store, platform)["SHIRT-M"]
    change(store, lambda tx: CHANGES["end"](tx, platform.account.id))
    change(store, lambda tx: CHANGES["rules"](tx, platform.account.id))
    resolve(store, platform)
    assert rows(store, platform)["SHIRT-M"] == replace(said, state=OfferState.ENDED, ended_at=NOW)
    change(store, lambda tx: CHANGES["list"](tx, platform.account.id))
    resolve(store, platform)
    found = rows(store, platform)["SHIRT-M"]
    assert (found.state, found.ended_at, found.fields["brand"]) == (OfferState.LISTED, None, "Example")


def fresh(store: Store, platform: Platform) -> dict[str, dict[str, str]]:
    """Return what resolving everything from the beginning would give."""
    resolver = job.Resolver(platform)  # type: ignore[arg-type]
    with store.read() as tx:
        resolver.refresh(tx)
        numbers = [row.variant_id for row in offers.list(tx, platform.account.id)]
        goods = resolved.goods(tx, platform.account.id, numbers)
        groups = prices.in_groups(tx, numbers)
    drafts = [resolver.resolve(item, groups) for item in goods]
    return {item.offer.sku: dict(draft.fields) for item, draft in zip(goods, drafts, strict=True) if draft}


@given(st.lists(st.sampled_from([*CHANGES, "resolve"]), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_changes_and_runs_come_the_end_is_the_same(
    store: Store, platform: Platform, steps: list[str]
) -> None:
    for step in steps:
        if step == "resolve":
            resolve(store, platform)
        else:
            change(store, lambda tx, step=step: CHANGES[step](tx, platform.account.id))  # type: ignore[misc]
    resolve(store, platform)
    assert waiting(store, platform) == 0
    found = rows(store, platform)
    listed = {sku: dict(row.fields) for sku, row in found.items() if row.state is OfferState.LISTED}
    assert listed == fresh(store, platform)


def test_a_change_while_offers_are_resolved_is_not_lost(store: Store, platform: Platform) -> None:
    news = iter(["80.00", "60.00"])

    def interfere(offer: Offer, price: Price) -> None:
        """Change the variant after it was read, and before what came of it is kept."""
        if offer.sku == "SHIRT-S" and offer.market == "pl" and (amount := next(news, None)):
            change(store, lambda tx: catalog.upsert(tx, [shirt("S", price=amount)]))

    platform.adjust = interfere
    resolve(store, platform)
    assert rows(store, platform)["SHIRT-S"].fields["price"] == "6000"
    assert waiting(store, platform) == 0


def test_rules_that_change_while_offers_are_resolved_count_for_all(
    store: Store, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 1)
    changed: list[str] = []

    def interfere(offer: Offer, price: Price) -> None:
        if offer.sku == "SHIRT-M" and not changed:
            changed.append(offer.sku)
            change(store, lambda tx: mapping.replace(tx, platform.account.id, LINKED))

    platform.adjust = interfere
    resolve(store, platform)
    assert {row.fields["brand"] for row in rows(store, platform).values()} == {"Example"}
    assert waiting(store, platform) == 0


def test_what_a_run_left_behind_the_next_one_does(
    store: Store, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 1)

    def fail(offer: Offer, price: Price) -> None:
        if offer.sku == "SHIRT-M":
            raise KeyboardInterrupt

    platform.adjust = fail
    run = attempt(store, platform)
    with pytest.raises(KeyboardInterrupt):
        job.resolve(run)
    with store.write() as tx:
        runs.give_back(tx, run._record)
    assert 0 < waiting(store, platform) < 3
    platform.adjust = None
    resolve(store, platform)
    assert waiting(store, platform) == 0
    assert all(row.hash for row in rows(store, platform).values())


def test_an_extension_has_the_last_word_and_what_cannot_be_a_price_is_none(store: Store, platform: Platform) -> None:
    platform.adjust = lambda offer, price: replace(price, price=pln("99.99"), before=pln("120.00"))
    resolve(store, platform)
    found = rows(store, platform)["SHIRT-S"].fields
    assert (found["price"], found["was"]) == ("9999", "120.00")
    for wrong in (pln("0.00"), Money(amount=Decimal(5), currency="EUR")):
        platform.adjust = lambda offer, price, wrong=wrong: replace(price, price=wrong)  # type: ignore[misc]
        change(store, lambda tx: marks.mark_account(tx, platform.account.id))
        resolve(store, platform)
        row = rows(store, platform)["SHIRT-S"]
        assert "price" not in row.fields
        assert FaultCode.NO_PRICE in {fault.code for fault in row.faults}


@pytest.mark.parametrize(
    ("attributes", "price", "was"),
    [
        ({"special_price": "79.00"}, "7900", "100.00"),
        ({"sale_price": "79.00"}, "7900", "100.00"),
        ({"special_price": "79.00", "special_price_to_date": "2026-12-31"}, "10000", "100.00"),
        ({"special_price": "120.00"}, "10000", "100.00"),
        ({"old_price": "130"}, "10000", "130.00"),
        ({"old_price": "90"}, "10000", "100.00"),
        ({"old_price": "cheap"}, "10000", "100.00"),
    ],
)
def test_old_and_reduced_prices_of_the_catalogue_count(
    store: Store, platform: Platform, attributes: dict[str, str], price: str, was: str
) -> None:
    change(store, lambda tx: catalog.upsert(tx, [shirt("S", **attributes)]))
    resolve(store, platform)
    found = rows(store, platform)["SHIRT-S"].fields
    assert (found["price"], found["was"]) == (price, was)


def test_other_fields_of_the_platform_are_resolved_without_a_mark(store: Store, platform: Platform) -> None:
    resolve(store, platform)
    platform.fields = (*FIELDS, FeedField(name="size", source="attribute:size"))
    resolve(store, platform)
    assert rows(store, platform)["SHIRT-S"].fields["size"] == "S"


def test_a_market_without_an_offers_file_has_nothing_to_resolve(store: Store, platform: Platform) -> None:
    variant = number(store, "CUP")
    draft = OfferDraft(market="se", variant_id=variant)
    change(store, lambda tx: offers.upsert(tx, platform.account.id, [draft]))
    assert resolve(store, platform) == {"seen": 3, "changed": 3}
    with store.read() as tx:
        (row,) = resolved.page(tx, platform.account.id, "se", after=0, limit=10)
    assert row.hash == ""


def test_a_change_asks_for_the_job_where_the_feed_is_switched_on(store: Store, platform: Platform) -> None:
    change(store, lambda tx: CHANGES["variant"](tx, platform.account.id))
    with store.read() as tx:
        assert not runs.list(tx, account=platform.account.id)
    change(store, lambda tx: accounts.set_switch(tx, platform.account.id, Switch.FEED, True))
    change(store, lambda tx: CHANGES["back"](tx, platform.account.id))
    with store.read() as tx:
        assert [run.job for run in runs.list(tx, account=platform.account.id)] == [job.JOB]


def test_many_offers_are_resolved_page_by_page(store: Store, platform: Platform) -> None:
    skus = [f"SKU-{n:04}" for n in range(1200)]
    random.Random(1).shuffle(skus)
    with store.write() as tx:
        done = catalog.upsert(tx, [VariantDraft(sku=sku, name=sku, price=pln("5.00")) for sku in skus])
        drafts = [OfferDraft(market="pl", variant_id=row.id) for row in done.values()]
        offers.upsert(tx, platform.account.id, drafts)
    assert resolve(store, platform) == {"seen": 1203, "changed": 1203}
    seen: list[resolved.ResolvedRow] = []
    with store.read() as tx:
        while part := resolved.page(tx, platform.account.id, "pl", after=seen[-1].offer_id if seen else 0, limit=500):
            seen += part
    assert [row.offer_id for row in seen] == sorted(row.offer_id for row in seen)
    assert {row.sku for row in seen} >= {*skus}


def test_own_categories_lead_up_to_those_above_them() -> None:
    assert own_categories("A/B/C") == ["A/B/C", "A/B", "A"]
    assert own_categories("A > B\nC") == ["A > B\nC", "A > B", "C", "A"]
    assert own_categories("") == []


def test_a_change_under_way_marks_the_offer_that_came_meanwhile(store: Store, platform: Platform) -> None:
    """On PostgreSQL the change sees the new offer only once it marks; SQLite lets one writer in after the other."""
    account = platform.account.id
    with store.write() as tx:
        hat = catalog.upsert(tx, [VariantDraft(sku="HAT", name="Hat", price=pln("5.00"))])["HAT"].id
    draft = OfferDraft(market="pl", variant_id=hat)

    def list_it() -> None:
        change(store, lambda tx: offers.upsert(tx, account, [draft]))
        resolve(store, platform)

    with ThreadPoolExecutor(1) as other:
        with store.write() as tx:
            catalog.upsert(tx, [VariantDraft(sku="HAT", name="Hat", price=pln("7.00"))])
            listing = other.submit(list_it)
            if store.postgresql:
                listing.result(timeout=60)
        listing.result(timeout=60)
    if store.postgresql:
        assert rows(store, platform)["HAT"].fields["price"] == "500"
        assert waiting(store, platform) == 1
    resolve(store, platform)
    assert rows(store, platform)["HAT"].fields["price"] == "700"
