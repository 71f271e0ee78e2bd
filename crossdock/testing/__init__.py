"""The conformance kit: what a plugin, its twin and the engine have to do together, as items that can be judged.

An item is one sentence with a reason and a check; `items.ITEMS` has all of them. A check is given a `Rehearsal`: a hub
in a folder, a platform's twin, a small catalogue, and a clock that moves when it is told to. What the hub believes in
the end is compared with the twin's own book.
"""

from crossdock.testing import acceptance, faults, intake, stock
from crossdock.testing.items import ITEMS, Item, find
from crossdock.testing.platform import Call, Deal, Level, Platform, Wanted
from crossdock.testing.rehearsal import Rehearsal, rehearse

__all__ = [
    "ITEMS",
    "Call",
    "Deal",
    "Item",
    "Level",
    "Platform",
    "Rehearsal",
    "Wanted",
    "acceptance",
    "faults",
    "find",
    "intake",
    "rehearse",
    "stock",
]
