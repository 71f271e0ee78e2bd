"""What the scenes of a day stand on: a seller who tells what happens, while time passes for both sides."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from crossdock.core.store.feeds import Download
from crossdock.demo.ledger import WAREHOUSE
from crossdock.demo.marketplace import Listed, Marketplace
from crossdock.demo.seller import ACCOUNT, Seller, StillNotDone
from crossdock.hub import Hub
from crossdock.twins.kit import VirtualClock

LOOK = timedelta(minutes=5)
PULL = timedelta(minutes=30)  # as Miinto does
PATIENCE = 60.0  # seconds of real time

Tell = Callable[[str], object]


class Stage(Seller):
    """The seller of a day.

    Args:
        hub, marketplace, shop, clock: as of any seller.
        seed: of what is left to chance.
        tell: hears the story.
    """

    def __init__(
        self, hub: Hub, marketplace: Marketplace, shop: str, clock: VirtualClock, *, seed: int, tell: Tell
    ) -> None:
        super().__init__(hub, marketplace, shop, clock)
        self.seed = seed
        self.chance = random.Random(f"buyers {seed}")  # noqa: S311 (nothing secret is drawn)
        self._tell = tell
        self._next_pull: datetime | None = None
        self._listing: Sequence[Listed] = ()

    def tell(self, text: str) -> None:
        """Tell what happened, with the time of day."""
        self._tell(f"{self.clock.now():%H:%M}  {text}")

    # --- time

    def wait_until(self, moment: datetime) -> None:
        """Let it be that moment for both sides; on the way, every half hour, the hub works, then Miinto fetches."""
        while self._next_pull is not None and self._next_pull <= moment:
            self.clock.set(max(self._next_pull, self.clock.now()))
            self.catch_up()
            before = self.newest_download()
            super().wait_until(self.clock.now())
            self.pulled(since=before)
        super().wait_until(moment)

    def wait_for_pull(self) -> None:
        """Let it be the moment at which Miinto has fetched the file again."""
        self.wait_until(self._next_pull or self.clock.now())

    def pulled(self, *, since: Download | None) -> None:
        """Miinto has fetched the file: buyers see what it says, and in half an hour it will be fetched again."""
        self._next_pull = self.next_download(since).at + PULL
        self._listing = ()

    def newest_download(self) -> Download | None:
        """Return what the hub noted last of the file being fetched."""
        return next(iter(self.hub.feeds.log(ACCOUNT, limit=1)[1]), None)

    def next_download(self, since: Download | None) -> Download:
        """Wait, in real time, until the hub has noted one more download than that, and return it."""
        patient_until = time.monotonic() + PATIENCE
        while (found := self.newest_download()) is None or (since and found.id == since.id):
            if time.monotonic() > patient_until:
                raise StillNotDone("Nobody notes that the offers file was fetched.")
            time.sleep(0.005)
        return found

    def catch_up(self) -> None:
        """Let the hub do what is due."""
        self.hub.work.run_until_idle()

    def look(self) -> None:
        """Let some minutes pass, and the hub do what is due."""
        self.wait_until(self.clock.now() + LOOK)
        self.catch_up()

    # --- goods

    @property
    def listing(self) -> Sequence[Listed]:
        """What buyers see, read once after each pull; the stock may have been told anew since."""
        self._listing = self._listing or self.marketplace.listing(self.shop)
        return self._listing

    def free(self, sku: str) -> int:
        """Return the units of a variant that can still be sold."""
        return self.hub.stock.show(sku, moves=0).levels[WAREHOUSE].free

    def in_stock(self) -> Listed:
        """Return something listed of which there is enough."""
        while True:
            listed = self.chance.choice(self.listing)
            if listed.stock > 1 and self.free(listed.id) > 1:
                return listed


def position(listed: Listed, quantity: int, price: int | None = None) -> dict[str, Any]:
    """Return what a buyer wants, as the marketplace shows it; price of one, in minor units, by default as listed."""
    item = {
        "gtin": listed.gtin,
        "name": listed.title,
        "brand": listed.brand,
        "productId": listed.item,
        "color": listed.color,
        "size": listed.size,
    }
    return {"quantity": quantity, "price": listed.price if price is None else price, "item": item}
