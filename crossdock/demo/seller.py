"""The seller of a rehearsal: one installation with one account, and a scheduler that moves the time itself."""

from __future__ import annotations

import csv
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import crossdock
from crossdock.core.errors import ConfigError, CrossdockError
from crossdock.core.store import stock
from crossdock.core.store.catalog import VariantRow
from crossdock.core.store.orders import OrderRow, OrderState, ParkedFor
from crossdock.core.store.runs import RunState
from crossdock.demo.ledger import PAGE, WAREHOUSE
from crossdock.demo.marketplace import IDENTIFIER, SECRET, Marketplace
from crossdock.hub import Hub
from crossdock.jobs.catalogue import ImportReport
from crossdock.twins.kit import VirtualClock

ACCOUNT = "seller"
KEYS = ("brand", "color", "size")  # besides the group, what the marketplace knows a variant by
FILLER = "-"
LOOK = timedelta(minutes=1)  # between two looks of the scheduler
MOST_LOOKS = 50
UNDECIDED = (OrderState.PROPOSED, OrderState.UNKNOWN)


class StillNotDone(CrossdockError):
    """A job came to no good end however often it was asked for."""


class Seller:
    """One seller at one shop.

    Args:
        hub: the installation.
        marketplace: where it sells.
        shop: its shop there.
        clock: the hub's; the marketplace's follows it.

    Attributes:
        runs: how many runs were carried out, by job and state.
        unclear: how many orders had to be settled because nobody could tell how their acceptance ended.
    """

    def __init__(self, hub: Hub, marketplace: Marketplace, shop: str, clock: VirtualClock) -> None:
        self.hub = hub
        self.marketplace = marketplace
        self.shop = shop
        self.clock = clock
        self.runs: Counter[tuple[str, str]] = Counter()
        self.unclear = 0

    # --- time

    def wait_until(self, moment: datetime) -> None:
        """Let it be that moment for both sides, or stay if it is past already."""
        self.clock.set(max(moment, self.clock.now()))
        self.marketplace.set_clock(self.clock.now())

    # --- connecting

    def connect(self, settings: Mapping[str, Any], options: Mapping[str, Any]) -> str:
        """Add the account, try it, and return what its credentials open."""
        known = {"identifier": IDENTIFIER, "secret": SECRET, "endpoint": self.marketplace.url}
        self.hub.accounts.add("miinto", ACCOUNT, {**known, **settings}, options)
        return self.hub.accounts.test(ACCOUNT)

    def switch_on(self, not_before: datetime) -> None:
        """Let the account do everything by itself."""
        self.hub.accounts.arm(ACCOUNT)
        for switch in ("orders", "accept", "decline", "stock"):
            self.hub.accounts.enable(ACCOUNT, switch, not_before if switch == "orders" else None)

    # --- goods

    def import_catalogue(self, path: Path, currency: str) -> ImportReport:
        """Import a catalogue file."""
        return self.hub.catalog.import_file(path, currency=currency)

    def fill_in(self, folder: Path, units: int) -> int:
        """Give what the catalogue file left out and a rehearsal needs: units of what nobody counted, and keys.

        Returns:
            How many variants that were.
        """
        lacking = [row for page in self._pages() for row in self._lacking(page, units)]
        path = folder / "filled-in.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("sku", "name", "quantity", *KEYS), *lacking])
        if lacking:
            report = self.hub.catalog.import_file(path)
            if report.failed:
                raise ConfigError("The catalogue could not be filled in.", faults=map(str, report.faults))
        return len(lacking)

    def list_goods(self) -> None:
        """Let the marketplace list all that is in the catalogue, each variant under its SKU as group, then link it."""
        variants = [variant for page in self._pages() for variant in page]
        rows = [
            {"sku": variant.sku, "id": item_id(variant.sku), "group": variant.sku, "gtin": variant.gtin or ""}
            | {key: variant.attributes[key] for key in KEYS}
            for variant in variants
        ]
        self.marketplace.list_variants(self.shop, rows)
        self.work("offers")

    def _pages(self) -> Iterator[tuple[VariantRow, ...]]:
        after = ""
        while page := self.hub.catalog.list(after=after, limit=PAGE):
            yield page
            after = page[-1].sku

    def _lacking(self, page: Sequence[VariantRow], units: int) -> Iterator[tuple[object, ...]]:
        with self.hub.store.read() as tx:
            levels = stock.levels(tx, [variant.id for variant in page])
            parts = stock.parts_of(tx, [variant.id for variant in page])
        for variant in page:
            counted = (variant.id, WAREHOUSE) in levels or parts[variant.id].keys() != {variant.id}
            if not counted or not variant.attributes.keys() >= {*KEYS}:
                keys = (variant.attributes.get(key) or FILLER for key in KEYS)
                yield (variant.sku, variant.name, "" if counted else units, *keys)

    # --- work

    def work(self, job: str) -> None:
        """Run a job until it is done, as a scheduler would: when it is due again, or at the next look.

        Raises:
            StillNotDone: it comes to no good end.
        """
        error: str | None = None
        for _ in range(MOST_LOOKS):
            record = self.hub.run(ACCOUNT, job, asked_by="schedule")
            self.runs[job, record.state.value] += 1
            if record.state is RunState.DONE:
                return
            put_off, error = record.state is RunState.QUEUED, record.error
            self.wait_until(record.not_before if put_off else self.clock.now() + LOOK)
        raise StillNotDone(f"The job {job} is not done after {MOST_LOOKS} attempts. {error}")

    def decide(self, names: Collection[str]) -> dict[str, OrderRow]:
        """Take in what was proposed last and decide about all of it, as automation and a person together do.

        Args:
            names: how the proposals are called; see `proposal_of`.

        Returns:
            The decided orders by name.
        """
        for _ in range(MOST_LOOKS):
            self.work("orders")
            self.work("accept")
            found = {proposal_of(row): row for row in self.hub.orders.list(account=ACCOUNT, limit=len(names))}
            if found.keys() == {*names} and not any(row.state in UNDECIDED for row in found.values()):
                return found
            self.settle_unclear()
            self.wait_until(self.clock.now() + LOOK)
        raise StillNotDone(f"There are still undecided proposals after {MOST_LOOKS} looks.")

    def settle_unclear(self) -> None:
        """Do what a person does with an unknown outcome: what is won stands in the orders list, so the rest is lost."""
        if not self.hub.orders.list(account=ACCOUNT, states=(OrderState.UNKNOWN,), limit=1):
            return
        self.work("orders")
        for row in self.hub.orders.list(account=ACCOUNT, states=(OrderState.UNKNOWN,)):
            if row.parked_code == ParkedFor.OUTCOME:
                self.hub.orders.resolve(row.id, "lost")
                self.unclear += 1


def proposal_of(row: OrderRow) -> str:
    """Return how a proposal is called: the first word of its items' names, for a transfer has no field for it."""
    return row.lines[0].name.partition(" ")[0]


def item_id(sku: str) -> str:
    """Return the marketplace's own id of an item."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://example.com/items/{sku}"))


@contextmanager
def installation(now: datetime, extensions: Sequence[str] = ()) -> Iterator[tuple[Hub, VirtualClock, Path]]:
    """Set up an installation in a folder that goes away afterwards; give hub, clock and folder."""
    clock = VirtualClock(now)
    with TemporaryDirectory(prefix="crossdock-demo-") as name:
        folder = Path(name)
        crossdock.init(folder / "hub", clock=clock).close()
        config = folder / "hub" / "crossdock.toml"
        names = ", ".join(f'"{extension}"' for extension in extensions)
        config.write_text(config.read_text("utf-8").replace("extensions = []", f"extensions = [{names}]"), "utf-8")
        with crossdock.open(config, clock=clock) as hub:
            yield hub, clock, folder
