"""One day of one seller: orders come in, rivals compete, things go wrong, and in the evening two books agree.

Everything that is told here happened in the hub and on the marketplace; nothing is told that was not read from one of
the two. The same seeds bring the same buyers, rivals and outcomes.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from crossdock.core.store.orders import LineState, OrderRow, OrderState
from crossdock.demo import catalogue, ledger
from crossdock.demo.catalogue import CURRENCY, Variant
from crossdock.demo.ledger import Comparison, Row, StockRow
from crossdock.demo.marketplace import Marketplace, open_marketplace
from crossdock.demo.replay import FAULTS
from crossdock.demo.seller import ACCOUNT, Seller, StillNotDone, installation, item_id
from crossdock.hub import Hub
from crossdock.jobs.acceptance import BELOW_FLOOR
from crossdock.queue.embedded import HEARTBEAT_TIMEOUT
from crossdock.twins.kit import FaultKind, VirtualClock
from crossdock.twins.miinto import Rivals

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)
MARKET, VAT_RATE, FLOOR = "pl", "23", "0.97"
SHARE, FAULT_SHARE = 0.2, 0.05
POLL = timedelta(minutes=5)
MOST_LOOKS = 30
BAD_ROW = 'BAD-1,"A row with a comma in its price",,,,,,"49,90",PLN,1\n'

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What came of the day: rows and stock as in the ledger of a replay, the comparison, figures."""

    rows: Sequence[Row]
    stock: Sequence[StockRow]
    comparison: Comparison
    figures: Mapping[str, Any]

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, doubled or different, in orders and stock."""
        return self.comparison.agrees and all(row.agrees for row in self.stock)

    def as_dict(self) -> dict[str, Any]:
        """Return it all but the rows, as JSON."""
        equal = all(row.agrees for row in self.stock)
        return {**ledger.counts(self.rows), **asdict(self.comparison), "stock_equal": equal, **self.figures}


def play(*, rivals: int, faults: int, tell: Tell) -> Evening:
    """Play the day.

    Args:
        rivals: the seed of the other sellers, and of who buys what.
        faults: the seed of the marketplace's faults, beside those that belong to the story.
        tell: hears the story, line by line.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        marketplace = stack.enter_context(open_marketplace())
        hub, clock, folder = stack.enter_context(installation(MORNING))
        marketplace.set_clock(MORNING)
        shop = marketplace.open_account(MARKET)
        day = Day(Seller(hub, marketplace, shop, clock), catalogue.generate(rivals), rivals, tell)
        day.open_shop(folder)
        marketplace.compete(rivals, SHARE)
        for hour, scene in enumerate(day.scenes(folder), 1):
            day.wait_until(MORNING + timedelta(hours=hour))
            marketplace.scatter_faults(faults + hour, FAULT_SHARE, FAULTS)
            day.wave()
            marketplace.behave()
            scene()
        return day.close(began)


