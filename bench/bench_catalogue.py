"""What an import of the catalogue costs: rows a second and memory, for the first import and for one without changes.

python bench/bench_catalogue.py [--rows 10000 100000] [--layouts plain magento] [--json]

Each size is written as a file of its own, imported into an empty SQLite database and imported once more; each import is
a process of its own, so that its peak memory is its own. The last size's peak is compared with the first one's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from common import POSTGRES, case, databases, show

SCRIPT = "catalogue_cases.py"


def measure(layout: str, rows: int) -> dict[str, Any]:
    with databases(POSTGRES) as (folder, made):
        url, file = made.new("sqlite"), folder / f"{layout}.csv"
        case(SCRIPT, "write", file, layout, rows)
        imports = {name: case(SCRIPT, "bring", url, file) for name in ("first", "unchanged")}
    assert imports["first"]["added"] == imports["unchanged"]["unchanged"] == rows, imports
    return {"layout": layout, "rows": rows, **imports}


def growth(results: list[dict[str, Any]]) -> dict[str, float]:
    """Return by layout how the peak of the first import of the last size compares with that of the first size."""
    peaks: dict[str, list[int]] = {}
    for result in results:
        peaks.setdefault(result["layout"], []).append(result["first"]["peak_mib"])
    return {layout: found[-1] / found[0] for layout, found in peaks.items()}


def lines(results: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    yield "layout", "rows", "import", "rows/s", "s", "of it processor", "peak MiB"
    for result in results:
        for name in ("first", "unchanged"):
            one = result[name]
            rate = round(result["rows"] / one["seconds"])
            yield result["layout"], result["rows"], name, rate, one["seconds"], one["processor"], one["peak_mib"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--layouts", nargs="+", default=["plain", "magento"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measure(layout, rows) for layout in options.layouts for rows in options.rows]
    if options.json:
        print(json.dumps({"memory_growth": growth(results), "imports": results}))
        return
    show(list(lines(results)))
    for layout, ratio in growth(results).items():
        print(f"\n{layout}: the peak of the last size is {ratio:.2f} times that of the first")


if __name__ == "__main__":
    main()
