"""The Miinto plugin by itself: signatures, mapping, and what it says over the wire."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import bare_account
import httpx
import pytest

from crossdock.core.config import describe, secret_fields, validate
from crossdock.core.connector import VERBS, Connector, load
from crossdock.core.errors import AuthError, BadAnswer, ConfigError, NotFound, Rejected, Unavailable
from crossdock.core.http import Headers, Request
from crossdock.core.model import (
    Acceptance,
    Address,
    Decision,
    DeclinedLine,
    Delivery,
    Intent,
    LineOutcome,
    Market,
    Meaning,
    Money,
    Offer,
    Order,
    OrderLine,
    Outcome,
    Payment,
    Pending,
    RemoteId,
    RemoteProduct,
    Shipment,
    StatusUpdate,
    StockLevel,
)
from crossdock.plugin import Node
from crossdock.plugins import miinto
from crossdock.plugins.miinto import PLUGIN, MiintoSettings, mapping
from crossdock.plugins.miinto.client import shops_of, sign
from crossdock.twins.kit import VirtualClock

SHOP = "1-m!i!s-048-1234"
PL = Market(code="pl", country="PL", currency="PLN")
TOKEN = "00112233445566778899aabbccddeeff00112233"
PRIVILEGES = {"__GLOBAL__": {"Store": {SHOP: {"Orders": -1}}}, "Platform-PL": {"ShopAdmin": {SHOP: {"*": -1}}}}

TRANSFER = {
    "id": 5501,
    "createdAt": "2024-03-01T08:30:00+01:00",
    "pendingPositions": [
        {
            "id": 901,
            "quantity": 2,
            "price": 29900,
            "item": {"gtin": "5901234123457", "name": "Shirt", "brand": "Acme", "productId": "P-1", "size": "M"},
        },
        {"id": 902, "quantity": 1, "price": 5, "item": {"name": "Scarf", "productId": "P-2"}},
    ],
}
ADDRESS = {"street": "Testowa 1", "postcode": "00-001", "city": "Warszawa", "countryCode": "PL"}
ORDER = {
    "id": 77001,
    "parentOrder": {"id": 990001, "createdAt": "2024-03-01T08:00:00+01:00"},
    "currency": "PLN",
    "billingInformation": {
        "name": "Anna Maria Example",
        "email": "anna@example.com",
        "phone": "+48500100200",
        "address": ADDRESS,
    },
    "shippingInformation": {
        "deliveryAddress": {
            "type": "CompanyDelivery",
            "name": "Example Ltd",
            "address": {"street": "Polna 2", "postcode": "00-002", "city": "Krakow", "country": "PL"},
        }
    },
    "acceptedPositions": TRANSFER["pendingPositions"],
}


# --- the wire --------------------------------------------------------------------------------------------------------


def success(data: Any, total: int | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"status": "success", "version": "2.6"}
    return {"meta": meta if total is None else meta | {"totalItemCount": total}, "data": data}


FAILURE = {"meta": {"status": "failure", "version": "2.6"}, "data": {"message": "not active"}}


@dataclass
class Wire:
    """Answers by method and path; an answer is a JSON body, a status with a body, or a function of the request."""

    answers: dict[str, Any]
    asked: list[str] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    opened: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.path}"
        self.asked.append(call)
        self.requests.append(request)
        if call == "POST /channels" and call not in self.answers:
            self.opened += 1
            data = {"id": f"M!t!{self.opened}", "token": TOKEN, "data": {"accessorId": 1}, "privileges": PRIVILEGES}
            return httpx.Response(200, json=success(data))
        answer = self.answers[call]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, httpx.Response):
            return answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, json=body)

    def body(self, number: int = -1) -> Any:
        return json.loads(self.requests[number].content)


NOW = datetime(2024, 3, 2, 12, 0, tzinfo=UTC)


def connect(wire: Wire, **settings: Any) -> Connector:
    given = {"identifier": "shop@example.com", "secret": "the-secret-password"} | settings
    return bare_account.connect("miinto", given, VirtualClock(NOW), transport=httpx.MockTransport(wire))


TRANSFERS, ORDERS = f"GET /shops/{SHOP}/transfers", f"GET /shops/{SHOP}/orders"
DECIDE = f"PATCH /shops/{SHOP}/transfers/5501"
STOCK, MAP = f"PATCH /locations/{SHOP}/items", "GET /productmaps"
ROWS = [["G-1", "SKU-1", "5901234123457", "uuid-1"], ["P-2", "SKU-2", None, "uuid-2"]]


def quiet(**answers: Any) -> Wire:
    """A shop in which nothing happens, but for what is given."""
    usual = {TRANSFERS: success([], 0), ORDERS: success([], 0), MAP: success(ROWS)}
    return Wire(usual | answers)


# --- channel and signature -------------------------------------------------------------------------------------------

VECTORS = [
    (
        "GET",
        "api-order.miinto.net",
        f"/shops/{SHOP}/transfers",
        "status%5B%5D=pending&sort=-createdAt",
        b"",
        "0fd3d206c99c881c5fd4d2fbaed0c57242215658babb2b35e09a965143a61582",
    ),
    (
        "PATCH",
        "api-order.miinto.net",
        f"/shops/{SHOP}/transfers/5501",
        "",
        b'{"acceptedPositions":[{"id":901}],"declinedPositions":[{"id":902}]}',
        "e5c8f37ddd3162e065b21ade0913c9d45a706900af66994fb8453e744a565eb6",
    ),
    (
        "PATCH",
        "api-stock.miinto.net",
        f"/locations/{SHOP}/items",
        "",
        b'[{"stock": 3, "group": "ABC012346", "brand": "Acme", "color": "Black", "size": "M"}]',
        "1a35162b2b20bb7ac037d8964f633e0a91ccc789bd9c36b7c8e0c27aff56f60b",
    ),
]


@pytest.mark.parametrize(("method", "host", "path", "query", "body", "signature"), VECTORS, ids=["A", "B", "C"])
def test_the_worked_signatures(method: str, host: str, path: str, query: str, body: bytes, signature: str) -> None:
    request = Request(
        method=method, origin=f"https://{host}", host=host, path=path, query=query, headers=Headers(), body=body
    )
    channel = "EXAMPLE!Channel!v1!0000000042-0123456789abc-000000001"
    assert sign(request, channel=channel, token=TOKEN, timestamp="1700000000", seed="42") == signature


def test_each_request_is_signed_as_it_is_sent() -> None:
    wire = quiet()
    connect(wire).fetch_orders(None)
    sent = wire.requests[-1]
    headers = {name.removeprefix("miinto-api-"): value for name, value in sent.headers.items() if "miinto" in name}
    path, _, query = sent.url.raw_path.decode().partition("?")
    assert path == f"/shops/{SHOP}/transfers"
    assert query == "status%5B%5D=pending&sort=createdAt&limit=50&offset=0"
    hashes = [
        hashlib.sha256(f"GET\napi-order.miinto.net\n{path}\n{query}".encode()),
        hashlib.sha256(f"M!t!1\n{int(NOW.timestamp())}\n{headers['auth-seed']}\nMNT-HMAC-SHA256-1-0".encode()),
        hashlib.sha256(b""),
    ]
    message = "\n".join(part.hexdigest() for part in hashes).encode()
    assert headers["auth-signature"] == hmac.new(TOKEN.encode(), message, hashlib.sha256).hexdigest()
    assert headers["control-flavour"] == "Miinto-Generic"
    assert headers["control-version"] == "2.6"
    assert sent.headers["content-type"] == "application/json"


def test_the_channel_is_opened_once_and_every_seed_is_new() -> None:
    wire = quiet()
    connector = connect(wire)
    cursor = connector.fetch_orders(None).cursor
    for _ in range(3):
        cursor = connector.fetch_orders(cursor).cursor
    assert wire.opened == 1
    seeds = [request.headers["miinto-api-auth-seed"] for request in wire.requests[1:]]
    assert len({*seeds}) == 4
    assert json.loads(wire.requests[0].content) == {"identifier": "shop@example.com", "secret": "the-secret-password"}


@pytest.mark.parametrize("refusal", [(401, FAILURE), (403, FAILURE), (200, FAILURE)])
def test_a_dead_channel_is_renewed_once(refusal: tuple[int, Any]) -> None:
    def only_new(request: httpx.Request) -> httpx.Response:
        status, body = (200, success([], 0)) if request.headers["miinto-api-auth-id"] == "M!t!2" else refusal
        return httpx.Response(status, json=body)

    wire = quiet(**{TRANSFERS: only_new})
    assert connect(wire).fetch_orders(None).orders == ()
    assert wire.asked == ["POST /channels", TRANSFERS, "POST /channels", TRANSFERS]


def test_a_channel_that_another_process_renewed_is_taken() -> None:
    wire = quiet()
    connector = connect(wire)
    cursor = connector.fetch_orders(None).cursor

    def dies_meanwhile(request: httpx.Request) -> httpx.Response:
        if request.headers["miinto-api-auth-id"] == "theirs":
            return httpx.Response(200, json=success([], 0))
        theirs = json.dumps({"id": "theirs", "token": TOKEN, "shops": {SHOP: "PL"}})
        connector.account.memory.put("channel 1", theirs)
        return httpx.Response(401, json=FAILURE)

    wire.answers[ORDERS] = dies_meanwhile
    connector.fetch_orders(cursor)
    assert wire.opened == 1


def test_opening_a_channel_is_tried_again() -> None:
    wire = quiet()
    usual, calls = Wire({}), iter([503])

    def at_second(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=FAILURE) if (status := next(calls, 0)) else usual(request)

    wire.answers["POST /channels"] = at_second
    assert connect(wire).fetch_orders(None).orders == ()
    assert wire.asked.count("POST /channels") == 2


@pytest.mark.parametrize("answer", [(401, FAILURE), (400, {"error": "no"}), (200, FAILURE)])
def test_wrong_credentials_are_told_without_the_secret(answer: Any) -> None:
    with pytest.raises(AuthError, match=r"refuses the (identifier and secret|credentials)") as caught:
        connect(Wire({"POST /channels": answer})).check_connection()
    assert "the-secret-password" not in str(caught.value)


@pytest.mark.parametrize(
    "privileges",
    [[], {}, None, {"__GLOBAL__": []}, {"__GLOBAL__": {"Store": []}}, {"__GLOBAL__": {"Store": {"*": -1}}}],
)
def test_credentials_without_a_shop_are_told(privileges: Any) -> None:
    data = {"id": "M!t!1", "token": TOKEN, "privileges": privileges}
    with pytest.raises(AuthError, match="open no shop"):
        connect(Wire({"POST /channels": success(data)})).check_connection()


@pytest.mark.parametrize("data", [None, [], {"id": "M!t!1"}, {"id": "", "token": TOKEN}, {"id": [1], "token": TOKEN}])
def test_a_channel_without_id_or_token_is_a_bad_answer(data: Any) -> None:
    with pytest.raises(BadAnswer, match=r"data: (id|token) is .* and no id") as caught:
        connect(Wire({"POST /channels": success(data)})).check_connection()
    assert TOKEN not in caught.value.raw


def test_an_inactive_shop_is_told_apart() -> None:
    wire = quiet(**{TRANSFERS: FAILURE})
    with pytest.raises(AuthError, match=f"credentials are right.*{SHOP}.*not active.*closed_shops"):
        connect(wire).check_connection()
    with pytest.raises(Rejected, match="closed_shops"):
        connect(wire).fetch_orders(None)
    with pytest.raises(AuthError, match=f"open no shop.*besides {SHOP}"):
        connect(wire, closed_shops=[SHOP]).check_connection()


def test_check_connection_names_shops_markets_and_where_they_are_from() -> None:
    stores = {SHOP: -1, "1-m!i!s-045-7": -1, "M!i!s-1203-22-22": -1}
    channel = {
        "id": "M!t!1",
        "token": TOKEN,
        "privileges": {"__GLOBAL__": {"Store": stores}, "Platform-PL": {"ShopAdmin": {SHOP: -1}}, "Platform-SE": []},
    }
    counted = {f"GET /shops/{shop}/transfers": success([], number) for number, shop in enumerate(stores)}
    told = connect(Wire(counted | {"POST /channels": success(channel)})).check_connection()
    assert f"{SHOP} (market pl, by its privileges; proposals waiting: 0)" in told
    assert "1-m!i!s-045-7 (market dk, guessed from its telephone code; proposals waiting: 1)" in told
    assert "M!i!s-1203-22-22 (market unknown: name it in the setting shop_markets; proposals waiting: 2)" in told


def test_shops_are_the_stores_and_the_shops_of_platforms() -> None:
    tree = {
        "__GLOBAL__": {"Store": {"b": -1, "*": 1}, "Other": {"x": 1}},
        "Platform-SE": {"ShopAdmin": {"a": {"*": -1}}, "Viewer": {"y": 1}},
        "Platform-NO": {"ShopAdmin": []},
    }
    assert shops_of(tree) == {"a": "SE", "b": ""}
    assert list(shops_of(tree)) == ["a", "b"]


# --- envelope --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"meta": {"status": "maybe"}}, BadAnswer, "meta.status is 'maybe'"),
        ({"data": []}, BadAnswer, "meta.status is None"),
        ([], BadAnswer, r"the answer is \[\] and no object"),
        ("text", BadAnswer, "the answer is 'text' and no object"),
        ({"meta": ["success"]}, BadAnswer, "meta is .* and no object"),
        (httpx.Response(200, html="<html><title>Maintenance</title></html>"), BadAnswer, "an HTML page"),
        (httpx.Response(200, content=b""), BadAnswer, "an empty body"),
        (success([]), BadAnswer, "totalItemCount is None"),
        (success([], True), BadAnswer, "totalItemCount is True"),  # type: ignore[arg-type]  # what must not be taken
        (success({}, 0), BadAnswer, "data is {} and no list of objects"),
        (success(["5501"], 1), BadAnswer, "data is .* and no list of objects"),
        (success([{"createdAt": "now"}], 1), BadAnswer, "id is None"),
        (success([], -1), BadAnswer, "counts -1 entries"),
        (success([TRANSFER, TRANSFER], 2), BadAnswer, "stands there twice"),
        ((400, {"anything": {"at": ["all"]}}), Rejected, "at"),
        ((404, FAILURE), NotFound, "not active"),
        ((500, FAILURE), Unavailable, "cannot do this now"),
    ],
)
def test_what_an_answer_means(answer: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        connect(quiet(**{TRANSFERS: answer})).fetch_orders(None)


def test_a_bad_answer_keeps_what_came() -> None:
    with pytest.raises(BadAnswer) as caught:
        connect(quiet(**{TRANSFERS: success([{**TRANSFER, "createdAt": None}], 1)})).fetch_orders(None)
    assert '"id": 5501' in caught.value.raw


# --- mapping ---------------------------------------------------------------------------------------------------------

LINES = (
    OrderLine(
        id="901",
        name="Shirt",
        quantity=2,
        price=Money(amount=Decimal("299.00"), currency="PLN"),
        gtin="5901234123457",
        product_id="P-1",
        attributes={"brand": "Acme", "size": "M"},
    ),
    OrderLine(
        id="902",
        name="Scarf",
        quantity=1,
        price=Money(amount=Decimal("0.05"), currency="PLN"),
        product_id="P-2",
    ),
)
PROPOSAL = Order(
    id=RemoteId(kind="transfer", scope=SHOP, value="5501"),
    proposal=True,
    market="pl",
    status="pending",
    placed_at=datetime(2024, 3, 1, 7, 30, tzinfo=UTC),
    lines=LINES,
)


def test_a_transfer_is_a_proposal() -> None:
    assert mapping.read_transfer(TRANSFER, SHOP, PL) == PROPOSAL


def test_an_order_keeps_people_places_and_money() -> None:
    buyer = Address(
        name="Anna Maria Example",
        email="anna@example.com",
        phone="+48500100200",
        street="Testowa 1",
        postcode="00-001",
        city="Warszawa",
        country="PL",
    )
    assert mapping.read_order(ORDER, SHOP, PL) == Order(
        id=RemoteId(kind="order", scope=SHOP, value="77001"),
        market="pl",
        status="accepted",
        placed_at=datetime(2024, 3, 1, 7, 0, tzinfo=UTC),
        lines=LINES,
        buyer=buyer,
        billing=buyer,
        shipping=Address(name="Example Ltd", street="Polna 2", postcode="00-002", city="Krakow", country="PL"),
        delivery=Delivery(method="CompanyDelivery"),
        payment=Payment(method="Miinto", paid=Money(amount=Decimal("598.05"), currency="PLN")),
        comment="Miinto order 990001.",
    )


def changed(row: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the row with one value changed, or (`...`) taken away."""
    row = copy.deepcopy(row)
    *parents, last = [int(name) if name.isdecimal() else name for name in path.split(".")]
    place: Any = row
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return row


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("id", ..., "id is None and no whole number"),
        ("id", "5501", "id is '5501' and no whole number"),
        ("createdAt", ..., "no time under createdAt or parentOrder.createdAt"),
        ("createdAt", "yesterday", "'yesterday' is no time"),
        ("createdAt", "2024-03-01 08:30:00", "has no offset from UTC"),
        ("createdAt", "0001-01-01T00:00:00+14:00", "is no time"),
        ("createdAt", {"date": 1}, "createdAt is .* and no text"),
        ("pendingPositions", {"0": {}}, "pendingPositions is .* and no list of objects"),
        ("pendingPositions", [7], "pendingPositions is .* and no list of objects"),
        ("pendingPositions.0.price", ..., r"pendingPositions\[0\]: price is None and no whole number"),
        ("pendingPositions.0.price", "29900", "price is '29900' and no whole number"),
        ("pendingPositions.0.price", Decimal("299.5"), "price is .*299.5.* and no whole number"),
        ("pendingPositions.1.quantity", True, r"transfer 5501 of shop .*pendingPositions\[1\]: quantity is True"),
        ("pendingPositions.1.id", None, r"pendingPositions\[1\]: id is None"),
        ("pendingPositions.0.item", "shirt", "item is 'shirt' and no object"),
        ("pendingPositions.0.item.gtin", ["1"], "gtin is .* and no text"),
    ],
)
def test_a_strange_transfer_is_told_by_place_and_value(path: str, value: Any, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        mapping.read_transfer(changed(TRANSFER, path, value), SHOP, PL)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("currency", ..., "currency: '' is no ISO 4217 code"),
        ("currency", "zloty", "currency: 'zloty' is no ISO 4217 code"),
        ("acceptedPositions", [], "it has no positions at all"),
        ("parentOrder", "990001", "parentOrder is '990001' and no object"),
        ("billingInformation.address", 5, "billingInformation: address is 5 and no object"),
    ],
)
def test_a_strange_order_is_told_by_place_and_value(path: str, value: Any, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        mapping.read_order(changed(ORDER, path, value), SHOP, PL)


def test_what_may_be_missing_from_an_order() -> None:
    bare = {key: ORDER[key] for key in ("id", "currency", "acceptedPositions")} | {"createdAt": "2024-03-01T08:00:00Z"}
    order = mapping.read_order(bare | {"billingInformation": [], "shippingInformation": None}, SHOP, PL)
    assert (order.buyer, order.billing, order.shipping, order.comment) == (None, None, None, "")
    assert order.placed_at == datetime(2024, 3, 1, 8, 0, tzinfo=UTC)


def test_a_young_country_code_goes_before_an_old_country_and_the_purchase_before_the_order() -> None:
    row = changed(changed(ORDER, "createdAt", "2024-03-01T09:00:00Z"), "billingInformation.address.country", "Polska")
    order = mapping.read_order(row, SHOP, PL)
    assert order.billing is not None
    assert order.billing.country == "PL"
    assert order.placed_at == datetime(2024, 3, 1, 7, 0, tzinfo=UTC)


def test_positions_that_still_wait_within_an_order_are_not_hidden() -> None:
    order = mapping.read_order({**ORDER, "pendingPositions": [{"id": 903}]}, SHOP, PL)
    assert order.lines == LINES
    assert "to be decided at Miinto: position 903" in order.comment


@pytest.mark.parametrize("status", ["pending", "declined"])
def test_an_order_without_accepted_positions_has_the_status_of_the_others(status: str) -> None:
    row = {**ORDER, "acceptedPositions": [], f"{status}Positions": ORDER["acceptedPositions"]}
    assert mapping.read_order(row, SHOP, PL).status == status


def test_numbers_in_place_of_texts_are_texts() -> None:
    row = changed(
        changed(TRANSFER, "pendingPositions.0.item.gtin", 5901234123457), "pendingPositions.0.item.productId", 7
    )
    line = mapping.read_transfer(row, SHOP, PL).lines[0]
    assert (line.gtin, line.product_id) == ("5901234123457", "7")


@pytest.mark.parametrize(
    ("answer", "order"),
    [({"newOrder": {"id": 1}}, "1"), ({"newOrder": None}, None), ({}, None), ({"newOrder": []}, None)],
)
def test_what_an_acceptance_answers(answer: dict[str, Any], order: str | None) -> None:
    assert mapping.read_new_order(Node(answer, "Miinto's answer")) == order


def test_a_product_is_found_by_uuid_then_id_then_a_group_of_one() -> None:
    rows = [
        ["G-1", "SKU-1", "", "uuid-1"],
        ["G-2", "SKU-2", None, "uuid-2"],
        ["G-2", "SKU-3", 590, "uuid-3"],
        ["uuid-1", "uuid-2", "", "u-4"],
    ]
    products = [mapping.read_product(row, SHOP, PL) for row in rows]
    wanted = {"uuid-1", "uuid-2", "SKU-3", "G-1", "G-2", "nobody"}
    assert mapping.skus_of(wanted, products) == {"uuid-1": "SKU-1", "uuid-2": "SKU-2", "SKU-3": "SKU-3", "G-1": "SKU-1"}
    assert products[2].gtin == "590"


def test_only_a_line_without_gtin_takes_its_sku_from_the_map() -> None:
    order = mapping.with_skus(PROPOSAL, {"P-1": "SKU-1", "P-2": "SKU-2"})
    assert [line.sku for line in order.lines] == [None, "SKU-2"]


@pytest.mark.parametrize("row", [["G", "SKU", "1"], {"id": 1}, "row", ["G", "", "1", "u"], ["G", "S", "1", None]])
def test_a_strange_row_of_the_product_map_is_told(row: Any) -> None:
    with pytest.raises(BadAnswer, match="product map"):
        mapping.read_product(row, SHOP, PL)


# --- orders ----------------------------------------------------------------------------------------------------------


def test_a_sweep_reads_transfers_then_orders_and_is_complete() -> None:
    wire = quiet(**{TRANSFERS: success([TRANSFER], 1), ORDERS: success([ORDER], 1)})
    connector = connect(wire)
    first = connector.fetch_orders(None)
    assert [order.id.kind for order in first.orders] == ["transfer"]
    assert (first.more, first.sweep) == (True, None)
    last = connector.fetch_orders(first.cursor)
    assert [order.id.kind for order in last.orders] == ["order"]
    assert (last.more, last.sweep) == (False, "complete")
    assert json.loads(json.dumps(last.cursor)) == last.cursor
    assert connector.fetch_orders(first.cursor) == last
    assert [line.sku for line in first.orders[0].lines] == [None, "SKU-2"]
    assert "the-secret-password" not in json.dumps(last.cursor)


def test_orders_are_read_from_their_newest_end() -> None:
    wire = quiet()
    connector = connect(wire)
    connector.fetch_orders(connector.fetch_orders(None).cursor)
    assert str(wire.requests[-1].url).endswith("/orders?status%5B%5D=accepted&sort=-createdAt&limit=50&offset=0")


def test_a_full_sweep_notices_a_shop_that_was_added() -> None:
    wire = quiet()
    connector = connect(wire)
    cursor = connector.fetch_orders(connector.fetch_orders(None).cursor).cursor
    connector.fetch_orders(cursor)
    assert wire.opened == 1
    connector.fetch_orders({**cursor, "sweep": {**cursor["sweep"], "number": 100}})
    assert wire.opened == 2


def test_the_product_map_is_read_once_and_only_for_lines_without_gtin() -> None:
    wire = quiet(**{TRANSFERS: success([TRANSFER], 1), ORDERS: success([ORDER], 1)})
    connector = connect(wire)
    cursor = None
    for _ in range(6):
        cursor = connector.fetch_orders(cursor).cursor
    assert wire.asked.count(MAP) == 1
    more = changed(TRANSFER, "pendingPositions.1.item.productId", "uuid-1")
    for waiting in (more, TRANSFER, more):
        wire.answers[TRANSFERS] = success([waiting], 1)
        for _ in range(2):
            cursor = connector.fetch_orders(cursor).cursor
    assert wire.asked.count(MAP) == 2
    known = copy.deepcopy(TRANSFER)
    del known["pendingPositions"][1]  # type: ignore[attr-defined]  # a literal of mixed types
    wire = quiet(**{TRANSFERS: success([known], 1)})
    connect(wire).fetch_orders(None)
    assert MAP not in wire.asked


@pytest.mark.parametrize("answer", [ROWS, success(ROWS)])
def test_the_product_map_comes_bare_or_in_an_envelope(answer: Any) -> None:
    page = connect(quiet(**{MAP: answer})).fetch_products(None)
    assert page.products == (
        RemoteProduct(
            remote_id="uuid-1", market="pl", scope=SHOP, sku="SKU-1", gtin="5901234123457", keys={"group": "G-1"}
        ),
        RemoteProduct(remote_id="uuid-2", market="pl", scope=SHOP, sku="SKU-2", keys={"group": "P-2"}),
    )
    assert not page.more


def test_a_shop_without_a_product_map_still_gives_its_orders(caplog: pytest.LogCaptureFixture) -> None:
    wire = quiet(**{TRANSFERS: success([TRANSFER], 1), MAP: (404, FAILURE)})
    page = connect(wire).fetch_orders(None)
    assert [line.sku for line in page.orders[0].lines] == [None, None]
    assert "No product map" in caplog.text


def test_an_order_of_an_unknown_market_stops_the_verb() -> None:
    shop = "1-m!i!s-999-1"
    privileges = {"__GLOBAL__": {"Store": {shop: -1}}}
    channel = success({"id": "M!t!1", "token": TOKEN, "privileges": privileges})
    wire = Wire({"POST /channels": channel, f"GET /shops/{shop}/transfers": success([TRANSFER], 1), MAP: ROWS})
    with pytest.raises(ConfigError, match=r"shop_markets.*extra_markets"):
        connect(wire).fetch_orders(None)
    page = connect(wire, shop_markets={shop: "test"}, extra_markets={"test": "GBP"}).fetch_orders(None)
    assert page.orders[0].market == "test"
    assert page.orders[0].lines[0].price == Money(amount=Decimal("299.00"), currency="GBP")


BOTH = Decision(accepted=("901",), declined=(DeclinedLine(id="902", reason="out of stock"),))


def test_a_won_decision() -> None:
    wire = quiet(**{DECIDE: success({"newOrder": {"id": 77001}})})
    assert connect(wire).accept_order(PROPOSAL, BOTH) == Acceptance(
        lines={"901": LineOutcome.WON, "902": LineOutcome.DECLINED},
        remote_ids=(RemoteId(kind="order", scope=SHOP, value="77001"),),
    )
    assert wire.body() == {"acceptedPositions": [{"id": 901}], "declinedPositions": [{"id": 902}]}


@pytest.mark.parametrize("data", [None, [], {}, {"newOrder": None}])
def test_a_lost_decision(data: Any) -> None:
    wire = quiet(**{DECIDE: success(data)})
    acceptance = connect(wire).accept_order(PROPOSAL, BOTH)
    assert acceptance == Acceptance(lines={"901": LineOutcome.LOST, "902": LineOutcome.DECLINED})


def test_declining_all_leaves_out_the_empty_list() -> None:
    wire = quiet(**{DECIDE: success([])})
    declined = tuple(DeclinedLine(id=line.id, reason="no") for line in LINES)
    acceptance = connect(wire).accept_order(PROPOSAL, Decision(declined=declined))
    assert acceptance == Acceptance(lines=dict.fromkeys(("901", "902"), LineOutcome.DECLINED))
    assert wire.body() == {"declinedPositions": [{"id": 901}, {"id": 902}]}
    assert wire.asked == ["POST /channels", DECIDE]


@pytest.mark.parametrize("again", [(409, FAILURE), success({}), FAILURE])
def test_a_second_call_ends_like_the_first(again: Any) -> None:
    won = copy.deepcopy(ORDER) | {"acceptedPositions": TRANSFER["pendingPositions"][:1]}  # type: ignore[index]
    wire = quiet(**{DECIDE: again, ORDERS: success([won], 1)})
    assert connect(wire).accept_order(PROPOSAL, BOTH) == Acceptance(
        lines={"901": LineOutcome.WON, "902": LineOutcome.DECLINED},
        remote_ids=(RemoteId(kind="order", scope=SHOP, value="77001"),),
    )


def test_a_refused_decision_that_still_waits_is_refused() -> None:
    wire = quiet(**{DECIDE: (400, FAILURE), TRANSFERS: success([TRANSFER], 1)})
    with pytest.raises(Rejected, match="not active"):
        connect(wire).accept_order(PROPOSAL, BOTH)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, FAILURE), Unavailable),
        (httpx.Response(200, html="<html></html>"), BadAnswer),
        *((success({"newOrder": new}), BadAnswer) for new in ("an order", 77001, {"id": "x"}, {"number": 1}, [1])),
        (success("?"), BadAnswer),
    ],
)
def test_a_decision_without_a_clear_answer_is_unclear_and_not_repeated(answer: Any, error: type[Exception]) -> None:
    wire = quiet(**{DECIDE: answer})
    with pytest.raises(error) as caught:
        connect(wire).accept_order(PROPOSAL, BOTH)
    assert caught.value.unclear  # type: ignore[attr-defined]  # both are RemoteErrors
    assert wire.asked.count(DECIDE) == 1


