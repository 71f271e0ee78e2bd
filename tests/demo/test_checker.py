"""The checker of replays: it agrees with the hub on any books, notices any change, and knows nothing of crossdock."""

from __future__ import annotations

import ast
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shop_books
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop_books import PRICED, SKUS, BookLine, Played

TOOL = shop_books.ROOT / "tools" / "check_ledger.py"
COLUMNS = ("invoice", "sku", "quantity", "outcome", "reason", "remote_id")

BOOKS = [
    BookLine("1001", "MUG", 6, "2.50", "17850.0"),
    BookLine("1001", "mug", 5, "4.00", "17850.0"),
    BookLine("1001", "SET", 2, "12.99", "17850.0"),
    BookLine("1002", "MUG", 12, "2.50", "13047.0", minute=1),  # only 10 are left
    BookLine("1002", "MUG", 4, "2.40", "13047.0", minute=1),
    BookLine("1003", "TRAY", 1, "9.70", "", minute=2),
    BookLine("1003", "UNLISTED", 1, "1.00", "", minute=2),
    BookLine("1003", "PADS", 1, "0.001", "", minute=2),
    BookLine("1003", "PADS", -1, "0.00", "", minute=2),
    BookLine("A1004", "MUG", 1, "2.50", "", minute=3),
    BookLine("A1004", "mug", 9, "4.00", "", minute=3),
    BookLine("C1005", "MUG", -4, "2.50", "17850.0", minute=4),
    BookLine("C1005", "MUG", -4, "2.50", "17850.0", minute=4),
    BookLine("C1005", "SET", -1, "12.99", "17850.0", minute=4),
    BookLine("C1005", "TRAY", -1, "9.70", "", minute=4),
    BookLine("C1005", "mug", -1, "4.00", "13047.0", minute=4),
]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return shop_books.play(tmp_path_factory.mktemp("books"), BOOKS, floor="0.97", rivals=2)


