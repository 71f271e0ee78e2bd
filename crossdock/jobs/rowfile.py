"""Rows of a file, one at a time: CSV or TSV with a header, or JSON lines, plain or gzipped.

What a file is, its content says, not its name. The delimiter is the one that finds the required columns in the header.
Text is UTF-8. A row that cannot be read is given with its faults and the next one follows; where the file itself is
broken (encoding, quoting, compression) reading ends with `BrokenFile`.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from crossdock.core.errors import ConfigError
from crossdock.core.model import text_faults
from crossdock.core.store.imports import Fault

DELIMITERS = ",;\t|"
LONGEST_LINE = 1_000_000  # bytes; a longer one is no line of a catalogue
EXCERPT = 60  # characters of a value that a fault shows
GZIP, ZIP, BOM = b"\x1f\x8b", b"PK\x03\x04", b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: the physical line where it begins, its cells by column, without blanks around, and its faults."""

    line: int
    cells: Mapping[str, str]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a file's columns, and whether each row has these and no others."""

    names: frozenset[str]
    fixed: bool


class BrokenFile(ConfigError):
    """The file is broken from a place on; the rows before it were read."""


def fault(line: int, field: str, value: str, reason: str) -> Fault:
    """Return a fault with the start of the value; letters that no database keeps are spelled."""
    excerpt = value if len(value) <= EXCERPT else f"{value[:EXCERPT]}…"
    return Fault(line=line, field=_spelled(field), value=_spelled(excerpt), reason=reason)


