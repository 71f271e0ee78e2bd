"""Prices: `prices set`, `show`, `explain`, `import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.cli.values import Pair, mapping

if TYPE_CHECKING:
    from crossdock.core.prices import Policy, Priced

MARKET = click.option("--market", metavar="CODE", help="Only this market.")


@click.group(cls=Group)
def prices() -> None:
    """Say how an account's prices are made of yours, and see how one came about.

    A price is converted, multiplied, added to and rounded, in this order. docs/prices.md describes it.
    """


@prices.command(
    "set", epilog="Example: crossdock prices set shop-pl --market se --rate PLN=2.45 --ending 9 --direction up"
)
@click.argument("account")
@click.option("--market", default="", metavar="CODE", help="For this market; by default for all without their own.")
@click.option("--group", metavar="NAME", help="Take the prices of this price group; none takes your own again.")
@click.option("--multiplier", metavar="NUMBER", help="Such as 1.10 for ten percent more.")
@click.option("--addition", metavar="AMOUNT", help="Added in the market's currency; below zero to take off.")
@click.option("--ending", metavar="AMOUNT", help="Round to prices that end like this, such as 0.99 or 9; or none.")
@click.option("--step", metavar="AMOUNT", help="Round to multiples of this, such as 0.10; or none.")
@click.option("--direction", type=click.Choice(["up", "down", "nearest"]), help="Where to round; nearest by default.")
@click.option("--currency", metavar="CODE", help="The market's, where the offers file does not say it; or none.")
@click.option("--rate", "rates", type=Pair("CODE=rate"), multiple=True, help="What one unit of a currency is there.")
@click.option("--remove", is_flag=True, help="Take the policy of the market back.")
@click.pass_obj
def set_(
    app: App, /, account: str, market: str, rates: tuple[tuple[str, str], ...], remove: bool, **given: str | None
) -> None:
    """Say how prices are made in a market; what you do not name stays as it is."""
    values: dict[str, Any] = {name: None if text == "none" else text for name, text in given.items() if text}
    if values.get("ending"):
        values.setdefault("step", None)
    if values.get("step"):
        values.setdefault("ending", None)
    place = f"market {market}" if market else "all markets without their own"
    with app.hub() as hub:
        if remove:
            hub.prices.remove(account, market)
            app.done(f"{account}: there is no policy for {place}.", {"account": account, "market": market})
            return
        if rates:
            known = hub.prices.policies(account).get(market)
            kept = {code: f"{rate:f}" for code, rate in known.rates.items()} if known else {}
            values["rates"] = {**kept, **mapping(rates, "--rate")}
        policy = hub.prices.set(account, market, values)
    app.done(f"{account}, {place}: {_said(policy)}.", _policy(account, market, policy))


@prices.command(epilog="Example: crossdock prices show shop-pl")
@click.argument("account")
@click.pass_obj
def show(app: App, account: str) -> None:
    """Show how an account's prices are made, market by market."""
    with app.hub() as hub:
        rows = [_policy(account, market, policy) for market, policy in hub.prices.policies(account).items()]
    app.show(rows, "market", "group", "rates", "multiplier", "addition", "rounding", "currency")


@prices.command(epilog="Example: crossdock prices explain shop-pl SHIRT-M --market se")
@click.argument("account")
@click.argument("sku")
@MARKET
@click.pass_obj
def explain(app: App, account: str, sku: str, market: str | None) -> None:
    """Show line by line how the price of a product in a market comes about; exit code 1 if it has none."""
    with app.hub() as hub:
        found = hub.prices.explain(account, sku, market=market)
    made = found.made
    app.show(
        {
            "sku": found.sku,
            "market": found.market,
            "price": made.price,
            "old_price": made.before,
            "why_not": made.priced.reason,
            "steps": _steps(made.priced),
            "steps_of_old_price": _steps(made.crossed_out) if made.crossed_out else [],
        }
    )
    if made.price is None:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


@prices.command("import", epilog="Example: crossdock prices import wholesale.csv --currency EUR")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--currency", metavar="CODE", help="Currency of prices on rows that name none.")
@click.pass_obj
def import_(app: App, file: Path, currency: str | None) -> None:
    """Read prices of price groups from CSV, TSV or JSON lines with the columns sku, group, price and currency.

    Rows with faults are left out and said; then the exit code is 1.
    """
    with app.hub() as hub:
        report = hub.prices.import_file(file, currency=currency)
    for fault in report.faults:
        app.warn(str(fault))
    counts = f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {report.failed} left out"
    app.done(f"{file}: {counts}.", report)
    if report.failed:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


def _policy(account: str, market: str, policy: Policy) -> dict[str, Any]:
    return {
        "account": account,
        "market": market,
        "group": policy.group,
        "rates": policy.rates,
        "multiplier": policy.multiplier,
        "addition": policy.addition,
        "rounding": str(policy.rounding) if policy.rounding else None,
        "currency": policy.currency,
    }


def _said(policy: Policy) -> str:
    from crossdock.core.prices import plain_policy

    parts = plain_policy(policy)
    rates = parts.pop("rates", {})
    said = [f"{name} {value}" for name, value in parts.items()]
    said += [f"1 {code} = {rate}" for code, rate in rates.items()] if isinstance(rates, dict) else []
    return ", ".join(said) or "prices stay as they are"


def _steps(priced: Priced) -> list[dict[str, Any]]:
    return [{"what": step.what, "by": step.by, "result": step.result} for step in priced.steps]
