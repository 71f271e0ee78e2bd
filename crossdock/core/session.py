"""What an account signs its requests with, kept for all its processes and got anew where the platform refuses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from crossdock.core.account import Memory
from crossdock.core.messages import Request


class Session:
    """A token, a channel, or whatever a platform hands out to sign requests with: an `Auth` for `Http.request`.

    It is asked for when first needed and kept in the account's memory, where all processes find it. Where the platform
    refuses a call (AuthError), the one that another process has got meanwhile is taken, else one is asked for, once for
    each call. Make one in each call of a verb: it is for one thread, and does not ask others before it is refused.

    Args:
        memory: the account's.
        name: what it is kept under; a later shape takes another name.
        ask: asks the platform for one and returns it as an object that can be written as JSON. It calls
            `Http.request` without `auth`, and raises AuthError where the credentials are wrong.
        sign: returns the headers that sign a request with it.
    """

    def __init__(
        self,
        memory: Memory,
        name: str,
        *,
        ask: Callable[[], Mapping[str, Any]],
        sign: Callable[[Request, Mapping[str, Any]], Mapping[str, str]],
    ) -> None:
        self._memory = memory
        self._name = name
        self._ask = ask
        self._sign = sign
        self._text: str | None = None  # what is in use, as the processes share it
        self._value: Mapping[str, Any] = {}

    def current(self) -> Mapping[str, Any]:
        """Return what requests are signed with, asked for if there is none yet."""
        if self._text is None:
            kept = self._memory.get(self._name)
            return self._use(kept) if kept else self.open()
        return self._value

    def open(self) -> Mapping[str, Any]:
        """Ask for a new one, keep it for all processes, and return it."""
        text = json.dumps(self._ask())
        self._memory.put(self._name, text)
        return self._use(text)

    def sign(self, request: Request) -> Mapping[str, str]:
        """Return the headers to add; see `Auth`."""
        return self._sign(request, self.current())

    def renew(self) -> bool:
        """Go over to another one than the platform refused; see `Auth`."""
        kept = self._memory.get(self._name)
        if kept and kept != self._text:
            self._use(kept)
        else:
            self.open()
        return True

    def _use(self, text: str) -> Mapping[str, Any]:
        self._text, self._value = text, json.loads(text)
        return self._value
