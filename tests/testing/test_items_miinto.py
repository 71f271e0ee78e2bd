"""Every item of the conformance kit against Miinto: plugin, engine and twin together."""

from __future__ import annotations

import pytest

from crossdock.testing import ITEMS, Item, Rehearsal


@pytest.mark.parametrize("item", ITEMS, ids=[item.id for item in ITEMS])
def test_item(item: Item, rehearsal: Rehearsal) -> None:
    assert item.check(rehearsal) > 0
