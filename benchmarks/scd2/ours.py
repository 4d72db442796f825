"""Our dimension of the same histories: a table of changes in DuckDB, and a run of the dimension
after each batch.
"""

import tempfile
import time
import uuid
from datetime import UTC, date
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl

from benchmarks.scd2.histories import Change, History, hours, moment
from benchmarks.scd2.judging import Version
from benchmarks.staged import staged_day
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column, polars_schema
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.pipeline.dimensions.build import build_dimension
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.duckdb import DuckDBWarehouse

_LENIENT = Thresholds(min_share_of_last=0.0)
_CHANGES, _DIMENSION = "staged/changes", "enriched/dim_things"


class ThingChanges(Contract):
    id: pl.Int64 = column(description="Which.", nullable=True)
    a: pl.String = column(description="Tracked.", nullable=True)
    b: pl.Int64 = column(description="Not tracked.")
    moment: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")
    seq: pl.Int64 = column(description="Which of several of one moment.")
    gone: pl.Boolean = column(description="Whether it is gone.")

    class Config:
        unique: ClassVar = ["id", "moment", "seq"]


def _same(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


_CATALOG = Catalog.of(
    [
        TableSpec(
            name="changes",
            source=PostgresTable("changes"),
            raw=ThingChanges,
            staged=ThingChanges,
            stage=_same,
            partition_column="moment",
            cursor_column="moment",
            description="Changes.",
            thresholds=_LENIENT,
        ),
        DimensionSpec(
            name="dim_things",
            of=_CHANGES,
            contract=ThingChanges,
            history=Changes("moment", deleted="gone", order=("seq",)),
            key=("id",),
            tracked=("a",),
            untracked=("b",),
            description="Things.",
            thresholds=_LENIENT,
        ),
    ]
)
_SCHEMA = polars_schema(_CATALOG[_CHANGES].columns)


def play(history: History) -> list[Version]:
    """The versions that are published in the end."""
    with tempfile.TemporaryDirectory(prefix="etl-scd2-") as place:
        folder = Path(place)
        warehouse = DuckDBWarehouse(folder / "ours.duckdb")
        arrived: dict[Change, None] = {}
        for batch in history.batches():
            arrived |= dict.fromkeys(batch)
            _publish(warehouse, folder, _frame(list(arrived)), {_day(c) for c in batch})
            _build(warehouse, folder)
        found = _versions(warehouse, folder)
        warehouse.close()
    return found


def steps(batches: list[pl.DataFrame], folder: Path) -> tuple[list[tuple[float, float]], int]:
    """Seconds and CPU seconds of a run after each batch of changes, and how many versions."""
    warehouse, found = DuckDBWarehouse(folder / "speed.duckdb"), []
    for frame in batches:
        days = set(frame["moment"].dt.date().unique())
        _publish(warehouse, folder, frame, days)
        began, used = time.perf_counter(), time.process_time()
        _build(warehouse, folder)
        found.append((time.perf_counter() - began, time.process_time() - used))
    rows = len(_versions(warehouse, folder))
    warehouse.close()
    return found, rows


def _build(warehouse: Warehouse, folder: Path) -> None:
    build_dimension(warehouse, _CATALOG, _CATALOG[_DIMENSION], folder / "build", uuid.uuid4().hex)


def _day(change: Change) -> date:
    return moment(change.at).date()


def _frame(changes: list[Change]) -> pl.DataFrame:
    rows = [(c.id, c.a, c.b, moment(c.at).replace(tzinfo=UTC), c.seq, c.gone) for c in changes]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _publish(warehouse: Warehouse, folder: Path, frame: pl.DataFrame, days: set[date]) -> None:
    """The days of the changes, whole, in one publication."""
    day_of = pl.col("moment").dt.date()
    staged = [
        staged_day(_CHANGES, day, [frame.filter(day_of == day).select(_SCHEMA.names())], folder)
        for day in days
    ]
    if staged:
        publish_staged(warehouse, _CATALOG[_CHANGES], staged, "compare")


def _versions(warehouse: Warehouse, folder: Path) -> list[Version]:
    read = warehouse.read(_CATALOG[_DIMENSION], [Window.of(WHOLE)], folder / uuid.uuid4().hex)
    rows = read.frames[0].filter(pl.col("thing_sk") != 0).collect()
    return [
        Version(
            row["id"],
            row["a"],
            hours(row["valid_from"]),
            None if row["valid_to"] is None else hours(row["valid_to"]),
        )
        for row in rows.to_dicts()
    ]
