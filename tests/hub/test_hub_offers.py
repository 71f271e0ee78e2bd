"""Listing defaults are kept where they count anyway, all or none; fields given by hand come before all rules."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import fake_plugins
import pytest
from fake_plugins import Shop
from feed_shop import FeedShop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from crossdock import hub as library
from crossdock.core.errors import ConfigError, ContractError, FeedError, Unsupported
from crossdock.core.model import Feed, FeedField, FieldKind, ListingDefault, Market, Money
from crossdock.core.prices import Policy
from crossdock.core.rules import Rule, RuleKind
from crossdock.core.store import accounts, catalog, marks, offers, prices, resolved
from crossdock.core.store.accounts import AccountRow
from crossdock.core.store.catalog import VariantDraft
from crossdock.core.store.mapping import Content
from crossdock.core.store.prices import GroupPrice
from crossdock.hub import Hub
from crossdock.hub import offers as module
from crossdock.hub.offers import Selection

FIELDS = (
    FeedField(name="id", required=True, source="sku"),
    FeedField(name="title", source="name", max_length=10),
    FeedField(name="description", source="attribute:description"),
    FeedField(name="gender", choices=("M", "F"), source="attribute:gender"),
    FeedField(name="days", kind=FieldKind.INTEGER),
    FeedField(name="format", choices=("fixed", "auction")),
    FeedField(name="price", kind=FieldKind.PRICE, currency="PLN", source="price"),
    FeedField(name="stock", kind=FieldKind.STOCK),
)
LISTING = {
    ListingDefault.DURATION: "days",
    ListingDefault.OFFER_FORMAT: "format",
    ListingDefault.MULTIPLIER: "",
    ListingDefault.PRICE_GROUP: "",
    ListingDefault.MARKET: "",
    ListingDefault.DESCRIPTION: "description",
}
ALL = {
    "duration": "30",
    "offer_format": "fixed",
    "multiplier": "1.15",
    "price_group": "trade",
    "market": "SE",
    "description": "{{ name }}, {{ attributes.material }}",
}
SKUS = ("CUP", "MUG", "PLATE")


def feed(account: object, market: str) -> Feed:
    if market not in ("PL", "SE"):
        raise FeedError(f"There is no file for {market!r}.")
    return Feed(media_type="text/plain", extension="txt", fields=FIELDS, renderer="x")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Give a platform with offers files for two markets that knows every listing default."""
    monkeypatch.setitem(fake_plugins.VERBS, "build_feed", "market")
    shop = Shop(tmp_path, monkeypatch)
    shop.answers["build_feed"] = feed
    places = tuple(Market(code=code, country=code, currency="PLN") for code in ("PL", "SE"))
    shop.module.PLUGIN = replace(shop.module.PLUGIN, listing=LISTING, markets=places)  # type: ignore[attr-defined]
    return shop


@pytest.fixture
def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("CROSSDOCK_TEST_KEY", base64.b64encode(bytes(32)).decode())
    with library.init(tmp_path / "hub", database_url, "env:CROSSDOCK_TEST_KEY") as hub:
        yield hub


@pytest.fixture
def north(hub: Hub, shop: Shop) -> Hub:
    """Give an installation with the account north, three products, and a price group."""
    hub.accounts.add("shop", "north", {"shop": "1042", "token": "canary"})
    with hub.store.write() as tx:
        drafts = [VariantDraft(sku=sku, name=sku.title(), attributes={"gender": "M"}) for sku in SKUS]
        cup = catalog.upsert(tx, drafts)["CUP"].id
        price = Money(amount=Decimal("9.00"), currency="PLN")
        prices.put(tx, [GroupPrice(variant_id=cup, group="trade", price=price)])
    return hub


# --- listing defaults ------------------------------------------------------------------------------------------------


def kept(hub: Hub) -> tuple[AccountRow, Content, Mapping[str, Policy]]:
    """Return all that listing defaults may change."""
    return hub.accounts.get("north"), hub.mapping.read("north"), hub.prices.policies("north")


def first_rules(hub: Hub) -> dict[str, tuple[RuleKind, str]]:
    rules = hub.mapping.read("north").rules
    return {name: (found[0].kind, found[0].text) for (market, name), found in rules.items() if not market}


