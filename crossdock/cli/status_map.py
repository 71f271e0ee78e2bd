"""Statuses: `status-map list`, `set`, `remove`."""

from __future__ import annotations

import click

from crossdock.cli.app import App
from crossdock.cli.commands import Group

DIRECTION = click.argument("direction", metavar="in|out")


@click.group("status-map", cls=Group)
def status_map() -> None:
    """Say which of your statuses a platform's status is, and back.

    Where you say nothing, meanings count: each status of yours has one, and plugins give one to codes that are certain.
    """


@status_map.command("list", epilog="Example: crossdock status-map list shop-pl")
@click.argument("account")
@click.pass_obj
def list_(app: App, account: str) -> None:
    """List the statuses of an account's platform, your own, and what you said of them."""
    with app.hub() as hub:
        table = hub.statuses.table(account)
    app.show(
        {
            "platform": [
                {"code": code.code, "label": code.label, "meaning": code.meaning, "settable": code.settable}
                for code in table.platform
            ],
            "own": [{"name": own.name, "meaning": own.meaning, "colour": own.colour} for own in table.own],
            "maps": [{"direction": line.direction, "code": line.code, "status": line.status} for line in table.maps],
        }
    )


@status_map.command("set", epilog="Example: crossdock status-map set shop-pl in awaiting_payment Pending")
@click.argument("account")
@DIRECTION
@click.argument("code")
@click.argument("status")
@click.pass_obj
def set_(app: App, account: str, direction: str, code: str, status: str) -> None:
    """Let a platform's CODE lead to your STATUS (in), or your STATUS be told as that CODE (out).

    Orders that were parked for an unknown status go on with crossdock orders unpark.
    """
    with app.hub() as hub:
        hub.statuses.set(account, direction, code, status)
    said = f"{code} is {status}" if direction == "in" else f"{status} is told as {code}"
    app.done(f"{account}: {said}.", {"account": account, "direction": direction, "code": code, "status": status})


@status_map.command(epilog="Example: crossdock status-map remove shop-pl in awaiting_payment")
@click.argument("account")
@DIRECTION
@click.argument("code")
@click.pass_obj
def remove(app: App, account: str, direction: str, code: str) -> None:
    """Forget what you said of a platform's CODE in one direction; meanings count again."""
    with app.hub() as hub:
        hub.statuses.remove(account, direction, code)
    app.done(
        f"{account}: nothing is said of {code} any more.", {"account": account, "direction": direction, "code": code}
    )
