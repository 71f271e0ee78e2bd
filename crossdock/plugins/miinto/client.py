"""The wire to Miinto: channel, signature, envelope, and one method for each call that the plugin makes."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from crossdock.plugin import Account, AuthError, BadAnswer, Rejected, Request, Response
from crossdock.plugins.miinto.mapping import Item, read_item
from crossdock.plugins.miinto.sweep import PAGE, Listing, Page, Spot

AUTH_TYPE = "MNT-HMAC-SHA256-1-0"
MEMORY = "channel 1"  # a later shape takes the next number

# By list: the filter and the order in which it is read. Transfers come in at the end, orders at the beginning.
LISTS: Mapping[Listing, tuple[str, str]] = {"transfers": ("pending", "createdAt"), "orders": ("accepted", "-createdAt")}


# --- channel and signature -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An opened channel.

    Args:
        id: goes out with each request. token: the key of its signatures.
        shops: the platform code (`PL`) that the privileges name for each shop, empty where they name none.
    """

    id: str
    token: str
    shops: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Channel({len(self.shops)} shops)"


def sign(request: Request, *, channel: str, token: str, timestamp: str, seed: str) -> str:
    """Return the signature of a request: hex HMAC-SHA256 under the token's text.

    Args:
        request: as it will be sent; the host is signed without its port.
        channel: id of the opened channel.
        token: of the opened channel.
        timestamp: Unix seconds.
        seed: any text, new for each request.
    """
    parts = (
        _sha256(request.method, request.host, request.path, request.query),
        _sha256(channel, timestamp, seed, AUTH_TYPE),
        hashlib.sha256(request.body).hexdigest(),
    )
    return hmac.new(token.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _sha256(*lines: str) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def shops_of(privileges: object) -> dict[str, str]:
    """Return the shops that a tree of privileges names, sorted, each with its platform code or an empty text.

    An empty tree, and any empty branch, may come as a list. `*` stands for any element and names no shop.
    """
    shops = dict.fromkeys(_branch(privileges, "__GLOBAL__", "Store"), "")
    for system in _branch(privileges):
        if system.startswith("Platform-"):
            shops |= dict.fromkeys(_branch(privileges, system, "ShopAdmin"), system.removeprefix("Platform-"))
    return {shop: shops[shop] for shop in sorted(shops) if shop != "*"}


def _branch(tree: object, *path: str) -> Mapping[str, object]:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, Mapping) else {}


class _Session:
    """Signs one call; where Miinto refuses it, a new channel is opened once."""

    def __init__(self, client: Client, *, bare: bool) -> None:
        self._client = client
        self._bare = bare
        self._used = ""
        self._renewed = False

    def sign(self, request: Request) -> Mapping[str, str]:
        channel = self._client.channel()
        self._used = channel.id
        timestamp, seed = str(int(self._client.account.clock.now().timestamp())), secrets.token_hex(8)
        return {
            "Miinto-Api-Auth-ID": channel.id,
            "Miinto-Api-Auth-Signature": sign(
                request, channel=channel.id, token=channel.token, timestamp=timestamp, seed=seed
            ),
            "Miinto-Api-Auth-Timestamp": timestamp,
            "Miinto-Api-Auth-Seed": seed,
            "Miinto-Api-Auth-Type": AUTH_TYPE,
        }

    def renew(self) -> bool:
        self._renewed = True
        if self._client.kept_channel().id == self._used:  # else another process was faster
            self._client.open()
        return True

    def check(self, response: Response) -> None:
        """Take any failure for a dead channel at first: how long one lives, and how it dies, is not documented."""
        if (self._bare and isinstance(response.json(), list)) or not _failed(response):
            return
        failure = f"{response.method} {response.url}: Miinto reports a failure."
        if not self._renewed:
            raise AuthError(failure, words=response.words())
        raise Rejected(
            failure,
            words=response.words(),
            advice="If the shop is closed at Miinto, open it there or name it in the setting closed_shops.",
        )


