"""The lists of one shop, kept in order, so that a page costs what the page holds and no more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from heapq import merge
from typing import NamedTuple


class Key(NamedTuple):
    """Where a transfer or an order stands in a list: by the moment of its creation, then by id."""

    created_at: datetime
    id: int


class Listing:
    """Keys by status, oldest first."""

    def __init__(self) -> None:
        self._keys: defaultdict[str, list[Key]] = defaultdict(list)

    def add(self, status: str, key: Key) -> None:
        insort(self._keys[status], key)

    def remove(self, status: str, key: Key) -> None:
        keys = self._keys[status]
        del keys[bisect_left(keys, key)]

    def page(
        self, statuses: Sequence[str], until: datetime, *, newest_first: bool, offset: int, limit: int
    ) -> tuple[list[int], int]:
        """Return the ids on one page and the number of all rows with these statuses that exist at that moment."""
        if len(statuses) == 1:
            keys = self._keys[statuses[0]]
        else:
            keys = list(merge(*(self._keys[status] for status in set(statuses))))
        total = bisect_right(keys, until, key=lambda key: key.created_at)
        if newest_first:
            end = max(0, total - offset)
            return [key.id for key in reversed(keys[max(0, end - limit) : end])], total
        return [key.id for key in keys[offset : min(total, offset + limit)]], total
