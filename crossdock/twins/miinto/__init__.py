"""The Miinto twin: auth, order, stock and product map services on one loopback address.

Written from the Miinto reference sheet (which rests on public client code; the vendor's own portal was not available).
Unconfirmed there, or left open and decided by us:

- the shape of an error (`data.message`), and that an inactive shop's failure carries `totalItemCount` 0;
- the place of `createdAt` in a transfer; the page size without `limit` (50 here);
- that positions keep their ids when a transfer becomes an order; `pendingPositions` and `declinedPositions` on orders;
- that positions a PATCH does not name stay pending, and that accepting them later makes a second order;
- that an empty position list, an unknown query parameter and an unknown field are refused (400): clients are told to
  leave the first out, and nobody has seen the others;
- `newOrder` is missing after a lost race and null after a mere decline: both have been seen, not when;
- PATCH of an order, and `trackAndTrace` and `shippingProviderId` in it; the name of a shipping provider;
- the answer of the stock call (an empty `data`); Norway's and Switzerland's `Platform-` keys;
- whether product map rows stand under `data` (a switch);
- `parentOrder.id` is the transfer's reference where one was given;
- a feed: the encoding asked for (plain here), what becomes of a live row that is refused (it is live no more), which
  words a title may not hold (whole words only), columns it does not know (passed over), Switzerland's price column;
- the market `test` (country XX) is ours, for rehearsals.
"""

from crossdock.twins.miinto.book import MiintoBook, NewTransfer
from crossdock.twins.miinto.pull import FeedAddress
from crossdock.twins.miinto.records import Switches
from crossdock.twins.miinto.rivals import Rivals
from crossdock.twins.miinto.signing import SignedRequest
from crossdock.twins.miinto.twin import MiintoTwin

__all__ = ["FeedAddress", "MiintoBook", "MiintoTwin", "NewTransfer", "Rivals", "SignedRequest", "Switches"]
