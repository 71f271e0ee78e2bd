"""Items about proposals: deciding, telling the platform once, and finding out how it ended."""

from __future__ import annotations

from decimal import Decimal

from crossdock.core.errors import ConfigError
from crossdock.core.model import RemoteId, Veto
from crossdock.core.store.events import Level
from crossdock.core.store.intents import IntentState
from crossdock.core.store.journal import Kind
from crossdock.core.store.orders import LineState, OrderState
from crossdock.core.store.runs import RunState
from crossdock.testing.items import fails, holds, item, same
from crossdock.testing.platform import Wanted
from crossdock.testing.rehearsal import ACCOUNT, SKUS, UNITS, Rehearsal, price
from crossdock.twins.kit import FaultKind

PROPOSED, WON, LOST, DECLINED = LineState.PROPOSED, LineState.WON, LineState.LOST, LineState.DECLINED
TOO_MANY_UNITS = UNITS * 2


def _set(rehearsal: Rehearsal, **options: object) -> None:
    rehearsal.hub.accounts.set(ACCOUNT, options=options)


def _reason(rehearsal: Rehearsal, proposal: RemoteId, position: int = 0) -> str | None:
    return rehearsal.order(proposal).lines[position].reason


# --- winning and losing ----------------------------------------------------------------------------------------------


@item(
    "accept.won",
    "A proposal that is in stock at a fair price is accepted with one call and goes on as one open order under all its "
    "names.",
    "An order that is known by its new name only is imported a second time.",
)
def _won(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0], 2), Wanted(SKUS[1]))
    writes = rehearsal.writes()
    rehearsal.done("accept")
    same("Writing calls", rehearsal.writes() - writes, 1)
    row = rehearsal.expect_order(proposal, OrderState.OPEN, WON, WON)
    same("Orders of this proposal at the platform", len(rehearsal.deal(proposal).orders), 1)
    holds("the moment of the decision is kept", row.decided_at is not None and row.decided_at >= row.seen_at)
    rehearsal.wait()
    same("Orders at the hub", len(rehearsal.stories()), 1)
    same("Entries 'won'", sum(entry.kind is Kind.WON for entry in rehearsal.story(proposal).journal), 1)
    rehearsal.compare_with_book()


@item(
    "accept.once",
    "What is decided is not decided again, however often the job runs.",
    "A second acceptance is a second promise.",
)
def _once(rehearsal: Rehearsal) -> None:
    rehearsal.read()
    rehearsal.done("accept")
    writes = rehearsal.writes()
    for _ in range(3):
        rehearsal.done("orders")
        rehearsal.done("accept")
    same("Writing calls after the decision", rehearsal.writes() - writes, 0)


@item(
    "accept.lost-race",
    "Another seller was faster: the order is lost, its units are free again, and the platform shows them again.",
    "Units that stay reserved for lost orders are never sold.",
)
def _lost_race(rehearsal: Rehearsal) -> None:
    rehearsal.platform.lose_every_race(True)
    proposal = rehearsal.read(Wanted(SKUS[0], 3))
    rehearsal.done("stock")
    same("Units shown while it is undecided", rehearsal.platform.stock()[SKUS[0]], UNITS - 3)
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.LOST, LOST)
    rehearsal.wait()
    same("Units shown afterwards", rehearsal.platform.stock()[SKUS[0]], UNITS)
    rehearsal.compare_with_book()


@item(
    "accept.in-part",
    "Of a proposal that is in stock in part, the one part is accepted and the other declined, in the same call.",
    "Two calls for one proposal leave a moment in which it is decided by half.",
)
def _in_part(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0]), Wanted(SKUS[1], TOO_MANY_UNITS))
    writes = rehearsal.writes()
    rehearsal.done("accept")
    same("Writing calls", rehearsal.writes() - writes, 1)
    rehearsal.expect_order(proposal, OrderState.OPEN, WON, DECLINED)
    same("Why it was declined", _reason(rehearsal, proposal, 1), "out of stock")
    rehearsal.compare_with_book()


