"""Polars' lazy readers with a declared schema, collected and put into a DuckDB table."""

from pathlib import Path

import duckdb
import polars as pl

from benchmarks.file_content import CSV, JSON_LINES, file_at
from benchmarks.task import Task

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.Int64(),
    "customer_id": pl.Int64(),
    "status": pl.String(),
    "total_cents": pl.Int64(),
    "currency": pl.String(),
    "channel": pl.String(),
    "discount_cents": pl.Int32(),
    "coupon_code": pl.String(),
    "note": pl.String(),
    "created_at": pl.String(),
    "updated_at": pl.String(),
}
_MOMENTS = pl.col("created_at", "updated_at").str.to_datetime(
    "%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC"
)


def run(task: Task) -> int:
    path = file_at(Path(task.url), task.variant)
    if task.variant == CSV:
        rows = pl.scan_csv(path, schema=SCHEMA).with_columns(_MOMENTS)
    elif task.variant == JSON_LINES:
        rows = pl.scan_ndjson(path, schema=SCHEMA).with_columns(_MOMENTS)
    else:
        rows = pl.scan_parquet(path)
    frame = rows.collect()  # DuckDB finds it by its name
    with duckdb.connect(task.path / "orders.duckdb") as warehouse:
        warehouse.execute("CREATE TABLE orders AS SELECT * FROM frame")
    return frame.height
