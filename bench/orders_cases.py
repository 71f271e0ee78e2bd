"""The cases of bench_orders.py, each for a process of its own: pages | setup | crossdock | rows | upserts.

The pages are what the Miinto twin answers; the job `orders` reads them with the real plugin through the real HTTP
client, whose transport gives the recorded answers in place of a network.
"""

from __future__ import annotations

import json
import pickle
import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from seller import START, carry_out, connector, open_store, set_up, twin
from sqlalchemy import Table, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from watch import Watch, peak_mib

from crossdock.core.connector import Connector
from crossdock.core.store import Store, accounts, catalog, cursors, offer_levels, offers, stock, tables
from crossdock.core.sweep import OVERLAP
from crossdock.jobs import orders as job
from crossdock.plugins.miinto.client import PAGE
from crossdock.twins.miinto.book import NewTransfer

VARIANTS = 2_000
# What is written of a page, in an order that foreign keys allow.
WRITTEN = (tables.orders, tables.order_ids, tables.order_lines, tables.journal, tables.stock_moves, tables.stock)


def gtin(number: int) -> str:
    return f"590{number:010}"


# --- pages: what the twin answers ------------------------------------------------------------------------------------


def pages(folder: Path, number: int) -> dict[str, object]:
    """Write the pages that the plugin will ask for, named by their offset, and all orders, one a line."""
    rows = won_orders(number)
    folder.joinpath("orders.jsonl").write_bytes(b"\n".join(rows))
    for offset in range(0, max(1, number - OVERLAP), PAGE - OVERLAP):
        folder.joinpath(f"orders-{offset}.json").write_bytes(_answer(rows[offset : offset + PAGE], number))
    folder.joinpath("transfers-0.json").write_bytes(_answer([], 0))
    return {"orders": number}


def won_orders(number: int) -> list[bytes]:
    """Return the JSON of orders of two lines, newest first, as the twin lists them."""
    source, (platform, shop) = random.Random(1), twin()
    moments = (START - timedelta(minutes=number - index) for index in range(number))
    sold = [NewTransfer(shop=shop, positions=[_position(source), _position(source)], created_at=at) for at in moments]
    for transfer in platform.add_transfers(sold):
        platform.accept_in_panel(transfer, list(platform.book.transfers[transfer].positions))
    found, _ = platform.book.order_page(
        platform.shop(shop), ["accepted"], None, newest_first=True, offset=0, limit=number
    )
    return [order.in_list(platform.switches) for order in found]


def _position(source: random.Random) -> dict[str, object]:
    number = source.randrange(VARIANTS)
    item = {"gtin": gtin(number), "name": f"Shirt {number}", "brand": "Example", "productId": f"item-{number}"}
    item |= {"color": "blue", "size": "M"}
    return {"quantity": source.randint(1, 3), "price": source.randint(1_000, 99_999), "item": item}


def _answer(rows: list[bytes], total: int) -> bytes:
    head = f'{{"meta":{{"status":"success","version":"2.6","totalItemCount":{total}}},"data":['
    return head.encode() + b",".join(rows) + b"]}"


# --- setup: what is in the store before ------------------------------------------------------------------------------


def setup(url: str) -> dict[str, object]:
    """Fill a store with an account, its catalogue, stock and offers."""
    store = open_store(url)
    tables.metadata.create_all(store.engine)
    with store.write() as tx:
        account = set_up(tx)
        skus = {f"SKU-{number}": number for number in range(VARIANTS)}
        drafts = [catalog.VariantDraft(sku=sku, name=sku, gtin=gtin(number)) for sku, number in skus.items()]
        variants = {sku: done.id for sku, done in catalog.upsert(tx, drafts).items()}
        counts = [stock.Count(variant_id=variant, warehouse="main", quantity=100_000) for variant in variants.values()]
        stock.count(tx, counts, source="bench", as_of=tx.now)
        listed = [
            offers.OfferDraft(
                market="pl", scope="s", variant_id=variants[sku], remote_id=f"item-{number}", keys={"group": sku}
            )
            for sku, number in skus.items()
        ]
        offer_levels.ensure(tx, account, [done.id for done in offers.upsert(tx, account, listed).values()])
    store.close()
    return {"variants": VARIANTS}


# --- crossdock -------------------------------------------------------------------------------------------------------