def test_it_imports_the_standard_library_only() -> None:
    tree = ast.parse(TOOL.read_text("utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_it_agrees_with_the_hub_in_a_process_without_crossdock(played: Played) -> None:
    command = [sys.executable, "-I", "-S", str(TOOL), *played.arguments()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("All agrees: ")


def test_the_outcomes_are_those_of_the_rules(played: Played) -> None:
    assert played.outcomes() == [
        ("1001", "MUG", "6", "won", ""),
        ("1001", "mug", "5", "won", ""),
        ("1001", "SET", "2", "won", ""),
        ("1002", "MUG", "12", "declined", "out of stock"),
        ("1002", "MUG", "4", "declined", "below price floor"),
        ("1003", "TRAY", "1", "won", ""),
        ("1003", "UNLISTED", "1", "declined", "unknown product"),
        ("1003", "PADS", "1", "won", ""),
        ("1003", "PADS", "-1", "declined", "not a sale"),
        ("A1004", "MUG", "1", "declined", "not a sale"),
        ("A1004", "mug", "9", "declined", "not a sale"),
        ("C1005", "MUG", "-4", "cancelled", ""),
        ("C1005", "MUG", "-4", "cancelled", "2 of 4 units"),
        ("C1005", "SET", "-1", "cancelled", ""),
        ("C1005", "TRAY", "-1", "unmatched", "no earlier sale"),
        ("C1005", "mug", "-1", "unmatched", "no earlier sale"),
    ]
    assert played.result.as_dict()["orders"] == {
        "won": 2,
        "lost": 0,
        "declined": 2,
        "cancelled": 1,
        "won_partly": 1,
    }
    assert played.result.as_dict()["prices_rounded_up"] == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_row_of_the_ledger_can_be_altered_unseen(data: st.DataObject, played: Played, tmp_path: Path) -> None:
    rows = played.ledger()
    row, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(COLUMNS) - 1))
    words = sorted({each[column] for each in rows} | {"", "won", "lost", "-1", "order 1", "transfer 1"})
    other = data.draw((st.sampled_from(words) | st.text(max_size=5)).filter(lambda text: text != rows[row][column]))
    rows[row][column] = other
    assert shop_books.differences(played, ledger=_csv(tmp_path / "altered.csv", COLUMNS, rows))


@pytest.mark.parametrize(
    "change",
    [lambda rows: rows[1:], lambda rows: [*rows, rows[-1]], lambda rows: rows[::-1]],
    ids=["one less", "one twice", "another order"],
)
def test_no_row_can_be_missing_doubled_or_moved(
    change: Callable[[list[list[str]]], list[list[str]]], played: Played, tmp_path: Path
) -> None:
    assert shop_books.differences(played, ledger=_csv(tmp_path / "altered.csv", COLUMNS, change(played.ledger())))


@pytest.mark.parametrize("column", ["on_hand", "reserved", "sellable", "told"])
def test_the_hubs_stock_is_compared(column: str, played: Played, tmp_path: Path) -> None:
    with (played.folder / "stock.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0][column] = str(int(rows[0][column]) + 1)
    altered = _csv(tmp_path / "altered.csv", tuple(rows[0]), [list(row.values()) for row in rows])
    assert any(rows[0]["sku"] in text for text in shop_books.differences(played, stock=altered))


def _lose_a_position(book: dict[str, Any]) -> None:
    book["transfers"][0]["positions"][0]["state"] = "lost"


def _double_an_order(book: dict[str, Any]) -> None:
    book["orders"].append(book["orders"][0])


def _forget_a_transfer(book: dict[str, Any]) -> None:
    del book["transfers"][-1]


def _show_more_stock(book: dict[str, Any]) -> None:
    next(iter(book["stock"].values()))[0]["stock"] += 1


@pytest.mark.parametrize("spoil", [_lose_a_position, _double_an_order, _forget_a_transfer, _show_more_stock])
def test_the_marketplaces_book_is_compared(
    spoil: Callable[[dict[str, Any]], None], played: Played, tmp_path: Path
) -> None:
    book = json.loads((played.folder / "book.json").read_text("utf-8"))
    spoil(book)
    altered = tmp_path / "book.json"
    altered.write_text(json.dumps(book), "utf-8")
    assert shop_books.differences(played, book=altered)


def test_another_floor_or_seed_is_noticed(played: Played) -> None:
    module = shop_books.checker()
    plain = [word for word in played.arguments() if word not in ("--floor", "0.97")]
    assert module.differences(module.parse(plain))[1]
    assert module.differences(module.parse([*played.arguments(), "--share", "1"]))[1]


# --- any books -------------------------------------------------------------------------------------------------------


def lines(skus: tuple[str, ...]) -> st.SearchStrategy[list[BookLine]]:
    """Lines of a few invoices, mixed and out of order, with everything in them that must not be sold."""
    return st.lists(
        st.builds(
            BookLine,
            invoice=st.sampled_from([*(str(number) for number in range(2000, 2012)), "A7", "C8", "C9", "C10"]),
            sku=st.sampled_from(skus),
            quantity=st.sampled_from([1, 1, 2, 3, 6, 30, 0, -1, -2, -7]),
            price=st.sampled_from(["2.50", "2.43", "2.42", "9.7", "10", "12.99", "0.001", "0", "-1.5"]),
            customer=st.sampled_from(["", "17850.0", "13047.0"]),
            minute=st.integers(0, 20),
        ),
        min_size=20,
        max_size=60,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "options",
    [
        {"floor": None, "faults": None, "keep_open": False},
        {"floor": "0.97", "faults": 3, "keep_open": False},
        {"floor": "0.97", "faults": None, "keep_open": True},
    ],
    ids=["floor off", "floor and faults", "kept open"],
)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_checker_and_hub_agree_on_any_books(
    data: st.DataObject, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    chosen = data.draw(lines(PRICED if options["floor"] else SKUS))
    seed = data.draw(st.integers(0, 5))
    played = shop_books.play(tmp_path_factory.mktemp("any"), chosen, rivals=seed, **options)
    assert played.result.agrees
    assert shop_books.differences(played) == []


def _csv(path: Path, columns: tuple[str, ...], rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path
