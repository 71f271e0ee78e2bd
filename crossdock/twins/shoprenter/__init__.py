"""The Shoprenter twin: one web shop with its legacy API, its API2 and its token service on one loopback address.

Written from the Shoprenter reference sheet and the published shapes of its records. Left open there and decided by us:

- the shape of an error: `{"error": 40008, "message": "..."}`; a missing scope answers 403;
- links bear the legacy host on both APIs; 25 rows without `limit`; `pageCount` of an empty list is 1;
- lists are ascending by id (a switch turns them round); time filters are inclusive and in the shop's time zone;
- a batch counts once against the limit and may hold any call but a batch; parts are answered one after the other;
- totals are computed from the lines, as a shop's checkout does; discounts are written below zero;
- `innerId` stands in an order status; `config_language` holds a language's code;
- a PUT changes the fields that it names; unknown fields are refused as read-only ones are.
"""

from crossdock.twins.shoprenter.book import NewLine, NewOrder, NewProduct, ShoprenterBook
from crossdock.twins.shoprenter.rendering import Switches
from crossdock.twins.shoprenter.twin import ShoprenterTwin

__all__ = ["NewLine", "NewOrder", "NewProduct", "ShoprenterBook", "ShoprenterTwin", "Switches"]
