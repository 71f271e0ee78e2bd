"""What may stand in an offers file: each field of each offer, and what has to be unique among all of them."""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import compress
from operator import call
from typing import Final

from crossdock.core.model import FaultCode, Feed, FeedField, FieldFault, FieldKind

Test = Callable[[str], object]

SHOWN: Final = 200  # characters of a value that is told

# RFC 3986: an address is ASCII; all else has to be percent-encoded.
_CHARACTERS = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})"
_URL: Final = re.compile(
    rf"https?://[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?(?::[0-9]{{1,5}})?(?:/{_CHARACTERS}*)?"
    rf"(?:\?(?:{_CHARACTERS}|\?)*)?(?:#(?:{_CHARACTERS}|\?)*)?",
    re.ASCII,
)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_STOCK: Final = re.compile(r"[0-9]+", re.ASCII)
_MINOR_UNITS: Final = re.compile(r"[1-9][0-9]*", re.ASCII)
_UNITS: Final = re.compile(r"(?!0+\.0+$)[0-9]+\.[0-9]{2,4}", re.ASCII)
_GTIN: Final = re.compile(r"[0-9]{8}|[0-9]{12,14}", re.ASCII)

# ISO 3166-1 alpha-2, officially assigned codes (2024).
COUNTRIES: Final = frozenset(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA "
    "CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA "
    "GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
    "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS "
    "MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
    "RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW".split()
)

# What XML 1.0 forbids (section 2.2): most control characters, surrogates, U+FFFE and U+FFFF.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CONTROLS: Final = bytes(code for code in range(32) if code not in b"\t\n\r")

_REMEDIES: Final = {
    FaultCode.MISSING: "Give it a value: in the catalogue, or by a rule.",
    FaultCode.NO_PRICE: "Give the product a price, or the market a price policy.",
    FaultCode.NO_STOCK: "Count the product; an unknown quantity is not sent as zero.",
    FaultCode.TOO_LONG: "Shorten it to {limit} characters.",
    FaultCode.BAD_URL: "Write an http or https address, percent-encoded.",
    FaultCode.BAD_GTIN: "Write the 8, 12, 13 or 14 digits under the barcode; the last one is a check digit.",
    FaultCode.NOT_A_CHOICE: "Use one of: {choices}.",
    FaultCode.NOT_UNIQUE: "Another offer of the file has the same {key}; change one of them.",
    FaultCode.FROZEN: "It must not change while the offer is live. End the offer, wait until it left, list it anew.",
    FaultCode.FORBIDDEN_TEXT: "Take out the control characters.",
}
_FORMATS: Final = {
    FieldKind.INTEGER: "Write a whole number.",
    FieldKind.STOCK: "Write a whole number, 0 or above.",
    FieldKind.COUNTRY: "Write the two letters of the country (ISO 3166-1), in capitals.",
    FieldKind.JSON: 'Write a JSON object, such as {"en_EN.utf8": "cotton"}.',
    FieldKind.PRICE: "Write an amount above zero.",
}


