"""How soon the first byte of a feed comes, and how fast all of it, while others read it at the same time.

python bench/bench_serve.py [--rows 200000] [--requests 100] [--readers 0 8 32] [--json]

`crossdock serve` runs in a process of its own, with its scheduler. Readers fetch the whole file again and again, on the
same machine and the same cores; beside them one client asks for it, waits for the first byte of the body, and goes.
"not changed" is the same client asking with the ETag that it knows: until the end of the answer.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common import median, show

from crossdock import hub as library
from crossdock.core.store import accounts, feeds

CODE = "from crossdock.cli import main; main()"
TIMEOUT = 120  # seconds
CODINGS = ("identity", "gzip")


def content(rows: int) -> bytes:
    """Return a file of rows as long as those of a clothes shop."""
    line = (
        "SKU-{0}-M\tPROD-{0}\tST-{0}\tAcme\tLinen shirt\tWhite\tM\thttps://img.example.com/{0}.jpg\t{1}\t29900\t{2}\n"
    )
    text = "Light summer shirt of linen, with short sleeves and a collar. " * 3
    return "".join(line.format(number, number % 9, text) for number in range(rows)).encode()


def set_up(folder: Path, rows: int) -> tuple[Path, str, int]:
    """Make an installation with a feed that is out; return its file, the feed's path on the web, and its size."""
    data = content(rows)
    with library.init(folder) as hub:
        with hub.store.write() as tx:
            account = accounts.create(tx, name="bench", platform="bench", settings={}, options={}).id
            token = feeds.renew_link(tx, account, "pl")
            version = feeds.begin_version(tx, account, "pl")
        file = hub.downloads.folder / account / "pl" / f"{version}.tsv"
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(data, 1))
        facts: Any = {"media_type": "text/plain", "rows": rows, "bytes": len(data), "counts": {}}
        with hub.store.write() as tx:
            sha256 = hashlib.sha256(data).hexdigest()
            feeds.publish(tx, version, file=f"{account}/pl/{file.name}", sha256=sha256, **facts)
    return folder / "crossdock.toml", f"/feed/{token}.tsv", len(data)


@contextmanager
def served(config: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-c", CODE, "--config", str(config), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[0], server
        finally:
            server.send_signal(signal.SIGTERM)


def fetch(url: str, path: str, *, only_first: bool = False, **headers: str) -> tuple[float, float]:
    """Return the seconds to the first byte of the body, or the end of an answer without one, and to the last."""
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=TIMEOUT)
    began = time.perf_counter()
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read(1)
    first = time.perf_counter() - began
    while not only_first and answer.read(1 << 20):
        pass
    connection.close()
    return first, time.perf_counter() - began


@contextmanager
def readers(url: str, path: str, number: int, wholes: list[float]) -> Iterator[None]:
    """Have others read the whole file again and again; every second one asks for it packed."""
    over = threading.Event()

    def read(coding: str) -> None:
        while not over.is_set():
            wholes.append(fetch(url, path, accept_encoding=coding)[1])

    threads = [threading.Thread(target=read, args=(CODINGS[index % 2],)) for index in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def measure(url: str, path: str, number: int, requests: int) -> dict[str, Any]:
    etag = etag_of(url, path)
    wholes: list[float] = []
    with readers(url, path, number, wholes):
        firsts = {
            coding: [fetch(url, path, only_first=True, accept_encoding=coding)[0] for _ in range(requests)]
            for coding in CODINGS
        }
        unchanged = [fetch(url, path, if_none_match=etag)[1] for _ in range(requests)]
    found: dict[str, Any] = {"readers": number, "whole_seconds": median(wholes) if wholes else None}
    for name, seconds in (*firsts.items(), ("not_changed", unchanged)):
        found[name] = {"median_ms": median(seconds) * 1000, "p99_ms": percentile(seconds) * 1000}
    return found


def percentile(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def etag_of(url: str, path: str) -> str:
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=TIMEOUT)
    connection.request("HEAD", path)
    etag = connection.getresponse().headers["etag"]
    connection.close()
    return str(etag)


def peak_mib(pid: int) -> float | None:
    """Return the most memory that a process had so far; None where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--readers", type=int, nargs="+", default=[0, 8, 32])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-") as folder:
        config, path, size = set_up(Path(folder, "installation"), options.rows)
        with served(config) as (url, server):
            cases = [measure(url, path, number, options.requests) for number in options.readers]
            memory = peak_mib(server.pid)
    if options.json:
        print(json.dumps({"rows": options.rows, "bytes": size, "cases": cases, "peak_mib": memory}))
        return
    print(f"{options.rows:,} rows, {size / 2**20:,.1f} MiB; the server's peak memory is {memory or 0:,.0f} MiB")
    figures = [(name, of) for name in (*CODINGS, "not_changed") for of in ("median_ms", "p99_ms")]
    head = ["readers", *(f"{name} {of}".replace("_", " ") for name, of in figures), "whole s"]
    rows = [
        [case["readers"], *(case[name][of] for name, of in figures), case["whole_seconds"] or 0.0] for case in cases
    ]
    show([head, *rows])


if __name__ == "__main__":
    main()
