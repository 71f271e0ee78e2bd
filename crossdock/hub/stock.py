"""Stock by hand: see how it came to be, and correct it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from crossdock.core.errors import ConfigError
from crossdock.core.store import catalog, stock, stock_history, warehouses
from crossdock.core.store.stock import Level
from crossdock.core.store.stock_history import MoveRow, Reservation

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class StockStory:
    """All that is known of the stock of one variant.

    Args:
        sku, name: of the variant.
        levels: by warehouse; a bundle has none of its own.
        parts: of a bundle, units by SKU.
        reservations: what orders hold.
        moves: the last ones, newest first.
    """

    sku: str
    name: str
    levels: Mapping[str, Level]
    parts: Mapping[str, int]
    reservations: tuple[Reservation, ...]
    moves: tuple[MoveRow, ...]


class Stock:
    """The stock of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def show(self, sku: str, *, moves: int = 20) -> StockStory:
        """Return the stock of a variant, what holds it reserved, and its last moves.

        Raises:
            NotFoundHere: nobody has this SKU.
        """
        with self._hub.store.read() as tx:
            variant = catalog.get(tx, sku)
            parts = catalog.parts_of(tx, [variant.id]).get(variant.id, {})
            named = catalog.get_many(tx, parts)
            levels = stock.levels(tx, [variant.id])
            return StockStory(
                sku=sku,
                name=variant.name,
                levels={warehouse: level for (_, warehouse), level in levels.items()},
                parts={named[part].sku: units for part, units in parts.items()},
                reservations=stock_history.reservations(tx, variant.id),
                moves=stock_history.moves(tx, variant.id, limit=moves),
            )

    def adjust(self, sku: str, units: int, *, warehouse: str = "main", note: str = "") -> Level:
        """Add units to what is on hand, or take them off, and return the level from now on.

        Args:
            sku: the variant.
            units: how many; below zero to take them off.
            warehouse: where.
            note: why, in words.

        Raises:
            NotFoundHere: nobody has this SKU, or there is no such warehouse.
            ConfigError: it is a bundle, or no unit is to be moved.
        """
        if not units:
            raise ConfigError("An adjustment of zero units changes nothing.", advice="Say how many, such as 5 or -5.")
        with self._hub.store.write() as tx:
            warehouses.require(tx, warehouse)
            variant = catalog.get(tx, sku)
            if catalog.parts_of(tx, [variant.id]):
                raise ConfigError(f"{sku!r} is a bundle and has no stock of its own.", advice="Adjust its parts.")
            stock.adjust(tx, variant.id, warehouse, units, cause=uuid4().hex, note=note)
            return stock.levels(tx, [variant.id])[variant.id, warehouse]