def test_each_default_is_kept_where_it_counts(north: Hub) -> None:
    assert north.offers.defaults("north") == dict.fromkeys(ListingDefault)
    assert north.offers.set_defaults("north", ALL) == ALL
    assert north.offers.defaults("north") == ALL
    assert north.prices.policies("north") == {"": Policy(multiplier=Decimal("1.15"), group="trade")}
    assert north.accounts.get("north").options == {"listing_market": "SE"}
    assert first_rules(north) == {
        "days": (RuleKind.CONSTANT, "30"),
        "format": (RuleKind.CONSTANT, "fixed"),
        "description": (RuleKind.EXPRESSION, ALL["description"]),
    }


def test_what_is_set_elsewhere_is_shown_as_a_default(north: Hub) -> None:
    north.prices.set("north", "", {"multiplier": "2", "ending": "0.99"})
    north.prices.set("north", "SE", {"multiplier": "3"})
    north.accounts.set("north", options={"listing_market": "SE"})
    north.mapping.load("north", '[fields]\ndays = [{ constant = "7" }, { field = "days" }]', name="file")
    shown = {name: value for name, value in north.offers.defaults("north").items() if value is not None}
    assert shown == {"multiplier": "2", "market": "SE", "duration": "7"}


@given(st.dictionaries(st.sampled_from(sorted(ALL)), st.booleans()))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_set_and_taken_back_leaves_no_trace(north: Hub, chosen: dict[str, bool]) -> None:
    north.accounts.set("north", options={"stock_buffer": 2})
    north.prices.set("north", "", {"addition": "3", "ending": "0.99"})
    rules = '[fields]\ndescription = [{ field = "description" }]\nformat = [{ field = "format" }]\n'
    north.mapping.load("north", f'{rules}[markets.SE.fields]\ndays = [{{ constant = "9" }}]', name="file")
    before = kept(north)
    north.offers.set_defaults("north", {name: ALL[name] for name in chosen})
    assert (kept(north) == before) is (not chosen)
    assert north.prices.policies("north")[""].addition == 3
    first = {name for name, ours in chosen.items() if ours}
    north.offers.set_defaults("north", dict.fromkeys(first))
    assert {name for name, value in north.offers.defaults("north").items() if value} == chosen.keys() - first
    north.offers.set_defaults("north", dict.fromkeys(ALL))
    assert kept(north) == before


def test_a_default_replaces_itself_and_other_rules_of_its_field_stay_behind_it(north: Hub) -> None:
    north.mapping.load("north", '[fields]\ndescription = [{ field = "description" }]', name="file")
    for words in ("{{ name }}", "{{ sku }}"):
        north.offers.set_defaults("north", {"description": words})
    assert north.mapping.read("north").rules["", "description"] == (
        Rule(kind=RuleKind.EXPRESSION, text="{{ sku }}"),
        Rule(kind=RuleKind.FIELD, text="description"),
    )


def test_a_constant_that_keeps_a_field_empty_is_no_default(north: Hub) -> None:
    north.mapping.load("north", '[fields]\ndays = [{ constant = "" }]', name="file")
    before = kept(north)
    assert north.offers.defaults("north")["duration"] is None
    north.offers.set_defaults("north", {"duration": "7"})
    assert first_rules(north)["days"] == (RuleKind.CONSTANT, "7")
    north.offers.set_defaults("north", {"duration": None})
    assert kept(north) == before


WRONG = {
    "duration": ("a week", "duration: 'a week' cannot stand in days. Write a whole number."),
    "offer_format": ("gift", "offer_format: 'gift' cannot stand in format. Use one of: fixed, auction."),
    "multiplier": ("much", "multiplier: 'much' is no number such as 1.23"),
    "price_group": ("vip", "group: there is no price group 'vip'; there are: trade"),
    "market": ("HU", "market: 'HU' has no offers file; there are: PL, SE"),
    "description": ("{{ nmae }}", "description: the expression cannot be used: nmae: there is no such value"),
    "colour": ("red", "colour: Example Shop has no such default; it has duration, offer_format, "),
}


@pytest.mark.parametrize("names", [[name] for name in WRONG] + [[*WRONG]], ids=" ".join)
def test_all_faults_are_told_at_once_and_nothing_is_set(north: Hub, names: list[str]) -> None:
    north.offers.set_defaults("north", {"multiplier": "2", "description": "{{ sku }}"})
    before = kept(north)
    with pytest.raises(ConfigError, match="Account north") as caught:
        north.offers.set_defaults("north", ALL | {name: WRONG[name][0] for name in names})
    assert len(caught.value.faults) == len(names)
    for name in names:
        assert any(fault.startswith(WRONG[name][1]) for fault in caught.value.faults), caught.value.faults
    assert kept(north) == before


