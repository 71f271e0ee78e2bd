"""Markets, accounts, their shops and their channels."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Market(NamedTuple):
    """A country site. The three-digit telephone code is part of every shop id."""

    country: str
    currency: str
    telephone: str
    postcode: str
    city: str


# Reference sheet, section 9. "test" is ours, for rehearsals: XX is a code that ISO 3166 leaves to its users.
MARKETS = {
    "pl": Market("PL", "PLN", "048", "00-001", "Warszawa"),
    "se": Market("SE", "SEK", "046", "111 22", "Stockholm"),
    "no": Market("NO", "NOK", "047", "0150", "Oslo"),
    "ch": Market("CH", "CHF", "041", "8001", "Zürich"),
    "be": Market("BE", "EUR", "032", "1000", "Brussel"),
    "nl": Market("NL", "EUR", "031", "1011 AB", "Amsterdam"),
    "dk": Market("DK", "DKK", "045", "1050", "København"),
    "test": Market("XX", "EUR", "999", "00000", "Testville"),
}
SEVEN = ("pl", "se", "no", "ch", "be", "nl", "dk")
REHEARSAL = "test"  # takes positions of any quantity and price, as a seller's own books have them
EVERYTHING = -1  # a privilege flag


@dataclass(slots=True, eq=False)
class Shop:
    """One shop of one account in one market; an inactive shop answers 200 with a failure."""

    id: str
    market: str
    active: bool = True

    @property
    def place(self) -> Market:
        return MARKETS[self.market]


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """A seller's login; `empty_privileges` turns on the quirk of an array in place of the tree."""

    identifier: str
    secret: str
    accessor_id: int
    shops: dict[str, Shop]
    empty_privileges: bool = False

    @classmethod
    def open(cls, number: int, identifier: str, secret: str, markets: Sequence[str], empty_privileges: bool) -> Account:
        if unknown := sorted(set(markets) - set(MARKETS)):
            raise ValueError(f"no market is called {', '.join(unknown)}; there are {', '.join(MARKETS)}")
        shops = (Shop(f"1-m!i!s-{MARKETS[market].telephone}-{1000 + number}", market) for market in markets)
        return cls(identifier, secret, 4200 + number, {shop.id: shop for shop in shops}, empty_privileges)

    def shop_in(self, market: str) -> str:
        """Return the id of the account's shop in that market."""
        for shop in self.shops.values():
            if shop.market == market:
                return shop.id
        raise ValueError(f"the account has no shop in {market!r}")

    def privileges(self) -> dict[str, Any] | list[Any]:
        """Return the tree system -> element type -> element id -> component -> flag."""
        if self.empty_privileges or not self.shops:
            return []
        tree: dict[str, Any] = {"__GLOBAL__": {"Store": {shop_id: {"*": EVERYTHING} for shop_id in self.shops}}}
        for shop in self.shops.values():
            tree[f"Platform-{shop.place.country}"] = {"ShopAdmin": {shop.id: {"*": EVERYTHING}}}
        return tree


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """A way to speak with Miinto, opened with the credentials; its token signs every other request."""

    id: str
    token: str
    account: Account

    @classmethod
    def open(cls, number: int, account: Account, source: random.Random) -> Channel:
        account_part, hexes = source.randrange(10**10), source.getrandbits(52)
        return cls(f"M!t!Ch!v1!{account_part:010}-{hexes:013x}-{number:09}", f"{source.getrandbits(160):040x}", account)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "token": self.token,
            "data": {"accessorId": self.account.accessor_id},
            "privileges": self.account.privileges(),
        }
