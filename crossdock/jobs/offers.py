"""The job `offers`: adopt what is listed on the platform already, by linking it to the seller's variants.

A listing is known again by its remote id, else by the seller's SKU, else by a GTIN that only one variant has. What is
ambiguous or fits nothing is told, not guessed. An offer that was made here for an offers file (without a shop and an id
of the platform) becomes the listing that the platform made of it. A page, its links and the cursor are one transaction;
a crash repeats a page and doubles nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crossdock.core.errors import ContractError
from crossdock.core.model import Market, Money, ProductPage, RemoteProduct
from crossdock.core.store import Read, catalog, offer_levels, offers
from crossdock.core.store.catalog import Change, GtinMatches, Upserted, VariantRow
from crossdock.core.store.events import Level
from crossdock.core.store.offers import OfferDraft, OfferRow, OfferState, Place
from crossdock.jobs.run import Run

JOB = "offers"
KEY_ATTRIBUTES = ("group", "brand", "color", "size")
EVENTS_PER_RUN = 1000
AMBIGUOUS, UNMATCHED = "offer_ambiguous", "offer_unmatched"
ADVICE = {
    AMBIGUOUS: "Give every variant its own SKU and GTIN, here and on the platform, and adopt again.",
    UNMATCHED: "Import the variant, or give the listing its SKU or GTIN on the platform, and adopt again.",
}


class NotLinked(Exception):
    """A listing that cannot be linked: the code of the event, and why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A listing, the variant that it shows, the offer that is kept of it already, and whether that may be over.

    A platform that reads an offers file lists what stands there, and shows it for a while after it left: an offer that
    was ended here stays so.
    """

    product: RemoteProduct
    variant: VariantRow
    offer: OfferRow | None
    by_file: bool = False

    @property
    def draft(self) -> OfferDraft:
        """The offer as it is to be; keys as they were published last win over the variant's attributes."""
        attributes = {name: self.variant.attributes.get(name) for name in KEY_ATTRIBUTES}
        own = {"group": self.variant.product} | {name: value for name, value in attributes.items() if value}
        kept = self.offer.keys if self.offer else {}
        return OfferDraft(
            market=self.product.market,
            scope=self.product.scope,
            variant_id=self.variant.id,
            remote_id=self.product.remote_id,
            keys={name: value for name, value in own.items() if value} | {**kept, **self.product.keys},
            state=self.offer.state if self.offer and self.by_file else OfferState.LISTED,
        )

    @property
    def moved(self) -> bool:
        """Whether the offer is one without a shop that turns out to be listed in this one."""
        return self.offer is not None and self.offer.scope != self.product.scope


def adopt(run: Run) -> None:
    """Read all that is listed, page by page, and link it."""
    cursor = run.resume_from["cursor"] if run.resume_from else None
    more = True
    while more:
        run.check_cancelled()
        page = run.connector.fetch_products(cursor)
        if page.more and page.cursor == cursor:
            raise ContractError("fetch_products says that there is more, where it was already.")
        _adopt_page(run, page)
        cursor, more = page.cursor, page.more
    failed = run.counts.get("failed", 0)
    if failed > EVENTS_PER_RUN:
        message = f"{failed} listings could not be linked; {EVENTS_PER_RUN} of them are told one by one."
        run.event(Level.WARNING, "offers_not_linked", message, advice="Mend those, and adopt again to see the others.")


def _adopt_page(run: Run, page: ProductPage) -> None:
    with run.write() as tx:
        links, failed = link(tx, run.account_id, page.products, by_file=run.connector.can("build_feed"))
        moved = {item.offer.id: place[1] for place, item in links.items() if item.offer and item.moved}
        offers.move(tx, moved)
        done = offers.upsert(tx, run.account_id, (item.draft for item in links.values()))
        fresh = [*moved, *(row.id for row in done.values() if row.change is Change.ADDED)]
        if fresh:
            offer_levels.ensure(tx, run.account_id, fresh)
        prices = dict(_new_prices(links, done, run.connector.facts.markets))
        offers.set_exported_price(tx, prices)
        _report(run, page, failed, done, prices)
        run.checkpoint({"cursor": page.cursor})


def _report(
    run: Run,
    page: ProductPage,
    failed: Sequence[tuple[RemoteProduct, NotLinked]],
    done: Mapping[Place, Upserted],
    prices: Mapping[int, Money],
) -> None:
    told = run.counts.get("failed", 0)
    for product, error in failed[: max(0, EVENTS_PER_RUN - told)]:
        run.event(Level.WARNING, error.code, str(error), item=product.remote_id, advice=ADVICE[error.code])
    added = sum(row.change is Change.ADDED for row in done.values())
    there = [row for row in done.values() if row.change is not Change.ADDED]
    changed = sum(row.change is Change.UPDATED or row.id in prices for row in there)
    seen = len(page.products)
    unchanged = seen - added - changed - len(failed)
    run.count(seen=seen, added=added, changed=changed, unchanged=unchanged, failed=len(failed))


