"""From offers to bytes, by the template or the function that a feed names."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from crossdock.core.errors import FeedError
from crossdock.core.model import Feed
from crossdock.feeds import xml

BATCH: Final = 30  # offers; bigger texts leave the processor's cache

Renderer = Callable[[Sequence[Mapping[str, str]]], list[bytes]]


def renderer(feed: Feed) -> Renderer:
    """Return what makes the bytes of each of some offers.

    Raises:
        FeedError: the feed names no template and no function.
    """
    if isinstance(feed.renderer, str):
        return partial(xml.items, xml.load(feed.renderer), context(feed))
    if not callable(feed.renderer):
        raise FeedError(f"{feed.renderer!r} is neither a template's name nor a function.", advice="Mend the plugin.")
    return partial(_by_function, feed.renderer, context(feed))


def context(feed: Feed) -> dict[str, Any]:
    """Return what templates and functions are told besides the offers: the names of fields, currencies by field."""
    return {
        "names": tuple(field.name for field in feed.fields),
        "currencies": {field.name: field.currency for field in feed.fields if field.currency},
    }


def _by_function(function: Any, told: Mapping[str, Any], offers: Sequence[Mapping[str, str]]) -> list[bytes]:
    items: list[bytes] = function(told, offers)
    if len(items) != len(offers):
        raise FeedError(f"{function.__name__} made {len(items)} item(s) of {len(offers)} offers.")
    return items


def fingerprint(feed: Feed, version: str) -> str:
    """Return what is the same as long as the same offers give the same bytes and pass the same checks.

    Args:
        feed: the file's description.
        version: of the plugin that gave it.
    """
    functions = [function for function in (feed.renderer, feed.check) if callable(function)]
    names = [function.__qualname__ for function in functions]
    template = feed.renderer if isinstance(feed.renderer, str) else ""
    plain = replace(feed, renderer=template, check=None)
    digest = hashlib.sha256(repr((plain, names, version)).encode())
    for file in sorted(Path(__file__).parent.rglob("*")):
        if file.suffix in (".py", ".xml"):
            digest.update(file.read_bytes())
    for function in functions:
        digest.update(inspect.getsource(inspect.getmodule(function) or function).encode())
    return digest.hexdigest()
