"""A rehearsal: a hub that works against a platform's twin, and handles for everything that may happen to both."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from crossdock.core.config import Installation, SecretBox
from crossdock.core.connector import Connector
from crossdock.core.http import Http
from crossdock.core.model import (
    Decision,
    Intent,
    Money,
    Order,
    OrderPage,
    Outcome,
    Pending,
    PlatformStatus,
    RemoteId,
    Result,
    StockLevel,
    Veto,
)
from crossdock.core.store import Store, catalog, offer_levels, secrets, stock
from crossdock.core.store.accounts import AccountRow
from crossdock.core.store.events import EventRecord, Level
from crossdock.core.store.intents import IntentRow, IntentState
from crossdock.core.store.orders import LineRow, LineState, OrderRow, OrderState
from crossdock.core.store.rates import SqlRates
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.hub import Hub, init
from crossdock.hub import open as open_hub
from crossdock.hub.orders import OrderStory
from crossdock.hub.setup import CONFIG_FILE
from crossdock.testing.items import holds, same
from crossdock.testing.platform import PRICE, Build, Deal, Platform, Wanted
from crossdock.twins.kit import Fault, FaultKind, Twin, VirtualClock, serve

Answer = TypeVar("Answer")

START: Final = datetime(2026, 11, 2, 8, tzinfo=UTC)
ACCOUNT: Final = "rehearsal"
WAREHOUSE: Final = "main"
SKUS: Final = tuple(f"SKU-{number}" for number in range(6))
UNITS: Final = 20  # of each SKU
SWITCHES: Final = ("orders", "accept", "decline", "stock")
PATIENCE: Final = 10.0  # seconds of real time; a rehearsal of time-outs has less of it
LATER: Final = 1000.0  # seconds; longer than the longest wait between two attempts, and than any poll


# --- a hub with a prompter -------------------------------------------------------------------------------------------


class Script:
    """What a rehearsal makes of a plugin's verbs.

    Attributes:
        answers: by verb, what it answers in place of asking the platform.
        after: by verb, what happens once, right after the platform has answered it.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def play(self, verb: str, call: Callable[..., Answer], *arguments: Any) -> Answer:
        """Return what a verb answers."""
        answer: Answer = self.answers[verb] if verb in self.answers else call(*arguments)
        if verb in self.after:
            self.after.pop(verb)()
        return answer


class StagedConnector(Connector):
    """A connector whose verbs, and extensions, follow a script where it has something for them."""

    def __init__(self, connector: Connector, http: Http, script: Script) -> None:
        super().__init__(connector.loaded, replace(connector.account, http=http))
        self._script = script

    def fetch_orders(self, cursor: Mapping[str, Any] | None) -> OrderPage:
        """See `Connector.fetch_orders`."""
        return self._script.play("fetch_orders", super().fetch_orders, cursor)

    def push_stock(self, levels: tuple[StockLevel, ...]) -> tuple[Result, ...]:
        """See `Connector.push_stock`."""
        return self._script.play("push_stock", super().push_stock, levels)

    def map_status(self) -> tuple[PlatformStatus, ...]:
        """See `Connector.map_status`."""
        return self._script.play("map_status", super().map_status)

    def find_outcome(self, intent: Intent) -> Outcome | Pending | None:
        """See `Connector.find_outcome`."""
        return self._script.play("find_outcome", super().find_outcome, intent)

    def reviews_acceptance(self) -> bool:
        """See `Connector.reviews_acceptance`."""
        return "review_acceptance" in (self._script.answers | self._script.after) or super().reviews_acceptance()

    def review_acceptance(self, order: Order, decision: Decision) -> tuple[Veto, ...]:
        """See `Connector.review_acceptance`."""
        return self._script.play("review_acceptance", super().review_acceptance, order, decision)


class StagedHub(Hub):
    """A hub whose connectors follow a script and wait no longer than a rehearsal has patience for.

    Attributes:
        script: see `Script`.
        patience: seconds of real time that a platform may be silent.
    """

    def __init__(self, installation: Installation, store: Store, box: SecretBox) -> None:
        super().__init__(installation, store, box)
        self.script = Script()
        self.patience = PATIENCE

    def connector(self, name_or_id: str) -> Connector:
        """See `Hub.connector`."""
        connector = super().connector(name_or_id)
        http = Http(
            account_id=connector.account.id,
            plugin=connector.facts,
            settings=connector.account.settings,
            clock=self.store.clock,
            rates=SqlRates(self.store),
            timeout=self.patience,
            jitter=lambda: 0.0,
        )
        return StagedConnector(connector, http, self.script)


