"""`crossdock init`, `upgrade`, `key` and `plugins`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command import CANARY, Cli
from fake_plugins import Shop, install, shop_source
from sqlalchemy import text

from crossdock.cli import main
from crossdock.core.store import secrets


def call(*arguments: str, code: int = 0, env: dict[str, str] | None = None) -> Any:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False, env=env)
    assert result.exit_code == code, result.output
    return result


# --- init ------------------------------------------------------------------------------------------------------------


def test_an_installation_is_made_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("init").stdout.startswith("crossdock.toml is set up. Keep a copy of its key (file:crossdock.key)")
    assert {path.name for path in tmp_path.iterdir()} == {"crossdock.toml", "crossdock.key", "crossdock.sqlite"}
    assert call("account", "list").exit_code == 0
    assert "is there already" in call("init", code=2).stderr


def test_an_installation_is_made_in_a_folder(tmp_path: Path) -> None:
    made = json.loads(call("init", str(tmp_path / "shop"), "--database", "sqlite:///other.db", "--json").stdout)
    assert made == {"config": str(tmp_path / "shop" / "crossdock.toml"), "key": "file:crossdock.key"}
    assert (tmp_path / "shop" / "other.db").is_file()


def test_an_installation_is_made_where_the_environment_says(tmp_path: Path) -> None:
    call("init", env={"CROSSDOCK_CONFIG": str(tmp_path / "shop" / "crossdock.toml")})
    assert (tmp_path / "shop" / "crossdock.key").is_file()


def test_what_is_set_up_wrongly_leaves_nothing_behind(tmp_path: Path) -> None:
    config = str(tmp_path / "shop" / "other.toml")
    assert "is called crossdock.toml" in call("--config", config, "init", code=2).stderr
    folder = str(tmp_path / "shop")
    dead = f"postgresql+psycopg://seller:{CANARY}@127.0.0.1:1/shop"
    result = call("init", folder, "--database", dead, "--key", "env:X", code=2)
    assert "The database cannot be opened" in result.stderr
    assert CANARY not in result.output
    assert "is neither file:PATH nor env:NAME" in call("init", folder, "--key", "secret", code=2).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_installation_says_what_to_do(tmp_path: Path) -> None:
    said = call("--config", str(tmp_path / "crossdock.toml"), "account", "list", code=2).stderr
    assert "Run `crossdock init` in the folder, or name one with --config." in said


# --- upgrade ---------------------------------------------------------------------------------------------------------


def test_an_old_database_says_so_until_it_is_upgraded(cli: Cli) -> None:
    assert cli("upgrade").stdout == "Nothing was to be done.\n"
    with cli.hub() as hub, hub.store.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "Update crossdock." in cli.complains("account", "list")
    assert "Update crossdock." in cli.complains("upgrade")


def test_an_upgrade_says_that_there_was_something_to_do(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossdock.core.store.migrate.upgrade", lambda store: True)
    assert cli("upgrade").stdout == "The database is up to date now.\n"
    assert cli.json("upgrade") == {"changed": True}


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_is_changed(north: Cli) -> None:
    before = (north.folder / "crossdock.key").read_text()
    name = north.json("key", "rotate")["key"]
    assert (north.folder / "crossdock.key").read_text() != before
    with north.hub() as hub:
        assert hub.box.current == name
        assert hub.connector("north").account.settings.secrets() == (CANARY,)


def test_a_key_in_the_environment_is_the_operators_to_change(tmp_path: Path, templates: Any) -> None:
    key = (templates.bare / "crossdock.key").read_text()
    call("init", str(tmp_path / "shop"), "--key", "env:CROSSDOCK_TEST_KEY", env={"CROSSDOCK_TEST_KEY": key})
    config = ("--config", str(tmp_path / "shop" / "crossdock.toml"))
    said = call(*config, "key", "rotate", code=2, env={"CROSSDOCK_TEST_KEY": key}).stderr
    assert "holds no new key" in said


def test_a_lost_key_is_replaced_and_the_accounts_to_enter_again_are_named(north: Cli) -> None:
    assert "is not lost" in north.complains("key", "lost", "--yes")
    (north.folder / "crossdock.key").unlink()
    assert "run `crossdock key lost`" in north.complains("account", "list")
    assert "Add --yes." in north.complains("key", "lost")
    result = north("key", "lost", "--yes")
    assert "crossdock account set north --ask FIELD" in result.stdout
    north("account", "set", "north", "--set", "token=canary-new")
    north("account", "resume", "north")
    with north.hub() as hub, hub.store.read() as tx:
        assert secrets.get_all(tx, hub.box, hub.accounts.get("north").id) == {"token": "canary-new"}


@pytest.mark.usefixtures("person")
def test_a_person_is_asked_before_secrets_are_dropped(north: Cli) -> None:
    (north.folder / "crossdock.key").unlink()
    assert "are dropped. Go on? [y/N]" in north("key", "lost", input="n\n", code=1).stderr
    assert not (north.folder / "crossdock.key").exists()
    assert "A new key is in force." in north("key", "lost", input="y\n").stdout


# --- plugins ---------------------------------------------------------------------------------------------------------


def test_plugins_are_listed_without_an_installation(tmp_path: Path, shop: Shop) -> None:
    document = json.loads(call("--config", str(tmp_path / "none.toml"), "plugins", "--json").stdout)
    found = {plugin["name"]: plugin for plugin in document}
    assert {"miinto", "shop"} <= found.keys()
    assert found["shop"]["title"] == "Example Shop"
    assert "push_stock" in found["shop"]["verbs"]
    token = next(field for field in found["shop"]["settings"] if field["name"] == "token")
    assert (token["required"], token["secret"], token["title"]) == (True, True, "Token")


def test_a_broken_plugin_is_shown_with_its_fault_and_hides_no_other(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = shop_source().replace("contract=1", "contract=99")
    install(tmp_path, monkeypatch, broken, name="broken", distribution="example-broken")
    result = call("plugins", "shop", "broken")
    _, first, second = result.stdout.splitlines()
    assert first.startswith("shop\tExample Shop\tshop\t")
    assert "was written for contract 99" in second
    assert "No plugin named 'none' is installed" in call("plugins", "none").stdout
