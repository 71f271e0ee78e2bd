"""How the Miinto twin reads a feed, held against the reference sheet, and how it fetches one."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.twins.kit import VirtualClock, serve
from crossdock.twins.miinto import FeedAddress, MiintoTwin
from crossdock.twins.miinto.columns import COLUMNS
from crossdock.twins.miinto.feed import Live, Unreadable, Verdict, judge, read, take
from crossdock.twins.miinto.pull import Missed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# The row of the reference sheet, section 8.4.
SAMPLE = {
    "id": "SKU-1-M",
    "item_group_id": "PROD-1",
    "c:style_id:string": "ST-100",
    "brand": "Acme",
    "title": "Linen shirt",
    "color": "White",
    "size": "M",
    "image_link": "https://img.example.com/1.jpg",
    "c:stock_level:integer": "5",
    "c:retail_price_PLN:integer": "29900",
    "c:discount_retail_price_PLN:integer": "24900",
    "material": '{"en_EN.utf8":"Linen 100%"}',
    "madein": "PT",
    "description": "Light summer shirt",
    "gtin": "5901234123457",
    "product_type": "Blouses & Shirts > Shirts",
    "gender": "F",
    "c:season_tag:string": "SS24",
}


def row(**changes: str) -> dict[str, str]:
    """Return the sample with some cells changed; `size` and the like as they are, `c:` names by their short form."""
    short = {"stock": "c:stock_level:integer", "price": "c:retail_price_PLN:integer", "style": "c:style_id:string"}
    short |= {"discount": "c:discount_retail_price_PLN:integer", "season": "c:season_tag:string"}
    return SAMPLE | {short.get(name, name): value for name, value in changes.items()}


def tsv(*rows: dict[str, str]) -> bytes:
    """Return a file of these rows, every cell quoted."""
    head = list(dict.fromkeys(name for row in rows or (SAMPLE,) for name in row))
    lines = [head, *([row.get(name, "") for name in head] for row in rows)]
    quoted = ("\t".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    return ("\n".join(quoted) + "\n").encode()


def rules(verdict: Verdict) -> list[tuple[str, str]]:
    """Return column and rule of everything that was refused."""
    return [(finding.column, finding.rule) for finding in verdict.rejected]


# --- reading ---------------------------------------------------------------------------------------------------------

CELL = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=5), st.booleans())
def test_what_is_quoted_comes_back_as_it_was(table: list[list[str]], newline: bool) -> None:
    table[0] = ["first", "second"]  # the head says what parts the cells
    lines = ("\t".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in table)
    assert read(("\n".join(lines) + "\n" * newline).encode()) == table


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("a\tb\n1\t\n", [["a", "b"], ["1", ""]]),
        ("a\tb\n1\t", [["a", "b"], ["1", ""]]),
        ('a\tb\n5" wide\tx', [["a", "b"], ['5" wide', "x"]]),
        ('a,b\n"1,5",2\n', [["a", "b"], ["1,5", "2"]]),
        ("a\tb\n\n1\t2\n", [["a", "b"], [""], ["1", "2"]]),
        ("", []),
    ],
)
def test_plain_cells_and_commas_are_read(text: str, table: list[list[str]]) -> None:
    assert read(text.encode()) == table


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xef\xbb\xbfid\tx\n", "byte order mark"),
        (b"id\tx\n\xff\n", "no UTF-8 at byte 5"),
        (b"id\tx\r\n", "lines end with LF"),
        (b'id\tx\n"open\t1\n', "is not closed"),
        (b'id\tx\n"open"more\t1\n', "is not closed"),
        (b"", "it is empty"),
        (tsv(SAMPLE).replace(b'"brand"', b'"Brand"'), "the column 'brand' is missing"),
        (tsv(SAMPLE).replace(b'"gtin"', b'"brand"'), "the column 'brand' is there twice"),
        (tsv(SAMPLE).replace(b"c:retail_price_PLN:integer", b"price"), "no column for a retail price"),
    ],
)
def test_a_file_that_cannot_be_taken_as_a_whole_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        judge(body, {}, NOW)


# --- judging ---------------------------------------------------------------------------------------------------------


def test_the_sample_of_the_sheet_is_taken() -> None:
    verdict = judge(tsv(SAMPLE), {}, NOW)
    assert (verdict.rows, list(verdict.accepted), verdict.rejected, verdict.remarks) == (1, ["SKU-1-M"], [], [])


def test_a_head_without_rows_is_an_empty_feed() -> None:
    assert judge(tsv(SAMPLE).partition(b"\n")[0] + b"\n", {}, NOW) == Verdict()


def test_a_column_nobody_knows_is_passed_over_and_said() -> None:
    verdict = judge(tsv(SAMPLE | {"colour": "x"}), {}, NOW)
    assert list(verdict.accepted) == ["SKU-1-M"]
    assert [(finding.column, finding.rule) for finding in verdict.remarks] == [("colour", "unknown_column")]


@pytest.mark.parametrize("name", [name for name, column in COLUMNS.items() if column.required])
def test_what_is_required_must_be_there(name: str) -> None:
    assert (name, "required") in rules(judge(tsv(SAMPLE | {name: " "}), {}, NOW))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"brand": "x" * 150}, ("brand", "format")),
        ({"color": "x" * 255}, ("color", "format")),
        ({"size": "x" * 255}, ("size", "format")),
        ({"season": "SPRING-24"}, ("c:season_tag:string", "format")),
        ({"stock": "-1"}, ("c:stock_level:integer", "format")),
        ({"stock": "1.0"}, ("c:stock_level:integer", "format")),
        ({"price": "299.00"}, ("c:retail_price_PLN:integer", "format")),
        ({"price": "0", "discount": ""}, ("c:retail_price_PLN:integer", "format")),
        ({"price": "", "discount": ""}, ("", "no_price")),
        ({"discount": "30000"}, ("c:discount_retail_price_PLN:integer", "discount")),
        ({"price": "", "c:retail_price_SEK:integer": "1"}, ("c:discount_retail_price_PLN:integer", "discount")),
        ({"gtin": "12345678"}, ("gtin", "format")),
        ({"gtin": "59012341234570"}, ("gtin", "format")),
        ({"gtin": "590123412345X"}, ("gtin", "format")),
        ({"image_link": "https://img.example.com/a b.jpg"}, ("image_link", "format")),
        ({"image_link": "https://img.example.com/ł.jpg"}, ("image_link", "format")),
        ({"image_link": "https://img.example.com/%zz.jpg"}, ("image_link", "format")),
        ({"image_link": "https://img.example.com/1.png"}, ("image_link", "format")),
        ({"image_link": "img.example.com/1.jpg"}, ("image_link", "format")),
        ({"image_link": "ftp://img.example.com/1.jpg"}, ("image_link", "format")),
        ({"image_link": "https://[x/1.jpg"}, ("image_link", "format")),
        (
            {"additional_image_link": "https://e.example/1.jpg,https://e.example/2.webp"},
            ("additional_image_link", "format"),
        ),
        ({"material": "Linen"}, ("material", "format")),
        ({"material": '{"en":"Linen"}'}, ("material", "format")),
        ({"material": '{"en_EN.utf8":""}'}, ("material", "format")),
        ({"material": "[]"}, ("material", "format")),
        ({"washing": "{}"}, ("washing", "format")),
        ({"madein": "Portugal"}, ("madein", "format")),
        ({"gender": "W"}, ("gender", "format")),
        ({"product_type": "Shirts >"}, ("product_type", "format")),
        ({"product_type": "Shirts>Linen"}, ("product_type", "format")),
        ({"hs_code": "6106.90.9"}, ("hs_code", "format")),
        ({"title": "ACME linen shirt"}, ("title", "title")),
        ({"title": "Linen shirt, white"}, ("title", "title")),
        ({"title": "Linen shirt (M)"}, ("title", "title")),
        ({"title": "Linen shirt SKU-1-M"}, ("title", "title")),
        ({"title": "Blue shirt", "color": "White/Blue"}, ("title", "title")),
    ],
)
def test_a_wrong_cell_is_refused_with_its_row(changes: dict[str, str], found: tuple[str, str]) -> None:
    verdict = judge(tsv(row(id="GOOD", gtin="", size="L"), row(**changes)), {}, NOW)
    assert rules(verdict) == [found]
    assert (verdict.rejected[0].row, verdict.rejected[0].id) == (2, "SKU-1-M")
    assert list(verdict.accepted) == ["GOOD"]


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "", "discount": "", "c:retail_price_SEK:integer": "1"},
        {"discount": ""},
        {"discount": "29900"},
        {"gtin": ""},
        {"gtin": "123456789"},
        {"image_link": "http://img.example.com/photo?id=1&w=%20"},
        {"image_link": "https://img.example.com/1.WEBP"},
        {"additional_image_link": "https://e.example/1.jpg,https://e.example/2.jpeg"},
        {"hs_code": "6106.90.90"},
        {"product_type": "Shoes"},
        {"title": "T-shirt for her", "size": "T"},
        {"title": "Off-whiteish shirt"},
        {"c:title_PL:string": "Koszula", "c:description_FI:string": "Paita"},
        {"stock": "0"},
    ],
)
def test_what_the_sheet_allows_is_taken(changes: dict[str, str]) -> None:
    verdict = judge(tsv(row(**changes)), {}, NOW)
    assert (verdict.rejected, list(verdict.accepted)) == ([], ["SKU-1-M"])


def test_ids_keys_and_gtins_are_there_once() -> None:
    rows = [row(), row(size="L", gtin=""), row(id="B", gtin=""), row(id="C", size="XL")]
    verdict = judge(tsv(*rows), {}, NOW)
    assert [(finding.row, finding.column, finding.rule) for finding in verdict.rejected] == [
        (2, "id", "not_unique"),
        (3, "item_group_id+size+color+brand", "not_unique"),
        (4, "gtin", "not_unique"),
    ]


def test_a_row_with_too_many_or_too_few_cells_is_refused() -> None:
    body = tsv(SAMPLE) + b'"B"\n' + tsv(row(id="C", size="L", gtin="")).splitlines()[1] + b"\tmore\n"
    verdict = judge(body, {}, NOW)
    assert [(finding.row, finding.id, finding.rule) for finding in verdict.rejected] == [
        (2, "B", "cells"),
        (3, "C", "cells"),
    ]


# --- from pull to pull -----------------------------------------------------------------------------------------------


class Reader:
    """Pulls of one feed, one after the other."""

    def __init__(self) -> None:
        self.live: dict[str, Live] = {}
        self.now = NOW

    def pull(self, *rows: dict[str, str], minutes: int = 30) -> Verdict:
        self.now += minutes * MINUTE
        verdict = judge(tsv(*rows) if rows else tsv(SAMPLE).partition(b"\n")[0], self.live, self.now)
        take(verdict, self.live, self.now)
        return verdict


@pytest.mark.parametrize("name", ["item_group_id", "brand", "color", "size"])
def test_what_is_frozen_may_not_change_while_it_is_live(name: str) -> None:
    reader = Reader()
    reader.pull(row())
    verdict = reader.pull(row(**{name: "other"}))
    assert rules(verdict) == [(name, "frozen")]
    assert reader.live == {}


def test_stock_and_prices_are_updated_and_the_rest_is_not() -> None:
    reader = Reader()
    reader.pull(row())
    verdict = reader.pull(row(stock="3", price="28000", discount="", description="Shorter"))
    assert verdict.rejected == []
    assert [(finding.column, finding.rule) for finding in verdict.remarks] == [("description", "not_updated")]
    shown = reader.live["SKU-1-M"].row
    assert (shown["c:stock_level:integer"], shown["c:retail_price_PLN:integer"]) == ("3", "28000")
    assert shown["description"] == "Light summer shirt"


@pytest.mark.parametrize(
    ("stocks", "minutes", "refused"),
    [
        (["5"], 30, True),
        (["5", "0"], 30, True),
        (["5", "0", "0"], 30, False),
        (["5", "0"], 60, False),
        (["0"], 59, True),
        (["5", "0", "5"], 60, True),
    ],
)
def test_a_row_stays_for_an_hour_after_it_is_sold_out(stocks: list[str], minutes: int, refused: bool) -> None:
    reader = Reader()
    for stock in stocks:
        reader.pull(row(stock=stock))
    verdict = reader.pull(minutes=minutes)
    assert rules(verdict) == ([("c:stock_level:integer", "vanished")] if refused else [])
    assert reader.live == {}


# --- over the wire ---------------------------------------------------------------------------------------------------


class Seller(ThreadingHTTPServer):
    """A seller's web server with one file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = tsv(SAMPLE)
        self.status = 200
        self.length: int | None = None
        self.login: str | None = None
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/feed.tsv"


