"""Mapping: how the fields of an account's offers files are filled, and where the seller's categories go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossdock.core.connector import Connector
from crossdock.core.errors import ConfigError, Unsupported
from crossdock.core.model import FeedField, FieldKind
from crossdock.core.rules import ALL_MARKETS, RECKONED, Attempt, RuleKind
from crossdock.core.store import accounts, mapping, offers, prices, resolved
from crossdock.core.store.catalog import LIST_END
from crossdock.core.store.engine import Read
from crossdock.core.store.mapping import Content, Difference, LinkKind
from crossdock.core.store.offers import OfferState
from crossdock.jobs import mapping_file
from crossdock.jobs.resolver import CATEGORY, Resolver

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub

SHOWN: Final = 100  # values of a look-up, or categories, that are told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a person should mend before a build.

    Args:
        what: of which kind: field, rule, lookup, category.
        name: which one.
        message: what is wrong, and what is wanted.
    """

    what: str
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownField:
    """A field of an offer: its value, which rule gave it, and all that was tried, in order."""

    field: str
    value: str
    origin: str
    required: bool
    tried: tuple[Attempt, ...]
    fault: str


class Mapping:
    """The mappings of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    # --- as a file ---------------------------------------------------------------------------------------------------

    def read(self, account: str) -> Content:
        """Return the whole mapping of an account."""
        with self._hub.store.read() as tx:
            return mapping.read(tx, accounts.get(tx, account).id)

    def export(self, account: str) -> str:
        """Return the whole mapping of an account as the text of a TOML file."""
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account)
            content = mapping.read(tx, owner.id)
        return mapping_file.write(content, f"Mapping of account {owner.name} ({owner.platform}).")

    def import_file(self, account: str, path: str | Path, *, plan: bool = False) -> Difference:
        """Make an account's mapping be what a TOML file says; see `load`.

        Raises:
            ConfigError: the file cannot be read, or with every fault of it; nothing was changed.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
        return self.load(account, content, name=str(path), plan=plan)

    def load(self, account: str, text: str | bytes, *, name: str, plan: bool = False) -> Difference:
        """Make an account's mapping be what a file says; what the file does not have is removed.

        Args:
            account: name or id.
            text: of the file, or its bytes in UTF-8.
            name: what to call it in errors.
            plan: say what would change, and change nothing.

        Raises:
            ConfigError: with every fault of the file, each with its place; nothing was changed.
        """
        new = mapping_file.read(text, name)
        if plan:
            return mapping.difference(self.read(account), new)
        return self._replace(account, lambda old: new)

    def _replace(self, account: str, change: Callable[[Content], Content]) -> Difference:
        with self._hub.store.write() as tx:
            owner = accounts.get(tx, account, lock=True).id
            return mapping.replace(tx, owner, change(mapping.read(tx, owner)))

    # --- categories --------------------------------------------------------------------------------------------------

    def favour(self, account: str, category: str, path: str = "") -> Difference:
        """Remember a category of the platform as one that the seller uses, with the path that people read."""
        said = {category: path or category}
        return self._replace(account, lambda old: replace(old, favourites={**old.favourites, **said}))

    def unfavour(self, account: str, category: str) -> Difference:
        """Forget a favourite category; links to it stay."""

        def without(old: Content) -> Content:
            return replace(old, favourites={known: path for known, path in old.favourites.items() if known != category})

        return self._replace(account, without)

    def link(self, account: str, own: str, category: str, *, kind: LinkKind = LinkKind.CATEGORY) -> Difference:
        """Lead an own category, or a product, to a category of the platform."""
        if not (own and category):
            raise ConfigError("A link needs what is linked, and the platform's category.")
        said = {(kind, own): category}
        return self._replace(account, lambda old: replace(old, links={**old.links, **said}))

    def unlink(self, account: str, own: str, *, kind: LinkKind = LinkKind.CATEGORY) -> Difference:
        """Forget where an own category, or a product, leads."""

        def without(old: Content) -> Content:
            return replace(old, links={place: to for place, to in old.links.items() if place != (kind, own)})

        return self._replace(account, without)

    # --- looking -----------------------------------------------------------------------------------------------------

    def check(self, account: str) -> tuple[Finding, ...]:
        """Say what is to be mended before a build: fields, rules, look-up tables, categories.

        Raises:
            Unsupported: the platform has no offers file.
        """
        connector = self._hub.connector(account)
        resolver, markets = self.resolver(connector)
        with self._hub.store.read() as tx:
            resolver.refresh(tx)
            fields = {field.name: field for market in markets for field in resolver.fields(market)}
            return (
                *(finding for market in markets for finding in _unfilled(resolver, market)),
                *_idle(resolver.content, fields, {*markets, *(field.market or "" for field in fields.values())}),
                *_unmatched(tx, resolver, connector.account.id, markets[0], fields),
            )

    def show(self, account: str, sku: str, *, market: str | None = None) -> tuple[ShownField, ...]:
        """Return the fields of an offer as rules and prices fill them now, with what was tried.

        Args:
            account: name or id.
            sku: the variant, listed or not.
            market: of the file; see `market_of`.

        Raises:
            NotFoundHere: nobody has this SKU.
            ConfigError: the market has no file.
        """
        connector = self._hub.connector(account)
        resolver, markets = self.resolver(connector, market)
        place = market_of(market, connector, markets)
        with self._hub.store.read() as tx:
            resolver.refresh(tx)
            goods = resolved.goods_of_sku(tx, connector.account.id, sku, place)
            groups = prices.in_groups(tx, [goods.variant_id])
        subject = resolver.subject(goods)
        filled = dict(resolver.prices(goods, subject, groups))
        tried = {}
        for plan in resolver.plans(place):
            filled[plan.field.name], tried[plan.field.name] = plan.fill(subject), tuple(plan.attempts(subject))
        return tuple(
            ShownField(
                field=field.name,
                value=filled[field.name].value,
                origin=filled[field.name].origin,
                required=field.required,
                tried=tried.get(field.name, ()),
                fault=fault.remedy if (fault := filled[field.name].fault) else "",
            )
            for field in resolver.fields(place)
            if field.kind is not FieldKind.STOCK
        )

    def resolver(self, connector: Connector, market: str | None = None) -> tuple[Resolver, tuple[str, ...]]:
        """Return what resolves an account's offers, and the markets that have an offers file.

        Args:
            connector: of the account.
            market: one that is named; it counts where the platform declares no markets, as does the listing market.

        Raises:
            Unsupported: the platform has no offers file.
            ConfigError: none of its markets has one as the account is set.
        """
        connector.loaded.require("build_feed", connector.account.name)
        resolver = Resolver(connector)
        with self._hub.store.read() as tx:
            listed = offers.markets(tx, connector.account.id)
        named = [place for place in (connector.account.options.listing_market, market) if place is not None]
        known = [place.code for place in connector.facts.markets] or ["", *named]
        markets = tuple(place for place in dict.fromkeys([*known, *listed]) if resolver.feed(place))
        if not markets:
            raise Unsupported(
                f"No market of account {connector.account.name} has an offers file of its own.",
                advice="Name its market, or see the settings of the account.",
            )
        return resolver, markets


