"""The layouts of shops: what a row of Magento's and WooCommerce's files says, in crossdock's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.core.errors import NotFoundHere
from crossdock.jobs import layouts
from crossdock.jobs.catalogue_row import BadRow
from crossdock.jobs.layouts.layout import Entry, Others
from crossdock.jobs.layouts.magento import MAGENTO
from crossdock.jobs.layouts.plain import PLAIN
from crossdock.jobs.layouts.woocommerce import WOOCOMMERCE
from crossdock.jobs.rowfile import Row


def simple(**cells: str) -> Entry:
    return MAGENTO.read(Row(line=7, cells={"sku": "A", "name": "Shirt", "product_type": "simple", **cells}))


def configurable(**cells: str) -> Entry:
    assert MAGENTO.products is not None
    row = Row(line=7, cells={"sku": "P", "name": "Shirt", "product_type": "configurable", **cells})
    assert MAGENTO.products.has(row)
    return MAGENTO.products.read(row)


def woo(cells: dict[str, str]) -> Entry:
    assert WOOCOMMERCE.products is not None
    row = Row(line=7, cells={"sku": "A", "name": "Shirt", "type": "simple", **cells})
    return WOOCOMMERCE.products.read(row) if WOOCOMMERCE.products.has(row) else WOOCOMMERCE.read(row)


# --- which layout ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ("sku name price", "plain"),
        ("sku name product_type attribute_set_code price", "magento"),
        ("sku name type regular_price", "woocommerce"),
        ("sku name type price", "plain"),
        ("sku name product_type attribute_set_code type regular_price", "plain"),
    ],
)
def test_a_header_that_fits_exactly_one_shop_is_recognised(columns: str, name: str) -> None:
    names = [column.replace("regular_price", "regular price") for column in columns.split()]
    assert layouts.recognise(names).name == name


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(NotFoundHere, match=r"no layout 'shopify'.*plain, magento, woocommerce"):
        layouts.find("shopify")


# --- Magento ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packed", "attributes"),
    [
        ("color=Black,size=M", {"color": "Black", "size": "M"}),
        ("Color=Black", {"color": "Black"}),
        ("material=Wool|Organic Cotton", {"material": "Wool\nOrganic Cotton"}),
        (
            'color=Black,"features=Pocket|Sleeve, 15 inches"',
            {"color": "Black", "features": "Pocket\nSleeve, 15 inches"},
        ),
        ('"features=Laptop ""Sleeve"", 15 inches",size=M', {"features": 'Laptop "Sleeve", 15 inches', "size": "M"}),
        ('features="Sleeve, ""15"" inches",size="M"', {"features": 'Sleeve, "15" inches', "size": "M"}),
        ("note=Wash cold, dry flat,size=M", {"note": "Wash cold, dry flat", "size": "M"}),
        ('length=15",size=M', {"length": '15"', "size": "M"}),
        ("formula=a=b", {"formula": "a=b"}),
        ("note=See,https://example.com/?a=b", {"note": "See,https://example.com/?a=b"}),
        ("color=,size=M", {"color": "", "size": "M"}),
        ("", {}),
    ],
)
def test_packed_attributes_are_unpacked(packed: str, attributes: dict[str, str]) -> None:
    assert simple(additional_attributes=packed).attributes == attributes


words = st.text(st.characters(categories=["L", "Nd", "Zs"], include_characters=',"=&;'), min_size=1, max_size=12)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), words.map(str.strip).filter(bool)))
def test_what_is_packed_with_quotes_comes_out_as_it_was(attributes: dict[str, str]) -> None:
    doubled = {name: value.replace('"', '""') for name, value in attributes.items()}
    by_value = ",".join(f'{name}="{value}"' for name, value in doubled.items())
    by_pair = ",".join(f'"{name}={value}"' for name, value in doubled.items())
    taken = {name: value for name, value in attributes.items() if name not in ("gtin", "ean")}
    assert simple(additional_attributes=by_value).attributes == taken
    assert simple(additional_attributes=by_pair).attributes == {
        # A value that is quoted by itself, too, loses both.
        name: value[1:-1].replace('""', '"').strip() if len(value) > 1 and value[0] == value[-1] == '"' else value
        for name, value in taken.items()
    }


def test_a_cell_without_a_pair_is_a_fault() -> None:
    with pytest.raises(BadRow, match=r"line 7, additional_attributes 'Black': write it like size=XS,color=Black"):
        simple(additional_attributes="Black")


def test_a_simple_row_of_magento_is_a_variant() -> None:
    entry = simple(
        price="52.500000",
        qty="100.0000",
        weight="1.0000",
        url_key="shirt",
        description="<p>Soft</p>",
        categories="Default Category/Men/Tops,Default Category",
        base_image="/a.jpg",
        small_image="/a.jpg",
        additional_images="/b.jpg,/c.jpg",
        additional_attributes="gtin=5901234123457,gender=Men|Women",
    )
    own = {"sku": "A", "name": "Shirt", "price": "52.5", "quantity": "100", "gtin": "5901234123457"}
    assert entry.row.cells == own
    assert entry.attributes == {
        "description": "<p>Soft</p>",
        "url_key": "shirt",
        "weight": "1.0000",
        "images": "/a.jpg\n/b.jpg\n/c.jpg",
        "category": "Default Category/Men/Tops\nDefault Category",
        "gender": "Men\nWomen",
    }


@pytest.mark.parametrize(
    ("written", "meant"), [("52", "52"), ("100.0000", "100"), ("0.5000", "0.5"), ("1,299.00", "1,299.00"), ("-1", "-1")]
)
def test_needless_zeros_are_dropped_and_nothing_else(written: str, meant: str) -> None:
    assert simple(price=written, qty=written).row.cells["price"] == meant
    assert simple(qty=written).row.cells["quantity"] == meant


def test_a_configurable_row_is_a_product_and_names_its_variants() -> None:
    entry = configurable(
        price="52",
        qty="0",
        configurable_variations="sku=P-S,size=S,color=Black|sku=P-M,size=M,color=Black",
        configurable_variation_labels="size=Size,color=Colour",
        additional_attributes="material=Wool",
    )
    assert entry.row.cells == {"sku": "P", "name": "Shirt"}
    assert entry.members == {"P-S": {"size": "S", "color": "Black"}, "P-M": {"size": "M", "color": "Black"}}
    assert entry.attributes == {"material": "Wool", "variation_labels": "size=Size,color=Colour"}
    assert configurable().members == {}


@pytest.mark.parametrize(
    ("variations", "because"),
    [
        ("P-S", "write it like size=XS"),
        ("size=S,color=Black", "names no SKU"),
        ("sku=P-S,size=S|sku=P-S,size=M", "'P-S' stands there twice"),
    ],
)
def test_variations_that_cannot_be_read_are_a_fault(variations: str, because: str) -> None:
    with pytest.raises(BadRow, match=f"configurable_variations .*{because}"):
        configurable(configurable_variations=variations)


def test_other_types_are_faults() -> None:
    with pytest.raises(BadRow, match=r"product_type 'bundle': only configurable, downloadable, simple, virtual"):
        simple(product_type="bundle")


@pytest.mark.parametrize("kind", ["simple", "configurable", "bundle", ""])
def test_a_row_of_a_store_view_says_its_texts_and_nothing_else(kind: str) -> None:
    assert MAGENTO.products is not None
    cells = {"sku": "A", "store_view_code": "PL", "product_type": kind, "name": "Koszula", "description": ""}
    packed = {"additional_attributes": "care=Prać ręcznie"}
    no_texts = {"price": "5", "special_price": "4", "qty": "7", "categories": "Shop", "weight": "1", "base_image": "/a"}
    row = Row(line=7, cells={**cells, **packed, **no_texts})
    assert not MAGENTO.products.has(row)
    entry = MAGENTO.read(row)
    assert (entry.row.cells, entry.view) == ({"sku": "A"}, "pl")
    assert entry.attributes == {"name": "Koszula", "description": "", "care": "Prać ręcznie"}


def test_a_row_of_a_store_view_that_is_packed_wrongly_is_a_fault() -> None:
    with pytest.raises(BadRow, match="additional_attributes 'ręcznie': write it like"):
        simple(store_view_code="pl", additional_attributes="ręcznie")


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def test_a_variation_is_a_variant_of_its_parent() -> None:
    entry = woo(
        {
            "id": "758",
            "type": "variation, virtual",
            "parent": "id:742",
            "gtin, upc, ean, or isbn": "978-0-306-40615-7",
            "regular price": "129,90",
            "sale price": "99",
            "stock": "5",
            "images": "https://example.com/a.jpg, https://example.com/b\\,c.jpg",
            "categories": "Clothing > Shirts, Sale",
            "description": "First line\\nsecond, and \\\\n",
            "weight (kg)": "0.2",
            "length (cm)": "",
            "attribute 1 name": "Color",
            "attribute 1 value(s)": "Red",
            "attribute 2 name": "Size",
            "attribute 2 value(s)": "",
            "attribute 3 name": "",
            "attribute 3 value(s)": "",
        }
    )
    own = {"product": "id:742", "gtin": "9780306406157", "price": "129.90", "quantity": "5"}
    assert entry.row.cells == {"sku": "A", "name": "Shirt", **own}
    assert entry.attributes == {
        "description": "First line\nsecond, and \\n",
        "sale_price": "99",
        "images": "https://example.com/a.jpg\nhttps://example.com/b,c.jpg",
        "category": "Clothing > Shirts\nSale",
        "weight": "0.2 kg",
        "length": "",
        "color": "Red",
        "size": "",
    }


def test_a_variable_row_is_a_product_by_sku_or_by_id() -> None:
    entry = woo({"type": "variable", "id": "742", "sku": "HOODIE", "regular price": "", "stock": "7"})
    assert (entry.row.cells, entry.alias) == ({"sku": "HOODIE", "name": "Shirt"}, "id:742")
    assert woo({"type": "variable", "id": "742", "sku": ""}).row.cells["sku"] == "id:742"


def test_a_simple_row_belongs_to_no_product() -> None:
    assert woo({"parent": "HOODIE"}).row.cells["product"] == ""
    assert "product" not in woo({}).row.cells


@pytest.mark.parametrize(
    ("cells", "because"),
    [
        ({"type": "grouped"}, "type 'grouped': only variable, variation and simple are taken"),
        ({"type": ""}, "type '': only variable"),
        ({"type": "simple, variable"}, "type 'simple, variable': only variable"),
        ({"type": "variation", "parent": ""}, "parent '': a variation has to name its parent"),
        ({"attribute 2 name": "", "attribute 2 value(s)": "Red"}, "value.s. 'Red': the attribute has no name"),
    ],
)
def test_what_is_no_variant_is_a_fault(cells: dict[str, str], because: str) -> None:
    with pytest.raises(BadRow, match=f"line 7, .*{because}"):
        woo(cells)


@pytest.mark.parametrize(
    ("written", "meant"), [("129,90", "129.90"), ("1,299", "1,299"), ("1.299,00", "1.299,00"), ("'-5", "-5")]
)
def test_a_comma_before_one_or_two_digits_is_decimal(written: str, meant: str) -> None:
    assert woo({"regular price": written}).row.cells["price"] == meant


def test_stock_that_the_parent_counts_is_unknown() -> None:
    assert woo({"type": "variation", "parent": "P", "stock": "parent"}).row.cells["quantity"] == ""


def test_a_column_of_its_own_says_more_than_an_attribute_of_that_name() -> None:
    named = {"attribute 1 name": "Weight", "attribute 1 value(s)": "light"}
    assert woo({**named, "weight (kg)": "2"}).attributes["weight"] == "2 kg"
    assert woo({**named, "weight (kg)": ""}).attributes["weight"] == "light"


# --- other columns ---------------------------------------------------------------------------------------------------


def test_unknown_columns_are_kept_or_told() -> None:
    row = Row(line=2, cells={"sku": "A", "website_id": "1", "visibility": "4", "map_price": ""})
    some = Others(MAGENTO, frozenset({"visibility"}))
    assert some.take(row) == {"visibility": "4"}
    assert some.left_out == {"website_id"}
    everything = Others(MAGENTO, None)
    assert everything.take(row) == {"website_id": "1", "visibility": "4", "map_price": ""}
    assert everything.left_out == set()


def test_the_plain_layout_knows_every_column() -> None:
    row = Row(line=2, cells={"sku": "A", "name": "Cup", "vat_rate_pl": "23", "colour": "white"})
    entry = PLAIN.read(row)
    assert entry.row.cells == {"sku": "A", "name": "Cup", "vat_rate_pl": "23"}
    assert entry.attributes == {"colour": "white"}
    assert Others(PLAIN, frozenset()).take(row) == {}
