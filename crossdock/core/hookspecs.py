"""The contract between the engine and its plugins and extensions, version 1 (draft).

Addressed verbs take `account` first and reach the plugin of that account's platform only. They are eager: a verb
returns when its work is done, never a generator, so that its errors surface inside the engine.

The engine tells an error by its class (see `errors`): AuthError stops the account; Unavailable and RateLimited repeat
the run later; Rejected is recorded for the one item; BadAnswer stops the verb and keeps the raw answer. A verb that a
plugin does not implement is refused by name. Errors that hold for every verb are not repeated below.

Must, for all: use only `account.http` to reach the platform and `account.clock` for time; raise on what is unknown.
Must not, for all: retry, sleep, log whole requests, keep state outside of cursors, or touch another account.

Every verb that creates something outside (accept_order, push_orders, push_contacts, push_events, push_offers) comes
with `find_outcome`, or is declared idempotent in `PLUGIN`, or its unclear calls are left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from crossdock.core import model
    from crossdock.core.account import Account, AccountView

PROJECT = "crossdock"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# === addressed verbs: the five =======================================================================================


class Verbs:
    """Verbs of one platform, addressed to one account."""

    @hookspec(firstresult=True)
    def fetch_orders(self, account: Account, cursor: Mapping[str, Any] | None) -> model.OrderPage:
        """Read the next page of orders and proposals.

        When: by the account's schedule (`polls`), and again at once while a page says `more`.

        Args:
            account: the connected account.
            cursor: what the last page returned, or None at the very first call.

        Returns:
            The page; the engine keeps its orders and its cursor in one transaction.

        Raises:
            RemoteError: the page is asked for again with the same cursor, later.

        Must: give the same page for the same cursor on unchanged data; say `sweep="complete"` only if every open
        proposal was listed since the sweep began, although the list may have shrunk meanwhile; accept every cursor
        that it ever made.

        Must not: leave out orders that it cannot understand (raise BadAnswer); guess a status, price or quantity.
        """

    @hookspec(firstresult=True)
    def accept_order(self, account: Account, order: model.Order, decision: model.Decision) -> model.Acceptance:
        """Tell the platform which positions of a proposal the seller takes and which it declines.

        When: after the intent was written down; once per decision, or again after a crash if `find_outcome` answers
        Pending.

        Args:
            account: the connected account.
            order: the proposal.
            decision: accepted and declined positions by id, reasons in the seller's words.

        Returns:
            The outcome of each decided position. Losing against another seller is a normal outcome.

        Raises:
            Rejected: the platform refuses the decision; the order is parked with its words.
            NotFound: the proposal is gone; it is closed and its units are released.
            Unavailable: `unclear=True` unless it is certain that nothing was done; then `find_outcome` is asked.

        Must: do the same when called twice.

        Must not: report `won` without the platform's word for it.
        """

    @hookspec(firstresult=True)
    def push_stock(self, account: Account, levels: tuple[model.StockLevel, ...]) -> tuple[model.Result, ...]:
        """Set absolute stock levels.

        When: whenever levels are pending and the account's trigger fires; lower levels first.

        Args:
            account: the connected account.
            levels: never more than the declared batch; whole units, zero or above.

        Returns:
            One Result per level with the same offer id and warehouse; an offer unknown there is a refusal.

        Raises:
            Unavailable: all levels of the batch stay pending and are sent again: a level is absolute, twice is once.

        Must not: send a level that it was not given, or leave one without a Result.
        """

    @hookspec(firstresult=True)
    def build_feed(self, account: Account, market: str) -> model.Feed:
        """Describe the offers file that the platform pulls.

        When: before a build, once per market; pure, no calls.

        Args:
            account: the connected account.
            market: one of the account's markets.

        Returns:
            A picklable description: fields, renderer, head and tail, unique key.

        Raises:
            FeedError: the settings do not allow a feed, or none for this market; the old one stays.
        """

    @hookspec(firstresult=True)
    def map_status(self, account: Account) -> tuple[model.PlatformStatus, ...]:
        """List the statuses of the platform, with their meaning where it is certain.

        When: at connection, at each connection test, and daily.

        Args:
            account: the connected account.

        Returns:
            Every status that an order can have, codes unique; read from the platform where sellers define their own.

        Must: leave `meaning` None where it is not certain; the seller is asked then.
        """

    # === addressed verbs: optional ===================================================================================

    @hookspec(firstresult=True)
    def check_connection(self, account: Account) -> str:
        """Try the credentials.

        When: `account test`, and before an account is armed or resumed.

        Args:
            account: the connected account.

        Returns:
            One sentence on what the credentials open: shops, plan, permissions.

        Raises:
            AuthError: with words that tell wrong data, missing permission and a closed shop apart where possible.

        Must not: change anything on the platform.
        """

    @hookspec(firstresult=True)
    def fetch_order(self, account: Account, order: model.Order) -> model.Order | model.Pending:
        """Ask for one order that a complete sweep no longer listed.

        When: after a sweep, one by one.

        Args:
            account: the connected account.
            order: as it was when it was last listed.

        Returns:
            The order as it stands now, or Pending when it is still waiting as it was.

        Raises:
            NotFound: it is gone; the engine closes it and releases its units.
        """

    @hookspec(firstresult=True)
    def fetch_products(self, account: Account, cursor: Mapping[str, Any] | None) -> model.ProductPage:
        """Read the next page of what is listed on the platform.

        When: when listings are adopted or products imported; a run that is interrupted goes on at its last cursor.

        Args:
            account: the connected account.
            cursor: what the last page returned, or None to begin.

        Returns:
            The page: one RemoteProduct per listing, with the keys by which `push_stock` finds it again.

        Must not: leave out a listing for want of a SKU or GTIN; the engine tells what cannot be linked.
        """

    @hookspec(firstresult=True)
    def fetch_stock(self, account: Account, cursor: Mapping[str, Any] | None) -> model.StockPage:
        """Read the next page of the platform's own stock counts.

        When: by schedule, for accounts whose stock is a source and not a target.

        Args:
            account: the connected account.
            cursor: what the last page returned, or None to begin.

        Returns:
            The page: counts with the moment at which they were true.

        Must not: report an unknown quantity as zero; leave it out.
        """

    @hookspec(firstresult=True)
    def fetch_categories(self, account: Account, cursor: Mapping[str, Any] | None) -> model.CategoryPage:
        """Read the next page of the platform's category tree.

        When: when a person asks for it; it may take an hour, and the engine keeps the cursor after each page.

        Args:
            account: the connected account.
            cursor: what the last page returned, or None to begin.

        Returns:
            The page: nodes with their parents; only `listable` ones take offers.
        """

    @hookspec(firstresult=True)
    def fetch_parameters(
        self, account: Account, category: str, cursor: Mapping[str, Any] | None
    ) -> model.ParameterPage:
        """Read the next page of the attributes that a category asks for, with their dictionaries.

        When: for each category that offers are linked to.

        Args:
            account: the connected account.
            category: the platform's id of the category.
            cursor: what the last page returned, or None to begin.

        Returns:
            The page: parameters; `values` holds a dictionary's ids and names.

        Raises:
            NotFound: the platform has no such category; its links are shown as broken.
        """

    @hookspec(firstresult=True)
    def push_prices(self, account: Account, prices: tuple[model.Price, ...]) -> tuple[model.Result, ...]:
        """Set prices.

        When: whenever prices are pending and the account's trigger fires.

        Args:
            account: the connected account.
            prices: never more than the declared batch; gross, in the market's currency.

        Returns:
            One Result per price with the same offer id.

        Raises:
            Unavailable: all prices of the batch stay pending and are sent again.

        Must not: round; money finer than the platform takes is a refusal.
        """

    @hookspec(firstresult=True)
    def push_offers(self, account: Account, offers: tuple[model.Offer, ...]) -> tuple[model.Result, ...]:
        """Create listings or change them.

        When: when a person or a rule lists, edits or ends offers, after the plan was shown.

        Args:
            account: the connected account.
            offers: never more than the declared batch; without `remote_id` they are to be created.

        Returns:
            One Result per offer with the same id; `remote_id` names what was created.

        Raises:
            Unavailable: `unclear=True` unless it is certain that nothing was done; then `find_outcome` is asked.
        """

    @hookspec(firstresult=True)
    def push_orders(self, account: Account, orders: tuple[model.Order, ...]) -> tuple[model.Result, ...]:
        """Write orders into a shop, ERP or CRM.

        When: when an order that the account wants came in or changed.

        Args:
            account: the account to write into.
            orders: never more than the declared batch; `order.echo` is our reference.

        Returns:
            One Result per order, `item` is the text of its id; `remote_id` names what was created.

        Raises:
            Unavailable: `unclear=True` unless it is certain that nothing was done; then `find_outcome` is asked.

        Must: leave `order.echo` on the written order, so that it is known when it comes back by `fetch_orders`.
        """

    @hookspec(firstresult=True)
    def push_status(self, account: Account, updates: tuple[model.StatusUpdate, ...]) -> tuple[model.Result, ...]:
        """Set statuses, tracking and payments of orders.

        When: driven by the journal, after a status, parcel or payment became known elsewhere.

        Args:
            account: the connected account.
            updates: never more than the declared batch; only codes that `map_status` calls settable.

        Returns:
            One Result per update, `item` is the text of the order's id.

        Must not: set anything that the update does not name.
        """

    @hookspec(firstresult=True)
    def push_contacts(self, account: Account, contacts: tuple[model.Contact, ...]) -> tuple[model.Result, ...]:
        """Create or update contacts.

        When: driven by the journal, for orders that name a person.

        Args:
            account: the connected account.
            contacts: never more than the declared batch.

        Returns:
            One Result per contact with the same id; `remote_id` names what was created.

        Raises:
            Unavailable: `unclear=True` unless it is certain that nothing was done; then `find_outcome` is asked.
        """

    @hookspec(firstresult=True)
    def push_events(self, account: Account, events: tuple[model.ContactEvent, ...]) -> tuple[model.Result, ...]:
        """Write what contacts did.

        When: driven by the journal.

        Args:
            account: the connected account.
            events: never more than the declared batch; each must count once, by its id.

        Returns:
            One Result per event with the same id.

        Raises:
            Unavailable: `unclear=True` unless it is certain that nothing was done; then `find_outcome` is asked.
        """

    @hookspec(firstresult=True)
    def receive(self, account: Account, request: model.InboundRequest) -> model.InboundReply:
        """Answer a call of the platform: a webhook, an ERP that calls us, a CRM that pulls.

        When: whenever such a call arrives at the account's address.

        Args:
            account: the account whose address was called.
            request: as it came.

        Returns:
            The reply and its effects; the engine applies all effects in one transaction before it sends the reply.

        Raises:
            AuthError: the call is not genuine; answered with 401, and nothing is applied.

        Must: verify the platform's signature or credentials for real.

        Must not: write anything itself.
        """

    @hookspec(firstresult=True)
    def find_outcome(self, account: Account, intent: model.Intent) -> model.Outcome | model.Pending | None:
        """Find out how a call ended whose answer never came.

        When: before anything else is done for the account, for each intent that was left open.

        Args:
            account: the connected account.
            intent: the call: its verb, order, decision, and when it was written down.

        Returns:
            Outcome where the platform shows how it ended; Pending where it shows that nothing was done, so that the
            engine calls again; None where it cannot tell: the order is parked and its units stay reserved.

        Must not: change anything on the platform.
        """


# === extension hooks: call-all, without http or secrets ==============================================================


class Extensions:
    """Hooks of cross-cutting extensions, enabled by name; they see accounts without http and secrets."""

    @hookspec
    def review_acceptance(
        self, account_view: AccountView, order: model.Order, decision: model.Decision
    ) -> model.Veto | None:
        """Look at a decision before it is made; a Veto moves its positions to declined.

        Raises:
            Anything: the order is not accepted and the run fails, since a broken guard must not be ignored.
        """

    @hookspec
    def adjust_price(self, account_view: AccountView, offer: model.Offer, price: model.Price) -> model.Price | None:
        """Change a price before it is published; None leaves it. Extensions run in the order they are enabled."""


# === broadcast events: call-all, each failure contained ==============================================================


class Events:
    """Told to every enabled extension after the fact; a failing listener is recorded and stops nothing."""

    @hookspec
    def order_changed(self, account_view: AccountView, order_id: int, what: str) -> None:
        """An order was taken in, changed, won, lost, parked …: `what` is the journal kind. After its commit."""

    @hookspec
    def run_finished(self, run_id: int, account_id: str, job: str, state: str) -> None:
        """A run ended in this state."""

    @hookspec
    def feed_published(self, account_view: AccountView, market: str, version: int) -> None:
        """A new version of a feed is out."""

    @hookspec
    def attention_needed(self, account_id: str, code: str, message: str, advice: str) -> None:
        """A person has to look: a stopped account, a parked order, an expiring key."""
