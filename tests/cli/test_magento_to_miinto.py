"""Exports of Magento shops come to Miinto by the example file of the documentation, and Miinto's twin judges them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from command import Cli

from crossdock.twins.kit import serve
from crossdock.twins.miinto import FeedAddress, MiintoTwin
from crossdock.web.server import serving

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "magento-miinto.toml"
REAL = ROOT.parent / "shared" / "data" / "magento-fashion" / "configurable_products.csv.gz"
IMAGES = "https://shop.example.com/media/catalog/product"
RATE = Decimal("4.25")


@dataclass(frozen=True)
class Walk:
    """What came of an export: the rows of the file by SKU, Miinto's verdict, and what was left out, by SKU."""

    rows: Mapping[str, Mapping[str, str]]
    pull: Mapping[str, Any]
    left_out: Mapping[str, Mapping[str, str]]


def walk(cli: Cli, export: Path) -> Walk:
    """Bring an export to Miinto as docs/magento-to-miinto.md does."""
    twin = MiintoTwin()
    with serve(twin.app) as endpoint:
        settings = {"endpoint": endpoint, **twin.settings()}
        cli("account", "add", "miinto", "shop", *(f"--set={name}={value}" for name, value in settings.items()))
        cli("catalog", "import", export, "--currency", "EUR")
        cli("mapping", "import", "shop", EXAMPLE)
        cli("prices", "set", "shop", "--rate", f"EUR={RATE}", "--ending", "0.99", "--direction", "up")
        cli("offers", "create", "shop", "--all")
        cli("account", "enable", "shop", "feed")
        cli("feed", "build", "shop")
        link = cli.json("feed", "link", "shop", "--renew")["link"]
        with cli.hub() as hub, serving(hub) as server:
            url = server.url + urlsplit(link).path
            twin.set_feed(twin.account.identifier, FeedAddress(url=url))
            (pull,) = twin.pull_feeds()
            version = hub.feeds.show("shop").version
            assert version is not None
            text = (hub.downloads.folder / str(version.file)).read_text("utf-8")
            rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
            faults = [(fault.sku, fault.fault) for fault in hub.feeds.faults("shop")]
    left_out = {sku: {"code": fault.code.value, "field": fault.field, "remedy": fault.remedy} for sku, fault in faults}
    return Walk({row["id"]: row for row in rows}, pull, left_out)


# --- a small shop ----------------------------------------------------------------------------------------------------

EXPORT = """\
sku,store_view_code,attribute_set_code,product_type,categories,name,description,short_description,price,qty,base_image,additional_images,additional_attributes,configurable_variations
TEE-S,,Top,simple,"Shop/Men/Tops/Tees,Shop/Sale",Men's Tee-S-Navy,<p>Soft.<br />&bull; Machine wash</p>,,29,12,/t/e/tee navy ż_1.jpg,/t/e/tee_2.jpg,"size=S,color=Navy",
TEE-S,pl,Top,simple,,Koszulka męska-S-Navy,,,,,,,,
TEE-M,,Top,simple,"Shop/Men/Tops/Tees,Shop/Sale",Men's Tee-M-Navy,<p>Soft.<br />&bull; Machine wash</p>,,29,0,/t/e/tee.jpg,,"size=M,color=Navy",
TEE-L,,Top,simple,"Shop/Men/Tops/Tees,Shop/Sale",Men's Tee-L-Navy,<p>Soft.</p>,,29,3,,,"size=L,color=Navy",
TEE,,Top,configurable,"Shop/Men/Tops/Tees,Shop/Sale",Men's  Tee,<p>Soft.</p>,,29,,,,"material=Organic Cotton|Elastane,climate=Mild|Warm","sku=TEE-S,size=S,color=Navy|sku=TEE-M,size=M,color=Navy|sku=TEE-L,size=L,color=Navy"
TEE,pl,Top,configurable,,Koszulka męska,<p>Miękka.</p>,,,,,,,
WIND-M,,Top,simple,Shop/Women/Tops/Jackets,Gale&trade; Shell-M-Red,,"Light, <b>&amp;</b> dry",99,5,/w/i/wind.jpg,,"size=M,color=Red",
WIND-L,,Top,simple,Shop/Women/Tops/Jackets,Gale&trade; Shell-L-Red,,"Light, <b>&amp;</b> dry",,5,/w/i/wind.jpg,,"size=L,color=Red",
WIND-X,,Top,simple,Shop/Women/Tops/Jackets,Gale&trade; Shell-X-Red,,"Light, <b>&amp;</b> dry",99,,/w/i/wind.jpg,,"size=X,color=Red",
WIND,,Top,configurable,Shop/Women/Tops/Jackets,Gale&trade; Shell,,,99,,/w/i/wind.jpg,,"material=Wool|Nylon,climate=Cold,manufacturer=Breeze","sku=WIND-M,size=M,color=Red|sku=WIND-L,size=L,color=Red|sku=WIND-X,size=X,color=Red"
GEAR-1,,Gear,simple,"Shop/Men/Gear,Shop/Women/Gear",Navy Cap,A cap.,,15,7,/c/a/cap.jpg,,"size=One size,color=Navy,material=Wool",
GEAR-2,,Gear,simple,"Shop/Men/Gear,Shop/Women/Gear",Ribbed socks,Two pairs.,,9,7,/s/o/socks.jpg,,"size=40,color=Navy",
GEAR-3,,Gear,simple,"Shop/Men/Gear,Shop/Women/Gear",Bobble hat,A hat.,,15,7,/h/a/hat.jpg,,"size=One size,color=Navy,material=Fleece",
"""  # noqa: E501 (a row is a row)