class Checker:
    """Checks the fields of one offer after another.

    Args:
        feed: what the file looks like.
    """

    def __init__(self, feed: Feed) -> None:
        self._names = tuple(field.name for field in feed.fields)
        self._stock = tuple(field.name for field in feed.fields if field.kind is FieldKind.STOCK)
        tested = [(field.name, field, field.required, _tests(field)) for field in feed.fields]
        self._fields = [item for item in tested if item[2] or item[3]]
        self._tested = [item for item in tested if item[3]]
        tests = [(name, passes) for name, _, _, found in tested for _, passes in found]
        self._test_names, self._tests = [name for name, _ in tests], [passes for _, passes in tests]
        self._blank = dict.fromkeys(self._names, "")
        self._required = [item[0] for item in tested if item[2]]
        self._frozen = [field for field in feed.fields if field.frozen]
        self._key = feed.key
        self._own = feed.check

    def fill(self, fields: Mapping[str, str], units: int) -> dict[str, str]:
        """Return every field of the file: those of the offer, the stock, and empty text for the rest."""
        if fields.keys() <= self._blank.keys():
            filled = {**self._blank, **fields}
        else:
            filled = {name: fields.get(name, "") for name in self._names}
        for name in self._stock:
            filled[name] = str(units)
        return filled

    def faults(self, fields: Mapping[str, str]) -> Iterator[FieldFault]:
        """Yield what is wrong with an offer: the first fault of each field, then what the plugin says."""
        complete = all(map(str.strip, map(fields.__getitem__, self._required)))
        if not complete or not self._passes(fields):
            yield from self._faults_of_fields(fields, complete)
        if self._own is not None:
            yield from self._own(fields)

    def _passes(self, fields: Mapping[str, str]) -> bool:
        """Whether what is there passes all tests: most offers do, and no step of Python is spent on each test."""
        values = [*map(fields.__getitem__, self._test_names)]
        return all(map(call, compress(self._tests, values), compress(values, values)))

    def _faults_of_fields(self, fields: Mapping[str, str], complete: bool) -> Iterator[FieldFault]:
        for name, field, required, tests in self._tested if complete else self._fields:
            value = fields[name]
            if not value or (required and value.isspace()):
                if required:
                    yield fault(_MISSING.get(field.kind, FaultCode.MISSING), field)
                continue
            for code, passes in tests:
                if not passes(value):
                    yield fault(code, field, value)
                    break

    def thaws(self, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[FieldFault]:
        """Yield the frozen fields that are not what they were."""
        for field in self._frozen:
            if before.get(field.name, "") != now[field.name]:
                yield fault(FaultCode.FROZEN, field, f"{before.get(field.name, '')} -> {now[field.name]}")

    def clean(self, fields: dict[str, str]) -> Iterator[FieldFault]:
        """Take out the characters that XML 1.0 forbids, in place; yield the required fields that had some."""
        if is_clean("".join(fields.values())):
            return
        required = {name: field for name, field, required, _ in self._fields if required}
        for name, value in fields.items():
            cleaned = _FORBIDDEN.sub("", value)
            if cleaned != value:
                fields[name] = cleaned
                if name in required:
                    yield fault(
                        FaultCode.FORBIDDEN_TEXT, required[name], _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)
                    )

    def key(self, fields: Mapping[str, str]) -> int:
        """Return a number that stands for what must be unique; 0 where nothing must."""
        if not self._key:
            return 0
        text = "\x1f".join([fields.get(name, "") for name in self._key])
        return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big") or 1

    def not_unique(self, fields: Mapping[str, str]) -> FieldFault:
        """Return the fault of an offer whose key another one has."""
        shown = " / ".join(fields.get(name, "") for name in self._key)
        remedy = _REMEDIES[FaultCode.NOT_UNIQUE].format(key=" + ".join(self._key))
        return FieldFault(code=FaultCode.NOT_UNIQUE, field=self._key[0], value=shown[:SHOWN], remedy=remedy)


_MISSING: Final = {FieldKind.PRICE: FaultCode.NO_PRICE, FieldKind.STOCK: FaultCode.NO_STOCK}


def fault(code: FaultCode, field: FeedField, value: str = "") -> FieldFault:
    """Return a fault of a field with what can be done about it."""
    template = _REMEDIES.get(code) or field.help or _FORMATS.get(field.kind, f"It has to match {field.pattern}.")
    remedy = (
        template if code not in _REMEDIES else template.format(limit=field.max_length, choices=", ".join(field.choices))
    )
    if code is FaultCode.BAD_GTIN and field.pattern:
        remedy = field.help or f"It has to match {field.pattern}."
    return FieldFault(code=code, field=field.name, value=value[:SHOWN], remedy=remedy)


