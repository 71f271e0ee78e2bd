"""The contract between the engine and its plugins and extensions, version 1 (draft).

Addressed verbs take `account` first and reach the plugin of that account's platform only. They are eager: a verb
returns when its work is done, never a generator, so that its errors surface inside the engine. The engine tells an
error by its class (see `errors`): AuthError stops the account, Unavailable and RateLimited repeat the run later,
Rejected is recorded for the one item, BadAnswer stops the verb and keeps the raw answer. A verb that a plugin does
not implement is refused by name.

Must, for all: use only `account.http` to reach the platform and `account.clock` for time; raise on what it does not
know. Must not, for all: retry, sleep, log whole requests, keep state outside of cursors, or touch another account.
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
            order was listed since the sweep began, although the list may have shrunk meanwhile; accept every cursor
            it ever made. Must not: leave out orders that it cannot understand (raise BadAnswer), or guess a status, a
            price or a quantity.
        """

    @hookspec(firstresult=True)
    def accept_order(self, account: Account, order: model.Order, decision: model.Decision) -> model.Acceptance:
        """Tell the platform which positions of a proposal the seller takes and which it declines.

        When: after the intent was written down; once per proposal, or again after a crash if `find_outcome` says
            Pending.

        Args:
            account: the connected account.
            order: the proposal.
            decision: accepted and declined positions by id, reasons in the seller's words.

        Returns:
            The outcome of each decided position. Losing against another seller is a normal outcome.

        Raises:
            Rejected: the platform refuses the decision; the order is parked with its words.
            Unavailable: `unclear=True` unless it is certain that nothing was done; then `find_outcome` is asked.

        Must: do the same when called twice. Must not: report `won` without the platform's word for it.
        """

    @hookspec(firstresult=True)
    def push_stock(self, account: Account, levels: tuple[model.StockLevel, ...]) -> tuple[model.Result, ...]:
        """Set absolute stock levels.

        When: whenever levels are pending and the account's trigger fires; lower levels first.

        Args:
            account: the connected account.
            levels: never more than the declared batch; whole units, zero or above.

        Returns:
            One Result per level, same offer id and warehouse; an offer unknown to the platform is a refusal.

        Raises:
            Unavailable: all levels of the batch stay pending and are sent again (a level is absolute, twice is once).

        Must not: send a level it was not given, or leave one without a Result.
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
            FeedError: the settings do not allow a feed; the old one stays.
        """

    @hookspec(firstresult=True)
    def map_status(self, account: Account) -> tuple[model.PlatformStatus, ...]:
        """List the statuses of the platform, with their meaning where it is certain.

        When: at connection, at each connection test, and daily.

        Args:
            account: the connected account.

        Returns:
            Every status an order can have, codes unique. Read from the platform where sellers define their own.

        Must: leave `meaning` None where it is not certain; the seller is asked then.
        """

    # === addressed verbs: optional ===================================================================================

    @hookspec(firstresult=True)
    def check_connection(self, account: Account) -> str:
        """Try the credentials and say in one sentence what they open (shops, plan, permissions).

        When: `account test`, and before an account is armed.

        Raises:
            AuthError: with words that tell wrong data, missing permission and a closed shop apart where possible.
        """

    @hookspec(firstresult=True)
    def fetch_order(self, account: Account, order: model.Order) -> model.Order | model.Pending:
        """Ask for one order that a complete sweep no longer listed.

        When: after a sweep, one by one.

        Returns:
            The order as it stands, or `Pending` when it is still waiting as it was.

        Raises:
            NotFound: it is gone; the engine closes it and releases its reservation.
        """

    @hookspec(firstresult=True)
    def fetch_products(self, account: Account, cursor: Mapping[str, Any] | None) -> model.ProductPage:
        """Read the next page of what is listed there, for linking and importing. Cursor as in fetch_orders."""

    @hookspec(firstresult=True)
    def fetch_stock(self, account: Account, cursor: Mapping[str, Any] | None) -> model.StockPage:
        """Read the next page of the platform's own stock counts. Must not report an unknown quantity as zero."""

    @hookspec(firstresult=True)
    def fetch_categories(self, account: Account, cursor: Mapping[str, Any] | None) -> model.CategoryPage:
        """Read the next page of the platform's category tree; the engine keeps a checkpoint after each page."""

    @hookspec(firstresult=True)
    def fetch_parameters(
        self, account: Account, category: str, cursor: Mapping[str, Any] | None
    ) -> model.ParameterPage:
        """Read the next page of parameters (and their dictionaries) of one category."""

    @hookspec(firstresult=True)
    def push_prices(self, account: Account, prices: tuple[model.Price, ...]) -> tuple[model.Result, ...]:
        """Set prices; batches and Results as in push_stock."""

    @hookspec(firstresult=True)
    def push_offers(self, account: Account, offers: tuple[model.Offer, ...]) -> tuple[model.Result, ...]:
        """Create or change listings; `remote_id` of a Result names what was created. Creates: see find_outcome."""

    @hookspec(firstresult=True)
    def push_orders(self, account: Account, orders: tuple[model.Order, ...]) -> tuple[model.Result, ...]:
        """Write orders into a shop, ERP or CRM, marked with `order.echo` so that they are known when they come back."""

    @hookspec(firstresult=True)
    def push_status(self, account: Account, updates: tuple[model.StatusUpdate, ...]) -> tuple[model.Result, ...]:
        """Set statuses, tracking and payments of orders; only codes that `map_status` calls settable."""

    @hookspec(firstresult=True)
    def push_contacts(self, account: Account, contacts: tuple[model.Contact, ...]) -> tuple[model.Result, ...]:
        """Create or update contacts. Creates: see find_outcome."""

    @hookspec(firstresult=True)
    def push_events(self, account: Account, events: tuple[model.ContactEvent, ...]) -> tuple[model.Result, ...]:
        """Write contact events, each at most once by its id. Creates: see find_outcome."""

    @hookspec(firstresult=True)
    def receive(self, account: Account, request: model.InboundRequest) -> model.InboundReply:
        """Answer a call of the platform (webhook, an ERP that calls us, a CRM that pulls).

        Returns:
            The reply and its effects; the engine applies all effects in one transaction before it sends the reply.

        Raises:
            AuthError: the call is not genuine; answered with 401, nothing is applied.

        Must: verify the platform's signature or credentials for real. Must not: write anything itself.
        """

    @hookspec(firstresult=True)
    def find_outcome(self, account: Account, intent: model.Intent) -> model.Outcome | model.Pending | None:
        """Find out how a call ended whose answer never came.

        When: before anything else is done for the account, for each intent that was left open.

        Returns:
            Outcome where the platform shows how it ended; Pending where it shows that nothing was done (the engine
            calls again); None where it cannot tell (the order is parked, its reservation kept).

        Must: read only. A verb that creates something has this, or is declared idempotent, or unclear intents are
            parked.
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
