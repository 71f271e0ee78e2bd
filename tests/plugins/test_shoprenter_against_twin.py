"""The Shoprenter plugin against its twin: both were written from the same sheet, and neither knows the other."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from bare_account import connect
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossdock.core.connector import Connector
from crossdock.core.errors import AuthError, BadAnswer, NotFound, RateLimited, Unavailable
from crossdock.core.http import Http
from crossdock.core.model import (
    Meaning,
    Money,
    Offer,
    Order,
    RemoteId,
    Shipment,
    StatusUpdate,
    StockLevel,
)
from crossdock.core.redaction import SECRETS
from crossdock.plugins.shoprenter import PLUGIN
from crossdock.twins.kit import Fault, FaultKind, VirtualClock, serve
from crossdock.twins.shoprenter import NewLine, ShoprenterTwin, Switches

START = datetime(2026, 3, 2, 7, tzinfo=UTC)
SHIRT = NewLine(sku="SHIRT", price="1000.0000", quantity=2, gtin="5901234123457", options={"Szín": "Kék", "Méret": "M"})
BROUGHT = {"SHIPPING": "990", "PAYMENT": "300", "COUPON": "-500", "CART_AMOUNT_DISCOUNT": "-100"}


class Stage:
    """A served twin, and connectors to it that share its clock."""

    def __init__(self, twin: ShoprenterTwin, url: str, clock: VirtualClock) -> None:
        self.twin, self.url, self.clock = twin, url, clock

    def connector(self, *, client: bool = False, **given: Any) -> Connector:
        values = self.twin.client_settings() if client else self.twin.settings()
        settings = {**values, "endpoint": self.url, **given}
        return connect("shoprenter", settings, self.clock, timeout=0.5)

    def sell(self, count: int = 1, *lines: NewLine, ago: float = 3600, **given: Any) -> list[int]:
        moment = self.clock.now() - timedelta(seconds=ago)
        return [self.twin.add_order(*(lines or (SHIRT,)), created_at=moment, **given) for _ in range(count)]


@pytest.fixture
def stage() -> Iterator[Stage]:
    clock = VirtualClock(START)
    twin = ShoprenterTwin(clock, limited=False)
    with serve(twin.app) as url:
        yield Stage(twin, url, clock)


def sweep(connector: Connector, cursor: Mapping[str, Any] | None = None) -> tuple[list[Order], Mapping[str, Any]]:
    """Read one sweep to its end."""
    orders: list[Order] = []
    while True:
        page = connector.fetch_orders(cursor)
        orders += page.orders
        cursor = page.cursor
        if not page.more:
            return orders, cursor


def numbers(orders: list[Order] | tuple[Order, ...]) -> list[int]:
    return [int(order.id.value) for order in orders]


def worth(order: Order) -> Decimal:
    """What lines and delivery come to."""
    assert order.delivery is not None
    delivery = order.delivery.price.amount if order.delivery.price else Decimal(0)
    return sum((line.price.amount * line.quantity for line in order.lines), delivery)


# --- connection ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [False, True])
def test_the_connection_tells_what_it_opens(stage: Stage, client: bool) -> None:
    told = stage.connector(client=client).check_connection()
    assert told == (
        f"{'The token opens' if client else 'User apiuser opens'} the shop teszt: orders, order statuses and products "
        "can be read."
    )


@pytest.mark.parametrize(
    ("client", "wrong"), [(False, {"api_key": "wrong-key-1"}), (True, {"client_secret": "wrong-secret-1"})]
)
def test_wrong_credentials_are_refused_without_being_told(stage: Stage, client: bool, wrong: dict[str, str]) -> None:
    with pytest.raises(AuthError, match=r"Check") as caught:
        stage.connector(client=client, **wrong).check_connection()
    assert not [value for value in wrong.values() if value in repr(vars(caught.value)) + str(caught.value)]


def test_a_switched_off_api_and_the_plan_are_named_as_causes(stage: Stage) -> None:
    stage.twin.set_switches(Switches(api_enabled=False))
    with pytest.raises(AuthError, match=r"switched off in the shop's admin, or be no part of its plan"):
        stage.connector().check_connection()


def test_another_shop_is_refused(stage: Stage) -> None:
    with pytest.raises(AuthError, match=r"refuses client id and secret for the shop nobody"):
        stage.connector(client=True, shop="nobody").check_connection()


def test_missing_scopes_are_named_from_the_token(stage: Stage) -> None:
    scopes = Switches().scopes
    stage.twin.set_switches(Switches(scopes=tuple(scope for scope in scopes if not scope.endswith(":write"))))
    assert "It may not write stock and order statuses." in stage.connector(client=True).check_connection()
    stage.twin.set_switches(Switches(scopes=("product.product:read",)))
    with pytest.raises(AuthError, match=r"lacks the scopes order.order:read, order.status:read.*Grant"):
        stage.connector(client=True).check_connection()


def test_a_token_is_kept_and_renewed_when_it_expires_or_is_refused(stage: Stage) -> None:
    stage.sell()
    connector = stage.connector(client=True)
    for _ in range(3):
        sweep(connector)
    assert len(stage.twin.book.tokens) == 1
    stage.clock.advance(3550)
    sweep(connector)
    assert len(stage.twin.book.tokens) == 2
    assert 401 not in [exchange.status for exchange in stage.twin.traffic]
    stage.twin.forget_tokens()
    assert len(sweep(connector)[0]) == 1
    assert len(stage.twin.book.tokens) == 3


def test_the_limit_of_the_shop_is_waited_for(stage: Stage) -> None:
    twin = ShoprenterTwin(stage.clock)
    twin.add_order(SHIRT, created_at=START - timedelta(hours=1))
    with serve(twin.app) as url:
        connector = Stage(twin, url, stage.clock).connector()
        for _ in range(5):
            assert len(sweep(connector)[0]) == 1
    assert 429 in [exchange.status for exchange in twin.traffic]


# --- statuses --------------------------------------------------------------------------------------------------------


def test_statuses_are_the_shops_own_in_its_language(stage: Stage) -> None:
    statuses = stage.connector().map_status()
    assert [status.label for status in statuses] == [
        "(unfinished: an abandoned cart)",
        "Függőben",
        "Feldolgozás alatt",
        "Teljesítve",
        "Törölt",
    ]
    assert [status.meaning for status in statuses] == [None, None, None, None, Meaning.CANCELLED]
    assert [status.settable for status in statuses] == [False, True, True, True, True]
    stage.twin.book.settings["config_language"] = "en"
    assert stage.connector().map_status()[1].label == "Pending"


def test_statuses_are_read_without_permission_for_settings_and_languages(stage: Stage) -> None:
    stage.twin.set_switches(Switches(scopes=("order.status:read",)))
    statuses = stage.connector(client=True).map_status()
    assert len(statuses) == 5
    assert not any(status.meaning for status in statuses)


def test_an_order_has_a_status_of_the_list(stage: Stage) -> None:
    stage.sell(status=5)
    connector = stage.connector()
    (order,), _ = sweep(connector)
    assert {status.code: status.label for status in connector.map_status()}[order.status] == "Teljesítve"


def test_a_status_is_set(stage: Stage) -> None:
    done, lost = stage.sell(2)
    connector = stage.connector()
    orders, _ = sweep(connector)
    code = next(status.code for status in connector.map_status() if status.label == "Teljesítve")
    update = StatusUpdate(order=orders[0].id, status=code)
    assert int(update.order.value) in (done, lost)
    parcel = replace(update, order=RemoteId(kind="order", value=str(lost)), shipments=(Shipment(tracking="X1"),))
    results = connector.push_status(
        (
            replace(update, order=RemoteId(kind="order", value=str(done))),
            parcel,
            replace(update, order=RemoteId(kind="order", value="999")),
            replace(update, status="no-such-status"),
            replace(update, status=None),
            replace(update, status="0"),
        )
    )
    told = {(result.item, result.accepted): result.words for result in results}
    assert len(results) == 6
    assert [result.accepted for result in results].count(True) == 2
    assert told[str(done), True] == ""
    assert "tracking numbers" in told[str(lost), True]
    assert "no order 999" in told["999", False]
    assert {order.status for order in stage.twin.book.orders.values()} == {5}
    stage.clock.advance(60)
    (again,) = (order for order in sweep(connector)[0] if int(order.id.value) == done)
    assert again.status == code


# --- orders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["text", "null", "object", "array", "mixed"])
@pytest.mark.parametrize("client", [False, True])
def test_an_order_is_read_with_everything_it_says(stage: Stage, empty: Any, client: bool) -> None:
    stage.twin.set_switches(Switches(empty=empty))
    stage.twin.add_product("SHIRT")
    fields = {"taxNumber": "12345678-2-42", "comment": "Csengő", "shippingReceivingPointId": "77"}
    external = {"externalInfo": {"partner_order_id": "12345", "partner_prefix": "EMAG"}}
    stage.sell(charges=BROUGHT, coupon="TAVASZ", addons=[("Betétdíj", "50", 3, "0")], fields=fields | external)
    (order,), _ = sweep(stage.connector(client=client))
    forint = {"currency": "HUF"}
    assert (order.id, order.proposal) == (RemoteId(kind="order", value="101"), False)
    assert order.placed_at == START - timedelta(hours=1)
    shirt, deposit, *charges = order.lines
    assert (shirt.sku, shirt.gtin, shirt.quantity, shirt.vat_rate) == ("SHIRT", "5901234123457", 2, Decimal(27))
    assert shirt.price == Money(amount=Decimal("1270"), **forint)
    assert shirt.attributes == {"Szín": "Kék", "Méret": "M"}
    assert base64.b64decode(shirt.product_id or "") == b"product-product_id=901"
    assert (deposit.name, deposit.quantity, deposit.price.amount) == ("Betétdíj", 3, Decimal(50))
    assert [(line.attributes["charge"], line.price.amount) for line in charges] == [
        ("PAYMENT", Decimal(300)),
        ("COUPON", Decimal(-500)),
        ("CART_AMOUNT_DISCOUNT", Decimal(-100)),
    ]
    assert charges[1].attributes["coupon"] == "TAVASZ"
    assert [line.vat_rate for line in charges] == [Decimal(27), None, None]
    assert order.delivery is not None
    assert (order.delivery.method, order.delivery.point) == ("WSESHIP", "77")
    assert order.delivery.price == Money(amount=Decimal(990), **forint)
    assert order.payment is not None
    assert (order.payment.method, order.payment.paid) == ("COD", None)
    assert worth(order) == Decimal(2540 + 150 + 990 + 300 - 600)
    assert order.buyer is not None
    assert (order.buyer.name, order.buyer.email, order.buyer.tax_id) == (
        "Minta Anna",
        "anna@example.com",
        "12345678-2-42",
    )
    assert order.shipping is not None
    assert (order.shipping.street, order.shipping.postcode, order.shipping.country) == ("Fő utca 1.", "1011", "HU")
    assert order.comment == "Csengő Order 12345 of EMAG."


def test_a_coupon_without_amount_and_another_currency_are_told_in_the_comment(stage: Stage) -> None:
    stage.sell(coupon="INGYEN", currency="EUR", rate="0.00250000", places=2)
    (order,), _ = sweep(stage.connector())
    assert order.comment == "Coupon INGYEN. 1 of the shop's main currency is 0.00250000 EUR."
    assert order.lines[0].price == Money(amount=Decimal("3.18"), currency="EUR")
    assert worth(order) == Decimal("6.35")


def test_options_are_left_alone_where_the_setting_says_so(stage: Stage) -> None:
    stage.sell()
    (order,), _ = sweep(stage.connector(line_options=False))
    assert order.lines[0].attributes == {}
    assert not [exchange for exchange in stage.twin.traffic if exchange.path == "/batch"]


@settings(max_examples=60, deadline=None)
@given(
    prices=st.lists(
        st.tuples(
            st.integers(1, 99_999_999), st.integers(1, 9), st.sampled_from(["0", "5", "18", "27"]), st.booleans()
        ),
        min_size=1,
        max_size=5,
    ),
    shipping=st.integers(0, 5000),
    discount=st.integers(0, 3000),
    places=st.sampled_from([0, 2]),
)
def test_lines_and_charges_make_the_total_to_the_unit(
    shared: Stage, prices: list[tuple[int, int, str, bool]], shipping: int, discount: int, places: int
) -> None:
    lines = [
        NewLine(sku=str(index), price=str(Decimal(price).scaleb(-4)), quantity=units, tax=tax, gross=gross)
        for index, (price, units, tax, gross) in enumerate(prices)
    ]
    charges = {"SHIPPING": str(shipping), "COUPON": str(-discount)}
    (number,) = shared.sell(1, *lines, charges=charges, places=places)
    wanted = shared.twin.book.orders.pop(number)
    shared.twin.book.orders = {number: wanted}
    order = shared.connector().fetch_order(stub(number))
    assert isinstance(order, Order)
    assert worth(order) == wanted.total()
    rounding = [line for line in order.lines if line.id == "rounding"]
    assert all(line.price.amount for line in rounding)
    assert [line.quantity for line in order.lines[: len(lines)]] == [units for _, units, _, _ in prices]


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    """One twin for all examples of a property."""
    clock = VirtualClock(START)
    twin = ShoprenterTwin(clock, limited=False)
    with serve(twin.app) as url:
        yield Stage(twin, url, clock)


def stub(number: int) -> Order:
    return Order(id=RemoteId(kind="order", value=str(number)), market="", status="1", placed_at=START, lines=())


def test_a_total_that_the_lines_do_not_make_is_told_with_the_difference(stage: Stage) -> None:
    stage.sell(fields={"orderTotals": [{"id": "T", "type": "TOTAL", "value": "2600.0000"}]})
    with pytest.raises(BadAnswer, match=r"order 101: its lines.*make 2540.00 HUF.*the difference is 60.00 HUF"):
        stage.connector().fetch_orders(None)


def test_an_order_is_asked_for_by_its_number(stage: Stage) -> None:
    (number,) = stage.sell()
    connector = stage.connector()
    (order,), _ = sweep(connector)
    assert connector.fetch_order(order) == order
    with pytest.raises(NotFound, match="no order 999"):
        connector.fetch_order(stub(999))
    assert number == 101


def test_abandoned_carts_are_no_orders(stage: Stage) -> None:
    stage.sell(status=0)
    assert sweep(stage.connector())[0] == []


# --- sweeps ----------------------------------------------------------------------------------------------------------


def test_a_sweep_reads_what_changed_since_the_last_and_nothing_twice(stage: Stage) -> None:
    first = stage.sell(3)
    connector = stage.connector()
    orders, cursor = sweep(connector)
    assert sorted(numbers(orders)) == first
    orders, cursor = sweep(connector, cursor)
    assert orders == []
    stage.clock.advance(86400)
    (new,) = stage.sell(ago=60)
    stage.twin.set_status(first[1], 5)
    stage.clock.advance(60)
    orders, cursor = sweep(connector, cursor)
    assert sorted(numbers(orders)) == [first[1], new]
    assert sweep(connector, cursor)[0] == []


def test_what_is_younger_than_the_bound_is_read_later(stage: Stage) -> None:
    stage.sell(ago=5)
    connector = stage.connector()
    orders, cursor = sweep(connector)
    assert orders == []
    stage.clock.advance(60)
    assert len(sweep(connector, cursor)[0]) == 1


def test_the_night_when_clocks_go_back_hides_nothing(stage: Stage) -> None:
    stage.clock.set(datetime(2026, 10, 25, 0, 50, tzinfo=UTC))  # 02:50, and ten minutes later 02:00 once more
    first = stage.sell(ago=60)
    connector = stage.connector()
    orders, cursor = sweep(connector)
    seen = numbers(orders)
    for _ in range(20):
        stage.clock.advance(600)
        first += stage.sell(ago=60)
        orders, cursor = sweep(connector, cursor)
        seen += numbers(orders)
    stage.clock.advance(7200)
    seen += numbers(sweep(connector, cursor)[0])
    assert sorted(seen) == first


CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 10_000), st.integers(1, 60)), max_size=2)


@settings(max_examples=12, deadline=None)
@example(count=100, newest_first=False, between=[[(False, 0, 30)]])
@example(count=100, newest_first=True, between=[[(False, 70, 30)]])
@given(count=st.integers(30, 130), newest_first=st.booleans(), between=st.lists(CHANGES, max_size=6))
def test_nothing_is_lost_while_orders_change_and_the_sweep_stops_after_each_page(
    count: int, newest_first: bool, between: list[list[tuple[bool, int, int]]]
) -> None:
    clock = VirtualClock(START)
    twin = ShoprenterTwin(clock, limited=False, switches=Switches(newest_first=newest_first, times_out_above=25))
    with serve(twin.app) as url:
        stage = Stage(twin, url, clock)
        first, calm = stage.sell(count), iter(between)
        seen: dict[int, Order] = {}
        cursor, more, pages = None, True, 0
        while more:
            page = stage.connector(line_options=False).fetch_orders(cursor)  # another process each time
            assert not {*numbers(page.orders)} & {number for number in seen if twin.book.orders[number].status == 1}
            seen |= dict(zip(numbers(page.orders), page.orders, strict=True))
            cursor, more, pages = page.cursor, page.more, pages + 1
            clock.advance(60)
            for arrive, where, many in next(calm, []):
                for number in first[where % count :][:many]:
                    if not arrive:
                        twin.set_status(number, 5)
                first += stage.sell(many, ago=0) if arrive else []
        assert pages == -(-count // 25)
        clock.advance(600)
        # What changed after the bound is seen by the next sweep, as it is then.
        for order in sweep(stage.connector(line_options=False), cursor)[0]:
            seen[int(order.id.value)] = order
    assert sorted(seen) == first
    codes = {number: base64.b64decode(order.status).decode().rpartition("=")[2] for number, order in seen.items()}
    assert codes == {number: str(order.status) for number, order in twin.book.orders.items()}


def test_the_same_cursor_gives_the_same_page(stage: Stage) -> None:
    stage.twin.set_switches(Switches(times_out_above=50))
    stage.sell(120)
    connector, cursor, more = stage.connector(), None, True
    while more:
        page = connector.fetch_orders(cursor)
        again = connector.fetch_orders(cursor)
        assert (again.orders, again.more) == (page.orders, page.more)
        cursor, more = page.cursor, page.more


def test_pages_are_halved_on_504_and_grow_again(stage: Stage) -> None:
    stage.twin.set_switches(Switches(times_out_above=60))
    wanted = stage.sell(130)
    connector = stage.connector()
    orders, cursor = sweep(connector)
    assert sorted(numbers(orders)) == wanted
    answered = [
        exchange.query for exchange in stage.twin.traffic if exchange.status == 200 and "limit=50" in exchange.query
    ]
    assert len(answered) == 4  # the pages are counted first
    assert cursor["limit"] == 100
    stage.twin.set_switches(Switches(times_out_above=1))
    with pytest.raises(Unavailable):
        connector.fetch_orders(cursor)


def test_more_orders_than_a_page_holds_are_read_by_full_pages(stage: Stage) -> None:
    wanted = stage.sell(401)
    orders, _ = sweep(stage.connector(line_options=False))
    assert sorted(numbers(orders)) == wanted
    assert sum(exchange.path == "/orderExtend" for exchange in stage.twin.traffic) == 4


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.TOO_MANY, RateLimited),
        (FaultKind.TOO_MANY_RETRY_AFTER, RateLimited),
        (FaultKind.SERVER_ERROR, Unavailable),
        (FaultKind.UNAVAILABLE, Unavailable),
        (FaultKind.RESET, Unavailable),
        (FaultKind.TIME_OUT, Unavailable),
        (FaultKind.TRUNCATED, Unavailable),
        (FaultKind.HTML, BadAnswer),
        (FaultKind.EMPTY, BadAnswer),
        (FaultKind.FAILURE_ENVELOPE, BadAnswer),
        (FaultKind.UNAUTHORISED, AuthError),
    ],
)
def test_a_lasting_fault_is_told_by_its_class(stage: Stage, kind: FaultKind, error: type[Exception]) -> None:
    stage.sell()
    connector = stage.connector()
    stage.twin.faults.add(Fault(kind, path="/orderExtend", times=None))
    with pytest.raises(error) as caught:
        connector.fetch_orders(None)
    assert type(caught.value) is error
    assert stage.twin.key not in str(caught.value) + repr(vars(caught.value))
    stage.twin.faults.clear()
    assert len(sweep(connector)[0]) == 1


@pytest.mark.parametrize(
    "kind", [FaultKind.TOO_MANY, FaultKind.SERVER_ERROR, FaultKind.RESET, FaultKind.TRUNCATED, FaultKind.SLOW_BODY]
)
def test_a_passing_fault_is_not_noticed(stage: Stage, kind: FaultKind) -> None:
    stage.sell()
    stage.twin.faults.add(Fault(kind))
    assert len(sweep(stage.connector())[0]) == 1


@pytest.mark.parametrize("kind", [FaultKind.UNAUTHORISED, FaultKind.EXPIRED_TOKEN])
def test_a_refused_token_is_renewed_once(stage: Stage, kind: FaultKind) -> None:
    stage.sell()
    stage.twin.faults.add(Fault(kind, path="/api/"))
    assert len(sweep(stage.connector(client=True))[0]) == 1
    assert len(stage.twin.book.tokens) == 2


def test_under_scattered_faults_nothing_is_missed(stage: Stage) -> None:
    wanted = stage.sell(160)
    stage.twin.set_switches(Switches(times_out_above=25, empty="mixed"))
    kinds = [kind for kind in FaultKind if kind not in (FaultKind.TIME_OUT, FaultKind.SLOW_BODY, FaultKind.REPEAT_PAGE)]
    stage.twin.faults.scatter(7, 0.2, kinds)
    connector, seen, cursor, more = stage.connector(client=True), set(), None, True
    while more:
        try:
            page = connector.fetch_orders(cursor)
        except (Unavailable, BadAnswer, AuthError):
            continue
        seen |= {*numbers(page.orders)}
        cursor, more = page.cursor, page.more
    assert sorted(seen) == wanted


@pytest.mark.parametrize("client", [False, True])
def test_secrets_are_in_no_log_and_no_error(stage: Stage, client: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stage.sell()
    connector = stage.connector(client=client)
    said = [connector.check_connection()]
    for kind in (FaultKind.UNAUTHORISED, FaultKind.HTML, FaultKind.SERVER_ERROR, FaultKind.FAILURE_ENVELOPE):
        stage.twin.faults.add(Fault(kind, times=None))
        for verb in (connector.check_connection, connector.map_status, lambda: connector.fetch_orders(None)):
            with pytest.raises((AuthError, BadAnswer, Unavailable)) as caught:
                verb()
            said.append(str(caught.value) + repr(vars(caught.value)))
        stage.twin.faults.clear()
    pair = base64.b64encode(f"apiuser:{stage.twin.key}".encode()).decode()
    tokens = [*stage.twin._tokens]
    for secret in (stage.twin.key, stage.twin.secret, pair, *tokens):
        assert secret not in caplog.text + "".join(said)
    assert bool(tokens) == client
    used = stage.twin.secret if client else stage.twin.key
    assert used not in SECRETS.redact(f"a text with {used}")


# --- goods -----------------------------------------------------------------------------------------------------------


def level(sku: str, quantity: int, remote_id: str | None = None, warehouse: str | None = None) -> StockLevel:
    return StockLevel(
        offer=Offer(id=sku, sku=sku, market="", remote_id=remote_id), quantity=quantity, warehouse=warehouse
    )


@pytest.mark.parametrize("empty", ["text", "array"])
def test_products_are_read_for_linking(stage: Stage, empty: Any) -> None:
    stage.twin.set_switches(Switches(empty=empty))
    parent = stage.twin.add_product("SHIRT", name="Ing", stock=3)
    stage.twin.add_product("SHIRT-M", name="Ing M", parent="SHIRT", gtin="5901234123457", price="1500.0000")
    page = stage.connector().fetch_products(None)
    shirt, medium = page.products
    assert not page.more
    assert base64.b64decode(shirt.remote_id) == f"product-product_id={parent}".encode()
    assert (shirt.sku, shirt.gtin, shirt.name, shirt.quantity, shirt.parent_id) == ("SHIRT", None, "Ing", 3, None)
    assert shirt.price == Money(amount=Decimal("1270"), currency="HUF")
    assert (medium.gtin, medium.parent_id, medium.name) == ("5901234123457", shirt.remote_id, "Ing M")


def test_products_are_read_page_by_page(stage: Stage) -> None:
    stage.twin.set_switches(Switches(times_out_above=50))
    for number in range(120):
        stage.twin.add_product(f"SKU-{number}")
    connector, found, cursor, more = stage.connector(), [], None, True
    while more:
        page = connector.fetch_products(cursor)
        found += [str(product.sku) for product in page.products]
        cursor, more = page.cursor, page.more
    assert sorted(found) == sorted(f"SKU-{number}" for number in range(120))
    assert connector.fetch_products(cursor) == connector.fetch_products(None)


@pytest.mark.parametrize("client", [False, True])
def test_stock_is_set_by_id_or_sku_and_each_refusal_is_its_own(stage: Stage, client: bool) -> None:
    for sku in ("A", "B", "C"):
        stage.twin.add_product(sku)
    connector = stage.connector(client=client)
    ids = {product.sku: product.remote_id for product in connector.fetch_products(None).products}
    levels = (level("A", 5, ids["A"]), level("B", 7), level("X", 1), level("Y", 2, "bm90aGluZw=="))
    results = connector.push_stock((*levels, level("C", 9, ids["C"], "stock3")))
    assert [(result.item, result.accepted) for result in results] == [
        ("A", True),
        ("B", True),
        ("X", False),
        ("Y", False),
        ("C", True),
    ]
    assert "no product with the sku X" in results[2].words
    assert [stage.twin.book.stock_of(sku)["stock1"] for sku in ("A", "B", "C")] == [5, 7, 0]
    assert stage.twin.book.stock_of("C")["stock3"] == 9
    assert sum(exchange.path.endswith("/batch") for exchange in stage.twin.traffic) == 1


def test_stock_goes_to_the_warehouse_of_the_settings(stage: Stage) -> None:
    stage.twin.add_product("A")
    stage.connector(stock="stock4").push_stock((level("A", 5),))
    assert stage.twin.book.stock_of("A") == {"stock1": 0, "stock2": 0, "stock3": 0, "stock4": 5}


def test_stock_without_permission_stops_the_account(stage: Stage) -> None:
    stage.twin.add_product("A")
    stage.twin.set_switches(Switches(scopes=("product.product:read",)))
    with pytest.raises(AuthError, match="forbids this"):
        stage.connector(client=True).push_stock((level("A", 5),))


@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER_WRITE, FaultKind.HALF_ACCEPTED, FaultKind.TOO_MANY])
def test_stock_arrives_whole(stage: Stage, fault: FaultKind) -> None:
    names = [f"SKU-{number}" for number in range(40)]
    for name in names:
        stage.twin.add_product(name)
    stage.twin.faults.add(Fault(fault, method="POST"))
    results = stage.connector().push_stock(tuple(level(name, 3) for name in names))
    assert all(result.accepted for result in results)
    assert {stage.twin.book.stock_of(name)["stock1"] for name in names} == {3}


# --- answers that the twin never gives -------------------------------------------------------------------------------


def answering(stage: Stage, *bodies: Any) -> Connector:
    """Return a connector to a shop that gives these answers, one after the other."""
    connector, answers = stage.connector(), iter(bodies)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=next(answers)))
    settings_made = connector.account.settings
    http = Http(account_id="a", plugin=PLUGIN, settings=settings_made, clock=stage.clock, transport=transport)
    return Connector(connector.loaded, replace(connector.account, http=http))


def parts(*answers: tuple[int, Any]) -> dict[str, Any]:
    told = [{"response": {"header": {"statusCode": str(status)}, "body": body}} for status, body in answers]
    return {"requests": {"request": told}}


@pytest.mark.parametrize("status", [429, 500, 504])
def test_a_part_that_the_shop_could_not_do_leaves_all_levels_pending(stage: Stage, status: int) -> None:
    with pytest.raises(Unavailable, match=f"cannot do this now .{status}"):
        answering(stage, parts((200, {}), (status, {}))).push_stock((level("A", 1), level("B", 1)))


def test_a_batch_with_too_few_answers_is_not_understood(stage: Stage) -> None:
    with pytest.raises(BadAnswer, match="1 answers to 2 requests"):
        answering(stage, parts((200, {}))).push_stock((level("A", 1), level("B", 1)))


def test_a_status_that_the_answer_does_not_confirm_is_refused(stage: Stage) -> None:
    found = {"items": [{"href": "https://x.api.myshoprenter.hu/orders/b3JkZXI="}]}
    kept = {"orderStatus": {"href": "https://x.api.myshoprenter.hu/orderStatuses/OLD"}}
    connector = answering(stage, parts((200, found)), parts((200, kept)))
    (result,) = connector.push_status((StatusUpdate(order=RemoteId(kind="order", value="101"), status="NEW"),))
    assert not result.accepted
    assert "answers with the status OLD, not with NEW" in result.words


def test_a_listing_that_does_not_count_its_pages_is_not_understood(stage: Stage) -> None:
    with pytest.raises(BadAnswer, match="does not say how many pages"):
        answering(stage, {"items": [], "next": {"href": "x"}}).fetch_orders(None)
