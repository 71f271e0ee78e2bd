"""The command `demo`: the replay and its rules, and what it does not take; test_day.py has the day."""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
import sys
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import shop_books
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from shop_books import MORNING, BookLine

from crossdock.core.errors import ConfigError
from crossdock.core.model import Decision, Veto
from crossdock.core.store.orders import LineState
from crossdock.demo import extension, ledger, replay
from crossdock.demo.cli import demo
from crossdock.demo.invoices import Invoice, Line, pence, read_orders
from crossdock.demo.ledger import Row, StockRow
from crossdock.demo.order_of_play import parts_of, together

SHARED = shop_books.ROOT.parent / "shared" / "data" / "online-retail" / "orders.csv.gz"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(demo, [str(word) for word in arguments])


# --- the command -----------------------------------------------------------------------------------------------------


BOOKS = [
    BookLine("1001", "MUG", 6, "2.50", "17850.0"),
    BookLine("1002", "TRAY", 400, "10.00", "13047.0", minute=1),
    BookLine("1003", "TRAY", 101, "10.00", "13047.0", minute=2),
    BookLine("C1004", "TRAY", -1, "10.00", "13047.0", minute=3),
    BookLine("1005", "TRAY", 101, "10.00", "", minute=4),
]


def test_a_replay_prints_one_json_document_and_writes_what_is_asked_for(tmp_path: Path) -> None:
    orders = shop_books.write_orders(tmp_path / "orders.csv", BOOKS)
    goods = shop_books.write_catalogue(tmp_path / "catalog.csv")
    files = [tmp_path / name for name in ("ledger.csv", "stock.csv", "book.json")]
    done = run(
        "--catalog", goods, "--orders", orders, "--rivals", 2, "--json", "--ledger", files[0], "--stock", files[1]
    )
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["orders"] == {"won": 3, "lost": 0, "declined": 1, "cancelled": 1, "won_partly": 0}
    assert (found["missing"], found["doubled"], found["stock_equal"]) == (0, 0, True)
    assert found["declined_by"] == {"out of stock": 1}
    assert found["cancelled_units"] == {"matched": 1, "unmatched": 0}
    assert [file.exists() for file in files] == [True, True, False]
    stock = [row.split(",") for row in files[1].read_text("utf-8").splitlines()]
    assert ["TRAY", "0", "0", "0", "0"] in stock
    assert ["SET", "", "", "0", "0"] in stock


def test_it_comes_to_the_same_with_faults_and_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        BookLine(str(1000 + number), sku, 1 + number % 4, "2.50", "13047.0", minute=number)
        for number in range(20)
        for sku in ("MUG", "mug", "TRAY")[: 1 + number % 3]
    ]
    plain = shop_books.play(tmp_path / "plain", lines)
    spoiled = shop_books.play(tmp_path / "spoiled", lines, faults=5)
    monkeypatch.setattr(replay, "AT_ONCE", 1)
    single = shop_books.play(tmp_path / "single", lines)
    assert spoiled.result.as_dict()["faults_met"]
    assert plain.ledger() == spoiled.ledger() == single.ledger()
    assert plain.result.stock == spoiled.result.stock == single.result.stock


def test_what_belongs_to_files_is_refused_without_them() -> None:
    assert "--catalog and --orders go together." in run("--catalog", __file__).stderr
    assert "'there-is-none.csv' does not exist" in run("--orders", "there-is-none.csv").stderr
    assert "Nothing can be written into the folder 'nowhere'" in run("--ledger", "nowhere/ledger.csv").stderr
    for option in (("--ledger", "x"), ("--floor", "0.97"), ("--keep-open",)):
        done = run(*option)
        assert done.exit_code == 2
        assert f"{option[0]} needs --catalog and --orders." in done.stderr


@pytest.mark.parametrize("floor", ["0", "-1", "11", "NaN", "cheap"])
def test_a_floor_is_a_share(floor: str) -> None:
    done = run("--floor", floor)
    assert done.exit_code == 2
    assert "is no share such as 0.97" in done.stderr


