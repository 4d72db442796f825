"""A source table that syncs into a warehouse, for tests: what is done to it, how both compare."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from etl_assets.core.partitions import Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable, versions_of
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.pipeline.reconcile import Reconciliation, Reconciling
from etl_assets.pipeline.run_days import Reloaded, reload
from etl_assets.pipeline.sync import Chunk, Sync
from etl_assets.pipeline.sync_part import SyncPolicy
from etl_assets.sources.postgres.horizon import HorizonPolicy
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run

FIRST_DAY = date(2024, 5, 1)
SCOPE = Scope(FIRST_DAY)
QUICK = SyncPolicy(chunk_rows=7, patience=timedelta(seconds=20))
"""Chunks of seven rows, so that a few dozen rows take several."""
CLOSE = HorizonPolicy(
    lag=timedelta(0), prepared_wait=timedelta(0), margin=timedelta(milliseconds=1)
)
"""A horizon close behind the source's clock."""

CREATE = """
    CREATE TABLE {name} (
        id bigint PRIMARY KEY, created_at timestamptz, updated_at timestamptz,
        v text, amount numeric(12, 2)
    );
    CREATE INDEX ON {name} (updated_at, id)
"""


def shelf_table(name: str, **changes: Any) -> LayerTable:
    """id, created_at (the day), updated_at (the cursor), v, amount; versions are kept."""
    made = layer_table(
        {
            "id": pl.Int64,
            "created_at": UTC_MOMENT,
            "updated_at": UTC_MOMENT,
            "v": pl.String,
            "amount": pl.Decimal(12, 2),
        },
        {"id": {"nullable": False}, "created_at": {"nullable": False}},
        name=name,
        partition="created_at",
    )
    # Rows are bad by the dozen here, and days shrink: no test of the checks.
    lenient = Thresholds(max_bad_share=1.0, min_share_of_last=0.0, max_deleted_share=1.0)
    made = replace(made, cursor_column="updated_at", thresholds=lenient, **changes)
    return replace(made, versions=versions_of(made))


@dataclass
class Shelf:
    """The table in the source (`url`), and the warehouse that it syncs into."""

    url: str
    table: LayerTable
    warehouse: Warehouse
    folder: Path
    reader: PostgresReader
    policy: SyncPolicy = QUICK
    scope: Scope = SCOPE
    horizon: HorizonPolicy = CLOSE
    last: Chunk | None = None
    """Of the last sync that ended, for messages."""

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Change or ask the source, each statement in a transaction of its own."""
        return run(self.url, *statements)

    def chunks(self) -> Iterator[Chunk]:
        """A sync, chunk by chunk as it is committed."""
        sync = Sync(
            self.table,
            self.source(),
            self.warehouse,
            self.scope,
            self.folder / uuid4().hex,
            f"sync-{uuid4().hex[:8]}",
            self.policy,
        )
        return sync.run()

    def sync(self) -> list[Chunk]:
        """A whole sync, and the days that must be loaded whole."""
        chunks = list(self.chunks())
        self.last = chunks[-1]
        self.load_waiting()
        return chunks

    def load_waiting(self) -> Reloaded:
        """Load the days that must be loaded whole."""
        folder = self.folder / uuid4().hex
        return reload(self.table, self.source(), self.warehouse, folder, "reload")

    def source(self) -> PostgresSource:
        """The table by days."""
        return PostgresSource(self.reader, self.table, None, self.scope, self.horizon)

    def reconcile(
        self, *, repair: bool = True, confirmed: bool = True, chunk_rows: int = 50_000
    ) -> Reconciliation:
        """A comparison, repaired unless said otherwise."""
        return Reconciling(
            self.table,
            self.source(),
            self.warehouse,
            self.scope,
            self.folder / uuid4().hex,
            "check",
            chunk_rows,
        ).run(repair=repair, confirmed=confirmed)

    def load(self, *days: date) -> list[LoadedDay]:
        """Days as a backfill loads them, not published yet."""
        published = published_counts(self.warehouse, self.table)
        folder = self.folder / uuid4().hex
        loaded = load_days(self.table, self.source(), days, published, folder, "load")
        return [day for day in loaded if isinstance(day, LoadedDay)]

    def reload(self, *days: date) -> None:
        """Replace days by what the source has."""
        publish_days(self.warehouse, self.table, self.load(*days), "load")

    def wanted(self) -> list[tuple[Any, ...]]:
        """The source's rows of days that the platform has, by key."""
        return self.sql(
            f"SELECT id, created_at, updated_at, v, amount FROM {self.table.name} "
            f"WHERE created_at >= '{self.scope.first}Z' AND isfinite(created_at) "
            "AND (updated_at IS NULL OR isfinite(updated_at)) "
            "AND amount IS DISTINCT FROM 'NaN' ORDER BY id"
        )

    def published(self, table: LayerTable | None = None) -> list[tuple[Any, ...]]:
        """What is published, by key, past every cache."""
        table = table or self.table
        last = max((s.partition_key for s in self.warehouse.state(table)), default=FIRST_DAY)
        windows = [Window(min(FIRST_DAY, last), last)]
        frame = self.warehouse.read(table, windows, self.folder / uuid4().hex).frames[0].collect()
        return sorted(frame.rows(), key=nulls_first)


def nulls_first(row: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    """What rows are sorted by: their values, from left to right."""
    return [(value is not None, value) for value in row]


def put(shelf: Shelf, rows: int, days: int = 3, first: int = 1, stamp: str = "now()") -> None:
    """Rows with ids from `first`, over as many days; `stamp` is SQL, in which `n` is the id."""
    shelf.sql(
        f"INSERT INTO {shelf.table.name} SELECT n, '{FIRST_DAY}Z'::timestamptz "
        f"+ (n - 1) % {days} * interval '1 day' + interval '5 hours', {stamp}, 'v' || n, n "
        f"FROM generate_series({first}, {first + rows - 1}) AS n"
    )