class Handler(BaseHTTPRequestHandler):
    server: Seller

    def do_GET(self) -> None:
        seller, headers = self.server, {name.lower(): value for name, value in self.headers.items()}
        seller.asked.append(headers)
        right = seller.login is None or headers.get("authorization") == seller.login
        packed = headers["accept-encoding"] == "gzip"
        body = gzip.compress(seller.body) if packed else seller.body
        self.send_response(seller.status if right else 401)
        self.send_header("Content-Length", str(len(body) if seller.length is None else seller.length))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def seller() -> Iterator[Seller]:
    with Seller() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def twin(seller: Seller) -> MiintoTwin:
    twin = MiintoTwin(VirtualClock(NOW))
    twin.set_feed(twin.account.identifier, FeedAddress(url=seller.url))
    return twin


def test_a_pull_is_booked_with_what_was_taken_and_refused(twin: MiintoTwin, seller: Seller) -> None:
    seller.body = tsv(row(), row(id="BAD", size="L", gtin="1"))
    (pull,) = twin.pull_feeds()
    assert twin.book.as_dict()["feed_pulls"] == [pull]
    assert (pull["account"], pull["at"], pull["fetched"], pull["fault"]) == (
        "seller@example.com",
        NOW.isoformat(),
        True,
        None,
    )
    assert (pull["bytes"], pull["rows"], pull["accepted"]) == (len(seller.body), 2, ["SKU-1-M"])
    assert (pull["rejected_count"], pull["remarks_count"]) == (1, 0)
    assert pull["rejected"] == [
        {"row": 2, "id": "BAD", "column": "gtin", "rule": "format", "words": "not 9 to 13 digits"}
    ]
    json.dumps(pull)


