"""Offers files: `feed build`, `feed show`, `feed link`, `feed log`, `feed check`, `feed why`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crossdock.cli import endings
from crossdock.cli.app import LEFT_TO_A_PERSON, App
from crossdock.cli.commands import Group
from crossdock.cli.run import watched
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.store.feed_rows import OfferFault
    from crossdock.core.store.feeds import Version
    from crossdock.hub.feeds import OfferStory
    from crossdock.hub.mapping import ShownField

JOB = "feed"
Word = TypeVar("Word", bound=StrEnum)

MARKET = click.option("--market", metavar="CODE", help="Of the offers file, where there are several.")


@click.group(cls=Group)
def feed() -> None:
    """Build offers files, give out their links, and see what is not in them and why."""


@feed.command(epilog="Example: crossdock feed build shop-pl")
@click.argument("account")
@click.option("--force", is_flag=True, help="Build it from scratch, and publish it although it lost many rows.")
@click.pass_obj
def build(app: App, account: str, force: bool) -> None:
    """Apply rules and prices to what changed, build an account's offers files, and publish those that changed.

    An offer that turned faulty keeps its last valid row. A file that would lose too many rows is not published; see
    the option max_drop_share.
    """
    with app.hub() as hub:
        with watched(hub, account, JOB):
            record = hub.feeds.build(account, force=force)
        endings.tell(app, hub, record)


@feed.command(epilog="Example: crossdock feed show shop-pl")
@click.argument("account")
@MARKET
@click.pass_obj
def show(app: App, account: str, market: str | None) -> None:
    """Show the offers file that is out, its numbers, its link, and when it was last fetched."""
    with app.hub() as hub:
        found = hub.feeds.show(account, market)
    faults = [
        {"effect": effect, "code": code, "offers": number} for (code, effect), number in sorted(found.faults.items())
    ]
    app.show(
        {
            "account": account,
            "market": found.feed.market,
            "link": found.url,
            "user": found.feed.user,
            "out": _version(found.version) if found.version else None,
            "last_build": _version(found.last) if found.last else None,
            "last_fetched_at": found.fetched.at if found.fetched else None,
            "faults": faults,
        }
    )


@feed.command(epilog="Example: crossdock feed link shop-pl --renew --user miinto")
@click.argument("account")
@MARKET
@click.option("--renew", is_flag=True, help="Make a new link; the old one leads nowhere from now on.")
@click.option("--user", metavar="NAME", help="With --renew: ask for this user and a new password, which is shown once.")
@click.option("--revoke", is_flag=True, help="Take the link away: nobody can fetch the file any more.")
@click.option("--yes", is_flag=True, help="Do not ask before a link is taken away.")
@click.pass_obj
def link(app: App, account: str, market: str | None, renew: bool, user: str | None, revoke: bool, yes: bool) -> None:
    """Print the link that a platform fetches the offers file by, make a new one, or take it away.

    Whoever has the link can read the file: give it to the platform only.
    """
    if renew and revoke:
        raise ConfigError("A link cannot be renewed and revoked at once.", advice="Give one of --renew and --revoke.")
    if user and not renew:
        raise ConfigError("--user belongs to --renew.", advice="Add --renew; the link and the password become new.")
    with app.hub() as hub:
        known = hub.feeds.show(account, market)
        if (renew or revoke) and known.feed.token:
            app.confirm("The link that is in use leads nowhere then. Go on?", yes=yes)
        if revoke:
            hub.feeds.revoke_link(account, market)
            app.done("Nobody can fetch the file any more.", {"link": None})
            return
        if renew:
            made = hub.feeds.renew_link(account, market, user=user)
            document = {"link": made.url, "user": made.user, "password": made.password}
            login = f"\nUser {made.user}, password {made.password} (shown this once)" if made.user else ""
            app.done(f"{made.url}{login}", document)
            return
    if known.url is None:
        raise ConfigError("There is no link.", advice=f"Make one: crossdock feed link {account} --renew")
    app.done(known.url, {"link": known.url, "user": known.feed.user, "password": None})


@feed.command(epilog="Example: crossdock feed log shop-pl --limit 50")
@click.argument("account")
@MARKET
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many of each at most.")
@click.pass_obj
def log(app: App, account: str, market: str | None, limit: int) -> None:
    """List the last versions of the offers file, and who fetched it."""
    with app.hub() as hub:
        versions, downloads = hub.feeds.log(account, market, limit=limit)
    fetched = [
        {
            "at": download.at,
            "version": download.version,
            "kind": download.kind,
            "status": download.status,
            "bytes": download.bytes,
            "agent": download.agent,
            "address": download.address,
        }
        for download in downloads
    ]
    app.show(
        {"versions": [_version(version) for version in versions], "downloads": fetched},
        versions=(
            "version",
            "state",
            "began_at",
            "rows",
            "new",
            "changed",
            "removed",
            "left_out",
            "kept_back",
            "reason",
        ),
    )


@feed.command(epilog="Example: crossdock feed check shop-pl --code missing --json")
@click.argument("account")
@MARKET
@click.option("--code", metavar="CODE", help="Only this fault, such as missing.")
@click.option("--effect", metavar="EFFECT", help="Only this: left_out, kept_back or not_in_market.")
@click.option("--sku", help="Only this one.")
@click.pass_obj
def check(app: App, account: str, market: str | None, code: str | None, effect: str | None, sku: str | None) -> None:
    """List what the last build left out of the file or kept back as it was, and what to do; exit code 1 if anything.

    An offer is left out if it never was in the file. One that is in it and turned faulty is kept back: its last valid
    row stays, with its stock of now.
    """
    from crossdock.core.model import FaultCode
    from crossdock.core.store.feed_rows import Effect

    wanted = {"code": _word(FaultCode, code), "effect": _word(Effect, effect), "sku": sku}
    with app.hub() as hub:
        rows = [_fault(fault) for fault in hub.feeds.faults(account, market, **wanted)]  # type: ignore[arg-type]
    rows.sort(key=lambda row: (row["code"], row["field"]))
    if app.json or rows:
        app.show(rows, "code", "effect", "sku", "field", "value", "remedy")
    else:
        app.say(f"{account}: nothing is left out or kept back.")
    if rows:
        raise click.exceptions.Exit(LEFT_TO_A_PERSON)


@feed.command(epilog="Example: crossdock feed why shop-pl SHIRT-M brand")
@click.argument("account")
@click.argument("sku")
@click.argument("field", required=False)
@MARKET
@click.pass_obj
def why(app: App, account: str, sku: str, field: str | None, market: str | None) -> None:
    """Say why an offer is as it is: each field, which rule gave it, what was tried before, how its price was made."""
    with app.hub() as hub:
        found = hub.feeds.why(account, sku, field, market=market)
    steps = [
        {"market": price.market, "what": step.what, "by": step.by, "result": step.result}
        for price in found.prices
        for step in price.made.priced.steps
    ]
    app.show(
        {
            "sku": sku,
            "market": found.market,
            "in_the_file": found.published is not None,
            "units": found.units,
            "faults": [_fault(fault) for fault in found.faults],
            "fields": [_field(found, shown) for shown in found.fields],
            "price_steps": steps,
        },
        faults=("effect", "code", "field", "value", "remedy"),
    )


def _field(story: OfferStory, shown: ShownField) -> dict[str, Any]:
    published = story.published.get(shown.field, "") if story.published is not None else None
    tried = "; ".join(f"{one.origin}: {one.value or one.why}" for one in shown.tried)
    return {
        "field": shown.field,
        "value": shown.value,
        "origin": shown.origin,
        "tried": tried,
        "published": published,
        "fault": shown.fault,
    }


def _fault(wrong: OfferFault) -> dict[str, Any]:
    fault = wrong.fault
    return {
        "sku": wrong.sku,
        "effect": wrong.effect,
        "code": fault.code,
        "field": fault.field,
        "value": fault.value,
        "remedy": fault.remedy,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.id,
        "state": version.state,
        "reason": version.reason,
        "began_at": version.began_at,
        "ended_at": version.ended_at,
        "rows": version.rows,
        "bytes": version.bytes,
        "sha256": version.sha256,
        **version.counts,
    }


def _word(kind: type[Word], text: str | None) -> Word | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"There is no {text!r}.", advice=f"Here are: {', '.join(kind)}.") from None
