"""The Miinto twin, held against the reference sheet by a signing function of its own."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.twins.kit import Fault, FaultKind, VirtualClock, serve
from crossdock.twins.miinto import MiintoTwin, NewTransfer, Rivals, SignedRequest, Switches
from crossdock.twins.miinto.listing import Key, Listing

START = datetime(2024, 3, 1, 7, tzinfo=UTC)
AUTH_TYPE = "MNT-HMAC-SHA256-1-0"
PENDING = "?status%5B%5D=pending"

VECTORS = {
    "A": (
        "GET",
        "api-order.miinto.net",
        "/shops/1-m!i!s-048-1234/transfers",
        "status%5B%5D=pending&sort=-createdAt",
        b"",
        "0fd3d206c99c881c5fd4d2fbaed0c57242215658babb2b35e09a965143a61582",
    ),
    "B": (
        "PATCH",
        "api-order.miinto.net",
        "/shops/1-m!i!s-048-1234/transfers/5501",
        "",
        b'{"acceptedPositions":[{"id":901}],"declinedPositions":[{"id":902}]}',
        "e5c8f37ddd3162e065b21ade0913c9d45a706900af66994fb8453e744a565eb6",
    ),
    "C": (
        "PATCH",
        "api-stock.miinto.net",
        "/locations/1-m!i!s-048-1234/items",
        "",
        b'[{"stock": 3, "group": "ABC012346", "brand": "Acme", "color": "Black", "size": "M"}]',
        "1a35162b2b20bb7ac037d8964f633e0a91ccc789bd9c36b7c8e0c27aff56f60b",
    ),
}
EXAMPLE_CHANNEL = "EXAMPLE!Channel!v1!0000000042-0123456789abc-000000001"
EXAMPLE_TOKEN = "00112233445566778899aabbccddeeff00112233"


def sign(
    token: str, channel: str, timestamp: str, seed: str, method: str, host: str, path: str, query: str, body: bytes
) -> str:
    """Sign as section 3.2 of the sheet says; shares nothing with the twin."""

    def digest(text: str | bytes) -> str:
        return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()

    resource = digest(f"{method}\n{host}\n{path}\n{query}")
    header = digest(f"{channel}\n{timestamp}\n{seed}\n{AUTH_TYPE}")
    message = f"{resource}\n{header}\n{digest(body)}"
    return hmac.digest(token.encode(), message.encode(), "sha256").hex()


class Hub:
    """A client of the twin: opens a channel and signs."""

    def __init__(self, twin: MiintoTwin, http: httpx.Client) -> None:
        self.twin = twin
        self.http = http
        self.shop = twin.account.shop_in("pl")
        self.channel: dict[str, Any] = {}
        self.host: str | None = None
        self._seeds = itertools.count(1)

    def log_in(self) -> Hub:
        account = self.twin.account
        answer = self.http.post("/channels", json={"identifier": account.identifier, "secret": account.secret})
        assert answer.json()["meta"] == {"status": "success", "version": "1.0"}
        self.channel = answer.json()["data"]
        return self

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        at: datetime | None = None,
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = self.http.build_request(method, path, content=content)
        sent_path, _, query = request.url.raw_path.decode().partition("?")
        timestamp, seed = str(int((at or self.twin.clock.now()).timestamp())), str(next(self._seeds))
        identity = (self.channel["token"], self.channel["id"], timestamp, seed)
        signature = sign(*identity, method, self.host or request.url.host, sent_path, query, content)
        request.headers.update(
            {
                "Miinto-Api-Auth-ID": self.channel["id"],
                "Miinto-Api-Auth-Signature": signature,
                "Miinto-Api-Auth-Timestamp": timestamp,
                "Miinto-Api-Auth-Seed": seed,
                "Miinto-Api-Auth-Type": AUTH_TYPE,
                "Miinto-Api-Control-Flavour": "Miinto-Generic",
                "Miinto-Api-Control-Version": "2.6",
                "Content-Type": "application/json",
                **(headers or {}),
            }
        )
        return self.http.send(request)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def listed(self, kind: str, query: str = PENDING, shop: str | None = None) -> tuple[list[int], int]:
        """Return the ids on a page and the total count."""
        answer = self.call("GET", f"/shops/{shop or self.shop}/{kind}{query}").json()
        assert answer["meta"]["status"] == "success", answer
        return [row["id"] for row in answer["data"]], answer["meta"]["totalItemCount"]

    def decide(
        self, transfer: int, accepted: list[Any] | None = None, declined: list[Any] | None = None
    ) -> httpx.Response:
        body = {"acceptedPositions": accepted, "declinedPositions": declined}
        path = f"/shops/{self.shop}/transfers/{transfer}"
        return self.call("PATCH", path, {key: value for key, value in body.items() if value is not None})

    def accept(self, transfer: int) -> int | None:
        """Accept everything that is pending; return the new order's id."""
        positions = [{"id": position.id} for position in self.twin.book.transfers[transfer].pending]
        order = self.decide(transfer, accepted=positions).json()["data"].get("newOrder")
        return order and order["id"]


@contextmanager
def using(twin: MiintoTwin) -> Iterator[Hub]:
    with serve(twin.app) as url, httpx.Client(base_url=url, timeout=10, verify=False) as http:
        yield Hub(twin, http).log_in()


def goods(count: int = 1, price: int = 29900) -> list[dict[str, Any]]:
    item = {"name": "Shirt", "brand": "Acme"}
    return [
        {"quantity": 1, "price": price, "item": {"gtin": f"590123412{n:04}", **item, "productId": f"P-{n}"}}
        for n in range(count)
    ]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def twin(clock: VirtualClock) -> MiintoTwin:
    return MiintoTwin(clock)


@pytest.fixture
def hub(twin: MiintoTwin) -> Iterator[Hub]:
    with using(twin) as hub:
        yield hub


