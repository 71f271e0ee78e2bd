"""Mapping, prices and offers from the command line: from a catalogue to resolved offers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fake_plugins
import pytest
from command import Cli
from fake_plugins import Shop

from crossdock import hub as library
from crossdock.core.errors import FeedError
from crossdock.core.model import Feed, FeedField, FieldKind, ListingDefault
from crossdock.core.store import accounts, offers, resolved
from crossdock.core.store.offers import OfferState

FIELDS = (
    FeedField(name="id", required=True, source="sku"),
    FeedField(name="brand", required=True, help="The maker's name."),
    FeedField(name="color", required=True),
    FeedField(name="type", source="category"),
    FeedField(name="description", max_length=100),
    FeedField(name="price", kind=FieldKind.PRICE, required=True, currency="PLN", source="price"),
    FeedField(name="price_se", kind=FieldKind.PRICE, market="SE", currency="SEK"),
    FeedField(name="stock", kind=FieldKind.STOCK, required=True),
)
FEED = Feed(media_type="text/plain", extension="txt", fields=FIELDS, renderer="x")
LISTING = {ListingDefault.MULTIPLIER: "", ListingDefault.MARKET: "", ListingDefault.DESCRIPTION: "description"}
CATALOGUE = """sku,name,product,price,currency,color,maker,category
SHIRT-S,Shirt S,SHIRT,100.00,PLN,czarny,Acme,Odzież/Koszule
SHIRT-M,Shirt M,SHIRT,100.00,PLN,biały,Acme,Odzież/Koszule
CUP,Cup,,,,biały,,Kubki
"""
MAPPING = """
[links.category]
"Odzież" = "Clothing"

[lookups.colours]
"biały" = "White"

