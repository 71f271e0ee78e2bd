"""What may stand in an offers file, and what has to be unique in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from crossdock.core.model import FaultCode, Feed, FeedField, FieldFault, FieldKind
from crossdock.feeds.checks import Checker, Keys, is_clean, is_gtin, value_fault


def feed(*fields: FeedField, **more: object) -> Feed:
    return Feed(media_type="text/plain", extension="txt", fields=fields, renderer="none", **more)  # type: ignore[arg-type]


def codes(field: FeedField, value: str) -> list[str]:
    checker = Checker(feed(field))
    return [fault.code.value for fault in checker.faults(checker.fill({field.name: value}, 0))]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "code"),
    [
        (FieldKind.INTEGER, ["0", "-3", "12"], ["1.0", "x", "１"], "bad_format"),
        (FieldKind.PRICE, ["1", "29900"], ["0", "00", "-1", "1.5", "free"], "bad_format"),
        (FieldKind.COUNTRY, ["PL", "PT"], ["pl", "XX", "Poland"], "bad_format"),
        (FieldKind.JSON, ['{"en_EN.utf8":"Linen"}', "{}"], ["[]", "Linen", '{"a":', "[" * 100_000], "bad_format"),
        (
            FieldKind.URL,
            ["https://img.example.com/1.jpg", "http://a.example/b%20c?d=e&f=g,h#i", "https://a.example:8443"],
            ["img.example.com/1.jpg", "ftp://a.example/b", "https://a.example/b c", "https://a.example/ż", "https://"],
            "bad_url",
        ),
        (FieldKind.URLS, ["https://a.example/1,https://a.example/2"], ["https://a.example/1,,", "x"], "bad_url"),
        (
            FieldKind.GTIN,
            ["5901234123457", "96385074", "036000291452"],
            ["5901234123458", "123456789", "x"],
            "bad_gtin",
        ),
    ],
)
def test_each_kind_takes_what_it_is_for_and_refuses_the_rest(
    kind: FieldKind, good: list[str], bad: list[str], code: str
) -> None:
    field = FeedField(name="f", kind=kind)
    assert [value for value in good if codes(field, value)] == []
    assert [codes(field, value) for value in bad] == [[code]] * len(bad)


@given(
    st.builds(
        FeedField,
        name=st.just("f"),
        kind=st.sampled_from([kind for kind in FieldKind if kind is not FieldKind.STOCK]),
        required=st.booleans(),
        max_length=st.none() | st.integers(1, 5),
        pattern=st.none() | st.just("[a-z]*"),
        choices=st.sampled_from([(), ("a", "PL")]),
    ),
    st.sampled_from(["a", "PL", "12", "{}", "abcdef", "https://a.example"]) | st.text(min_size=1, max_size=9),
)
def test_a_value_by_itself_is_judged_as_within_an_offer(field: FeedField, value: str) -> None:
    fault = value_fault(field, value)
    if value.strip():
        assert ([fault.code.value] if fault else []) == codes(field, value)


def test_prices_in_units_have_places_and_are_above_zero() -> None:
    field = FeedField(name="price", kind=FieldKind.PRICE, minor=False)
    assert [codes(field, value) for value in ("299.00", "0.01", "1.250")] == [[], [], []]
    assert [codes(field, value) for value in ("299", "0.00", "-1.00", "1,00")] == [["bad_format"]] * 4


def test_a_pattern_stands_in_place_of_the_general_rule_for_a_gtin() -> None:
    field = FeedField(name="gtin", kind=FieldKind.GTIN, pattern="[0-9]{9,13}", help="9 to 13 digits.")
    assert codes(field, "123456789") == []
    assert codes(field, "12345678") == ["bad_gtin"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (FeedField(name="f", required=True), "", "missing"),
        (FeedField(name="f", required=True), " \t", "missing"),
        (FeedField(name="f", required=True, kind=FieldKind.PRICE), "", "no_price"),
        (FeedField(name="f", max_length=3), "four", "too_long"),
        (FeedField(name="f", pattern="[a-z]+"), "abc1", "bad_format"),
        (FeedField(name="f", choices=("M", "F")), "m", "not_a_choice"),
    ],
)
def test_a_fault_names_its_field_and_a_remedy(field: FeedField, value: str, code: str) -> None:
    checker = Checker(feed(field))
    (fault,) = checker.faults(checker.fill({"f": value}, 0))
    assert (fault.code.value, fault.field, bool(fault.remedy)) == (code, "f", True)
    assert "{" not in fault.remedy


def test_the_remedy_says_what_is_wanted() -> None:
    checker = Checker(feed(FeedField(name="f", max_length=3), FeedField(name="g", choices=("M", "F"))))
    assert [fault.remedy for fault in checker.faults({"f": "four", "g": "x"})] == [
        "Shorten it to 3 characters.",
        "Use one of: M, F.",
    ]


def test_the_plugin_has_the_last_word() -> None:
    checker = Checker(feed(FeedField(name="f"), check=never))
    assert [fault.remedy for fault in checker.faults({"f": "x"})] == ["Never."]


def never(offer: Mapping[str, str]) -> Iterator[FieldFault]:
    yield FieldFault(code=FaultCode.BAD_FORMAT, field="f", remedy="Never.")


# --- characters ------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(), max_size=20))
def test_clean_text_is_what_an_xml_parser_takes(text: str) -> None:
    element = etree.Element("e")
    try:
        element.text = text
        taken = True
    except (ValueError, UnicodeEncodeError):
        taken = False
    # Beyond it, lxml lets U+FFFE and U+FFFF through or not, by version; XML 1.0 does not.
    assert is_clean(text) == (taken and "\ufffe" not in text and "\uffff" not in text)


def test_forbidden_characters_go_and_are_a_fault_where_a_value_is_required() -> None:
    checker = Checker(feed(FeedField(name="title", required=True), FeedField(name="note")))
    fields = checker.fill({"title": "a\x00b", "note": "\x1b[0mok\ufffe"}, 0)
    (fault,) = checker.clean(fields)
    assert (fault.code, fault.field, fault.value) == (FaultCode.FORBIDDEN_TEXT, "title", "a\N{REPLACEMENT CHARACTER}b")
    assert fields == {"title": "ab", "note": "[0mok"}


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.characters())))
def test_what_was_cleaned_is_clean(fields: dict[str, str]) -> None:
    checker = Checker(feed(FeedField(name="a"), FeedField(name="b")))
    filled = checker.fill(fields, 0)
    list(checker.clean(filled))
    assert is_clean("".join(filled.values()))


# --- digits and keys -------------------------------------------------------------------------------------------------


@given(st.sampled_from([7, 11, 12, 13]).flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size)))
def test_exactly_one_last_digit_makes_a_gtin(digits: str) -> None:
    assert sum(is_gtin(digits + last) for last in "0123456789") == 1


@given(st.lists(st.integers(1, 2**64 - 1)), st.integers(0, 5))
def test_keys_are_a_set(numbers: list[int], room: int) -> None:
    keys, seen = Keys(room), set[int]()
    for number in numbers:
        assert keys.add(number) == (number not in seen)
        seen.add(number)
        assert number in keys
    assert len(keys) == len(seen)
    assert [number for number in range(1, 50) if number in keys] == sorted(seen & set(range(1, 50)))


def test_keys_of_many_offers_take_little_room() -> None:
    keys, chance = Keys(1000), random.Random(1)
    assert sum(keys.add(chance.getrandbits(64) | 1) for _ in range(5000)) == 5000


def test_what_must_be_unique_is_not_mixed_up_by_where_a_text_ends() -> None:
    checker = Checker(feed(FeedField(name="a"), FeedField(name="b"), key=("a", "b")))
    assert checker.key({"a": "xy", "b": "z"}) != checker.key({"a": "x", "b": "yz"})
    assert checker.key({"a": "x", "b": "y"}) == checker.key({"b": "y", "a": "x"}) != 0
