"""Prices: policies of accounts, price groups, and how a price comes about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdock.core.connector import Connector
from crossdock.core.errors import ConfigError
from crossdock.core.model import FieldKind
from crossdock.core.prices import AS_IT_IS, Policy, plain_policy, read_policy
from crossdock.core.store import accounts, prices, resolved
from crossdock.core.store.engine import Read
from crossdock.jobs import group_prices
from crossdock.jobs.group_prices import PricesReport
from crossdock.jobs.offer_price import OfferPrice
from crossdock.jobs.resolver import Resolver

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedPrice:
    """How the price of a variant in a market comes about, and the policy that counts there."""

    sku: str
    market: str
    policy: Policy
    made: OfferPrice


class Prices:
    """The prices of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def policies(self, account: str) -> dict[str, Policy]:
        """Return an account's policies by market; the one of the empty market counts where there is no other."""
        with self._hub.store.read() as tx:
            return prices.policies(tx, accounts.get(tx, account).id)

    def groups(self) -> tuple[str, ...]:
        """Return the names of the price groups."""
        with self._hub.store.read() as tx:
            return prices.groups(tx)

    def set(self, account: str, market: str, values: Mapping[str, Any]) -> Policy:
        """Change the policy of a market; what is not named stays as it is.

        Args:
            account: name or id.
            market: its code; empty for all that have no policy of their own.
            values: as `core.prices.read_policy` takes them; None takes a setting back.

        Raises:
            ConfigError: with every fault; nothing was changed.
        """
        with self._hub.store.write() as tx:
            owner = accounts.get(tx, account, lock=True).id
            policy = changed_policy(tx, owner, market, values)
            prices.set_policy(tx, owner, market, policy)
            return policy

    def remove(self, account: str, market: str) -> bool:
        """Take the policy of a market back; return whether it had one."""
        with self._hub.store.write() as tx:
            return prices.set_policy(tx, accounts.get(tx, account, lock=True).id, market, None)

    def import_file(self, path: Path, *, currency: str | None = None) -> PricesReport:
        """Read prices of price groups; see `jobs.group_prices.import_file`."""
        return group_prices.import_file(self._hub.store, path, currency=currency)

    def explain(self, account: str, sku: str, *, market: str | None = None) -> ExplainedPrice:
        """Say how the price of a variant in a market comes about.

        Args:
            account: name or id.
            sku: the variant, listed or not.
            market: any of the account's; None takes the first.

        Raises:
            NotFoundHere: nobody has this SKU.
        """
        connector = self._hub.connector(account)
        place = _market(connector, market)
        resolver = Resolver(connector)
        with self._hub.store.read() as tx:
            resolver.refresh(tx)
            goods = resolved.goods_of_sku(tx, connector.account.id, sku, place)
            groups = prices.in_groups(tx, [goods.variant_id])
            policy = prices.policy_of(prices.policies(tx, connector.account.id), place)
        currency = _currency(connector, resolver, place)
        made = resolver.pricer.price(goods, resolver.subject(goods).attributes, groups, market=place, currency=currency)
        return ExplainedPrice(sku=sku, market=place, policy=policy, made=made)


def changed_policy(tx: Read, account: str, market: str, values: Mapping[str, Any]) -> Policy:
    """Return what becomes of the policy of a market; parameters as in `Prices.set`, nothing is written.

    Raises:
        ConfigError: with every fault.
    """
    old = prices.policies(tx, account).get(market)
    plain = (plain_policy(old) if old else {}) | dict(values)
    policy, faults = AS_IT_IS, []
    if (group := plain.get("group")) and group not in prices.groups(tx):
        faults.append(f"group: there is no price group {group!r}; there are: {', '.join(prices.groups(tx)) or 'none'}")
    try:
        policy = read_policy({name: value for name, value in plain.items() if value is not None})
    except ValueError as error:
        faults += str(error).split("; ")
    if faults:
        raise ConfigError("The prices cannot be made like this.", faults=faults)
    return policy


def _market(connector: Connector, wanted: str | None) -> str:
    known = [market.code for market in connector.facts.markets]
    if wanted is None:
        return known[0] if known else ""
    return wanted


def _currency(connector: Connector, resolver: Resolver, market: str) -> str | None:
    """Return what a price there is in: as the fields of an offers file say, else as the platform does."""
    known = {place.code: place.currency for place in connector.facts.markets}
    for code in [*known, market] if connector.can("build_feed") else ():
        for field in resolver.fields(code):
            if field.kind is FieldKind.PRICE and market == (code if field.market is None else field.market):
                return field.currency
    return known.get(market)
