"""The cases of bench_resolve.py, each for a process of its own: setup URL OFFERS | resolve URL OFFERS."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import httpx
from seller import START, carry_out, connector, open_store, set_up, twin
from sqlalchemy import func, insert, select
from watch import Watch, peak_mib

from crossdock.core.prices import Direction, Policy, Rounding
from crossdock.core.rules import Rule, RuleKind
from crossdock.core.store import mapping, marks, prices, tables
from crossdock.core.store.mapping import Content, LinkKind
from crossdock.jobs import resolve as job

COLOURS = ("czarny", "biały", "zielony", "czerwony", "niebieski")
ONE_CHANGE = 1_000  # variants that a small change concerns


def expression(text: str) -> tuple[Rule, ...]:
    return (Rule(kind=RuleKind.EXPRESSION, text=text),)


RULES = {
    ("", "title"): expression("{{ product_name }} {{ attributes.fit }}"),
    ("", "description"): expression("{{ product_name }}, {{ attributes.fit|lower }}. {{ attributes.description }}"),
    ("", "material"): expression('{{ {"en_EN.utf8": attributes.material}|tojson }}'),
    ("", "brand"): (Rule(kind=RuleKind.FIELD, text="maker"), Rule(kind=RuleKind.CONSTANT, text="Example")),
    ("", "color"): (Rule(kind=RuleKind.LOOKUP, text="color", table="colours", default="Other"),),
    ("", "gender"): (Rule(kind=RuleKind.LOOKUP, text="sex", table="genders"),),
    ("pl", "madein"): (Rule(kind=RuleKind.CONSTANT, text="PT"),),
}
CONTENT = Content(
    links={(LinkKind.CATEGORY, "Odzież"): "Shirts"},
    lookups={"colours": {"czarny": "Black", "biały": "White"}, "genders": {"damskie": "F", "męskie": "M"}},
    rules=RULES,
)


def setup(url: str, number: int) -> dict[str, object]:
    """Fill a store with so many listed offers, four variants to a product, none of them resolved."""
    store = open_store(url)
    tables.metadata.create_all(store.engine)
    with store.write() as tx:
        account = set_up(tx)
        mapping.replace(tx, account, CONTENT)
        rounding = Rounding(ending=Decimal("0.99"), direction=Direction.UP)
        prices.set_policy(tx, account, "", Policy(multiplier=Decimal("1.1"), rounding=rounding))
        for start in range(1, number + 1, 20_000):
            for table, rows in _rows(account, range(start, min(start + 20_000, number + 1))).items():
                tx.execute(insert(tables.metadata.tables[table]), rows)
        marks.mark_account(tx, account)
    store.close()
    return {"offers": number}


def _rows(account: str, numbers: range) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the catalogue, written straight into their tables, which is not what is measured here."""
    _, shop = twin()
    common = {
        "maker": "Example",
        "fit": "Slim",
        "material": "Linen 100%",
        "category": "Odzież/Koszule",
        "sex": "męskie",
    }
    product = {"attributes": common | {"description": "A light shirt for warm days. " * 10}, "hash": ""}
    variant = {"vat_rates": {}, "hash": "", "updated_at": START, "currency": "PLN"}
    offer = {"account": account, "market": "pl", "scope": shop, "state": "listed", "keys": {}}
    return {
        "products": [{"id": n, "code": f"P{n}", "name": f"Shirt {n}", **product} for n in numbers if n % 4 == 1],
        "variants": [
            {
                "id": n,
                "sku": f"SKU-{n}",
                "name": f"Shirt {n}",
                "product_id": n - (n - 1) % 4,
                "gtin": f"{5_900_000_000_000 + n}",
                "price": Decimal(5_000 + n % 3_000) / 100,
                "attributes": {
                    "color": COLOURS[n % 5],
                    "size": "SMLX"[n % 4],
                    "image": f"https://img.example.com/{n}.jpg",
                },
                **variant,
            }
            for n in numbers
        ],
        "offers": [{"id": n, "variant_id": n, "remote_id": f"item-{n}", **offer} for n in numbers],
    }


def resolve(url: str, number: int) -> dict[str, object]:
    """Resolve all; then all once more, where nothing changed; then what a small change concerns."""
    store = open_store(url)

    def refuse(request: httpx.Request) -> bytes:
        raise AssertionError(f"resolving calls {request.url}")

    way = connector(store, refuse)
    watches = {"first": Watch(), "unchanged": Watch(), "few": Watch()}
    counts = carry_out(store, way, job.JOB, watches["first"].around(job.resolve))
    assert counts["changed"] == number, counts
    with store.write() as tx:
        marks.mark_account(tx, way.account.id)
    counts = carry_out(store, way, job.JOB, watches["unchanged"].around(job.resolve))
    assert counts["unchanged"] == number, counts
    with store.write() as tx:
        marks.mark_variants(tx, range(1, min(ONE_CHANGE, number) + 1))
    carry_out(store, way, job.JOB, watches["few"].around(job.resolve))
    with store.read() as tx:
        kept = tx.scalar(select(func.count()).select_from(tables.resolved_offers))
        fields = tx.scalar(select(tables.resolved_offers.c.fields).limit(1))
    assert kept == number
    store.close()
    result: dict[str, object] = {"fields": len(fields), "peak_mib": peak_mib()}
    return result | {name: {"seconds": one.seconds, "processor": one.processor} for name, one in watches.items()}


if __name__ == "__main__":
    name, url, number = sys.argv[1:]
    print(json.dumps({"setup": setup, "resolve": resolve}[name](url, int(number))))
