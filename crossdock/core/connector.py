"""The only module that touches pluggy: finds plugins, checks them, and calls their verbs one account at a time.

Each platform gets a plugin manager of its own, holding that one plugin and the enabled extensions, so that a verb never
reaches another plugin. Loading is by name and late: a broken plugin that no account uses stops nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from crossdock.core import model
from crossdock.core.account import Account
from crossdock.core.config import Settings, describe
from crossdock.core.errors import ContractError, PluginLoadError, RemoteError, Unsupported
from crossdock.core.hookspecs import PROJECT, Events, Extensions, Verbs
from crossdock.core.redaction import SECRETS, get_logger

PLUGINS, EXTENSIONS = "crossdock.plugins", "crossdock.extensions"
LOG = get_logger("crossdock.extensions")
VERBS = tuple(name for name in vars(Verbs) if not name.startswith("_"))

# What a module may raise while it is imported; an interrupt or an exit is not its fault.
_IMPORT_ERRORS = (
    ImportError,
    SyntaxError,
    NameError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    OSError,
    RuntimeError,
)

Answer = TypeVar("Answer")


# --- finding and checking --------------------------------------------------------------------------------------------


def installed(group: str = PLUGINS) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the installed entry points by name, without loading any; a name with more than one cannot be used."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {})[_distribution(point), point.value] = point
    return {name: tuple(points.values()) for name, points in sorted(found.items())}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that passed its checks.

    Args:
        name: the platform. facts: its `PLUGIN`. source: distribution and entry point, for texts.
        manager: holds this plugin and the enabled extensions, nothing else.
        verbs: the verbs it implements.
    """

    name: str
    facts: model.Plugin
    source: str
    manager: pluggy.PluginManager
    verbs: frozenset[str]

    def require(self, verb: str, account: str) -> None:
        """Refuse a verb that the plugin does not implement.

        Raises:
            Unsupported: naming verb and account, with the plugin's own reason where it declares the gap.
        """
        if verb not in self.verbs:
            gap = next((gap.reason for gap in self.facts.gaps if gap.what == verb), "Its plugin does not implement it.")
            raise Unsupported(f"{self.facts.title} cannot {verb} (account {account}).", advice=gap)


def load(platform: str, extensions: Iterable[str] = ()) -> Loaded:
    """Load one platform's plugin with the enabled extensions.

    Raises:
        PluginLoadError: it is not installed, cannot be imported, or breaks a rule that can be seen without calling it.
    """
    point = _find(PLUGINS, platform)
    module, source = _import(point), _source(point)
    facts = getattr(module, "PLUGIN", None)
    if not isinstance(facts, model.Plugin):
        raise PluginLoadError(f"{source} has no PLUGIN = Plugin(...).")
    if facts.contract > model.CONTRACT:
        raise PluginLoadError(
            f"{source} was written for contract {facts.contract}, this crossdock knows contract {model.CONTRACT}.",
            advice="Update crossdock, or install an older version of the plugin.",
        )
    _check_settings(facts.settings, source)
    _check_listing(facts.listing, source)
    manager = _manager(Verbs, Extensions, Events)
    _register(manager, platform, module, source, allowed=Verbs)
    verbs = frozenset(verb for verb in VERBS if getattr(manager.hook, verb).get_hookimpls())
    for name in extensions:
        extension = _find(EXTENSIONS, name)
        _register(manager, f"extension {name}", _import(extension), _source(extension), allowed=(Extensions, Events))
    return Loaded(name=platform, facts=facts, source=source, manager=manager, verbs=verbs)


def _manager(*specs: type) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    for spec in specs:
        manager.add_hookspecs(spec)
    return manager


def _register(
    manager: pluggy.PluginManager, name: str, module: ModuleType, source: str, *, allowed: type | tuple[type, ...]
) -> None:
    known = {hook for spec in (allowed if isinstance(allowed, tuple) else (allowed,)) for hook in vars(spec)}
    for found, function in _implementations(manager, module):
        _check_implementation(found, function, module, source, known)
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginLoadError(f"{source}: {error}.") from error


def _implementations(manager: pluggy.PluginManager, module: ModuleType) -> Iterable[tuple[str, Callable[..., object]]]:
    for attribute in dir(module):
        options = manager.parse_hookimpl_opts(module, attribute)
        if options is not None:
            yield options.get("specname") or attribute, getattr(module, attribute)


