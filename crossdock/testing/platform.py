"""What a rehearsal has to know of a platform and its twin: one small adapter for each platform."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias

from crossdock.core.model import RemoteId
from crossdock.core.store.orders import LineState
from crossdock.twins.kit import Twin, VirtualClock

PRICE = Decimal("10.00")  # of everything in the catalogue


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a buyer wants: units of a SKU (one that nobody knows is allowed) at a gross price for each."""

    sku: str
    units: int = 1
    price: Decimal = PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A proposal as the platform's own book has it.

    Args:
        id: how the platform names the proposal.
        orders: the orders that came out of it.
        lines: by position, what became of it, in the hub's words; what the platform took back is lost.
        repeated: accepting calls in which everything had been decided by an earlier call of the hub.
    """

    id: RemoteId
    orders: tuple[RemoteId, ...] = ()
    lines: Mapping[str, LineState] = field(default_factory=dict)
    repeated: int = 0


class Level(NamedTuple):
    """One stock level of a call: what the hub said of a SKU."""

    sku: str
    units: int


class Call(NamedTuple):
    """The request by which a verb reaches the platform: its method, and a part of its path."""

    method: str
    path: str


class Platform(Protocol):
    """One platform for a rehearsal: its twin with one account, and the handles that move it.

    Attributes:
        name: the plugin's.
        currency: of its proposals.
        twin: the stand-in.
        settings: of the account, secrets as plain text, without the endpoint.
        secret: which of them is the one that opens the account.
        page: how many proposals stand on one page of the list.
        calls: by `connection`, `orders`, `accept`, `outcome` (the question how an acceptance ended) and `stock`, the
            request in which faults strike.
    """

    name: str
    currency: str
    twin: Twin
    settings: Mapping[str, Any]
    secret: str
    page: int
    calls: Mapping[str, Call]

    def list(self, skus: Iterable[str], *, refuses_stock: bool = False) -> None:
        """Let the platform show these SKUs; with `refuses_stock` it refuses their stock levels."""

    def propose(self, wanted: Sequence[Wanted], at: datetime | None = None) -> RemoteId:
        """Let a buyer want something, now or at another moment, and return the proposal's id."""

    def accept_in_panel(self, proposal: RemoteId) -> None:
        """Let the seller accept all of a proposal in the platform's own panel."""

    def withdraw(self, proposal: RemoteId) -> None:
        """Let the buyer of a proposal change their mind."""

    def lose_every_race(self, on: bool) -> None:
        """Let other sellers be faster from now on, or no more."""

    def deals(self) -> Sequence[Deal]:
        """Return all proposals of the book, oldest first."""

    def stock(self) -> Mapping[str, int]:
        """Return the units that the platform shows of each SKU."""

    def pushes(self) -> Sequence[Sequence[Level]]:
        """Return the levels of each stock call that the platform carried out, in the order in which they came."""


Build: TypeAlias = Callable[[VirtualClock], Platform]
"""Makes a platform that lives by a clock."""
