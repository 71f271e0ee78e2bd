"""The twin's own book: the state of the marketplace, the rules by which it changes, and the story of it."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any, NamedTuple

from crossdock.twins.kit.clock import aware_utc
from crossdock.twins.miinto.accounts import REHEARSAL, Channel, Shop
from crossdock.twins.miinto.listing import Listing
from crossdock.twins.miinto.records import Answer, By, Order, Outcome, Position, State, Transfer, new_buyer
from crossdock.twins.miinto.rivals import Rivals


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransfer:
    """A proposal to come.

    Args:
        shop: the shop's id.
        positions: objects of `quantity`, `price` (gross, minor units) and `item`, as the API shows them.
        created_at: cut to whole seconds; None means now, a later moment means that it appears then.
        currency: None means the market's.
        reference: what the rivals' rule goes by, and the id of the parent order; None: numbers of the twin's own.
        buyer: `billingInformation` and perhaps `shippingInformation`, as the API shows them; None means an example.
    """

    shop: str
    positions: Sequence[Mapping[str, Any]]
    created_at: datetime | None = None
    currency: str | None = None
    reference: str | None = None
    buyer: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        texts = (self.shop, self.currency or "", self.reference or "")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"shop, currency and reference are texts, not {texts!r}")
        if not isinstance(self.positions, (list, tuple)) or not self.positions:
            raise ValueError(f"positions is a list of at least one position, not {self.positions!r}")
        if self.created_at is not None and not isinstance(self.created_at, datetime):
            raise ValueError(f"created_at is a moment, not {self.created_at!r}")


class Variant(NamedTuple):
    """What identifies a variant in the live stock API."""

    group: str
    brand: str
    color: str
    size: str


class MiintoBook:
    """All that happened on the twin. Callers hold `lock`, but for `as_dict`, which takes it."""

    def __init__(self, now: Callable[[], datetime], lock: threading.RLock) -> None:
        self._now = now
        self._lock = lock
        self.transfers: dict[int, Transfer] = {}
        self.orders: dict[int, Order] = {}
        self.stock: defaultdict[str, dict[Variant, int]] = defaultdict(dict)
        self.listed: defaultdict[str, Sequence[Mapping[str, str]]] = defaultdict(list)  # rows of the feed
        self.stock_patches: list[dict[str, Any]] = []
        self.channels: list[dict[str, Any]] = []
        self.feed_pulls: list[dict[str, Any]] = []
        self.refused_logins = 0
        self._transfer_lists: defaultdict[str, Listing] = defaultdict(Listing)
        self._order_lists: defaultdict[str, Listing] = defaultdict(Listing)
        self._rivals: Rivals | None = None
        self._leaving: list[tuple[datetime, int]] = []  # heap: when a taken transfer leaves the pending list
        self._transfer_ids = itertools.count(5501)
        self._position_ids = itertools.count(901)
        self._order_ids = itertools.count(77001)
        self._parent_ids = itertools.count(990001)

    def add_transfers(self, rows: Iterable[tuple[Shop, NewTransfer]]) -> list[int]:
        """Add proposals, all or (ValueError) none of them, and return their ids."""
        transfers = [self._transfer(shop, new) for shop, new in rows]
        for transfer in transfers:
            self.transfers[transfer.id] = transfer
            self._schedule_rival(transfer)
            self._file(transfer)
        return [transfer.id for transfer in transfers]

    def set_rivals(self, rivals: Rivals | None) -> None:
        """Let these rivals, and no others, compete for everything that is not decided yet."""
        self.settle()
        self._rivals = rivals
        self._leaving.clear()
        for transfer in self.transfers.values():
            if transfer.pending:
                self._schedule_rival(transfer)

    def answer(
        self, transfer: Transfer, accepted: Collection[int], declined: Collection[int], by: By = By.HUB
    ) -> Order | None:
        """Decide what is still pending among these positions; return the order that came out of it, if any.

        From the moment at which a rival has the transfer, accepting loses, and the answered transfer is over.
        """
        now = self.settle()
        wanted = [position for position in transfer.pending if position.id in accepted]
        refused = [position for position in transfer.pending if position.id in declined]
        taken = transfer.taken(now)
        order = None
        for position in refused:
            position.decide(State.DECLINED, by)
        if taken:
            self._close(transfer, State.LOST, By.RIVAL)
        elif wanted:
            order = self._order(transfer, wanted, by, now)
        if wanted:
            outcome = Outcome.LOST if taken else Outcome.WON
        else:
            outcome = Outcome.DECLINED if refused else Outcome.IGNORED
        order_id = order.id if order else None
        transfer.answers.append(Answer(now, by, tuple(accepted), tuple(declined), outcome, order_id))
        self._file(transfer)
        return order

    def withdraw(self, transfer: Transfer) -> None:
        """Take back what is still pending of a proposal."""
        self.settle()
        if not transfer.pending:
            raise ValueError(f"transfer {transfer.id} has nothing pending that could be withdrawn")
        self._close(transfer, State.WITHDRAWN, By.PLATFORM)
        self._file(transfer)

    def patch_order(self, order: Order, declined: Collection[int], shipping: Mapping[int, Mapping[str, Any]]) -> None:
        """Decline positions of an order and keep the shipping fields that were sent for others."""
        before = order.status
        order.shown = None
        order.declined.update(declined)
        for position_id, fields in shipping.items():
            if fields:
                order.shipping.setdefault(position_id, {}).update(fields)
        sent = {str(position_id): dict(fields) for position_id, fields in shipping.items()}
        order.patches.append({"at": self._now().isoformat(), "accepted": sent, "declined": sorted(declined)})
        listing = self._order_lists[order.transfer.shop.id]
        listing.remove(before, order.key)
        listing.add(order.status, order.key)

    def set_stock(self, shop: Shop, levels: Sequence[tuple[Variant, int]]) -> None:
        stock = self.stock[shop.id]
        rows = [variant._asdict() | {"stock": level, "known": variant in stock} for variant, level in levels]
        self.stock_patches.append({"at": self._now().isoformat(), "shop": shop.id, "levels": rows})
        stock.update(levels)

    def list_from_feed(self, shops: Iterable[Shop], rows: Sequence[Mapping[str, str]]) -> None:
        """Let each shop sell what has a price in its currency, nothing else, and as many units as the row says."""
        for shop in shops:
            listed = [row for row in rows if row.get(f"c:retail_price_{shop.place.currency}:integer")]
            self.listed[shop.id] = listed
            self.stock[shop.id].update({_variant(row): int(row["c:stock_level:integer"]) for row in listed})

    def listing(self, shop: Shop) -> list[dict[str, Any]]:
        """Return what a shop sells out of the feed, as buyers see it."""
        return [self._shown(shop, row) for row in self.listed[shop.id]]

    def _shown(self, shop: Shop, row: Mapping[str, str]) -> dict[str, Any]:
        currency, variant = shop.place.currency, _variant(row)
        price = row.get(f"c:discount_retail_price_{currency}:integer") or row[f"c:retail_price_{currency}:integer"]
        names = {"id": row["id"], "item": item_of(row["id"]), "title": row["title"], "gtin": row.get("gtin", "")}
        said = {"price": int(price), "currency": currency, "stock": self.stock[shop.id][variant]}
        return {**names, **variant._asdict(), **said}

    def product_map(self, shop: Shop) -> list[list[str]]:
        """Return which of the feed's products became which items."""
        rows = self.listed[shop.id]
        return [[row["item_group_id"], row["id"], row.get("gtin", ""), item_of(row["id"])] for row in rows]

    def opened(self, channel: Channel) -> None:
        row = {"at": self._now().isoformat(), "id": channel.id, "accessor_id": channel.account.accessor_id}
        self.channels.append(row)

    def transfer_page(
        self, shop: Shop, statuses: Sequence[str], *, newest_first: bool, offset: int, limit: int
    ) -> tuple[list[Transfer], int]:
        """Return the transfers on a page and the number of all that match."""
        listing = self._transfer_lists[shop.id]
        ids, total = listing.page(statuses, self.settle(), newest_first=newest_first, offset=offset, limit=limit)
        return [self.transfers[transfer_id] for transfer_id in ids], total

    def order_page(
        self, shop: Shop, statuses: Sequence[str], query: str | None, *, newest_first: bool, offset: int, limit: int
    ) -> tuple[list[Order], int]:
        """Return the orders on a page and the number of all that match; a text search reads all of the shop's."""
        listing, now = self._order_lists[shop.id], self._now()
        if query is None:
            ids, total = listing.page(statuses, now, newest_first=newest_first, offset=offset, limit=limit)
            return [self.orders[order_id] for order_id in ids], total
        every, _ = listing.page(statuses, now, newest_first=newest_first, offset=0, limit=len(self.orders))
        text = query.casefold()
        found = [order for order in map(self.orders.__getitem__, every) if _found(text, order)]
        return found[offset : offset + limit], len(found)

    def visible(self, transfer_id: int, shop: Shop) -> Transfer | None:
        """Return a transfer of this shop that exists by now."""
        transfer = self.transfers.get(transfer_id)
        if transfer is None or transfer.shop is not shop or transfer.created_at > self._now():
            return None
        return transfer

    def forget_shown(self) -> None:
        """Render everything anew, because the switches changed."""
        for transfer in self.transfers.values():
            transfer.shown = None
        for order in self.orders.values():
            order.shown = None

    def settle(self) -> datetime:
        """Let everything happen that is due by now; return now."""
        now = self._now()
        while self._leaving and self._leaving[0][0] <= now:
            transfer = self.transfers[heappop(self._leaving)[1]]
            if transfer.taken(now):
                self._close(transfer, State.LOST, By.RIVAL)
                self._file(transfer)
        return now

    def as_dict(self) -> dict[str, Any]:
        """Return the whole book as JSON, by the names of what it keeps."""
        with self._lock:
            self.settle()
            stock = {
                shop: [variant._asdict() | {"stock": level} for variant, level in levels.items()]
                for shop, levels in self.stock.items()
            }
            return {
                "transfers": [transfer.as_json() for transfer in self.transfers.values()],
                "orders": [order.in_book() for order in self.orders.values()],
                "stock": stock,
                "stock_patches": list(self.stock_patches),
                "feed_pulls": list(self.feed_pulls),
                "channels": list(self.channels),
                "refused_logins": self.refused_logins,
            }

    def _transfer(self, shop: Shop, new: NewTransfer) -> Transfer:
        corrections = shop.market == REHEARSAL
        positions = [Position.new(next(self._position_ids), row, any_number=corrections) for row in new.positions]
        created_at = self._now() if new.created_at is None else aware_utc(new.created_at)
        transfer_id = next(self._transfer_ids)
        return Transfer(
            id=transfer_id,
            shop=shop,
            reference=new.reference or str(transfer_id),
            parent_id=new.reference or next(self._parent_ids),
            created_at=created_at.replace(microsecond=0),
            currency=new.currency or shop.place.currency,
            buyer=new_buyer(new.buyer, shop.place),
            positions={position.id: position for position in positions},
        )

    def _schedule_rival(self, transfer: Transfer) -> None:
        rivals = self._rivals
        transfer.rival_at = rivals.taken_at(transfer.reference, transfer.created_at) if rivals else None
        if transfer.rival_at is not None and rivals is not None and rivals.linger is not None:
            heappush(self._leaving, (transfer.rival_at + timedelta(seconds=rivals.linger), transfer.id))

    def _order(self, transfer: Transfer, positions: Sequence[Position], by: By, now: datetime) -> Order:
        for position in positions:
            position.decide(State.ACCEPTED, by)
        order = Order(next(self._order_ids), transfer, by, now, {position.id: position for position in positions})
        self.orders[order.id] = order
        self._order_lists[transfer.shop.id].add(order.status, order.key)
        return order

    def _close(self, transfer: Transfer, state: State, by: By) -> None:
        for position in transfer.pending:
            position.decide(state, by)

    def _file(self, transfer: Transfer) -> None:
        """Put the transfer into the list of its status; what was lost or withdrawn stands in none."""
        transfer.shown = None
        status = transfer.status
        listed = status if status in (State.PENDING, State.ACCEPTED, State.DECLINED) else None
        if listed == transfer.listed_as:
            return
        listing = self._transfer_lists[transfer.shop.id]
        if transfer.listed_as is not None:
            listing.remove(transfer.listed_as, transfer.key)
        if listed is not None:
            listing.add(listed, transfer.key)
        transfer.listed_as = listed


def item_of(row_id: str) -> str:
    """Return the id of the item that a row of a feed becomes."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://miinto.example/items/{row_id}"))


def _variant(row: Mapping[str, str]) -> Variant:
    return Variant(row["item_group_id"], row["brand"], row["color"], row["size"])


def _found(text: str, order: Order) -> bool:
    return any(text in word.casefold() for word in order.words())
