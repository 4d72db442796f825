"""connectorx into DuckDB by way of Arrow, whole or as a stream: neither checked nor replaceable."""

import connectorx as cx
import duckdb

from benchmarks.source import COLUMNS
from benchmarks.task import Task

BATCH_ROWS = 50_000


def run(task: Task) -> int:
    query = f"SELECT {COLUMNS} FROM orders"
    options = {"batch_size": BATCH_ROWS} if task.variant == "arrow_stream" else {}
    arrow = cx.read_sql(  # type: ignore[call-overload]  # noqa: F841 - DuckDB finds it by its name
        task.host_url, query, return_type=task.variant, **options
    )
    with duckdb.connect(task.path / "connectorx.duckdb") as warehouse:
        warehouse.execute("CREATE TABLE orders AS SELECT * FROM arrow")
        counted = warehouse.execute("SELECT count(*) FROM orders").fetchone()
    return int(counted[0]) if counted else 0
