"""The Shoprenter plugin by itself: settings, what it says of itself, and how it reads what a shop may say."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from crossdock.core.config import is_declared, secret_fields, validate
from crossdock.core.connector import VERBS, load
from crossdock.core.errors import BadAnswer, ConfigError
from crossdock.core.model import Order
from crossdock.plugin import Node
from crossdock.plugins.shoprenter import PLUGIN, ShoprenterSettings, mapping
from crossdock.plugins.shoprenter.client import PAGE, SMALLEST, Spot, scopes_of

BASIC = {"user": "api", "api_key": "key-of-a-test"}
CLIENT = {"client_id": "0123", "client_secret": "secret-of-a-test"}
ZONE = ZoneInfo("Europe/Budapest")

LINE = {"id": "L1", "name": "Ing", "sku": "SHIRT", "price": "1000.0000", "total": "2000.0000", "taxRate": "27.0000"}
ORDER: dict[str, Any] = {
    "innerId": "101",
    "value": "1.00000000",
    "total": "2540.0000",
    "dateCreated": "2026-03-02T08:00:00",
    "currency": {"code": "HUF", "decimalPlace": "0"},
    "orderStatus": {"href": "https://x.api.myshoprenter.hu/orderStatuses/b3JkZXI%3D"},
    "orderProducts": [{**LINE, "stock1": "1", "stock2": "1"}],
}


def settings(**values: str) -> ShoprenterSettings:
    return validate(ShoprenterSettings, values, where="test")


def order(**changed: Any) -> Order:
    return mapping.read_order(Node({**ORDER, **changed}, "a list"), {}, ZONE)


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "myshop",
        "MyShop.myshoprenter.hu",
        "https://myshop.myshoprenter.hu/admin/",
        "myshop.api.myshoprenter.hu",
        "http://myshop.api.myshoprenter.hu/",
        " https://myshop.api2.myshoprenter.hu/api/ ",
        "myshop.shoprenter.hu",
    ],
)
def test_any_address_of_a_shop_will_do(typed: str) -> None:
    assert settings(shop=typed, **BASIC).base == "https://myshop.api.myshoprenter.hu"
    assert settings(shop=typed, **CLIENT).base == "https://myshop.api2.myshoprenter.hu/api"
    assert settings(shop=typed, **CLIENT).token_url == "https://oauth.app.shoprenter.net/myshop/app/token"


def test_the_older_host_is_kept_for_user_and_key() -> None:
    old = settings(shop="https://myshop.api.shoprenter.hu/", **BASIC)
    assert old.base == "https://myshop.api.shoprenter.hu"
    assert settings(shop=old.shop, **BASIC).base == old.base
    assert settings(shop=old.shop, **CLIENT).base == "https://myshop.api2.myshoprenter.hu/api"


def test_a_rehearsal_keeps_the_paths_of_both_ways() -> None:
    endpoint = "http://127.0.0.1:8901"
    assert settings(shop="myshop", endpoint=endpoint, **BASIC).base == endpoint
    assert settings(shop="myshop", endpoint=endpoint, **CLIENT).base == f"{endpoint}/api"
    assert settings(shop="myshop", endpoint=endpoint, **CLIENT).token_url == f"{endpoint}/myshop/app/token"


@pytest.mark.parametrize("way", [BASIC, CLIENT])
@pytest.mark.parametrize("shop", ["myshop", "myshop.api.shoprenter.hu"])
def test_only_hosts_of_the_platform_are_called(shop: str, way: dict[str, str]) -> None:
    made = settings(shop=shop, **way)
    for url in (made.base, made.token_url):
        assert is_declared(urlsplit(url).hostname or "", PLUGIN.hosts)
    for host in ("myshoprenter.hu", "api.myshoprenter.hu", "myshop.api.myshoprenter.hu.example.com"):
        assert not is_declared(host, PLUGIN.hosts)


@pytest.mark.parametrize("typed", ["", "www.example.com", "a.b.myshoprenter.hu", "myshop.evil.hu", "user@myshop", "-x"])
def test_other_addresses_are_refused(typed: str) -> None:
    with pytest.raises(ConfigError, match="no address of a Shoprenter shop"):
        settings(shop=typed, **BASIC)


@pytest.mark.parametrize(
    "given", [{}, {"user": "api"}, {"api_key": "key"}, {**BASIC, **CLIENT}, {**BASIC, "client_id": "1"}]
)
def test_exactly_one_of_the_two_ways_is_given(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="either user and api_key, or client_id and client_secret") as caught:
        settings(shop="myshop", **given)
    assert "key-of-a-test" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(shop="?", time_zone="Mars/Base", stock="stock9")
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["shop", "client_secret", "stock", "time_zone"]


def test_key_and_secret_are_sealed() -> None:
    assert secret_fields(ShoprenterSettings) == {"api_key", "client_secret"}


def test_every_verb_is_done_or_declared_a_gap() -> None:
    loaded = load("shoprenter")
    gaps = {gap.what for gap in PLUGIN.gaps}
    assert {*VERBS} - {"find_outcome"} == loaded.verbs | (gaps & {*VERBS})
    assert not loaded.verbs & gaps


# --- spots and scopes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", range(5))
def test_behind_a_halved_spot_the_same_is_still_to_be_read(page: int) -> None:
    spot = Spot(page=page)
    while spot.limit > SMALLEST:
        spot = spot.halved()
        assert (spot.page or 0) * spot.limit + spot.limit == (page + 1) * PAGE


def test_scopes_are_read_from_a_token_or_unknown() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"scopes": ["order.order:read"]}).encode()).rstrip(b"=").decode()
    assert scopes_of(f"head.{claims}.sign") == frozenset({"order.order:read"})
    for token in ("opaque", "a.b.c", f"a.{base64.urlsafe_b64encode(b'[]').decode()}.c", "a.e30.c"):
        assert scopes_of(token) is None


# --- orders ----------------------------------------------------------------------------------------------------------


def test_an_order_of_few_words_is_read() -> None:
    read = order()
    assert (read.status, read.placed_at) == ("b3JkZXI=", datetime(2026, 3, 2, 7, tzinfo=UTC))
    (line,) = read.lines
    assert (line.quantity, line.price.amount, line.gtin, line.product_id) == (2, Decimal(1270), None, None)
    assert (read.billing, read.shipping, read.comment) == (None, None, "")
    assert read.delivery is not None
    assert read.delivery.price is None


def test_an_order_without_status_is_unfinished() -> None:
    assert order(orderStatus=None).status == "0"


def test_without_units_the_quantity_is_what_the_line_costs_by_what_one_costs() -> None:
    assert order(orderProducts=[{**LINE, "stock1": "0"}]).lines[0].quantity == 2
    for odd in ({"total": "2500.0000"}, {"total": "0.0000", "price": "0.0000"}):
        with pytest.raises(BadAnswer, match=r"order 101, orderProducts\[0\]: no warehouse gives anything"):
            order(orderProducts=[{**LINE, "stock1": "0", **odd}])


@pytest.mark.parametrize("zero", ["0000-00-00", "0000-00-00 00:00:00", "-0001-11-30T00:00:00", None])
def test_a_zero_date_is_no_time(zero: str | None) -> None:
    assert mapping.naive(Node({"at": zero}, "here"), "at") is None
    with pytest.raises(BadAnswer, match="dateCreated is empty"):
        order(dateCreated=zero)


def test_both_ways_to_write_a_time_are_read_and_nothing_else() -> None:
    for text in ("2026-03-02T08:00:00", "2026-03-02 08:00:00"):
        assert mapping.naive(Node({"at": text}, "here"), "at") == "2026-03-02T08:00:00"
    with pytest.raises(BadAnswer, match="no time"):
        mapping.naive(Node({"at": "yesterday"}, "here"), "at")


def test_what_the_lines_lack_by_rounding_is_a_line_of_its_own() -> None:
    read = order(orderTotals=[{"id": "T", "type": "TOTAL", "value": "2541.0000"}])
    assert [(line.id, line.price.amount) for line in read.lines] == [("L1", Decimal(1270)), ("rounding", Decimal(1))]
    with pytest.raises(BadAnswer, match=r"the difference is 2.00 HUF"):
        order(orderTotals=[{"id": "T", "type": "TOTAL", "value": "2542.0000"}])


@pytest.mark.parametrize("value", ["-300.0000", "300.0000"])
@pytest.mark.parametrize("kind", ["COUPON", "LOYALTYPOINTS_TO_USE"])
def test_a_discount_is_taken_off_whatever_its_sign(value: str, kind: str) -> None:
    totals = [{"id": "1", "type": kind, "value": value}, {"id": "2", "type": "TOTAL", "value": "2240.0000"}]
    read = order(orderTotals=totals, couponTaxRate="27.0000", loyaltyPointsTaxRate="-1.0000")
    assert [line.price.amount for line in read.lines] == [Decimal(1270), Decimal(-300)]
    assert read.lines[1].vat_rate == (Decimal(27) if kind == "COUPON" else None)


def test_a_charge_of_an_unknown_kind_is_a_line_and_has_to_fit_the_total() -> None:
    totals = [{"id": "1", "type": "GIFT", "value": "500.0000"}, {"id": "2", "type": "TOTAL", "value": "3040.0000"}]
    assert order(orderTotals=totals).lines[1].attributes == {"charge": "GIFT"}
    with pytest.raises(BadAnswer, match=r"the difference is -500.00 HUF"):
        order(orderTotals=totals[:1])


def test_a_pick_up_point_is_that_of_the_method() -> None:
    points = {"shippingReceivingPointId": "0", "pickPackPontShopCode": "100010"}
    told = [order(**points, shippingMethodExtension=method).delivery for method in ("PICKPACKPONT", "wseship")]
    assert [delivery.point if delivery else None for delivery in told] == ["100010", ""]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"currency": None}, "currency"),
        ({"value": None}, "value is None"),
        ({"innerId": None}, "no id"),
        ({"orderProducts": {"href": "x"}}, "no list of objects"),
        ({"orderProducts": [{**LINE, "stock1": "1.5"}]}, "no whole number"),
        ({"orderProducts": [{**LINE, "stock1": "2", "price": "abc"}]}, "no exact number"),
    ],
)
def test_what_cannot_be_understood_is_told_by_its_place(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BadAnswer, match=told):
        order(**changed)