[fields]
brand = [{ field = "maker" }, { expression = "{{ name.split()|first }}" }]
color = [{ field = "color", lookup = "colours" }]
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Give an installation with a catalogue and the account north, whose market PL has an offers file."""
    monkeypatch.setitem(fake_plugins.VERBS, "build_feed", "market")
    shop = Shop(tmp_path, monkeypatch)
    shop.answers["build_feed"] = FEED
    shop.module.PLUGIN = replace(shop.module.PLUGIN, listing=LISTING)  # type: ignore[attr-defined]
    library.init(tmp_path / "hub").close()
    with library.open(tmp_path / "hub" / "crossdock.toml") as hub:
        hub.accounts.add("shop", "north", {"shop": "1042", "token": "canary"})
    (tmp_path / "products.csv").write_text(CATALOGUE)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    cli = Cli(tmp_path / "hub" / "crossdock.toml")
    cli("catalog", "import", tmp_path / "products.csv")
    return cli


def test_a_mapping_is_checked_imported_and_exported(cli: Cli, tmp_path: Path) -> None:
    found = cli.json("mapping", "check", "north", code=1)
    assert ("field", "brand", "It is required, and nothing fills it. It wants: The maker's name.") in [
        (item["what"], item["name"], item["message"]) for item in found
    ]
    assert ("category", "Kubki") in [(item["what"], item["name"]) for item in found]
    file = tmp_path / "mapping.toml"
    assert len(cli.json("mapping", "import", "north", file, "--plan")["added"]) == 4
    assert len(cli.json("mapping", "import", "north", file)["added"]) == 4
    assert not cli.json("mapping", "import", "north", file)["added"], "the plan had written, or a second import writes"
    found = cli.json("mapping", "check", "north", code=1)
    assert [(item["what"], item["name"]) for item in found] == [("category", "Kubki"), ("lookup", "colours")]
    assert "'czarny'; 1 variant" in found[1]["message"]
    text = cli("mapping", "export", "north", "-").stdout
    cli("mapping", "export", "north", tmp_path / "again.toml")
    assert (tmp_path / "again.toml").read_text() == text
    assert not any(
        cli.json("mapping", "import", "north", tmp_path / "again.toml")[what] for what in ("changed", "removed")
    )
    cli("mapping", "import", "north", "-", input=text.replace('"White"', '"Weiß"'))
    assert "Weiß" in cli("mapping", "export", "north", "-").stdout


def test_rules_for_what_does_not_exist_are_told(cli: Cli) -> None:
    text = '[fields]\nbrands = [{ field = "maker" }]\nprice = [{ constant = "5" }]\n'
    text += '[markets.hu.fields]\nid = [{ field = "sku" }]\n'
    cli("mapping", "import", "north", "-", input=text)
    found = cli.json("mapping", "check", "north", code=1)
    told = {item["name"]: item["message"] for item in found if item["what"] == "rule"}
    assert "no such field" in told["brands"]
    assert "price policies" in told["price"]
    assert "'hu'" in told["id"]


def test_a_faulty_file_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    cli("mapping", "import", "north", tmp_path / "mapping.toml")
    before = cli("mapping", "export", "north", "-").stdout
    said = cli("mapping", "import", "north", "-", input='[fields]\nid = [{ expression = "{{ nmae }}" }]\nx = 1', code=2)
    assert "fields.id[1]" in said.stderr
    assert "fields.x" in said.stderr
    assert cli("mapping", "export", "north", "-").stdout == before


def test_what_fills_a_field_is_shown(cli: Cli, tmp_path: Path) -> None:
    cli("mapping", "import", "north", tmp_path / "mapping.toml")
    shown = {row["field"]: row for row in cli.json("mapping", "show", "north", "CUP")}
    assert (shown["brand"]["value"], shown["brand"]["origin"]) == ("Cup", "rule 2")
    assert shown["brand"]["tried"] == "rule 1: maker is empty"
    assert shown["color"]["value"] == "White"
    assert "no price" in shown["price"]["fault"]
    assert "stock" not in shown
    shirt = {row["field"]: row["value"] for row in cli.json("mapping", "show", "north", "SHIRT-S")}
    assert (shirt["type"], shirt["color"], shirt["price"]) == ("Clothing", "", "10000")
    cli("mapping", "show", "north", "SHIRT-S", "--market", "HU", code=2)


def test_categories_are_linked_by_hand(cli: Cli) -> None:
    cli("mapping", "category", "add", "north", "Cups", "--path", "Home > Cups")
    cli("mapping", "category", "link", "north", "Kubki", "Cups")
    cli("mapping", "category", "link", "north", "SHIRT", "Shirts", "--product")
    shown = cli.json("mapping", "category", "list", "north")
    assert shown["favourites"] == [{"category": "Cups", "path": "Home > Cups"}]
    assert len(shown["links"]) == 2
    values = {row["field"]: row["value"] for row in cli.json("mapping", "show", "north", "SHIRT-S")}
    assert values["type"] == "Shirts"
    cli("mapping", "category", "unlink", "north", "SHIRT", "--product")
    cli("mapping", "category", "remove", "north", "Cups")
    shown = cli.json("mapping", "category", "list", "north")
    assert (shown["favourites"], [link["own"] for link in shown["links"]]) == ([], ["Kubki"])


def test_a_price_is_set_and_explained_line_by_line(cli: Cli, tmp_path: Path) -> None:
    cli("prices", "explain", "north", "SHIRT-S", "--market", "SE", code=1)
    cli("prices", "set", "north", "--market", "SE", "--rate", "PLN=2.5", "--multiplier", "1.1", "--addition", "-5")
    cli("prices", "set", "north", "--market", "SE", "--ending", "9", "--direction", "up")
    found = cli.json("prices", "explain", "north", "SHIRT-S", "--market", "SE")
    assert found["price"] == {"amount": "279", "currency": "SEK"}
    assert [step["what"] for step in found["steps"]] == ["begin", "convert", "multiply", "add", "round"]
    (row,) = cli.json("prices", "show", "north")
    assert (row["multiplier"], row["rounding"]) == ("1.1", "up to an ending of 9")
    assert "no price" in cli.json("prices", "explain", "north", "CUP", code=1)["why_not"]
    wrong = cli("prices", "set", "north", "--multiplier", "0", "--currency", "zl", code=2).stderr
    assert "multiplier" in wrong
    assert "currency" in wrong
    cli("prices", "set", "north", "--market", "SE", "--remove")
    assert cli.json("prices", "show", "north") == []


def test_prices_of_a_group_are_imported(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "wholesale.csv"
    file.write_text(
        "sku,group,price,currency\nSHIRT-S,b2b,70.00,PLN\nSHIRT-M,b2b,,PLN\nHAT,b2b,5,\nSHIRT-S,b2b,71,PLN\n"
    )
    cli("prices", "set", "north", "--group", "b2b", code=2)
    report = cli.json("prices", "import", file, code=1)
    assert (report["added"], report["failed"]) == (1, 3)
    assert [(fault["line"], fault["field"]) for fault in report["faults"]] == [
        (3, "price"),
        (4, "sku"),
        (4, "currency"),
        (5, "sku"),
    ]
    assert cli.json("prices", "import", file, code=1)["unchanged"] == 1
    cli("prices", "set", "north", "--group", "b2b")
    assert cli.json("prices", "explain", "north", "SHIRT-S")["price"]["amount"] == "70.00"
    assert "no price in group" in cli.json("prices", "explain", "north", "SHIRT-M", code=1)["why_not"]
    cli("prices", "set", "north", "--group", "none")
    assert cli.json("prices", "explain", "north", "SHIRT-M")["price"]["amount"] == "100.00"


def done(cli: Cli, *arguments: str | Path, code: int = 0) -> dict[str, str]:
    return {row["sku"]: row["done"] for row in cli.json("offers", *arguments, code=code)}


def test_offers_are_created_ended_and_listed_again(cli: Cli, tmp_path: Path) -> None:
    cli("offers", "create", "north", code=2)
    planned = done(cli, "create", "north", "--category", "Odzież", "--plan")
    assert planned == {"SHIRT-M": "created", "SHIRT-S": "created"}
    assert cli.json("offers", "list", "north") == []
    assert done(cli, "create", "north", "--category", "Odzież", "--where", "color=biały") == {"SHIRT-M": "created"}
    file = tmp_path / "skus.csv"
    file.write_text("sku\nSHIRT-M\nSHIRT-S\nHAT\n")
    assert done(cli, "create", "north", "--file", file, code=1) == {
        "HAT": "unknown SKU",
        "SHIRT-M": "listed already",
        "SHIRT-S": "created",
    }
    assert done(cli, "end", "north", "--search", "shirt", "--sku", "CUP") == {
        "CUP": "not listed",
        "SHIRT-M": "ended",
        "SHIRT-S": "ended",
    }
    (shown,) = cli.json("offers", "show", "north", "SHIRT-S")
    assert (shown["state"], bool(shown["ended_at"])) == ("ended", True)
    assert set(done(cli, "create", "north", "--all").values()) == {"created", "listed again"}
    assert len(cli.json("offers", "list", "north")) == 3


def test_offers_are_edited_by_hand(cli: Cli, tmp_path: Path) -> None:
    cli("mapping", "import", "north", tmp_path / "mapping.toml")
    cli("offers", "create", "north", "--category", "Odzież")
    options = ("--set", "brand=Own", "--set", "description=a=b", "--sku", "SHIRT-M", "--sku", "CUP")
    result = {"CUP": "not listed", "SHIRT-M": "edited"}
    assert cli("offers", "edit", "north", *options, "--plan").stdout.endswith(
        "1 edited, 1 not listed; nothing was written.\n"
    )
    assert done(cli, "edit", "north", *options) == result
    assert done(cli, "edit", "north", *options) == result | {"SHIRT-M": "already so"}
    (shown,) = cli.json("offers", "show", "north", "SHIRT-M")
    assert shown["by_hand"] == {"brand": "Own", "description": "a=b"}
    (row,) = cli.table("offers", "show", "north", "SHIRT-M")
    assert row["by_hand"] == "brand: Own, description: a=b"
    fields = {row["field"]: row for row in cli.json("mapping", "show", "north", "SHIRT-M")}
    assert (fields["brand"]["value"], fields["brand"]["origin"], fields["brand"]["tried"]) == ("Own", "by hand", "")
    assert done(cli, "edit", "north", "--sku", "SHIRT-M", "--unset", "brand") == {"SHIRT-M": "edited"}
    assert cli.json("offers", "show", "north", "SHIRT-M")[0]["by_hand"] == {"description": "a=b"}
    assert done(cli, "edit", "north", "--sku", "HAT", "--set", "brand=Own", code=1) == {"HAT": "unknown SKU"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--all"], "Nothing is given to edit"),
        (["--set", "brand=x"], "Nothing is selected"),
        (["--all", "--set", "brand=x", "--unset", "brand"], "--set or --unset names brand twice"),
        (["--all", "--set", "stock=5"], "`crossdock stock adjust`"),
        (["--all", "--set", f"description={'x' * 101}"], "Shorten it to 100 characters."),
        (["--all", "--set", "brand=x", "--market", "HU"], "The market 'HU' has no offers file"),
    ],
)
def test_an_edit_that_cannot_be_is_said(cli: Cli, options: list[str], words: str) -> None:
    cli("offers", "create", "north", "--all")
    assert words in cli.complains("offers", "edit", "north", *options)
    assert not any(row["by_hand"] for row in cli.json("offers", "list", "north"))


def test_listing_defaults_are_shown_and_set(cli: Cli) -> None:
    none = {"account": "north", "multiplier": None, "market": None, "description": None}
    assert cli.json("offers", "defaults", "north") == none
    said = "north: none is set. The platform knows multiplier, market, description.\n"
    assert cli("offers", "defaults", "north").stdout == said
    given = ("--set", "multiplier=1.2", "--set", "description={{ name }}!", "--set", "market=PL")
    found = cli.json("offers", "defaults", "north", *given)
    assert found == {"account": "north", "multiplier": "1.2", "market": "PL", "description": "{{ name }}!"}
    assert cli("offers", "defaults", "north", "--unset", "market").stdout.splitlines() == [
        "account\tnorth",
        "multiplier\t1.2",
        "description\t{{ name }}!",
    ]
    values = {row["field"]: row["value"] for row in cli.json("mapping", "show", "north", "SHIRT-S")}
    assert (values["description"], values["price"]) == ("Shirt S!", "12000")
    wrong = cli.complains("offers", "defaults", "north", "--set", "duration=7", "--set", "multiplier=0")
    assert "Example Shop has no such default; it has multiplier, market, description" in wrong
    assert "multiplier: 0 is not above zero" in wrong
    assert cli.json("offers", "defaults", "north")["multiplier"] == "1.2"


def test_listed_offers_are_resolved(cli: Cli, tmp_path: Path) -> None:
    cli("mapping", "import", "north", tmp_path / "mapping.toml")
    cli("offers", "create", "north", "--all")
    cli("run", "north", "resolve")
    with library.open(cli.config) as hub, hub.store.read() as tx:
        account = accounts.get(tx, "north").id
        found = {row.sku: row for row in resolved.page(tx, account, "PL", after=0, limit=10)}
        assert resolved.waiting(tx, account) == 0
    assert found["SHIRT-M"].fields == {
        "id": "SHIRT-M",
        "brand": "Acme",
        "color": "White",
        "type": "Clothing",
        "price": "10000",
    }


def test_an_adopted_offer_is_not_created_once_more(cli: Cli) -> None:
    with library.open(cli.config) as hub, hub.store.write() as tx:
        account = accounts.get(tx, "north").id
        variant = library_variant(tx, "CUP")
        offers.upsert(tx, account, [offers.OfferDraft(market="PL", scope="7", variant_id=variant, remote_id="r1")])
    assert done(cli, "create", "north", "--sku", "CUP") == {"CUP": "listed already"}
    assert done(cli, "end", "north", "--sku", "CUP") == {"CUP": "ended"}
    assert done(cli, "create", "north", "--sku", "CUP") == {"CUP": "listed again"}
    with library.open(cli.config) as hub, hub.store.read() as tx:
        (row,) = offers.list(tx, account)
    assert (row.scope, row.remote_id, row.state) == ("7", "r1", OfferState.LISTED)


def library_variant(tx: offers.Read, sku: str) -> int:
    from crossdock.core.store import catalog

    return catalog.ids_by_sku(tx, [sku])[sku]


def test_a_platform_without_an_offers_file_is_refused_by_name(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop(tmp_path, monkeypatch, "map_status", name="plain")
    with library.open(cli.config) as hub:
        hub.accounts.add("plain", "south", {"shop": "1", "token": "canary"})
    for command in (["offers", "create", "south", "--all"], ["mapping", "check", "south"]):
        assert "cannot build_feed" in cli(*command, code=3).stderr


def test_settings_that_allow_no_file_are_told(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path, monkeypatch, "build_feed", name="other")
    shop.answers["build_feed"] = FeedError("No main market is set.")
    with library.open(cli.config) as hub:
        hub.accounts.add("other", "east", {"shop": "1", "token": "canary"})
    assert "No market" in cli("offers", "create", "east", "--all", code=3).stderr