def _spelled(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class RowFile:
    """An open file of rows; each iteration begins at its start.

    Args:
        path: for error texts.
        raw: the file's bytes as they are on disk.
        required: columns that a header must have.
        columns: the file's name of a column by the name it is to have; the others keep theirs, in lower case.
    """

    def __init__(self, path: Path, raw: BinaryIO, required: Collection[str], columns: Mapping[str, str]) -> None:
        self._path = path
        self._raw = raw
        self._size = max(path.stat().st_size, 1)
        self._required = required
        self._names = {_name(source): field for field, source in columns.items()}

    def columns(self) -> Columns:
        """Return the columns: the header's, or of JSON lines those of the first.

        Raises:
            ConfigError: it is no such file, or its header lacks a column.
            BrokenFile: it cannot be read.
        """
        lines = _Lines(self._path, self._raw)
        first = self._first(lines)
        if _is_json(first):
            return Columns(frozenset(self._json_row(lines.number, first).cells), fixed=False)
        return Columns(frozenset(self._header(first)[1]), fixed=True)

    @property
    def share(self) -> float:
        """How much of the file has been read, 0 to 1."""
        return min(self._raw.tell() / self._size, 1.0)

    def __iter__(self) -> Iterator[Row]:
        """Give the rows that are not empty.

        Raises:
            ConfigError: it is no such file, or its header lacks a column.
            BrokenFile: from here on it cannot be read.
        """
        lines = _Lines(self._path, self._raw)
        first = self._first(lines)
        yield from self._json_rows(first, lines) if _is_json(first) else self._csv_rows(first, lines)

    def _first(self, lines: _Lines) -> str:
        line = next((line for line in lines if line.strip()), None)
        if line is None:
            raise ConfigError(f"{self._path} is empty.")
        if line.lstrip().startswith("["):
            raise ConfigError(f"{self._path} is one JSON array.", advice="Write JSON lines: one object on each line.")
        return line

    # --- CSV ---

    def _csv_rows(self, header: str, lines: _Lines) -> Iterator[Row]:
        delimiter, names = self._header(header)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            line = lines.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise BrokenFile(
                    f"{self._path} breaks in the row that begins on line {line}: {error}.",
                    advice="Look for a quote that opens there and is not closed, or stands inside a cell undoubled.",
                ) from None
            if cells is None:
                return
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield _csv_row(line, names, stripped)

    def _header(self, line: str) -> tuple[str, list[str]]:
        """Find the delimiter with which the header has what is required."""
        readings = {delimiter: self._named(cells) for delimiter in DELIMITERS if (cells := _split(line, delimiter))}
        if not readings:
            raise BrokenFile(f"{self._path} breaks in its header: a quote is not closed.")
        fitting = [delimiter for delimiter, names in readings.items() if set(self._required) <= set(names)]
        if not fitting:
            seen = max(readings.values(), key=len)
            missing = [name for name in self._required if name not in seen]
            raise ConfigError(
                f"{self._path} has no column {' and no '.join(missing)}. Its columns are: {', '.join(seen)}.",
                advice="Rename the columns, or say which ones are meant.",
            )
        names = readings[fitting[0]]
        doubled = sorted({name for name in names if name and names.count(name) > 1})
        faults = [f"column {name!r} stands there twice" for name in doubled]
        there = {_name(cell) for cell in _split(line, fitting[0])}
        absent = [source for source in self._names if source not in there]
        faults += [f"column {source!r} is not there" for source in absent]
        if faults:
            raise ConfigError(f"{self._path}: the header is not right.", faults=faults)
        return fitting[0], names

    def _named(self, cells: Iterable[str]) -> list[str]:
        return [self._names.get(_name(cell), _name(cell)) for cell in cells]

    # --- JSON ---

    def _json_rows(self, first: str, lines: _Lines) -> Iterator[Row]:
        yield self._json_row(lines.number, first)
        for line in lines:
            if line.strip():
                yield self._json_row(lines.number, line)

    def _json_row(self, number: int, line: str) -> Row:
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            return Row(line=number, cells={}, faults=(fault(number, "", "", f"this is no JSON: {error}"),))
        if not isinstance(pairs, _Pairs):
            return Row(line=number, cells={}, faults=(fault(number, "", "", "this is no JSON object"),))
        cells: dict[str, str] = {}
        faults: list[Fault] = []
        for key, value in pairs.items:
            name = self._names.get(_name(key), _name(key))
            if name in cells:
                faults.append(fault(number, name, str(value), "this name stands there twice"))
            elif value is not None and not isinstance(value, str):
                faults.append(fault(number, name, _shown(value), "a text or a number is needed here"))
            cells[name] = value.strip() if isinstance(value, str) else ""
        return Row(line=number, cells=cells, faults=(*faults, *_letter_faults(number, cells)))


class _Pairs:
    """A JSON object as it was written, doubled names included."""

    def __init__(self, items: Sequence[tuple[str, Any]]) -> None:
        self.items = items


class _Lines:
    """Lines of text with their physical number, counted from 1."""

    def __init__(self, path: Path, raw: BinaryIO) -> None:
        self.number = 0
        self._path = path
        raw.seek(0)
        start = raw.read(4)
        raw.seek(0)
        if start == ZIP:
            raise ConfigError(
                f"{path} is an Excel workbook or a ZIP archive.", advice="Save it as CSV (in Excel: CSV UTF-8)."
            )
        packed = start.startswith(GZIP)
        self._stream = gzip.GzipFile(fileobj=raw) if packed else raw
        self._offset = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._read()
        if not raw:
            raise StopIteration
        self.number += 1
        if len(raw) > LONGEST_LINE:
            raise BrokenFile(f"{self._path} breaks on line {self.number}: it is longer than {LONGEST_LINE:,} bytes.")
        text = raw.removeprefix(BOM) if self.number == 1 else raw
        try:
            line = text.decode("utf-8")
        except UnicodeDecodeError as error:
            place = self._offset + len(raw) - len(text) + error.start
            raise BrokenFile(
                f"{self._path} breaks on line {self.number}: byte {place} (0x{text[error.start]:02X}) is not UTF-8.",
                advice="Save the file as UTF-8 (in Excel: CSV UTF-8).",
            ) from None
        self._offset += len(raw)
        return line

    def _read(self) -> bytes:
        try:
            return self._stream.readline(LONGEST_LINE + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenFile(
                f"{self._path} breaks after line {self.number}, byte {self._offset} unpacked: {error}.",
                advice="Fetch or pack the file again.",
            ) from None


@contextmanager
def open_rows(path: Path, *, required: Collection[str], columns: Mapping[str, str] | None = None) -> Iterator[RowFile]:
    """Open a file of rows.

    Args:
        path: CSV, TSV or JSON lines, plain or gzipped.
        required: columns that a CSV's header must have.
        columns: the file's name of a column by the name it is to have.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    with raw:
        yield RowFile(path, raw, required, columns or {})


def _name(column: str) -> str:
    return column.strip().lower()


def _is_json(first: str) -> bool:
    return first.lstrip().startswith("{")


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return []


def _csv_row(line: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    faults: list[Fault] = []
    if len(cells) != len(names):
        faults.append(fault(line, "", "", f"it has {len(cells)} cells, the header has {len(names)}"))
    faults += [
        fault(line, "", cell, f"the cell {cell[:EXCERPT]!r} stands in a column without a name")
        for name, cell in zip(names, cells, strict=False)
        if cell and not name
    ]
    found = {name: cell for name, cell in zip(names, cells, strict=False) if name}
    return Row(line=line, cells=found, faults=(*faults, *_letter_faults(line, found)))


def _letter_faults(line: int, cells: Mapping[str, str]) -> Iterator[Fault]:
    if not any(text_faults("".join((*cells, *cells.values())))):
        return
    for name, cell in cells.items():
        for what in (*text_faults(cell), *text_faults(name)):
            yield fault(line, ascii(name)[1:-1], ascii(cell)[1:-1], what.partition(": ")[2])


def _shown(value: object) -> str:
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, _Pairs) else str(value).lower()
