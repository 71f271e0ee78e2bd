"""The job `orders`: read what the platform reports, page by page, and take it in.

A page, its reservations, its journal, the cursor and the wish to decide about proposals are one transaction: a crash
anywhere reads the page again and doubles nothing. After a complete sweep, proposals that were not listed are asked
for one by one.
"""

from __future__ import annotations

from dataclasses import replace

from crossdock.core.errors import NotFound
from crossdock.core.model import OrderPage, Pending
from crossdock.core.store import accounts, cursors, intents, order_intake, order_outcome, orders, runs, statuses
from crossdock.core.store.accounts import Switch
from crossdock.core.store.engine import Read
from crossdock.core.store.events import Level
from crossdock.core.store.intents import IntentState
from crossdock.core.store.order_intake import Intake, Taken
from crossdock.jobs.run import Run

JOB = "orders"
ACCEPT_JOB = "accept"


def fetch(run: Run) -> None:
    """Read pages until the platform has no more."""
    _know_statuses(run)
    intake = intake_of(run)
    more = True
    while more:
        run.check_cancelled()
        with run.store.read() as tx:
            cursor, sweep = cursors.get(tx, run.account_id, JOB)
        page = run.connector.fetch_orders(cursor)
        taken = _take_in(run, replace(intake, sweep=sweep), page)
        report(run, taken)
        if page.sweep == "complete":
            _ask_for_unseen(run, intake, sweep)
        more = page.more


def _know_statuses(run: Run) -> None:
    """Read the platform's statuses before the very first order, so that none is parked for want of them."""
    with run.store.read() as tx:
        known = statuses.list_platform(tx, run.account_id)
    if not known:
        listed = run.connector.map_status()
        with run.write() as tx:
            statuses.save_platform(tx, run.account_id, listed)


def intake_of(run: Run) -> Intake:
    """Return whose orders this run takes in."""
    with run.store.read() as tx:
        row = accounts.get(tx, run.account_id)
    return Intake(
        account=row.id,
        options=run.account.options,
        countries={market.code: market.country for market in run.connector.facts.markets},
        not_before=row.orders_not_before,
    )


def _take_in(run: Run, intake: Intake, page: OrderPage) -> Taken:
    with run.write() as tx:
        taken = order_intake.take_in(tx, intake, page.orders)
        sweep = intake.sweep + (page.sweep == "complete")
        cursors.put(tx, intake.account, JOB, page.cursor, sweep)
        if _something_to_decide(tx, intake.account):
            runs.ask(tx, intake.account, ACCEPT_JOB, asked_by=JOB)
    return taken


def _something_to_decide(tx: Read, account_id: str) -> bool:
    """Whether a proposal waits for a decision, or a decision for its outcome; an unarmed account does neither."""
    account = accounts.get(tx, account_id)
    if not account.armed:
        return False
    unfinished = (IntentState.OPEN, IntentState.WANTED)
    if any(intents.in_state(tx, account_id, "accept_order", state) for state in unfinished):
        return True
    decides = account.switches & {Switch.ACCEPT, Switch.DECLINE}
    return bool(decides and orders.waiting(tx, account_id, limit=1))


def report(run: Run, taken: Taken) -> None:
    """Count what a page did, and say what needs a person."""
    added, changed = len(taken.added), len(taken.changed)
    seen = added + changed + taken.unchanged + taken.early
    run.count(seen=seen, added=added, changed=changed, unchanged=taken.unchanged + taken.early)
    for number, because in taken.parked.items():
        advice = "Mend the cause, then `crossdock orders unpark`."
        run.event(Level.ERROR, "order_parked", because, item=f"order {number}", advice=advice)
    for number, sku in taken.short:
        message = f"{sku} was sold but is not in stock: the order waits for units."
        advice = "Count the stock, or cancel the line before the buyer waits."
        run.event(Level.ERROR, "oversold", message, item=f"order {number}", advice=advice)
    for number in [*taken.added, *taken.changed]:
        run.tell_order_changed(number, "taken in")


def _ask_for_unseen(run: Run, intake: Intake, sweep: int) -> None:
    """Ask for each proposal that a complete sweep no longer listed; what is gone is closed and its units released."""
    with run.store.read() as tx:
        missing = orders.unseen(tx, run.account_id, sweep)
    for number in missing:
        run.check_cancelled()
        _ask_for(run, replace(intake, sweep=sweep), number)


def _ask_for(run: Run, intake: Intake, number: int) -> None:
    if run.connector.can("fetch_order"):
        with run.store.read() as tx:
            known = orders.get(tx, number).order
        try:
            found = run.connector.fetch_order(known)
        except NotFound:
            found = None
        if isinstance(found, Pending):
            return
        if found is not None:
            with run.write() as tx:
                taken = order_intake.take_in(tx, intake, [found])
            report(run, taken)
            return
    with run.write() as tx:
        closed = order_outcome.close_gone(tx, number, actor=JOB)
    if closed:
        run.event(Level.INFO, "order_gone", "The platform no longer has this proposal.", item=f"order {number}")
        run.tell_order_changed(number, "gone")
