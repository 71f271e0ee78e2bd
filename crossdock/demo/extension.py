"""The extension `no-adjustments`: never accepts an adjustment of the seller's own books as a sale.

A transfer has no field for the number of the invoice that it replays, so the names of its items begin with it.
"""

from __future__ import annotations

from crossdock.core.account import AccountView
from crossdock.core.hookspecs import hookimpl
from crossdock.core.model import Decision, Order, Veto

ADJUSTMENT = "A"


@hookimpl
def review_acceptance(account_view: AccountView, order: Order, decision: Decision) -> Veto | None:
    if all(line.name.startswith(ADJUSTMENT) for line in order.lines):
        return Veto(reason="not a sale")
    return None
