"""`crossdock catalog import` of shops, `history` and `columns`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from command import Cli

from crossdock.cli.catalog import LAYOUTS
from crossdock.cli.values import Renaming
from crossdock.jobs import layouts

HEADER = "sku,product_type,attribute_set_code,name,price,qty,additional_attributes,configurable_variations,website_id\n"
SHOP = (
    HEADER + 'P-S,simple,Top,Shirt S,52,3,"size=S,color=Red",,1\n'
    'P,configurable,Top,Shirt,,,material=Wool,"sku=P-S,size=S",1\n'
    "Q,configurable,Top,Trousers,,,,,1\n"
)


def write(cli: Cli, text: str, name: str = "shop.csv") -> Path:
    path = cli.folder / name
    path.write_text(text)
    return path


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_the_command_offers_every_layout() -> None:
    assert list(LAYOUTS.choices) == list(layouts.LAYOUTS)


def test_the_file_of_a_shop_is_recognised_and_that_is_said(cli: Cli) -> None:
    path = write(cli, SHOP)
    result = cli("catalog", "import", path, "--currency", "USD")
    assert result.stdout == (
        f"{path}: 3 added, 0 updated, 0 unchanged, 0 left out; 2 of these rows are products of several variants.\n"
    )
    assert result.stderr.splitlines() == [
        f"{path} has the columns of layout magento and is read so; --layout names another.",
        "2 column(s) unknown to layout magento were left out (--keep COLUMN or --keep-all keeps them): "
        "attribute_set_code, website_id.",
        "Products without a variant in the file: Q.",
    ]
    shown = cli.json("catalog", "show", "P-S")
    assert (shown["product"], shown["attributes"]) == ("P", {"size": "S", "color": "Red"})
    assert shown["product_attributes"] == {"material": "Wool"}


def test_a_layout_that_was_named_is_not_announced(cli: Cli) -> None:
    said = cli("catalog", "import", write(cli, SHOP), "--layout", "magento", "--currency", "USD", "--keep-all").stderr
    assert said == "Products without a variant in the file: Q.\n"
    report = cli.json("catalog", "import", cli.folder / "shop.csv", "--currency", "USD", "--keep", "website_id")
    assert (report["layout"], report["recognised"], report["left_out"]) == ("magento", True, ["attribute_set_code"])
    assert cli.json("catalog", "show", "P-S")["attributes"]["website_id"] == "1"


def test_only_the_first_products_without_variants_are_named(cli: Cli) -> None:
    rows = "".join(f"P{number},configurable,Top,Shirt,,,,,\n" for number in range(6))
    said = cli("catalog", "import", write(cli, HEADER + rows)).stderr
    assert "Products without a variant in the file: P0, P1, P2, P3, P4, ...." in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layout", "shopify"], "'shopify' is not one of"),
        (["--layout", "woocommerce"], "no column type"),
        (["--keep", "colour"], "column 'colour' is not there"),
        (["--columns", "stockroom"], "There is no column map 'stockroom'. Here are: none."),
    ],
)
def test_a_shop_that_cannot_be_read_is_said(cli: Cli, options: list[str], words: str) -> None:
    assert words in cli.complains("catalog", "import", write(cli, SHOP), *options)
    assert cli.json("catalog", "history") == []


# --- history ---------------------------------------------------------------------------------------------------------


def test_the_history_tells_of_every_import_the_newest_first(cli: Cli) -> None:
    path = write(cli, SHOP)
    cli("catalog", "import", path, "--currency", "USD")
    cli("catalog", "import", write(cli, "sku,name,price\nA,Cup,x\n,Mug,\n", "own.csv"), code=1)
    names = ("id", "file", "layout", "state", "added", "updated", "unchanged", "failed")
    rows = cli.table("catalog", "history")
    assert [[row[name] for name in names] for row in rows] == [
        ["2", str(cli.folder / "own.csv"), "plain", "done", "0", "0", "0", "2"],
        ["1", str(path), "magento", "done", "3", "0", "0", "0"],
    ]
    assert all(row["began_at"] <= row["ended_at"] for row in rows)
    assert [row["id"] for row in cli.json("catalog", "history", "--limit", 1)] == [2]


def test_the_faults_of_an_import_are_listed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossdock.jobs.catalogue.FAULTS_KEPT", 2)
    cli("catalog", "import", write(cli, "sku,name,price\nA,Cup,x\n,Mug,y\n"), code=1)
    found = cli.json("catalog", "history", 1)
    faults = [{name: fault[name] for name in ("line", "field", "value")} for fault in found["faults"]]
    assert faults == [{"line": 2, "field": "price", "value": "x"}, {"line": 3, "field": "sku", "value": ""}]
    assert "digits and a decimal point" in found["faults"][0]["reason"]
    assert (found["failed"], found["faults_beyond"]) == (2, 1)
    assert "\nline\tfield\tvalue\treason\n2\tprice\tx\t" in cli("catalog", "history", 1).stdout
    assert "There is no import 7." in cli.complains("catalog", "history", 7)


def test_an_import_that_died_is_unfinished_and_one_that_broke_is_not_done(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("catalog", "import", write(cli, 'sku,name\nA,Cup\nB,"Mug'), code=2)

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crossdock.core.store.imports.end", die)
    cli("catalog", "import", write(cli, "sku,name\nB,Mug\n"), code=130)
    second, first = cli.json("catalog", "history")
    assert (second["state"], second["ended_at"], second["added"]) == ("unfinished", None, 1)
    assert (first["state"], first["added"]) == ("broken", 1)
    assert "breaks in the row that begins on line 3" in cli.json("catalog", "history", 1)["broken"]


# --- column maps -----------------------------------------------------------------------------------------------------


def test_a_column_map_is_saved_used_shown_and_removed(cli: Cli) -> None:
    said = cli("catalog", "columns", "save", "stockroom", "Item no.=sku", "Title=name", "Left=quantity").stdout
    assert said == ("Column map stockroom is saved. To use it: crossdock catalog import FILE --columns stockroom\n")
    path = write(cli, "Item no.,Title,Left,size\nA,Cup,3,L\n")
    cli("catalog", "import", path, "--columns", "stockroom")
    assert cli.json("stock", "show", "A")["levels"][0]["on_hand"] == 3
    shown = cli.json("catalog", "columns", "show", "stockroom")
    assert (shown["layout"], shown["columns"]["sku"]) == ("plain", "Item no.")
    assert [row["name"] for row in cli.table("catalog", "columns", "list")] == ["stockroom"]
    cli("catalog", "columns", "remove", "stockroom")
    assert cli.json("catalog", "columns", "list") == []
    assert "no column map 'stockroom'" in cli.complains("catalog", "columns", "show", "stockroom")


def test_a_column_map_says_the_layout_and_an_option_says_more(cli: Cli) -> None:
    cli("catalog", "columns", "save", "shop", "Menge=qty", "Artikel=sku", "--layout", "magento")
    path = write(cli, SHOP.replace("sku,", "Artikel,", 1).replace("qty", "Menge", 1).replace("name", "Title", 1))
    report = cli.json("catalog", "import", path, "--columns", "shop", "--column", "name=Title", "--currency", "USD")
    assert (report["layout"], report["recognised"], report["added"]) == ("magento", False, 3)
    assert cli.json("stock", "show", "P-S")["levels"][0]["on_hand"] == 3


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["Item=sku", "Code=sku"], "names sku twice"),
        (["Item=sku", "item=name"], "column 'item' of the file is named twice"),
        (["Item"], "names no two columns"),
        (["=sku"], "names no two columns"),
        ([], "Missing argument"),
    ],
)
def test_what_is_no_column_map_is_refused(cli: Cli, pairs: list[str], words: str) -> None:
    assert words in cli.complains("catalog", "columns", "save", "stockroom", *pairs)
    assert cli.json("catalog", "columns", "list") == []


def test_the_name_in_the_file_may_hold_an_equals_sign() -> None:
    assert Renaming().convert("a=b = SKU", None, click.Context(click.Command("save"))) == ("sku", "a=b")