def test_what_was_taken_is_listed_where_it_has_a_price(twin: MiintoTwin, seller: Seller) -> None:
    seller.body = tsv(row(**{"c:retail_price_EUR:integer": "6900"}))
    twin.pull_feeds()
    listed = {shop: rows for shop, rows in twin.book.as_dict()["stock"].items() if rows}
    assert set(listed) == {twin.account.shop_in(market) for market in ("pl", "be", "nl")}
    assert listed[twin.account.shop_in("pl")] == [
        {"group": "PROD-1", "brand": "Acme", "color": "White", "size": "M", "stock": 5}
    ]


def test_buyers_see_what_the_feed_says_and_the_stock_that_was_told_since(twin: MiintoTwin, seller: Seller) -> None:
    shop, other = twin.account.shop_in("pl"), twin.account.shop_in("se")
    seller.body = tsv(row(), row(id="SKU-1-L", size="L", gtin="", discount=""))
    twin.pull_feeds()
    seen = {each["id"]: each for each in twin.listing(shop)}
    item = seen["SKU-1-M"].pop("item")
    assert seen["SKU-1-M"] == {
        "id": "SKU-1-M",
        "title": "Linen shirt",
        "gtin": "5901234123457",
        "group": "PROD-1",
        "brand": "Acme",
        "color": "White",
        "size": "M",
        "price": 24900,
        "currency": "PLN",
        "stock": 5,
    }
    assert (seen["SKU-1-L"]["price"], seen["SKU-1-L"]["gtin"]) == (29900, "")
    assert seen["SKU-1-L"]["item"] != item
    assert twin.listing(other) == [], "no price in its currency"
    twin.list_variant(shop, "PROD-1", "Acme", "White", "M", 2)
    assert [each["stock"] for each in twin.listing(shop)] == [2, 5]
    seller.body = tsv(row(stock="1", discount="19900"), row(id="BAD", size="L", gtin="1"))
    twin.pull_feeds()
    assert [(each["id"], each["item"], each["price"], each["stock"]) for each in twin.listing(shop)] == [
        ("SKU-1-M", item, 19900, 1)
    ]


