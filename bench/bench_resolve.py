"""What resolving offers costs: time and memory of applying rules and prices to all offers, and to a few.

python bench/bench_resolve.py [--offers 200000] [--databases sqlite postgresql] [--json]

The fields are those of Miinto's offers file, some filled by rules of every kind. All offers are resolved for the first
time, then once more with nothing changed, then the 1,000 that a small change concerns.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from common import POSTGRES, case, databases, show

SCRIPT = "resolve_cases.py"


def measure(postgres: str, kind: str, offers: int) -> dict[str, Any]:
    with databases(postgres) as (_, made):
        url = made.new(kind)
        case(SCRIPT, "setup", url, offers)
        return {"database": kind, "offers": offers, **case(SCRIPT, "resolve", url, offers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offers", type=int, default=200_000)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--postgres", default=POSTGRES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measure(options.postgres, kind, options.offers) for kind in options.databases]
    if options.json:
        print(json.dumps({"results": results}))
        return
    head = (
        "database",
        "offers",
        "fields",
        "first, s",
        "of it processor",
        "unchanged, s",
        "1,000 of them, s",
        "peak MiB",
    )
    rows = [
        (
            result["database"],
            result["offers"],
            result["fields"],
            result["first"]["seconds"],
            result["first"]["processor"],
            result["unchanged"]["seconds"],
            result["few"]["seconds"],
            result["peak_mib"],
        )
        for result in results
    ]
    show([head, *rows])


if __name__ == "__main__":
    main()
