"""The day's offers: a new price, a fault, an end, a look at the file, and a list that would take too much away."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

from crossdock.core.store.feeds import Version
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.demo.catalogue import CURRENCY
from crossdock.demo.seller import ACCOUNT
from crossdock.demo.shown import EVER, read_file
from crossdock.demo.stage import Stage
from crossdock.hub.offers import Selection

PRICE = f"c:discount_retail_price_{CURRENCY}:integer"  # what a buyer pays
STOCK = "c:stock_level:integer"
CHEAPER = Decimal("0.8")
WRONG_SHARE = 0.4  # of the offers that a wrong list ends: more than a third
COUNTS = {name: name.replace("_", " ") for name in ("new", "changed", "unchanged", "removed", "left_out", "kept_back")}


class Goods:
    """What happens to offers, hour by hour.

    Args:
        stage: the seller.
        folder: for files.
        link: of the offers file.
    """

    def __init__(self, stage: Stage, folder: Path, link: str) -> None:
        self._stage = stage
        self._folder = folder
        self._link = link
        self._hub = stage.hub
        self._ended: tuple[str, datetime] | None = None  # an offer, and since when it goes out with stock 0
        self._wrong_list = folder / "end.csv"

    def change_price(self) -> None:
        """One product becomes cheaper; the next file differs in its rows and no others."""
        stage = self._stage
        stage.look()
        before, group = read_file(self._hub), stage.in_stock().group
        own = [self._hub.catalog.show(key).variant for key, row in before.items() if row["item_group_id"] == group]
        prices = [(each.sku, each.name, f"{each.price.amount * CHEAPER:.2f}", CURRENCY) for each in own if each.price]
        self._import(("sku", "name", "price", "currency"), prices)
        skus = [sku for sku, *_ in prices]
        stage.tell(f"{own[0].name}, {len(skus)} rows, becomes a fifth cheaper.")
        self._until_built()
        after = read_file(self._hub)
        differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        stage.tell(f"  The next file: {_counts(self._last_build())}. Other rows that differ: {len(differ ^ {*skus})}.")
        self._why(skus[0])

    def _why(self, sku: str) -> None:
        story = self._hub.feeds.why(ACCOUNT, sku, PRICE)
        steps = "; ".join(f"{step.what} {step.by}: {step.result}" for step in story.prices[0].made.priced.steps)
        published = story.published[PRICE] if story.published else "nothing"
        self._stage.tell(f"  Why is it {published} for {sku}? {steps}.")

    def turn_faulty(self) -> None:
        """An offer that is out turns faulty: its last valid row stays, with its units of now."""
        stage, sku = self._stage, self._stage.in_stock().id
        before = read_file(self._hub)[sku]
        name = self._hub.catalog.show(sku).variant.name
        self._import(("sku", "name", "image"), [(sku, name, "photo to come")])
        self._until_built()
        (fault,) = self._hub.feeds.faults(ACCOUNT, sku=sku)
        stage.tell(f"The picture of {sku} becomes {fault.fault.value!r}, {fault.fault.code}: {fault.effect}.")
        stage.tell(f"  {fault.fault.remedy}")
        self._hub.stock.adjust(sku, -1, note="damaged")
        self._until_built()
        after = read_file(self._hub)[sku]
        kept = "its last valid row stays" if {**before, STOCK: ""} == {**after, STOCK: ""} else "its row has changed"
        stage.tell(f"  Meanwhile {kept}, with its units of now: {before[STOCK]} -> {after[STOCK]}.")

    def look_at_it(self) -> None:
        """Somebody downloads the file by hand; that does not count as fetched."""
        before = self._stage.newest_download()
        with urlopen(f"{self._link}?own=1") as answer:  # noqa: S310 (our own server)
            size = len(answer.read())
        noted = self._stage.next_download(before)
        fetched = self._hub.feeds.show(ACCOUNT).fetched
        since = f"{fetched.at:%H:%M}, by {fetched.agent}" if fetched else "never"
        self._stage.tell(f"Somebody looks at the file: {size:,} bytes, noted as {noted.kind}. Last fetched: {since}.")

    def end_one(self) -> None:
        """One offer is ended; it goes out as sold out before its row leaves."""
        stage, sku = self._stage, self._stage.in_stock().id
        before, now = read_file(self._hub)[sku], stage.clock.now()
        self._hub.offers.end(ACCOUNT, Selection(skus=(sku,)))
        self._until_built()
        after = read_file(self._hub)[sku]
        since = next(build.began_at for build in self._builds() if build.began_at > now)
        self._ended = sku, since
        stage.tell(f"{sku} is ended: from {since:%H:%M} on it goes out with units {before[STOCK]} -> {after[STOCK]}.")

    def has_left(self) -> None:
        """The row of the ended offer is gone."""
        sku, since = self._ended or ("", self._stage.clock.now())
        left = [build.began_at for build in self._builds() if build.counts.get("removed")]
        if sku in read_file(self._hub) or not left:
            self._stage.tell(f"{sku} is still in the file.")
            return
        minutes = (left[0] - since).total_seconds() // 60
        self._stage.tell(
            f"The row of {sku} left the file at {left[0]:%H:%M}, after {minutes:.0f} minutes with units 0."
        )

    def wrong_list(self) -> None:
        """Somebody ends the offers of a wrong list."""
        stage = self._stage
        others = [row.id for row in stage.listing if self._ended is None or row.id != self._ended[0]]
        skus = sorted(stage.chance.sample(others, int(len(others) * WRONG_SHARE)))
        _write(self._wrong_list, ("sku",), [(sku,) for sku in skus])
        done = self._hub.offers.end(ACCOUNT, Selection(file=self._wrong_list))
        stage.tell(f"A wrong list is imported: {len(done)} offers are ended.")
        self._until_built()
        stage.tell(f"  The file shows them as sold out: {_counts(self._last_build())}.")
        stage.tell(f"  The push of stock refuses. {self._last_failure('stock').error}")

    def guard(self) -> None:
        """The file that would lose their rows is not published; the list is taken back."""
        stage = self._stage
        build, rows = self._last_build(), len(read_file(self._hub))
        stage.tell(f"The file after that is {build.state.replace('_', ' ')}. {self._last_failure('feed').error}")
        stage.tell(f"  Rows that are out: {rows:,}. The list is taken back.")
        again = self._hub.offers.create(ACCOUNT, Selection(file=self._wrong_list))
        self._until_built()
        build = self._last_build()
        stage.tell(f"  {len(again)} offers are listed again; the next file is {build.state}: {_counts(build)}.")

    # --- the ways of the world

    def _import(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        path = self._folder / "change.csv"
        _write(path, columns, rows)
        self._stage.import_catalogue(path, CURRENCY)

    def _until_built(self) -> None:
        """Wait until what changed is resolved, and two minutes later built."""
        for _ in range(2):
            self._stage.look()

    def _last_build(self) -> Version:
        return self._builds()[-1]

    def _builds(self) -> Sequence[Version]:
        return self._hub.feeds.log(ACCOUNT, limit=EVER)[0][::-1]

    def _last_failure(self, job: str) -> RunRecord:
        runs = self._hub.work.list(account=ACCOUNT, job=job)
        return next(run for run in runs if run.state is RunState.FAILED)


def _counts(build: Version) -> str:
    return ", ".join(f"{build.counts.get(name, 0):,} {words}" for name, words in COUNTS.items())


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
