"""One day of one seller: goods are listed, orders come in, things go wrong, and in the evening both sides agree.

Everything that is told here happened in the hub and on the marketplace; nothing is told that was not read from one of
the two. The same seeds bring the same goods, buyers, rivals and outcomes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crossdock.demo import catalogue, ledger, shown
from crossdock.demo.goods import Goods
from crossdock.demo.ledger import Comparison, Row, StockRow
from crossdock.demo.marketplace import open_marketplace
from crossdock.demo.morning import Morning
from crossdock.demo.replay import FAULTS
from crossdock.demo.sales import Sales
from crossdock.demo.seller import ACCOUNT, installation
from crossdock.demo.shown import Showing
from crossdock.demo.stage import Stage, Tell
from crossdock.web.server import serving

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARKET = "pl"
FAULT_SHARE = 0.05

Scene = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What came of the day: rows and stock as in the ledger of a replay, the comparisons, figures."""

    rows: Sequence[Row]
    stock: Sequence[StockRow]
    comparison: Comparison
    showing: Showing
    figures: Mapping[str, Any]

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, doubled or different, in orders, stock and offers."""
        return self.comparison.agrees and all(row.agrees for row in self.stock) and self.showing.agrees

    def as_dict(self) -> dict[str, Any]:
        """Return it all but the rows, as JSON."""
        equal = all(row.agrees for row in self.stock)
        found = {**ledger.counts(self.rows), **asdict(self.comparison), "stock_equal": equal}
        return {**found, "feed": self.showing.as_dict(), **self.figures}


def play(*, rivals: int, faults: int, tell: Tell) -> Evening:
    """Play the day.

    Args:
        rivals: the seed of the other sellers, of the goods, and of who buys what.
        faults: the seed of the marketplace's faults, beside those that belong to the story.
        tell: hears the story, line by line.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        marketplace = stack.enter_context(open_marketplace())
        hub, clock, folder = stack.enter_context(installation(MORNING))
        server = stack.enter_context(serving(hub, scheduler=False))
        marketplace.set_clock(MORNING)
        shop = marketplace.open_account(MARKET)
        stage = Stage(hub, marketplace, shop, clock, seed=rivals, tell=tell)
        morning = Morning(stage, folder)
        morning.connect()
        morning.import_catalogue(catalogue.spoil(catalogue.generate(rivals), rivals))
        morning.map()
        morning.list_offers()
        goods = Goods(stage, folder, morning.publish(server.url))
        sales = Sales(stage, hub.installation.folder / "crossdock.toml")
        sales.open()
        for hour, scenes in enumerate(programme(sales, goods), 1):
            stage.wait_until(MORNING + hour * HOUR)
            marketplace.scatter_faults(faults + hour, FAULT_SHARE, FAULTS)
            sales.wave()
            marketplace.behave()
            for scene in scenes:
                scene()
        return close(stage, sales, began)


def programme(sales: Sales, goods: Goods) -> Iterator[tuple[Scene, ...]]:
    """Give what happens hour by hour, beside the ordinary buyers."""
    yield (goods.change_price,)
    yield (sales.crash,)
    yield sales.price_floor, goods.turn_faulty
    yield sales.count_corrections, goods.end_one
    yield sales.bad_answer, goods.look_at_it
    yield sales.by_hand, goods.wrong_list
    yield sales.parcels, goods.has_left
    yield (sales.cancellation,)
    yield (goods.guard,)
    yield ()


def close(stage: Stage, sales: Sales, began: float) -> Evening:
    """Let the hub come to rest and Miinto fetch the last file; compare the hub with the marketplace's own book.

    Args:
        stage: the seller.
        sales: of the day.
        began: when the day did, by `perf_counter`.
    """
    for job in ("orders", "stock", "feed"):
        stage.work(job)
    stage.wait_for_pull()
    hub, marketplace = stage.hub, stage.marketplace
    book, listing = marketplace.book(), marketplace.listing(stage.shop)
    orders = sorted(ledger.all_orders(hub, ACCOUNT), key=lambda row: row.id)
    told = {row.id: row.stock for row in listing}
    marketplace.count_calls()
    return Evening(
        rows=[*sales.rows(orders)],
        stock=[row for row in ledger.stock_rows(hub, ACCOUNT, told) if row.sku in told],
        comparison=ledger.compare(orders, book),
        showing=shown.evening(hub, listing, book),
        figures={
            "seconds": round(time.perf_counter() - began, 1),
            "calls": marketplace.calls,
            "faults_met": dict(sorted(marketplace.faults.items())),
        },
    )


def report(evening: Evening) -> Iterator[str]:
    """Tell people what came of the day, line by line."""
    found = evening.as_dict()
    orders, feed = found["orders"], found["feed"]
    yield ""
    yield "       won   lost  declined   won in part   sent back"
    yield (
        f"{orders['won']:>10}{orders['lost']:>7}{orders['declined']:>10}{orders['won_partly']:>14}{orders['cancelled']:>12}"
    )
    yield ""
    own = [row for row in evening.stock if row.on_hand is not None and row.reserved is not None]
    on_hand, reserved = (sum(getattr(row, name) or 0 for row in own) for name in ("on_hand", "reserved"))
    told = sum(row.told or 0 for row in evening.stock)
    yield f"Units on hand {on_hand:,}, reserved {reserved:,}: {on_hand - reserved:,} for sale, Miinto shows {told:,}."
    yield (
        f"Offers files: {feed['builds']['published']} published, {feed['builds'].get('kept_old', 0)} kept back;"
        f" {feed['pulls']} pulls, the slowest {feed['slowest_pull']} s, {feed['rows_refused']} rows refused."
    )
    met = ", ".join(f"{number} x {kind}" for kind, number in found["faults_met"].items()) or "none"
    yield f"Calls {found['calls']:,}; faults met: {met}. The day took {found['seconds']} s."
    yield ledger.verdict(evening.comparison, evening.stock)
    yield evening.showing.verdict()