def _check_implementation(
    hook: str, function: Callable[..., object], module: ModuleType, source: str, known: set[str]
) -> None:
    """Refuse what pluggy accepts in silence: unknown hooks, defaults that are never filled, functions of others."""
    if hook not in known:
        raise PluginLoadError(f"{source} implements {hook!r}, which is no hook of contract {model.CONTRACT} for it.")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            raise PluginLoadError(
                f"{source}: {hook}() gives its parameter {parameter.name!r} a default value.",
                advice="Take the default away: it would always win over what the engine passes.",
            )
    if not (function.__module__ + ".").startswith(module.__name__ + "."):
        raise PluginLoadError(
            f"{source} holds {hook}() of {function.__module__}: a hook imported from another plugin would run twice.",
            advice="Import what it calls, not the hook itself.",
        )


def _check_settings(settings: object, source: str) -> None:
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        raise PluginLoadError(f"{source}: its settings are no subclass of Settings.")
    for field in describe(settings):
        if field.secret and field.type != "SecretStr":
            raise PluginLoadError(
                f"{source}: its setting {field.name} holds a secret within a {field.type}.",
                advice="Make each secret a field of its own, SecretStr or SecretStr | None, so that it is kept sealed.",
            )


def _check_listing(listing: Mapping[model.ListingDefault, str], source: str) -> None:
    for default, field in listing.items():
        if default not in [*model.ListingDefault]:
            raise PluginLoadError(f"{source}: {default!r} is no listing default.")
        if bool(field) is not model.ListingDefault(default).is_field:
            wants = "has to name its field" if not field else "is no field of the offer, and names one"
            raise PluginLoadError(f"{source}: its listing default {default} {wants}.")


def _find(group: str, name: str) -> EntryPoint:
    points = installed(group)
    if name not in points:
        raise PluginLoadError(
            f"No {group.removeprefix('crossdock.')[:-1]} named {name!r} is installed.",
            advice=f"Install the package that brings it. Here are: {', '.join(points) or 'none'}.",
        )
    if len(points[name]) > 1:
        raise PluginLoadError(
            f"Two packages offer {group} {name!r}: {' and '.join(sorted(map(_distribution, points[name])))}.",
            advice="Uninstall one of them.",
        )
    return points[name][0]


def _import(point: EntryPoint) -> ModuleType:
    try:
        module = point.load()
    except _IMPORT_ERRORS as error:
        raise PluginLoadError(
            f"{_source(point)} cannot be imported: {type(error).__name__}: {error}.",
            advice="Install what it needs, or a version that fits.",
        ) from error
    if not isinstance(module, ModuleType):
        raise PluginLoadError(f"{_source(point)} is no module.")
    return module


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"


def _source(point: EntryPoint) -> str:
    return f"Plugin {point.name!r} ({_distribution(point)}, {point.value})"


# --- calling ---------------------------------------------------------------------------------------------------------


