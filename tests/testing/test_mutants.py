"""Items can fail: each small wrong engine or plugin is caught by the item that is about it, not by its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from crossdock.core import redaction
from crossdock.core.connector import Connector
from crossdock.core.errors import Unavailable
from crossdock.core.http import Http
from crossdock.core.messages import Response
from crossdock.core.model import Pending
from crossdock.core.store import (
    accounts,
    intents,
    offer_levels,
    order_changes,
    order_intake,
    order_outcome,
    statuses,
    stock,
)
from crossdock.core.store.accounts import Switch
from crossdock.core.store.intents import IntentState
from crossdock.jobs import acceptance, orders
from crossdock.jobs import stock as stock_job
from crossdock.jobs.registry import JOBS
from crossdock.plugins.miinto import mapping
from crossdock.plugins.miinto.client import Client
from crossdock.queue import execute
from crossdock.testing import Rehearsal, find
from crossdock.testing.rehearsal import StagedConnector

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """What is wrong, the item that has to notice, and one of the same kind that must not."""

    name: str
    item: str
    neighbour: str
    make: Callable[[Patch], None]


MUTANTS: list[Mutant] = []


def mutant(item: str, neighbour: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def register(make: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS.append(Mutant(make.__name__, item, neighbour, make))
        return make

    return register


def around(patch: Patch, owner: Any, name: str, wrap: Callable[..., Any]) -> None:
    """Replace a function by one that is handed the original and its arguments."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *given, **named: wrap(original, *given, **named))


# --- plugins ---------------------------------------------------------------------------------------------------------


@mutant("accept.won", "accept.lost-race")
def the_plugin_forgets_the_order_that_was_won(patch: Patch) -> None:
    around(patch, mapping, "acceptance", lambda right, *given: replace(right(*given), remote_ids=()))


@mutant("accept.lost-race", "accept.won")
def the_plugin_takes_every_answer_for_a_win(patch: Patch) -> None:
    def acceptance(right: Any, decision: Any, won: Any) -> Any:
        return right(decision, won or dict.fromkeys(decision.accepted, mapping.RemoteId(kind="order", value="1")))

    around(patch, mapping, "acceptance", acceptance)


@mutant("accept.once", "accept.won")
def what_was_decided_is_decided_again(patch: Patch) -> None:
    def accept(run: Any) -> None:
        with run.store.read() as tx:
            done = intents.in_state(tx, run.account_id, acceptance.VERB, IntentState.DONE)
            rows = [acceptance.orders.get(tx, int(intent.subject)) for intent in done]
        for intent, row in zip(done, rows, strict=True):
            run.connector.accept_order(acceptance.orders.as_proposal(row), acceptance.decision_of(intent))
        acceptance.accept(run)

    patch.setitem(JOBS, "accept", replace(JOBS["accept"], function=accept))


@mutant("intake.every-page", "intake.once")
def the_plugin_reads_the_first_page_only(patch: Patch) -> None:
    def page(right: Any, *given: Any, **named: Any) -> Any:
        return replace(shown := right(*given, **named), total=len(shown.ids))

    around(patch, Client, "page", page)


@mutant("fault.html.orders", "fault.empty.accept")
def the_plugin_takes_a_web_page_for_an_empty_list(patch: Patch) -> None:
    nothing = {"meta": {"status": "success", "totalItemCount": 0}, "data": []}
    around(patch, Response, "json", lambda right, self: nothing if self.text().startswith("<") else right(self))


@mutant("fault.half-accepted.stock", "fault.too-many.connection")
def the_plugin_takes_a_failed_push_for_a_good_one(patch: Patch) -> None:
    def set_stock(right: Any, *given: Any) -> None:
        try:
            right(*given)
        except Unavailable:
            return

    around(patch, Client, "set_stock", set_stock)


# --- faults ----------------------------------------------------------------------------------------------------------


