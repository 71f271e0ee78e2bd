"""Miinto for rehearsals: its twin, with one account that has one shop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crossdock.core.model import Money, RemoteId
from crossdock.core.store.orders import LineState
from crossdock.testing.platform import Call, Deal, Level, Wanted
from crossdock.twins.kit import VirtualClock
from crossdock.twins.miinto import MiintoTwin, Rivals, Switches

STATES = {
    "pending": LineState.PROPOSED,
    "accepted": LineState.WON,
    "declined": LineState.DECLINED,
    "lost": LineState.LOST,
    "withdrawn": LineState.LOST,
}


class Miinto:
    """See `Platform`."""

    name = "miinto"
    currency = "PLN"
    secret = "secret"  # noqa: S105 (the name of a setting)
    page = 50
    calls: Mapping[str, Call] = {
        "connection": Call("POST", "/channels"),
        "orders": Call("GET", "/transfers"),
        "accept": Call("PATCH", "/transfers/"),
        "outcome": Call("GET", "/orders"),
        "stock": Call("PATCH", "/locations/"),
    }

    def __init__(self, clock: VirtualClock) -> None:
        self.twin = MiintoTwin(clock)
        account = self.twin.add_account("rehearsal@example.com", "a-secret-of-the-rehearsal", ["pl"])
        self.settings: Mapping[str, Any] = {"identifier": account.identifier, "secret": account.secret}
        self._shop = account.shop_in("pl")
        self._map: dict[str, list[str]] = {}

    def list(self, skus: Iterable[str], *, refuses_stock: bool = False) -> None:
        """Put the SKUs on the product map; a variant that is not listed as well is one that Miinto does not know."""
        skus = tuple(skus)
        self._map |= {sku: [_group(sku), sku, "", f"uuid-{sku}"] for sku in skus}
        self.twin.set_product_map(self._shop, [*self._map.values()])
        if refuses_stock:
            self.twin.set_switches(Switches(fail_unknown_variants=True))
        else:
            for sku in skus:
                self.twin.list_variant(self._shop, _group(sku), "Acme", "Black", "M")

    def propose(self, wanted: Sequence[Wanted], at: datetime | None = None) -> RemoteId:
        """Add a transfer."""
        positions = [
            {
                "quantity": line.units,
                "price": Money(amount=line.price, currency=self.currency).to_minor(),
                "item": {"productId": f"uuid-{line.sku}", "name": line.sku},
            }
            for line in wanted
        ]
        return self._transfer(self.twin.add_transfer(self._shop, positions, created_at=at))

    def accept_in_panel(self, proposal: RemoteId) -> None:
        """Accept all positions."""
        number = int(proposal.value)
        self.twin.accept_in_panel(number, [*self.twin.book.transfers[number].positions])

    def withdraw(self, proposal: RemoteId) -> None:
        """Take the transfer back."""
        self.twin.withdraw(int(proposal.value))

    def lose_every_race(self, on: bool) -> None:
        """Let rivals take every transfer in the moment in which it appears."""
        self.twin.set_rivals(Rivals(seed=1, share=1.0) if on else None)

    def deals(self) -> Sequence[Deal]:
        """Return the transfers."""
        return [self._deal(row) for row in self.twin.book.as_dict()["transfers"]]

    def stock(self) -> Mapping[str, int]:
        """Return the stock of the listed variants."""
        rows = self.twin.book.as_dict()["stock"].get(self._shop, [])
        return {_sku(row): row["stock"] for row in rows}

    def pushes(self) -> Sequence[Sequence[Level]]:
        """Return the stock calls."""
        patches = self.twin.book.as_dict()["stock_patches"]
        return [[Level(_sku(row), row["stock"]) for row in patch["levels"]] for patch in patches]

    def _transfer(self, number: int) -> RemoteId:
        return RemoteId(kind="transfer", scope=self._shop, value=str(number))

    def _deal(self, row: Mapping[str, Any]) -> Deal:
        orders = [answer["order"] for answer in row["answers"] if answer["order"] is not None]
        by_hub = [answer for answer in row["answers"] if answer["by"] == "hub" and answer["accepted"]]
        decided_by_hub = {line for answer in by_hub if answer["outcome"] != "ignored" for line in answer["accepted"]}
        repeated = [a for a in by_hub if a["outcome"] == "ignored" and {*a["accepted"]} <= decided_by_hub]
        return Deal(
            id=self._transfer(row["id"]),
            orders=tuple(RemoteId(kind="order", scope=self._shop, value=str(number)) for number in orders),
            lines={str(line["id"]): STATES[line["state"]] for line in row["positions"]},
            repeated=len(repeated),
        )


def _group(sku: str) -> str:
    return f"G-{sku}"


def _sku(row: Mapping[str, Any]) -> str:
    group: str = row["group"]
    return group.removeprefix("G-")
