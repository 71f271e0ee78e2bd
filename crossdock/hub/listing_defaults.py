"""Listing defaults: what an account sets for all that it lists, each kept where it counts anyway, and nowhere else.

Multiplier and price group are the account's price policy for all markets; description, duration and offer format are
the first rule of their field for all markets; the market is an option of the account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from crossdock.core.errors import ConfigError
from crossdock.core.model import ListingDefault, Plugin, text_faults
from crossdock.core.prices import AS_IT_IS, Policy, plain_policy
from crossdock.core.rules import ALL_MARKETS, Rule, RuleKind, rule_faults
from crossdock.core.store import accounts, mapping, prices
from crossdock.core.store.accounts import AccountRow
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.mapping import Content
from crossdock.feeds.checks import value_fault
from crossdock.hub.prices import changed_policy
from crossdock.jobs.resolver import Resolver

OPTION: Final = "listing_market"
POLICY: Final = {ListingDefault.MULTIPLIER: "multiplier", ListingDefault.PRICE_GROUP: "group"}
CONSTANTS: Final = (ListingDefault.DURATION, ListingDefault.OFFER_FORMAT)
RULES: Final = {
    **dict.fromkeys(CONSTANTS, RuleKind.CONSTANT),
    ListingDefault.DESCRIPTION: RuleKind.EXPRESSION,
}

Changes = Mapping[ListingDefault, str | None]
"""What defaults are to be; None takes one back."""


def known(facts: Plugin) -> tuple[ListingDefault, ...]:
    """Return the defaults that a platform knows, in the order of all that there are."""
    return tuple(default for default in ListingDefault if default in facts.listing)


def read(tx: Read, row: AccountRow, facts: Plugin) -> dict[ListingDefault, str | None]:
    """Return the defaults that an account's platform knows, None where nothing is set."""
    policy = plain_policy(prices.policies(tx, row.id).get(ALL_MARKETS, AS_IT_IS))
    rules = mapping.read(tx, row.id).rules
    found = {default: policy.get(name) for default, name in POLICY.items()}
    found[ListingDefault.MARKET] = row.options.get(OPTION)
    for default, kind in RULES.items():
        found[default], _ = _parted(rules.get((ALL_MARKETS, facts.listing.get(default, "")), ()), kind)
    return {default: None if found[default] is None else str(found[default]) for default in known(facts)}


# --- checking --------------------------------------------------------------------------------------------------------


def sound(facts: Plugin, values: Mapping[str, str | None], faults: list[str]) -> Changes:
    """Return the changes that the platform knows and that may be kept; what is wrong with the others joins the faults.

    Args:
        facts: of the platform.
        values: by name, None to take one back.
        faults: what is wrong so far.
    """
    there = known(facts)
    has = f"{facts.title} has no such default; it has {', '.join(there) or 'none at all'}"
    wrong = {name: [has] for name in values if name not in there}
    for default in there:
        value = values.get(default)
        if value is not None:
            found = list(text_faults(value, "value"))
            wrong[default] = found if value.strip() else [*found, "it is empty; unset it to have none"]
    faults += [f"{name}: {fault}" for name, found in wrong.items() for fault in found]
    return {default: values[default] for default in there if default in values and not wrong.get(default)}


def needs_file(changes: Changes) -> bool:
    """Whether the account's offers files say what may be set."""
    return any(changes.get(default) is not None for default in (ListingDefault.MARKET, *CONSTANTS))


def file_faults(facts: Plugin, changes: Changes, resolver: Resolver, markets: Iterable[str]) -> Iterator[str]:
    """Yield what the offers files of these markets do not allow."""
    market = changes.get(ListingDefault.MARKET)
    if market is not None and market not in markets:
        yield f"{ListingDefault.MARKET}: {market!r} has no offers file; there are: {', '.join(markets)}"
    declared = dict.fromkeys(field for code in markets for field in resolver.fields(code))
    for default in CONSTANTS:
        value = changes.get(default)
        for field in declared if value is not None else ():
            if field.name == facts.listing[default] and (fault := value_fault(field, value or "")):
                yield f"{default}: {value!r} cannot stand in {field.name}. {fault.remedy}"


# --- writing ---------------------------------------------------------------------------------------------------------


def write(tx: Write, row: AccountRow, facts: Plugin, changes: Changes, faults: Iterable[str]) -> None:
    """Make all changes, or none.

    Args:
        tx: a write transaction.
        row: the account, locked.
        facts: of its platform.
        changes: those that are sound.
        faults: what is wrong so far.

    Raises:
        ConfigError: with those faults, and with all that the store alone can tell.
    """
    found = [*faults]
    content = mapping.read(tx, row.id)
    for default, rule in _rules(changes):
        found += [f"{default}: {fault}" for fault in rule_faults(rule, content.lookups)]
    policy = _policy(tx, row.id, changes, found)
    if found:
        raise ConfigError(f"Account {row.name}: {len(found)} listing default(s) cannot be set.", faults=found)
    # For all markets, a policy without any setting is as good as none.
    prices.set_policy(tx, row.id, ALL_MARKETS, None if policy == AS_IT_IS else policy)
    mapping.replace(tx, row.id, _content(content, facts, changes))
    if ListingDefault.MARKET in changes:
        market = changes[ListingDefault.MARKET]
        kept = {name: value for name, value in row.options.items() if name != OPTION}
        accounts.save(tx, row.id, options=kept if market is None else {**kept, OPTION: market})


def _rules(changes: Changes) -> Iterator[tuple[ListingDefault, Rule]]:
    for default, kind in RULES.items():
        text = changes.get(default)
        if text is not None:
            yield default, Rule(kind=kind, text=text)


def _policy(tx: Read, account: str, changes: Changes, faults: list[str]) -> Policy:
    try:
        wanted = {name: changes[default] for default, name in POLICY.items() if default in changes}
        return changed_policy(tx, account, ALL_MARKETS, wanted)
    except ConfigError as error:
        faults += error.faults
        return AS_IT_IS


def _content(content: Content, facts: Plugin, changes: Changes) -> Content:
    """Return the mapping with other first rules; what stood behind them stays, for where they give nothing."""
    rules, wanted = dict(content.rules), dict(_rules(changes))
    for default in RULES.keys() & changes.keys():
        place = (ALL_MARKETS, facts.listing[default])
        _, others = _parted(rules.get(place, ()), RULES[default])
        rules[place] = (wanted[default], *others) if default in wanted else (*others,)
    return replace(content, rules=rules)


def _parted(rules: Sequence[Rule], kind: RuleKind) -> tuple[str | None, Sequence[Rule]]:
    """Return what the first of a field's rules says, if it is a default, and the others."""
    if rules and rules[0].kind is kind and rules[0].text:  # an empty constant keeps a field empty
        return rules[0].text, rules[1:]
    return None, rules
