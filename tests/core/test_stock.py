"""The stock ledger: its sums are its moves, and no unit is promised twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count as counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from crossdock.core.config import Options
from crossdock.core.model import Contains
from crossdock.core.store import Store, Write, catalog, stock
from crossdock.core.store.stock import Count, Move, MoveKind, Want
from crossdock.core.store.tables import accounts, metadata, order_lines, orders, stock_moves, warehouses
from crossdock.core.store.tables import stock as sums
from crossdock.twins.kit import VirtualClock

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
numbers = counter(1)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(START))
    prepare(store)
    yield store
    store.close()


def prepare(store: Store) -> None:
    metadata.create_all(store.engine)
    with store.write() as tx:
        tx.execute(insert(warehouses), [{"name": "main", "title": ""}, {"name": "shop", "title": ""}])
        account = {"settings": {}, "options": {}, "created_at": tx.now, "platform": "acme"}
        tx.execute(insert(accounts), [{"id": "a1", "name": "one", **account}, {"id": "a2", "name": "two", **account}])


def variants(tx: Write, *skus: str) -> list[int]:
    catalog.upsert(tx, [catalog.VariantDraft(sku=sku, name=sku) for sku in skus])
    known = catalog.ids_by_sku(tx, skus)
    return [known[sku] for sku in skus]


def lines(tx: Write, variant: int, *quantities: int, account: str = "a1", placed: datetime = START) -> list[int]:
    """Put an order with a line per quantity into the store and return the lines' numbers."""
    order = {
        "account": account, "scope": "", "market": "", "state": "open", "platform_status": "new", "currency": "EUR",
        "placed_at": placed, "seen_at": tx.now, "changed_at": tx.now, "version": 1, "content": {}, "hash": "",
    }  # fmt: skip
    order_id = tx.execute(insert(orders).returning(orders.c.id), order).scalar_one()
    line = {
        "order_id": order_id, "name": "x", "price": Decimal(1), "currency": "EUR", "variant_id": variant,
        "state": "won", "reserved": 0, "shipped": 0, "cancelled": 0,
    }  # fmt: skip
    rows = [
        line | {"position": place, "remote_id": str(next(numbers)), "quantity": quantity}
        for place, quantity in enumerate(quantities)
    ]
    statement = insert(order_lines).returning(order_lines.c.id, sort_by_parameter_order=True)
    return list(tx.execute(statement, rows).scalars())


def counted(
    tx: Write, variant: int, units: int, *, place: str = "main", as_of: datetime | None = None, **more: Any
) -> None:
    item = Count(variant_id=variant, warehouse=place, quantity=units)
    stock.count(tx, [item], source=f"count {next(numbers)}", as_of=as_of or tx.now, **more)


def reserve(tx: Write, line: int, variant: int, units: int, *places: str) -> str | None:
    chosen = stock.reserve(tx, [Want(line_id=line, variant_id=variant, quantity=units)], places or ("main",))
    if chosen:
        tx.execute(update(order_lines).where(order_lines.c.id == line).values(reserved=units))
    return chosen.get(line)


def shipped(tx: Write, line: int, units: int) -> None:
    stock.ship(tx, {line: units})
    change = update(order_lines).where(order_lines.c.id == line)
    tx.execute(change.values(reserved=order_lines.c.reserved - units, shipped=order_lines.c.shipped + units))


def level(store: Store, variant: int, place: str = "main") -> tuple[int, int]:
    with store.read() as tx:
        found = stock.levels(tx, [variant])[variant, place]
        return found.on_hand, found.reserved


def test_a_line_is_reserved_whole_in_the_first_warehouse_that_holds_it(store: Store) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        first, second, third = lines(tx, shirt, 3, 3, 3)
        counted(tx, shirt, 2, place="main")
        counted(tx, shirt, 5, place="shop")
        assert reserve(tx, first, shirt, 3, "main", "shop") == "shop"
        assert reserve(tx, second, shirt, 2, "main", "shop") == "main"
        assert reserve(tx, third, shirt, 3, "main", "shop") is None
    assert (level(store, shirt, "main"), level(store, shirt, "shop")) == ((2, 2), (5, 3))


def test_shipping_turns_a_reservation_into_minus_on_hand_and_a_return_brings_it_back(store: Store) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        (line,) = lines(tx, shirt, 3)
        counted(tx, shirt, 5)
        reserve(tx, line, shirt, 3)
        shipped(tx, line, 2)
    assert level(store, shirt) == (3, 1)
    with store.write() as tx:
        stock.take_back(tx, {line: 1})
        tx.execute(update(order_lines).where(order_lines.c.id == line).values(shipped=1))
        stock.release(tx, {line: 1})
    assert level(store, shirt) == (4, 0)


@pytest.mark.parametrize("move", [stock.release, stock.ship, stock.take_back])
def test_more_than_a_line_holds_is_refused_whole(store: Store, move: Any) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        (line,) = lines(tx, shirt, 3)
        counted(tx, shirt, 5)
        reserve(tx, line, shirt, 3)
    with pytest.raises(ValueError, match="holds"), store.write() as tx:
        move(tx, {line: 4})
    assert level(store, shirt) == (5, 3)


