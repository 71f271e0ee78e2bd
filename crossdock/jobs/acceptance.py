"""The job `accept`: decide about proposals and tell the platform; a crash at any moment neither loses nor doubles one.

Decide -> intent -> call -> outcome. What an earlier run left open is cleared up first: the platform is asked how it
ended. Only this job calls `accept_order`, one run at a time per account; what a person decided waits here as a wanted
intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal

from crossdock.core.errors import NotFound, Rejected, RemoteError
from crossdock.core.model import (
    Acceptance,
    Decision,
    DeclinedLine,
    Intent,
    LineOutcome,
    Money,
    Outcome,
    Pending,
)
from crossdock.core.store import accounts, intents, offers, order_changes, order_outcome, orders
from crossdock.core.store.accounts import Switch
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.events import Level
from crossdock.core.store.intents import IntentRow, IntentState
from crossdock.core.store.orders import LineRow, LineState, OrderRow, OrderState, ParkedFor
from crossdock.jobs.run import Run

JOB = "accept"
VERB = "accept_order"
MOST_AT_ONCE = 10_000
NO_SALE, UNKNOWN_PRODUCT = "not a sale", "unknown product"
OUT_OF_STOCK, BELOW_FLOOR = "out of stock", "below price floor"


def accept(run: Run) -> None:
    """Clear up what was left open, do what people decided, then decide about what waits."""
    with run.store.read() as tx:
        left = intents.in_state(tx, run.account_id, VERB, IntentState.OPEN)
        wanted = intents.in_state(tx, run.account_id, VERB, IntentState.WANTED)
    for intent in left:
        run.check_cancelled()
        clear_up(run, intent)
    for intent in wanted:
        run.check_cancelled()
        _begin_wanted(run, intent)
    with run.store.read() as tx:
        waiting = orders.waiting(tx, run.account_id, limit=MOST_AT_ONCE)
    for done, number in enumerate(waiting):
        run.check_cancelled()
        run.progress(done, len(waiting), "deciding")
        _decide(run, number)


# --- deciding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one proposal: lines to take, lines to decline with the reason, or why they cannot say."""

    accepted: tuple[str, ...]
    declined: Mapping[str, str]
    cannot_say: str | None = None


def _decide(run: Run, number: int) -> None:
    """Decide about one proposal by the rules, within what the account's switches allow, and tell the platform.

    Extensions review what the rules say while nothing is locked; if the rules say something else afterwards, since
    stock or prices moved, they are asked again.
    """
    opened, reviewed, decision = None, None, Decision()
    if run.connector.reviews_acceptance():
        with run.store.read() as tx:
            row = orders.get(tx, number)
            verdict = _judged(tx, run, row)
        if not verdict.cannot_say:
            reviewed, decision = (row.version, verdict), _reviewed(run, row, verdict)
    while True:
        with run.write() as tx:
            found = _hold_undecided(tx, run, number)
            if found is None:
                return
            row, switches = found
            verdict = _judged(tx, run, row)
            if verdict.cannot_say or not run.connector.reviews_acceptance():
                reviewed, decision = (row.version, verdict), _decision(verdict.accepted, verdict.declined)
            if reviewed == (row.version, verdict):
                opened = _park_or_open(tx, run, row, verdict, decision, switches)
                break
        reviewed, decision = (row.version, verdict), _reviewed(run, row, verdict)
    if opened:
        send(run, row, *opened)


def _judged(tx: Read, run: Run, row: OrderRow) -> Verdict:
    floor = run.account.options.price_floor
    takable = {line.variant_id for line in row.lines if line.variant_id is not None and not _reason_against(line)}
    exported = offers.exported_prices(tx, row.account, row.market, takable) if floor else {}
    return judge(row, exported, floor)


def _hold_undecided(tx: Write, run: Run, number: int) -> tuple[OrderRow, Set[Switch]] | None:
    """Lock a proposal, with the units that it still lacks, unless it is nothing to decide about any more."""
    row = orders.get(tx, number, lock=True)
    switches = accounts.get(tx, run.account_id).switches & {Switch.ACCEPT, Switch.DECLINE}
    if not switches or row.state is not OrderState.PROPOSED or row.parked_code or intents.living_of(tx, number):
        return None
    changed = order_changes.reserve_open(tx, [row], run.account.options.warehouses).columns
    return (orders.get(tx, number) if changed else row), switches