def test_a_lost_decision_whose_check_fails_is_unclear() -> None:
    wire = quiet(**{DECIDE: success({}), ORDERS: (500, FAILURE)})
    with pytest.raises(Unavailable) as caught:
        connect(wire).accept_order(PROPOSAL, BOTH)
    assert caught.value.unclear


def find(wire: Wire, decision: Decision = BOTH) -> Outcome | Pending | None:
    intent = Intent(id=1, verb="accept_order", made_at=NOW, order=PROPOSAL, decision=decision)
    return connect(wire).find_outcome(intent)


def renumbered(order: dict[str, Any], placed: str) -> dict[str, Any]:
    row = changed(changed(order, "acceptedPositions.0.id", 4711), "acceptedPositions.1.id", 4712)
    return changed(row, "parentOrder.createdAt", placed)


def test_an_outcome_is_won_when_the_positions_stand_in_an_order() -> None:
    outcome = find(quiet(**{ORDERS: success([ORDER], 1)}))
    assert isinstance(outcome, Outcome)
    assert outcome.acceptance == Acceptance(
        lines={"901": LineOutcome.WON, "902": LineOutcome.DECLINED},
        remote_ids=(RemoteId(kind="order", scope=SHOP, value="77001"),),
    )


def test_an_outcome_is_pending_when_the_transfer_still_waits() -> None:
    assert find(quiet(**{TRANSFERS: success([TRANSFER], 1)})) == Pending()


