"""What the hub was about to do outside, written down before it is done.

An intent is open from before the call until its outcome is written. One that is found open by a later run may have
been carried out: `find_outcome` is asked before anything else is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import intents

# Asked many times for each order, and so built once.
_OF_ORDER = select(intents).where(intents.c.order_id == bindparam("order")).order_by(intents.c.id)
_IN_STATE = (
    select(intents)
    .where(
        intents.c.account == bindparam("owner"),
        intents.c.verb == bindparam("hook"),
        intents.c.state == bindparam("stands"),
    )
    .order_by(intents.c.id)
)
_CLOSE = (
    update(intents)
    .where(intents.c.id == bindparam("this"))
    .values(state=bindparam("ends"), answer=bindparam("answered"), words=bindparam("said"), closed_at=bindparam("now"))
)


class IntentState(StrEnum):
    """Where an intent stands.

    Wanted: a person decided, the call is still to be made. Open: the call may have been made. Unclear: a person must
    look. Done: the outcome is written. Dropped: nothing was done outside.
    """

    WANTED = "wanted"
    OPEN = "open"
    DONE = "done"
    UNCLEAR = "unclear"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    """One intent as it is kept: what was to be sent, and what came back."""

    id: int
    account: str
    verb: str
    subject: str
    order_id: int | None
    run_id: int | None
    request: Mapping[str, Any]
    state: IntentState
    answer: Mapping[str, Any] | None
    words: str | None
    made_at: datetime
    closed_at: datetime | None


def open_intent(
    tx: Write,
    *,
    account: str,
    verb: str,
    subject: str,
    request: Mapping[str, Any],
    order_id: int | None = None,
    run_id: int | None = None,
    state: IntentState = IntentState.OPEN,
) -> int:
    """Write down what is about to be done; the database refuses a second living intent for the same subject."""
    row = {
        "account": account,
        "verb": verb,
        "subject": subject,
        "order_id": order_id,
        "run_id": run_id,
        "request": dict(request),
        "state": state.value,
        "made_at": tx.now,
    }
    return int(tx.execute(insert(intents).returning(intents.c.id), row).scalar_one())


def close(
    tx: Write,
    intent_id: int,
    state: IntentState,
    *,
    answer: Mapping[str, Any] | None = None,
    words: str = "",
) -> None:
    """Write how it ended."""
    values = {
        "this": intent_id,
        "ends": state.value,
        "answered": None if answer is None else dict(answer),
        "said": words or None,
        "now": None if state in (IntentState.WANTED, IntentState.OPEN) else tx.now,
    }
    tx.execute(_CLOSE, values)


def give_up(tx: Write, intent_id: int, words: str) -> None:
    """Write that nothing was done outside: what a person wanted is wanted still, everything else is decided anew."""
    (row,) = _rows(tx, select(intents).where(intents.c.id == intent_id), {})
    close(tx, intent_id, IntentState.WANTED if "wanted_by" in row.request else IntentState.DROPPED, words=words)


def in_state(tx: Read, account: str, verb: str, state: IntentState) -> list[IntentRow]:
    """Return the account's intents of a verb that stand in a state, oldest first."""
    return _rows(tx, _IN_STATE, {"owner": account, "hook": verb, "stands": state})


def begin(tx: Write, intent_id: int, run_id: int) -> None:
    """Turn a wanted intent into an open one: the call is about to be made."""
    change = update(intents).where(intents.c.id == intent_id)
    tx.execute(change.values(state=IntentState.OPEN.value, run_id=run_id))


def of_order(tx: Read, order_id: int) -> list[IntentRow]:
    """Return all intents of an order, oldest first: what was sent and what was answered."""
    return _rows(tx, _OF_ORDER, {"order": order_id})


def living_of(tx: Read, order_id: int) -> IntentRow | None:
    """Return the intent of an order whose outcome is not written yet, if there is one."""
    living = (IntentState.WANTED, IntentState.OPEN, IntentState.UNCLEAR)
    return next((row for row in of_order(tx, order_id) if row.state in living), None)


def _rows(tx: Read, query: Any, values: Mapping[str, Any]) -> list[IntentRow]:
    rows = tx.execute(query, values).mappings()
    return [IntentRow(**{**row, "state": IntentState(row["state"])}) for row in rows]
