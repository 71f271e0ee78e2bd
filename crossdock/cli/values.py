"""What people type: moments, durations, `name=value`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.config import FieldHelp

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Moment(click.ParamType[datetime]):
    """A date, a moment in ISO 8601, or `now`; without an offset it is meant in this machine's time zone."""

    name = "when"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        """Return the moment in UTC."""
        if isinstance(value, datetime):
            return value
        if value == "now":
            return datetime.now(UTC)
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment; write 2026-03-01, 2026-03-01T08:30+01:00 or now.", parameter, context)


class Duration(click.ParamType[int]):
    """A number of seconds, minutes, hours or days."""

    name = "duration"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Return whole seconds."""
        match = re.fullmatch(r"([0-9]{1,9})([smhd])", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration; write 30s, 5m, 3h or 1d.", parameter, context)
        return int(match[1]) * SECONDS[match[2]]


class Pair(click.ParamType[tuple[str, Any]]):
    """A name and a value with an equals sign between them."""

    def __init__(self, name: str = "name=value") -> None:
        self.name = name

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[str, Any]:
        """Return name and value."""
        if isinstance(value, tuple):
            return value
        name, equals, rest = str(value).partition("=")
        if not (name and equals):
            # What was typed is not repeated: it may be a secret.
            self.fail(f"Write it as {self.name}.", parameter, context)
        return name.strip(), rest


class Renaming(Pair):
    """The name of a column in a file, and the one that it is to have; the first may hold equals signs of its own."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[str, str]:
        """Return the name that it is to have, and the file's."""
        if isinstance(value, tuple):
            return value
        theirs, _, ours = str(value).rpartition("=")
        if not (theirs.strip() and ours.strip()):
            self.fail(f"{value!r} names no two columns; write {self.name}.", parameter, context)
        return ours.strip().lower(), theirs.strip()


class Units(Pair):
    """A name and a whole number above zero."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[str, int]:
        """Return name and number."""
        if isinstance(value, tuple):
            return value
        name, number = super().convert(value, parameter, context)
        if not (number.isascii() and number.isdecimal()) or not int(number):
            self.fail(f"{value!r} has no whole number above zero; write {self.name}.", parameter, context)
        return name, int(number)


MOMENT, DURATION = Moment(), Duration()


def mapping(pairs: Iterable[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Return pairs as a mapping.

    Raises:
        ConfigError: a name was given twice.
    """
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in given:
            raise ConfigError(f"{option} names {name} twice.", advice="Give it once.")
        given[name] = value
    return given


def typed(given: Mapping[str, str], fields: Sequence[FieldHelp]) -> dict[str, Any]:
    """Return settings as their model takes them: lists and mappings are read as JSON, an empty value means none.

    Raises:
        ConfigError: naming every value that is no JSON where it has to be.
    """
    structured = {field.name for field in fields if field.type.startswith(("dict", "tuple", "list"))}
    values: dict[str, Any] = {}
    faults = []
    for name, value in given.items():
        try:
            values[name] = _json(value) if name in structured and value else value or None
        except ValueError:
            faults.append(f'{name}: write it in JSON, such as ["one", "two"] or {{"name": "value"}}')
    if faults:
        raise ConfigError(f"{len(faults)} value(s) cannot be read.", faults=faults)
    return values


def _json(text: str) -> Any:
    # A float would lose digits; settings take decimal numbers as text.
    return json.loads(text, parse_float=str)