def test_an_outcome_is_lost_when_nothing_is_there() -> None:
    outcome = find(quiet())
    assert isinstance(outcome, Outcome)
    assert outcome.acceptance == Acceptance(lines={"901": LineOutcome.LOST, "902": LineOutcome.DECLINED})


def test_an_outcome_is_unclear_when_a_similar_order_has_other_ids() -> None:
    assert find(quiet(**{ORDERS: success([renumbered(ORDER, "2024-03-01T08:00:00+01:00")], 1)})) is None


ALL = Decision(accepted=("901", "902"))


def test_a_part_that_still_waits_keeps_the_whole_pending() -> None:
    part = changed(ORDER, "acceptedPositions.1", ...)
    rest = changed(TRANSFER, "pendingPositions.0", ...)
    assert find(quiet(**{ORDERS: success([part], 1), TRANSFERS: success([rest], 1)}), ALL) == Pending()


@pytest.mark.parametrize("second", [..., {**TRANSFER["pendingPositions"][1], "id": 4712}])  # type: ignore[index]
def test_a_part_that_is_nowhere_is_lost(second: Any) -> None:
    """Neither a stranger's order nor a stranger's position in ours makes unclear what our ids tell."""
    part = changed(ORDER, "acceptedPositions.1", second)
    twin = changed(changed(part, "acceptedPositions.0.id", 4711), "id", 77002)
    if second is not ...:
        del twin["acceptedPositions"][1]
    outcome = find(quiet(**{ORDERS: success([twin, part], 2)}), ALL)
    assert isinstance(outcome, Outcome)
    assert outcome.acceptance == Acceptance(
        lines={"901": LineOutcome.WON, "902": LineOutcome.LOST},
        remote_ids=(RemoteId(kind="order", scope=SHOP, value="77001"),),
    )


