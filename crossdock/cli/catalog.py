"""The catalogue: `catalog import`, `history`, `columns`, `list`, `show`, `bundle`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.cli.screen import progress_bar
from crossdock.cli.values import MOMENT, Pair, Renaming, Units, mapping

if TYPE_CHECKING:
    from crossdock.core.store.catalog import VariantRow
    from crossdock.core.store.column_maps import ColumnMap
    from crossdock.core.store.imports import ImportRow
    from crossdock.jobs.catalogue import ImportReport, Progress

LAYOUTS = click.Choice(["plain", "magento", "woocommerce"])  # as `jobs.layouts.LAYOUTS`, which takes long to import
NAMED = 5  # products without variants that a person is told by name


@click.group(cls=Group)
def catalog() -> None:
    """Import and show what you sell: products, prices, quantities, bundles."""


@catalog.command("import", epilog="Example: crossdock catalog import products.csv --currency PLN --faults faults.csv")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--layout", type=LAYOUTS, help="Whose columns they are; by default the header tells.")
@click.option("--columns", "saved", metavar="NAME", help="A saved column map; see `crossdock catalog columns`.")
@click.option(
    "--column", "columns", type=Pair("name=column"), multiple=True, help='The file\'s own name of a column: sku="Item".'
)
@click.option("--keep", metavar="COLUMN", multiple=True, help="Keep a column unknown to the layout as an attribute.")
@click.option("--keep-all", is_flag=True, help="Keep all of them.")
@click.option("--warehouse", default="main", show_default=True, help="Where the quantities were counted.")
@click.option("--currency", metavar="CODE", help="Currency of prices on rows that name none.")
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="Gets every fault, as CSV.")
@click.option("--as-of", type=MOMENT, metavar="WHEN", help="When the quantities were true; by default now.")
@click.pass_obj
def import_(
    app: App,
    /,
    file: Path,
    layout: str | None,
    saved: str | None,
    columns: tuple[tuple[str, str], ...],
    keep: tuple[str, ...],
    keep_all: bool,
    faults: Path | None,
    **options: Any,
) -> None:
    """Read a catalogue from CSV, TSV or JSON lines, plain or gzipped, in UTF-8.

    Plain columns: sku and name, and as needed price, currency, quantity, gtin, product, vat_rate (or vat_rate_pl, by
    country) and bundle (SKU*2+SKU2); other columns are attributes. The exports of Magento and WooCommerce are known by
    their header. Rows with faults are left out and said; then the exit code is 1.
    """
    from crossdock.jobs.catalogue import ImportBroken

    named = mapping(columns, "--column")
    with app.hub() as hub:
        if saved:
            found = hub.catalog.show_columns(saved)
            named, layout = {**found.columns, **named}, layout or found.layout
        options |= {"columns": named, "layout": layout, "keep": None if keep_all else keep, "faults_file": faults}
        try:
            with _progress(file) as progress:
                report = hub.catalog.import_file(file, progress=progress, **options)
        except ImportBroken as broken:
            _tell(app, broken.report, faults)
            raise
    _tell(app, report, faults)
    counts = f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {report.failed} left out"
    families = f"; {report.products} of these rows are products of several variants" if report.products else ""
    app.done(f"{file}: {counts}{families}.", report)
    if report.failed:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


@contextmanager
def _progress(file: Path) -> Iterator[Progress]:
    with progress_bar(f"reading {file}") as bar:
        yield lambda rows, share: bar(share, 1.0, f"reading {file}: {rows} rows")


def _tell(app: App, report: ImportReport, faults: Path | None) -> None:
    """Say how the file was read, what was left out, and what is wrong."""
    if report.recognised:
        app.warn(f"{report.file} has the columns of layout {report.layout} and is read so; --layout names another.")
    for fault in report.faults:
        app.warn(str(fault))
    rows = len({fault.line for fault in report.faults})
    if rows < report.failed:
        where = f"{faults} has them all" if faults else "--faults FILE keeps them all"
        app.warn(f"and {report.failed - rows} more rows with faults; {where}.")
    if report.left_out:
        columns = ", ".join(report.left_out)
        app.warn(
            f"{len(report.left_out)} column(s) unknown to layout {report.layout} were left out "
            f"(--keep COLUMN or --keep-all keeps them): {columns}."
        )
    if report.childless:
        more = ", ..." if len(report.childless) > NAMED else ""
        app.warn(f"Products without a variant in the file: {', '.join(report.childless[:NAMED])}{more}.")


# --- history ---------------------------------------------------------------------------------------------------------


@catalog.command(epilog="Example: crossdock catalog history 7")
@click.argument("number", type=int, required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many imports at most.")
@click.pass_obj
def history(app: App, number: int | None, limit: int) -> None:
    """List the imports, newest first, or show one with the rows that were left out.

    Of the faults of an import the first 1,000 are kept.
    """
    with app.hub() as hub:
        if number is None:
            app.show([_import(row) for row in hub.catalog.history(limit=limit)])
            return
        found = hub.catalog.show_import(number)
    broken = {"broken": found.row.counts.get("broken")}
    app.show(
        {**_import(found.row), **broken, "faults_beyond": found.beyond, "faults": [asdict(one) for one in found.faults]}
    )


def _import(row: ImportRow) -> dict[str, Any]:
    names = ("added", "updated", "unchanged", "failed")
    state = "unfinished" if row.ended_at is None else "broken" if row.counts.get("broken") else "done"
    return {
        "id": row.id,
        "file": row.file,
        "layout": row.counts.get("layout"),
        "state": state,
        "began_at": row.began_at,
        "ended_at": row.ended_at,
        **{name: row.counts.get(name, 0) for name in names},
    }


# --- column maps -----------------------------------------------------------------------------------------------------


@catalog.group(cls=Group)
def columns() -> None:
    """Save what the columns of your files are called, for imports to come."""


@columns.command(epilog='Example: crossdock catalog columns save stockroom "Item no.=sku" Title=name')
@click.argument("name")
@click.argument("pairs", type=Renaming('"Your column=sku"'), nargs=-1, required=True, metavar='"YOUR COLUMN=COLUMN"...')
@click.option("--layout", type=LAYOUTS, default="plain", show_default=True, help="Whose columns are meant.")
@click.pass_obj
def save(app: App, name: str, pairs: tuple[tuple[str, str], ...], layout: str) -> None:
    """Save a column map; one that had the name before is replaced."""
    with app.hub() as hub:
        saved = hub.catalog.save_columns(name, mapping(pairs, "The map"), layout=layout)
    app.done(f"Column map {name} is saved. To use it: crossdock catalog import FILE --columns {name}", _map(saved))


@columns.command("list", epilog="Example: crossdock catalog columns list")
@click.pass_obj
def list_columns(app: App) -> None:
    """List the column maps."""
    with app.hub() as hub:
        app.show([_map(found) for found in hub.catalog.list_columns()], "name", "layout", "columns", "saved_at")


@columns.command("show", epilog="Example: crossdock catalog columns show stockroom")
@click.argument("name")
@click.pass_obj
def show_columns(app: App, name: str) -> None:
    """Show one column map: by the name of a column here, what it is called in the file."""
    with app.hub() as hub:
        app.show(_map(hub.catalog.show_columns(name)))


@columns.command(epilog="Example: crossdock catalog columns remove stockroom")
@click.argument("name")
@click.pass_obj
def remove(app: App, name: str) -> None:
    """Forget a column map."""
    with app.hub() as hub:
        hub.catalog.remove_columns(name)
    app.done(f"Column map {name} is removed.", {"name": name})


def _map(found: ColumnMap) -> dict[str, Any]:
    return {"name": found.name, "layout": found.layout, "columns": found.columns, "saved_at": found.saved_at}


# --- what is sold ----------------------------------------------------------------------------------------------------


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
    attributes = found.product.attributes if found.product else {}
    app.show(
        _variant(found.variant) | {"product_attributes": attributes, "parts": found.parts, "bundles": found.bundles}
    )


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