@item(
    "accept.out-of-stock",
    "A proposal of which nothing is in stock is declined as a whole.",
    "What is promised without stock is cancelled later, and costs the seller's rating.",
)
def _out_of_stock(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0], TOO_MANY_UNITS))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.DECLINED, DECLINED)
    rehearsal.compare_with_book()


@item(
    "accept.last-unit",
    "Of two proposals for the last unit one is accepted and the other declined: a reservation counts at once.",
    "Both would be accepted if stock were only looked at.",
)
def _last_unit(rehearsal: Rehearsal) -> None:
    rehearsal.count({SKUS[0]: 1})
    proposals = [rehearsal.propose(Wanted(SKUS[0])) for _ in range(2)]
    rehearsal.done("orders")
    rehearsal.done("accept")
    states = [rehearsal.order(proposal).state for proposal in proposals]
    same("The two orders", sorted(states), [OrderState.DECLINED, OrderState.OPEN])
    rehearsal.wait()
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 0)
    rehearsal.compare_with_book()


@item(
    "accept.unknown-product",
    "A product that the hub does not know is declined as that; nobody guesses what it is.",
    "The nearest article is the wrong one.",
)
def _unknown_product(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted("NOBODY-HAS-IT"), Wanted(SKUS[0]))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.OPEN, DECLINED, WON)
    same("Why it was declined", _reason(rehearsal, proposal), "unknown product")
    rehearsal.compare_with_book()


@item(
    "accept.no-sale",
    "A position that costs nothing is declined as no sale, and holds no units.",
    "A price of zero is a fault in the data, not a gift.",
)
def _no_sale(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0], 1, Decimal(0)))
    same("Units reserved", rehearsal.only_line(proposal).reserved, 0)
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.DECLINED, DECLINED)
    same("Why it was declined", _reason(rehearsal, proposal), "not a sale")
    rehearsal.compare_with_book()