def test_an_order_of_another_quantity_is_not_similar() -> None:
    other = changed(renumbered(ORDER, "2024-03-01T08:00:00+01:00"), "acceptedPositions.0.quantity", 3)
    assert isinstance(find(quiet(**{ORDERS: success([other], 1)})), Outcome)


def test_a_similar_order_of_long_before_says_nothing() -> None:
    assert isinstance(find(quiet(**{ORDERS: success([renumbered(ORDER, "2024-02-20T08:00:00+01:00")], 1)})), Outcome)


def test_positions_that_only_share_a_number_are_not_won() -> None:
    other = changed(ORDER, "acceptedPositions.0.price", 1)
    outcome = find(quiet(**{ORDERS: success([other], 1)}))
    assert isinstance(outcome, Outcome)
    assert outcome.acceptance is not None
    assert outcome.acceptance.lines["901"] is LineOutcome.LOST


def test_other_intents_are_not_known() -> None:
    intent = Intent(id=1, verb="push_orders", made_at=NOW)
    assert connect(quiet()).find_outcome(intent) is None


def test_a_transfer_is_asked_for_in_the_pending_list() -> None:
    assert connect(quiet(**{TRANSFERS: success([TRANSFER], 1)})).fetch_order(PROPOSAL) == Pending()
    with pytest.raises(NotFound, match=f"transfer 5501 .{SHOP}."):
        connect(quiet()).fetch_order(PROPOSAL)