# Signature


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_the_sheets_worked_examples(vector: tuple[str, str, str, str, bytes, str]) -> None:
    method, host, path, query, body, signature = vector
    assert sign(EXAMPLE_TOKEN, EXAMPLE_CHANNEL, "1700000000", "42", method, host, path, query, body) == signature
    request = SignedRequest(
        method=method, path=path, query=query, body=body, channel_id=EXAMPLE_CHANNEL, timestamp="1700000000", seed="42"
    )
    assert request.signature(EXAMPLE_TOKEN, host) == signature
    hosts = [("other", "other.example.com"), ("right", host)]
    assert request.matching(signature, EXAMPLE_TOKEN, hosts) == "right"
    assert request.matching(signature.upper(), EXAMPLE_TOKEN, hosts) is None


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=50))
def test_twin_and_test_sign_alike(path: str, query: str, body: bytes) -> None:
    request = SignedRequest(
        method="GET", path=path, query=query, body=body, channel_id=EXAMPLE_CHANNEL, timestamp="1", seed="2"
    )
    expected = sign(EXAMPLE_TOKEN, EXAMPLE_CHANNEL, "1", "2", "GET", "h", path, query, body)
    assert request.signature(EXAMPLE_TOKEN, "h") == expected


@pytest.mark.parametrize(
    ("host", "matched"),
    [("api-order.miinto.net", "canonical"), ("127.0.0.1", "host"), ("127.0.0.1:{port}", "host_and_port")],
)
def test_three_hosts_may_be_signed_and_the_book_says_which(hub: Hub, host: str, matched: str) -> None:
    hub.host = host.format(port=hub.http.base_url.port)
    assert hub.get(f"/shops/{hub.shop}/transfers{PENDING}") == []
    assert list(hub.twin.traffic)[-1].notes == {"signed_host": matched, "version": "2.6"}


def test_a_host_of_another_service_is_refused(hub: Hub) -> None:
    hub.host = "api-stock.miinto.net"
    answer = hub.call("GET", f"/shops/{hub.shop}/transfers")
    assert answer.status_code == 401
    assert answer.json()["meta"]["status"] == "failure"


HEADERS = ("ID", "Signature", "Timestamp", "Seed", "Type")


@pytest.mark.parametrize("name", [*(f"Auth-{name}" for name in HEADERS), "Control-Flavour", "Control-Version"])
def test_a_missing_header_is_refused(hub: Hub, name: str) -> None:
    answer = hub.call("GET", f"/shops/{hub.shop}", headers={f"Miinto-Api-{name}": ""})
    assert answer.status_code == 401
    assert answer.json()["data"]["message"] == f"missing header miinto-api-{name.lower()}"


@pytest.mark.parametrize(
    ("header", "value", "says"),
    [
        ("Miinto-Api-Auth-ID", "M!t!Ch!v1!0000000000-0-0", "unknown channel"),
        ("Miinto-Api-Auth-Signature", "0" * 64, "wrong signature"),
        ("Miinto-Api-Auth-Seed", "another", "wrong signature"),
        ("Miinto-Api-Auth-Timestamp", "1700000000", "wrong signature"),
        ("Miinto-Api-Auth-Timestamp", "now", "whole seconds"),
        ("Miinto-Api-Auth-Type", "MNT-PLAIN", "unknown auth type"),
    ],
)
def test_a_wrong_header_is_refused(hub: Hub, header: str, value: str, says: str) -> None:
    answer = hub.call("GET", f"/shops/{hub.shop}", headers={header: value})
    assert answer.status_code == 401
    assert answer.json()["meta"]["status"] == "failure"
    assert says in answer.json()["data"]["message"]


def test_a_changed_body_is_refused(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods())
    request = hub.decide(transfer, accepted=[901]).request
    request.stream = httpx.ByteStream(request.content.replace(b"901", b"902"))
    assert hub.http.send(request).status_code == 401


@pytest.mark.parametrize(("header", "value"), [("Miinto-Api-Control-Version", "new"), ("Content-Type", "text/plain")])
def test_a_request_that_is_signed_well_but_labelled_badly(hub: Hub, header: str, value: str) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods())
    body = {"acceptedPositions": [901]}
    path = f"/shops/{hub.shop}/transfers/{transfer}"
    assert hub.call("PATCH", path, body, headers={header: value}).status_code == 400
    assert hub.call("PATCH", path, body).status_code == 200


def test_the_timestamp_window_is_off_until_switched_on(hub: Hub, clock: VirtualClock) -> None:
    old = clock.now() - timedelta(seconds=301)
    assert hub.call("GET", f"/shops/{hub.shop}", at=old).status_code == 200
    hub.twin.set_switches(Switches(timestamp_window=300))
    assert hub.call("GET", f"/shops/{hub.shop}", at=old).status_code == 401
    assert hub.call("GET", f"/shops/{hub.shop}", at=old + timedelta(seconds=1)).status_code == 200


# Channels


@pytest.mark.parametrize("way", ["json", "data"])
def test_a_channel_is_opened_by_json_or_form(hub: Hub, way: str) -> None:
    account = hub.twin.account
    credentials: Any = {"identifier": account.identifier, "secret": account.secret}
    answer = hub.http.post("/channels", **{way: credentials})
    assert answer.status_code == 200
    data = answer.json()["data"]
    kind, _, rest = data["id"].rpartition("!")
    digits, hexes, number = rest.split("-")
    assert (kind, len(digits), number) == ("M!t!Ch!v1", 10, "000000002")
    assert int(hexes, 16) >= 0
    assert len(bytes.fromhex(data["token"])) == 20
    assert data["data"]["accessorId"] == account.accessor_id
    assert len(hub.twin.book.channels) == 2


def test_privileges_are_a_tree_of_systems(hub: Hub) -> None:
    tree = hub.channel["privileges"]
    stores = list(tree["__GLOBAL__"]["Store"])
    assert stores == [f"1-m!i!s-{code}-1001" for code in ("048", "046", "047", "041", "032", "031", "045")]
    platforms = {name: list(system["ShopAdmin"]) for name, system in tree.items() if name.startswith("Platform-")}
    assert list(platforms) == [f"Platform-{country}" for country in ("PL", "SE", "NO", "CH", "BE", "NL", "DK")]
    assert [shop for shops in platforms.values() for shop in shops] == stores
    assert tree["__GLOBAL__"]["Store"][hub.shop] == {"*": -1}


def test_privileges_may_be_an_empty_array(hub: Hub) -> None:
    hub.twin.add_account("other@example.com", "other", empty_privileges=True)
    hub.twin.add_account("none@example.com", "none", shops=[])
    for name in ("other", "none"):
        answer = hub.http.post("/channels", json={"identifier": f"{name}@example.com", "secret": name})
        assert answer.json()["data"]["privileges"] == []