def test_the_listing_is_shown_by_the_control_api(twin: MiintoTwin) -> None:
    twin.pull_feeds()
    shop = twin.account.shop_in("pl")
    with serve(twin.app) as url, httpx.Client(base_url=f"{url}/_twin/") as control:
        assert control.post("listing", json={"shop": shop}).json() == {"rows": twin.listing(shop)}
        answer = control.post("listing", json={"shop": "nowhere"})
    assert (answer.status_code, "there is no shop 'nowhere'" in answer.json()["error"]) == (400, True)


def test_what_was_taken_is_on_the_product_map_unless_another_is_set(twin: MiintoTwin) -> None:
    twin.pull_feeds()
    shop = twin.account.shop_in("pl")
    (listed,) = twin.listing(shop)
    assert twin.product_map(shop) == [["PROD-1", "SKU-1-M", "5901234123457", listed["item"]]]
    twin.set_product_map(shop, [["G", "A", "", "item"]])
    assert twin.product_map(shop) == [["G", "A", "", "item"]]


def test_it_pulls_every_half_hour_of_its_clock(twin: MiintoTwin, seller: Seller) -> None:
    with serve(twin.app) as url, httpx.Client(base_url=f"{url}/_twin/") as control:
        assert len(control.post("pull-feeds", json={"due": True}).json()["pulls"]) == 1
        for seconds, pulls in ((1799, 1), (1, 2), (1799, 2), (7200, 3)):
            control.post("clock", json={"advance": seconds})
            assert len(control.get("book").json()["feed_pulls"]) == pulls
        assert len(control.post("pull-feeds").json()["pulls"]) == 1
    assert len(seller.asked) == 4


