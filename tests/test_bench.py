"""The benchmarks run, on sizes that say nothing about speed, and say what they promise to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[1] / "bench"


def measured(script: str, *options: str) -> Any:
    command = [sys.executable, str(BENCH / f"bench_{script}.py"), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_orders_are_taken_in_beside_bare_upserts_on_both_databases(postgres_url: str) -> None:
    # `false` is no interpreter that has dlt.
    found = measured("orders", "--orders=60", "--rounds=1", f"--postgres={postgres_url}", "--dlt-python=false")
    databases = ("sqlite", "postgresql")
    assert list(found["cases"]) == [f"{kind}: {case}" for kind in databases for case in ("crossdock", "upserts")]
    assert list(found["crossdock_to"]) == [f"{kind}: upserts" for kind in databases]
    assert all(figure > 0 for case in found["cases"].values() for figure in case.values())
    assert all(ratio > 0 for case in found["crossdock_to"].values() for ratio in case.values())


def test_a_stock_push_sends_what_changed_in_full_batches_and_nothing_else() -> None:
    found = measured("stock", "--changes=100", "--offers=300")
    assert [(push["offers"], push["changes"], push["calls"]) for push in found["pushes"]] == [
        (200, 100, 2),
        (300, 100, 2),
    ]
    assert found["calls_per_change"] == 0.02


def test_a_verb_is_called_in_three_ways() -> None:
    found = measured("connector", "--calls=50", "--rounds=1")["microseconds"]
    assert [(verb, list(ways)) for verb, ways in found.items()] == [
        ("map_status", ["function", "pluggy", "connector"]),
        ("fetch_orders", ["function", "pluggy", "connector"]),
    ]


def test_a_rate_is_used_and_never_exceeded(postgres_url: str) -> None:
    found = measured("rates", "--limit=10", "--seconds=0.5", f"--postgres={postgres_url}")
    assert [(row["database"], row["processes"]) for row in found["results"]] == [
        ("sqlite", 1),
        ("postgresql", 1),
        ("sqlite", 4),
        ("postgresql", 4),
    ]
    assert [row["over"] for row in found["results"]] == [0] * 4
