"""The hub: one opened installation, with a face for each thing that it keeps."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from crossdock.core.account import Account, AccountView
from crossdock.core.clock import Clock
from crossdock.core.config import (
    Installation,
    Options,
    SecretBox,
    key_id,
    new_key,
    read_installation,
    read_keys,
    validate,
    write_key_file,
)
from crossdock.core.connector import Broadcast, Connector, Loaded, load
from crossdock.core.errors import ConfigError
from crossdock.core.http import Http
from crossdock.core.redaction import SECRETS, get_logger
from crossdock.core.store import Read, Store, Write, accounts, feeds, migrate, secrets
from crossdock.core.store.accounts import AccountRow
from crossdock.core.store.rates import SqlRates
from crossdock.core.store.runs import RunRecord
from crossdock.hub import rhythm
from crossdock.hub.accounts import Accounts
from crossdock.hub.catalog import Catalog
from crossdock.hub.downloads import Downloads
from crossdock.hub.feeds import Feeds
from crossdock.hub.mapping import Mapping
from crossdock.hub.offers import Offers
from crossdock.hub.orders import Orders
from crossdock.hub.prices import Prices
from crossdock.hub.statuses import Statuses
from crossdock.hub.stock import Stock
from crossdock.hub.work import Work


class Hub:
    """An opened installation; `open` and `init` make one.

    Args:
        installation: what `crossdock.toml` says.
        store: its database.
        box: seals with the key in force.

    Attributes:
        redactor: takes all secrets known to this process out of texts.
        accounts: the accounts.
        catalog: what the seller owns.
        stock: how much of it is there.
        offers: what is listed where.
        mapping: how the fields of offers files are filled.
        prices: how prices are made.
        statuses: the seller's statuses and the platforms'.
        orders: the orders.
        downloads: who fetched the offers files.
        feeds: the offers files.
        work: runs, schedules, events, status.
    """

    def __init__(self, installation: Installation, store: Store, box: SecretBox) -> None:
        self.installation = installation
        self.store = store
        self.box = box
        self.redactor = SECRETS
        self._broadcast = Broadcast(installation.extensions)
        self.accounts = Accounts(self)
        self.catalog = Catalog(self)
        self.stock = Stock(self)
        self.offers = Offers(self)
        self.mapping = Mapping(self)
        self.prices = Prices(self)
        self.statuses = Statuses(self)
        self.orders = Orders(self)
        self.downloads = Downloads(self)
        self.feeds = Feeds(self)
        self.work = Work(self)
        self._plugins: dict[str, Loaded] = {}
        self._loading = threading.Lock()
        self.redactor.register([store.engine.url.password or ""])

    def __repr__(self) -> str:
        return f"Hub({self.store!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the database back."""
        self.store.close()

    def keep_time(self, tx: Write, account_id: str) -> AccountRow:
        """Bring an account's schedules into line with its switches and options, and return the account."""
        row = accounts.get(tx, account_id)
        rhythm.keep_time(tx, row, self.options(tx, row.id), self.plugin(row.platform).facts.polls)
        return row

    def stop_account(self, tx: Write, account_id: str, reason: str) -> AccountRow:
        """Let nothing more run for an account until a person acts."""
        accounts.stop(tx, account_id, reason)
        return self.keep_time(tx, account_id)

    def run(self, account: str, job: str, *, force: bool = False, asked_by: str = "person") -> RunRecord:
        """Run a job of an account now and return how it ended; see `Work.run`."""
        return self.work.run(account, job, force=force, asked_by=asked_by)

    def tell(self, event: str, **facts: Any) -> None:
        """Tell the enabled extensions what happened; see `hookspecs.Events`."""
        self._broadcast.tell(event, **facts)

    def hears(self, event: str) -> bool:
        """Whether an enabled extension wants to hear of that event."""
        return self._broadcast.hears(event)

    def order_changed(self, account_id: str, order_id: int, what: str) -> None:
        """Tell the enabled extensions that an order changed."""
        if not self.hears("order_changed"):
            return
        with self.store.read() as tx:
            row = accounts.get(tx, account_id)
        view = AccountView(id=row.id, name=row.name, platform=row.platform, options=_options(row))
        self.tell("order_changed", account_view=view, order_id=order_id, what=what)

    def feeds_published(self, record: RunRecord) -> None:
        """Tell the enabled extensions which versions of feeds came out in a run."""
        if record.began_at is None or not self.hears("feed_published"):
            return
        with self.store.read() as tx:
            row = accounts.get(tx, record.account)
            versions = feeds.published_since(tx, row.id, record.began_at)
        view = AccountView(id=row.id, name=row.name, platform=row.platform, options=_options(row))
        for version in versions:
            self.tell("feed_published", account_view=view, market=version.market, version=version.id)

    def plugin(self, platform: str) -> Loaded:
        """Return a platform's plugin with the enabled extensions, loaded once.

        Raises:
            PluginLoadError: it cannot be used.
        """
        with self._loading:
            if platform not in self._plugins:
                self._plugins[platform] = load(platform, self.installation.extensions)
            return self._plugins[platform]

    def connector(self, name_or_id: str) -> Connector:
        """Return an account's plugin with all it needs, as the account is set now.

        Raises:
            NotFoundHere: there is no such account.
            PluginLoadError: its plugin cannot be used.
            ConfigError: its settings do not fit the plugin (any more), or a secret is missing or cannot be opened.
        """
        with self.store.read() as tx:
            row = accounts.get(tx, name_or_id)
            kept = secrets.get_all(tx, self.box, row.id)
        self.redactor.register(kept.values())
        loaded = self.plugin(row.platform)
        where = f"Account {row.name}"
        known = {field: text for field, text in kept.items() if not field.startswith(secrets.MEMORY)}
        settings = validate(loaded.facts.settings, {**row.settings, **known}, where=where)
        clock = self.store.clock
        account = Account(
            id=row.id,
            name=row.name,
            platform=row.platform,
            settings=settings,
            options=validate(Options, row.options, where=where),
            http=Http(
                account_id=row.id, plugin=loaded.facts, settings=settings, clock=clock, rates=SqlRates(self.store)
            ),
            memory=secrets.SealedMemory(self.store, self.box, row.id),
            clock=clock,
            log=logging.LoggerAdapter(get_logger(f"crossdock.plugins.{row.platform}"), {"account": row.name}),
        )
        return Connector(loaded, account)

    def options(self, tx: Read, name_or_id: str) -> Options:
        """Return the engine's settings of an account.

        Raises:
            NotFoundHere: there is no such account.
            ConfigError: an option is unknown to this crossdock.
        """
        return _options(accounts.get(tx, name_or_id))

    def rotate_key(self) -> str:
        """Seal all secrets with a new key and put it in force; other processes must be started again afterwards.

        A key file is rewritten: it holds both keys until the store is done, so that an interruption harms nothing. A
        key in the environment is the operator's: the new one has to stand before the old one, on a line of its own.

        Returns:
            The id of the new key.

        Raises:
            ConfigError: the environment holds no new key, or a secret cannot be opened; the old key stays in force.
        """
        kind, _, place = self.installation.key.partition(":")
        keys = read_keys(self.installation.key, self.installation.folder)
        old = next(key for key in keys if key_id(key) == self.box.current)
        new = keys[0] if kind == "env" else new_key()
        if new == old:
            raise ConfigError(
                f"{self.installation.key} holds no new key.", advice="Put the new key before the old one, a line each."
            )
        file = self.installation.folder / place
        if kind == "file":
            write_key_file(file, (old, new), replace=True)
        box = SecretBox((new, old))
        secrets.rotate(self.store, self.box, box)
        self.box = box
        if kind == "file":
            write_key_file(file, (new,), replace=True)
        return box.current


def open(path: str | Path = "crossdock.toml", *, clock: Clock | None = None) -> Hub:
    """Open an installation.

    Args:
        path: its `crossdock.toml`.
        clock: the source of time; the machine's own by default.

    Raises:
        ConfigError: the file, the key or the database is missing, or one does not fit the others.
    """
    installation = read_installation(Path(path))
    box = SecretBox(read_keys(installation.key, installation.folder))
    with ExitStack() as undo:
        store = open_store(installation, clock)
        undo.callback(store.close)
        box = secrets.verify_key(store, box)
        migrate.check(store)
        hub = Hub(installation, store, box)
        undo.pop_all()
    return hub


def open_store(installation: Installation, clock: Clock | None = None) -> Store:
    """Return the store of an installation, whatever state it is in; SQLite alone would make a missing file anew.

    Raises:
        ConfigError: SQLite's file is not there.
    """
    file = installation.database_file()
    if file and not file.is_file():
        raise ConfigError(
            f"The database {file} is not there.", advice="Give it back, or mend `database` in crossdock.toml."
        )
    return Store(installation.database_url(), clock=clock)


def _options(row: AccountRow) -> Options:
    return validate(Options, row.options, where=f"Account {row.name}")
