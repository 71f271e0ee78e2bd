"""Offers files on the disk: written beside the one that is out, named when they are whole, read again as a cache.

`<version>.<extension>` is the plain file, the same with `.gz` its gzip, so that serving needs no work. `.index` says
which offer's bytes lie where in the plain file: what did not change is copied from there into the next version.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from crossdock.core.errors import FeedError

INDEX: Final = ".index"
GZIP: Final = ".gz"
UNFINISHED: Final = ".part"
LEVEL: Final = 1  # of gzip: three times as fast as the usual 6, for a file about a third larger
BUFFER: Final = 1 << 18


def folder_of(account: str, market: str) -> str:
    """Return where a feed's files lie, relative to the folder for feeds.

    Raises:
        FeedError: the market's name cannot be that of a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", market):
        raise FeedError(
            f"The market {market!r} cannot be the name of a folder.", advice="Use letters, digits, - and _."
        )
    return f"{account}/{market}"


class Item(NamedTuple):
    """An offer's bytes: whose, of which row (its hash) and units they were made, what must be unique, their length."""

    offer_id: int
    hash: str
    units: int
    key: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: offers, bytes of the plain file and their SHA-256."""

    rows: int
    bytes: int
    sha256: str


class Output:
    """A version that is being written; nobody sees it before `publish`.

    Args:
        path: of the plain file to be; its folder is made.
        fingerprint: of what made its bytes.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._rows = self._bytes = 0
        self._digest = hashlib.sha256()
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            self._plain, self._gzip, self._index = (
                opened.enter_context(_unfinished(path, suffix).open("wb", buffering=BUFFER))
                for suffix in ("", GZIP, INDEX)
            )
            self._opened = opened.pop_all()
        self._index.write(f"{fingerprint}\n".encode())

    def write(self, data: bytes) -> None:
        """Append bytes that belong to no offer."""
        self._plain.write(data)
        self._gzip.write(self._deflate.compress(data))
        self._digest.update(data)
        self._bytes += len(data)

    def add(self, items: list[Item], data: list[bytes]) -> None:
        """Append offers, with the bytes of each; their length is that of these."""
        self.write(b"".join(data))
        lines = [
            f"{item.offer_id} {item.hash} {item.units} {item.key} {len(part)}\n"
            for item, part in zip(items, data, strict=True)
        ]
        self._index.write("".join(lines).encode())
        self._rows += len(items)

    def finish(self) -> Written:
        """Write all that is still on its way to the disk."""
        self._gzip.write(self._deflate.flush())
        sha256 = self._digest.hexdigest()
        self._index.write(f"end {sha256} {self._bytes}\n".encode())
        for file in (self._plain, self._gzip, self._index):
            file.flush()
            os.fsync(file.fileno())
        self._opened.close()
        return Written(rows=self._rows, bytes=self._bytes, sha256=sha256)

    def publish(self) -> None:
        """Give the files their names; after a crash they are there, or they are not."""
        for suffix in (INDEX, GZIP, ""):
            _unfinished(self._path, suffix).rename(_with(self._path, suffix))
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Forget all that was written."""
        self._opened.close()
        for suffix in (INDEX, GZIP, ""):
            _unfinished(self._path, suffix).unlink(missing_ok=True)


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _unfinished(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix + UNFINISHED)


# --- the version before ----------------------------------------------------------------------------------------------


class Previous:
    """The version that is out, read once from its first offer to its last; empty where it is of no use.

    Args:
        path: of its plain file; None if there is none.
        sha256: of its plain file, as the store has it.
        fingerprint: of what makes the bytes now; a version made otherwise is of no use.
        head: length of what stands before its first offer.
    """

    def __init__(self, path: Path | None, sha256: str, fingerprint: str, head: int) -> None:
        self._path = path if path and _fits(path, sha256, fingerprint) else None
        self._items = self._read()
        self._item = next(self._items, None)
        self._at = head
        self._file = self._path.open("rb", buffering=BUFFER) if self._path else None

    @property
    def usable(self) -> bool:
        """Whether there is anything to be read."""
        return self._path is not None

    def close(self) -> None:
        """Close its files."""
        self._items.close()
        if self._file:
            self._file.close()

    def keys(self) -> Iterator[int]:
        """Yield what must be unique, of each offer."""
        items = self._read()
        yield from (item.key for item in items)
        items.close()

    def find(self, offer_id: int) -> tuple[Item, bytes] | None:
        """Return an offer's item and bytes; ask in the order of offers."""
        while self._item and self._item.offer_id < offer_id:
            self._next(self._item)
        if self._item is None or self._item.offer_id > offer_id or self._file is None:
            return None
        item = self._item
        if self._file.tell() != self._at:
            self._file.seek(self._at)
        data = self._file.read(item.length)
        self._next(item)
        return item, data

    def _next(self, item: Item) -> None:
        self._at += item.length
        self._item = next(self._items, None)

    def _read(self) -> Generator[Item]:
        if self._path is None:
            return
        with _with(self._path, INDEX).open(encoding="ascii") as lines:
            next(lines)
            for line in lines:
                cells = line.split()
                if cells[0] == "end":
                    return
                yield Item(int(cells[0]), cells[1], int(cells[2]), int(cells[3]), int(cells[4]))


def _fits(path: Path, sha256: str, fingerprint: str) -> bool:
    """Whether the files are there, whole, and made as they would be made now."""
    index = _with(path, INDEX)
    if not (path.is_file() and index.is_file()):
        return False
    end = f"end {sha256} {path.stat().st_size}\n".encode()
    with index.open("rb") as file:
        first = file.readline().decode(errors="replace").strip()
        file.seek(max(0, index.stat().st_size - len(end)))
        return first == fingerprint and file.read() == end


# --- tidying up ------------------------------------------------------------------------------------------------------


def tidy(folder: Path, keep: set[str], *, indexed: str | None) -> None:
    """Remove what belongs to no version any more: files of broken builds and of old versions.

    Args:
        folder: of one feed.
        keep: names of plain files to keep, with their gzip.
        indexed: the one that keeps its index, too: the next build copies from it.
    """
    wanted = keep | {name + GZIP for name in keep} | ({indexed + INDEX} if indexed else set())
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.name not in wanted:
            file.unlink(missing_ok=True)
