"""How Miinto reads a seller's feed, row by row and against the pull before (reference sheet, section 8)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from crossdock.twins.miinto.columns import COLUMNS, CURRENCIES

Row = Mapping[str, str]

KEY: Final = ("item_group_id", "size", "color", "brand")
STOCK: Final = "c:stock_level:integer"
SOLD_OUT_STAYS: Final = timedelta(hours=1)
_MOVING = (
    STOCK,
    *(f"c:{kind}_{code}:integer" for kind in ("retail_price", "discount_retail_price") for code in CURRENCIES),
)


class Unreadable(Exception):
    """The file as a whole cannot be taken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a row, or worth saying of it; `row` is its number in the file, without the head."""

    row: int | None
    id: str
    column: str
    rule: str
    words: str


@dataclass(slots=True)
class Live:
    """A row that Miinto has taken, and since when it is known to be sold out."""

    row: Row
    sold_out_since: datetime | None = None


@dataclass(slots=True)
class Verdict:
    """What became of one pull: the rows taken, what was refused and why, and what Miinto passes over in silence."""

    rows: int = 0
    accepted: dict[str, Row] = field(default_factory=dict)
    rejected: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)


# --- reading ---------------------------------------------------------------------------------------------------------


def read(body: bytes) -> list[list[str]]:
    """Return head and rows of a TSV, or of a CSV, as cells.

    Raises:
        Unreadable: it is no UTF-8, has other line ends than LF, or a quote that is never closed.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("it begins with a byte order mark, so the first column has another name")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is no UTF-8 at byte {error.start}") from None
    if "\r" in text:
        raise Unreadable("a line ends with CR; lines end with LF")
    head = text.partition("\n")[0]
    return list(_rows(text, "\t" if "\t" in head or "," not in head else ","))


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    cell = re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|((?!")[^{separator}\n]*))({separator}|\n|\Z)')
    row: list[str] = []
    at = 0
    while at < len(text):
        found = cell.match(text, at)
        if found is None:
            raise Unreadable(f"the quote at character {at} is not closed at the end of its cell")
        quoted, plain, end = found.groups()
        row.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if end == separator and at == len(text):
            row.append("")
        if end != separator or at == len(text):
            yield row
            row = []


# --- judging ---------------------------------------------------------------------------------------------------------


def judge(body: bytes, live: Mapping[str, Live], now: datetime) -> Verdict:
    """Judge a file against the rows that were taken before.

    Args:
        body: the whole file.
        live: the rows taken so far, by id.
        now: the moment of the pull.

    Raises:
        Unreadable: nothing of it can be taken.
    """
    table = read(body)
    if not table:
        raise Unreadable("it is empty; the first line names the columns")
    head, *rows = table
    verdict = Verdict(rows=len(rows), remarks=list(_head_remarks(head)))
    _check_head(head)
    seen: tuple[Counter[object], ...] = (Counter(), Counter(), Counter())
    there = set()
    for number, cells in enumerate(rows, 1):
        row = dict(zip(head, cells, strict=False))
        there.add(row.get("id", ""))
        if len(cells) != len(head):
            words = f"{len(cells)} cells under {len(head)} columns"
            verdict.rejected.append(Finding(number, row.get("id", ""), "", "cells", words))
        elif faults := [*_faults_of(number, row), *_repeated(number, row, seen), *_frozen(number, row, live)]:
            verdict.rejected += faults
        else:
            verdict.accepted[row["id"]] = row
            verdict.remarks += _passed_over(number, row, live)
    verdict.rejected += _vanished(there, live, now)
    return verdict


def _check_head(head: Sequence[str]) -> None:
    if twice := [name for name, times in Counter(head).items() if times > 1]:
        raise Unreadable(f"the column {twice[0]!r} is there twice")
    if missing := [name for name, column in COLUMNS.items() if column.required and name not in head]:
        raise Unreadable(f"the column {missing[0]!r} is missing (names are case-sensitive)")
    if not any(f"c:retail_price_{code}:integer" in head for code in CURRENCIES):
        raise Unreadable("there is no column for a retail price")


def _head_remarks(head: Sequence[str]) -> Iterator[Finding]:
    for name in head:
        if name not in COLUMNS:
            yield Finding(None, "", name, "unknown_column", "no such column; it is passed over")


def _faults_of(number: int, row: Row) -> Iterator[Finding]:
    for name, cell in row.items():
        column = COLUMNS.get(name)
        if column is None:
            continue
        if not cell.strip():
            if column.required:
                yield Finding(number, row["id"], name, "required", "empty")
        elif fault := column.check(cell):
            yield Finding(number, row["id"], name, "format", fault)
    yield from _price_faults(number, row)
    yield from _title_faults(number, row)


def _price_faults(number: int, row: Row) -> Iterator[Finding]:
    if not any(row.get(f"c:retail_price_{code}:integer") for code in CURRENCIES):
        yield Finding(number, row["id"], "", "no_price", "no retail price in any currency")
    for code in CURRENCIES:
        name = f"c:discount_retail_price_{code}:integer"
        retail, discount = row.get(f"c:retail_price_{code}:integer", ""), row.get(name, "")
        if discount and not retail:
            yield Finding(number, row["id"], name, "discount", "a discount price without a retail price")
        elif retail.isdecimal() and discount.isdecimal() and int(discount) > int(retail):
            yield Finding(number, row["id"], name, "discount", "above the retail price")


def _title_faults(number: int, row: Row) -> Iterator[Finding]:
    parts = {"brand": [row["brand"]], "size": [row["size"]], "id": [row["id"]]}
    parts["color"] = [row["color"], *row["color"].split("/")]
    for name, words in parts.items():
        if any(_stands_in(word.strip(), row["title"]) for word in words):
            yield Finding(number, row["id"], "title", "title", f"holds the {name}")


def _stands_in(word: str, title: str) -> bool:
    """Whether a word stands in a title by itself; the T of a T-shirt is no size."""
    if not word or word.casefold() not in title.casefold():
        return False  # told at once, because most rows are right
    return re.search(rf"(?<![\w'’-]){re.escape(word)}(?![\w'’-])", title, re.IGNORECASE) is not None


def _repeated(number: int, row: Row, seen: Sequence[Counter[object]]) -> Iterator[Finding]:
    key = tuple(row[name] for name in KEY)
    values = (row["id"], key if all(key) else None, row.get("gtin"))
    for counter, name, value in zip(seen, ("id", "+".join(KEY), "gtin"), values, strict=True):
        if value:
            counter[value] += 1
            if counter[value] > 1:
                yield Finding(number, row["id"], name, "not_unique", "another row has the same")


# --- against the pull before -----------------------------------------------------------------------------------------


def _frozen(number: int, row: Row, live: Mapping[str, Live]) -> Iterator[Finding]:
    if before := live.get(row["id"]):
        for name in KEY:
            if row[name] != before.row[name]:
                words = f"was {before.row[name]!r} when it went live; the product is removed"
                yield Finding(number, row["id"], name, "frozen", words)


def _passed_over(number: int, row: Row, live: Mapping[str, Live]) -> Iterator[Finding]:
    if before := live.get(row["id"]):
        for name, cell in row.items():
            if name in COLUMNS and name not in _MOVING and cell != before.row.get(name, ""):
                words = "only stock and prices are updated while a row is live"
                yield Finding(number, row["id"], name, "not_updated", words)


def _vanished(there: set[str], live: Mapping[str, Live], now: datetime) -> Iterator[Finding]:
    for row_id, before in live.items():
        if row_id in there:
            continue
        if before.sold_out_since is None:
            yield Finding(None, row_id, STOCK, "vanished", "gone without having been sold out")
        elif now - before.sold_out_since < SOLD_OUT_STAYS:
            yield Finding(None, row_id, STOCK, "vanished", "gone less than an hour after it was sold out")


def take(verdict: Verdict, live: dict[str, Live], now: datetime) -> None:
    """Let what was accepted be live from now on; what was not there, or was refused, is live no more."""
    for row_id in live.keys() - verdict.accepted.keys():
        del live[row_id]
    for row_id, row in verdict.accepted.items():
        before = live.get(row_id)
        since = (before.sold_out_since if before else None) or now
        shown = dict(before.row) | {name: row[name] for name in _MOVING if name in row} if before else row
        live[row_id] = Live(shown, None if int(row[STOCK]) else since)


def as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as the book shows it."""
    return {
        "row": finding.row,
        "id": finding.id,
        "column": finding.column,
        "rule": finding.rule,
        "words": finding.words,
    }