# --- files that cannot be played -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"InvoiceNo": ""}, "line 3, invoiceno '': this is needed"),
        ({"InvoiceNo": "10 01"}, "line 3, invoiceno '10 01': the number of an invoice is one word"),
        ({"StockCode": " "}, "line 3, stockcode '': this is needed"),
        ({"Quantity": "1.5"}, "line 3, quantity '1.5': write a whole number of units"),
        ({"Quantity": "9999999999"}, "line 3, quantity '9999999999': write a whole number of units"),
        ({"UnitPrice": "2,50"}, "line 3, unitprice '2,50': write it like 12.50"),
        ({"UnitPrice": "NaN"}, "line 3, unitprice 'NaN': write it like 12.50"),
        (
            {"InvoiceDate": "01/12/2010 08:26"},
            "line 3, invoicedate '01/12/2010 08:26': write it like 2011-01-31 14:05:00",
        ),
        ({"InvoiceDate": "2011-02-30 08:26:00"}, "line 3, invoicedate '2011-02-30 08:26:00': day is out of range"),
        ({"Description": "a\0b"}, "line 3, description"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(change: dict[str, str], words: str, tmp_path: Path) -> None:
    good = dict(zip(shop_books.COLUMNS, map(str, BOOKS[0].cells()), strict=True))
    rows = [good, good | change]
    text = "\n".join([",".join(good), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)])
    path = tmp_path / "orders.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_orders(path)
    assert words in str(caught.value)
    assert "nothing was played" in str(caught.value)


def test_a_file_without_a_column_or_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("InvoiceNo,StockCode\n1,2\n", "utf-8")
    with pytest.raises(ConfigError, match="no column description and no quantity"):
        read_orders(path)
    with pytest.raises(ConfigError, match="has no lines"):
        shop_books.play(tmp_path / "empty", [])


def test_a_catalogue_with_bad_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_books, "CATALOGUE", "sku,name,price\nMUG,Mug,cheap\n")
    with pytest.raises(ConfigError, match="line 2, price 'cheap'"):
        shop_books.play(tmp_path / "bad", BOOKS)


def test_a_floor_needs_the_prices_of_what_is_sold(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)needs a price in GBP; 1 have none\..*GIFT"):
        shop_books.play(tmp_path / "bare", [BookLine("1", "GIFT", 1, "1.00")], floor="0.97")


# --- the rules, one by one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "units"),
    [("2.50", 250), ("0.001", 1), ("0", 0), ("-0.001", 0), ("-11062.06", -1106206), ("2.421", 243)],
)
def test_fractions_of_a_penny_are_rounded_up(price: str, units: int) -> None:
    assert pence(Decimal(price)) == units
    assert (units > 0) == (Decimal(price) > 0)


def test_invoices_come_in_order_of_time_then_of_the_file(tmp_path: Path) -> None:
    lines = [
        BookLine("3", "MUG", 1, "1.00", minute=5),
        BookLine("2", "MUG", 1, "1.00", minute=1),
        BookLine("1", "MUG", 2, "1.00", minute=1),
        BookLine("3", "TRAY", 3, "1.00", minute=0),
        BookLine("2", "TRAY", 4, "1.00", minute=9),
    ]
    invoices = read_orders(shop_books.write_orders(tmp_path / "orders.csv", lines)).invoices
    played = [(invoice.number, [line.quantity for line in invoice.lines]) for invoice in invoices]
    assert played == [("3", [1, 3]), ("2", [1, 4]), ("1", [2])]


PARTS = {"SET": {"MUG": 2, "TRAY": 1}}
SALES = st.tuples(st.sampled_from(["MUG", "TRAY", "PADS", "SET"]), st.integers(1, 6))


def invoice(number: int, *sold: tuple[str, int], cancels: bool = False) -> Invoice:
    lines = tuple(Line(sku, "", -units if cancels else units, 100, "") for sku, units in sold)
    return Invoice(f"C{number}" if cancels else str(number), MORNING, lines)


class Shelf:
    """Units that nobody has yet, and who got which of the lines asked for."""

    def __init__(self, free: dict[str, int]) -> None:
        self.free = dict(free)
        self.got: dict[str, list[bool]] = {}

    def reserve(self, asks: Invoice) -> None:
        for line in asks.lines:
            needs = {part: units * line.quantity for part, units in parts_of(line.sku, PARTS).items()}
            there = all(self.free[part] >= units for part, units in needs.items())
            self.got.setdefault(asks.number, []).append(there)
            for part, units in needs.items() if there else ():
                self.free[part] -= units

    def give_back(self, asks: Invoice) -> None:
        for line, there in zip(asks.lines, self.got[asks.number], strict=True):
            for part, units in parts_of(line.sku, PARTS).items() if there else ():
                self.free[part] += units * line.quantity


