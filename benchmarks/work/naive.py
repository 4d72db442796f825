"""The naive way, as the orders system did it: batches of SQLAlchemy rows, pandas, append.

`task.rows` may be a share of the table: its time grows with the rows, since every batch of 50,000
is a query of its own by an index.
"""

from datetime import UTC, datetime

import duckdb
import pandas as pd  # noqa: F401 - polars imports it when it converts, and imports are not timed
import polars as pl
import sqlalchemy as sa

from benchmarks.source import COLUMNS
from benchmarks.task import Task

BATCH_ROWS = 50_000

_QUERY = sa.text(
    f"SELECT {COLUMNS} FROM orders WHERE updated_at > :watermark ORDER BY updated_at LIMIT :batch"
)


def run(task: Task) -> int:
    engine = sa.create_engine(
        task.url.replace("postgresql:", "postgresql+psycopg:", 1),
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=10,
        pool_recycle=3600,
    )
    watermark, synced = datetime(2020, 1, 1, tzinfo=UTC), 0
    with engine.connect() as source, duckdb.connect(task.path / "naive.duckdb") as warehouse:
        while synced < task.rows:
            rows = pl.read_database(
                _QUERY,
                source,
                execute_options={"parameters": {"watermark": watermark, "batch": BATCH_ROWS}},
            )
            if rows.is_empty():
                break
            watermark = rows["updated_at"].max()  # type: ignore[assignment]
            frame = transform(rows).to_pandas()  # noqa: F841 - DuckDB finds it by its name
            if not synced:
                warehouse.execute("CREATE TABLE orders AS SELECT * FROM frame LIMIT 0")
            warehouse.execute("INSERT INTO orders SELECT * FROM frame")
            synced += rows.height
    return synced


def transform(rows: pl.DataFrame) -> pl.DataFrame:
    """What the orders system did to its rows, floats for money included."""
    return rows.with_columns(
        (pl.col("total_cents") / 100).alias("total_dollars"),
        pl.col("status").str.to_lowercase(),
        pl.col("created_at").dt.date().alias("created_date"),
    )
