"""Plugins are found by name, checked before they are used, and each sees its own accounts alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fake_plugins import SHOP, Shop, install, shop_source

from crossdock.core.account import Account
from crossdock.core.clock import SystemClock
from crossdock.core.config import Options
from crossdock.core.connector import Broadcast, Connector, installed, load
from crossdock.core.errors import AuthError, ContractError, PluginLoadError, RemoteError, Unsupported
from crossdock.core.http import Http
from crossdock.core.model import (
    Acceptance,
    Decision,
    DeclinedLine,
    LineOutcome,
    Meaning,
    Money,
    Offer,
    Order,
    OrderLine,
    OrderPage,
    PlatformStatus,
    RemoteId,
    Result,
    StockLevel,
    Veto,
)

Install = Callable[..., str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Give a function that installs a plugin's source for this test; see `fake_plugins.install`."""
    return lambda source, **how: install(tmp_path, monkeypatch, source, **how)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Give an installed plugin named shop that answers what it is told to."""
    return Shop(tmp_path, monkeypatch)


class NoMemory:
    def get(self, name: str) -> str | None:
        return None

    def put(self, name: str, text: str) -> None:
        raise AssertionError("nothing is remembered here")

    def forget(self, name: str) -> None:
        raise AssertionError("nothing is forgotten here")


def connect(platform: str = "shop", name: str = "north", extensions: tuple[str, ...] = ()) -> Connector:
    """Return a connector of an account that only exists here."""
    loaded = load(platform, extensions)
    settings = loaded.facts.settings(shop="1", token="canary-token")
    clock = SystemClock()
    return Connector(
        loaded,
        Account(
            id=f"id-of-{name}",
            name=name,
            platform=platform,
            settings=settings,
            options=Options(),
            http=Http(account_id=name, plugin=loaded.facts, settings=settings, clock=clock),
            memory=NoMemory(),
            clock=clock,
            log=logging.LoggerAdapter(logging.getLogger("crossdock.test")),
        ),
    )


def order(number: str = "1", **changes: Any) -> Order:
    line = OrderLine(id="1", name="Shoe", quantity=1, price=Money(amount=Decimal("299.00"), currency="PLN"))
    usual: dict[str, Any] = {
        "id": RemoteId(kind="order", value=number),
        "market": "PL",
        "status": "new",
        "placed_at": datetime(2026, 3, 1, tzinfo=UTC),
        "lines": (line,),
    }
    return Order(**usual | changes)


def page(*orders: Any) -> OrderPage:
    return OrderPage(orders=orders, cursor={"version": 1})


# --- loading ---------------------------------------------------------------------------------------------------------


def test_a_plugin_is_loaded_with_what_it_says_of_itself(shop: Shop) -> None:
    loaded = load("shop")
    assert loaded.facts.title == "Example Shop"
    assert loaded.verbs == {
        "fetch_orders",
        "accept_order",
        "push_stock",
        "map_status",
        "check_connection",
        "find_outcome",
    }
    assert loaded.source == f"Plugin 'shop' (example-shop 1.0, {shop.module.__name__})"


def test_a_missing_plugin_is_named_with_those_that_are_there(shop: Shop) -> None:
    with pytest.raises(PluginLoadError, match=r"No plugin named 'shpo' is installed.*\bshop\b"):
        load("shpo")


def test_a_name_offered_by_two_distributions_cannot_be_used(place: Install, shop: Shop) -> None:
    place(shop_source(), distribution="other-shop")
    assert len(installed()["shop"]) == 2
    with pytest.raises(PluginLoadError, match=r"example-shop 1\.0 and other-shop 1\.0.*Uninstall one"):
        load("shop")


def test_other_plugins_do_not_suffer_from_a_doubtful_name(place: Install, shop: Shop) -> None:
    place(shop_source(), name="doubtful", distribution="first")
    place(shop_source(), name="doubtful", distribution="second")
    assert load("shop").facts.title == "Example Shop"


def test_a_broken_plugin_that_nobody_uses_stops_nothing(place: Install, shop: Shop) -> None:
    place("import nothing_of_this_name", name="broken", distribution="example-broken")
    assert "broken" in installed()
    assert load("shop").facts.title == "Example Shop"


BROKEN = {
    "a missing import": ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
    "no Python": ("def", "SyntaxError"),
    "an error at import": ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
    "a missing key at import": ("{}['x']", "KeyError"),
    "no facts": ("", "has no PLUGIN"),
    "facts of another kind": ("PLUGIN = {'contract': 1}", "has no PLUGIN"),
    "a newer contract": (
        shop_source().replace("contract=1", "contract=2"),
        "was written for contract 2, this crossdock knows contract 1",
    ),
    "an unknown hook": (
        shop_source() + "\n\n@hookimpl\ndef fetch_ordres(account, cursor):\n    return None",
        "implements 'fetch_ordres', which is no hook of contract 1",
    ),
    "an unknown hook by specname": (
        shop_source() + "\n\n@hookimpl(specname='fetch_ordres')\ndef orders(account, cursor):\n    return None",
        "implements 'fetch_ordres', which is no hook",
    ),
    "a hook of extensions": (
        shop_source() + "\n\n@hookimpl\ndef review_acceptance(account_view, order, decision):\n    return None",
        "implements 'review_acceptance', which is no hook",
    ),
    "a default value": (
        shop_source("map_status") + "\n\n@hookimpl\ndef fetch_orders(account, cursor=None):\n    return None",
        r"fetch_orders\(\) gives its parameter 'cursor' a default value",
    ),
    "an unknown parameter": (
        shop_source("map_status") + "\n\n@hookimpl\ndef fetch_orders(account, curser):\n    return None",
        "curser",
    ),
    "settings of another kind": (
        shop_source().replace("settings=ShopSettings", "settings=dict"),
        "its settings are no subclass of Settings",
    ),
    "a secret within a setting": (
        shop_source().replace("second: SecretStr | None", "second: dict[str, SecretStr] | None"),
        r"its setting second holds a secret within a dict\[str, SecretStr\]",
    ),
    "an unknown listing default": (
        shop_source().replace("contract=1", "contract=1, listing={'colour': ''}"),
        "'colour' is no listing default",
    ),
    "a listing default without its field": (
        shop_source().replace("contract=1", "contract=1, listing={ListingDefault.DURATION: ''}"),
        "its listing default duration has to name its field",
    ),
    "a listing default with a field that is none": (
        shop_source().replace("contract=1", "contract=1, listing={ListingDefault.MARKET: 'market'}"),
        "its listing default market is no field of the offer, and names one",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_faulty_plugin_is_refused_with_its_origin_and_the_cause(place: Install, fault: str) -> None:
    source, words = BROKEN[fault]
    module = place(source)
    with pytest.raises(PluginLoadError, match=words) as caught:
        load("shop")
    assert f"Plugin 'shop' (example-shop 1.0, {module})" in str(caught.value)


def test_a_hook_imported_from_another_plugin_is_refused(place: Install, shop: Shop) -> None:
    borrowed = f"from {shop.module.__name__} import PLUGIN, fetch_orders"
    place(borrowed, name="second", distribution="example-second")
    with pytest.raises(PluginLoadError, match=rf"holds fetch_orders\(\) of {shop.module.__name__}"):
        load("second")


def test_a_broken_extension_is_refused_with_its_origin(place: Install, shop: Shop) -> None:
    source = "from crossdock.plugin import hookimpl\n\n@hookimpl\ndef fetch_orders(account, cursor):\n    return None"
    place(source, name="spy", group="crossdock.extensions", distribution="example-spy")
    for load_with in (lambda: load("shop", ["spy"]), lambda: Broadcast(["spy"])):
        with pytest.raises(PluginLoadError, match=r"example-spy 1\.0.*'fetch_orders', which is no hook"):
            load_with()
    with pytest.raises(PluginLoadError, match="No extension named 'missing'"):
        load("shop", ["missing"])


# --- who sees what ---------------------------------------------------------------------------------------------------

NOSY = (
    SHOP.format(hooks="")
    + """
