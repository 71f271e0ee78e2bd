"""An installation is set up whole or not at all, and opens only with its own key and database."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from fake_plugins import Shop

from crossdock import hub as library
from crossdock.core.config import key_id, new_key, read_installation, read_keys, write_key_file
from crossdock.core.errors import ConfigError
from crossdock.core.store import Store, migrate, secrets
from crossdock.hub import Hub

VARIABLE = "CROSSDOCK_TEST_HUB_KEY"
SETTINGS = {"shop": "1042", "token": "canary-token"}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def set_key(patch: pytest.MonkeyPatch, *keys: bytes) -> None:
    patch.setenv(VARIABLE, "\n".join(base64.b64encode(key).decode() for key in keys))


# --- setting up ------------------------------------------------------------------------------------------------------


def test_an_installation_is_set_up_and_opens_again(tmp_path: Path) -> None:
    folder = tmp_path / "seller"
    with library.init(folder) as hub:
        key = hub.box.current
        assert hub.accounts.list() == ()
    assert files(folder) == {"crossdock.toml", "crossdock.key", "crossdock.sqlite"}
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir())
    with library.open(folder / "crossdock.toml") as hub:
        assert hub.box.current == key
        assert hub.installation == read_installation(folder / "crossdock.toml")


def test_paths_hold_whoever_opens_them_from_wherever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    library.init("seller").close()
    monkeypatch.chdir(tmp_path / "seller")
    library.open().close()
    assert files(tmp_path / "seller") == {"crossdock.toml", "crossdock.key", "crossdock.sqlite"}


@pytest.mark.parametrize("there", ["crossdock.toml", "crossdock.key", "crossdock.sqlite"])
def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(ConfigError, match=f"{there} is there already"):
        library.init(tmp_path)
    assert files(tmp_path) == {there}
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize("step", ["upgrade", "register_key"])
def test_a_set_up_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrate if step == "upgrade" else secrets, step, crash)
        with pytest.raises(KeyboardInterrupt):
            library.init(tmp_path / "seller")
    assert files(tmp_path) == set()
    library.init(tmp_path / "seller").close()


@pytest.mark.parametrize(
    ("folder", "database", "key", "words"),
    [
        ("missing/seller", None, None, "cannot be made: No such file or directory"),
        ("seller", "sqlite:///missing/shop.sqlite", None, "cannot be made: No such file or directory"),
        ("seller", "oracle://db.example.com/shop", None, "must be SQLite or PostgreSQL"),
        ("seller", "nonsense", None, "database URL cannot be used"),
        ("seller", None, "file:missing.key", "The key behind file:missing.key is missing"),
        ("seller", None, "vault:x", "neither file:PATH nor env:NAME"),
        ("seller", "postgresql://seller@127.0.0.1:1/shop", "env:X", "The database cannot be opened"),
    ],
)
def test_what_cannot_be_set_up_is_said_and_leaves_nothing(
    tmp_path: Path, folder: str, database: str | None, key: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        library.init(tmp_path / folder, database, key)
    assert files(tmp_path) == set()


def test_a_given_key_is_used_and_none_is_made(tmp_path: Path) -> None:
    keys = (new_key(),)
    write_key_file(tmp_path / "given.key", keys)
    with library.init(tmp_path, "sqlite:///shop.sqlite", "file:given.key") as hub:
        assert hub.box.current == key_id(keys[0])
    assert files(tmp_path) == {"crossdock.toml", "shop.sqlite", "given.key"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_the_key_has_to_be_given(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="the key for secrets has to be given"):
        library.init(tmp_path / "first", database_url)
    set_key(monkeypatch, new_key())
    library.init(tmp_path / "first", database_url, f"env:{VARIABLE}").close()
    assert files(tmp_path / "first") == {"crossdock.toml"}
    library.open(tmp_path / "first" / "crossdock.toml").close()
    with pytest.raises(ConfigError, match="belongs to an installation already"):
        library.init(tmp_path / "second", database_url, f"env:{VARIABLE}")
    assert files(tmp_path) == {"first", "crossdock.toml"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_set_up_that_failed_on_postgresql_can_be_repeated(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    set_key(monkeypatch, new_key())
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "register_key", crash)
        with pytest.raises(KeyboardInterrupt):
            library.init(tmp_path / "seller", database_url, f"env:{VARIABLE}")
    assert files(tmp_path) == set()
    library.init(tmp_path / "seller", database_url, f"env:{VARIABLE}").close()


# --- opening ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the crossdock.toml of an installation with one armed account of a shop, north."""
    shop = Shop(tmp_path / "plugins", monkeypatch)
    shop.answers["check_connection"] = "The shop Example is open."
    with library.init(tmp_path / "seller") as hub:
        hub.accounts.add("shop", "north", SETTINGS)
        hub.accounts.arm("north")
    return tmp_path / "seller" / "crossdock.toml"


def token(hub: Hub) -> str:
    text: str = hub.connector("north").account.settings.token.get_secret_value()
    return text


