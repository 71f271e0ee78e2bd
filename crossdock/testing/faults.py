"""Items about a platform's bad days: every kind of fault that a twin knows, in every request where it makes sense.

A fault strikes once, and then until it is mended. Each time the run has to end as the design says, tell a person what
happened, and leave nothing half-written; afterwards hub and platform have to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from crossdock.core.errors import AuthError, BadAnswer, RateLimited, RemoteError, Unavailable
from crossdock.core.model import RemoteId
from crossdock.core.store.events import Level
from crossdock.core.store.intents import IntentState
from crossdock.core.store.orders import LineState, OrderState
from crossdock.core.store.runs import RunRecord, RunState
from crossdock.testing.items import Item, add, fails, holds, item, same
from crossdock.testing.platform import Wanted
from crossdock.testing.rehearsal import ACCOUNT, SKUS, UNITS, Rehearsal
from crossdock.twins.kit import FaultKind

SHORT, LONG = 5, 120  # seconds that a platform asks to wait: within a run, and beyond what a run waits
SILENCE = 0.3  # seconds of real time until a request is given up in the items about time-outs


class Ending(Enum):
    """How a run ends that met a fault."""

    DONE = auto()
    LATER = auto()
    FAILED = auto()
    STOPPED = auto()
    REFUSED = auto()


DONE, LATER, FAILED, STOPPED, REFUSED = Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is expected of a kind of fault in a verb.

    Args:
        once: how the run ends where the fault strikes a single time.
        lasting: how it ends where the fault stays; None where it cannot stay.
        code: of the event.
        open: whether the fault leaves open if the platform did as it was asked.
        raw: whether there is an answer to be kept.
        short, long: further details of the fault, where it strikes once and where it stays.
    """

    once: Ending
    lasting: Ending | None
    code: str = ""
    open: bool = False
    raw: bool = False
    short: Mapping[str, Any] = field(default_factory=dict)
    long: Mapping[str, Any] = field(default_factory=dict)


def _until(case: Case) -> Case:
    """Return the case with a platform that says how long to wait."""
    return replace(case, short={"retry_after": SHORT}, long={"retry_after": LONG})


_LIMITED = Case(once=DONE, lasting=LATER, code="rate_limited")
_AWAY = Case(once=DONE, lasting=LATER, code="unavailable")
_EMPTY = Case(once=FAILED, lasting=FAILED, code="bad_answer")
_STRANGE = replace(_EMPTY, raw=True)
_LOCKED_OUT = Case(once=DONE, lasting=STOPPED, code="auth_error")
_HARMLESS = Case(once=DONE, lasting=DONE, short={"seconds": 0.05}, long={"seconds": 0.05})

READING: Final = {
    FaultKind.TOO_MANY: _LIMITED,
    FaultKind.TOO_MANY_RETRY_AFTER: _until(_LIMITED),
    FaultKind.TOO_MANY_RETRY_AFTER_DATE: _until(_LIMITED),
    FaultKind.SERVER_ERROR: _AWAY,
    FaultKind.UNAVAILABLE: _until(_AWAY),
    FaultKind.RESET: _AWAY,
    FaultKind.TIME_OUT: _AWAY,
    FaultKind.TRUNCATED: _AWAY,
    FaultKind.HTML: _STRANGE,
    FaultKind.EMPTY: _EMPTY,
    FaultKind.FAILURE_ENVELOPE: Case(once=DONE, lasting=FAILED, code="rejected"),
    FaultKind.UNAUTHORISED: _LOCKED_OUT,
    FaultKind.EXPIRED_TOKEN: Case(once=DONE, lasting=None),
    FaultKind.SLOW_BODY: _HARMLESS,
}

# A level is absolute, so a push may be repeated like a question.
PUSHING: Final = READING | {
    FaultKind.FAILURE_ENVELOPE: Case(once=DONE, lasting=REFUSED, code="level_refused"),
    FaultKind.ERROR_AFTER_WRITE: _AWAY,
    FaultKind.RESET_AFTER_WRITE: _AWAY,
    FaultKind.HALF_ACCEPTED: _AWAY,
}

