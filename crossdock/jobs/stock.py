"""The job `stock`: tell the platform what can be sold.

Plan (the difference to what the platform acknowledged last), guards, then batches, lowering first. Each batch is
computed anew just before it goes out, so that a change which came after the plan is sent in place of what was
planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossdock.core.config import Options
from crossdock.core.errors import UnsafeChange
from crossdock.core.model import Result, StockLevel
from crossdock.core.store import offer_levels, stock
from crossdock.core.store.engine import Read
from crossdock.core.store.events import Level
from crossdock.core.store.offer_levels import LevelState, PendingLevel, Told
from crossdock.jobs.run import Run

JOB = "stock"
VERB = "push_stock"
NOT_COUNTED = "Nobody has counted this variant yet, and unknown is not zero."
EVENTS_PER_RUN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A level to be told: what stands there now (None: unknown) and what it becomes."""

    pending: PendingLevel
    after: int

    @property
    def before(self) -> int | None:
        """What the platform acknowledged last."""
        return self.pending.acknowledged

    @property
    def lowers(self) -> bool:
        """Whether it makes less available; what is not known there may be too high."""
        return self.before is None or self.after < self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a push would do.

    Args:
        changes: levels to be sent, lowering first.
        same: levels that the platform has already.
        unknown: levels that nobody has counted.
        offers: offers of the account in all.
        objections: what the account's guards say against it.
    """

    changes: tuple[Change, ...]
    same: tuple[PendingLevel, ...]
    unknown: tuple[PendingLevel, ...]
    offers: int
    objections: tuple[str, ...]


# --- planning --------------------------------------------------------------------------------------------------------


def plan(tx: Read, account: str, options: Options) -> Plan:
    """Say what a push would do; nothing is written and nothing is sent."""
    changes: list[Change] = []
    same: list[PendingLevel] = []
    unknown: list[PendingLevel] = []
    for batch in _pending(tx, account):
        for level, units in _with_units(tx, batch, options):
            if units is None:
                unknown.append(level)
            elif units == level.acknowledged:
                same.append(level)
            else:
                changes.append(Change(pending=level, after=units))
    changes.sort(key=lambda change: (not change.lowers, int(change.pending.offer.id)))
    offers = offer_levels.count_offers(tx, account)
    return Plan(
        changes=tuple(changes),
        same=tuple(same),
        unknown=tuple(unknown),
        offers=offers,
        objections=tuple(_objections(changes, offers, options)),
    )


def _pending(tx: Read, account: str) -> Iterator[list[PendingLevel]]:
    after = None
    while batch := offer_levels.pending(tx, account, after=after):
        yield batch
        after = batch[-1]


def _with_units(
    tx: Read, levels: Sequence[PendingLevel], options: Options
) -> Iterator[tuple[PendingLevel, int | None]]:
    units = stock.sellable(tx, {level.variant_id for level in levels}, options)
    # Of what has ended nothing can be sold, however much is there.
    return ((level, 0 if level.ended else units[level.variant_id]) for level in levels)


def _objections(changes: Sequence[Change], offers: int, options: Options) -> Iterator[str]:
    """Yield what the guards say; the first level of a new offer is no change."""
    known = [change for change in changes if change.before is not None]
    to_zero = [change for change in known if change.after == 0]
    if len(known) >= options.guard_from and len(known) > options.max_changed_share * offers:
        yield f"{len(known)} of {offers} offers would change; allowed are {options.max_changed_share:%}."
    if len(to_zero) >= options.guard_from and len(to_zero) > options.max_zero_share * offers:
        yield f"{len(to_zero)} of {offers} offers would go to zero; allowed are {options.max_zero_share:%}."


# --- pushing ---------------------------------------------------------------------------------------------------------


def push(run: Run) -> None:
    """Send what is pending.

    Raises:
        UnsafeChange: the guards object and the run is not forced; nothing was sent.
    """
    options = run.account.options
    with run.store.read() as tx:
        planned = plan(tx, run.account_id, options)
    if planned.objections and not run.force:
        raise UnsafeChange(
            f"Account {run.account.name}: {' '.join(planned.objections)} Nothing was sent.",
            advice="See `crossdock plan`; if it is right, run it again with --force.",
        )
    _record_unsent(run, planned)
    size = run.connector.batch(VERB)
    total = len(planned.changes)
    told = 0
    for start in range(0, total, size):
        run.check_cancelled()
        batch = planned.changes[start : start + size]
        run.progress(start + len(batch), total, "stock levels sent")  # told with how the batch ended
        told += _send(run, batch, options, told)


def _record_unsent(run: Run, planned: Plan) -> None:
    same = [
        Told(
            offer_id=int(level.offer.id),
            warehouse=level.warehouse,
            version=level.version,
            state=LevelState.SENT,
        )
        for level in planned.same
    ]
    unknown = [
        Told(
            offer_id=int(level.offer.id),
            warehouse=level.warehouse,
            version=level.version,
            state=LevelState.SKIPPED,
            words=NOT_COUNTED,
        )
        for level in planned.unknown
    ]
    if same or unknown:
        with run.write() as tx:
            offer_levels.record(tx, [*same, *unknown])
        run.count(seen=len(same) + len(unknown), unchanged=len(same))


def _send(run: Run, changes: Sequence[Change], options: Options, told: int) -> int:
    """Send one batch as things stand now; return how many refusals were told as events."""
    with run.store.read() as tx:
        fresh = offer_levels.refresh(tx, [change.pending for change in changes])
        current = {
            (level.offer.id, level.warehouse): (level, units)
            for level, units in _with_units(tx, fresh, options)
            if units is not None
        }
    in_turn = ((change.pending.offer.id, change.pending.warehouse) for change in changes)
    levels = tuple(
        StockLevel(offer=level.offer, quantity=units, warehouse=level.warehouse or None)
        for level, units in (current[place] for place in in_turn if place in current)
    )
    if not levels:
        return 0
    results = run.connector.push_stock(levels)
    with run.write() as tx:
        offer_levels.record(tx, [_told(result, *current[result.item, result.warehouse or ""]) for result in results])
    refused = [result for result in results if not result.accepted]
    run.count(seen=len(results), changed=len(results) - len(refused), failed=len(refused))
    for result in refused[: max(0, EVENTS_PER_RUN - told)]:
        advice = "It stays in state error; `crossdock run ACCOUNT stock` tries it again once the offer is mended."
        sku = current[result.item, result.warehouse or ""][0].offer.sku
        run.event(Level.WARNING, "level_refused", result.words or result.code, item=sku, advice=advice)
    return len(refused)


def _told(result: Result, level: PendingLevel, units: int) -> Told:
    return Told(
        offer_id=int(level.offer.id),
        warehouse=level.warehouse,
        version=level.version,
        state=LevelState.SENT if result.accepted else LevelState.ERROR,
        acknowledged=units if result.accepted else None,
        code=result.code,
        words=result.words,
    )
