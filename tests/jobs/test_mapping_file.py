"""A mapping is the same after its way through a file, and a file with faults tells all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.errors import ConfigError
from crossdock.core.rules import Rule, RuleKind
from crossdock.core.store.mapping import Content, LinkKind, difference
from crossdock.jobs import mapping_file

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
tables = st.dictionaries(texts, texts, max_size=3)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    lookups = draw(st.dictionaries(texts, tables, max_size=3))
    kinds = [
        st.builds(Rule, kind=st.just(RuleKind.CONSTANT), text=texts),
        st.builds(Rule, kind=st.just(RuleKind.FIELD), text=texts),
        st.just(Rule(kind=RuleKind.EXPRESSION, text="{{ name }} \"{{ attributes['x'] }}\"\n")),
    ]
    if lookups:
        named = st.sampled_from(sorted(lookups))
        default = st.none() | st.just("") | texts
        kinds.append(st.builds(Rule, kind=st.just(RuleKind.LOOKUP), text=texts, table=named, default=default))
    rules = st.lists(st.one_of(kinds), min_size=1, max_size=3).map(tuple)
    return Content(
        favourites=draw(tables),
        links=draw(st.dictionaries(st.tuples(st.sampled_from(LinkKind), texts), texts, max_size=3)),
        lookups=lookups,
        rules=draw(st.dictionaries(st.tuples(st.just("") | texts, texts), rules, max_size=4)),
    )


@given(contents())
def test_a_mapping_is_the_same_after_its_way_through_a_file(content: Content) -> None:
    text = mapping_file.write(content, "Mapping.")
    again = mapping_file.read(text, "mapping.toml")
    assert again == content
    assert not difference(content, again)
    assert mapping_file.write(again, "Mapping.") == text


DOCS = Path(__file__).parents[2] / "docs"
PAGE = re.findall(r"^```toml\n(.*?)^```$", (DOCS / "mapping.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
EXAMPLES = [path.read_text("utf-8") for path in sorted((DOCS / "examples").glob("*.toml"))]


@pytest.mark.parametrize("text", [*PAGE, *EXAMPLES])
def test_examples_of_the_documentation_are_mappings(text: str) -> None:
    assert mapping_file.read(text, "example").rules
    assert mapping_file.read(text.encode(), "example") == mapping_file.read(text, "example")


def test_a_file_in_another_encoding_is_told() -> None:
    with pytest.raises(ConfigError, match=r"mapping\.toml is not UTF-8: .* at byte 2"):
        mapping_file.read("# żółty".encode("iso-8859-2"), "mapping.toml")


def test_examples_of_the_documentation_are_there() -> None:
    assert (len(PAGE), len(EXAMPLES)) >= (2, 1)


@given(contents(), contents())
def test_a_difference_names_everything_that_is_not_the_same(old: Content, new: Content) -> None:
    found = difference(old, new)
    back = difference(new, old)
    assert (found.added, found.changed, found.removed) == (back.removed, back.changed, back.added)
    assert bool(found) == (old != new)


def test_every_fault_is_told_with_its_place() -> None:
    text = """
        colours = 1
        [links]
        category = { "" = "x", "Buty" = 5 }
        brand = {}
        [lookups.colours]
        red = ""
        [fields]
        brand = "Acme"
        color = [{ field = "color", lookup = "colors" }, { constant = 5 }, { fields = "x" }, { expression = "{{ x }}" }]
        [markets.se]
        field = {}
    """
    with pytest.raises(ConfigError, match="nothing was changed") as caught:
        mapping_file.read(text, "mapping.toml")
    places = [fault.split(": ")[0] for fault in caught.value.faults]
    assert set(places) == {
        "colours",
        "links.brand",
        "links.category.",
        "links.category.Buty",
        "lookups.colours.red",
        "fields.brand",
        "fields.color[1]",
        "fields.color[2]",
        "fields.color[3]",
        "fields.color[4]",
        "markets.se.field",
    }


def test_what_is_no_toml_says_where() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        mapping_file.read('[fields]\n"brand" = = []', "mapping.toml")
