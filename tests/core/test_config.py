"""Settings say all their faults at once and never a secret; the installation's file says where things are."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr, field_validator

from crossdock.core.config import (
    Installation,
    Options,
    SecretBox,
    Serve,
    Settings,
    Url,
    describe,
    endpoint_faults,
    is_loopback,
    new_key,
    plain_values,
    read_installation,
    read_keys,
    secret_fields,
    validate,
    write_key_file,
)
from crossdock.core.errors import ConfigError


class ShopSettings(Settings):
    shop: str = Field(title="Shop number", description="As the panel shows it.", examples=["1042"])
    api: Url = "https://api.example.com"
    other: Url | None = None
    token: SecretStr = Field(title="Token")
    second_token: SecretStr | None = None
    mode: Literal["live", "test"] = "live"
    timeout: float = 2.5


# --- settings --------------------------------------------------------------------------------------------------------


def test_all_faults_come_at_once() -> None:
    given = {"shop": 3, "api": "ftp://x", "token": None, "mode": "odd", "endpoint": "nowhere", "extra": "x"}
    with pytest.raises(ConfigError) as caught:
        validate(ShopSettings, given, where="Account north")
    assert {fault.partition(":")[0] for fault in caught.value.faults} == given.keys()
    assert str(caught.value).startswith("Account north: 6 setting(s) are wrong.\n  - ")
    assert str(caught.value).count("\n  - ") == 6


def test_a_missing_setting_is_a_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(ShopSettings, {}, where="Account north")
    assert caught.value.faults == ("shop: Field required", "token: Field required")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_text_that_no_database_keeps_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(ShopSettings, {"shop": text, "token": text}, where="Account north")
    assert {fault.partition(":")[0] for fault in caught.value.faults} == {"shop", "token"}


def test_a_setting_may_be_a_float() -> None:
    assert validate(ShopSettings, {"shop": "1", "token": "t", "timeout": 1.5}, where="x").timeout == 1.5


def test_a_fault_never_quotes_a_secret() -> None:
    class Talkative(Settings):
        token: SecretStr

        @field_validator("token", mode="before")
        @classmethod
        def check(cls, value: object) -> object:
            raise ValueError(f"{value} is too short")

    with pytest.raises(ConfigError) as caught:
        validate(Talkative, {"token": "canary-5d1f"}, where="Account north")
    assert "too short" in str(caught.value)
    assert "canary" not in str(caught.value) + repr(caught.value)


def test_settings_do_not_show_their_secrets() -> None:
    settings = validate(ShopSettings, {"shop": "1", "token": "canary-5d1f"}, where="x")
    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_plain_values_part_secrets_from_the_rest() -> None:
    settings = validate(ShopSettings, {"shop": " 1 ", "token": "t"}, where="x")
    assert plain_values(settings, secret=True) == {"token": "t"}
    assert settings.secrets() == ("t",)
    public = plain_values(settings, secret=False)
    assert public["shop"] == "1"
    assert not secret_fields(ShopSettings) & public.keys()


def test_options_are_exact_after_a_trip_through_json() -> None:
    options = validate(Options, {"vat_rate": "23", "vat_rates": {"HU": "27"}, "warehouses": ["a", "b"]}, where="x")
    assert validate(Options, plain_values(options, secret=False), where="x") == options


@pytest.mark.parametrize(
    ("field", "value"),
    [("vat_rate", "100"), ("warehouses", []), ("stock_buffer", -1), ("poll_seconds", 1), ("max_changed_share", 0)],
)
def test_options_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        validate(Options, {field: value}, where="x")


# --- describing ------------------------------------------------------------------------------------------------------


def test_describe_says_what_prompts_and_pages_need() -> None:
    fields = {field.name: field for field in describe(ShopSettings)}
    assert list(fields) == ["endpoint", "shop", "api", "other", "token", "second_token", "mode", "timeout"]
    shop = fields["shop"]
    assert (shop.title, shop.description, shop.example) == ("Shop number", "As the panel shows it.", "1042")
    assert [field.name for field in fields.values() if field.required] == ["shop", "token"]
    assert fields["second_token"].title == "Second token"
    assert (fields["api"].default, fields["shop"].default) == ("https://api.example.com", None)
    assert fields["api"].example == "https://api.example.com"


def test_describe_names_types_as_people_say_them() -> None:
    types = {field.name: field.type for field in (*describe(ShopSettings), *describe(Options))}
    assert types["endpoint"] == types["other"] == types["api"] == "str"
    assert types["second_token"] == "SecretStr"
    assert types["mode"] == "live | test"
    assert types["warehouses"] == "tuple[str, ...]"
    assert types["vat_rates"] == "dict[str, Decimal]"
    assert types["stock_cap"] == "int"


def test_every_way_to_hold_a_secret_is_found() -> None:
    class Nested(Settings):
        password: SecretStr

    class Ways(Settings):
        plain: SecretStr
        optional: SecretStr | None = None
        many: dict[str, SecretStr]
        nested: Nested | None = None
        name: str = ""

    assert secret_fields(Ways) == {"plain", "optional", "many", "nested"}


def test_every_option_is_explained() -> None:
    assert all(field.title and field.description for field in describe(Options))


# --- endpoints -------------------------------------------------------------------------------------------------------

HOSTS = ("api.example.com", "*.shops.example.com")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://api.example.com", ""),
        ("https://north.shops.example.com", ""),
        ("https://api.example.com:443", ""),
        ("http://127.0.0.1:8901", ""),
        ("http://localhost", ""),
        ("http://[::1]:8901", ""),
        ("https://api.example.org", "api.example.org is none of the platform's hosts"),
        ("https://shops.example.com", "none of the platform's hosts"),
        ("https://127.0.0.1.example.org", "none of the platform's hosts"),
        ("http://api.example.com", "beyond loopback only https://api.example.com is allowed"),
        ("https://api.example.com:8443", "beyond loopback only https://api.example.com is allowed"),
        ("https://api.example.com:99999", "this is no address"),
    ],
)
def test_an_endpoint_is_at_a_host_of_the_platform_or_on_this_machine(url: str, fault: str) -> None:
    settings = validate(ShopSettings, {"shop": "1", "token": "t", "api": url}, where="x")
    faults = endpoint_faults(settings, HOSTS)
    assert len(faults) == bool(fault)
    assert all(found.startswith("api: ") and fault in found for found in faults)


def test_each_faulty_endpoint_has_its_own_fault() -> None:
    elsewhere = dict.fromkeys(("endpoint", "api", "other"), "https://elsewhere.example.org")
    settings = validate(ShopSettings, {"shop": "1", "token": "t", **elsewhere}, where="x")
    assert [fault.partition(":")[0] for fault in endpoint_faults(settings, HOSTS)] == ["endpoint", "api", "other"]


@pytest.mark.parametrize("field", ["endpoint", "api", "other"])
def test_a_loopback_address_makes_a_rehearsal(field: str) -> None:
    given = {"shop": "1", "token": "t"}
    assert not validate(ShopSettings, given, where="x").rehearsal()
    assert validate(ShopSettings, given | {field: "http://127.0.0.1:8901"}, where="x").rehearsal()


def test_what_is_no_address_is_not_loopback() -> None:
    assert not is_loopback("http://[::1")
    assert not is_loopback("localhost")


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_file_is_its_owners_alone_and_read_back(tmp_path: Path) -> None:
    keys = (new_key(), new_key())
    write_key_file(tmp_path / "key", keys)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_keys("file:key", tmp_path) == keys


def test_a_key_file_is_never_overwritten_unasked(tmp_path: Path) -> None:
    first, second = (new_key(),), (new_key(),)
    write_key_file(tmp_path / "key", first)
    with pytest.raises(ConfigError, match="is there already"):
        write_key_file(tmp_path / "key", second)
    assert read_keys("file:key", tmp_path) == first
    (tmp_path / "key.new").write_text("left by an interruption")
    write_key_file(tmp_path / "key", second, replace=True)
    assert read_keys("file:key", tmp_path) == second
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_a_key_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_TEST_KEY", "AAAA")
    assert read_keys("env:CROSSDOCK_TEST_KEY", tmp_path) == (b"\0\0\0",)
    with pytest.raises(ConfigError, match="32 bytes"):
        SecretBox(read_keys("env:CROSSDOCK_TEST_KEY", tmp_path))


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("file:missing", "is missing"),
        ("env:CROSSDOCK_TEST_MISSING", "is missing"),
        ("file:text", "no base64"),
        ("file:bytes", "no base64"),
        ("vault:x", "neither file:PATH nor env:NAME"),
    ],
)
def test_a_key_that_is_not_there_is_an_error(tmp_path: Path, reference: str, words: str) -> None:
    (tmp_path / "text").write_text("no key!")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=words):
        read_keys(reference, tmp_path)


def test_an_empty_key_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(ConfigError, match="32 bytes"):
        SecretBox(read_keys("file:key", tmp_path))


# --- the installation ------------------------------------------------------------------------------------------------


def test_an_empty_file_means_the_defaults_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "crossdock.toml"
    path.touch()
    installation = read_installation(path)
    assert installation.database_url() == f"sqlite:///{tmp_path.resolve() / 'crossdock.sqlite'}"
    assert installation.key == "file:crossdock.key"
    assert installation.extensions == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("database = 3", "database: Input should be a valid string"),
        ("databse = 'x'", "databse: Extra inputs are not permitted"),
        ("database = ", "is no TOML"),
    ],
)
def test_a_faulty_file_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "crossdock.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_installation(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="crossdock init"):
        read_installation(tmp_path / "crossdock.toml")


def test_a_file_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "crossdock.toml"
    path.write_bytes("database = 'ż'".encode("utf-16"))
    with pytest.raises(ConfigError, match="no TOML"):
        read_installation(path)


@pytest.mark.parametrize(
    ("database", "file"),
    [
        ("sqlite:///data/shop.sqlite", "{folder}/data/shop.sqlite"),
        ("sqlite:///../shop.sqlite", "{parent}/shop.sqlite"),
        ("sqlite:////somewhere/shop.sqlite", "/somewhere/shop.sqlite"),
    ],
)
def test_paths_are_relative_to_the_file(tmp_path: Path, database: str, file: str) -> None:
    folder = tmp_path.resolve()
    installation = Installation(database=database, folder=folder)
    expected = file.format(folder=folder, parent=folder.parent)
    assert str(installation.database_file()) == expected
    assert installation.database_url() == f"sqlite:///{expected}"


def test_a_database_elsewhere_has_no_file_and_keeps_its_password_to_itself() -> None:
    url = "postgresql://seller:canary-5d1f@db.example.com/crossdock"
    installation = Installation(database=url)
    assert installation.database_file() is None
    assert installation.database_url() == url
    assert "canary" not in repr(installation) + str(installation)


# --- the section [serve] ---------------------------------------------------------------------------------------------


def serve(**values: object) -> Serve:
    return validate(Installation, {"serve": values}, where="crossdock.toml").serve


def test_links_are_made_from_the_public_url_or_else_from_the_address() -> None:
    assert serve().link("/feed/x.tsv") == "http://127.0.0.1:8765/feed/x.tsv"
    assert serve(public_url="https://feeds.example.com/").link("/feed/x.tsv") == "https://feeds.example.com/feed/x.tsv"
    assert serve(public_url="https://example.com/crossdock").link("/x") == "https://example.com/crossdock/x"


@pytest.mark.parametrize(
    ("bind", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8765", ("::1", 8765)), ("localhost:0", ("localhost", 0))],
)
def test_an_address_is_host_and_port(bind: str, address: tuple[str, int]) -> None:
    assert serve(bind=bind).address() == address


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"bind": "8765"}, "serve.bind: "),
        ({"bind": "127.0.0.1"}, "serve.bind: "),
        ({"bind": "127.0.0.1:70000"}, "serve.bind: "),
        ({"bind": "::1:8765"}, "serve.bind: "),
        ({"bind": "[::g]:8765"}, "serve.bind: "),
        ({"public_url": "feeds.example.com"}, "serve.public_url: "),
        ({"public_url": "https://user:secret@example.com"}, "serve.public_url: "),
        ({"public_url": "https://example.com/?a=b"}, "serve.public_url: "),
        ({"trusted_proxies": ["*"]}, "serve.trusted_proxies: "),
        ({"trusted_proxies": ["10.0.0.1/8"]}, "serve.trusted_proxies: "),
        ({"trusted_proxies": "10.0.0.1"}, "serve.trusted_proxies: "),
        ({"port": 80}, "serve.port: "),
    ],
)
def test_a_wrong_section_serve_is_refused(values: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        serve(**values)
    (found,) = caught.value.faults
    assert found.startswith(fault)
    assert "secret" not in found