@pytest.mark.parametrize(
    ("value", "words"),
    [("", "is empty; unset it"), (" ", "is empty; unset it"), ("a\0b", "has a NUL"), ("\ud800", "lone surrogate")],
)
def test_a_text_that_says_nothing_or_cannot_be_kept_is_no_default(north: Hub, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        north.offers.set_defaults("north", dict.fromkeys(ALL, value))
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [*ListingDefault]
    assert all(words in fault for fault in caught.value.faults)


def test_a_break_on_the_way_leaves_everything_as_it_was(north: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **more: object) -> None:
        raise RuntimeError("broken")

    before = kept(north)
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "save", broken)
        with pytest.raises(RuntimeError, match="broken"):
            north.offers.set_defaults("north", ALL)
    assert kept(north) == before


@pytest.mark.parametrize("platform", ["miinto", "google"])
def test_a_default_that_the_platform_lacks_is_refused_by_name(hub: Hub, platform: str) -> None:
    FeedShop(hub, platform)
    has = {"multiplier": "1.15", "description": "{{ name }}", "market": "pl"}
    assert hub.offers.set_defaults("shop", has) == {**has, "price_group": None}
    for value in ("7", None):
        with pytest.raises(ConfigError) as caught:
            hub.offers.set_defaults("shop", {"duration": value, "offer_format": value, "multiplier": "2"})
        title = hub.plugin(platform).facts.title
        words = f"{title} has no such default; it has multiplier, price_group, market, description"
        assert caught.value.faults == (f"duration: {words}", f"offer_format: {words}")
    assert hub.offers.defaults("shop") == {**has, "price_group": None}


def test_a_plugin_whose_file_lacks_the_field_of_a_default_breaks_the_contract(north: Hub, shop: Shop) -> None:
    shop.answers["build_feed"] = replace(feed(None, "PL"), fields=FIELDS[:2])
    with pytest.raises(ContractError, match="a file without days, description, format, which a listing default is"):
        north.connector("north").build_feed("PL")


# --- the market where offers are listed ------------------------------------------------------------------------------


def markets_of(hub: Hub) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in hub.offers.list("north"):
        found.setdefault(item.offer.sku, set()).add(f"{item.offer.market} {item.offer.state.value}")
    return found


def test_offers_are_listed_edited_and_ended_in_the_market_that_is_set(north: Hub) -> None:
    north.offers.create("north", Selection(skus=("CUP",)))
    north.offers.set_defaults("north", {"market": "SE"})
    north.offers.create("north", Selection(skus=("CUP", "MUG")))
    north.offers.edit("north", Selection(skus=("CUP",)), {"title": "Kopp"})
    north.offers.end("north", Selection(skus=("MUG",)))
    assert markets_of(north) == {"CUP": {"PL listed", "SE listed"}, "MUG": {"SE ended"}}
    assert own(north) == {("CUP", "PL"): {}, ("CUP", "SE"): {"title": "Kopp"}, ("MUG", "SE"): {}}
    assert {field.value for field in north.mapping.show("north", "CUP") if field.field == "title"} == {"Kopp"}
    north.offers.create("north", Selection(skus=("PLATE",)), market="PL")
    assert markets_of(north)["PLATE"] == {"PL listed"}


def test_a_market_that_is_set_and_has_no_file_any_more_is_told(north: Hub, shop: Shop) -> None:
    north.offers.set_defaults("north", {"market": "SE"})
    shop.answers["build_feed"] = lambda account, market: feed(account, {"SE": "HU"}.get(market, market))
    with pytest.raises(ConfigError, match=r"'SE' has no offers file. There are: PL."):
        north.offers.create("north", Selection(skus=("CUP",)))
    assert markets_of(north) == {}