def _failed(response: Response) -> bool:
    """Whether the envelope reports a failure.

    Raises:
        BadAnswer: it reports neither failure nor success.
    """
    status = _branch(response.json(), "meta").get("status")
    if status not in ("success", "failure"):
        raise _strange(response, f"meta.status is {status!r} in place of success or failure")
    return status == "failure"


def _strange(response: Response, what: str) -> BadAnswer:
    return BadAnswer(
        f"{response.method} {response.url}: {what}.",
        status=response.status,
        raw=response.excerpt(4_000),
        unclear=response.unclear,
    )


# --- calls -----------------------------------------------------------------------------------------------------------


class Client:
    """One account's calls to Miinto's five services."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._channel: Channel | None = None

    def channel(self) -> Channel:
        """Return the channel that this client speaks through."""
        return self._channel or self.kept_channel()

    def kept_channel(self) -> Channel:
        """Go over to the account's channel as all processes know it, opened if there is none yet."""
        kept = self.account.memory.get(MEMORY)
        self._channel = Channel(**json.loads(kept)) if kept else self.open()
        return self._channel

    def open(self) -> Channel:
        """Open a channel, keep it for all processes, and return it.

        Raises:
            AuthError: identifier or secret are wrong.
        """
        settings = self.account.settings
        credentials = {"identifier": settings.identifier, "secret": settings.secret.get_secret_value()}
        try:
            response = self.account.http.request(
                "POST", self._base("auth") + "/channels", json=credentials, idempotent=True, check=_check_credentials
            )
        except Rejected as error:
            raise _wrong_credentials(error.words) from None
        data = _branch(response.json(), "data")
        channel_id, token = data.get("id"), data.get("token")
        if not (isinstance(channel_id, str) and isinstance(token, str) and channel_id and token):
            raise _strange(response, "the new channel has no id or no token")
        self._channel = Channel(id=channel_id, token=token, shops=shops_of(data.get("privileges")))
        self.account.memory.put(MEMORY, json.dumps(asdict(self._channel)))
        return self._channel

    def shops(self) -> dict[str, str]:
        """Return the account's shops, sorted, with their platform code or an empty text.

        Raises:
            AuthError: the credentials are right and open no shop.
        """
        closed = self.account.settings.closed_shops
        shops = {shop: code for shop, code in self.channel().shops.items() if shop not in closed}
        if not shops:
            raise AuthError(
                "Miinto takes identifier and secret, but they open no shop: the privileges name none"
                + (f" besides {', '.join(closed)}." if closed else "."),
                advice="Ask Miinto to give this user access to the shop, then test the connection again.",
            )
        return shops

    def page(self, listing: Listing, shop: str, offset: int, limit: int = PAGE) -> Page:
        """Read one page of a shop's pending transfers or accepted orders; limit 0 only counts."""
        status, sort = LISTS[listing]
        query = [("status[]", status), ("sort", sort), ("limit", str(limit)), ("offset", str(offset))]
        response = self._request("GET", "order", f"/shops/{_part(shop)}/{listing}", query)
        rows, total = _rows(response), _branch(response.json(), "meta").get("totalItemCount")
        if type(total) is not int or total < 0:
            raise _strange(response, f"meta.totalItemCount is {total!r} and no number of entries")
        ids = [str(row["id"]) for row in rows]
        if len(set(ids)) < len(ids):
            raise _strange(response, "an entry stands there twice")
        return Page(rows=tuple(rows), ids=ids, total=total)

    def read(
        self, listing: Listing, shop: str, enough: Callable[[Page], bool] = lambda page: False
    ) -> list[Mapping[str, Any]]:
        """Read a whole list, or as far as the page that is enough."""
        rows: dict[str, Mapping[str, Any]] = {}
        spot: Spot | None = Spot()
        while spot:
            page = self.page(listing, shop, spot.offset)
            rows |= dict(zip(page.ids, page.rows, strict=True))
            spot = None if enough(page) else spot.after(page)
        return list(rows.values())

    def order(self, shop: str, order: str) -> Mapping[str, Any]:
        """Read one order."""
        return self._object("GET", f"/shops/{_part(shop)}/orders/{_part(order)}")

    def decide(self, shop: str, transfer: str, accepted: Sequence[str], declined: Sequence[str]) -> Mapping[str, Any]:
        """Accept and decline positions of a transfer; return what Miinto says became of them."""
        positions = {"acceptedPositions": accepted, "declinedPositions": declined}
        body = {name: [{"id": int(position)} for position in ids] for name, ids in positions.items() if ids}
        return self._object("PATCH", f"/shops/{_part(shop)}/transfers/{_part(transfer)}", body)

    def track(self, shop: str, order: str, positions: Sequence[str], tracking: str, carrier: str) -> None:
        """Write a tracking number into positions of an order (unconfirmed)."""
        parcel = {"trackAndTrace": tracking, "shippingProviderId": carrier}
        body = {"acceptedPositions": [{"id": int(position), **parcel} for position in positions]}
        self._object("PATCH", f"/shops/{_part(shop)}/orders/{_part(order)}", body)

    def carriers(self, shop: str, order: str) -> list[str]:
        """Return the ids of the carriers that Miinto allows for an order."""
        response = self._request("GET", "order", f"/shops/{_part(shop)}/shipping-providers/orders/{_part(order)}")
        return [str(row["id"]) for row in _rows(response)]

    def set_stock(self, shop: str, items: list[dict[str, Any]]) -> None:
        """Set stock levels, all or none."""
        self._request("PATCH", "stock", f"/locations/{_part(shop)}/items", body=items, idempotent=True)

    def product_map(self, shop: str) -> list[Item]:
        """Read which of the feed's products became which item of Miinto's."""
        response = self._request("GET", "pc", "/productmaps", [("unifiedLocationId", shop)], bare=True)
        answer = response.json()
        rows = answer if isinstance(answer, list) else answer.get("data")
        if not isinstance(rows, list):
            raise _strange(response, "the product map is no list of rows")
        return [read_item(row) for row in rows]

    def _object(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        response = self._request(method, "order", path, body=body)
        data = response.json().get("data")
        if isinstance(data, Mapping) or (method == "PATCH" and not data):
            return data or {}
        raise _strange(response, "data is no object")

    def _request(
        self,
        method: str,
        service: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: object = None,
        idempotent: bool = False,
        bare: bool = False,
    ) -> Response:
        """Send a signed call and return an answer that reports success, or with `bare` is a list without envelope."""
        session = _Session(self, bare=bare)
        content: dict[str, Any] = {} if body is None else {"json": body}
        return self.account.http.request(
            method,
            self._base(service) + path,
            params=query,
            **content,
            headers={
                "Content-Type": "application/json",
                "Miinto-Api-Control-Flavour": "Miinto-Generic",
                "Miinto-Api-Control-Version": self.account.settings.control_version,
            },
            auth=session,
            idempotent=idempotent,
            check=session.check,
        )

    def _base(self, service: str) -> str:
        base: str = self.account.settings.endpoint or getattr(self.account.settings, service)
        return base


def _rows(response: Response) -> list[Mapping[str, Any]]:
    rows = response.json().get("data")
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and type(row.get("id")) in (int, str) for row in rows
    ):
        raise _strange(response, "data is no list of objects with an id")
    return rows


def _check_credentials(response: Response) -> None:
    if _failed(response):
        raise _wrong_credentials(response.words())


def _wrong_credentials(words: str) -> AuthError:
    return AuthError(
        "Miinto refuses the identifier and secret.",
        words=words,
        advice="Enter the login and password of the Miinto admin panel again.",
    )


def _part(text: str) -> str:
    """Encode a part of a path; shop ids keep their exclamation marks, which are signed and sent as they are."""
    return quote(text, safe="!")
