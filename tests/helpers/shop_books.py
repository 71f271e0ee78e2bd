"""A small seller's own books, with all the dirt that real ones have, and the checker of their replay."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import ModuleType

from crossdock.demo import replay

ROOT = Path(__file__).parents[2]
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
MORNING = datetime(2011, 3, 1, 8)  # noqa: DTZ001 (a file's time has no zone)

# One code differs only in case, one is a bundle, one has no price, one no quantity.
CATALOGUE = """\
sku,name,price,currency,quantity,bundle
MUG,Mug,2.50,GBP,20,
mug,Other mug,4.00,GBP,5,
TRAY,Tray,10,GBP,,
SET,Two mugs and a tray,12.99,GBP,,MUG*2+TRAY
PADS,Pads,0.001,GBP,3,
GIFT,Given away,,,4,
"""
SKUS = ("MUG", "mug", "TRAY", "SET", "PADS", "GIFT", "UNLISTED")
# Sold goods need a price where there is a floor.
PRICED = tuple(sku for sku in SKUS if sku != "GIFT")


@dataclass(frozen=True)
class BookLine:
    """A line of an orders file, `minute` after the morning."""

    invoice: str
    sku: str
    quantity: int
    price: str
    customer: str = ""
    minute: int = 0

    def cells(self) -> tuple[object, ...]:
        at = MORNING + timedelta(minutes=self.minute)
        return (self.invoice, self.sku, "Thing", self.quantity, at, self.price, self.customer, "United Kingdom")


def write_orders(path: Path, lines: Iterable[BookLine]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *(line.cells() for line in lines)])
    return path


def write_catalogue(path: Path) -> Path:
    path.write_text(CATALOGUE, "utf-8")
    return path


@dataclass(frozen=True)
class Played:
    """A replay and the files that it wrote."""

    folder: Path
    result: replay.Result = field(repr=False)
    options: tuple[str, ...]

    def arguments(self) -> list[str]:
        names = {name: f"{name}.csv" for name in ("catalog", "orders", "ledger", "stock")}
        names |= {"book": "book.json", "result": "result.json"}
        return [
            *(word for name, file in names.items() for word in (f"--{name}", str(self.folder / file))),
            *self.options,
        ]

    def ledger(self) -> list[list[str]]:
        with (self.folder / "ledger.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]

    def outcomes(self) -> list[tuple[str, ...]]:
        """Return the ledger without remote ids."""
        return [tuple(row[:5]) for row in self.ledger()]


def play(
    folder: Path,
    lines: Sequence[BookLine],
    *,
    floor: str | None = None,
    rivals: int = 1,
    faults: int | None = None,
    keep_open: bool = False,
) -> Played:
    """Replay some lines against the small catalogue, and write all files."""
    folder.mkdir(exist_ok=True)
    settings = replay.Settings(
        catalogue=write_catalogue(folder / "catalog.csv"),
        orders=write_orders(folder / "orders.csv", lines),
        floor=None if floor is None else Decimal(floor),
        rivals=rivals,
        faults=faults,
        keep_open=keep_open,
    )
    result = replay.play(settings)
    replay.write(
        result,
        ledger_file=folder / "ledger.csv",
        stock_file=folder / "stock.csv",
        book_file=folder / "book.json",
    )
    (folder / "result.json").write_text(json.dumps(result.as_dict()), "utf-8")
    options = ["--rivals", str(rivals)]
    options += [] if floor is None else ["--floor", floor]
    options += ["--keep-open"] if keep_open else []
    return Played(folder, result, tuple(options))


@cache
def checker() -> ModuleType:
    """Import the checker from where it lies."""
    spec = importlib.util.spec_from_file_location("check_ledger", ROOT / "tools" / "check_ledger.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def differences(played: Played, **others: Path) -> list[str]:
    """Return what the checker finds, with other files in place of some of the replay's."""
    module = checker()
    arguments = played.arguments()
    for name, path in others.items():
        arguments[arguments.index(f"--{name}") + 1] = str(path)
    found: list[str] = module.differences(module.parse(arguments))[1]
    return found