def test_the_test_market_is_to_be_had(twin: MiintoTwin) -> None:
    account = twin.add_account("other@example.com", "other", shops=["test"])
    assert account.shop_in("test") == "1-m!i!s-999-1002"
    assert "Platform-XX" in account.privileges()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"identifier": "seller@example.com", "secret": "wrong"}, 401),
        ({"identifier": "nobody@example.com", "secret": "secret-of-twin-0"}, 401),
        ({"identifier": "seller@example.com"}, 400),
        ({"identifier": "seller@example.com", "secret": 5}, 400),
        (["seller@example.com"], 400),
    ],
)
def test_wrong_credentials(hub: Hub, body: Any, status: int) -> None:
    answer = hub.http.post("/channels", json=body)
    assert answer.status_code == status
    assert answer.json()["meta"]["status"] == "failure"
    assert len(hub.twin.book.channels) == 1
    assert hub.twin.book.refused_logins == (status == 401)


def test_a_channel_can_be_read_by_its_owner(hub: Hub) -> None:
    hub.host = "api-auth.miinto.net"
    assert hub.get(f"/channels/{hub.channel['id']}") == hub.channel
    assert hub.call("GET", "/channels/M!t!Ch!v1!0-0-0").status_code == 404


def test_status_needs_no_signature(hub: Hub) -> None:
    assert hub.http.get("/status").json()["data"] == {"name": "auth-service", "status": "OK"}


def test_tokens_expire_on_demand(hub: Hub) -> None:
    hub.twin.forget_tokens()
    assert hub.call("GET", f"/shops/{hub.shop}").status_code == 401
    hub.log_in()
    assert hub.call("GET", f"/shops/{hub.shop}").status_code == 200


def test_channels_are_reproducible_by_seed() -> None:
    def channel(seed: int) -> dict[str, Any]:
        with using(MiintoTwin(VirtualClock(START), seed)) as hub:
            return hub.channel

    assert channel(1) == channel(1) != channel(2)


# Shops


@pytest.mark.parametrize("slash", ["", "/"])
def test_shop_details_with_and_without_the_slash(hub: Hub, slash: str) -> None:
    assert hub.get(f"/shops/{hub.shop}{slash}")["name"] == "Example shop PL"


def test_the_path_is_signed_as_sent(hub: Hub) -> None:
    assert hub.get(f"/shops/{hub.shop.replace('!', '%21')}")["id"] == hub.shop


def test_foreign_and_unknown_shops(hub: Hub) -> None:
    foreign = hub.twin.add_account("other@example.com", "other", shops=["pl"]).shop_in("pl")
    for path in (f"/shops/{foreign}/transfers", f"/shops/{foreign}", f"/productmaps?unifiedLocationId={foreign}"):
        assert hub.call("GET", path).status_code == 403
        assert hub.call("GET", path.replace("048-1002", "048-9999")).status_code == 404
    assert hub.call("PATCH", f"/locations/{foreign}/items", []).status_code == 403


def test_an_inactive_shop_fails_under_status_200(hub: Hub) -> None:
    hub.twin.set_shop_active(hub.shop, False)
    answer = hub.call("GET", f"/shops/{hub.shop}/transfers{PENDING}")
    assert answer.status_code == 200
    assert answer.json()["meta"] == {"status": "failure", "version": "2.6", "totalItemCount": 0}
    assert hub.listed("transfers", shop=hub.twin.account.shop_in("se")) == ([], 0)
    hub.twin.set_shop_active(hub.shop, True)
    assert hub.listed("transfers") == ([], 0)


# Transfers


def test_a_transfer_looks_as_in_the_sheet(hub: Hub) -> None:
    hub.twin.add_transfer(hub.shop, goods(1))
    answer = hub.call("GET", f"/shops/{hub.shop}/transfers{PENDING}&sort=-createdAt").json()
    item = {"gtin": "5901234120000", "name": "Shirt", "brand": "Acme", "productId": "P-0"}
    assert answer == {
        "meta": {"status": "success", "version": "2.6", "totalItemCount": 1},
        "data": [
            {
                "id": 5501,
                "createdAt": "2024-03-01T08:00:00+01:00",
                "pendingPositions": [{"id": 901, "quantity": 1, "price": 29900, "item": item}],
            }
        ],
    }


def test_gtin_can_be_left_out(hub: Hub) -> None:
    hub.twin.add_transfer(hub.shop, goods(1))
    hub.listed("transfers")
    hub.twin.set_switches(Switches(leave_out_gtin=True))
    (transfer,) = hub.get(f"/shops/{hub.shop}/transfers")
    assert transfer["pendingPositions"][0]["item"] == {"name": "Shirt", "brand": "Acme", "productId": "P-0"}


def test_sorting_limit_and_offset(hub: Hub) -> None:
    ids = [hub.twin.add_transfer(hub.shop, goods(), created_at=START - timedelta(hours=n)) for n in (3, 1, 2)]
    oldest_first = [ids[0], ids[2], ids[1]]
    for sort in ("", "&sort=createdAt", "&sort=+createdAt", "&sort=%2BcreatedAt"):
        assert hub.listed("transfers", PENDING + sort) == (oldest_first, 3)
    assert hub.listed("transfers", f"{PENDING}&sort=-createdAt") == (oldest_first[::-1], 3)
    assert hub.listed("transfers", f"{PENDING}&limit=0") == ([], 3)
    assert hub.listed("transfers", f"{PENDING}&limit=2&offset=1") == (oldest_first[1:], 3)
    assert hub.listed("transfers", f"{PENDING}&sort=-createdAt&limit=2&offset=2") == (oldest_first[:1], 3)
    assert hub.listed("transfers", f"{PENDING}&offset=7") == ([], 3)


@pytest.mark.parametrize(
    "query",
    ["?page=2", "?status=pending", "?status[]=new", "?limit=-1", "?offset=x", "?sort=id", "?limit=", "?query=x"],
)
def test_undocumented_queries_are_refused(hub: Hub, query: str) -> None:
    answer = hub.call("GET", f"/shops/{hub.shop}/transfers{query}")
    assert answer.status_code == 400
    assert answer.json()["meta"]["status"] == "failure"


def test_fifty_to_a_page_by_default(hub: Hub) -> None:
    hub.twin.add_transfers([NewTransfer(shop=hub.shop, positions=goods()) for _ in range(60)])
    ids, total = hub.listed("transfers")
    assert (len(ids), total) == (50, 60)


