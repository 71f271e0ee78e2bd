"""Miinto's services over HTTP, and the handles by which a test moves the marketplace."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crossdock.twins.kit import Clock, Exchange, Faults, RateLimit, Refused, TrafficBook, Twin
from crossdock.twins.miinto.accounts import SEVEN, Account, Channel, Shop
from crossdock.twins.miinto.book import MiintoBook, NewTransfer, Variant
from crossdock.twins.miinto.calls import Decision, ListQuery, parse_json, parse_levels
from crossdock.twins.miinto.control import MiintoControl
from crossdock.twins.miinto.pull import FeedAddress, FeedReader
from crossdock.twins.miinto.records import By, Order, Switches, Transfer, compact
from crossdock.twins.miinto.rivals import Rivals
from crossdock.twins.miinto.signing import AUTH_TYPE, SignedRequest

AUTH, ORDER, STOCK, PRODUCT_MAP = (f"api-{name}.miinto.net" for name in ("auth", "order", "stock", "pc"))
AUTH_VERSION, VERSION = "1.0", "2.6"
AUTH_HEADERS = tuple(f"miinto-api-auth-{name}" for name in ("id", "signature", "timestamp", "seed", "type"))
CONTROL_HEADERS = ("miinto-api-control-flavour", "miinto-api-control-version")
SHIPPING_PROVIDERS = [{"id": "1", "name": "Example Parcel"}, {"id": "2", "name": "Example Post"}]


@dataclass(slots=True)
class Call:
    """One request whose signature was right."""

    request: Request
    body: bytes
    channel: Channel

    @property
    def exchange(self) -> Exchange:
        exchange: Exchange = self.request.state.exchange
        return exchange

    @property
    def query(self) -> str:
        query: bytes = self.request.scope["query_string"]
        return query.decode("latin-1")

    @property
    def path(self) -> Mapping[str, str]:
        return self.request.path_params


class MiintoTwin(Twin):
    """A loopback Miinto with, from the start, one account that has a shop in each of the seven markets.

    Args:
        clock: anything with `now()`; None for the machine's clock.
        seed: of channel ids and tokens (rivals and faults have seeds of their own).
        faults: a ready plan of faults.
        rate_limit: Miinto is not known to have one.
        switches: what the documents leave open.
        keep_bodies: keep bodies in the traffic book (never those of `/channels`).
    """

    book: MiintoBook

    def __init__(
        self,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        faults: Faults | None = None,
        rate_limit: RateLimit | None = None,
        switches: Switches | None = None,
        keep_bodies: bool = False,
    ) -> None:
        traffic = TrafficBook(keep_bodies=keep_bodies, secret_paths=("/channels",))
        super().__init__(clock=clock, faults=faults, rate_limit=rate_limit, traffic=traffic)
        self.switches = switches or Switches()
        self.book = MiintoBook(lambda: self.clock.now(), self.lock)
        self.accounts: dict[str, Account] = {}
        self._random = random.Random(seed)  # noqa: S311 (tokens of a twin are to be reproducible)
        self._channels: dict[str, Channel] = {}
        self._shops: dict[str, Shop] = {}
        self._product_maps: dict[str, list[list[Any]]] = {}
        self._feeds: dict[str, FeedReader] = {}
        self._pulling = threading.Lock()
        self.account = self.add_account("seller@example.com", f"secret-of-twin-{seed}")

    # What a test, or the control API, does to the marketplace.

    def add_account(
        self, identifier: str, secret: str, shops: Sequence[str] = SEVEN, *, empty_privileges: bool = False
    ) -> Account:
        """Open an account with one shop in each of these markets (`pl`, ..., and `test`, which is ours)."""
        with self.lock:
            if identifier in self.accounts:
                raise ValueError(f"there is an account {identifier!r} already")
            account = Account.open(len(self.accounts) + 1, identifier, secret, shops, empty_privileges)
            self.accounts[identifier] = account
            self._shops |= account.shops
            return account

    def shop(self, shop_id: str) -> Shop:
        """Return the shop with that id (ValueError where there is none)."""
        if shop_id not in self._shops:
            raise ValueError(f"there is no shop {shop_id!r}; there is {', '.join(self._shops)}")
        return self._shops[shop_id]

    def add_transfer(
        self,
        shop: str,
        positions: Sequence[Mapping[str, Any]],
        *,
        created_at: datetime | None = None,
        currency: str | None = None,
        reference: str | None = None,
        buyer: Mapping[str, Any] | None = None,
    ) -> int:
        """Propose a sale to a shop and return the transfer's id; `NewTransfer` explains the parameters."""
        return self.add_transfers(
            [
                NewTransfer(
                    shop=shop,
                    positions=positions,
                    created_at=created_at,
                    currency=currency,
                    reference=reference,
                    buyer=buyer,
                )
            ]
        )[0]

    def add_transfers(self, transfers: Iterable[NewTransfer]) -> list[int]:
        """Propose many sales, all or (ValueError) none, and return the transfers' ids."""
        with self.lock:
            return self.book.add_transfers((self.shop(new.shop), new) for new in transfers)

    def set_rivals(self, rivals: Rivals | None) -> None:
        """Let these rivals compete from now on for whatever is not decided."""
        with self.lock:
            self.book.set_rivals(rivals)

    def accept_in_panel(self, transfer_id: int, position_ids: Sequence[int]) -> int | None:
        """Let the seller click in Miinto's own panel; return the order's id, or None where that won nothing."""
        with self.lock:
            transfer = self._transfer(transfer_id)
            if transfer.created_at > self.clock.now():
                raise ValueError(f"transfer {transfer_id} is not there before {transfer.created_at.isoformat()}")
            if unknown := sorted(set(position_ids) - transfer.positions.keys()):
                raise ValueError(f"transfer {transfer_id} has no positions {unknown}")
            order = self.book.answer(transfer, position_ids, (), By.PANEL)
            return order.id if order else None

    def withdraw(self, transfer_id: int) -> None:
        """Take back what is pending of a proposal, because its buyer changed their mind."""
        with self.lock:
            self.book.withdraw(self._transfer(transfer_id))

    def list_variant(self, shop: str, group: str, brand: str, color: str, size: str, stock: int = 0) -> None:
        """Let the shop sell a variant, as if Miinto had taken it from the feed."""
        with self.lock:
            self.book.stock[self.shop(shop).id][Variant(group, brand, color, size)] = stock

    def set_product_map(self, shop: str, rows: Sequence[Sequence[Any]]) -> None:
        """Replace a shop's product map, which is made of its feed otherwise.

        A row is item group or style id, id, GTIN, Miinto's item UUID.
        """
        with self.lock:
            if wrong := [row for row in rows if not isinstance(row, (list, tuple)) or len(row) != 4]:
                raise ValueError(f"a product map row is [item_group_id, id, gtin, item uuid], not {wrong[0]!r}")
            self._product_maps[self.shop(shop).id] = [list(row) for row in rows]

    def product_map(self, shop: str) -> list[list[Any]]:
        """Return a shop's product map as it is shown."""
        with self.lock:
            return self._product_maps.get(shop) or self.book.product_map(self.shop(shop))

    def set_shop_active(self, shop: str, active: bool) -> None:
        """Open or close a shop; a closed one answers its order calls with 200 and a failure."""
        with self.lock:
            self.shop(shop).active = active

    def set_feed(self, identifier: str, address: FeedAddress | None) -> None:
        """Tell Miinto where an account's feed is; None: it has none any more."""
        with self.lock:
            if identifier not in self.accounts:
                raise ValueError(f"there is no account {identifier!r}; there is {', '.join(self.accounts)}")
            self._feeds.pop(identifier, None)
            if address is not None:
                self._feeds[identifier] = FeedReader(address)

    def pull_feeds(self, *, due: bool = False) -> list[dict[str, Any]]:
        """Let Miinto fetch every feed, or those whose half hour is over; return what the book keeps of it.

        The lock is not held while a file comes, since its seller may be calling meanwhile.
        """
        pulls = []
        with self._pulling:
            for identifier, reader in list(self._feeds.items()):
                if due and not reader.is_due(self.clock.now()):
                    continue
                entry = reader.pull(self.clock.now())
                pulls.append({"account": identifier, **entry})
                with self.lock:
                    self.book.feed_pulls.append(pulls[-1])
                    if entry["fault"] is None:
                        self.book.list_from_feed(self.accounts[identifier].shops.values(), reader.shown())
        return pulls

    def listing(self, shop: str) -> list[dict[str, Any]]:
        """Return what a shop sells out of the feed: id, item, title, GTIN, price, key fields, stock."""
        with self.lock:
            return self.book.listing(self.shop(shop))

    def clock_was_set(self) -> None:
        self.pull_feeds(due=True)

    def set_switches(self, switches: Switches) -> None:
        """Behave like this from now on, where the documents leave it open."""
        with self.lock:
            self.switches = switches
            self.book.forget_shown()

    def forget_tokens(self) -> None:
        with self.lock:
            self._channels.clear()

    def _transfer(self, transfer_id: int) -> Transfer:
        if transfer_id not in self.book.transfers:
            raise ValueError(f"there is no transfer {transfer_id!r}")
        return self.book.transfers[transfer_id]

    # What the kit asks.

    def routes(self) -> list[Route]:
        return [
            Route("/shops/{shop}/transfers", self._signed(ORDER, self._transfers)),
            Route("/shops/{shop}/transfers/{id:int}", self._signed(ORDER, self._patch_transfer), methods=["PATCH"]),
            Route("/shops/{shop}/orders", self._signed(ORDER, self._orders)),
            Route("/shops/{shop}/orders/{id:int}", self._signed(ORDER, self._order)),
            Route("/shops/{shop}/orders/{id:int}", self._signed(ORDER, self._patch_order), methods=["PATCH"]),
            Route("/shops/{shop}/shipping-providers/orders/{id:int}", self._signed(ORDER, self._shipping_providers)),
            Route("/shops/{shop}", self._signed(ORDER, self._shop_details)),
            Route("/shops/{shop}/", self._signed(ORDER, self._shop_details)),  # one client calls it with the slash
            Route("/locations/{shop}/items", self._signed(STOCK, self._patch_stock), methods=["PATCH"]),
            Route("/productmaps", self._signed(PRODUCT_MAP, self._product_map)),
            Route("/channels", self._open_channel, methods=["POST"]),
            Route("/channels/{id}", self._signed(AUTH, self._channel)),
            Route("/status", self._status),
        ]

    def control_routes(self) -> list[Route]:
        return MiintoControl(self).routes()

    def error(self, status: int, message: str) -> Response:
        meta = {"status": "failure", "version": VERSION} | ({"totalItemCount": 0} if status == 200 else {})
        return _json({"meta": meta, "data": {"message": message}}, status)

    def settings(self) -> dict[str, str]:
        return {"identifier": self.account.identifier, "secret": self.account.secret}

    def is_write(self, method: str, path: str) -> bool:
        return method == "PATCH"

    def is_batch(self, method: str, path: str) -> bool:
        return method == "PATCH" and path.startswith("/locations/")

    def is_list(self, method: str, path: str) -> bool:
        return method == "GET" and path.endswith(("/transfers", "/orders"))

    # Auth service.

    async def _status(self, _: Request) -> Response:
        return _success({"name": "auth-service", "status": "OK"}, AUTH_VERSION)

    async def _open_channel(self, request: Request) -> Response:
        body = await request.body()
        form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        sent = (
            {key: values[-1] for key, values in parse_qs(body.decode("latin-1")).items()} if form else parse_json(body)
        )
        if not isinstance(sent, dict) or not all(isinstance(sent.get(key), str) for key in ("identifier", "secret")):
            raise Refused(400, "send identifier and secret")
        with self.lock:
            account = self.accounts.get(sent["identifier"])
            if account is None or account.secret != sent["secret"]:
                self.book.refused_logins += 1
                raise Refused(401, "wrong identifier or secret")
            channel = Channel.open(len(self.book.channels) + 1, account, self._random)
            self._channels[channel.id] = channel
            self.book.opened(channel)
            return _success(channel.as_json(), AUTH_VERSION)

    def _channel(self, call: Call) -> Response:
        if call.path["id"] != call.channel.id:
            raise Refused(404, "no such channel")
        return _success(call.channel.as_json(), AUTH_VERSION)

    def _signed(self, service: str, handler: Callable[[Call], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            with self.lock:
                return handler(Call(request, body, self._authenticate(request, body, service)))

        return endpoint

    def _authenticate(self, request: Request, body: bytes, service: str) -> Channel:
        headers = request.headers
        if missing := [name for name in AUTH_HEADERS + CONTROL_HEADERS if not headers.get(name)]:
            raise Refused(401, f"missing header {', '.join(missing)}")
        channel_id, signature, timestamp, seed, auth_type = (headers[name] for name in AUTH_HEADERS)
        channel = self._channels.get(channel_id)
        if channel is None:
            raise Refused(401, "unknown channel")
        if auth_type != AUTH_TYPE:
            raise Refused(401, f"unknown auth type {auth_type!r}")
        self._check_time(timestamp)
        scope = request.scope
        signed = SignedRequest(
            method=request.method,
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            body=body,
            channel_id=channel_id,
            timestamp=timestamp,
            seed=seed,
        )
        address = headers.get("host", "")
        hosts = (("canonical", service), ("host", address.partition(":")[0]), ("host_and_port", address))
        matched = signed.matching(signature, channel.token, hosts)
        if matched is None:
            raise Refused(401, f"wrong signature (tried the hosts {', '.join(host for _, host in hosts)})")
        version = headers[CONTROL_HEADERS[1]]
        if not re.fullmatch(r"\d+\.\d+", version):
            raise Refused(400, f"{version!r} is no service version")
        request.state.exchange.notes |= {"signed_host": matched, "version": version}
        if body and not headers.get("content-type", "").startswith("application/json"):
            raise Refused(400, "the body of a signed request is application/json")
        return channel

    def _check_time(self, timestamp: str) -> None:
        if not (timestamp.isascii() and timestamp.isdecimal()):
            raise Refused(401, f"the timestamp is in whole seconds, not {timestamp!r}")
        window = self.switches.timestamp_window
        if window is not None and abs(self.clock.now().timestamp() - int(timestamp)) > window:
            raise Refused(401, f"the timestamp is more than {window} seconds off")

    # Order service.

    def _shop_details(self, call: Call) -> Response:
        shop = self._own_shop(call)
        return _success({"id": shop.id, "name": f"Example shop {shop.place.country}"})

    def _transfers(self, call: Call) -> Response:
        shop, query = self._own_shop(call), ListQuery.parse(call.query, searchable=False)
        page, total = self.book.transfer_page(
            shop, query.statuses, newest_first=query.newest_first, offset=query.offset, limit=query.limit
        )
        return _list([transfer.in_list(self.switches) for transfer in page], total)

    def _patch_transfer(self, call: Call) -> Response:
        shop = self._own_shop(call)
        transfer = self.book.visible(int(call.path["id"]), shop)
        if transfer is None:
            raise Refused(404, "no such transfer")
        decision = Decision.parse(call.body, shipping=False)
        decision.must_be_among(transfer.positions)
        order = self.book.answer(transfer, decision.accepted, decision.declined)
        if order:
            return _success({"newOrder": {"id": order.id}})
        return _success({} if decision.accepted else {"newOrder": None})

    def _orders(self, call: Call) -> Response:
        shop, query = self._own_shop(call), ListQuery.parse(call.query, searchable=True)
        page, total = self.book.order_page(
            shop, query.statuses, query.text, newest_first=query.newest_first, offset=query.offset, limit=query.limit
        )
        return _list([order.in_list(self.switches) for order in page], total)

    def _order(self, call: Call) -> Response:
        return _success(self._own_order(call).as_json(self.switches))

    def _patch_order(self, call: Call) -> Response:
        order = self._own_order(call)
        decision = Decision.parse(call.body, shipping=True)
        decision.must_be_among(order.positions)
        self.book.patch_order(order, decision.declined, decision.accepted)
        return _success({})

    def _shipping_providers(self, call: Call) -> Response:
        self._own_order(call)
        return _success(SHIPPING_PROVIDERS)

    def _own_shop(self, call: Call) -> Shop:
        shop = self._account_shop(call, call.path["shop"])
        if not shop.active:
            raise Refused(200, "the shop is not active")
        return shop

    def _own_order(self, call: Call) -> Order:
        shop, order = self._own_shop(call), self.book.orders.get(int(call.path["id"]))
        if order is None or order.transfer.shop is not shop:
            raise Refused(404, "no such order")
        return order

    def _account_shop(self, call: Call, shop_id: str) -> Shop:
        if shop_id not in self._shops:
            raise Refused(404, "no such shop")
        if shop_id not in call.channel.account.shops:
            raise Refused(403, "this shop belongs to another account")
        return self._shops[shop_id]

    # Stock service and product map.

    def _patch_stock(self, call: Call) -> Response:
        shop = self._account_shop(call, call.path["shop"])
        levels = parse_levels(call.body)
        unknown = [variant for variant, _ in levels if variant not in self.book.stock[shop.id]]
        if unknown and self.switches.fail_unknown_variants:
            raise Refused(400, f"unknown variants: {[tuple(variant) for variant in unknown]}")
        self.book.set_stock(shop, call.exchange.half(levels))
        return _success([])

    def _product_map(self, call: Call) -> Response:
        query = dict(parse_qsl(call.query))
        if query.keys() != {"unifiedLocationId"}:
            raise Refused(400, "send unifiedLocationId, the id of the shop")
        rows = self.product_map(self._account_shop(call, query["unifiedLocationId"]).id)
        return _json(rows) if self.switches.bare_product_map else _success(rows)


def _success(data: object, version: str = VERSION) -> Response:
    return _json({"meta": {"status": "success", "version": version}, "data": data})


def _list(rows: Sequence[bytes], total: int) -> Response:
    head = f'{{"meta":{{"status":"success","version":"{VERSION}","totalItemCount":{total}}},"data":['
    return Response(head.encode() + b",".join(rows) + b"]}", media_type="application/json")


def _json(value: object, status: int = 200) -> Response:
    return Response(compact(value), status, media_type="application/json")
