"""Marks: which offers have to be resolved anew.

Whoever changes what an offer is made of (a variant, a product, a rule, a price, the offer itself) marks it in the same
transaction; the job `resolve` works the marks off. No change is lost: a mark counts its changes, and it goes only
together with the result of the count that was resolved. On PostgreSQL two changes under way do not see each other; so
writers mark one after the other, and each finds the offers that those before it made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import and_, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert

from crossdock.core.store import runs
from crossdock.core.store.engine import IDS, Read, Write, in_parts
from crossdock.core.store.tables import accounts, offers, resolve_marks, variants

RESOLVE_JOB: Final = "resolve"
LOCK: Final = 0x6D61726B  # "mark": one advisory lock of PostgreSQL, held from a writer's first mark to its commit


def mark_variants(tx: Write, variant_ids: Iterable[int]) -> None:
    """Have every offer of these variants resolved anew."""
    _mark_at_the_end(tx, "variants", variant_ids)


def mark_products(tx: Write, product_ids: Iterable[int]) -> None:
    """Have every offer of the variants of these products resolved anew."""
    _mark_at_the_end(tx, "products", product_ids)


def mark_account(tx: Write, account: str) -> None:
    """Have every offer of an account resolved anew."""
    _mark_at_the_end(tx, "accounts", [account])


def _mark_at_the_end(tx: Write, kind: str, what: Iterable[Any]) -> None:
    wanted = set(what)
    if wanted:
        tx.scratch.setdefault("to resolve", defaultdict(set))[kind] |= wanted
        # After stock has locked what it needs (its key sorts before), and before runs.
        tx.defer(("0 to resolve",), _mark)


def _mark(tx: Write) -> None:
    marked = tx.scratch.pop("to resolve")
    if tx.postgresql:
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    concerned: set[str] = set()
    for account in sorted(marked["accounts"]):
        concerned |= _insert(tx, offers.c.account == account)
    for part in in_parts(marked["variants"] | _variants_of(tx, marked["products"])):
        concerned |= _insert(tx, offers.c.variant_id.in_(part))
    _ask(tx, concerned)


def _variants_of(tx: Read, product_ids: Iterable[int]) -> set[int]:
    query = select(variants.c.id)
    parts = (tx.execute(query.where(variants.c.product_id.in_(part))).scalars() for part in in_parts(product_ids))
    return {number for part in parts for number in part}


def _insert(tx: Write, concerned: Any) -> set[str]:
    """Mark each account and variant once; return the accounts."""
    found = select(offers.c.account, offers.c.variant_id, literal(1))
    found = found.where(concerned).distinct().order_by(offers.c.account, offers.c.variant_id)
    change = insert(resolve_marks).from_select(["account", "variant_id", "version"], found)
    change = change.on_conflict_do_update(
        index_elements=["account", "variant_id"], set_={"version": resolve_marks.c.version + 1}
    )
    return set(tx.execute(change.returning(resolve_marks.c.account)).scalars())


def _ask(tx: Write, account_ids: set[str]) -> None:
    """Ask for the job where an account's feed is switched on."""
    alive = and_(accounts.c.feed, accounts.c.stopped_at.is_(None))
    for account in tx.execute(select(accounts.c.id).where(accounts.c.id.in_(sorted(account_ids)), alive)).scalars():
        runs.ask(tx, account, RESOLVE_JOB, asked_by="change of goods")


def waiting(tx: Read, account: str) -> int:
    """Return how many variants of an account are marked, and so not resolved as they are now."""
    return int(tx.scalar(select(func.count()).where(resolve_marks.c.account == account)))


def take(tx: Read, account: str, *, limit: int) -> dict[int, int]:
    """Return marks of an account, to be worked off with what the same transaction reads: changes by variant."""
    marks = resolve_marks.c
    query = select(marks.variant_id, marks.version).where(marks.account == account)
    return {row.variant_id: row.version for row in tx.execute(query.order_by(marks.variant_id).limit(limit))}


def take_off(tx: Write, account: str, taken: Mapping[int, int]) -> set[int]:
    """Take those marks off that nobody has counted up since `take` gave them; return their variants."""
    same = and_(resolve_marks.c.account == account, resolve_marks.c.variant_id.in_(IDS))
    columns = (resolve_marks.c.variant_id, resolve_marks.c.version)
    done: set[int] = set()
    for part in in_parts(taken):
        # Locked first: a writer who is about to commit counts up, and is waited for.
        locked = tx.execute(select(*columns).where(same).order_by(columns[0]).with_for_update(), {"ids": part})
        mine = [row.variant_id for row in locked if row.version == taken[row.variant_id]]
        tx.execute(delete(resolve_marks).where(same), {"ids": mine})
        done.update(mine)
    return done
