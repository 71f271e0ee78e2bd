"""What rules and prices make of each offer; a row is written where it is not what it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, bindparam, select
from sqlalchemy.dialects.postgresql import insert as insert_into

from crossdock.core.errors import NotFoundHere
from crossdock.core.model import FaultCode, FieldFault, Money, Offer
from crossdock.core.store import catalog, marks
from crossdock.core.store.engine import Read, Write, in_parts
from crossdock.core.store.marks import waiting as waiting
from crossdock.core.store.offers import OfferState
from crossdock.core.store.tables import offers, products, resolved_offers, variants

NOT_RESOLVED: Final = FieldFault(
    code=FaultCode.NOT_RESOLVED, field="", remedy="Run the job resolve: rules and prices were not applied yet."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRow:
    """What an offer says, as far as it does not change from minute to minute; stock is read when a feed is built.

    Args:
        offer_id, variant_id, sku: of what.
        state: whether it is listed.
        ended_at: since when it is not; None while it is listed.
        fields: text by the name of the field; fields without a value are left out.
        faults: what kept rules and prices from giving a value; an offer that nobody resolved yet has one, NOT_RESOLVED.
        hash: the same for the same fields and faults; empty where nobody resolved it yet.
    """

    offer_id: int
    variant_id: int
    sku: str
    state: OfferState
    ended_at: datetime | None
    fields: Mapping[str, str]
    faults: tuple[FieldFault, ...]
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A resolved offer with what filled each field.

    Args:
        row: the offer.
        origins: by field, which rule gave the value: `rule 2`, `rule 1 of se`, `source`, `price`, or `by hand`.
        resolved_at: when it was written; None where nobody resolved it yet.
    """

    row: ResolvedRow
    origins: Mapping[str, str]
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What came of resolving one offer, ready to be kept."""

    offer_id: int
    variant_id: int
    market: str
    fields: Mapping[str, str]
    faults: tuple[FieldFault, ...]
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """All that rules and prices need of one listed offer.

    Args:
        offer: where it is listed.
        own: the fields that a person gave to the offer by hand.
        variant_id, name, gtin, price, attributes: of the variant.
        product, product_name, product_attributes: of its product, empty without one.
    """

    offer: Offer
    own: Mapping[str, str]
    variant_id: int
    name: str
    gtin: str | None
    price: Money | None
    attributes: Mapping[str, str]
    product: str
    product_name: str
    product_attributes: Mapping[str, str]


# --- what is resolved ------------------------------------------------------------------------------------------------

_CONTENT: Final = (
    variants.c.sku,
    variants.c.name,
    variants.c.gtin,
    variants.c.price,
    variants.c.currency,
    variants.c.attributes,
    products.c.code,
    products.c.name.label("product_name"),
    products.c.attributes.label("product_attributes"),
)
_WITH_PRODUCT: Final = variants.outerjoin(products, products.c.id == variants.c.product_id)
_GOODS: Final = (
    select(offers, *_CONTENT)
    .select_from(_WITH_PRODUCT.join(offers, offers.c.variant_id == variants.c.id))
    .where(offers.c.account == bindparam("account"), offers.c.state == OfferState.LISTED.value)
    .order_by(offers.c.id)
)
_VARIANTS: Final = select(variants.c.id, *_CONTENT).select_from(_WITH_PRODUCT).order_by(variants.c.id)


def goods(tx: Read, account: str, variant_ids: Iterable[int]) -> list[Goods]:
    """Return the listed offers of these variants with all that they are made of, in the order of their numbers."""
    queries = (_GOODS.where(offers.c.variant_id.in_(part)) for part in in_parts(variant_ids))
    return [_listed(row) for query in queries for row in tx.execute(query, {"account": account})]


def goods_of_catalogue(tx: Read, market: str, *, listed_by: str | None = None) -> Iterator[Goods]:
    """Yield all of the catalogue as it would be offered in a market; the offers in it have no number.

    Args:
        tx: any transaction.
        market: where.
        listed_by: only what this account has listed anywhere.
    """
    query = _VARIANTS.limit(1000)
    if listed_by is not None:
        listed = and_(offers.c.account == listed_by, offers.c.state == OfferState.LISTED.value)
        query = query.where(select(offers.c.id).where(listed, offers.c.variant_id == variants.c.id).exists())
    last = 0
    while rows := tx.execute(query.where(variants.c.id > last)).all():
        yield from (_goods(row, row.id, Offer(id="", sku=row.sku, market=market), own={}) for row in rows)
        last = rows[-1].id


def goods_of_sku(tx: Read, account: str, sku: str, market: str) -> Goods:
    """Return a variant as an account offers it in a market, or would.

    Raises:
        NotFoundHere: nobody has this SKU.
    """
    variant = catalog.get(tx, sku)
    row = tx.execute(_VARIANTS.where(variants.c.id == variant.id)).one()
    here = and_(offers.c.account == account, offers.c.market == market, offers.c.variant_id == variant.id)
    listed_first = (offers.c.ended_at.is_not(None), offers.c.id)
    own = tx.scalar(select(offers.c.own).where(here).order_by(*listed_first).limit(1))
    return _goods(row, row.id, Offer(id="", sku=sku, market=market), own=own or {})


def _listed(row: Any) -> Goods:
    place = {"market": row.market, "scope": row.scope, "remote_id": row.remote_id, "keys": row._mapping["keys"]}
    return _goods(row, row.variant_id, Offer(id=str(row.id), sku=row.sku, **place), own=row.own)


def _goods(row: Any, variant_id: int, offer: Offer, *, own: Mapping[str, str]) -> Goods:
    return Goods(
        offer=offer,
        own=own,
        variant_id=variant_id,
        name=row.name,
        gtin=row.gtin,
        price=None if row.price is None else Money(amount=row.price, currency=row.currency),
        attributes=row.attributes,
        product=row.code or "",
        product_name=row.product_name or "",
        product_attributes=row.product_attributes or {},
    )


# --- reading ---------------------------------------------------------------------------------------------------------


_ROWS: Final = (
    select(
        offers.c.id,
        offers.c.variant_id,
        variants.c.sku,
        offers.c.state,
        offers.c.ended_at,
        resolved_offers.c.fields,
        resolved_offers.c.faults,
        resolved_offers.c.explain,
        resolved_offers.c.hash,
        resolved_offers.c.resolved_at,
    )
    .select_from(offers.join(variants).outerjoin(resolved_offers, resolved_offers.c.offer_id == offers.c.id))
    .order_by(offers.c.id)
)


def page(tx: Read, account: str, market: str, *, after: int, limit: int) -> list[ResolvedRow]:
    """Return one page of an account's offers in a market, in the order of their numbers.

    All are there: listed ones, ended ones with the time at which they ended, and those that nobody resolved yet.

    Args:
        tx: any transaction.
        account: the account's id.
        market: the market of the feed.
        after: the last offer of the page before, 0 for the first page.
        limit: how many at most.
    """
    query = _ROWS.where(offers.c.account == account, offers.c.market == market, offers.c.id > after).limit(limit)
    return [_row(row) for row in tx.execute(query)]


def explain(tx: Read, offer_id: int) -> Explained:
    """Return one offer with what filled each of its fields.

    Raises:
        NotFoundHere: there is no such offer.
    """
    row = tx.execute(_ROWS.where(offers.c.id == offer_id)).one_or_none()
    if row is None:
        raise NotFoundHere(f"There is no offer {offer_id}.")
    return Explained(row=_row(row), origins=row.explain or {}, resolved_at=row.resolved_at)


def _row(row: Any) -> ResolvedRow:
    known = row.hash is not None
    return ResolvedRow(
        offer_id=row.id,
        variant_id=row.variant_id,
        sku=row.sku,
        state=OfferState(row.state),
        ended_at=row.ended_at,
        fields=row.fields if known else {},
        faults=tuple(_fault(fault) for fault in row.faults) if known else (NOT_RESOLVED,),
        hash=row.hash or "",
    )


def _fault(kept: Sequence[str]) -> FieldFault:
    code, field, value, remedy = kept
    return FieldFault(code=FaultCode(code), field=field, value=value, remedy=remedy)


# --- writing ---------------------------------------------------------------------------------------------------------


def save(tx: Write, account: str, taken: Mapping[int, int], drafts: Iterable[Draft]) -> int:
    """Keep what was resolved, and take the marks off; a variant that was marked again meanwhile keeps mark and row.

    Args:
        tx: a write transaction.
        account: the account's id.
        taken: as `marks.take` gave them, of the variants that were resolved.
        drafts: of their offers.

    Returns:
        How many offers were written, because they are not what they were.
    """
    done = marks.take_off(tx, account, taken)
    rows = [_kept(tx, account, draft) for draft in drafts if draft.variant_id in done]
    known = _hashes(tx, [row["offer_id"] for row in rows])
    changed = [row for row in rows if known.get(row["offer_id"]) != row["hash"]]
    if changed:
        change = insert_into(resolved_offers)
        names = ("market", "fields", "faults", "explain", "hash", "resolved_at")
        tx.execute(
            change.on_conflict_do_update(
                index_elements=["offer_id"], set_={name: change.excluded[name] for name in names}
            ),
            sorted(changed, key=lambda row: int(row["offer_id"])),
        )
    return len(changed)


def _kept(tx: Write, account: str, draft: Draft) -> dict[str, Any]:
    faults = [[fault.code.value, fault.field, fault.value, fault.remedy] for fault in draft.faults]
    content = {"fields": dict(draft.fields), "faults": faults, "explain": dict(draft.origins)}
    plain = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    row = {"offer_id": draft.offer_id, "account": account, "market": draft.market, "variant_id": draft.variant_id}
    return row | content | {"hash": hashlib.sha256(plain.encode()).hexdigest(), "resolved_at": tx.now}


def _hashes(tx: Read, offer_ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in in_parts(offer_ids):
        query = select(resolved_offers.c.offer_id, resolved_offers.c.hash).where(resolved_offers.c.offer_id.in_(part))
        found.update((row.offer_id, row.hash) for row in tx.execute(query))
    return found
