"""The results of a batch: what a platform took, and what it, or the plugin before it was sent, refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from crossdock.core.errors import Rejected
from crossdock.core.model import Result, StatusUpdate, StockLevel

Item = TypeVar("Item", StockLevel, StatusUpdate)


def send_batch(items: Sequence[Item], send: Callable[[Sequence[Item]], object]) -> list[Result]:
    """Send items together, or one by one where they are refused together: one unknown item must not hold back all.

    Args:
        items: at most as many as the plugin's limits say.
        send: sends items, all or none, and raises Rejected where that is refused.

    Returns:
        One result for each item, in their order. Any other error of `send` is raised: what was sent before it is
        pending still, and is sent again.
    """
    try:
        send(items)
    except Rejected as error:
        if len(items) == 1:
            return [refused(items[0], error)]
        return [result for item in items for result in send_batch([item], send)]
    return [_result(item, accepted=True) for item in items]


def refused(item: StockLevel | StatusUpdate, error: Rejected) -> Result:
    """Return the result of an item that was refused."""
    code, words = error.code or str(error.status or ""), error.words or error.message
    return _result(item, accepted=False, code=code, words=words)


def _result(item: StockLevel | StatusUpdate, *, accepted: bool, code: str = "", words: str = "") -> Result:
    """Return a result under the name that the engine knows the item by."""
    if isinstance(item, StockLevel):
        return Result(item=item.offer.id, warehouse=item.warehouse, accepted=accepted, code=code, words=words)
    return Result(item=item.order.value, accepted=accepted, code=code, words=words)
