"""Files of shops land: parents as products, their rows as variants, whatever the order; every fault is clear."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossdock.core.errors import ConfigError
from crossdock.core.model import Money
from crossdock.core.store import Store, catalog, imports, migrate, stock
from crossdock.core.store.catalog import ProductDraft, VariantRow
from crossdock.jobs import catalogue
from crossdock.jobs.catalogue import ImportBroken, ImportReport, import_file
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Any:
    """Give a function that imports rows, a minute later each time."""

    def bring(rows: Sequence[dict[str, str]], **options: Any) -> ImportReport:
        path = tmp_path / "shop.csv"
        path.write_text(table(rows))
        store.clock.sleep(60)
        return import_file(store, path, currency="EUR", **options)

    return bring


def table(rows: Sequence[dict[str, str]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def magento(sku: str, **cells: str) -> dict[str, str]:
    row = {"sku": sku, "attribute_set_code": "Top", "product_type": "simple", "name": f"Name of {sku}"}
    return {**row, "additional_attributes": "", "configurable_variations": "", "qty": "", "price": "", **cells}


def parent(sku: str, *variants: str, **cells: str) -> dict[str, str]:
    named = "|".join(f"sku={variant},size={variant[-1]}" for variant in variants)
    return magento(sku, product_type="configurable", configurable_variations=named, **cells)


def woo(sku: str, kind: str, **cells: str) -> dict[str, str]:
    row = {"ID": "", "Type": kind, "SKU": sku, "Name": f"Name of {sku}", "Regular price": "", "Stock": "", "Parent": ""}
    return {**row, "Attribute 1 name": "Color", "Attribute 1 value(s)": "", **cells}


def outcome(report: ImportReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.failed


def variants(store: Store) -> dict[str, VariantRow]:
    with store.read() as tx:
        return {row.sku: row for row in catalog.list(tx, limit=5000)}


def products(store: Store, *codes: str) -> dict[str, ProductDraft]:
    with store.read() as tx:
        return catalog.find_products(tx, codes)


def on_hand(store: Store, sku: str) -> int | None:
    with store.read() as tx:
        number = catalog.get(tx, sku).id
        level = stock.levels(tx, [number]).get((number, "main"))
    return None if level is None else level.on_hand


# --- families --------------------------------------------------------------------------------------------------------

FAMILY = [
    magento("P-S", price="52.000000", qty="3.0000", additional_attributes="color=Black"),
    parent("P", "P-S", "P-M", additional_attributes="material=Wool|Cotton"),
    magento("P-M", price="52.000000", qty="0.0000", additional_attributes="size=Medium,color=Black"),
    magento("CUP", price="9.5"),
]


@pytest.mark.parametrize("order", [FAMILY, FAMILY[::-1], [FAMILY[1], FAMILY[2], FAMILY[3], FAMILY[0]]])
def test_a_family_of_magento_comes_together_in_any_order(
    store: Store, bring: Any, order: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)
    report = bring(order)
    assert (report.layout, report.recognised, report.products) == ("magento", True, 1)
    assert outcome(report) == (4, 0, 0, 0)
    found = variants(store)
    assert {sku: row.product for sku, row in found.items()} == {"P-S": "P", "P-M": "P", "CUP": None}
    assert found["P-S"].price == Money(amount=Decimal(52), currency="EUR")
    # The parent's row says which size it is; what the variant says itself comes first.
    assert found["P-S"].attributes == {"color": "Black", "size": "S"}
    assert found["P-M"].attributes == {"color": "Black", "size": "Medium"}
    assert products(store, "P")["P"] == ProductDraft(
        code="P", name="Name of P", attributes={"material": "Wool\nCotton"}
    )
    assert [on_hand(store, sku) for sku in ("P-S", "P-M", "CUP")] == [3, 0, None]
    assert outcome(bring(order[::-1])) == (0, 0, 4, 0)


def test_what_changed_of_a_product_is_written_and_what_is_not_said_stays(store: Store, bring: Any) -> None:
    bring([parent("P", "P-S", additional_attributes="material=Wool,pattern=Plain"), magento("P-S")])
    report = bring([parent("P", additional_attributes="material=Cotton")])
    assert outcome(report) == (0, 1, 0, 0)
    assert products(store, "P")["P"].attributes == {"material": "Cotton", "pattern": "Plain"}
    # A file that has the variant alone does not take it out of its product.
    assert outcome(bring([magento("P-S")])) == (0, 0, 1, 0)
    assert variants(store)["P-S"].product == "P"


WOO = [
    woo("TEE-R", "variation", Parent="TEE", Stock="4", **{"Regular price": "25", "Attribute 1 value(s)": "Red"}),
    woo("TEE", "variable", ID="7", **{"Attribute 1 value(s)": "Red, Blue"}),
    woo("TEE-B", "variation", Parent="id:7", Name="", **{"Regular price": "25,50", "Attribute 1 value(s)": "Blue"}),
    woo("", "variable", ID="9", Name="Cap"),
    woo("CAP-1", "variation", Parent="id:9"),
    woo("MUG", "simple", **{"Regular price": "9"}),
]


@pytest.mark.parametrize("order", [WOO, WOO[::-1]])
def test_variations_of_woocommerce_find_their_parent_by_sku_and_by_id(
    store: Store, bring: Any, order: list[dict[str, str]]
) -> None:
    report = bring(order)
    assert (report.layout, report.recognised, report.products) == ("woocommerce", True, 2)
    assert outcome(report) == (6, 0, 0, 0)
    found = variants(store)
    families = {sku: row.product for sku, row in found.items()}
    assert families == {"TEE-R": "TEE", "TEE-B": "TEE", "CAP-1": "id:9", "MUG": None}
    assert found["TEE-B"].name == "Name of TEE"
    assert found["TEE-B"].price == Money(amount=Decimal("25.50"), currency="EUR")
    assert found["TEE-R"].attributes == {"color": "Red"}
    assert products(store, "TEE")["TEE"].attributes == {"color": "Red\nBlue"}
    assert outcome(bring(order)) == (0, 0, 6, 0)


def test_a_parent_may_be_in_the_catalogue_already(store: Store, bring: Any) -> None:
    bring(WOO)
    report = bring([woo("TEE-G", "variation", Parent="TEE"), woo("TEE-X", "variation", Parent="NONE")])
    assert outcome(report) == (1, 0, 0, 1)
    assert [str(fault) for fault in report.faults] == [
        "line 3, product 'NONE': there is no such product, neither in this file nor in the catalogue"
    ]
    assert sorted(variants(store)) == ["CAP-1", "MUG", "TEE-B", "TEE-G", "TEE-R"]


def test_products_without_variants_come_in_and_are_told(store: Store, bring: Any) -> None:
    report = bring([parent("P", "P-S"), parent("Q", "Q-S"), parent("R"), magento("P-S")])
    assert (outcome(report), report.childless) == ((4, 0, 0, 0), ("Q", "R"))
    assert sorted(products(store, "P", "Q", "R")) == ["P", "Q", "R"]


VIEWS = [
    magento("P-S", name="Shirt-S", description="Soft"),
    magento("P-S", store_view_code="pl", name="Koszula-S"),
    parent("P", "P-S", name="Shirt", description="Soft"),
    magento("P", product_type="configurable", store_view_code="pl", name="Koszula", description="Miękka"),
    magento("P", product_type="", store_view_code="de_AT", name="Hemd"),
]


@pytest.mark.parametrize("batch", [1, 2, 1000])
@pytest.mark.parametrize("order", [VIEWS, VIEWS[::-1]])
def test_texts_of_store_views_stand_beside_those_of_the_row_itself(
    store: Store, bring: Any, order: list[dict[str, str]], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "BATCH", batch)
    report = bring(order)
    assert (outcome(report), report.products, report.faults) == ((2, 3, 0, 0), 1, ())
    (shirt,), product = variants(store).values(), products(store, "P")["P"]
    assert (shirt.name, shirt.product) == ("Shirt-S", "P")
    assert shirt.attributes == {"description": "Soft", "size": "S", "name_pl": "Koszula-S"}
    texts = {"name_pl": "Koszula", "description_pl": "Miękka", "name_de_at": "Hemd"}
    assert (product.name, product.attributes) == ("Shirt", {"description": "Soft", **texts})
    assert outcome(bring(order)) == (0, 0, 5, 0)


def test_texts_of_a_store_view_may_come_later_and_go_again(store: Store, bring: Any) -> None:
    bring(VIEWS)
    told = bring([magento("P", store_view_code="pl", name="", description="Bardzo miękka", meta_title="P")], keep=None)
    assert outcome(told) == (0, 1, 0, 0)
    kept = {"description_pl": "Bardzo miękka", "meta_title_pl": "P", "name_de_at": "Hemd", "description": "Soft"}
    assert products(store, "P")["P"].attributes == {**kept, "attribute_set_code_pl": "Top"}


def test_two_rows_of_one_store_view_and_sku_are_a_fault_unless_they_say_the_same(store: Store, bring: Any) -> None:
    one = magento("P-S", store_view_code="pl", name="Koszula")
    report = bring([magento("P-S"), one, one, {**one, "name": "Bluzka"}, {**one, "sku": ""}])
    assert outcome(report) == (1, 1, 1, 2)
    assert [str(fault) for fault in report.faults] == [
        "line 5, sku 'P-S': line 3 has this SKU too, with other content; that one counts",
        "line 6, sku '': this is needed",
    ]
    assert variants(store)["P-S"].attributes == {"name_pl": "Koszula"}


# --- faults ----------------------------------------------------------------------------------------------------------


def test_every_fault_of_a_shop_is_clear_and_the_good_rows_land(store: Store, bring: Any) -> None:
    report = bring(
        [
            magento("A", price="1,299.00"),
            magento("B", qty="-4.0000"),
            magento("C", additional_attributes="ean=590123"),
            magento("D", additional_attributes="Black"),
            magento("E", product_type="bundle"),
            magento("F", store_view_code="pl"),
            magento("G", name=""),
            magento("H", price="5"),
            magento("H", price="6"),
            magento("H", price="5"),
            parent("P", "P-S"),
            parent("P", "P-M"),
            parent("Q", "P-S", "Q-S"),
            parent("", "X"),
            magento("P-S"),
        ]
    )
    assert outcome(report) == (3, 0, 1, 11)
    assert [str(fault) for fault in report.faults] == [
        "line 13, sku 'P': line 12 has this SKU too, with other content; that one counts",
        "line 14, variant 'P-S': this variant belongs to 'P' on line 12 already",
        "line 15, sku '': this is needed",
        "line 2, price '1,299.00': write it like 12.50: with a decimal point, and nothing between thousands",
        "line 3, quantity '-4.0000': write a whole number of units, zero or more, below 1000000000",
        "line 4, gtin '590123': a GTIN has 8, 12, 13 or 14 digits and nothing else; in a spreadsheet make the column"
        " text",
        "line 5, additional_attributes 'Black': write it like size=XS,color=Black",
        "line 6, product_type 'bundle': only configurable, downloadable, simple, virtual are taken",
        "line 8, name '': this is needed",
        "line 10, sku 'H': line 9 has this SKU too, with other content; that one counts",
        "line 7, sku 'F': there is no product and no variant of this SKU, neither in this file nor in the catalogue",
    ]
    assert {sku: row.product for sku, row in variants(store).items()} == {"H": None, "P-S": "P"}
    assert sorted(products(store, "P", "Q")) == ["P"]


def test_a_variation_of_a_faulty_parent_is_a_fault_itself(store: Store, bring: Any) -> None:
    report = bring([woo("TEE", "variable", Name=""), woo("TEE-R", "variation", Parent="TEE")])
    assert outcome(report) == (0, 0, 0, 2)
    assert [fault.field for fault in report.faults] == ["name", "product"]


def test_a_file_that_breaks_keeps_what_came_before(store: Store, bring: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(table([magento("P-S"), parent("P", "P-S")]) + 'CUP,"Top')
    with pytest.raises(ImportBroken, match="2 rows before that have landed") as broken:
        import_file(store, path)
    assert outcome(broken.value.report) == (2, 0, 0, 0)
    assert variants(store)["P-S"].product == "P"
    with store.read() as tx:
        assert "broken.csv breaks in the row" in imports.latest(tx)[0].counts["broken"]


# --- columns ---------------------------------------------------------------------------------------------------------


def test_unknown_columns_are_told_and_kept_if_asked(store: Store, bring: Any) -> None:
    rows = [parent("P", "P-S", visibility="4"), magento("P-S", tax_class_name="Goods", visibility="1", map_price="")]
    assert bring(rows).left_out == ("attribute_set_code", "tax_class_name", "visibility")
    some = bring(rows, keep=["Visibility"])
    assert (some.left_out, outcome(some)) == (("attribute_set_code", "tax_class_name"), (0, 2, 0, 0))
    assert variants(store)["P-S"].attributes == {"size": "S", "visibility": "1"}
    assert products(store, "P")["P"].attributes == {"visibility": "4"}
    assert bring(rows, keep=None).left_out == ()
    kept = {"size": "S", "visibility": "1", "tax_class_name": "Goods", "attribute_set_code": "Top"}
    assert variants(store)["P-S"].attributes == kept
    with pytest.raises(ConfigError, match=r"not all that is to be kept\.\n  - column 'colour' is not there"):
        bring(rows, keep=["colour", "visibility"])


def test_a_layout_that_is_named_needs_its_columns(bring: Any) -> None:
    with pytest.raises(ConfigError, match="no column product_type"):
        bring([{"sku": "A", "name": "Cup"}], layout="magento")
    report = bring([magento("A", price="5")], layout="plain")
    assert (report.layout, report.recognised, report.left_out) == ("plain", False, ())


def test_a_column_may_have_another_name_in_any_layout(store: Store, bring: Any) -> None:
    rows = [{("Artikel" if name == "sku" else name): cell for name, cell in magento("A", qty="2").items()}]
    assert outcome(bring(rows, layout="magento", columns={"sku": "Artikel"})) == (1, 0, 0, 0)
    assert outcome(bring(rows, columns={"sku": "artikel"})) == (0, 0, 1, 0)
    assert on_hand(store, "A") == 2


def test_progress_goes_up_through_both_readings(bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)
    told: list[tuple[int, float]] = []
    bring(FAMILY, progress=lambda rows, share: told.append((rows, share)))
    assert told == sorted(told)
    assert told[-1] == (4, 1.0)


# --- what is kept of an import ---------------------------------------------------------------------------------------


def test_the_first_faults_are_kept_and_all_are_counted(
    store: Store, bring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "FAULTS_KEPT", 3)
    monkeypatch.setattr(catalogue, "BATCH", 2)
    report = bring([magento(f"A{number}", qty="x", price="y") for number in range(4)])
    with store.read() as tx:
        row = imports.get(tx, report.id)
        assert imports.faults(tx, report.id) == report.faults
    assert [(fault.line, fault.field) for fault in report.faults] == [(2, "price"), (2, "quantity"), (3, "price")]
    assert (row.counts["failed"], row.counts["faults"], row.counts["layout"]) == (4, 8, "magento")


def test_faults_of_an_import_that_died_are_kept(store: Store, bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)

    def die(rows: int, share: float) -> None:
        if rows == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring([magento("A"), magento("B", qty="x"), magento("C")], progress=die)
    with store.read() as tx:
        (row,) = imports.latest(tx)
        (fault,) = imports.faults(tx, row.id)
    assert (row.ended_at, row.counts["added"], row.counts["failed"], fault.field) == (None, 1, 1, "quantity")


def test_letters_that_no_database_keeps_are_spelled_in_faults(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_text('{"sku": "A", "name": "x", "n\\u0000": ["a"], "b\\ud800": 1, "b\\ud800": "\\u0000"}\n')
    report = import_file(store, path)
    assert report.failed == 1
    with store.read() as tx:
        assert imports.faults(tx, report.id) == report.faults


# --- real shops ------------------------------------------------------------------------------------------------------


def file_of(name: str, folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Return the file of a real shop if it is there, else one of these rows."""
    if (DATA / name).is_file():
        return DATA / name
    path = folder / "own.csv"
    path.write_text(table(rows))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_whole_shop_of_magento_comes_in(store: Store, tmp_path: Path) -> None:
    cells = {"categories": "Shop/Cups,Shop", "base_image": "/a.jpg", "description": "<p>Cup</p>"}
    colours = {"price": "12.5", "additional_attributes": "color=Red,size=S"}
    own = [magento("P-S", **cells, **colours), parent("P", "P-S", additional_attributes="material=Clay", **cells)]
    path = file_of("magento-fashion/configurable_products.csv.gz", tmp_path, own)
    families = {row["sku"]: row for row in rows_of(path) if row["product_type"] == "configurable"}
    simple = {row["sku"]: row for row in rows_of(path) if row["product_type"] == "simple"}
    assert (len(families), len(simple)) in [(147, 1847), (1, 1)]

    report = import_file(store, path, layout="magento", currency="USD")
    assert outcome(report) == (len(families) + len(simple), 0, 0, 0)
    assert (report.products, report.childless) == (len(families), ())
    found, kept = variants(store), products(store, *families)
    assert (found.keys(), kept.keys()) == (simple.keys(), families.keys())
    for sku, row in simple.items():
        packed = dict(pair.split("=") for pair in row["additional_attributes"].split(","))
        ours = found[sku].attributes
        assert (found[sku].name, ours["size"], ours["color"]) == (row["name"], packed["size"], packed["color"])
        assert found[sku].price == Money(amount=Decimal(row["price"]), currency="USD")
        assert ours["category"].split("\n") == row["categories"].split(",")
        assert ours["images"].split("\n")[0] == row["base_image"]
        assert f"sku={sku}," in families[found[sku].product or ""]["configurable_variations"]
    for sku, row in families.items():
        (material,) = (pair[9:] for pair in row["additional_attributes"].split(",") if pair.startswith("material="))
        assert kept[sku].attributes["material"].split("\n") == material.split("|")
        assert kept[sku].attributes["description"] == row["description"].strip()
    assert outcome(import_file(store, path, currency="USD")) == (0, 0, len(families) + len(simple), 0)


