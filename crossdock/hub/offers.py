"""Offers: what is listed where, and what each platform was told of its stock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.core.store import accounts, offer_levels, offers
from crossdock.core.store.offer_levels import LevelRow
from crossdock.core.store.offers import OfferRow

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOffer:
    """An offer with its levels, one for each remote warehouse."""

    offer: OfferRow
    levels: tuple[LevelRow, ...]


class Offers:
    """The offers of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def list(
        self, account: str, *, market: str | None = None, after: int = 0, limit: int = 100
    ) -> tuple[ListedOffer, ...]:
        """Return one page of an account's offers in the order of their numbers.

        Args:
            account: name or id.
            market: only this one.
            after: the last number of the page before.
            limit: how many at most.

        Raises:
            NotFoundHere: there is no such account.
        """
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id
            found = offers.list(tx, owner, market=market, after=after, limit=limit)
            levels = offer_levels.of_offers(tx, (row.id for row in found))
        return tuple(ListedOffer(offer=row, levels=tuple(levels.get(row.id, ()))) for row in found)
