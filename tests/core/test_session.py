"""What requests are signed with: kept for all processes, got anew where the platform refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.config import Settings
from crossdock.core.errors import AuthError, Rejected
from crossdock.core.http import Http
from crossdock.core.messages import Request
from crossdock.core.model import Kind, Plugin
from crossdock.core.session import Session
from crossdock.twins.kit import VirtualClock

ACME = Plugin(contract=1, kind=Kind.MARKETPLACE, title="Acme", settings=Settings, hosts=("api.example.com",))
URL = "https://api.example.com"


@dataclass
class Shared:
    """What all processes of an account share."""

    texts: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.texts.get(name)

    def put(self, name: str, text: str) -> None:
        self.texts[name] = text

    def forget(self, name: str) -> None:
        self.texts.pop(name, None)


@dataclass
class Acme:
    """A platform of which one token at a time is valid."""

    issued: int = 0
    valid: int = 0
    closed: bool = False
    calls: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path)
        if request.url.path == "/token":
            self.issued += 1
            self.valid = self.issued
            return httpx.Response(200, json={"number": self.issued})
        signed = request.headers["token"] == f"number {self.valid}" and not self.closed
        return httpx.Response(200 if signed else 401, json={})

    def expire(self) -> None:
        self.valid = -1


class Process:
    """One process's way to the platform."""

    def __init__(self, acme: Acme, memory: Shared) -> None:
        self.http = Http(
            account_id="a1",
            plugin=ACME,
            settings=Settings(),
            clock=VirtualClock(datetime(2024, 3, 1, tzinfo=UTC)),
            transport=httpx.MockTransport(acme),
        )
        self.session = Session(memory, "token 1", ask=self._ask, sign=self._sign)

    def call(self) -> int:
        return self.http.request("GET", f"{URL}/orders", auth=self.session).status

    def _ask(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.http.request("POST", f"{URL}/token").json()
        return answer

    def _sign(self, request: Request, token: Mapping[str, Any]) -> Mapping[str, str]:
        assert request.path == "/orders"
        return {"Token": f"number {token['number']}"}


def test_it_is_asked_for_when_needed_and_found_by_the_next_process() -> None:
    acme, memory = Acme(), Shared()
    Process(acme, memory).call()
    Process(acme, memory).call()
    assert acme.calls == ["/token", "/orders", "/orders"]
    assert Process(acme, memory).session.current() == {"number": 1}


def test_a_refused_one_is_renewed_and_the_call_repeated_once() -> None:
    acme = Acme()
    process = Process(acme, Shared())
    process.call()
    acme.expire()
    acme.calls.clear()
    process.call()
    assert acme.calls == ["/orders", "/token", "/orders"]


def test_the_one_that_another_process_got_is_taken() -> None:
    acme, memory = Acme(), Shared()
    one, other = Process(acme, memory), Process(acme, memory)
    one.call()
    other.call()
    acme.expire()
    one.call()
    other.call()
    assert acme.issued == 2


def test_a_new_one_can_be_asked_for_at_any_time() -> None:
    acme, memory = Acme(), Shared()
    process = Process(acme, memory)
    process.call()
    assert process.session.open() == {"number": 2}
    assert Process(acme, memory).session.current() == {"number": 2}


def test_one_that_is_refused_at_once_is_not_asked_for_again() -> None:
    acme = Acme(closed=True)
    with pytest.raises(AuthError):
        Process(acme, Shared()).call()
    assert acme.calls == ["/token", "/orders", "/token", "/orders"]


def test_what_the_platform_says_to_wrong_credentials_is_raised_and_nothing_kept() -> None:
    def ask() -> Mapping[str, Any]:
        raise Rejected("no")

    memory = Shared()
    session = Session(memory, "token 1", ask=ask, sign=lambda request, token: {})
    with pytest.raises(Rejected):
        session.current()
    assert memory.texts == {}


def test_a_session_shows_nothing_of_what_it_keeps() -> None:
    session = Session(Shared({"token 1": '{"number": "hush"}'}), "token 1", ask=dict, sign=lambda request, token: {})
    session.current()
    assert "hush" not in repr(session)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=5), max_size=10))
def test_no_call_fails_and_each_token_that_died_costs_one(verbs: list[list[bool]]) -> None:
    """Each verb makes a few calls, before some of which the token dies."""
    acme, memory, died = Acme(), Shared(), 0
    for calls in verbs:
        process = Process(acme, memory)
        for dies in calls:
            if dies:
                died += acme.valid > 0
                acme.expire()
            assert process.call() == 200
    assert acme.issued <= died + 1
