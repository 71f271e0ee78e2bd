"""What every command has in common: the global options, late import, and what becomes of an error."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from crossdock.cli.app import App
from crossdock.core.errors import CrossdockError

HOME = Path(__file__).parents[2]
INTERRUPTED = 130

Sections = Mapping[str, Mapping[str, tuple[str, str]]]


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    app = context.ensure_object(App)
    if value:
        setattr(app, str(parameter.name), value)


def _global_options(*, hidden: bool) -> list[click.Parameter]:
    """Return the options that may stand anywhere on the line; below the top, help shows only what concerns output."""
    common: dict[str, Any] = {"expose_value": False, "callback": _keep}
    config = click.Option(
        ["--config"],
        type=click.Path(dir_okay=False, path_type=Path),
        envvar=None if hidden else "CROSSDOCK_CONFIG",
        show_envvar=True,
        help="The installation; crossdock.toml in this folder by default.",
        hidden=hidden,
        **common,
    )
    json = click.Option(["--json"], is_flag=True, help="Print one JSON document.", **common)
    verbose = click.Option(
        ["--verbose"], is_flag=True, help="Tell on standard error what goes on.", hidden=hidden, **common
    )
    return [config, json, verbose]


class Command(click.Command):
    """A command that takes the global options as well."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params += _global_options(hidden=True)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, top: bool = False, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params += _global_options(hidden=not top)

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names in the order in which they were written down."""
        return list(self.commands)


class Main(Group):
    """The top of the tree: knows its commands by name, and imports the one that is called.

    Args:
        sections: by heading and name, where a command is ("module:attribute") and what it does, for help.
    """

    def __init__(self, *arguments: Any, sections: Sections, **more: Any) -> None:
        super().__init__(*arguments, top=True, **more)
        self._sections = {
            heading: {name: place for name, place in commands.items() if _is_there(place[0])}
            for heading, commands in sections.items()
        }

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names in the order of help."""
        return [name for commands in self._sections.values() for name in commands]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        for commands in self._sections.values():
            if name in commands:
                module, _, attribute = commands[name][0].partition(":")
                command: click.Command = getattr(import_module(module), attribute)
                return command
        return None

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; who mistypes one is told which are close."""
        try:
            return super().resolve_command(context, arguments)
        except click.NoSuchCommand as error:
            possible = self.list_commands(context)
            raise click.NoSuchCommand(arguments[0], possibilities=possible, ctx=context) from error

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings, without importing any."""
        width = max(map(len, self.list_commands(context)))
        for heading, commands in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), what) for name, (_, what) in commands.items()])

    def invoke(self, context: click.Context) -> Any:
        """Run a command; an error of ours becomes its text and exit code, and a bug stays a traceback."""
        try:
            context.ensure_object(App)
            return super().invoke(context)
        except CrossdockError as error:
            from crossdock.core.redaction import SECRETS

            click.echo(f"Error: {SECRETS.redact(str(error))}", err=True)
            context.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            context.exit(INTERRUPTED)


def _is_there(place: str) -> bool:
    """Whether a command's module is installed, told without importing it or the package around it."""
    module = place.partition(":")[0]
    return (HOME / module.replace(".", "/")).with_suffix(".py").is_file()
