"""A Shoprenter shop over HTTP, and the handles by which a test moves it."""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from crossdock.twins.kit import Clock, Faults, RateLimit, Refused, TrafficBook, Twin, build, control, read
from crossdock.twins.shoprenter.book import LANGUAGES, STOCKS, NewLine, NewOrder, NewProduct, Order, Product
from crossdock.twins.shoprenter.book import ShoprenterBook as Book
from crossdock.twins.shoprenter.rendering import (
    Records,
    Switches,
    as_json,
    as_xml,
    description_id,
    local,
    resource_id,
    with_empties,
)

SHOP = "teszt"
USER, LIFE = "apiuser", 3600  # seconds
DEFAULT_LIMIT, MAX_LIMIT = 25, 200
MAX_BATCH = 1000
PAGING = ("page", "limit", "full")

Row = dict[str, Any]
Call = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a list: its id, its number for `innerId`, how it looks, and what it is made of."""

    id: str
    number: int
    show: Callable[[], Row]
    source: Any = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its records, the filters it knows, the scope that it needs."""

    scope: str
    records: Callable[[Mapping[str, str]], list[Record]]
    filters: Mapping[str, Callable[[Record, str], bool]]


class ShoprenterTwin(Twin):
    """A loopback shop `teszt` with an API user, an API client, four statuses and two languages.

    Args:
        clock: anything with `now()`; None for the machine's clock.
        seed: of key, secret and tokens.
        faults: a ready plan of faults.
        limited: whether at most three requests in a second are let through for each credential.
        switches: what the documents leave open.
        keep_bodies: keep bodies in the traffic book (never those of the token service).
    """

    book: Book

    def __init__(
        self,
        clock: Clock | None = None,
        seed: int = 0,
        *,
        faults: Faults | None = None,
        limited: bool = True,
        switches: Switches | None = None,
        keep_bodies: bool = False,
    ) -> None:
        traffic = TrafficBook(keep_bodies=keep_bodies, secret_paths=(f"/{SHOP}/app/token",))
        super().__init__(clock=clock, faults=faults, rate_limit=RateLimit(3, 1.0) if limited else None, traffic=traffic)
        self.switches = switches or Switches()
        self.book = Book(lambda: self.clock.now(), self.lock)
        self._random = random.Random(seed)  # noqa: S311 (secrets of a twin are to be reproducible)
        self.key, self.client_id, self.secret = (f"{self._random.getrandbits(128):032x}" for _ in range(3))
        self._tokens: dict[str, datetime] = {}
        self._records = Records(self.book, f"https://{SHOP}.api.myshoprenter.hu")
        self._resources = self._table()

    # What a test, or the control API, does to the shop.

    def add_order(self, *lines: NewLine, **given: Any) -> int:
        """Let a customer order; see `NewOrder`. Returns its number."""
        with self.lock:
            return self.book.add_order(NewOrder(lines=lines, **given))

    def add_product(self, sku: str, **given: Any) -> int:
        """Put a product into the shop; see `NewProduct`. Returns its number."""
        with self.lock:
            return self.book.add_product(NewProduct(sku=sku, **given))

    def set_status(self, number: int, status: int) -> None:
        """Let the seller change the status of an order in the shop's admin."""
        with self.lock:
            self.book.set_status(number, status, by="admin")

    def set_switches(self, switches: Switches) -> None:
        """Behave like this from now on."""
        with self.lock:
            self.switches = switches

    def forget_tokens(self) -> None:
        with self.lock:
            self._tokens.clear()

    # What the kit asks.

    def routes(self) -> list[Route]:
        verbs = ["GET", "POST", "PUT", "DELETE"]
        return [
            Route("/{shop}/app/token", self._token, methods=["POST"]),
            Route("/api/{path:path}", self._call(bearer=True), methods=verbs),
            Route("/{path:path}", self._call(bearer=False), methods=verbs),
        ]

    def control_routes(self) -> list[Route]:
        return [
            Route("/accounts", control(lambda _: {"accounts": [self.settings(), self.client_settings()]})),
            Route("/orders", control(self._add_orders), methods=["POST"]),
            Route("/products", control(self._add_products), methods=["POST"]),
            Route("/status", control(self._set_status), methods=["POST"]),
            Route("/switches", control(self._set_switches), methods=["GET", "POST"]),
            Route("/expire-tokens", control(self._expire_tokens), methods=["POST"]),
        ]

    def error(self, status: int, message: str) -> Response:
        code, _, words = message.partition(" ")
        if not code.isdecimal():
            code, words = f"{status}01", message
        return Response(as_json({"error": int(code), "message": words}), status, media_type="application/json")

    def settings(self) -> dict[str, str]:
        return {"shop": SHOP, "user": USER, "api_key": self.key}

    def client_settings(self) -> dict[str, str]:
        """Return the settings of an account that comes by API2."""
        return {"shop": SHOP, "client_id": self.client_id, "client_secret": self.secret}

    def is_write(self, method: str, path: str) -> bool:
        return method == "PUT" or path.endswith("/batch")

    def is_batch(self, method: str, path: str) -> bool:
        return path.endswith("/batch")

    def is_list(self, method: str, path: str) -> bool:
        return method == "GET" and path.rpartition("/")[2] in self._resources

    def caller(self, scope: Scope) -> str:
        return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")

    def _add_orders(self, payload: Any) -> Row:
        rows = payload if isinstance(payload, list) else [payload]
        with self.lock:
            return {"ids": [self.book.add_order(_new_order(row)) for row in rows]}

    def _add_products(self, payload: Any) -> Row:
        rows = payload if isinstance(payload, list) else [payload]
        with self.lock:
            return {"ids": [self.book.add_product(new) for new in [build(NewProduct, row) for row in rows]]}

    def _set_status(self, payload: Any) -> Row:
        number, status = read(payload, "order", int), read(payload, "status", int)
        if number not in self.book.orders:
            raise ValueError(f"there is no order {number}")
        self.set_status(number, status)
        return {}

    def _set_switches(self, payload: Any) -> Row:
        if payload is not None:
            if not isinstance(payload, dict):
                raise ValueError(f"send an object of switches, not {payload!r}")
            self.set_switches(build(Switches, asdict(self.switches) | payload))
        return asdict(self.switches)

    def _expire_tokens(self, _: Any) -> Row:
        self.forget_tokens()
        return {}

    # Credentials.

    async def _token(self, request: Request) -> Response:
        sent = _parsed(await request.body())
        known = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret}
        if (
            not isinstance(sent, dict)
            or sent.get("grant_type") != known["grant_type"]
            or not known.keys() <= sent.keys()
        ):
            told = {"error": "invalid_request", "error_description": "The request is missing a required parameter."}
            return Response(as_json(told | {"hint": "grant_type", "message": told["error_description"]}), 400)
        with self.lock:
            if request.path_params["shop"] != SHOP or any(sent[name] != value for name, value in known.items()):
                self.book.refused_logins += 1
                told = {"error": "invalid_client", "error_description": "Client authentication failed"}
                return Response(as_json(told | {"message": told["error_description"]}), 401)
            token, expires = self._new_token(), self.clock.now() + timedelta(seconds=LIFE)
            self._tokens[token] = expires
            self.book.tokens.append(expires.isoformat())
        answer = {"token_type": "Bearer", "expires_in": LIFE, "access_token": token}
        return Response(as_json(answer), media_type="application/json")

    def _new_token(self) -> str:
        now = int(self.clock.now().timestamp())
        claims = {"iss": "oauth", "aud": self.client_id, "sub": "", "jti": f"{self._random.getrandbits(160):040x}"}
        claims |= {"realm": SHOP, "scopes": self.switches.scopes, "iat": now, "exp": now + LIFE}  # type: ignore[dict-item]
        parts = [as_json({"typ": "JWT", "alg": "RS256"}), as_json(claims), self._random.randbytes(64)]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    def _authenticate(self, request: Request, *, bearer: bool) -> None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if not self.switches.api_enabled:
            raise Refused(401, "40101 The API is not enabled")
        if bearer:
            expires = self._tokens.get(value)
            if kind != "Bearer" or expires is None or expires <= self.clock.now():
                raise Refused(401, "40101 The token is not valid")
            return
        try:
            pair = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        if kind != "Basic" or pair != f"{USER}:{self.key}":
            raise Refused(401, "40101 No permission")

    def _may(self, scope: str, *, bearer: bool) -> None:
        if bearer and scope not in self.switches.scopes:
            raise Refused(403, f"Forbidden: the scope {scope} is missing")

    # Calls.

    def _call(self, *, bearer: bool) -> Call:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            with self.lock:
                self._authenticate(request, bearer=bearer)
                if body and not request.headers.get("content-type", "").startswith("application/json"):
                    raise Refused(400, "40005 The body is to be application/json")
                query = request.scope["query_string"].decode("latin-1")
                raw = request.scope["raw_path"].decode("latin-1").removeprefix("/api" if bearer else "")
                if raw == "/batch" and request.method == "POST":
                    half = request.state.exchange.half
                    value = self._batch(_parsed(body), half, bearer=bearer)
                else:
                    data = _parsed(body) if body else None
                    value = self._answer(request.method, raw, query, data, bearer=bearer)
            if "application/json" in request.headers.get("accept", ""):
                return Response(as_json(value), media_type="application/json")
            return Response(as_xml(value), media_type="application/xml")

        return endpoint

    def _batch(self, sent: Any, half: Callable[[Sequence[Any]], Sequence[Any]], *, bearer: bool) -> Row:
        requests = sent.get("data", {}).get("requests") if isinstance(sent, dict) else None
        if not isinstance(requests, list):
            raise Refused(400, "40001 Data parameter not found in POST/PUT!")
        if len(requests) > MAX_BATCH:
            raise Refused(400, "40013 Too many requests in a batch")
        parts = [self._part(part, bearer=bearer) for part in half(requests)]
        return {"requests": {"request": parts}}

    def _part(self, part: Mapping[str, Any], *, bearer: bool) -> Row:
        method, uri = str(part.get("method")), str(part.get("uri"))
        status, place = 200, urlsplit(uri)
        path = place.path.removeprefix("/api" if bearer else "")
        try:
            if not place.scheme or path == "/batch":
                raise Refused(404, f'Resource matching URI "{uri}" not found')
            body = self._answer(method, path, place.query, part.get("data"), bearer=bearer)
        except Refused as refusal:
            status, body = refusal.status, {"message": str(refusal).lstrip("0123456789 ")}
        return {"method": method, "uri": uri, "response": {"header": {"statusCode": str(status)}, "body": body}}

    def _answer(self, method: str, path: str, query: str, data: Any, *, bearer: bool) -> Any:
        """Return what a call answers, as JSON."""
        name, _, rest = path.removeprefix("/").partition("/")
        params = dict(parse_qsl(query, keep_blank_values=True))
        resource = self._resources.get(name)
        if resource is None:
            raise Refused(404, "40401 Resource not found")
        self._may(f"{resource.scope}:{'read' if method == 'GET' else 'write'}", bearer=bearer)
        if method == "PUT":
            return self._put(name, unquote(rest), params, data)
        if method != "GET":
            raise Refused(400, "40005 The twin does not take this")
        if not rest:
            return self._list(name, resource, params)
        return with_empties(self._one(resource, unquote(rest)).show(), self.switches.empty)

    def _one(self, resource: Resource, name: str) -> Record:
        found = [record for record in resource.records({}) if record.id == name]
        if not found:
            raise Refused(404, "40401 Resource not found")
        return found[0]

    def _list(self, name: str, resource: Resource, params: Mapping[str, str]) -> Row:
        known = {**dict.fromkeys(PAGING), **resource.filters}
        if unknown := [param for param in params if param not in known]:
            raise Refused(400, f"40010 Unknown parameter: {', '.join(unknown)}")
        page, limit = (_count(params, key, default) for key, default in (("page", 0), ("limit", DEFAULT_LIMIT)))
        full, bound = params.get("full") == "1", self.switches.times_out_above
        if not 1 <= limit <= MAX_LIMIT:
            raise Refused(400, f"40005 The limit must be integer 1 between {MAX_LIMIT}.")
        wanted = {key: value for key, value in params.items() if key not in PAGING}
        records = [
            record
            for record in resource.records(wanted)
            if all(resource.filters[key](record, value) for key, value in wanted.items())
        ]
        if self.switches.newest_first:
            records.reverse()
        pages = max(1, -(-len(records) // limit))
        if page >= pages:
            raise Refused(400, f"40008 The page is out of range, the maximum is {pages - 1}")
        shown = records[page * limit : (page + 1) * limit]
        if full and bound is not None and len(shown) > bound:
            raise Refused(504, "Gateway Time-out")
        rows = [record.show() for record in shown]

        def at(number: int) -> Row:
            query = {**params, "page": str(number), "limit": str(limit)}
            return {"href": f"https://{SHOP}.api.myshoprenter.hu/{name}?{urlencode(query)}"}

        return {
            **at(page),
            "page": str(page),
            "limit": str(limit),
            **({"pageCount": str(pages)} if full else {}),
            "first": at(0),
            "previous": at(page - 1) if page else None,
            "next": at(page + 1) if page + 1 < pages else None,
            "last": at(pages - 1),
            "items": [with_empties(row, self.switches.empty) if full else {"href": row["href"]} for row in rows],
        }

    # Writes.

    def _put(self, name: str, target: str, params: Mapping[str, str], data: Any) -> Any:
        sent = data.get("data", data) if isinstance(data, dict) else None
        if not isinstance(sent, dict) or not sent:
            raise Refused(400, "40001 Data parameter not found in POST/PUT!")
        if name == "orders":
            return self._put_order(target, sent)
        if name == "products" or (name == "productExtend" and (target or params.keys() == {"sku"})):
            return self._put_product(name, target, params.get("sku", ""), sent)
        raise Refused(400, "40005 The twin does not take this")

    def _put_order(self, target: str, sent: Mapping[str, Any]) -> Row:
        order: Order = self._one(self._resources["orders"], target).source
        status = sent.get("orderStatus")
        if sent.keys() != {"orderStatus"} or not isinstance(status, Mapping):
            raise Refused(400, f"40002 The following fields are readonly: {', '.join(sent)}!")
        numbers = {resource_id("orderStatuses", number): number for number in self.book.statuses}
        if status.get("id") not in numbers:
            raise Refused(400, "40006 The id of orderStatus is wrong")
        self.book.set_status(order.id, numbers[status["id"]])
        return dict(with_empties(self._records.order(order, extended=False), self.switches.empty))

    def _put_product(self, name: str, target: str, sku: str, sent: Mapping[str, Any]) -> Row:
        if target:
            product: Product = self._one(self._resources["products"], target).source
        elif (found := [row for row in self.book.products.values() if row.new.sku == sku]) and sku:
            product = found[0]
        else:
            raise Refused(404, f"40033 There is no product with the sku {sku}")
        if unknown := sent.keys() - {*STOCKS}:
            raise Refused(400, f"40002 The following fields are readonly: {', '.join(sorted(unknown))}!")
        if wrong := [stock for stock, units in sent.items() if not str(units).isdecimal()]:
            raise Refused(400, f"40005 The {wrong[0]} parameter has wrong data. The data is not int.")
        self.book.set_stock(product.id, {stock: int(units) for stock, units in sent.items()})
        return dict(with_empties(self._records.product(product, extended=name == "productExtend"), self.switches.empty))

    # Lists.

    def _table(self) -> dict[str, Resource]:
        order, product = self._order_filters(), {"innerId": _inner, "sku": _sku, "parentProductId": _parent}
        return {
            "orders": Resource("order.order", lambda _: self._orders("orders"), order),
            "orderExtend": Resource("order.order", lambda _: self._orders("orderExtend"), order),
            "orderProducts": Resource("order.order", self._children("orderProducts"), {"orderId": _always}),
            "orderTotals": Resource("order.order", self._children("orderTotals"), {"orderId": _always}),
            "orderProductOptions": Resource("order.order", self._options, {"orderProductId": _always}),
            "orderStatuses": Resource("order.status", lambda _: self._statuses(), {}),
            "orderStatusDescriptions": Resource(
                "order.status", lambda _: self._texts(), {"orderStatusId": _status_id, "languageId": _language_id}
            ),
            "languages": Resource("localization.language", lambda _: self._languages(), {"innerId": _inner}),
            "settings": Resource("store.setting", lambda _: self._settings(), {"key": _key, "group": _always}),
            "products": Resource("product.product", lambda _: self._products("products"), product),
            "productExtend": Resource("product.product", lambda _: self._products("productExtend"), product),
        }

    def _order_filters(self) -> dict[str, Callable[[Record, str], bool]]:
        return {
            "innerId": _inner,
            "innerIdMin": lambda record, value: record.number >= _whole("innerIdMin", value),
            "orderStatusId": lambda record, value: resource_id("orderStatuses", record.source.status) == value,
            "email": lambda record, value: record.show()["email"] == value,
            "excludeAbandonedCart": lambda record, value: value != "1" or record.source.status != 0,
            "excludeStorno": lambda record, value: (
                value != "1" or str(record.source.status) != self.book.settings["storno_order_status_id"]
            ),
            "createdAtMin": lambda record, value: local(record.source.created) >= _moment(value),
            "createdAtMax": lambda record, value: local(record.source.created) <= _moment(value),
            "updatedAtMin": lambda record, value: local(record.source.updated) >= _moment(value),
            "updatedAtMax": lambda record, value: local(record.source.updated) <= _moment(value),
            "createdAt": lambda record, value: local(record.source.created)[:10] == _day(value),
            "updatedAt": lambda record, value: local(record.source.updated)[:10] == _day(value),
        }

    def _orders(self, name: str) -> list[Record]:
        def show(order: Order) -> Callable[[], Row]:
            return lambda: self._records.order(order, extended=name == "orderExtend")

        orders = self.book.orders.values()
        return [Record(resource_id("orders", order.id), order.id, show(order), order) for order in orders]

    def _products(self, name: str) -> list[Record]:
        def show(product: Product) -> Callable[[], Row]:
            return lambda: self._records.product(product, extended=name == "productExtend")

        products = self.book.products.values()
        return [Record(resource_id("products", one.id), one.id, show(one), one) for one in products]

    def _children(self, name: str) -> Callable[[Mapping[str, str]], list[Record]]:
        def records(wanted: Mapping[str, str]) -> list[Record]:
            orders = self.book.orders.values()
            ours = [order for order in orders if wanted.get("orderId") in (None, resource_id("orders", order.id))]
            lists = (self._records.lines(one) if name == "orderProducts" else self._records.totals(one) for one in ours)
            return [_shown(name, row) for rows in lists for row in rows]

        return records

    def _options(self, wanted: Mapping[str, str]) -> list[Record]:
        rows = (
            row
            for order in self.book.orders.values()
            for position, line in enumerate(order.line_ids)
            if wanted.get("orderProductId") in (None, resource_id("orderProducts", line))
            for row in self._records.options(order, position)
        )
        return [_shown("orderProductOptions", row) for row in rows]

    def _statuses(self) -> list[Record]:
        return [_shown("orderStatuses", self._records.status(number)) for number in self.book.statuses]

    def _texts(self) -> list[Record]:
        return [
            Record(description_id(number, language), number, lambda row=row: row, row)  # type: ignore[misc]
            for number in self.book.statuses
            for language in reversed(LANGUAGES)
            for row in [self._records.status_text(number, language)]
        ]

    def _languages(self) -> list[Record]:
        return [_shown("languages", self._records.language(number)) for number in LANGUAGES]

    def _settings(self) -> list[Record]:
        items = enumerate(self.book.settings.items(), 1)
        return [_shown("settings", self._records.setting(number, key, value)) for number, (key, value) in items]


# --- filters ---------------------------------------------------------------------------------------------------------


def _shown(resource: str, row: Row) -> Record:
    shown = {"href": f"https://{SHOP}.api.myshoprenter.hu/{resource}/{row['id']}", **row}
    return Record(row["id"], int(row.get("innerId", 0)), lambda: shown, shown)


def _always(record: Record, value: str) -> bool:
    return True


def _inner(record: Record, value: str) -> bool:
    return record.number == _whole("innerId", value)


def _sku(record: Record, value: str) -> bool:
    return bool(record.source.new.sku == value)


def _parent(record: Record, value: str) -> bool:
    return bool(record.show()["parentProduct"]["href"].endswith(resource_id("products", value)))


def _key(record: Record, value: str) -> bool:
    return bool(record.source["key"] == value)


def _status_id(record: Record, value: str) -> bool:
    return bool(record.source["orderStatus"]["href"].endswith(f"/{value}"))


def _language_id(record: Record, value: str) -> bool:
    return bool(record.source["language"]["href"].endswith(f"/{value}"))


def _whole(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise Refused(400, f"40005 The {name} parameter has wrong data. The data is not int.")
    return int(value)


def _count(params: Mapping[str, str], name: str, default: int) -> int:
    return _whole(name, params[name]) if name in params else default


def _moment(value: str) -> str:
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S").isoformat()  # noqa: DTZ007 (of the shop's own zone)
    except ValueError:
        raise Refused(400, f"40009 {value!r} is no datetime") from None


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Refused(400, f"40017 {value!r} is no date") from None


# --- bodies ----------------------------------------------------------------------------------------------------------


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except UnicodeDecodeError:
        raise Refused(400, "40016 The body is not UTF-8") from None
    except ValueError:
        raise Refused(400, "40001 Data parameter not found in POST/PUT!") from None


def _new_order(row: object) -> NewOrder:
    if not isinstance(row, dict) or not isinstance(row.get("lines"), list):
        raise ValueError(f"send an object with lines, not {row!r}")
    lines = tuple(build(NewLine, line) for line in row["lines"])
    moment = {"created_at": datetime.fromisoformat(row["created_at"])} if row.get("created_at") else {}
    return build(NewOrder, {**row, "lines": lines, **moment})
