"""Mapping: `mapping export`, `import`, `check`, `show`, and `mapping category`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.store.mapping import Difference
    from crossdock.hub.mapping import ShownField

SHOWN = 20  # lines of a difference that people see


@click.group(cls=Group)
def mapping() -> None:
    """Say how the fields of an account's offers files are filled, and where your categories lead.

    A mapping is one TOML file: export it, edit it, import it. docs/mapping.md describes it.
    """


@mapping.command(epilog="Example: crossdock mapping export shop-pl mapping.toml")
@click.argument("account")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def export(app: App, account: str, file: Path) -> None:
    """Write an account's whole mapping to a TOML FILE, or with - to standard output."""
    with app.hub() as hub:
        text = hub.mapping.export(account)
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
    app.done(f"{account}: the mapping is in {file}.", {"account": account, "file": str(file)})


@mapping.command("import", epilog="Example: crossdock mapping import shop-pl mapping.toml --plan")
@click.argument("account")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--plan", is_flag=True, help="Say what would change, and change nothing.")
@click.pass_obj
def import_(app: App, account: str, file: Path, plan: bool) -> None:
    """Make an account's mapping be what a TOML FILE says; what the file does not have is removed.

    Only what differs is written. A file with faults changes nothing, and all of them are told.
    """
    with app.hub() as hub:
        if str(file) == "-":
            found = hub.mapping.load(account, sys.stdin.buffer.read(), name="-", plan=plan)
        else:
            found = hub.mapping.import_file(account, file, plan=plan)
    _tell(app, account, found, plan)


def _tell(app: App, account: str, found: Difference, plan: bool = False) -> None:
    parts = {"added": found.added, "changed": found.changed, "removed": found.removed}
    if app.json:
        app.show({"account": account, "plan": plan, **parts})
        return
    lines = [f"{what}: {name}" for what, names in parts.items() for name in names]
    for line in lines[:SHOWN]:
        app.say(line)
    if len(lines) > SHOWN:
        app.say(f"and {len(lines) - SHOWN} more")
    counts = ", ".join(f"{len(names)} {what}" for what, names in parts.items())
    app.say(f"{account}: {counts}" + ("; nothing was written." if plan else "."))


@mapping.command(epilog="Example: crossdock mapping check shop-pl")
@click.argument("account")
@click.pass_obj
def check(app: App, account: str) -> None:
    """Say what is to be mended before offers go out; the exit code is 1 if anything is.

    Told are required fields that nothing fills, rules for fields that do not exist, values of your catalogue that a
    look-up table does not have, and categories that lead nowhere.
    """
    with app.hub() as hub:
        found = hub.mapping.check(account)
    if app.json or found:
        rows = [{"what": item.what, "name": item.name, "message": item.message} for item in found]
        app.show(rows, "what", "name", "message")
    else:
        app.say(f"{account}: nothing is to be mended.")
    if found:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


@mapping.command(epilog="Example: crossdock mapping show shop-pl SHIRT-M")
@click.argument("account")
@click.argument("sku")
@click.option("--market", metavar="CODE", help="Of the offers file, where there are several.")
@click.pass_obj
def show(app: App, account: str, sku: str, market: str | None) -> None:
    """Show what rules and prices make of a product: each field, which rule gave it, and what was tried before."""
    with app.hub() as hub:
        rows = [_field(field) for field in hub.mapping.show(account, sku, market=market)]
    app.show(rows, "field", "value", "origin", "tried", "fault")


def _field(field: ShownField) -> dict[str, Any]:
    return {
        "field": field.field,
        "required": field.required,
        "value": field.value,
        "origin": field.origin,
        "tried": "; ".join(f"{tried.origin}: {tried.why}" for tried in field.tried if not tried.value),
        "fault": field.fault,
    }


@mapping.group(cls=Group)
def category() -> None:
    """Say which of the platform's categories you use, and where your own categories and products lead."""


PRODUCT = click.option("--product", is_flag=True, help="OWN is the code of a product (or the SKU of one without).")


@category.command("list", epilog="Example: crossdock mapping category list shop-pl")
@click.argument("account")
@click.pass_obj
def list_(app: App, account: str) -> None:
    """List the platform's categories that you use, and your links."""
    with app.hub() as hub:
        content = hub.mapping.read(account)
    app.show(
        {
            "favourites": [{"category": name, "path": path} for name, path in content.favourites.items()],
            "links": [
                {"kind": kind, "own": own, "category": name} for (kind, own), name in sorted(content.links.items())
            ],
        }
    )


@category.command(epilog='Example: crossdock mapping category add shop-pl "Shoes > Sneakers"')
@click.argument("account")
@click.argument("category")
@click.option("--path", default="", metavar="TEXT", help="As people read it; by default the category itself.")
@click.pass_obj
def add(app: App, account: str, category: str, path: str) -> None:
    """Remember a CATEGORY of the platform as one that you use."""
    with app.hub() as hub:
        _tell(app, account, hub.mapping.favour(account, category, path))


@category.command(epilog='Example: crossdock mapping category remove shop-pl "Shoes > Sneakers"')
@click.argument("account")
@click.argument("category")
@click.pass_obj
def remove(app: App, account: str, category: str) -> None:
    """Forget that you use a CATEGORY of the platform; links to it stay."""
    with app.hub() as hub:
        _tell(app, account, hub.mapping.unfavour(account, category))


@category.command(epilog='Example: crossdock mapping category link shop-pl "Buty/Sportowe" "Shoes > Sneakers"')
@click.argument("account")
@click.argument("own")
@click.argument("category")
@PRODUCT
@click.pass_obj
def link(app: App, account: str, own: str, category: str, product: bool) -> None:
    """Lead your OWN category, with all below it, to a CATEGORY of the platform."""
    from crossdock.core.store.mapping import LinkKind

    with app.hub() as hub:
        kind = LinkKind.PRODUCT if product else LinkKind.CATEGORY
        _tell(app, account, hub.mapping.link(account, own, category, kind=kind))


@category.command(epilog='Example: crossdock mapping category unlink shop-pl "Buty/Sportowe"')
@click.argument("account")
@click.argument("own")
@PRODUCT
@click.pass_obj
def unlink(app: App, account: str, own: str, product: bool) -> None:
    """Forget where your OWN category, or a product, leads."""
    from crossdock.core.store.mapping import LinkKind

    with app.hub() as hub:
        kind = LinkKind.PRODUCT if product else LinkKind.CATEGORY
        _tell(app, account, hub.mapping.unlink(account, own, kind=kind))
