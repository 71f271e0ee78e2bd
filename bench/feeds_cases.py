"""The cases of bench_feeds.py, each for a process of its own.

setup URL OFFERS PLATFORM | build URL FOLDER PLATFORM | rebuild URL FOLDER PLATFORM | bare URL FOLDER PLATFORM
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from lxml import etree
from seller import BOX, START, carry_out, open_store
from sqlalchemy import insert, select, update
from watch import Watch, peak_mib

from crossdock.core.account import Account
from crossdock.core.config import Options
from crossdock.core.connector import Connector, load
from crossdock.core.http import Http
from crossdock.core.model import FieldKind
from crossdock.core.redaction import get_logger
from crossdock.core.store import Store, accounts, feeds, secrets, tables
from crossdock.core.store.accounts import Switch
from crossdock.feeds.files import LEVEL
from crossdock.jobs import feeds as job

MARKET, UNITS = "pl", 7
SETTINGS: dict[str, dict[str, Any]] = {
    "miinto": {"identifier": "bench@example.com", "secret": "not-a-secret"},
    "google": {"shop": "Shop", "link": "https://shop.example.com", "country": "PL", "currency": "PLN"},
}
WORDS = "light linen shirt with long sleeves, made for warm days & cool evenings " * 8


def connector(store: Store, platform: str) -> Connector:
    loaded, clock = load(platform), store.clock
    settings = loaded.facts.settings(**SETTINGS[platform])
    with store.read() as tx:
        row = accounts.get(tx, platform)
    account = Account(
        id=row.id,
        name=row.name,
        platform=platform,
        settings=settings,
        options=Options.model_validate(row.options),
        http=Http(account_id=row.id, plugin=loaded.facts, settings=settings, clock=clock),
        memory=secrets.SealedMemory(store, BOX, row.id),
        clock=clock,
        log=get_logger("crossdock.bench"),  # type: ignore[arg-type] # a logger does what an adapter does
    )
    return Connector(loaded, account)


# --- setup -----------------------------------------------------------------------------------------------------------


def setup(url: str, number: str, platform: str) -> dict[str, object]:
    """Fill a store with so many resolved offers, written straight into their tables."""
    store = open_store(url)
    tables.metadata.create_all(store.engine)
    with store.write() as tx:
        account = accounts.create(tx, platform=platform, name=platform, settings={}, options={}).id
        accounts.set_switch(tx, account, Switch.FEED, True)
        tx.execute(insert(tables.warehouses), {"name": "main", "title": ""})
    for start in range(1, int(number) + 1, 5000):
        numbers = range(start, min(start + 5000, int(number) + 1))
        with store.write() as tx:
            for table, rows in _rows(account, platform, numbers):
                tx.execute(insert(table), rows)
    store.close()
    return {"offers": int(number)}


def _rows(account: str, platform: str, numbers: range) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    variant = {"vat_rates": {}, "attributes": {}, "hash": "", "updated_at": START}
    level = {"warehouse": "main", "on_hand": UNITS, "reserved": 0, "counted_at": START}
    place = {"account": account, "market": MARKET}
    offer = {**place, "scope": "", "state": "listed", "keys": {}}
    resolved = {**place, "faults": [], "explain": {}, "resolved_at": START}
    yield tables.variants, [{"id": n, "sku": f"SKU-{n}", "name": f"Shirt {n}", **variant} for n in numbers]
    yield tables.stock, [{"variant_id": n, **level} for n in numbers]
    yield tables.offers, [{"id": n, "variant_id": n, **offer} for n in numbers]
    said = {"miinto": _miinto, "google": _google}[platform]
    yield (
        tables.resolved_offers,
        [{"offer_id": n, "variant_id": n, "fields": said(n), "hash": f"{n:064x}", **resolved} for n in numbers],
    )


def _miinto(n: int) -> dict[str, str]:
    return {
        "id": f"SKU-{n}",
        "item_group_id": f"G-{n // 5}",
        "c:style_id:string": f"ST-{n // 5}",
        "brand": "Acme",
        "title": f"Linen shirt no {n // 5}",
        "color": "Navy blue",
        "size": ("XS", "S", "M", "L", "XL")[n % 5],
        "image_link": f"https://img.example.com/{n // 5}/1.jpg",
        "additional_image_link": ",".join(f"https://img.example.com/{n // 5}/{image}.jpg" for image in range(2, 5)),
        "material": '{"en_EN.utf8":"Linen 100%","pl_PL.utf8":"Len 100%"}',
        "gtin": f"{5900000000000 + n}",
        "product_type": "Clothing > Shirts > Linen",
        "gender": "M",
        "c:season_tag:string": "SS26",
        "description": f"Number {n}: {WORDS}",
        "washing": '{"en_EN.utf8":"Wash cold"}',
        "hs_code": "6105.10",
        "madein": "PT",
        "c:discount_retail_price_PLN:integer": f"{9900 + n % 100}",
        "c:retail_price_PLN:integer": f"{12900 + n % 100}",
        "c:title_PL:string": "Koszula lniana",
        "c:description_PL:string": f"Numer {n}: {WORDS}",
    }


def _google(n: int) -> dict[str, str]:
    return {
        "id": f"SKU-{n}",
        "title": f"Acme linen shirt no {n // 5}",
        "description": f"Number {n}: {WORDS}",
        "link": f"https://shop.example.com/shirts/{n}?a=1&b=2",
        "image_link": f"https://img.example.com/{n // 5}/1.jpg",
        "additional_image_link": " ".join(f"https://img.example.com/{n // 5}/{image}.jpg" for image in range(2, 5)),
        "price": f"{129 + n % 100}.00",
        "sale_price": f"{99 + n % 100}.00",
        "brand": "Acme & Sons",
        "gtin": "5901234123457",
        "mpn": f"M-{n}",
        "condition": "new",
        "item_group_id": f"G-{n // 5}",
        "google_product_category": "Apparel & Accessories > Clothing > Shirts & Tops",
        "product_type": "Clothing > Shirts > Linen",
        "color": "Navy blue",
        "size": f"{n % 5}",
        "material": "Linen",
        "gender": "male",
        "age_group": "adult",
    }


# --- ours ------------------------------------------------------------------------------------------------------------


def build(url: str, folder: str, platform: str) -> dict[str, object]:
    """Build everything for the first time."""
    return _build(open_store(url, START + timedelta(minutes=1)), Path(folder), platform)


def rebuild(url: str, folder: str, platform: str) -> dict[str, object]:
    """Build again after one offer of a hundred says something else."""
    store = open_store(url, START + timedelta(minutes=2))
    resolved = tables.resolved_offers
    field, value = {"miinto": ("description", "New"), "google": ("title", "New")}[platform]
    with store.write() as tx:
        rows = tx.execute(select(resolved.c.offer_id, resolved.c.fields).where(resolved.c.offer_id % 100 == 1)).all()
        for offer, fields in rows:
            changed = {"fields": {**fields, field: value}, "hash": f"{offer:063x}x"}
            tx.execute(update(resolved).where(resolved.c.offer_id == offer).values(**changed))
    return {"changed_offers": len(rows), **_build(store, Path(folder), platform)}


def _build(store: Store, folder: Path, platform: str) -> dict[str, object]:
    way, watch = connector(store, platform), Watch()
    counts = carry_out(store, way, job.JOB, watch.around(job.build), folder)
    with store.read() as tx:
        version = feeds.current_version(tx, way.account.id, MARKET)
    assert version is not None
    assert not counts["failed"], counts
    store.close()
    facts = {"rows": version.rows, "bytes": version.bytes, "counts": dict(version.counts)}
    return {**facts, "seconds": watch.seconds, "processor": watch.processor, "peak_mib": peak_mib()}


# --- bare ------------------------------------------------------------------------------------------------------------


def bare(url: str, folder: str, platform: str) -> dict[str, object]:
    """Write the same rows, read by the bare driver, with nothing checked and nothing kept: csv or xmlfile, gzip."""
    watch, store = Watch(), open_store(url)
    names = [field.name for field in connector(store, platform).build_feed(MARKET).fields]
    stock = next(f.name for f in connector(store, platform).build_feed(MARKET).fields if f.kind is FieldKind.STOCK)
    store.close()
    rows = _read(url.removeprefix("sqlite:///"), stock)
    path = Path(folder) / "bare.gz"
    with watch, gzip.open(path, "wb", compresslevel=LEVEL) as file:
        {"miinto": _csv, "google": _xmlfile}[platform](file, names, rows)
    return {"seconds": watch.seconds, "processor": watch.processor, "peak_mib": peak_mib()}


def _read(file: str, stock: str) -> Iterator[dict[str, str]]:
    query = (
        "SELECT r.fields, s.on_hand - s.reserved FROM resolved_offers r "
        "JOIN stock s ON s.variant_id = r.variant_id ORDER BY r.offer_id"
    )
    for fields, units in sqlite3.connect(file).execute(query):
        yield {**json.loads(fields), stock: str(units)}


def _csv(file: Any, names: list[str], rows: Iterator[dict[str, str]]) -> None:
    lines = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(lines, delimiter="\t", lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([row.get(name, "") for name in names])
    lines.flush()
    lines.detach()


def _xmlfile(file: Any, names: list[str], rows: Iterator[dict[str, str]]) -> None:
    space = "http://base.google.com/ns/1.0"
    tags = {name: f"{{{space}}}{name}" for name in names}
    with etree.xmlfile(file, encoding="utf-8") as xml, xml.element("rss", nsmap={"g": space}), xml.element("channel"):
        for row in rows:
            with xml.element("item"):
                for name in names:
                    if name in row:
                        with xml.element(tags[name]):
                            xml.write(row[name])


if __name__ == "__main__":
    case, url, *rest = sys.argv[1:]
    print(json.dumps({"setup": setup, "build": build, "rebuild": rebuild, "bare": bare}[case](url, *rest)))
