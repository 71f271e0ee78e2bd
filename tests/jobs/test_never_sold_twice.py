"""Random days of orders, cancellations, counts and pushes: no unit is promised twice, none is shown that is promised.

The model keeps what really lies on the shelf. Counts tell the truth about some moment, at once or late; then the hub
must know the shelf exactly, promise no more than it, and never show more than is free.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count as counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import insert

from crossdock.core.config import Options
from crossdock.core.model import Meaning, Money, Order, OrderLine, PlatformStatus, RemoteId
from crossdock.core.store import (
    Store,
    accounts,
    catalog,
    offer_levels,
    offers,
    order_intake,
    order_outcome,
    orders,
    statuses,
    stock,
)
from crossdock.core.store.offer_levels import LevelState, Told
from crossdock.core.store.order_intake import Intake
from crossdock.core.store.orders import LineState, OrderState
from crossdock.core.store.tables import metadata, warehouses
from crossdock.jobs import acceptance
from crossdock.jobs import stock as stock_job
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
SKUS = ("CUP", "PLATE", "BOX")
BUNDLE = "SET"  # two cups and a plate
PARTS = {"CUP": 2, "PLATE": 1}
STATUSES = (
    PlatformStatus(code="pending", label="", meaning=Meaning.PENDING),
    PlatformStatus(code="new", label="", meaning=Meaning.NEW),
)
OPTIONS = Options(vat_rate=Decimal(23), price_floor=None, stock_buffer=1)
some_units = st.integers(1, 5)
some_lines = st.lists(st.tuples(st.sampled_from([*SKUS, BUNDLE]), some_units), min_size=1, max_size=3)
pick = st.integers(0, 1000)


class Day(RuleBasedStateMachine):
    """One seller with three goods, a bundle of two of them, and two accounts."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = VirtualClock(START)
        self.store = Store(f"sqlite:///{self.folder}/day.sqlite", clock=self.clock)
        self.numbers = counter(1)
        self.shelf: Counter[str] = Counter()
        self.past: list[tuple[datetime, dict[str, int]]] = []
        self.shown: dict[str, int] = {}
        metadata.create_all(self.store.engine)
        with self.store.write() as tx:
            tx.execute(insert(warehouses), {"name": "main", "title": ""})
            statuses.create_defaults(tx)
            catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku) for sku in (*SKUS, BUNDLE)])
            catalog.set_bundle(tx, BUNDLE, PARTS)
            self.variants = catalog.ids_by_sku(tx, (*SKUS, BUNDLE))
            self.accounts = [
                accounts.create(tx, platform="acme", name=name, settings={}, options={}).id for name in ("one", "two")
            ]
            for account in self.accounts:
                statuses.save_platform(tx, account, STATUSES)
            place = self.accounts[0]
            drafts = [
                offers.OfferDraft(market="", scope="", variant_id=variant, remote_id=str(variant), keys={})
                for variant in self.variants.values()
            ]
            offer_levels.ensure(tx, place, [done.id for done in offers.upsert(tx, place, drafts).values()])
        self.count_now(dict.fromkeys(SKUS, 6))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    # --- the shelf and its counts

    def count_now(self, delivered: dict[str, int]) -> None:
        self.shelf.update(delivered)
        self.report(self.clock.now(), dict(self.shelf))

    def report(self, moment: datetime, truth: dict[str, int]) -> None:
        counts = [stock.Count(variant_id=self.variants[sku], warehouse="main", quantity=truth[sku]) for sku in SKUS]
        with self.store.write() as tx:
            stock.count(tx, counts, source="shelf", as_of=moment)

    @rule(sku=st.sampled_from(SKUS), units=some_units)
    def goods_arrive_and_are_booked(self, sku: str, units: int) -> None:
        self.clock.advance(1)  # a count of the very moment would be of before or after, nobody knows
        self.shelf[sku] += units
        with self.store.write() as tx:
            stock.adjust(tx, self.variants[sku], "main", units, cause=f"delivery {next(self.numbers)}")

    @rule()
    def somebody_notes_the_shelf(self) -> None:
        self.past.append((self.clock.now(), dict(self.shelf)))
        self.clock.advance(1)

    @precondition(lambda self: self.past)
    @rule()
    def the_note_is_typed_in_late(self) -> None:
        self.report(*self.past.pop())

    @rule(minutes=st.integers(1, 60))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(60 * minutes)

    # --- orders

    @rule(lines=some_lines, account=st.sampled_from([0, 1]))
    def a_proposal_comes(self, lines: list[tuple[str, int]], account: int) -> None:
        self.take(lines, account, proposal=True)

    @rule(lines=some_lines, account=st.sampled_from([0, 1]))
    def an_order_comes_that_was_sold_already(self, lines: list[tuple[str, int]], account: int) -> None:
        self.take(lines, account, proposal=False)

    def take(self, lines: list[tuple[str, int]], account: int, *, proposal: bool) -> None:
        self.clock.advance(1)
        price = Money(amount=Decimal(10), currency="EUR")
        order = Order(
            id=RemoteId(kind="transfer" if proposal else "order", value=str(next(self.numbers))),
            proposal=proposal,
            market="",
            status="pending" if proposal else "new",
            placed_at=self.clock.now(),
            lines=tuple(
                OrderLine(id=str(next(self.numbers)), name=sku, sku=sku, quantity=units, price=price)
                for sku, units in lines
            ),
        )
        intake = Intake(account=self.accounts[account], options=OPTIONS, sweep=1)
        with self.store.write() as tx:
            order_intake.take_in(tx, intake, [order])

    def chosen(self, state: OrderState, number: int) -> int | None:
        with self.store.read() as tx:
            found = orders.select_ids(tx, states=[state])
        return found[number % len(found)] if found else None

    @rule(which=pick, faster=st.booleans())
    def a_proposal_is_decided(self, which: int, faster: bool) -> None:
        number = self.chosen(OrderState.PROPOSED, which)
        if number is None:
            return
        with self.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            verdict = acceptance.judge(row, {}, None)
            won, lost = (verdict.accepted, ()) if faster else ((), verdict.accepted)
            order_outcome.settle(
                tx, row, won=won, lost=lost, declined=verdict.declined, names=(), warehouses=("main",), actor="test"
            )

    @rule(which=pick)
    def a_proposal_goes(self, which: int) -> None:
        number = self.chosen(OrderState.PROPOSED, which)
        if number is not None:
            with self.store.write() as tx:
                order_outcome.close_gone(tx, number, actor="test")

    @rule(which=pick, most=some_units)
    def reserved_units_are_shipped(self, which: int, most: int) -> None:
        number = self.chosen(OrderState.OPEN, which)
        if number is None:
            return
        self.clock.advance(1)
        with self.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            units = {line.id: min(most, line.reserved) for line in row.lines if line.reserved}
            order_outcome.ship(tx, [(row, units)], actor="test")
            for line in row.lines:
                self.move_shelf(line.sku or "", -units.get(line.id, 0))

    @rule(which=pick, most=some_units)
    def units_are_cancelled(self, which: int, most: int) -> None:
        number = self.chosen(OrderState.OPEN, which)
        if number is None:
            return
        self.clock.advance(1)
        with self.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            lines = [line for line in row.lines if line.state is LineState.WON]
            units = {line.id: min(most, line.quantity - line.cancelled) for line in lines}
            order_outcome.cancel_lines(tx, row, units, reason="test", actor="test")
            after = {line.id: line for line in orders.get(tx, number).lines}
            for line in lines:
                self.move_shelf(line.sku or "", line.shipped - after[line.id].shipped)

    def move_shelf(self, sku: str, units: int) -> None:
        for part, each in (PARTS if sku == BUNDLE else {sku: 1}).items():
            self.shelf[part] += units * each

    # --- pushing

    @rule()
    def levels_are_pushed(self) -> None:
        with self.store.read() as tx:
            plan = stock_job.plan(tx, self.accounts[0], OPTIONS)
        told = [
            Told(
                offer_id=int(level.offer.id),
                warehouse="",
                version=level.version,
                state=LevelState.SENT,
                acknowledged=units,
            )
            for level, units in [
                *((change.pending, change.after) for change in plan.changes),
                *((level, level.acknowledged) for level in plan.same),
            ]
        ]
        self.shown.update({change.pending.offer.sku: change.after for change in plan.changes})
        with self.store.write() as tx:
            offer_levels.record(tx, told)
        with self.store.read() as tx:
            assert stock_job.plan(tx, self.accounts[0], OPTIONS).changes == ()
            right = stock.sellable(tx, self.variants.values(), OPTIONS)
        assert self.shown == {sku: right[variant] for sku, variant in self.variants.items()}

    # --- what always holds

    @invariant()
    def the_hub_knows_the_shelf_and_promises_no_more(self) -> None:
        if not hasattr(self, "variants"):
            return
        with self.store.read() as tx:
            levels = stock.levels(tx, self.variants.values())
            lines = [line for row in orders.get_many(tx, orders.select_ids(tx, limit=10_000)) for line in row.lines]
        promised: Counter[str] = Counter()
        for line in lines:
            for part, each in (PARTS if line.sku == BUNDLE else {line.sku or "": 1}).items():
                promised[part] += line.reserved * each
        for sku in SKUS:
            level = levels[self.variants[sku], "main"]
            assert level.on_hand == self.shelf[sku]
            assert 0 <= level.reserved == promised[sku] <= self.shelf[sku]


TestDay = Day.TestCase
TestDay.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
