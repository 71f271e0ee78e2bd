"""Tab-separated values: UTF-8, LF, a header row; cells with quotes are quoted, and the quotes in them doubled.

No cell holds a raw tab or line end: they become spaces, so that no reader can take one row for two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from crossdock.core.model import FeedField

MEDIA_TYPE: Final = "text/tab-separated-values; charset=utf-8"

# Cells are joined by U+001F, which no clean text holds; in one pass that becomes the tab, and what breaks rows a space.
_JOINT: Final = "\x1f"
_BREAKS: Final = bytes.maketrans(b"\x1f\t\n\r", b"\t   ")


def head(fields: Iterable[FeedField]) -> bytes:
    """Return the header row."""
    return _row([field.name for field in fields])


def rows(context: Mapping[str, Any], offers: Sequence[Mapping[str, str]]) -> list[bytes]:
    """Return one row for each offer, with the fields in the order of the file."""
    names = context["names"]
    return [_row([offer[name] for name in names]) for offer in offers]


def _row(cells: list[str]) -> bytes:
    text = _JOINT.join(cells)
    if '"' in text:
        text = _JOINT.join(['"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in cells])
    return text.encode().translate(_BREAKS) + b"\n"
