"""Rules: the first that gives anything counts, a failing one is a fault, and none can stop a build."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.expressions import LARGEST, LONGEST, BadExpression, NothingThere, compile_expression
from crossdock.core.model import FaultCode, FeedField, FieldKind
from crossdock.core.rules import VARIABLES, Plan, Rule, RuleKind, Subject, rule_faults

SHIRT = Subject(
    own={"sku": "SHIRT-M", "name": "Shirt, M", "product": "SHIRT", "category": "Shirts"},
    attributes={"brand": "Acme", "color": "czarny", "items": "5", "images": "a.jpg\nb.jpg"},
    product_attributes={"brand": "Acme & Sons"},
    price=Decimal("100.00"),
    currency="PLN",
)


def constant(text: str) -> Rule:
    return Rule(kind=RuleKind.CONSTANT, text=text)


def taken(name: str) -> Rule:
    return Rule(kind=RuleKind.FIELD, text=name)


def expression(text: str) -> Rule:
    return Rule(kind=RuleKind.EXPRESSION, text=text)


def colours(*, default: str | None = None) -> Rule:
    return Rule(kind=RuleKind.LOOKUP, text="color", table="colours", default=default)


def plan(*rules: Rule, target: FeedField | None = None, market: str = "pl", **markets: tuple[Rule, ...]) -> Plan:
    field = target or FeedField(name="f")
    known = {("", field.name): rules} | {(code, field.name): found for code, found in markets.items()}
    return Plan(field, market, known, {"colours": {"biały": "White"}})


def test_the_first_rule_that_gives_anything_counts() -> None:
    filled = plan(taken("gtin"), taken("material"), taken("brand"), constant("No brand")).fill(SHIRT)
    assert (filled.value, filled.origin, filled.fault) == ("Acme", "rule 3", None)
    tried = [*plan(taken("gtin"), taken("brand"), constant("x")).attempts(SHIRT)]
    assert [(one.origin, one.value, one.why) for one in tried[:1]] == [("rule 1", "", "gtin is empty")]
    assert [one.value for one in tried] == ["", "Acme"]


def test_rules_of_the_market_come_before_those_for_all_markets() -> None:
    rules = plan(constant("all"), pl=(taken("gtin"), taken("brand")), se=(constant("Swedish"),))
    assert rules.fill(SHIRT)[:2] == ("Acme", "rule 2 of pl")
    swedish = FeedField(name="f", market="se")
    assert plan(constant("all"), target=swedish, se=(constant("Swedish"),)).fill(SHIRT)[:2] == (
        "Swedish",
        "rule 1 of se",
    )


def test_where_no_rule_gives_anything_the_source_does() -> None:
    for source, value in (
        ("sku", "SHIRT-M"),
        ("category", "Shirts"),
        ("attribute:brand", "Acme"),
        ("gtin|attribute:size|product", "SHIRT"),
        ("gtin", ""),
    ):
        assert plan(target=FeedField(name="f", source=source)).fill(SHIRT).value == value
    assert plan(constant("x"), target=FeedField(name="f", source="sku")).fill(SHIRT).value == "x"
    assert plan().empty
    assert not plan(constant("x")).empty


def test_an_empty_constant_keeps_the_field_empty_whatever_could_fill_it_else() -> None:
    target = FeedField(name="f", source="attribute:brand")
    made = plan(taken("gtin"), constant(""), constant("later"), target=target)
    assert made.fill(SHIRT) == ("", "", None)
    assert [one.why for one in made.attempts(SHIRT)] == ["gtin is empty", "the field stays empty"]
    assert plan(taken("brand"), constant(""), target=target).fill(SHIRT).value == "Acme"
    assert plan(constant("for all"), target=target, pl=(constant(""),)).fill(SHIRT).value == ""
    assert plan(constant(""), constant("later"), target=target).empty
    assert not plan(taken("gtin"), constant("")).empty
    assert rule_faults(constant(""), {}) == []


def test_what_is_given_by_hand_comes_before_all_rules_and_is_taken_as_it_is() -> None:
    by_hand = replace(SHIRT, by_hand={"f": "a.jpg\nb.jpg", "g": "not asked"})
    target = FeedField(name="f", kind=FieldKind.URLS, required=True, source="category")
    for first in (expression("{{ 1 / 0 }}"), constant(""), constant("x")):
        for made in (plan(first, target=target), plan(target=target, pl=(first,))):
            assert made.fill(by_hand) == ("a.jpg\nb.jpg", "by hand", None)
            assert [(one.origin, one.value) for one in made.attempts(by_hand)] == [("by hand", "a.jpg\nb.jpg")]
    assert plan(constant("x")).fill(replace(SHIRT, by_hand={"g": "y"}))[:2] == ("x", "rule 1")


def test_a_look_up_gives_nothing_for_what_it_does_not_know_unless_it_has_a_default() -> None:
    white = Subject(own={}, attributes={"color": "biały"})
    assert plan(colours()).fill(white).value == "White"
    assert plan(colours()).fill(SHIRT).value == ""
    assert plan(colours(default="Other")).fill(SHIRT).value == "Other"
    assert "nothing for 'czarny'" in next(iter(plan(colours()).attempts(SHIRT))).why


def test_a_rule_that_fails_is_a_fault_and_no_later_rule_hides_it() -> None:
    filled = plan(expression("{{ 1 / 0 }}"), constant("x")).fill(SHIRT)
    assert filled.value == ""
    assert filled.fault is not None
    assert (filled.fault.code, filled.fault.field, filled.fault.value) == (FaultCode.BAD_RULE, "f", "rule 1")
    assert "division by zero" in filled.fault.remedy
    (tried,) = plan(expression("{{ 1 / 0 }}"), constant("x")).attempts(SHIRT)
    assert tried.failed


def test_a_required_category_without_a_link_is_a_fault() -> None:
    target = FeedField(name="product_type", required=True, source="category")
    cup = Subject(own={"sku": "CUP"}, attributes={"category": "Kubki"})
    fault = plan(target=target).fill(cup).fault
    assert fault is not None
    assert (fault.code, fault.value) == (FaultCode.NO_CATEGORY, "Kubki")
    assert plan(target=target).fill(SHIRT).value == "Shirts"
    assert plan(constant("Cups"), target=target).fill(cup).fault is None


def test_addresses_of_an_attribute_that_has_several_are_joined_as_the_field_wants_them() -> None:
    several = FeedField(name="f", kind=FieldKind.URLS, separator=",", source="attribute:images")
    one = FeedField(name="f", kind=FieldKind.URL, source="attribute:images")
    assert plan(target=several).fill(SHIRT).value == "a.jpg,b.jpg"
    assert plan(target=one).fill(SHIRT).value == "a.jpg"


# --- expressions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ name|upper }} {{ attributes.brand }}", "SHIRT, M Acme"),
        ("{{ attributes.items }}", "5"),
        ("{{ attributes.brand }} of {{ product_attributes.brand }}", "Acme of Acme & Sons"),
        ("{{ product_attributes.color|default('any') }}", "any"),
        ("{{ attributes['color'] }}", "czarny"),
        ("{{ attributes.size|default('one size') }}", "one size"),
        ("{% if attributes.size %}{{ attributes.size }}{% else %}none{% endif %}", "none"),
        ("{{ (price * 1.1)|round(2) }} {{ currency }}", "110.00 PLN"),
        ('{{ {"en": attributes.brand}|tojson }}', '{"en": "Acme"}'),
        ("{{ name.split(',')|first }}", "Shirt"),
        ("{{ 'a;b'|split(';')|join(' > ') }}", "a > b"),
        ("{{ name|replace('Shirt', 'Hemd') }}", "Hemd, M"),
        ("  {{ ' x ' }}  ", "x"),
        ("{{ '7'.zfill(3) }}", "007"),
        ("{{ name|truncate(5, true, '') }}", "Shirt"),
        ("https://a.example{{ '/my shirt_ż&1.jpg'|urlencode }}", "https://a.example/my%20shirt_%C5%BC%261.jpg"),
        ("{{ attributes.images|urlencode|replace('\n', '\n/') }}", "a.jpg\n/b.jpg"),
    ],
)
def test_an_expression_makes_a_text_of_texts(text: str, value: str) -> None:
    assert compile_expression(text, VARIABLES)(SHIRT.variables()) == value


@pytest.mark.parametrize(
    "text",
    [
        "{{ range(10**9)|join }}",
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000d}'.format(1) }}",
        "{{ 'x'.zfill(1000000000) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.center(1000000000) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ 1|round(1000000000) }}",
        "{{ lipsum(1000000) }}",
        "{% for x in name %}{% for y in name %}x{% endfor %}{% endfor %}",
        "{% set x = name %}{{ x }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'x' %}",
        "{{ name.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ name|attr('__class__') }}",
        "{{ self }}",
        "{{ nmae }}",
        "{{ name",
        "{{ name|nofilter }}",
        "{{ price / 0 }}",
        "{{ name + 1 }}",
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "x" * (LONGEST + 1),
    ],
)
def test_an_expression_cannot_do_harm(text: str) -> None:
    began = time.perf_counter()
    filled = plan(expression(text), constant("later")).fill(SHIRT)
    assert filled.fault is not None
    assert filled.fault.code is FaultCode.BAD_RULE
    assert time.perf_counter() - began < 5


def test_what_would_become_too_long_is_refused_before_it_does() -> None:
    long = Subject(own={"name": "x" * (LARGEST - 1)}, attributes={})
    values = long.variables()
    assert len(compile_expression("{{ name }}y", VARIABLES)(values)) == LARGEST
    for text in (
        "{{ name }}yy",
        "{{ name|replace('x', 'yyyyyyyyyy') }}",
        "{{ name|list|join(', ') }}",
        "{{ name|replace('x', '&')|urlencode }}",
    ):
        with pytest.raises(BadExpression, match="100000"):
            compile_expression(text, VARIABLES)(values)


@pytest.mark.parametrize(
    "text",
    [
        "{{ name }} {{ attributes.size }}",
        "{{ attributes.size|upper }}",
        "{{ attributes.size|number }}",
        '{"en_EN.utf8": {{ attributes.size|tojson }}}',
        '{{ {"en_EN.utf8": attributes.size}|tojson }}',
    ],
)
def test_what_is_missing_is_no_value_and_no_fault(text: str) -> None:
    with pytest.raises(NothingThere, match="size is empty"):
        compile_expression(text, VARIABLES)(SHIRT.variables())
    filled = plan(expression("{{ name }} {{ gtin }}"), constant("without")).fill(SHIRT)
    assert (filled.value, filled.fault) == ("without", None)


@given(st.text(max_size=60))
def test_whatever_is_written_as_an_expression_gives_a_text_or_a_fault(text: str) -> None:
    filled = plan(expression("{{ " + text + " }}")).fill(SHIRT)
    assert isinstance(filled.value, str)


@given(
    st.lists(
        st.sampled_from([taken("gtin"), taken("brand"), *map(constant, ("x", "")), colours(), colours(default="d")])
    ),
    st.sampled_from([{}, {"f": "by hand"}, {"g": "another field"}]),
)
def test_what_is_shown_is_what_is_filled(rules: list[Rule], by_hand: dict[str, str]) -> None:
    made, shirt = plan(*rules), replace(SHIRT, by_hand=by_hand)
    tried = [*made.attempts(shirt)]
    filled = made.fill(shirt)
    assert filled.value == (tried[-1].value if tried else "")
    assert all(not one.value for one in tried[:-1])


def test_faults_of_a_rule_are_told_before_it_is_used() -> None:
    assert rule_faults(taken("brand"), {}) == []
    assert rule_faults(taken(""), {}) == ["it is empty"]
    assert "no look-up table 'colours'" in rule_faults(colours(), {})[0]
    assert "nmae: there is no such value" in rule_faults(expression("{{ nmae }}"), {})[0]
