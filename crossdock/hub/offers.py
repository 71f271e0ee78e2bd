"""Offers: what is listed where, what shall be, what it says, and what each platform was told of its stock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossdock.core.errors import ConfigError, Unsupported
from crossdock.core.model import FeedField, FieldKind, ListingDefault, text_faults
from crossdock.core.rules import RECKONED
from crossdock.core.store import accounts, catalog, offer_levels, offers, resolved
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.offer_levels import LevelRow
from crossdock.core.store.offers import OfferDraft, OfferRow, OfferState
from crossdock.feeds.checks import value_fault
from crossdock.hub import listing_defaults
from crossdock.hub.mapping import market_of
from crossdock.jobs.resolver import CATEGORY, own_categories
from crossdock.jobs.rowfile import open_rows

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub

BATCH: Final = 1000  # offers of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOffer:
    """An offer with its levels, one for each remote warehouse."""

    offer: OfferRow
    levels: tuple[LevelRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which variants are meant: those that are named, and those of the catalogue that all of the rest fits.

    Args:
        skus: named one by one.
        file: CSV, TSV or JSON lines with a column sku.
        category: an own category, with all below it.
        search: a part of SKU or name; the case of letters makes no difference.
        where: attributes with exactly these values.
        everything: all of the catalogue.
    """

    skus: tuple[str, ...] = ()
    file: Path | None = None
    category: str = ""
    search: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.skus or self.file or self.filters)

    @property
    def filters(self) -> bool:
        """Whether the catalogue is looked through."""
        return bool(self.category or self.search or self.where or self.everything)


class Done(StrEnum):
    """What became, or would become, of one offer; closed."""

    CREATED = "created"
    LISTED_AGAIN = "listed again"
    LISTED_ALREADY = "listed already"
    ENDED = "ended"
    EDITED = "edited"
    SAME = "already so"
    NOT_LISTED = "not listed"
    UNKNOWN = "unknown SKU"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferResult:
    """What became of one offer; `offer_id` is None where there is none (yet)."""

    sku: str
    done: Done
    offer_id: int | None = None


