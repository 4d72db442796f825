"""Our whole raw load: read, audit, spool, publish with its state into a fresh DuckDB file."""

from benchmarks.source import DAY
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
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
    source = PostgresSource(reader, RAW_ORDERS)
    published = published_counts(warehouse, RAW_ORDERS)
    days = load_days(RAW_ORDERS, source, [DAY], published, task.path / "spool", "bench")
    loaded = [day for day in days if isinstance(day, LoadedDay)]
    publish_days(warehouse, RAW_ORDERS, loaded, "bench")
    return sum(day.files.rows for day in loaded)
