"""Orders: `orders list`, `show`, and what a person decides about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli import endings
from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.cli.values import Units, mapping
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.store.orders import LineRow, OrderRow, OrderState
    from crossdock.hub import Hub


@click.group(cls=Group)
def orders() -> None:
    """Look at orders, take or decline proposals, ship, cancel, clear up what waits for you.

    A proposal is an order that is not yours yet: platforms such as Miinto give it to the shop that accepts first.
    """


# --- looking ---------------------------------------------------------------------------------------------------------


@orders.command("list", epilog="Example: crossdock orders list --parked --account shop-pl")
@click.option("--pending", is_flag=True, help="Only those with a position that waits for a decision.")
@click.option("--parked", is_flag=True, help="Only those that wait for a person.")
@click.option("--account", metavar="NAME", help="Only those of this account.")
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only in this state: open, done, lost, ...")
@click.option("--search", default="", metavar="TEXT", help="Only with this remote id or SKU, written exactly.")
@click.option("--before", type=int, metavar="ID", help="Only with lower numbers: the last one of the page before.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@click.pass_obj
def list_(
    app: App,
    pending: bool,
    parked: bool,
    account: str | None,
    states: tuple[str, ...],
    search: str,
    before: int | None,
    limit: int,
) -> None:
    """List orders, newest first."""
    with app.hub() as hub:
        found = hub.orders.list(
            account=account,
            pending=pending,
            parked=parked or None,
            states=_states(states),
            text=search,
            before=before,
            limit=limit,
        )
        names, own = hub.accounts.names(), _own_statuses(hub)
    rows = [_head(row, names[row.account], own) for row in found]
    app.show(rows, "id", "account", "market", "remote_id", "placed_at", "state", "parked", "total")


def _states(names: tuple[str, ...]) -> list[OrderState]:
    from crossdock.core.store.orders import OrderState

    unknown = sorted(set(names) - {state.value for state in OrderState})
    if unknown:
        raise ConfigError(f"There is no state {', '.join(unknown)}.", advice=f"Here are: {', '.join(OrderState)}.")
    return [OrderState(name) for name in names]


def _own_statuses(hub: Hub) -> Mapping[int | None, str]:
    return {status.id: status.name for status in hub.statuses.own()}


@orders.command(epilog="Example: crossdock orders show 12 --json")
@click.argument("number", type=int, metavar="ID")
@click.pass_obj
def show(app: App, number: int) -> None:
    """Show the whole story of one order.

    Lines with money and VAT, addresses, remote ids, what was sent and answered, the journal, and how the platform
    changed the order afterwards.
    """
    with app.hub() as hub:
        document = _story(hub, number)
    app.show(
        document,
        lines=("position", "sku", "name", "quantity", "price", "vat_rate", "state", "reason", "reserved", "shipped"),
        decisions=("made_at", "verb", "state", "request", "answer", "words"),
        journal=("at", "kind", "actor", "payload"),
        versions=("version", "at", "changed"),
    )


def _head(row: OrderRow, account: str, own: Mapping[int | None, str]) -> dict[str, Any]:
    from crossdock.core.model import Money

    amount = sum(line.price * (line.quantity - line.cancelled) for line in row.lines)
    return {
        "id": row.id,
        "account": account,
        "market": row.market,
        "remote_id": row.order.id.value,
        "state": row.state,
        "parked": row.parked_code,
        "parked_because": row.parked_because,
        "status": own.get(row.status_id),
        "platform_status": row.platform_status,
        "meaning": row.meaning,
        "placed_at": row.placed_at,
        "line_count": len(row.lines),
        "total": Money(amount=amount, currency=row.currency) if amount else None,
    }


def _story(hub: Hub, number: int) -> dict[str, Any]:
    found = hub.orders.show(number)
    row, told = found.order, found.order.order
    return _head(row, found.account, _own_statuses(hub)) | {
        "scope": row.scope,
        "seen_at": row.seen_at,
        "decided_at": row.decided_at,
        "changed_at": row.changed_at,
        "version": row.version,
        "comment": told.comment,
        "buyer": _parts(told.buyer),
        "billing": _parts(told.billing),
        "shipping": _parts(told.shipping),
        "delivery": _parts(told.delivery),
        "payment": _parts(told.payment),
        "lines": [_line(line, found.skus) for line in row.lines],
        "remote_ids": [_parts(remote_id) for remote_id in found.remote_ids],
        "decisions": [
            {
                "id": intent.id,
                "verb": intent.verb,
                "state": intent.state,
                "request": intent.request,
                "answer": intent.answer,
                "words": intent.words,
                "made_at": intent.made_at,
                "closed_at": intent.closed_at,
                "run": intent.run_id,
            }
            for intent in found.intents
        ],
        "journal": [
            {"id": entry.id, "at": entry.at, "kind": entry.kind, "actor": entry.actor, "payload": entry.payload}
            for entry in found.journal
        ],
        "versions": [
            {
                "version": change["version"],
                "at": change["at"],
                "changed": sorted(change["difference"]),
                "difference": change["difference"],
            }
            for change in found.versions
        ],
    }


def _parts(value: Any) -> dict[str, Any] | None:
    """Return the fields of a part of the vocabulary, or None where the platform does not tell it."""
    return None if value is None else {field.name: getattr(value, field.name) for field in fields(value)}


def _line(line: LineRow, skus: Mapping[int | None, str]) -> dict[str, Any]:
    from crossdock.core.model import Money

    net = None if line.net_price is None else Money(amount=line.net_price, currency=line.currency)
    return {
        "position": line.remote_id,
        "sku": skus.get(line.variant_id),
        "platform_sku": line.sku,
        "gtin": line.gtin,
        "product_id": line.product_id,
        "name": line.name,
        "quantity": line.quantity,
        "price": Money(amount=line.price, currency=line.currency),
        "vat_rate": line.vat_rate,
        "vat_source": line.vat_source,
        "net_price": net,
        "state": line.state,
        "reason": line.reason,
        "warehouse": line.warehouse,
        "reserved": line.reserved,
        "shipped": line.shipped,
        "cancelled": line.cancelled,
        "short": line.short,
    }


# --- deciding --------------------------------------------------------------------------------------------------------

POSITIONS = click.option(
    "--position", "positions", multiple=True, metavar="POSITION", help="Only this one; all undecided ones by default."
)
UNITS = click.option(
    "--units", type=Units("position=units"), multiple=True, help="So many of this position; all by default."
)


@orders.command(epilog="Example: crossdock orders accept 12 --position 7001")
@click.argument("number", type=int, metavar="ID")
@POSITIONS
@click.pass_obj
def accept(app: App, number: int, positions: tuple[str, ...]) -> None:
    """Take a proposal, or some of its positions, and tell the platform now.

    The goods must be in stock; the price floor does not apply, for you decide. Another shop may have been faster.
    """
    with app.hub() as hub:
        _tell_decided(app, hub, hub.orders.accept(number, positions))


@orders.command(epilog="Example: crossdock orders decline 12 --reason 'damaged'")
@click.argument("number", type=int, metavar="ID")
@POSITIONS
@click.option("--reason", default="declined by the seller", show_default=True, help="Why, in words.")
@click.pass_obj
def decline(app: App, number: int, positions: tuple[str, ...], reason: str) -> None:
    """Decline a proposal, or some of its positions, and tell the platform now."""
    with app.hub() as hub:
        _tell_decided(app, hub, hub.orders.decline(number, positions, reason=reason))


@orders.command(epilog="Example: crossdock orders resolve 12 ask")
@click.argument("number", type=int, metavar="ID")
@click.argument("how", type=click.Choice(["ask", "lost"]))
@click.pass_obj
def resolve(app: App, number: int, how: Any) -> None:
    """Settle an order whose outcome is unknown.

    ask: ask the platform again. lost: take your word that another shop got it; its units come free.
    """
    with app.hub() as hub:
        row = hub.orders.resolve(number, how)
        if how == "ask":
            _tell_decided(app, hub, row)
        else:
            _tell(app, hub, row)


def _tell_decided(app: App, hub: Hub, row: OrderRow) -> None:
    """Say how an order stands after the platform was told, and if that did not work, why."""
    _tell(app, hub, row)
    (run,) = hub.work.list(account=row.account, job="accept", limit=1)
    endings.complain(app, hub, run)
    if row.parked_because:
        app.warn(f"It is parked: {row.parked_because}")
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


# --- afterwards ------------------------------------------------------------------------------------------------------


@orders.command(epilog="Example: crossdock orders ship 12 --units 7001=1")
@click.argument("number", type=int, metavar="ID")
@UNITS
@click.pass_obj
def ship(app: App, number: int, units: tuple[tuple[str, int], ...]) -> None:
    """Note that goods left the warehouse: all that is open, or so many units of each position."""
    with app.hub() as hub:
        _tell(app, hub, hub.orders.ship(number, mapping(units, "--units") or None))


@orders.command(epilog="Example: crossdock orders cancel 12 --reason 'the buyer changed their mind'")
@click.argument("number", type=int, metavar="ID")
@UNITS
@click.option("--reason", required=True, help="Why, in words.")
@click.pass_obj
def cancel(app: App, number: int, units: tuple[tuple[str, int], ...], reason: str) -> None:
    """Cancel sold units here; the platform is told nothing.

    What was not shipped comes free, what was shipped comes back on hand.
    """
    with app.hub() as hub:
        _tell(app, hub, hub.orders.cancel(number, mapping(units, "--units") or None, reason=reason))


@orders.command(epilog="Example: crossdock orders unpark 12")
@click.argument("number", type=int, metavar="ID")
@click.pass_obj
def unpark(app: App, number: int) -> None:
    """Let a parked order go on after its cause was mended."""
    with app.hub() as hub:
        _tell(app, hub, hub.orders.unpark(number))


def _tell(app: App, hub: Hub, row: OrderRow) -> None:
    if app.json:
        app.show(_story(hub, row.id))
    else:
        lines = ", ".join(f"{line.sku or line.name} {line.state}" for line in row.lines)
        app.say(f"Order {row.id} is {row.state}: {lines}.")
