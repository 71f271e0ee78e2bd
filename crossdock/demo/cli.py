"""The command `crossdock demo`."""

from __future__ import annotations

import json
import logging
import os
import sys
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from crossdock.core.errors import ConfigError

DIFFERS = 1
DAY_FAULTS = 1  # the seed of the day's faults where none is given
FILES_ONLY = ("floor", "keep_open", "ledger", "stock", "book")


class OutputFile(click.Path):
    """A file to be written in a folder that is there; a long replay must not end without its ledger."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        path: Any = super().convert(value, param, ctx)
        if not os.access(path.parent, os.W_OK):
            self.fail(f"Nothing can be written into the folder {str(path.parent)!r}.", param, ctx)
        return path


INPUT, OUTPUT = click.Path(dir_okay=False, exists=True, path_type=Path), OutputFile()


class Share(click.ParamType[Decimal | None]):
    """A share above zero, such as 0.97, or off."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal | None:
        """Read it."""
        if value is None or isinstance(value, Decimal):
            return value
        try:
            share = Decimal(value)
        except InvalidOperation:
            share = Decimal("NaN")
        if not (share.is_finite() and 0 < share <= 10):
            self.fail(f"{value!r} is no share such as 0.97.", param, ctx)
        return share


@click.command(
    epilog="Example: crossdock demo --catalog products.csv --orders orders.csv --floor 0.97 --ledger out.csv"
)
@click.option("--catalog", type=INPUT, help="Play these goods: any file that `catalog import` accepts.")
@click.option("--orders", type=INPUT, help="Play these orders: a file with the columns of Online Retail.")
@click.option("--floor", type=Share(), help="Least share of the catalogue's price at which a position is accepted.")
@click.option("--rivals", type=int, default=1, show_default=True, metavar="SEED", help="Who else sells.")
@click.option("--faults", type=int, metavar="SEED", help="Let the marketplace misbehave at random.")
@click.option("--keep-open", is_flag=True, help="Ship nothing.")
@click.option("--ledger", type=OUTPUT, help="Gets what became of each position, as CSV.")
@click.option("--stock", type=OUTPUT, help="Gets the stock of each SKU in the end, as CSV.")
@click.option("--book", type=OUTPUT, help="Gets the marketplace's own book, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def demo(context: click.Context, /, as_json: bool, catalog: Path | None, orders: Path | None, **options: Any) -> None:
    """Watch one seller's day against a marketplace on this machine, or replay a file of orders.

    Nothing leaves the machine, and nothing stays on it but the files that are asked for. The exit code is 1 where hub
    and marketplace do not agree in the end. docs/demo.md has the rules.
    """
    as_json = as_json or bool(getattr(context.obj, "json", False))
    if not getattr(context.obj, "verbose", False):
        # What goes wrong on purpose is part of the story and told there.
        logging.getLogger("crossdock").addHandler(logging.NullHandler())
    if (catalog is None) != (orders is None):
        raise click.UsageError("--catalog and --orders go together.")
    if catalog is None or orders is None:
        given = [name for name in FILES_ONLY if options[name]]
        if given:
            raise click.UsageError(f"--{given[0].replace('_', '-')} needs --catalog and --orders.")
        agrees = _day(options["rivals"], options["faults"], as_json=as_json)
    else:
        agrees = _replay(catalog, orders, as_json=as_json, **options)
    if not agrees:
        context.exit(DIFFERS)


def _day(rivals: int, faults: int | None, *, as_json: bool) -> bool:
    day = _module("day")
    tell = _nobody if as_json else click.echo
    evening = day.play(rivals=rivals, faults=DAY_FAULTS if faults is None else faults, tell=tell)
    if as_json:
        click.echo(json.dumps(evening.as_dict()))
    else:
        click.echo("\n".join(day.report(evening)))
    return bool(evening.agrees)


def _module(name: str) -> Any:
    """Import what plays; the twins' libraries may not be installed."""
    try:
        return import_module(f"crossdock.demo.{name}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The demo needs {error.name}.", advice="Install it: pip install 'crossdock[twins]'."
        ) from error


def _nobody(line: str) -> None:
    """Hear the story where nobody listens."""


def _replay(
    catalogue: Path,
    orders: Path,
    *,
    as_json: bool,
    ledger: Path | None,
    stock: Path | None,
    book: Path | None,
    **settings: Any,
) -> bool:
    replay = _module("replay")
    chosen = replay.Settings(catalogue=catalogue, orders=orders, **settings)
    with click.progressbar(length=1, label="Playing", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        result = replay.play(chosen, progress)
    replay.write(result, ledger_file=ledger, stock_file=stock, book_file=book)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    else:
        click.echo("\n".join(replay.report(result)))
    return bool(result.agrees)
