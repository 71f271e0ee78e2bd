"""Rules: how a field of an offers file is filled from what the seller owns.

What a person gave to an offer by hand comes first. Then the rules of a field are tried in order, those of its market
before those for all markets; the first that gives anything counts. Where no rule does, `FeedField.source` fills the
field. A rule that fails ends the search with a fault: a later rule could only give what the seller did not mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from crossdock.core.expressions import BadExpression, NothingThere, compile_expression
from crossdock.core.model import FaultCode, FeedField, FieldFault, FieldKind

OWN: Final = ("sku", "gtin", "name", "product", "product_name", "category")
ATTRIBUTE: Final = "attribute:"
VARIABLES: Final = (*OWN, "attributes", "product_attributes", "price", "currency")
RECKONED: Final = frozenset({FieldKind.PRICE, FieldKind.STOCK})  # no rule fills these
ALL_MARKETS: Final = ""
SOURCE: Final = "source"
BY_HAND: Final = "by hand"


class RuleKind(StrEnum):
    """What sort of rule; closed."""

    CONSTANT = "constant"
    FIELD = "field"
    LOOKUP = "lookup"
    EXPRESSION = "expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to fill a field.

    Args:
        kind: which of the four.
        text: the constant (an empty one keeps the field empty, whatever could fill it else), the name of what is taken
            (one of `OWN`, an attribute), or the expression.
        table: the name of the look-up table, which is asked for what `text` names.
        default: what a look-up gives for what its table does not have; None gives nothing.
    """

    kind: RuleKind
    text: str
    table: str = ""
    default: str | None = None


Lookups = Mapping[str, Mapping[str, str]]
Rules = Mapping[tuple[str, str], Sequence[Rule]]
"""By market (`ALL_MARKETS` for all) and name of the field."""


@dataclass(slots=True, kw_only=True)
class Subject:
    """What rules see of an offer.

    Args:
        own: what is there of `OWN`; `category` is the platform's, as linked.
        attributes: the variant's, else its product's.
        product_attributes: the product's, also where the variant has its own.
        by_hand: the fields that a person gave to this offer, by name.
        price, currency: the seller's own price.
    """

    own: Mapping[str, str]
    attributes: Mapping[str, str]
    product_attributes: Mapping[str, str] = field(default_factory=dict)
    by_hand: Mapping[str, str] = field(default_factory=dict)
    price: Decimal | None = None
    currency: str | None = None
    _variables: dict[str, object] | None = field(default=None, init=False)

    def value(self, name: str) -> str:
        """Return what a rule of kind `field` takes, empty where there is nothing."""
        if name in OWN:
            return self.own.get(name, "")
        return self.attributes.get(name.removeprefix(ATTRIBUTE), "")

    def variables(self) -> Mapping[str, object]:
        """Return what an expression may use; what is unknown is not there."""
        if self._variables is None:
            known: dict[str, object] = {
                **self.own,
                "attributes": self.attributes,
                "product_attributes": self.product_attributes,
            }
            if self.price is not None:
                known |= {"price": self.price, "currency": self.currency}
            self._variables = known
        return self._variables


class Attempt(NamedTuple):
    """One rule that was tried: where it stands, what it gave, why it gave nothing, whether it failed."""

    origin: str
    value: str
    why: str = ""
    failed: bool = False


class Filled(NamedTuple):
    """What came of a field: its value, which rule gave it, and the fault that kept it from having one."""

    value: str
    origin: str
    fault: FieldFault | None = None


Step = Callable[[Subject], tuple[str, str]]
"""Gives the value, or nothing and why; raises BadExpression."""


