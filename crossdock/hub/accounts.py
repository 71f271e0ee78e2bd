"""Accounts as people handle them: adding, setting, testing, switching on, arming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from crossdock.core.config import (
    FieldHelp,
    Options,
    Settings,
    describe,
    endpoint_faults,
    plain_values,
    secret_fields,
    validate,
)
from crossdock.core.connector import Connector, Loaded
from crossdock.core.errors import ConfigError
from crossdock.core.model import Gap, Kind, Limits, Market
from crossdock.core.store import accounts, cursors, marks, offer_levels, secrets, statuses
from crossdock.core.store.accounts import AccountRow, Switch

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub

Model = TypeVar("Model", bound=BaseModel)

# What a plugin must be able to do before a switch makes sense.
NEEDS: Final[Mapping[Switch, str]] = {
    Switch.ORDERS: "fetch_orders",
    Switch.ACCEPT: "accept_order",
    Switch.DECLINE: "accept_order",
    Switch.STOCK: "push_stock",
    Switch.PRICES: "push_prices",
    Switch.FEED: "build_feed",
}
RECKONED_BY = ("warehouses", "stock_buffer", "stock_cap")  # the options that say what an account may show
PREVIEW_PAGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetails:
    """All there is to see of an account.

    Args:
        account: the row: name, switches, armed, stopped, rehearsal.
        title, kind: the platform's.
        settings: every setting in force by name; a secret is "set" or "missing".
        options: every option in force by name.
        verbs: what the plugin can do, by name. gaps: what it does not do, and why.
        markets, limits: the platform's.
    """

    account: AccountRow
    title: str
    kind: Kind
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    verbs: tuple[str, ...]
    gaps: tuple[Gap, ...]
    markets: tuple[Market, ...]
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPreview:
    """How many orders would come if an account's orders were switched on.

    Args:
        orders: how many were found.
        complete: False where the platform has more than were looked at.
    """

    orders: int
    complete: bool


class Accounts:
    """The accounts of an installation. Each is named by its name or its id.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    # --- looking

    def list(self) -> tuple[AccountRow, ...]:
        """Return all accounts, by name."""
        with self._hub.store.read() as tx:
            return accounts.list_all(tx)

    def get(self, name: str) -> AccountRow:
        """Return one account.

        Raises:
            NotFoundHere: naming the accounts whose names are close.
        """
        with self._hub.store.read() as tx:
            return accounts.get(tx, name)

    def names(self) -> Mapping[str, str]:
        """Return the names by id, also of removed accounts, whose history is still there."""
        with self._hub.store.read() as tx:
            return accounts.names(tx)

    def fields(self, platform: str) -> tuple[FieldHelp, ...]:
        """Return the settings that an account of a platform has, for prompts and forms.

        Raises:
            PluginLoadError: the plugin cannot be used.
        """
        return describe(self._hub.plugin(platform).facts.settings)

    def show(self, name: str) -> AccountDetails:
        """Return one account with all there is to see of it, secrets masked."""
        with self._hub.store.read() as tx:
            row = accounts.get(tx, name)
            kept = secrets.kept_fields(tx, row.id)
        loaded = self._hub.plugin(row.platform)
        settings = _in_force(loaded.facts.settings, row.settings)
        masked = {field: "set" if field in kept else "missing" for field in secret_fields(loaded.facts.settings)}
        return AccountDetails(
            account=row,
            title=loaded.facts.title,
            kind=loaded.facts.kind,
            settings={field: masked.get(field, value) for field, value in settings.items()},
            options=_in_force(Options, row.options),
            verbs=tuple(sorted(loaded.verbs)),
            gaps=loaded.facts.gaps,
            markets=loaded.facts.markets,
            limits=loaded.facts.limits,
        )

    # --- setting

    def add(
        self, platform: str, name: str, settings: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> AccountRow:
        """Add an account: everything off, not armed.

        Args:
            platform: the plugin's name.
            name: unique, 1 to 64 printable characters.
            settings: the plugin's settings by name, secrets as plain text; they are sealed.
            options: the engine's settings by name.

        Raises:
            PluginLoadError: the plugin cannot be used.
            ConfigError: with all faults of name, settings and options at once.
        """
        loaded = self._hub.plugin(platform)
        chosen, engine = _validated(loaded, name, settings, options or {}, faults=accounts.name_faults(name))
        with self._hub.store.write() as tx:
            row = accounts.create(tx, name=name, platform=platform, settings=_given(chosen), options=_given(engine))
            for field, text in sorted(plain_values(chosen, secret=True).items()):
                secrets.put(tx, self._hub.box, row.id, field, text)
        return row

    def set(
        self, name: str, settings: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None
    ) -> AccountRow:
        """Change some settings or options and leave the others; None takes a value back to its default.

        An account that changes over between the platform and a rehearsal is disarmed.

        Raises:
            ConfigError: with all faults at once; nothing is changed then.
        """
        loaded = self._hub.plugin(self.get(name).platform)
        hidden = secret_fields(loaded.facts.settings)
        box = self._hub.box
        with self._hub.store.write() as tx:
            row = accounts.get(tx, name, lock=True)
            kept = secrets.get_all(tx, box, row.id)
            known = {**row.settings, **{field: text for field, text in kept.items() if field in hidden}}
            chosen, engine = _validated(
                loaded, row.name, _merged(known, settings or {}), _merged(row.options, options or {})
            )
            changed = accounts.save(tx, row.id, settings=_given(chosen), options=_given(engine))
            if any(changed.options.get(name) != row.options.get(name) for name in RECKONED_BY):
                offer_levels.mark_account(tx, row.id)
            if changed.settings != row.settings:
                marks.mark_account(tx, row.id)  # the fields of offers files may depend on any of them
            sealed = plain_values(chosen, secret=True)
            for field in sorted(hidden & (settings or {}).keys()):
                if field in sealed:
                    secrets.put(tx, box, row.id, field, sealed[field])
                else:
                    secrets.forget(tx, row.id, field)
            if changed.rehearsal != row.rehearsal:
                accounts.disarm(tx, row.id)
            return self._hub.keep_time(tx, row.id)

    def rename(self, name: str, new_name: str) -> AccountRow:
        """Give an account another name.

        Raises:
            ConfigError: the name is not allowed, or taken.
        """
        with self._hub.store.write() as tx:
            return accounts.rename(tx, accounts.get(tx, name).id, new_name)

    def remove(self, name: str) -> None:
        """Remove an account with its secrets, switches and schedules; its orders stay, its name is free again."""
        with self._hub.store.write() as tx:
            accounts.remove(tx, accounts.get(tx, name).id)

    # --- trying

    def test(self, name: str) -> str:
        """Try the account's credentials and return, in a sentence, what they open; its statuses are read again.

        Raises:
            Unsupported: the plugin has no connection test.
            RemoteError: the platform refuses, or does not answer.
        """
        connector = self._hub.connector(name)
        words = connector.check_connection()
        if connector.can("map_status"):
            listed = connector.map_status()
            with self._hub.store.write() as tx:
                statuses.save_platform(tx, connector.account.id, listed)
        return words

    def preview_orders(self, name: str, not_before: datetime, *, limit: int = 1000) -> OrdersPreview:
        """Count the orders that would come if orders were switched on; nothing is kept.

        Args:
            name: the account.
            not_before: orders placed before are left out; aware.
            limit: how many orders to look at.

        Raises:
            Unsupported: the plugin reads no orders.
            RemoteError: the platform refuses, or does not answer.
        """
        _check_moment(not_before)
        connector = self._hub.connector(name)
        cursor: Mapping[str, Any] | None = None
        seen = found = 0
        for _ in range(PREVIEW_PAGES):
            page = connector.fetch_orders(cursor)
            seen += len(page.orders)
            found += sum(order.placed_at >= not_before for order in page.orders)
            if not page.more:
                return OrdersPreview(orders=found, complete=True)
            if seen >= limit:
                break
            cursor = page.cursor
        return OrdersPreview(orders=found, complete=False)

    # --- switching

    def enable(self, name: str, switch: str, not_before: datetime | None = None) -> AccountRow:
        """Switch something on: orders, accept, decline, stock, prices or feed.

        Args:
            name: the account.
            switch: what to switch on.
            not_before: with `orders`: orders placed before are not taken in; needed at the first time.

        Raises:
            ConfigError: there is no such switch, or `not_before` is missing or out of place.
            Unsupported: the plugin cannot do it.
        """
        chosen = _switch(switch)
        row = self.get(name)
        self._hub.plugin(row.platform).require(NEEDS[chosen], row.name)
        if not_before is not None:
            _check_moment(not_before)
        if not_before is not None and chosen is not Switch.ORDERS:
            raise ConfigError(f"`not before` belongs to orders, not to {chosen}.")
        with self._hub.store.write() as tx:
            row = accounts.get(tx, row.id, lock=True)
            if not_before is not None:
                accounts.set_orders_not_before(tx, row.id, not_before)
                if row.orders_not_before is not None and not_before < row.orders_not_before:
                    cursors.begin_anew(tx, row.id, "orders")  # what was left out before is read again
            elif chosen is Switch.ORDERS and row.orders_not_before is None:
                raise ConfigError(
                    f"Account {row.name}: say from when on orders are to be taken in.",
                    advice="Without it every open order of the past would come; a preview counts them.",
                )
            accounts.set_switch(tx, row.id, chosen, True)
            return self._hub.keep_time(tx, row.id)

    def disable(self, name: str, switch: str) -> AccountRow:
        """Switch something off.

        Raises:
            ConfigError: there is no such switch.
        """
        chosen = _switch(switch)
        with self._hub.store.write() as tx:
            row = accounts.set_switch(tx, name, chosen, False)
            return self._hub.keep_time(tx, row.id)

    def arm(self, name: str) -> AccountRow:
        """Allow writing to the platform, after the connection test where the plugin has one.

        Raises:
            ConfigError: the account is stopped.
            RemoteError: the connection test fails; the account stays as it is.
        """
        row = self.get(name)
        if row.stopped_because is not None:
            raise ConfigError(f"Account {row.name} is stopped: {row.stopped_because}", advice="Resume it first.")
        self._test_if_possible(row)
        with self._hub.store.write() as tx:
            accounts.arm(tx, row.id)
            return self._hub.keep_time(tx, row.id)

    def disarm(self, name: str) -> AccountRow:
        """Allow no more writing to the platform."""
        with self._hub.store.write() as tx:
            return self._hub.keep_time(tx, accounts.disarm(tx, name).id)

    def resume(self, name: str) -> AccountRow:
        """Let a stopped account run again, after the connection test where the plugin has one.

        Raises:
            RemoteError: the connection test fails; the account stays stopped.
        """
        row = self.get(name)
        self._test_if_possible(row)
        with self._hub.store.write() as tx:
            accounts.resume(tx, row.id)
            return self._hub.keep_time(tx, row.id)

    def _test_if_possible(self, row: AccountRow) -> None:
        connector: Connector = self._hub.connector(row.id)
        if connector.can("check_connection"):
            connector.check_connection()


# --- settings --------------------------------------------------------------------------------------------------------


def _validated(
    loaded: Loaded,
    name: str,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    faults: list[str] | None = None,
) -> tuple[Settings, Options]:
    found = list(faults or ())
    chosen: Settings | None = _attempt(loaded.facts.settings, settings, found)
    engine = _attempt(Options, options, found)
    if chosen:
        found += endpoint_faults(chosen, loaded.facts.hosts)
    if engine and loaded.facts.markets:
        known = {market.code for market in loaded.facts.markets}
        found += [
            f"vat_rates: {code} is no market of {loaded.facts.title}"
            for code in sorted(engine.vat_rates.keys() - known)
        ]
    if found or chosen is None or engine is None:
        raise ConfigError(f"Account {name}: {len(found)} setting(s) are wrong.", faults=found)
    return chosen, engine


def _attempt(model: type[Model], values: Mapping[str, Any], faults: list[str]) -> Model | None:
    try:
        return validate(model, values, where=model.__name__)
    except ConfigError as error:
        faults.extend(error.faults)
        return None


def _given(settings: BaseModel) -> dict[str, Any]:
    """Return what was set, without secrets; what was left alone follows its default."""
    return {
        name: value for name, value in plain_values(settings, secret=False).items() if name in settings.model_fields_set
    }


def _merged(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is set after changes; one to None takes a value back to its default, a None that is set stays."""
    changed = {name: value for name, value in changes.items() if value is not None}
    return {name: value for name, value in known.items() if name not in changes} | changed


def _in_force(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given.get(field.name, to_jsonable_python(field.default)) for field in describe(model)}


def _switch(name: str) -> Switch:
    try:
        return Switch(name)
    except ValueError:
        raise ConfigError(f"There is no switch {name!r}.", advice=f"Here are: {', '.join(Switch)}.") from None


def _check_moment(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise ConfigError(f"{moment.isoformat()} has no time zone.", advice="Add one, such as Z for UTC.")
