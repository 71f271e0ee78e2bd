"""Prices: how what an offer costs in a market comes out of the seller's own price, step by step.

base (the seller's own price, or that of a price group) -> conversion -> multiplier -> addition -> rounding. Each step
is kept, so that a person can follow the sum; what cannot be a price is no number but a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from crossdock.core.model import Money, minor_digits

# Far beyond any price, so that nothing but the named steps ever rounds.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_WIDEST: Final = Decimal(10) ** 12


class Direction(StrEnum):
    """Where a price is rounded to; halves of `nearest` go up."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """To which prices one is rounded: to a step such as 0.10, or to an ending such as .99; exactly one of the two.

    Args:
        ending: 0.99 ends in .99, 9.90 in 9.90 (19.90, 29.90), 99 in 99 (199, 299).
        step: a multiple of this.
        direction: which of the two neighbours.
    """

    ending: Decimal | None = None
    step: Decimal | None = None
    direction: Direction = Direction.NEAREST

    def of(self, amount: Decimal) -> Decimal:
        """Return the rounded amount."""
        offset, every = self._grid()
        count = _EXACT.divide(_EXACT.subtract(amount, offset), every)
        rounded = count.to_integral_value(_ROUNDINGS[self.direction], context=_EXACT)
        return _EXACT.add(_EXACT.multiply(rounded, every), offset)

    def _grid(self) -> tuple[Decimal, Decimal]:
        if self.ending is None:
            return Decimal(0), self.step or Decimal("0.01")
        whole = int(self.ending)
        return self.ending, Decimal(10) ** (len(str(whole)) if whole else 0)

    def __str__(self) -> str:
        what = f"a step of {self.step:f}" if self.ending is None else f"an ending of {self.ending:f}"
        return f"{self.direction.value} to {what}"


_ROUNDINGS: Final = {
    Direction.UP: ROUND_CEILING,
    Direction.DOWN: ROUND_FLOOR,
    Direction.NEAREST: ROUND_HALF_UP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an account makes its prices in a market.

    Args:
        group: take the prices of this price group instead of the seller's own; a variant without one has no price.
        multiplier: after the conversion. addition: after that, in the market's currency.
        rounding: the last step.
        currency: the market's, where its fields name none.
        rates: what one unit of another currency is in the market's currency, by ISO code.
    """

    group: str | None = None
    multiplier: Decimal = Decimal(1)
    addition: Decimal = Decimal(0)
    rounding: Rounding | None = None
    currency: str | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict)


AS_IT_IS: Final = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the sum: what was done, with what, and what came out."""

    what: str
    by: str
    result: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What came of a price.

    Args:
        steps: line by line, as far as it went.
        reason: why there is no price; empty where there is one.
    """

    steps: tuple[Step, ...]
    reason: str = ""

    @property
    def price(self) -> Money | None:
        """The price, which is above zero and in whole minor units; None with a reason."""
        return None if self.reason or not self.steps else self.steps[-1].result


def reckon(policy: Policy, base: Money, *, currency: str | None, origin: str) -> Priced:
    """Make a market's price.

    Args:
        policy: of the account in the market.
        base: what it begins with.
        currency: what it has to be in; None takes the policy's, else that of the base.
        origin: where the base is from, for the first line.
    """
    wanted = currency or policy.currency or base.currency
    steps = [Step(what="begin", by=origin, result=base)]
    if policy.currency and policy.currency != wanted:
        return Priced(steps=tuple(steps), reason=f"the policy makes {policy.currency}, and {wanted} is wanted")
    if base.currency != wanted:
        rate = policy.rates.get(base.currency)
        if rate is None:
            return Priced(steps=tuple(steps), reason=f"there is no rate from {base.currency} to {wanted}")
        steps.append(_step("convert", f"1 {base.currency} = {rate:f} {wanted}", _times(base.amount, rate), wanted))
    if policy.multiplier != 1:
        by = f"x {policy.multiplier:f}"
        steps.append(_step("multiply", by, _times(steps[-1].result.amount, policy.multiplier), wanted))
    if policy.addition:
        amount = _EXACT.add(steps[-1].result.amount, policy.addition)
        steps.append(_step("add", f"{policy.addition:+f}", amount, wanted))
    if policy.rounding:
        steps.append(_step("round", f"{policy.rounding}", policy.rounding.of(steps[-1].result.amount), wanted))
    return checked(steps)


def checked(steps: list[Step]) -> Priced:
    """Return what came of these steps, in whole minor units, unless it cannot be a price."""
    last = steps[-1].result
    smallest = Decimal(1).scaleb(-minor_digits(last.currency))
    if not 0 < last.amount < _WIDEST:
        return Priced(steps=tuple(steps), reason=f"{last} cannot be a price")
    exact = last.amount.quantize(smallest, ROUND_HALF_UP, context=_EXACT)
    if exact != last.amount:
        steps = [*steps, _step("round", f"to the smallest unit of {last.currency}", exact, last.currency)]
    if exact <= 0:
        return Priced(steps=tuple(steps), reason=f"{steps[-1].result} cannot be a price")
    return Priced(steps=tuple(steps))