def test_a_transfer_appears_when_its_time_has_come(hub: Hub, clock: VirtualClock) -> None:
    later = hub.twin.add_transfer(hub.shop, goods(), created_at=START + timedelta(seconds=30))
    assert hub.listed("transfers") == ([], 0)
    assert hub.decide(later, accepted=[901]).status_code == 404
    clock.advance(30)
    assert hub.listed("transfers", f"{PENDING}&sort=-createdAt") == ([later], 1)


def test_accepting_and_declining_in_one_patch(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(3))
    answer = hub.decide(transfer, accepted=[{"id": 901}, 903], declined=[{"id": 902}])
    assert answer.json()["data"] == {"newOrder": {"id": 77001}}
    assert hub.listed("transfers") == ([], 0)
    assert hub.listed("transfers", "?status%5B%5D=accepted") == ([transfer], 1)
    assert hub.listed("transfers", "?status%5B%5D=accepted&status%5B%5D=pending") == ([transfer], 1)
    assert hub.listed("orders", "?status%5B%5D=accepted") == ([77001], 1)
    states = {position.id: position.state for position in hub.twin.book.transfers[transfer].positions.values()}
    assert states == {901: "accepted", 902: "declined", 903: "accepted"}


def test_declining_gives_no_order(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(2))
    assert hub.decide(transfer, declined=[901, 902]).json()["data"] == {"newOrder": None}
    assert hub.listed("transfers") == ([], 0)
    assert hub.listed("transfers", "?status%5B%5D=declined") == ([transfer], 1)
    assert hub.listed("orders", "") == ([], 0)


def test_positions_that_a_patch_does_not_name_stay_pending(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(3))
    assert hub.listed("transfers") == ([transfer], 1)
    assert hub.decide(transfer, accepted=[901]).json()["data"]["newOrder"] == {"id": 77001}
    (row,) = hub.get(f"/shops/{hub.shop}/transfers{PENDING}")
    assert [position["id"] for position in row["pendingPositions"]] == [902, 903]
    assert hub.accept(transfer) == 77002
    first, second = (hub.get(f"/shops/{hub.shop}/orders/{order}") for order in (77001, 77002))
    assert [position["id"] for position in second["acceptedPositions"]] == [902, 903]
    assert first["parentOrder"] == second["parentOrder"]


def test_the_same_patch_again_does_nothing_new(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(2))
    answers = [hub.decide(transfer, accepted=[901], declined=[902]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json()["data"] for answer in answers] == [{"newOrder": {"id": 77001}}, {}, {}]
    assert list(hub.twin.book.orders) == [77001]
    (row,) = hub.twin.book.as_dict()["transfers"]
    assert (row["accept_calls"], row["decline_calls"]) == (3, 3)
    assert [answer["outcome"] for answer in row["answers"]] == ["won", "ignored", "ignored"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        {},
        [],
        {"acceptedPositions": []},
        {"acceptedPositions": None},
        {"acceptedPositions": 901},
        {"acceptedPositions": ["901"]},
        {"acceptedPositions": [True]},
        {"acceptedPositions": [{"position": 901}]},
        {"acceptedPositions": [{"id": 901, "trackAndTrace": "1"}]},
        {"acceptedPositions": [901], "declinedPositions": [901]},
        {"acceptedPositions": [901], "declinedPositions": []},
        {"acceptedPositions": [901], "reason": "sold out"},
        {"acceptedPositions": [901, 999]},
        {"declinedPositions": [999]},
    ],
)
def test_a_bad_patch_changes_nothing(hub: Hub, body: Any) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(2))
    answer = hub.call("PATCH", f"/shops/{hub.shop}/transfers/{transfer}", body)
    assert answer.status_code == 400
    assert answer.json()["meta"]["status"] == "failure"
    (row,) = hub.twin.book.as_dict()["transfers"]
    assert row["answers"] == []
    assert hub.listed("transfers") == ([transfer], 1)


def test_transfers_of_another_shop_are_not_found(hub: Hub) -> None:
    other = hub.twin.add_transfer(hub.twin.account.shop_in("se"), goods())
    assert hub.decide(other, accepted=[901]).status_code == 404
    assert hub.decide(12345, accepted=[901]).status_code == 404


def test_a_withdrawn_transfer_is_gone(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(2))
    hub.decide(transfer, declined=[902])
    hub.twin.withdraw(transfer)
    assert hub.listed("transfers") == ([], 0)
    assert hub.decide(transfer, accepted=[901]).json()["data"] == {}
    states = [position["state"] for position in hub.twin.book.as_dict()["transfers"][0]["positions"]]
    assert states == ["withdrawn", "declined"]
    with pytest.raises(ValueError, match="nothing pending"):
        hub.twin.withdraw(transfer)


def test_a_click_in_the_panel_makes_an_order(hub: Hub) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods(2))
    assert hub.twin.accept_in_panel(transfer, [901]) == 77001
    assert hub.twin.accept_in_panel(transfer, [901]) is None
    assert hub.listed("orders", "?status%5B%5D=accepted") == ([77001], 1)
    (order,) = hub.twin.book.as_dict()["orders"]
    assert (order["by"], order["transfer"], order["positions"]) == ("panel", transfer, [901])


@pytest.mark.parametrize("size", [1, 3, 50])
def test_paging_while_the_list_shrinks(hub: Hub, size: int) -> None:
    """A client that answers each page and steps on by offset skips; one that reads from the start again does not."""
    hub.twin.add_transfers([NewTransfer(shop=hub.shop, positions=goods()) for _ in range(12)])
    ids, _ = hub.listed("transfers", f"{PENDING}&limit={size}")
    for transfer in ids:
        hub.accept(transfer)
    skipped, total = hub.listed("transfers", f"{PENDING}&limit={size}&offset={size}")
    assert total == 12 - len(ids)
    assert len(skipped) == min(size, max(0, total - size))
    while ids := hub.listed("transfers", f"{PENDING}&limit={size}")[0]:
        for transfer in ids:
            hub.accept(transfer)
    assert len(hub.twin.book.orders) == 12


