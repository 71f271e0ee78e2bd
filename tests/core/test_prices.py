"""Prices: exact, step by step, and never a number where there can be no price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.model import Money, minor_digits
from crossdock.core.prices import AS_IT_IS, Direction, Policy, Rounding, plain_policy, read_policy, reckon

amounts = st.decimals("0.01", "99999.99", places=2)
factors = st.decimals("0.0001", "100", places=4)
endings = st.sampled_from([Decimal(text) for text in ("0.99", "0.90", "0", "9", "9.90", "99", "0.5")])
steps = st.sampled_from([Decimal(text) for text in ("0.10", "0.05", "1", "5", "0.01", "10")])
roundings = st.builds(Rounding, ending=endings, direction=st.sampled_from(Direction)) | st.builds(
    Rounding, step=steps, direction=st.sampled_from(Direction)
)
policies = st.builds(
    Policy,
    group=st.none() | st.just("wholesale"),
    multiplier=factors,
    addition=st.decimals("-100", "100", places=2),
    rounding=st.none() | roundings,
    currency=st.none() | st.just("SEK"),
    rates=st.dictionaries(st.sampled_from(["PLN", "EUR"]), factors),
)


def pln(amount: str | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="PLN")


def of(policy: Policy, amount: str, currency: str | None = None) -> str:
    made = reckon(policy, pln(amount), currency=currency, origin="price of the product")
    return str(made.price) if made.price else made.reason


@pytest.mark.parametrize(
    ("rounding", "direction", "amount", "rounded"),
    [
        ({"ending": "0.99"}, "up", "12.30", "12.99"),
        ({"ending": "0.99"}, "down", "12.30", "11.99"),
        ({"ending": "0.99"}, "nearest", "12.30", "11.99"),
        ({"ending": "0.99"}, "nearest", "12.50", "12.99"),
        ({"ending": "0.99"}, "up", "12.99", "12.99"),
        ({"ending": "0.90"}, "up", "12.95", "13.90"),
        ({"ending": "9.90"}, "up", "12.30", "19.90"),
        ({"ending": "9"}, "up", "121", "129"),
        ({"ending": "99"}, "nearest", "330", "299"),
        ({"ending": "0"}, "down", "12.99", "12"),
        ({"step": "0.10"}, "up", "12.31", "12.40"),
        ({"step": "0.10"}, "nearest", "12.35", "12.40"),
        ({"step": "1"}, "down", "12.99", "12"),
        ({"step": "5"}, "nearest", "12.49", "10"),
    ],
)
def test_a_price_is_rounded(rounding: dict[str, str], direction: str, amount: str, rounded: str) -> None:
    policy = read_policy({**rounding, "direction": direction})
    assert Decimal(of(policy, amount).split()[0]) == Decimal(rounded)


@given(roundings, st.decimals("0", "99999", places=4))
def test_rounding_goes_to_a_neighbour_and_stays_there(rounding: Rounding, amount: Decimal) -> None:
    rounded = rounding.of(amount)
    assert rounding.of(rounded) == rounded
    up = replace(rounding, direction=Direction.UP).of(amount)
    down = replace(rounding, direction=Direction.DOWN).of(amount)
    assert down <= amount <= up
    assert rounded in (up, down)
    if rounding.direction is Direction.NEAREST:
        assert abs(rounded - amount) == min(up - amount, amount - down)


def test_each_step_is_kept_in_its_order() -> None:
    policy = Policy(
        rates={"PLN": Decimal("2.45")},
        multiplier=Decimal("1.1"),
        addition=Decimal(20),
        rounding=Rounding(ending=Decimal(9), direction=Direction.UP),
    )
    made = reckon(policy, pln("100.00"), currency="SEK", origin="price of the product")
    assert [(step.what, step.by, str(step.result)) for step in made.steps] == [
        ("begin", "price of the product", "100.00 PLN"),
        ("convert", "1 PLN = 2.45 SEK", "245.0000 SEK"),
        ("multiply", "x 1.1", "269.50000 SEK"),
        ("add", "+20", "289.50000 SEK"),
        ("round", "up to an ending of 9", "299 SEK"),
    ]
    assert made.price == Money(amount=Decimal(299), currency="SEK")


def test_without_a_policy_the_price_stays_as_it_is() -> None:
    assert of(AS_IT_IS, "12.34") == "12.34 PLN"


@pytest.mark.parametrize(
    ("policy", "currency", "reason"),
    [
        (Policy(addition=Decimal(-100)), None, "cannot be a price"),
        (Policy(addition=Decimal(-101)), None, "cannot be a price"),
        (Policy(multiplier=Decimal("0.00001")), None, "cannot be a price"),
        (Policy(multiplier=Decimal(10) ** 11), None, "cannot be a price"),
        (Policy(rounding=Rounding(ending=Decimal(999), direction=Direction.DOWN)), None, "cannot be a price"),
        (Policy(), "EUR", "no rate from PLN to EUR"),
        (Policy(rates={"SEK": Decimal(2)}), "EUR", "no rate from PLN to EUR"),
        (Policy(currency="SEK", rates={"PLN": Decimal(2)}), "EUR", "makes SEK, and EUR is wanted"),
    ],
)
def test_what_cannot_be_a_price_is_a_reason(policy: Policy, currency: str | None, reason: str) -> None:
    made = reckon(policy, pln("100"), currency=currency, origin="own")
    assert made.price is None
    assert reason in made.reason


@given(policies, amounts, st.sampled_from([None, "PLN", "SEK", "JPY", "KWD"]))
def test_a_price_is_above_zero_in_whole_minor_units_and_its_steps_say_how(
    policy: Policy, amount: Decimal, currency: str | None
) -> None:
    made = reckon(policy, pln(amount), currency=currency, origin="own")
    assert made.steps[0].result == pln(amount)
    assert (made.price is None) == bool(made.reason)
    if made.price is not None:
        assert made.price.amount > 0
        assert made.price.to_minor() > 0
        assert made.steps[-1].result == made.price
        assert made.price.currency == (currency or policy.currency or "PLN")
        exact = made.price.amount.quantize(Decimal(1).scaleb(-minor_digits(made.price.currency)))
        assert exact == made.price.amount


@given(policies, amounts)
def test_the_sum_of_the_steps_is_exact(policy: Policy, amount: Decimal) -> None:
    plain = replace(policy, rounding=None, currency=None)
    made = reckon(plain, pln(amount), currency="PLN", origin="own")
    wanted = amount * plain.multiplier + plain.addition
    before_rounding = [step.result.amount for step in made.steps if step.what != "round"]
    assert before_rounding[-1] == wanted


@given(policies)
def test_a_policy_is_kept_as_it_is(policy: Policy) -> None:
    assert read_policy(plain_policy(policy)) == policy


def test_every_fault_of_a_policy_is_told_at_once() -> None:
    wrong = {
        "multiplier": "0",
        "addition": "much",
        "ending": "0.99",
        "step": "0.1",
        "direction": "sideways",
        "currency": "zł",
        "rates": {"eur": "4", "EUR": "-1"},
        "surcharge": "1",
    }
    with pytest.raises(ValueError, match="surcharge: there is no such setting") as caught:
        read_policy(wrong)
    for word in ("multiplier", "addition", "ending, step", "direction", "currency", "rates: 'eur'", "rates EUR"):
        assert word in str(caught.value)
