"""The story that the README tells in Python is what happens: it is run against the twin, which plays the world."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import crossdock
from crossdock.core.store.orders import OrderState
from crossdock.twins.kit import serve
from crossdock.twins.miinto import FeedAddress, MiintoTwin
from crossdock.web.server import serving

README = Path(__file__).parents[2] / "README.md"
ENDPOINT = "http://127.0.0.1:8901"
PRODUCTS = """\
sku,name,product,gtin,color,size,price,currency,vat_rate_pl,quantity,image,fabric,description
TEE-S,Tee S,TEE,5901234123457,Navy,S,129.00,PLN,23,5,https://img.example.com/tee.jpg,Cotton,A tee
TEE-M,Tee M,TEE,5901234123464,Navy,M,129.00,PLN,23,0,https://img.example.com/tee.jpg,Cotton,A tee
"""
MAPPING = """\
[fields]
"title" = [{ constant = "Harbour tee" }]
"brand" = [{ constant = "Example Sport" }]
"madein" = [{ constant = "PT" }]
"material" = [{ expression = '{{ {"en_EN.utf8": attributes.fabric}|tojson }}' }]
"""


class World:
    """What happens outside while the story waits: Miinto fetches the file, and somebody buys."""

    def __init__(self, twin: MiintoTwin) -> None:
        self.twin = twin
        self.shop = twin.account.shop_in("pl")

    def __call__(self, prompt: str) -> str:
        (link,) = re.findall(r"http://\S+?\.tsv", prompt)
        with crossdock.open("shop/crossdock.toml") as hub, serving(hub) as server:
            self.twin.set_feed(self.twin.account.identifier, FeedAddress(url=server.url + urlsplit(link).path))
            (pull,) = self.twin.pull_feeds()
        assert (pull["fault"], pull["rejected"], pull["accepted"]) == (None, [], ["TEE-M", "TEE-S"])
        item = {"gtin": "5901234123457", "name": "Harbour tee", "brand": "Example Sport", "productId": "P-1"}
        self.twin.add_transfer(self.shop, [{"quantity": 2, "price": 12900, "item": item}])
        return ""


def test_the_story_of_the_readme_is_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("products.csv").write_text(PRODUCTS)
    Path("mapping.toml").write_text(MAPPING)
    (story,) = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert ENDPOINT in story
    assert len([line for line in story.splitlines() if line]) <= 20
    twin = MiintoTwin()
    world = World(twin)
    with serve(twin.app) as url:
        exec(story.replace(ENDPOINT, url), {"input": world})
    printed = capsys.readouterr().out.splitlines()
    jobs = {f"{job}: done" for job in ("feed", "offers", "orders", "stock")}
    assert {line.partition(",")[0] for line in printed} >= jobs
    assert "accept: done, {'added': 0, 'changed': 1, 'failed': 0, 'seen': 1, 'unchanged': 0}" in printed
    book = twin.book.as_dict()
    assert [(row["accept_calls"], row["status"]) for row in book["transfers"]] == [(1, "accepted")]
    assert {row["size"]: row["stock"] for row in book["stock"][world.shop]} == {"S": 3, "M": 0}
    with crossdock.open("shop/crossdock.toml") as hub:
        assert [order.state for order in hub.orders.list()] == [OrderState.OPEN]