TEE_S = {
    "id": "TEE-S",
    "item_group_id": "TEE",
    "c:style_id:string": "TEE-Navy",
    "brand": "Example Sport",
    "title": "Men's Tee",
    "color": "Navy",
    "size": "S",
    "image_link": f"{IMAGES}/t/e/tee%20navy%20%C5%BC_1.jpg",
    "additional_image_link": f"{IMAGES}/t/e/tee_2.jpg",
    "c:stock_level:integer": "12",
    "material": '{"en_EN.utf8": "Organic Cotton, Elastane"}',
    "gtin": "",
    "product_type": "",
    "gender": "M",
    "c:season_tag:string": "SS27",
    "description": "Soft. • Machine wash",
    "washing": '{"en_EN.utf8": "Machine wash"}',
    "hs_code": "",
    "madein": "PT",
    "c:discount_retail_price_PLN:integer": "12399",
    "c:retail_price_PLN:integer": "12399",
    "c:title_PL:string": "Koszulka męska",
    "c:description_PL:string": "Miękka.",
}


def test_a_small_shop_gets_to_miinto_and_what_does_not_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(EXPORT)
    found = walk(cli, tmp_path / "export.csv")
    assert found.rows["TEE-S"] == TEE_S
    assert {sku: row["c:stock_level:integer"] for sku, row in found.rows.items()} == {
        "GEAR-3": "7",
        "TEE-M": "0",
        "TEE-S": "12",
        "WIND-M": "5",
    }
    others = {
        "brand": "Breeze",
        "title": "Gale™ Shell",
        "description": "Light, & dry",
        "additional_image_link": "",
        "gender": "F",
        "c:season_tag:string": "AW26",
        "washing": '{"en_EN.utf8": "Hand wash"}',
        "c:title_PL:string": "",
    }
    assert {name: found.rows["WIND-M"][name] for name in others} == others
    assert [found.rows["GEAR-3"][name] for name in ("title", "gender", "washing")] == ["Bobble hat", "U", ""]
    assert {sku: (fault["code"], fault["field"]) for sku, fault in found.left_out.items()} == {
        "TEE-L": ("missing", "image_link"),
        "WIND-L": ("no_price", "c:retail_price_PLN:integer"),
        "WIND-X": ("no_stock", "c:stock_level:integer"),
        "GEAR-1": ("bad_format", "title"),
        "GEAR-2": ("missing", "material"),
    }
    assert all(fault["remedy"] for fault in found.left_out.values())
    assert (found.pull["fault"], found.pull["rejected"], found.pull["remarks"]) == (None, [], [])
    assert found.pull["accepted"] == sorted(found.rows)


def test_categories_that_lead_nowhere_are_told_by_their_first_path(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(EXPORT)
    walk(cli, tmp_path / "export.csv")
    told = {row["name"]: row["message"] for row in cli.json("mapping", "check", "shop", code=1)}
    nowhere = {"Shop/Men/Tops/Tees": 3, "Shop/Women/Tops/Jackets": 3, "Shop/Men/Gear": 3}
    assert told == {name: f"It leads nowhere; {number} variant(s) have it." for name, number in nowhere.items()}
    cli("mapping", "category", "link", "shop", "Shop/Men", "Tops")
    cli("mapping", "category", "link", "shop", "Shop/Women", "Jackets")
    assert cli.json("mapping", "check", "shop") == []


# --- a whole shop ----------------------------------------------------------------------------------------------------


def packed(row: Mapping[str, str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in row["additional_attributes"].split(","))


@pytest.mark.skipif(not REAL.is_file(), reason="the data set is not on this machine")
def test_a_whole_shop_gets_to_miinto(cli: Cli) -> None:
    with gzip.open(REAL, "rt", encoding="utf-8", newline="") as file:
        export = {row["sku"]: row for row in csv.DictReader(file)}
    sold = {sku: row for sku, row in export.items() if row["product_type"] == "simple"}
    parents = {
        pair.removeprefix("sku="): sku
        for sku, row in export.items()
        for pair in row["configurable_variations"].replace("|", ",").split(",")
        if pair.startswith("sku=")
    }
    found = walk(cli, REAL)
    assert len(found.rows) >= 0.95 * len(sold) > 1700
    assert found.rows.keys() | found.left_out.keys() == sold.keys()
    assert all(fault["code"] and fault["remedy"] for fault in found.left_out.values())
    assert (found.pull["fault"], found.pull["rejected"], found.pull["remarks"]) == (None, [], [])
    assert found.pull["accepted"] == sorted(found.rows)
    assert cli.json("mapping", "check", "shop") == []
    for sku, row in found.rows.items():
        raw, parent = sold[sku], export[parents[sku]]
        material = packed(parent)["material"].replace("&reg;", "®").replace("&trade;", "™").replace("|", ", ")
        assert json.loads(row["material"]) == {"en_EN.utf8": material}
        assert [row[name] for name in ("item_group_id", "size", "color")] == [
            parents[sku],
            packed(raw)["size"],
            packed(raw)["color"],
        ]
        images = [raw["base_image"], *filter(None, raw["additional_images"].split(","))]
        shown = [row["image_link"], *filter(None, row["additional_image_link"].split(","))]
        assert shown == [IMAGES + image for image in images]
        assert row["c:stock_level:integer"] == raw["qty"]
        assert 0 <= int(row["c:retail_price_PLN:integer"]) - 100 * RATE * Decimal(raw["price"]) < 100
        assert row["gender"] == ("F" if "Default Category/Women/" in raw["categories"] else "M")
        assert row["product_type"]
        assert not {"<", "&"} & set(row["title"] + row["description"].replace(" & ", ""))
