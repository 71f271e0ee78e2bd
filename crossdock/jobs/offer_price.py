"""What an offer costs in a market, and its crossed-out price: from the seller's own price, or that of a price group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Final

from crossdock.core.connector import Connector
from crossdock.core.model import Money, Price
from crossdock.core.prices import Policy, Priced, Step, checked, reckon
from crossdock.core.store import prices
from crossdock.core.store.resolved import Goods

SALE_ATTRIBUTES: Final = ("special_price", "sale_price")  # as imports from shops keep a reduced price
OLD_PRICE: Final = "old_price"
REMEMBERED: Final = 20_000  # different prices; many offers cost the same

GroupPrices = Mapping[tuple[int, str], Money]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPrice:
    """What an offer costs in a market.

    Args:
        priced: the price with its steps.
        crossed_out: the old price with its steps, where there is one above the price.
    """

    priced: Priced
    crossed_out: Priced | None = None

    @property
    def price(self) -> Money | None:
        """The price; None where there can be none."""
        return self.priced.price

    @property
    def before(self) -> Money | None:
        """The crossed-out price, if there is one."""
        return self.crossed_out.price if self.crossed_out else None


class Pricer:
    """The price policies of an account, and the extensions that have the last word.

    Args:
        connector: of the account.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._adjusts = connector.adjusts_prices()
        self._policies: Mapping[str, Policy] = {}
        self._known: dict[tuple[str, Money, str | None, str], Priced] = {}

    def set_policies(self, policies: Mapping[str, Policy]) -> None:
        """Let these policies count from now on, by market."""
        if policies != self._policies:
            self._policies, self._known = policies, {}

    @property
    def uses_groups(self) -> bool:
        """Whether any policy takes the prices of a group."""
        return any(policy.group for policy in self._policies.values())

    def price(
        self,
        goods: Goods,
        attributes: Mapping[str, str],
        groups: GroupPrices,
        *,
        market: str,
        currency: str | None,
    ) -> OfferPrice:
        """Return what an offer costs in a market, step by step.

        Args:
            goods: the offer.
            attributes: the variant's, else its product's.
            groups: prices of groups, by variant and group.
            market: whose policy counts.
            currency: what it has to be in; None takes the policy's, else that of the seller's price.
        """
        policy = prices.policy_of(self._policies, market)
        base, origin, old = _bases(goods, attributes, groups, policy)
        if base is None:
            return OfferPrice(priced=Priced(steps=(), reason=origin))
        priced = self._reckoned(market, policy, base, currency, origin)
        crossed_out = self._reckoned(market, policy, old, currency, "old price") if old else None
        if self._adjusts and priced.price is not None:
            last = Price(offer=replace(goods.offer, market=market), price=priced.price)
            priced, crossed_out = self._adjusted(last, priced, crossed_out)
        return OfferPrice(priced=priced, crossed_out=crossed_out if _above(crossed_out, priced) else None)

    def _reckoned(self, market: str, policy: Policy, base: Money, currency: str | None, origin: str) -> Priced:
        key = (market, base, currency, origin)
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = reckon(policy, base, currency=currency, origin=origin)
        return self._known[key]

    def _adjusted(self, last: Price, priced: Priced, crossed_out: Priced | None) -> tuple[Priced, Priced | None]:
        """Ask the extensions; what each changes is one more step."""
        last = replace(last, before=crossed_out.price if crossed_out else None)
        for who, answer in self._connector.adjust_price(last.offer, last):
            if answer.price != last.price:
                priced = _changed(priced, who, answer.price)
            if answer.before is None:
                crossed_out = None
            elif answer.before != last.before:
                crossed_out = _changed(crossed_out or Priced(steps=()), who, answer.before)
            last = answer
        return priced, crossed_out


def _bases(
    goods: Goods, attributes: Mapping[str, str], groups: GroupPrices, policy: Policy
) -> tuple[Money | None, str, Money | None]:
    """Return what a price begins with, where that is from (or why there is none), and the crossed-out price."""
    if policy.group:
        price = groups.get((goods.variant_id, policy.group))
        return price, f"price group {policy.group}" if price else f"it has no price in group {policy.group}", None
    if goods.price is None:
        return None, "the product has no price", None
    for name in SALE_ATTRIBUTES:
        reduced = _amount(attributes.get(name, ""), goods.price.currency)
        # One that holds for a time only is left out, since nobody would end it in time.
        if reduced and reduced < goods.price and not any(other.startswith(f"{name}_") for other in attributes):
            return reduced, f"{name} of the product", goods.price
    return goods.price, "price of the product", _amount(attributes.get(OLD_PRICE, ""), goods.price.currency)


def _amount(text: str, currency: str) -> Money | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return Money(amount=amount, currency=currency) if amount.is_finite() and amount > 0 else None


def _above(crossed_out: Priced | None, priced: Priced) -> bool:
    old, price = crossed_out.price if crossed_out else None, priced.price
    return old is not None and price is not None and old.currency == price.currency and price < old


def _changed(priced: Priced, who: str, new: Money) -> Priced:
    steps = [*priced.steps, Step(what="adjust", by=who, result=new)]
    if priced.price is not None and priced.price.currency != new.currency:
        return Priced(steps=tuple(steps), reason=f"{who} made it {new.currency} out of {priced.price.currency}")
    return checked(steps)