@given(st.data())
def test_a_listing_is_a_filtered_sorted_slice(data: st.DataObject) -> None:
    moments = st.integers(0, 5).map(lambda n: START + timedelta(seconds=n))
    rows = data.draw(st.lists(st.tuples(st.sampled_from("ab"), moments), max_size=20))
    gone = data.draw(st.sets(st.integers(0, 19)))
    listing, kept = Listing(), []
    for number, (status, moment) in enumerate(rows):
        listing.add(status, Key(moment, number))
        kept.append((moment, number, status))
    for number in gone & set(range(len(rows))):
        moment, _, status = kept[number]
        listing.remove(status, Key(moment, number))
    until, newest_first = data.draw(moments), data.draw(st.booleans())
    offset, limit = data.draw(st.integers(0, 25)), data.draw(st.integers(0, 25))
    statuses = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    expected = sorted(
        (moment, number)
        for moment, number, status in kept
        if number not in gone and status in statuses and moment <= until
    )
    if newest_first:
        expected.reverse()
    page = [number for _, number in expected][offset : offset + limit]
    assert listing.page(statuses, until, newest_first=newest_first, offset=offset, limit=limit) == (page, len(expected))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shop": "1-m!i!s-048-9999"}, "there is no shop"),
        ({"positions": []}, "at least one position"),
        ({"positions": [{"price": 1.5, "item": {"name": "x"}}]}, "price is a whole number"),
        ({"positions": [{"price": -1, "item": {"name": "x"}}]}, "price is a whole number"),
        ({"positions": [{"price": 1, "quantity": 0, "item": {"name": "x"}}]}, "quantity is a whole number"),
        ({"positions": [{"price": 1, "item": {}}]}, "item is an object"),
        ({"positions": [{"price": 1}]}, "a position is an object"),
        ({"positions": [{"id": 1, "price": 1, "item": {"name": "x"}}]}, "a position is an object"),
        ({"created_at": datetime(2024, 3, 1)}, "no time zone"),  # noqa: DTZ001 (that is the point)
        ({"reference": 5}, "are texts"),
        ({"buyer": {"name": "Anna"}}, "a buyer is an object"),
        ({"buyer": {"billingInformation": {"name": "Anna"}}}, "billingInformation is an object of"),
    ],
)
def test_a_bad_transfer_adds_none_at_all(twin: MiintoTwin, changes: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"shop": twin.account.shop_in("pl"), "positions": goods()}
    with pytest.raises(ValueError, match=says):
        twin.add_transfers(NewTransfer(**fields) for fields in (good, good | changes))
    assert twin.book.as_dict()["transfers"] == []


# Rivals


def taken_at(
    seed: int, reference: str, created_at: datetime, share: float, fastest: float, slowest: float
) -> datetime | None:
    """Recompute the rule of docs/twins.md, sharing nothing with the twin."""
    u = int(hashlib.sha256(f"{seed}:{reference}".encode()).hexdigest()[:16], 16) / 2**64
    return created_at + timedelta(seconds=fastest + (slowest - fastest) * (u / share)) if u < share else None


@given(st.integers(), st.text(min_size=1, max_size=12), st.floats(0.01, 1), st.floats(0, 1e5), st.floats(0, 1e5))
def test_rivals_follow_the_published_rule(seed: int, reference: str, share: float, fastest: float, more: float) -> None:
    rivals = Rivals(seed, share, fastest, fastest + more)
    expected = taken_at(seed, reference, START, share, fastest, fastest + more)
    assert rivals.taken_at(reference, START) == expected
    assert expected is None or START <= expected <= START + timedelta(seconds=fastest + more, microseconds=1)


def test_rivals_take_their_share_by_reference(hub: Hub) -> None:
    hub.twin.set_rivals(Rivals(7))
    new = [NewTransfer(shop=hub.shop, positions=goods(), reference=f"R{n}") for n in range(200)]
    references = dict(zip(hub.twin.add_transfers(new), (row.reference or "" for row in new), strict=True))
    won = {references[transfer] for transfer in references if hub.accept(transfer)}
    expected = {f"R{n}" for n in range(200) if taken_at(7, f"R{n}", START, 0.08, 0, 0) is None}
    assert won == expected
    assert 170 < len(won) < 200
    outcomes = {row["reference"]: row["answers"][0]["outcome"] for row in hub.twin.book.as_dict()["transfers"]}
    assert outcomes == {name: "won" if name in expected else "lost" for name in references.values()}


def test_a_rival_wins_from_its_moment_on(hub: Hub, clock: VirtualClock) -> None:
    hub.twin.set_rivals(Rivals(1, share=1.0, fastest=10, slowest=10))
    early, late = hub.twin.add_transfers([NewTransfer(shop=hub.shop, positions=goods(2)) for _ in range(2)])
    clock.advance(9.999)
    assert hub.accept(early) == 77001
    clock.advance(0.001)
    assert hub.listed("transfers") == ([late], 1)  # still listed until somebody asks
    answer = hub.decide(late, accepted=[903], declined=[904])
    assert (answer.status_code, answer.json()["data"]) == (200, {})
    assert hub.listed("transfers") == ([], 0)
    _, row = hub.twin.book.as_dict()["transfers"]
    assert [(position["state"], position["by"]) for position in row["positions"]] == [
        ("lost", "rival"),
        ("declined", "hub"),
    ]


def test_what_a_lost_answer_did_not_name_is_lost_too(hub: Hub) -> None:
    hub.twin.set_rivals(Rivals(1, share=1.0))
    transfer = hub.twin.add_transfer(hub.shop, goods(3))
    hub.decide(transfer, declined=[901])
    states = [position["state"] for position in hub.twin.book.as_dict()["transfers"][0]["positions"]]
    assert states == ["declined", "lost", "lost"]


def test_no_rival_takes_what_is_won_in_part(hub: Hub, clock: VirtualClock) -> None:
    hub.twin.set_rivals(Rivals(1, share=1.0, fastest=10, slowest=10, linger=0))
    transfer = hub.twin.add_transfer(hub.shop, goods(2))
    assert hub.decide(transfer, accepted=[901]).json()["data"]["newOrder"]
    clock.advance(60)
    assert hub.accept(transfer) == 77002


def test_a_taken_transfer_lingers_as_long_as_told(hub: Hub, clock: VirtualClock) -> None:
    hub.twin.set_rivals(Rivals(1, share=1.0, fastest=10, slowest=10, linger=5))
    transfer = hub.twin.add_transfer(hub.shop, goods())
    clock.advance(14.9)
    assert hub.listed("transfers") == ([transfer], 1)
    clock.advance(0.1)
    assert hub.listed("transfers") == ([], 0)
    assert hub.accept(transfer) is None
    (row,) = hub.twin.book.as_dict()["transfers"]
    assert (row["status"], row["positions"][0]["by"]) == ("lost", "rival")


def test_the_panel_can_lose_the_race_as_well(hub: Hub) -> None:
    hub.twin.set_rivals(Rivals(1, share=1.0))
    assert hub.twin.accept_in_panel(hub.twin.add_transfer(hub.shop, goods()), [901]) is None


