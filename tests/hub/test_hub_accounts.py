"""Accounts as people handle them: faults at once, secrets out of sight, nothing on before it was tried."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fake_plugins import Shop
from sqlalchemy import func, select

from crossdock import hub as library
from crossdock.core.errors import AuthError, ConfigError, NotFoundHere, PluginLoadError, Unavailable, Unsupported
from crossdock.core.model import Meaning, Money, Order, OrderLine, OrderPage, PlatformStatus, RemoteId
from crossdock.core.store import accounts, cursors, secrets, statuses, tables
from crossdock.hub import Hub, OrdersPreview

SETTINGS = {"shop": "1042", "token": "canary-token"}
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
OPEN = "The shop Example is open."


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Give an installed plugin named shop, whose connection test succeeds."""
    shop = Shop(tmp_path, monkeypatch)
    shop.answers["check_connection"] = OPEN
    shop.answers["map_status"] = (PlatformStatus(code="new", label="New", meaning=Meaning.NEW),)
    return shop


@pytest.fixture
def hub(tmp_path: Path, shop: Shop) -> Iterator[Hub]:
    """Give an installation without accounts."""
    with library.init(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def north(hub: Hub) -> str:
    """Give the name of an account of the shop."""
    return hub.accounts.add("shop", "north", SETTINGS).name


def kept(hub: Hub) -> dict[str, str]:
    with hub.store.read() as tx:
        return secrets.get_all(tx, hub.box, accounts.get(tx, "north").id)


def faults_of(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return [fault.partition(":")[0] for fault in error.value.faults]


# --- adding ----------------------------------------------------------------------------------------------------------


def test_a_new_account_is_off_and_its_secrets_are_sealed(hub: Hub) -> None:
    row = hub.accounts.add("shop", "north", SETTINGS | {"second": "another"}, {"vat_rate": "23"})
    assert (row.armed, row.switches, row.rehearsal) == (False, frozenset(), False)
    assert (row.settings, row.options) == ({"shop": "1042"}, {"vat_rate": "23"})
    assert kept(hub) == {"token": "canary-token", "second": "another"}
    assert hub.accounts.list() == (row,)
    assert hub.accounts.get("north") == hub.accounts.get(row.id) == row


def test_all_faults_of_a_new_account_come_at_once(hub: Hub) -> None:
    settings = {"shop": 7, "api": "https://elsewhere.example.org", "extra": "x"}
    with pytest.raises(ConfigError) as caught:
        hub.accounts.add("shop", " north", settings, {"vat_rate": "lots", "warehouses": []})
    assert sorted(faults_of(caught)) == sorted(["name", "shop", "token", "extra", "vat_rate", "warehouses"])
    assert hub.accounts.list() == ()


def test_faults_that_valid_fields_make_together_come_at_once(hub: Hub) -> None:
    settings = SETTINGS | {"api": "https://elsewhere.example.org", "endpoint": "http://api.example.com"}
    with pytest.raises(ConfigError) as caught:
        hub.accounts.add("shop", "north", settings, {"vat_rates": {"PL": "23", "HU": "27"}})
    assert caught.value.faults == (
        "endpoint: beyond loopback only https://api.example.com is allowed",
        "api: elsewhere.example.org is none of the platform's hosts (api.example.com, *.shops.example.com) "
        "and no loopback address",
        "vat_rates: HU is no market of Example Shop",
    )


def test_a_name_that_is_taken_leaves_no_secrets_behind(hub: Hub, north: str) -> None:
    with pytest.raises(ConfigError, match="already"):
        hub.accounts.add("shop", "north", SETTINGS)
    with hub.store.read() as tx:
        assert tx.scalar(select(func.count()).select_from(tables.secrets)) == 1


def test_an_account_needs_its_plugin(hub: Hub) -> None:
    with pytest.raises(PluginLoadError, match="No plugin named 'shpo'"):
        hub.accounts.add("shpo", "north", SETTINGS)


@pytest.mark.parametrize("field", ["endpoint", "api"])
def test_a_loopback_address_makes_a_rehearsal_account(hub: Hub, field: str) -> None:
    assert hub.accounts.add("shop", "north", SETTINGS | {field: "http://127.0.0.1:8901"}).rehearsal
    assert hub.accounts.list()[0].rehearsal
    assert hub.accounts.show("north").account.rehearsal


# --- looking ---------------------------------------------------------------------------------------------------------


def test_an_account_is_shown_with_secrets_masked(hub: Hub, north: str) -> None:
    shown = hub.accounts.show(north)
    assert shown.settings == {
        "endpoint": None,
        "shop": "1042",
        "api": "https://api.example.com",
        "token": "set",
        "second": "missing",
    }
    assert (shown.options["price_floor"], shown.options["warehouses"]) == ("0.97", ["main"])
    assert (shown.title, shown.kind, [market.code for market in shown.markets]) == ("Example Shop", "shop", ["PL"])
    assert "push_stock" in shown.verbs
    assert [gap.what for gap in shown.gaps] == ["push_prices"]
    assert "canary" not in repr(shown)


def test_an_unknown_account_is_an_error_everywhere(hub: Hub, north: str) -> None:
    face = hub.accounts
    for call in (
        face.get,
        face.show,
        face.set,
        face.test,
        face.arm,
        face.disarm,
        face.resume,
        face.remove,
        hub.connector,
        lambda name: face.rename(name, "other"),
        lambda name: face.enable(name, "stock"),
        lambda name: face.disable(name, "stock"),
        lambda name: face.preview_orders(name, MOMENT),
    ):
        with pytest.raises(NotFoundHere, match="Did you mean north"):
            call("nroth")


# --- setting ---------------------------------------------------------------------------------------------------------


def test_what_is_not_given_stays(hub: Hub, north: str) -> None:
    hub.accounts.set(north, {"api": "https://north.shops.example.com"}, {"stock_buffer": 2})
    row = hub.accounts.set(north, options={"vat_rate": "23"})
    assert row.settings == {"shop": "1042", "api": "https://north.shops.example.com"}
    assert row.options == {"stock_buffer": 2, "vat_rate": "23"}
    assert kept(hub) == {"token": "canary-token"}


def test_a_secret_may_be_given_alone(hub: Hub, north: str) -> None:
    row = hub.accounts.set(north, {"second": "another"})
    assert row.settings == {"shop": "1042"}
    assert kept(hub) == {"token": "canary-token", "second": "another"}
    assert hub.connector(north).account.settings.second.get_secret_value() == "another"


def test_none_takes_a_value_back(hub: Hub, north: str) -> None:
    hub.accounts.set(north, {"second": "another", "api": "https://north.shops.example.com"}, {"price_floor": "0.5"})
    row = hub.accounts.set(north, {"second": None, "api": None}, {"price_floor": None})
    assert (row.settings, row.options) == ({"shop": "1042"}, {})
    assert kept(hub) == {"token": "canary-token"}
    with pytest.raises(ConfigError, match="token: Field required"):
        hub.accounts.set(north, {"token": None})


def test_a_none_that_was_given_at_first_stays(hub: Hub, shop: Shop) -> None:
    hub.accounts.add("shop", "south", SETTINGS, {"price_floor": None})
    assert hub.accounts.set("south", options={"stock_buffer": 2}).options == {"price_floor": None, "stock_buffer": 2}


def test_faulty_changes_change_nothing(hub: Hub, north: str) -> None:
    before = hub.accounts.get(north)
    with pytest.raises(ConfigError) as caught:
        hub.accounts.set(north, {"token": "another", "extra": 1}, {"stock_buffer": -1})
    assert faults_of(caught) == ["extra", "stock_buffer"]
    assert hub.accounts.get(north) == before
    assert kept(hub) == {"token": "canary-token"}


def test_changing_over_between_rehearsal_and_platform_disarms(hub: Hub, north: str) -> None:
    hub.accounts.arm(north)
    assert hub.accounts.set(north, {"shop": "7"}).armed
    assert not hub.accounts.set(north, {"endpoint": "http://127.0.0.1:8901"}).armed
    hub.accounts.arm(north)
    assert not hub.accounts.set(north, {"endpoint": None}).armed


def test_an_account_is_renamed_and_removed(hub: Hub, north: str) -> None:
    hub.accounts.rename(north, "far north")
    assert [row.name for row in hub.accounts.list()] == ["far north"]
    hub.accounts.remove("far north")
    assert hub.accounts.list() == ()
    assert hub.accounts.add("shop", "north", SETTINGS).name == "north"


# --- connecting ------------------------------------------------------------------------------------------------------


def test_a_connector_has_all_that_the_account_was_given(hub: Hub, north: str) -> None:
    hub.accounts.set(north, options={"vat_rate": "23"})
    account = hub.connector(north).account
    assert account.settings.token.get_secret_value() == "canary-token"
    assert (account.settings.shop, account.options.vat_rate) == ("1042", Decimal(23))
    assert account.clock is hub.store.clock
    account.memory.put("session", "canary-session")
    assert hub.connector(account.id).account.memory.get("session") == "canary-session"
    assert hub.redactor.redact("canary-token canary-session") == "*** ***"


def test_a_plugin_is_loaded_once(hub: Hub, north: str) -> None:
    assert hub.connector(north).loaded is hub.connector(north).loaded


def test_the_log_of_an_account_names_it_and_masks_secrets(
    hub: Hub, north: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        hub.connector(north).account.log.warning("the token is %s", "canary-token")
    (record,) = caplog.records
    assert (record.getMessage(), record.name) == ("the token is ***", "crossdock.plugins.shop")
    assert vars(record)["account"] == "north"


def test_settings_that_fit_the_plugin_no_more_are_named(hub: Hub, north: str) -> None:
    with hub.store.write() as tx:
        accounts.save(tx, accounts.get(tx, north).id, settings={"old": "x"})
        secrets.forget(tx, accounts.get(tx, north).id, "token")
    with pytest.raises(ConfigError) as caught:
        hub.connector(north)
    assert faults_of(caught) == ["shop", "token", "old"]
    assert hub.accounts.set(north, SETTINGS | {"old": None}).settings == {"shop": "1042"}


# --- trying ----------------------------------------------------------------------------------------------------------


def test_a_connection_test_says_what_the_credentials_open(hub: Hub, north: str) -> None:
    assert hub.accounts.test(north) == OPEN
    with hub.store.read() as tx:
        assert [status.code for status in statuses.list_platform(tx, hub.accounts.get(north).id)] == ["new"]


def test_switches_and_options_set_the_rhythm_of_jobs(hub: Hub, north: str) -> None:
    def rhythm() -> dict[str, int | None]:
        return {item.job: item.every_seconds for item in hub.work.schedules(account=north)}

    assert rhythm() == {}
    hub.accounts.enable(north, "orders", MOMENT)
    hub.accounts.enable(north, "stock")
    assert rhythm() == {"orders": 300, "statuses": 86400}
    hub.accounts.set(north, options={"poll_seconds": 60, "stock_trigger": "hourly"})
    assert rhythm() == {"orders": 60, "statuses": 86400}
    hub.accounts.arm(north)
    assert rhythm() == {"orders": 60, "statuses": 86400, "stock": 3600}
    hub.accounts.disarm(north)
    assert rhythm() == {"orders": 60, "statuses": 86400}
    hub.accounts.disable(north, "orders")
    hub.accounts.disable(north, "stock")
    assert rhythm() == {}


def test_an_own_cron_line_outlives_the_switch_rhythm(hub: Hub, north: str) -> None:
    hub.work.schedule(north, "orders", cron="0 5 * * *", time_zone="Europe/Budapest")
    hub.accounts.enable(north, "orders", MOMENT)
    (schedule,) = [item for item in hub.work.schedules(account=north) if item.job == "orders"]
    assert (schedule.cron, schedule.every_seconds) == ("0 5 * * *", None)


def order(number: int) -> Order:
    line = OrderLine(id="1", name="Shoe", quantity=1, price=Money(amount=Decimal(299), currency="PLN"))
    return Order(
        id=RemoteId(kind="order", value=str(number)),
        market="PL",
        status="new",
        placed_at=MOMENT + timedelta(hours=number),
        lines=(line,),
    )


def pages(size: int, count: int) -> Any:
    """Return a fetch_orders that gives `count` pages of `size` orders, one placed each hour."""

    def fetch(account: Any, cursor: Any) -> OrderPage:
        number = cursor["page"] if cursor else 0
        orders = tuple(order(number * size + place) for place in range(size))
        return OrderPage(orders=orders, cursor={"page": number + 1}, more=number + 1 < count)

    return fetch


def test_a_preview_counts_the_orders_that_would_come_and_keeps_nothing(hub: Hub, north: str, shop: Shop) -> None:
    shop.answers["fetch_orders"] = pages(size=10, count=3)
    preview = hub.accounts.preview_orders(north, MOMENT + timedelta(hours=12))
    assert preview == OrdersPreview(orders=18, complete=True)
    with hub.store.read() as tx:
        for table in (tables.orders, tables.cursors, tables.journal):
            assert tx.scalar(select(func.count()).select_from(table)) == 0
    assert hub.accounts.get(north).orders_not_before is None


def test_a_preview_has_an_end(hub: Hub, north: str, shop: Shop) -> None:
    shop.answers["fetch_orders"] = pages(size=10, count=1000)
    assert hub.accounts.preview_orders(north, MOMENT, limit=30) == OrdersPreview(orders=30, complete=False)
    shop.answers["fetch_orders"] = pages(size=0, count=1_000_000)
    assert hub.accounts.preview_orders(north, MOMENT) == OrdersPreview(orders=0, complete=False)


def test_a_preview_needs_a_moment_with_a_time_zone(hub: Hub, north: str) -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        hub.accounts.preview_orders(north, MOMENT.replace(tzinfo=None))


# --- switching -------------------------------------------------------------------------------------------------------


def test_orders_need_a_moment_the_first_time(hub: Hub, north: str) -> None:
    with pytest.raises(ConfigError, match="from when on"):
        hub.accounts.enable(north, "orders")
    assert hub.accounts.get(north).switches == frozenset()
    assert hub.accounts.enable(north, "orders", MOMENT).orders_not_before == MOMENT
    assert hub.accounts.disable(north, "orders").switches == frozenset()
    again = hub.accounts.enable(north, "orders")
    assert (again.switches, again.orders_not_before) == ({"orders"}, MOMENT)
    assert hub.accounts.enable(north, "orders", MOMENT + timedelta(1)).orders_not_before == MOMENT + timedelta(1)


def test_an_earlier_moment_reads_the_orders_from_the_start_again(hub: Hub, north: str) -> None:
    account = hub.accounts.enable(north, "orders", MOMENT)

    def kept() -> object:
        with hub.store.read() as tx:
            return cursors.get(tx, account.id, "orders")

    with hub.store.write() as tx:
        cursors.put(tx, account.id, "orders", {"page": 7}, 3)
    hub.accounts.enable(north, "orders", MOMENT + timedelta(1))
    assert kept() == ({"page": 7}, 3)
    hub.accounts.enable(north, "orders", MOMENT)
    assert kept() == (None, 3)


@pytest.mark.parametrize(
    ("switch", "moment", "words"),
    [
        ("orders", MOMENT.replace(tzinfo=None), "no time zone"),
        ("stock", MOMENT, "belongs to orders, not to stock"),
        ("stcok", None, "no switch 'stcok'. Here are: orders, accept, decline, stock, prices, feed"),
    ],
)
def test_a_faulty_switching_changes_nothing(
    hub: Hub, north: str, switch: str, moment: datetime | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        hub.accounts.enable(north, switch, moment)
    assert hub.accounts.get(north).switches == frozenset()
    assert hub.accounts.get(north).orders_not_before is None


def test_what_the_plugin_cannot_do_is_not_switched_on(hub: Hub, north: str) -> None:
    with pytest.raises(Unsupported, match=r"cannot push_prices \(account north\).*no interface for prices"):
        hub.accounts.enable(north, "prices")
    with pytest.raises(Unsupported, match=r"cannot build_feed \(account north\)"):
        hub.accounts.enable(north, "feed")
    for switch in ("accept", "decline", "stock"):
        hub.accounts.enable(north, switch)
    assert hub.accounts.get(north).switches == {"accept", "decline", "stock"}


@pytest.mark.parametrize("switch", ["orders", "accept", "decline", "stock"])
def test_each_switch_asks_for_its_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub, switch: str) -> None:
    Shop(tmp_path, monkeypatch, "map_status", name="poor")
    hub.accounts.add("poor", "south", SETTINGS)
    with pytest.raises(Unsupported, match=f"cannot {library.accounts.NEEDS[library.accounts.Switch(switch)]}"):
        hub.accounts.enable("south", switch, MOMENT if switch == "orders" else None)


def test_arming_tests_the_connection_first(hub: Hub, north: str, shop: Shop) -> None:
    shop.answers["check_connection"] = AuthError("The token was refused.")
    with pytest.raises(AuthError, match="account north, check_connection"):
        hub.accounts.arm(north)
    assert not hub.accounts.get(north).armed
    shop.answers["check_connection"] = OPEN
    assert hub.accounts.arm(north).armed
    assert not hub.accounts.disarm(north).armed


def test_a_plugin_without_a_connection_test_is_armed_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    Shop(tmp_path, monkeypatch, "push_stock", name="plain")
    hub.accounts.add("plain", "south", SETTINGS)
    assert hub.accounts.arm("south").armed
    with pytest.raises(Unsupported, match="cannot check_connection"):
        hub.accounts.test("south")


def test_a_stopped_account_resumes_once_its_connection_is_well(hub: Hub, north: str, shop: Shop) -> None:
    with hub.store.write() as tx:
        accounts.stop(tx, accounts.get(tx, north).id, "The token was refused.")
    with pytest.raises(ConfigError, match=r"is stopped: The token was refused\. Resume it first"):
        hub.accounts.arm(north)
    shop.answers["check_connection"] = Unavailable("No answer.")
    with pytest.raises(Unavailable):
        hub.accounts.resume(north)
    assert hub.accounts.get(north).stopped_because == "The token was refused."
    shop.answers["check_connection"] = OPEN
    assert hub.accounts.resume(north).stopped_because is None
    assert hub.accounts.arm(north).armed