def market_of(wanted: str | None, connector: Connector, markets: tuple[str, ...]) -> str:
    """Return the market that is meant among those that have an offers file.

    Args:
        wanted: its code; None takes the account's listing market, else the only one, or the first.
        connector: of the account.
        markets: those that have an offers file.

    Raises:
        ConfigError: the one that is named has none.
    """
    chosen = connector.account.options.listing_market if wanted is None else wanted
    if chosen is None:
        return markets[0]
    if chosen not in markets:
        raise ConfigError(f"The market {chosen!r} has no offers file.", advice=f"There are: {', '.join(markets)}.")
    return chosen


# --- checks ----------------------------------------------------------------------------------------------------------


def _unfilled(resolver: Resolver, market: str) -> Iterator[Finding]:
    for plan in resolver.plans(market):
        if plan.field.required and plan.empty:
            wants = f" It wants: {plan.field.help}" if plan.field.help else ""
            yield Finding(what="field", name=plan.field.name, message=f"It is required, and nothing fills it.{wants}")


def _idle(content: Content, fields: dict[str, FeedField], markets: set[str]) -> Iterator[Finding]:
    """Yield the rules that never fill anything."""
    for market, name in sorted(content.rules):
        field = fields.get(name)
        if field is None:
            yield Finding(what="rule", name=name, message="The offers file has no such field.")
        elif field.kind in RECKONED:
            filled = "price policies" if field.kind is FieldKind.PRICE else "the stock"
            yield Finding(what="rule", name=name, message=f"No rule fills this field: {filled} does.")
        elif market not in {ALL_MARKETS, *markets}:
            yield Finding(what="rule", name=name, message=f"The offers file has nothing for the market {market!r}.")


def _unmatched(
    tx: Read, resolver: Resolver, account: str, market: str, fields: dict[str, FeedField]
) -> Iterator[Finding]:
    """Yield values that occur in the catalogue and lead nowhere: in look-up tables, and categories without a link."""
    lookups = {
        (rule.table, rule.text)
        for rules in resolver.content.rules.values()
        for rule in rules
        if rule.kind is RuleKind.LOOKUP and rule.default is None
    }
    wants_category = any("category" in (field.source or "") for field in fields.values()) or resolver.content.links
    missing: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    # Before anything is listed, all of the catalogue may be.
    owner = account if offers.list(tx, account, state=OfferState.LISTED, limit=1) else None
    for goods in resolved.goods_of_catalogue(tx, market, listed_by=owner):
        subject = resolver.subject(goods)
        for table, name in lookups:
            value = subject.value(name)
            if value and value not in resolver.content.lookups.get(table, {}):
                missing["lookup", table][value] += 1
        if wants_category and "category" not in subject.own:
            first, *_ = subject.attributes.get(CATEGORY, "").split(LIST_END)
            missing["category", first or "none at all"][""] += 1
    for (what, name), values in sorted(missing.items()):
        if what == "category":
            yield Finding(what=what, name=name, message=f"It leads nowhere; {values['']} variant(s) have it.")
            continue
        for value, number in values.most_common(SHOWN):
            yield Finding(what=what, name=name, message=f"It has nothing for {value!r}; {number} variant(s) have it.")
        if len(values) > SHOWN:
            yield Finding(what=what, name=name, message=f"It has nothing for {len(values) - SHOWN} more values.")