def test_rivals_can_be_called_in_and_off_later(hub: Hub, clock: VirtualClock) -> None:
    transfer = hub.twin.add_transfer(hub.shop, goods())
    hub.twin.set_rivals(Rivals(1, share=1.0, fastest=10, slowest=10, linger=0))
    hub.twin.set_rivals(None)
    clock.advance(10)
    assert hub.listed("transfers") == ([transfer], 1)
    hub.twin.set_rivals(Rivals(1, share=1.0, linger=0))
    assert hub.listed("transfers") == ([], 0)


@pytest.mark.parametrize(
    "options", [{"share": 1.1}, {"share": -0.1}, {"fastest": 2, "slowest": 1}, {"fastest": -1}, {"linger": -1}]
)
def test_impossible_rivals_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"share|fastest|linger"):
        Rivals(1, **options)


# Orders


def test_an_order_looks_as_in_the_sheet(hub: Hub) -> None:
    address = {"street": "Testowa 1", "postcode": "00-001", "city": "Warszawa", "countryCode": "PL"}
    buyer = {
        "billingInformation": {
            "name": "Anna Example",
            "email": "anna@example.com",
            "phone": "+48500100200",
            "address": address,
        }
    }
    item = {"gtin": "5901234123457", "name": "Shirt", "brand": "Acme", "productId": "P-1"}
    transfer = hub.twin.add_transfer(hub.shop, [{"quantity": 1, "price": 29900, "item": item}], buyer=buyer)
    order = hub.accept(transfer)
    assert hub.call("GET", f"/shops/{hub.shop}/orders/{order}").json() == {
        "meta": {"status": "success", "version": "2.6"},
        "data": {
            "id": 77001,
            "parentOrder": {"id": 990001, "createdAt": "2024-03-01T08:00:00+01:00"},
            "currency": "PLN",
            "billingInformation": buyer["billingInformation"],
            "shippingInformation": {
                "deliveryAddress": {"type": "HomeDelivery", "name": "Anna Example", "address": address}
            },
            "acceptedPositions": [{"id": 901, "quantity": 1, "price": 29900, "item": item}],
        },
    }


def test_order_switches(hub: Hub) -> None:
    hub.twin.set_switches(Switches(old_country_field=True, show_all_positions=True, leave_out_gtin=True))
    transfer = hub.twin.add_transfer(hub.shop, goods(3), currency="EUR", reference="M-7")
    hub.decide(transfer, accepted=[901], declined=[902])
    order = hub.get(f"/shops/{hub.shop}/orders/77001")
    assert (order["currency"], order["parentOrder"]["id"]) == ("EUR", "M-7")
    assert order["billingInformation"]["address"]["country"] == "PL"
    assert "countryCode" not in json.dumps(order)
    assert "gtin" not in json.dumps(order)
    kinds = ("acceptedPositions", "declinedPositions", "pendingPositions")
    assert [[position["id"] for position in order[kind]] for kind in kinds] == [[901], [902], [903]]
    hub.decide(transfer, declined=[903])
    (listed,) = hub.get(f"/shops/{hub.shop}/orders")
    assert [len(listed[kind]) for kind in kinds] == [1, 2, 0]


def test_each_market_has_its_currency(hub: Hub) -> None:
    currencies = {}
    for market in ("pl", "se", "no", "ch", "be", "nl", "dk"):
        hub.shop = hub.twin.account.shop_in(market)
        order = hub.accept(hub.twin.add_transfer(hub.shop, goods()))
        shown = hub.get(f"/shops/{hub.shop}/orders/{order}")
        currencies[shown["billingInformation"]["address"]["countryCode"]] = shown["currency"]
    expected = {"PL": "PLN", "SE": "SEK", "NO": "NOK", "CH": "CHF", "BE": "EUR", "NL": "EUR", "DK": "DKK"}
    assert currencies == expected


def test_orders_are_listed_sorted_paged_and_searched(hub: Hub) -> None:
    for number in range(3):
        created_at = START - timedelta(minutes=number)
        hub.accept(hub.twin.add_transfer(hub.shop, goods(), created_at=created_at, reference=f"REF-{number}"))
    assert hub.listed("orders", "?status%5B%5D=accepted&sort=createdAt") == ([77003, 77002, 77001], 3)
    assert hub.listed("orders", "?sort=-createdAt&limit=1&offset=1") == ([77002], 3)
    assert hub.listed("orders", "?limit=0") == ([], 3)
    assert hub.listed("orders", "?status%5B%5D=declined") == ([], 0)
    assert hub.listed("orders", "?query=ref-1") == ([77002], 1)
    assert hub.listed("orders", "?query=5901234120000&limit=2") == ([77003, 77002], 3)
    assert hub.listed("orders", "?query=nobody") == ([], 0)
    assert hub.listed("orders", "?sort=-createdAt", shop=hub.twin.account.shop_in("se")) == ([], 0)


def test_an_order_patch_is_kept(hub: Hub) -> None:
    hub.accept(hub.twin.add_transfer(hub.shop, goods(3)))
    path = f"/shops/{hub.shop}/orders/77001"
    hub.listed("orders", "")
    sent = {"id": 901, "trackAndTrace": "TT-1", "shippingProviderId": 2}
    body = {"acceptedPositions": [sent, 902], "declinedPositions": [903]}
    assert hub.call("PATCH", path, body).status_code == 200
    shown = hub.get(path)["acceptedPositions"]
    assert [(row["id"], row.get("trackAndTrace"), row.get("shippingProviderId")) for row in shown] == [
        (901, "TT-1", 2),
        (902, None, None),
    ]
    (listed,) = hub.get(f"/shops/{hub.shop}/orders?status%5B%5D=accepted")
    assert listed["acceptedPositions"] == shown
    assert hub.call("PATCH", path, {"declinedPositions": [{"id": 901}, {"id": 902}]}).status_code == 200
    assert hub.listed("orders", "?status%5B%5D=accepted") == ([], 0)
    assert hub.listed("orders", "?status%5B%5D=declined") == ([77001], 1)
    (order,) = hub.twin.book.as_dict()["orders"]
    assert (order["declined"], order["status"]) == ([901, 902, 903], "declined")
    assert [patch["declined"] for patch in order["patches"]] == [[903], [901, 902]]
    assert order["shipping"] == {"901": {"trackAndTrace": "TT-1", "shippingProviderId": 2}}