class Day:
    """The day as it goes.

    Args:
        seller: whose day it is.
        variants: what it sells.
        seed: who buys what.
        tell: hears the story.
    """

    def __init__(self, seller: Seller, variants: Sequence[Variant], seed: int, tell: Tell) -> None:
        self.seller = seller
        self.hub: Hub = seller.hub
        self.marketplace: Marketplace = seller.marketplace
        self.clock: VirtualClock = seller.clock
        self._variants = variants
        self._chance = random.Random(f"buyers {seed}")  # noqa: S311 (nothing secret is drawn)
        self._rivals = Rivals(seed, SHARE)
        self._tell_line = tell
        self._proposed = 0
        self._expected = self._before = 0  # how many were proposed last, and the newest order before them
        self._told = 0
        self._cancelled: list[Row] = []

    def tell(self, text: str) -> None:
        """Tell what happened, with the time of day."""
        self._tell_line(f"{self.clock.now():%H:%M}  {text}")

    def wait_until(self, moment: datetime) -> None:
        """Let it be that moment."""
        self.seller.wait_until(moment)

    # --- the morning

    def open_shop(self, folder: Path) -> None:
        """Connect the account, import and link the catalogue, switch everything on."""
        self.tell(f"A Miinto of our own listens on {self.marketplace.url}; the seller's hub is one SQLite file.")
        said = self.seller.connect({}, {"vat_rate": VAT_RATE, "price_floor": FLOOR})
        self.tell(f"Account {ACCOUNT} connected. {said}")
        path = folder / "catalogue.csv"
        catalogue.write(path, list(self._variants))
        with path.open("a", encoding="utf-8") as file:
            file.write(BAD_ROW)
        report = self.seller.import_catalogue(path, CURRENCY)
        self.tell(f"Catalogue imported: {report.added:,} variants. {report.failed} row left out: {report.faults[0]}.")
        self.seller.list_goods(by_product=True)
        linked = self.hub.work.list(account=ACCOUNT, job="offers", limit=1)[0].counts
        self.tell(f"Offers linked to what Miinto lists: {linked['added']:,}, their prices noted as the exported ones.")
        self.seller.switch_on(MORNING)
        self.tell("Armed, and switched on: read orders, accept, decline, send stock.")
        self.work()
        self.tell(f"First stock push: {self.levels_told()}.")

    # --- the hours

    def scenes(self, folder: Path) -> Iterator[Callable[[], None]]:
        """Give what happens hour by hour, beside the ordinary buyers."""
        yield self.quiet
        yield lambda: self.crash(folder / "hub" / "crossdock.toml")
        yield self.price_floor
        yield self.count_corrections
        yield self.bad_answer
        yield self.by_hand
        yield self.parcels
        yield self.cancellation
        yield self.quiet

    def quiet(self) -> None:
        """Nothing happens but buyers."""

    def wave(self) -> None:
        """Let some buyers come and the hub serve them by itself."""
        wanted = [self._chance.sample(self._variants, self._chance.randint(1, 3)) for _ in range(4)]
        self.propose([[_position(variant, self._chance.choice((1, 1, 2))) for variant in each] for each in wanted])
        rows = self.until_decided()
        ends = Counter(row.state for row in rows)
        names = {
            OrderState.OPEN: "won",
            OrderState.LOST: "lost to a faster seller",
            OrderState.DECLINED: "declined, out of stock",
        }
        ended = ", ".join(f"{ends[state]} {name}" for state, name in names.items() if ends[state])
        units = sum(line.reserved for row in rows for line in row.lines)
        self.tell(f"{len(rows)} proposals: {ended}. {units} units reserved, {self.levels_told()}.")

    def crash(self, config: Path) -> None:
        """A worker dies between the call and the note of how it ended."""
        self.propose([[_position(self.in_stock(), 1)]], contested=False)
        self.seller.work("orders")
        self.marketplace.misbehave(
            {"kind": FaultKind.SLOW_BODY, "method": "PATCH", "path": "/transfers/", "seconds": 60}
        )
        command = [sys.executable, "-m", "crossdock.demo.worker", str(config), self.clock.now().isoformat(), "accept"]
        with subprocess.Popen(command) as worker:  # noqa: S603
            self._until_accepted()
            worker.kill()
        (row,) = self.hub.orders.list(account=ACCOUNT, limit=1)
        self.tell(f"A worker has accepted order {row.id} on Miinto and is killed (-9) before it can note the answer.")
        self.tell(f"  Here the order is still {row.state}; Miinto's book says accepted.")
        self.wait_until(self.clock.now() + timedelta(seconds=HEARTBEAT_TIMEOUT + 1))
        (row,) = self.until_decided()
        calls = self.marketplace.book()["transfers"][-1]["accept_calls"]
        story = self.hub.orders.show(row.id)
        name = next(name for name in story.remote_ids if name.kind == "order")
        self.tell(
            f"  Its run is taken over and Miinto asked how it ended: order {row.id} is {row.state}, there {name}."
        )
        self.tell(
            f"  Acceptances that Miinto counted: {calls}. Units reserved: {sum(line.reserved for line in row.lines)}."
        )

    def price_floor(self) -> None:
        """A position far below the price is declined, the rest of the order won."""
        fair, cheap = self.in_stock(), self.in_stock()
        self.propose([[_position(fair, 1), _position(cheap, 1, Decimal("0.6"))]], contested=False)
        (row,) = self.until_decided()
        declined = next(line for line in row.lines if line.reason == BELOW_FLOOR)
        share = f"{declined.price / Decimal(cheap.price):.0%}"
        self.tell(f"A buyer offers {share} of the price of {cheap.sku}: position declined, {BELOW_FLOOR} ({FLOOR}).")
        won = next(line for line in row.lines if line.state is LineState.WON)
        self.tell(f"  The other position of the order, {won.name}, is won all the same.")

    def count_corrections(self) -> None:
        """The warehouse corrects two counts; the lower one is told first."""
        found = next(variant for variant in self._variants if self.free(variant) == 0)
        damaged = self.in_stock()
        self.hub.stock.adjust(found.sku, 4, note="found behind the shelf")
        self.hub.stock.adjust(damaged.sku, -1, note="damaged")
        plan = self.hub.work.plan(ACCOUNT, "stock").changes
        told = "; ".join(f"{change.pending.offer.sku} {change.before} -> {change.after}" for change in plan)
        self.tell(f"The warehouse corrects two counts. The plan, lowering first: {told}.")
        self.work()
        self.tell(f"  Sent: {self.levels_told()}.")

    def bad_answer(self) -> None:
        """The marketplace answers with a web page, later not at all for a while; people hear what to do."""
        self.marketplace.misbehave(
            {"kind": FaultKind.HTML, "method": "GET", "path": "/transfers"},
            {"kind": FaultKind.UNAVAILABLE, "method": "GET", "path": "/transfers", "retry_after": 120},
        )
        for _ in range(2):
            self.wait_until(self.clock.now() + POLL)
            self.work()
        self.tell("Two looks for orders failed. What the operator is told:")
        for run in reversed(self.hub.work.list(account=ACCOUNT, job="orders", limit=2)):
            event = self.hub.work.events(run_id=run.id, limit=1)[0]
            self.tell(f"  {event.level.value}: {event.message} {event.advice}")
        self.wait_until(self.clock.now() + POLL)
        self.work()
        state = self.hub.work.list(account=ACCOUNT, job="orders", limit=1)[0].state
        self.tell(f"  The next look is {state}: nothing was lost on the way.")

    def by_hand(self) -> None:
        """A person decides about one order."""
        for switch in ("accept", "decline"):
            self.hub.accounts.disable(ACCOUNT, switch)
        self.propose([[_position(self.in_stock(), 1), _position(self.in_stock(), 1)]], contested=False)
        (row,) = self.look_until(lambda rows: True)
        first, second = ledger.in_file_order(row)
        self.tell(f"Automatic decisions are off for a while: order {row.id} waits. A person takes one position of two.")
        self.hub.orders.accept(row.id, [first.remote_id])
        self.hub.orders.decline(row.id, [second.remote_id], reason="kept for a friend")
        for switch in ("accept", "decline"):
            self.hub.accounts.enable(ACCOUNT, switch)
        (row,) = self.until_decided()
        ends = ", ".join(f"{line.name}: {line.state}" for line in ledger.in_file_order(row))
        self.tell(f"  {ends}.")

    def parcels(self) -> None:
        """The parcel van comes: what is won leaves the warehouse."""
        rows = self.hub.orders.list(account=ACCOUNT, states=(OrderState.OPEN,), limit=1000)
        units = sum(line.reserved for row in rows for line in row.lines)
        for row in rows:
            self.hub.orders.ship(row.id)
        self.tell(f"The parcel van takes {len(rows)} orders with {units} units; they leave on hand and reserved alike.")

    def cancellation(self) -> None:
        """A buyer sends an order back."""
        row = self.hub.orders.list(account=ACCOUNT, states=(OrderState.DONE,), limit=1)[0]
        line = next(line for line in row.lines if line.state is LineState.WON)
        sku = next(variant.sku for variant in self._variants if variant.gtin == line.gtin)
        before = self.hub.stock.show(sku).levels[ledger.WAREHOUSE].on_hand
        self.hub.orders.cancel(row.id, {line.remote_id: line.quantity}, reason="sent back by the buyer")
        after = self.hub.stock.show(sku).levels[ledger.WAREHOUSE].on_hand
        self._cancelled.append(
            Row(f"return of order {row.id}", sku, -line.quantity, "cancelled", "", str(row.order.id.value))
        )
        self.tell(f"The buyer of order {row.id} sends {line.quantity} x {sku} back: on hand {before} -> {after}.")

    # --- the evening

    def close(self, began: float) -> Evening:
        """Let the hub come to rest, and compare it with the marketplace's own book."""
        self.seller.work("orders")
        self.seller.work("stock")
        book = self.marketplace.book()
        orders = sorted(ledger.all_orders(self.hub, ACCOUNT), key=lambda row: row.id)
        skus = {(each.product, each.brand, each.color, each.size): each.sku for each in self._variants}
        stock = ledger.stock_rows(self.hub, ACCOUNT, ledger.told_levels(book, self.seller.shop, skus))
        self.marketplace.count_calls()
        figures = {
            "seconds": round(time.perf_counter() - began, 1),
            "calls": self.marketplace.calls,
            "faults_met": dict(sorted(self.marketplace.faults.items())),
        }
        rows = [row for order in orders for row in self._rows(order)]
        return Evening(
            rows=[*rows, *self._cancelled], stock=stock, comparison=ledger.compare(orders, book), figures=figures
        )

    def _rows(self, order: OrderRow) -> Iterator[Row]:
        by_gtin = {variant.gtin: variant.sku for variant in self._variants}
        for line in ledger.in_file_order(order):
            outcome = ledger.outcome_of(line)
            yield Row(str(order.id), by_gtin[line.gtin or ""], line.quantity, *outcome, str(order.order.id.value))

    # --- the ways of the world

    def propose(self, proposals: Sequence[Sequence[Mapping[str, Any]]], *, contested: bool = True) -> None:
        """Let the marketplace propose sales now; uncontested ones are wanted by no rival."""
        rows = []
        self._expected = len(proposals)
        self._before = max((row.id for row in self.hub.orders.list(account=ACCOUNT, limit=1)), default=0)
        for positions in proposals:
            self._proposed += 1
            reference = f"SALE-{self._proposed}"
            while not contested and self._rivals.taken_at(reference, self.clock.now()):
                reference += "+"
            rows.append({"shop": self.seller.shop, "positions": positions, "reference": reference})
        self.marketplace.propose(rows)

    def work(self) -> None:
        """Let the hub do what is due."""
        self.hub.work.run_until_idle()

    def until_decided(self) -> list[OrderRow]:
        """Let the hub look every few minutes until what was proposed last is decided, and return these orders."""
        return self.look_until(
            lambda rows: not any(line.state is LineState.PROPOSED for row in rows for line in row.lines)
        )

    def look_until(self, enough: Callable[[Sequence[OrderRow]], bool]) -> list[OrderRow]:
        """Let the hub look every few minutes until it has what was proposed last, and that is enough."""
        for _ in range(MOST_LOOKS):
            self.wait_until(self.clock.now() + POLL)
            self.work()
            newest = self.hub.orders.list(account=ACCOUNT, limit=self._expected)
            rows = [row for row in newest if row.id > self._before]
            if len(rows) == self._expected and enough(rows):
                return rows
            self.seller.settle_unclear()
        raise StillNotDone(f"There are undecided proposals after {MOST_LOOKS} looks.")

    def _until_accepted(self) -> None:
        """Wait, in real time, until the marketplace has noted an acceptance of the newest transfer."""
        deadline = time.monotonic() + 60
        while not self.marketplace.book()["transfers"][-1]["accept_calls"]:
            if time.monotonic() > deadline:
                raise StillNotDone("The worker has accepted nothing for a minute.")
            time.sleep(0.05)

    def in_stock(self) -> Variant:
        """Return some variant of which there is enough."""
        while True:
            variant = self._chance.choice(self._variants)
            if self.free(variant) > 1:
                return variant

    def free(self, variant: Variant) -> int:
        """Return the units of a variant that can still be sold."""
        return self.hub.stock.show(variant.sku, moves=0).levels[ledger.WAREHOUSE].free

    def levels_told(self) -> str:
        """Say how many levels were sent since the last time this was asked."""
        patches = self.marketplace.book()["stock_patches"]
        levels = sum(len(patch["levels"]) for patch in patches[self._told :])
        self._told = len(patches)
        return f"{levels:,} stock levels told to Miinto"


def _position(variant: Variant, quantity: int, share: Decimal = Decimal(1)) -> dict[str, Any]:
    item = {
        "gtin": variant.gtin,
        "name": variant.name,
        "brand": variant.brand,
        "productId": item_id(variant.sku),
        "color": variant.color,
        "size": variant.size,
    }
    return {"quantity": quantity, "price": int(Decimal(variant.price) * share * 100), "item": item}


def report(evening: Evening) -> Iterator[str]:
    """Tell people what came of the day, line by line."""
    found = evening.as_dict()
    orders = found["orders"]
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
    met = ", ".join(f"{number} x {kind}" for kind, number in found["faults_met"].items()) or "none"
    yield f"Calls {found['calls']:,}; faults met: {met}. The day took {found['seconds']} s."
    yield ledger.verdict(evening.comparison, evening.stock)