# An acceptance is repeated only where it is certain that nothing was done.
_UNCLEAR = Case(once=LATER, lasting=LATER, code="unavailable", open=True)
_DONE_UNHEARD = Case(once=LATER, lasting=None, code="unavailable", open=True)
ACCEPTING: Final = READING | {
    FaultKind.SERVER_ERROR: _UNCLEAR,
    FaultKind.UNAVAILABLE: _until(_UNCLEAR),
    FaultKind.RESET: _UNCLEAR,
    FaultKind.TIME_OUT: _UNCLEAR,
    FaultKind.TRUNCATED: _DONE_UNHEARD,
    FaultKind.ERROR_AFTER_WRITE: _DONE_UNHEARD,
    FaultKind.RESET_AFTER_WRITE: _DONE_UNHEARD,
    FaultKind.HTML: replace(_STRANGE, open=True),
    FaultKind.EMPTY: replace(_EMPTY, open=True),
    FaultKind.FAILURE_ENVELOPE: Case(once=DONE, lasting=REFUSED, code="acceptance_refused"),
}

# The connection test is asked by a person, who gets the error itself.
CONNECTING: Final[Mapping[FaultKind, type[RemoteError]]] = {
    FaultKind.TOO_MANY: RateLimited,
    FaultKind.TOO_MANY_RETRY_AFTER: RateLimited,
    FaultKind.TOO_MANY_RETRY_AFTER_DATE: RateLimited,
    FaultKind.SERVER_ERROR: Unavailable,
    FaultKind.UNAVAILABLE: Unavailable,
    FaultKind.RESET: Unavailable,
    FaultKind.TIME_OUT: Unavailable,
    FaultKind.TRUNCATED: Unavailable,
    FaultKind.HTML: BadAnswer,
    FaultKind.EMPTY: BadAnswer,
    FaultKind.FAILURE_ENVELOPE: AuthError,
    FaultKind.UNAUTHORISED: AuthError,
}


# --- judging a run ---------------------------------------------------------------------------------------------------


def judge(rehearsal: Rehearsal, verb: str, kind: FaultKind, case: Case) -> None:
    """Let a fault strike once and then lastingly while a job runs, and judge what comes of it each time."""
    rehearsal.hub.patience = SILENCE if kind is FaultKind.TIME_OUT else rehearsal.hub.patience
    _strike(rehearsal, verb, kind, case, case.once, times=1, details=case.short)
    if case.lasting is not None:
        _strike(rehearsal, verb, kind, case, case.lasting, times=None, details=case.long)


def _strike(
    rehearsal: Rehearsal,
    verb: str,
    kind: FaultKind,
    case: Case,
    ending: Ending,
    *,
    times: int | None,
    details: Mapping[str, Any],
) -> None:
    proposal = _prepare(rehearsal, verb)
    struck, orders, begin = rehearsal.struck(kind), len(rehearsal.stories()), rehearsal.clock.monotonic()
    rehearsal.fault(kind, verb, times=times, **details)
    record = rehearsal.run(verb)
    holds(f"{kind} struck", rehearsal.struck(kind) > struck)
    _expect_ending(rehearsal, ending, case, record, details.get("retry_after", 0.0), begin)
    rehearsal.expect_whole()
    if verb == "orders" and ending is not DONE:
        same("Orders taken in from an answer that was none", len(rehearsal.stories()), orders)
    if verb == "accept":
        _expect_intent(rehearsal, proposal, ending, case)
    rehearsal.mend()
    _recover(rehearsal, verb, ending, proposal)
    rehearsal.compare_with_book()
    if verb == "accept":
        rehearsal.expect_order(proposal, OrderState.OPEN, LineState.WON)


def _prepare(rehearsal: Rehearsal, verb: str) -> RemoteId:
    """Give a job something to do."""
    if verb == "stock":
        rehearsal.count({sku: rehearsal.level(sku).on_hand - 1 for sku in SKUS})
    proposal = rehearsal.propose()
    if verb == "accept":
        rehearsal.done("orders")
    return proposal


def _expect_ending(
    rehearsal: Rehearsal, ending: Ending, case: Case, record: RunRecord, asked: float, begin: float
) -> None:
    state = {DONE: RunState.DONE, REFUSED: RunState.DONE, LATER: RunState.QUEUED}.get(ending, RunState.FAILED)
    same(f"The run ({record.error or 'no error'})", record.state.value, state.value)
    same("The account is stopped", rehearsal.account.stopped_because is not None, ending is STOPPED)
    if ending is DONE:
        holds(f"the run waited {asked} s, as asked", rehearsal.clock.monotonic() - begin >= asked)
        return
    if ending is LATER:
        wait = (record.not_before - rehearsal.clock.now()).total_seconds()
        holds(f"the next attempt is in {wait} s, not before the {asked} s asked for", wait > 0 and wait >= asked)
    warning = ending is LATER or case.code == "level_refused"
    event = rehearsal.expect_event(case.code, Level.WARNING if warning else Level.ERROR)
    if case.raw:
        holds("the answer that cannot be understood is kept", (event.detail or {}).get("raw"))