def _times(amount: Decimal, factor: Decimal) -> Decimal:
    return _EXACT.multiply(amount, factor)


def _step(what: str, by: str, amount: Decimal, currency: str) -> Step:
    return Step(what=what, by=by, result=Money(amount=amount, currency=currency))


# --- reading ---------------------------------------------------------------------------------------------------------


def read_policy(values: Mapping[str, object]) -> Policy:
    """Return a policy from plain values, as the store and people write it.

    Args:
        values: group, multiplier, addition, ending, step, direction, currency as texts; rates by currency.

    Raises:
        ValueError: with every fault, parted by "; ".
    """
    reader = _Reader(values)
    policy = Policy(
        group=reader.text("group"),
        multiplier=reader.number("multiplier", above_zero=True) or Decimal(1),
        addition=reader.number("addition") or Decimal(0),
        rounding=reader.rounding(),
        currency=reader.currency("currency"),
        rates=reader.rates(),
    )
    reader.finish()
    return policy


def plain_policy(policy: Policy) -> dict[str, object]:
    """Return a policy as `read_policy` takes it; what says nothing is left out."""
    rounding = policy.rounding
    values = {
        "group": policy.group,
        "multiplier": None if policy.multiplier == 1 else f"{policy.multiplier:f}",
        "addition": f"{policy.addition:f}" if policy.addition else None,
        "ending": f"{rounding.ending:f}" if rounding and rounding.ending is not None else None,
        "step": f"{rounding.step:f}" if rounding and rounding.step is not None else None,
        "direction": rounding.direction.value if rounding else None,
        "currency": policy.currency,
        "rates": {code: f"{rate:f}" for code, rate in sorted(policy.rates.items())} or None,
    }
    return {name: value for name, value in values.items() if value is not None}


class _Reader:
    """Takes plain values one by one, and gathers what is wrong with them."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._left = dict(values)
        self._faults: list[str] = []

    def text(self, name: str) -> str | None:
        value = self._left.pop(name, None)
        if value is None or (isinstance(value, str) and value and value.isprintable()):
            return value
        self._faults.append(f"{name}: {value!r} is no text")
        return None

    def number(self, name: str, *, above_zero: bool = False) -> Decimal | None:
        text = self.text(name)
        return None if text is None else self._number(name, text, above_zero)

    def _number(self, name: str, text: object, above_zero: bool) -> Decimal | None:
        try:
            number = Decimal(str(text))
        except InvalidOperation:
            self._faults.append(f"{name}: {text!r} is no number such as 1.23")
            return None
        if not number.is_finite() or abs(number) >= _WIDEST or number.as_tuple().exponent < -10:  # type: ignore[operator]
            self._faults.append(f"{name}: {text} is too large, or has more than ten decimal places")
        elif above_zero and number <= 0:
            self._faults.append(f"{name}: {text} is not above zero")
        else:
            return number
        return None

    def currency(self, name: str) -> str | None:
        code = self.text(name)
        return None if code is None else self._code(name, code)

    def _code(self, name: str, code: str) -> str | None:
        if len(code) == 3 and code.isascii() and code.isupper():
            return code
        self._faults.append(f"{name}: {code!r} is no ISO 4217 code such as EUR")
        return None

    def rates(self) -> dict[str, Decimal]:
        given = self._left.pop("rates", None) or {}
        if not isinstance(given, Mapping):
            self._faults.append(f"rates: {given!r} is no table of currency and rate")
            return {}
        read = {
            self._code("rates", str(code)): self._number(f"rates {code}", rate, True) for code, rate in given.items()
        }
        return {code: rate for code, rate in read.items() if code and rate}

    def rounding(self) -> Rounding | None:
        ending, step = self.number("ending"), self.number("step", above_zero=True)
        direction = self.text("direction")
        if ending is not None and ending < 0:
            self._faults.append(f"ending: {ending} is below zero")
        if ending is not None and step is not None:
            self._faults.append("ending, step: say one of the two")
        if direction is not None and direction not in [*Direction]:
            self._faults.append(f"direction: {direction!r} is none of {', '.join(Direction)}")
            direction = None
        if ending is None and step is None:
            if direction is not None:
                self._faults.append("direction: say to which ending or step")
            return None
        return Rounding(ending=ending, step=step, direction=Direction(direction or Direction.NEAREST))

    def finish(self) -> None:
        """Raise what was found."""
        faults = [*self._faults, *(f"{name}: there is no such setting" for name in self._left)]
        if faults:
            raise ValueError("; ".join(faults))
