"""Offers: what is listed where, what shall be, and what each platform was told of its stock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossdock.core.errors import ConfigError, Unsupported
from crossdock.core.store import accounts, catalog, offer_levels, offers, resolved
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.offer_levels import LevelRow
from crossdock.core.store.offers import OfferDraft, OfferRow, OfferState
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
            market: of the file; None takes the only one, or the first.
            plan: say what would happen, and change nothing.

        Returns:
            One result for each variant, in the order of their SKUs.

        Raises:
            Unsupported: the platform does not list by an offers file.
            ConfigError: nothing is selected, or the market has no file.
        """
        return self._change(account, which, market, plan, _create)

    def end(
        self, account: str, which: Selection, *, market: str | None = None, plan: bool = False
    ) -> tuple[OfferResult, ...]:
        """End offers: they leave the account's offers file, and nothing of them can be sold any more.

        Parameters, result and errors are those of `create`.
        """
        return self._change(account, which, market, plan, _end)

    def _change(
        self, account: str, which: Selection, market: str | None, plan: bool, change: _Change
    ) -> tuple[OfferResult, ...]:
        if not which:
            raise ConfigError("Nothing is selected.", advice="Name SKUs, a file, a category, attributes, or all.")
        connector = self._hub.connector(account)
        if connector.can("push_offers"):
            raise Unsupported(
                f"{connector.facts.title} takes offers by calls, which is not built yet.",
                advice="Offers are read only.",
            )
        _, markets = self._hub.mapping.resolver(connector)
        place = market_of(market, markets)
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
    known, there = _there(tx, account, market, skus)
    results = []
    drafts = []
    for sku in skus:
        listed = [row for row in there.get(known.get(sku, 0), []) if row.state is OfferState.LISTED]
        drafts += [_as(row, OfferState.ENDED) for row in listed]
        results += [OfferResult(sku=sku, done=Done.ENDED, offer_id=row.id) for row in listed]
        if not listed:
            results.append(OfferResult(sku=sku, done=Done.NOT_LISTED if sku in known else Done.UNKNOWN))
    if writing is not None:
        _put(writing, account, drafts)
    return results


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
