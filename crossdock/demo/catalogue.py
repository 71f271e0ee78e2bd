"""The generated catalogue of the seller's day: 2,000 variants of fashion, the same ones for one seed."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import count, islice, product
from pathlib import Path
from typing import Any, NamedTuple

VARIANTS = 2_000
CURRENCY = "PLN"
BRANDS = ("Example Basics", "Example Denim", "Example Knit", "Example Outdoor")
COLORS = {"czarny": "BL", "biały": "WH", "granatowy": "NA", "oliwkowy": "OL", "beżowy": "SA", "czerwony": "RE"}
SIZES = ("XS", "S", "M", "L", "XL")
COUNTRIES = ("Polska", "Portugalia", "Turcja")
PICTURES = "https://img.example.com"
# GS1 leaves numbers that begin with 29 to the shops themselves: they are nobody's goods.
OWN_NUMBERS = 29_00000_00000


class Kind(NamedTuple):
    """A kind of garment: its lowest and highest price, the seller's own category, what it is made of."""

    lowest: int
    highest: int
    category: str
    fabric: str


KINDS = {
    "T-shirt": Kind(49, 119, "Odzież/Koszulki", "Bawełna 100%"),
    "Shirt": Kind(99, 249, "Odzież/Koszule", "Len 55%, bawełna 45%"),
    "Jeans": Kind(149, 399, "Odzież/Jeansy", "Bawełna 98%, elastan 2%"),
    "Dress": Kind(129, 449, "Odzież/Sukienki", "Wiskoza 100%"),
    "Jacket": Kind(249, 899, "Odzież/Kurtki", "Poliester 100%"),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A row of the catalogue file; nobody has counted it where the quantity is None."""

    sku: str
    name: str
    product: str
    brand: str
    color: str
    size: str
    gtin: str
    price: str
    currency: str
    quantity: int | None
    category: str
    fabric: str
    country: str
    gender: str
    image: str
    images: str
    description: str


def generate(seed: int, number: int = VARIANTS) -> list[Variant]:
    """Return that many variants without a fault; several share a product, in all its colours and sizes."""
    return list(islice(_variants(random.Random(seed)), number))  # noqa: S311 (nothing secret is drawn)


def _variants(chance: random.Random) -> Iterator[Variant]:
    numbers = count(OWN_NUMBERS)
    for style in count(1):
        kind, brand = chance.choice(sorted(KINDS)), chance.choice(BRANDS)
        about = KINDS[kind]
        price = f"{chance.randint(about.lowest, about.highest)}.{chance.choice(('00', '90', '99'))}"
        country, gender = chance.choice(COUNTRIES), chance.choice("FMU")
        code = f"{kind[:2].upper()}{style:04}"
        for color, size in product(chance.sample(sorted(COLORS), chance.randint(1, 4)), SIZES):
            picture = f"{PICTURES}/{code}-{COLORS[color]}".lower()
            yield Variant(
                sku=f"{code}-{COLORS[color]}-{size}",
                name=f"{kind} {style}",
                product=code,
                brand=brand,
                color=color,
                size=size,
                gtin=_with_check_digit(next(numbers)),
                price=price,
                currency=CURRENCY,
                quantity=chance.choice((0, 1, 2, 3, 5, 8, 13, 21)),
                category=about.category,
                fabric=about.fabric,
                country=country,
                gender=gender,
                image=f"{picture}.jpg",
                images=f"{picture}-back.jpg",
                description=f"{kind}, {about.fabric.lower()}. Prać w 30 stopniach.",
            )


def _with_check_digit(number: int) -> str:
    """Return an EAN: twelve digits and the one that checks them."""
    digits = f"{number:012}"
    odd, even = (sum(map(int, digits[start::2])) for start in (0, 1))
    return f"{digits}{-(odd + 3 * even) % 10}"


# --- mistakes --------------------------------------------------------------------------------------------------------


class Mistake(NamedTuple):
    """What catalogues have wrong: in how many variants, what their rows say then, and which variants it can befall."""

    number: int
    says: Callable[[Variant], dict[str, Any]]
    befalls: Callable[[Variant], bool] = lambda variant: True


MISTAKES = (
    Mistake(6, lambda it: {"fabric": ""}),
    Mistake(3, lambda it: {"country": ""}),
    Mistake(2, lambda it: {"image": f"photo of {it.sku}"}),
    Mistake(2, lambda it: {"gtin": f"1{it.gtin}"}),  # that of the carton
    Mistake(2, lambda it: {"price": ""}),
    Mistake(2, lambda it: {"quantity": None}),
    Mistake(2, lambda it: {"size": "S"}, lambda it: it.size == "M"),  # so that two are the same
)
IN_THE_NAME = "Black"  # as the colour is called once it is mapped


def spoil(variants: Sequence[Variant], seed: int) -> list[Variant]:
    """Return the variants with each of the mistakes, no two in one variant, and one product named after a colour."""
    chance = random.Random(f"mistakes {seed}")  # noqa: S311 (nothing secret is drawn)
    named = chance.choice([variant.product for variant in variants if variant.color == "czarny"])
    spoiled = {
        variant.sku: replace(variant, name=f"{variant.name} {IN_THE_NAME}") if variant.product == named else variant
        for variant in variants
    }
    sound = [variant for variant in variants if variant.product != named]
    for mistake in MISTAKES:
        for variant in chance.sample([each for each in sound if mistake.befalls(each)], mistake.number):
            spoiled[variant.sku] = replace(variant, **mistake.says(variant))
            sound = [each for each in sound if (each.product, each.color) != (variant.product, variant.color)]
    return list(spoiled.values())


def write(path: Path, variants: Sequence[Variant]) -> None:
    """Write a catalogue file; what a variant does not have is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Variant))
        writer.writerows(map(astuple, variants))
