"""Offers: `offers adopt`, `create`, `end`, `list`, `show`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli import endings
from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.cli.run import watched
from crossdock.cli.values import Pair, mapping

if TYPE_CHECKING:
    from crossdock.hub.offers import ListedOffer, OfferResult, Selection

Command = TypeVar("Command", bound=Callable[..., Any])
SHOWN = 100  # results that people see one by one; --json has all


@click.group(cls=Group)
def offers() -> None:
    """Say what is listed where, link what is listed already, and see what each platform was told."""


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


def _selection(command: Command) -> Command:
    """Give a command the options that say which products are meant."""
    for option in reversed(
        (
            click.option("--sku", "skus", multiple=True, help="This product; may be given many times."),
            click.option("--file", type=click.Path(path_type=Path), help="CSV, TSV or JSON lines with a column sku."),
            click.option("--category", default="", metavar="NAME", help="Your own category, with all below it."),
            click.option("--search", default="", metavar="TEXT", help="A part of SKU or name."),
            click.option("--where", type=Pair("attribute=value"), multiple=True, help="An attribute has this value."),
            click.option("--all", "everything", is_flag=True, help="All of the catalogue."),
            click.option("--market", metavar="CODE", help="Of the offers file, where there are several."),
            click.option("--plan", is_flag=True, help="Say what would happen, and change nothing."),
        )
    ):
        command = option(command)
    return command


@offers.command(epilog='Example: crossdock offers create shop-pl --category "Buty" --where brand=Example --plan')
@click.argument("account")
@_selection
@click.pass_obj
def create(app: App, /, account: str, market: str | None, plan: bool, **which: Any) -> None:
    """List products: from now on they stand in the account's offers file.

    Name SKUs or a file, or what all products that are meant have in common. An offer that ended is listed again.
    The exit code is 1 if a SKU is unknown.
    """
    with app.hub() as hub:
        _tell(app, account, hub.offers.create(account, _which(which), market=market, plan=plan), plan)


@offers.command(epilog="Example: crossdock offers end shop-pl --sku SHIRT-M")
@click.argument("account")
@_selection
@click.pass_obj
def end(app: App, /, account: str, market: str | None, plan: bool, **which: Any) -> None:
    """End offers: they leave the account's offers file, and nothing of them can be sold there any more."""
    with app.hub() as hub:
        _tell(app, account, hub.offers.end(account, _which(which), market=market, plan=plan), plan)


def _which(given: dict[str, Any]) -> Selection:
    from crossdock.hub.offers import Selection

    return Selection(**{**given, "where": mapping(given["where"], "--where")})


def _tell(app: App, account: str, results: Sequence[OfferResult], plan: bool) -> None:
    from crossdock.hub.offers import Done

    rows = [{"sku": result.sku, "done": result.done, "offer_id": result.offer_id} for result in results]
    app.show(rows if app.json else rows[:SHOWN], "sku", "done", "offer_id")
    counts = Counter(result.done for result in results)
    said = ", ".join(f"{number} {done.value}" for done, number in sorted(counts.items())) or "no product fits"
    app.say(f"{account}: {said}" + ("; nothing was written." if plan else "."))
    if counts[Done.UNKNOWN]:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


@offers.command(epilog="Example: crossdock offers show shop-pl SHIRT-M")
@click.argument("account")
@click.argument("sku")
@click.pass_obj
def show(app: App, account: str, sku: str) -> None:
    """Show all offers of a product in an account."""
    with app.hub() as hub:
        rows = [_offer(found) for found in hub.offers.show(account, sku)]
    app.show(rows, "id", "market", "scope", "state", "ended_at", "remote_id", "price", "stock", "level", "words")


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
    app.show(rows, "id", "sku", "market", "scope", "state", "remote_id", "price", "stock", "level", "words")


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
        "ended_at": offer.ended_at,
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
