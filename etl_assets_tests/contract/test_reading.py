"""Reading: exactly the window that was asked for, lazily, in the contract's dtypes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import DAY, NEXT, ORDERS, orders, publish, staged, values
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, layer_table

pytestmark = pytest.mark.thorough_for("bigquery")

MIDNIGHT = datetime(2024, 5, 18)
TICK = timedelta(microseconds=1)
EDGES = {1: MIDNIGHT - timedelta(days=1), 2: MIDNIGHT - TICK, 3: MIDNIGHT, 4: MIDNIGHT + TICK}


@pytest.mark.soak_for("bigquery-naive")
@pytest.mark.parametrize("dtype", [UTC_MOMENT, NAIVE], ids=["UTC", "naive"])
def test_a_window_is_half_open_to_the_microsecond(
    warehouse: Warehouse, tmp_path: Path, dtype: Any
) -> None:
    table = layer_table({"id": pl.Int64, "day_at": dtype, "v": pl.String})
    rows = [
        (number, moment.replace(tzinfo=UTC) if dtype == UTC_MOMENT else moment, "v")
        for number, moment in EDGES.items()
    ]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    for day, ids in [(DAY, [1, 2]), (NEXT, [3, 4])]:
        part = staged(tmp_path, frame.filter(pl.col("id").is_in(ids)), day, table=table)
        publish(warehouse, part, table=table)
    assert sorted(values(warehouse, tmp_path, DAY, table=table)) == [1, 2]
    assert sorted(values(warehouse, tmp_path, NEXT, table=table)) == [3, 4]
    # Replacing one day deletes by the same bounds.
    publish(warehouse, staged(tmp_path, frame.clear(), NEXT, table=table), table=table)
    assert sorted(values(warehouse, tmp_path, DAY, NEXT, table=table)) == [1, 2]


def test_a_table_partitioned_by_date_is_read_by_date(warehouse: Warehouse, tmp_path: Path) -> None:
    table = layer_table({"id": pl.Int64, "day_at": pl.Date, "v": pl.String})
    days = [DAY - timedelta(days=1), DAY, NEXT]
    for number, day in enumerate(days):
        frame = pl.DataFrame(
            [(number, day, "v")], schema=polars_schema(table.columns), orient="row"
        )
        publish(warehouse, staged(tmp_path, frame, day, table=table), table=table)
    assert [sorted(values(warehouse, tmp_path, d, table=table)) for d in days] == [[0], [1], [2]]
    assert sorted(values(warehouse, tmp_path, DAY, NEXT, table=table)) == [1, 2]


def test_a_large_table_without_days_is_read_whole(warehouse: Warehouse, tmp_path: Path) -> None:
    """Polars 2.1 fails to filter 20,000 rows by a literal that is between two others."""
    made = layer_table({"id": pl.Int64, "v": pl.String}, partition="id")
    table = replace(made, partition_column=None)
    frame = pl.select(id=pl.int_range(30_000), v=pl.lit("v"))
    publish(warehouse, staged(tmp_path, frame, WHOLE, table=table), table=table)
    assert len(values(warehouse, tmp_path, WHOLE, table=table)) == frame.height


@pytest.mark.soak_for("bigquery")
def test_every_window_gets_a_frame_of_its_own(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    publish(warehouse, staged(tmp_path, orders({2: "two"}, NEXT), NEXT))
    windows = [Window.of(NEXT), Window.of(DAY), Window(DAY, NEXT), Window.of(date(1999, 1, 1))]
    extract = warehouse.read(ORDERS, windows, tmp_path / "in")
    ids = [sorted(frame.collect()["id"].to_list()) for frame in extract.frames]
    assert ids == [[2], [1], [1, 2], []]


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 30)])
def test_the_ends_of_the_calendar_are_days_like_any_other(
    warehouse: Warehouse, tmp_path: Path, day: date
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"}, day), day))
    publish(warehouse, staged(tmp_path, orders({1: "again"}, day), day))
    assert values(warehouse, tmp_path, day) == {1: "again"}


def test_a_table_that_nobody_published_is_empty(warehouse: Warehouse, tmp_path: Path) -> None:
    extract = warehouse.read(ORDERS, [Window.of(DAY), Window.of(NEXT)], tmp_path / "in")
    for frame in extract.frames:
        assert frame.collect().height == 0
        assert frame.collect_schema() == polars_schema(ORDERS.columns)
    assert warehouse.state(ORDERS) == []


@pytest.mark.soak_for("bigquery")
def test_what_was_read_outlives_a_later_publication(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "old"})))
    extract = warehouse.read(ORDERS, [Window.of(DAY)], tmp_path / "in")
    publish(warehouse, staged(tmp_path, orders({1: "new"})))
    assert extract.frames[0].collect()["v"].to_list() == ["old"]


@pytest.mark.soak_for("bigquery")
def test_a_folder_with_a_quote_in_its_name_is_no_trouble(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "it's [a] folder"
    publish(warehouse, staged(folder, orders({1: "one"})))
    assert values(warehouse, folder) == {1: "one"}


def _moments(backend_open: Any, folder: Path) -> None:
    (state,) = backend_open(folder).state()
    moments = [state.high_watermark, state.as_of, state.updated_at]
    assert {moment.utcoffset() for moment in moments} == {timedelta(0)}, moments


@pytest.mark.soak_for("bigquery")
def test_state_is_in_utc_whatever_the_zone_of_the_machine(
    warehouse: Warehouse, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    assert ended(start(_in_tokyo, backend.name, tmp_path)) == 0


def _in_tokyo(name: str, folder: Path) -> None:
    import os
    import time

    from etl_assets_tests.contract.every_backend import BACKENDS

    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    warehouse = BACKENDS[name].open(folder)
    _moments(BACKENDS[name].open, folder)
    assert values(warehouse, folder) == {1: "one"}
    publish(warehouse, staged(folder, orders({1: "again"})))
    assert values(warehouse, folder) == {1: "again"}
