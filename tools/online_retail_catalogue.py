"""Make a catalogue file from an orders file with the columns of the data set Online Retail.

    python tools/online_retail_catalogue.py orders.csv.gz catalogue.csv

One row for each stock code, codes compared exactly, in the order of their first appearance: the newest description
that is not blank (the code itself where there is none), the newest price above zero (none where there is none), and
the units given by --units. Of lines with the same time the later one in the file is the newer. Only the standard
library is needed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

CURRENCY = "GBP"
COLUMNS = ("sku", "name", "price", "currency", "quantity", "brand", "color", "size")
# Miinto finds a variant by its group, brand, colour and size; a wholesaler of gifts has none of these.
BRAND, COLOR, SIZE = "Example Gifts", "as shown", "one size"


@dataclass(slots=True)
class Newest:
    """What is known of a stock code, each with the time at which it was said."""

    name: str = ""
    named_at: str = ""
    price: str = ""
    priced_at: str = ""

    def hear(self, at: str, name: str, price: str) -> None:
        """Take in what a line says."""
        if name.strip() and at >= self.named_at:
            self.name, self.named_at = name.strip(), at
        if Decimal(price) > 0 and at >= self.priced_at:
            self.price, self.priced_at = price, at


def read_orders(path: Path) -> Iterator[dict[str, str]]:
    """Give the lines of an orders file, plain or gzipped."""
    raw = path.read_bytes()
    text = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    yield from csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""))


def catalogue(lines: Iterator[dict[str, str]]) -> dict[str, Newest]:
    """Return what is known of each stock code."""
    codes: dict[str, Newest] = {}
    for line in lines:
        known = codes.setdefault(line["StockCode"], Newest())
        known.hear(line["InvoiceDate"], line["Description"], line["UnitPrice"])
    return codes


def main() -> None:
    """Read one file, write the other."""
    parser = argparse.ArgumentParser(description="Make a catalogue file from an orders file.")
    parser.add_argument("orders", type=Path, help="CSV with the columns of Online Retail, plain or gzipped")
    parser.add_argument("catalogue", type=Path, help="the CSV file to write")
    parser.add_argument("--units", type=int, default=500, help="units of each stock code (500)")
    options = parser.parse_args()
    with options.catalogue.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for code, known in catalogue(read_orders(options.orders)).items():
            price = (known.price, CURRENCY) if known.price else ("", "")
            writer.writerow((code, known.name or code, *price, options.units, BRAND, COLOR, SIZE))


if __name__ == "__main__":
    main()
