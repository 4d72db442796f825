"""Rows are found by values of any columns, with what the platform adds, on every warehouse."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.pipeline.row_search import rows_with
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets_tests.contract.days import AS_OF, DAY, NEXT, ORDERS, at, orders, publish, staged

pytestmark = pytest.mark.thorough_for("bigquery")


def found(warehouse: Warehouse, folder: Path, parts: list[date], **values: Any) -> pl.DataFrame:
    return rows_with(warehouse, ORDERS, values, parts, folder / "search").sort("id")


@pytest.mark.soak_for("bigquery")
def test_a_row_is_found_by_its_key_with_what_the_platform_adds(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert found(warehouse, tmp_path, [DAY], id=1).is_empty(), "nothing was ever published"
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one", 2: "two"})),
        staged(tmp_path, orders({3: "two"}, NEXT), NEXT),
    )
    (row,) = found(warehouse, tmp_path, [], id=2).to_dicts()
    assert (row["id"], row["v"], row["updated_at"]) == (2, "two", at(DAY))
    assert row["_source"] == "postgres:public.orders"
    assert (row["_run_id"], row["_schema_version"]) == ("run-1", schema_version(ORDERS))
    assert row["_ingested_at"] == AS_OF
    assert row.keys() == {*(c.name for c in ORDERS.columns), *AUDIT_COLUMNS}


def test_rows_are_found_by_other_values_on_the_parts_that_may_have_them(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(
        warehouse,
        staged(tmp_path, orders({1: "one", 2: "two"})),
        staged(tmp_path, orders({3: "two"}, NEXT), NEXT),
    )
    assert found(warehouse, tmp_path, [DAY, NEXT], v="two")["id"].to_list() == [2, 3]
    assert found(warehouse, tmp_path / "b", [NEXT], v="two")["id"].to_list() == [3]
    assert found(warehouse, tmp_path / "c", [DAY], v="two", id=3).is_empty() is False
    assert found(warehouse, tmp_path / "d", [DAY], v="one", id=3).is_empty(), "all values count"
    assert found(warehouse, tmp_path / "e", [], v="two").is_empty()
    assert found(warehouse, tmp_path / "f", [DAY], id="no number").is_empty()


@pytest.mark.soak_for("bigquery")
def test_rows_of_many_parts_are_found_by_a_part_of_the_key_on_those_parts_only(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    days = [DAY + timedelta(days=number) for number in range(10)]
    publish(
        warehouse,
        *(
            staged(tmp_path, orders({n: "one", 100 + n: "two"}, day), day)
            for n, day in enumerate(days)
        ),
    )
    rows = found(warehouse, tmp_path, days[1:], v="two")
    assert rows["id"].to_list() == list(range(101, 110))
    assert rows["_source"].unique().to_list() == ["postgres:public.orders"]
    assert found(warehouse, tmp_path / "b", days, v="two", updated_at=at(DAY))["id"].to_list() == [
        100
    ]
    assert found(warehouse, tmp_path / "c", days, v=None).is_empty()