@mutant("fault.error-after-write.accept", "fault.too-many.accept")
def an_acceptance_is_repeated_like_a_question(patch: Patch) -> None:
    around(patch, Http, "request", lambda right, *given, **named: right(*given, **{**named, "idempotent": True}))


@mutant("fault.too-many-retry-after.orders", "fault.too-many.orders")
def nobody_reads_how_long_to_wait(patch: Patch) -> None:
    patch.setattr("crossdock.core.http._seconds", lambda text, now: None)


@mutant("fault.unauthorised.orders", "fault.server-error.orders")
def the_account_is_not_stopped(patch: Patch) -> None:
    patch.setattr(accounts, "stop", lambda tx, account, reason: None)


@mutant("fault.unauthorised.stock", "fault.expired-token.stock")
def an_event_tells_the_secret(patch: Patch) -> None:
    patch.setattr(redaction, "_mask", lambda text, index: text)
    around(patch, execute, "_message", lambda right, error: f"{right(error)} a-secret-of-the-rehearsal")


@mutant("fault.reset.orders", "fault.slow-body.orders")
def an_event_does_not_say_what_to_do(patch: Patch) -> None:
    around(patch, execute.events, "add", lambda right, *given, **named: right(*given, **{**named, "advice": ""}))


# --- proposals -------------------------------------------------------------------------------------------------------


@mutant("accept.out-of-stock", "accept.won")
def stock_is_not_looked_at(patch: Patch) -> None:
    around(patch, acceptance, "_reason_against", lambda right, line: right(line._replace(reserved=line.reserved or 1)))


@mutant("floor.at", "floor.below")
def the_floor_is_a_little_too_high(patch: Patch) -> None:
    around(patch, acceptance, "judge", lambda right, row, prices, floor: right(row, prices, floor + Decimal("0.0001")))


@mutant("accept.unarmed", "stock.unarmed")
def an_unarmed_account_decides(patch: Patch) -> None:
    patch.setitem(JOBS, "accept", replace(JOBS["accept"], writes=False))


@mutant("accept.switch-off", "decline.stock-comes-in")
def acceptance_is_always_on(patch: Patch) -> None:
    def get(right: Any, *given: Any, **named: Any) -> Any:
        row = right(*given, **named)
        return replace(row, switches=row.switches | {Switch.ACCEPT})

    around(patch, accounts, "get", get)


@mutant("people.decision-survives", "people.below-floor")
def a_decision_that_could_not_be_sent_is_dropped(patch: Patch) -> None:
    patch.setattr(intents, "give_up", lambda tx, number, words: intents.close(tx, number, IntentState.DROPPED))


@mutant("people.by-position", "people.no-stock")
def positions_are_decided_under_the_name_of_the_order(patch: Patch) -> None:
    patch.setattr(acceptance.orders, "as_proposal", lambda row: row.order)


@mutant("extension.veto-of-positions", "accept.in-part")
def vetoes_are_not_heard(patch: Patch) -> None:
    patch.setattr(StagedConnector, "review_acceptance", lambda self, order, decision: ())


@mutant("vat.missing", "vat.kept")
def a_missing_rate_parks_nothing(patch: Patch) -> None:
    for owner in (order_changes, order_intake):
        patch.setattr(owner, "without_vat", lambda row: None)


@mutant("outcome.won", "outcome.still-pending")
def an_unheard_acceptance_is_sent_again(patch: Patch) -> None:
    patch.setattr(StagedConnector, "find_outcome", lambda self, intent: Pending())


@mutant("outcome.unknown", "outcome.won")
def an_unknown_outcome_frees_the_units(patch: Patch) -> None:
    def mark_unknown(right: Any, tx: Any, row: Any, because: str, *, actor: str) -> None:
        order_changes.free(tx, row.lines)
        right(tx, row, because, actor=actor)

    around(patch, order_outcome, "mark_unknown", mark_unknown)


# --- reading ---------------------------------------------------------------------------------------------------------


