"""The command as tests call it: in this process, with a plugin's answers to play the platform."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from crossdock import hub as library
from crossdock.cli import main
from crossdock.core.model import (
    Acceptance,
    Decision,
    LineOutcome,
    Meaning,
    Money,
    Order,
    OrderLine,
    OrderPage,
    PlatformStatus,
    ProductPage,
    RemoteId,
    RemoteProduct,
    StockLevel,
)
from crossdock.core.model import Result as Answer
from crossdock.hub import Hub

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "canary-5e1f0c77"
CATALOG = "sku,name,price,currency,quantity,gtin\nSHIRT,Shirt,10.00,PLN,5,5901234123457\nSOCKS,Socks,4.50,PLN,9,\n"


class Cli:
    """The command, called as from a shell.

    Args:
        config: the installation's file.
    """

    def __init__(self, config: Path) -> None:
        self.config = config
        self.folder = config.parent

    def __call__(self, *arguments: str | int | Path, input: str | None = None, code: int = 0) -> Result:
        """Call it and make sure of its exit code; a bug is raised."""
        line = ["--config", str(self.config), *map(str, arguments)]
        result = CliRunner().invoke(main, line, input=input, catch_exceptions=False)
        assert result.exit_code == code, f"{line} ended with {result.exit_code}:\n{result.output}"
        return result

    def json(self, *arguments: str | int | Path, code: int = 0) -> Any:
        """Call it with --json and return its one document."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def table(self, *arguments: str | int | Path, code: int = 0) -> list[dict[str, str]]:
        """Call it and return the tab-separated table that it prints into a pipe."""
        header, *lines = self(*arguments, code=code).stdout.splitlines()
        return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]

    def complains(self, *arguments: str | int | Path, code: int = 2) -> str:
        """Call it where it has to refuse, and return what it says on standard error."""
        result = self(*arguments, code=code)
        assert result.stdout == ""
        return result.stderr

    def hub(self) -> Hub:
        """Open the installation behind the command's back."""
        return library.open(self.config)


# --- a platform ------------------------------------------------------------------------------------------------------


def proposal(number: int, *, sku: str = "SHIRT", quantity: int = 1, status: str = "new") -> Order:
    line = OrderLine(id=f"{number}1", name="A shirt", quantity=quantity, price=_zloty("10"), sku=sku)
    return Order(
        id=RemoteId(kind="proposal", value=f"P{number}"),
        proposal=True,
        market="PL",
        status=status,
        placed_at=MOMENT,
        lines=(line,),
    )


def _zloty(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="PLN")


def page(*orders: Order) -> OrderPage:
    return OrderPage(orders=orders, cursor={"version": 1})


def won(account: Any, order: Order, decision: Decision) -> Acceptance:
    outcome = dict.fromkeys(decision.accepted, LineOutcome.WON)
    return Acceptance(lines=outcome | {line.id: LineOutcome.DECLINED for line in decision.declined})


def taken(account: Any, levels: tuple[StockLevel, ...]) -> tuple[Answer, ...]:
    return tuple(Answer(item=level.offer.id, warehouse=level.warehouse, accepted=True) for level in levels)


LISTED = ProductPage(
    products=(RemoteProduct(remote_id="L1", market="PL", sku="SHIRT", price=_zloty("12")),), cursor={"version": 1}
)
STATUSES = (
    PlatformStatus(code="new", label="New", meaning=Meaning.NEW),
    PlatformStatus(code="odd", label="Odd"),
    PlatformStatus(code="sent", label="Sent", meaning=Meaning.SHIPPED, settable=True),
)
