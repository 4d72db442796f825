"""A day that is read again and is what is published: its load stays, in every warehouse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import StalePublication
from etl_assets.core.policies import Deletes
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    orders,
    publish,
    staged,
    values,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

pytestmark = pytest.mark.thorough_for("bigquery")

LATER = AS_OF + timedelta(hours=1)
JSON = layer_table(
    {"id": pl.Int64, "day_at": UTC_MOMENT, "doc": pl.String, "ratio": pl.Float64},
    {"id": {"nullable": False}, "doc": {"logical": "json"}},
    name="documents",
)


def loads(warehouse: Warehouse, table: LayerTable = ORDERS) -> dict[object, str]:
    return {state.partition_key: state.run_id for state in warehouse.state(table)}


def test_a_day_that_is_the_same_keeps_its_load_and_notes_the_newer_moment(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = orders({1: "one", 2: "two"})
    publish(warehouse, staged(tmp_path, rows, rejected=['{"id": "9"}'], source_count=None))
    (before,) = warehouse.state(ORDERS)
    again = staged(
        tmp_path,
        rows.reverse(),
        rejected=['{"id": "9"}'],
        run_id="run-2",
        as_of=LATER,
        failed_checks="schema_drift",
    )
    publish(warehouse, again)
    (after,) = warehouse.state(ORDERS)
    found = {"as_of": LATER, "source_count": 3, "failed_checks": "schema_drift"}
    assert after == replace(before, **found)
    with pytest.raises(StalePublication):  # an older snapshot is kept out by the newer moment
        publish(warehouse, staged(tmp_path, orders({1: "old"}), run_id="run-3"))
    assert values(warehouse, tmp_path) == {1: "one", 2: "two"}


def test_the_days_that_changed_are_published_beside_those_that_did_not(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one"})),
        staged(tmp_path, orders({2: "two"}, NEXT), NEXT),
    )
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one"}), run_id="run-2", as_of=LATER),
        staged(tmp_path, orders({2: "zwei"}, NEXT), NEXT, run_id="run-2", as_of=LATER),
    )
    assert loads(warehouse) == {DAY: "run-1", NEXT: "run-2"}
    assert values(warehouse, tmp_path, DAY, NEXT) == {1: "one", 2: "zwei"}
    state = warehouse.table_state(ORDERS)
    assert state is not None
    assert state.row_count == 2


CHANGES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "a value": lambda rows: rows.with_columns(v=pl.lit("other")),
    "a value that is gone": lambda rows: rows.with_columns(v=pl.lit(None, pl.String)),
    "a text that looks like no value": lambda rows: rows.with_columns(v=pl.lit("NULL")),
    "a row more": lambda rows: pl.concat([rows, orders({3: "three"})]),
    "a row less": lambda rows: rows.head(1),
    "another key": lambda rows: rows.with_columns(pl.col("id") + 10),
    "values that changed places": lambda rows: rows.with_columns(pl.col("v").reverse()),
}


@pytest.mark.soak_for("bigquery")
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changed_is_published(warehouse: Warehouse, tmp_path: Path, change: str) -> None:
    rows = orders({1: "one", 2: "two"})
    publish(warehouse, staged(tmp_path, rows))
    publish(warehouse, staged(tmp_path, CHANGES[change](rows), run_id="run-2", as_of=LATER))
    assert loads(warehouse) == {DAY: "run-2"}


@pytest.mark.soak_for("bigquery")
def test_other_rows_in_quarantine_are_a_change(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = orders({1: "one"})
    publish(warehouse, staged(tmp_path, rows, rejected=['{"id": "9"}']))
    publish(warehouse, staged(tmp_path, rows, rejected=['{"id": "8"}'], run_id="run-2"))
    assert loads(warehouse) == {DAY: "run-2"}
    assert [row[-1] for row in warehouse.quarantined(ORDERS).rows()] == ['{"id": "8"}']


def test_json_is_the_same_by_its_value_and_a_float_by_its_bits(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    def rows(*docs: str, ratio: float = 0.1) -> pl.DataFrame:
        found = [(number, at(DAY), doc, ratio) for number, doc in enumerate(docs)]
        return pl.DataFrame(found, schema=polars_schema(JSON.columns), orient="row")

    def load(frame: pl.DataFrame, run_id: str) -> object:
        publish(warehouse, staged(tmp_path, frame, table=JSON, run_id=run_id), table=JSON)
        return loads(warehouse, JSON)[DAY]

    assert load(rows('{"b": 1, "a": [1, 2]}', "null"), "run-1") == "run-1"
    assert load(rows('{"a":[1,2],"b":1}', "null"), "run-2") == "run-1"
    assert load(rows('{"a":[2,1],"b":1}', "null"), "run-3") == "run-3"
    assert load(rows('{"a":[2,1],"b":1}', "null", ratio=0.1 + 1e-18), "run-4") == "run-3"
    assert load(rows('{"a":[2,1],"b":1}', "null", ratio=0.30000000000000004), "run-5") == "run-5"


def test_a_table_that_keeps_rows_that_are_gone_is_published_each_time(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    keeps = replace(ORDERS, deletes=Deletes.KEEP)
    for run_id in ("run-1", "run-2"):
        publish(warehouse, staged(tmp_path, orders({1: "one"}), run_id=run_id), table=keeps)
    assert loads(warehouse) == {DAY: "run-2"}
