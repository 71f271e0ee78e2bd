"""Expressions of a seller: Jinja with the power to make a text of texts, and nothing else.

Whoever may write a rule must not be able to stop a build. There are no loops, macros or assignments, a text cannot be
multiplied, what widens a text is limited, and attributes of Python objects are out of reach; so an evaluation takes
no longer than the expression and its texts are long, and no clock is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NoReturn
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST: Final = 2_000  # characters of an expression
LARGEST: Final = 100_000  # characters of a text on the way, and of the result
WIDEST: Final = 1_000  # a whole number that a method is given

# Of Jinja's own filters, those whose result is not longer than what they are given.
PLAIN_FILTERS: Final = (
    "abs capitalize d default first float last length list lower reverse sort string striptags title trim truncate "
    "unique upper"
).split()
METHODS: Final = frozenset(
    "capitalize count endswith find isalnum isalpha isdigit lower lstrip partition removeprefix removesuffix "
    "rpartition rstrip split splitlines startswith strip title upper zfill".split()
)
# What an expression can raise once it is compiled; anything else would be a fault of ours.
FAILURES: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class NothingThere(Exception):
    """The expression needs something that this offer does not have."""


class BadExpression(ValueError):
    """The expression cannot be compiled, or fails."""


class _Missing(StrictUndefined):
    """What is not there: may be asked for with `if` and `default`, but never written."""

    def __bool__(self) -> bool:  # type: ignore[override]
        return False


Expression = Callable[[Mapping[str, Any]], str]


def compile_expression(text: str, variables: Sequence[str]) -> Expression:
    """Return a function that evaluates an expression.

    Args:
        text: the expression as Jinja writes it: `{{ name }} {{ attributes.size }}`.
        variables: the names that it may use.

    Returns:
        A function of the values by name. It raises NothingThere where a value is missing that is to be written, and
        BadExpression where the evaluation fails or its result is too long.

    Raises:
        BadExpression: with what is wrong, and in which line.
    """
    if len(text) > LONGEST:
        raise BadExpression(f"it has {len(text)} characters; {LONGEST} are allowed")
    try:
        tree = _ENVIRONMENT.parse(text)
        faults = [*_faults(tree, variables)]
        template = None if faults else _ENVIRONMENT.from_string(tree)
    except (TemplateError, SyntaxError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        said = getattr(error, "message", None) or error
        raise BadExpression(f"{said}" + (f" (line {line})" if line else "")) from None
    if template is None:
        raise BadExpression("; ".join(faults))
    render = template.render

    def evaluate(values: Mapping[str, Any]) -> str:
        try:
            result = render(values).strip()
        except UndefinedError as error:
            raise NothingThere(str(error)) from None
        except FAILURES as error:
            raise BadExpression(f"{error}" or type(error).__name__) from None
        if len(result) > LARGEST or "\0" in result:
            raise BadExpression(f"it gives {len(result)} characters, or a NUL; {LARGEST} characters are allowed")
        return result

    return evaluate


def _faults(tree: nodes.Template, variables: Sequence[str]) -> Iterator[str]:
    for statement in tree.find_all(nodes.Stmt):
        if not isinstance(statement, nodes.Output | nodes.If):
            yield f"{type(statement).__name__.lower()} is not allowed here (line {statement.lineno}); only if is"
    unknown = sorted({name.name for name in tree.find_all(nodes.Name)} - {*variables})
    if unknown:
        yield f"{', '.join(unknown)}: there is no such value; there are {', '.join(variables)}"


# --- the sandbox -----------------------------------------------------------------------------------------------------


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset("+ - * / // % **".split())

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (operator in "*%" and not (_is_number(left) and _is_number(right))):
            raise SecurityError(f"{operator} is for numbers only" if operator != "**" else "** is not allowed")
        # A literal such as 1.2 is a float, and money is not.
        if isinstance(left, Decimal) and isinstance(right, float):
            right = Decimal(str(right))
        elif isinstance(left, float) and isinstance(right, Decimal):
            left = Decimal(str(left))
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, str) and attr in METHODS

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return self.getitem(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        # An attribute called `items` is an attribute, not a method.
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(f"{argument} is empty")
        return super().getitem(obj, argument)

    def wrap_str_format(self, value: Any) -> None:
        # Jinja would let `format` through, which widens a text as far as it is told to.
        return None

    def call(self, context: Context, obj: Any, /, *arguments: Any, **named: Any) -> Any:
        if any(isinstance(value, int) and abs(value) > WIDEST for value in (*arguments, *named.values())):
            raise SecurityError(f"a number above {WIDEST} is not allowed there")
        return super().call(context, obj, *arguments, **named)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal)


def _written(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else "" if value is None else value


# --- filters ---------------------------------------------------------------------------------------------------------


def _replace(value: object, old: str, new: str) -> str:
    text = str(value)
    if len(text) + text.count(old) * len(new) > LARGEST:
        raise SecurityError(f"replace would give more than {LARGEST} characters")
    return text.replace(old, new)


def _urlencode(value: object) -> str:
    """Percent-encode the path of an address, or one on each line."""
    path = quote(str(value), safe="/\n")
    if len(path) > LARGEST:
        raise SecurityError(f"urlencode would give more than {LARGEST} characters")
    return path


def _join(values: Sequence[object], separator: str = "") -> str:
    parts = [str(value) for value in values]
    if sum(map(len, parts)) + len(separator) * len(parts) > LARGEST:
        raise SecurityError(f"join would give more than {LARGEST} characters")
    return separator.join(parts)


def _split(value: object, separator: str | None = None) -> list[str]:
    return [part.strip() for part in str(value).split(separator)]


def _decimal(value: object) -> Decimal:
    if not isinstance(value, str | int | float | Decimal):
        _refuse(value, "number")
    return Decimal(str(value).strip().replace(",", "."))


def _round(value: object, digits: int = 0) -> Decimal:
    if not 0 <= digits <= 10:
        raise SecurityError("round takes 0 to 10 digits")
    return _decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _int(value: object) -> int:
    number = _decimal(value)
    if abs(number) > 10**18:
        raise SecurityError("the number is too large")
    return int(number)


def _tojson(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=lambda part: _refuse(part, "JSON"))


def _refuse(value: object, kind: str) -> NoReturn:
    str(value)  # what is missing says so by itself, and is no fault
    raise TypeError(f"{value!r} is no {kind}")


def _sandbox() -> _Sandbox:
    # Not optimised: nothing may be evaluated while an expression is compiled.
    environment = _Sandbox(undefined=_Missing, autoescape=False, optimized=False, finalize=_written, cache_size=0)
    environment.globals.clear()
    environment.policies["truncate.leeway"] = 0
    environment.filters = {name: FILTERS[name] for name in PLAIN_FILTERS} | {
        "number": _decimal,
        "int": _int,
        "join": _join,
        "replace": _replace,
        "round": _round,
        "split": _split,
        "tojson": _tojson,
        "urlencode": _urlencode,
    }
    return environment


_ENVIRONMENT: Final = _sandbox()
