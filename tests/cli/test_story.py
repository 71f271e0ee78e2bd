"""One seller's day through every command there is, in all three ways of printing: nothing secret, nothing broken."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from command import CANARY, CATALOG, Cli, page, proposal
from fake_plugins import Shop

from crossdock.cli import main
from crossdock.core.errors import AuthError

ACCOUNT = ("id name platform rehearsal armed switches orders_not_before stopped_because stopped_at created_at").split()
RUN = (
    "id account job state asked_by asked_at not_before began_at ended_at force attempts progress counts error"
).split()
EVENT = "id at level account run code item message advice detail".split()
VARIANT = "sku name product gtin price vat_rates attributes updated_at".split()
HEAD = (
    "id account market remote_id state parked parked_because status platform_status meaning placed_at line_count total"
).split()
STORY = [
    *HEAD,
    *"scope seen_at decided_at changed_at version comment buyer billing shipping delivery payment".split(),
    *"lines remote_ids decisions journal versions".split(),
]
OFFER = "id sku market scope remote_id state ended_at keys by_hand price priced_at stock level words levels".split()
IMPORT = "id file layout recognised added updated unchanged failed products faults left_out childless".split()
COLUMNS = "name layout columns saved_at".split()
POLICY = "account market group rates multiplier addition rounding currency".split()
MAPPING = "account plan added changed removed".split()
SCHEDULE = "account job every_seconds cron time_zone enabled next_run_at".split()
LEVEL = "on_hand reserved free counted_at".split()

# What is called, in this order; the keys of what --json prints (of each element, where that is a list); the exit code.
DAY: list[tuple[str, list[str], int]] = [
    ("init", ["config", "key"], 0),
    ("upgrade", ["changed"], 0),
    ("key rotate", ["key"], 0),
    ("key lost --yes", [], 2),
    ("plugins shop", "name title kind contract source verbs markets gaps settings fault".split(), 0),
    ("account add shop north --set shop=1042 --read token={token} --option vat_rate=23", ACCOUNT, 0),
    ("account list", ACCOUNT, 0),
    ("account show north", [*ACCOUNT, *"title kind markets verbs settings options gaps".split()], 0),
    ("account test north", ["account", "words"], 0),
    ("account set north --option stock_buffer=1", ACCOUNT, 0),
    ("account rename north far", ACCOUNT, 0),
    ("account rename far north", ACCOUNT, 0),
    ("account enable north orders --not-before 2026-01-01 --yes", ACCOUNT, 0),
    ("account enable north stock", ACCOUNT, 0),
    ("account arm north", ACCOUNT, 0),
    ("catalog import {catalog}", IMPORT, 0),
    ("catalog history", "id file layout state began_at ended_at added updated unchanged failed".split(), 0),
    ("catalog columns save ours Nummer=sku", COLUMNS, 0),
    ("catalog columns list", COLUMNS, 0),
    ("catalog columns show ours", COLUMNS, 0),
    ("catalog columns remove ours", ["name"], 0),
    ("catalog list", VARIANT, 0),
    ("catalog show SHIRT", [*VARIANT, "product_attributes", "parts", "bundles"], 0),
    ("catalog bundle SET SHIRT=1 SOCKS=2", ["sku", "parts", "changed"], 0),
    ("stock show SHIRT", "sku name parts levels reservations moves".split(), 0),
    ("stock adjust SHIRT -1", ["sku", "warehouse", *LEVEL], 0),
    ("offers adopt north", [*RUN, "events"], 0),
    ("offers list north", OFFER, 0),
    ("prices set north --multiplier 1.10", POLICY, 0),
    ("prices show north", POLICY, 0),
    ("prices explain north SHIRT", "sku market price old_price why_not steps steps_of_old_price".split(), 0),
    ("prices import {prices}", "added updated unchanged failed faults".split(), 0),
    ("mapping category add north Shirts", MAPPING, 0),
    ("mapping category list north", ["favourites", "links"], 0),
    ("mapping category link north Tops Shirts", MAPPING, 0),
    ("mapping category unlink north Tops", MAPPING, 0),
    ("mapping category remove north Shirts", MAPPING, 0),
    ("mapping export north {mapping}", ["account", "file"], 0),
    ("mapping import north {mapping}", MAPPING, 0),
    ("mapping check north", [], 3),  # this platform has no offers file to map for
    ("mapping show north SHIRT", [], 3),
    ("offers create north --sku SHIRT", [], 3),
    ("offers edit north --sku SHIRT --set title=x", [], 3),
    ("offers end north --sku SHIRT", [], 3),
    ("offers defaults north", ["account"], 0),  # this platform knows none
    ("offers show north SHIRT", OFFER, 0),
    ("feed build north", [*RUN, "events"], 3),  # this platform has no offers file
    ("feed show north", [], 2),
    ("feed link north", [], 2),
    ("feed log north", [], 2),
    ("feed check north", [], 2),
    ("feed why north SHIRT", [], 2),
    ("plan north stock", "offers changing same not_counted objections changes".split(), 0),
    ("run north orders", [*RUN, "events"], 0),
    ("orders list", HEAD, 0),
    ("orders accept 1", STORY, 0),
    ("orders show 1", STORY, 0),
    ("orders ship 1", STORY, 0),
    ("orders cancel 1 --reason returned", STORY, 0),
    ("orders decline 2", STORY, 0),
    ("orders resolve 3 lost", [], 2),
    ("status-map list north", ["platform", "own", "maps"], 0),
    ("status-map set north in odd New", "account direction code status".split(), 0),
    ("orders unpark 3", STORY, 0),
    ("status-map remove north in odd", "account direction code".split(), 0),
    ("schedule set north stock --every 1h", SCHEDULE, 0),
    ("schedule list", SCHEDULE, 0),
    ("schedule remove north stock", ["account", "job"], 0),
    ("work --until-idle", ["runs"], 0),
    ("runs", RUN, 0),
    ("runs show 1", [*RUN, "events"], 0),
    ("runs cancel 1", RUN, 0),
    ("account disarm north", ACCOUNT, 0),
    ("account disable north stock", ACCOUNT, 0),
    ("run north statuses", [*RUN, "events"], 4),  # the platform refuses the token from here on
    ("events", EVENT, 0),
    ("status", "healthy jobs stopped parked short levels".split(), 1),
    ("account resume north", [], 4),
    ("account remove north --yes", ACCOUNT, 0),
    ("twin nothing", [], 2),
]
ELSEWHERE = {"demo", "serve"}  # they have their own tests


def leaves(command: click.Command, path: str = "") -> Iterator[str]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if name not in ELSEWHERE:
                below = command.get_command(context, name)
                assert below is not None
                yield from leaves(below, f"{path} {name}".strip())


def test_the_day_has_every_command() -> None:
    called = [line for line, _, _ in DAY]
    assert [path for path in leaves(main) if not any(f"{line} ".startswith(f"{path} ") for line in called)] == []


@pytest.fixture
def day(tmp_path: Path, shop: Shop) -> Iterator[tuple[list[str], list[str], int]]:
    """Give the calls of the day, one after the other, and let the platform do its part in between."""
    (tmp_path / "token").write_text(f"{CANARY}\n")
    (tmp_path / "catalog.csv").write_text(f"{CATALOG}SET,Set,20.00,PLN,,\n")
    (tmp_path / "prices.csv").write_text("sku,group,price,currency\nSHIRT,trade,9.00,PLN\n")
    places = {name: tmp_path / f"{name}.csv" for name in ("catalog", "prices")}
    places |= {"token": tmp_path / "token", "mapping": tmp_path / "mapping.toml"}
    shop.answers["fetch_orders"] = page(proposal(1), proposal(2), proposal(3, status="odd"))

    def calls() -> Iterator[tuple[list[str], list[str], int]]:
        for line, keys, code in DAY:
            if line == "run north statuses":
                shop.answers["map_status"] = shop.answers["check_connection"] = refuse
            yield line.format(**places).split(" "), keys, code

    return calls()


def refuse(account: Any) -> Any:
    account.log.warning("refused: %s", account.settings.token.get_secret_value())
    raise AuthError("The token is wrong.", words=f"token {account.settings.token.get_secret_value()} is unknown")


def call(tmp_path: Path, arguments: list[str], code: int, caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """Call the command and return what it printed, where no secret may be."""
    config = tmp_path / "seller" / "crossdock.toml"
    result = CliRunner().invoke(main, ["--config", str(config), *arguments], catch_exceptions=False)
    assert result.exit_code == code, f"{arguments}: {result.output}"
    assert CANARY not in result.output
    assert CANARY not in caplog.text
    return result.stdout, result.stderr


def test_in_a_pipe_there_are_plain_lines(tmp_path: Path, day: Any, caplog: pytest.LogCaptureFixture) -> None:
    for arguments, _, code in day:
        out, err = call(tmp_path, arguments, code, caplog)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", out + err), arguments
        assert out.strip() if code == 0 else err.strip(), f"{arguments} says nothing"
        assert "\n\n\n" not in out


def test_json_is_one_document_with_these_keys(tmp_path: Path, day: Any, caplog: pytest.LogCaptureFixture) -> None:
    for arguments, keys, code in day:
        out, _ = call(tmp_path, [*arguments, "--json"], code, caplog)
        if not keys:
            assert out == ""
            continue
        document = json.loads(out)
        assert document, f"{arguments} shows nothing"
        for record in document if isinstance(document, list) else [document]:
            assert list(record) == keys, arguments


@pytest.mark.usefixtures("terminal")
def test_a_terminal_and_a_full_log_show_no_secret(tmp_path: Path, day: Any, caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger().level, list(logging.getLogger().handlers)
    for arguments, _, code in day:
        call(tmp_path, [*arguments, "--verbose"], code, caplog)
    assert (logging.getLogger().level, logging.getLogger().handlers) == before


def test_the_log_is_told_with_verbose_only(north: Cli, shop: Shop) -> None:
    shop.answers["map_status"] = refuse
    quiet, loud = north("run", "north", "statuses", code=4), north("run", "north", "statuses", "--verbose", code=2)
    assert "crossdock.queue.execute" not in quiet.stderr
    assert "crossdock.queue.execute: Run 2" in loud.stderr
    assert "refused: ***" in quiet.stderr
