"""The day's orders and stock: buyers, rivals, a killed worker, a price floor, counts, nonsense, a person, parcels."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from crossdock.core.store.orders import LineState, OrderRow, OrderState
from crossdock.demo import ledger
from crossdock.demo.ledger import Row
from crossdock.demo.seller import ACCOUNT, StillNotDone
from crossdock.demo.stage import Stage, position
from crossdock.queue.embedded import HEARTBEAT_TIMEOUT
from crossdock.twins.kit import FaultKind
from crossdock.twins.miinto import Rivals

SHARE = 0.2  # of the transfers that rivals want
FLOOR = "0.97"
MOST_LOOKS = 30


class Sales:
    """What happens to orders and stock, hour by hour.

    Args:
        stage: the seller.
        config: of the installation, for a process of its own.
    """

    def __init__(self, stage: Stage, config: Path) -> None:
        self._stage = stage
        self._config = config
        self._hub, self._marketplace = stage.hub, stage.marketplace
        self._rivals = Rivals(stage.seed, SHARE)
        self._proposed = 0
        self._expected = self._before = 0  # how many were proposed last, and the newest order before them
        self._told = 0
        self._cancelled: list[Row] = []

    def open(self) -> None:
        """Switch everything on, and tell the stock for the first time."""
        stage = self._stage
        stage.switch_on(stage.clock.now())
        stage.tell("Armed, and switched on: read orders, accept, decline, send stock.")
        stage.catch_up()
        levels = [level for patch in self._marketplace.book()["stock_patches"] for level in patch["levels"]]
        unknown = sum(not level["known"] for level in levels)
        stage.tell(f"First stock push: {self.levels_told()}, {unknown} of them for what Miinto does not know.")
        self._marketplace.compete(stage.seed, SHARE)

    # --- the hours

    def wave(self) -> None:
        """Let some buyers come and the hub serve them by itself."""
        chance, listing = self._stage.chance, self._stage.listing
        wanted = [chance.sample(listing, chance.randint(1, 3)) for _ in range(4)]
        self.propose([[position(listed, chance.choice((1, 1, 2))) for listed in each] for each in wanted])
        rows = self.until_decided()
        ends = Counter(row.state for row in rows)
        names = {
            OrderState.OPEN: "won",
            OrderState.LOST: "lost to a faster seller",
            OrderState.DECLINED: "declined, out of stock",
        }
        ended = ", ".join(f"{ends[state]} {name}" for state, name in names.items() if ends[state])
        units = sum(line.reserved for row in rows for line in row.lines)
        self._stage.tell(f"{len(rows)} proposals: {ended}. {units} units reserved, {self.levels_told()}.")

    def crash(self) -> None:
        """A worker dies between the call and the note of how it ended."""
        stage = self._stage
        self.propose([[position(stage.in_stock(), 1)]], contested=False)
        stage.work("orders")
        self._marketplace.misbehave(
            {"kind": FaultKind.SLOW_BODY, "method": "PATCH", "path": "/transfers/", "seconds": 60}
        )
        now = stage.clock.now().isoformat()
        command = [sys.executable, "-m", "crossdock.demo.worker", str(self._config), now, "accept"]
        with subprocess.Popen(command) as worker:  # noqa: S603
            self._until_accepted()
            worker.kill()
        (row,) = self._hub.orders.list(account=ACCOUNT, limit=1)
        stage.tell(f"A worker has accepted order {row.id} on Miinto and is killed (-9) before it can note the answer.")
        stage.tell(f"  Here the order is still {row.state}; Miinto's book says accepted.")
        stage.wait_until(stage.clock.now() + timedelta(seconds=HEARTBEAT_TIMEOUT + 1))
        (row,) = self.until_decided()
        calls = self._marketplace.book()["transfers"][-1]["accept_calls"]
        story = self._hub.orders.show(row.id)
        name = next(name for name in story.remote_ids if name.kind == "order")
        stage.tell(
            f"  Its run is taken over and Miinto asked how it ended: order {row.id} is {row.state}, there {name}."
        )
        stage.tell(
            f"  Acceptances that Miinto counted: {calls}. Units reserved: {sum(line.reserved for line in row.lines)}."
        )

    def price_floor(self) -> None:
        """What is offered below the floor of the published price is declined, the rest of the order won."""
        stage = self._stage
        fair, close, cheap = stage.in_stock(), stage.in_stock(), stage.in_stock()
        least, short = -(-fair.price * 97 // 100), -(-close.price * 97 // 100) - 1
        self.propose(
            [[position(fair, 1, least), position(close, 1, short), position(cheap, 1, cheap.price * 6 // 10)]],
            contested=False,
        )
        (row,) = self.until_decided()
        won, near, far = ledger.in_file_order(row)
        stage.tell(
            f"A buyer offers 60% of the price of {cheap.id} in the file: position {far.state}, {far.reason} ({FLOOR})."
        )
        stage.tell(
            f"  {near.price} for {close.id}, in the file for {_zloty(close.price)}: {near.state}, {near.reason}."
        )
        stage.tell(f"  {won.price} for {fair.id}, in the file for {_zloty(fair.price)}: {won.state} all the same.")

    def count_corrections(self) -> None:
        """The warehouse corrects two counts; the lower one is told first."""
        stage = self._stage
        found = next(listed.id for listed in stage.listing if stage.free(listed.id) == 0)
        self._hub.stock.adjust(found, 4, note="found behind the shelf")
        self._hub.stock.adjust(stage.in_stock().id, -1, note="damaged")
        plan = self._hub.work.plan(ACCOUNT, "stock").changes
        told = "; ".join(f"{change.pending.offer.sku} {change.before} -> {change.after}" for change in plan)
        stage.tell(f"The warehouse corrects two counts. The plan, lowering first: {told}.")
        stage.catch_up()
        stage.tell(f"  Sent: {self.levels_told()}.")

    def bad_answer(self) -> None:
        """The marketplace answers with a web page, later not at all for a while; people hear what to do."""
        stage = self._stage
        self._marketplace.misbehave(
            {"kind": FaultKind.HTML, "method": "GET", "path": "/transfers"},
            {"kind": FaultKind.UNAVAILABLE, "method": "GET", "path": "/transfers", "retry_after": 120},
        )
        for _ in range(2):
            stage.look()
        stage.tell("Two looks for orders failed. What the operator is told:")
        for run in reversed(self._hub.work.list(account=ACCOUNT, job="orders", limit=2)):
            event = self._hub.work.events(run_id=run.id, limit=1)[0]
            stage.tell(f"  {event.level.value}: {event.message} {event.advice}")
        stage.look()
        state = self._hub.work.list(account=ACCOUNT, job="orders", limit=1)[0].state
        stage.tell(f"  The next look is {state}: nothing was lost on the way.")

    def by_hand(self) -> None:
        """A person decides about one order."""
        stage = self._stage
        for switch in ("accept", "decline"):
            self._hub.accounts.disable(ACCOUNT, switch)
        self.propose([[position(stage.in_stock(), 1), position(stage.in_stock(), 1)]], contested=False)
        (row,) = self.look_until(lambda rows: True)
        first, second = ledger.in_file_order(row)
        stage.tell(
            f"Automatic decisions are off for a while: order {row.id} waits. A person takes one position of two."
        )
        self._hub.orders.accept(row.id, [first.remote_id])
        self._hub.orders.decline(row.id, [second.remote_id], reason="kept for a friend")
        for switch in ("accept", "decline"):
            self._hub.accounts.enable(ACCOUNT, switch)
        (row,) = self.until_decided()
        ends = ", ".join(f"{line.name}: {line.state}" for line in ledger.in_file_order(row))
        stage.tell(f"  {ends}.")

    def parcels(self) -> None:
        """The parcel van comes: what is won leaves the warehouse."""
        rows = self._hub.orders.list(account=ACCOUNT, states=(OrderState.OPEN,), limit=1000)
        units = sum(line.reserved for row in rows for line in row.lines)
        for row in rows:
            self._hub.orders.ship(row.id)
        self._stage.tell(
            f"The parcel van takes {len(rows)} orders with {units} units; they leave on hand and reserved alike."
        )

    def cancellation(self) -> None:
        """A buyer sends an order back."""
        row = self._hub.orders.list(account=ACCOUNT, states=(OrderState.DONE,), limit=1)[0]
        line = next(line for line in row.lines if line.state is LineState.WON)
        sku = self._hub.orders.show(row.id).skus[line.variant_id]
        before = self._hub.stock.show(sku).levels[ledger.WAREHOUSE].on_hand
        self._hub.orders.cancel(row.id, {line.remote_id: line.quantity}, reason="sent back by the buyer")
        after = self._hub.stock.show(sku).levels[ledger.WAREHOUSE].on_hand
        self._cancelled.append(
            Row(f"return of order {row.id}", sku, -line.quantity, "cancelled", "", str(row.order.id.value))
        )
        self._stage.tell(
            f"The buyer of order {row.id} sends {line.quantity} x {sku} back: on hand {before} -> {after}."
        )

    # --- the evening

    def rows(self, orders: Sequence[OrderRow]) -> Iterator[Row]:
        """Give what became of each position, and what was sent back."""
        for order in orders:
            skus = self._hub.orders.show(order.id).skus
            for line in ledger.in_file_order(order):
                outcome = ledger.outcome_of(line)
                yield Row(str(order.id), skus[line.variant_id], line.quantity, *outcome, str(order.order.id.value))
        yield from self._cancelled

    # --- the ways of the world

    def propose(self, proposals: Sequence[Sequence[Mapping[str, Any]]], *, contested: bool = True) -> None:
        """Let the marketplace propose sales now; uncontested ones are wanted by no rival."""
        rows = []
        self._expected = len(proposals)
        self._before = max((row.id for row in self._hub.orders.list(account=ACCOUNT, limit=1)), default=0)
        for positions in proposals:
            self._proposed += 1
            reference = f"SALE-{self._proposed}"
            while not contested and self._rivals.taken_at(reference, self._stage.clock.now()):
                reference += "+"
            rows.append({"shop": self._stage.shop, "positions": positions, "reference": reference})
        self._marketplace.propose(rows)

    def until_decided(self) -> list[OrderRow]:
        """Let the hub look every few minutes until what was proposed last is decided, and return these orders."""
        return self.look_until(
            lambda rows: not any(line.state is LineState.PROPOSED for row in rows for line in row.lines)
        )

    def look_until(self, enough: Callable[[Sequence[OrderRow]], bool]) -> list[OrderRow]:
        """Let the hub look every few minutes until it has what was proposed last, and that is enough."""
        for _ in range(MOST_LOOKS):
            self._stage.look()
            newest = self._hub.orders.list(account=ACCOUNT, limit=self._expected)
            rows = [row for row in newest if row.id > self._before]
            if len(rows) == self._expected and enough(rows):
                return rows
            self._stage.settle_unclear()
        raise StillNotDone(f"There are undecided proposals after {MOST_LOOKS} looks.")

    def _until_accepted(self) -> None:
        """Wait, in real time, until the marketplace has noted an acceptance of the newest transfer."""
        deadline = time.monotonic() + 60
        while not self._marketplace.book()["transfers"][-1]["accept_calls"]:
            if time.monotonic() > deadline:
                raise StillNotDone("The worker has accepted nothing for a minute.")
            time.sleep(0.05)

    def levels_told(self) -> str:
        """Say how many levels were sent since the last time this was asked."""
        patches = self._marketplace.book()["stock_patches"]
        levels = sum(len(patch["levels"]) for patch in patches[self._told :])
        self._told = len(patches)
        return f"{levels:,} stock levels told to Miinto"


def _zloty(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"