# --- linking ---------------------------------------------------------------------------------------------------------


def link(
    tx: Read, account: str, products: Sequence[RemoteProduct], *, by_file: bool = False
) -> tuple[dict[Place, Link], list[tuple[RemoteProduct, NotLinked]]]:
    """Find the variant of each listing.

    Args:
        tx: any transaction.
        account: the account's id.
        products: what is listed there.
        by_file: whether the platform lists what stands in an offers file.

    Returns:
        Links by place, and what could not be linked with the reason.
    """
    matches: list[tuple[RemoteProduct, VariantRow]] = []
    failed: list[tuple[RemoteProduct, NotLinked]] = []
    known = _Known.read(tx, account, products)
    for product in products:
        try:
            matches.append((product, known.match(product)))
        except NotLinked as error:
            failed.append((product, error))
    there = {row.place: row for row in offers.of_variants(tx, account, {variant.id for _, variant in matches})}
    nowhere = {place: row for place, row in there.items() if not row.scope and row.remote_id is None}
    links: dict[Place, Link] = {}
    for product, variant in matches:
        place = (product.market, product.scope, variant.id)
        holder = links[place].product.remote_id if place in links else _holder(there.get(place))
        if holder in (None, product.remote_id):
            kept = links[place].offer if place in links else there.get(place)
            offer = kept or nowhere.pop((product.market, "", variant.id), None)
            links[place] = Link(product=product, variant=variant, offer=offer, by_file=by_file)
        else:
            why = f"{_said(product)} is {variant.sku!r}, and that is linked to listing {holder} already."
            failed.append((product, NotLinked(AMBIGUOUS, why)))
    return links, failed


def _holder(row: OfferRow | None) -> str | None:
    return row.remote_id if row and row.state is OfferState.LISTED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the store knows of a page of listings."""

    by_remote: Mapping[str, Sequence[OfferRow]]
    owned: Mapping[int, VariantRow]
    by_sku: Mapping[str, VariantRow]
    by_gtin: GtinMatches

    @classmethod
    def read(cls, tx: Read, account: str, products: Sequence[RemoteProduct]) -> _Known:
        by_remote = offers.by_remote(tx, account, {product.remote_id for product in products})
        return cls(
            by_remote=by_remote,
            owned=catalog.get_many(tx, {row.variant_id for rows in by_remote.values() for row in rows}),
            by_sku=catalog.find_by_sku(tx, {product.sku for product in products if product.sku}),
            by_gtin=catalog.find_by_gtin(tx, {product.gtin for product in products if product.gtin}),
        )

    def match(self, product: RemoteProduct) -> VariantRow:
        """Return the variant that a listing shows, or raise NotLinked."""
        here = (product.market, product.scope)
        rows = [row for row in self.by_remote.get(product.remote_id, ()) if (row.market, row.scope) == here]
        if len(rows) == 1:
            return self.owned[rows[0].variant_id]
        if rows:
            shown = ", ".join(sorted(row.sku for row in rows))
            raise NotLinked(AMBIGUOUS, f"{_said(product)} is linked to several variants: {shown}.")
        sku, gtin = product.sku or "", product.gtin or ""
        if sku in self.by_sku:
            return self.by_sku[sku]
        if gtin in self.by_gtin.found:
            return self.by_gtin.found[gtin]
        if gtin in self.by_gtin.ambiguous:
            shared = ", ".join(self.by_gtin.ambiguous[gtin])
            raise NotLinked(AMBIGUOUS, f"{_said(product)} has a GTIN that several variants share: {shared}.")
        raise NotLinked(UNMATCHED, f"{_said(product)} is none of the variants in the catalogue.")


def _said(product: RemoteProduct) -> str:
    ids = ", ".join(f"{what} {text}" for what, text in (("SKU", product.sku), ("GTIN", product.gtin)) if text)
    name = f" {product.name!r}" if product.name else ""
    return f"Listing {product.remote_id}{name} ({ids or 'without SKU and GTIN'})"


# --- prices ----------------------------------------------------------------------------------------------------------


def _new_prices(
    links: Mapping[Place, Link], done: Mapping[Place, Upserted], markets: Sequence[Market]
) -> Iterator[tuple[int, Money]]:
    """Yield by offer the price that stands there: what the platform says, else for a new offer the catalogue's."""
    currencies = {market.code: market.currency for market in markets}
    if len(markets) == 1:
        currencies[""] = markets[0].currency
    for place, item in links.items():
        last = item.offer.exported_price if item.offer else None
        price = item.product.price
        own = item.variant.price
        # The currency of a market that an account's settings add is the plugin's to know; a decision compares it again.
        if price is None and last is None and own and own.currency == currencies.get(item.product.market, own.currency):
            price = own
        if price is not None and price != last:
            yield done[place].id, price