class Offers:
    """The offers of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def list(
        self, account: str, *, market: str | None = None, after: int = 0, limit: int = 100
    ) -> tuple[ListedOffer, ...]:
        """Return one page of an account's offers in the order of their numbers.

        Args:
            account: name or id.
            market: only this one.
            after: the last number of the page before.
            limit: how many at most.

        Raises:
            NotFoundHere: there is no such account.
        """
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id
            return _with_levels(tx, offers.list(tx, owner, market=market, after=after, limit=limit))

    def show(self, account: str, sku: str) -> tuple[ListedOffer, ...]:
        """Return all offers of a variant in an account.

        Raises:
            NotFoundHere: there is no such account, or nobody has this SKU.
        """
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id
            return _with_levels(tx, offers.of_variants(tx, owner, [catalog.get(tx, sku).id]))

    def create(
        self, account: str, which: Selection, *, market: str | None = None, plan: bool = False
    ) -> tuple[OfferResult, ...]:
        """List variants: from now on they stand in the account's offers file.

        An offer that ended is listed again, wherever it was; one that is listed stays as it is. The platform's own
        listing, once it is adopted, becomes this offer.

        Args:
            account: name or id.
            which: what to list.
            market: of the file; None takes the account's listing market, else the only one, or the first.
            plan: say what would happen, and change nothing.

        Returns:
            One result for each variant, in the order of their SKUs.

        Raises:
            Unsupported: the platform does not list by an offers file.
            ConfigError: nothing is selected, or the market has no file.
        """
        return self._change(account, which, market, plan, lambda fields: _create)

    def end(
        self, account: str, which: Selection, *, market: str | None = None, plan: bool = False
    ) -> tuple[OfferResult, ...]:
        """End offers: they leave the account's offers file, and nothing of them can be sold any more.

        Parameters, result and errors are those of `create`.
        """
        return self._change(account, which, market, plan, lambda fields: _end)

    def edit(
        self,
        account: str,
        which: Selection,
        values: Mapping[str, str | None],
        *,
        market: str | None = None,
        plan: bool = False,
    ) -> tuple[OfferResult, ...]:
        """Give fields to listed offers by hand; they come before all rules, also when an offer is listed again.

        Args:
            account: name or id.
            which: the variants whose offers are meant.
            values: text by the name of the field; None leaves a field to the rules again.
            market: as in `create`.
            plan: say what would happen, and change nothing.

        Returns:
            One result for each offer, and for each variant that is not listed, in the order of their SKUs.

        Raises:
            Unsupported: the platform does not list by an offers file.
            ConfigError: nothing is selected or given, the market has no file, or with every field that cannot be given.
        """
        if not values:
            raise ConfigError("Nothing is given to edit.", advice="Name fields and what they are to say.")
        return self._change(account, which, market, plan, partial(_editing, values))

    def defaults(self, account: str) -> dict[ListingDefault, str | None]:
        """Return the listing defaults that an account's platform knows, None where nothing is set.

        Raises:
            NotFoundHere: there is no such account.
        """
        with self._hub.store.read() as tx:
            row = accounts.get(tx, account)
            return listing_defaults.read(tx, row, self._hub.plugin(row.platform).facts)

    def set_defaults(self, account: str, values: Mapping[str, str | None]) -> dict[ListingDefault, str | None]:
        """Set listing defaults, all of them or none, and return those in force.

        Multiplier and price group are the account's price policy for all markets. A description is an expression,
        duration and offer format are texts: each is the first rule of its field for all markets, and rules behind it
        count where it gives nothing. The market is where offers are listed if none is named.

        Args:
            account: name or id.
            values: by name (`ListingDefault`); None takes one back.

        Raises:
            NotFoundHere: there is no such account.
            Unsupported: no market of the account has an offers file that could tell what is allowed.
            ConfigError: with every fault, such as a default that the platform does not know.
        """
        connector = self._hub.connector(account)
        facts, faults = connector.facts, list[str]()
        changes = listing_defaults.sound(facts, values, faults)
        if listing_defaults.needs_file(changes):
            resolver, markets = self._hub.mapping.resolver(connector, changes.get(ListingDefault.MARKET))
            faults += listing_defaults.file_faults(facts, changes, resolver, markets)
        with self._hub.store.write() as tx:
            row = accounts.get(tx, connector.account.id, lock=True)
            listing_defaults.write(tx, row, facts, changes, faults)
            return listing_defaults.read(tx, accounts.get(tx, row.id), facts)

    def _change(
        self, account: str, which: Selection, market: str | None, plan: bool, change_of: _ChangeOf
    ) -> tuple[OfferResult, ...]:
        if not which:
            raise ConfigError("Nothing is selected.", advice="Name SKUs, a file, a category, attributes, or all.")
        connector = self._hub.connector(account)
        if connector.can("push_offers"):
            raise Unsupported(
                f"{connector.facts.title} takes offers by calls, which is not built yet.",
                advice="Offers are read only.",
            )
        resolver, markets = self._hub.mapping.resolver(connector, market)
        place = market_of(market, connector, markets)
        change = change_of(resolver.fields(place))
        with self._hub.store.read() as tx:
            wanted = sorted(set(_selected(tx, which)))
        results: list[OfferResult] = []
        for start in range(0, len(wanted), BATCH):
            skus = wanted[start : start + BATCH]
            if plan:
                with self._hub.store.read() as tx:
                    results += change(tx, None, connector.account.id, place, skus)
            else:
                with self._hub.store.write() as writing:
                    results += change(writing, writing, connector.account.id, place, skus)
        return tuple(results)


_Change = Callable[[Read, Write | None, str, str, Sequence[str]], list[OfferResult]]
_ChangeOf = Callable[[Sequence[FeedField]], _Change]
"""Gives the change to be made where the offers file has these fields, or refuses it."""


def _with_levels(tx: Read, found: Sequence[OfferRow]) -> tuple[ListedOffer, ...]:
    levels = offer_levels.of_offers(tx, (row.id for row in found))
    return tuple(ListedOffer(offer=row, levels=tuple(levels.get(row.id, ()))) for row in found)


# --- selecting -------------------------------------------------------------------------------------------------------


def _selected(tx: Read, which: Selection) -> Iterator[str]:
    yield from which.skus
    if which.file is not None:
        yield from _named(which.file)
    if which.filters:
        yield from (sku for sku, fits in _fitting(tx, which) if fits)


def _named(file: Path) -> Iterator[str]:
    """Yield the SKUs of a file; one that cannot be read wholly is not used at all."""
    with open_rows(file, required=("sku",)) as rows:
        for row in rows:
            if row.faults or not row.cells.get("sku"):
                said = "; ".join(map(str, row.faults)) or f"line {row.line}: it has no SKU"
                raise ConfigError(f"{file}: {said}. Nothing was changed.")
            yield row.cells["sku"]


def _fitting(tx: Read, which: Selection) -> Iterator[tuple[str, bool]]:
    words = which.search.casefold()
    for goods in resolved.goods_of_catalogue(tx, ""):
        attributes = {**goods.product_attributes, **{name: text for name, text in goods.attributes.items() if text}}
        yield (
            goods.offer.sku,
            (not which.category or which.category in own_categories(attributes.get(CATEGORY, "")))
            and (words in goods.offer.sku.casefold() or words in goods.name.casefold())
            and all(attributes.get(name) == value for name, value in which.where.items()),
        )


# --- changing --------------------------------------------------------------------------------------------------------


def _create(tx: Read, writing: Write | None, account: str, market: str, skus: Sequence[str]) -> list[OfferResult]:
    known, there = _there(tx, account, market, skus)
    drafts: list[OfferDraft] = []
    results: dict[str, OfferResult] = {}
    for sku in skus:
        rows = there.get(known.get(sku, 0), [])
        listed = next((row for row in rows if row.state is OfferState.LISTED), None)
        if sku not in known:
            results[sku] = OfferResult(sku=sku, done=Done.UNKNOWN)
        elif listed:
            results[sku] = OfferResult(sku=sku, done=Done.LISTED_ALREADY, offer_id=listed.id)
        elif rows:
            drafts.append(_as(rows[-1], OfferState.LISTED))
            results[sku] = OfferResult(sku=sku, done=Done.LISTED_AGAIN, offer_id=rows[-1].id)
        else:
            drafts.append(OfferDraft(market=market, variant_id=known[sku]))
            results[sku] = OfferResult(sku=sku, done=Done.CREATED)
    if writing is not None:
        made = {place[2]: row.id for place, row in _put(writing, account, drafts).items()}
        for sku, result in results.items():
            if result.done is Done.CREATED:
                results[sku] = OfferResult(sku=sku, done=Done.CREATED, offer_id=made[known[sku]])
    return [*results.values()]


def _end(tx: Read, writing: Write | None, account: str, market: str, skus: Sequence[str]) -> list[OfferResult]:
    listed, results = _listed(tx, account, market, skus)
    if writing is not None:
        _put(writing, account, [_as(row, OfferState.ENDED) for row in listed])
    results += [OfferResult(sku=row.sku, done=Done.ENDED, offer_id=row.id) for row in listed]
    return sorted(results, key=_by_sku)


def _editing(values: Mapping[str, str | None], fields: Sequence[FeedField]) -> _Change:
    """Return the change that gives these values by hand.

    Raises:
        ConfigError: with every field that cannot be given.
    """
    declared = {target.name: target for target in fields}
    faults = [f"{name}: {fault}" for name in values for fault in _value_faults(declared.get(name), values[name])]
    if faults:
        advice = (
            f"Fields to be given are {', '.join(name for name in declared if declared[name].kind not in RECKONED)}."
        )
        raise ConfigError(f"{len(faults)} field(s) cannot be given by hand.", faults=faults, advice=advice)
    return partial(_edit, values)


def _value_faults(target: FeedField | None, value: str | None) -> Iterator[str]:
    if target is None:
        if value is not None:  # what was given once may be taken back, whatever the file has by now
            yield "the offers file has no such field"
    elif target.kind is FieldKind.PRICE:
        yield "a price comes from the catalogue and a price policy: `crossdock prices set`"
    elif target.kind is FieldKind.STOCK:
        yield "stock is what was counted: `crossdock stock adjust`"
    elif value is not None:
        if not value.strip():
            yield "it is empty; unset it to leave it to the rules"
        elif fault := value_fault(target, value):
            yield f"{fault.value!r} cannot stand there. {fault.remedy}"
        yield from text_faults(value, "value")


def _edit(
    values: Mapping[str, str | None],
    tx: Read,
    writing: Write | None,
    account: str,
    market: str,
    skus: Sequence[str],
) -> list[OfferResult]:
    if writing is not None:
        accounts.get(writing, account, lock=True)  # of two who edit the same offer, the second builds on the first
    listed, results = _listed(tx, account, market, skus)
    changed = []
    for row in listed:
        own = {name: value for name, value in {**row.own, **values}.items() if value is not None}
        if own != row.own:
            changed.append(replace(row, own=own))
        results.append(OfferResult(sku=row.sku, done=Done.EDITED if own != row.own else Done.SAME, offer_id=row.id))
    if writing is not None:
        offers.set_own(writing, changed)
    return sorted(results, key=_by_sku)


def _listed(tx: Read, account: str, market: str, skus: Sequence[str]) -> tuple[list[OfferRow], list[OfferResult]]:
    """Return the listed offers of variants in a market, and what to say of each variant that has none."""
    known, there = _there(tx, account, market, skus)
    listed = [row for rows in there.values() for row in rows if row.state is OfferState.LISTED]
    missing = set(skus) - {row.sku for row in listed}
    said = {sku: Done.NOT_LISTED if sku in known else Done.UNKNOWN for sku in missing}
    return listed, [OfferResult(sku=sku, done=done) for sku, done in said.items()]


def _by_sku(result: OfferResult) -> tuple[str, int]:
    return result.sku, result.offer_id or 0


def _there(
    tx: Read, account: str, market: str, skus: Iterable[str]
) -> tuple[dict[str, int], dict[int, list[OfferRow]]]:
    """Return variants by SKU, and the offers that they have in a market, in whatever shop."""
    known = catalog.ids_by_sku(tx, skus)
    there: dict[int, list[OfferRow]] = {}
    for row in offers.of_variants(tx, account, known.values()):
        if row.market == market:
            there.setdefault(row.variant_id, []).append(row)
    return known, there


def _as(row: OfferRow, state: OfferState) -> OfferDraft:
    return OfferDraft(
        market=row.market,
        scope=row.scope,
        variant_id=row.variant_id,
        remote_id=row.remote_id,
        keys=row.keys,
        state=state,
    )


def _put(tx: Write, account: str, drafts: Sequence[OfferDraft]) -> Mapping[offers.Place, catalog.Upserted]:
    done = offers.upsert(tx, account, drafts)
    # What can be sold of an offer is another number once it ends, or comes back.
    offer_levels.mark_changed(tx, (draft.variant_id for draft in drafts))
    return done
