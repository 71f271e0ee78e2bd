"""Reading JSON of which nobody promised anything: what is not as expected is told by its place and its value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from crossdock.core.errors import BadAnswer
from crossdock.core.messages import RAW, WINDOW, Response, keepable
from crossdock.core.model import Money
from crossdock.core.redaction import SECRETS

SHOWN: Final = 200  # characters of a value within an error's text


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object that knows where it stands.

    Readers that may find nothing take null and a missing name for the same. No reader guesses: what is there and is
    something else raises BadAnswer, e.g. "Acme's order 12 of shop X, lines[0]: price is 'a' and no whole number."

    Args:
        value: the object, as `Response.json()` gave it.
        where: its place in the platform's words, the platform's title first: "Acme's order 12 of shop X".
        answer: the answer that it is from, where its whole is what a person needs to see beside an error.
    """

    value: Mapping[str, Any] = field(repr=False)
    where: str
    answer: Response | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, answer: Response, *, bare: str = "") -> Node:
        """Return the object that an answer holds.

        Args:
            answer: what `Http.request` returned.
            bare: the name to give to a list that may stand there without an object around it.

        Raises:
            BadAnswer: it is no JSON, or neither an object nor such a list.
        """
        value, where = answer.json(), f"{answer.method} {answer.url}"
        if bare and isinstance(value, list):
            value = {bare: value}
        if not isinstance(value, Mapping):
            raise cls({}, where, answer).fault(f"the answer is {shown(value)} and no object")
        return cls(value, where, answer)

    def fault(self, what: str) -> BadAnswer:
        """Return the error that says what is wrong here, for the plugin to raise; `raw` has the start of what came."""
        message = SECRETS.redact(f"{self.where}: {what}.")
        if self.answer is None:
            text = json.dumps(self.value, ensure_ascii=False, default=str)[:WINDOW]
            return BadAnswer(message, raw=keepable(SECRETS.redact(text))[:RAW])
        return BadAnswer(message, status=self.answer.status, raw=self.answer.excerpt(RAW), unclear=self.answer.unclear)

    def text(self, name: str) -> str:
        """Return a text, empty where there is none; a whole number is as good."""
        text = self.value.get(name)
        if text is None or type(text) in (str, int):
            return "" if text is None else str(text)
        raise self.fault(f"{name} is {shown(text)} and no text")

    def id(self, name: str = "id") -> str:
        """Return what names a thing: a text that is not empty, or a whole number as text."""
        if type(self.value.get(name)) in (str, int) and (text := self.text(name)):
            return text
        raise self.fault(f"{name} is {shown(self.value.get(name))} and no id")

    def whole(self, name: str) -> int:
        """Return a whole number; of minor units, `Money.from_minor` makes money."""
        number = self.value.get(name)
        if type(number) is not int:
            raise self.fault(f"{name} is {shown(number)} and no whole number")
        return number

    def decimal(self, name: str) -> Decimal:
        """Return an exact number: a number, or a text of digits with a point (`"12.50"`).

        A float (which `Response.json` never gives) is taken only where it is exactly what it says: 0.5, not 0.1.
        """
        number = self.value.get(name)
        said = str(number) if type(number) in (str, int, float) else number
        if isinstance(said, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", said):
            said = Decimal(said)
        if not isinstance(said, Decimal) or not said.is_finite() or (isinstance(number, float) and said != number):
            raise self.fault(f"{name} is {shown(number)} and no exact number")
        return said

    def amount(self, name: str, currency: str) -> Money:
        """Return money that is written in major units: `"12.50"` in PLN is 12.50 PLN.

        Args:
            name: where the number stands; see `decimal`.
            currency: ISO 4217 code.
        """
        return Money(amount=self.decimal(name), currency=currency)

    def currency(self, name: str = "currency") -> str:
        """Return an ISO 4217 code."""
        code = self.text(name)
        try:
            return Money.from_minor(0, code).currency
        except ValueError as error:
            raise self.fault(f"{name}: {error}") from None

    def time(self, *paths: str) -> datetime:
        """Return the first time that stands under one of these names, in UTC.

        Args:
            paths: names; `parentOrder.createdAt` is a name within the object `parentOrder`.

        Raises:
            BadAnswer: there is none, or it is no ISO 8601 time with an offset from UTC.
        """
        for path in paths:
            *parents, name = path.split(".")
            node = self
            for parent in parents:
                node = node.child(parent)
            if text := node.text(name):
                return self._utc(text)
        raise self.fault(f"no time under {' or '.join(paths)}")

    def child(self, name: str) -> Node:
        """Return an object within, an empty one where there is none (null, or empty in any type, as PHP writes it)."""
        value = self.value.get(name) or {}
        if not isinstance(value, Mapping):
            raise self.fault(f"{name} is {shown(value)} and no object")
        return Node(value, f"{self.where}, {name}", self.answer)

    def children(self, name: str, *, needed: bool = False) -> list[Node]:
        """Return the objects of a list within, none where there is none (null, or empty in any type).

        Args:
            name: where the list stands.
            needed: whether the list, be it an empty one, has to be there.
        """
        values = self.value.get(name)
        if not values and not needed:
            return []
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.fault(f"{name} is {shown(values)} and no list of objects")
        return [Node(value, f"{self.where}, {name}[{index}]", self.answer) for index, value in enumerate(values)]

    def items(self, name: str) -> list[Any]:
        """Return a list within as it came; it has to be there."""
        values = self.value.get(name)
        if not isinstance(values, list):
            raise self.fault(f"{name} is {shown(values)} and no list")
        return values

    def _utc(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.fault(f"{shown(text)} is no time") from None
        raise self.fault(f"the time {shown(text)} has no offset from UTC")


def shown(value: object) -> str:
    """Return a value as an error's text shows it: as Python writes it, long ones cut."""
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
