"""Orders a second, from the bytes of a platform's page to committed rows, beside bare upserts of these rows, and dlt.

python bench/bench_orders.py [--orders 2000] [--rounds 3] [--postgres URL] [--dlt-python PYTHON] [--json]

crossdock   the job `orders` on pages of the Miinto twin, 50 orders of two lines each: HTTP client, plugin, checks,
            matching, VAT, reservations, journal, cursor. Its pages overlap by ten orders, which are read twice.
upserts     the rows that crossdock wrote, by one SQLAlchemy Core upsert per table and page, a commit per page.
dlt         the same orders as JSON, merged into PostgreSQL: all in one load, and with a load per page, which is what
            keeps as much as the others when the process dies. No matching, no reservations, no journal.

"again" repeats everything: crossdock writes nothing then, the others write all once more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import POSTGRES, Databases, case, databases, median, show
from sqlalchemy import make_url

SCRIPT, DLT = "orders_cases.py", "orders_dlt.py"
DLT_PAGES = 10  # loads of a page are too slow for all of them
Results = dict[tuple[str, str], list[dict[str, Any]]]


def measure(options: argparse.Namespace) -> Results:
    found: Results = {}
    with databases(options.postgres) as (folder, made):
        case(SCRIPT, "pages", folder, options.orders)
        like = {kind: made.new(kind) for kind in ("sqlite", "postgresql")}
        for url in like.values():
            case(SCRIPT, "setup", url)
        for number in range(options.rounds):
            for kind, url in like.items():
                for name, result in _pair(folder, made, kind, url, first=not number).items():
                    found.setdefault((kind, name), []).append(result)
            if _has_dlt(options.dlt_python):
                result = _dlt(options, folder, made, options.orders, whole=True)
                found.setdefault(("postgresql", "dlt"), []).append(result)
        if _has_dlt(options.dlt_python):
            result = _dlt(options, folder, made, min(options.orders, 50 * DLT_PAGES), whole=False)
            found["postgresql", "dlt, a load per page"] = [result]
    return found


def _pair(folder: Path, made: Databases, kind: str, like: str, *, first: bool) -> dict[str, dict[str, Any]]:
    """Measure crossdock and right after it the bare upserts of what it wrote."""
    rows = folder / f"{kind}.rows"
    url = made.new(kind, like=like)
    ours = case(SCRIPT, "crossdock", url, folder)
    if first:
        case(SCRIPT, "rows", url, rows)
    return {"crossdock": ours, "upserts": case(SCRIPT, "upserts", made.new(kind, like=like), rows)}


def _has_dlt(python: str) -> bool:
    tried = subprocess.run([python, "-c", "import dlt, psycopg2"], stderr=subprocess.DEVNULL, check=False)
    return tried.returncode == 0


def _dlt(options: argparse.Namespace, folder: Path, made: Databases, number: int, *, whole: bool) -> dict[str, Any]:
    url = make_url(made.new("postgresql"))
    # dlt wants a password, also where the server asks for none.
    plain = url.set(drivername="postgresql", password=url.password or "none").render_as_string(hide_password=False)
    page = number if whole else 50
    result: dict[str, Any] = case(DLT, plain, folder, number, page, python=options.dlt_python)
    return result


# --- telling ---------------------------------------------------------------------------------------------------------


def summary(found: Results) -> dict[str, Any]:
    """Return the medians of all cases, and how crossdock compares, round by round."""
    cases = {
        f"{kind}: {name}": {
            **{f"{part}_per_second": _rate([result[part] for result in results]) for part in ("first", "second")},
            "processor_ms_per_order": median(
                1000 * result["first"]["processor"] / result["first"]["orders"] for result in results
            ),
            "peak_mib": max(result["peak_mib"] for result in results),
        }
        for (kind, name), results in found.items()
    }
    pairs = [("sqlite", "upserts"), *(pair for pair in found if pair[0] == "postgresql" and pair[1] != "crossdock")]
    return {"cases": cases, "crossdock_to": {f"{kind}: {name}": _ratios(found, kind, name) for kind, name in pairs}}


def _rate(parts: list[dict[str, float]]) -> float:
    return median(part["orders"] / part["seconds"] for part in parts)


def _ratios(found: Results, kind: str, name: str) -> dict[str, float]:
    """Return how many times as fast crossdock is, by the clock and by this process's processor time."""
    rounds = list(zip(found[kind, "crossdock"], found[kind, name], strict=False))
    return {
        measure: median(
            (theirs["first"][measure] / theirs["first"]["orders"]) / (ours["first"][measure] / ours["first"]["orders"])
            for ours, theirs in rounds
        )
        for measure in ("seconds", "processor")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3, help="each measures all cases, one after another")
    parser.add_argument("--postgres", default=POSTGRES, metavar="URL")
    parser.add_argument("--dlt-python", default=sys.executable, metavar="PYTHON", help="of an environment that has dlt")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {"orders": options.orders, "rounds": options.rounds, **summary(measure(options))}
    if options.json:
        print(json.dumps(result))
        return
    print(f"{options.orders} orders of two lines, median of {options.rounds} rounds\n")
    head = ("case", "orders/s", "again", "processor ms/order", "peak MiB")
    show([head, *((name, *map(_short, row.values())) for name, row in result["cases"].items())])
    print("\ncrossdock is so many times as fast as")
    rows = [(name, row["seconds"], row["processor"]) for name, row in result["crossdock_to"].items()]
    show([("case", "by the clock", "by processor time"), *rows])


def _short(value: float) -> float | int:
    return value if value < 10 else round(value)


if __name__ == "__main__":
    main()
