"""The cases of bench_catalogue.py, each for a process of its own: write FILE LAYOUT ROWS | bring URL FILE."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watch import Watch, peak_mib

SIZES, COLOURS = ("XS", "S", "M", "L", "XL"), ("black", "white")
VARIANTS = len(SIZES) * len(COLOURS)
DESCRIPTION = "<p>A shirt for the benchmark.</p> " * 8  # as long as those of the shops that we know


def write(file: str, layout: str, rows: int) -> dict[str, object]:
    """Write a file of so many rows: families of ten variants, in Magento's layout with a row of the product below."""
    with Path(file).open("w", newline="", encoding="utf-8") as target:
        written = csv.DictWriter(target, COLUMNS[layout])
        written.writeheader()
        written.writerows(ROWS[layout](rows))
    return {"bytes": Path(file).stat().st_size}


def plain(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        family, size, colour = _variant(number)
        yield {
            "sku": f"P{family}-{size}-{colour}",
            "name": f"Shirt {family} {size} {colour}",
            "product": f"P{family}",
            "price": f"{10 + number % 90}.99",
            "currency": "EUR",
            "vat_rate": "23",
            "quantity": number % 50,
            "gtin": f"{2_000_000_000_000 + number}",
            "brand": "Example",
            "color": colour,
            "size": size,
            "description": DESCRIPTION,
        }


def magento(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        family, place = divmod(number, VARIANTS + 1)
        if place == VARIANTS or number == rows - 1:
            yield _product(family, place)
        else:
            yield _simple(family, place, number)


def _simple(family: int, place: int, number: int) -> dict[str, Any]:
    _, size, colour = _variant(place)
    return {
        "sku": f"P{family}-{size}-{colour}",
        "product_type": "simple",
        "attribute_set_code": "Top",
        "name": f"Shirt {family} {size} {colour}",
        "description": DESCRIPTION,
        "categories": "Default Category/Men/Tops,Default Category",
        "price": f"{10 + number % 90}.990000",
        "qty": f"{number % 50}.0000",
        "base_image": f"/p/{family}-{colour}.jpg",
        "additional_attributes": f"size={size},color={colour}",
    }


def _product(family: int, variants: int) -> dict[str, Any]:
    named = (_variant(place) for place in range(variants))
    return {
        "sku": f"P{family}",
        "product_type": "configurable",
        "attribute_set_code": "Top",
        "name": f"Shirt {family}",
        "description": DESCRIPTION,
        "additional_attributes": "material=Cotton|Wool,pattern=Solid",
        "configurable_variations": "|".join(
            f"sku=P{family}-{size}-{colour},size={size},color={colour}" for _, size, colour in named
        ),
    }


def _variant(number: int) -> tuple[int, str, str]:
    family, place = divmod(number, VARIANTS)
    return family, SIZES[place // len(COLOURS)], COLOURS[place % len(COLOURS)]


ROWS = {"plain": plain, "magento": magento}
COLUMNS = {
    "plain": tuple(next(plain(1))),
    "magento": (*_simple(0, 0, 0), "configurable_variations"),
}


def bring(url: str, file: str) -> dict[str, object]:
    """Import a file."""
    from crossdock.core.store import Store, migrate
    from crossdock.jobs.catalogue import import_file

    store = Store(url)
    migrate.upgrade(store)
    watch = Watch()
    with watch:
        report = import_file(store, Path(file), currency="EUR")
    store.close()
    assert not report.failed, report.faults[:3]
    figures = {"seconds": watch.seconds, "processor": watch.processor, "peak_mib": peak_mib()}
    return {"added": report.added, "updated": report.updated, "unchanged": report.unchanged, **figures}


def main() -> None:
    command, first, *rest = sys.argv[1:]
    result = write(first, rest[0], int(rest[1])) if command == "write" else bring(first, rest[0])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
