"""Load orders into PostgreSQL with dlt, twice; for an environment that has dlt and nothing of crossdock.

python orders_dlt.py URL FOLDER ORDERS PAGE     (PAGE: how many orders are one load)
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watch import Watch, peak_mib

os.environ |= {"RUNTIME__LOG_LEVEL": "ERROR", "RUNTIME__DLTHUB_TELEMETRY": "false"}
os.environ |= {"DATA_WRITER__BUFFER_MAX_ITEMS": "20000"}

import dlt


def load(pipeline: Any, folder: Path, number: int, page: int) -> None:
    with folder.joinpath("orders.jsonl").open("rb") as lines:
        orders = itertools.islice(lines, number)
        while part := list(itertools.islice(orders, page)):
            # Of its two ways to merge, this one was the faster on these records.
            pipeline.run(
                _parsed(part),
                table_name="orders",
                primary_key="id",
                write_disposition={"disposition": "merge", "strategy": "delete-insert"},
            )


def _parsed(lines: list[bytes]) -> Iterator[list[Any]]:
    for start in range(0, len(lines), 50):
        yield [json.loads(line) for line in lines[start : start + 50]]


def main() -> None:
    url, folder, number, page = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.postgres(url),
        dataset_name="bench",
        pipelines_dir=str(folder / f"dlt-{page}-{os.getpid()}"),
    )
    result: dict[str, object] = {}
    for name in ("first", "second"):
        watch = Watch()
        with watch:
            load(pipeline, folder, number, page)
        result[name] = {"seconds": watch.seconds, "processor": watch.processor, "orders": number}
    print(json.dumps(result | {"peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
