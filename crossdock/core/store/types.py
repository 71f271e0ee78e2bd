"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it; a backslash before would be text of its own

# SQLite counts rows by itself only in a column declared INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC in and out; naive time is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Take aware time only; SQLite keeps it without its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Amount(TypeDecorator[Decimal]):
    """Money as a whole number of 1/10000 (SQLite turns Numeric into float); its currency is a column of its own."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Take exact Decimals only, up to four places."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise ValueError(f"{value!r} is no Decimal")
        if not value.is_finite():
            raise ValueError(f"{value} is no amount")
        # Not by Decimal's arithmetic, which rounds to 28 digits.
        numerator, denominator = value.as_integer_ratio()
        units, rest = divmod(numerator * 10_000, denominator)
        if rest:
            raise ValueError(f"{value} has more than four decimal places")
        if not -(2**63) <= units < 2**63:
            raise ValueError(f"{value} is too large to be kept")
        return units

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Give the Decimal back, without needless zeros beyond two places."""
        return None if value is None else _amount(value)


@lru_cache(maxsize=10_000)  # few prices make up most lines
def _amount(units: int) -> Decimal:
    amount = Decimal(units).scaleb(-4)
    return amount.quantize(Decimal("0.01")) if units % 100 == 0 else amount.normalize()


class Key(TypeDecorator[str]):
    """Text compared byte by byte on both databases, so that order and equality are the same."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Take PostgreSQL's binary collation; SQLite's default is binary."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what no database keeps."""
        if value is not None and "\0" in value:
            raise ValueError("text has a NUL")
        return value


class Json(TypeDecorator[Any]):
    """A JSON value; Decimals and times must be text by now."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Take JSONB where there is one; None is NULL on both."""
        return dialect.type_descriptor(JSONB(none_as_null=True) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse NaN and foreign types; PostgreSQL's own type writes the text itself."""
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
        if "\\u0000" in text and _NUL.search(text):
            raise ValueError("text has a NUL")
        return value if dialect.name == "postgresql" else text

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Give the value back."""
        return json.loads(value) if dialect.name == "sqlite" and value is not None else value