@item(
    "accept.bundle",
    "A bundle is accepted as long as its parts last, and what can be sold of bundle and parts falls together.",
    "A bundle counted by itself sells its parts twice.",
)
def _bundle(rehearsal: Rehearsal) -> None:
    rehearsal.bundle("SET", {SKUS[0]: 2, SKUS[1]: 1})
    rehearsal.platform.list(("SET",))
    rehearsal.done("offers")
    rehearsal.done("stock")
    same("Bundles shown", rehearsal.platform.stock()["SET"], UNITS // 2)
    proposal = rehearsal.read(Wanted("SET", 3), Wanted("SET", UNITS))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.OPEN, WON, DECLINED)
    rehearsal.wait()
    shown = rehearsal.platform.stock()
    same("Units shown", [shown[name] for name in ("SET", SKUS[0], SKUS[1])], [UNITS // 2 - 3, UNITS - 6, UNITS - 3])
    rehearsal.compare_with_book()


# --- the price floor -------------------------------------------------------------------------------------------------


def _judge_floor(rehearsal: Rehearsal, share: str, state: LineState, floor: str | None = "0.97") -> None:
    _set(rehearsal, price_floor=floor)
    proposal = rehearsal.read(Wanted(SKUS[0], 1, price(share)))
    rehearsal.done("accept")
    order = {WON: OrderState.OPEN, DECLINED: OrderState.DECLINED}[state]
    rehearsal.expect_order(proposal, order, state)
    if state is DECLINED:
        same("Why it was declined", _reason(rehearsal, proposal), "below price floor")
    rehearsal.compare_with_book()


@item(
    "floor.below",
    "A line below the price floor is declined with that reason.",
    "A platform's old price would be sold at a loss.",
)
def _below_floor(rehearsal: Rehearsal) -> None:
    _judge_floor(rehearsal, "0.969", DECLINED)


@item(
    "floor.at",
    "A line exactly at the price floor is accepted.",
    "Prices are decimals; a float would decline one of two equal prices.",
)
def _at_floor(rehearsal: Rehearsal) -> None:
    _judge_floor(rehearsal, "0.97", WON)


@item(
    "floor.above",
    "A line above the price floor is accepted, dearer than exported as well.",
    "The floor is no ceiling.",
)
def _above_floor(rehearsal: Rehearsal) -> None:
    _judge_floor(rehearsal, "1.5", WON)


@item(
    "floor.lower",
    "The floor is the account's own: at 0.5 of the exported price, 0.6 of it is accepted.",
    "A floor that is written into the program is somebody else's.",
)
def _lower_floor(rehearsal: Rehearsal) -> None:
    _judge_floor(rehearsal, "0.6", WON, "0.5")


@item(
    "floor.off",
    "A floor of zero is none: any price is accepted, and no exported price is asked for; the next change of another "
    "option leaves it off.",
    "A setting that comes back by itself declines orders in the night.",
)
def _floor_off(rehearsal: Rehearsal) -> None:
    rehearsal.stock_up(("UNPRICED",), priced=False)
    _set(rehearsal, price_floor=0)
    _set(rehearsal, stock_buffer=0)
    proposal = rehearsal.read(Wanted(SKUS[0], 1, price("0.01")), Wanted("UNPRICED"))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.OPEN, WON, WON)
    rehearsal.compare_with_book()


@item(
    "floor.no-price",
    "A line whose exported price nobody knows parks the order for a person, who may accept it by hand.",
    "What cannot be compared is neither cheap nor dear.",
)
def _no_exported_price(rehearsal: Rehearsal) -> None:
    rehearsal.stock_up(("UNPRICED",), priced=False)
    proposal = rehearsal.read(Wanted("UNPRICED"))
    writes = rehearsal.writes()
    rehearsal.done("accept")
    rehearsal.expect_parked(proposal, "no_exported_price")
    rehearsal.expect_event("order_parked", Level.WARNING)
    same("Writing calls for a parked order", rehearsal.writes() - writes, 0)
    rehearsal.hub.orders.accept(rehearsal.order(proposal).id)
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    same("The order waits for a person", rehearsal.order(proposal).parked_code, None)
    rehearsal.compare_with_book()


# --- switches, arming, people ----------------------------------------------------------------------------------------


@item(
    "accept.unarmed",
    "While an account is not armed its proposals are read and reserved, but nothing is written to the platform.",
    "A new account must not act before somebody has looked at what it would do.",
)
def _unarmed(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disarm(ACCOUNT)
    proposal = rehearsal.propose()
    writes = rehearsal.writes()
    rehearsal.wait()
    same("The run of accept", rehearsal.run("accept").state.value, RunState.FAILED.value)
    rehearsal.expect_event("config_error", Level.ERROR)
    number = rehearsal.order(proposal).id
    fails(ConfigError, "Accepting by hand", lambda: rehearsal.hub.orders.accept(number))
    fails(ConfigError, "Declining by hand", lambda: rehearsal.hub.orders.decline(number))
    same("Writing calls while it is not armed", rehearsal.writes() - writes, 0)
    rehearsal.expect_order(proposal, OrderState.PROPOSED, PROPOSED)
    same("Units reserved", rehearsal.only_line(proposal).reserved, 1)
    rehearsal.hub.accounts.arm(ACCOUNT)
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)


@item(
    "accept.switch-off",
    "With automatic acceptance off proposals wait, with their units reserved, until a person accepts them.",
    "Some sellers want to look at every order first.",
)
def _acceptance_off(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "accept")
    proposal = rehearsal.propose(Wanted(SKUS[0], 2))
    rehearsal.wait()
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.PROPOSED, PROPOSED)
    same("Units reserved", rehearsal.only_line(proposal).reserved, 2)
    same("Proposals that wait", [row.id for row in rehearsal.hub.orders.list(pending=True)], [1])
    rehearsal.hub.orders.accept(rehearsal.order(proposal).id)
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.wait()
    rehearsal.compare_with_book()


