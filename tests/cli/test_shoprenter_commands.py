"""Shoprenter from the command line: connected, tested, orders read, stock pushed, against the twin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from command import Cli

from crossdock.twins.kit import serve
from crossdock.twins.shoprenter import NewLine, ShoprenterTwin

CATALOG = "sku,name,price,currency,quantity,gtin\nSHIRT,Shirt,1270,HUF,5,5901234123457\n"


def test_orders_come_in_and_stock_goes_out(cli: Cli) -> None:
    (cli.folder / "catalog.csv").write_text(CATALOG)
    twin = ShoprenterTwin(limited=False)
    twin.add_product("SHIRT", stock=99)
    bought = datetime.now(UTC) - timedelta(hours=1)
    twin.add_order(
        NewLine(sku="SHIRT", price="1000.0000", quantity=2), charges={"SHIPPING": "990"}, status=5, created_at=bought
    )
    with serve(twin.app) as url:
        values = {"endpoint": url, **twin.client_settings()}
        cli("account", "add", "shoprenter", "shop", *(f"--set={name}={value}" for name, value in values.items()))
        assert "the shop teszt" in cli("account", "test", "shop").stdout
        cli("catalog", "import", cli.folder / "catalog.csv", "--layout", "plain", "--keep-all")
        cli("account", "enable", "shop", "orders", "--not-before", "2020-01-01", "--yes")
        cli("account", "enable", "shop", "stock")
        cli("account", "arm", "shop")
        cli("run", "shop", "offers")
        cli("run", "shop", "orders")
        (order,) = cli.json("orders", "list")
        cli("run", "shop", "stock")
    assert order["remote_id"] == "101"
    assert twin.book.stock_of("SHIRT")["stock1"] == 3
    assert len(twin.book.tokens) == 2  # the test asks for a new one, all others share it
