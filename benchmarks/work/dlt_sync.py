"""dlt's incremental with merge into DuckDB, of the change that `sync.py` measures for us.

As its documentation has it for large tables: the pyarrow backend, the primary key, merge. Filling
the dataset is not timed.
"""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pendulum
from dlt.sources.sql_database import sql_table

from benchmarks.syncs import CHANGED, change
from benchmarks.task import Task

_START = pendulum.datetime(2000, 1, 1, tz="UTC")


def run(task: Task) -> int:
    _sync(task)
    began_at = datetime.now(UTC)
    change(task.url, task.rows, offset=1)
    began = time.perf_counter()
    _sync(task)
    seconds = time.perf_counter() - began
    with duckdb.connect(str(task.path / "dlt.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE updated_at >= ?) FROM raw.orders", [began_at]
        ).fetchone()
    assert found is not None
    rows, written = found
    assert written >= CHANGED, written
    figures = {"sync_dlt_seconds": seconds, "sync_dlt_written": written}
    Path(os.environ["BENCH_FIGURES"]).write_text(json.dumps(figures), encoding="utf-8")
    return int(rows)


def _sync(task: Task) -> None:
    pipeline: Any = dlt.pipeline(
        "bench",
        pipelines_dir=str(task.path / "pipelines"),
        destination=dlt.destinations.duckdb(str(task.path / "dlt.duckdb")),
        dataset_name="raw",
    )
    table = sql_table(
        credentials=task.url.replace("postgresql:", "postgresql+psycopg:", 1),
        schema="public",
        table="orders",
        backend="pyarrow",
        incremental=dlt.sources.incremental[pendulum.DateTime]("updated_at", initial_value=_START),
        primary_key="id",
        write_disposition="merge",
    )
    pipeline.run(table).raise_on_failed_jobs()
