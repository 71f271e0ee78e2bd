"""Rehearsals: `twin`."""

from __future__ import annotations

import shlex
import threading
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import App
from crossdock.cli.commands import Command
from crossdock.core.errors import ConfigError, PluginLoadError

if TYPE_CHECKING:
    from crossdock.twins.kit import Twin

TWINS = "crossdock.twins"


@click.command(cls=Command, epilog="Example: crossdock twin miinto --port 8901")
@click.argument("name")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Where it listens; any free port by default.")
@click.pass_obj
def twin(app: App, name: str, port: int) -> None:
    """Be a platform on this machine, until Ctrl-C: an account that is given its address rehearses.

    It prints the address and the settings of such an account. Nothing leaves this machine, and nothing is kept.
    """
    platform = _load(name)
    from crossdock.twins.kit import serve

    try:
        with serve(platform.app, port) as url:
            settings = {"endpoint": url, **platform.settings()}
            options = " ".join(f"--set {shlex.quote(f'{field}={value}')}" for field, value in settings.items())
            how = f"crossdock account add {name} rehearsal {options}"
            app.done(f"{url} is {name} until Ctrl-C. To rehearse with it:\n{how}", {"url": url, "settings": settings})
            threading.Event().wait()
    except OSError as error:
        raise ConfigError(f"Port {port} cannot be used: {error.strerror}.", advice="Take another --port.") from None


def _load(name: str) -> Twin:
    from crossdock.core.connector import installed

    points = installed(TWINS)
    if name not in points:
        raise ConfigError(f"There is no twin {name!r}.", advice=f"Here are: {', '.join(points) or 'none'}.")
    try:
        found: Any = points[name][0].load()
    except ModuleNotFoundError as error:
        raise PluginLoadError(
            f"The twin {name!r} needs {error.name}.", advice="Install it: pip install 'crossdock[twins]'."
        ) from error
    twin: Twin = found()
    return twin
