"""`crossdock account`: prompts on a terminal, all that is missing at once elsewhere, questions before what matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import CANARY, MOMENT, Cli, page, proposal
from fake_plugins import Shop

from crossdock.core.errors import AuthError, Unavailable
from crossdock.core.store import accounts, secrets


def kept(cli: Cli, name: str = "north") -> dict[str, str]:
    with cli.hub() as hub, hub.store.read() as tx:
        return secrets.get_all(tx, hub.box, accounts.get(tx, name).id)


def settings(cli: Cli) -> dict[str, Any]:
    shown: dict[str, Any] = cli.json("account", "show", "north")["settings"]
    return shown


# --- adding ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("person", "shop")
def test_a_person_is_asked_for_what_is_missing_and_secrets_are_not_shown(cli: Cli) -> None:
    result = cli("account", "add", "shop", "north", input=f"1042\n{CANARY}\n")
    assert "Shop number. As the shop's panel shows it. Such as 1042\nshop: 1042\n" in result.stderr
    assert "Token. From the shop's panel.\ntoken: \n" in result.stderr
    assert "second" not in result.stderr, "it is not needed"
    assert result.stdout.startswith("Account north is added: it speaks with the platform, does nothing by itself")
    assert CANARY not in result.output
    assert settings(cli)["shop"] == "1042"
    assert kept(cli) == {"token": CANARY}


@pytest.mark.usefixtures("person", "shop")
def test_a_person_is_not_asked_for_what_is_given(cli: Cli) -> None:
    result = cli("account", "add", "shop", "north", "--set", "token=canary=2", input="1042\n")
    assert "token:" not in result.stderr
    assert kept(cli) == {"token": "canary=2"}


@pytest.mark.usefixtures("shop")
def test_in_a_pipe_all_that_is_missing_is_one_error(cli: Cli) -> None:
    said = cli.complains("account", "add", "shop", "north")
    assert said.splitlines()[0].startswith("Error: Account north: 2 setting(s) are wrong.")
    assert said.splitlines()[1:] == ["  - shop: Field required", "  - token: Field required"]
    assert cli.json("account", "list") == []


@pytest.mark.usefixtures("shop")
def test_a_secret_may_come_from_a_file_or_standard_input(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\nsecond line\n")
    read = ("--read", f"token={tmp_path / 'token'}", "--read", "second=-")
    cli("account", "add", "shop", "north", "--set", "shop=1042", *read, input="canary-stdin\n")
    assert kept(cli) == {"token": CANARY, "second": "canary-stdin"}


@pytest.mark.usefixtures("shop")
def test_a_file_that_cannot_be_read_is_said(cli: Cli, tmp_path: Path) -> None:
    said = cli.complains("account", "add", "shop", "north", "--read", f"token={tmp_path / 'none'}")
    assert "token cannot be read from" in said


@pytest.mark.usefixtures("shop")
def test_a_setting_that_is_given_twice_is_refused(cli: Cli, tmp_path: Path) -> None:
    twice = ("--set", "token=a", "--read", f"token={__file__}")
    assert "--set or --read names token twice" in cli.complains("account", "add", "shop", "north", *twice)


@pytest.mark.usefixtures("shop")
def test_a_value_that_is_no_pair_is_refused_without_repeating_it(cli: Cli) -> None:
    said = cli.complains("account", "add", "shop", "north", "--set", CANARY)
    assert "Write it as field=value" in said
    assert CANARY not in said


def test_an_unknown_platform_is_said_with_those_there_are(cli: Cli) -> None:
    said = cli.complains("account", "add", "miintoo", "north", code=3)
    assert "No plugin named 'miintoo' is installed" in said
    assert "miinto" in said


@pytest.mark.usefixtures("shop")
def test_a_rehearsal_is_told_from_the_platform(cli: Cli) -> None:
    given = ("--set", "shop=1", "--set", "token=t", "--set", "endpoint=http://127.0.0.1:8901")
    assert "a stand-in on this machine" in cli("account", "add", "shop", "north", *given).stdout
    assert cli.json("account", "list")[0]["rehearsal"] is True


# --- changing --------------------------------------------------------------------------------------------------------


def test_what_is_not_named_stays_and_an_empty_value_takes_back(north: Cli) -> None:
    north("account", "set", "north", "--set", "second=canary-2", "--option", "stock_buffer=3")
    assert (settings(north)["second"], kept(north)["token"]) == ("set", CANARY)
    changed = north.json("account", "set", "north", "--set", "second=", "--option", "stock_buffer=")
    assert changed["name"] == "north"
    assert settings(north)["second"] == "missing"
    assert north.json("account", "show", "north")["options"]["stock_buffer"] == 0


def test_lists_and_mappings_are_written_in_json(north: Cli) -> None:
    given = ("--option", 'warehouses=["main", "second"]', "--option", 'vat_rates={"PL": 8.5}')
    north("account", "set", "north", *given)
    options = north.json("account", "show", "north")["options"]
    assert (options["warehouses"], options["vat_rates"]) == (["main", "second"], {"PL": "8.5"})
    assert "warehouses: write it in JSON" in north.complains("account", "set", "north", "--option", "warehouses=main")


def test_a_person_may_be_asked_for_a_secret(north: Cli) -> None:
    result = north("account", "set", "north", "--ask", "token", input="canary-new\n")
    assert "canary-new" not in result.output
    assert kept(north) == {"token": "canary-new"}
    assert "There is no setting 'tokn'" in north.complains("account", "set", "north", "--ask", "tokn")


def test_who_changes_over_to_a_rehearsal_is_told_of_the_disarming(north: Cli) -> None:
    north("account", "arm", "north")
    result = north("account", "set", "north", "--set", "endpoint=http://127.0.0.1:8901")
    assert "It is disarmed" in result.stdout
    assert "disarmed" not in north("account", "set", "north", "--set", "shop=2").stdout


def test_faulty_changes_are_said_together(north: Cli) -> None:
    said = north.complains("account", "set", "north", "--set", "extra=1", "--option", "stock_buffer=-1")
    assert [line.partition(":")[0] for line in said.splitlines()[1:]] == ["  - extra", "  - stock_buffer"]


def test_an_account_is_renamed(north: Cli) -> None:
    assert north("account", "rename", "north", "far").stdout == "Account north is called far now.\n"
    assert "Did you mean" not in north.complains("account", "show", "north")
    assert "looks like the id" in north.complains("account", "rename", "far", "a0123456789abcdef")


# --- looking ---------------------------------------------------------------------------------------------------------


def test_an_account_is_shown_with_its_secrets_masked(north: Cli) -> None:
    assert settings(north)["token"] == "set"
    assert settings(north)["second"] == "missing"
    plain = north("account", "show", "north").stdout
    assert "settings\tshop: 1042, api: https://api.example.com, token: set, second: missing" in plain
    assert "push_prices" in plain


def test_accounts_are_listed_as_a_table(north: Cli) -> None:
    (row,) = north.table("account", "list")
    assert row == {
        "name": "north",
        "platform": "shop",
        "rehearsal": "no",
        "armed": "no",
        "switches": "",
        "stopped_because": "",
    }


def test_a_connection_test_says_what_the_credentials_open(north: Cli, shop: Shop) -> None:
    assert north("account", "test", "north").stdout == "The token opens shop 1042.\n"
    shop.answers["check_connection"] = AuthError("The token is wrong.")
    assert "account north, check_connection: The token is wrong." in north.complains("account", "test", "north", code=4)


@pytest.mark.parametrize(
    "line",
    [
        "show nroth",
        "test nroth",
        "set nroth --option vat_rate=8",
        "rename nroth south",
        "remove nroth --yes",
        "enable nroth stock",
        "disable nroth stock",
        "arm nroth",
        "disarm nroth",
        "resume nroth",
    ],
)
def test_an_unknown_account_is_said_with_those_that_are_close(north: Cli, line: str) -> None:
    assert "There is no account 'nroth'. Did you mean north?" in north.complains("account", *line.split())


# --- switching -------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_waiting(north: Cli, shop: Shop) -> Cli:
    shop.answers["fetch_orders"] = page(proposal(1), proposal(2))
    return north


ENABLE = ("account", "enable", "north", "orders", "--not-before", "2026-02-01T00:00Z")


@pytest.mark.usefixtures("person", "warsaw")
@pytest.mark.parametrize(("answer", "code", "switches"), [("y\n", 0, ["orders"]), ("n\n", 1, []), ("\n", 1, [])])
def test_orders_are_counted_and_a_person_is_asked(
    two_waiting: Cli, answer: str, code: int, switches: list[str]
) -> None:
    result = two_waiting(*ENABLE, input=answer, code=code)
    assert "2 order(s) placed since 2026-02-01 01:00 would come." in result.stderr
    assert "Switch orders of north on? [y/N]" in result.stderr
    assert ("Nothing was changed." in result.stderr) == (code == 1)
    assert two_waiting.json("account", "list")[0]["switches"] == switches


def test_a_script_says_yes(two_waiting: Cli) -> None:
    assert "Add --yes." in two_waiting.complains(*ENABLE)
    assert two_waiting.json("account", "list")[0]["switches"] == []
    assert two_waiting(*ENABLE, "--yes").stdout == "Account north: orders switched on.\n"
    assert two_waiting.json("account", "list")[0]["orders_not_before"] == "2026-02-01T00:00:00+00:00"


def test_orders_that_were_on_before_need_no_moment_and_no_question(two_waiting: Cli) -> None:
    two_waiting(*ENABLE, "--yes")
    two_waiting("account", "disable", "north", "orders")
    assert two_waiting("account", "enable", "north", "orders").stderr == ""


def test_a_preview_that_fails_switches_nothing_on(two_waiting: Cli, shop: Shop) -> None:
    shop.answers["fetch_orders"] = Unavailable("No answer.")
    assert "No answer." in two_waiting.complains(*ENABLE, "--yes", code=5)
    assert two_waiting.json("account", "list")[0]["switches"] == []


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("enable north orders", 2, "say from when on"),
        ("enable north stcok", 2, "no switch 'stcok'"),
        ("enable north stock --not-before now", 2, "belongs to orders"),
        ("enable north prices", 3, "cannot push_prices"),
        ("enable north orders --not-before soon", 2, "write 2026-03-01"),
        ("disable north stcok", 2, "no switch 'stcok'"),
    ],
)
def test_a_faulty_switching_is_said(north: Cli, line: str, code: int, words: str) -> None:
    assert words in north.complains("account", *line.split(), code=code)
    assert north.json("account", "list")[0]["switches"] == []


def test_what_writes_reminds_of_arming(north: Cli) -> None:
    assert "crossdock account arm north" in north("account", "enable", "north", "stock").stdout
    assert "is armed" in north("account", "arm", "north").stdout
    assert "arm" not in north("account", "enable", "north", "accept").stdout
    assert north.json("account", "list")[0]["armed"] is True
    assert "is disarmed" in north("account", "disarm", "north").stdout
    assert north.json("account", "list")[0]["armed"] is False


def test_an_account_is_armed_and_resumed_only_if_its_connection_is_well(north: Cli, shop: Shop) -> None:
    shop.answers["check_connection"] = shop.answers["map_status"] = AuthError("The token is wrong.")
    north.complains("account", "arm", "north", code=4)
    north("run", "north", "statuses", code=4)
    assert "The token is wrong." in north.json("account", "list")[0]["stopped_because"]
    north.complains("account", "resume", "north", code=4)
    assert "Resume it first" in north.complains("account", "arm", "north")
    shop.answers["check_connection"] = "All is open."
    assert north("account", "resume", "north").stdout == "Account north runs again.\n"
    assert north.json("account", "list")[0]["stopped_because"] is None


@pytest.mark.usefixtures("person")
def test_removing_asks_first(selling: Cli) -> None:
    question = "Remove account north with its secrets, switches and schedules?"
    assert question in selling("account", "remove", "north", input="n\n", code=1).stderr
    assert len(selling.json("account", "list")) == 1
    assert selling("account", "remove", "north", input="y\n").stdout == "Account north is removed.\n"
    assert selling.json("account", "list") == []


def test_the_orders_of_a_removed_account_stay_to_be_seen(selling: Cli) -> None:
    assert "Add --yes." in selling.complains("account", "remove", "north")
    selling("account", "remove", "north", "--yes")
    assert [order["account"] for order in selling.json("orders", "list")] == ["north"]
    assert selling.json("orders", "show", 1)["account"] == "north"
    assert {run["account"] for run in selling.json("runs")} == {"north"}
    assert selling.json("stock", "show", "SHIRT")["reservations"][0]["account"] == "north"


def test_moments_are_kept_exactly(two_waiting: Cli) -> None:
    two_waiting("account", "enable", "north", "orders", "--not-before", MOMENT.isoformat(), "--yes")
    assert two_waiting.json("account", "show", "north")["orders_not_before"] == MOMENT.isoformat()
