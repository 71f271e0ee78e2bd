"""`crossdock catalog`, `stock` and `offers`."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import CATALOG, Cli
from fake_plugins import Shop

from crossdock.core.errors import Unsupported
from crossdock.core.model import ProductPage, RemoteProduct, Result

# --- catalog ---------------------------------------------------------------------------------------------------------


def write(cli: Cli, text: str, name: str = "file.csv") -> Path:
    path = cli.folder / name
    path.write_text(text)
    return path


def test_a_file_is_imported_and_imported_again(cli: Cli) -> None:
    path = write(cli, CATALOG)
    assert cli("catalog", "import", path).stdout == f"{path}: 2 added, 0 updated, 0 unchanged, 0 left out.\n"
    assert cli.json("catalog", "import", path)["unchanged"] == 2
    assert [row["sku"] for row in cli.table("catalog", "list")] == ["SHIRT", "SOCKS"]
    assert cli.json("stock", "show", "SHIRT")["levels"][0]["on_hand"] == 5


def test_rows_with_faults_are_left_out_and_all_told(cli: Cli) -> None:
    path = write(cli, "sku,name,price\nA,One,1\n,Two,x\nC,Three,1,5\n")
    result = cli("catalog", "import", path, "--currency", "PLN", "--faults", cli.folder / "faults.csv", code=1)
    assert result.stdout.endswith("1 added, 0 updated, 0 unchanged, 2 left out.\n")
    assert result.stderr.splitlines() == [
        "line 3, sku '': this is needed",
        "line 3, price 'x': write it like 12.50: digits and a decimal point, nothing else",
        "line 4: it has 4 cells, the header has 3",
    ]
    assert (cli.folder / "faults.csv").read_text().splitlines()[0] == "line,field,value,reason"
    assert len((cli.folder / "faults.csv").read_text().splitlines()) == 4


def test_more_faults_than_are_kept_are_counted(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossdock.jobs.catalogue.FAULTS_KEPT", 1)
    path = write(cli, "sku,name\n,One\n,Two\n,Three\n")
    said = cli("catalog", "import", path, code=1).stderr
    assert said.splitlines()[1] == "and 2 more rows with faults; --faults FILE keeps them all."


def test_a_broken_file_says_what_landed(cli: Cli) -> None:
    path = write(cli, 'sku,name\nA,One\n,Two\nC,"Thr')
    result = cli("catalog", "import", path, code=2)
    assert "line 3, sku '': this is needed" in result.stderr
    assert "1 rows before that have landed." in result.stderr
    assert [row["sku"] for row in cli.json("catalog", "list")] == ["A"]


def test_columns_and_moments_are_named(cli: Cli) -> None:
    path = write(cli, "Item,Title,quantity\nA,One,3\n")
    named = ("--column", "sku=Item", "--column", "name=Title", "--as-of", "2026-01-01T00:00Z")
    cli("catalog", "import", path, *named)
    assert cli.json("stock", "show", "A")["levels"][0]["counted_at"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["{missing}"], "cannot be read"),
        (["{file}", "--warehouse", "moon"], "There is no warehouse 'moon'"),
        (["{file}", "--currency", "zloty"], "no ISO 4217 code"),
        (["{file}", "--as-of", "2999-01-01"], "still to come"),
        (["{file}", "--column", "gtin=Ean", "--column", "size=Nothing"], "column 'nothing' is not there"),
    ],
)
def test_an_import_that_cannot_begin_is_said(cli: Cli, options: list[str], words: str) -> None:
    places = {"file": str(write(cli, CATALOG)), "missing": str(cli.folder / "none.csv")}
    assert words in cli.complains("catalog", "import", *(option.format(**places) for option in options))
    assert cli.json("catalog", "list") == []


def test_products_are_found_page_by_page(north: Cli) -> None:
    assert [row["sku"] for row in north.json("catalog", "list", "--search", "sock")] == ["SOCKS"]
    assert [row["sku"] for row in north.json("catalog", "list", "--after", "SHIRT")] == ["SOCKS"]
    assert len(north.json("catalog", "list", "--limit", 1)) == 1
    assert north("catalog", "list", "--search", "none").stdout == "sku\tname\tproduct\tgtin\tprice\tvat_rates\n"


def test_a_bundle_is_made_shown_and_dissolved(north: Cli) -> None:
    north("catalog", "import", write(north, "sku,name\nSET,A set\n"))
    assert north("catalog", "bundle", "SET", "SHIRT=1", "SOCKS=2").stdout == "SET is made of 1 x SHIRT, 2 x SOCKS.\n"
    assert north.json("catalog", "show", "SET")["parts"] == {"SHIRT": 1, "SOCKS": 2}
    assert north.json("catalog", "show", "SHIRT")["bundles"] == ["SET"]
    assert north.json("stock", "show", "SET")["parts"] == {"SHIRT": 1, "SOCKS": 2}
    assert north.json("catalog", "bundle", "SET", "SHIRT=1", "SOCKS=2")["changed"] is False
    assert north("catalog", "bundle", "SET", "--none").stdout == "SET is no bundle.\n"
    assert north.json("catalog", "show", "SET")["parts"] == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bundle SHIRT", "say --none"),
        ("bundle SHIRT SOCKS=1 --none", "say --none"),
        ("bundle SHIRT SOCKS", "Write it as SKU=units"),
        ("bundle SHIRT SOCKS=1 SOCKS=2", "names SOCKS twice"),
        ("bundle SHIRT SHIRT=1", "cannot hold itself"),
        ("bundle SHIRT NONE=1", "no variant with this SKU"),
        ("bundle NONE SHIRT=1", "no variant with SKU 'NONE'"),
        ("show NONE", "no variant with SKU 'NONE'"),
    ],
)
def test_a_bundle_that_cannot_be_is_said(north: Cli, line: str, words: str) -> None:
    assert words in north.complains("catalog", *line.split())


# --- stock -----------------------------------------------------------------------------------------------------------


def test_the_stock_of_a_product_is_shown_with_who_holds_it(selling: Cli) -> None:
    story = selling.json("stock", "show", "SHIRT")
    (level,) = story["levels"]
    assert (level["warehouse"], level["on_hand"], level["reserved"], level["free"]) == ("main", 5, 1, 4)
    assert story["reservations"] == [{"order": 1, "account": "north", "warehouse": "main", "units": 1}]
    moves = [(move["kind"], move["on_hand"], move["reserved"], move["order"]) for move in story["moves"]]
    assert moves == [("reserve", 0, 1, 1), ("count", 5, 0, None)]
    assert len(selling.json("stock", "show", "SHIRT", "--moves", 1)["moves"]) == 1


def test_a_reservation_that_was_given_back_is_no_more(selling: Cli) -> None:
    selling("orders", "decline", 1)
    assert selling.json("stock", "show", "SHIRT")["reservations"] == []


def test_stock_is_corrected(selling: Cli) -> None:
    words = selling("stock", "adjust", "SHIRT", "-2", "--note", "damaged").stdout
    assert words == "SHIRT in main: 3 on hand, 1 reserved, 2 free.\n"
    assert selling.json("stock", "adjust", "SHIRT", "4")["on_hand"] == 7
    first, second, *_ = selling.json("stock", "show", "SHIRT")["moves"]
    assert (first["on_hand"], second["on_hand"], second["note"]) == (4, -2, "damaged")
    assert [offer["level"] for offer in selling.json("offers", "list", "north")] == ["pending"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("adjust SHIRT 0", "changes nothing"),
        ("adjust SHIRT many", "is not a valid integer"),
        ("adjust NONE 1", "no variant with SKU 'NONE'"),
        ("adjust SHIRT 1 --warehouse moon", "no warehouse 'moon'"),
        ("adjust SET 1", "is a bundle and has no stock of its own"),
        ("show NONE", "no variant with SKU 'NONE'"),
    ],
)
def test_a_correction_that_cannot_be_is_said(north: Cli, line: str, words: str) -> None:
    north("catalog", "import", write(north, "sku,name,bundle\nSET,A set,SHIRT*1\n"))
    assert words in north.complains("stock", *line.split())
    assert north.json("stock", "show", "SHIRT")["levels"][0]["on_hand"] == 5


# --- offers ----------------------------------------------------------------------------------------------------------


def test_what_is_listed_is_linked_and_told_its_stock(north: Cli) -> None:
    assert north("offers", "adopt", "north").stdout == "Run 1 (offers of north) is done: 1 seen, 1 added.\n"
    north("account", "enable", "north", "stock")
    north("account", "arm", "north")
    (row,) = north.table("offers", "list", "north")
    assert (row["sku"], row["remote_id"], row["price"], row["stock"], row["level"]) == (
        "SHIRT",
        "L1",
        "12.00 PLN",
        "",
        "pending",
    )
    north("run", "north", "stock")
    (offer,) = north.json("offers", "list", "north")
    assert (offer["stock"], offer["level"], offer["levels"][0]["acknowledged"]) == (5, "sent", 5)


def test_what_fits_nothing_is_told(north: Cli, shop: Shop) -> None:
    stranger = RemoteProduct(remote_id="L9", market="PL", sku="HAT", name="Hat")
    shop.answers["fetch_products"] = ProductPage(products=(stranger,), cursor={"version": 1})
    result = north("offers", "adopt", "north")
    assert result.stdout == "Run 1 (offers of north) is done: 1 seen, 1 failed.\n"
    assert result.stderr.startswith("warning: L9: Listing L9 'Hat' (SKU HAT) is none of the variants")
    assert north.json("offers", "list", "north") == []


def test_what_a_platform_refused_is_shown_in_its_words(selling: Cli, shop: Shop) -> None:
    shop.answers["push_stock"] = lambda account, levels: tuple(
        Result(item=level.offer.id, accepted=False, code="E5", words="No such listing.") for level in levels
    )
    assert "warning: SHIRT: No such listing." in selling("run", "north", "stock").stderr
    (offer,) = selling.json("offers", "list", "north")
    assert (offer["level"], offer["words"]) == ("error", "No such listing.")


def test_offers_are_found_page_by_page(selling: Cli) -> None:
    assert len(selling.json("offers", "list", "north", "--market", "PL", "--limit", 1)) == 1
    assert selling.json("offers", "list", "north", "--market", "HU") == []
    assert selling.json("offers", "list", "north", "--after", 1) == []
    assert "no account 'south'" in selling.complains("offers", "list", "south")


def test_a_platform_that_lists_nothing_is_refused_by_name(north: Cli, shop: Shop) -> None:
    shop.answers["fetch_products"] = Unsupported("Example Shop cannot list.")
    assert "cannot list" in north("offers", "adopt", "north", code=3).stderr
