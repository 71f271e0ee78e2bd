"""What the twin remembers of each proposal and each order, and their JSON as the reference sheet shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from types import NoneType
from typing import Any
from zoneinfo import ZoneInfo

from crossdock.twins.miinto.accounts import Market, Shop
from crossdock.twins.miinto.listing import Key

# Times are shown with an offset that is not UTC, as in the sheet's example: a client must not drop it.
SHOWN_IN = ZoneInfo("Europe/Copenhagen")
ADDRESS = ("street", "postcode", "city", "countryCode")
DELIVERY_TYPES = ("HomeDelivery", "CompanyDelivery", "ParcelShopDelivery")


class State(StrEnum):
    """What became of a position."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LOST = "lost"
    WITHDRAWN = "withdrawn"


class By(StrEnum):
    """Who decided: the hub by the API, the seller in the panel, another seller, or Miinto itself."""

    HUB = "hub"
    PANEL = "panel"
    RIVAL = "rival"
    PLATFORM = "platform"


class Outcome(StrEnum):
    """What one answer to a transfer brought about; IGNORED: everything it named was decided before."""

    WON = "won"
    LOST = "lost"
    DECLINED = "declined"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Switches:
    """The unconfirmed and the varying: how the twin behaves where the documents leave it open.

    Args:
        leave_out_gtin: items carry no gtin, so that the product map is needed.
        old_country_field: addresses say `country` in place of `countryCode`.
        show_all_positions: orders show pendingPositions and declinedPositions too.
        bare_product_map: the product map's rows are the whole body, not under `data`.
        fail_unknown_variants: a stock call that names an unlisted variant fails as a whole; else its level is kept.
        timestamp_window: seconds by which a signature's timestamp may be off; None means any.
    """

    leave_out_gtin: bool = False
    old_country_field: bool = False
    show_all_positions: bool = False
    bare_product_map: bool = False
    fail_unknown_variants: bool = False
    timestamp_window: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, (bool, int, float, NoneType) if name == "timestamp_window" else bool):
                raise ValueError(f"{name} is true or false (timestamp_window: seconds or null), not {value!r}")


@dataclass(slots=True, eq=False)
class Position:
    """One line of a proposal; the price is gross, in minor units, for one piece."""

    id: int
    quantity: int
    price: int
    item: Mapping[str, Any]
    state: State = State.PENDING
    by: By | None = None

    @classmethod
    def new(cls, position_id: int, row: object, *, any_number: bool = False) -> Position:
        """Read a position as the sheet shows it, without an id; `any_number` lets quantity and price be no sale."""
        if not isinstance(row, Mapping) or not {"price", "item"} <= row.keys() <= {"quantity", "price", "item"}:
            raise ValueError(f"a position is an object of quantity, price and item, not {row!r}")
        quantity, price, item = row.get("quantity", 1), row["price"], row["item"]
        if type(quantity) is not int or (quantity < 1 and not any_number):
            raise ValueError(f"quantity is a whole number from 1 up, not {quantity!r}")
        if type(price) is not int or (price < 0 and not any_number):
            raise ValueError(f"price is a whole number of minor units, not {price!r}")
        if not isinstance(item, Mapping) or not item:
            raise ValueError(f"item is an object with gtin, name, brand, productId, not {item!r}")
        return cls(position_id, quantity, price, item)

    def decide(self, state: State, by: By) -> None:
        self.state = state
        self.by = by

    def as_json(self, switches: Switches) -> dict[str, Any]:
        item = dict(self.item)
        if switches.leave_out_gtin:
            item.pop("gtin", None)
        return {"id": self.id, "quantity": self.quantity, "price": self.price, "item": item}


@dataclass(frozen=True, slots=True)
class Answer:
    """One PATCH of a transfer, or one click in the panel: the position ids it named and what came of it."""

    at: datetime
    by: By
    accepted: tuple[int, ...]
    declined: tuple[int, ...]
    outcome: Outcome
    order_id: int | None

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "by": self.by,
            "accepted": self.accepted,
            "declined": self.declined,
            "outcome": self.outcome,
            "order": self.order_id,
        }


@dataclass(slots=True, eq=False)
class Transfer:
    """A proposal. `parent_id` is the id of the marketplace order behind it, which several shops may share."""

    id: int
    shop: Shop
    reference: str
    parent_id: int | str
    created_at: datetime
    currency: str
    buyer: Mapping[str, Any]
    positions: dict[int, Position]
    rival_at: datetime | None = None
    answers: list[Answer] = field(default_factory=list)
    listed_as: str | None = None
    shown: bytes | None = None  # its JSON in a list, kept until a position changes

    @property
    def key(self) -> Key:
        return Key(self.created_at, self.id)

    @property
    def pending(self) -> list[Position]:
        return [position for position in self.positions.values() if position.state is State.PENDING]

    @property
    def status(self) -> State:
        """Return the most hopeful state of any position."""
        states = {position.state for position in self.positions.values()}
        return next(state for state in State if state in states)

    def taken(self, now: datetime) -> bool:
        """Tell whether a rival has it; nobody takes what someone has won a part of."""
        won = any(position.state is State.ACCEPTED for position in self.positions.values())
        return self.rival_at is not None and now >= self.rival_at and not won

    def in_list(self, switches: Switches) -> bytes:
        if self.shown is None:
            row = {
                "id": self.id,
                "createdAt": shown(self.created_at),
                "pendingPositions": [position.as_json(switches) for position in self.pending],
            }
            self.shown = compact(row)
        return self.shown

    def as_json(self) -> dict[str, Any]:
        """Return the whole story for the twin's book."""
        return {
            "id": self.id,
            "shop": self.shop.id,
            "reference": self.reference,
            "created_at": self.created_at.isoformat(),
            "rival_at": None if self.rival_at is None else self.rival_at.isoformat(),
            "status": self.status,
            "accept_calls": sum(1 for answer in self.answers if answer.accepted),
            "decline_calls": sum(1 for answer in self.answers if answer.declined),
            "positions": [
                {"id": position.id, "state": position.state, "by": position.by} for position in self.positions.values()
            ],
            "answers": [answer.as_json() for answer in self.answers],
        }