def test_an_order_is_asked_for_by_its_number() -> None:
    order = mapping.read_order(ORDER, SHOP, PL)
    found = connect(quiet(**{f"{ORDERS}/77001": success(ORDER)})).fetch_order(order)
    assert isinstance(found, Order)
    assert [line.sku for line in found.lines] == [None, "SKU-2"]
    with pytest.raises(NotFound):
        connect(quiet(**{f"{ORDERS}/77001": (404, FAILURE)})).fetch_order(order)


# --- stock and statuses ----------------------------------------------------------------------------------------------

KEYS = {"group": "G-1", "brand": "Acme", "color": "Black", "size": "M"}


def level(number: str, quantity: int, scope: str = SHOP, **keys: str) -> StockLevel:
    offer = Offer(id=number, sku=f"SKU-{number}", market="pl", scope=scope, keys=KEYS | keys)
    return StockLevel(offer=offer, quantity=quantity)


def test_stock_is_sent_shop_by_shop_with_the_published_keys() -> None:
    wire = quiet(**{STOCK: success([])})
    results = connect(wire).push_stock((level("1", 3), level("2", 0, size="L")))
    assert [result.accepted for result in results] == [True, True]
    assert wire.body() == [{"stock": 3, **KEYS}, {"stock": 0, **KEYS, "size": "L"}]
    assert wire.requests[-1].url.host == "api-stock.miinto.net"


