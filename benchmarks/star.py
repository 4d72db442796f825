"""The dimension of the bench: changes of many keys, a day after the other, in a DuckDB file."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import polars as pl

from benchmarks.staged import staged_day
from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Contract, column
from etl_assets.core.dimension import Changes, DimensionSpec
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import StagedDay

FIRST, DAYS = date(2025, 1, 1), 100
DIMENSION, CHANGES = "enriched/dim_things", "staged/changes"


class ThingChanges(Contract):
    id: pl.Int64 = column(description="Which.")
    name: pl.String = column(description="Tracked.")
    level: pl.Int32 = column(description="Tracked.")
    note: pl.String = column(description="Not tracked.")
    at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When.")

    class Config:
        unique: ClassVar = ["id", "at"]


def _same(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


CATALOG = Catalog.of(
    [
        TableSpec(
            name="changes",
            source=PostgresTable("changes"),
            raw=ThingChanges,
            staged=ThingChanges,
            stage=_same,
            partition_column="at",
            cursor_column="at",
            description="Changes.",
        ),
        DimensionSpec(
            name="dim_things",
            of=CHANGES,
            contract=ThingChanges,
            history=Changes("at"),
            key=("id",),
            tracked=("name", "level"),
            untracked=("note",),
            description="Things.",
            thresholds=Thresholds(min_share_of_last=0.0),
        ),
    ]
)


def fill(warehouse: Warehouse, folder: Path, changes: int, keys: int) -> None:
    """So many changes of so many keys, in DAYS days of one publication."""
    a_day = changes // DAYS
    days = [_day(folder, FIRST + timedelta(days=n), a_day, keys, n) for n in range(DAYS)]
    publish_staged(warehouse, CATALOG[CHANGES], days, "bench")


def add_day(warehouse: Warehouse, folder: Path, changes: int, keys: int) -> None:
    """A day after all others with so many changes."""
    day = FIRST + timedelta(days=DAYS)
    publish_staged(warehouse, CATALOG[CHANGES], [_day(folder, day, changes, keys, DAYS)], "bench")


def _day(folder: Path, day: date, rows: int, keys: int, seed: int) -> StagedDay:
    rng = np.random.default_rng(seed)
    # Each row at a moment of its own: a key that comes twice on a day changed twice.
    after = np.linspace(0, 86_399_000_000, rows, dtype="int64")
    start = int(datetime.combine(day, datetime.min.time(), UTC).timestamp() * 1_000_000)
    frame = pl.DataFrame(
        {
            "id": rng.integers(0, keys, rows),
            "name": pl.Series(rng.integers(0, 50, rows)).cast(pl.String),
            "level": rng.integers(0, 4, rows).astype("int32"),
            "note": pl.Series(rng.integers(0, 100_000, rows)).cast(pl.String),
            "at": pl.Series(start + after).cast(pl.Datetime("us", "UTC")),
        }
    )
    return staged_day(CHANGES, day, [frame], folder)
