"""The layout of crossdock's own: a row is a variant, its columns have the names that they have here."""

from __future__ import annotations

from crossdock.jobs.catalogue_row import is_own
from crossdock.jobs.layouts.layout import Entry, Layout
from crossdock.jobs.rowfile import Row


def read(row: Row) -> Entry:
    """Return what a row says: a column that is not one of our own is an attribute."""
    own = {name: cell for name, cell in row.cells.items() if is_own(name)}
    attributes = {name: cell for name, cell in row.cells.items() if name not in own}
    return Entry(row=Row(line=row.line, cells=own), attributes=attributes)


PLAIN = Layout(name="plain", needs=("sku", "name"), marks=frozenset(), knows=lambda column: True, read=read)
