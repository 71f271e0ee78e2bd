"""The wire to a Shoprenter shop: credentials, lists, batches."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from crossdock.plugin import (
    Account,
    AuthError,
    Node,
    NotFound,
    Rejected,
    Request,
    Session,
    Unavailable,
)
from crossdock.plugins.shoprenter import mapping

TOKEN = "token 1"  # noqa: S105 (a name; a later shape takes the next number)
EARLY = timedelta(minutes=1)  # a token that is about to expire is not sent any more

PAGE, SMALLEST = 200, 25  # rows; the most that the documents allow, and what no shop should fail at
BATCH = 200  # requests, as the documents recommend

Params = tuple[str, str]


# --- credentials -----------------------------------------------------------------------------------------------------


class Basic:
    """User name and API key."""

    def __init__(self, user: str, key: str) -> None:
        self._header = "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()

    def sign(self, request: Request) -> Mapping[str, str]:
        """Return the header that all requests bear."""
        return {"Authorization": self._header}

    def renew(self) -> bool:
        """Say that there is nothing to renew."""
        return False


def scopes_of(token: str) -> frozenset[str] | None:
    """Return the scopes that a token (a JWT) names, None where it does not tell."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return frozenset(map(str, claims["scopes"]))
    except (ValueError, LookupError, TypeError):
        return None