@item(
    "decline.switch-off",
    "With automatic declining off, what would be declined waits while the rest is accepted; a person declines it.",
    "A late delivery may still make it possible.",
)
def _declining_off(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "decline")
    nothing = rehearsal.read(Wanted(SKUS[0], TOO_MANY_UNITS))
    half = rehearsal.read(Wanted(SKUS[1]), Wanted(SKUS[0], TOO_MANY_UNITS))
    rehearsal.done("accept")
    rehearsal.expect_order(nothing, OrderState.PROPOSED, PROPOSED)
    rehearsal.expect_order(half, OrderState.OPEN, WON, PROPOSED)
    rehearsal.hub.orders.decline(rehearsal.order(nothing).id, reason="will not come in")
    rehearsal.expect_order(nothing, OrderState.DECLINED, DECLINED)
    same("Why it was declined", _reason(rehearsal, nothing), "will not come in")
    rehearsal.hub.orders.decline(rehearsal.order(half).id)
    rehearsal.expect_order(half, OrderState.OPEN, WON, DECLINED)
    rehearsal.wait()
    rehearsal.compare_with_book()


@item(
    "decline.stock-comes-in",
    "A proposal that waits for want of stock is accepted by itself once units are counted.",
    "It waited for nothing else.",
)
def _stock_comes_in(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "decline")
    proposal = rehearsal.read(Wanted(SKUS[0], TOO_MANY_UNITS))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.PROPOSED, PROPOSED)
    rehearsal.count({SKUS[0]: TOO_MANY_UNITS})
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.compare_with_book()


@item(
    "people.by-position",
    "A person accepts one position and declines another, one after the other, and each is told to the platform alone.",
    "A seller knows of a scratch that no count shows.",
)
def _by_position(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    proposal = rehearsal.read(Wanted(SKUS[0]), Wanted(SKUS[1]), Wanted(SKUS[2]))
    number = rehearsal.order(proposal).id
    first, second, third = (line.remote_id for line in rehearsal.order(proposal).lines)
    rehearsal.hub.orders.accept(number, [second])
    rehearsal.expect_order(proposal, OrderState.OPEN, PROPOSED, WON, PROPOSED)
    rehearsal.hub.orders.decline(number, [first], reason="scratched")
    rehearsal.expect_order(proposal, OrderState.OPEN, DECLINED, WON, PROPOSED)
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, DECLINED, WON, PROPOSED)
    rehearsal.hub.orders.accept(number, [third])
    rehearsal.expect_order(proposal, OrderState.OPEN, DECLINED, WON, WON)
    fails(ConfigError, "Deciding once more", lambda: rehearsal.hub.orders.decline(number, [third]))
    rehearsal.wait()
    rehearsal.compare_with_book()


@item(
    "people.no-stock",
    "A person cannot accept what is not in stock, and is told which position it is; nothing is sent.",
    "The floor is the seller's to waive, missing goods are nobody's.",
)
def _by_hand_without_stock(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "decline")
    proposal = rehearsal.read(Wanted(SKUS[0], TOO_MANY_UNITS))
    writes = rehearsal.writes()
    number = rehearsal.order(proposal).id
    error = fails(ConfigError, "Accepting what is not there", lambda: rehearsal.hub.orders.accept(number))
    holds("the error names the position", any(SKUS[0] in fault for fault in error.faults))
    same("Writing calls", rehearsal.writes() - writes, 0)
    same("Intents", rehearsal.intents(proposal), [])


@item(
    "people.below-floor",
    "A person may accept below the price floor.",
    "The floor is there for the machine.",
)
def _by_hand_below_floor(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "decline")
    proposal = rehearsal.read(Wanted(SKUS[0], 1, price("0.5")))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.PROPOSED, PROPOSED)
    rehearsal.hub.orders.accept(rehearsal.order(proposal).id)
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.compare_with_book()


