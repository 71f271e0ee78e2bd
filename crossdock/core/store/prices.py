"""Price policies of accounts, and the prices of price groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from crossdock.core.model import Money
from crossdock.core.prices import AS_IT_IS, Policy, plain_policy, read_policy
from crossdock.core.store import marks
from crossdock.core.store.catalog import Change
from crossdock.core.store.engine import Read, Write, in_parts
from crossdock.core.store.tables import group_prices, price_policies

ALL_MARKETS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPrice:
    """What a variant costs in a price group."""

    variant_id: int
    group: str
    price: Money


def policies(tx: Read, account: str) -> dict[str, Policy]:
    """Return an account's policies by market; `ALL_MARKETS` counts where a market has none of its own."""
    query = select(price_policies.c.market, price_policies.c.policy).where(price_policies.c.account == account)
    return {market: read_policy(policy) for market, policy in tx.execute(query.order_by(price_policies.c.market))}


def policy_of(known: Mapping[str, Policy], market: str) -> Policy:
    """Return the policy that counts in a market; without any, prices stay as they are."""
    return known.get(market) or known.get(ALL_MARKETS) or AS_IT_IS


def set_policy(tx: Write, account: str, market: str, policy: Policy | None) -> bool:
    """Say how prices are made in a market, or with None that it has no policy of its own; return whether it changed."""
    if policies(tx, account).get(market) == policy:
        return False
    here = (price_policies.c.account == account, price_policies.c.market == market)
    if policy is None:
        tx.execute(delete(price_policies).where(*here))
    else:
        change = upsert(price_policies).values(account=account, market=market, policy=plain_policy(policy))
        change = change.on_conflict_do_update(
            index_elements=["account", "market"], set_={"policy": change.excluded.policy}
        )
        tx.execute(change)
    marks.mark_account(tx, account)
    return True


# --- price groups ----------------------------------------------------------------------------------------------------


def groups(tx: Read) -> tuple[str, ...]:
    """Return the names of all price groups."""
    query = select(group_prices.c.price_group).distinct().order_by(group_prices.c.price_group)
    return tuple(tx.execute(query).scalars())


def in_groups(tx: Read, variant_ids: Iterable[int]) -> dict[tuple[int, str], Money]:
    """Return the prices of variants in price groups, by variant and group."""
    found: dict[tuple[int, str], Money] = {}
    for part in in_parts(variant_ids):
        for row in tx.execute(select(group_prices).where(group_prices.c.variant_id.in_(part))):
            found[row.variant_id, row.price_group] = Money(amount=row.price, currency=row.currency)
    return found


def put(tx: Write, wanted: Iterable[GroupPrice]) -> dict[tuple[int, str], Change]:
    """Make prices of groups be these, each variant and group at most once; return what was done with each."""
    prices = {(item.variant_id, item.group): item.price for item in wanted}
    known = in_groups(tx, (variant for variant, _ in prices))
    done = {
        place: Change.ADDED if place not in known else Change.UNCHANGED if known[place] == price else Change.UPDATED
        for place, price in prices.items()
    }
    changed = sorted(place for place, what in done.items() if what is not Change.UNCHANGED)
    if changed:
        change = upsert(group_prices)
        columns = {name: change.excluded[name] for name in ("price", "currency")}
        rows = [
            {"variant_id": variant, "price_group": group, "price": prices[variant, group].amount}
            | {"currency": prices[variant, group].currency}
            for variant, group in changed
        ]
        change = change.on_conflict_do_update(index_elements=["variant_id", "price_group"], set_=columns)
        tx.execute(change, rows)
        marks.mark_variants(tx, (variant for variant, _ in changed))
    return done
