"""The seller's day: what its story tells, what its evening compares, and that nothing wrong goes unseen there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from crossdock.demo import catalogue, day, rules
from crossdock.demo.catalogue import MISTAKES
from crossdock.demo.cli import demo
from crossdock.demo.day import Evening
from crossdock.demo.marketplace import Listed
from crossdock.demo.shown import compare, count_pulls
from crossdock.jobs import mapping_file


@pytest.fixture(scope="module")
def told() -> tuple[Evening, list[str]]:
    story: list[str] = []
    evening = day.play(rivals=1, faults=1, tell=story.append)
    return evening, [*story, *day.report(evening)]


def test_in_the_evening_both_books_agree(told: tuple[Evening, list[str]]) -> None:
    evening, _ = told
    found = evening.as_dict()
    assert evening.agrees
    assert (found["missing"], found["doubled"], found["different"], found["undecided"]) == (0, 0, 0, 0)
    assert len(evening.stock) == found["feed"]["rows"]
    assert found["orders"]["won"] > found["orders"]["lost"] > 0
    assert found["orders"]["cancelled"] == 1
    assert found["declined_by"]["below price floor"] == 2
    assert found["faults_met"]["slow_body"] == 1  # the one in which the worker dies


def test_in_the_evening_the_listing_is_what_the_file_says(told: tuple[Evening, list[str]]) -> None:
    feed = told[0].as_dict()["feed"]
    assert feed["equal"]
    assert feed["rows"] == catalogue.VARIANTS - sum(LEFT_OUT.values()) - 1  # which was ended
    assert (feed["missing"], feed["extra"], feed["different"], feed["unknown_levels"]) == (0, 0, 0, 0)
    assert (feed["left_out"], feed["kept_back"]) == (LEFT_OUT, {"bad_url": 1})
    assert feed["builds"]["published"] > feed["builds"]["kept_old"] > 0
    assert (feed["pulls_failed"], feed["rows_refused"]) == (0, 0)
    assert feed["pulls"] == 22, "every half hour from 08:00 to 18:30"
    assert feed["downloads"] == {"whole": 22, "own": 1}
    assert feed["slowest_first_byte"] < 5
    assert feed["slowest_pull"] < 15


LEFT_OUT = {
    "bad_format": 5,
    "bad_gtin": 2,
    "bad_url": 2,
    "missing": 9,
    "no_price": 2,
    "no_stock": 2,
    "not_unique": 2,
}


@pytest.mark.parametrize(
    "words",
    [
        "Account seller connected. The credentials open 1 shop(s)",
        "Catalogue imported: 2,000 variants. 1 row left out: line 2002, price '49,90'",
        "The mapping is imported from a TOML file. Its check finds 3 things to mend.",
        "rule made_in: The offers file has no such field.",
        "category Odzież/Kurtki: It leads nowhere; ",
        "lookup colours: It has nothing for 'beżowy'; ",
        "The mapping, mended, is imported from a TOML file. Its check finds nothing to mend.",
        "Price policy: times 1.10, then up to an ending of 0.99. Offers created: 2,000.",
        "First offers file: 1,976 rows, 24 offers left out: 5 bad_format, 2 bad_gtin, 2 bad_url, 9 missing, 2 no_price",
        "Take the color 'Black' out: Miinto shows it beside the title.",
        "Its judge refuses 0 rows, and shows 1,976 of 1,976 as the file says.",
        "Offers linked to what Miinto lists: 1,976. Doubled: 0.",
        "First stock push: 1,976 stock levels told to Miinto, 0 of them for what Miinto does not know.",
        "lost to a faster seller",
        " removed, 24 left out, 0 kept back. Other rows that differ: 0.",
        "killed (-9)",
        "Acceptances that Miinto counted: 1. Units reserved: 1.",
        "A buyer offers 60% of the price of ",
        "position declined, below price floor (0.97)",
        ": declined, below price floor.",
        ": won all the same.",
        "becomes 'photo to come', bad_url: kept_back.",
        "Write an http or https address, percent-encoded.",
        "Meanwhile its last valid row stays, with its units of now: ",
        "The plan, lowering first: ",
        "the platform answered 200 with an HTML page in place of JSON. See the raw answer",
        "Attempt 1 of 8; the next one in 120 s.",
        "The next look is done",
        " bytes, noted as own. Last fetched: 13:00, by Miinto twin.",
        "A person takes one position of two.",
        "A wrong list is imported: 790 offers are ended.",
        "The push of stock refuses. Account seller: ",
        "sends ",
        "kept old. Account seller, offers file of pl: It would have 1185 rows where 1975 are out; allowed are 30%",
        "Rows that are out: 1,975.",
        "790 offers are listed again; the next file is published: 0 new, ",
        "nothing missing, nothing doubled, the stock of 1,975 SKUs equal.",
        "Offers file and listing agree: 1,975 rows with the same keys, prices and units.",
    ],
)
def test_the_story_tells_it(told: tuple[Evening, list[str]], words: str) -> None:
    assert [line for line in told[1] if words in line], "\n".join(told[1])


def found_in(story: list[str], pattern: str) -> tuple[str, ...]:
    """Return the groups of a pattern in the only line that has it."""
    (match,) = [match for line in story if (match := re.search(pattern, line))]
    return match.groups()


def test_a_new_price_changes_the_rows_of_its_product_alone(told: tuple[Evening, list[str]]) -> None:
    (rows,) = found_in(told[1], r", (\d+) rows, becomes a fifth cheaper")
    new, changed = found_in(told[1], r"The next file: (\d+) new, (\d+) changed")
    assert (new, changed) == ("0", rows)


def test_a_price_is_explained_as_it_stands_in_the_file(told: tuple[Evening, list[str]]) -> None:
    pattern = (
        r"Why is it (\d+) for .*\? begin .*: ([\d.]+) PLN; multiply x 1.10: ([\d.]+) PLN; round .*: ([\d.]+) PLN\."
    )
    minor, own, multiplied, rounded = map(Decimal, found_in(told[1], pattern))
    assert minor == rounded * 100
    assert multiplied == own * Decimal("1.10")
    assert multiplied <= rounded < multiplied + 1
    assert rounded % 1 == Decimal("0.99")


def test_the_floor_is_that_of_the_published_price(told: tuple[Evening, list[str]]) -> None:
    for ending, enough in ((r"won all the same", True), (r"declined, below", False)):
        offered, published = map(Decimal, found_in(told[1], rf"([\d.]+) for \S+, in the file for ([\d.]+): {ending}"))
        assert (offered >= published * Decimal("0.97")) == enough
        assert abs(offered - published * Decimal("0.97")) <= Decimal("0.01")


def test_a_kept_row_has_the_units_of_now(told: tuple[Evening, list[str]]) -> None:
    before, after = map(int, found_in(told[1], r"its units of now: (\d+) -> (\d+)\."))
    assert after == before - 1


def test_an_ended_row_stays_sold_out_for_more_than_an_hour(told: tuple[Evening, list[str]]) -> None:
    ended, before, after = found_in(told[1], r"(\S+) is ended: from .* on it goes out with units (\d+) -> (\d+)\.")
    left, minutes = found_in(told[1], r"The row of (\S+) left the file at .*, after (\d+) minutes with units 0\.")
    assert left == ended
    assert int(before) > int(after) == 0
    assert int(minutes) >= 60


# --- what is wrong is seen -------------------------------------------------------------------------------------------


def _not_as_the_file_says(evening: Evening) -> Evening:
    agreement = replace(evening.showing.agreement, different=["T-0001-BL-M"])
    return replace(evening, showing=replace(evening.showing, agreement=agreement))


def _not_shown(evening: Evening) -> Evening:
    agreement = replace(evening.showing.agreement, missing=["T-0001-BL-M"])
    return replace(evening, showing=replace(evening.showing, agreement=agreement))


def _shown_for_nothing(evening: Evening) -> Evening:
    agreement = replace(evening.showing.agreement, extra=["T-0001-BL-M"])
    return replace(evening, showing=replace(evening.showing, agreement=agreement))


def _refused(evening: Evening) -> Evening:
    return replace(evening, showing=replace(evening.showing, pulls=replace(evening.showing.pulls, refused=1)))


def _pulled_unseen(evening: Evening) -> Evening:
    pulls = replace(evening.showing.pulls, noted=evening.showing.pulls.noted - 1)
    return replace(evening, showing=replace(evening.showing, pulls=pulls))


def _told_of_nothing(evening: Evening) -> Evening:
    return replace(evening, showing=replace(evening.showing, unknown_levels=1))


def _oversold(evening: Evening) -> Evening:
    return replace(evening, stock=[replace(evening.stock[0], told=99), *evening.stock[1:]])


def _lost(evening: Evening) -> Evening:
    return replace(evening, comparison=replace(evening.comparison, missing=1))


WRONGS = [
    (_not_as_the_file_says, "1 different (T-0001-BL-M)"),
    (_not_shown, "1 rows missing"),
    (_shown_for_nothing, "1 too many"),
    (_refused, "1 rows were refused"),
    (_pulled_unseen, "of 22 pulls 0 failed, 21 were noted here"),
    (_told_of_nothing, "1 stock levels were told of what is not listed"),
    (_oversold, "the stock of 1 SKUs"),
    (_lost, "1 missing, 0 doubled"),
]


@pytest.mark.parametrize(("spoil", "words"), WRONGS)
def test_the_exit_code_tells_that_the_sides_do_not_agree(
    spoil: Callable[[Evening], Evening],
    words: str,
    told: tuple[Evening, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = spoil(told[0])
    monkeypatch.setattr(day, "play", lambda **_: wrong)
    said, document = CliRunner().invoke(demo), CliRunner().invoke(demo, ["--json"])
    assert (said.exit_code, document.exit_code) == (1, 1)
    assert words in said.stdout
    found = json.loads(document.stdout)
    assert not found["feed"]["equal"] or not found["stock_equal"] or found["missing"]


def test_the_exit_code_is_zero_where_they_agree(
    told: tuple[Evening, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day, "play", lambda **_: told[0])
    assert CliRunner().invoke(demo).exit_code == 0


ROW = {
    "id": "A-1",
    "item_group_id": "A",
    "brand": "Example",
    "color": "Black",
    "size": "M",
    "c:stock_level:integer": "5",
    "c:retail_price_PLN:integer": "12999",
    "c:discount_retail_price_PLN:integer": "9999",
}
LISTED = Listed(
    id="A-1",
    item="uuid",
    title="Shirt",
    gtin="",
    price=9999,
    currency="PLN",
    group="A",
    brand="Example",
    color="Black",
    size="M",
    stock=5,
)


def test_a_row_that_is_shown_as_the_file_says_agrees() -> None:
    without = ROW | {"c:discount_retail_price_PLN:integer": "", "id": "A-2"}
    found = compare({"A-1": ROW, "A-2": without}, [LISTED, replace(LISTED, id="A-2", price=12999)])
    assert (found.rows, found.missing, found.extra, found.different) == (2, [], [], [])


@pytest.mark.parametrize(
    "change",
    [{"group": "B"}, {"brand": "Other"}, {"color": "black"}, {"size": "L"}, {"price": 12999}, {"stock": 4}],
    ids=lambda change: next(iter(change)),
)
def test_no_cell_of_a_row_can_differ_unseen(change: dict[str, Any]) -> None:
    assert compare({"A-1": ROW}, [replace(LISTED, **change)]).different == ["A-1"]


def test_no_row_can_be_missing_or_too_many_unseen() -> None:
    assert compare({"A-1": ROW, "A-2": ROW}, [LISTED]).missing == ["A-2"]
    assert compare({"A-1": ROW}, [LISTED, replace(LISTED, id="A-0")]).extra == ["A-0"]


PULL = {
    "fault": None,
    "rows": 2,
    "accepted": ["A-1", "A-2"],
    "rejected_count": 0,
    "first_byte": 0.25,
    "seconds": 0.5,
}


def test_pulls_are_fine_if_all_of_all_files_was_taken_and_each_was_noted() -> None:
    found = count_pulls([PULL, PULL | {"first_byte": 0.5, "seconds": 0.75}], 2)
    assert found.fine
    assert (found.number, found.first_byte, found.seconds) == (2, 0.5, 0.75)


@pytest.mark.parametrize(
    "change",
    [{"rejected_count": 1}, {"accepted": ["A-1"]}, {"fault": "the whole file took too long"}],
    ids=["a row is refused", "a row is not taken", "nothing is taken"],
)
def test_no_row_of_the_judges_answer_can_be_altered_unseen(change: dict[str, Any]) -> None:
    assert not count_pulls([PULL, PULL | change], 2).fine


def test_no_pull_goes_unnoted() -> None:
    assert not count_pulls([PULL, PULL], 1).fine
    assert not count_pulls([PULL], 2).fine
    assert not count_pulls([], 0).fine


# --- what there is to sell -------------------------------------------------------------------------------------------


def test_the_generated_catalogue_is_the_same_for_one_seed() -> None:
    variants = catalogue.generate(1)
    assert variants == catalogue.generate(1) != catalogue.generate(2)
    assert len({variant.sku for variant in variants}) == len({variant.gtin for variant in variants}) == 2000
    keys = {(variant.product, variant.brand, variant.color, variant.size) for variant in variants}
    assert len(keys) == 2000


@given(st.integers(0, 10**6))
def test_generated_numbers_have_the_right_check_digit(seed: int) -> None:
    (variant,) = catalogue.generate(seed, 1)
    digits = [int(digit) for digit in variant.gtin]
    assert len(digits) == 13
    assert sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0


@given(st.integers(0, 10**6))
def test_each_mistake_is_made_as_often_as_it_is_meant_and_no_two_in_one_variant(seed: int) -> None:
    sound = catalogue.generate(seed, 400)
    spoiled = catalogue.spoil(sound, seed)
    assert [variant.sku for variant in spoiled] == [variant.sku for variant in sound]
    changed: Counter[str] = Counter()
    for was, variant in zip(sound, spoiled, strict=True):
        differ = [name for name in catalogue.Variant.__slots__ if getattr(was, name) != getattr(variant, name)]
        assert len(differ) <= 1
        changed.update(differ)
    named = changed.pop("name")
    assert named == sum(variant.name.endswith(catalogue.IN_THE_NAME) for variant in spoiled) > 0
    assert dict(changed) == {name: mistake.number for mistake in MISTAKES for name in mistake.says(sound[0])}


def test_the_draft_of_the_mapping_can_be_read_and_has_each_slip() -> None:
    draft, mended = (mapping_file.read(text, "mapping.toml") for text in (rules.draft(), rules.MAPPING))
    assert all(rules.MAPPING.count(right) == 1 for right in rules.SLIPS)
    assert {"Odzież/Kurtki"} == {own for _, own in mended.links.keys() - draft.links.keys()}
    assert {"beżowy"} == mended.lookups["colours"].keys() - draft.lookups["colours"].keys()
    assert {("", "madein")} == mended.rules.keys() - draft.rules.keys()