def crossdock(url: str, folder: Path) -> dict[str, object]:
    """Let the job read all pages, then once more; the second time nothing may be written."""
    store = open_store(url)

    def answer(request: httpx.Request) -> bytes:
        listing = request.url.path.rpartition("/")[2]
        return folder.joinpath(f"{listing}-{request.url.params['offset']}.json").read_bytes()

    way = connector(store, answer)
    first, taken = _fetch(store, way)
    after = _amounts(store)
    with store.write() as tx:
        tx.execute(delete(tables.cursors))  # so that the next sweep reads everything, too
    second, seen = _fetch(store, way)
    assert taken["added"] == after["orders"], taken
    assert (seen["added"], seen["changed"], _amounts(store)) == (0, 0, after), "the second pass wrote something"
    store.close()
    return _result(after["orders"], first, second)


def _fetch(store: Store, way: Connector) -> tuple[Watch, dict[str, int]]:
    watch = Watch()
    counts = carry_out(store, way, job.JOB, watch.around(job.fetch))
    return watch, dict(counts)


def _amounts(store: Store) -> dict[str, int]:
    counted = (*WRITTEN, tables.order_versions, tables.events)
    with store.read() as tx:
        return {table.name: tx.scalar(select(func.count()).select_from(table)) for table in counted}


def _result(number: int, first: Watch, second: Watch) -> dict[str, object]:
    passes = {"first": first, "second": second}
    return {
        name: {"seconds": watch.seconds, "processor": watch.processor, "orders": number}
        for name, watch in passes.items()
    } | {"peak_mib": peak_mib()}


# --- the same rows by bare upserts -----------------------------------------------------------------------------------


def rows(url: str, file: Path) -> dict[str, object]:
    """Write what crossdock wrote, page by page, as lists of dicts in the order of `WRITTEN`."""
    store = open_store(url)
    with store.read() as tx, file.open("wb") as target:
        read = {table: [dict(row) for row in tx.execute(select(table)).mappings()] for table in WRITTEN[:-1]}
        owner = {line["id"]: line["order_id"] for line in read[tables.order_lines]}
        for move in read[tables.stock_moves]:
            move["order_id"] = owner.get(move["line_id"])
        sums = {row["variant_id"]: dict(row) | {"reserved": 0} for row in tx.execute(select(tables.stock)).mappings()}
        numbers = [row["id"] for row in read[tables.orders]]
        for start in range(0, len(numbers), PAGE):
            page = set(numbers[start : start + PAGE])
            part = [[row for row in read[table] if _order_of(row) in page] for table in WRITTEN[:-1]]
            pickle.dump([*part, _sums(part[-1], sums)], target)
    store.close()
    return {"pages": -(-len(numbers) // PAGE)}


def _order_of(row: dict[str, Any]) -> object:
    return row["order_id"] if "order_id" in row else row["id"]


def _sums(moves: list[dict[str, Any]], sums: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of stock as they stand after these moves."""
    for move in moves:
        del move["order_id"]
        sums[move["variant_id"]]["reserved"] += move["reserved"]
    return [dict(sums[variant]) for variant in sorted({move["variant_id"] for move in moves})]


def _pages_of(file: Path) -> Iterator[list[list[dict[str, Any]]]]:
    with file.open("rb") as source:
        while source.peek(1):
            yield pickle.load(source)


def _upsert(table: Table) -> Any:
    keys = [column.name for column in table.primary_key]
    statement = upsert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def upserts(url: str, file: Path) -> dict[str, object]:
    """Write the same rows with nothing around it: one statement per table and page, a commit per page."""
    store, number, watches = open_store(url), 0, (Watch(), Watch())
    with store.read() as tx:
        account = accounts.get(tx, "shop").id
    statements = [_upsert(table) for table in WRITTEN]
    for watch in watches:
        number = 0
        for page in _pages_of(file):
            number += len(page[0])
            with watch, store.write() as tx:
                for statement, part in zip(statements, page, strict=True):
                    tx.execute(statement, part)
                cursors.put(tx, account, job.JOB, {"page": number}, 1)
    store.close()
    return _result(number, *watches)


if __name__ == "__main__":
    name, first, *more = sys.argv[1:]
    if name == "pages":
        answer = pages(Path(first), int(more[0]))
    elif name == "setup":
        answer = setup(first)
    else:
        answer = {"crossdock": crossdock, "rows": rows, "upserts": upserts}[name](first, Path(more[0]))
    print(json.dumps(answer))
