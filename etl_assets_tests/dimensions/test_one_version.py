"""A day of facts is refused where a row points to no version, to several, or to one out of time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.derive import DerivedSource, read_upstream
from etl_assets.pipeline.load import load_days
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import LOOK, SPECS, World

DAY = moment(0).date()
CHANGES = [Change(1, 0, "x", 1), Change(1, 6, "y", 1)]


def right(sales: pl.LazyFrame, things: pl.LazyFrame) -> pl.LazyFrame:
    return LOOK.look_up(sales, things).select("sale_id", "thing_sk", "a", "at")


def to_nowhere(sales: pl.LazyFrame, things: pl.LazyFrame) -> pl.LazyFrame:
    return right(sales, things).with_columns(pl.col("thing_sk") + 1)


def out_of_time(sales: pl.LazyFrame, things: pl.LazyFrame) -> pl.LazyFrame:
    later = sales.with_columns(pl.col("at") + timedelta(hours=12))
    return right(later, things).with_columns(pl.col("at") - timedelta(hours=12))


def verdict(folder: Path, enrich: Callable[..., pl.LazyFrame]) -> tuple[bool, list[str]]:
    specs = [s if s.name != "fact_sales" else replace(s, enrich=enrich) for s in SPECS]  # type: ignore[type-var]
    world = World(DuckDBWarehouse(folder / "w.duckdb"), folder / "spool", Catalog.of(specs))
    world.arrive(CHANGES)
    world.build()
    world.sell(DAY, [(1, 1, moment(3)), (2, 7, moment(4))])
    table = world.catalog["enriched/fact_sales"]
    upstream = {
        name: read_upstream(
            world.warehouse, above, table.inputs[name], [DAY], world.spool(), reader=table
        )
        for name, above in world.catalog.inputs_of(table).items()
    }
    (day,) = load_days(
        table, DerivedSource(table, upstream), [DAY], Published(), world.spool(), "run"
    )
    assert isinstance(day, LoadedDay)
    return day.is_good, list(day.blocking)


@pytest.mark.parametrize(
    ("enrich", "expected"),
    [
        (right, (True, [])),
        (to_nowhere, (False, ["one_version"])),
        (out_of_time, (False, ["one_version"])),
    ],
)
def test_one_version_of_each_dimension_holds_at_the_time_of_a_fact(
    tmp_path: Path, enrich: Callable[..., pl.LazyFrame], expected: tuple[bool, list[str]]
) -> None:
    assert verdict(tmp_path, enrich) == expected
