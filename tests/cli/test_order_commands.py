"""`crossdock orders`: what is listed and shown, and every decision of a person in its good and bad outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from command import Cli, page, proposal
from fake_plugins import Shop

from crossdock.core.errors import AuthError, Rejected, RemoteError, Unavailable
from crossdock.core.model import Acceptance, Decision, LineOutcome, Order, Pending


def state(cli: Cli, number: int = 1) -> str:
    shown: str = cli.json("orders", "show", number)["state"]
    return shown


def lines(cli: Cli, number: int = 1) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = cli.json("orders", "show", number)["lines"]
    return shown


def level(cli: Cli, sku: str = "SHIRT") -> tuple[int, int]:
    (row,) = cli.json("stock", "show", sku)["levels"]
    return row["on_hand"], row["reserved"]


def take_in(cli: Cli, shop: Shop, *orders: Order) -> None:
    shop.answers["fetch_orders"] = page(*orders)
    cli("run", "north", "orders")


# --- looking ---------------------------------------------------------------------------------------------------------


def test_orders_are_listed_newest_first(selling: Cli, shop: Shop) -> None:
    take_in(selling, shop, proposal(1), proposal(2, sku="SOCKS", quantity=2))
    rows = selling.table("orders", "list")
    assert [row["id"] for row in rows] == ["2", "1"]
    assert rows[0] == {
        "id": "2",
        "account": "north",
        "market": "PL",
        "remote_id": "P2",
        "placed_at": "2026-03-01T12:00:00+00:00",
        "state": "proposed",
        "parked": "",
        "total": "20.00 PLN",
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("--pending", [3, 2]),
        ("--parked", [3]),
        ("--state open", [1]),
        ("--state open --state proposed", [3, 2, 1]),
        ("--search P2", [2]),
        ("--search SOCKS", [2]),
        ("--search P", []),
        ("--account north --limit 1", [3]),
        ("--before 3", [2, 1]),
    ],
)
def test_orders_are_found(selling: Cli, shop: Shop, options: str, found: list[int]) -> None:
    take_in(selling, shop, proposal(1), proposal(2, sku="SOCKS"), proposal(3, status="odd"))
    selling("orders", "accept", 1)
    assert [order["id"] for order in selling.json("orders", "list", *options.split())] == found


def test_what_cannot_be_looked_for_is_said(selling: Cli) -> None:
    assert "There is no state opne. Here are: proposed, unknown, open" in selling.complains(
        "orders", "list", "--state", "opne"
    )
    assert "no account 'south'" in selling.complains("orders", "list", "--account", "south")
    assert "There is no order 7." in selling.complains("orders", "show", 7)


def test_the_whole_story_of_an_order(selling: Cli, shop: Shop) -> None:
    selling("orders", "accept", 1)
    story = selling.json("orders", "show", 1)
    (line,) = story["lines"]
    assert line == {
        "position": "11",
        "sku": "SHIRT",
        "platform_sku": "SHIRT",
        "gtin": None,
        "product_id": None,
        "name": "A shirt",
        "quantity": 1,
        "price": {"amount": "10.00", "currency": "PLN"},
        "vat_rate": "23.00",
        "vat_source": line["vat_source"],
        "net_price": {"amount": "8.1301", "currency": "PLN"},
        "state": "won",
        "reason": None,
        "warehouse": "main",
        "reserved": 1,
        "shipped": 0,
        "cancelled": 0,
        "short": False,
    }
    assert story["status"] == "New"
    assert story["remote_ids"] == [{"kind": "proposal", "scope": "", "value": "P1"}]
    (decision,) = story["decisions"]
    assert (decision["state"], decision["request"]["accepted"], decision["answer"]) == ("done", ["11"], {"11": "won"})
    assert [entry["kind"] for entry in story["journal"]] == ["created", "won"]
    plain = selling("orders", "show", 1).stdout
    assert "\n\nlines\nposition\tsku\tname\tquantity\tprice\tvat_rate" in plain
    assert "\n\njournal\nat\tkind\tactor\tpayload\n" in plain


def test_how_a_platform_changed_an_order_is_shown(selling: Cli, shop: Shop) -> None:
    take_in(selling, shop, replace(proposal(1), comment="ring twice"))
    (change,) = selling.json("orders", "show", 1)["versions"]
    assert (change["changed"], change["difference"]["comment"]) == (["comment"], ["", "ring twice"])


# --- deciding --------------------------------------------------------------------------------------------------------


def test_a_proposal_is_accepted(selling: Cli) -> None:
    assert selling("orders", "accept", 1).stdout == "Order 1 is open: SHIRT won.\n"
    assert level(selling) == (5, 1)
    assert "waits for no decision: it is open" in selling.complains("orders", "accept", 1)


def test_losing_is_normal(selling: Cli, shop: Shop) -> None:
    shop.answers["accept_order"] = lambda account, order, decision: Acceptance(lines={"11": LineOutcome.LOST})
    assert selling("orders", "accept", 1).stdout == "Order 1 is lost: SHIRT lost.\n"
    assert level(selling) == (5, 0)


def test_some_positions_are_accepted(selling: Cli) -> None:
    assert "no undecided position 12. Undecided are: 11." in selling.complains("orders", "accept", 1, "--position", 12)
    assert selling("orders", "accept", 1, "--position", 11).stdout == "Order 1 is open: SHIRT won.\n"


def test_what_is_not_in_stock_is_not_accepted(selling: Cli, shop: Shop) -> None:
    take_in(selling, shop, proposal(1), proposal(2, quantity=50))
    said = selling.complains("orders", "accept", 2)
    assert "Order 2 is not in stock as a whole." in said
    assert "  - position 21 (SHIRT)" in said


def test_an_account_that_is_not_armed_decides_nothing(selling: Cli) -> None:
    selling("account", "disarm", "north")
    for line in (("accept", 1), ("decline", 1)):
        assert "is not armed" in selling.complains("orders", *line)


def test_a_proposal_is_declined(selling: Cli) -> None:
    assert selling("orders", "decline", 1, "--reason", "damaged").stdout == "Order 1 is declined: SHIRT declined.\n"
    assert lines(selling)[0]["reason"] == "damaged"
    assert level(selling) == (5, 0)


@pytest.mark.parametrize("line", [("accept", 7), ("decline", 7), ("ship", 7), ("unpark", 7), ("resolve", 7, "ask")])
def test_an_unknown_order_is_said(selling: Cli, line: tuple[Any, ...]) -> None:
    assert "There is no order 7." in selling.complains("orders", *line)


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unavailable("It did not work."), 5), (AuthError("It did not work."), 4)],
    ids=["later", "never"],
)
@pytest.mark.parametrize("action", ["accept", "decline"])
def test_a_decision_that_cannot_be_told_is_said_with_its_exit_code(
    selling: Cli, shop: Shop, action: str, error: RemoteError, code: int
) -> None:
    shop.answers["accept_order"] = error
    result = selling("orders", action, 1, code=code)
    assert result.stdout == "Order 1 is proposed: SHIRT proposed.\n"
    assert "account north, accept_order: It did not work." in result.stderr


def test_a_refusal_parks_the_order_until_somebody_looked(selling: Cli, shop: Shop) -> None:
    accept = shop.answers["accept_order"]
    shop.answers["accept_order"] = Rejected("It is too late.", code="E9")
    result = selling("orders", "accept", 1, code=1)
    assert "It is parked: " in result.stderr
    assert "[E9]" in result.stderr
    assert selling.json("orders", "list", "--parked")[0]["parked"] == "refused"
    assert selling("orders", "unpark", 1).stdout == "Order 1 is proposed: SHIRT proposed.\n"
    assert "Order 1 is not parked." in selling.complains("orders", "unpark", 1)
    shop.answers["accept_order"] = accept
    selling("orders", "accept", 1)


@pytest.fixture
def unknown(selling: Cli, shop: Shop) -> Cli:
    """Give order 1 with a decision of which nobody knows how it ended."""
    shop.answers["accept_order"] = Unavailable("The line went dead.", unclear=True)
    selling("orders", "accept", 1, code=5)
    selling("run", "north", "accept")
    assert state(selling) == "unknown"
    return selling


def test_an_unknown_outcome_is_asked_for_again(unknown: Cli, shop: Shop) -> None:
    assert "Use `crossdock orders resolve`" in unknown.complains("orders", "unpark", 1)
    result = unknown("orders", "resolve", 1, "ask", code=1)
    assert "It is parked: " in result.stderr
    shop.answers["find_outcome"] = Pending()

    def won(account: Any, order: Order, decision: Decision) -> Acceptance:
        return Acceptance(lines=dict.fromkeys(decision.accepted, LineOutcome.WON))

    shop.answers["accept_order"] = won
    assert unknown("orders", "resolve", 1, "ask").stdout == "Order 1 is open: SHIRT won.\n"


def test_an_unknown_outcome_is_settled_by_a_persons_word(unknown: Cli) -> None:
    assert level(unknown) == (5, 1)
    assert unknown("orders", "resolve", 1, "lost").stdout == "Order 1 is lost: SHIRT lost.\n"
    assert level(unknown) == (5, 0)
    assert "is not unknown: it is lost" in unknown.complains("orders", "resolve", 1, "lost")
    assert "'maybe' is not one of" in unknown.complains("orders", "resolve", 1, "maybe")


# --- afterwards ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sold(selling: Cli, shop: Shop) -> Cli:
    take_in(selling, shop, proposal(1, quantity=3))
    selling("orders", "accept", 1)
    return selling


def test_units_are_shipped(sold: Cli) -> None:
    assert sold("orders", "ship", 1, "--units", "11=1").stdout == "Order 1 is open: SHIRT won.\n"
    assert level(sold) == (4, 2)
    assert sold("orders", "ship", 1).stdout == "Order 1 is done: SHIRT won.\n"
    assert (level(sold), lines(sold)[0]["shipped"]) == ((2, 0), 3)


def test_units_are_cancelled(sold: Cli) -> None:
    sold("orders", "ship", 1, "--units", "11=1")
    assert "won" in sold("orders", "cancel", 1, "--units", "11=1", "--reason", "one too many").stdout
    assert level(sold) == (4, 1)
    assert sold("orders", "cancel", 1, "--reason", "returned").stdout == "Order 1 is cancelled: SHIRT cancelled.\n"
    assert level(sold) == (5, 0)


@pytest.mark.parametrize("action", [("ship",), ("cancel", "--reason", "x")])
def test_more_units_than_there_are_is_said(sold: Cli, action: tuple[str, ...]) -> None:
    name, *more = action
    said = sold.complains("orders", name, 1, "--units", "11=4", "--units", "12=1", *more)
    assert said.splitlines()[1:] == [
        "  - position 11: 4 asked for, 3 there",
        "  - position 12: 1 asked for, 0 there",
    ]
    assert "names 11 twice" in sold.complains("orders", name, 1, "--units", "11=1", "--units", "11=1", *more)


def test_cancelling_wants_a_reason(sold: Cli) -> None:
    assert "Missing option '--reason'" in sold.complains("orders", "cancel", 1)
