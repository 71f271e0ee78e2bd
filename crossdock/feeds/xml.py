"""XML by Jinja templates: about 30 offers at a time, every plain text escaped, items parted by U+001E.

A template writes one item. It runs in a sandbox and sees `offer`, a mapping of field name to text (write
`{{ offer['title'] }}`, which is twice as fast as `offer.title`), and what the feed gives as context. What it marks as
safe is left as it is; calls of macros have to be marked, as they are escaped otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import markupsafe
from jinja2 import PackageLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from crossdock.core.errors import FeedError

SEPARATOR: Final = "\x1e"
_END: Final = '{{ "\\x1e" }}'  # as an expression: beside a block, Jinja would take it for a blank
_LOADER: Final = PackageLoader("crossdock.feeds")


def _escaped(value: Any) -> Any:
    """Escape what is no markup yet; autoescape would make an object of each text, which takes half of all time."""
    if type(value) is str:
        return _escape_text(value)
    return value if type(value) is Markup else str(escape(value))


def _escape_slowly(value: str) -> str:
    return str(escape(value))


# Markupsafe's own function in C, without the object around it; the name is not public, so it may be missing.
_escape_text: Final[Callable[[str], str]] = getattr(markupsafe, "_escape_inner", _escape_slowly)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=_LOADER,
        finalize=_escaped,
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def load(name: str) -> Template:
    """Return a template of `crossdock/feeds/templates`.

    Raises:
        FeedError: there is none of this name, or it is no template.
    """
    try:
        # One render loops over many offers: calling a template costs more than what it does for one.
        return _environment().from_string(f"{{% for offer in offers %}}{source(name)}{_END}{{% endfor %}}")
    except TemplateError as error:
        raise FeedError(f"The template {name!r} cannot be used: {error}.", advice="Mend the plugin.") from None


def source(name: str) -> str:
    """Return the text of a template as it was written."""
    return _LOADER.get_source(_environment(), name)[0]


def items(template: Template, context: Mapping[str, Any], offers: Sequence[Mapping[str, str]]) -> list[bytes]:
    """Return the bytes of each offer.

    Raises:
        FeedError: the template failed, or gave another number of items.
    """
    try:
        text = template.render(offers=offers, **context)
    except (TemplateError, TypeError, KeyError, ArithmeticError, ValueError) as error:
        raise FeedError(f"The template of the offers file failed: {error}.", advice="Mend the template.") from None
    *parts, _ = text.split(SEPARATOR)
    if len(parts) != len(offers):
        raise FeedError(f"The template of the offers file made {len(parts)} item(s) of {len(offers)} offers.")
    return [part.encode() for part in parts]
