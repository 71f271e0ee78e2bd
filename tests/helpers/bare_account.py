"""A plugin's connector without an installation: nothing is kept but what the plugin itself remembers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdock.core.account import Account
from crossdock.core.clock import Clock
from crossdock.core.config import Options, validate
from crossdock.core.connector import Connector, load
from crossdock.core.http import Http


@dataclass
class KeptInMemory:
    """An account's memory that ends with the test."""

    texts: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.texts.get(name)

    def put(self, name: str, text: str) -> None:
        self.texts[name] = text

    def forget(self, name: str) -> None:
        self.texts.pop(name, None)


def connect(platform: str, values: Mapping[str, Any], clock: Clock, *, account: str = "a1", **http: Any) -> Connector:
    """Return the connector of an account with these settings; `http` is what its client takes besides."""
    loaded = load(platform)
    settings = validate(loaded.facts.settings, values, where="test")
    client = Http(account_id=account, plugin=loaded.facts, settings=settings, clock=clock, jitter=lambda: 0.0, **http)
    bare = Account(
        id=account,
        name=platform,
        platform=platform,
        settings=settings,
        options=Options(),
        http=client,
        memory=KeptInMemory(),
        clock=clock,
        log=logging.LoggerAdapter(logging.getLogger("crossdock.account"), {}),
    )
    return Connector(loaded, bare)
