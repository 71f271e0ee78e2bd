"""Offers: `offers adopt`, `create`, `edit`, `end`, `list`, `show`, `defaults`."""

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

GIVEN = click.option("--set", "given", type=Pair(), multiple=True, help="May be given many times.")
TAKEN = click.option("--unset", "taken", multiple=True, metavar="NAME", help="Take it back; may be given many times.")


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
            click.option(
                "--market",
                metavar="CODE",
                help="Of the offers file; if not given, that of `offers defaults`, or the first.",
            ),
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


@offers.command(epilog='Example: crossdock offers edit shop-pl --sku SHIRT-M --set "title=Linen shirt" --unset gender')
@click.argument("account")
@_selection
@GIVEN
@TAKEN
@click.pass_obj
def edit(
    app: App,
    /,
    account: str,
    market: str | None,
    plan: bool,
    given: tuple[tuple[str, str], ...],
    taken: tuple[str, ...],
    **which: Any,
) -> None:
    """Give fields of the offers file to listed offers by hand; they come before all rules of the mapping.

    They stay when an offer ends and is listed again; --unset leaves a field to the rules. Prices and stock are not
    given like this. The exit code is 1 if a SKU is unknown.
    """
    values = _values(given, taken)
    with app.hub() as hub:
        _tell(app, account, hub.offers.edit(account, _which(which), values, market=market, plan=plan), plan)


@offers.command(epilog="Example: crossdock offers end shop-pl --sku SHIRT-M")
@click.argument("account")
@_selection
@click.pass_obj
def end(app: App, /, account: str, market: str | None, plan: bool, **which: Any) -> None:
    """End offers: they leave the account's offers file, and nothing of them can be sold there any more."""
    with app.hub() as hub:
        _tell(app, account, hub.offers.end(account, _which(which), market=market, plan=plan), plan)


@offers.command(epilog="Example: crossdock offers defaults shop-pl --set multiplier=1.15 --unset price_group")
@click.argument("account")
@GIVEN
@TAKEN
@click.pass_obj
def defaults(app: App, account: str, given: tuple[tuple[str, str], ...], taken: tuple[str, ...]) -> None:
    """Show and set what counts for all that an account lists: those of the defaults that its platform knows.

    These are duration, offer_format, multiplier, price_group, market (where offers are listed if you name none) and
    description (an expression, as in a mapping). All that is given is set, or nothing.
    """
    values = _values(given, taken)
    with app.hub() as hub:
        found = hub.offers.set_defaults(account, values) if values else hub.offers.defaults(account)
    if app.json or any(found.values()):
        app.show({"account": account, **found})
    else:
        app.say(f"{account}: none is set. The platform knows {', '.join(found) or 'none'}.")


def _which(given: dict[str, Any]) -> Selection:
    from crossdock.hub.offers import Selection

    return Selection(**{**given, "where": mapping(given["where"], "--where")})


def _values(given: Sequence[tuple[str, str]], taken: Sequence[str]) -> dict[str, str | None]:
    return mapping([*given, *((name, None) for name in taken)], "--set or --unset")


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
    columns = "id market scope state ended_at remote_id price stock level by_hand words"
    app.show(rows, *columns.split())


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
        "by_hand": offer.own,
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