@item(
    "people.decision-survives",
    "What a person decided while the platform could not be asked is carried out by itself as soon as it can.",
    "Who has decided looks no more, and the proposal would run out.",
)
def _decision_survives(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "accept")
    proposal = rehearsal.read()
    rehearsal.fault(FaultKind.TOO_MANY, "accept", times=None)
    rehearsal.hub.orders.accept(rehearsal.order(proposal).id)
    rehearsal.expect_order(proposal, OrderState.PROPOSED, PROPOSED)
    rehearsal.expect_event("rate_limited", Level.WARNING)
    rehearsal.mend()
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.compare_with_book()


@item(
    "people.decision-survives-stop",
    "What a person decided is not lost when the platform refuses the credentials: it is carried out after resuming.",
    "Mending the credentials must not cost the decisions that showed that they were wrong.",
)
def _decision_survives_stop(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "decline")
    proposal = rehearsal.read()
    rehearsal.fault(FaultKind.UNAUTHORISED, "accept", times=None)
    rehearsal.hub.orders.decline(rehearsal.order(proposal).id, reason="sold in the shop")
    holds("the account is stopped", rehearsal.account.stopped_because)
    rehearsal.mend()
    rehearsal.hub.accounts.resume(ACCOUNT)
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.DECLINED, DECLINED)
    same("Why it was declined", _reason(rehearsal, proposal), "sold in the shop")
    rehearsal.compare_with_book()


# --- extensions, VAT -------------------------------------------------------------------------------------------------


@item(
    "extension.veto",
    "An extension's veto declines the order with its reason.",
    "A guard that is asked and then ignored is none.",
)
def _veto(rehearsal: Rehearsal) -> None:
    rehearsal.hub.script.answers["review_acceptance"] = (Veto(reason="known for fraud"),)
    proposal = rehearsal.read(Wanted(SKUS[0]), Wanted(SKUS[1]))
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.DECLINED, DECLINED, DECLINED)
    same("Why it was declined", _reason(rehearsal, proposal), "known for fraud")
    rehearsal.compare_with_book()


@item(
    "extension.veto-of-positions",
    "A veto of some positions declines these and leaves the others accepted.",
    "One bad position must not cost the whole order.",
)
def _veto_of_positions(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0]), Wanted(SKUS[1]))
    second = rehearsal.order(proposal).lines[1].remote_id
    rehearsal.hub.script.answers["review_acceptance"] = (Veto(reason="not to this country", line_ids=(second,)),)
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.OPEN, WON, DECLINED)
    same("Why it was declined", _reason(rehearsal, proposal, 1), "not to this country")
    rehearsal.compare_with_book()


@item(
    "vat.missing",
    "A won order whose VAT rate nobody knows is parked; once the account has a rate and the order is unparked, each "
    "line has rate and net price.",
    "An invoice with a guessed rate is a wrong invoice.",
)
def _vat_missing(rehearsal: Rehearsal) -> None:
    _set(rehearsal, vat_rate=None)
    proposal = rehearsal.read()
    same("A proposal is parked for its VAT", rehearsal.order(proposal).parked_code, None)
    rehearsal.done("accept")
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.done("orders")
    rehearsal.expect_parked(proposal, "no_vat_rate")
    _set(rehearsal, vat_rate="25")
    rehearsal.hub.orders.unpark(rehearsal.order(proposal).id)
    line = rehearsal.only_line(proposal)
    same("Rate and net price", (line.vat_rate, line.net_price), (Decimal(25), Decimal(8)))
    same("The order waits for a person", rehearsal.order(proposal).parked_code, None)
    rehearsal.compare_with_book()


