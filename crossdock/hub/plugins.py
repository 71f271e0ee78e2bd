"""What is installed: the platforms by name, each with what it can do or why it cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crossdock.core.config import FieldHelp, describe
from crossdock.core.connector import Loaded, installed, load
from crossdock.core.errors import PluginLoadError


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPlugin:
    """A platform's plugin; either `loaded`, with the settings it asks for, or `fault` says why it cannot be used."""

    name: str
    loaded: Loaded | None
    settings: tuple[FieldHelp, ...]
    fault: str


def list_plugins(names: Iterable[str] = ()) -> tuple[InstalledPlugin, ...]:
    """Load the named platforms, all that are installed by default; one that is broken does not hide the others."""
    return tuple(map(_look_at, names or installed()))


def _look_at(name: str) -> InstalledPlugin:
    try:
        loaded = load(name)
    except PluginLoadError as error:
        return InstalledPlugin(name=name, loaded=None, settings=(), fault=str(error))
    return InstalledPlugin(name=name, loaded=loaded, settings=describe(loaded.facts.settings), fault="")
