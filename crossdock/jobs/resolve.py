"""The job `resolve`: apply rules and prices to the offers that are marked, and keep what comes of it.

Marks are worked off in batches; a batch is one transaction that keeps its results and takes its marks off, so an
interrupted run goes on where it was. Rules and policies are read anew for each batch: they may change meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossdock.core.store import cursors, feeds, marks, offers, prices, resolved
from crossdock.core.store.resolved import Draft
from crossdock.jobs.resolver import Resolver
from crossdock.jobs.run import Run

JOB: Final = marks.RESOLVE_JOB
VERB: Final = "build_feed"
BATCH: Final = 500  # variants of one transaction


def resolve(run: Run) -> None:
    """Work off the marks of an account.

    Raises:
        Unsupported: the platform has no offers file.
    """
    run.connector.loaded.require(VERB, run.account.name)
    resolver = Resolver(run.connector)
    _mark_if_fields_changed(run, resolver)
    done = 0
    while batch := _next(run, resolver):
        run.check_cancelled()
        with run.write() as tx:
            written = resolved.save(tx, run.account_id, batch.taken, batch.drafts)
            if written:
                feeds.ask_for_build(tx, [run.account_id])
            done += len(batch.taken)
            run.progress(done, done + batch.waiting - len(batch.taken), "variants resolved")
        seen = len(batch.drafts)
        run.count(seen=seen, changed=written, unchanged=seen - written)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Marks as they were taken, how many there were in all, and what came of their offers."""

    taken: Mapping[int, int]
    waiting: int
    drafts: Sequence[Draft]


def _next(run: Run, resolver: Resolver) -> _Batch | None:
    with run.store.read() as tx:
        taken = marks.take(tx, run.account_id, limit=BATCH)
        if not taken:
            return None
        waiting = marks.waiting(tx, run.account_id)
        resolver.refresh(tx)
        goods = resolved.goods(tx, run.account_id, taken)
        groups = prices.in_groups(tx, taken) if resolver.pricer.uses_groups else {}
    drafts = [draft for item in goods if (draft := resolver.resolve(item, groups)) is not None]
    return _Batch(taken=taken, waiting=waiting, drafts=drafts)


def _mark_if_fields_changed(run: Run, resolver: Resolver) -> None:
    """Mark all offers if the platform's fields are not those of the last run: another setting, another version."""
    with run.store.read() as tx:
        known, _ = cursors.get(tx, run.account_id, JOB)
        fields = [feed.fields for market in offers.markets(tx, run.account_id) if (feed := resolver.feed(market))]
    digest = hashlib.sha256(repr(fields).encode()).hexdigest()
    if known != {"fields": digest}:
        with run.write() as tx:
            marks.mark_account(tx, run.account_id)
            cursors.put(tx, run.account_id, JOB, {"fields": digest}, 1)
