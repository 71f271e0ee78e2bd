"""The catalogue: `catalog import`, `list`, `show`, `bundle`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.cli.screen import progress_bar
from crossdock.cli.values import MOMENT, Pair, Units, mapping

if TYPE_CHECKING:
    from crossdock.core.store.catalog import VariantRow
    from crossdock.jobs.catalogue import ImportReport, Progress


@click.group(cls=Group)
def catalog() -> None:
    """Import and show what you sell: products, prices, quantities, bundles."""


@catalog.command("import", epilog="Example: crossdock catalog import products.csv --currency PLN --faults faults.csv")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--warehouse", default="main", show_default=True, help="Where the quantities were counted.")
@click.option("--currency", metavar="CODE", help="Currency of prices on rows that name none.")
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="Gets every fault, as CSV.")
@click.option("--as-of", type=MOMENT, metavar="WHEN", help="When the quantities were true; by default now.")
@click.option(
    "--column", "columns", type=Pair("name=column"), multiple=True, help='The file\'s own name of a column: sku="Item".'
)
@click.pass_obj
def import_(
    app: App,
    file: Path,
    warehouse: str,
    currency: str | None,
    faults: Path | None,
    as_of: datetime | None,
    columns: tuple[tuple[str, str], ...],
) -> None:
    """Read a catalogue from CSV, TSV or JSON lines, plain or gzipped, in UTF-8.

    Columns: sku and name, and as needed price, currency, quantity, gtin, product, vat_rate (or vat_rate_pl, by
    country) and bundle (SKU*2+SKU2); other columns are attributes. Rows with faults are left out and said; then the
    exit code is 1.
    """
    from crossdock.jobs.catalogue import ImportBroken

    named = mapping(columns, "--column")
    with app.hub() as hub:
        try:
            with _progress(file) as progress:
                report = hub.catalog.import_file(
                    file,
                    warehouse=warehouse,
                    columns=named,
                    currency=currency,
                    as_of=as_of,
                    faults_file=faults,
                    progress=progress,
                )
        except ImportBroken as broken:
            _tell_faults(app, broken.report, faults)
            raise
    _tell_faults(app, report, faults)
    counts = f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {report.failed} left out"
    app.done(f"{file}: {counts}.", report)
    if report.failed:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


@contextmanager
def _progress(file: Path) -> Iterator[Progress]:
    with progress_bar(f"reading {file}") as bar:
        yield lambda rows, share: bar(share, 1.0, f"reading {file}: {rows} rows")


def _tell_faults(app: App, report: ImportReport, faults: Path | None) -> None:
    for fault in report.faults:
        app.warn(str(fault))
    rows = len({fault.line for fault in report.faults})
    if rows < report.failed:
        where = f"{faults} has them all" if faults else "--faults FILE keeps them all"
        app.warn(f"and {report.failed - rows} more rows with faults; {where}.")


@catalog.command("list", epilog="Example: crossdock catalog list --search shirt --limit 20")
@click.option("--search", default="", metavar="TEXT", help="A part of SKU, name or GTIN.")
@click.option("--after", default="", metavar="SKU", help="Go on after this SKU.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@click.pass_obj
def list_(app: App, search: str, after: str, limit: int) -> None:
    """List what you sell, by SKU."""
    with app.hub() as hub:
        rows = [_variant(row) for row in hub.catalog.list(search=search, after=after, limit=limit)]
    app.show(rows, "sku", "name", "product", "gtin", "price", "vat_rates")


@catalog.command(epilog="Example: crossdock catalog show SHIRT-M")
@click.argument("sku")
@click.pass_obj
def show(app: App, sku: str) -> None:
    """Show one product variant, with the bundles that it makes or is part of."""
    with app.hub() as hub:
        found = hub.catalog.show(sku)
    app.show(_variant(found.variant) | {"parts": found.parts, "bundles": found.bundles})


@catalog.command(epilog="Example: crossdock catalog bundle SET SHIRT-M=1 SOCKS=2")
@click.argument("sku")
@click.argument("parts", type=Units("SKU=units"), nargs=-1, metavar="[SKU=UNITS]...")
@click.option("--none", "dissolve", is_flag=True, help="Make it an ordinary product again.")
@click.pass_obj
def bundle(app: App, sku: str, parts: tuple[tuple[str, int], ...], dissolve: bool) -> None:
    """Say of which parts a bundle is made: it is as available as its scarcest part."""
    if dissolve == bool(parts):
        raise click.UsageError("Name the parts, such as SHIRT-M=1 SOCKS=2, or say --none.")
    made_of = mapping(parts, "The bundle")
    with app.hub() as hub:
        changed = hub.catalog.set_bundle(sku, made_of)
    what = "is no bundle" if dissolve else f"is made of {', '.join(f'{units} x {part}' for part, units in parts)}"
    app.done(f"{sku} {what}.", {"sku": sku, "parts": made_of, "changed": changed})


def _variant(row: VariantRow) -> dict[str, Any]:
    return {
        "sku": row.sku,
        "name": row.name,
        "product": row.product,
        "gtin": row.gtin,
        "price": row.price,
        "vat_rates": row.vat_rates,
        "attributes": row.attributes,
        "updated_at": row.updated_at,
    }