def test_an_offer_that_cannot_be_named_is_refused_and_not_sent() -> None:
    wire = quiet(**{STOCK: success([])})
    results = connect(wire).push_stock(
        (level("1", 3, brand="", size=""), level("2", 1), level("3", 1, scope="elsewhere"))
    )
    told = {result.item: (result.accepted, result.words) for result in results}
    assert told["1"] == (False, "It has no published brand, size; Miinto finds it by these.")
    assert told["2"][0]
    assert told["3"] == (False, "'elsewhere' is no shop of this account.")
    assert wire.body() == [{"stock": 1, **KEYS}]


def refuses(group: str, status: int) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        known = all(item["group"] != group for item in json.loads(request.content))
        return httpx.Response(200 if known else status, json=success([]) if known else FAILURE)

    return answer


@pytest.mark.parametrize("status", [200, 400])
def test_one_unknown_variant_does_not_hold_back_the_others(status: int) -> None:
    wire = quiet(**{STOCK: refuses("G-2", status)})
    levels = tuple(level(str(number), number, group=f"G-{number}") for number in range(4))
    results = connect(wire).push_stock(levels)
    assert [(result.item, result.accepted) for result in results] == [
        ("0", True),
        ("1", True),
        ("2", False),
        ("3", True),
    ]
    assert "not active" in results[2].words


