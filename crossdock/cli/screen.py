"""Printing: tables and local time on a terminal, tab-separated values and UTC in a pipe, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


def shows_progress() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty()


def show(
    document: Any,
    columns: Sequence[str] = (),
    sections: Mapping[str, Sequence[str]] | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Print a document.

    Args:
        document: a mapping (a record; lists of mappings in it become tables of their own) or a list of mappings.
        columns: of a list, which ones people see; by default all.
        sections: the same for the lists in a record, by name.
        as_json: print all of it as one JSON document.
    """
    if as_json:
        click.echo(json.dumps(plain(document), ensure_ascii=False, indent=2))
    elif isinstance(document, Mapping):
        _show_record(document, sections or {})
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
    """Return a value as people read it, on one line, time to the second; `local` shows it in this machine's zone."""
    if isinstance(value, Mapping):
        shown = ((name, text(part, local=local)) for name, part in value.items())
        return ", ".join(f"{legible(str(name))}: {part}" for name, part in shown if part)
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return ", ".join(text(part, local=local) for part in value)
    if isinstance(value, datetime):
        return (
            f"{value.astimezone():%Y-%m-%d %H:%M:%S}" if local else value.astimezone(UTC).isoformat(timespec="seconds")
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else legible(str(value))


def legible(value: str, *, lines: bool = False) -> str:
    """Return text that cannot steer a terminal or break a line; `lines` keeps line ends."""
    kept = "\n" if lines else ""
    return "".join(letter if letter.isprintable() or letter in kept else _spelled(letter) for letter in value)


def _spelled(letter: str) -> str:
    return " " if letter.isspace() else letter.encode("unicode_escape").decode()


# --- records and tables ----------------------------------------------------------------------------------------------


def _show_record(record: Row, sections: Mapping[str, Sequence[str]]) -> None:
    """Print the plain facts that are known first, then each list of records under its name."""
    local = is_terminal()
    tables = {name: value for name, value in record.items() if _is_table(value)}
    facts = ((name, text(value, local=local)) for name, value in record.items() if name not in tables)
    known = {name: fact for name, fact in facts if fact}
    width = max(map(len, known), default=0)
    for name, fact in known.items():
        click.echo(f"{_title(name).ljust(width + 2)}{fact}" if local else f"{name}\t{fact}")
    for name, rows in tables.items():
        click.echo(f"\n{_title(name) if local else name}")
        _show_table(rows, sections.get(name, ()))


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(row, Mapping) for row in value)


def _show_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    names = columns or tuple(rows[0] if rows else ())
    local = is_terminal()
    cells = [[text(row[name], local=local) for name in names] for row in rows]
    if not local:
        click.echo("\n".join("\t".join(line) for line in [list(names), *cells]))
    elif rows:
        _draw(cells, {name: any(isinstance(row[name], datetime) for row in rows) for name in names})
    else:
        click.echo("None.")


def _draw(cells: Iterable[Sequence[str]], columns: Mapping[str, bool]) -> None:
    """Draw a table; `columns` says of each whether it holds moments, which are never broken into lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name, whole in columns.items():
        table.add_column(_title(name), no_wrap=whole)
    for line in cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell, ""), overflow="fold") for cell in line))
    Console(file=sys.stdout, highlight=False).print(table)


ABBREVIATIONS = {"gtin", "id", "sku", "vat"}
STYLES = {
    **dict.fromkeys(("failed", "error", "unknown", "stopped"), "red"),
    **dict.fromkeys(("warning", "late", "parked"), "yellow"),
    **dict.fromkeys(("done", "won", "sent"), "green"),
}


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, float | None, str], None]]:
    """Give a function that moves a bar on standard error: how much is done, of how much if that is known, what.

    Where nobody watches it does nothing.
    """
    if not shows_progress():
        yield lambda done, total, message: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(legible(title)), total=None)
        yield lambda done, total, message: bar.update(
            task, completed=done, total=total, description=escape(legible(message or title))
        )


def _title(name: str) -> str:
    title = " ".join(word.upper() if word in ABBREVIATIONS else word for word in name.split("_"))
    return title[:1].upper() + title[1:]