SEEN = []


@hookimpl(specname="fetch_orders", tryfirst=True)
def look_at_orders(account, cursor):
    SEEN.append((account.id, account.settings.token.get_secret_value()))


@hookimpl(specname="accept_order", wrapper=True, tryfirst=True)
def look_at_acceptance(account, order, decision):
    SEEN.append((account.id, order))
    return (yield)
"""
)


@pytest.mark.parametrize("loaded_first", [True, False])
def test_a_nosy_plugin_sees_no_other_account(place: Install, shop: Shop, loaded_first: bool) -> None:
    nosy = place(NOSY, name="nosy", distribution="example-nosy")
    shop.answers |= {"fetch_orders": page(), "accept_order": Acceptance(lines={"1": LineOutcome.WON})}
    if loaded_first:
        connector = connect("shop")
        stranger = connect("nosy", "south")
    else:
        stranger = connect("nosy", "south")
        connector = connect("shop")
    connector.fetch_orders(None)
    connector.accept_order(order(), Decision(accepted=("1",)))
    assert shop.calls == [("fetch_orders", "id-of-north"), ("accept_order", "id-of-north")]
    with pytest.raises(ContractError):
        stranger.fetch_orders(None)
    assert __import__(nosy).SEEN == [("id-of-south", "canary-token")]


def test_two_accounts_of_a_platform_are_told_apart(shop: Shop) -> None:
    shop.answers["fetch_orders"] = lambda account, cursor: page(order(account.name))
    north, south = connect(name="north"), connect(name="south")
    assert north.fetch_orders(None).orders[0].id.value == "north"
    assert south.fetch_orders(None).orders[0].id.value == "south"


WATCHMAN = """
from crossdock.plugin import Veto, hookimpl

