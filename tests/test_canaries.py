"""Secrets stay where they belong: markers put into every secret turn up nowhere else, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from fake_plugins import install
from sqlalchemy import select

from crossdock import hub as library
from crossdock.core.config import new_key
from crossdock.core.errors import ConfigError, ContractError, CrossdockError
from crossdock.core.store import accounts, events, runs, tables
from crossdock.hub import Hub
from crossdock.jobs.run import Run
from crossdock.queue.execute import Executor

# One for each secret: two settings, one that the platform hands out, and one that only a header ever carries.
CANARIES = {
    "password": "canary/Pa+ss&w0rd é",
    "token": "canary-token-7c41",
    "session": "canary-session-19d2",
    "signature": "canary-signature-b803",
}

PLUGIN = '''
import base64

from crossdock.plugin import *


class LoudSettings(Settings):
    api: Url = "https://api.example.com"
    user: str
    password: SecretStr
    token: SecretStr | None = None


PLUGIN = Plugin(contract=1, kind=Kind.SHOP, title="Loud Shop", settings=LoudSettings, hosts=("api.example.com",))


class Basic:
    def __init__(self, account):
        self.pair = f"{account.settings.user}:{account.settings.password.get_secret_value()}"

    def sign(self, request):
        return {
            "Authorization": "Basic " + base64.b64encode(self.pair.encode()).decode(),
            "X-Shop-Signature": "canary-signature-b803",
        }

    def renew(self):
        return False


def call(account, path):
    """Put every secret wherever a plugin may put one: into the log, the query, the body and the headers."""
    password, token = (getattr(account.settings, name).get_secret_value() for name in ("password", "token"))
    account.log.debug("opening a session with %s and %s", password, token)
    session = account.http.request("POST", f"{account.settings.api}/session", auth=Basic(account)).json()["session"]
    account.memory.put("session", session)
    account.log.info("the session is %r", session)
    return account.http.request(
        "POST",
        f"{account.settings.api}{path}/{token}",
        params=[("token", token), ("password", password)],
        json={"password": password, "session": session},
        headers={"X-Session": session},
        auth=Basic(account),
    )


@hookimpl
def check_connection(account):
    return call(account, "/fine").text()[:10]


@hookimpl
def fetch_products(account, cursor):
    fault = account.settings.user
    password = account.settings.password.get_secret_value()
    if fault == "crash":
        try:
            raise KeyError(password)
        except KeyError:
            account.log.exception("no such key: %s", password)
            raise
    if fault == "contract":
        return ProductPage(products=(), cursor={password: 1.5})
    answer = call(account, "/" + fault)
    if fault == "rejected":
        raise Rejected("The shop refuses " + answer.words(), words=answer.words())
    return answer.json()
'''

# What the fake platform does, and what the engine makes of it.
FAULTS = {
    "401": "AuthError",
    "404": "NotFound",
    "500": "Unavailable",
    "302": "BadAnswer",
    "echo": "BadAnswer",
    "hang-up": "Unavailable",
    "rejected": "Rejected",
    "contract": "ContractError",
    "crash": "KeyError",
}


class Platform(BaseHTTPRequestHandler):
    """Hands out a session and answers all else by repeating the request, secrets included."""

    protocol_version = "HTTP/1.1"
    heard: list[str] = []  # noqa: RUF012 - emptied by the fixture

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.heard.append(f"{self.path}\n{self.headers}\n{body}")
        _, what, *_ = self.path.split("/")
        if what == "session":
            self.answer(200, json.dumps({"session": CANARIES["session"]}))
        elif what == "hang-up":
            self.close_connection = True
        else:
            self.answer(int(what) if what.isdecimal() else 200, f"no JSON: {self.heard[-1]}")

    def answer(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", f"session={CANARIES['session']}")
        self.send_header("Location", f"https://elsewhere.example.org/?token={CANARIES['token']}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def platform() -> Iterator[str]:
    """Give the address of a platform that repeats all it hears."""
    Platform.heard.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hub(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    database_url: str,
    platform: str,
) -> Iterator[Hub]:
    """Give an installation with an account for each fault, and everything logged."""
    caplog.set_level(logging.DEBUG)
    install(tmp_path / "plugins", monkeypatch, PLUGIN, name="loud")
    monkeypatch.setenv("CROSSDOCK_TEST_CANARY_KEY", base64.b64encode(new_key()).decode())
    secrets = {name: CANARIES[name] for name in ("password", "token")}
    with library.init(tmp_path / "hub", database_url, "env:CROSSDOCK_TEST_CANARY_KEY") as hub:
        for fault in FAULTS:
            hub.accounts.add("loud", fault, {"api": platform, "user": fault, **secrets})
        yield hub


def forms(canary: str) -> set[str]:
    """Return how a secret may be written in a text."""
    return {
        canary,
        quote(canary),
        quote(canary, safe=""),
        quote_plus(canary),
        json.dumps(canary)[1:-1],
        repr(canary)[1:-1],
        base64.b64encode(canary.encode()).decode(),
        *(base64.b64encode(f"{user}:{canary}".encode()).decode() for user in FAULTS),
    }


def leaks(text: str) -> set[str]:
    """Return which secrets a text gives away."""
    return {name for name, canary in CANARIES.items() if any(form in text for form in forms(canary))}


def byte_leaks(content: bytes) -> set[str]:
    """Return which secrets are in a file."""
    return leaks(content.decode("utf-8", "replace")) | leaks(content.decode("utf-16-le", "replace"))


def fail_in_every_way(hub: Hub) -> list[Exception]:
    """Run a job of each account, which fails its way; return what was raised."""
    raised: list[Exception] = []

    def job(run: Run) -> None:
        try:
            run.connector.fetch_products(None)
        except (CrossdockError, KeyError) as error:
            raised.append(error)
            if isinstance(error, CrossdockError):
                with run.write() as tx:
                    tx.journal("test", account=run.account_id, actor="test", payload={"words": str(error)})
            raise

    executor = Executor(
        hub.store,
        {"offers": job},
        open_connector=hub.connector,
        stop_account=accounts.stop,
        redact=hub.redactor.redact,
    )
    for row in hub.accounts.list():
        with hub.store.write() as tx:
            run_id = runs.request(tx, row.id, "offers", asked_by="test")
        with hub.store.write() as tx:
            (record,) = runs.claim(tx, "test", run_id=run_id)
        executor.execute(record)
    return raised


def every_row(hub: Hub) -> str:
    """Return all that a SELECT * of every table gives."""
    with hub.store.read() as tx:
        rows = [tuple(row) for table in tables.metadata.sorted_tables for row in tx.execute(select(table))]
    return "\n".join(
        value.decode("latin-1") if isinstance(value, bytes) else f"{value!r} {value}" for row in rows for value in row
    )


# --- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CANARIES)
def test_a_leak_would_be_noticed(name: str) -> None:
    assert all(leaks(f"before {form} after") == {name} for form in forms(CANARIES[name]))
    assert byte_leaks(b"\xff" + CANARIES[name].encode() + b"\xfe") == {name}


def test_nothing_gives_a_secret_away(hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    raised = fail_in_every_way(hub)

    # It all happened, and the platform heard every secret.
    assert sorted(type(error).__name__ for error in raised) == sorted(FAULTS.values())
    assert leaks("\n".join(Platform.heard)) == set(CANARIES)
    assert {"crossdock.http", "crossdock.plugins.loud", "crossdock.queue.execute"} <= {
        record.name for record in caplog.records
    }
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert "no such key: ***" in caplog.text

    assert leaks(caplog.text) == set()
    for error in raised:
        if not isinstance(error, KeyError):
            assert leaks("".join(traceback.format_exception(error)) + repr(error) + str(vars(error))) == set()
    kept = every_row(hub)
    assert kept.count("AuthError") + kept.count("credentials") > 0
    assert leaks(kept) == set()
    for file in (tmp_path / "hub", tmp_path):
        for path in file.glob("*"):
            assert not path.is_file() or byte_leaks(path.read_bytes()) == set(), path


def test_every_fault_left_an_event(hub: Hub) -> None:
    fail_in_every_way(hub)
    with hub.store.read() as tx:
        told = {(accounts.name_of(tx, record.account), record.message) for record in events.list(tx)}
    assert {name for name, _ in told} == set(FAULTS)
    assert leaks(repr(told)) == set()


def test_nothing_shows_a_secret_when_it_is_printed(hub: Hub) -> None:
    connector = hub.connector("echo")
    connector.check_connection()
    account = connector.account
    shown: list[Any] = [hub, hub.box, hub.store, hub.installation, connector, account, account.view()]
    shown += [account.settings, account.http, account.memory, account.log, hub.redactor]
    shown += [hub.accounts.list(), hub.accounts.show("echo")]
    assert leaks("\n".join(f"{thing!r} {thing}" for thing in shown)) == set()


def test_faulty_settings_are_refused_without_their_secrets(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    for faulty in ({"user": 1}, {"token": ["canary-token-7c41"]}, {"extra": CANARIES["token"]}, {"api": "ftp://x"}):
        given = {"user": "u", "password": CANARIES["password"], **faulty}
        with pytest.raises(ConfigError) as caught:
            hub.accounts.add("loud", "faulty", given)
        assert leaks("".join(traceback.format_exception(caught.value)) + repr(caught.value)) == set()
    assert leaks(caplog.text) == set()


def test_a_broken_contract_is_told_without_the_answers_secrets(hub: Hub) -> None:
    with pytest.raises(ContractError, match="is a float") as caught:
        hub.connector("contract").fetch_products(None)
    assert leaks(str(caught.value)) == set()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_of_sqlite_holds_ciphertext_alone(hub: Hub, tmp_path: Path) -> None:
    fail_in_every_way(hub)
    file = tmp_path / "crossdock.sqlite"
    assert {path.name for path in tmp_path.glob("crossdock.sqlite*")} >= {file.name, f"{file.name}-wal"}
    with sqlite3.connect(file) as source, sqlite3.connect(tmp_path / "backup.sqlite") as backup:
        source.backup(backup)
    for connection in (source, backup):
        connection.close()
    assert b"echo" in (tmp_path / "backup.sqlite").read_bytes()
    for path in tmp_path.glob("*.sqlite*"):
        assert byte_leaks(path.read_bytes()) == set(), path
