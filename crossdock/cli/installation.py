"""The installation as a whole: `init`, `upgrade`, `key`, `plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossdock.cli.app import CONFIG_FILE, App
from crossdock.cli.commands import Command, Group

if TYPE_CHECKING:
    from crossdock.hub.plugins import InstalledPlugin


@click.command(cls=Command, epilog="Example: crossdock init shop --database sqlite:///shop.sqlite")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--database", metavar="URL", help="SQLAlchemy URL; by default a SQLite file in the folder.")
@click.option("--key", metavar="REF", help="A key that is there already: file:PATH or env:NAME.")
@click.pass_obj
def init(app: App, folder: Path | None, database: str | None, key: str | None) -> None:
    """Set up an installation in a folder, by default this one.

    It makes crossdock.toml, the database and the key for secrets. Nothing is overwritten, and what fails leaves
    nothing behind.
    """
    import crossdock

    if folder is None and app.config.name != CONFIG_FILE.name:
        raise click.UsageError(f"An installation's file is called {CONFIG_FILE}: name the folder, not {app.config}.")
    with crossdock.init(folder or app.config.parent, database, key) as hub:
        installation = hub.installation
    made = {"config": str(installation.folder / CONFIG_FILE), "key": installation.key}
    app.done(f"{made['config']} is set up. Keep a copy of its key ({installation.key}): it opens the secrets.", made)


@click.command(cls=Command, epilog="Example: crossdock upgrade")
@click.pass_obj
def upgrade(app: App) -> None:
    """Bring the database to what this version of crossdock needs.

    Make a copy of the database and stop every other crossdock process before.
    """
    from crossdock.hub import upgrade as bring_up_to_date

    changed = bring_up_to_date(app.config)
    app.done("The database is up to date now." if changed else "Nothing was to be done.", {"changed": changed})


@click.group(cls=Group)
def key() -> None:
    """Change the key that seals secrets, or replace a lost one."""


@key.command(epilog="Example: crossdock key rotate")
@click.pass_obj
def rotate(app: App) -> None:
    """Seal all secrets with a new key.

    Afterwards start other crossdock processes again. A key in the environment is yours to make: put the new one
    before the old one there, on a line of its own.
    """
    with app.hub() as hub:
        name = hub.rotate_key()
        app.done(f"Secrets are sealed with key {name} now ({hub.installation.key}).", {"key": name})


@key.command(epilog="Example: crossdock key lost --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def lost(app: App, yes: bool) -> None:
    """Put a new key in force where the old one is lost.

    What the old key sealed is gone: all accounts are disarmed and stopped until their secrets are entered again.
    """
    from crossdock.hub import replace_lost_key

    app.confirm("The secrets of all accounts are dropped. Go on?", yes=yes)
    names = replace_lost_key(app.config)
    app.done("A new key is in force.", {"accounts": names})
    for name in names:
        app.say(f"Enter the secrets of {name} again: crossdock account set {name} --ask FIELD, then account resume.")


@click.command(cls=Command, epilog="Example: crossdock plugins miinto --json")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_obj
def plugins(app: App, names: tuple[str, ...]) -> None:
    """List the platforms that are installed, with what each can do, or why it cannot be used.

    With --json the settings that an account needs are listed too.
    """
    from crossdock.hub.plugins import list_plugins

    app.show([_plugin(plugin) for plugin in list_plugins(names)], "name", "title", "kind", "verbs", "fault")


def _plugin(plugin: InstalledPlugin) -> dict[str, object]:
    loaded = plugin.loaded
    return {
        "name": plugin.name,
        "title": loaded.facts.title if loaded else None,
        "kind": loaded.facts.kind if loaded else None,
        "contract": loaded.facts.contract if loaded else None,
        "source": loaded.source if loaded else None,
        "verbs": loaded.verbs if loaded else (),
        "markets": [market.code for market in loaded.facts.markets] if loaded else [],
        "gaps": loaded.facts.gaps if loaded else (),
        "settings": plugin.settings,
        "fault": plugin.fault or None,
    }