SEEN = []


@hookimpl
def review_acceptance(account_view, order, decision):
    SEEN.append(account_view)
    return ANSWER


ANSWER = {answer}
"""


def watched(place: Install, answer: str) -> tuple[Connector, list[Any]]:
    """Return a connector whose acceptances an extension watches, and what that extension has seen."""
    source = WATCHMAN.format(answer=answer)
    module = place(source, name="watchman", group="crossdock.extensions", distribution="example-watchman")
    connector = connect(extensions=("watchman",))
    return connector, __import__(module).SEEN


def test_an_extension_vetoes_an_acceptance_and_sees_no_secret(place: Install, shop: Shop) -> None:
    connector, seen = watched(place, "Veto(reason='too cheap', line_ids=('1',))")
    vetoes = connector.review_acceptance(order(), Decision(accepted=("1",)))
    assert vetoes == (Veto(reason="too cheap", line_ids=("1",)),)
    assert [(view.id, view.name) for view in seen] == [("id-of-north", "north")]
    assert "canary-token" not in repr(seen)
    assert not any(hasattr(seen[0], name) for name in ("http", "settings", "memory"))


def test_an_extension_may_have_no_objection(place: Install, shop: Shop) -> None:
    connector, _ = watched(place, "None")
    assert connector.review_acceptance(order(), Decision(accepted=("1",))) == ()


def test_an_extension_must_answer_with_a_veto(place: Install, shop: Shop) -> None:
    connector, _ = watched(place, "'no!'")
    with pytest.raises(ContractError, match="review_acceptance"):
        connector.review_acceptance(order(), Decision(accepted=("1",)))


def test_an_extension_that_is_not_enabled_is_not_asked(place: Install, shop: Shop) -> None:
    _, seen = watched(place, "None")
    assert connect().review_acceptance(order(), Decision(accepted=("1",))) == ()
    assert seen == []


# --- calling ---------------------------------------------------------------------------------------------------------


def test_a_verb_gets_its_arguments_and_gives_its_answer(shop: Shop) -> None:
    shop.answers["fetch_orders"] = lambda account, cursor: OrderPage(orders=(order(),), cursor={"after": cursor})
    assert connect().fetch_orders({"page": 2}).cursor == {"after": {"page": 2}}


def test_what_a_plugin_does_not_do_is_refused_by_name(shop: Shop) -> None:
    connector = connect()
    assert not connector.can("push_prices")
    with pytest.raises(
        Unsupported, match=r"Example Shop cannot push_prices \(account north\).*no interface for prices"
    ):
        connector.push_prices(())
    with pytest.raises(Unsupported, match=r"cannot build_feed \(account north\)\. Its plugin does not implement it"):
        connector.build_feed("PL")


def test_a_plugin_that_cannot_find_outcomes_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Shop(tmp_path, monkeypatch, "map_status")
    assert connect().find_outcome(object()) is None  # type: ignore[arg-type]  # no intent is looked at


def test_a_remote_error_says_on_which_account_and_in_which_verb(shop: Shop) -> None:
    shop.answers["check_connection"] = AuthError("The token was refused.", code="E7")
    with pytest.raises(RemoteError) as caught:
        connect().check_connection()
    assert (caught.value.account, caught.value.verb) == ("north", "check_connection")
    assert str(caught.value) == "account north, check_connection: The token was refused. [E7]"


def test_a_batch_is_what_the_plugin_declares_or_one(place: Install) -> None:
    place(shop_source().replace("gaps=", "limits=Limits(batch={'push_stock': 50}),\n    gaps="))
    connector = connect()
    assert (connector.batch("push_stock"), connector.batch("push_prices")) == (50, 1)


LEVELS = tuple(StockLevel(offer=Offer(id=number, sku=number, market="PL"), quantity=1) for number in ("1", "2"))
ACCEPT_ONE = Decision(accepted=("1",), declined=(DeclinedLine(id="2", reason="sold out"),))
CALLS: dict[str, Callable[[Connector], object]] = {
    "fetch_orders": lambda connector: connector.fetch_orders(None),
    "accept_order": lambda connector: connector.accept_order(order(), ACCEPT_ONE),
    "push_stock": lambda connector: connector.push_stock(LEVELS),
    "map_status": lambda connector: connector.map_status(),
    "check_connection": lambda connector: connector.check_connection(),
}
TWICE = order(lines=order().lines * 2)
NEW = PlatformStatus(code="new", label="New", meaning=Meaning.NEW)
NOT_UTC = datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1)))

WRONG: dict[str, tuple[str, object, str]] = {
    "nothing": ("fetch_orders", None, "answered with NoneType"),
    "another type": ("fetch_orders", {"orders": []}, "answered with dict"),
    "a generator": ("map_status", lambda account: (status for status in ()), "answered with generator"),
    "a page of something else": ("fetch_orders", page({"id": 1}), "something that is no Order"),
    "an order twice": ("fetch_orders", page(order(), order()), "an order twice"),
    "a line twice": ("fetch_orders", page(TWICE), "two lines with the same id"),
    "no outcome for a line": ("accept_order", Acceptance(lines={"1": LineOutcome.WON}), "outcomes of"),
    "an outcome too many": (
        "accept_order",
        Acceptance(lines=dict.fromkeys(("1", "2", "3"), LineOutcome.WON)),
        "outcomes of",
    ),
    "a result too few": ("push_stock", (Result(item="1", accepted=True),), "do not match the levels"),
    "a result twice": ("push_stock", (Result(item="1", accepted=True),) * 2, "do not match the levels"),
    "a result for a warehouse": (
        "push_stock",
        (Result(item="1", accepted=True), Result(item="2", warehouse="w", accepted=True)),
        "do not match the levels",
    ),
    "something that is no result": ("push_stock", (True, True), "something that is no Result"),
    "a status code twice": ("map_status", (NEW, NEW), "a status code twice"),
    "something that is no status": ("map_status", ("new",), "something that is no PlatformStatus"),
    "a NUL": ("check_connection", "con\0nected", "has a NUL or a lone surrogate"),
    "a lone surrogate": ("fetch_orders", page(order(comment="\ud800")), r"orders\[0\]\.comment: has a NUL or a lone"),
    "a NUL in a cursor": ("fetch_orders", OrderPage(orders=(), cursor={"a\0": 1}), "has a NUL"),
    "a float": ("fetch_orders", OrderPage(orders=(), cursor={"since": 1.5}), "is a float; use Decimal or int"),
    "a naive time": (
        "fetch_orders",
        page(order(placed_at=datetime(2026, 3, 1))),  # noqa: DTZ001 - that is the fault
        r"orders\[0\]\.placed_at: .* is not in UTC",
    ),
    "a time elsewhere": ("fetch_orders", page(order(placed_at=NOT_UTC)), "is not in UTC"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_an_answer_that_breaks_the_contract_is_refused(shop: Shop, fault: str) -> None:
    verb, answer, words = WRONG[fault]
    shop.answers[verb] = answer
    with pytest.raises(ContractError, match=words) as caught:
        CALLS[verb](connect())
    assert str(caught.value).startswith(
        f"Plugin 'shop' (example-shop 1.0, {shop.module.__name__}), account north: {verb}"
    )


def test_right_answers_pass(shop: Shop) -> None:
    right: dict[str, object] = {
        "fetch_orders": page(order("1"), order("2")),
        "accept_order": Acceptance(lines={"1": LineOutcome.WON, "2": LineOutcome.DECLINED}),
        "push_stock": (Result(item="2", accepted=False, code="E1"), Result(item="1", accepted=True)),
        "map_status": (NEW,),
        "check_connection": "The shop Example is open.",
    }
    shop.answers |= right
    assert {verb: call(connect()) for verb, call in CALLS.items()} == right