def test_stock_that_cannot_be_sent_now_stays_pending() -> None:
    wire = quiet(**{STOCK: (503, FAILURE)})
    with pytest.raises(Unavailable):
        connect(wire).push_stock((level("1", 3),))
    assert wire.asked.count(STOCK) > 1  # absolute levels may be repeated


PARCEL = StatusUpdate(
    order=RemoteId(kind="order", scope=SHOP, value="77001"), shipments=(Shipment(tracking="T1", carrier="7"),)
)
CARRIERS = f"GET /shops/{SHOP}/shipping-providers/orders/77001"
WRITE = f"PATCH /shops/{SHOP}/orders/77001"


def test_tracking_is_not_written_unless_switched_on() -> None:
    wire = quiet()
    (result,) = connect(wire).push_status((PARCEL,))
    assert not result.accepted
    assert "unconfirmed_writes is off" in result.words
    assert wire.asked == []


def test_tracking_is_written_into_all_positions() -> None:
    answers = {CARRIERS: success([{"id": 7}]), f"{ORDERS}/77001": success(ORDER), WRITE: success([])}
    wire = quiet(**answers)
    (result,) = connect(wire, unconfirmed_writes=True).push_status((PARCEL,))
    assert result.accepted
    parcel = {"trackAndTrace": "T1", "shippingProviderId": "7"}
    assert wire.body() == {"acceptedPositions": [{"id": 901, **parcel}, {"id": 902, **parcel}]}


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (StatusUpdate(order=PARCEL.order, status="accepted", shipments=PARCEL.shipments), "nothing but tracking"),
        (StatusUpdate(order=PARCEL.order), "nothing but tracking"),
        (StatusUpdate(order=PROPOSAL.id, shipments=PARCEL.shipments), "nothing but tracking"),
        (StatusUpdate(order=PARCEL.order, shipments=(Shipment(tracking="T", carrier="9"),)), "'9' is none of.*: 7, 8"),
        (StatusUpdate(order=PARCEL.order, shipments=(Shipment(tracking="T"),)), "'' is none of.*: 7, 8"),
    ],
)
def test_what_cannot_be_told_of_an_order_is_refused(update: StatusUpdate, words: str) -> None:
    wire = quiet(**{CARRIERS: success([{"id": 7}, {"id": "8"}])})
    (result,) = connect(wire, unconfirmed_writes=True).push_status((update,))
    assert not result.accepted
    assert re.search(words, result.words)
    assert WRITE not in wire.asked