# --- setting up ------------------------------------------------------------------------------------------------------


@contextmanager
def rehearse(folder: Path, build: Build) -> Iterator[Rehearsal]:
    """Set up a hub with one account at a platform's twin, in a new folder or in one where `init` was and nothing else.

    The account is armed and all its switches are on; `SKUS` are listed and counted, `UNITS` of each, and the platform
    shows them. VAT is 23 percent, the guards are far away.
    """
    clock = VirtualClock(START)
    platform = build(clock)
    with serve(platform.twin.app) as url:
        config = folder / CONFIG_FILE
        plain = open_hub(config, clock=clock) if config.exists() else init(folder, clock=clock)
        with StagedHub(plain.installation, plain.store, plain.box) as hub:
            settings = {**platform.settings, "endpoint": url}
            hub.accounts.add(platform.name, ACCOUNT, settings, {"vat_rate": "23", "guard_from": 1000})
            rehearsal = Rehearsal(hub, platform, clock)
            rehearsal.stock_up(SKUS)
            hub.accounts.arm(ACCOUNT)
            for switch in SWITCHES:
                hub.accounts.enable(ACCOUNT, switch, clock.now() if switch == "orders" else None)
            rehearsal.done("stock")
            yield rehearsal


class Rehearsal:
    """One hub and one platform; `rehearse` sets it up.

    Args:
        hub: its one account is called `ACCOUNT`.
        platform: the adapter of the platform.
        clock: of hub and platform.
    """

    def __init__(self, hub: StagedHub, platform: Platform, clock: VirtualClock) -> None:
        self.hub = hub
        self.platform = platform
        self.clock = clock
        self._counted: dict[str, int] = {}
        self._bundles: dict[str, Mapping[str, int]] = {}

    @property
    def twin(self) -> Twin:
        """The platform's stand-in."""
        return self.platform.twin

    @property
    def account(self) -> AccountRow:
        """The account as it stands."""
        return self.hub.accounts.get(ACCOUNT)

    # --- goods

    def stock_up(
        self, skus: tuple[str, ...], units: int | None = UNITS, *, priced: bool = True, refused: bool = False
    ) -> None:
        """Own these SKUs, have them listed and adopted, and count them.

        Args:
            skus: new ones.
            units: of each; None leaves them uncounted.
            priced: whether their price is known.
            refused: whether the platform refuses their stock levels.
        """
        self.own(skus, priced=priced)
        self.platform.list(skus, refuses_stock=refused)
        if units is not None:
            self.count(dict.fromkeys(skus, units))
        self.done("offers")

    def own(self, skus: tuple[str, ...], *, priced: bool = True) -> None:
        """Put SKUs into the catalogue."""
        price = Money(amount=PRICE, currency=self.platform.currency) if priced else None
        looks = {"brand": "Acme", "color": "Black", "size": "M"}
        with self.hub.store.write() as tx:
            catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku, price=price, attributes=looks) for sku in skus])

    def bundle(self, sku: str, parts: Mapping[str, int]) -> None:
        """Make a SKU a bundle of others, before it is listed."""
        self.own((sku,))
        with self.hub.store.write() as tx:
            catalog.set_bundle(tx, sku, parts)
        self._bundles[sku] = parts

    def count(self, units: Mapping[str, int]) -> None:
        """Count units on hand, a second later."""
        self.clock.advance(1)
        with self.hub.store.write() as tx:
            numbers = catalog.ids_by_sku(tx, units)
            counts = [stock.Count(variant_id=numbers[sku], warehouse=WAREHOUSE, quantity=n) for sku, n in units.items()]
            stock.count(tx, counts, source="rehearsal", as_of=tx.now)
        self._counted |= units

    def level(self, sku: str) -> stock.Level:
        """Return what the ledger says of a SKU."""
        with self.hub.store.read() as tx:
            (number,) = catalog.ids_by_sku(tx, [sku]).values()
            return stock.levels(tx, [number])[number, WAREHOUSE]

    def levels(self) -> dict[str, int]:
        """Return how many levels stand in each state."""
        with self.hub.store.read() as tx:
            return offer_levels.summary(tx, self.account.id)

    @property
    def batch(self) -> int:
        """The most levels that the plugin says it takes in one call."""
        return self.hub.plugin(self.platform.name).facts.limits.batch.get("push_stock", 1)

    # --- what happens

    def run(self, job: str, *, force: bool = False) -> RunRecord:
        """Run a job now, and return how its run stands."""
        return self.hub.run(ACCOUNT, job, force=force)

    def done(self, job: str, *, force: bool = False) -> RunRecord:
        """Run a job now; it has to end well."""
        record = self.run(job, force=force)
        same(f"The run of {job} ({record.error or 'no error'})", record.state.value, RunState.DONE.value)
        return record

    def wait(self, seconds: float = LATER) -> None:
        """Let time pass, and everything run that runs by itself; nobody does anything."""
        self.clock.advance(seconds)
        self.hub.work.run_until_idle()

    def let_wait(self) -> None:
        """Switch automatic accepting and declining off, so that proposals wait and the platform's list stays."""
        for switch in ("accept", "decline"):
            self.hub.accounts.disable(ACCOUNT, switch)

    def propose(self, *wanted: Wanted, at: datetime | None = None) -> RemoteId:
        """Let a buyer want something; one unit of the first SKU where nothing is said."""
        return self.platform.propose(wanted or (Wanted(SKUS[0]),), at)

    def read(self, *wanted: Wanted) -> RemoteId:
        """Let a buyer want something and the hub hear of it, but not decide yet."""
        proposal = self.propose(*wanted)
        self.done("orders")
        return proposal

    def fault(self, kind: FaultKind, verb: str, *, times: int | None = 1, after: int = 0, **details: Any) -> None:
        """Let a fault strike in the request of a verb (see `Platform.calls`); None times is until `mend`."""
        method, path = self.platform.calls[verb]
        self.twin.faults.add(Fault(kind, method=method, path=path, times=times, after=after, **details))

    def mend(self) -> None:
        """Let the platform behave again."""
        self.twin.faults.clear()

    # --- what is to be seen

    def stories(self) -> list[OrderStory]:
        """Return all orders with all that is known of them."""
        return [self.hub.orders.show(row.id) for row in self.hub.orders.list(limit=10_000)]

    def story(self, name: RemoteId) -> OrderStory:
        """Return the one order that has this name."""
        found = [story for story in self.stories() if name in story.remote_ids]
        same(f"Orders under the name {name}", len(found), 1)
        return found[0]

    def order(self, name: RemoteId) -> OrderRow:
        """Return the one order that has this name."""
        return self.story(name).order

    def only_line(self, name: RemoteId) -> LineRow:
        """Return the line of an order that has one."""
        (line,) = self.order(name).lines
        return line

    def deal(self, proposal: RemoteId) -> Deal:
        """Return what the platform's book says of a proposal."""
        return next(deal for deal in self.platform.deals() if deal.id == proposal)

    def intents(self, proposal: RemoteId) -> list[IntentState]:
        """Return the states of a proposal's intents, oldest first."""
        return [intent.state for intent in self.story(proposal).intents]

    def events(self, code: str) -> tuple[EventRecord, ...]:
        """Return the events of a kind, the newest first."""
        return tuple(event for event in self.hub.work.events(limit=10_000) if event.code == code)

    def writes(self) -> int:
        """Return how many requests so far asked the platform to change something."""
        return sum(self.twin.is_write(exchange.method, exchange.path) for exchange in self.twin.traffic)

    def calls(self, verb: str) -> int:
        """Return how many requests of a verb so far reached the platform (see `Platform.calls`)."""
        method, path = self.platform.calls[verb]
        return sum(exchange.method == method and path in exchange.path for exchange in self.twin.traffic)

    def struck(self, kind: FaultKind) -> int:
        """Return how many requests so far met a fault."""
        return sum(exchange.fault is kind for exchange in self.twin.traffic)

    # --- what has to be so

    def expect_order(self, name: RemoteId, state: OrderState, *lines: LineState) -> OrderRow:
        """Fail unless an order stands like this, and return it."""
        row = self.order(name)
        same(f"The order {name}", row.state, state)
        if lines:
            same(f"The lines of {name}", [line.state for line in row.lines], [*lines])
        return row

    def expect_parked(self, name: RemoteId, code: str) -> None:
        """Fail unless an order waits for a person, who is told why and what to do."""
        row = self.order(name)
        same(f"What the order {name} is parked for", row.parked_code, code)
        holds("the order says why it is parked", row.parked_because)
        holds("an event names the order", any(event.item == f"order {row.id}" for event in self.hub.work.events()))

    def expect_event(self, code: str, level: Level) -> EventRecord:
        """Fail unless the newest event of this kind is one that a person can act on, and return it."""
        told = self.events(code)
        holds(f"there is an event {code}", told)
        event = told[0]
        same(f"The level of {code}", event.level, level)
        holds(f"{code} says what happened", re.search(r"\w+ \w+", event.message))
        holds(f"{code} says what a person can do", re.search(r"\w+ \w+", event.advice))
        self.expect_no_secret()
        return event

    def expect_no_secret(self) -> None:
        """Fail if something that people are told gives a secret away."""
        with self.hub.store.read() as tx:
            kept = secrets.get_all(tx, self.hub.box, self.account.id)
        # What a plugin keeps for itself has a shape of its own; a secret in it is a long word.
        hidden = {word for text in kept.values() for word in (text, *re.findall(r"[\w.~+/=-]{20,}", text))}
        told = json.dumps(self._told(), default=str)
        holds("what people are told holds no secret", not any(word in told for word in hidden if len(word) >= 8))

    def _told(self) -> list[object]:
        stories = self.stories()
        runs = self.hub.work.list(limit=10_000)
        return [
            *self.hub.work.events(limit=10_000),
            *(run.error for run in runs),
            self.account.stopped_because,
            *(story.order.parked_because for story in stories),
            *(entry.payload for story in stories for entry in story.journal),
            *((intent.words, intent.answer) for story in stories for intent in story.intents),
        ]

    def expect_whole(self) -> None:
        """Fail if something is half-written: units that no line holds, an order that was created twice or never."""
        stories = self.stories()
        held: Counter[str] = Counter()
        for story in stories:
            same(
                f"Entries 'created' of order {story.order.id}",
                sum(entry.kind.value == "created" for entry in story.journal),
                1,
            )
            for line in story.order.lines:
                sku = story.skus.get(line.variant_id, "")
                parts = self._bundles.get(sku, {sku: 1})
                held.update({part: each * line.reserved for part, each in parts.items() if line.reserved})
        for sku, units in self._counted.items():
            level = self.level(sku)
            same(f"{sku}: units on hand and reserved", (level.on_hand, level.reserved), (units, held[sku]))

    def compare_with_book(self) -> None:
        """Fail unless hub and platform agree: each proposal known once, ended alike, accepted once; stock equal.

        What is due by now runs first. Proposals that ended before the hub could see them may be unknown to it.
        """
        self.hub.work.run_until_idle()
        self.expect_whole()
        stories = self.stories()
        by_name = {name: story for story in stories for name in story.remote_ids}
        known: set[int] = set()
        for deal in self.platform.deals():
            same(f"Calls that accept {deal.id} once more", deal.repeated, 0)
            found = {by_name[name].order.id for name in (deal.id, *deal.orders) if name in by_name}
            open_there = {*deal.lines.values()} & {LineState.PROPOSED, LineState.WON}
            if found or open_there:
                same(f"Orders of {deal.id} at the hub", len(found), 1)
                self._compare(deal, next(story for story in stories if story.order.id in found))
            known |= found
        same("Orders that the platform knows nothing of", {story.order.id for story in stories} - known, set())
        self._compare_stock()

    def _compare(self, deal: Deal, story: OrderStory) -> None:
        row = story.order
        same(f"The lines of {deal.id}", {line.remote_id: line.state for line in row.lines}, dict(deal.lines))
        holds(f"{deal.id} is known under its orders' names", {*deal.orders} <= {*story.remote_ids})
        living = [intent for intent in story.intents if _is_living(intent)]
        same(f"Intents of {deal.id} without an outcome", [intent.state for intent in living], [])

    def _compare_stock(self) -> None:
        same("Levels that wait to be told", self.levels().get("pending", 0), 0)
        shown = self.platform.stock()
        free = {sku: max(0, self._free(sku)) for sku in self._counted}
        for bundle, parts in self._bundles.items():
            free[bundle] = min(free[sku] // each for sku, each in parts.items())
        compared = shown.keys() & free.keys()
        holds("the platform shows what was counted", compared)
        same("Units shown", {sku: shown[sku] for sku in compared}, {sku: free[sku] for sku in compared})

    def _free(self, sku: str) -> int:
        level = self.level(sku)
        return level.on_hand - level.reserved


def _is_living(intent: IntentRow) -> bool:
    return intent.state in (IntentState.WANTED, IntentState.OPEN, IntentState.UNCLEAR)


def price(share: str) -> Decimal:
    """Return this share of what everything in the catalogue costs."""
    return PRICE * Decimal(share)
