"""Accounts: `account add`, `list`, `show`, `set`, `test`, and what each may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from crossdock.cli.app import App
from crossdock.cli.commands import Group
from crossdock.cli.values import MOMENT, Pair, mapping, typed
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.store.accounts import AccountRow
    from crossdock.hub import Hub

Given = Mapping[str, str]


@click.group(cls=Group)
def account() -> None:
    """Connect accounts to platforms, and say what each may do.

    A new account does nothing by itself and writes nothing: enable what it is to do, and arm it when it may write.
    """


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which settings are given."""
    pair, file = Pair("field=value"), Pair("field=file")
    for option in (
        click.option("--option", "options", type=pair, multiple=True, help="One of crossdock's own, e.g. vat_rate=23."),
        click.option(
            "--read",
            "files",
            type=file,
            multiple=True,
            help="A setting from the first line of a file; - is standard input.",
        ),
        click.option("--set", "settings", type=pair, multiple=True, help="One of the platform's settings."),
    ):
        command = option(command)
    return command


def _given(settings: tuple[tuple[str, str], ...], files: tuple[tuple[str, str], ...]) -> Given:
    """Return settings that were typed and those that stand in files, so that no secret must be typed."""
    return mapping((*settings, *((name, _first_line(name, path)) for name, path in files)), "--set or --read")


def _first_line(name: str, path: str) -> str:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            opened: IO[str] = file
            return opened.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} cannot be read from {path}: {error}.") from None


# --- adding and setting ----------------------------------------------------------------------------------------------


@account.command(epilog="Example: crossdock account add miinto shop-pl --set identifier=seller@example.com")
@click.argument("platform")
@click.argument("name")
@settings_options
@click.pass_obj
def add(app: App, platform: str, name: str, settings: Any, files: Any, options: Any) -> None:
    """Add an account of a platform under a name of yours.

    On a terminal it asks for the settings that are needed and were not given; secrets are not shown. Elsewhere
    everything that is missing or wrong is said at once. Lists and mappings are written in JSON.
    """
    from crossdock.core.config import Options, describe

    with app.hub() as hub:
        fields = hub.accounts.fields(platform)
        given = dict(_given(settings, files))
        if app.interactive:
            given |= {field.name: app.ask(field) for field in fields if field.required and field.name not in given}
        chosen = typed(mapping(options, "--option"), describe(Options))
        row = hub.accounts.add(platform, name, _without_none(typed(given, fields)), _without_none(chosen))
    whither = "a stand-in on this machine" if row.rehearsal else "the platform"
    app.done(
        f"Account {name} is added: it speaks with {whither}, does nothing by itself and writes nothing. "
        f"Try it: crossdock account test {name}",
        _account(row),
    )


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@account.command("set", epilog="Example: crossdock account set shop-pl --ask secret --option vat_rate=23")
@click.argument("name")
@settings_options
@click.option("--ask", "asked", metavar="FIELD", multiple=True, help="Ask for this setting; secrets are not shown.")
@click.pass_obj
def set_(app: App, name: str, settings: Any, files: Any, options: Any, asked: tuple[str, ...]) -> None:
    """Change some settings or options of an account and leave the others.

    An empty value takes a setting back to its default. An account that changes over between a platform and a stand-in
    on this machine is disarmed.
    """
    from crossdock.core.config import Options, describe

    with app.hub() as hub:
        before = hub.accounts.get(name)
        fields = hub.accounts.fields(before.platform)
        given = dict(_given(settings, files))
        by_name = {field.name: field for field in fields}
        for field in asked:
            if field not in by_name:
                raise ConfigError(f"There is no setting {field!r}.", advice=f"Here are: {', '.join(by_name)}.")
            given[field] = app.ask(by_name[field])
        chosen = typed(mapping(options, "--option"), describe(Options))
        row = hub.accounts.set(name, typed(given, fields), chosen)
    disarmed = " It is disarmed, because it speaks with somebody else now." if before.armed and not row.armed else ""
    app.done(f"Account {row.name} is changed.{disarmed}", _account(row))


@account.command(epilog="Example: crossdock account rename shop-pl poland")
@click.argument("name")
@click.argument("new_name")
@click.pass_obj
def rename(app: App, name: str, new_name: str) -> None:
    """Give an account another name; everything else stays."""
    with app.hub() as hub:
        app.done(f"Account {name} is called {new_name} now.", _account(hub.accounts.rename(name, new_name)))


@account.command(epilog="Example: crossdock account remove shop-pl --yes")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(app: App, name: str, yes: bool) -> None:
    """Remove an account with its secrets, switches and schedules; its orders stay."""
    with app.hub() as hub:
        row = hub.accounts.get(name)
        app.confirm(f"Remove account {row.name} with its secrets, switches and schedules?", yes=yes)
        hub.accounts.remove(row.id)
    app.done(f"Account {row.name} is removed.", _account(row))