def _expect_intent(rehearsal: Rehearsal, proposal: RemoteId, ending: Ending, case: Case) -> None:
    """What is about to be done is open where it may have been done, and else it is settled; units are held anyway."""
    last = IntentState.DONE if ending is DONE else IntentState.OPEN if case.open else IntentState.DROPPED
    same("The intent", rehearsal.intents(proposal)[-1], last)
    holds("the units stay reserved", rehearsal.only_line(proposal).reserved == 1)
    if ending is REFUSED:
        rehearsal.expect_parked(proposal, "refused")


def _recover(rehearsal: Rehearsal, verb: str, ending: Ending, proposal: RemoteId) -> None:
    """Do what a person has to do after such an ending, and no more; the rest has to happen by itself."""
    if ending is STOPPED:
        rehearsal.hub.accounts.resume(ACCOUNT)
    if ending is REFUSED and verb == "accept":
        rehearsal.hub.orders.unpark(rehearsal.order(proposal).id)
    if ending in (FAILED, REFUSED, STOPPED) and verb == "stock":
        rehearsal.done("stock")
    rehearsal.wait()
    rehearsal.wait()


def judge_connection(rehearsal: Rehearsal, kind: FaultKind, error: type[RemoteError]) -> None:
    """Let a fault strike while an account is tested in order to be armed."""
    rehearsal.hub.patience = SILENCE if kind is FaultKind.TIME_OUT else rehearsal.hub.patience
    rehearsal.hub.accounts.disarm(ACCOUNT)
    rehearsal.fault(kind, "connection", times=None)
    raised = fails(error, f"Arming under {kind}", lambda: rehearsal.hub.accounts.arm(ACCOUNT))
    holds("the error tells account and verb", raised.account == ACCOUNT and raised.verb == "check_connection")
    holds("the error says what happened and what to do", raised.message and raised.advice)
    secret = rehearsal.platform.settings[rehearsal.platform.secret]
    holds("the error holds no secret", secret not in f"{raised} {raised.words} {vars(raised)}")
    same("The account is armed", rehearsal.account.armed, False)
    same("The account is stopped", rehearsal.account.stopped_because, None)
    rehearsal.mend()
    rehearsal.wait()
    rehearsal.hub.accounts.arm(ACCOUNT)
    same("The account is armed", rehearsal.account.armed, True)


# --- the items -------------------------------------------------------------------------------------------------------

