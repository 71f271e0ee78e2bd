"""The hub's offers file and what the marketplace shows of it, row by row, and what became of the pulls between."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossdock.core.store.feed_rows import Effect
from crossdock.core.store.feeds import DownloadKind
from crossdock.demo.marketplace import Listed
from crossdock.demo.seller import ACCOUNT
from crossdock.hub import Hub

EVER: Final = 10_000  # builds or downloads: more than a day has

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What both sides have to agree on of an offer: what it is found by, the price in minor units, units."""

    group: str
    brand: str
    color: str
    size: str
    price: int
    stock: int


def read_file(hub: Hub) -> dict[str, Row]:
    """Return the rows of the offers file that is out, by id."""
    version = hub.feeds.show(ACCOUNT).version
    with (hub.downloads.folder / str(version and version.file)).open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}


def in_file(row: Row, currency: str) -> Shown:
    """Return what the file says of an offer; a buyer pays the discount price, where there is one."""
    retail, discount = (row[f"c:{kind}_{currency}:integer"] for kind in ("retail_price", "discount_retail_price"))
    return Shown(
        group=row["item_group_id"],
        brand=row["brand"],
        color=row["color"],
        size=row["size"],
        price=int(discount or retail),
        stock=int(row["c:stock_level:integer"]),
    )


def in_listing(row: Listed) -> Shown:
    """Return what buyers see of an offer."""
    return Shown(row.group, row.brand, row.color, row.size, row.price, row.stock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the file that is out and the listing agree.

    Args:
        rows: of the file.
        missing: ids in the file that the marketplace does not show. extra: the other way round.
        different: ids that are shown otherwise than the file says: keys, price or units.
    """

    rows: int
    missing: Sequence[str]
    extra: Sequence[str]
    different: Sequence[str]


def compare(rows: Mapping[str, Row], listing: Iterable[Listed]) -> Agreement:
    """Compare the offers file, by id, with what the marketplace shows."""
    there = {row.id: row for row in listing}
    both = sorted(rows.keys() & there.keys())
    return Agreement(
        rows=len(rows),
        missing=sorted(rows.keys() - there.keys()),
        extra=sorted(there.keys() - rows.keys()),
        different=[key for key in both if in_file(rows[key], there[key].currency) != in_listing(there[key])],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulls:
    """What became of the file on its way, as the marketplace's book has it, and how often the hub noted a fetch.

    Args:
        number: how often it was fetched. noted: how often the hub says so.
        failed: pulls of which nothing could be taken.
        refused: rows that were refused or not taken, in all pulls.
        first_byte, seconds: of the slowest pull, in real time.
    """

    number: int
    noted: int
    failed: int
    refused: int
    first_byte: float
    seconds: float

    @property
    def fine(self) -> bool:
        """Whether there was one, all of all files was taken, and both sides counted alike."""
        return self.number == self.noted > 0 and not (self.failed or self.refused)


def count_pulls(pulls: Sequence[Mapping[str, Any]], noted: int) -> Pulls:
    """Sum up the pulls of the marketplace's book; `noted` is how many whole downloads the hub has noted."""
    taken = [pull for pull in pulls if pull["fault"] is None]
    return Pulls(
        number=len(pulls),
        noted=noted,
        failed=len(pulls) - len(taken),
        refused=sum(max(pull["rejected_count"], pull["rows"] - len(pull["accepted"])) for pull in taken),
        first_byte=max((pull["first_byte"] for pull in taken), default=0.0),
        seconds=max((pull["seconds"] for pull in taken), default=0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """The offers file in the evening.

    Args:
        agreement: of the file with the listing.
        pulls: of the day.
        left_out, kept_back: offers by code of what is wrong with them, in the last build.
        builds: of the day, by how they ended.
        downloads: by kind, as the hub noted them.
        unknown_levels: stock levels that were told of what the marketplace did not list.
    """

    agreement: Agreement
    pulls: Pulls
    left_out: Mapping[str, int]
    kept_back: Mapping[str, int]
    builds: Mapping[str, int]
    downloads: Mapping[str, int]
    unknown_levels: int

    @property
    def agrees(self) -> bool:
        """Whether every row is shown as the file says, and Miinto found no fault all day."""
        wrong = self.agreement.missing or self.agreement.extra or self.agreement.different or self.unknown_levels
        return not wrong and self.pulls.fine

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        lists = {name: len(getattr(self.agreement, name)) for name in ("missing", "extra", "different")}
        counts = {name: getattr(self, name) for name in ("left_out", "kept_back", "builds", "downloads")}
        slowest = {
            "slowest_first_byte": round(self.pulls.first_byte, 3),
            "slowest_pull": round(self.pulls.seconds, 3),
        }
        pulls = {"pulls": self.pulls.number, "pulls_failed": self.pulls.failed, "rows_refused": self.pulls.refused}
        pulls |= {"unknown_levels": self.unknown_levels}
        return {"equal": self.agrees, "rows": self.agreement.rows, **lists, **counts, **pulls, **slowest}

    def verdict(self) -> str:
        """Say in a sentence whether file and listing agree."""
        found, pulls = self.agreement, self.pulls
        if self.agrees:
            return f"Offers file and listing agree: {found.rows:,} rows with the same keys, prices and units."
        names = ", ".join([*found.missing, *found.extra, *found.different][:5])
        return (
            f"Offers file and listing differ: {len(found.missing)} rows missing, {len(found.extra)} too many,"
            f" {len(found.different)} different ({names}); of {pulls.number} pulls {pulls.failed} failed,"
            f" {pulls.noted} were noted here, {pulls.refused} rows were refused;"
            f" {self.unknown_levels} stock levels were told of what is not listed."
        )


def evening(hub: Hub, listing: Iterable[Listed], book: Mapping[str, Any]) -> Showing:
    """Return how the offers file stands, and what became of it.

    Args:
        hub: the installation.
        listing: what buyers see.
        book: the marketplace's own.
    """
    versions, downloads = hub.feeds.log(ACCOUNT, limit=EVER)
    faults = hub.feeds.show(ACCOUNT).faults
    kinds = Counter(download.kind.value for download in downloads)
    return Showing(
        agreement=compare(read_file(hub), listing),
        pulls=count_pulls(book["feed_pulls"], kinds[DownloadKind.WHOLE.value]),
        left_out={code: number for (code, effect), number in sorted(faults.items()) if effect is Effect.LEFT_OUT},
        kept_back={code: number for (code, effect), number in sorted(faults.items()) if effect is Effect.KEPT_BACK},
        builds=dict(Counter(version.state.value for version in versions)),
        downloads=dict(kinds),
        unknown_levels=sum(not level["known"] for patch in book["stock_patches"] for level in patch["levels"]),
    )
