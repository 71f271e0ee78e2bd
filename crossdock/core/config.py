"""What people set: the installation's file, the settings of an account, and how secrets are kept.

`crossdock.toml` holds the installation only. An account's settings are a pydantic model: validation, prompts, forms,
the docs table and the list of secrets all come from it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticUndefined

from crossdock.core.errors import ConfigError
from crossdock.core.model import text_faults
from crossdock.core.redaction import SECRETS

Model = TypeVar("Model", bound=BaseModel)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


# --- settings of an account ------------------------------------------------------------------------------------------


class Endpoint:
    """Marks a setting that is a base URL of the platform: one of the plugin's hosts, or explicitly a loopback one."""


Url = Annotated[str, Endpoint(), Field(pattern=r"^https?://[^/?#@]+$", examples=["https://api.example.com"])]


class Settings(BaseModel):
    """What a plugin needs to know of one account; plugins subclass it.

    Each field carries a title, a description and, where it helps, an example. Secret fields are `SecretStr`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)

    endpoint: Annotated[str, Endpoint()] | None = Field(
        default=None,
        title="Rehearsal address",
        description="Sends everything to this loopback address in place of the platform.",
        examples=["http://127.0.0.1:8901"],
        pattern=r"^https?://[^/?#@]+$",
    )

    def endpoints(self) -> tuple[str, ...]:
        """Return the base URLs that the settings hold."""
        return tuple(self.endpoints_by_field().values())

    def endpoints_by_field(self) -> dict[str, str]:
        """Return the same by the name of their field."""
        marked = [name for name, info in type(self).model_fields.items() if _is_endpoint(info)]
        return {name: value for name in marked if (value := getattr(self, name))}

    def address_of(self, field: str) -> str:
        """Return the base URL to call: what this field holds, or in a rehearsal the one address for everything."""
        address: str = self.endpoint or getattr(self, field)
        return address

    def secrets(self) -> tuple[str, ...]:
        """Return the values of the secret fields as plain text."""
        return tuple(plain_values(self, secret=True).values())

    def rehearsal(self) -> bool:
        """Whether requests go to a loopback stand-in and not to the platform."""
        return any(is_loopback(url) for url in self.endpoints())


class Options(BaseModel):
    """What the engine needs to know of any account: decisions, stock, guards, pace."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    vat_rate: Decimal | None = Field(
        None,
        ge=0,
        lt=100,
        title="Default VAT rate",
        description="Percent, for lines whose product has no rate for the order's country. None parks such orders.",
        examples=["23"],
    )
    vat_rates: dict[str, Decimal] = Field(
        default_factory=dict, title="VAT by market", description="Overrides the default VAT rate, market by market."
    )
    price_floor: Decimal | None = Field(
        Decimal("0.97"),
        ge=0,
        le=10,
        title="Price floor",
        description="Accept a line only at or above this share of the last exported price. 0 switches it off.",
    )
    warehouses: tuple[str, ...] = Field(
        ("main",),
        min_length=1,
        title="Warehouses",
        description="Where this account's goods come from, in order; a line is reserved in the first that holds it.",
    )
    stock_buffer: int = Field(0, ge=0, title="Buffer", description="Units held back from this account.")
    stock_cap: int | None = Field(None, ge=0, title="Cap", description="Never shows more units than this.")
    stock_trigger: Literal["change", "hourly", "3 hours", "twice a day", "manual"] = Field(
        "change", title="Stock trigger", description="When pending stock levels are sent."
    )
    max_changed_share: Decimal = Field(
        Decimal("0.5"),
        gt=0,
        le=1,
        title="Guard: changed",
        description="A push of more than this share of offers needs force.",
    )
    max_zero_share: Decimal = Field(
        Decimal("0.3"),
        gt=0,
        le=1,
        title="Guard: to zero",
        description="More than this share going to zero needs force.",
    )
    guard_from: int = Field(
        50, ge=1, title="Guard: from", description="The guards speak only when at least this many offers are concerned."
    )
    poll_seconds: int | None = Field(
        None, ge=5, title="Polling", description="Seconds between looks for orders; None takes the platform's own."
    )
    feed_seconds: int = Field(
        1800, ge=60, title="Feed", description="Seconds between two builds of the offers file, where it is switched on."
    )
    feed_on_change: bool = Field(
        True, title="Feed on change", description="Builds the offers file soon after something in it changed, too."
    )
    max_drop_share: Decimal = Field(
        Decimal("0.3"),
        ge=0,
        le=1,
        title="Guard: drop",
        description="An offers file with more than this share of rows fewer than the last one needs force.",
    )
    feed_versions: int = Field(
        5, ge=1, title="Feed versions", description="Of how many old offers files the files are kept."
    )
    feed_silence_minutes: int = Field(
        120,
        ge=0,
        title="Feed silence",
        description="Warns when nobody has fetched a feed for this long. 0 switches it off.",
    )
    listing_market: str | None = Field(
        None,
        title="Listing market",
        description="Where offers are listed, edited and ended if no market is named. None takes the first.",
        examples=["pl"],
    )
    count_contains: dict[str, Literal["shipped", "placed", "none"]] = Field(
        default_factory=dict,
        title="Counts and orders",
        description="For each source of stock counts (account name or `import`): which orders its numbers contain.",
    )


