"""Orders taken in: once, whole, with their reservations; however often and in whatever order pages come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, insert, select

from crossdock.core.config import Options
from crossdock.core.model import Address, Meaning, Money, Order, OrderLine, PlatformStatus, RemoteId
from crossdock.core.store import Store, Write, accounts, catalog, journal, order_intake, order_outcome, orders, statuses
from crossdock.core.store import stock as ledger
from crossdock.core.store.order_intake import Intake, Taken
from crossdock.core.store.orders import LineState, OrderRow, OrderState
from crossdock.core.store.tables import metadata, order_copies, warehouses
from crossdock.core.store.tables import orders as order_table
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
STATUSES = (
    PlatformStatus(code="pending", label="Pending", meaning=Meaning.PENDING),
    PlatformStatus(code="accepted", label="Accepted", meaning=Meaning.NEW),
    PlatformStatus(code="sent", label="Sent", meaning=Meaning.SHIPPED),
    PlatformStatus(code="void", label="Void", meaning=Meaning.CANCELLED),
    PlatformStatus(code="odd", label="Odd"),
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(START))
    metadata.create_all(store.engine)
    with store.write() as tx:
        tx.execute(insert(warehouses), [{"name": "main", "title": ""}, {"name": "shop", "title": ""}])
        statuses.create_defaults(tx)
    yield store
    store.close()


@pytest.fixture
def intake(store: Store) -> Intake:
    with store.write() as tx:
        account = accounts.create(tx, platform="acme", name="one", settings={}, options={})
        statuses.save_platform(tx, account.id, STATUSES)
        drafts = [
            catalog.VariantDraft(sku="SHIRT", name="Shirt", gtin="5901234123457", vat_rates={"PL": Decimal(8)}),
            catalog.VariantDraft(sku="HAT", name="Hat"),
            catalog.VariantDraft(sku="BOOK", name="Book", vat_rates={"*": Decimal(5)}),
        ]
        catalog.upsert(tx, drafts)
        for variant in catalog.ids_by_sku(tx, ["SHIRT", "HAT"]).values():
            count = ledger.Count(variant_id=variant, warehouse="main", quantity=10)
            ledger.count(tx, [count], source="test", as_of=tx.now)
    options = Options(vat_rate=Decimal(23), warehouses=("main", "shop"))
    return Intake(account=account.id, options=options, countries={"pl": "PL"}, sweep=1)


def line(
    number: int, sku: str | None = "SHIRT", quantity: int = 1, *, price: str = "10.00", **more: object
) -> OrderLine:
    cost = Money(amount=Decimal(price), currency="PLN")
    return OrderLine(id=str(number), name=sku or "?", sku=sku, quantity=quantity, price=cost, **more)  # type: ignore[arg-type] # any field


def proposal(number: int, *lines: OrderLine, **more: object) -> Order:
    values = {"id": RemoteId(kind="transfer", scope="s1", value=str(number)), "status": "pending", "proposal": True}
    return Order(market="pl", placed_at=START, lines=lines, **(values | more))  # type: ignore[arg-type] # any field


def order(number: int, *lines: OrderLine, **more: object) -> Order:
    values = {"id": RemoteId(kind="order", scope="s1", value=str(number)), "status": "accepted", "proposal": False}
    return Order(market="pl", placed_at=START, lines=lines, **(values | more))  # type: ignore[arg-type] # any field


def take(store: Store, intake: Intake, *page: Order) -> Taken:
    with store.write() as tx:
        return order_intake.take_in(tx, intake, page)


def kept(store: Store) -> list[OrderRow]:
    with store.read() as tx:
        return orders.get_many(tx, tx.execute(select(order_table.c.id)).scalars())


def units(store: Store, sku: str = "SHIRT") -> tuple[int, int]:
    with store.read() as tx:
        variant = catalog.ids_by_sku(tx, [sku])[sku]
        level = ledger.levels(tx, [variant])[variant, "main"]
        return level.on_hand, level.reserved


def story(store: Store) -> list[str]:
    with store.read() as tx:
        return [entry.kind.value for entry in journal.read(tx, 0)]


# --- coming in -------------------------------------------------------------------------------------------------------


def test_a_proposal_waits_with_its_units_reserved(store: Store, intake: Intake) -> None:
    taken = take(store, intake, proposal(1, line(11, quantity=3), line(12, "HAT", 20)))
    (row,) = kept(store)
    assert taken.added == [row.id]
    assert row.state is OrderState.PROPOSED
    assert [(part.reserved, part.warehouse, part.short) for part in row.lines] == [(3, "main", False), (0, None, False)]
    assert units(store) == (10, 3)
    assert story(store) == ["created"]


def test_a_page_twice_is_a_page_once(store: Store, intake: Intake) -> None:
    page = (proposal(1, line(11, quantity=3)), order(7, line(71, "HAT", 2)))
    take(store, intake, *page)
    before = kept(store), story(store), units(store), units(store, "HAT")
    again = take(store, intake, *page)
    assert (again.added, again.changed, again.unchanged) == ([], [], 2)
    assert (kept(store), story(store), units(store), units(store, "HAT")) == before


def test_a_full_page_takes_as_many_statements_as_a_single_order(store: Store, intake: Intake) -> None:
    seen: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))

    def statements(*page: Order) -> int:
        seen.clear()
        take(store, intake, *page)
        return len(seen)

    one = order(1, line(11), line(12, "HAT", 20))
    many = [order(number, line(11), line(12, "HAT", 20)) for number in range(2, 12)]
    alone = statements(one)
    assert statements(*many) == alone
    assert statements(*many) == statements(one)  # unchanged by now


def test_what_is_undecided_is_found_in_an_order_won_in_part_too(store: Store, intake: Intake) -> None:
    take(store, intake, proposal(1, line(11), line(12, "HAT", 2)), proposal(2, line(21)), order(7, line(71)))
    first, second, _ = kept(store)
    with store.write() as tx:
        assert settle(tx, first, won=["11"]) is OrderState.OPEN
        settle(tx, second, lost=["21"])
    with store.read() as tx:
        assert orders.select_ids(tx, undecided=True) == [first.id]


def test_two_kinds_of_number_never_mix(store: Store, intake: Intake) -> None:
    take(store, intake, proposal(1, line(11)), order(1, line(11, "HAT")))
    assert [row.state for row in kept(store)] == [OrderState.PROPOSED, OrderState.OPEN]


def test_orders_from_before_the_account_began_are_left_alone(store: Store, intake: Intake) -> None:
    taken = take(store, replace(intake, not_before=START + timedelta(seconds=1)), order(1, line(11)))
    assert (taken.early, kept(store)) == (1, [])


def test_an_order_sold_elsewhere_that_finds_no_stock_is_short_and_served_later(store: Store, intake: Intake) -> None:
    taken = take(store, intake, order(1, line(11, quantity=12)))
    (row,) = kept(store)
    assert taken.short == [(row.id, "SHIRT")]
    assert (row.lines[0].short, row.lines[0].reserved) == (True, 0)
    with store.write() as tx:
        ledger.adjust(tx, row.lines[0].variant_id or 0, "main", 5, cause="delivery")
    (row,) = kept(store)
    assert (row.lines[0].short, row.lines[0].reserved) == (False, 12)


def test_an_unknown_status_parks_the_order_loudly(store: Store, intake: Intake) -> None:
    taken = take(store, intake, order(1, line(11), status="odd"))
    (row,) = kept(store)
    assert row.parked_code == "unknown_status"
    assert "odd" in taken.parked[row.id]
    assert story(store) == ["created", "parked"]


@pytest.mark.parametrize(
    ("changes", "rate", "source", "net"),
    [
        pytest.param({}, "8", "product PL", "9.2593", id="the product's rate for the country"),
        pytest.param({"sku": "BOOK"}, "5", "product *", "9.5238", id="or the one for any other country"),
        pytest.param({"sku": "HAT"}, "23", "account", "8.1301", id="else the account's"),
        pytest.param({"vat_rate": Decimal(5)}, "5", "platform", "9.5238", id="what the platform charged comes first"),
    ],
)
def test_vat_keeps_rate_source_and_net(
    store: Store, intake: Intake, changes: dict[str, object], rate: str, source: str, net: str
) -> None:
    take(store, intake, order(1, replace(line(11), **changes)))  # type: ignore[arg-type] # any field
    part = kept(store)[0].lines[0]
    assert (part.vat_rate, part.vat_source, part.net_price) == (Decimal(rate), source, Decimal(net))


def test_the_delivery_country_decides_the_products_rate(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11), shipping=Address(country="DE")))
    assert kept(store)[0].lines[0].vat_source == "account"


def test_without_any_rate_an_order_is_parked_but_a_proposal_may_be_won(store: Store, intake: Intake) -> None:
    bare = replace(intake, options=Options())
    taken = take(store, bare, order(1, line(11, "HAT")), proposal(2, line(21, "HAT")))
    parked, free = kept(store)
    assert (parked.parked_code, free.parked_code) == ("no_vat_rate", None)
    assert list(taken.parked) == [parked.id]


def test_lines_find_their_variant_by_sku_or_by_a_gtin_that_only_one_has(store: Store, intake: Intake) -> None:
    page = order(1, line(11), line(12, "shirt"), line(13, None, gtin="5901234123457"), line(14, "NEW"))
    take(store, intake, page)
    shirt, other_case, by_gtin, new = (part.variant_id for part in kept(store)[0].lines)
    assert shirt == by_gtin
    assert (other_case, new) == (None, None)


def test_an_order_the_hub_wrote_there_itself_is_known_when_it_comes_back(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11)))
    number = kept(store)[0].id
    with store.write() as tx:
        shop = accounts.create(tx, platform="shop", name="shop", settings={}, options={})
        statuses.save_platform(tx, shop.id, STATUSES)
        copy = {"order_id": number, "account": shop.id, "version": 1, "at": tx.now}
        tx.execute(insert(order_copies), copy)
    take(store, replace(intake, account=shop.id), order(900, line(1), echo=f"crossdock-{number}"))
    assert len(kept(store)) == 1
    with store.read() as tx:
        assert tx.scalar(select(order_copies.c.remote_id)) == "900"


# --- changing afterwards ---------------------------------------------------------------------------------------------


def test_a_change_is_a_version_with_its_difference(store: Store, intake: Intake) -> None:
    first = order(1, line(11, quantity=3), shipping=Address(city="Łódź"))
    take(store, intake, first)
    taken = take(store, intake, replace(first, shipping=Address(city="Kraków")))
    (row,) = kept(store)
    assert (taken.changed, row.version) == ([row.id], 2)
    with store.read() as tx:
        (version,) = orders.versions(tx, row.id)
    assert version["difference"] == {"shipping.city": ["Łódź", "Kraków"]}
    assert units(store) == (10, 3)


def test_reservations_follow_quantities_and_vanished_lines(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11, quantity=3), line(12, quantity=2)))
    take(store, intake, order(1, line(11, quantity=4)))
    (row,) = kept(store)
    assert [(part.state, part.reserved) for part in row.lines] == [(LineState.WON, 4), (LineState.CANCELLED, 0)]
    assert units(store) == (10, 4)


def test_a_partial_cancellation_frees_its_units(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11, quantity=5)))
    take(store, intake, order(1, line(11, quantity=5, cancelled=2)))
    assert (kept(store)[0].lines[0].reserved, units(store)) == (3, (10, 3))


def test_what_the_platform_ships_leaves_and_what_it_cancels_comes_free(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11, quantity=3)), order(2, line(21, quantity=4)))
    take(store, intake, order(1, line(11, quantity=3), status="sent"), order(2, line(21, quantity=4), status="void"))
    assert [row.state for row in kept(store)] == [OrderState.DONE, OrderState.CANCELLED]
    assert units(store) == (7, 0)


def test_an_order_that_was_sent_on_is_flagged_when_it_changes(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11)))
    with store.write() as tx:
        copy = {"order_id": kept(store)[0].id, "account": intake.account, "version": 1, "at": tx.now}
        tx.execute(insert(order_copies), copy)
    take(store, intake, order(1, line(11), comment="please wrap"))
    with store.read() as tx:
        assert tx.scalar(select(order_copies.c.stale)) is True


# --- proposals becoming orders ---------------------------------------------------------------------------------------


def settle(tx: Write, row: OrderRow, **how: object) -> OrderState:
    values: dict[str, object] = {
        "won": (),
        "lost": (),
        "declined": {},
        "names": (),
        "warehouses": ("main",),
        "actor": "t",
    }
    settled = order_outcome.settle(tx, orders.get(tx, row.id, lock=True), **(values | how))  # type: ignore[arg-type] # any
    return settled.state


def test_a_won_order_goes_on_under_its_new_name(store: Store, intake: Intake) -> None:
    take(store, intake, proposal(1, line(11, quantity=3), line(12, "HAT", 2)))
    (row,) = kept(store)
    with store.write() as tx:
        name = RemoteId(kind="order", scope="s1", value="77")
        assert settle(tx, row, won=["11"], declined={"12": "ugly"}, names=[name]) is OrderState.OPEN
    take(store, intake, order(77, line(11, quantity=3), shipping=Address(city="Gdynia")))
    (row,) = kept(store)
    assert (row.state, row.order.shipping) == (OrderState.OPEN, Address(city="Gdynia"))
    assert [(part.state, part.reason) for part in row.lines] == [(LineState.WON, None), (LineState.DECLINED, "ugly")]
    assert (units(store), units(store, "HAT")) == ((10, 3), (10, 0))
    assert story(store) == ["created", "won", "status"]


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ({"lost": ["11"], "declined": {"12": "x"}}, OrderState.LOST),
        ({"declined": {"11": "x", "12": "x"}}, OrderState.DECLINED),
        ({"declined": {"12": "x"}}, OrderState.PROPOSED),
    ],
)
def test_what_was_not_won_gives_its_units_back(
    store: Store, intake: Intake, how: dict[str, object], state: OrderState
) -> None:
    take(store, intake, proposal(1, line(11, quantity=3), line(12, "HAT", 2)))
    with store.write() as tx:
        assert settle(tx, kept(store)[0], **how) is state
    assert units(store) == (10, 3 if state is OrderState.PROPOSED else 0)
    assert units(store, "HAT") == (10, 0)


def test_an_order_accepted_in_the_platforms_own_panel_joins_its_proposal(store: Store, intake: Intake) -> None:
    take(store, intake, proposal(1, line(11, quantity=3), line(12, "HAT", 2)))
    take(store, intake, order(77, line(11, quantity=3)))
    (row,) = kept(store)
    assert row.state is OrderState.OPEN
    assert [part.state for part in row.lines] == [LineState.WON, LineState.DECLINED]
    assert (units(store), units(store, "HAT")) == ((10, 3), (10, 0))
    assert story(store) == ["created", "won", "status"]


@pytest.mark.parametrize(
    "other", [line(11, quantity=2), line(12, quantity=3), line(11, quantity=3, gtin="4006381333931")]
)
def test_an_order_with_other_positions_is_simply_new(store: Store, intake: Intake, other: OrderLine) -> None:
    take(store, intake, proposal(1, line(11, quantity=3)))
    take(store, intake, order(77, other))
    assert [row.state for row in kept(store)] == [OrderState.PROPOSED, OrderState.OPEN]


def test_a_proposal_that_went_and_came_back_waits_again(store: Store, intake: Intake) -> None:
    take(store, intake, proposal(1, line(11, quantity=3)))
    with store.write() as tx:
        assert order_outcome.close_gone(tx, kept(store)[0].id, actor="t")
    assert (kept(store)[0].state, units(store)) == (OrderState.GONE, (10, 0))
    take(store, replace(intake, sweep=2), proposal(1, line(11, quantity=3)))
    assert (kept(store)[0].state, kept(store)[0].lines[0].state) == (OrderState.PROPOSED, LineState.PROPOSED)
    assert units(store) == (10, 3)


def test_a_lost_proposal_that_is_listed_late_stays_lost(store: Store, intake: Intake) -> None:
    take(store, intake, proposal(1, line(11, quantity=3)))
    with store.write() as tx:
        settle(tx, kept(store)[0], lost=["11"])
    take(store, replace(intake, sweep=2), proposal(1, line(11, quantity=3)))
    assert (kept(store)[0].state, units(store)) == (OrderState.LOST, (10, 0))


def test_shipping_and_cancelling_by_hand_move_stock_both_ways(store: Store, intake: Intake) -> None:
    take(store, intake, order(1, line(11, quantity=5)))
    (row,) = kept(store)
    with store.write() as tx:
        order_outcome.ship(tx, [(orders.get(tx, row.id, lock=True), {row.lines[0].id: 3})], actor="t")
    assert (units(store), kept(store)[0].state) == ((7, 2), OrderState.OPEN)
    with store.write() as tx:
        again = orders.get(tx, row.id, lock=True)
        order_outcome.cancel_lines(tx, again, {row.lines[0].id: 4}, reason="changed mind", actor="t")
    assert units(store) == (9, 0)
    (row,) = kept(store)
    assert (row.lines[0].shipped, row.lines[0].cancelled, row.lines[0].state) == (1, 4, LineState.WON)
    with pytest.raises(ValueError, match="has not 2 units"), store.write() as tx:
        order_outcome.cancel_lines(tx, row, {row.lines[0].id: 2}, reason="again", actor="t")


# --- any repetition, any order ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('intake')}/x.sqlite", clock=VirtualClock(START))
    metadata.create_all(store.engine)
    with store.write() as tx:
        tx.execute(insert(warehouses), {"name": "main", "title": ""})
        statuses.create_defaults(tx)
        catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku) for sku in ("SHIRT", "HAT")])
    yield store
    store.close()


orders_of_a_day = st.lists(
    st.tuples(
        st.booleans(), st.lists(st.tuples(st.sampled_from(["SHIRT", "HAT"]), st.integers(1, 4)), min_size=1, max_size=3)
    ),
    min_size=1,
    max_size=6,
)


class Undo(Exception):
    """Leaves a transaction without a trace."""


@given(day=orders_of_a_day, data=st.data())
def test_pages_in_any_order_and_number_lead_to_the_same_orders(
    one_store: Store, day: list[tuple[bool, list[tuple[str, int]]]], data: st.DataObject
) -> None:
    """With stock for all, which page comes first and how often makes no difference."""
    page = [
        (proposal if proposed else order)(
            number, *(line(number * 10 + place, sku, count) for place, (sku, count) in enumerate(wanted))
        )
        for number, (proposed, wanted) in enumerate(day)
    ]
    reading = data.draw(st.lists(st.sampled_from(page), max_size=12)) + data.draw(st.permutations(page))
    assert _read(one_store, reading) == _read(one_store, page)


def _read(store: Store, reading: list[Order]) -> object:
    """Take orders in one by one and say what the store holds, leaving no trace."""
    try:
        with store.write() as tx:
            account = accounts.create(tx, platform="acme", name="one", settings={}, options={})
            statuses.save_platform(tx, account.id, STATUSES)
            variants = catalog.ids_by_sku(tx, ["SHIRT", "HAT"])
            counts = [ledger.Count(variant_id=v, warehouse="main", quantity=100) for v in variants.values()]
            ledger.count(tx, counts, source="test", as_of=tx.now)
            intake = Intake(account=account.id, options=Options(vat_rate=Decimal(23)), sweep=1)
            for item in reading:
                order_intake.take_in(tx, intake, [item])
            rows = orders.get_many(tx, tx.execute(select(order_table.c.id)).scalars())
            found = sorted(
                (
                    str(row.order.id),
                    row.state,
                    row.version,
                    tuple((part.remote_id, part.reserved) for part in row.lines),
                )
                for row in rows
            )
            levels = ledger.levels(tx, variants.values())
            assert tx.scalar(select(func.count()).select_from(order_table)) == len({item.id for item in reading})
            raise Undo
    except Undo:
        return found, levels
