"""The layouts of catalogue files, by name."""

from __future__ import annotations

from collections.abc import Collection

from crossdock.core.errors import NotFoundHere
from crossdock.jobs.layouts.layout import Layout
from crossdock.jobs.layouts.magento import MAGENTO
from crossdock.jobs.layouts.plain import PLAIN
from crossdock.jobs.layouts.woocommerce import WOOCOMMERCE

LAYOUTS = {layout.name: layout for layout in (PLAIN, MAGENTO, WOOCOMMERCE)}
DEFAULT = PLAIN.name


def find(name: str) -> Layout:
    """Return a layout by its name.

    Raises:
        NotFoundHere: there is none.
    """
    if name not in LAYOUTS:
        raise NotFoundHere(f"There is no layout {name!r}.", advice=f"Here are: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def recognise(columns: Collection[str]) -> Layout:
    """Return the one layout whose marks are all among the columns; the plain one where none or several are."""
    fitting = [layout for layout in LAYOUTS.values() if layout.marks and layout.marks <= set(columns)]
    return fitting[0] if len(fitting) == 1 else PLAIN