@given(
    st.lists(st.lists(SALES, min_size=1, max_size=3), min_size=1, max_size=8),
    st.fixed_dictionaries({sku: st.integers(0, 15) for sku in ("MUG", "TRAY", "PADS")}),
    st.sets(st.integers(0, 7)),
    st.randoms(use_true_random=False),
)
def test_the_order_makes_no_difference_among_those_that_are_played_together(
    sales: list[list[tuple[str, int]]], free: dict[str, int], lost: set[int], chance: random.Random
) -> None:
    waiting = [invoice(number, *sold) for number, sold in enumerate(sales)]
    batch = waiting[: together(waiting, PARTS, free)]
    assert batch
    one_by_one, at_once = Shelf(free), Shelf(free)
    for each in batch:
        one_by_one.reserve(each)
        if int(each.number) in lost:
            one_by_one.give_back(each)
    for each in chance.sample(batch, len(batch)):
        at_once.reserve(each)
    assert at_once.got == one_by_one.got


@pytest.mark.parametrize(
    ("waiting", "number"),
    [
        ([invoice(1, ("MUG", 5)), invoice(2, ("MUG", 5)), invoice(3, ("MUG", 1))], 2),
        ([invoice(1, ("MUG", 11)), invoice(2, ("MUG", 5)), invoice(3, ("MUG", 5))], 3),
        ([invoice(1, ("SET", 4)), invoice(2, ("TRAY", 9)), invoice(3, ("PADS", 9))], 1),
        ([invoice(1, ("MUG", 1)), invoice(2, ("TRAY", 1), cancels=True), invoice(3, ("PADS", 1))], 3),
        ([invoice(1, ("MUG", 1)), invoice(2, ("MUG", 1), cancels=True)], 1),
        ([invoice(1, ("MUG", 1), cancels=True), invoice(2, ("MUG", 1))], 2),
        ([invoice(1, ("TRAY", 1), cancels=True), invoice(2, ("SET", 1))], 1),
        ([invoice(1, ("PADS", 1)), invoice(2, ("TRAY", 1), cancels=True), invoice(3, ("SET", 1))], 2),
    ],
)
def test_who_competes_or_cancels_is_played_apart(waiting: list[Invoice], number: int) -> None:
    sold = {("", "TRAY")}  # earlier, and not cancelled yet
    assert together(waiting, PARTS, {"MUG": 10, "TRAY": 10, "PADS": 10}, sold) == number


@pytest.mark.parametrize(("name", "vetoed"), [("A563185 Adjust bad debt", True), ("563185 A thing", False)])
def test_the_extension_vetoes_adjustments_only(name: str, vetoed: bool) -> None:
    named: Any = SimpleNamespace(lines=(SimpleNamespace(name=name),))
    veto = extension.review_acceptance(named, named, Decision())
    assert veto == (Veto(reason="not a sale") if vetoed else None)


def test_orders_are_counted_by_their_best_position() -> None:
    outcomes = {
        "1": [("won", ""), ("declined", "out of stock")],
        "2": [("lost", ""), ("declined", "not a sale")],
        "3": [("declined", "not a sale")],
        "C4": [("unmatched", "")],
        "C5": [("cancelled", ""), ("unmatched", "")],
    }
    rows = [Row(number, "MUG", 1, *outcome, "") for number, each in outcomes.items() for outcome in each]
    found = ledger.counts(rows)
    assert found["orders"] == {"won": 1, "lost": 1, "declined": 1, "cancelled": 2, "won_partly": 1}
    assert found["declined_by"] == {"not a sale": 2, "out of stock": 1}


# --- what the two sides say of each other ----------------------------------------------------------------------------


def order(number: int, kind: str, states: dict[int, str], *, parked: str | None = None) -> Any:
    """Return what `compare` looks at of an order of the hub."""
    return SimpleNamespace(
        order=SimpleNamespace(id=SimpleNamespace(kind=kind, value=str(number))),
        lines=tuple(SimpleNamespace(remote_id=str(each), state=LineState(state)) for each, state in states.items()),
        parked_code=parked,
    )


