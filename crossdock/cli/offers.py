"""Offers: `offers adopt`, `offers list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crossdock.cli import endings
from crossdock.cli.app import App
from crossdock.cli.commands import Group
from crossdock.cli.run import watched

if TYPE_CHECKING:
    from crossdock.hub.offers import ListedOffer


@click.group(cls=Group)
def offers() -> None:
    """Link what is listed on platforms to what you sell, and see what each platform was told."""


@offers.command(epilog="Example: crossdock offers adopt shop-pl")
@click.argument("account")
@click.pass_obj
def adopt(app: App, account: str) -> None:
    """Read what an account has listed, and link it to your products by SKU or GTIN.

    What fits nothing, or more than one product, is told and left alone.
    """
    with app.hub() as hub, watched(hub, account, "offers"):
        record = hub.run(account, "offers")
        endings.tell(app, hub, record)


@offers.command("list", epilog="Example: crossdock offers list shop-pl --market pl")
@click.argument("account")
@click.option("--market", metavar="CODE", help="Only this market.")
@click.option("--after", default=0, metavar="ID", help="Go on after this offer.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@click.pass_obj
def list_(app: App, account: str, market: str | None, after: int, limit: int) -> None:
    """List an account's offers with the stock level that each platform acknowledged last."""
    with app.hub() as hub:
        rows = [_offer(found) for found in hub.offers.list(account, market=market, after=after, limit=limit)]
    app.show(rows, "id", "sku", "market", "scope", "remote_id", "price", "stock", "level", "words")


def _offer(found: ListedOffer) -> dict[str, Any]:
    offer, levels = found.offer, found.levels
    known = [level.acknowledged for level in levels if level.acknowledged is not None]
    return {
        "id": offer.id,
        "sku": offer.sku,
        "market": offer.market,
        "scope": offer.scope,
        "remote_id": offer.remote_id,
        "state": offer.state,
        "keys": offer.keys,
        "price": offer.exported_price,
        "priced_at": offer.exported_at,
        "stock": sum(known) if known else None,
        "level": ", ".join(sorted({level.state.value for level in levels})) or None,
        "words": "; ".join(level.words for level in levels if level.words) or None,
        "levels": [
            {
                "warehouse": level.warehouse,
                "state": level.state,
                "acknowledged": level.acknowledged,
                "code": level.code,
                "words": level.words,
                "changed_at": level.changed_at,
                "sent_at": level.sent_at,
            }
            for level in levels
        ],
    }