@pytest.mark.parametrize(
    "body", [{}, {"acceptedPositions": [999]}, {"acceptedPositions": [{"id": 901, "trackAndTrace": 5}]}]
)
def test_a_bad_order_patch_is_refused(hub: Hub, body: Any) -> None:
    hub.accept(hub.twin.add_transfer(hub.shop, goods()))
    assert hub.call("PATCH", f"/shops/{hub.shop}/orders/77001", body).status_code == 400
    assert hub.twin.book.as_dict()["orders"][0]["patches"] == []


def test_orders_of_others_are_not_found(hub: Hub) -> None:
    hub.accept(hub.twin.add_transfer(hub.shop, goods()))
    other = hub.twin.account.shop_in("se")
    for path in ("orders", "shipping-providers/orders"):
        assert hub.call("GET", f"/shops/{other}/{path}/77001").status_code == 404
        assert hub.call("GET", f"/shops/{hub.shop}/{path}/5501").status_code == 404  # a transfer's id is no order's


def test_shipping_providers(hub: Hub) -> None:
    hub.accept(hub.twin.add_transfer(hub.shop, goods()))
    providers = hub.get(f"/shops/{hub.shop}/shipping-providers/orders/77001")
    assert [provider["id"] for provider in providers] == ["1", "2"]


# Stock and product map

LEVEL = {"stock": 3, "group": "G1", "brand": "Acme", "color": "Black", "size": "M"}


def stock_of(hub: Hub) -> dict[str, int]:
    return {variant.size: level for variant, level in hub.twin.book.stock[hub.shop].items()}


def test_stock_is_kept_per_variant_with_every_patch_in_order(hub: Hub) -> None:
    hub.twin.list_variant(hub.shop, "G1", "Acme", "Black", "M", stock=9)
    path = f"/locations/{hub.shop}/items"
    hub.host = "api-stock.miinto.net"
    assert hub.call("PATCH", path, [LEVEL, LEVEL | {"size": "L", "stock": 0}]).json()["meta"]["status"] == "success"
    assert hub.call("PATCH", path, [LEVEL | {"stock": 2}]).status_code == 200
    assert stock_of(hub) == {"M": 2, "L": 0}
    book = hub.twin.book.as_dict()
    assert book["stock"][hub.shop][0] == LEVEL | {"stock": 2}
    patches = [[(row["size"], row["stock"], row["known"]) for row in p["levels"]] for p in book["stock_patches"]]
    assert patches == [[("M", 3, True), ("L", 0, False)], [("M", 2, True)]]


def test_unknown_variants_fail_the_whole_call_if_switched_so(hub: Hub) -> None:
    hub.twin.set_switches(Switches(fail_unknown_variants=True))
    hub.twin.list_variant(hub.shop, "G1", "Acme", "Black", "M", stock=9)
    answer = hub.call("PATCH", f"/locations/{hub.shop}/items", [LEVEL, LEVEL | {"size": "L"}])
    assert answer.status_code == 400
    assert stock_of(hub) == {"M": 9}
    assert hub.call("PATCH", f"/locations/{hub.shop}/items", [LEVEL]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {},
        LEVEL,
        [LEVEL, LEVEL | {"stock": -1}],
        [LEVEL, LEVEL | {"stock": 1.5}],
        [LEVEL, LEVEL | {"stock": "3"}],
        [LEVEL, LEVEL | {"stock": True}],
        [LEVEL, LEVEL | {"size": None}],
        [LEVEL, LEVEL | {"price": 5}],
        [LEVEL, {"stock": 1}],
        [LEVEL, 5],
    ],
)
def test_a_bad_stock_call_stores_nothing(hub: Hub, body: Any) -> None:
    assert hub.call("PATCH", f"/locations/{hub.shop}/items", body).status_code == 400
    assert stock_of(hub) == {}
    assert hub.twin.book.stock_patches == []


def test_half_a_stock_call(hub: Hub) -> None:
    hub.twin.faults.add(Fault(FaultKind.HALF_ACCEPTED))
    levels = [LEVEL | {"size": size} for size in ("S", "M", "L", "XL")]
    transfer = hub.twin.add_transfer(hub.shop, goods())
    assert hub.accept(transfer) == 77001  # no batch: the fault waits
    assert hub.call("PATCH", f"/locations/{hub.shop}/items", levels).status_code == 500
    assert stock_of(hub) == {"S": 3, "M": 3}


def test_the_product_map_bare_or_under_data(hub: Hub) -> None:
    rows = [["PROD-1", "SKU-1-M", "5901234123457", "0b9b0f4e-0000-4000-8000-000000000001"]]
    hub.twin.set_product_map(hub.shop, rows)
    hub.host = "api-pc.miinto.net"
    path = f"/productmaps?unifiedLocationId={hub.shop}"
    assert hub.get(path) == rows
    assert hub.get(path.replace("048", "046")) == []
    hub.twin.set_switches(Switches(bare_product_map=True))
    assert hub.call("GET", path).json() == rows
    assert hub.call("GET", "/productmaps").status_code == 400
    with pytest.raises(ValueError, match="a product map row is"):
        hub.twin.set_product_map(hub.shop, [["PROD-1"]])


# Faults on Miinto


@pytest.mark.parametrize("kind", [FaultKind.ERROR_AFTER_WRITE, FaultKind.RESET_AFTER_WRITE])
def test_a_lost_answer_does_not_undo_the_acceptance(hub: Hub, kind: FaultKind) -> None:
    hub.twin.faults.add(Fault(kind, path="/transfers/"))
    transfer = hub.twin.add_transfer(hub.shop, goods())
    if kind is FaultKind.ERROR_AFTER_WRITE:
        assert hub.decide(transfer, accepted=[901]).status_code == 500
    else:
        with pytest.raises(httpx.ReadError):
            hub.decide(transfer, accepted=[901])
    assert hub.listed("orders", "") == ([77001], 1)
    assert hub.decide(transfer, accepted=[901]).json()["data"] == {}


def test_expired_tokens_and_failure_envelopes(hub: Hub) -> None:
    hub.twin.faults.add(Fault(FaultKind.FAILURE_ENVELOPE), Fault(FaultKind.EXPIRED_TOKEN, after=1))
    answer = hub.call("GET", f"/shops/{hub.shop}/transfers")
    assert (answer.status_code, answer.json()["meta"]["status"]) == (200, "failure")
    assert [hub.call("GET", f"/shops/{hub.shop}").status_code for _ in range(2)] == [401, 401]
    assert hub.log_in().call("GET", f"/shops/{hub.shop}").status_code == 200