def _park_or_open(
    tx: Write, run: Run, row: OrderRow, verdict: Verdict, decision: Decision, switches: Set[Switch]
) -> tuple[int, Decision] | None:
    """Write what was decided: an intent, or that a person has to; return the intent with what is to be sent."""
    if because := verdict.cannot_say:
        order_changes.park(tx, row, ParkedFor.PRICE, because, actor=JOB)
        advice = "Take or decline it by `crossdock orders accept|decline`, or switch the price floor off."
        run.event(Level.WARNING, "order_parked", because, item=f"order {row.id}", advice=advice)
        return None
    allowed = Decision(
        accepted=decision.accepted if Switch.ACCEPT in switches else (),
        declined=decision.declined if Switch.DECLINE in switches else (),
    )
    if not (allowed.accepted or allowed.declined):
        return None
    intent_id = intents.open_intent(
        tx,
        account=row.account,
        verb=VERB,
        subject=str(row.id),
        order_id=row.id,
        run_id=run.id,
        request=request_of(allowed),
    )
    return intent_id, allowed


def judge(row: OrderRow, exported: Mapping[int, Money], floor: Decimal | None) -> Verdict:
    """Judge the undecided lines of a proposal; pure.

    Args:
        row: the proposal, after its reservations.
        exported: by variant, the price that was last published in the order's market.
        floor: the least share of that price at which a line is taken; None or zero for any price.
    """
    accepted: list[str] = []
    declined: dict[str, str] = {}
    for line in row.lines:
        if line.state is not LineState.PROPOSED:
            continue
        reason = _reason_against(line)
        if reason is None and floor and line.variant_id is not None:
            price = exported.get(line.variant_id)
            if price is None or price.currency != line.currency:
                return Verdict((), {}, f"No exported price in {line.currency} is known for {line.sku or line.name}.")
            reason = BELOW_FLOOR if line.price < floor * price.amount else None
        if reason is None:
            accepted.append(line.remote_id)
        else:
            declined[line.remote_id] = reason
    return Verdict(tuple(accepted), declined)


def _reason_against(line: LineRow) -> str | None:
    if line.quantity <= 0 or line.price <= 0:
        return NO_SALE
    if line.variant_id is None:
        return UNKNOWN_PRODUCT
    return None if line.reserved else OUT_OF_STOCK


def _reviewed(run: Run, row: OrderRow, verdict: Verdict) -> Decision:
    """Let the enabled extensions decline lines, and whole proposals; their reason counts before that of the rules."""
    declined = dict(verdict.declined)
    decided = dict.fromkeys((*verdict.accepted, *declined))
    for veto in run.connector.review_acceptance(row.order, _decision(verdict.accepted, declined)):
        declined |= {line: veto.reason for line in veto.line_ids or decided if line in decided}
    return _decision((line for line in verdict.accepted if line not in declined), declined)


def _decision(accepted: Iterable[str], declined: Mapping[str, str]) -> Decision:
    return Decision(
        accepted=tuple(accepted),
        declined=tuple(DeclinedLine(id=line, reason=reason) for line, reason in declined.items()),
    )


# --- telling the platform --------------------------------------------------------------------------------------------


def _begin_wanted(run: Run, intent: IntentRow) -> None:
    """Do what a person decided, unless the order moved on meanwhile."""
    decision = decision_of(intent)
    with run.write() as tx:
        row = orders.get(tx, int(intent.subject), lock=True)
        possible = _still_open(row, decision)
        if possible:
            intents.begin(tx, intent.id, run.id)
        else:
            intents.close(tx, intent.id, IntentState.DROPPED, words=f"The order is {row.state} by now.")
    if possible:
        send(run, row, intent.id, decision)
    else:
        message = "The decision came too late: the order moved on."
        run.event(
            Level.WARNING, "decision_late", message, item=f"order {row.id}", advice="See `crossdock orders show`."
        )


def _still_open(row: OrderRow, decision: Decision) -> bool:
    undecided = {line.remote_id for line in row.lines if line.state is LineState.PROPOSED}
    decided = {*decision.accepted, *(line.id for line in decision.declined)}
    return row.state in (OrderState.PROPOSED, OrderState.OPEN) and decided <= undecided


def request_of(decision: Decision) -> dict[str, object]:
    """Return a decision as an intent keeps it."""
    return {"accepted": list(decision.accepted), "declined": {line.id: line.reason for line in decision.declined}}


def decision_of(intent: IntentRow) -> Decision:
    """Return the decision that an intent keeps."""
    return _decision(intent.request["accepted"], intent.request["declined"])


