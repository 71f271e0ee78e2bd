"""Offers files: a first build, a build after 1 % of the offers changed, and bare writers of the same rows.

python bench/bench_feeds.py [--offers 200000] [--rounds 3] [--json]

crossdock   the job `feed`: from resolved offers and stock in SQLite to published files, plain and gzip, on the disk:
            checks, unique keys, rendering, fsync, rename, rows and prices remembered in the store.
bare        the same rows, read by the bare sqlite3 module, written unchecked into one gzip: by the csv module for the
            tab-separated file (Miinto), by lxml's xmlfile for the XML one (Google).

A tenth of the offers shows whether memory grows with their number.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from common import POSTGRES, Databases, case, databases, median, show

SCRIPT = "feeds_cases.py"
PLATFORMS = {"miinto": "csv", "google": "xmlfile"}


def measure(offers: int, rounds: int) -> dict[str, Any]:
    with databases(POSTGRES) as (folder, made):
        found = {platform: _platform(folder, made, platform, offers, rounds) for platform in PLATFORMS}
    return {"offers": offers, "rounds": rounds, "platforms": found}


def _platform(folder: Any, made: Databases, platform: str, offers: int, rounds: int) -> dict[str, Any]:
    url, small = made.new("sqlite"), made.new("sqlite")
    case(SCRIPT, "setup", url, offers, platform)
    case(SCRIPT, "setup", small, max(1, offers // 10), platform)
    turns = []
    for number in range(rounds):
        place = folder / f"{platform}-{number}"
        place.mkdir()
        ours = made.new("sqlite", like=url)
        turns.append(
            {
                "build": case(SCRIPT, "build", ours, place, platform),
                "bare": case(SCRIPT, "bare", url, place, platform),
                "rebuild": case(SCRIPT, "rebuild", ours, place, platform),
            }
        )
    place = folder / f"{platform}-small"
    place.mkdir()
    tenth = case(SCRIPT, "build", small, place, platform)
    return {
        **{name: _median(turns, name) for name in ("build", "rebuild", "bare")},
        "to_bare": median(turn["bare"]["seconds"] / turn["build"]["seconds"] for turn in turns),
        "rebuild_to_build": median(turn["rebuild"]["seconds"] / turn["build"]["seconds"] for turn in turns),
        "peak_to_that_of_a_tenth": turns[0]["build"]["peak_mib"] / tenth["peak_mib"],
        "counts": turns[0]["rebuild"]["counts"],
        "mib": turns[0]["build"]["bytes"] / 2**20,
    }


def _median(turns: list[dict[str, Any]], name: str) -> dict[str, float]:
    return {what: median(turn[name][what] for turn in turns) for what in ("seconds", "processor", "peak_mib")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offers", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.offers, options.rounds)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{options.offers} offers, median of {options.rounds} rounds\n")
    head = ("file", "case", "seconds", "processor", "peak MiB")
    rows = [
        (platform, f"bare {bare}" if name == "bare" else name, *found[name].values())
        for platform, bare in PLATFORMS.items()
        for found in [result["platforms"][platform]]
        for name in ("build", "bare", "rebuild")
    ]
    show([head, *rows])
    print()
    ratios = ("to_bare", "rebuild_to_build", "peak_to_that_of_a_tenth", "mib")
    show(
        [("file", *ratios), *((name, *(found[part] for part in ratios)) for name, found in result["platforms"].items())]
    )


if __name__ == "__main__":
    main()
