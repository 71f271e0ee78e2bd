"""The command line: each command parses, calls one function of the library, and prints what it gave.

What a command needs is imported when it runs, so that help and typing mistakes are answered at once.
"""

from __future__ import annotations

import click

from crossdock.cli.commands import Main

SECTIONS = {
    "Set up": {
        "init": ("crossdock.cli.installation:init", "Set up an installation in a folder."),
        "upgrade": ("crossdock.cli.installation:upgrade", "Bring the database to what this version needs."),
        "key": ("crossdock.cli.installation:key", "Change the key for secrets, or replace a lost one."),
        "plugins": ("crossdock.cli.installation:plugins", "List the platforms that are installed."),
        "account": ("crossdock.cli.account:account", "Connect accounts, and say what each may do."),
        "status-map": ("crossdock.cli.status_map:status_map", "Say which of your statuses a platform's status is."),
    },
    "Goods": {
        "catalog": ("crossdock.cli.catalog:catalog", "Import and show products, prices and bundles."),
        "stock": ("crossdock.cli.stock:stock", "Show and correct what is in stock."),
        "prices": ("crossdock.cli.prices:prices", "Say how prices are made, and see how one came about."),
        "mapping": ("crossdock.cli.mapping:mapping", "Say how the fields of offers files are filled."),
        "feed": ("crossdock.cli.feed:feed", "Build offers files, give out links, see what is not in them."),
        "offers": ("crossdock.cli.offers:offers", "Say what is listed where, and link what is listed already."),
    },
    "Orders": {
        "orders": ("crossdock.cli.orders:orders", "Look at orders, take or decline them, ship, cancel."),
    },
    "Work": {
        "plan": ("crossdock.cli.run:plan", "Say what a job would do, without doing it."),
        "run": ("crossdock.cli.run:run", "Run a job of an account now."),
        "work": ("crossdock.cli.run:work", "Run what is due, in the background."),
        "serve": ("crossdock.cli.serve:serve", "Offer feeds on the web, and run what is due."),
        "schedule": ("crossdock.cli.schedule:schedule", "Say when jobs run by themselves."),
        "status": ("crossdock.cli.watch:status", "Say whether all is well; the exit code is for a monitor."),
        "runs": ("crossdock.cli.watch:runs", "Look at what ran, and stop what runs."),
        "events": ("crossdock.cli.watch:events", "List what runs had to tell."),
    },
    "Rehearse": {
        "twin": ("crossdock.cli.twin:twin", "Be a platform on this machine, to try things out with."),
        "demo": ("crossdock.demo.cli:demo", "Watch one seller's day against twins."),
    },
}


@click.command(cls=Main, sections=SECTIONS, epilog="Example: crossdock orders list --pending --json")
@click.version_option(package_name="crossdock")
def main() -> None:
    """Move orders, stock, prices and offers between marketplaces, shops and your own systems.

    The options below may stand anywhere on the line. On a terminal there are tables and local time; in a pipe there
    are values parted by tabs and time in UTC; with --json there is one JSON document.
    """
