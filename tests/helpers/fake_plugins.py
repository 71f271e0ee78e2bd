"""Plugins for tests, found over the same road as real ones: a distribution with entry points on the path."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

# A plugin that answers what a test tells it to: `ANSWERS[verb]` is returned, raised, or called with the arguments.
SHOP = """
from crossdock.plugin import *

ANSWERS = {{}}
CALLS = []


class ShopSettings(Settings):
    shop: str = Field(title="Shop number", description="As the shop's panel shows it.", examples=["1042"])
    api: Url = "https://api.example.com"
    token: SecretStr = Field(title="Token", description="From the shop's panel.")
    second: SecretStr | None = Field(None, title="Second token", description="For deliveries.")


PLUGIN = Plugin(
    contract=1,
    kind=Kind.SHOP,
    title="Example Shop",
    settings=ShopSettings,
    hosts=("api.example.com", "*.shops.example.com"),
    markets=(Market(code="PL", country="PL", currency="PLN"),),
    gaps=(Gap(what="push_prices", kind="upstream", reason="The shop has no interface for prices."),),
)


def answer(verb, account, **arguments):
    CALLS.append((verb, account.id))
    given = ANSWERS[verb]
    if isinstance(given, Exception):
        raise given
    return given(account, **arguments) if callable(given) else given


{hooks}
"""

VERBS = {
    "fetch_orders": "cursor",
    "accept_order": "order, decision",
    "push_stock": "levels",
    "map_status": "",
    "check_connection": "",
    "find_outcome": "intent",
}


def shop_source(*verbs: str) -> str:
    """Return the source of a shop's plugin that implements these verbs, all that it knows by default."""
    return SHOP.format(hooks="\n\n".join(_hook(verb, VERBS[verb]) for verb in verbs or VERBS))


def _hook(verb: str, parameters: str) -> str:
    names = [name for name in parameters.split(", ") if name]
    passed = "".join(f", {name}={name}" for name in names)
    return f"@hookimpl\ndef {verb}({', '.join(['account', *names])}):\n    return answer({verb!r}, account{passed})"


def install(
    folder: Path,
    patch: pytest.MonkeyPatch,
    source: str,
    *,
    name: str = "shop",
    group: str = "crossdock.plugins",
    distribution: str = "example-shop",
) -> str:
    """Install a distribution of one module until the test ends, and return the module's name.

    Args:
        folder: where to put it.
        patch: takes it off the path again.
        source: the module's text.
        name: of its entry point.
        group: of its entry point.
        distribution: what it is called; its version is 1.0.
    """
    module = f"fake_{uuid4().hex}"
    place = folder / module
    facts = place / f"{distribution.replace('-', '_')}-1.0.dist-info"
    facts.mkdir(parents=True)
    (place / f"{module}.py").write_text(source)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
    patch.syspath_prepend(place)
    return module


class Shop:
    """The plugin of `shop_source`, installed.

    Attributes:
        module: its module.
        answers: what its verbs answer, by name. calls: verb and account id of each call so far.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, *verbs: str, name: str = "shop") -> None:
        self.module: ModuleType = importlib.import_module(
            install(folder, patch, shop_source(*verbs), name=name, distribution=f"example-{name}")
        )
        self.answers: dict[str, Any] = self.module.ANSWERS
        self.calls: list[tuple[str, str]] = self.module.CALLS
