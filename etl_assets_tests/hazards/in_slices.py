"""A table of the source that is read in slices by several connections, small as it is."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.days import LoadedDay, Published
from etl_assets.pipeline.load import load_days
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets_tests.source_tables import (
    DAY,
    plain_table,
    reader_of,
    run,
)

ROWS = 4_000
PLAIN = replace(plain_table({"v": pl.String}), partition_column=None)
BY_DAY = plain_table({"v": pl.String})
RENAMED = "ALTER TABLE things RENAME TO base"


@dataclass
class Seen:
    """How readings were cut, and how many connections shared each."""

    slices: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    first: int = 0
    expected: int = 0


def fill(url: str, rows: int = ROWS) -> None:
    run(
        url,
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, v text)",
        "INSERT INTO things SELECT n, '2024-05-17Z'::timestamptz + n::bigint * 86399 / "
        f"{rows} * interval '1 second', 'v' || n FROM generate_series(1, {rows}) n",
        "ANALYZE things",
    )


def frames(
    url: str, table: LayerTable, workers: int, day: date = DAY, **pool: Any
) -> list[pl.DataFrame]:
    """What a load is given of the day."""
    with reader_of(url, **pool) as plain:
        several = PostgresReader(plain._engine, workers=workers)
        with several.snapshot(table) as snapshot:
            read = snapshot.day(day if table.has_days else WHOLE)
            read.evidence()
            return list(read.batches())


def sessions(url: str) -> list[tuple[Any, ...]]:
    return run(
        url,
        "SELECT state FROM pg_stat_activity WHERE application_name = 'etl_assets' "
        "AND datname = current_database() AND state <> 'idle'",
    )


@dataclass
class Loads:
    """A load of `things` whole, and what came of it."""

    url: str
    folder: Path
    table: LayerTable = PLAIN

    def load(self, workers: int) -> LoadedDay:
        with reader_of(self.url) as plain:
            source = PostgresSource(PostgresReader(plain._engine, workers=workers), self.table)
            (loaded,) = load_days(self.table, source, [WHOLE], Published(), self.folder, "run")
        assert isinstance(loaded, LoadedDay), loaded
        return loaded