def test_where_the_platform_declares_no_markets_the_first_offer_is_listed_in_the_one_that_is_named(hub: Hub) -> None:
    FeedShop(hub, "google")
    with hub.store.write() as tx:
        catalog.upsert(tx, [VariantDraft(sku=sku, name=sku) for sku in SKUS])
    with pytest.raises(Unsupported, match="Name its market"):
        hub.offers.create("shop", Selection(skus=("CUP",)))
    hub.offers.create("shop", Selection(skus=("CUP",)), market="pl")
    hub.offers.set_defaults("shop", {"market": "pl"})
    hub.offers.create("shop", Selection(skus=("MUG",)))
    assert {item.offer.market for item in hub.offers.list("shop")} == {"pl"}
    assert len(hub.offers.list("shop")) == 2


# --- fields given by hand --------------------------------------------------------------------------------------------


def own(hub: Hub) -> dict[tuple[str, str], Mapping[str, str]]:
    return {(item.offer.sku, item.offer.market): item.offer.own for item in hub.offers.list("north", limit=1000)}


def edit(hub: Hub, *skus: str, plan: bool = False, **values: str | None) -> list[tuple[str, str]]:
    found = hub.offers.edit("north", Selection(skus=skus), values, plan=plan)
    return [(result.sku, result.done.value) for result in found]


@pytest.fixture
def listed(north: Hub) -> Hub:
    """Give the same with all products listed and resolved."""
    north.offers.create("north", Selection(everything=True))
    north.run("north", "resolve")
    return north


def waiting(hub: Hub) -> int:
    with hub.store.read() as tx:
        return marks.waiting(tx, accounts.get(tx, "north").id)


def test_what_is_given_by_hand_comes_before_all_rules(listed: Hub) -> None:
    listed.mapping.load("north", '[fields]\ntitle = [{ expression = "{{ 1 / 0 }}" }]', name="file")
    listed.run("north", "resolve")
    assert edit(listed, "CUP", title="Big cup", gender="F") == [("CUP", "edited")]
    assert waiting(listed) == 1
    listed.run("north", "resolve")
    shown = {field.field: field for field in listed.mapping.show("north", "CUP")}
    assert (shown["title"].value, shown["title"].origin, shown["title"].fault) == ("Big cup", "by hand", "")
    assert (shown["id"].origin, shown["gender"].value) == ("source", "F")
    with listed.store.read() as tx:
        account = accounts.get(tx, "north").id
        found = {row.sku: row for row in resolved.page(tx, account, "PL", after=0, limit=10)}
        told = resolved.explain(tx, found["CUP"].offer_id)
    assert (found["CUP"].fields["title"], found["CUP"].faults) == ("Big cup", ())
    assert (told.origins["title"], told.origins["id"]) == ("by hand", "source")
    assert [fault.field for fault in found["MUG"].faults] == ["title"]


def test_each_offer_has_its_result(listed: Hub) -> None:
    listed.offers.end("north", Selection(skus=("MUG",)))
    skus = ("PLATE", "HAT", "MUG", "CUP", "CUP")
    unlike = [("HAT", "unknown SKU"), ("MUG", "not listed")]
    planned = edit(listed, *skus, title="Blue", plan=True)
    assert not any(own(listed).values())
    assert planned == [("CUP", "edited"), *unlike, ("PLATE", "edited")]
    assert edit(listed, *skus, title="Blue") == planned
    assert edit(listed, *skus, title="Blue") == [("CUP", "already so"), *unlike, ("PLATE", "already so")]
    assert edit(listed, "CUP", title=None, gender=None) == [("CUP", "edited")]
    assert own(listed) == {("CUP", "PL"): {}, ("MUG", "PL"): {}, ("PLATE", "PL"): {"title": "Blue"}}


def test_an_edit_that_changes_nothing_has_nothing_resolved(listed: Hub) -> None:
    edit(listed, "CUP", title="Blue")
    listed.run("north", "resolve")
    edit(listed, "CUP", title="Blue", plan=True)
    edit(listed, "CUP", "MUG", title="Blue", plan=True)
    edit(listed, "CUP", title="Blue")
    assert waiting(listed) == 0


def test_what_is_given_by_hand_outlasts_the_end_of_an_offer(listed: Hub) -> None:
    edit(listed, "CUP", title="Blue")
    listed.offers.end("north", Selection(skus=("CUP",)))
    assert own(listed)["CUP", "PL"] == {"title": "Blue"}
    listed.offers.create("north", Selection(skus=("CUP",)))
    listed.run("north", "resolve")
    assert {field.origin for field in listed.mapping.show("north", "CUP") if field.value == "Blue"} == {"by hand"}


