"""How much of an allowed rate is used, and whether it is ever exceeded, with 1 and 4 processes on both databases.

python bench/bench_rates.py [--postgres URL] [--limit 20] [--seconds 10] [--json]

Each process asks for its turn in a tight loop. A grant happens between the call and its return. "over" counts windows
of one second that hold more grants than allowed for certain; "by return" takes the return for the grant, so that
whatever holds a process up (another one on the same core) looks like a violation.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from crossdock.core.model import Rate
from crossdock.core.store import Store, tables
from crossdock.core.store.rates import SqlRates

Turn = tuple[float, float]  # when it was asked for, when it was had


def take_turns(url: str, rate: Rate, seconds: float, start: Barrier, turns: "Queue[list[Turn]]") -> None:
    store = Store(url)
    rates, taken = SqlRates(store), []
    rates.acquire("warm-up:", (rate,))
    start.wait()
    end = time.time() + seconds
    while (asked := time.time()) < end:
        wait = rates.acquire("bench:", (rate,))
        if wait:
            time.sleep(wait)
        else:
            taken.append((asked, time.time()))
    store.close()
    turns.put(taken)


def windows_over(turns: list[Turn], limit: int) -> int:
    """Count the windows of one second that began with a turn and hold more than `limit` whole ones."""
    turns = sorted(turns)
    return sum(
        sum(begin <= asked and had < begin + 1 for asked, had in turns[first : first + 4 * limit]) > limit
        for first, (begin, _) in enumerate(turns)
    )


def windows_over_by_return(turns: list[Turn], limit: int) -> int:
    moments = sorted(had for _, had in turns)
    return sum(later - earlier < 0.999 for earlier, later in zip(moments, moments[limit:], strict=False))


def measure(url: str, processes: int, rate: Rate, seconds: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=take_turns, args=(url, rate, seconds, start, results)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    shares = [results.get(timeout=seconds + 60) for _ in workers]
    for worker in workers:
        worker.join()
    turns = [turn for share in shares for turn in share]
    span = max(had for _, had in turns) - min(had for _, had in turns)
    used = 100 * (len(turns) - 1) / (span * rate.requests / rate.seconds)
    return {
        "processes": processes,
        "used_percent": used,
        "over": windows_over(turns, rate.requests),
        "by_return": windows_over_by_return(turns, rate.requests),
        "turns": sorted(map(len, shares)),
    }


def measure_all(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    rate = Rate(requests=options.limit)
    server = create_engine(make_url(options.postgres), isolation_level="AUTOCOMMIT")
    for processes in (1, 4):
        name = f"crossdock_bench_{uuid4().hex[:12]}"
        with tempfile.TemporaryDirectory() as folder, server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
            try:
                urls = {
                    "sqlite": f"sqlite:///{Path(folder, 'bench.sqlite')}",
                    "postgresql": server.url.set(database=name).render_as_string(hide_password=False),
                }
                for database, url in urls.items():
                    store = Store(url)
                    tables.metadata.create_all(store.engine)
                    store.close()
                    yield {"database": database, **measure(url, processes, rate, options.seconds)}
            finally:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = list(measure_all(options))
    if options.json:
        print(json.dumps({"limit": options.limit, "seconds": options.seconds, "results": results}))
        return
    print("database   processes     used   over by return   turns of each process")
    for row in results:
        turns = ", ".join(map(str, row["turns"]))
        figures = f"{row['used_percent']:6.1f} % {row['over']:5} {row['by_return']:9}"
        print(f"{row['database']:10} {row['processes']:9}  {figures}   {turns}")


if __name__ == "__main__":
    main()
