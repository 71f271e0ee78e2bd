"""An opened installation: what a program that embeds crossdock calls, and the command line with it."""

from crossdock.hub.accounts import AccountDetails, Accounts, OrdersPreview
from crossdock.hub.hub import Hub, open
from crossdock.hub.offers import Selection
from crossdock.hub.setup import init, replace_lost_key, upgrade

__all__ = [
    "AccountDetails",
    "Accounts",
    "Hub",
    "OrdersPreview",
    "Selection",
    "init",
    "open",
    "replace_lost_key",
    "upgrade",
]
