"""Whatever a source calls its tables and columns, a contract has names for them, each once."""

import keyword

from hypothesis import given
from hypothesis import strategies as st

from etl_assets.core.contracts import Contract
from etl_assets.core.name_checks import name_faults
from etl_assets.scaffold.names import is_table_name, named_columns, table_name
from etl_assets.warehouse.names import BIGQUERY_COLUMN, BIGQUERY_PREFIXES, POSTGRES_OWN

ODD = ["id", "ID", "class", "None", "two words", "1st", "_source", "__day", "*", "^a$", "a.b"]
ODD += ["ÜBER", "über", "заказ", "createdAt", "created_at", "_TABLE_x", "ctid", "pl", "schema"]
ODD += ["unique", "Config", "x" * 63, 'say "hi"', "back\\slash", "new\nline", "é" * 31]
POSTGRES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20
)
"""A name that PostgreSQL may have."""


@given(st.lists(st.one_of(st.sampled_from(ODD), POSTGRES), unique=True, max_size=30))
def test_every_column_has_a_name_that_python_and_every_warehouse_take(names: list[str]) -> None:
    found = named_columns(names)
    assert list(found) == names
    attributes = [one.attribute for one in found.values()]
    assert len({name.lower() for name in attributes}) == len(names)
    for name in attributes:
        assert name.isidentifier()
        assert name == name.lower()
        assert not keyword.iskeyword(name)
        assert not hasattr(Contract, name)
    columns = [one.name for one in found.values()]
    assert not list(name_faults(Contract, columns, "raw"))
    for name in columns:
        assert BIGQUERY_COLUMN.fullmatch(name)
        assert not name.lower().startswith(BIGQUERY_PREFIXES)
        assert name not in POSTGRES_OWN
        assert len(name.encode()) <= 63


@given(st.lists(POSTGRES, unique=True, max_size=20), POSTGRES)
def test_every_table_has_a_name_of_its_own_that_can_be_imported(
    names: list[str], schema: str
) -> None:
    taken: set[str] = set()
    for name in names:
        found = table_name(name, taken, schema)
        assert is_table_name(found), found
        assert found not in taken
        assert len(found) <= 63
        taken.add(found)


def test_a_name_that_can_be_kept_is_kept() -> None:
    found = named_columns(["order_id", "class", "Two Words", "ID", "id"])
    assert {source: (one.name, one.attribute) for source, one in found.items()} == {
        "order_id": ("order_id", "order_id"),
        "class": ("class", "class_"),
        "Two Words": ("Two Words", "two_words"),
        "ID": ("ID", "id"),
        "id": ("id_2", "id_2"),
    }
    assert [one.why for one in found.values()] == [
        "",
        "",
        "",
        "",
        "'ID' differs from it by case alone",
    ]
    assert table_name("Order Items") == "order_items"
    assert table_name("orders", {"orders"}, "sales") == "sales_orders"
    assert table_name("class") == "class_table"