class Plan:
    """The rules of one field, made ready for many offers.

    Args:
        target: the field.
        market: that of the feed; counts where the field names none.
        rules: of the account.
        lookups: of the account.
    """

    def __init__(self, target: FeedField, market: str, rules: Rules, lookups: Lookups) -> None:
        self.field = target
        place = market if target.market is None else target.market
        steps = [*_steps(target.name, place, rules, lookups)]
        steps += [(SOURCE, _taken(source)) for source in (target.source or "").split("|") if source]
        ends = [step is _left_empty for _, step in steps]
        self._steps = steps[: ends.index(True) + 1] if True in ends else steps
        self._needs_category = target.required and "category" in (target.source or "").split("|")

    @property
    def empty(self) -> bool:
        """Whether nothing at all can fill the field."""
        return all(step is _left_empty for _, step in self._steps)

    def attempts(self, subject: Subject) -> Iterator[Attempt]:
        """Yield what was tried, to the first that gave anything or failed."""
        if given := subject.by_hand.get(self.field.name):
            yield Attempt(BY_HAND, given)
            return
        for origin, step in self._steps:
            try:
                value, why = step(subject)
            except BadExpression as error:
                yield Attempt(origin, "", str(error), failed=True)
                return
            yield Attempt(origin, value, why)
            if value:
                return

    def fill(self, subject: Subject) -> Filled:
        """Return the field's value, or why it has none."""
        if given := subject.by_hand.get(self.field.name):
            return Filled(given, BY_HAND)
        for origin, step in self._steps:
            try:
                value, _ = step(subject)
            except BadExpression as error:
                return Filled("", origin, self._failed(origin, error))
            if value:
                return Filled(self._shaped(value), origin)
        return Filled("", "", self._unlinked(subject))

    def _shaped(self, value: str) -> str:
        """Return the value as the field holds several: attributes have a line for each."""
        if "\n" in value and self.field.kind in (FieldKind.URL, FieldKind.URLS):
            lines = [line for line in value.split("\n") if line]
            return self.field.separator.join(lines if self.field.kind is FieldKind.URLS else lines[:1])
        return value

    def _failed(self, origin: str, error: BadExpression) -> FieldFault:
        remedy = f"Mend {origin} of field {self.field.name}: {error}."
        return FieldFault(code=FaultCode.BAD_RULE, field=self.field.name, value=origin, remedy=remedy)

    def _unlinked(self, subject: Subject) -> FieldFault | None:
        if not self._needs_category:
            return None
        own, *_ = subject.attributes.get("category", "").split("\n")
        remedy = (
            f"Link your category {own!r}, or this product, to one of the platform's."
            if own
            else "Give the product the attribute category, and link that to one of the platform's, or link the product."
        )
        return FieldFault(code=FaultCode.NO_CATEGORY, field=self.field.name, value=own, remedy=remedy)


def _steps(name: str, market: str, rules: Rules, lookups: Lookups) -> Iterator[tuple[str, Step]]:
    for place in dict.fromkeys((market, ALL_MARKETS)):
        for number, rule in enumerate(rules.get((place, name), ()), start=1):
            yield f"rule {number}" + (f" of {place}" if place else ""), _step(rule, lookups)


def _step(rule: Rule, lookups: Lookups) -> Step:
    match rule.kind:
        case RuleKind.CONSTANT:
            constant = (rule.text, "")
            return (lambda subject: constant) if rule.text else _left_empty
        case RuleKind.FIELD:
            return _taken(rule.text)
        case RuleKind.LOOKUP:
            return _looked_up(rule, lookups.get(rule.table))
        case RuleKind.EXPRESSION:
            return _evaluated(rule.text)


def _left_empty(subject: Subject) -> tuple[str, str]:
    return "", "the field stays empty"


def _taken(name: str) -> Step:
    why = f"{name} is empty"
    return lambda subject: (subject.value(name), why)


def _looked_up(rule: Rule, entries: Mapping[str, str] | None) -> Step:
    def look_up(subject: Subject) -> tuple[str, str]:
        if entries is None:
            raise BadExpression(f"there is no look-up table {rule.table!r}")
        value = subject.value(rule.text)
        if not value:
            return rule.default or "", f"{rule.text} is empty"
        found = entries.get(value, rule.default)
        return found or "", f"the look-up table {rule.table!r} has nothing for {value!r}"

    return look_up


def _evaluated(text: str) -> Step:
    try:
        expression = compile_expression(text, VARIABLES)
    except BadExpression as error:
        return _failing(error)

    def evaluate(subject: Subject) -> tuple[str, str]:
        try:
            return expression(subject.variables()), "the expression gives nothing"
        except NothingThere as nothing:
            return "", str(nothing)

    return evaluate


def _failing(error: BadExpression) -> Step:
    def fail(subject: Subject) -> tuple[str, str]:
        raise error

    return fail


# --- checking --------------------------------------------------------------------------------------------------------


def rule_faults(rule: Rule, lookups: Lookups) -> list[str]:
    """Return what is wrong with a rule by itself, one sentence each."""
    faults = []
    if not rule.text and rule.kind is not RuleKind.CONSTANT:
        faults.append("it is empty")
    if rule.kind is RuleKind.LOOKUP and rule.table not in lookups:
        there = ", ".join(sorted(lookups)) or "none"
        faults.append(f"there is no look-up table {rule.table!r}; there are: {there}")
    if rule.kind is RuleKind.EXPRESSION and rule.text:
        try:
            compile_expression(rule.text, VARIABLES)
        except BadExpression as error:
            faults.append(f"the expression cannot be used: {error}")
    return faults
