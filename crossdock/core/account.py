"""What a plugin is handed: one account's settings, its way out, the time, a log."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from crossdock.core.clock import Clock
from crossdock.core.config import Options

if TYPE_CHECKING:
    from crossdock.core.http import Http


class Memory(Protocol):
    """A few texts that an account keeps between calls and processes, sealed like secrets: tokens, channels."""

    def get(self, name: str) -> str | None:
        """Return what was put under this name, or None."""
        ...

    def put(self, name: str, text: str) -> None:
        """Keep a text under this name, replacing what was there."""
        ...

    def forget(self, name: str) -> None:
        """Drop what is under this name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One configured connection to a platform, as its plugin sees it.

    Args:
        id: random, never changes. name: the operator's, may change.
        platform: the plugin's entry-point name.
        settings: an instance of the plugin's own settings model.
        options: the engine's settings of the account.
        http: the only way to the platform.
        memory: sealed texts that outlive a call, such as a session token.
        clock: the only source of time.
        log: already bound to the account; secrets are taken out.
    """

    id: str
    name: str
    platform: str
    settings: Any
    options: Options
    http: Http = field(repr=False)
    memory: Memory = field(repr=False)
    clock: Clock = field(repr=False)
    log: logging.LoggerAdapter[logging.Logger] = field(repr=False)

    def view(self) -> AccountView:
        """Return what extensions may see."""
        return AccountView(id=self.id, name=self.name, platform=self.platform, options=self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account without http, settings and secrets, for extensions."""

    id: str
    name: str
    platform: str
    options: Options