class Connector:
    """One account's plugin, typed: each verb is called, its answer checked, its errors told with account and verb.

    Args:
        loaded: the platform's plugin.
        account: whose verbs these are.
    """

    def __init__(self, loaded: Loaded, account: Account) -> None:
        self.loaded = loaded
        self.account = account

    @property
    def facts(self) -> model.Plugin:
        """What the plugin says of itself."""
        return self.loaded.facts

    def can(self, verb: str) -> bool:
        """Whether the plugin implements a verb."""
        return verb in self.loaded.verbs

    def batch(self, verb: str) -> int:
        """Return the largest batch that a verb takes, 1 where the plugin declares none."""
        return self.facts.limits.batch.get(verb, 1)

    def fetch_orders(self, cursor: Mapping[str, Any] | None) -> model.OrderPage:
        """See `Verbs.fetch_orders`; order and line ids are checked to be unique."""
        page = self._call("fetch_orders", model.OrderPage, cursor=cursor)
        self._check_all("fetch_orders", page.orders, model.Order)
        seen = [order.id for order in page.orders]
        if len(set(seen)) < len(seen):
            raise self._broken("fetch_orders", "an order twice on one page")
        for order in page.orders:
            lines = {line.id for line in order.lines}
            if len(lines) < len(order.lines):
                raise self._broken("fetch_orders", f"two lines with the same id in {order.id}")
        return page

    def fetch_order(self, order: model.Order) -> model.Order | model.Pending:
        """See `Verbs.fetch_order`."""
        answer: model.Order | model.Pending = self._ask("fetch_order", (model.Order, model.Pending), order=order)
        return answer

    def accept_order(self, order: model.Order, decision: model.Decision) -> model.Acceptance:
        """See `Verbs.accept_order`; every decided position must have its outcome."""
        acceptance = self._call("accept_order", model.Acceptance, order=order, decision=decision)
        decided = {*decision.accepted, *(line.id for line in decision.declined)}
        if set(acceptance.lines) != decided:
            raise self._broken("accept_order", f"outcomes of {sorted(acceptance.lines)} for {sorted(decided)}")
        return acceptance

    def push_stock(self, levels: tuple[model.StockLevel, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_stock`; every level must have exactly one Result."""
        results = self._results("push_stock", levels=levels)
        asked = sorted((level.offer.id, level.warehouse or "") for level in levels)
        if sorted((result.item, result.warehouse or "") for result in results) != asked:
            raise self._broken("push_stock", "results that do not match the levels one to one")
        return results

    def build_feed(self, market: str) -> model.Feed:
        """See `Verbs.build_feed`; the fields of listing defaults are checked to be there."""
        feed = self._call("build_feed", model.Feed, market=market)
        missing = {*filter(None, self.facts.listing.values())} - {field.name for field in feed.fields}
        if missing:
            raise self._broken("build_feed", f"a file without {', '.join(sorted(missing))}, which a listing default is")
        return feed

    def map_status(self) -> tuple[model.PlatformStatus, ...]:
        """See `Verbs.map_status`; codes are checked to be unique."""
        statuses: tuple[model.PlatformStatus, ...] = self._call("map_status", tuple)
        self._check_all("map_status", statuses, model.PlatformStatus)
        codes = [status.code for status in statuses]
        if len(set(codes)) < len(codes):
            raise self._broken("map_status", "a status code twice")
        return statuses

    def check_connection(self) -> str:
        """See `Verbs.check_connection`."""
        return self._call("check_connection", str)

    def fetch_products(self, cursor: Mapping[str, Any] | None) -> model.ProductPage:
        """See `Verbs.fetch_products`."""
        return self._call("fetch_products", model.ProductPage, cursor=cursor)

    def fetch_stock(self, cursor: Mapping[str, Any] | None) -> model.StockPage:
        """See `Verbs.fetch_stock`."""
        return self._call("fetch_stock", model.StockPage, cursor=cursor)

    def fetch_categories(self, cursor: Mapping[str, Any] | None) -> model.CategoryPage:
        """See `Verbs.fetch_categories`."""
        return self._call("fetch_categories", model.CategoryPage, cursor=cursor)

    def fetch_parameters(self, category: str, cursor: Mapping[str, Any] | None) -> model.ParameterPage:
        """See `Verbs.fetch_parameters`."""
        return self._call("fetch_parameters", model.ParameterPage, category=category, cursor=cursor)

    def push_prices(self, prices: tuple[model.Price, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_prices`."""
        return self._results("push_prices", prices=prices)

    def push_offers(self, offers: tuple[model.Offer, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_offers`."""
        return self._results("push_offers", offers=offers)

    def push_orders(self, orders: tuple[model.Order, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_orders`."""
        return self._results("push_orders", orders=orders)

    def push_status(self, updates: tuple[model.StatusUpdate, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_status`."""
        return self._results("push_status", updates=updates)

    def push_contacts(self, contacts: tuple[model.Contact, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_contacts`."""
        return self._results("push_contacts", contacts=contacts)

    def push_events(self, events: tuple[model.ContactEvent, ...]) -> tuple[model.Result, ...]:
        """See `Verbs.push_events`."""
        return self._results("push_events", events=events)

    def receive(self, request: model.InboundRequest) -> model.InboundReply:
        """See `Verbs.receive`."""
        return self._call("receive", model.InboundReply, request=request)

    def find_outcome(self, intent: model.Intent) -> model.Outcome | model.Pending | None:
        """See `Verbs.find_outcome`; a plugin without it cannot tell."""
        if not self.can("find_outcome"):
            return None
        answers = (model.Outcome, model.Pending, type(None))
        answer: model.Outcome | model.Pending | None = self._ask("find_outcome", answers, intent=intent)
        return answer

    def reviews_acceptance(self) -> bool:
        """Whether an enabled extension wants to review decisions."""
        return bool(self.loaded.manager.hook.review_acceptance.get_hookimpls())

    def review_acceptance(self, order: model.Order, decision: model.Decision) -> tuple[model.Veto, ...]:
        """Ask the enabled extensions; see `Extensions.review_acceptance`."""
        hook = self.loaded.manager.hook.review_acceptance
        vetoes = hook(account_view=self.account.view(), order=order, decision=decision)
        if not all(isinstance(veto, model.Veto) for veto in vetoes):
            raise ContractError(f"An extension answered review_acceptance with {vetoes!r}.")
        return tuple(vetoes)

    def adjusts_prices(self) -> bool:
        """Whether an enabled extension wants to change prices."""
        return bool(self.loaded.manager.hook.adjust_price.get_hookimpls())

    def adjust_price(self, offer: model.Offer, price: model.Price) -> tuple[tuple[str, model.Price], ...]:
        """Ask the enabled extensions one after the other, each for what the one before made of the price.

        Returns:
            Who changed the price, and to what; see `Extensions.adjust_price`.
        """
        changes = []
        view = self.account.view()
        for extension in self.loaded.manager.hook.adjust_price.get_hookimpls():
            known = {"account_view": view, "offer": offer, "price": price}
            answer = extension.function(**{name: known[name] for name in extension.argnames})
            if answer is None:
                continue
            if not isinstance(answer, model.Price):
                raise ContractError(f"{extension.plugin_name} answered adjust_price with {answer!r}.")
            price = answer
            changes.append((extension.plugin_name, price))
        return tuple(changes)

    def _results(self, verb: str, **arguments: Any) -> tuple[model.Result, ...]:
        results: tuple[model.Result, ...] = self._call(verb, tuple, **arguments)
        self._check_all(verb, results, model.Result)
        return results

    def _check_all(self, verb: str, items: tuple[object, ...], kind: type) -> None:
        if not all(isinstance(item, kind) for item in items):
            raise self._broken(verb, f"something that is no {kind.__name__}")

    def _call(self, verb: str, expected: type[Answer], **arguments: Any) -> Answer:
        answer: Answer = self._ask(verb, expected, **arguments)
        return answer

    def _ask(self, verb: str, expected: type | tuple[type, ...], **arguments: Any) -> Any:
        self.loaded.require(verb, self.account.name)
        try:
            answer = getattr(self.loaded.manager.hook, verb)(account=self.account, **arguments)
        except RemoteError as error:
            error.at(self.account.name, verb)
            raise
        if not isinstance(answer, expected):
            raise self._broken(verb, type(answer).__name__)
        faults = list(model.text_faults(answer))
        if faults:
            raise self._broken(verb, "; ".join(faults[:5]))
        return answer

    def _broken(self, verb: str, what: str) -> ContractError:
        place = f"{self.loaded.source}, account {self.account.name}"
        return ContractError(SECRETS.redact(f"{place}: {verb} answered with {what}."))


# --- broadcasting ----------------------------------------------------------------------------------------------------


class Broadcast:
    """Tells the enabled extensions what happened, each by itself: one that fails is recorded and stops nothing.

    Args:
        extensions: names of the enabled extensions.

    Raises:
        PluginLoadError: one of them is not installed or breaks a rule.
    """

    def __init__(self, extensions: Iterable[str] = ()) -> None:
        self._manager = _manager(Extensions, Events)
        for name in extensions:
            point = _find(EXTENSIONS, name)
            _register(self._manager, f"extension {name}", _import(point), _source(point), allowed=(Extensions, Events))

    def hears(self, event: str) -> bool:
        """Whether any extension listens to an event of `hookspecs.Events`."""
        return bool(getattr(self._manager.hook, event).get_hookimpls())

    def tell(self, event: str, **facts: Any) -> None:
        """Tell every extension that listens to an event of `hookspecs.Events`."""
        for listener in getattr(self._manager.hook, event).get_hookimpls():
            try:
                listener.function(**{name: facts[name] for name in listener.argnames})
            except Exception:  # whatever a listener raises, the work that it hears about is done
                LOG.exception("%s failed on %s", listener.plugin_name, event)
