"""A worker is killed with -9 at every point where it hurts: nothing is lost, doubled or accepted twice.

CROSSDOCK_KILLS says how often at each point (3 by default).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import crossdock
from crossdock.core.model import Money
from crossdock.core.store import catalog, stock
from crossdock.core.store.orders import OrderState
from crossdock.core.store.stock import Count
from crossdock.hub import Hub
from crossdock.hub.orders import OrderStory
from crossdock.twins.kit import VirtualClock, serve
from crossdock.twins.miinto import MiintoTwin, Rivals
from crossdock.twins.miinto.accounts import Account

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import crash

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
KILLS = int(os.environ.get("CROSSDOCK_KILLS", "3"))
SKUS = [f"SKU-{number}" for number in range(8)]
UNITS = 60
KEYS = {"brand": "Acme", "color": "Black", "size": "M"}

# Only after the call is made, and before its outcome is kept, can nobody tell how it ended.
CALLED = ("call before outcome", "outcome before commit")

# Children are forked from a clean process that has imported everything, so that a kill costs little.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["crash"])


@dataclass
class Shop:
    """One seller at a twin, worked for by processes that die."""

    twin: MiintoTwin
    shop: str
    folder: Path
    clock: VirtualClock
    chance: random.Random
    sold: Counter[str] = field(default_factory=Counter)

    def propose(self) -> None:
        """Let two buyers want some of this and that; a third of the lines is more than the stock holds."""
        for _ in range(2):
            wanted = self.chance.sample(SKUS, 3)
            positions = [
                {
                    "quantity": self.chance.choice([1, 2, UNITS * 2]),
                    "price": 1000,
                    "item": {"productId": f"uuid-{sku}", "name": sku},
                }
                for sku in wanted
            ]
            self.twin.add_transfer(self.shop, positions, reference=f"R{self.chance.random()}")

    def work(self, point: str | None = None, nth: int = 1) -> int | None:
        """Let a process work, two minutes after the one before; return its exit code."""
        self.clock.advance(120)
        child = processes.Process(target=crash.work, args=(self.folder, self.clock.now(), point, nth))
        child.start()
        child.join(60)
        code = child.exitcode
        child.close()
        return code


@pytest.fixture
def seller(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    clock = VirtualClock(START)
    twin = MiintoTwin(clock)
    account = twin.add_account("one-shop", "a-secret-of-the-twin", ["pl"])
    shop = account.shop_in("pl")
    twin.set_rivals(Rivals(seed=5, share=0.2))
    twin.set_product_map(shop, [[f"G-{sku}", sku, "", f"uuid-{sku}"] for sku in SKUS])
    for sku in SKUS:
        twin.list_variant(shop, f"G-{sku}", *KEYS.values())
    with serve(twin.app) as url, crossdock.init(tmp_path / "hub", clock=clock) as hub:
        prepare(hub, account, url)
        yield Shop(twin, shop, tmp_path / "hub", clock, random.Random(request.node.name))


def prepare(hub: Hub, account: Account, url: str) -> None:
    settings = {"identifier": account.identifier, "secret": account.secret, "endpoint": url}
    hub.accounts.add("miinto", "shop", settings, {"vat_rate": "23", "guard_from": 1000})
    price = Money(amount=Decimal("10.00"), currency="PLN")
    with hub.store.write() as tx:
        catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku, price=price, attributes=KEYS) for sku in SKUS])
        owned = catalog.ids_by_sku(tx, SKUS).values()
        counts = [Count(variant_id=variant, warehouse="main", quantity=UNITS) for variant in owned]
        stock.count(tx, counts, source="test", as_of=tx.now)
    assert hub.run("shop", "offers").counts["added"] == len(SKUS)
    hub.accounts.arm("shop")
    for switch in ("orders", "accept", "decline", "stock"):
        hub.accounts.enable("shop", switch, START if switch == "orders" else None)
    assert hub.run("shop", "stock").counts["changed"] == len(SKUS)


@pytest.mark.parametrize("point", crash.POINTS)
def test_a_kill_loses_and_doubles_nothing(seller: Shop, point: str) -> None:
    killed = 0
    for attempt in range(KILLS * 4):
        if killed == KILLS:
            break
        seller.propose()
        killed += seller.work(point, nth=1 + attempt % 2) == -signal.SIGKILL
    assert killed == KILLS
    while_it_settles(seller)
    unclear = settle_unclear(seller)
    assert not unclear or point in CALLED
    compare(seller)


def settle_unclear(seller: Shop) -> int:
    """Do what a person does where two orders look alike and Miinto tells nothing; return how often.

    What was won stands in the list of orders and has come in by itself, so the rest is lost; the book will tell.
    """
    with closing(crossdock.open(seller.folder / "crossdock.toml", clock=seller.clock)) as hub:
        unknown = hub.orders.list(states=(OrderState.UNKNOWN,), limit=1000)
        for row in unknown:
            hub.orders.resolve(row.id, "lost")
        hub.run("shop", "stock")
    return len(unknown)


def while_it_settles(seller: Shop) -> None:
    """Let two processes finish what the dead ones left."""
    for _ in range(2):
        assert seller.work() == 0


def compare(seller: Shop) -> None:
    """Compare the hub with the twin's own book, order by order and unit by unit."""
    book = seller.twin.book.as_dict()
    with closing(crossdock.open(seller.folder / "crossdock.toml", clock=seller.clock)) as hub:
        rows = hub.orders.list(limit=1000)
        stories = {name.value: hub.orders.show(row.id) for row in rows for name in hub.orders.show(row.id).remote_ids}
        for transfer in book["transfers"]:
            compare_order(transfer, stories[str(transfer["id"])])
        assert len(rows) == len(book["transfers"])
        held: Counter[str] = Counter()
        for row in rows:
            held.update({line.sku: line.reserved for line in row.lines if line.sku})
        with hub.store.read() as tx:
            owned = catalog.ids_by_sku(tx, SKUS)
            levels = {sku: stock.levels(tx, [variant])[variant, "main"] for sku, variant in owned.items()}
    there = {row["group"].removeprefix("G-"): row["stock"] for row in book["stock"][seller.shop]}
    assert {sku: (level.on_hand, level.reserved) for sku, level in levels.items()} == {
        sku: (UNITS, held[sku]) for sku in SKUS
    }
    assert there == {sku: UNITS - held[sku] for sku in SKUS}


def compare_order(transfer: dict[str, Any], story: OrderStory) -> None:
    here = {line.remote_id: line.state.value for line in story.order.lines}
    names = {"accepted": "won", "lost": "lost", "declined": "declined"}
    assert here == {str(position["id"]): names[position["state"]] for position in transfer["positions"]}
    assert len([answer for answer in transfer["answers"] if answer["order"]]) <= 1
    kinds = Counter(entry.kind.value for entry in story.journal)
    assert (kinds["created"], kinds["won"] + kinds["lost"] + kinds["declined"]) == (1, 1)
    assert story.order.parked_code is None
