"""The wire to Miinto: channel, signature, envelope, and one method for each call that the plugin makes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any
from urllib.parse import quote

from crossdock.plugin import (
    Account,
    AuthError,
    ConfigError,
    Listing,
    ListPage,
    Market,
    Node,
    Order,
    Rejected,
    RemoteProduct,
    Request,
    Response,
    Session,
    StockLevel,
    fingerprint,
    read_list,
)
from crossdock.plugins.miinto import mapping

AUTH_TYPE = "MNT-HMAC-SHA256-1-0"
CHANNEL = "channel 1"  # a later shape takes the next number

PAGE = 50  # the limit that published clients use
TRANSFERS, ORDERS = Listing(name="transfers", size=PAGE), Listing(name="orders", size=PAGE, stays=True)
LISTS = {  # the filter, the order in which a list is read (transfers come in at the end, orders at the beginning)
    TRANSFERS: ("pending", "createdAt", mapping.read_transfer),
    ORDERS: ("accepted", "-createdAt", mapping.read_order),
}


# --- channel and signature -------------------------------------------------------------------------------------------


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


# --- envelope --------------------------------------------------------------------------------------------------------


class _Failure(AuthError):
    """The envelope reports a failure: at first taken for a dead channel, as nothing documents how one dies."""


def _check(response: Response) -> None:
    """Look into the envelope.

    Raises:
        BadAnswer: it reports neither failure nor success.
    """
    answer = Node.of(response)
    status = answer.child("meta").value.get("status")
    if status == "failure":
        raise _Failure(f"{answer.where}: Miinto reports a failure.", words=response.words())
    if status != "success":
        raise answer.fault(f"meta.status is {status!r} in place of success or failure")


def _check_bare(response: Response) -> None:
    """Look into the envelope, if there is one: the product centre answers with a bare list, too."""
    if not isinstance(response.json(), list):
        _check(response)


# --- calls -----------------------------------------------------------------------------------------------------------


class Client:
    """One account's calls to Miinto's five services; its session is the channel: `id`, `token`, `shops`."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.session = Session(account.memory, CHANNEL, ask=self._open, sign=self._headers)

    def shops(self) -> dict[str, str]:
        """Return the account's shops, sorted, with the platform code (`PL`) of their privileges or an empty text.

        Raises:
            AuthError: the credentials are right and open no shop.
        """
        closed = self.account.settings.closed_shops
        shops = {shop: code for shop, code in self.session.current()["shops"].items() if shop not in closed}
        if not shops:
            raise AuthError(
                "Miinto takes identifier and secret, but they open no shop: the privileges name none"
                + (f" besides {', '.join(closed)}." if closed else "."),
                advice="Ask Miinto to give this user access to the shop, then test the connection again.",
            )
        return shops

    def market_code(self, shop: str) -> tuple[str, str]:
        """Return the code of a shop's market, empty where nothing tells it, and where it is from."""
        named, platform = self.account.settings.shop_markets, self.session.current()["shops"].get(shop, "")
        if shop in named:
            return named[shop], "by the settings"
        if platform:
            return platform.lower(), "by its privileges"
        _, _, telephone, *_ = [*shop.split("-"), "", ""]
        return mapping.TELEPHONE.get(telephone, ""), "guessed from its telephone code"

    def market(self, shop: str) -> Market:
        """Return a shop's market.

        Raises:
            ConfigError: nothing tells it, or it has no currency here.
        """
        code, _ = self.market_code(shop)
        if currency := self.account.settings.extra_markets.get(code):
            return Market(code=code, country="", currency=currency)
        if code not in mapping.MARKETS:
            advice = "Name its market in the setting shop_markets and, if that is new, its currency in extra_markets."
            raise ConfigError(f"The market {code or '(unknown)'} of the shop {shop} has no currency.", advice=advice)
        return mapping.MARKETS[code]

    def page(
        self, listing: Listing, shop: str, offset: int, limit: int = PAGE, *, prints: bool = False
    ) -> ListPage[Node]:
        """Read one page of a shop's pending transfers or accepted orders; limit 0 only counts."""
        status, sort, _ = LISTS[listing]
        query = [("status[]", status), ("sort", sort), ("limit", str(limit)), ("offset", str(offset))]
        answer = self._request("GET", "order", f"/shops/{_part(shop)}/{listing.name}", params=query)
        rows = answer.children("data", needed=True)
        total, ids = answer.child("meta").whole("totalItemCount"), [str(row.whole("id")) for row in rows]
        marks = [fingerprint(row.value) for row in rows] if prints and listing.stays else ()
        return ListPage(rows=rows, ids=ids, total=total, answer=answer, prints=marks)

    def read(self, listing: Listing, shop: str, enough: Callable[[ListPage[Node]], bool]) -> list[Node]:
        """Read a whole list, or as far as the page that is enough."""
        return read_list(lambda offset: self.page(listing, shop, offset), PAGE, enough)

    def understand(self, listing: Listing, shop: str, rows: Sequence[Node]) -> list[Order]:
        """Return entries of a list as orders."""
        *_, read = LISTS[listing]
        return [read(row.value, shop, self.market(shop)) for row in rows]

    def order(self, shop: str, order: str) -> Order:
        """Read one order."""
        answer = self._request("GET", "order", f"/shops/{_part(shop)}/orders/{_part(order)}")
        return mapping.read_order(answer.child("data").value, shop, self.market(shop))

    def decide(self, shop: str, transfer: str, accepted: Sequence[str], declined: Sequence[str]) -> str | None:
        """Accept and decline positions of a transfer; return the order that came out, None if another was faster."""
        positions = {"acceptedPositions": accepted, "declinedPositions": declined}
        body = {name: [{"id": int(position)} for position in ids] for name, ids in positions.items() if ids}
        path = f"/shops/{_part(shop)}/transfers/{_part(transfer)}"
        return mapping.read_new_order(self._request("PATCH", "order", path, json=body).child("data"))

    def track(self, shop: str, order: str, positions: Sequence[str], tracking: str, carrier: str) -> None:
        """Write a tracking number into positions of an order (unconfirmed)."""
        parcel = {"trackAndTrace": tracking, "shippingProviderId": carrier}
        body = {"acceptedPositions": [{"id": int(position), **parcel} for position in positions]}
        self._request("PATCH", "order", f"/shops/{_part(shop)}/orders/{_part(order)}", json=body)

    def carriers(self, shop: str, order: str) -> list[str]:
        """Return the ids of the carriers that Miinto allows for an order."""
        path = f"/shops/{_part(shop)}/shipping-providers/orders/{_part(order)}"
        return [carrier.id() for carrier in self._request("GET", "order", path).children("data")]

    def set_stock(self, shop: str, levels: Sequence[StockLevel]) -> None:
        """Set stock levels, all or none."""
        items = [mapping.stock_item(level) for level in levels]
        self._request("PATCH", "stock", f"/locations/{_part(shop)}/items", json=items, idempotent=True)

    def products(self, shop: str, names: Set[str] | None = None) -> list[RemoteProduct]:
        """Read the product map: which of the feed's products became which item of Miinto's.

        Args:
            shop: whose map.
            names: ids of products, if only the rows with one of them are wanted.
        """
        query, market = [("unifiedLocationId", shop)], self.market(shop)
        rows = self._request("GET", "pc", "/productmaps", params=query, check=_check_bare).items("data")
        wanted = rows if names is None else [row for row in rows if mapping.names_one(row, names)]
        return [mapping.read_product(row, shop, market) for row in wanted]

    def _open(self) -> dict[str, Any]:
        """Open a channel."""
        settings, http = self.account.settings, self.account.http
        url = settings.address_of("auth") + "/channels"
        credentials = {"identifier": settings.identifier, "secret": settings.secret.get_secret_value()}
        try:
            answer = http.request("POST", url, json=credentials, idempotent=True, check=_check)
        except (Rejected, _Failure) as error:
            advice = "Enter the login and password of the Miinto admin panel again."
            raise AuthError("Miinto refuses the identifier and secret.", words=error.words, advice=advice) from None
        data = Node.of(answer).child("data")
        return {"id": data.id("id"), "token": data.id("token"), "shops": shops_of(data.value.get("privileges"))}

    def _headers(self, request: Request, channel: Mapping[str, Any]) -> dict[str, str]:
        timestamp, seed = str(int(self.account.clock.now().timestamp())), secrets.token_hex(8)
        signature = sign(request, channel=channel["id"], token=channel["token"], timestamp=timestamp, seed=seed)
        return {
            "Miinto-Api-Auth-ID": channel["id"],
            "Miinto-Api-Auth-Signature": signature,
            "Miinto-Api-Auth-Timestamp": timestamp,
            "Miinto-Api-Auth-Seed": seed,
            "Miinto-Api-Auth-Type": AUTH_TYPE,
        }

    def _request(
        self, method: str, service: str, path: str, *, check: Callable[[Response], None] = _check, **given: Any
    ) -> Node:
        """Send a signed call and return an answer that reports success; a bare list is read as its `data`.

        Args:
            method: as of `Http.request`.
            service: name of the setting that holds its base URL.
            path: within the service.
            check: as of `Http.request`.
            **given: whatever else `Http.request` takes.
        """
        headers = {
            "Content-Type": "application/json",
            "Miinto-Api-Control-Flavour": "Miinto-Generic",
            "Miinto-Api-Control-Version": self.account.settings.control_version,
        }
        url = self.account.settings.address_of(service) + path
        try:
            answer = self.account.http.request(method, url, headers=headers, auth=self.session, check=check, **given)
        except _Failure as failure:  # of a new channel, too
            advice = "If the shop is closed at Miinto, open it there or name it in the setting closed_shops."
            raise Rejected(failure.message, words=failure.words, advice=advice) from None
        return Node.of(answer, bare="data")


def _part(text: str) -> str:
    """Encode a part of a path; shop ids keep their exclamation marks, which are signed and sent as they are."""
    return quote(text, safe="!")
