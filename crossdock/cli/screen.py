"""Printing: tables and local time on a terminal, tab-separated values and UTC in a pipe, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import click

Row = Mapping[str, Any]


def is_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def show(document: Any, columns: Sequence[str] = (), *, as_json: bool = False) -> None:
    """Print a document.

    Args:
        document: a mapping (a record; lists of mappings in it become tables of their own) or a list of mappings.
        columns: of a list, which ones people see; by default all.
        as_json: print all of it as one JSON document.
    """
    if as_json:
        click.echo(json.dumps(plain(document), ensure_ascii=False, indent=2))
    elif isinstance(document, Mapping):
        _show_record(document)
    else:
        _show_table(document, columns)


# --- values ----------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return a value as JSON has it: Decimals as text, times in ISO 8601, UTC."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(part) for name, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def text(value: Any, *, local: bool) -> str:
    """Return a value as people read it, on one line; `local` shows time in this machine's zone, to the second."""
    if isinstance(value, Mapping):
        shown = ((name, text(part, local=local)) for name, part in value.items())
        return ", ".join(f"{legible(str(name))}: {part}" for name, part in shown if part)
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return ", ".join(text(part, local=local) for part in value)
    if isinstance(value, datetime) and local:
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime | Decimal):
        value = plain(value)
    return "" if value is None else legible(str(value))


def legible(value: str, *, lines: bool = False) -> str:
    """Return text that cannot steer a terminal or break a line; `lines` keeps line ends."""
    kept = "\n" if lines else ""
    return "".join(letter if letter.isprintable() or letter in kept else _spelled(letter) for letter in value)


def _spelled(letter: str) -> str:
    return " " if letter.isspace() else letter.encode("unicode_escape").decode()


# --- records and tables ----------------------------------------------------------------------------------------------


def _show_record(record: Row) -> None:
    """Print the plain facts first, then each list of records under its name."""
    tables = {name: value for name, value in record.items() if _is_table(value)}
    facts = {name: value for name, value in record.items() if name not in tables}
    local = is_terminal()
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        title = _title(name).ljust(width + 2) if local else f"{name}\t"
        click.echo(f"{title}{text(value, local=local)}".rstrip())
    for name, rows in tables.items():
        click.echo(f"\n{_title(name) if local else name}")
        _show_table(rows, ())


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(row, Mapping) for row in value)


def _show_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    names = columns or tuple(rows[0] if rows else ())
    local = is_terminal()
    cells = [[text(row[name], local=local) for name in names] for row in rows]
    if not local:
        click.echo("\n".join("\t".join(line) for line in [list(names), *cells]))
    elif rows:
        _draw(names, cells)
    else:
        click.echo("None.")


def _draw(names: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*map(_title, names), box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for line in cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell, ""), overflow="fold") for cell in line))
    Console(file=sys.stdout, highlight=False).print(table)


STYLES = {
    **dict.fromkeys(("failed", "error", "unknown", "stopped"), "red"),
    **dict.fromkeys(("warning", "late", "parked"), "yellow"),
    **dict.fromkeys(("done", "won", "sent"), "green"),
}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
