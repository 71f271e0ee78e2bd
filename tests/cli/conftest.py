"""Installations and accounts for the command under test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import fake_plugins
import pytest
from command import CANARY, CATALOG, LISTED, MOMENT, STATUSES, Cli, page, proposal, taken, won
from fake_plugins import Shop

from crossdock import hub as library
from crossdock.cli import screen
from crossdock.cli.app import App


def play(shop: Shop) -> Shop:
    """Let the platform list one shirt, have no orders, and take everything."""
    shop.answers.update(
        check_connection="The token opens shop 1042.",
        map_status=STATUSES,
        fetch_orders=page(),
        fetch_products=LISTED,
        accept_order=won,
        push_stock=taken,
        find_outcome=None,
    )
    return shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Install the platform `shop`; see `play`."""
    monkeypatch.setitem(fake_plugins.VERBS, "fetch_products", "cursor")
    return play(Shop(tmp_path, monkeypatch))


# --- installations, made once and copied for each test ---------------------------------------------------------------


class Templates(NamedTuple):
    """Folders of installations: without accounts, with the account north, and with north selling."""

    bare: Path
    north: Path
    selling: Path


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    folder = tmp_path_factory.mktemp("templates")
    found = Templates(folder / "bare", folder / "north", folder / "selling")
    library.init(found.bare).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fake_plugins.VERBS, "fetch_products", "cursor")
        shop = play(Shop(folder, patch))
        shutil.copytree(found.bare, found.north)
        with library.open(found.north / "crossdock.toml") as hub:
            hub.accounts.add("shop", "north", {"shop": "1042", "token": CANARY}, {"vat_rate": "23"})
            (found.north / "catalog.csv").write_text(CATALOG)
            hub.catalog.import_file(found.north / "catalog.csv")
        shutil.copytree(found.north, found.selling)
        shop.answers["fetch_orders"] = page(proposal(1))
        with library.open(found.selling / "crossdock.toml") as hub:
            hub.accounts.enable("north", "orders", MOMENT)
            hub.accounts.enable("north", "stock")
            hub.accounts.arm("north")
            hub.run("north", "offers")
            assert hub.run("north", "orders").state == "done"
    return found


def copy(template: Path, folder: Path) -> Cli:
    shutil.copytree(template, folder / "installation")
    return Cli(folder / "installation" / "crossdock.toml")


@pytest.fixture
def cli(tmp_path: Path, templates: Templates) -> Cli:
    """Give the command on an installation without accounts."""
    return copy(templates.bare, tmp_path)


@pytest.fixture
def north(tmp_path: Path, templates: Templates, shop: Shop) -> Cli:
    """Give the command with the account `north` of the shop, and two products in stock."""
    return copy(templates.north, tmp_path)


@pytest.fixture
def selling(tmp_path: Path, templates: Templates, shop: Shop) -> Cli:
    """Give the same with orders and stock switched on, the account armed, the shirt listed, and proposal 1 taken in."""
    shop.answers["fetch_orders"] = page(proposal(1))
    return copy(templates.selling, tmp_path)


# --- who watches -----------------------------------------------------------------------------------------------------


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be somebody who can be asked."""
    monkeypatch.setattr(App, "interactive", True)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard output be a terminal of 160 columns."""
    monkeypatch.setattr(screen, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def warsaw(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine stand in Warsaw."""
    monkeypatch.setenv("TZ", "Europe/Warsaw")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