def test_a_repeated_page(hub: Hub) -> None:
    hub.twin.add_transfers([NewTransfer(shop=hub.shop, positions=goods()) for _ in range(4)])
    hub.twin.faults.add(Fault(FaultKind.REPEAT_PAGE))
    pages = [hub.listed("transfers", f"{PENDING}&limit=2&offset={offset}")[0] for offset in (0, 2, 2)]
    assert pages == [[5501, 5502], [5501, 5502], [5503, 5504]]


# The book and the control API


def test_no_secret_in_the_traffic_book(clock: VirtualClock) -> None:
    twin = MiintoTwin(clock, keep_bodies=True)
    with using(twin) as hub:
        hub.host = "api-auth.miinto.net"
        hub.get(f"/channels/{hub.channel['id']}")
        hub.host = None
        hub.decide(twin.add_transfer(hub.shop, goods()), accepted=[901])
        kept = hub.http.get("/_twin/exchanges").json()["exchanges"]
    text = json.dumps([kept, twin.book.as_dict()])
    assert kept[-1]["request_body"] == '{"acceptedPositions": [901]}'
    assert twin.account.secret not in text
    assert hub.channel["token"] not in text


def test_the_twin_is_driven_from_outside(hub: Hub) -> None:
    post = hub.http.post
    (account,) = hub.http.get("/_twin/accounts").json()["accounts"]
    assert account["identifier"] == hub.twin.account.identifier
    assert account["shops"]["pl"] == hub.shop
    assert hub.http.post("/channels", json={key: account[key] for key in ("identifier", "secret")}).status_code == 200

    new = {"identifier": "other@example.com", "secret": "other", "shops": ["pl", "test"]}
    assert post("/_twin/accounts", json=new).json()["shops"]["test"] == "1-m!i!s-999-1002"
    created = {"created_at": "2024-03-01T07:00:00+01:00", "reference": "M-1", "currency": "EUR"}
    rows = [{"shop": hub.shop, "positions": goods(2), **created}, {"shop": hub.shop, "positions": goods()}]
    assert post("/_twin/transfers", json=rows).json() == {"ids": [5501, 5502]}
    assert post("/_twin/panel-accept", json={"transfer_id": 5501, "position_ids": [902]}).json() == {"order_id": 77001}
    assert post("/_twin/withdraw", json={"transfer_id": 5502}).json() == {}
    variant = LEVEL | {"shop": hub.shop}
    assert post("/_twin/list-variants", json=[variant]).json() == {"listed": 1}
    assert post("/_twin/product-map", json={"shop": hub.shop, "rows": [["G1", "S1", "1", "u"]]}).json() == {}
    assert post("/_twin/rivals", json={"seed": 3, "share": 1, "linger": 0}).json()["rivals"]["slowest"] == 0.0
    assert hub.listed("transfers", "") == ([5501], 1)
    assert hub.http.delete("/_twin/rivals").json() == {"rivals": None}
    assert post("/_twin/switches", json={"leave_out_gtin": True}).json()["leave_out_gtin"] is True
    assert hub.http.get("/_twin/switches").json()["bare_product_map"] is False
    assert hub.twin.switches == replace(Switches(), leave_out_gtin=True)
    assert post("/_twin/shop-active", json={"shop": hub.shop, "active": False}).json() == {}
    assert hub.call("GET", f"/shops/{hub.shop}").json()["meta"]["status"] == "failure"
    assert post("/_twin/expire-tokens").json() == {}
    assert hub.call("GET", f"/shops/{hub.shop}").status_code == 401

    book = hub.http.get("/_twin/book").json()
    assert book == json.loads(json.dumps(hub.twin.book.as_dict()))
    assert [row["status"] for row in book["transfers"]] == ["pending", "withdrawn"]
    assert book["transfers"][0]["created_at"] == "2024-03-01T06:00:00+00:00"
    assert book["stock"] == {hub.shop: [LEVEL]}
    assert len(book["channels"]) == 2


@pytest.mark.parametrize(
    ("path", "payload", "says"),
    [
        ("accounts", {"identifier": "seller@example.com", "secret": "x"}, "there is an account"),
        ("accounts", {"identifier": "a", "secret": "x", "shops": ["uk"]}, "no market is called uk"),
        ("accounts", {"identifier": "a", "secret": "x", "shops": [["pl"]]}, "is not of type str"),
        ("transfers", {"shop": "x"}, "send an array"),
        ("transfers", [{"shop": "x", "positions": goods()}], "there is no shop 'x'"),
        ("transfers", [{"shop": "x", "positions": 5}], "positions is a list"),
        ("transfers", [{"shop": "x", "positions": goods(), "created_at": 5}], "created_at is a moment"),
        ("transfers", [{"shop": "x", "goods": goods()}], "'goods' is not known"),
        ("withdraw", {"transfer_id": 1}, "there is no transfer 1"),
        ("panel-accept", {"transfer_id": 5501, "position_ids": [1]}, "has no positions [1]"),
        ("panel-accept", {"transfer_id": 5502, "position_ids": [902]}, "is not there before"),
        ("panel-accept", {"transfer_id": 5501, "position_ids": [[901]]}, "is not of type int"),
        ("list-variants", [LEVEL | {"shop": "x"}], "there is no shop 'x'"),
        ("product-map", {"shop": "x", "rows": []}, "there is no shop 'x'"),
        ("rivals", {"seed": 1, "share": 2}, "0 to 1"),
        ("rivals", {"share": 0.5}, "seed"),
        ("switches", {"timestamp_window": "long"}, "timestamp_window"),
        ("switches", {"leave_out_gtin": 1}, "leave_out_gtin is true or false"),
        ("switches", {"mood": True}, "'mood' is not known"),
        ("switches", [True], "send an object"),
    ],
)
def test_the_control_api_refuses_nonsense(hub: Hub, path: str, payload: Any, says: str) -> None:
    hub.twin.add_transfer(hub.shop, goods())
    hub.twin.add_transfer(hub.shop, goods(), created_at=START + timedelta(days=1))
    before = hub.twin.book.as_dict()
    answer = hub.http.post(f"/_twin/{path}", json=payload)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert (hub.twin.book.as_dict(), hub.twin.switches) == (before, Switches())
