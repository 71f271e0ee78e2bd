"""The file for Google Merchant Center, read back by an XML parser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from feed_shop import START, FeedShop
from lxml import etree

import crossdock
from crossdock.core.connector import load
from crossdock.core.errors import ConfigError, FeedError, Unsupported
from crossdock.feeds.checks import Checker
from crossdock.hub import Hub
from crossdock.plugins import google
from crossdock.twins.kit import VirtualClock

G = f"{{{google.NAMESPACE}}}"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with crossdock.init(tmp_path / "hub", clock=VirtualClock(START)) as opened:
        yield opened


def test_the_file_is_rss_with_one_item_for_each_offer(hub: Hub) -> None:
    shop = FeedShop(hub, "google")
    shop.list("A-1", units=3, title="Shirt <& more> ]]>", gtin="5901234123457", sale_price="199.00", brand="Acme")
    shop.list("A-2", units=0, additional_image_link="https://a.example/1.jpg https://a.example/2.jpg")
    shop.list("A-3", price="")
    shop.list("A-4", title="Shi\x1brt", description="x" * 5000)
    assert shop.build().state == "done"
    rss = etree.fromstring(shop.bytes())
    assert (rss.tag, rss.get("version"), shop.out().media_type) == ("rss", "2.0", "application/rss+xml; charset=utf-8")
    assert [child.text for child in rss[0][:3]] == ["Shirts & more", "https://shop.example.com", "Shirts & more"]
    items = [{child.tag.removeprefix(G): child.text for child in item} for item in rss[0].findall("item")]
    assert items == [
        {
            "id": "A-1",
            "title": "Shirt <& more> ]]>",
            "description": "A light shirt",
            "link": "https://shop.example.com/A-1",
            "image_link": "https://img.example.com/1.jpg",
            "availability": "in_stock",
            "price": "299.00 PLN",
            "sale_price": "199.00 PLN",
            "brand": "Acme",
            "gtin": "5901234123457",
        },
        {
            "id": "A-2",
            "title": "Linen shirt",
            "description": "A light shirt",
            "link": "https://shop.example.com/A-2",
            "image_link": "https://img.example.com/1.jpg",
            "additional_image_link": "https://a.example/2.jpg",
            "availability": "out_of_stock",
            "price": "299.00 PLN",
            "identifier_exists": "no",
        },
    ]
    assert shop.faults() == {
        "A-3": [("left_out", "no_price", "price")],
        "A-4": [("left_out", "forbidden_text", "title")],
    }


def test_control_characters_of_a_field_that_may_be_empty_are_taken_out(hub: Hub) -> None:
    shop = FeedShop(hub, "google")
    shop.list("A-1", color="Bla\x0bck\x1e")
    shop.build()
    assert etree.fromstring(shop.bytes()).findtext(f"channel/item/{G}color") == "Black"


def test_google_takes_ten_further_images() -> None:
    checker = Checker(described())
    images = [f"https://a.example/{number}.jpg" for number in range(11)]
    offer = {"id": "A", "title": "T", "description": "D", "link": "https://a.example", "price": "1.00"}
    offer |= {"image_link": images[0]}
    ten = checker.fill({**offer, "additional_image_link": " ".join(images[:10])}, 1)
    eleven = checker.fill({**offer, "additional_image_link": " ".join(images)}, 1)
    assert list(checker.faults(ten)) == []
    assert [fault.field for fault in checker.faults(eleven)] == ["additional_image_link"]


def described() -> google.Feed:
    return google.Feed(
        media_type="", extension="", fields=tuple(google._fields("PLN")), renderer="", check=google.check
    )


def test_the_file_is_for_one_country(hub: Hub) -> None:
    FeedShop(hub, "google")
    with pytest.raises(FeedError, match="for the market pl only"):
        hub.connector("shop").build_feed("de")
    with pytest.raises(ConfigError):
        hub.accounts.set("shop", {"country": "Poland"})


def test_there_is_nothing_else_that_google_does() -> None:
    loaded = load("google")
    assert loaded.verbs == {"build_feed"}
    with pytest.raises(Unsupported, match="Stock travels in the file"):
        loaded.require("push_stock", "shop")