WHILE = {
    "orders": "orders are read",
    "accept": "a proposal is accepted",
    "stock": "stock is pushed",
    "connection": "the connection is tested",
}
FAULTS = {
    FaultKind.TOO_MANY: "429 without a word on how long to wait",
    FaultKind.TOO_MANY_RETRY_AFTER: "429 with the seconds to wait",
    FaultKind.TOO_MANY_RETRY_AFTER_DATE: "429 with the moment to wait for",
    FaultKind.SERVER_ERROR: "500",
    FaultKind.UNAVAILABLE: "503 with the seconds to wait",
    FaultKind.RESET: "A reset connection",
    FaultKind.TIME_OUT: "No answer in time",
    FaultKind.ERROR_AFTER_WRITE: "500 after the platform did as it was asked",
    FaultKind.RESET_AFTER_WRITE: "A reset connection after the platform did as it was asked",
    FaultKind.HTML: "An HTML page for an answer",
    FaultKind.TRUNCATED: "An answer cut off in the middle",
    FaultKind.EMPTY: "An empty answer",
    FaultKind.FAILURE_ENVELOPE: "200 with a failure inside",
    FaultKind.EXPIRED_TOKEN: "A token that the platform has forgotten",
    FaultKind.UNAUTHORISED: "401",
    FaultKind.REPEAT_PAGE: "The page before once more",
    FaultKind.HALF_ACCEPTED: "500 after half of the batch was taken",
    FaultKind.SLOW_BODY: "An answer that dawdles",
}
REASONS = {
    FaultKind.TOO_MANY: "Whoever hammers on is locked out for longer.",
    FaultKind.TOO_MANY_RETRY_AFTER: "The platform knows best when it will answer again.",
    FaultKind.TOO_MANY_RETRY_AFTER_DATE: "The header has two forms, and the rarer one is forgotten easily.",
    FaultKind.SERVER_ERROR: "A platform's bad minute must not cost an order.",
    FaultKind.UNAVAILABLE: "Maintenance is announced like this.",
    FaultKind.RESET: "Nobody knows what was done before the line broke.",
    FaultKind.TIME_OUT: "Silence says neither yes nor no.",
    FaultKind.ERROR_AFTER_WRITE: "An error does not prove that nothing was done.",
    FaultKind.RESET_AFTER_WRITE: "A broken line does not prove that nothing was done.",
    FaultKind.HTML: "Gateways answer so for a platform that is down; none of it may be taken for data.",
    FaultKind.TRUNCATED: "Half an answer must not be taken for a short one.",
    FaultKind.EMPTY: "Nothing must not be taken for an empty list.",
    FaultKind.FAILURE_ENVELOPE: "Some platforms say 200 and mean no.",
    FaultKind.EXPIRED_TOKEN: "Tokens end in the middle of work.",
    FaultKind.UNAUTHORISED: "Wrong credentials that are tried again and again lock the seller out.",
    FaultKind.HALF_ACCEPTED: "The rest of a batch must not be forgotten.",
    FaultKind.SLOW_BODY: "Slow is not broken.",
}
ONCE = {
    DONE: "once, it is survived within the run",
    LATER: "once, it puts the run off",
    FAILED: "the run fails at once",
}
LASTING = {
    DONE: "so it is however often it comes",
    LATER: "if it lasts, the run waits in the queue",
    FAILED: "if it lasts, the run fails",
    STOPPED: "if it lasts, the account is stopped",
    REFUSED: "if it lasts, what was asked for is told as refused",
}


def _sentence(verb: str, kind: FaultKind, case: Case) -> str:
    parts = [ONCE[case.once]]
    if case.lasting is not None and (case.once, case.lasting) != (FAILED, FAILED):
        parts.append(LASTING[case.lasting])
    parts.append("a person is told" if case.code else "nobody is bothered")
    return f"{FAULTS[kind]} while {WHILE[verb]}: {'; '.join(parts)}; afterwards hub and platform agree."


def _add_all() -> None:
    runs: Mapping[str, Mapping[FaultKind, Case]] = {"orders": READING, "accept": ACCEPTING, "stock": PUSHING}
    for verb, cases in runs.items():
        for kind, case in cases.items():
            check = partial(judge, verb=verb, kind=kind, case=case)
            _add(verb, kind, _sentence(verb, kind, case), check)
    for kind, error in CONNECTING.items():
        ends = f"it is told as {error.__name__} to who asked, and the account is neither armed nor stopped"
        check = partial(judge_connection, kind=kind, error=error)
        _add("connection", kind, f"{FAULTS[kind]} while {WHILE['connection']}: {ends}.", check)


def _add(verb: str, kind: FaultKind, sentence: str, check: Callable[[Rehearsal], None]) -> None:
    add(Item(f"fault.{kind.replace('_', '-')}.{verb}", sentence, REASONS[kind], 1, check))


_add_all()


@item(
    "fault.repeat-page.orders",
    "The page before once more in place of the next one: it is not taken for the next, nothing is closed as gone for "
    "it, and all orders come in the end.",
    "A cache that serves a stale page hides the orders of the page that it hides.",
)
def _repeated_page(rehearsal: Rehearsal) -> None:
    rehearsal.let_wait()
    many = rehearsal.platform.page + 10
    rehearsal.stock_up(("MANY",), many + UNITS)
    proposals = [rehearsal.propose(Wanted("MANY")) for _ in range(many)]
    rehearsal.fault(FaultKind.REPEAT_PAGE, "orders", times=None)
    for _ in range(2):
        rehearsal.run("orders")
        rehearsal.expect_whole()
    holds("the fault struck", rehearsal.struck(FaultKind.REPEAT_PAGE))
    same("Orders that are gone", [s for s in rehearsal.stories() if s.order.state is OrderState.GONE], [])
    rehearsal.mend()
    rehearsal.wait()
    rehearsal.wait()
    rehearsal.compare_with_book()
    rehearsal.expect_order(proposals[-1], OrderState.PROPOSED)


