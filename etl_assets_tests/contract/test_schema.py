"""Tables made from contracts: descriptions, odd names, and contracts that change."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import DAY, at, publish, published, spooled, staged, values
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

pytestmark = pytest.mark.thorough_for("bigquery")

OLD = {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}
REQUIRED = {"nullable": False}


def things(dtypes: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> LayerTable:
    return layer_table(dtypes, options, name="things")


def one_row(table: LayerTable, **values: Any) -> pl.DataFrame:
    row = {"id": 1, "day_at": at(DAY), "v": "one", **values}
    schema = polars_schema(table.columns)
    return pl.DataFrame({name: [row.get(name)] for name in schema}, schema=schema)


def put(warehouse: Warehouse, folder: Path, table: LayerTable, **values: Any) -> None:
    publish(warehouse, staged(folder, one_row(table, **values), table=table), table=table)


def test_a_table_is_described_as_its_contract_says(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    options = {"v": {"unit": "cents"}, "id": {"personal": True}}
    table = replace(things(OLD, options), description="What's in stock; a line each.")
    warehouse.ensure(table)
    found = backend.descriptions(tmp_path, table)
    assert found == {
        "": "What's in stock; a line each.",
        "id": "A test's. (personal data)",
        "day_at": "A test's.",
        "v": "A test's. [cents]",
        **AUDIT_COLUMNS,
    }


@pytest.mark.soak_for("bigquery")
def test_ensuring_a_table_twice_keeps_its_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    table = things(OLD)
    put(warehouse, tmp_path, table)
    warehouse.ensure(table)
    assert values(warehouse, tmp_path, table=table) == {1: "one"}


@pytest.mark.soak_for("bigquery-two", "bigquery-UPPER", "bigquery-select")
@pytest.mark.parametrize(
    "name",
    ['say "hi"', "two words", "UPPER", "select", "naïve_日本", "semi;colon", "it's", "per%cent"],
)
def test_odd_names_of_tables_and_columns_are_quoted(
    warehouse: Warehouse, tmp_path: Path, name: str
) -> None:
    dtypes = {f"{name} id": pl.Int64, f"{name} at": UTC_MOMENT, name: pl.String}
    table = layer_table(dtypes, name=name, partition=f"{name} at", key=(f"{name} id",))
    schema = polars_schema(table.columns)
    frame = pl.DataFrame([(1, at(DAY), "one")], schema=schema, orient="row")
    for _ in range(2):
        publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    assert published(warehouse, tmp_path, table=table).rows() == frame.rows()
    assert [state.table_name for state in warehouse.state(table)] == [f"raw/{name}"]


@pytest.mark.soak_for("bigquery")
def test_tables_that_differ_only_in_their_layer_are_two(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    raw = things(OLD)
    other = replace(raw, layer=type(raw.layer).STAGED)
    put(warehouse, tmp_path, raw)
    put(warehouse, tmp_path, other, v="two")
    assert values(warehouse, tmp_path, table=raw) == {1: "one"}
    assert values(warehouse, tmp_path, table=other) == {1: "two"}


def test_new_nullable_columns_are_added_and_are_null_in_older_rows(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    put(warehouse, tmp_path, things(OLD))
    new = things({**OLD, "note": pl.String, "amount": pl.Decimal(18, 2)})
    assert list(warehouse.ensure(new)) == ["note", "amount"]
    assert list(warehouse.ensure(new)) == []
    (row,) = published(warehouse, tmp_path, table=new).to_dicts()
    assert (row["v"], row["note"], row["amount"]) == ("one", None, None)
    put(warehouse, tmp_path, new, note="noted")
    assert published(warehouse, tmp_path, table=new)["note"].to_list() == ["noted"]
    assert backend.descriptions(tmp_path, new)["note"] == "A test's."


def test_m9_a_lookup_by_a_contract_that_gained_a_column_is_refused_until_the_table_has_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    put(warehouse, tmp_path, things(OLD))
    new = things({**OLD, "note": pl.String})
    keys = spooled(tmp_path, pl.DataFrame({"id": [1]}))
    with pytest.raises(WarehouseError) as raised:
        warehouse.lookup(new, keys, tmp_path / "refused").collect()
    assert "raw/things" in raised.value.what
    # BigQuery's own words may quote values: its message names the job that has them.
    told = str(raised.value)
    assert '"note"' in told or "`bq show -j " in told, "the column that the table does not have"
    warehouse.ensure(new)
    (row,) = warehouse.lookup(new, keys, tmp_path / "found").collect().to_dicts()
    assert (row["v"], row["note"]) == ("one", None)


def test_a_column_put_in_the_middle_of_a_contract_mixes_nothing_up(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    put(warehouse, tmp_path, things(OLD))
    new = things({"id": pl.Int64, "first": pl.String, "v": pl.String, "day_at": UTC_MOMENT})
    put(warehouse, tmp_path, new, first="1st")
    (row,) = published(warehouse, tmp_path, table=new).to_dicts()
    assert (row["first"], row["v"]) == ("1st", "one")


CHANGES = {
    "gone": ({"id": pl.Int64, "day_at": UTC_MOMENT}, {}, "DROP COLUMN"),
    "retyped": ({**OLD, "v": pl.Int64}, {}, "ALTER COLUMN|RENAME COLUMN"),
    "narrowed": ({**OLD, "id": pl.Int32}, {}, "ALTER COLUMN"),
}


@pytest.mark.soak_for("bigquery")  # the statement of such a message is tried there, below
@pytest.mark.parametrize("change", CHANGES)
def test_any_other_change_of_a_contract_is_refused_with_what_to_run(
    warehouse: Warehouse, tmp_path: Path, change: str
) -> None:
    dtypes, options, statement = CHANGES[change]
    put(warehouse, tmp_path, things(OLD))
    new = things(dtypes, options)
    for attempt in (
        lambda: warehouse.ensure(new),
        lambda: put(warehouse, tmp_path, new, v=None if change == "retyped" else "x", n=1),
    ):
        with pytest.raises(WarehouseError, match=f"raw/things.*({statement})"):
            attempt()
    assert values(warehouse, tmp_path, table=things(OLD)) == {1: "one"}


def test_a_column_that_may_be_null_now_is_refused_with_a_statement_that_works(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    strict, lenient = things(OLD, {"v": REQUIRED}), things(OLD)
    put(warehouse, tmp_path, strict)
    with pytest.raises(WarehouseError) as caught:
        warehouse.ensure(lenient)
    backend.run(tmp_path, str(caught.value).split("migrate the table: ")[1])
    put(warehouse, tmp_path, lenient, v=None)
    assert values(warehouse, tmp_path, table=lenient) == {1: None}


@pytest.mark.soak_for("bigquery-gone")
@pytest.mark.parametrize("change", ["gone", "retyped"])
def test_the_statement_of_the_message_migrates_the_table(
    warehouse: Warehouse, backend: Backend, tmp_path: Path, change: str
) -> None:
    dtypes, options, _ = CHANGES[change]
    put(warehouse, tmp_path, things(OLD), v="7")
    new = things(dtypes, options)
    with pytest.raises(WarehouseError) as caught:
        warehouse.ensure(new)
    backend.run(tmp_path, str(caught.value).split("migrate the table: ")[1])
    warehouse.ensure(new)
    assert published(warehouse, tmp_path, table=new).height == 1
