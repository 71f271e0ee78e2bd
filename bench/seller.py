"""The seller whose work is measured: one Miinto account, one shop, and recorded answers in place of a network."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert

from crossdock.core.account import Account
from crossdock.core.config import Options, SecretBox
from crossdock.core.connector import Connector, load
from crossdock.core.http import Http
from crossdock.core.redaction import get_logger
from crossdock.core.store import Store, Write, accounts, runs, secrets, statuses, tables
from crossdock.jobs.run import Run
from crossdock.plugins import miinto
from crossdock.twins.kit import VirtualClock
from crossdock.twins.miinto import MiintoTwin
from crossdock.twins.miinto.accounts import Channel

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
SETTINGS = {"identifier": "bench@example.com", "secret": "not-a-secret"}
BOX = SecretBox((bytes(32),))


def open_store(url: str, now: datetime = START) -> Store:
    return Store(url, clock=VirtualClock(now))


def twin() -> tuple[MiintoTwin, str]:
    """Return a twin and the seller's shop there."""
    made = MiintoTwin(VirtualClock(START))
    return made, made.add_account(SETTINGS["identifier"], SETTINGS["secret"], ["pl"]).shop_in("pl")


def channel() -> bytes:
    """Return the twin's answer to who opens a channel."""
    made, _ = twin()
    opened = Channel.open(1, made.accounts[SETTINGS["identifier"]], random.Random(1))
    return json.dumps({"meta": {"status": "success"}, "data": opened.as_json()}).encode()


def set_up(tx: Write) -> str:
    """Fill an empty store with what every seller has, and return the account's id."""
    tx.execute(insert(tables.warehouses), {"name": "main", "title": ""})
    secrets.register_key(tx, BOX)
    statuses.create_defaults(tx)
    account = accounts.create(tx, platform="miinto", name="shop", settings={}, options={"vat_rate": "23"}).id
    statuses.save_platform(tx, account, miinto.STATUSES)
    return account


class Recorded(httpx.BaseTransport):
    """Answers in place of the network.

    Args:
        answer: gives the body for a request; channels are opened without asking it.
    """

    def __init__(self, answer: Callable[[httpx.Request], bytes]) -> None:
        self._answer = answer
        self._channel = channel()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        opens = request.url.path == "/channels"
        return httpx.Response(200, content=self._channel if opens else self._answer(request))


def connector(store: Store, answer: Callable[[httpx.Request], bytes]) -> Connector:
    """Return the seller's plugin with all it has in an installation, but for the network."""
    loaded, clock = load("miinto"), store.clock
    settings = loaded.facts.settings(**SETTINGS)
    with store.read() as tx:
        row = accounts.get(tx, "shop")
    http = Http(account_id=row.id, plugin=loaded.facts, settings=settings, clock=clock, transport=Recorded(answer))
    account = Account(
        id=row.id,
        name=row.name,
        platform=row.platform,
        settings=settings,
        options=Options.model_validate(row.options),
        http=http,
        memory=secrets.SealedMemory(store, BOX, row.id),
        clock=clock,
        log=get_logger("crossdock.bench"),  # type: ignore[arg-type] # a logger does what an adapter does
    )
    return Connector(loaded, account)


def carry_out(
    store: Store, way: Connector, name: str, job: Callable[[Run], None], folder: Path = Path()
) -> Mapping[str, Any]:
    """Let a job run as a queue would, and return its counts."""
    with store.write() as tx:
        number = runs.request(tx, way.account.id, name, asked_by="bench")
        (record,) = runs.claim(tx, "bench", run_id=number)
    run = Run(store, record, lambda account: way, folder=folder)
    job(run)
    with store.write() as tx:
        runs.finish(tx, record, runs.RunState.DONE, counts=run.counts)
    return run.counts
