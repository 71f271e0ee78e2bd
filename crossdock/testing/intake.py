"""Items about reading orders: all of them, each once, and none that is not there any more."""

from __future__ import annotations

from datetime import timedelta

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import Meaning, RemoteId
from crossdock.core.store import statuses
from crossdock.core.store.events import Level
from crossdock.core.store.journal import Kind
from crossdock.core.store.orders import LineState, OrderState
from crossdock.core.store.runs import RunState
from crossdock.testing.items import fails, holds, item, same
from crossdock.testing.platform import Wanted
from crossdock.testing.rehearsal import ACCOUNT, SKUS, UNITS, Rehearsal

PROPOSED, WON, LOST, DECLINED = LineState.PROPOSED, LineState.WON, LineState.LOST, LineState.DECLINED


def _many(rehearsal: Rehearsal, count: int) -> list[RemoteId]:
    """Let buyers want one thing, one after the other, a second each."""
    rehearsal.stock_up(("MANY",), count + UNITS)
    proposals = []
    for _ in range(count):
        rehearsal.clock.advance(1)
        proposals.append(rehearsal.propose(Wanted("MANY")))
    return proposals


# --- all of them, each once ------------------------------------------------------------------------------------------


@item(
    "intake.once",
    "What is read again is known again: a second sweep adds nothing, changes nothing and reserves nothing.",
    "Every poll lists what the poll before has listed.",
)
def _once(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    proposal = rehearsal.read(Wanted(SKUS[0], 2))
    before = rehearsal.story(proposal)
    counts = rehearsal.done("orders").counts
    same("Added, changed, unchanged", [counts[name] for name in ("added", "changed", "unchanged")], [0, 0, 1])
    after = rehearsal.story(proposal)
    same("Journal and versions", (after.journal, after.versions), (before.journal, before.versions))
    same("Units reserved", rehearsal.level(SKUS[0]).reserved, 2)
    rehearsal.compare_with_book()


@item(
    "intake.won-once",
    "A won order that the platform lists with every poll is one order, without a new version each time.",
    "A journal that tells of changes where there are none drowns the real ones.",
)
def _won_once(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read()
    rehearsal.done("accept")
    rehearsal.wait()
    before = rehearsal.story(proposal)
    for _ in range(2):
        rehearsal.wait()
    after = rehearsal.story(proposal)
    same("Journal and versions", (after.journal, after.versions), (before.journal, before.versions))
    same("Orders at the hub", len(rehearsal.stories()), 1)


@item(
    "intake.every-page",
    "Of more proposals than a page holds all are read in one run, each once.",
    "The second page is where clients stop.",
)
def _every_page(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    count = rehearsal.platform.page + 10
    _many(rehearsal, count)
    same("Orders added", rehearsal.done("orders").counts["added"], count)
    rehearsal.compare_with_book()


@item(
    "intake.shrinking-list",
    "Proposals that go away while the pages are being read hide none of the others.",
    "The list moves up by as many, and what stood at the top of the next page stands on the last one now.",
)
def _shrinking_list(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    count = rehearsal.platform.page + 10
    proposals = _many(rehearsal, count)

    def others_are_faster() -> None:
        for proposal in proposals[: count // 2]:
            rehearsal.platform.withdraw(proposal)

    rehearsal.hub.script.after["fetch_orders"] = others_are_faster
    rehearsal.done("orders")
    known = {name for story in rehearsal.stories() for name in story.remote_ids}
    same("Proposals that were missed", {*proposals[count // 2 :]} - known, set())
    rehearsal.wait()
    rehearsal.compare_with_book()


@item(
    "intake.late-among-older",
    "A proposal that appears late among older ones, or at the end of the list, is read with the next poll.",
    "Who remembers the newest date only never sees what comes in before it.",
)
def _late_among_older(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    now = rehearsal.clock.now()
    rehearsal.wait(600)
    first = rehearsal.read()
    earlier = rehearsal.propose(at=now + timedelta(seconds=1))
    later = rehearsal.propose()
    rehearsal.done("orders")
    for proposal in (first, earlier, later):
        rehearsal.expect_order(proposal, OrderState.PROPOSED)
    rehearsal.compare_with_book()


@item(
    "intake.first-come",
    "Of proposals on one page the older purchase gets the units.",
    "First come, first served is the only order that nobody has to explain.",
)
def _first_come(rehearsal: Rehearsal) -> None:
    rehearsal.count({SKUS[0]: 1})
    rehearsal.wait(60)
    newer = rehearsal.propose()
    older = rehearsal.propose(at=rehearsal.clock.now() - timedelta(seconds=30))
    rehearsal.done("orders")
    rehearsal.done("accept")
    rehearsal.expect_order(older, OrderState.OPEN, WON)
    rehearsal.expect_order(newer, OrderState.DECLINED, DECLINED)
    rehearsal.compare_with_book()


@item(
    "intake.interrupted",
    "A run that is cancelled between two pages goes on there the next time, and adds nothing twice.",
    "Somebody stops the program in the middle of every list sooner or later.",
)
def _interrupted(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    count = rehearsal.platform.page + 10
    _many(rehearsal, count)

    def cancel() -> None:
        (run,) = rehearsal.hub.work.list(account=ACCOUNT, job="orders", limit=1)
        rehearsal.hub.work.cancel(run.id)

    rehearsal.hub.script.after["fetch_orders"] = cancel
    first = rehearsal.run("orders")
    same("The run", first.state.value, RunState.CANCELLED.value)
    second = rehearsal.done("orders")
    added = [record.counts["added"] for record in (first, second)]
    holds(f"each of the two runs added some ({added})", all(added))
    same("Orders added by both", sum(added), count)
    rehearsal.compare_with_book()


# --- what does not come ----------------------------------------------------------------------------------------------


@item(
    "intake.not-before",
    "Orders and proposals that were bought before the moment from which on orders are wanted never come.",
    "A new account must not import, and answer, what was dealt with long ago.",
)
def _not_before(rehearsal: Rehearsal) -> None:
    old = rehearsal.propose(at=rehearsal.clock.now() - timedelta(days=1))
    accepted = rehearsal.propose(at=rehearsal.clock.now() - timedelta(days=2))
    rehearsal.platform.accept_in_panel(accepted)
    rehearsal.done("orders")
    rehearsal.wait()
    same("Orders at the hub", rehearsal.stories(), [])
    same("Reserved units", rehearsal.level(SKUS[0]).reserved, 0)
    same("The old proposal at the platform", {*rehearsal.deal(old).lines.values()}, {PROPOSED})


@item(
    "intake.switch-off",
    "With orders switched off nothing is read, neither by itself nor when it is asked for, and the error says so.",
    "Off has to mean off.",
)
def _switch_off(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.propose()
    rehearsal.hub.accounts.disable(ACCOUNT, "orders")
    asked = rehearsal.calls("orders")
    rehearsal.wait()
    same("The run of orders", rehearsal.run("orders").state.value, RunState.FAILED.value)
    rehearsal.expect_event("config_error", Level.ERROR)
    same("Requests for orders", rehearsal.calls("orders") - asked, 0)
    same("Orders at the hub", rehearsal.stories(), [])
    rehearsal.hub.accounts.enable(ACCOUNT, "orders")
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)


@item(
    "intake.account-removed",
    "An account that was removed is not asked any more, although a run of it still waits in the queue.",
    "A queue remembers longer than people do.",
)
def _account_removed(rehearsal: Rehearsal) -> None:
    rehearsal.read()
    rehearsal.hub.work.ask(ACCOUNT, "orders")
    rehearsal.hub.accounts.remove(ACCOUNT)
    asked = len(rehearsal.twin.traffic)
    rehearsal.wait()
    rehearsal.wait()
    same("Requests for a removed account", len(rehearsal.twin.traffic) - asked, 0)
    fails(NotFoundHere, "Running a job of it", lambda: rehearsal.run("orders"))
    same("Its orders stay", len(rehearsal.stories()), 1)


# --- what goes away --------------------------------------------------------------------------------------------------


@item(
    "intake.vanished",
    "A proposal that the platform no longer lists is asked for, closed as gone, and its units are free again.",
    "Units of a buyer who changed their mind can be sold to the next.",
)
def _vanished(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    proposal = rehearsal.read(Wanted(SKUS[0], 5))
    stays = rehearsal.read()
    rehearsal.done("stock")
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], UNITS - 6)
    rehearsal.platform.withdraw(proposal)
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.GONE, LOST)
    rehearsal.expect_order(stays, OrderState.PROPOSED, PROPOSED)
    same("Events about it", len(rehearsal.events("order_gone")), 1)
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], UNITS - 1)
    rehearsal.compare_with_book()


@item(
    "intake.vanished-before-the-call",
    "A proposal that goes away between reading and accepting is not won: its units are free again, and nobody is asked "
    "to do anything.",
    "Seconds lie between the list and the answer.",
)
def _withdrawn_before_accepting(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0], 5))
    rehearsal.platform.withdraw(proposal)
    rehearsal.done("accept")
    rehearsal.wait()
    same("What the order is parked for", rehearsal.order(proposal).parked_code, None)
    same("Reserved units", rehearsal.level(SKUS[0]).reserved, 0)
    rehearsal.compare_with_book()


# --- decided elsewhere -----------------------------------------------------------------------------------------------


@item(
    "panel.unseen",
    "An order that was accepted in the platform's own panel before the hub saw it is imported once, as an open order.",
    "Sellers click in both places.",
)
def _panel_unseen(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.propose(Wanted(SKUS[0], 2))
    rehearsal.platform.accept_in_panel(proposal)
    rehearsal.wait()
    rehearsal.wait()
    (order,) = rehearsal.deal(proposal).orders
    rehearsal.expect_order(order, OrderState.OPEN, WON)
    same("Reserved units", rehearsal.level(SKUS[0]).reserved, 2)
    same("Calls that accept", rehearsal.calls("accept"), 0)
    rehearsal.compare_with_book()


@item(
    "panel.joined",
    "A proposal that the hub knows and that is accepted in the platform's panel becomes that order: one order, both "
    "names, its units reserved once.",
    "Two orders for one purchase are packed twice.",
)
def _panel_joined(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    proposal = rehearsal.read(Wanted(SKUS[0], 2))
    rehearsal.platform.accept_in_panel(proposal)
    rehearsal.wait()
    row = rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    same("The same order under its new name", rehearsal.order(rehearsal.deal(proposal).orders[0]).id, row.id)
    same("Entries 'won'", sum(entry.kind is Kind.WON for entry in rehearsal.story(proposal).journal), 1)
    same("Reserved units", rehearsal.level(SKUS[0]).reserved, 2)
    rehearsal.compare_with_book()


@item(
    "panel.faster-than-the-job",
    "A proposal that is accepted in the panel between reading and accepting is won once.",
    "The answer to an acceptance of what is accepted already looks like a lost race.",
)
def _panel_faster(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read()
    rehearsal.platform.accept_in_panel(proposal)
    rehearsal.done("accept")
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    same("Orders at the platform", len(rehearsal.deal(proposal).orders), 1)
    rehearsal.compare_with_book()


@item(
    "panel.oversold",
    "An order that was accepted in the panel without stock is kept, the platform shows none of it, a person is told, "
    "and units that come in go to it first.",
    "The buyer waits for it, whatever the count says.",
)
def _oversold(rehearsal: Rehearsal) -> None:
    rehearsal.count({SKUS[0]: 1})
    proposal = rehearsal.propose(Wanted(SKUS[0], 3))
    rehearsal.platform.accept_in_panel(proposal)
    rehearsal.wait()
    (order,) = rehearsal.deal(proposal).orders
    holds("the line is short", rehearsal.only_line(order).short)
    rehearsal.expect_event("oversold", Level.ERROR)
    rehearsal.count({SKUS[0]: 5})
    line = rehearsal.only_line(order)
    same("Reserved once units came in, and short", (line.reserved, line.short), (3, False))
    rehearsal.wait()
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 2)
    rehearsal.compare_with_book()


# --- statuses --------------------------------------------------------------------------------------------------------


@item(
    "status.unknown",
    "An order whose status leads nowhere is kept and parked, loudly; once the status is mapped and the order is "
    "unparked it has the seller's status.",
    "A guessed status ships what was cancelled.",
)
def _unknown_status(rehearsal: Rehearsal) -> None:
    rehearsal.done("statuses")
    with rehearsal.hub.store.read() as tx:
        listed = statuses.list_platform(tx, rehearsal.account.id)
    proposal = rehearsal.propose()
    rehearsal.platform.accept_in_panel(proposal)
    strange = [status for status in listed if status.meaning is not Meaning.NEW]
    rehearsal.hub.script.answers["map_status"] = tuple(strange)
    rehearsal.done("statuses")
    rehearsal.done("orders")
    (order,) = rehearsal.deal(proposal).orders
    rehearsal.expect_parked(order, "unknown_status")
    rehearsal.expect_event("order_parked", Level.ERROR)
    number = rehearsal.order(order).id
    fails(ConfigError, "Unparking it while the status leads nowhere", lambda: rehearsal.hub.orders.unpark(number))
    del rehearsal.hub.script.answers["map_status"]
    rehearsal.done("statuses")
    rehearsal.hub.orders.unpark(number)
    row = rehearsal.order(order)
    same("Its meaning, and what it is parked for", (row.meaning, row.parked_code), (Meaning.NEW, None))
    holds("it has a status of the seller's", row.status_id)
    same("Units reserved", row.lines[0].reserved, 1)
    rehearsal.compare_with_book()