def test_a_feed_is_set_and_taken_away_by_the_control_api(seller: Seller) -> None:
    twin = MiintoTwin(VirtualClock(NOW))
    identifier = twin.account.identifier
    with serve(twin.app) as url, httpx.Client(base_url=f"{url}/_twin/") as control:
        address = {"url": seller.url, "user": "u", "password": "p", "gzip": True}
        seller.login = f"Basic {base64.b64encode(b'u:p').decode()}"
        assert control.post("feeds", json={"identifier": identifier, **address}).json() == {}
        (pull,) = control.post("pull-feeds").json()["pulls"]
        assert (pull["fault"], pull["accepted"], pull["bytes"]) == (None, ["SKU-1-M"], len(seller.body))
        assert control.post("feeds", json={"identifier": identifier}).json() == {}
        assert control.post("pull-feeds").json() == {"pulls": []}
        for wrong in (
            {"identifier": "nobody", "url": seller.url},
            {"identifier": identifier, "url": "http://example.com/feed"},
            {"identifier": identifier, "url": "https://127.0.0.1/feed"},
            {"identifier": identifier, "url": seller.url, "colour": "x"},
            [],
        ):
            assert control.post("feeds", json=wrong).status_code == 400


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda seller: setattr(seller, "status", 404), "the answer is 404"),
        (lambda seller: setattr(seller, "login", "Basic x"), "the answer is 401"),
        (lambda seller: setattr(seller, "length", 100_000), "bytes of it are missing"),
        (lambda seller: setattr(seller, "body", b"\xff"), "no UTF-8"),
    ],
)
def test_a_feed_that_does_not_come_or_cannot_be_read_changes_nothing(
    twin: MiintoTwin, seller: Seller, spoil: Callable[[Seller], None], words: str
) -> None:
    twin.pull_feeds()
    spoil(seller)
    (pull,) = twin.pull_feeds()
    assert words in pull["fault"]
    assert "accepted" not in pull
    seller.status, seller.login, seller.length = 200, None, None
    seller.body = tsv(row(size="L"))
    (pull,) = twin.pull_feeds()
    assert [finding["rule"] for finding in pull["rejected"]] == ["frozen"]


def test_nobody_there_is_booked(twin: MiintoTwin) -> None:
    with nobody() as port:
        twin.set_feed(twin.account.identifier, FeedAddress(url=f"http://127.0.0.1:{port}/feed.tsv"))
        (pull,) = twin.pull_feeds()
    assert (pull["fetched"], pull["fault"]) == (False, "the file did not come: ConnectionRefusedError")


@contextmanager
def nobody() -> Iterator[int]:
    """Give a port where nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_a_slow_file_is_not_taken(seller: Seller) -> None:
    seller.body = tsv(*(row(id=f"S{number}", size=f"{number}", gtin="") for number in range(2000)))
    address = FeedAddress(url=seller.url)
    assert address.fetch().body == seller.body
    with pytest.raises(Missed, match="the whole file took too long"):
        address.fetch(whole=0)
    with pytest.raises(Missed, match=r"first byte came after|did not come: TimeoutError"):
        address.fetch(first_byte=0)


def test_a_password_is_not_shown() -> None:
    assert "hidden" not in repr(FeedAddress(url="http://127.0.0.1:1/x", user="u", password="hidden"))
