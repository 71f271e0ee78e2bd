"""What rules and prices make of one offer: for the job `resolve`, and for people who ask why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossdock.core.connector import Connector
from crossdock.core.errors import FeedError
from crossdock.core.model import FaultCode, Feed, FeedField, FieldFault, FieldKind, Money, minor_digits
from crossdock.core.rules import RECKONED, Filled, Plan, Subject
from crossdock.core.store import Read, mapping, prices
from crossdock.core.store.catalog import LIST_END
from crossdock.core.store.mapping import Content
from crossdock.core.store.resolved import Draft, Goods
from crossdock.jobs.offer_price import GroupPrices, OfferPrice, Pricer

CATEGORY: Final = "category"  # the attribute that holds the seller's own
LEVELS: Final = (" > ", "/")  # between the levels of a category, as shops write it
PRICE, OLD_PRICE = "price", "old_price"


class Resolver:
    """Rules, prices and fields of an account, made ready for many offers.

    Args:
        connector: of the account.

    Attributes:
        content: the account's mapping.
        pricer: the account's prices.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._feeds: dict[str, Feed | None] = {}
        self._plans: dict[str, tuple[Plan, ...]] = {}
        self.content = Content()
        self.pricer = Pricer(connector)

    def refresh(self, tx: Read) -> None:
        """Read rules and policies as they stand now; nothing is made ready anew where they are the same."""
        account = self._connector.account.id
        content = mapping.read(tx, account)
        if content != self.content:
            self.content, self._plans = content, {}
        self.pricer.set_policies(prices.policies(tx, account))

    def feed(self, market: str) -> Feed | None:
        """Return the offers file of a market, None where the market has none of its own."""
        if market not in self._feeds:
            try:
                self._feeds[market] = self._connector.build_feed(market)
            except FeedError:
                self._feeds[market] = None
        return self._feeds[market]

    def fields(self, market: str) -> tuple[FeedField, ...]:
        """Return the fields of a market's file; none where the market has none of its own."""
        feed = self.feed(market)
        return feed.fields if feed else ()

    def plans(self, market: str) -> tuple[Plan, ...]:
        """Return the fields of a market's file that rules fill, made ready."""
        if market not in self._plans:
            fields = [field for field in self.fields(market) if field.kind not in RECKONED]
            rules, lookups = self.content.rules, self.content.lookups
            self._plans[market] = tuple(Plan(field, market, rules, lookups) for field in fields)
        return self._plans[market]

    def resolve(self, goods: Goods, groups: GroupPrices) -> Draft | None:
        """Return what comes of an offer, None where its market has no file.

        Args:
            goods: the offer.
            groups: prices of groups, by variant and group.
        """
        market = goods.offer.market
        if self.feed(market) is None:
            return None
        subject = self.subject(goods)
        filled = {plan.field.name: plan.fill(subject) for plan in self.plans(market)}
        filled |= dict(self.prices(goods, subject, groups))
        return Draft(
            offer_id=int(goods.offer.id),
            variant_id=goods.variant_id,
            market=market,
            fields={name: found.value for name, found in filled.items() if found.value},
            faults=tuple(found.fault for found in filled.values() if found.fault),
            origins={name: found.origin for name, found in filled.items() if found.value},
        )

    def subject(self, goods: Goods) -> Subject:
        """Return what rules see of an offer."""
        shared = {name: value for name, value in goods.product_attributes.items() if value}
        attributes = shared | {name: value for name, value in goods.attributes.items() if value}
        own = {
            "sku": goods.offer.sku,
            "gtin": goods.gtin,
            "name": goods.name,
            "product": goods.product,
            "product_name": goods.product_name,
            "category": self._category(goods, attributes.get(CATEGORY, "")),
        }
        return Subject(
            own={name: value for name, value in own.items() if value},
            attributes=attributes,
            product_attributes=shared,
            by_hand=goods.own,
            price=goods.price.amount if goods.price else None,
            currency=goods.price.currency if goods.price else None,
        )

    def _category(self, goods: Goods, own: str) -> str:
        if not self.content.links:
            return ""
        product = goods.product or goods.offer.sku
        return mapping.linked(self.content, product=product, categories=own_categories(own))

    def prices(self, goods: Goods, subject: Subject, groups: GroupPrices) -> Iterator[tuple[str, Filled]]:
        """Yield the price fields of an offer by name."""
        known: dict[tuple[str, str | None], OfferPrice] = {}
        for field in self.fields(goods.offer.market):
            if field.kind is FieldKind.PRICE:
                market = goods.offer.market if field.market is None else field.market
                place = (market, field.currency)
                if place not in known:
                    known[place] = self.pricer.price(
                        goods, subject.attributes, groups, market=market, currency=field.currency
                    )
                yield field.name, _filled(field, market, known[place])


def own_categories(text: str) -> list[str]:
    """Return the seller's categories of an attribute, those that count most first: as written, then those above."""
    paths = text.split(LIST_END)
    found = dict.fromkeys([text, *paths])
    for path in paths:
        for level in LEVELS:
            parts = path.split(level)
            found |= dict.fromkeys(level.join(parts[:length]) for length in range(len(parts) - 1, 0, -1))
    return [path for path in found if path]


def _filled(field: FeedField, market: str, made: OfferPrice) -> Filled:
    """Return a price field as the platform wants it; where there can be no price, why."""
    for source in (field.source or PRICE).split("|"):
        amount = made.before if source == OLD_PRICE else made.price
        if amount is not None:
            return Filled(_written(amount, field), source)
    reason = made.priced.reason
    # A product that nobody gave a price is no fault of a field that may be empty.
    if not reason or not (field.required or made.priced.steps):
        return Filled("", "")
    place = f"market {market}" if market else "the account"
    remedy = f"{reason[0].upper()}{reason[1:]}; mend the price, or the price policy of {place}."
    return Filled("", "", FieldFault(code=FaultCode.NO_PRICE, field=field.name, remedy=remedy))


def _written(amount: Money, field: FeedField) -> str:
    if field.minor:
        return str(amount.to_minor())
    return f"{amount.amount:.{max(2, minor_digits(amount.currency))}f}"