def send(run: Run, row: OrderRow, intent_id: int, decision: Decision) -> None:
    """Make the call of an open intent and write its outcome.

    Raises:
        RemoteError: the platform could not be asked; the intent stays open if the call may have been carried out.
    """
    try:
        acceptance = run.connector.accept_order(orders.as_proposal(row), decision)
    except NotFound as error:
        _drop(run, intent_id, error)
        with run.write() as tx:
            order_outcome.close_gone(tx, row.id, actor=JOB)
        run.count(failed=1)
    except Rejected as error:
        _drop(run, intent_id, error)
        with run.write() as tx:
            order_changes.park(tx, orders.get(tx, row.id, lock=True), ParkedFor.REFUSED, str(error), actor=JOB)
        advice = "Look at the order on the platform, then `crossdock orders unpark`."
        run.event(Level.ERROR, "acceptance_refused", str(error), item=f"order {row.id}", advice=advice)
        run.count(failed=1)
    except RemoteError as error:
        if not error.unclear:
            with run.write() as tx:
                intents.give_up(tx, intent_id, str(error))
        raise
    else:
        write_outcome(run, intent_id, row.id, decision, acceptance)


def _drop(run: Run, intent_id: int, error: RemoteError) -> None:
    with run.write() as tx:
        intents.close(tx, intent_id, IntentState.DROPPED, words=str(error))


def write_outcome(run: Run, intent_id: int, order_id: int, decision: Decision, acceptance: Acceptance) -> None:
    """Write how a decision ended, in one transaction with its intent."""
    reasons = {line.id: line.reason for line in decision.declined}
    ended = acceptance.lines.items()
    with run.write() as tx:
        row = orders.get(tx, order_id, lock=True)
        settled = order_outcome.settle(
            tx,
            row,
            won=[line for line, outcome in ended if outcome is LineOutcome.WON],
            lost=[line for line, outcome in ended if outcome is LineOutcome.LOST],
            declined={line: reasons.get(line, "") for line, outcome in ended if outcome is LineOutcome.DECLINED},
            names=acceptance.remote_ids,
            warehouses=run.account.options.warehouses,
            actor=JOB,
        )
        answer = {line: outcome.value for line, outcome in ended}
        intents.close(tx, intent_id, IntentState.DONE, answer=answer, words=acceptance.words)
        if settled.parked:
            advice = "Mend the cause, then `crossdock orders unpark`."
            run.event(Level.ERROR, "order_parked", settled.parked, item=f"order {order_id}", advice=advice)
    run.count(seen=1, changed=1)
    run.tell_order_changed(order_id, settled.state.value)


# --- clearing up -----------------------------------------------------------------------------------------------------


def clear_up(run: Run, intent: IntentRow) -> None:
    """Find out how a call ended whose outcome was never written."""
    with run.store.read() as tx:
        row = orders.get(tx, int(intent.subject))
    decision = decision_of(intent)
    asked = Intent(id=intent.id, verb=VERB, made_at=intent.made_at, order=orders.as_proposal(row), decision=decision)
    outcome = run.connector.find_outcome(asked)
    if outcome is None and VERB in run.connector.facts.idempotent:
        outcome = Pending()
    if isinstance(outcome, Outcome) and outcome.acceptance is not None:
        write_outcome(run, intent.id, row.id, decision, outcome.acceptance)
    elif isinstance(outcome, Pending):
        _call_again(run, intent, row, decision)
    else:
        _give_to_a_person(run, intent, row)


def _call_again(run: Run, intent: IntentRow, row: OrderRow, decision: Decision) -> None:
    """The platform shows that nothing was done: the same decision is sent again under the same intent."""
    with run.write() as tx:
        possible = _still_open(orders.get(tx, row.id, lock=True), decision)
        if not possible:
            intents.close(tx, intent.id, IntentState.DROPPED, words=f"The order is {row.state} by now.")
    if possible:
        send(run, row, intent.id, decision)


def _give_to_a_person(run: Run, intent: IntentRow, row: OrderRow) -> None:
    because = "The answer to our decision never came, and the platform does not show how it ended."
    with run.write() as tx:
        _mark_unknown(tx, intent, because)
    advice = "Look at the order on the platform, then `crossdock orders resolve`; its units stay reserved until then."
    run.event(Level.ERROR, "outcome_unknown", because, item=f"order {row.id}", advice=advice)


def _mark_unknown(tx: Write, intent: IntentRow, because: str) -> None:
    row = orders.get(tx, int(intent.subject), lock=True)
    if row.state is OrderState.PROPOSED:
        order_outcome.mark_unknown(tx, row, because, actor=JOB)
        intents.close(tx, intent.id, IntentState.UNCLEAR, words=because)
    else:
        intents.close(tx, intent.id, IntentState.DONE, words=f"The order is {row.state} by now.")
