"""Stock: `stock show`, `stock adjust`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import App
from crossdock.cli.commands import Group

if TYPE_CHECKING:
    from crossdock.core.store.stock import Level


@click.group(cls=Group)
def stock() -> None:
    """Show and correct what is in stock."""


@stock.command(epilog="Example: crossdock stock show SHIRT-M")
@click.argument("sku")
@click.option("--moves", default=20, show_default=True, type=click.IntRange(min=0), help="How many of the last moves.")
@click.pass_obj
def show(app: App, sku: str, moves: int) -> None:
    """Show the stock of a product in each warehouse, which orders hold it, and how it came to be."""
    with app.hub() as hub:
        found = hub.stock.show(sku, moves=moves)
        names = hub.accounts.names()
    app.show(
        {
            "sku": found.sku,
            "name": found.name,
            "parts": found.parts,
            "levels": [{"warehouse": place} | _level(level) for place, level in sorted(found.levels.items())],
            "reservations": [
                {
                    "order": held.order_id,
                    "account": names[held.account],
                    "warehouse": held.warehouse,
                    "units": held.units,
                }
                for held in found.reservations
            ],
            "moves": [
                {
                    "at": move.at,
                    "warehouse": move.warehouse,
                    "kind": move.kind,
                    "on_hand": move.on_hand,
                    "reserved": move.reserved,
                    "order": move.order_id,
                    "note": move.note,
                }
                for move in found.moves
            ],
        }
    )


@stock.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Example: crossdock stock adjust SHIRT-M -2 --note 'damaged in the warehouse'",
)
@click.argument("sku")
@click.argument("units", type=int)
@click.option("--warehouse", default="main", show_default=True, help="Where.")
@click.option("--note", default="", help="Why, in words.")
@click.pass_obj
def adjust(app: App, sku: str, units: int, warehouse: str, note: str) -> None:
    """Add units to what is on hand, or take them off (-2).

    Offers of the product become pending, and orders that wait for units are served.
    """
    with app.hub() as hub:
        level = hub.stock.adjust(sku, units, warehouse=warehouse, note=note)
    sentence = f"{sku} in {warehouse}: {level.on_hand} on hand, {level.reserved} reserved, {level.free} free."
    app.done(sentence, {"sku": sku, "warehouse": warehouse} | _level(level))


def _level(level: Level) -> dict[str, Any]:
    return {
        "on_hand": level.on_hand,
        "reserved": level.reserved,
        "free": level.free,
        "counted_at": level.counted_at,
    }
