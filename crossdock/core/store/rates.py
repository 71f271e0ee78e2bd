"""How many requests may go out: one row for each account and bucket, counted by GCRA for all threads and processes.

GCRA (generic cell rate algorithm) spaces requests evenly and keeps one number for each limit: the moment at which all
requests so far would have gone out at the allowed pace. With a burst of 1 no window of a limit's length ever sees more
than the limit. Bare, it would lose for ever what a waiter wakes up late (measured: a fifth of 20 a second on a busy
machine); so the pace is a little slower than allowed, and who is late may catch up by as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyrate_limiter
from sqlalchemy import Row, bindparam, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from crossdock.core.model import Rate
from crossdock.core.store.engine import Read, Store, Write
from crossdock.core.store.tables import rate_buckets

_GCRA = pyrate_limiter.TokenBucket()
_UNITS = 10  # of one request, so that catching up can be counted in parts of a request
_SLOWER = 0.03  # of a limit's length, and at most
_LONGEST_CATCH_UP = 50  # milliseconds
# Asked before every request, and so built once.
_BUCKET = select(rate_buckets).where(rate_buckets.c.key == bindparam("bucket"))
_LOCKED_BUCKET = _BUCKET.with_for_update()


def admit(state: Mapping[str, int], rates: tuple[Rate, ...], moment: datetime) -> tuple[dict[str, int], float]:
    """Count one request, if all rates allow it.

    Args:
        state: what earlier calls returned, {} at first: for each rate microseconds since 1970.
        rates: what has to be kept.
        moment: now.

    Returns:
        The new state and 0.0, or the old state and the seconds to wait.
    """
    milliseconds = int(moment.timestamp() * 1000)
    limits = [_limit(rate) for rate in rates]
    names = [f"{rate.requests}/{rate.seconds:g}s" for rate in rates]
    # A clock that was set back must not hold requests for longer than a full bucket needs.
    fullest = [milliseconds * 1000 + limit.burst * math.ceil(1000 * limit.interval / limit.limit) for limit in limits]
    known = tuple(min(state.get(name, 0), full) for name, full in zip(names, fullest, strict=True))
    counted, decision = _GCRA.step(limits, known, milliseconds, _UNITS)
    if decision.allowed:
        return {name: int(number) for name, number in zip(names, counted, strict=True)}, 0.0
    return dict(state), (decision.retry_after_ms or 1) / 1000


def _limit(rate: Rate) -> pyrate_limiter.Rate:
    """Return the rate in units, slowed down by what catching up may take back; one millisecond is lost in rounding."""
    length = math.ceil(rate.seconds * 1000)
    slack = min(max(int(length * _SLOWER), 1), _LONGEST_CATCH_UP) if rate.burst == 1 else 1
    per_unit = (length + slack) / (rate.requests * _UNITS)
    catch_up = int((slack - 1) / per_unit)
    return pyrate_limiter.Rate(rate.requests * _UNITS, length + slack, rate.burst * _UNITS + catch_up)


class SqlRates:
    """The buckets in the store; a `crossdock.core.http.RateStore`.

    Args:
        store: where they are kept. On PostgreSQL its clock counts, on SQLite the store's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def acquire(self, key: str, rates: tuple[Rate, ...]) -> float:
        """Return 0.0 when a request may go out now, else the seconds to wait before asking again."""
        if not rates:
            with self._store.read() as view:
                row = view.execute(_BUCKET, {"bucket": key}).one_or_none()
                return _seconds_held(row, _moment(view))
        with self._store.write() as tx:
            row = _locked(tx, key)
            moment = _moment(tx)
            wait = _seconds_held(row, moment)
            if wait:
                return wait
            state, wait = admit(row.state or {}, rates, moment)
            if not wait:
                if tx.postgresql:
                    # Waiting for the disk would make the request late, and a restart outlasts what a crash takes back.
                    tx.execute(text("SET LOCAL synchronous_commit TO OFF"))
                tx.execute(update(rate_buckets).where(rate_buckets.c.key == key).values(state=state))
            return wait

    def hold(self, key: str, until: datetime) -> None:
        """Let nothing out before this moment; an earlier one never shortens a later one."""
        with self._store.write() as tx:
            held = _locked(tx, key).blocked_until
            if held is None or held < until:
                tx.execute(update(rate_buckets).where(rate_buckets.c.key == key).values(blocked_until=until))


def _locked(tx: Write, key: str) -> Row[Any]:
    """Return the row of a bucket, made if need be, and nobody else's until the transaction ends."""
    found = tx.execute(_LOCKED_BUCKET, {"bucket": key}).one_or_none()
    if found is None:
        insert = postgresql.insert if tx.postgresql else sqlite.insert
        tx.execute(insert(rate_buckets).values(key=key).on_conflict_do_nothing())
        found = tx.execute(_LOCKED_BUCKET, {"bucket": key}).one()
    return found


def _moment(tx: Read) -> datetime:
    """Return the time, taken now that the row is locked: on PostgreSQL `tx.now` is from before the lock."""
    if not tx.postgresql:
        return tx.now
    moment: datetime = tx.scalar(select(func.clock_timestamp()))
    return moment.astimezone(UTC)


def _seconds_held(row: Row[Any] | None, moment: datetime) -> float:
    held = row.blocked_until if row else None
    return max(0.0, (held - moment).total_seconds()) if held else 0.0