@mutant("intake.once", "intake.late-among-older")
def every_order_looks_changed(patch: Patch) -> None:
    numbers: Iterator[int] = count()
    patch.setattr(order_intake, "digest", lambda content: str(next(numbers)))


@mutant("intake.vanished", "intake.once")
def what_is_gone_is_not_asked_for(patch: Patch) -> None:
    patch.setattr(orders, "_ask_for_unseen", lambda run, intake, sweep: None)


@mutant("intake.not-before", "panel.unseen")
def old_orders_are_taken_in(patch: Patch) -> None:
    around(patch, orders, "intake_of", lambda right, run: replace(right(run), not_before=None))


@mutant("panel.joined", "panel.unseen")
def nobody_joins_proposal_and_order(patch: Patch) -> None:
    patch.setattr(order_intake, "_proposals_of", lambda tx, account, page: {})


@mutant("status.unknown", "panel.unseen")
def an_unknown_status_is_guessed(patch: Patch) -> None:
    known = statuses.list_own

    def guess(right: Any, tx: Any, account: str, code: str) -> Any:
        return known(tx)[0].id, known(tx)[0].meaning

    around(patch, statuses, "inwards", guess)


# --- stock -----------------------------------------------------------------------------------------------------------


@mutant("stock.uncounted", "stock.shown")
def unknown_is_zero(patch: Patch) -> None:
    around(
        patch,
        stock,
        "sellable",
        lambda right, *given: {variant: units or 0 for variant, units in right(*given).items()},
    )


@mutant("stock.lowering-first", "stock.batch")
def levels_go_out_as_they_come(patch: Patch) -> None:
    patch.setattr(stock_job.Change, "lowers", property(lambda self: True))


@mutant("stock.batch", "stock.shown")
def batches_have_no_end(patch: Patch) -> None:
    patch.setattr(Connector, "batch", lambda self, verb: 10_000)


@mutant("stock.change-during-push", "stock.shown")
def a_push_acknowledges_what_it_did_not_send(patch: Patch) -> None:
    def record(right: Any, tx: Any, told: Any) -> None:
        listed = {level.offer.id: level.version for level in offer_levels.pending(tx, account_of(tx))}
        right(tx, [replace(item, version=listed.get(str(item.offer_id), item.version)) for item in told])

    def account_of(tx: Any) -> str:
        (row,) = accounts.list_all(tx)
        return str(row.id)

    around(patch, offer_levels, "record", record)


@mutant("stock.refused-level", "stock.shown")
def what_was_refused_is_never_tried_again(patch: Patch) -> None:
    patch.setattr(offer_levels, "retry_errors", lambda tx, account: 0)


@mutant("guard.zero", "guard.changed")
def nobody_counts_the_zeros(patch: Patch) -> None:
    around(
        patch,
        stock_job,
        "_objections",
        lambda right, *given: (text for text in right(*given) if "zero" not in text),
    )


@mutant("trigger.manual", "trigger.change")
def a_manual_account_pushes_by_itself(patch: Patch) -> None:
    around(
        patch,
        offer_levels.Options,
        "model_validate",
        lambda right, *given: right(*given).model_copy(update={"stock_trigger": "change"}),
    )


# --- the proof -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", MUTANTS, ids=[wrong.name for wrong in MUTANTS])
def test_a_mutant_is_caught_by_its_item(wrong: Mutant, rehearsal: Rehearsal, monkeypatch: Patch) -> None:
    item = find(wrong.item)
    wrong.make(monkeypatch)
    with pytest.raises(AssertionError) as caught:
        item.check(rehearsal)
    assert str(caught.value).startswith(f"{item.id}: {item.sentence}\n")


@pytest.mark.parametrize("wrong", MUTANTS, ids=[wrong.name for wrong in MUTANTS])
def test_a_mutant_is_not_caught_by_a_neighbour(wrong: Mutant, rehearsal: Rehearsal, monkeypatch: Patch) -> None:
    wrong.make(monkeypatch)
    assert find(wrong.neighbour).check(rehearsal) > 0
