"""The Miinto plugin against the Miinto twin: both were written from the same sheet, and neither knows the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bare_account import connect
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.core.connector import Connector
from crossdock.core.errors import AuthError, BadAnswer, ConfigError, NotFound, RateLimited, Rejected, Unavailable
from crossdock.core.model import (
    Decision,
    DeclinedLine,
    Intent,
    LineOutcome,
    Money,
    Offer,
    Order,
    Outcome,
    Pending,
    RemoteId,
    Shipment,
    StatusUpdate,
    StockLevel,
)
from crossdock.twins.kit import Fault, FaultKind, VirtualClock, serve
from crossdock.twins.miinto import MiintoTwin, NewTransfer, Rivals, Switches

START = datetime(2024, 3, 1, 7, tzinfo=UTC)
SHIRT = {"gtin": "5901234123457", "name": "Shirt", "brand": "Acme", "productId": "P-1"}
SCARF = {"gtin": "5901234123464", "name": "Scarf", "brand": "Acme", "productId": "P-2"}
SALE = [{"quantity": 1, "price": 29900, "item": SHIRT}, {"quantity": 2, "price": 4900, "item": SCARF}]


class Stage:
    """A served twin, and connectors to it that share its clock."""

    def __init__(self, twin: MiintoTwin, url: str, clock: VirtualClock) -> None:
        self.twin, self.url, self.clock = twin, url, clock
        self._numbers = itertools.count(1)

    def connect(self, *markets: str, **given: Any) -> tuple[Connector, str]:
        """Open an account with a shop in each market; return its connector and the first shop."""
        number = next(self._numbers)
        seller = self.twin.add_account(f"seller{number}@example.com", "secret of a test", markets or ("pl",))
        return self.connector(seller.identifier, **given), next(iter(seller.shops))

    def connector(self, identifier: str, secret: str = "secret of a test", **given: Any) -> Connector:
        values = {"identifier": identifier, "secret": secret, "endpoint": self.url} | given
        return connect("miinto", values, self.clock, account=identifier, timeout=0.5)

    def propose(self, shop: str, count: int, **given: Any) -> list[int]:
        return self.twin.add_transfers([NewTransfer(shop=shop, positions=SALE, **given)] * count)


@pytest.fixture
def stage() -> Iterator[Stage]:
    clock = VirtualClock(START)
    twin = MiintoTwin(clock)
    with serve(twin.app) as url:
        yield Stage(twin, url, clock)


@pytest.fixture(scope="module")
def shared_stage() -> Iterator[Stage]:
    """One twin for all examples of a property: each opens an account of its own."""
    clock = VirtualClock(START)
    twin = MiintoTwin(clock)
    with serve(twin.app) as url:
        yield Stage(twin, url, clock)


def sweep(connector: Connector, cursor: Mapping[str, Any] | None = None) -> tuple[list[Order], Mapping[str, Any]]:
    """Read one sweep to its end."""
    orders: list[Order] = []
    while True:
        page = connector.fetch_orders(cursor)
        orders += page.orders
        cursor = page.cursor
        if page.sweep == "complete":
            assert not page.more
            return orders, cursor
        assert page.more


def only(connector: Connector) -> Order:
    (proposal,) = (order for order in sweep(connector)[0] if order.proposal)
    return proposal


def take(order: Order, count: int = 2) -> Decision:
    accepted, declined = order.lines[:count], order.lines[count:]
    return Decision(
        accepted=tuple(line.id for line in accepted),
        declined=tuple(DeclinedLine(id=line.id, reason="out of stock") for line in declined),
    )


def ids(orders: list[Order], kind: str = "transfer") -> list[int]:
    return [int(order.id.value) for order in orders if order.id.kind == kind]


# --- connection ------------------------------------------------------------------------------------------------------


def test_the_connection_names_all_seven_shops(stage: Stage) -> None:
    connector = stage.connector("seller@example.com", "secret-of-twin-0")
    told = connector.check_connection()
    assert "7 shop(s)" in told
    for shop in stage.twin.account.shops.values():
        assert f"{shop.id} (market {shop.market}, by its privileges; proposals waiting: 0)" in told


def test_wrong_data_missing_permission_and_a_closed_shop_are_told_apart(stage: Stage) -> None:
    connector, shop = stage.connect()
    with pytest.raises(AuthError, match="wrong identifier or secret"):
        stage.connector(connector.account.settings.identifier, "a wrong one").check_connection()
    stage.twin.add_account("empty@example.com", "secret of a test", empty_privileges=True)
    with pytest.raises(AuthError, match="open no shop"):
        stage.connector("empty@example.com").check_connection()
    stage.twin.set_shop_active(shop, False)
    with pytest.raises(AuthError, match=f"credentials are right.*{shop}.*not active"):
        connector.check_connection()
    with pytest.raises(Rejected, match="not active"):
        connector.fetch_orders(None)


def test_every_signature_was_for_the_host_without_port(stage: Stage) -> None:
    stage.connector("seller@example.com", "secret-of-twin-0").check_connection()
    notes = [str(exchange.notes) for exchange in stage.twin.traffic if exchange.path.startswith("/shops/")]
    assert len(notes) == 7
    assert all("'host'" in note for note in notes)


def test_a_strict_timestamp_window_is_met(stage: Stage) -> None:
    stage.twin.set_switches(Switches(timestamp_window=1.0))
    connector, _ = stage.connect()
    assert "proposals waiting: 0" in connector.check_connection()


def test_a_channel_that_dies_in_the_middle_is_renewed_once(stage: Stage) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 60)
    first = connector.fetch_orders(None)
    stage.twin.forget_tokens()
    rest, _ = sweep(connector, first.cursor)
    assert {*ids([*first.orders, *rest])} == {*stage.twin.book.transfers}
    assert len(stage.twin.book.channels) == 2


# --- markets ---------------------------------------------------------------------------------------------------------


def test_prices_are_in_the_currency_of_the_shop(stage: Stage) -> None:
    connector = stage.connector("seller@example.com", "secret-of-twin-0")
    for shop in stage.twin.account.shops.values():
        stage.propose(shop.id, 1)
    currencies = {order.market: order.lines[0].price for order in sweep(connector)[0]}
    assert currencies == {
        market: Money(amount=Decimal("299.00"), currency=currency)
        for market, currency in zip("pl se no ch be nl dk".split(), "PLN SEK NOK CHF EUR EUR DKK".split(), strict=True)
    }


def test_a_rehearsal_market_is_named_by_the_settings(stage: Stage) -> None:
    connector, shop = stage.connect("test")
    stage.propose(shop, 1, currency="GBP")
    with pytest.raises(ConfigError, match=f"{shop} has no currency"):
        sweep(connector)
    named = {"shop_markets": {shop: "test"}, "extra_markets": {"test": "GBP"}}
    connector = stage.connector(connector.account.settings.identifier, **named)
    proposal = only(connector)
    assert (proposal.market, proposal.lines[0].price.currency) == ("test", "GBP")
    connector.accept_order(proposal, take(proposal))
    (order,) = sweep(connector)[0]
    assert order.payment is not None
    assert order.payment.paid == Money(amount=Decimal("397.00"), currency="GBP")


# --- sweeps ----------------------------------------------------------------------------------------------------------


def test_an_idle_poll_costs_two_requests_for_each_shop(stage: Stage) -> None:
    connector = stage.connector("seller@example.com", "secret-of-twin-0")
    shop = stage.twin.account.shop_in("se")
    for number in stage.propose(shop, 70):
        stage.twin.accept_in_panel(number, [*stage.twin.book.transfers[number].positions])
    _, cursor = sweep(connector)
    before = len(stage.twin.traffic)
    orders, _ = sweep(connector, cursor)
    assert len(stage.twin.traffic) - before == 14
    assert orders == []


EVENTS = st.lists(
    st.tuples(st.sampled_from(["accept", "withdraw", "arrive", "expire"]), st.integers(0, 999), st.integers(1, 30)),
    max_size=2,
)


@settings(max_examples=20)
@given(count=st.integers(45, 170), between=st.lists(EVENTS, max_size=12))
def test_nothing_that_stays_pending_is_missed(
    shared_stage: Stage, count: int, between: list[list[tuple[str, int, int]]]
) -> None:
    connector, shop = shared_stage.connect()
    twin = shared_stage.twin
    twin.add_transfers(
        NewTransfer(shop=shop, positions=SALE[:1], created_at=START - timedelta(seconds=count - number))
        for number in range(count)
    )
    stayed, seen, cursor, calm = pending(twin, shop), set(), None, iter(between)
    while True:
        page = connector.fetch_orders(cursor)
        seen |= {*ids(list(page.orders))}
        cursor = page.cursor
        if page.sweep == "complete":
            break
        for event, where, many in next(calm, []):
            disturb(shared_stage, shop, event, where, many)
        stayed &= pending(twin, shop)
    assert stayed <= seen


def pending(twin: MiintoTwin, shop: str) -> set[int]:
    return {number for number, row in twin.book.transfers.items() if row.shop.id == shop and row.pending}


def disturb(stage: Stage, shop: str, event: str, where: int, many: int) -> None:
    twin = stage.twin
    there = sorted(pending(twin, shop))
    begin = where % (len(there) + 1)
    if event == "arrive":
        stage.propose(shop, many)
    elif event == "expire":
        twin.forget_tokens()
    else:
        for number in there[begin : begin + many]:
            if event == "accept":
                twin.accept_in_panel(number, [*twin.book.transfers[number].positions])
            else:
                twin.withdraw(number)


@settings(max_examples=10)
@given(waiting=st.integers(0, 120), won=st.integers(0, 120))
def test_the_same_cursor_gives_the_same_page(shared_stage: Stage, waiting: int, won: int) -> None:
    connector, shop = shared_stage.connect("pl", "se")
    shared_stage.propose(shop, waiting)
    for number in shared_stage.propose(shop, won):
        shared_stage.twin.accept_in_panel(number, [*shared_stage.twin.book.transfers[number].positions][:1])
    cursor, sweeps = None, 0
    while sweeps < 2:
        page = connector.fetch_orders(cursor)
        assert connector.fetch_orders(cursor) == page
        cursor = page.cursor
        sweeps += page.sweep == "complete"


def test_orders_that_come_in_late_are_seen(stage: Stage) -> None:
    connector, shop = stage.connect()
    numbers = stage.twin.add_transfers(
        NewTransfer(shop=shop, positions=SALE, created_at=START - timedelta(minutes=number)) for number in range(150)
    )
    late = numbers.pop(140)
    for number in numbers:
        stage.twin.accept_in_panel(number, [*stage.twin.book.transfers[number].positions])
    orders, cursor = sweep(connector)
    assert len({*ids(orders, "order")}) == 149
    won = stage.twin.accept_in_panel(late, [*stage.twin.book.transfers[late].positions])
    orders, _ = sweep(connector, cursor)
    assert won in ids(orders, "order")


# --- acceptance ------------------------------------------------------------------------------------------------------


def test_a_won_transfer_becomes_the_order_that_the_list_shows(stage: Stage) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    proposal = only(connector)
    acceptance = connector.accept_order(proposal, take(proposal, 1))
    first, second = (line.id for line in proposal.lines)
    assert acceptance.lines == {first: LineOutcome.WON, second: LineOutcome.DECLINED}
    (order,) = sweep(connector)[0]
    assert acceptance.remote_ids == (order.id,)
    assert order.id == RemoteId(kind="order", scope=shop, value="77001")
    assert order.lines == proposal.lines[:1]
    assert order.placed_at == proposal.placed_at == START
    assert order.shipping is not None
    assert (order.shipping.name, order.shipping.country) == ("Anna Example", "PL")
    assert connector.fetch_order(order) == order
    with pytest.raises(NotFound):
        connector.fetch_order(proposal)


def test_twice_is_once(stage: Stage) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    proposal = only(connector)
    once = connector.accept_order(proposal, take(proposal, 1))
    assert connector.accept_order(proposal, take(proposal, 1)) == once
    assert len(stage.twin.book.orders) == 1


def test_a_lost_race(stage: Stage) -> None:
    connector, shop = stage.connect()
    stage.twin.set_rivals(Rivals(seed=1, share=1.0))
    stage.propose(shop, 1)
    proposal = only(connector)
    acceptance = connector.accept_order(proposal, take(proposal))
    assert {*acceptance.lines.values()} == {LineOutcome.LOST}
    assert acceptance.remote_ids == ()
    assert sweep(connector)[0] == []


def test_declining_all(stage: Stage) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    proposal = only(connector)
    for _ in range(2):
        acceptance = connector.accept_order(proposal, take(proposal, 0))
        assert {*acceptance.lines.values()} == {LineOutcome.DECLINED}
    assert stage.twin.book.orders == {}


def test_what_was_accepted_in_the_panel_is_imported(stage: Stage) -> None:
    connector, shop = stage.connect()
    (number,) = stage.propose(shop, 1)
    proposal = only(connector)
    order_id = stage.twin.accept_in_panel(number, [int(line.id) for line in proposal.lines])
    (order,) = sweep(connector)[0]
    assert int(order.id.value) == order_id
    assert order.lines == proposal.lines
    with pytest.raises(NotFound):
        connector.fetch_order(proposal)


def test_a_waiting_transfer_is_still_pending(stage: Stage) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 120)
    proposals = [order for order in sweep(connector)[0] if order.proposal]
    assert connector.fetch_order(proposals[-1]) == Pending()


def test_an_old_address_and_all_positions_are_read(stage: Stage) -> None:
    stage.twin.set_switches(Switches(old_country_field=True, show_all_positions=True))
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    proposal = only(connector)
    connector.accept_order(proposal, Decision(accepted=(proposal.lines[0].id,)))
    orders, _ = sweep(connector)
    order = next(order for order in orders if not order.proposal)
    assert order.billing is not None
    assert order.billing.country == "PL"
    assert f"to be decided at Miinto: position {proposal.lines[1].id}" in order.comment
    assert only(connector).lines == proposal.lines[1:]


# --- outcomes that nobody told ---------------------------------------------------------------------------------------

AFTER = [FaultKind.ERROR_AFTER_WRITE, FaultKind.RESET_AFTER_WRITE, FaultKind.TRUNCATED]
BEFORE = [FaultKind.SERVER_ERROR, FaultKind.RESET, FaultKind.TIME_OUT, FaultKind.UNAVAILABLE]


def outcome(connector: Connector, proposal: Order, decision: Decision) -> Outcome | Pending | None:
    intent = Intent(id=1, verb="accept_order", made_at=START, order=proposal, decision=decision)
    return connector.find_outcome(intent)


@pytest.mark.parametrize("kind", [*AFTER, *BEFORE])
@pytest.mark.parametrize("race", ["won", "lost"])
def test_the_outcome_is_found_after_a_crash(stage: Stage, kind: FaultKind, race: str) -> None:
    connector, shop = stage.connect()
    stage.twin.set_rivals(Rivals(seed=1, share=1.0) if race == "lost" else None)
    (number,) = stage.propose(shop, 1)
    proposal = only(connector)
    decision = take(proposal, 1)
    stage.twin.faults.add(Fault(kind, method="PATCH"))
    with pytest.raises(Unavailable) as caught:
        connector.accept_order(proposal, decision)
    assert caught.value.unclear
    assert len(stage.twin.book.transfers[number].answers) == (1 if kind in AFTER else 0)
    if kind in BEFORE:
        assert outcome(connector, proposal, decision) == Pending()
        return
    found = outcome(connector, proposal, decision)
    assert isinstance(found, Outcome)
    assert found.acceptance is not None
    expected = LineOutcome.WON if race == "won" else LineOutcome.LOST
    assert [*found.acceptance.lines.values()] == [expected, LineOutcome.DECLINED]
    assert [name.kind for name in found.acceptance.remote_ids] == (["order"] if race == "won" else [])


def test_the_outcome_is_found_among_the_orders_of_a_whole_day(stage: Stage) -> None:
    connector, shop = stage.connect()
    for number in stage.propose(shop, 120, created_at=START - timedelta(hours=3)):
        stage.twin.accept_in_panel(number, [*stage.twin.book.transfers[number].positions])
    stage.propose(shop, 1)
    proposal = only(connector)
    decision = take(proposal)
    won = connector.accept_order(proposal, decision)
    assert outcome(connector, proposal, decision) == Outcome(acceptance=won)


@pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.EMPTY])
def test_an_acceptance_answered_with_nonsense_is_unclear(stage: Stage, kind: FaultKind) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    proposal = only(connector)
    stage.twin.faults.add(Fault(kind, method="PATCH"))
    with pytest.raises(BadAnswer) as caught:
        connector.accept_order(proposal, take(proposal))
    assert caught.value.unclear


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.TOO_MANY, RateLimited),
        (FaultKind.TOO_MANY_RETRY_AFTER, RateLimited),
        (FaultKind.TOO_MANY_RETRY_AFTER_DATE, RateLimited),
        (FaultKind.SERVER_ERROR, Unavailable),
        (FaultKind.UNAVAILABLE, Unavailable),
        (FaultKind.RESET, Unavailable),
        (FaultKind.TIME_OUT, Unavailable),
        (FaultKind.TRUNCATED, Unavailable),
        (FaultKind.HTML, BadAnswer),
        (FaultKind.EMPTY, BadAnswer),
        (FaultKind.FAILURE_ENVELOPE, Rejected),
        (FaultKind.UNAUTHORISED, AuthError),
        (FaultKind.EXPIRED_TOKEN, AuthError),
    ],
)
def test_a_lasting_fault_is_told_by_its_class(stage: Stage, kind: FaultKind, error: type[Exception]) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    stage.twin.faults.add(Fault(kind, path="/transfers", times=None))
    with pytest.raises(error) as caught:
        connector.fetch_orders(None)
    assert type(caught.value) is error
    assert "secret of a test" not in str(caught.value)
    stage.twin.faults.clear()
    assert only(connector).lines


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.TOO_MANY,
        FaultKind.SERVER_ERROR,
        FaultKind.RESET,
        FaultKind.TRUNCATED,
        FaultKind.FAILURE_ENVELOPE,
        FaultKind.UNAUTHORISED,
        FaultKind.EXPIRED_TOKEN,
        FaultKind.SLOW_BODY,
    ],
)
def test_a_passing_fault_is_not_noticed(stage: Stage, kind: FaultKind) -> None:
    connector, shop = stage.connect()
    stage.propose(shop, 1)
    stage.twin.faults.add(Fault(kind, path="/shops/"))
    assert only(connector).lines


def test_a_repeated_page_is_told_and_read_again(stage: Stage) -> None:
    connector, shop = stage.connect()
    numbers = stage.propose(shop, 90)
    stage.twin.faults.add(Fault(FaultKind.REPEAT_PAGE, path="/transfers"))
    first = connector.fetch_orders(None)
    with pytest.raises(BadAnswer, match="shows the page before it once more"):
        connector.fetch_orders(first.cursor)
    rest, _ = sweep(connector, first.cursor)
    assert {*ids([*first.orders, *rest])} == {*numbers}


def test_under_scattered_faults_nothing_is_missed_and_nothing_won_twice(stage: Stage) -> None:
    connector, shop = stage.connect()
    numbers = stage.propose(shop, 60)
    stage.twin.faults.scatter(
        7, 0.2, [kind for kind in FaultKind if kind not in (FaultKind.TIME_OUT, FaultKind.SLOW_BODY)]
    )
    seen: dict[RemoteId, Order] = {}
    cursor, complete = None, False
    while not complete:
        try:
            page = connector.fetch_orders(cursor)
        except (Unavailable, BadAnswer, Rejected, AuthError):
            continue
        seen |= {order.id: order for order in page.orders}
        cursor, complete = page.cursor, page.sweep == "complete"
    assert {int(name.value) for name in seen} == {*numbers}
    won = 0
    for order in seen.values():
        won += accepted_at_last(connector, order)
    assert won == 60
    assert len(stage.twin.book.orders) == 60


def accepted_at_last(connector: Connector, order: Order) -> bool:
    """Accept as the engine does: ask for the outcome whenever a call ended without one."""
    decision, found = take(order), None
    while True:
        try:
            found = found or outcome(connector, order, decision)
            if isinstance(found, Outcome):
                assert found.acceptance is not None
                return {*found.acceptance.lines.values()} == {LineOutcome.WON}
            found = Outcome(acceptance=connector.accept_order(order, decision))
        except (Unavailable, BadAnswer, Rejected, AuthError):
            found = None


# --- goods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bare", [False, True])
def test_lines_without_gtin_get_their_sku_from_the_product_map(stage: Stage, bare: bool) -> None:
    stage.twin.set_switches(Switches(leave_out_gtin=True, bare_product_map=bare))
    connector, shop = stage.connect()
    stage.twin.set_product_map(shop, [["G-1", "SKU-1", "5901234123457", "P-1"], ["P-2", "SKU-2", "", "uuid-2"]])
    stage.propose(shop, 60)
    proposals = [order for order in sweep(connector)[0] if order.proposal]
    assert {tuple((line.gtin, line.sku) for line in order.lines) for order in proposals} == {
        ((None, "SKU-1"), (None, "SKU-2"))
    }
    assert sum(exchange.path == "/productmaps" for exchange in stage.twin.traffic) == 1


def test_products_are_read_shop_by_shop(stage: Stage) -> None:
    connector, shop = stage.connect("pl", "se")
    for number, name in enumerate(sorted(stage.twin.accounts[connector.account.id].shops)):
        stage.twin.set_product_map(name, [["G", f"SKU-{number}", "5901234123457", f"uuid-{number}"]])
    first = connector.fetch_products(None)
    second = connector.fetch_products(first.cursor)
    assert (first.more, second.more) == (True, False)
    told = [(row.market, row.sku, row.remote_id, row.keys) for row in (*first.products, *second.products)]
    assert told == [("se", "SKU-0", "uuid-0", {"group": "G"}), ("pl", "SKU-1", "uuid-1", {"group": "G"})]
    assert shop == second.products[0].scope
    assert connector.fetch_products(second.cursor) == first


def level(shop: str, number: int, quantity: int) -> StockLevel:
    keys = {"group": f"G-{number}", "brand": "Acme", "color": "Black/Żółty", "size": "M"}
    offer = Offer(id=str(number), sku=f"SKU-{number}", market="pl", scope=shop, keys=keys)
    return StockLevel(offer=offer, quantity=quantity)


def stock(stage: Stage, shop: str) -> dict[str, int]:
    return {variant.group: units for variant, units in stage.twin.book.stock[shop].items()}


@pytest.mark.parametrize("fault", [None, FaultKind.HALF_ACCEPTED, FaultKind.RESET_AFTER_WRITE, FaultKind.TOO_MANY])
def test_stock_arrives_whole(stage: Stage, fault: FaultKind | None) -> None:
    connector, shop = stage.connect()
    if fault:
        stage.twin.faults.add(Fault(fault, method="PATCH"))
    results = connector.push_stock(tuple(level(shop, number, number) for number in range(40)))
    assert all(result.accepted for result in results)
    assert stock(stage, shop) == {f"G-{number}": number for number in range(40)}


def test_an_unknown_variant_does_not_hold_back_the_others(stage: Stage) -> None:
    stage.twin.set_switches(Switches(fail_unknown_variants=True))
    connector, shop = stage.connect()
    for number in (0, 1, 3):
        stage.twin.list_variant(shop, **level(shop, number, 0).offer.keys)
    results = connector.push_stock(tuple(level(shop, number, 5) for number in range(4)))
    assert [result.accepted for result in results] == [True, True, False, True]
    assert "unknown variants" in results[2].words
    assert stock(stage, shop) == {"G-0": 5, "G-1": 5, "G-3": 5}


def test_tracking_behind_its_switch(stage: Stage) -> None:
    connector, shop = stage.connect(unconfirmed_writes=True)
    stage.propose(shop, 1)
    proposal = only(connector)
    connector.accept_order(proposal, take(proposal))
    (order,) = sweep(connector)[0]
    update = StatusUpdate(order=order.id, shipments=(Shipment(tracking="PL123", carrier="2"),))
    assert [result.accepted for result in connector.push_status((update,))] == [True]
    written = stage.twin.book.orders[int(order.id.value)].shipping
    assert written == {int(line.id): {"trackAndTrace": "PL123", "shippingProviderId": "2"} for line in order.lines}
    wrong = replace(update, shipments=(Shipment(tracking="PL123", carrier="9"),))
    assert "none of those that Miinto allows here: 1, 2" in connector.push_status((wrong,))[0].words