# --- looking ---------------------------------------------------------------------------------------------------------


@account.command("list", epilog="Example: crossdock account list --json")
@click.pass_obj
def list_(app: App) -> None:
    """List the accounts."""
    with app.hub() as hub:
        rows = [_account(row) for row in hub.accounts.list()]
    app.show(rows, "name", "platform", "rehearsal", "armed", "switches", "stopped_because")


@account.command(epilog="Example: crossdock account show shop-pl")
@click.argument("name")
@click.pass_obj
def show(app: App, name: str) -> None:
    """Show one account: switches, settings (secrets only as set or missing), options, what its platform can do."""
    with app.hub() as hub:
        found = hub.accounts.show(name)
    app.show(
        _account(found.account)
        | {
            "title": found.title,
            "kind": found.kind,
            "markets": [market.code for market in found.markets],
            "verbs": found.verbs,
            "settings": found.settings,
            "options": found.options,
            "gaps": [{"what": gap.what, "kind": gap.kind, "reason": gap.reason} for gap in found.gaps],
        }
    )


@account.command(epilog="Example: crossdock account test shop-pl")
@click.argument("name")
@click.pass_obj
def test(app: App, name: str) -> None:
    """Try an account's credentials, and say what they open."""
    with app.hub() as hub:
        words = hub.accounts.test(name)
    app.done(words, {"account": name, "words": words})


def _account(row: AccountRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "platform": row.platform,
        "rehearsal": row.rehearsal,
        "armed": row.armed,
        "switches": row.switches,
        "orders_not_before": row.orders_not_before,
        "stopped_because": row.stopped_because,
        "stopped_at": row.stopped_at,
        "created_at": row.created_at,
    }


# --- switching -------------------------------------------------------------------------------------------------------


@account.command(epilog="Example: crossdock account enable shop-pl orders --not-before 2026-03-01")
@click.argument("name")
@click.argument("switch")
@click.option("--not-before", type=MOMENT, metavar="WHEN", help="Orders placed before are not taken in.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def enable(app: App, name: str, switch: str, not_before: datetime | None, yes: bool) -> None:
    """Switch something on: orders, accept, decline, stock, prices or feed.

    Orders need --not-before the first time; then the orders that would come are counted, and on a terminal you are
    asked.
    """
    with app.hub() as hub:
        if switch == "orders" and not_before is not None:
            app.confirm(_preview(app, hub, name, not_before), yes=yes)
        row = hub.accounts.enable(name, switch, not_before)
    app.done(f"Account {row.name}: {switch} switched on.{_unarmed(row, switch)}", _account(row))


def _preview(app: App, hub: Hub, name: str, not_before: datetime) -> str:
    preview = hub.accounts.preview_orders(name, not_before)
    number = f"{preview.orders}" if preview.complete else f"At least {preview.orders}"
    app.warn(f"{number} order(s) placed since {not_before.astimezone():%Y-%m-%d %H:%M} would come.")
    return f"Switch orders of {name} on?"


def _unarmed(row: AccountRow, switch: str) -> str:
    if row.armed or switch in ("orders", "feed"):
        return ""
    return f" Nothing is written before it is armed: crossdock account arm {row.name}"


@account.command(epilog="Example: crossdock account disable shop-pl stock")
@click.argument("name")
@click.argument("switch")
@click.pass_obj
def disable(app: App, name: str, switch: str) -> None:
    """Switch something off."""
    with app.hub() as hub:
        row = hub.accounts.disable(name, switch)
    app.done(f"Account {row.name}: {switch} switched off.", _account(row))


@account.command(epilog="Example: crossdock account arm shop-pl")
@click.argument("name")
@click.pass_obj
def arm(app: App, name: str) -> None:
    """Allow an account to write to its platform, after its credentials were tried."""
    with app.hub() as hub:
        row = hub.accounts.arm(name)
    app.done(f"Account {row.name} is armed: what is switched on may write to its platform.", _account(row))


@account.command(epilog="Example: crossdock account disarm shop-pl")
@click.argument("name")
@click.pass_obj
def disarm(app: App, name: str) -> None:
    """Let an account write nothing more to its platform; reading goes on."""
    with app.hub() as hub:
        row = hub.accounts.disarm(name)
    app.done(f"Account {row.name} is disarmed: nothing more is written to its platform.", _account(row))


@account.command(epilog="Example: crossdock account resume shop-pl")
@click.argument("name")
@click.pass_obj
def resume(app: App, name: str) -> None:
    """Let a stopped account run again, after its credentials were tried."""
    with app.hub() as hub:
        row = hub.accounts.resume(name)
    app.done(f"Account {row.name} runs again.", _account(row))
