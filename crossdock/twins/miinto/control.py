"""Miinto's part of the control API; its JSON keys are the names of the Python parameters."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.routing import Route

from crossdock.twins.kit import build, control, read
from crossdock.twins.miinto.book import NewTransfer
from crossdock.twins.miinto.pull import FeedAddress
from crossdock.twins.miinto.records import Switches
from crossdock.twins.miinto.rivals import Rivals

if TYPE_CHECKING:
    from crossdock.twins.miinto.accounts import Account
    from crossdock.twins.miinto.twin import MiintoTwin

T = TypeVar("T")


class MiintoControl:
    """The routes by which another process drives the marketplace; bad input changes nothing."""

    def __init__(self, twin: MiintoTwin) -> None:
        self._twin = twin

    def routes(self) -> list[Route]:
        return [
            Route("/accounts", control(self.accounts)),
            Route("/accounts", control(self.add_account), methods=["POST"]),
            Route("/transfers", control(self.add_transfers), methods=["POST"]),
            Route("/withdraw", control(self.withdraw), methods=["POST"]),
            Route("/panel-accept", control(self.panel_accept), methods=["POST"]),
            Route("/list-variants", control(self.list_variants), methods=["POST"]),
            Route("/product-map", control(self.product_map), methods=["POST"]),
            Route("/shop-active", control(self.shop_active), methods=["POST"]),
            Route("/feeds", control(self.set_feed), methods=["POST"]),
            Route("/pull-feeds", control(self.pull_feeds, slow=True), methods=["POST"]),
            Route("/listing", control(self.listing), methods=["POST"]),
            Route("/rivals", control(self.rivals), methods=["POST", "DELETE"]),
            Route("/switches", control(self.switches), methods=["GET", "POST"]),
            Route("/expire-tokens", control(self.expire_tokens), methods=["POST"]),
        ]

    def accounts(self, _: object) -> dict[str, Any]:
        return {"accounts": [_shown(account) for account in list(self._twin.accounts.values())]}

    def add_account(self, payload: Any) -> dict[str, Any]:
        identifier, secret = read(payload, "identifier", str), read(payload, "secret", str)
        shops = {"shops": _all(str, read(payload, "shops", list))} if "shops" in payload else {}
        empty = "empty_privileges" in payload and read(payload, "empty_privileges", bool)
        return _shown(self._twin.add_account(identifier, secret, **shops, empty_privileges=empty))

    def add_transfers(self, payload: Any) -> dict[str, Any]:
        return {"ids": self._twin.add_transfers([_new_transfer(row) for row in _rows(payload)])}

    def withdraw(self, payload: Any) -> dict[str, Any]:
        self._twin.withdraw(read(payload, "transfer_id", int))
        return {}

    def panel_accept(self, payload: Any) -> dict[str, Any]:
        transfer_id, position_ids = read(payload, "transfer_id", int), read(payload, "position_ids", list)
        return {"order_id": self._twin.accept_in_panel(transfer_id, _all(int, position_ids))}

    def list_variants(self, payload: Any) -> dict[str, Any]:
        variants = [_variant(row) for row in _rows(payload)]
        for shop, *_ in variants:
            self._twin.shop(shop)
        for variant in variants:
            self._twin.list_variant(*variant)
        return {"listed": len(variants)}

    def product_map(self, payload: Any) -> dict[str, Any]:
        self._twin.set_product_map(read(payload, "shop", str), read(payload, "rows", list))
        return {}

    def shop_active(self, payload: Any) -> dict[str, Any]:
        self._twin.set_shop_active(read(payload, "shop", str), read(payload, "active", bool))
        return {}

    def set_feed(self, payload: Any) -> dict[str, Any]:
        if not isinstance(payload, dict):
            raise ValueError(f"send an object with identifier and url, not {payload!r}")
        identifier = read(payload, "identifier", str)
        address = {name: value for name, value in payload.items() if name != "identifier"}
        self._twin.set_feed(identifier, build(FeedAddress, address) if address else None)
        return {}

    def pull_feeds(self, payload: Any) -> dict[str, Any]:
        return {"pulls": self._twin.pull_feeds(due=payload is not None and read(payload, "due", bool))}

    def listing(self, payload: Any) -> dict[str, Any]:
        return {"rows": self._twin.listing(read(payload, "shop", str))}

    def rivals(self, payload: Any) -> dict[str, Any]:
        rivals = None if payload is None else build(Rivals, payload)
        self._twin.set_rivals(rivals)
        return {"rivals": rivals and asdict(rivals)}

    def switches(self, payload: Any) -> dict[str, Any]:
        if isinstance(payload, dict):
            self._twin.set_switches(build(Switches, asdict(self._twin.switches) | payload))
        elif payload is not None:
            raise ValueError(f"send an object of switches, not {payload!r}")
        return asdict(self._twin.switches)

    def expire_tokens(self, _: object) -> dict[str, Any]:
        self._twin.forget_tokens()
        return {}


def _shown(account: Account) -> dict[str, Any]:
    """Return what a client needs in order to log in."""
    shops = {shop.market: shop.id for shop in account.shops.values()}
    return {"identifier": account.identifier, "secret": account.secret, "shops": shops}


def _rows(payload: object) -> list[Any]:
    if not isinstance(payload, list):
        raise ValueError(f"send an array, not {payload!r}")
    return payload


def _all(kind: type[T], values: list[Any]) -> list[T]:
    if wrong := [value for value in values if type(value) is not kind]:
        raise ValueError(f"{wrong[0]!r} is not of type {kind.__name__}")
    return values


def _variant(row: object) -> tuple[str, str, str, str, str, int]:
    shop, group, brand, color, size = (read(row, key, str) for key in ("shop", "group", "brand", "color", "size"))
    return shop, group, brand, color, size, read(row, "stock", int)


def _new_transfer(row: object) -> NewTransfer:
    if isinstance(row, dict) and isinstance(row.get("created_at"), str):
        row = row | {"created_at": datetime.fromisoformat(row["created_at"])}
    return build(NewTransfer, row)
