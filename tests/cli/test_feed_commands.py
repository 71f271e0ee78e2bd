"""`crossdock feed`."""

from __future__ import annotations

import json
import urllib.parse

import pytest
from command import Cli
from feed_shop import FeedShop

from crossdock.core.store import feeds


@pytest.fixture
def published(cli: Cli) -> Cli:
    """Give an installation with one shirt out at Google and one that has no price."""
    with cli.hub() as hub:
        shop = FeedShop(hub, "google")
        shop.list("SHIRT-1", units=4)
        shop.list("SHIRT-2", price="")
    assert cli("feed", "build", "shop").stdout.endswith("(feed of shop) is done: 2 seen, 1 added, 1 failed.\n")
    return cli


def test_what_is_out_is_shown(published: Cli) -> None:
    shown = published.json("feed", "show", "shop")
    assert (shown["market"], shown["link"], shown["last_fetched_at"]) == ("pl", None, None)
    assert (shown["out"]["rows"], shown["out"]["new"], shown["out"]["left_out"]) == (1, 1, 1)
    assert shown["faults"] == [{"effect": "left_out", "code": "no_price", "offers": 1}]


def test_the_link_is_made_printed_and_taken_away(published: Cli) -> None:
    assert "--renew" in published.complains("feed", "link", "shop")
    made = published("feed", "link", "shop", "--renew").stdout.strip()
    assert urllib.parse.urlsplit(made).path.endswith(".xml")
    assert published("feed", "link", "shop").stdout.strip() == made
    with published.hub() as hub, hub.store.read() as tx:
        assert feeds.current(tx, made.rpartition("/")[2].removesuffix(".xml")) is not None
    assert "Add --yes" in published.complains("feed", "link", "shop", "--revoke")
    assert published("feed", "link", "shop", "--revoke", "--yes").stdout == "Nobody can fetch the file any more.\n"
    assert "There is no link" in published.complains("feed", "link", "shop")


def test_a_password_is_shown_once(published: Cli) -> None:
    made = published.json("feed", "link", "shop", "--renew", "--user", "google")
    assert (made["user"], len(made["password"]) >= 32) == ("google", True)
    assert made["password"] not in published("feed", "show", "shop", "--json").stdout
    assert published.json("feed", "link", "shop") == {"link": made["link"], "user": "google", "password": None}
    again = published.json("feed", "link", "shop", "--renew", "--yes")
    assert (again["user"], again["link"] == made["link"]) == (None, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--renew", "--revoke"], "at once"),
        (["--user", "google"], "belongs to --renew"),
        (["--renew", "--user", "a:b"], "no user for HTTP Basic"),
        (["--market", "se"], "no feed for the market 'se'"),
    ],
)
def test_what_cannot_be_is_refused(published: Cli, options: list[str], words: str) -> None:
    assert words in published.complains("feed", "link", "shop", *options)


def test_versions_and_downloads_are_listed(published: Cli) -> None:
    log = published.json("feed", "log", "shop")
    assert [version["state"] for version in log["versions"]] == ["published"]
    assert log["downloads"] == []


def test_what_is_left_out_is_listed_with_its_remedy(published: Cli) -> None:
    found = json.loads(published("feed", "check", "shop", "--json", code=1).stdout)
    assert found == [
        {
            "sku": "SHIRT-2",
            "effect": "left_out",
            "code": "no_price",
            "field": "price",
            "value": "",
            "remedy": "Give the product a price, or the market a price policy.",
        }
    ]
    assert published("feed", "check", "shop", "--effect", "kept_back").stdout.startswith("shop: nothing")
    assert published("feed", "check", "shop", "--code", "missing", "--json").stdout.strip() == "[]"
    assert [row["sku"] for row in published.table("feed", "check", "shop", "--sku", "SHIRT-2", code=1)] == ["SHIRT-2"]
    assert "There is no 'lost'" in published.complains("feed", "check", "shop", "--code", "lost")


def test_why_an_offer_is_as_it_is(published: Cli) -> None:
    found = published.json("feed", "why", "shop", "SHIRT-1", "title")
    assert (found["in_the_file"], found["units"], found["faults"]) == (True, 4, [])
    (field,) = found["fields"]
    assert (field["field"], field["value"], field["published"]) == ("title", "SHIRT-1", "Linen shirt")
    left_out = published.json("feed", "why", "shop", "SHIRT-2")
    assert (left_out["in_the_file"], [fault["code"] for fault in left_out["faults"]]) == (False, ["no_price"])
    assert "no field 'taste'" in published.complains("feed", "why", "shop", "SHIRT-1", "taste")


def test_a_feed_that_is_not_built_yet_says_so(cli: Cli) -> None:
    with cli.hub() as hub:
        FeedShop(hub, "google")
    assert "has no offers file yet" in cli.complains("feed", "show", "shop")


def test_a_failed_build_ends_with_its_code(cli: Cli) -> None:
    with cli.hub() as hub:
        FeedShop(hub, "google")
        hub.accounts.disable("shop", "feed")
    assert "feed switched off" in cli("feed", "build", "shop", code=2).stderr
