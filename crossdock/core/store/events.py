"""Events: what runs have to tell people, with what they can do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, exists, insert, select

from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import events, runs

LONGEST: Final = 20_000  # characters of one text; whole answers of platforms end up here


class Level(StrEnum):
    """How much it matters: for the record, worth a look, a person has to act."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event as the store has it.

    Args:
        run_id: None for what happened outside of any run.
        account: the account's id.
        code: stands for the kind of event, the same in every language.
        item: the order, SKU, offer … that it is about, or empty.
        message: what happened. advice: what a person can do, or empty.
        detail: further facts by name, such as a platform's raw answer.
    """

    id: int
    run_id: int | None
    at: datetime
    account: str
    level: Level
    code: str
    item: str
    message: str
    advice: str
    detail: Mapping[str, Any] | None


def add(
    tx: Write,
    level: Level,
    code: str,
    message: str,
    *,
    account: str,
    run_id: int | None = None,
    item: str = "",
    advice: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Keep an event; what no database takes (NUL, lone surrogates) is escaped, a text without end is cut."""
    texts = {"item": item, "message": message, "advice": advice, "detail": detail}
    row = {"run_id": run_id, "at": tx.now, "account": account, "level": Level(level), "code": code}
    tx.execute(insert(events).values(**row, **{name: legible(value) for name, value in texts.items()}))


def list(
    tx: Read,
    *,
    account: str | None = None,
    run_id: int | None = None,
    level: Level | None = None,
    code: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[EventRecord, ...]:
    """Return events, the newest first; `before` is the last number of the page before."""
    query = select(events).order_by(events.c.id.desc()).limit(limit)
    wanted = {"account": account, "run_id": run_id, "level": level, "code": code}
    for name, value in wanted.items():
        query = query if value is None else query.where(events.c[name] == value)
    query = query if before is None else query.where(events.c.id < before)
    return tuple(map(_record, tx.execute(query)))


def attention(tx: Read, *, limit: int = 100) -> tuple[EventRecord, ...]:
    """Return what needs a person, the newest first: errors of runs whose job has not been done since for that account.

    Errors outside of any run are always among them.
    """
    later = runs.alias("later")
    mended = exists().where(
        later.c.account == runs.c.account, later.c.job == runs.c.job, later.c.state == "done", later.c.id > runs.c.id
    )
    query = select(events).outerjoin(runs, runs.c.id == events.c.run_id).where(events.c.level == Level.ERROR, ~mended)
    return tuple(map(_record, tx.execute(query.order_by(events.c.id.desc()).limit(limit))))


def _record(row: Row[*tuple[Any, ...]]) -> EventRecord:
    return EventRecord(**{**row._mapping, "level": Level(row.level)})


def legible(value: Any) -> Any:
    """Return texts, and JSON-able values with texts in them, as any database takes them; see `add`."""
    if isinstance(value, str):
        text = value if len(value) <= LONGEST else f"{value[:LONGEST]} … ({len(value)} characters)"
        return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    if isinstance(value, Mapping):
        return {legible(name): legible(part) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [legible(part) for part in value]
    return value