def test_a_cause_happens_once(store: Store) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        stock.adjust(tx, shirt, "main", 4, cause="inventory 7")
        stock.adjust(tx, shirt, "main", 4, cause="inventory 7")
    assert level(store, shirt) == (4, 0)
    twice = Move(variant_id=shirt, warehouse="main", kind=MoveKind.ADJUST, on_hand=1, cause="adjust:inventory 7")
    with pytest.raises(IntegrityError), store.write() as tx:
        stock.move(tx, [twice])


def test_an_uncounted_quantity_is_unknown_and_not_zero(store: Store) -> None:
    with store.write() as tx:
        shirt, hat = variants(tx, "SHIRT", "HAT")
        counted(tx, hat, 0)
        assert stock.sellable(tx, [shirt, hat], Options()) == {shirt: None, hat: 0}


def test_buffer_cap_and_warehouses_shape_what_is_shown(store: Store) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        counted(tx, shirt, 7, place="main")
        counted(tx, shirt, 4, place="shop")

        def shown(**options: Any) -> int | None:
            return stock.sellable(tx, [shirt], Options(**options))[shirt]

        assert shown() == 7
        assert shown(warehouses=("main", "shop")) == 11
        assert shown(stock_buffer=3) == 4
        assert shown(stock_buffer=30) == 0
        assert shown(stock_cap=5) == 5


def test_a_warehouse_that_owes_does_not_hide_what_another_has(store: Store) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        counted(tx, shirt, 4, place="shop")
        stock.adjust(tx, shirt, "main", -3, cause="found missing")
        assert stock.sellable(tx, [shirt], Options(warehouses=("main", "shop"))) == {shirt: 4}


def test_a_bundle_is_as_available_as_its_scarcest_part_and_moves_its_parts(store: Store) -> None:
    with store.write() as tx:
        cup, plate, box = variants(tx, "CUP", "PLATE", "SET")
        catalog.set_bundle(tx, "SET", {"CUP": 2, "PLATE": 1})
        counted(tx, cup, 7)
        assert stock.sellable(tx, [box], Options()) == {box: None}
        counted(tx, plate, 9)
        assert stock.sellable(tx, [box], Options()) == {box: 3}
        (line,) = lines(tx, box, 2)
        assert reserve(tx, line, box, 2) == "main"
        shipped(tx, line, 1)
    assert (level(store, cup), level(store, plate)) == ((5, 2), (8, 1))


def test_a_short_line_is_served_when_units_appear_oldest_purchase_first(store: Store) -> None:
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        counted(tx, shirt, 0)
        (late,) = lines(tx, shirt, 2, placed=START)
        (early,) = lines(tx, shirt, 2, placed=START - timedelta(hours=1))
        tx.execute(update(order_lines).values(short=True))
    with store.write() as tx:
        counted(tx, shirt, 3, as_of=START + timedelta(hours=1))
    with store.read() as tx:
        query = select(order_lines.c.id, order_lines.c.reserved, order_lines.c.short)
        assert {row.id: (row.reserved, row.short) for row in tx.execute(query)} == {early: (2, False), late: (0, True)}
    assert level(store, shirt) == (3, 2)


# --- counts ----------------------------------------------------------------------------------------------------------


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@pytest.fixture
def sold(store: Store) -> int:
    """A variant counted at 20; a1 sold 3 of it, placed at 1 h and shipped at 3 h, and holds 2 placed at 1 h."""
    clock = store.clock
    assert isinstance(clock, VirtualClock)
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        counted(tx, shirt, 20)
    clock.set(after(1))
    with store.write() as tx:
        gone, held = lines(tx, shirt, 3, 2, placed=after(1))
        reserve(tx, gone, shirt, 3)
        reserve(tx, held, shirt, 2)
    clock.set(after(3))
    with store.write() as tx:
        shipped(tx, gone, 3)
    clock.set(after(5))
    return shirt


@pytest.mark.parametrize(
    ("contains", "as_of", "on_hand"),
    [
        pytest.param({}, 4, 10, id="shipped before the count is in it"),
        pytest.param({}, 2, 7, id="shipped after the count is news"),
        pytest.param({"a1": Contains.PLACED}, 4, 12, id="what is reserved still lies on the shelf"),
        pytest.param({"a1": Contains.PLACED}, 2, 12, id="placed before and shipped after is in it"),
        pytest.param({"a1": Contains.PLACED}, 0.5, 7, id="placed after the count is news"),
        pytest.param({"a1": Contains.NONE}, 4, 7, id="a source that knows no order never saw the shipment"),
        pytest.param({"a2": Contains.NONE}, 4, 10, id="another account's rule changes nothing"),
    ],
)
def test_a_count_says_when_it_was_true_and_which_orders_it_contains(
    store: Store, sold: int, contains: dict[str, Contains], as_of: float, on_hand: int
) -> None:
    with store.write() as tx:
        counted(tx, sold, 10, as_of=after(as_of), contains=contains)
    assert level(store, sold) == (on_hand, 2)