BOOK: dict[str, Any] = {
    "transfers": [
        {"id": 1, "positions": [{"id": 11, "state": "accepted"}, {"id": 12, "state": "declined"}]},
        {"id": 2, "positions": [{"id": 21, "state": "lost"}]},
    ],
    "orders": [{"id": 77, "transfer": 1}],
}
WON = order(77, "order", {11: "won", 12: "declined"})
LOST = order(2, "transfer", {21: "lost"})


@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ([WON, LOST], {}),
        ([order(77, "order", {11: "cancelled", 12: "declined"}), LOST], {}),
        ([WON], {"missing": 1}),
        ([order(1, "transfer", {11: "won", 12: "declined"}), LOST], {"missing": 1}),
        ([WON, LOST, LOST], {"doubled": 1}),
        ([WON, order(2, "transfer", {21: "won"})], {"different": 1}),
        ([WON, order(2, "transfer", {21: "proposed"})], {"different": 1, "undecided": 1}),
        ([WON, order(2, "transfer", {21: "lost"}, parked="outcome_unknown")], {"undecided": 1}),
    ],
)
def test_the_comparison_with_the_book_notices(orders: list[Any], found: dict[str, int]) -> None:
    none = {"missing": 0, "doubled": 0, "different": 0, "undecided": 0}
    assert asdict(ledger.compare(orders, BOOK)) == none | found


def test_a_transfer_won_twice_is_doubled() -> None:
    book = BOOK | {"orders": [*BOOK["orders"], {"id": 78, "transfer": 1}]}
    comparison = ledger.compare([WON, LOST], book)
    assert (comparison.doubled, comparison.missing) == (1, 1)
    assert "1 missing, 1 doubled" in ledger.verdict(comparison, [StockRow("MUG", 1, 0, 1, 2)])


# --- the real file, where it is there --------------------------------------------------------------------------------


def real_slice(path: Path, invoices: int) -> Path:
    """Write the first invoices of the real file, if there is one, else of the books above."""
    if not SHARED.is_file():
        return shop_books.write_orders(path, BOOKS)
    seen: set[str] = set()
    with gzip.open(SHARED, "rt", encoding="utf-8", newline="") as source, path.open("w", newline="") as target:
        for line in source:
            seen.add(line.partition(",")[0])
            if len(seen) > invoices + 1:
                break
            target.write(line)
    return path


def test_a_slice_of_real_orders_is_played_as_the_checker_says(tmp_path: Path) -> None:
    orders = real_slice(tmp_path / "orders.csv", 40)
    goods, ledger_file, stock, book = (
        tmp_path / name for name in ("goods.csv", "ledger.csv", "stock.csv", "book.json")
    )
    tool = [sys.executable, str(shop_books.ROOT / "tools" / "online_retail_catalogue.py"), str(orders), str(goods)]
    subprocess.run(tool, check=True)
    written = ("--ledger", ledger_file, "--stock", stock, "--book", book)
    played = run("--catalog", goods, "--orders", orders, "--floor", "0.97", *written)
    assert played.exit_code == 0, played.output
    assert "Hub and marketplace agree" in played.stdout
    checker = shop_books.checker()
    inputs = ("--catalog", goods, "--orders", orders, "--floor", "0.97")
    assert checker.main([str(word) for word in (*inputs, *written)]) == 0


def test_the_catalogue_tool_takes_the_newest_that_is_any_good(tmp_path: Path) -> None:
    lines = [
        ("MUG", "OLD MUG", "2.50", 1),
        ("MUG", "NEW MUG", "2.95", 3),
        ("MUG", "", "0", 4),
        ("mug", "", "0.00", 1),
        ("MUG", "LATE IN THE FILE", "9.99", 2),
    ]
    rows = [("1", sku, name, 1, f"2011-03-01 08:0{minute}:00", price, "", "UK") for sku, name, price, minute in lines]
    orders = tmp_path / "orders.csv"
    with orders.open("w", newline="") as file:
        csv.writer(file).writerows([shop_books.COLUMNS, *rows])
    goods = tmp_path / "goods.csv"
    tool = shop_books.ROOT / "tools" / "online_retail_catalogue.py"
    subprocess.run([sys.executable, "-I", "-S", str(tool), str(orders), str(goods), "--units", "7"], check=True)
    with goods.open(newline="") as file:
        found = {
            row["sku"]: (row["name"], row["price"], row["currency"], row["quantity"]) for row in csv.DictReader(file)
        }
    assert found == {"MUG": ("NEW MUG", "2.95", "GBP", "7"), "mug": ("mug", "", "", "7")}
