"""From offers to bytes and back: what is written is what an independent reader finds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from crossdock.core.errors import FeedError
from crossdock.core.model import Feed, FeedField
from crossdock.feeds import rendering, tsv, xml
from crossdock.feeds.checks import Checker
from crossdock.plugins import google

GOOGLE = tuple(google._fields("PLN"))
NAMES = [field.name for field in GOOGLE]
G = f"{{{google.NAMESPACE}}}"

hostile = st.one_of(
    st.text(st.characters(), max_size=60),
    st.sampled_from(
        [
            "]]>",
            "<![CDATA[",
            "&amp;",
            "a & b < c > d",
            "\"quoted\" 'twice'",
            "\x1e\x1f\x00",
            "😀👩‍👩‍👧",
            "שלום \u202eabc",
            "\t\n\r",
            "<",
        ]
    ),
    st.just("ż<&>" * 1250),
)


def cleaned(feed: Feed, offer: Mapping[str, str]) -> dict[str, str]:
    checker = Checker(feed)
    filled = checker.fill(offer, 3)
    list(checker.clean(filled))
    return filled


def google_feed() -> Feed:
    return Feed(
        media_type="application/rss+xml",
        extension="xml",
        fields=GOOGLE,
        renderer="google.xml",
        head=google._head("Shirts & <more>", "https://shop.example.com"),
        tail=google.TAIL,
    )


def tsv_feed(*names: str) -> Feed:
    fields = tuple(FeedField(name=name) for name in names)
    return Feed(media_type=tsv.MEDIA_TYPE, extension="tsv", fields=fields, renderer=tsv.rows, head=tsv.head(fields))


def whole(feed: Feed, offers: Sequence[Mapping[str, str]]) -> bytes:
    return feed.head + b"".join(rendering.renderer(feed)(offers)) + feed.tail


# --- tab-separated values --------------------------------------------------------------------------------------------


@given(st.lists(st.fixed_dictionaries({"id": hostile, "text": hostile, "last": hostile}), max_size=8))
def test_a_tsv_file_read_back_is_what_was_written(offers: list[dict[str, str]]) -> None:
    feed = tsv_feed("id", "text", "last")
    given_ = [cleaned(feed, offer) for offer in offers]
    data = whole(feed, given_)
    assert data.count(b"\n") == 1 + len(offers), "no cell breaks a row, whatever reads it"
    assert all(line.count(b"\t") == 2 for line in data.splitlines()[:1])
    found = list(csv.DictReader(io.StringIO(data.decode(), newline=""), delimiter="\t"))
    spaces = str.maketrans("\t\n\r", "   ")
    assert found == [{name: text.translate(spaces) for name, text in offer.items()} for offer in given_]


def test_quotes_are_doubled_and_nothing_else_is_quoted() -> None:
    feed = tsv_feed("a", "b", "c")
    assert (
        whole(feed, [{"a": '{"en":"x"}', "b": "", "c": "it's, fine"}]) == b'a\tb\tc\n"{""en"":""x""}"\t\tit\'s, fine\n'
    )


# --- XML -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), hostile), max_size=4))
def test_an_xml_file_read_back_is_what_was_written(offers: list[dict[str, str]]) -> None:
    feed = google_feed()
    given_ = [cleaned(feed, offer) for offer in offers]
    channel = etree.fromstring(whole(feed, given_))[0]
    assert channel.findtext("title") == "Shirts & <more>"
    items = channel.findall("item")
    assert len(items) == len(offers)
    for item, offer in zip(items, given_, strict=True):
        for name in ("id", "title", "description", "link", *NAMES[9:]):
            # An XML parser reads every line end as one line feed (XML 1.0, section 2.11).
            assert (item.findtext(G + name) or "") == offer[name].replace("\r\n", "\n").replace("\r", "\n")
        images = [image.text for image in item.findall(f"{G}additional_image_link")]
        assert images == offer["additional_image_link"].split()
        assert item.findtext(f"{G}availability") == "in_stock"


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), hostile), max_size=70))
def test_the_same_offers_give_the_same_bytes_whatever_they_are_rendered_with(offers: list[dict[str, str]]) -> None:
    feed = google_feed()
    given_ = [cleaned(feed, offer) for offer in offers]
    one_by_one = [rendering.renderer(feed)([offer])[0] for offer in given_]
    assert rendering.renderer(feed)(given_) == one_by_one


def test_what_is_out_of_stock_and_what_is_reduced_is_told() -> None:
    feed = google_feed()
    offer = Checker(feed).fill({"price": "20.00", "sale_price": "15.00", "id": "A", "gtin": "5901234123457"}, 0)
    item = etree.fromstring(whole(feed, [offer]))[0].find("item")
    assert item is not None
    told = {name: item.findtext(G + name) for name in ("availability", "price", "sale_price", "identifier_exists")}
    assert told == {
        "availability": "out_of_stock",
        "price": "20.00 PLN",
        "sale_price": "15.00 PLN",
        "identifier_exists": None,
    }
    same = etree.fromstring(whole(feed, [{**offer, "sale_price": "20.00", "gtin": "", "quantity": "2"}]))[0].find(
        "item"
    )
    assert same is not None
    assert (same.findtext(f"{G}sale_price"), same.findtext(f"{G}identifier_exists")) == (None, "no")


# --- what templates and functions must not do ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ offer.__class__.__mro__ }}", "unsafe"),
        ("{% set x = offer.update({'id': 'B'}) %}", "unsafe"),
        ("{{ offer['id'] }}\x1e", "made 2 item"),
        ("{{ offer['nothing'].upper() }}", "has no attribute"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% for %}", "cannot be used"),
    ],
)
def test_a_bad_template_is_a_feed_error(source: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "source", lambda name: source)
    with pytest.raises(FeedError, match=fault):
        xml.items(xml.load("any.xml"), {}, [{"id": "A"}])


def test_what_a_template_calls_safe_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        xml, "source", lambda name: "<a>{{ offer['id'] }}{{ '<b/>'|safe }}{{ offer['id']|e }}{{ 1 }}</a>"
    )
    assert xml.items(xml.load("any.xml"), {}, [{"id": "&"}]) == [b"<a>&amp;<b/>&amp;1</a>"]


def test_a_template_that_is_not_there_is_named() -> None:
    with pytest.raises(FeedError, match=r"nowhere\.xml"):
        xml.load("nowhere.xml")


def test_a_function_has_to_give_one_item_for_each_offer() -> None:
    feed = Feed(media_type="", extension="x", fields=(), renderer=nothing)
    with pytest.raises(FeedError, match=r"nothing made 0 item\(s\) of 1 offers"):
        rendering.renderer(feed)([{}])


def nothing(context: Mapping[str, Any], offers: Sequence[Mapping[str, str]]) -> list[bytes]:
    return []


def test_the_fingerprint_changes_with_whatever_makes_the_bytes() -> None:
    feed = tsv_feed("a", "b")
    assert rendering.fingerprint(feed, "1") == rendering.fingerprint(tsv_feed("a", "b"), "1")
    others = {
        rendering.fingerprint(tsv_feed("b", "a"), "1"),
        rendering.fingerprint(feed, "2"),
        rendering.fingerprint(google_feed(), "1"),
        rendering.fingerprint(
            Feed(media_type="", extension="tsv", fields=feed.fields, renderer=nothing, head=feed.head), "1"
        ),
    }
    assert len(others | {rendering.fingerprint(feed, "1")}) == 5
