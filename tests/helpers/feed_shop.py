"""A seller whose offers are resolved by hand, to see what becomes of them in an offers file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from crossdock.core.model import FieldFault
from crossdock.core.store import Read, catalog, feed_rows, feeds, marks, offers, stock, tables
from crossdock.core.store.feed_rows import OfferFault
from crossdock.core.store.feeds import FeedFile, Version
from crossdock.core.store.offers import OfferDraft, OfferState
from crossdock.core.store.runs import RunRecord
from crossdock.core.store.stock import Count
from crossdock.hub import Hub

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
MIINTO = {"identifier": "seller", "secret": "a-secret-of-the-seller"}
GOOGLE = {"shop": "Shirts & more", "link": "https://shop.example.com", "country": "PL", "currency": "PLN"}


def miinto_fields(sku: str, **more: str) -> dict[str, str]:
    """Return what a shirt says at Miinto; an underscore stands for what keyword arguments cannot spell."""
    fields = {
        "id": sku,
        "item_group_id": f"G-{sku}",
        "c:style_id:string": "ST-1",
        "brand": "Acme",
        "title": "Linen shirt",
        "color": "White",
        "size": "M",
        "image_link": "https://img.example.com/1.jpg",
        "c:retail_price_PLN:integer": "29900",
        "c:discount_retail_price_PLN:integer": "24900",
        "material": '{"en_EN.utf8":"Linen 100%"}',
        "description": "A light shirt",
        "madein": "PT",
    }
    return fields | more


def google_fields(sku: str, **more: str) -> dict[str, str]:
    """Return what a shirt says at Google."""
    fields = {
        "id": sku,
        "title": "Linen shirt",
        "description": "A light shirt",
        "link": f"https://shop.example.com/{sku}",
        "image_link": "https://img.example.com/1.jpg",
        "price": "299.00",
    }
    return fields | more


class FeedShop:
    """One account with an offers file.

    Args:
        hub: an installation.
        platform: `miinto` or `google`; both sell in Poland.
        settings: of the account, over what it needs anyway.
        options: of the account.
    """

    market = "pl"

    def __init__(
        self,
        hub: Hub,
        platform: str,
        settings: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.hub = hub
        self._numbers = itertools.count(1)
        base = {"miinto": MIINTO, "google": GOOGLE}[platform]
        self.fields = {"miinto": miinto_fields, "google": google_fields}[platform]
        self.account = hub.accounts.add(platform, "shop", {**base, **(settings or {})}, options).id
        hub.accounts.enable("shop", "feed")

    # --- goods

    def list(self, sku: str, *, units: int | None = 5, market: str = market, **fields: str) -> int:
        """List a shirt, resolved, and return the offer's number; no units: nobody has counted it."""
        with self.hub.store.write() as tx:
            variant = catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku)])[sku].id
            draft = OfferDraft(market=market, variant_id=variant)
            number = offers.upsert(tx, self.account, [draft])[draft.place].id
        if units is not None:
            self.count(sku, units)
        self.resolve(sku, **fields)
        return number

    def resolve(self, sku: str, faults: Iterable[FieldFault] = (), **fields: str) -> None:
        """Let an offer say this, over what a shirt says; an empty text takes a field away."""
        said = {name: text for name, text in self.fields(sku, **fields).items() if text}
        wrong = [[fault.code.value, fault.field, fault.value, fault.remedy] for fault in faults]
        content = {"fields": said, "faults": wrong, "explain": {}}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        with self.hub.store.write() as tx:
            (offer,) = self._offers(tx, sku)
            row = {"offer_id": offer.id, "account": self.account, "market": offer.market, "hash": digest, **content}
            change = insert(tables.resolved_offers).values(**row, variant_id=offer.variant_id, resolved_at=tx.now)
            tx.execute(change.on_conflict_do_update(index_elements=["offer_id"], set_={**content, "hash": digest}))
            marks.take_off(tx, self.account, marks.take(tx, self.account, limit=10_000))

    def count(self, sku: str, units: int) -> None:
        """Count a variant anew."""
        with self.hub.store.write() as tx:
            variant = catalog.ids_by_sku(tx, [sku])[sku]
            counts = [Count(variant_id=variant, warehouse="main", quantity=units)]
            stock.count(tx, counts, source=f"count {next(self._numbers)}", as_of=tx.now)

    def set_state(self, sku: str, state: OfferState) -> None:
        """End an offer, or list it again."""
        with self.hub.store.write() as tx:
            (offer,) = self._offers(tx, sku)
            draft = OfferDraft(market=offer.market, variant_id=offer.variant_id, keys=offer.keys, state=state)
            offers.upsert(tx, self.account, [draft])

    def _offers(self, tx: Read, sku: str) -> tuple[offers.OfferRow, ...]:
        return offers.of_variants(tx, self.account, [catalog.ids_by_sku(tx, [sku])[sku]])

    # --- the file

    def build(self, *, force: bool = False) -> RunRecord:
        """Build."""
        return self.hub.run("shop", "feed", force=force)

    def out(self) -> Version:
        """Return the version that is out."""
        with self.hub.store.read() as tx:
            version = feeds.current_version(tx, self.account, self.market)
        assert version is not None
        return version

    def versions(self) -> tuple[Version, ...]:
        """Return all builds, newest first."""
        with self.hub.store.read() as tx:
            return feeds.versions(tx, self.account, self.market)

    @property
    def folder(self) -> Path:
        """Where all files lie."""
        return self.hub.installation.folder / "feeds"

    def bytes(self) -> bytes:
        """Return the file that is out; plain and packed say the same."""
        path = self.folder / str(self.out().file)
        plain = path.read_bytes()
        assert gzip.decompress(path.with_name(path.name + ".gz").read_bytes()) == plain
        assert hashlib.sha256(plain).hexdigest() == self.out().sha256
        assert len(plain) == self.out().bytes
        return plain

    def rows(self) -> dict[str, dict[str, str]]:
        """Return the rows of a tab-separated file by SKU."""
        found = list(csv.DictReader(io.StringIO(self.bytes().decode(), newline=""), delimiter="\t"))
        assert len(found) == self.out().rows
        return {row["id"]: row for row in found}

    def faults(self) -> dict[str, list[tuple[str, str, str]]]:
        """Return effect, code and field of what is wrong, by SKU."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for wrong in self.all_faults():
            found.setdefault(wrong.sku, []).append((wrong.effect.value, wrong.fault.code.value, wrong.fault.field))
        return found

    def all_faults(self) -> tuple[OfferFault, ...]:
        """Return what is wrong."""
        with self.hub.store.read() as tx:
            return tuple(wrong for _, wrong in feed_rows.faults(tx, self.account, self.market))

    def link(self) -> FeedFile:
        """Return the file behind a new link."""
        with self.hub.store.write() as tx:
            token = feeds.renew_link(tx, self.account, self.market)
        with self.hub.store.read() as tx:
            found = feeds.current(tx, token)
        assert found is not None
        return found
