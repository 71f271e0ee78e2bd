"""What a verb costs when it is called through the Connector, beside a bare call of pluggy and a plain function call.

python bench/bench_connector.py [--calls 2000] [--rounds 7] [--json]

map_status     answers three statuses, which the Connector checks: their type, their texts, that no code is there twice.
fetch_orders   answers a page of 50 orders of two lines, which are checked down to the last letter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
from common import median, show
from orders_cases import won_orders
from seller import connector, open_store, set_up

from crossdock.core.connector import Connector, Loaded
from crossdock.core.hookspecs import PROJECT, Verbs
from crossdock.core.store import tables
from crossdock.plugin import Account, OrderPage, hookimpl
from crossdock.plugins import miinto
from crossdock.plugins.miinto import mapping

WAYS = ("function", "pluggy", "connector")


def page_plugin() -> ModuleType:
    """Return a plugin that answers the same page of 50 orders each time."""
    rows = [json.loads(row) for row in won_orders(50)]
    orders = tuple(mapping.read_order(row, "shop", miinto.MARKETS["pl"]) for row in rows)
    page = OrderPage(orders=orders, cursor={"version": 1})

    @hookimpl
    def fetch_orders(account: Account, cursor: Mapping[str, Any] | None) -> OrderPage:
        return page

    module = ModuleType("page_plugin")
    module.fetch_orders = fetch_orders  # type: ignore[attr-defined] # that is what makes it a plugin
    return module


def loaded(module: ModuleType, facts: Any) -> Loaded:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Verbs)
    manager.register(module)
    verbs = frozenset(name for name in vars(Verbs) if hasattr(module, name))
    return Loaded(name="bench", facts=facts, source="bench", manager=manager, verbs=verbs)


def microseconds(call: Callable[[], object], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) / calls * 1e6


def measure(module: ModuleType, verb: str, account: Account, calls: int, rounds: int) -> dict[str, float]:
    """Return the microseconds of each way to call a verb, as medians of rounds in which they take turns."""
    arguments = {"cursor": None} if verb == "fetch_orders" else {}
    there = loaded(module, miinto.PLUGIN)
    function, hook = getattr(module, verb), getattr(there.manager.hook, verb)
    through = getattr(Connector(there, account), verb)
    ways: dict[str, Callable[[], object]] = {
        "function": lambda: function(account=account, **arguments),
        "pluggy": lambda: hook(account=account, **arguments),
        "connector": lambda: through(**arguments),
    }
    found = [{name: microseconds(ways[name], calls) for name in WAYS} for _ in range(rounds)]
    return {name: median(row[name] for row in found) for name in WAYS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-") as folder:
        store = open_store(f"sqlite:///{Path(folder, 'bench.sqlite')}")
        tables.metadata.create_all(store.engine)
        with store.write() as tx:
            set_up(tx)
        account = connector(store, lambda request: b"").account
        store.close()
    verbs = {
        "map_status": measure(miinto, "map_status", account, options.calls, options.rounds),
        "fetch_orders": measure(page_plugin(), "fetch_orders", account, max(1, options.calls // 50), options.rounds),
    }
    if options.json:
        print(json.dumps({"microseconds": verbs}))
        return
    print("microseconds of processor time per call\n")
    show([("verb", *WAYS), *((verb, *row.values()) for verb, row in verbs.items())])


if __name__ == "__main__":
    main()
