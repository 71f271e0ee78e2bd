"""Reading what a client sent: queries and bodies, every fault of them answered 400."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from crossdock.twins.kit import Refused
from crossdock.twins.miinto.book import Variant

STATUSES = ("pending", "accepted", "declined")
PAGE = 50
# A plus sign that is not percent-encoded arrives as a blank.
NEWEST_FIRST = {"createdAt": False, "+createdAt": False, " createdAt": False, "-createdAt": True}
SHIPPING = {"trackAndTrace": (str,), "shippingProviderId": (str, int)}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of a list call."""

    statuses: tuple[str, ...]
    newest_first: bool
    limit: int
    offset: int
    text: str | None

    @classmethod
    def parse(cls, query: str, *, searchable: bool) -> ListQuery:
        values: dict[str, str] = {}
        statuses: list[str] = []
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name == "status[]":
                statuses.append(value)
            elif name in {"sort", "limit", "offset"} or (searchable and name == "query"):
                values[name] = value
            else:
                raise Refused(400, f"unknown query parameter {name!r}")
        if unknown := sorted(set(statuses) - set(STATUSES)):
            raise Refused(400, f"unknown status {', '.join(unknown)}")
        sort = values.get("sort", "createdAt")
        if sort not in NEWEST_FIRST:
            raise Refused(400, f"unknown sort {sort!r}")
        limit, offset = (_count(name, values.get(name, default)) for name, default in (("limit", PAGE), ("offset", 0)))
        return cls(tuple(statuses) or STATUSES, NEWEST_FIRST[sort], limit, offset, values.get("query"))


@dataclass(frozen=True, slots=True)
class Decision:
    """The body of a PATCH of a transfer or an order: position ids, with the shipping fields sent beside them."""

    accepted: dict[int, dict[str, Any]]
    declined: dict[int, dict[str, Any]]

    @classmethod
    def parse(cls, body: bytes, *, shipping: bool) -> Decision:
        value = parse_json(body)
        if (
            not isinstance(value, Mapping)
            or not value
            or not value.keys() <= {"acceptedPositions", "declinedPositions"}
        ):
            raise Refused(400, "send acceptedPositions, declinedPositions or both, and nothing else")
        fields = SHIPPING if shipping else {}
        accepted = _positions(value, "acceptedPositions", fields)
        declined = _positions(value, "declinedPositions", {})
        if both := accepted.keys() & declined.keys():
            raise Refused(400, f"positions {sorted(both)} are both accepted and declined")
        return cls(accepted, declined)

    def must_be_among(self, known: Mapping[int, object]) -> None:
        if unknown := sorted((self.accepted.keys() | self.declined.keys()) - known.keys()):
            raise Refused(400, f"unknown positions {unknown}")


def parse_levels(body: bytes) -> list[tuple[Variant, int]]:
    """Read the body of a stock PATCH."""
    rows = parse_json(body)
    if not isinstance(rows, list):
        raise Refused(400, "the body is an array of stock levels")
    return [_level(number, row) for number, row in enumerate(rows)]


def parse_json(body: bytes) -> Any:
    """Read any JSON body."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None


def _count(name: str, value: str | int) -> int:
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise Refused(400, f"{name} is a whole number from 0 up, not {value!r}")
    return int(value)


def _positions(body: Mapping[str, Any], key: str, fields: Mapping[str, tuple[type, ...]]) -> dict[int, dict[str, Any]]:
    if key not in body:
        return {}
    rows = body[key]
    if not isinstance(rows, list) or not rows:
        raise Refused(400, f"{key} is an array with at least one position; leave an empty one out")
    positions: dict[int, dict[str, Any]] = {}
    for row in rows:
        row = {"id": row} if type(row) is int else row
        if not isinstance(row, Mapping) or type(row.get("id")) is not int or not row.keys() <= {"id", *fields}:
            raise Refused(400, f"{key}: {row!r} is no position")
        rest = {name: value for name, value in row.items() if name != "id"}
        if wrong := [name for name, value in rest.items() if type(value) not in fields[name]]:
            raise Refused(400, f"{key}: {', '.join(wrong)} of {row!r} is of the wrong type")
        positions[row["id"]] = rest
    return positions


def _level(number: int, row: object) -> tuple[Variant, int]:
    if not isinstance(row, Mapping) or row.keys() != {"stock", *Variant._fields}:
        raise Refused(400, f"item {number} is not an object of stock, {', '.join(Variant._fields)}")
    stock, variant = row["stock"], Variant(*(row[name] for name in Variant._fields))
    if type(stock) is not int or stock < 0:
        raise Refused(400, f"item {number}: stock is a whole number from 0 up, not {stock!r}")
    if not all(isinstance(part, str) for part in variant):
        raise Refused(400, f"item {number}: {', '.join(Variant._fields)} are texts")
    return variant, stock