@item(
    "fault.expired-token.between-pages",
    "A token that dies between two pages of a list is renewed, and the list is read to its end.",
    "A sweep that begins anew with each token never ends where tokens are short.",
)
def _expired_between_pages(rehearsal: Rehearsal) -> None:
    many = rehearsal.platform.page + 10
    rehearsal.stock_up(("MANY",), many + UNITS)
    for _ in range(many):
        rehearsal.propose(Wanted("MANY"))
    rehearsal.fault(FaultKind.EXPIRED_TOKEN, "orders", after=1)
    same("Orders of the one run", rehearsal.done("orders").counts["added"], many)
    holds("the token died", rehearsal.struck(FaultKind.EXPIRED_TOKEN) == 1)


@item(
    "fault.scattered.all",
    "A day on which every third request meets some fault ends with hub and platform in agreement, once a person has "
    "done what the events ask for.",
    "Faults come together, and the second one strikes while the first is being mended.",
)
def _scattered(rehearsal: Rehearsal) -> None:
    kinds = [kind for kind in FaultKind if kind is not FaultKind.TIME_OUT]
    for number in range(8):
        rehearsal.twin.faults.scatter(number, 0.3, kinds)
        rehearsal.propose(Wanted(SKUS[number % len(SKUS)]), Wanted(SKUS[-1], 2))
        rehearsal.wait()
        rehearsal.expect_whole()
        rehearsal.expect_no_secret()
        rehearsal.mend()
        if rehearsal.account.stopped_because:
            rehearsal.hub.accounts.resume(ACCOUNT)
    holds("faults struck", any(exchange.fault for exchange in rehearsal.twin.traffic))
    for story in rehearsal.stories():
        if story.order.parked_code:
            rehearsal.hub.orders.unpark(story.order.id)
    rehearsal.wait()  # what was interrupted is done
    rehearsal.wait()  # and then all is read from its beginning
    rehearsal.done("stock")
    rehearsal.compare_with_book()


# --- credentials -----------------------------------------------------------------------------------------------------


def _lock_out(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.set(ACCOUNT, {rehearsal.platform.secret: "a-secret-that-is-wrong"})
    with rehearsal.twin.lock:
        rehearsal.twin.forget_tokens()


def _let_in(rehearsal: Rehearsal) -> None:
    secret = rehearsal.platform.secret
    rehearsal.hub.accounts.set(ACCOUNT, {secret: rehearsal.platform.settings[secret]})


@item(
    "credentials.stop-the-account",
    "Wrong credentials stop the account with a reason; while it is stopped nothing reaches the platform.",
    "A platform that is asked with wrong credentials for hours locks the seller out.",
)
def _wrong_credentials(rehearsal: Rehearsal) -> None:
    proposal = rehearsal.read()
    _lock_out(rehearsal)
    same("The run", rehearsal.run("orders").state.value, RunState.FAILED.value)
    holds("the account says why it is stopped", rehearsal.account.stopped_because)
    rehearsal.expect_event("auth_error", Level.ERROR)
    asked = len(rehearsal.twin.traffic)
    rehearsal.wait()
    for job in ("orders", "accept", "stock"):
        same(f"The run of {job}", rehearsal.run(job).state.value, RunState.FAILED.value)
    same("Requests of a stopped account", len(rehearsal.twin.traffic) - asked, 0)
    rehearsal.expect_event("config_error", Level.ERROR)
    rehearsal.expect_order(proposal, OrderState.PROPOSED, LineState.PROPOSED)


@item(
    "credentials.mended",
    "A stopped account goes on once its credentials are right, and not before; what it missed is made up for.",
    "Resuming without a test stops the account again in the night.",
)
def _mended_credentials(rehearsal: Rehearsal) -> None:
    _lock_out(rehearsal)
    proposal = rehearsal.propose()
    rehearsal.count({SKUS[1]: 3})
    rehearsal.wait()
    fails(AuthError, "Resuming with wrong credentials", lambda: rehearsal.hub.accounts.resume(ACCOUNT))
    holds("the account stays stopped", rehearsal.account.stopped_because)
    _let_in(rehearsal)
    rehearsal.hub.accounts.resume(ACCOUNT)
    rehearsal.wait()
    rehearsal.expect_order(proposal, OrderState.OPEN, LineState.WON)
    rehearsal.compare_with_book()