# --- lists -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where the reading of a list stands: the page to read next, None before its pages were counted.

    A list is read from its last page to its first. What leaves it meanwhile moves the others towards the first page,
    where they are still to come: so nothing is missed, in whatever order the shop lists.
    """

    page: int | None = None
    limit: int = PAGE

    def halved(self) -> Spot:
        """Return the spot with pages of half the size, behind which exactly the same is still to be read."""
        return Spot(page=None if self.page is None else 2 * self.page + 1, limit=self.limit // 2)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


# --- batches ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a batch; the path is what follows the base URL."""

    method: str
    path: str
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one request of a batch."""

    status: int
    answer: Node

    def body(self) -> Node:
        """Return what was answered.

        Raises:
            Rejected: this one request was refused.
        """
        told = self.answer.value.get("body")
        words = str(told.get("message") or told) if isinstance(told, Mapping) else str(told or "")
        if self.status == 404:
            raise NotFound(f"{self.answer.where}: Shoprenter does not know this.", status=404, words=words)
        if self.status >= 300:
            raise Rejected(f"{self.answer.where}: Shoprenter refuses this.", status=self.status, words=words)
        return self.answer.child("body")


# --- calls -----------------------------------------------------------------------------------------------------------


class Client:
    """One account's calls to its shop; its session is API2's token: `token`, `expires`."""

    def __init__(self, account: Account) -> None:
        self.account, self.settings = account, account.settings
        self._session: Session | None = None
        if self.settings.client_id:
            self._session = Session(account.memory, TOKEN, ask=self._ask, sign=_bearer)

    def scopes(self) -> frozenset[str] | None:
        """Return what a new token allows, None where no token tells."""
        return scopes_of(self._session.open()["token"]) if self._session else None

    def get(self, resource: str, *params: Params) -> Node:
        """Read a list."""
        return self._request("GET", resource, params=params)

    def rows(self, answer: Node) -> list[Node]:
        """Return what a list holds."""
        if "items" not in answer.value:
            raise answer.fault("there are no items in it")
        return answer.children("items")

    def step(self, resource: str, spot: Spot, *params: Params) -> tuple[list[Node], Spot, Spot | None]:
        """Read one page of a list, in smaller pages where the shop cannot make it in time.

        Returns:
            Its rows, the spot as it was read, and the spot of the next page, None at the end.
        """
        while True:
            try:
                return self._step(resource, spot, params)
            except Unavailable as error:
                if error.status != 504 or spot.limit <= SMALLEST:
                    raise
                spot = spot.halved()

    def all(self, resource: str, *params: Params) -> list[Node]:
        """Read a short list whole."""
        rows, _, following = self.step(resource, Spot(), *params)
        while following:
            more, _, following = self.step(resource, following, *params)
            rows = [*more, *rows]
        return rows

    def setting(self, key: str) -> str:
        """Return a setting of the shop, empty where there is none or it may not be read."""
        return next((row.text("value") for row in self._allowed("settings", ("key", key))), "")

    def language(self) -> str:
        """Return the id of the shop's language, empty where that cannot be found."""
        if not (wanted := self.setting("config_language")):
            return ""
        languages = self._allowed("languages")
        return next((row.id() for row in languages if wanted in (row.id(), row.text("innerId"), row.text("code"))), "")

    def options(self, orders: Sequence[Node]) -> dict[str, list[Node]]:
        """Return the options chosen with each line, by the line's id."""
        lines = [line for order in orders for line in order.children("orderProducts")]
        wanted = [line.id() for line in lines if line.value.get("orderProductOptions")]
        paths = (urlencode({"full": "1", "limit": str(PAGE), "orderProductId": name}) for name in wanted)
        answers = self.batch([Call("GET", f"orderProductOptions?{path}") for path in paths])
        return {name: self.rows(answer.body()) for name, answer in zip(wanted, answers, strict=True)}

    def batch(self, calls: Sequence[Call]) -> list[Part]:
        """Send many requests at once and return an answer for each.

        Raises:
            RemoteError: of a kind that holds for all of them; some may have been carried out.
        """
        return [part for start in range(0, len(calls), BATCH) for part in self._batch(calls[start : start + BATCH])]

    def _batch(self, calls: Sequence[Call]) -> Iterator[Part]:
        requests = [
            {"method": call.method, "uri": f"{self.settings.base}/{call.path}"}
            | ({} if call.data is None else {"data": call.data})
            for call in calls
        ]
        answer = self._request("POST", "batch", json={"data": {"requests": requests}}, idempotent=True)
        parts = answer.child("requests").children("request")
        if len(parts) != len(calls):
            raise answer.fault(f"it has {len(parts)} answers to {len(calls)} requests")
        for part in parts:
            response = part.child("response")
            status = mapping.whole(response.child("header"), "statusCode")
            if status in (401, 403):
                raise AuthError(f"{part.where}: Shoprenter forbids this.", status=status, words=str(response.value))
            if status == 429 or status >= 500:
                raise Unavailable(f"{part.where}: Shoprenter cannot do this now ({status}).", unclear=True)
            yield Part(status, response)

    def _step(self, resource: str, spot: Spot, params: Sequence[Params]) -> tuple[list[Node], Spot, Spot | None]:
        if spot.page is None:
            first = self._page(resource, 0, spot.limit, params)
            count = self._pages(first)
            if count <= 1:
                return self.rows(first), spot, None
            spot = Spot(page=count - 1, limit=spot.limit)
        page, limit = spot.page or 0, spot.limit
        following = Spot(page=page - 1, limit=limit) if page else None
        try:
            return self.rows(self._page(resource, page, limit, params)), spot, following
        except Rejected:
            # A page that is not there any more is refused.
            if page and page >= self._pages(self._page(resource, 0, limit, params)):
                return [], spot, following
            raise

    def _page(self, resource: str, page: int, limit: int, params: Sequence[Params]) -> Node:
        return self.get(resource, ("full", "1"), ("page", str(page)), ("limit", str(limit)), *params)

    def _pages(self, answer: Node) -> int:
        if answer.value.get("pageCount") is not None:
            return mapping.whole(answer, "pageCount")
        if answer.value.get("next"):
            raise answer.fault("it does not say how many pages there are")
        return 1

    def _allowed(self, resource: str, *params: Params) -> list[Node]:
        """Read a list that only makes texts better; without permission it is empty."""
        try:
            return self.all(resource, *params)
        except AuthError as error:
            self.account.log.warning("%s cannot be read, so labels may be in another language: %s", resource, error)
            return []

    def _request(self, method: str, path: str, **given: Any) -> Node:
        """Send a call and return the object that is answered, everything empty in it as null."""
        settings, auth = self.settings, self._session
        if auth and datetime.fromisoformat(auth.current()["expires"]) <= self.account.clock.now() + EARLY:
            auth.renew()
        answer = Node.of(
            self.account.http.request(
                method,
                f"{settings.base}/{path}",
                headers={"Accept": "application/json"},
                auth=auth or Basic(settings.user, settings.api_key.get_secret_value()),
                **given,
            )
        )
        return Node(_plain(answer.value), answer.where, answer.answer)

    def _ask(self) -> dict[str, Any]:
        """Ask for a token."""
        settings, asked = self.settings, self.account.clock.now()
        credentials = {"client_id": settings.client_id, "client_secret": settings.client_secret.get_secret_value()}
        body = {"grant_type": "client_credentials", **credentials}
        try:
            answer = self.account.http.request("POST", settings.token_url, json=body, idempotent=True)
        except (AuthError, Rejected) as error:
            raise AuthError(
                f"Shoprenter refuses client id and secret for the shop {settings.name}.",
                words=error.words,
                advice="Check them and the shop's address; the API client may also have been deleted.",
            ) from None
        token = Node.of(answer)
        expires = asked + timedelta(seconds=mapping.whole(token, "expires_in"))
        return {"token": token.id("access_token"), "expires": expires.isoformat()}


def _bearer(request: Request, kept: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {kept['token']}"}


def _plain(value: Any) -> Any:
    """Return JSON with null for everything empty, and numbers with a fraction as text, like all others."""
    if isinstance(value, Mapping):
        return {name: _plain(part) if part or part == 0 else None for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return format(value, "f") if isinstance(value, Decimal) else value