def test_a_whole_shop_of_woocommerce_comes_in(store: Store, tmp_path: Path) -> None:
    own = [*WOO, woo("SET", "grouped"), woo("GIFT", "external")]
    path = file_of("feeds/woocommerce-csv/sample_products.csv", tmp_path, own)
    rows = rows_of(path)
    report = import_file(store, path, currency="USD")
    assert (report.layout, outcome(report), report.products) == ("woocommerce", (len(rows) - 2, 0, 0, 2), 2)
    assert [fault.value for fault in report.faults] == ["grouped", "external"]
    found = variants(store)
    for row in rows:
        if row["Type"] == "variation" and not row["Parent"].startswith("id:"):
            assert found[row["SKU"]].product == row["Parent"]
            assert found[row["SKU"]].attributes.get("color", "") == row["Attribute 1 value(s)"]


@pytest.mark.parametrize("name", ["bags", "fitness", "fitness_ball", "fitness_strap", "watches"])
def test_a_table_without_families_is_plain(store: Store, tmp_path: Path, name: str) -> None:
    own = [{"category": "Gear\nBags", "name": "Bag", "sku": "24-MB01", "price": "34", "qty": "100"}]
    path = file_of(f"magento-fashion/gear_{name}.csv.gz", tmp_path, own)
    report = import_file(store, path, currency="USD", columns={"quantity": "qty"})
    assert (report.layout, report.added, report.failed) == ("plain", len(rows_of(path)), 0)
    assert {on_hand(store, row["sku"]) for row in rows_of(path)} == {int(rows_of(path)[0]["qty"])}
