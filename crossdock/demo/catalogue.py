"""The generated catalogue of the seller's day: 2,000 variants of fashion, the same ones for one seed."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from itertools import count, islice, product
from pathlib import Path

VARIANTS = 2_000
CURRENCY = "PLN"
BRANDS = ("Example Basics", "Example Denim", "Example Knit", "Example Outdoor")
COLORS = ("Black", "White", "Navy", "Olive", "Sand", "Red")
SIZES = ("XS", "S", "M", "L", "XL")
KINDS = {"T-shirt": (49, 119), "Shirt": (99, 249), "Jeans": (149, 399), "Dress": (129, 449), "Jacket": (249, 899)}
# GS1 leaves numbers that begin with 29 to the shops themselves: they are nobody's goods.
OWN_NUMBERS = 29_00000_00000


@dataclass(frozen=True, slots=True)
class Variant:
    """A row of the catalogue file."""

    sku: str
    name: str
    product: str
    brand: str
    color: str
    size: str
    gtin: str
    price: str
    currency: str
    quantity: int


def generate(seed: int, number: int = VARIANTS) -> list[Variant]:
    """Return that many variants; several share a product, in all its colours and sizes."""
    return list(islice(_variants(random.Random(seed)), number))  # noqa: S311 (nothing secret is drawn)


def _variants(chance: random.Random) -> Iterator[Variant]:
    numbers = count(OWN_NUMBERS)
    for style in count(1):
        kind, brand = chance.choice(sorted(KINDS)), chance.choice(BRANDS)
        price = f"{chance.randint(*KINDS[kind])}.{chance.choice(('00', '90', '99'))}"
        colors = chance.sample(COLORS, chance.randint(1, 4))
        for color, size in product(colors, SIZES):
            yield Variant(
                sku=f"{kind[:2].upper()}{style:04}-{color[:2].upper()}-{size}",
                name=f"{brand} {kind} {style}",
                product=f"{kind[:2].upper()}{style:04}",
                brand=brand,
                color=color,
                size=size,
                gtin=_with_check_digit(next(numbers)),
                price=price,
                currency=CURRENCY,
                quantity=chance.choice((0, 1, 2, 3, 5, 8, 13, 21)),
            )


def _with_check_digit(number: int) -> str:
    """Return an EAN: twelve digits and the one that checks them."""
    digits = f"{number:012}"
    odd, even = (sum(map(int, digits[start::2])) for start in (0, 1))
    return f"{digits}{-(odd + 3 * even) % 10}"


def write(path: Path, variants: list[Variant]) -> None:
    """Write a catalogue file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Variant))
        writer.writerows(map(astuple, variants))
