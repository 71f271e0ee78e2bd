"""The catalogue file: exactly what is written, only what changed, whole rows, every fault with its place."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import Money
from crossdock.core.store import Store, accounts, catalog, imports, migrate, offer_levels, offers, stock, warehouses
from crossdock.core.store.offers import OfferDraft
from crossdock.core.store.tables import offer_levels as level_rows
from crossdock.core.store.tables import products, stock_moves, variants
from crossdock.jobs import catalogue
from crossdock.jobs.catalogue import ImportBroken, ImportReport, import_file
from crossdock.jobs.catalogue_row import BadRow, read_item
from crossdock.jobs.rowfile import Row
from crossdock.twins.kit.clock import VirtualClock

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url, clock=VirtualClock(NOW))
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Any:
    """Give a function that imports a text, a minute later each time."""

    def bring(content: str | bytes, **options: Any) -> ImportReport:
        path = tmp_path / "catalogue.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        store.clock.sleep(60)
        return import_file(store, path, **options)

    return bring


def outcome(report: ImportReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.failed


def variant(store: Store, sku: str) -> catalog.VariantRow:
    with store.read() as tx:
        return catalog.get(tx, sku)


def on_hand(store: Store, sku: str, warehouse: str = "main") -> int | None:
    with store.read() as tx:
        number = catalog.get(tx, sku).id
        level = stock.levels(tx, [number]).get((number, warehouse))
    return None if level is None or level.counted_at is None else level.on_hand


def pln(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="PLN")


# --- what a row says -------------------------------------------------------------------------------------------------


def faults_of(**cells: str) -> list[str]:
    with pytest.raises(BadRow) as bad:
        read_item(Row(line=7, cells={"sku": "A", "name": "Cup", **cells}))
    return [f"{fault.field}: {fault.reason}" for fault in bad.value.faults]


def test_numbers_are_taken_exactly_as_written() -> None:
    cells = {"sku": "A", "name": "Cup", "price": "0012.5000", "currency": "PLN", "quantity": "007"}
    item = read_item(Row(line=7, cells=cells | {"vat_rate": "23", "vat_rate_de": "19.50"}))
    assert item.price == pln("12.50")
    assert item.quantity == 7
    assert item.vat_rates == {"*": Decimal(23), "DE": Decimal("19.5")}


@pytest.mark.parametrize("price", ["12,50", "1,299.00", "1.299,00"])
def test_a_comma_is_not_guessed_at(price: str) -> None:
    assert faults_of(price=price, currency="PLN") == [
        "price: write it like 12.50: with a decimal point, and nothing between thousands"
    ]


@pytest.mark.parametrize("price", ["-1", "+1", "1 299.00", "12.50 PLN", "1e3", "NaN", ".5", "5.", "½", "１２"])
def test_what_is_no_price_is_refused(price: str) -> None:
    assert faults_of(price=price, currency="PLN") == [
        "price: write it like 12.50: digits and a decimal point, nothing else"
    ]


def test_a_price_has_four_decimals_at_most_and_a_currency() -> None:
    assert faults_of(price="1.00001", currency="PLN") == ["price: it has more than 4 decimal places"]
    assert faults_of(price="1.00")[0].startswith("price: a price needs a currency")
    assert faults_of(price="1.00", currency="zł") == ["price: 'zł' is no ISO 4217 code such as EUR"]
    row = Row(line=7, cells={"sku": "A", "name": "Cup", "price": "1.00", "currency": ""})
    assert read_item(row, "EUR").price == Money(amount=Decimal(1), currency="EUR")


@pytest.mark.parametrize("quantity", ["-1", "5.0", "1,000", "many", "1000000000", "１"])
def test_a_quantity_is_a_whole_number_of_units(quantity: str) -> None:
    assert faults_of(quantity=quantity)[0].startswith("quantity: write a whole number of units, zero or more")


@pytest.mark.parametrize("gtin", ["5.90123E+12", "590123412345", "59012341234570", "5901234-123457", "12345"])
def test_a_gtin_has_the_length_of_one(gtin: str) -> None:
    right = gtin.isdecimal() and len(gtin) in (8, 12, 13, 14)
    if right:
        assert read_item(Row(line=7, cells={"sku": "A", "name": "Cup", "gtin": gtin})).gtin == gtin
    else:
        assert faults_of(gtin=gtin)[0].startswith("gtin: a GTIN has 8, 12, 13 or 14 digits")


def test_vat_is_percent_of_a_country() -> None:
    assert faults_of(vat_rate="100") == ["vat_rate: a VAT rate is percent, below 100"]
    assert faults_of(vat_rate_pl="23%")[0].startswith("vat_rate_pl: write it like 23 or 5.5: digits")
    assert faults_of(vat_rate_poland="23") == [
        "vat_rate_poland: name the column vat_rate, or vat_rate_pl with the two letters of a country"
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("CUP*2+PLATE", {"CUP": 2, "PLATE": 1}),
        (" CUP * 2 + PLATE ", {"CUP": 2, "PLATE": 1}),
        ("5*CUP", {"5*CUP": 1}),
        ("CUP*2*3", {"CUP*2": 3}),
        ("CUP", {"CUP": 1}),
    ],
)
def test_a_bundle_is_parts_with_their_units(text: str, parts: dict[str, int]) -> None:
    assert read_item(Row(line=7, cells={"sku": "SET", "name": "Set", "bundle": text})).bundle == parts


@pytest.mark.parametrize("text", ["CUP*0", "CUP+", "+", "*2", "CUP++PLATE", "CUP+CUP*2"])
def test_what_is_no_bundle_is_refused(text: str) -> None:
    assert faults_of(bundle=text)[0].startswith("bundle: ")


def test_all_faults_of_a_row_are_told_at_once() -> None:
    faults = faults_of(sku="", name="", price="1,5", quantity="x", gtin="1", product="P" * 256, vat_rate="x")
    assert [fault.partition(":")[0] for fault in faults] == [
        "sku",
        "name",
        "product",
        "gtin",
        "price",
        "vat_rate",
        "quantity",
    ]
    assert faults_of(bundle="A*2", quantity="3")[0].startswith("quantity: what there is of a bundle follows")


# --- what lands ------------------------------------------------------------------------------------------------------

FULL = """\
SKU;Name;Price;Currency;Quantity;GTIN;Product;VAT_rate;VAT_rate_DE;Brand;Size
SHIRT-S;Koszula S;129.90;PLN;5;5901234123457;SHIRT;23;19;Łąka;S
SHIRT-M;Koszula M;129.9;PLN;0;;SHIRT;23;;Łąka;M
CUP;Kubek;;;;;;;;;
"""


def test_a_file_lands_as_it_is_written(store: Store, bring: Any) -> None:
    report = bring(FULL)
    assert outcome(report) == (3, 0, 0, 0)
    small, medium, cup = (variant(store, sku) for sku in ("SHIRT-S", "SHIRT-M", "CUP"))
    assert (small.name, small.product, small.gtin, small.price) == (
        "Koszula S",
        "SHIRT",
        "5901234123457",
        pln("129.90"),
    )
    assert small.vat_rates == {"*": Decimal(23), "DE": Decimal(19)}
    assert small.attributes == {"brand": "Łąka", "size": "S"}
    assert (medium.gtin, medium.price, medium.vat_rates) == (None, pln("129.90"), {"*": Decimal(23)})
    assert (cup.product, cup.price, cup.vat_rates, cup.attributes) == (None, None, {}, {})
    assert [on_hand(store, sku) for sku in ("SHIRT-S", "SHIRT-M", "CUP")] == [5, 0, None]
    with store.read() as tx:
        assert [tuple(row) for row in tx.execute(select(products.c.code, products.c.name))] == [("SHIRT", "Koszula S")]
        (record,) = imports.latest(tx)
    assert (record.id, Path(record.file).name) == (report.id, "catalogue.csv")
    numbers = {"added": 3, "updated": 0, "unchanged": 0, "failed": 0, "faults": 0, "products": 0}
    assert record.counts == {"layout": "plain", **numbers}
    assert record.ended_at == store.clock.now()


@pytest.mark.parametrize("form", ["json lines", "gzip"])
def test_the_form_of_a_file_makes_no_difference(store: Store, bring: Any, form: str) -> None:
    bring(FULL)
    if form == "gzip":
        content = gzip.compress(FULL.replace(";", "\t").encode())
    else:
        rows = csv.DictReader(FULL.splitlines(), delimiter=";")
        content = "\n".join(json.dumps(row) for row in rows).encode()
    assert outcome(bring(content)) == (0, 0, 3, 0)


def content_of(store: Store) -> list[Any]:
    with store.read() as tx:
        mark = text("variants.xmin::text") if store.postgresql else variants.c.hash
        return [*tx.execute(select(variants, mark).order_by(variants.c.id)), *tx.execute(select(stock_moves))]


def test_what_did_not_change_is_not_written(store: Store, bring: Any) -> None:
    bring(FULL)
    before = content_of(store)
    assert outcome(bring(FULL)) == (0, 0, 3, 0)
    assert content_of(store) == before
    changed = FULL.replace("129.9;", "139.9;").replace("129.90;PLN;5", "129.90;PLN;6")
    assert outcome(bring(changed)) == (0, 2, 1, 0)
    assert variant(store, "SHIRT-M").price == pln("139.90")
    assert on_hand(store, "SHIRT-S") == 6
    written = [row for row in content_of(store) if row not in before]
    assert len(written) == 2  # the variant with the price, and the move of the count


def test_an_empty_cell_is_unknown_and_a_missing_column_says_nothing(store: Store, bring: Any) -> None:
    bring(FULL)
    assert outcome(bring("sku,name,quantity\nSHIRT-S,Koszula S,\n")) == (0, 0, 1, 0)
    assert on_hand(store, "SHIRT-S") == 5
    assert outcome(bring("sku,name,price,currency,gtin,vat_rate_de,size\nSHIRT-S,Koszula S,,PLN,,,\n")) == (0, 1, 0, 0)
    row = variant(store, "SHIRT-S")
    assert (row.price, row.gtin, row.product) == (None, None, "SHIRT")
    assert row.vat_rates == {"*": Decimal(23)}
    assert row.attributes == {"brand": "Łąka"}
    assert outcome(bring('{"sku": "SHIRT-S", "name": "Koszula S", "product": null}')) == (0, 1, 0, 0)
    assert variant(store, "SHIRT-S").product is None


def test_counts_go_to_the_warehouse_as_of_their_time(store: Store, bring: Any) -> None:
    with store.write() as tx:
        warehouses.add(tx, "outlet")
    assert outcome(bring(FULL, warehouse="outlet", as_of=NOW)) == (3, 0, 0, 0)
    assert (on_hand(store, "SHIRT-S"), on_hand(store, "SHIRT-S", "outlet")) == (None, 5)
    bring(FULL.replace("PLN;5", "PLN;8"), warehouse="outlet", as_of=NOW + timedelta(seconds=30))
    older = bring(FULL.replace("PLN;5", "PLN;1"), warehouse="outlet", as_of=NOW + timedelta(seconds=10))
    assert outcome(older) == (0, 0, 3, 0)
    assert on_hand(store, "SHIRT-S", "outlet") == 8
    with pytest.raises(NotFoundHere, match=r"no warehouse 'attic'.*main, outlet"):
        bring(FULL, warehouse="attic")
    with pytest.raises(ConfigError, match="still to come"):
        bring(FULL, as_of=store.clock.now() + timedelta(hours=1))
    with pytest.raises(ConfigError, match=r"no time zone.*2026-09-01T12:00:00\+00:00"):
        bring(FULL, as_of=NOW.replace(tzinfo=None))


def test_offers_of_what_changed_become_pending(store: Store, bring: Any) -> None:
    bring(FULL + "SET;Zestaw;;;;;;;;;\n")
    with store.write() as tx:
        account = accounts.create(tx, name="shop-pl", platform="shop", settings={}, options={}).id
        ids = catalog.ids_by_sku(tx, ["SHIRT-S", "SHIRT-M", "CUP", "SET"])
        done = offers.upsert(tx, account, [OfferDraft(market="PL", variant_id=number) for number in ids.values()])
        offer_levels.ensure(tx, account, [row.id for row in done.values()])

    def versions() -> dict[str, int]:
        with store.read() as tx:
            rows = tx.execute(select(level_rows.c.offer_id, level_rows.c.version)).all()
            return {offers.get(tx, row.offer_id).sku: row.version for row in rows}

    before = versions()
    bring(FULL.replace("129.9;", "139.9;"))  # a price alone tells nobody anything of stock
    assert versions() == before
    bring(FULL.replace("PLN;5", "PLN;4"))
    assert versions() == before | {"SHIRT-S": before["SHIRT-S"] + 1}
    bring("sku,name,bundle\nSET,Zestaw,SHIRT-S*2\n")
    assert versions()["SET"] == before["SET"] + 1
    bring("sku,name,bundle\nSET,Zestaw,SHIRT-S*2\n")
    assert versions()["SET"] == before["SET"] + 1
    bring(FULL.replace("PLN;5", "PLN;3"))
    assert versions()["SET"] == before["SET"] + 2


# --- faults ----------------------------------------------------------------------------------------------------------


def test_bad_rows_are_listed_and_the_good_ones_land(store: Store, bring: Any, tmp_path: Path) -> None:
    content = (
        "sku,name,price,currency,quantity\n"
        'A,"Cup,\nwhite",10.00,PLN,1\n'
        'B,"Plate,\nwhite","10,00",PLN,-1\n'
        "C,Bowl,10.00,PLN\n"
        ",Fork,10.00,PLN,1\n"
        f"E,Knife,{'9' * 90},PLN,1\n"
        "F,Spoon,10.00,PLN,1\n"
    )
    report = bring(content, faults_file=tmp_path / "faults.csv")
    assert outcome(report) == (2, 0, 0, 4)
    assert [(fault.line, fault.field, fault.value) for fault in report.faults] == [
        (4, "price", "10,00"),
        (4, "quantity", "-1"),
        (6, "", ""),
        (7, "sku", ""),
        (8, "price", "9" * 60 + "…"),
    ]
    with (tmp_path / "faults.csv").open(newline="") as file:
        written = list(csv.reader(file))
    assert written[0] == ["line", "field", "value", "reason"]
    assert [row[:3] for row in written[1:]] == [[str(f.line), f.field, f.value] for f in report.faults]
    with store.read() as tx:
        assert [row.sku for row in catalog.list(tx)] == ["A", "F"]
        assert imports.latest(tx)[0].counts["failed"] == 4


def test_the_report_keeps_the_first_faults_and_the_file_all(bring: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: Is a directory"):
        bring(FULL, faults_file=tmp_path)
    content = "sku,name,price\n" + "".join(f"S-{number},Cup,cheap\n" for number in range(1500))
    report = bring(content, faults_file=tmp_path / "faults.csv")
    assert outcome(report) == (0, 0, 0, 1500)
    assert [fault.line for fault in report.faults] == list(range(2, 1002))
    assert len((tmp_path / "faults.csv").read_text().splitlines()) == 1501


def test_a_sku_that_comes_twice_counts_once(store: Store, bring: Any) -> None:
    rows = ["A,Cup,1", "B,Plate,2", "A,Cup,1", "A,Cup,9", "C,Bowl,x", "C,Bowl,3"]
    report = bring("sku,name,quantity\n" + "\n".join(rows))
    assert outcome(report) == (3, 0, 1, 2)
    assert [str(fault) for fault in report.faults] == [
        "line 5, sku 'A': line 2 has this SKU too, with other content; that one counts",
        "line 6, quantity 'x': write a whole number of units, zero or more, below 1000000000",
    ]
    assert [on_hand(store, sku) for sku in "ABC"] == [1, 2, 3]


def test_a_sku_that_comes_again_in_another_batch_is_known(bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)
    rows = "".join(f"S-{number},Cup {number}\n" for number in range(7))
    report = bring(f"sku,name\n{rows}S-0,Cup 0\nS-1,another\n")
    assert outcome(report) == (7, 0, 1, 1)
    assert report.faults[0].reason.startswith("line 3 has this SKU too")


def test_prices_take_the_currency_of_the_import(store: Store, bring: Any) -> None:
    content = "sku,name,price,currency\nA,Cup,1.50,\nB,Plate,2.00,EUR\n"
    report = bring(content)
    assert outcome(report) == (1, 0, 0, 1)
    assert "or give one for the whole file" in report.faults[0].reason
    assert outcome(bring(content, currency="PLN")) == (1, 0, 1, 0)
    assert variant(store, "A").price == pln("1.50")
    with pytest.raises(ConfigError, match="'pln' is no ISO 4217 code"):
        bring(content, currency="pln")


# --- bundles ---------------------------------------------------------------------------------------------------------


def test_parts_may_stand_below_their_bundle(store: Store, bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)
    content = "sku,name,bundle,quantity\nSET,Set,CUP*2+PLATE,\n" + "".join(
        f"{sku},Name,,{number}\n" for number, sku in enumerate(["X", "Y", "PLATE", "Z", "CUP"])
    )
    assert outcome(bring(content)) == (6, 0, 0, 0)
    assert outcome(bring(content)) == (0, 0, 6, 0)
    with store.read() as tx:
        ids = catalog.ids_by_sku(tx, ["SET", "CUP", "PLATE"])
        assert catalog.parts_of(tx, ids.values()) == {ids["SET"]: {ids["CUP"]: 2, ids["PLATE"]: 1}}
    assert outcome(bring("sku,name,bundle\nSET,Set,CUP*3\n")) == (0, 1, 0, 0)
    assert outcome(bring("sku,name,bundle\nSET,Set,\n")) == (0, 0, 1, 0)
    with store.read() as tx:
        assert catalog.parts_of(tx, [ids["SET"]]) == {ids["SET"]: {ids["CUP"]: 3}}


def test_a_bundle_that_cannot_be_is_left_out_whole(store: Store, bring: Any) -> None:
    bring("sku,name,bundle\nCUP,Cup,\nPLATE,Plate,\nPAIR,Pair,CUP*2\n")
    report = bring(
        "sku,name,bundle,quantity\n"
        "SET-1,Set,CUP+SAUCER,\n"
        "SET-2,Set,PAIR+PLATE,\n"
        "SET-3,Set,SET-3,\n"
        "SET-4,Set,SET-5,\n"
        "SET-5,Set,PLATE,\n"
        "CUP,Cup with handle,PLATE,\n"
        "PAIR,Pair of cups,,7\n"
    )
    assert outcome(report) == (1, 0, 0, 6)
    assert [str(fault) for fault in report.faults] == [
        "line 8, quantity '7': this SKU is a bundle, and what there is of it follows from its parts; leave this empty",
        "line 2, bundle 'CUP*1+SAUCER*1': 'SAUCER': there is no variant with this SKU",
        "line 3, bundle 'PAIR*1+PLATE*1': 'PAIR': it is a bundle itself, and a bundle holds no bundles",
        "line 4, bundle 'SET-3*1': 'SET-3': a bundle cannot hold itself",
        "line 5, bundle 'SET-5*1': 'SET-5': there is no variant with this SKU",
        "line 7, bundle 'PLATE*1': 'CUP': it is a part of bundle 'PAIR', and a bundle holds no bundles",
    ]
    with store.read() as tx:
        assert [(row.sku, row.name) for row in catalog.list(tx)] == [
            ("CUP", "Cup"),
            ("PAIR", "Pair"),
            ("PLATE", "Plate"),
            ("SET-5", "Set"),
        ]


# --- files that break ------------------------------------------------------------------------------------------------


def test_what_landed_before_a_file_breaks_stays(store: Store, bring: Any) -> None:
    rows = "".join(f"S-{number:04},Cup {number}\n" for number in range(1500))
    with pytest.raises(ImportBroken, match=r"begins on line 1502.*1500 rows before that have landed") as broken:
        bring(f'sku,name\n{rows}B,"Plate\nC,Bowl\n')
    assert outcome(broken.value.report) == (1500, 0, 0, 0)
    packed = gzip.compress(f"sku,name\n{rows}".encode())
    with pytest.raises(ImportBroken, match="Compressed file ended") as truncated:
        bring(packed[:-8])
    assert outcome(truncated.value.report) == (0, 0, 1500, 0)
    with pytest.raises(ImportBroken, match=r"line 3: byte 17 \(0xA3\) is not UTF-8.*1 rows before"):
        bring("sku,name\nA,Cup\nB,Łódź\n".encode("cp1250"))
    with store.read() as tx:
        assert tx.scalar(select(func.count()).select_from(variants)) == 1501
        latest = imports.latest(tx)
    assert ["is not UTF-8" in latest[0].counts["broken"], latest[2].counts["added"]] == [True, 1500]
    assert all(record.ended_at for record in latest)


def test_a_file_without_the_needed_columns_is_refused(store: Store, bring: Any) -> None:
    with pytest.raises(ConfigError, match="no column sku"):
        bring("code,name\nA,Cup\n")
    assert outcome(bring("code,name\nA,Cup\n", columns={"sku": "Code"})) == (1, 0, 0, 0)


# --- in batches ------------------------------------------------------------------------------------------------------


def test_progress_is_told_after_each_batch(bring: Any) -> None:
    told: list[tuple[int, float]] = []
    rows = "".join(f"S-{number},Cup\n" for number in range(2500))
    bring(f"sku,name\n{rows},nameless\n", progress=lambda rows, share: told.append((rows, share)))
    assert [rows for rows, _ in told][:2] == [1000, 2000]
    assert told[-1] == (2501, 1.0)
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_every_batch_is_a_transaction_of_its_own(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 10)
    path = tmp_path / "catalogue.csv"
    path.write_text("sku,name\n" + "".join(f"S-{number:02},Cup\n" for number in range(35)))

    def stop(rows: int, share: float) -> None:
        if rows == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(store, path, progress=stop)
    with store.read() as tx:
        assert len(catalog.list(tx, limit=100)) == 20
        (cut_off,) = imports.latest(tx)
    assert (cut_off.ended_at, cut_off.counts["added"]) == (None, 20)
    report = import_file(store, path)
    assert outcome(report) == (15, 0, 20, 0)


words = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=8)
words = words.map(str.strip).filter(bool)
table = st.dictionaries(
    words, st.tuples(words, st.integers(0, 9) | st.none(), st.integers(0, 999) | st.none()), max_size=5
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=table, second=table)
def test_after_any_two_imports_the_store_says_what_the_second_said(
    store: Store, bring: Any, first: dict[str, Any], second: dict[str, Any]
) -> None:
    def lines(rows: dict[str, Any]) -> str:
        filled = [
            {"sku": sku, "name": name, "quantity": units, "price": None if cents is None else f"{cents / 100:.2f}"}
            for sku, (name, units, cents) in rows.items()
        ]
        return "\n".join(map(json.dumps, filled or [{"sku": "X", "name": "X"}]))

    bring(lines(first), currency="PLN")
    report = bring(lines(second), currency="PLN")
    assert report.failed == 0
    again = bring(lines(second), currency="PLN")
    assert (again.added, again.updated) == (0, 0)
    for sku, (name, units, cents) in second.items():
        row = variant(store, sku)
        assert row.name == name
        assert row.price == (None if cents is None else pln(f"{cents / 100:.2f}"))
        if units is not None:
            assert on_hand(store, sku) == units
