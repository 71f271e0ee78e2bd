"""What a stock push costs: calls per changed SKU, time and memory; and what the offers cost that did not change.

python bench/bench_stock.py [--changes 10000] [--offers 100000] [--json]

Variants are counted anew, which makes their offers pending; the job `stock` then sends them with the Miinto plugin,
whose calls are counted and answered on the spot. The same changes among fewer offers show what the others cost.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from common import POSTGRES, case, databases, show

SCRIPT = "stock_cases.py"


def measure(kind: str, changes: int, offers: int) -> dict[str, Any]:
    with databases(POSTGRES) as (_, made):
        url = made.new(kind)
        case(SCRIPT, "setup", url, offers)
        return {"offers": offers, **case(SCRIPT, "push", url, changes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--offers", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # Half of the offers is the most that may change without the guard's objection.
    results = [measure("sqlite", options.changes, offers) for offers in (2 * options.changes, options.offers)]
    calls_per_change = results[-1]["calls"] / results[-1]["changes"]
    if options.json:
        print(json.dumps({"calls_per_change": calls_per_change, "pushes": results}))
        return
    print(f"{options.changes} changes on SQLite: {calls_per_change:.3f} calls per changed SKU\n")
    head = ("among offers", "calls", "counting, s", "push, s", "of it processor", "push of nothing, s", "peak MiB")
    rows = [
        (
            result["offers"],
            result["calls"],
            *(result[part]["seconds"] for part in ("count", "push")),
            result["push"]["processor"],
            result["nothing"]["seconds"],
            result["peak_mib"],
        )
        for result in results
    ]
    show([head, *rows])


if __name__ == "__main__":
    main()
