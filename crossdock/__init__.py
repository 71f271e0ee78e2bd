"""Moves orders, stock, prices and offers between the places where a seller sells and the systems the seller works with.

import crossdock

with crossdock.open("crossdock.toml") as hub:
    hub.run("miinto", "orders")
    for order in hub.orders.list(pending=True):
        hub.orders.accept(order.id)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossdock.core.errors import CrossdockError
    from crossdock.hub import Hub, Selection, init, open

    __version__: str

__all__ = ["CrossdockError", "Hub", "Selection", "__version__", "init", "open"]

_HOMES = {
    "CrossdockError": "crossdock.core.errors",
    **dict.fromkeys(("Hub", "Selection", "init", "open"), "crossdock.hub"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: the command must start fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("crossdock")
    if name not in _HOMES:
        raise AttributeError(f"module 'crossdock' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
