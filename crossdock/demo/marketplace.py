"""The marketplace of a rehearsal: the Miinto twin in a process of its own, and its remote control."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from crossdock.core.errors import CrossdockError

PATIENCE = 60.0  # seconds of real time
IDENTIFIER, SECRET = "demo@example.com", "only-a-rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A variant as buyers see it: its id in the file, Miinto's own of the item, the price in minor units."""

    id: str
    item: str
    title: str
    gtin: str
    price: int
    currency: str
    group: str
    brand: str
    color: str
    size: str
    stock: int


class MarketplaceDown(CrossdockError):
    """The twin does not start, or does not answer."""


class Marketplace:
    """Drives a twin from another process by its control API.

    Args:
        url: where it listens, `http://127.0.0.1:PORT`.

    Attributes:
        calls: how many requests of the hub it has counted by the last `count_calls`.
        faults: how many of them met each kind of fault.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls = 0
        self.faults: Counter[str] = Counter()
        self._address = urlsplit(url).netloc

    def open_account(self, market: str) -> str:
        """Open the seller's account with one shop in that market, and return the shop's id."""
        opened = self._call("POST", "accounts", {"identifier": IDENTIFIER, "secret": SECRET, "shops": [market]})
        shop: str = opened["shops"][market]
        return shop

    def list_variants(self, shop: str, variants: Sequence[Mapping[str, str]]) -> None:
        """List variants that nobody has in stock yet, and put them on the product map.

        Args:
            shop: the shop's id.
            variants: each with `sku`, `id` (Miinto's own of the item), `gtin`, `group`, `brand`, `color`, `size`.
        """
        keys = ("group", "brand", "color", "size")
        rows = [[row["group"], row["sku"], row["gtin"], row["id"]] for row in variants]
        self._call("POST", "product-map", {"shop": shop, "rows": rows})
        listed = [{"shop": shop, "stock": 0, **{key: row[key] for key in keys}} for row in variants]
        self._call("POST", "list-variants", listed)

    def set_feed(self, url: str) -> None:
        """Tell Miinto where the seller's offers file is."""
        self._call("POST", "feeds", {"identifier": IDENTIFIER, "url": url})

    def pull(self) -> dict[str, Any]:
        """Let Miinto fetch the file now, not only when its half hour is over; return what its book keeps of that."""
        pull: dict[str, Any] = self._call("POST", "pull-feeds")["pulls"][0]
        return pull

    def listing(self, shop: str) -> list[Listed]:
        """Return what a shop sells out of the file, as buyers see it."""
        return [Listed(**row) for row in self._call("POST", "listing", {"shop": shop})["rows"]]

    def compete(self, seed: int, share: float) -> None:
        """Let rivals take that share of all transfers, at once."""
        self._call("POST", "rivals", {"seed": seed, "share": share})

    def misbehave(self, *faults: Mapping[str, Any]) -> None:
        """Let these faults come next."""
        self._call("POST", "faults", list(faults))

    def scatter_faults(self, seed: int, share: float, kinds: Sequence[str]) -> None:
        """Let faults of these kinds meet that share of all requests."""
        self._call("POST", "faults", {"seed": seed, "share": share, "kinds": list(kinds)})

    def behave(self) -> None:
        """No more faults."""
        self._call("DELETE", "faults")

    def set_clock(self, now: datetime) -> None:
        """Let it be that moment there."""
        self._call("POST", "clock", {"now": now.isoformat()})

    def propose(self, transfers: Sequence[Mapping[str, Any]]) -> list[int]:
        """Propose sales, and return the ids of the transfers."""
        ids: list[int] = self._call("POST", "transfers", list(transfers))["ids"]
        return ids

    def book(self) -> dict[str, Any]:
        """Return the twin's own record of what happened."""
        book: dict[str, Any] = self._call("GET", "book")
        return book

    def count_calls(self) -> None:
        """Bring `calls` and `faults` up to date."""
        exchanges = self._call("GET", f"exchanges?since={self.calls}")["exchanges"]
        self.calls += len(exchanges)
        self.faults.update(exchange["fault"] for exchange in exchanges if exchange["fault"])

    def _call(self, method: str, path: str, payload: object = None) -> Any:
        body = None if payload is None else json.dumps(payload)
        try:
            with closing(HTTPConnection(self._address, timeout=PATIENCE)) as connection:
                connection.request(method, f"/_twin/{path}", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
        except OSError as error:
            raise MarketplaceDown(f"The twin at {self.url} does not answer: {error}.") from None
        if response.status != 200:
            raise MarketplaceDown(f"The twin refuses {method} {path}: {answer.get('error', answer)}.")
        return answer


@contextmanager
def open_marketplace() -> Iterator[Marketplace]:
    """Start a twin in a process of its own, and end it; it also ends by itself when this process does."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as twin:  # noqa: S603
        assert twin.stdin is not None  # noqa: S101 (both are pipes)
        assert twin.stdout is not None  # noqa: S101
        url = twin.stdout.readline().strip()
        if not url:
            raise MarketplaceDown("The twin did not start; its process printed why.")
        try:
            yield Marketplace(url)
        finally:
            twin.stdin.close()


def main() -> None:
    """Be the twin: print the address, and serve until standard input ends."""
    from crossdock.twins.kit import VirtualClock, serve
    from crossdock.twins.miinto import MiintoTwin

    twin = MiintoTwin(VirtualClock(datetime(2000, 1, 1, tzinfo=UTC)))
    with serve(twin.app) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