@pytest.mark.parametrize("missing", ["crossdock.toml", "crossdock.key", "crossdock.sqlite"])
def test_what_is_missing_is_named_and_not_made_anew(config: Path, missing: str) -> None:
    (config.parent / missing).unlink()
    before = files(config.parent)
    with pytest.raises(ConfigError, match=missing):
        library.open(config)
    assert files(config.parent) == before


def test_a_wrong_key_is_found_at_once(config: Path) -> None:
    write_key_file(config.with_name("crossdock.key"), (new_key(),), replace=True)
    with pytest.raises(ConfigError, match="the store is sealed with the key"):
        library.open(config)


def test_a_file_that_is_no_database_is_an_error(config: Path) -> None:
    config.with_name("crossdock.sqlite").write_text("no database" * 1000)
    with pytest.raises(ConfigError, match="cannot be opened"):
        library.open(config)


def test_another_schema_is_not_opened_before_it_is_upgraded(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not library.upgrade(config)
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "head", lambda: "9999")
        with pytest.raises(ConfigError, match="crossdock upgrade"):
            library.open(config)
    library.open(config).close()


def test_a_password_in_the_databases_address_is_kept_out_of_sight(config: Path) -> None:
    with library.open(config) as hub:
        elsewhere = Store("postgresql://seller:canary-password@127.0.0.1:1/shop")
        other = Hub(hub.installation, elsewhere, hub.box)
        assert "canary" not in repr(other)
        assert other.redactor.redact("connect with canary-password") == "connect with ***"
        other.close()


# --- the key ---------------------------------------------------------------------------------------------------------


def test_a_key_file_is_rotated(config: Path) -> None:
    with library.open(config) as hub:
        old = hub.box.current
        new = hub.rotate_key()
        assert new != old
        assert token(hub) == "canary-token"
    assert [key_id(key) for key in read_keys("file:crossdock.key", config.parent)] == [new]
    assert files(config.parent) == {"crossdock.toml", "crossdock.key", "crossdock.sqlite"}
    with library.open(config) as hub:
        assert token(hub) == "canary-token"


@pytest.mark.parametrize("finished", [False, True])
def test_an_interrupted_rotation_harms_nothing(config: Path, monkeypatch: pytest.MonkeyPatch, finished: bool) -> None:
    rotate = secrets.rotate

    def interrupted(*arguments: object) -> None:
        if finished:
            rotate(*arguments)  # type: ignore[arg-type]  # passed on as they came
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, library.open(config) as hub:
        patch.setattr(secrets, "rotate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hub.rotate_key()
    assert len(read_keys("file:crossdock.key", config.parent)) == 2
    with library.open(config) as hub:
        assert token(hub) == "canary-token"
        new = hub.rotate_key()
    assert [key_id(key) for key in read_keys("file:crossdock.key", config.parent)] == [new]
    with library.open(config) as hub:
        assert token(hub) == "canary-token"


def test_a_key_in_the_environment_is_rotated_by_its_owner(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = new_key(), new_key()
    set_key(monkeypatch, old)
    with library.init(tmp_path / "other", key=f"env:{VARIABLE}") as hub:
        hub.accounts.add("shop", "north", SETTINGS)
        with pytest.raises(ConfigError, match="holds no new key"):
            hub.rotate_key()
    set_key(monkeypatch, new, old)
    with library.open(tmp_path / "other" / "crossdock.toml") as hub:
        assert hub.box.current == key_id(old)
        assert hub.rotate_key() == key_id(new)
    set_key(monkeypatch, new)
    with library.open(tmp_path / "other" / "crossdock.toml") as hub:
        assert token(hub) == "canary-token"


def test_a_lost_key_is_replaced_and_the_secrets_asked_for(config: Path) -> None:
    config.with_name("crossdock.key").unlink()
    assert library.replace_lost_key(config) == ("north",)
    with library.open(config) as hub:
        row = hub.accounts.get("north")
        assert (row.armed, row.stopped_because is None) == (False, False)
        with pytest.raises(ConfigError, match="token: Field required"):
            hub.accounts.resume("north")
        hub.accounts.set("north", {"token": "another"})
        assert hub.accounts.resume("north").stopped_because is None
        assert hub.accounts.arm("north").armed
        assert token(hub) == "another"


def test_a_key_that_is_not_lost_is_not_replaced(config: Path) -> None:
    before = config.with_name("crossdock.key").read_bytes()
    with pytest.raises(ConfigError, match="is not lost"):
        library.replace_lost_key(config)
    assert config.with_name("crossdock.key").read_bytes() == before
    with library.open(config) as hub:
        assert token(hub) == "canary-token"


def test_another_key_is_not_overwritten_but_put_in_force(config: Path) -> None:
    other = (new_key(),)
    write_key_file(config.with_name("crossdock.key"), other, replace=True)
    assert library.replace_lost_key(config) == ("north",)
    assert read_keys("file:crossdock.key", config.parent) == other
    with library.open(config) as hub:
        assert hub.box.current == key_id(other[0])


def test_no_key_is_replaced_where_nothing_was_set_up(config: Path) -> None:
    for file in ("crossdock.key", "crossdock.sqlite"):
        os.truncate(config.with_name(file), 0)
    with pytest.raises(ConfigError, match="never set up"):
        library.replace_lost_key(config)