@item(
    "vat.still-missing",
    "An order that is unparked although its VAT rate is still unknown goes on waiting.",
    "A person who was sure that it was mended may have been wrong.",
)
def _vat_still_missing(rehearsal: Rehearsal) -> None:
    _set(rehearsal, vat_rate=None)
    proposal = rehearsal.read()
    rehearsal.done("accept")
    number = rehearsal.order(proposal).id
    fails(ConfigError, "Unparking it", lambda: rehearsal.hub.orders.unpark(number))
    rehearsal.expect_parked(proposal, "no_vat_rate")


@item(
    "vat.kept",
    "Rate, source and net price stand on every line of an order that was won.",
    "A rate that is looked up later is another one by then.",
)
def _vat_kept(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0], 2, Decimal("12.30")))
    rehearsal.done("accept")
    line = rehearsal.only_line(proposal)
    found = (line.vat_rate, line.vat_source, line.net_price)
    same("Rate, source and net price", found, (Decimal(23), "account", Decimal(10)))


# --- an answer that never came ---------------------------------------------------------------------------------------


def _answer_lost(rehearsal: Rehearsal, proposal: RemoteId) -> None:
    """Accept a proposal, and let the line break right after the platform did what it was asked."""
    rehearsal.fault(FaultKind.RESET_AFTER_WRITE, "accept")
    rehearsal.run("accept")
    same("Broken lines", rehearsal.struck(FaultKind.RESET_AFTER_WRITE), 1)
    same("The intent", rehearsal.intents(proposal), [IntentState.OPEN])
    rehearsal.expect_order(proposal, OrderState.PROPOSED)
    rehearsal.expect_whole()


@item(
    "outcome.won",
    "The answer to an acceptance was lost: the platform shows that it was won, so the order goes on without a second "
    "call.",
    "A second acceptance is a second promise.",
)
def _outcome_won(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read()
    _answer_lost(rehearsal, proposal)
    calls = rehearsal.calls("accept")
    rehearsal.wait()
    same("Further calls that accept", rehearsal.calls("accept") - calls, 0)
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    same("The intent", rehearsal.intents(proposal), [IntentState.DONE])
    rehearsal.compare_with_book()


@item(
    "outcome.lost",
    "The answer to an acceptance was lost: the platform shows that another seller was faster, so the units are free.",
    "Nobody releases what nobody knows to be lost.",
)
def _outcome_lost(rehearsal: Rehearsal) -> None:
    rehearsal.platform.lose_every_race(True)
    proposal = rehearsal.read()
    _answer_lost(rehearsal, proposal)
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.LOST, LOST)
    same("The intent", rehearsal.intents(proposal), [IntentState.DONE])
    rehearsal.compare_with_book()


@item(
    "outcome.declined",
    "The answer to a mere decline was lost: the order ends as declined.",
    "Declines are answered like acceptances, and lost like them.",
)
def _outcome_declined(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read(Wanted(SKUS[0], TOO_MANY_UNITS))
    _answer_lost(rehearsal, proposal)
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.DECLINED, DECLINED)
    rehearsal.compare_with_book()