def test_an_older_count_does_not_undo_a_newer_one(store: Store, sold: int) -> None:
    with store.write() as tx:
        counted(tx, sold, 10, as_of=after(4))
        counted(tx, sold, 99, as_of=after(3.5))
    assert level(store, sold) == (10, 2)


def test_the_same_count_twice_is_one_count(store: Store, sold: int) -> None:
    item = [Count(variant_id=sold, warehouse="main", quantity=10)]
    for _ in range(2):
        with store.write() as tx:
            stock.count(tx, item, source="import", as_of=after(2))
    assert level(store, sold) == (7, 2)


# --- invariants ------------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(["count", "sell", "ship", "cancel", "return", "adjust"]), st.integers(0, 12), st.integers(1, 6)
    ),
    max_size=25,
)


class Undo(Exception):
    """Leaves a transaction without a trace, so that each example begins anew."""


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('stock')}/stock.sqlite", clock=VirtualClock(START))
    prepare(store)
    yield store
    store.close()


@given(steps=steps)
def test_sums_are_the_moves_and_nothing_is_promised_twice(one_store: Store, steps: list[tuple[str, int, int]]) -> None:
    with contextlib.suppress(Undo), one_store.write() as tx:
        held = play(tx, steps)
        (now,) = stock.levels(tx, [shirt for (shirt,) in tx.execute(select(sums.c.variant_id))]).values()
        moved = tx.execute(select(func.sum(stock_moves.c.on_hand), func.sum(stock_moves.c.reserved))).one()
        assert tuple(moved) == (now.on_hand, now.reserved)
        assert now.reserved == sum(reserved for reserved, _ in held.values())
        raise Undo


def play(tx: Write, steps: list[tuple[str, int, int]]) -> dict[int, list[int]]:
    """Play steps on one variant counted at 10; return what each line holds reserved and shipped."""
    held: dict[int, list[int]] = {}
    (shirt,) = variants(tx, "SHIRT")
    counted(tx, shirt, 10)
    for kind, pick, units in steps:
        free = stock.levels(tx, [shirt])[shirt, "main"].free
        line = sorted(held)[pick % len(held)] if held else None
        if kind == "sell":
            (line,) = lines(tx, shirt, units)
            taken = reserve(tx, line, shirt, units)
            assert (taken is not None) == (free >= units)
            if taken:
                held[line] = [units, 0]
        elif kind == "adjust":
            stock.adjust(tx, shirt, "main", pick - 6, cause=str(next(numbers)))
        elif kind == "count":
            counted(tx, shirt, pick)
        elif line is not None:
            _settle(tx, kind, line, units, held[line])
    return held


def _settle(tx: Write, kind: str, line: int, units: int, holds: list[int]) -> None:
    row = update(order_lines).where(order_lines.c.id == line)
    if kind == "ship":
        moved = min(units, holds[0])
        shipped(tx, line, moved)
        holds[0], holds[1] = holds[0] - moved, holds[1] + moved
    elif kind == "cancel":
        moved = min(units, holds[0])
        stock.release(tx, {line: moved})
        holds[0] -= moved
        tx.execute(row.values(reserved=holds[0]))
    elif kind == "return":
        moved = min(units, holds[1])
        stock.take_back(tx, {line: moved})
        holds[1] -= moved
        tx.execute(row.values(shipped=holds[1]))


def test_a_hundred_thousand_moves_add_up_again(store: Store) -> None:
    with store.write() as tx:
        owned = variants(tx, *(f"V{number}" for number in range(200)))
    for part in range(20):
        with store.write() as tx:
            stock.move(
                tx,
                [
                    Move(
                        variant_id=owned[number % 200],
                        warehouse=("main", "shop")[number % 3 == 0],
                        kind=MoveKind.ADJUST if number % 2 else MoveKind.RESERVE,
                        on_hand=number % 7 - 2 if number % 2 else 0,
                        reserved=0 if number % 2 else number % 5,
                        cause=f"{part} {number}",
                    )
                    for number in range(5000)
                ],
            )
    place = (stock_moves.c.variant_id, stock_moves.c.warehouse)
    with store.read() as tx:
        assert tx.scalar(select(func.count()).select_from(stock_moves)) == 100_000
        again = tx.execute(
            select(*place, func.sum(stock_moves.c.on_hand), func.sum(stock_moves.c.reserved)).group_by(*place)
        )
        kept = tx.execute(select(sums.c.variant_id, sums.c.warehouse, sums.c.on_hand, sums.c.reserved))
        assert {tuple(row) for row in again} == {tuple(row) for row in kept}


def test_two_sellers_at_once_never_get_the_last_unit_twice(store: Store) -> None:
    """Threads race for the same ten units; a reservation that finds none left gets none."""
    with store.write() as tx:
        (shirt,) = variants(tx, "SHIRT")
        counted(tx, shirt, 10)
        wanted = lines(tx, shirt, *[1] * 40)

    def take(line: int) -> bool:
        with store.write() as tx:
            return reserve(tx, line, shirt, 1) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, wanted)) == 10
    assert level(store, shirt) == (10, 10)