def test_statuses_have_meanings_and_cover_what_orders_have() -> None:
    meanings = {status.code: status.meaning for status in connect(quiet()).map_status()}
    assert meanings == {"pending": Meaning.PENDING, "accepted": Meaning.NEW, "declined": Meaning.CANCELLED}


# --- facts -----------------------------------------------------------------------------------------------------------


def test_the_markets_of_the_sheet() -> None:
    markets = {market.code: (market.country, market.currency) for market in PLUGIN.markets}
    assert list(markets)[:7] == ["pl", "se", "no", "ch", "be", "nl", "dk"]
    assert markets["ch"] == ("CH", "CHF")
    assert markets["uk"] == ("GB", "GBP")


def test_settings() -> None:
    made = validate(MiintoSettings, {"identifier": "me", "secret": "1234567"}, where="test")
    assert secret_fields(MiintoSettings) == {"secret"}
    assert "1234567" not in repr(made)
    assert len(made.endpoints()) == 5
    assert not made.rehearsal()
    assert validate(MiintoSettings, {**made.model_dump(), "pc": "http://127.0.0.1:1"}, where="test").rehearsal()
    for part in describe(MiintoSettings):
        assert part.title
        assert part.description
    with pytest.raises(ConfigError) as caught:
        validate(
            MiintoSettings, {"identifier": "", "extra_markets": {"test": "pounds"}, "order": "ftp://x"}, where="test"
        )
    assert len(caught.value.faults) == 4


def test_the_page_explains_each_setting() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plugins" / "miinto.md").read_text("utf-8")
    assert [part.name for part in describe(MiintoSettings) if f"`{part.name}`" not in page] == []


def test_each_verb_is_implemented_or_a_declared_gap() -> None:
    loaded = load("miinto")
    gaps = {gap.what for gap in PLUGIN.gaps}
    assert not loaded.verbs & gaps
    assert {*VERBS} == loaded.verbs | (gaps - {"returns"})
    assert loaded.facts is miinto.PLUGIN
