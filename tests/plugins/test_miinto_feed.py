"""Miinto's offers file: its columns, what it refuses, and the markets that get prices of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from feed_shop import START, FeedShop, miinto_fields

import crossdock
from crossdock.core.errors import FeedError
from crossdock.core.model import FaultCode, FieldFault
from crossdock.core.store.offers import OfferState
from crossdock.feeds.checks import Checker
from crossdock.hub import Hub
from crossdock.plugins.miinto import feed as miinto
from crossdock.twins.kit import VirtualClock
from crossdock.twins.miinto.feed import Live, judge, take

SEK = ("c:discount_retail_price_SEK:integer", "c:retail_price_SEK:integer")
# Miinto's own header of an account that sells everywhere, but for the columns that depend on markets.
SHARED = (
    "id item_group_id c:style_id:string brand title color size image_link additional_image_link c:stock_level:integer "
    "material gtin product_type gender c:season_tag:string description washing hs_code madein"
).split()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with crossdock.init(tmp_path / "hub", clock=VirtualClock(START)) as opened:
        yield opened


def faults(**fields: str) -> list[tuple[str, str]]:
    checker = Checker(miinto.describe("pl", {"pl": "PLN"}))
    return [
        (fault.code.value, fault.field) for fault in checker.faults(checker.fill(miinto_fields("A-1", **fields), 1))
    ]


def test_an_account_that_leaves_converting_to_miinto_has_the_main_markets_columns_alone(hub: Hub) -> None:
    shop = FeedShop(hub, "miinto", {"feed_markets": ["se"]})
    shop.list("A-1", gtin="123456789")
    assert shop.build().state == "done"
    head, row, end = shop.bytes().decode().split("\n")
    assert end == ""
    assert head.split("\t") == [
        *SHARED,
        "c:discount_retail_price_PLN:integer",
        "c:retail_price_PLN:integer",
        "c:title_PL:string",
        "c:description_PL:string",
    ]
    assert row == (
        "A-1\tG-A-1\tST-1\tAcme\tLinen shirt\tWhite\tM\thttps://img.example.com/1.jpg\t\t5\t"
        '"{""en_EN.utf8"":""Linen 100%""}"\t123456789\t\t\t\tA light shirt\t\t\tPT\t24900\t29900\t\t'
    )


def test_without_conversion_each_market_has_its_prices_and_texts_and_an_offer_without_them_is_left_out_there(
    hub: Hub,
) -> None:
    shop = FeedShop(hub, "miinto", {"own_conversion": False, "feed_markets": ["se", "nl", "be"]})
    swedish = dict(zip(SEK, ("99900", "129900"), strict=True))
    euro = {"c:retail_price_EUR:integer": "6900"}
    shop.list("A-1", **swedish, **euro, **{"c:title_SV:string": "Linneskjorta"})
    shop.list("A-2", **euro)
    no_price = FieldFault(code=FaultCode.NO_PRICE, field=SEK[1], remedy="Give the market se a rate for SEK.")
    shop.resolve("A-2", [no_price], **euro)
    assert shop.build().state == "done"
    prices = ["PLN", "SEK", "EUR"]
    head = shop.bytes().decode().split("\n")[0].split("\t")
    assert head[len(SHARED) :] == [
        *(f"c:{kind}_{currency}:integer" for currency in prices for kind in ("discount_retail_price", "retail_price")),
        *(f"c:{kind}_{name}:string" for name in ("PL", "SV", "NL", "FR") for kind in ("title", "description")),
    ]
    rows = shop.rows()
    assert [rows["A-1"][name] for name in (*SEK, "c:title_SV:string")] == ["99900", "129900", "Linneskjorta"]
    assert [rows["A-2"][name] for name in SEK] == ["", ""], "empty, and never 0"
    assert rows["A-2"]["c:retail_price_PLN:integer"] == "29900"
    assert shop.faults() == {"A-2": [("not_in_market", "no_price", SEK[1])]}
    assert shop.out().counts["not_in_market"] == 1
    assert shop.build().counts["unchanged"] == 2
    assert shop.faults() == {"A-2": [("not_in_market", "no_price", SEK[1])]}, "it is told until it is mended"


def test_a_missing_price_in_the_main_market_leaves_the_offer_out(hub: Hub) -> None:
    shop = FeedShop(hub, "miinto", {"own_conversion": False, "feed_markets": ["se"]})
    shop.list("A-1", **dict.fromkeys(SEK, "129900"), **{"c:retail_price_PLN:integer": ""})
    shop.build()
    assert shop.rows() == {}
    assert ("left_out", "no_price", "c:retail_price_PLN:integer") in shop.faults()["A-1"]


def test_every_column_of_miintos_own_header_can_be_filled() -> None:
    listed: dict[str, Any] = json.loads((Path(__file__).parent / "miinto_columns.json").read_text("utf-8"))
    markets = {"pl": "PLN", "no": "NOK", "dk": "DKK", "se": "SEK", "nl": "EUR", "uk": "GBP", "cn": "CNY"}
    markets |= {"de": "EUR", "fi": "EUR", "es": "EUR", "fr": "EUR", "it": "EUR"}
    ours = {field.name: field for field in miinto.describe("pl", markets).fields}
    assert [column["name"] for column in listed["columns"] if column["name"] not in ours] == []
    for column in listed["columns"]:
        field = ours[column["name"]]
        assert field.max_length == column["max_length"], column["name"]
        if column["required"] in ("yes", "no"):
            assert field.required == (column["required"] == "yes"), column["name"]


@pytest.mark.parametrize(
    ("title", "fault"),
    [
        ("Linen shirt", None),
        ("ACME linen shirt", "brand"),
        ("White linen shirt", "color"),
        ("Linen shirt, m", "size"),
        ("Linen shirt A-1", "id"),
        ("Men's shirt", None),
        ("Linen shirt for Acmeans", None),
    ],
)
def test_a_title_holds_no_brand_size_colour_or_id(title: str, fault: str | None) -> None:
    found = [] if fault is None else [("bad_format", "title")]
    assert faults(title=title) == found


def test_each_of_several_colours_counts() -> None:
    assert faults(color="Blue/White", title="Shirt in white") == [("bad_format", "title")]


def test_a_letter_behind_an_apostrophe_is_no_size() -> None:
    assert faults(size="S", title="Men's shirt") == faults(size="S", title="MEN’S shirt") == []
    for title in ("Men's shirt S", "Shirt-S", "Shirt 's'"):
        assert faults(size="S", title=title) == [("bad_format", "title")]


def test_a_discount_does_not_raise_the_price() -> None:
    column = "c:discount_retail_price_PLN:integer"
    assert faults(**{column: "29900"}) == []
    assert faults(**{column: ""}) == []
    assert faults(**{column: "29901"}) == [("bad_format", column)]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("brand", "x" * 150, "too_long"),
        ("color", "x" * 255, "too_long"),
        ("c:season_tag:string", "AUTUMN 22", "too_long"),
        ("gtin", "12345678", "bad_gtin"),
        ("gender", "K", "not_a_choice"),
        ("hs_code", "61.05", "bad_format"),
        ("material", "Linen 100%", "bad_format"),
        ("madein", "Portugal", "bad_format"),
        ("additional_image_link", "https://a.example/1.jpg, https://a.example/2.jpg", "bad_url"),
    ],
)
def test_a_column_takes_what_the_sheet_allows(column: str, value: str, code: str) -> None:
    assert faults(**{column: value}) == [(code, column)]


@pytest.mark.parametrize("code", ["6105.10", "61051000", "6105.10.00.10"])
def test_a_customs_code_has_six_eight_or_ten_digits(code: str) -> None:
    assert faults(hs_code=code) == []


@pytest.mark.parametrize(
    "minutes",
    [range(0, 200, 30), range(29, 200, 30), [29, 60, 90, 120, 150], [31, 60, 90, 120, 150], [45, 61, 104, 180]],
)
def test_an_ended_row_stays_until_miinto_has_seen_it_sold_out_for_an_hour(
    minutes: Sequence[int], tmp_path: Path
) -> None:
    clock, live = VirtualClock(START), dict[str, Live]()
    with crossdock.init(tmp_path / "hub", clock=clock) as hub:
        shop = FeedShop(hub, "miinto")
        shop.list("A-1")
        shop.list("A-2")
        shop.build()
        take(judge(shop.bytes(), live, START), live, START)
        shop.set_state("A-1", OfferState.ENDED)
        for minute in range(max(minutes) + 1):
            clock.set(START + timedelta(minutes=minute))
            if minute % 10 == 0:
                shop.build()
            if minute in minutes:
                verdict = judge(shop.bytes(), live, clock.now())
                assert verdict.rejected == []
                take(verdict, live, clock.now())
    assert list(live) == ["A-2"]


def test_there_is_one_file_for_all_markets(hub: Hub) -> None:
    FeedShop(hub, "miinto")
    connector = hub.connector("shop")
    assert connector.build_feed("pl").key == ("item_group_id", "size", "color", "brand")
    with pytest.raises(FeedError, match="that of the main one, which is pl"):
        connector.build_feed("se")
    hub.accounts.set("shop", {"own_conversion": False, "feed_markets": ["mars"]})
    with pytest.raises(FeedError, match="no market mars"):
        hub.connector("shop").build_feed("pl")


def test_a_market_that_the_plugin_does_not_know_can_be_the_main_one(hub: Hub) -> None:
    FeedShop(hub, "miinto", {"main_market": "test", "extra_markets": {"test": "GBP"}})
    names = [field.name for field in hub.connector("shop").build_feed("test").fields]
    assert "c:retail_price_GBP:integer" in names