def test_fields_that_nobody_can_give_are_all_refused_and_nothing_is_edited(listed: Hub) -> None:
    values = {"price": "9.99", "stock": "5", "colour": "red", "gender": "X", "title": "x" * 11, "days": "\ud800"}
    with pytest.raises(ConfigError, match="Fields to be given are id, title, description") as caught:
        listed.offers.edit("north", Selection(everything=True), {**values, "description": "fine", "id": " "})
    assert caught.value.faults[:5] == (
        "price: a price comes from the catalogue and a price policy: `crossdock prices set`",
        "stock: stock is what was counted: `crossdock stock adjust`",
        "colour: the offers file has no such field",
        "gender: 'X' cannot stand there. Use one of: M, F.",
        f"title: '{'x' * 11}' cannot stand there. Shorten it to 10 characters.",
    )
    assert {fault.partition(":")[0] for fault in caught.value.faults} == {*values, "id"}
    assert not any(own(listed).values())


def test_what_was_given_can_be_taken_back_after_the_field_is_gone(listed: Hub, shop: Shop) -> None:
    edit(listed, "CUP", gender="F")
    shop.answers["build_feed"] = replace(feed(None, "PL"), fields=tuple(f for f in FIELDS if f.name != "gender"))
    with pytest.raises(ConfigError, match="gender: the offers file has no such field"):
        edit(listed, "CUP", gender="M")
    assert edit(listed, "CUP", gender=None) == [("CUP", "edited")]
    assert own(listed)["CUP", "PL"] == {}


def test_an_edit_needs_products_and_fields(listed: Hub) -> None:
    with pytest.raises(ConfigError, match="Nothing is selected"):
        edit(listed, title="Blue")
    with pytest.raises(ConfigError, match="Nothing is given to edit"):
        edit(listed, "CUP")


def test_thousands_are_edited_in_batches(north: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    skus = [f"SKU-{number:02}" for number in range(25)]
    with north.store.write() as tx:
        catalog.upsert(tx, [VariantDraft(sku=sku, name=sku) for sku in skus])
    north.offers.create("north", Selection(skus=tuple(skus[5:])))
    before = [(sku, "not listed") for sku in skus[:5]]
    assert edit(north, *reversed(skus), title="Blue") == [*before, *((sku, "edited") for sku in skus[5:])]
    assert [{**given} for given in own(north).values()] == [{"title": "Blue"}] * 20


EDITS = st.tuples(
    st.lists(st.sampled_from(SKUS), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["title", "gender"]), st.sampled_from(["M", "F", None]), min_size=1),
)


@given(st.lists(EDITS, max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_offer_has_what_was_given_last(listed: Hub, edits: list[tuple[list[str], dict[str, str | None]]]) -> None:
    edit(listed, *SKUS, title=None, gender=None)
    wanted: dict[str, dict[str, str | None]] = {sku: {} for sku in SKUS}
    for skus, values in edits:
        told = dict(edit(listed, *skus, **values))
        for sku in set(skus):
            now = {name: value for name, value in (wanted[sku] | values).items() if value is not None}
            assert told[sku] == ("already so" if now == wanted[sku] else "edited")
            wanted[sku] = {**now}
    assert own(listed) == {(sku, "PL"): given for sku, given in wanted.items()}


def test_two_who_edit_the_same_offer_at_once_both_count(listed: Hub) -> None:
    with ThreadPoolExecutor(1) as other:
        with listed.store.write() as tx:
            account = accounts.get(tx, "north", lock=True).id
            (cup,) = offers.of_variants(tx, account, catalog.ids_by_sku(tx, ["CUP"]).values())
            offers.set_own(tx, [replace(cup, own={"title": "Blue"})])
            second = other.submit(edit, listed, "CUP", gender="F")
            until_somebody_waits(listed)
        second.result(timeout=60)
    assert own(listed)["CUP", "PL"] == {"title": "Blue", "gender": "F"}


def until_somebody_waits(hub: Hub) -> None:
    """Return once a transaction of PostgreSQL waits for another one; on SQLite a second writer cannot even begin."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 60
    while hub.store.postgresql:
        assert time.monotonic() < deadline, "nobody waits"
        with hub.store.read() as tx:
            if tx.scalar(text(waits)):
                return
