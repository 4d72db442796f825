"""pandas with declared dtypes, put into a DuckDB table: the file is in memory as a whole."""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from benchmarks.file_content import CSV, JSON_LINES, file_at
from benchmarks.task import Task

DTYPES: dict[str, Any] = {
    "id": "int64",
    "customer_id": "int64",
    "status": "string",
    "total_cents": "int64",
    "currency": "string",
    "channel": "string",
    "discount_cents": "Int32",
    "coupon_code": "string",
    "note": "string",
}
MOMENTS = ["created_at", "updated_at"]


def run(task: Task) -> int:
    path = file_at(Path(task.url), task.variant)
    if task.variant == CSV:
        frame = pd.read_csv(path, dtype=DTYPES, parse_dates=MOMENTS)
    elif task.variant == JSON_LINES:
        frame = pd.read_json(path, lines=True, dtype=DTYPES, convert_dates=MOMENTS)
    else:
        frame = pd.read_parquet(path)
    with duckdb.connect(task.path / "orders.duckdb") as warehouse:
        warehouse.execute("CREATE TABLE orders AS SELECT * FROM frame")
    return len(frame)
