"""Rows come out of a file exactly as written, whatever it is packed in; where it is broken, that is said."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossdock.core.errors import ConfigError
from crossdock.jobs import rowfile
from crossdock.jobs.rowfile import BrokenFile, Row, open_rows

HEADER = "sku,name\n"


def rows_of(path: Path, **options: object) -> list[Row]:
    with open_rows(path, required=("sku", "name"), **options) as rows:
        return list(rows)


def put(folder: Path, content: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells_of(path: Path, **options: object) -> list[dict[str, str]]:
    rows = rows_of(path, **options)
    assert [row.faults for row in rows] == [()] * len(rows)
    return [dict(row.cells) for row in rows]


# --- what a file is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["stock.csv", "stock.tsv", "stock"])
def test_the_delimiter_is_the_one_that_the_header_is_made_with(tmp_path: Path, delimiter: str, name: str) -> None:
    path = put(tmp_path, f"sku{delimiter}name{delimiter}size\nA-1{delimiter}Cup{delimiter}5\n", name)
    assert [list(cells.values()) for cells in cells_of(path)] == [["A-1", "Cup", "5"]]


@pytest.mark.parametrize("name", ["catalogue.jsonl", "catalogue.csv"])
def test_json_lines_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, '\n{"SKU": "A", "name": "Cup", "price": 12.50, "quantity": 7, "gtin": null}\n', name)
    assert cells_of(path) == [{"sku": "A", "name": "Cup", "price": "12.50", "quantity": "7", "gtin": ""}]


@pytest.mark.parametrize("name", ["catalogue.csv", "catalogue.csv.gz", "catalogue.gz"])
def test_gzip_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, gzip.compress(f"{HEADER}A,Żółw\n".encode()), name)
    assert cells_of(path) == [{"sku": "A", "name": "Żółw"}]
    plain = put(tmp_path, f"{HEADER}B,Łoś\n", name)
    assert cells_of(plain) == [{"sku": "B", "name": "Łoś"}]


def test_a_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    assert cells_of(put(tmp_path, b"\xef\xbb\xbfsku;name\nA;Cup\n")) == [{"sku": "A", "name": "Cup"}]
    assert cells_of(put(tmp_path, b'\xef\xbb\xbf{"sku":"A","name":"Cup"}')) == [{"sku": "A", "name": "Cup"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b'[{"sku": "A"}]', "one JSON array.*one object on each line"),
        (b"PK\x03\x04rest", "Excel workbook or a ZIP archive.*CSV UTF-8"),
        (b"code,name\n", r"no column sku\. Its columns are: code, name"),
        (b"code,label\n", "no column sku and no name"),
        (b"sku:name\n", "Its columns are: sku:name"),
        (b"sku,name,Size,size\n", "column 'size' stands there twice"),
        (b'"sku,name\n', "breaks in its header: a quote is not closed"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        rows_of(put(tmp_path, content))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.csv cannot be read: No such file"):
        rows_of(tmp_path / "nothing.csv")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        rows_of(tmp_path)


# --- columns ---------------------------------------------------------------------------------------------------------


def test_columns_are_told_by_their_names_in_lower_case(tmp_path: Path) -> None:
    assert cells_of(put(tmp_path, " SKU ,Name,Brand\n A , Cup ,Acme\n")) == [
        {"sku": "A", "name": "Cup", "brand": "Acme"}
    ]


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = put(tmp_path, "Kod;Nazwa;Kolor\nA;Kubek;biały\n")
    columns = {"sku": "kod", "name": "Nazwa", "color": "KOLOR"}
    assert cells_of(path, columns=columns) == [{"sku": "A", "name": "Kubek", "color": "biały"}]
    with pytest.raises(ConfigError, match=r"(?s)column 'stan' is not there"):
        rows_of(path, columns=columns | {"quantity": "Stan"})
    with pytest.raises(ConfigError, match=r"(?s)column 'nothing' is not there"):
        rows_of(put(tmp_path, "sku;name\n"), columns={"sku": "Nothing"})
    with pytest.raises(ConfigError, match=r"(?s)column 'sku' stands there twice"):
        rows_of(put(tmp_path, "Kod;sku;name\n"), columns={"sku": "Kod"})
    lines = put(tmp_path, '{"Kod": "A", "Nazwa": "Kubek"}')
    assert cells_of(lines, columns=columns) == [{"sku": "A", "name": "Kubek"}]


def test_rows_without_any_value_are_left_out(tmp_path: Path) -> None:
    rows = rows_of(put(tmp_path, "sku;name;\nA;Cup;\n\n;;\n  ;;\nB;Plate;\n"))
    assert [(row.line, row.cells["sku"], row.faults) for row in rows] == [(2, "A", ()), (6, "B", ())]


# --- rows that cannot be read ----------------------------------------------------------------------------------------


def test_lines_are_physical_ones(tmp_path: Path) -> None:
    text = 'sku,name\r\nA,"two\r\nlines"\r\n\r\nB,"three\n\nlines"\r\nC,x,y\r\nD,one\r\n'
    rows = rows_of(put(tmp_path, text))
    assert [(row.line, row.cells["sku"]) for row in rows] == [(2, "A"), (5, "B"), (8, "C"), (9, "D")]
    assert [row.cells["name"] for row in rows[:2]] == ["two\r\nlines", "three\n\nlines"]
    assert [str(fault) for row in rows for fault in row.faults] == ["line 8: it has 3 cells, the header has 2"]


def test_a_value_without_a_column_is_a_fault(tmp_path: Path) -> None:
    (row,) = rows_of(put(tmp_path, "sku,name,\nA,Cup,lost\n"))
    assert [str(fault) for fault in row.faults] == ["line 2: the cell 'lost' stands in a column without a name"]


def test_what_no_database_keeps_is_a_fault(tmp_path: Path) -> None:
    (row,) = rows_of(put(tmp_path, "sku,name\nA,Cu\0p\n"))
    assert [(fault.line, fault.field) for fault in row.faults] == [(2, "name")]
    (row,) = rows_of(put(tmp_path, '{"sku": "A", "name": "\\ud83d", "a\\u0000": "b"}'))
    assert [str(fault) for fault in row.faults] == [
        r"line 1, name '\\ud83d': has a NUL or a lone surrogate, which no database keeps",
        r"line 1, a\x00 'b': has a NUL or a lone surrogate, which no database keeps",
    ]


def test_each_line_of_json_stands_for_itself(tmp_path: Path) -> None:
    lines = [
        '{"sku": "A", "name": "Cup"}',
        '{"sku": "B", "name": ',
        '["C"]',
        '{"sku": "D", "name": ["Cup"], "new": true, "size": {"cm": 5}}',
        '{"sku": "E", "SKU": "F"}',
        "[" * 100_000,
        '{"sku": "G", "name": "Cup", "price": NaN}',
    ]
    rows = rows_of(put(tmp_path, "\n".join(lines)))
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    faults = [[f"{fault.field} {fault.reason}".strip() for fault in row.faults] for row in rows]
    assert faults[0] == faults[6] == []
    assert rows[6].cells["price"] == "NaN"
    assert faults[1][0].startswith("this is no JSON: ")
    assert faults[2] == ["this is no JSON object"]
    assert faults[3] == [f"{name} a text or a number is needed here" for name in ("name", "new", "size")]
    assert faults[4] == ["sku this name stands there twice"]
    assert faults[5][0].startswith("this is no JSON")


# --- files that break ------------------------------------------------------------------------------------------------


def read_until_it_breaks(path: Path) -> tuple[list[str], str]:
    skus: list[str] = []

    def read() -> None:
        with open_rows(path, required=("sku", "name")) as rows:
            skus.extend(row.cells["sku"] for row in rows)

    with pytest.raises(BrokenFile) as broken:
        read()
    return skus, str(broken.value)


def test_another_encoding_is_told_with_the_byte(tmp_path: Path) -> None:
    content = "sku,name\nA,Cup\nB,Łódź\n".encode("cp1250")
    skus, text = read_until_it_breaks(put(tmp_path, content))
    assert skus == ["A"]
    assert "line 3: byte 17 (0xA3) is not UTF-8" in text
    assert content[17] == 0xA3
    assert "Save the file as UTF-8" in text
    skus, text = read_until_it_breaks(put(tmp_path, b"\xef\xbb\xbf" + content))
    assert "byte 20 (0xA3)" in text
    _, text = read_until_it_breaks(put(tmp_path, gzip.compress(content)))
    assert "byte 17 (0xA3)" in text
    _, text = read_until_it_breaks(put(tmp_path, "sku,name\n".encode("utf-16")))
    assert "line 1: byte 0 (0xFF) is not UTF-8" in text


def test_a_quote_that_is_never_closed_ends_the_reading(tmp_path: Path) -> None:
    skus, text = read_until_it_breaks(put(tmp_path, 'sku,name\nA,Cup\nB,"Plate\nC,Bowl\n'))
    assert skus == ["A"]
    assert "breaks in the row that begins on line 3" in text
    assert "a quote that opens there and is not closed" in text
    swallowed = 'sku,name\nA,Cup\nB,"Plate\n' + "C,Bowl\n" * 30_000
    skus, text = read_until_it_breaks(put(tmp_path, swallowed))
    assert (skus, "line 3" in text) == (["A"], True)


def test_a_quote_in_the_middle_of_a_cell_ends_the_reading(tmp_path: Path) -> None:
    skus, text = read_until_it_breaks(put(tmp_path, 'sku,name\nA,Cup\nB,"5"" plate" flat\nC,Bowl\n'))
    assert skus == ["A"]
    assert "line 3" in text


def test_a_truncated_gzip_ends_the_reading(tmp_path: Path) -> None:
    lines = "".join(f"SKU-{number},{number * 7919}\n" for number in range(20_000))
    packed = gzip.compress(f"{HEADER}{lines}".encode())
    skus, text = read_until_it_breaks(put(tmp_path, packed[: len(packed) // 2]))
    assert skus == [f"SKU-{number}" for number in range(len(skus))]
    assert len(skus) > 5000
    assert f"after line {len(skus) + 1}, byte" in text
    _, text = read_until_it_breaks(put(tmp_path, packed[:-6]))
    assert "after line 20001" in text
    damaged = packed[: len(packed) // 2] + b"\x00" * 200 + packed[len(packed) // 2 + 200 :]
    skus, text = read_until_it_breaks(put(tmp_path, damaged))
    assert skus[:5000] == [f"SKU-{number}" for number in range(5000)]
    assert "Fetch or pack the file again" in text


def test_an_endless_line_is_not_read_to_its_end(tmp_path: Path) -> None:
    skus, text = read_until_it_breaks(put(tmp_path, f"{HEADER}A,Cup\nB," + "x" * rowfile.LONGEST_LINE))
    assert skus == ["A"]
    assert "breaks on line 3: it is longer than 1,000,000 bytes" in text


# --- anything --------------------------------------------------------------------------------------------------------

cells = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12).map(str.strip)
tables = st.lists(st.tuples(cells.filter(bool), cells, cells), max_size=8)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables, delimiter=st.sampled_from(rowfile.DELIMITERS), packed=st.booleans(), marked=st.booleans())
@example(table=[("A", '"', "x\ny"), (",;", "a\t|", "{")], delimiter=",", packed=True, marked=True)
def test_what_is_written_as_csv_is_read(
    tmp_path: Path, table: list[tuple[str, str, str]], delimiter: str, packed: bool, marked: bool
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([("sku", "name", "brand"), *table])
    content = text.getvalue().encode("utf-8-sig" if marked else "utf-8")
    path = put(tmp_path, gzip.compress(content) if packed else content)
    assert [tuple(row.values()) for row in cells_of(path)] == table


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables, packed=st.booleans(), ascii_only=st.booleans())
def test_what_is_written_as_json_is_read(
    tmp_path: Path, table: list[tuple[str, str, str]], packed: bool, ascii_only: bool
) -> None:
    written = [dict(zip(("sku", "name", "brand"), row, strict=True)) for row in table] or [{"sku": "A"}]
    content = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in written).encode()
    assert cells_of(put(tmp_path, gzip.compress(content) if packed else content)) == written


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: b"sku,name\n" + rest))
@example(content=b"\x1f\x8b")
@example(content=b"sku,name\n\r\r\n")
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever comes in, it is rows, faults or one clear error."""
    refused = ""
    rows: list[Row] = []
    try:
        rows = rows_of(put(tmp_path, content))
    except ConfigError as error:
        refused = str(error)
    assert str(tmp_path) in refused if refused else all(row.cells or row.faults for row in rows)