@dataclass(slots=True, eq=False)
class Order:
    """What was won of a transfer. Positions keep the ids they had in the transfer (an assumption of ours)."""

    id: int
    transfer: Transfer
    by: By
    won_at: datetime
    positions: dict[int, Position]
    declined: set[int] = field(default_factory=set)
    shipping: dict[int, dict[str, Any]] = field(default_factory=dict)
    patches: list[dict[str, Any]] = field(default_factory=list)
    shown: bytes | None = None  # its JSON in a list, kept until it changes

    @property
    def key(self) -> Key:
        return Key(self.transfer.created_at, self.id)

    @property
    def status(self) -> State:
        return State.DECLINED if len(self.declined) == len(self.positions) else State.ACCEPTED

    def in_list(self, switches: Switches) -> bytes:
        if self.shown is None or switches.show_all_positions:
            self.shown = compact(self.as_json(switches))
        return self.shown

    def as_json(self, switches: Switches) -> dict[str, Any]:
        transfer = self.transfer
        row = {
            "id": self.id,
            "parentOrder": {"id": transfer.parent_id, "createdAt": shown(transfer.created_at)},
            "currency": transfer.currency,
            **(_with_old_country(transfer.buyer) if switches.old_country_field else transfer.buyer),
            "acceptedPositions": [
                position.as_json(switches) | self.shipping.get(position.id, {})
                for position in self.positions.values()
                if position.id not in self.declined
            ],
        }
        if switches.show_all_positions:
            declined = [p for p in transfer.positions.values() if p.id in self.declined or p.state is State.DECLINED]
            row["pendingPositions"] = [position.as_json(switches) for position in transfer.pending]
            row["declinedPositions"] = [position.as_json(switches) for position in declined]
        return row

    def in_book(self) -> dict[str, Any]:
        """Return the whole story for the twin's book."""
        return {
            "id": self.id,
            "shop": self.transfer.shop.id,
            "transfer": self.transfer.id,
            "reference": self.transfer.reference,
            "by": self.by,
            "at": self.won_at.isoformat(),
            "status": self.status,
            "positions": list(self.positions),
            "declined": sorted(self.declined),
            "shipping": {str(position): dict(fields) for position, fields in self.shipping.items()},
            "patches": list(self.patches),
        }

    def words(self) -> Iterator[str]:
        """Give what a text search looks through."""
        billing = self.transfer.buyer["billingInformation"]
        yield from (str(self.id), str(self.transfer.parent_id), billing["name"], billing["email"])
        for position in self.positions.values():
            yield from (str(position.item.get(key) or "") for key in ("gtin", "name", "brand", "productId"))


def new_buyer(buyer: object, place: Market) -> dict[str, Any]:
    """Read a buyer, `billingInformation` and perhaps `shippingInformation` as the sheet shows them; None: an example.

    Without shippingInformation the goods go home to the billing address.
    """
    if buyer is None:
        buyer = {"billingInformation": _example_billing(place)}
    if not isinstance(buyer, Mapping) or not buyer.keys() <= {"billingInformation", "shippingInformation"}:
        raise ValueError(f"a buyer is an object of billingInformation and shippingInformation, not {buyer!r}")
    billing = _complete(buyer.get("billingInformation"), ("name", "email", "phone", "address"), "billingInformation")
    home = {"type": DELIVERY_TYPES[0], "name": billing["name"], "address": billing["address"]}
    shipping = buyer.get("shippingInformation", {"deliveryAddress": home})
    delivery = _complete(shipping, ("deliveryAddress",), "shippingInformation")["deliveryAddress"]
    _complete(delivery, ("type", "name", "address"), "deliveryAddress")
    if delivery["type"] not in DELIVERY_TYPES:
        raise ValueError(f"deliveryAddress.type is one of {', '.join(DELIVERY_TYPES)}, not {delivery['type']!r}")
    for owner in (billing, delivery):
        _complete(owner["address"], ADDRESS, "address")
    return {"billingInformation": billing, "shippingInformation": shipping}


def shown(moment: datetime) -> str:
    """Return a moment as Miinto writes it: ISO 8601 with an offset, whole seconds."""
    return moment.astimezone(SHOWN_IN).isoformat(timespec="seconds")


def compact(value: object) -> bytes:
    """Return a value as JSON without blanks, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _example_billing(place: Market) -> dict[str, Any]:
    address = dict(zip(ADDRESS, ("Testowa 1", place.postcode, place.city, place.country), strict=True))
    return {"name": "Anna Example", "email": "anna@example.com", "phone": "+48500100200", "address": address}


def _complete(value: object, keys: Sequence[str], name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or set(value) != set(keys):
        raise ValueError(f"{name} is an object of {', '.join(keys)}, not {value!r}")
    return value


def _with_old_country(value: object) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {"country" if key == "countryCode" else key: _with_old_country(part) for key, part in value.items()}
