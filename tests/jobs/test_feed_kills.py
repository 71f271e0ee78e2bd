"""A process that builds an offers file is killed with -9 at every point: what is out is whole, and nothing is lost."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import crossdock
from crossdock.core.store.offers import OfferState
from crossdock.twins.kit import VirtualClock

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import feed_crash
from feed_shop import START, FeedShop

STOCK = "c:stock_level:integer"
COMMITTED = ("after the commit", "while old files are removed")

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["feed_crash"])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[FeedShop]:
    with crossdock.init(tmp_path / "hub", clock=VirtualClock(START)) as hub:
        shop = FeedShop(hub, "miinto", options={"feed_versions": 1})
        for number in range(5):
            shop.list(f"A-{number}", units=5)
            if number > 2:
                shop.build()
        yield shop


@pytest.mark.parametrize("point", feed_crash.POINTS)
def test_a_kill_leaves_a_whole_file_out(shop: FeedShop, point: str) -> None:
    before = shop.bytes()
    shop.count("A-1", 2)
    shop.resolve("A-2", description="Another shirt")
    shop.resolve("A-3", brand="")
    shop.set_state("A-4", OfferState.ENDED)
    shop.list("A-5")
    assert work(shop, 60, point) == -signal.SIGKILL
    assert (shop.bytes() == before) == (point not in COMMITTED), "what is out is the old file or the new one, whole"
    assert work(shop, 600) == 0
    told = {sku: (row[STOCK], row["description"], row["brand"]) for sku, row in shop.rows().items()}
    assert told == {
        "A-0": ("5", "A light shirt", "Acme"),
        "A-1": ("2", "A light shirt", "Acme"),
        "A-2": ("5", "Another shirt", "Acme"),
        "A-3": ("5", "A light shirt", "Acme"),
        "A-4": ("0", "A light shirt", "Acme"),
        "A-5": ("5", "A light shirt", "Acme"),
    }
    assert shop.faults() == {"A-3": [("kept_back", "missing", "brand")]}
    assert not [path for path in shop.folder.rglob("*") if path.name.endswith(".part")]
    assert {version.state.value for version in shop.versions()} <= {"published", "failed"}


def work(shop: FeedShop, seconds: float, point: str | None = None) -> int | None:
    """Let a process build, so many seconds after the beginning; return its exit code."""
    folder = shop.hub.installation.folder
    now = VirtualClock(START)
    now.advance(seconds)
    child = processes.Process(target=feed_crash.build, args=(folder, now.now(), point))
    child.start()
    child.join(60)
    code = child.exitcode
    child.close()
    return code
