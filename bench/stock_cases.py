"""The cases of bench_stock.py, each for a process of its own: setup URL OFFERS | push URL CHANGES."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import httpx
from seller import START, carry_out, connector, open_store, set_up, twin
from sqlalchemy import func, insert, select
from watch import Watch, peak_mib

from crossdock.core.connector import Connector
from crossdock.core.store import Store, accounts, catalog, stock, tables
from crossdock.core.store.accounts import Switch
from crossdock.jobs import stock as job

KEPT, NOW = 10, 9  # units of everything, and of what changed


def setup(url: str, number: int) -> dict[str, object]:
    """Fill a store with so many offers, all of whose levels the platform has acknowledged."""
    store = open_store(url)
    tables.metadata.create_all(store.engine)
    with store.write() as tx:
        account = set_up(tx)
        accounts.set_switch(tx, account, Switch.STOCK, True)
        accounts.arm(tx, account)
        for table, rows in _rows(account, range(1, number + 1)).items():
            tx.execute(insert(tables.metadata.tables[table]), rows)
    store.close()
    return {"offers": number}


def _rows(account: str, numbers: range) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the catalogue, written straight into their tables, which is not what is measured here."""
    _, shop = twin()
    variant = {"vat_rates": {}, "attributes": {}, "hash": "", "updated_at": START}
    level = {"on_hand": KEPT, "reserved": 0, "counted_at": START}
    offer = {"account": account, "market": "pl", "scope": shop, "state": "listed"}
    told = {"account": account, "version": 1, "sent_version": 1, "state": "sent", "acknowledged": KEPT}
    return {
        "variants": [{"id": n, "sku": f"SKU-{n}", "name": f"Shirt {n}", **variant} for n in numbers],
        "stock": [{"variant_id": n, "warehouse": "main", **level} for n in numbers],
        "offers": [{"id": n, "variant_id": n, "remote_id": f"item-{n}", "keys": _keys(n), **offer} for n in numbers],
        "offer_levels": [{"offer_id": n, "warehouse": "", "changed_at": START, **told} for n in numbers],
    }


def _keys(number: int) -> dict[str, str]:
    return {"group": f"G{number}", "brand": "Example", "color": "blue", "size": "M"}


def push(url: str, changes: int) -> dict[str, object]:
    """Count some variants anew, spread over all of them, and push; then push once more, with nothing changed."""
    store = open_store(url, START + timedelta(minutes=1))
    sent: list[int] = []

    def answer(request: httpx.Request) -> bytes:
        sent.append(len(json.loads(request.content)))
        return b'{"meta":{"status":"success"},"data":[]}'

    way = connector(store, answer)
    booking = Watch()
    with booking:
        _count(store, changes)
    first, again = Watch(), Watch()
    counts = carry_out(store, way, job.JOB, first.around(job.push))
    result: dict[str, object] = {"changes": changes, "calls": len(sent), "peak_mib": peak_mib()}
    assert counts["changed"] == sum(sent) == changes, counts
    carry_out(store, way, job.JOB, again.around(job.push))
    assert sum(sent) == changes, "what had not changed was sent"
    assert _acknowledged(store, way) == changes
    store.close()
    watches = {"count": booking, "push": first, "nothing": again}
    for name, watch in watches.items():
        result[name] = {"seconds": watch.seconds, "processor": watch.processor}
    return result


def _count(store: Store, changes: int) -> None:
    with store.write() as tx:
        total = tx.scalar(select(func.count()).select_from(tables.variants))
        chosen = [f"SKU-{1 + index * total // changes}" for index in range(changes)]
        variants = catalog.ids_by_sku(tx, chosen).values()
        counts = [stock.Count(variant_id=variant, warehouse="main", quantity=NOW) for variant in variants]
        stock.count(tx, counts, source="bench", as_of=tx.now)


def _acknowledged(store: Store, way: Connector) -> int:
    levels = tables.offer_levels.c
    query = select(func.count()).where(levels.account == way.account.id, levels.acknowledged == NOW)
    with store.read() as tx:
        return int(tx.scalar(query))


if __name__ == "__main__":
    name, url, number = sys.argv[1:]
    print(json.dumps({"setup": setup, "push": push}[name](url, int(number))))
