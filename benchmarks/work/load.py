"""Our whole raw load: read, audit, spool, publish with its state into a fresh DuckDB file."""

from dataclasses import replace

# The first audit, the reader and the spool import these when they work, and imports are not timed.
import pandera.backends.polars.register
import pandera.polars  # noqa: F401
import pyarrow.csv
import pyarrow.parquet  # noqa: F401

from benchmarks.source import DAY, VIEW
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.core.source_specs import PostgresTable
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.duckdb import DuckDBWarehouse


def run(task: Task) -> int:
    warehouse = DuckDBWarehouse(task.path / "warehouse.duckdb")
    reader = PostgresReader(make_engine(task.url, PoolSettings()))
    table = RAW_ORDERS
    if task.variant == "view":
        table = replace(RAW_ORDERS, source=PostgresTable(VIEW))
    source = PostgresSource(reader, table)
    published = published_counts(warehouse, table)
    days = load_days(table, source, [DAY], published, task.path / "spool", "bench")
    loaded = [day for day in days if isinstance(day, LoadedDay)]
    publish_days(warehouse, table, loaded, "bench")
    return sum(day.files.rows for day in loaded)
