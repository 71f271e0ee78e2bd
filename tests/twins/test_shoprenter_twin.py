"""The Shoprenter twin: credentials, formats, lists, writes, batches, and its records beside the official samples."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from crossdock.twins.kit import Fault, FaultKind, VirtualClock, serve
from crossdock.twins.shoprenter import NewLine, ShoprenterTwin, Switches

SAMPLES = Path(__file__).parents[3] / "shared" / "specs" / "shoprenter" / "samples"  # beside the project, if anywhere
START = datetime(2026, 3, 2, 7, tzinfo=UTC)
LINE = NewLine(sku="SHIRT", price="2400.0000", gtin="5901234123457", options={"Szín": "Kék"})
JSON = {"Accept": "application/json"}


class Shop:
    """A client of the twin that knows nothing of the plugin."""

    def __init__(self, twin: ShoprenterTwin, url: str, clock: VirtualClock) -> None:
        self.twin, self.url, self.clock = twin, url, clock
        self.http = httpx.Client(base_url=url, auth=("apiuser", twin.key), headers=JSON)

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.http.get(path, params=params)

    def items(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.get(path, full=1, **params)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["items"]
        return rows

    def token(self, **changed: str) -> httpx.Response:
        sent = {"grant_type": "client_credentials", "client_id": self.twin.client_id, "client_secret": self.twin.secret}
        return httpx.post(f"{self.url}/teszt/app/token", json=sent | changed)

    def batch(self, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.http.post("/batch", json={"data": {"requests": requests}})
        assert answer.status_code == 200, answer.text
        parts: list[dict[str, Any]] = answer.json()["requests"]["request"]
        return parts


@pytest.fixture
def shop() -> Iterator[Shop]:
    clock = VirtualClock(START)
    twin = ShoprenterTwin(clock, limited=False)
    with serve(twin.app) as url:
        made = Shop(twin, url, clock)
        with made.http:
            yield made


# --- credentials -----------------------------------------------------------------------------------------------------


def test_basic_opens_the_legacy_paths_and_bearer_those_of_api2(shop: Shop) -> None:
    bearer = {"Authorization": f"Bearer {shop.token().json()['access_token']}", **JSON}
    basic = {"Authorization": shop.http.get("/orders").request.headers["Authorization"], **JSON}
    answers = [
        httpx.get(shop.url + path, headers=way).status_code
        for path in ("/orders", "/api/orders")
        for way in (basic, bearer)
    ]
    assert answers == [200, 401, 401, 200]
    assert httpx.get(f"{shop.url}/orders").status_code == 401


def test_a_token_tells_its_scopes_and_lives_an_hour(shop: Shop) -> None:
    answer = shop.token().json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    part = answer["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert "order.order:read" in claims["scopes"]
    assert claims["exp"] - claims["iat"] == 3600
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    for seconds, status in ((0, 200), (3599, 200), (1, 401)):
        shop.clock.advance(seconds)
        assert httpx.get(f"{shop.url}/api/orders", headers=bearer).status_code == status


def test_wrong_secrets_and_incomplete_requests_for_tokens_are_told_apart(shop: Shop) -> None:
    wrong, incomplete = shop.token(client_secret="no"), shop.token(grant_type="password")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert (incomplete.status_code, incomplete.json()["error"]) == (400, "invalid_request")
    assert shop.twin.book.refused_logins == 1


def test_a_missing_scope_is_forbidden(shop: Shop) -> None:
    shop.twin.set_switches(Switches(scopes=("order.status:read",)))
    bearer = {"Authorization": f"Bearer {shop.token().json()['access_token']}", **JSON}
    assert [
        httpx.get(f"{shop.url}/api/{name}", headers=bearer).status_code for name in ("orders", "orderStatuses")
    ] == [403, 200]


# --- formats ---------------------------------------------------------------------------------------------------------


def test_xml_is_the_default_and_json_is_asked_for(shop: Shop) -> None:
    shop.twin.add_order(LINE)
    plain = shop.http.get("/orders", headers={"Accept": "*/*"})
    assert plain.headers["content-type"].startswith("application/xml")
    assert plain.text.startswith('<?xml version="1.0" encoding="UTF-8"?><response><href><![CDATA[https://teszt.api.')
    assert "<items><item><href>" in plain.text
    assert shop.get("/orders").headers["content-type"] == "application/json"


@pytest.mark.parametrize(("empty", "value"), [("text", ""), ("null", None), ("object", {}), ("array", [])])
def test_an_empty_scalar_is_written_as_asked_for(shop: Shop, empty: Any, value: object) -> None:
    shop.twin.set_switches(Switches(empty=empty))
    shop.twin.add_order(LINE)
    (order,) = shop.items("/orderExtend")
    assert (order["taxNumber"], order["orderProducts"][0]["modelNumber"]) == (value, value)


def test_scalars_are_texts(shop: Shop) -> None:
    shop.twin.add_order(LINE)
    (order,) = shop.items("/orderExtend")
    (line,) = order["orderProducts"]
    assert (order["innerId"], order["total"], order["value"]) == ("101", "3048.0000", "1.00000000")
    assert (line["price"], line["grossPrice"], line["taxRate"], line["stock1"]) == (
        "2400.0000",
        "3048.0000",
        "27.0000",
        "1",
    )
    assert order["dateCreated"] == "2026-03-02T08:00:00"


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_without_full_has_links_only(shop: Shop) -> None:
    shop.twin.add_order(LINE)
    answer = shop.get("/orders").json()
    assert answer["items"] == [{"href": "https://teszt.api.myshoprenter.hu/orders/b3JkZXItb3JkZXJfaWQ9MTAx"}]
    assert "pageCount" not in answer
    assert shop.get("/orders", full=1).json()["pageCount"] == "1"


def test_pages_count_from_zero_and_end_with_400(shop: Shop) -> None:
    numbers = [shop.twin.add_order(LINE) for _ in range(5)]
    seen = [[int(row["innerId"]) for row in shop.items("/orders", page=page, limit=2)] for page in range(3)]
    assert seen == [numbers[:2], numbers[2:4], numbers[4:]]
    beyond = shop.get("/orders", page=3, limit=2)
    assert (beyond.status_code, beyond.json()["error"]) == (400, 40008)
    middle = shop.get("/orders", page=1, limit=2).json()
    assert "page=0" in middle["previous"]["href"]
    assert "page=2" in middle["next"]["href"]
    assert shop.get("/orders", page=2, limit=2).json()["next"] is None


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"color": "red"}, 40010),
        ({"updatedAtMin": "2026-03-02 08:00:00"}, 40009),
        ({"createdAt": "yesterday"}, 40017),
        ({"innerId": "x"}, 40005),
        ({"limit": "201"}, 40005),
    ],
)
def test_what_a_list_does_not_take_is_refused(shop: Shop, params: dict[str, str], code: int) -> None:
    shop.twin.add_order(LINE)
    answer = shop.get("/orderExtend", **params)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


def test_orders_are_filtered(shop: Shop) -> None:
    old = shop.twin.add_order(LINE, created_at=START - timedelta(days=2))
    cart, new = shop.twin.add_order(LINE, status=0), shop.twin.add_order(LINE, status=14)
    shop.twin.set_status(old, 5)

    def found(**params: Any) -> list[int]:
        return [int(row["innerId"]) for row in shop.items("/orders", **params)]

    assert found() == [old, cart, new]
    assert found(excludeAbandonedCart=1) == [old, new]
    assert found(excludeStorno=1) == [old, cart]
    assert found(innerIdMin=cart) == [cart, new]
    assert found(innerId=new) == [new]
    assert found(updatedAtMin="2026-03-02T08:00:00") == [old, cart, new]
    assert found(createdAtMax="2026-03-02T07:59:59") == [old]
    assert found(createdAt="2026-02-28") == [old]
    assert found(email="nobody@example.com") == []


def test_a_page_that_is_too_large_times_out(shop: Shop) -> None:
    shop.twin.set_switches(Switches(times_out_above=2))
    for _ in range(3):
        shop.twin.add_order(LINE)
    assert shop.get("/orderExtend", full=1).status_code == 504
    assert shop.get("/orderExtend", full=1, limit=2).status_code == 200


def test_options_and_texts_of_statuses_are_found_by_what_they_belong_to(shop: Shop) -> None:
    shop.twin.add_order(LINE)
    (order,) = shop.items("/orderExtend")
    (option,) = shop.items("/orderProductOptions", orderProductId=order["orderProducts"][0]["id"])
    assert (option["name"], option["valueName"]) == ("Szín", "Kék")
    texts = shop.items("/orderStatusDescriptions", orderStatusId=order["orderStatus"]["href"].rpartition("/")[2])
    assert {text["name"] for text in texts} == {"Függőben", "Pending"}


# --- writes ----------------------------------------------------------------------------------------------------------


def test_a_status_is_put_and_the_order_is_the_answer(shop: Shop) -> None:
    number = shop.twin.add_order(LINE)
    (order,) = shop.items("/orders")
    done = base64.b64encode(b"orderStatus-order_status_id=5").decode()
    for body in ({"orderStatus": {"id": done}}, {"data": {"orderStatus": {"id": done}}}):
        answer = shop.http.put(f"/orders/{order['id']}", json=body)
        assert answer.json()["orderStatus"]["href"].endswith(done)
    assert [write["status"] for write in shop.twin.book.writes] == [5, 5]
    assert shop.twin.book.orders[number].status == 5
    wrong = shop.http.put(f"/orders/{order['id'].replace('=', '%3D')}", json={"orderStatus": {"id": "x"}})
    assert (wrong.status_code, wrong.json()["error"]) == (400, 40006)
    assert shop.http.put("/orders/nothing", json={"orderStatus": {"id": done}}).status_code == 404
    assert shop.http.put(f"/orders/{order['id']}", content="{}").status_code == 400


def test_a_batch_answers_each_part_by_itself(shop: Shop) -> None:
    shop.twin.add_product("SHIRT", stock=1)
    (product,) = shop.items("/products")
    parts = shop.batch(
        {"method": "PUT", "uri": f"{shop.url}/products/{product['id']}", "data": {"stock1": "7"}},
        {"method": "PUT", "uri": f"{shop.url}/productExtend?sku=SHIRT", "data": {"stock2": 3}},
        {"method": "PUT", "uri": f"{shop.url}/productExtend?sku=NONE", "data": {"stock1": 3}},
        {"method": "PUT", "uri": f"{shop.url}/products/{product['id']}", "data": {"stock1": "many"}},
        {"method": "PUT", "uri": f"{shop.url}/products/{product['id']}"},
        {"method": "GET", "uri": f"{shop.url}/nothing"},
        {"method": "GET", "uri": f"{shop.url}/products?innerId=901"},
    )
    codes = [part["response"]["header"]["statusCode"] for part in parts]
    assert codes == ["200", "200", "404", "400", "400", "404", "200"]
    assert shop.twin.book.stock_of("SHIRT") == {"stock1": 7, "stock2": 3, "stock3": 0, "stock4": 0}
    assert parts[0]["response"]["body"]["stock1"] == "7"
    assert shop.http.post("/batch", json={"requests": []}).json()["error"] == 40001


# --- limit, faults, control ------------------------------------------------------------------------------------------


def test_the_fourth_request_in_a_second_is_refused(shop: Shop) -> None:
    twin = ShoprenterTwin(shop.clock)
    with serve(twin.app) as url, httpx.Client(base_url=url, auth=("apiuser", twin.key)) as http:
        assert [http.get("/orders").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert http.get("/orders", auth=("another", "one")).status_code == 401
        shop.clock.advance(1)
        assert http.get("/orders").status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "start"),
    [
        (FaultKind.UNAUTHORISED, 401, "{"),
        (FaultKind.TOO_MANY, 429, "{"),
        (FaultKind.HTML, 200, "<!doctype html>"),
        (FaultKind.FAILURE_ENVELOPE, 200, '{"error"'),
    ],
)
def test_a_fault_has_the_shape_of_the_platform(shop: Shop, kind: FaultKind, status: int, start: str) -> None:
    shop.twin.faults.add(Fault(kind))
    answer = shop.get("/orders")
    assert (answer.status_code, answer.text.startswith(start)) == (status, True)


def test_the_shop_is_moved_by_its_control_api(shop: Shop) -> None:
    def post(path: str, body: Any) -> Any:
        return httpx.post(f"{shop.url}/_twin/{path}", json=body).json()

    product = post("products", {"sku": "SHIRT", "stock": 4})
    sold = {"lines": [{"sku": "SHIRT", "price": "1000.0000"}], "charges": {"SHIPPING": "990"}}
    order = post("orders", [sold, {**sold, "created_at": "2026-03-01T08:00:00+01:00"}])
    assert (product, order) == ({"ids": [901]}, {"ids": [101, 102]})
    assert post("status", {"order": 101, "status": 5}) == {}
    assert "error" in post("status", {"order": 999, "status": 5})
    assert "error" in post("orders", {"lines": []})
    assert post("switches", {"empty": "null"})["empty"] == "null"
    assert "error" in post("switches", {"empty": "nothing"})
    book = httpx.get(f"{shop.url}/_twin/book").json()
    assert [(row["id"], row["status"], row["total"]) for row in book["orders"]] == [(101, 5, "2260"), (102, 1, "2260")]
    assert httpx.get(f"{shop.url}/_twin/accounts").json()["accounts"][0]["api_key"] == shop.twin.key


# --- the official samples --------------------------------------------------------------------------------------------

SHAPES = {
    "order_extend": "orderExtend",
    "order": "orders",
    "product": "products",
    "product_extend": "productExtend",
    "order_status": "orderStatuses",
    "order_status_description": "orderStatusDescriptions",
    "order_product": "orderProducts",
    "order_product_option": "orderProductOptions",
    "order_total": "orderTotals",
    "language": "languages",
    "setting": "settings",
}
OURS = {"innerId", "grossPrice", "originalPrice", "gtin"}  # documented, though not in every sample


@pytest.mark.skipif(not SAMPLES.exists(), reason="the official samples are not part of the project")
@pytest.mark.parametrize("name", SHAPES)
def test_records_have_the_fields_and_kinds_of_the_official_samples(shop: Shop, name: str) -> None:
    shop.twin.add_product("SHIRT")
    shop.twin.add_order(LINE, charges={"SHIPPING": "990"}, coupon="TAVASZ", addons=[("Betétdíj", "50", 3, "0")])
    ours = shop.items(f"/{SHAPES[name]}")[0]
    sample = json.loads((SAMPLES / name / "response_get_id.json").read_text())
    assert list(_differences(ours, sample, name)) == []


def _differences(ours: Any, sample: Any, place: str) -> Iterator[str]:
    """Yield where a record of the twin has a field or a kind of value that the sample has not."""
    if isinstance(ours, dict) and isinstance(sample, dict) and sample:
        for field, value in ours.items():
            if field not in sample:
                if field not in OURS:
                    yield f"{place}.{field} is not in the sample"
            else:
                yield from _differences(value, sample[field], f"{place}.{field}")
    elif isinstance(ours, list) and isinstance(sample, list):
        if ours and sample:
            yield from _differences(ours[0], sample[0], f"{place}[0]")
    elif ours not in ("", None) and sample not in ("", None, {}, []) and type(ours) is not type(sample):
        yield f"{place} is {ours!r}, the sample has {sample!r}"


@pytest.mark.skipif(not SAMPLES.exists(), reason="the official samples are not part of the project")
def test_lists_have_the_envelope_of_the_official_samples(shop: Shop) -> None:
    for name, path in SHAPES.items():
        sample = json.loads((SAMPLES / name / "response_get_page.json").read_text())
        full = {"full": 1} if "pageCount" in sample else {}
        assert shop.get(f"/{path}", **full).json().keys() == sample.keys() - {"requestTime"}, name