def _is_endpoint(info: Any) -> bool:
    metadata = [*info.metadata, *getattr(info.annotation, "__metadata__", ())]
    for part in getattr(info.annotation, "__args__", ()):
        metadata.extend(getattr(part, "__metadata__", ()))
    return any(isinstance(mark, Endpoint) for mark in metadata)


def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    try:
        return (urlsplit(url).hostname or "") in LOOPBACK
    except ValueError:
        return False


def is_declared(host: str, hosts: Iterable[str]) -> bool:
    """Whether a host is among the declared ones; `*.example.com` declares all below example.com."""
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in hosts)


def endpoint_faults(settings: Settings, hosts: Iterable[str]) -> list[str]:
    """Return a sentence for each base URL that is neither at one of these hosts nor at a loopback address."""
    found = {name: _endpoint_fault(url, tuple(hosts)) for name, url in settings.endpoints_by_field().items()}
    return [f"{name}: {fault}" for name, fault in found.items() if fault]


def _endpoint_fault(url: str, hosts: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return f"this is no address: {error}"
    if is_loopback(url):
        return ""
    if not is_declared(host, hosts):
        return f"{host} is none of the platform's hosts ({', '.join(hosts) or 'it has none'}) and no loopback address"
    if parts.scheme != "https" or port not in (None, 443):
        return f"beyond loopback only https://{host} is allowed"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldHelp:
    """One setting as prompts, forms and docs show it."""

    name: str
    title: str
    description: str
    required: bool
    secret: bool
    default: Any
    example: str
    type: str


def describe(model: type[BaseModel]) -> tuple[FieldHelp, ...]:
    """Return the fields of a settings model, in order, for prompts, forms and docs."""
    return tuple(_describe_field(name, info) for name, info in model.model_fields.items())


def _describe_field(name: str, info: Any) -> FieldHelp:
    default = info.get_default(call_default_factory=True)
    return FieldHelp(
        name=name,
        title=info.title or name.replace("_", " ").capitalize(),
        description=info.description or "",
        required=info.is_required(),
        secret=_holds_secret(info.annotation),
        default=None if default is PydanticUndefined else default,
        example=str(info.examples[0]) if info.examples else "",
        type=_type_name(info.annotation),
    )


def _holds_secret(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds_secret(info.annotation) for info in annotation.model_fields.values())
    return annotation in (SecretStr, SecretBytes) or any(map(_holds_secret, get_args(annotation)))


def _type_name(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(parts[0])
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in (Union, UnionType):
        return " | ".join(_type_name(part) for part in parts if part is not NoneType)
    if origin:
        return f"{_type_name(origin)}[{', '.join(map(_type_name, parts))}]"
    return "..." if annotation is Ellipsis else getattr(annotation, "__name__", str(annotation))


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the secret fields."""
    return frozenset(field.name for field in describe(model) if field.secret)


def validate(model: type[Model], values: Mapping[str, Any], *, where: str) -> Model:
    """Build a settings model from what people typed.

    Args:
        model: the settings model.
        values: by field name; secrets as plain text.
        where: what is being set, for the error text.

    Raises:
        ConfigError: naming every faulty field at once, never its value.
    """
    faults = [
        fault for name, value in values.items() if not isinstance(value, float) for fault in text_faults(value, name)
    ]
    try:
        settings = model.model_validate(dict(values))
    except ValidationError as error:
        settings = None
        # A plugin's own check may quote what it refuses.
        hidden = [str(values[name]) for name in secret_fields(model) & values.keys()]
        for fault in error.errors():
            faults.append(SECRETS.redact(f"{'.'.join(map(str, fault['loc'])) or 'all'}: {fault['msg']}", hidden))
    if settings is None or faults:
        raise ConfigError(f"{where}: {len(faults)} setting(s) are wrong.", faults=faults)
    return settings


def plain_values(settings: BaseModel, *, secret: bool) -> dict[str, Any]:
    """Return the JSON-able values of the secret fields, or of all others; secrets come out as plain text."""
    names = secret_fields(type(settings))
    if not secret:
        return settings.model_dump(mode="json", exclude=set(names))
    values = {name: getattr(settings, name) for name in names}
    return {name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)}


# --- secrets ---------------------------------------------------------------------------------------------------------


class SecretBox:
    """Seals secrets with AES-GCM; account, field and key id are part of the seal, so nothing can be moved elsewhere.

    Args:
        keys: 32-byte keys, the one to seal with first; the others only open.
    """

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise ConfigError("A key must have 32 bytes.", advice="Give the key that `crossdock init` made, in base64.")
        self._keys = {key_id(key): AESGCM(key) for key in keys}
        self.current = key_id(keys[0])

    def __repr__(self) -> str:
        return f"SecretBox({self.current})"

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def sealing_with(self, key: str) -> SecretBox:
        """Return a box of the same keys that seals with the one of this id."""
        box = copy(self)
        box.current = key
        return box

    def seal(self, account: str, field: str, text: str) -> bytes:
        """Return nonce and ciphertext of `text` under the current key."""
        nonce = os.urandom(12)
        return nonce + self._keys[self.current].encrypt(nonce, text.encode(), _bound(account, field, self.current))

    def open(self, account: str, field: str, key: str, sealed: bytes) -> str:
        """Return what was sealed for this account and field under the key with this id.

        Raises:
            ConfigError: the key is not here, or the seal is broken.
        """
        cipher = self._keys.get(key)
        if cipher is None:
            raise ConfigError(
                f"The secret {field} was sealed with key {key}, and that key is not here.",
                advice="Give that key back, or run `crossdock key lost` and enter the secrets again.",
            )
        try:
            return cipher.decrypt(sealed[:12], sealed[12:], _bound(account, field, key)).decode()
        except (InvalidTag, ValueError):
            raise ConfigError(
                f"The secret {field} of account {account} cannot be opened: it was altered or moved.",
                advice="Enter it again with `crossdock account set`.",
            ) from None


def _bound(account: str, field: str, key: str) -> bytes:
    return "\0".join((account, field, key)).encode()


def key_id(key: bytes) -> str:
    """Return the public name of a key: the start of its SHA-256."""
    return hashlib.sha256(b"crossdock key id\0" + key).hexdigest()[:12]


def new_key() -> bytes:
    """Return a fresh random key."""
    return secrets.token_bytes(32)


def write_key_file(path: Path, keys: tuple[bytes, ...], *, replace: bool = False) -> None:
    """Write keys in base64, a line each, readable by the owner alone; an existing file is only replaced if asked."""
    target = path.with_name(path.name + ".new") if replace else path
    if replace:
        target.unlink(missing_ok=True)  # what an interrupted attempt left
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{target} is there already.", advice="Remove it only if nothing is sealed with it."
        ) from None
    try:
        with os.fdopen(handle, "w") as file:
            file.writelines(base64.b64encode(key).decode() + "\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        target.unlink()
        raise
    if replace:
        target.replace(path)


def read_keys(reference: str, folder: Path) -> tuple[bytes, ...]:
    """Return the keys behind `file:PATH` (relative to `folder`) or `env:NAME`, the current one first.

    Raises:
        ConfigError: nothing is there, or it is no base64.
    """
    kind, _, place = reference.partition(":")
    try:
        if kind == "file":
            text = (folder / place).read_text()
        elif kind == "env":
            text = os.environ[place]
        else:
            raise ConfigError(f"key = {reference!r} is neither file:PATH nor env:NAME.")
        return tuple(base64.b64decode(line, validate=True) for line in text.split())
    except (OSError, KeyError):
        raise ConfigError(
            f"The key behind {reference} is missing.",
            advice="Give it back, or run `crossdock key lost` to make a new one and enter the secrets again.",
        ) from None
    except ValueError:
        raise ConfigError(f"The key behind {reference} is no base64.") from None


# --- the installation ------------------------------------------------------------------------------------------------

_SQLITE = "sqlite:///"
_BIND = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")


class Serve(BaseModel):
    """Where `crossdock serve` listens, and how others reach it: the section [serve]."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bind: str = Field(
        default="127.0.0.1:8765", description="HOST:PORT to listen at; an IPv6 address stands in brackets."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="What the links that others are given begin with; the address of `bind` if there is none.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="Addresses or networks of proxies whose X-Forwarded-For is believed."
    )

    @field_validator("bind")
    @classmethod
    def _has_host_and_port(cls, bind: str) -> str:
        found = _BIND.fullmatch(bind)
        if found is None or int(found["port"]) > 65535:
            raise ValueError("this is no HOST:PORT such as 127.0.0.1:8765 or [::1]:8765")
        if found["host"].startswith("["):
            IPv6Address(found["host"][1:-1])
        return bind

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ip_network(proxy)
        return proxies

    def address(self) -> tuple[str, int]:
        """Return host, without brackets, and port to listen at."""
        host, _, port = self.bind.rpartition(":")
        return host.strip("[]"), int(port)

    def link(self, path: str) -> str:
        """Return the URL by which others reach a path, such as `/feed/...`."""
        return (self.public_url or f"http://{self.bind}").rstrip("/") + path


class Installation(BaseModel):
    """What `crossdock.toml` says; paths in it are relative to its folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    database: str = Field(
        "sqlite:///crossdock.sqlite", repr=False, description="SQLAlchemy URL: SQLite, or PostgreSQL by psycopg."
    )
    key: str = Field("file:crossdock.key", description="Where the key for secrets is: file:PATH or env:NAME.")
    extensions: tuple[str, ...] = Field((), description="Names of enabled extensions, in the order they run.")
    serve: Serve = Field(default_factory=Serve, description="Where `crossdock serve` listens, and how it is reached.")
    folder: Path = Field(default=Path(), exclude=True)

    def database_url(self) -> str:
        """Return the database URL with SQLite's relative path made absolute."""
        file = self.database_file()
        return f"{_SQLITE}{file}" if file else self.database

    def database_file(self) -> Path | None:
        """Return where SQLite's file is, or None for another database."""
        if not self.database.startswith(_SQLITE):
            return None
        return (self.folder / self.database.removeprefix(_SQLITE)).resolve()


def read_installation(path: Path) -> Installation:
    """Read `crossdock.toml`.

    Raises:
        ConfigError: it is missing, no TOML, or says something unknown.
    """
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not there.", advice="Run `crossdock init` in the folder, or name one with --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}.") from None
    return validate(Installation, values | {"folder": path.parent}, where=str(path))