def is_clean(text: str) -> bool:
    """Whether XML 1.0 takes every character of a text."""
    if "\ufffe" in text or "\uffff" in text:
        return False
    try:
        plain = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return len(plain.translate(None, _CONTROLS)) == len(plain)


# --- fields ----------------------------------------------------------------------------------------------------------


def value_fault(field: FeedField, value: str) -> FieldFault | None:
    """Return what is wrong with a value by itself, whatever else the offer says; None where it may stand there."""
    failed = (code for code, passes in _tests(field) if not passes(value))
    return next((fault(code, field, value) for code in failed), None)


def _tests(field: FeedField) -> list[tuple[FaultCode, Test]]:
    tests = list(_tests_of_kind(field))
    if field.max_length is not None:
        tests.append((FaultCode.TOO_LONG, re.compile(rf"(?s:.{{0,{field.max_length}}})").fullmatch))
    if field.pattern is not None and field.kind is not FieldKind.GTIN:
        tests.append((FaultCode.BAD_FORMAT, re.compile(field.pattern).fullmatch))
    if field.choices:
        tests.append((FaultCode.NOT_A_CHOICE, frozenset(field.choices).__contains__))
    return tests


def _tests_of_kind(field: FeedField) -> Iterable[tuple[FaultCode, Test]]:
    if field.kind is FieldKind.GTIN:
        # A platform's own rule stands in place of the general one.
        yield FaultCode.BAD_GTIN, re.compile(field.pattern).fullmatch if field.pattern else is_gtin
    if field.kind is FieldKind.URL:
        yield FaultCode.BAD_URL, _URL.fullmatch
    if field.kind is FieldKind.URLS:
        separator = field.separator
        yield FaultCode.BAD_URL, lambda value: all(map(_URL.fullmatch, value.split(separator)))
    if field.kind is FieldKind.PRICE:
        yield FaultCode.BAD_FORMAT, (_MINOR_UNITS if field.minor else _UNITS).fullmatch
    formats: dict[FieldKind, Test] = {
        FieldKind.INTEGER: _INTEGER.fullmatch,
        FieldKind.STOCK: _STOCK.fullmatch,
        FieldKind.COUNTRY: COUNTRIES.__contains__,
        FieldKind.JSON: is_json_object,
    }
    if field.kind in formats:
        yield FaultCode.BAD_FORMAT, formats[field.kind]


def is_gtin(value: str) -> bool:
    """Whether it is a GTIN: 8, 12, 13 or 14 digits, the last one a check digit (GS1 General Specifications)."""
    if not _GTIN.fullmatch(value):
        return False
    digits = [int(digit) for digit in reversed(value)]
    return (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


@lru_cache(maxsize=2000)  # many offers are made of the same
def is_json_object(value: str) -> bool:
    """Whether it is a JSON object."""
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


# --- the whole -------------------------------------------------------------------------------------------------------


class Keys:
    """Numbers that were seen: a set in a fixed, small memory.

    Args:
        room: how many there will be at most; it grows by itself beyond that.
    """

    def __init__(self, room: int) -> None:
        self._slots = array("Q", bytes(8 * _slots(room)))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, key: int) -> bool:
        """Take a number above zero in; return whether it was new."""
        slot = self._slot(key)
        if self._slots[slot] == key:
            return False
        self._slots[slot] = key
        self._used += 1
        if 3 * self._used > 2 * len(self._slots):
            self._grow()
        return True

    def __contains__(self, key: int) -> bool:
        return self._slots[self._slot(key)] == key

    def _slot(self, key: int) -> int:
        slots, mask = self._slots, len(self._slots) - 1
        slot = key & mask
        while slots[slot] and slots[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        before = self._slots
        self._slots = array("Q", bytes(8 * 2 * len(before)))
        for key in before:
            if key:
                self._slots[self._slot(key)] = key


def _slots(room: int) -> int:
    """Return a power of two that is filled by half at most."""
    return 1 << max(4, (2 * room - 1).bit_length())
