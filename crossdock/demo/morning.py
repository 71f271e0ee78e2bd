"""The seller's morning: connected, the catalogue imported, mapped, priced and listed, the first offers file fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from crossdock.core.store.feed_rows import Effect
from crossdock.demo import catalogue, rules
from crossdock.demo.catalogue import CURRENCY, Variant
from crossdock.demo.sales import FLOOR
from crossdock.demo.seller import ACCOUNT
from crossdock.demo.shown import compare, count_pulls, read_file
from crossdock.demo.stage import Stage
from crossdock.hub.offers import Done, Selection

VAT_RATE = "23"
POLICY = {"multiplier": "1.10", "ending": "0.99", "direction": "up"}


class Morning:
    """What comes before the first order.

    Args:
        stage: the seller.
        folder: for files.
    """

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._folder = folder
        self._hub = stage.hub

    def connect(self) -> None:
        """Connect the account."""
        stage = self._stage
        stage.tell(f"A Miinto of our own listens on {stage.marketplace.url}; the seller's hub is one SQLite file.")
        said = stage.connect({}, {"vat_rate": VAT_RATE, "price_floor": FLOOR})
        stage.tell(f"Account {ACCOUNT} connected. {said}")

    def import_catalogue(self, variants: Sequence[Variant]) -> None:
        """Import what there is to sell."""
        path = self._folder / "catalogue.csv"
        catalogue.write(path, [*variants, replace(variants[0], sku="BAD-1", price="49,90")])
        report = self._stage.import_catalogue(path, CURRENCY)
        self._stage.tell(
            f"Catalogue imported: {report.added:,} variants. {report.failed} row left out: {report.faults[0]}."
        )

    def map(self) -> None:
        """Import the mapping, look what is to be mended, and import it again."""
        for what, text in (("The mapping", rules.draft()), ("The mapping, mended,", rules.MAPPING)):
            self._hub.mapping.load(ACCOUNT, text, name="mapping.toml")
            findings = self._hub.mapping.check(ACCOUNT)
            number = f"{len(findings)} things" if findings else "nothing"
            self._stage.tell(f"{what} is imported from a TOML file. Its check finds {number} to mend.")
            for found in findings:
                self._stage.tell(f"  {found.what} {found.name}: {found.message}")

    def list_offers(self) -> None:
        """Price everything, list it, and build the first offers file."""
        self._hub.prices.set(ACCOUNT, "", POLICY)
        policy = f"times {POLICY['multiplier']}, then {POLICY['direction']} to an ending of {POLICY['ending']}"
        done = Counter(result.done for result in self._hub.offers.create(ACCOUNT, Selection(everything=True)))
        self._stage.tell(f"Price policy: {policy}. Offers created: {done[Done.CREATED]:,}.")
        self._hub.accounts.enable(ACCOUNT, "feed")
        for job in ("resolve", "feed"):
            self._stage.work(job)
        wrong = [fault for fault in self._hub.feeds.faults(ACCOUNT) if fault.effect is Effect.LEFT_OUT]
        codes = Counter(fault.fault.code for fault in wrong)
        by_code = ", ".join(f"{number} {code}" for code, number in sorted(codes.items()))
        out = len({fault.offer_id for fault in wrong})
        self._stage.tell(f"First offers file: {len(read_file(self._hub)):,} rows, {out} offers left out: {by_code}.")
        shown = next(fault for fault in wrong if fault.fault.field == "title")
        self._stage.tell(f"  {shown.sku}, title {shown.fault.value!r}: {shown.fault.remedy}")

    def publish(self, server: str) -> str:
        """Give Miinto the link, let it fetch the file, link what it lists, and return the link.

        Args:
            server: URL of the server that has the file.
        """
        stage = self._stage
        link = f"{server}{urlsplit(self._hub.feeds.renew_link(ACCOUNT).url).path}"
        stage.marketplace.set_feed(link)
        pull = stage.marketplace.pull()
        stage.pulled(since=None)
        stage.tell(
            f"Miinto fetches it from {server}/feed/...: {pull['bytes']:,} bytes, the first after"
            f" {pull['first_byte']:.3f} s, the last after {pull['seconds']:.3f} s."
        )
        found = compare(read_file(self._hub), stage.listing)
        same = found.rows - len(found.missing) - len(found.different)
        refused = count_pulls([pull], 1).refused
        stage.tell(f"  Its judge refuses {refused} rows, and shows {same:,} of {found.rows:,} as the file says.")
        stage.work("offers")
        counts = self._hub.work.list(account=ACCOUNT, job="offers", limit=1)[0].counts
        stage.tell(f"Offers linked to what Miinto lists: {counts['changed']:,}. Doubled: {counts['added']}.")
        return link
