"""B5: a cursor of several columns, and one of numbers, on every warehouse."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.cursor import Version
from etl_assets.core.frames import ROWS, WITHOUT
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable, versions_of
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.days import DAY, NEXT, at, publish, published, staged
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

pytestmark = pytest.mark.thorough_for("bigquery")

TWO = layer_table(
    {
        "id": pl.Int64,
        "day_at": UTC_MOMENT,
        "v": pl.String,
        "updated_at": UTC_MOMENT,
        "made_at": UTC_MOMENT,
        "version": pl.Int64,
    },
    {"id": {"nullable": False}, "day_at": {"nullable": False}},
    name="things",
)
GREATEST = replace(TWO, cursor_column=("updated_at", "made_at"))
NUMBERED = replace(TWO, name="numbered", cursor_column=Version("version"))
Thing = tuple[int, str, datetime | None, datetime | None, int | None]


def with_versions(table: LayerTable) -> LayerTable:
    return replace(table, versions=versions_of(table))


def things(*rows: Thing, day: datetime = at(DAY)) -> pl.DataFrame:  # noqa: B008 - a constant
    """id, v, updated_at, made_at, version; all in the middle of the day."""
    told = [(key, day, *rest) for key, *rest in rows]
    return pl.DataFrame(told, schema=polars_schema(TWO.columns), orient="row")


@pytest.mark.soak_for("bigquery")
def test_c8_b5_the_greatest_of_two_columns_decides_which_day_a_key_stays_on(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    early, late = at(DAY, 1), at(DAY, 9)
    here = things(
        (1, "here", None, early, 1),
        (2, "here", late, early, 1),
        (3, "here", None, None, 1),
        (4, "here", early, late, 1),
    )
    there = things(
        (1, "there", early, late, 1),
        (2, "there", None, early, 1),
        (3, "there", None, early, 1),
        (4, "there", None, None, 1),
        day=at(NEXT),
    )
    publish(warehouse, staged(tmp_path, here, table=GREATEST), table=GREATEST)
    publish(warehouse, staged(tmp_path, there, NEXT, table=GREATEST), table=GREATEST)
    left = published(warehouse, tmp_path, DAY, NEXT, table=GREATEST).sort("id")
    assert dict(left.select("id", "v").iter_rows()) == {
        1: "there",
        2: "here",
        3: "there",
        4: "here",
    }
    counts = warehouse.profile(GREATEST, [DAY, NEXT])
    assert counts.select(ROWS, "updated_at", WITHOUT).rows() == [(2, 0, 0), (2, 1, 0)]


def test_s1_b5_versions_by_several_columns_or_by_numbers_are_kept_once(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """NULL is a value of a cursor's column; a row without any cursor is no version."""
    early, late = at(DAY, 1), at(DAY, 9)
    table, numbered = with_versions(GREATEST), with_versions(NUMBERED)
    numbered = with_versions(replace(numbered, partition_column=None, versions=None))
    assert table.versions is not None
    assert numbered.versions is not None
    first = things((1, "a", None, early, 1), (2, "b", late, early, 2), (3, "c", None, None, None))
    second = things((1, "d", late, early, 3), (2, "b", late, early, 2), (3, "e", None, None, None))
    for rows in (first, first, second):
        publish(warehouse, staged(tmp_path, rows, table=table), table=table)
        day = staged(tmp_path, rows, WHOLE, table=numbered)
        publish(warehouse, day, table=numbered)
    kept = published(warehouse, tmp_path, DAY, table=table.versions).sort("id", "v")
    assert kept["v"].to_list() == ["a", "d", "b"]
    (state,) = warehouse.state(table.versions)
    assert (state.partition_key, state.row_count, state.high_watermark) == (DAY, 3, late)
    kept = published(warehouse, tmp_path, WHOLE, table=numbered.versions).sort("id", "v")
    assert kept["v"].to_list() == ["a", "d", "b"]
    (state,) = warehouse.state(numbered.versions)
    assert (state.partition_key, state.row_count, state.high_watermark) == (WHOLE, 3, None)


@pytest.mark.soak_for("bigquery")
def test_b5_rows_without_any_of_the_columns_are_counted(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = things((1, "a", None, None, 1), (2, "b", None, at(DAY), 1), (3, "c", at(DAY), None, 1))
    publish(warehouse, staged(tmp_path, rows, table=GREATEST), table=GREATEST)
    counted = warehouse.profile(GREATEST, [DAY])
    assert counted.select("updated_at", "made_at", WITHOUT).rows() == [(2, 2, 1)]
