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
    found = measured("stock", "--changes=200", "--offers=600")
    assert [(push["offers"], push["changes"], push["calls"]) for push in found["pushes"]] == [
        (400, 200, 2),
        (600, 200, 2),
    ]
    assert found["calls_per_change"] == 0.01


def test_offers_files_are_built_beside_bare_writers() -> None:
    found = measured("feeds", "--offers=400", "--rounds=1")
    assert list(found["platforms"]) == ["miinto", "google"]
    for platform in found["platforms"].values():
        assert {name: platform["counts"][name] for name in ("new", "changed", "unchanged")} == {
            "new": 0,
            "changed": 4,
            "unchanged": 396,
        }
        assert all(platform[case]["seconds"] > 0 for case in ("build", "rebuild", "bare"))
        assert platform["to_bare"] > 0


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


def test_a_catalogue_is_imported_and_imported_again() -> None:
    found = measured("catalogue", "--rows", "30", "60")
    sizes = [(result["layout"], result["rows"]) for result in found["imports"]]
    assert sizes == [(layout, rows) for layout in ("plain", "magento") for rows in (30, 60)]
    for result in found["imports"]:
        first, again = result["first"], result["unchanged"]
        assert (first["added"], again["unchanged"]) == (result["rows"], result["rows"])
        assert min(first["seconds"], again["seconds"], first["peak_mib"], again["peak_mib"]) > 0
    assert list(found["memory_growth"]) == ["plain", "magento"]


def test_offers_are_resolved_once_and_written_once_on_both_databases(postgres_url: str) -> None:
    found = measured("resolve", "--offers=60", f"--postgres={postgres_url}")["results"]
    assert [(row["database"], row["offers"]) for row in found] == [("sqlite", 60), ("postgresql", 60)]
    assert all(row["fields"] > 15 for row in found)
    assert all(row[case]["seconds"] > 0 for row in found for case in ("first", "unchanged", "few"))


def test_the_first_byte_of_a_feed_is_timed_with_and_without_other_readers() -> None:
    found = measured("serve", "--rows=300", "--requests=3", "--readers", "0", "2")
    assert [case["readers"] for case in found["cases"]] == [0, 2]
    assert found["cases"][0]["whole_seconds"] is None
    assert found["cases"][1]["whole_seconds"] > 0
    for case in found["cases"]:
        for name in ("identity", "gzip", "not_changed"):
            assert 0 < case[name]["median_ms"] <= case[name]["p99_ms"]
    assert found["bytes"] > 300 * 200