@item(
    "outcome.still-pending",
    "An acceptance that never reached the platform is sent again under the same intent, once.",
    "An order that nobody answers goes to somebody else.",
)
def _outcome_pending(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read()
    rehearsal.fault(FaultKind.RESET, "accept")
    rehearsal.run("accept")
    same("The intent", rehearsal.intents(proposal), [IntentState.OPEN])
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    same("The intent", rehearsal.intents(proposal), [IntentState.DONE])
    rehearsal.compare_with_book()


@item(
    "outcome.question-fails",
    "While nobody answers how an acceptance ended, it is neither sent again nor given up, but asked again later.",
    "The question meets the same bad day as the acceptance did.",
)
def _question_fails(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read()
    _answer_lost(rehearsal, proposal)
    rehearsal.fault(FaultKind.SERVER_ERROR, "outcome", times=None)
    rehearsal.fault(FaultKind.SERVER_ERROR, "orders", times=None)
    writes = rehearsal.writes()
    for _ in range(2):
        same("The run of accept", rehearsal.run("accept").state.value, RunState.QUEUED.value)
    same("Writing calls", rehearsal.writes() - writes, 0)
    same("The intent", rehearsal.intents(proposal), [IntentState.OPEN])
    rehearsal.mend()
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.compare_with_book()


def _leave_unknown(rehearsal: Rehearsal) -> RemoteId:
    """Lose the answer of an acceptance, and let the platform not tell how it ended."""
    proposal = rehearsal.read(Wanted(SKUS[0], 4))
    _answer_lost(rehearsal, proposal)
    rehearsal.hub.script.answers["find_outcome"] = None
    rehearsal.done("accept")
    return proposal


@item(
    "outcome.unknown",
    "Where the platform cannot tell how an acceptance ended, the order waits for a person, its units stay reserved, "
    "and it is not sent again.",
    "Either guess is wrong: an order is sold twice, or forgotten.",
)
def _outcome_unknown(rehearsal: Rehearsal) -> None:
    proposal = _leave_unknown(rehearsal)
    rehearsal.expect_order(proposal, OrderState.UNKNOWN, PROPOSED)
    rehearsal.expect_parked(proposal, "outcome_unknown")
    rehearsal.expect_event("outcome_unknown", Level.ERROR)
    same("The intent", rehearsal.intents(proposal), [IntentState.UNCLEAR])
    same("Units reserved", rehearsal.only_line(proposal).reserved, 4)
    writes = rehearsal.writes()
    rehearsal.done("accept")
    same("Writing calls", rehearsal.writes() - writes, 0)
    number = rehearsal.order(proposal).id
    fails(ConfigError, "Unparking it like any other", lambda: rehearsal.hub.orders.unpark(number))
    fails(ConfigError, "Accepting it once more", lambda: rehearsal.hub.orders.accept(number))


@item(
    "outcome.shows-up",
    "An order whose outcome was unknown and that shows up in the platform's list goes on as won, once.",
    "The list of orders is the best answer to how it ended.",
)
def _outcome_shows_up(rehearsal: Rehearsal) -> None:
    proposal = _leave_unknown(rehearsal)
    rehearsal.wait()
    row = rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    same("The order waits for a person", row.parked_code, None)
    same("Units reserved", row.lines[0].reserved, 4)
    same("Orders at the hub", len(rehearsal.stories()), 1)
    rehearsal.compare_with_book()


@item(
    "outcome.asked-again",
    "A person lets the hub ask once more how an acceptance ended; what the platform tells by then is what counts.",
    "Platforms show some things late.",
)
def _outcome_asked_again(rehearsal: Rehearsal) -> None:
    proposal = _leave_unknown(rehearsal)
    number = rehearsal.order(proposal).id
    rehearsal.hub.orders.resolve(number, "ask")
    rehearsal.expect_parked(proposal, "outcome_unknown")
    del rehearsal.hub.script.answers["find_outcome"]
    rehearsal.hub.orders.resolve(number, "ask")
    rehearsal.expect_order(proposal, OrderState.OPEN, WON)
    rehearsal.wait()
    rehearsal.compare_with_book()


@item(
    "outcome.resolved-as-lost",
    "A person says that an order of unknown outcome is lost: its units are free, and nothing is sent.",
    "In the end somebody has looked at the platform's own screen.",
)
def _outcome_resolved(rehearsal: Rehearsal) -> None:
    rehearsal.platform.lose_every_race(True)
    proposal = _leave_unknown(rehearsal)
    writes = rehearsal.writes()
    rehearsal.hub.orders.resolve(rehearsal.order(proposal).id, "lost")
    same("Writing calls", rehearsal.writes() - writes, 0)
    rehearsal.expect_order(proposal, OrderState.LOST, LOST)
    rehearsal.wait()
    rehearsal.compare_with_book()
