"""dlt into DuckDB, with the backend that `task.variant` names."""

import connectorx  # noqa: F401 - dlt imports it when it reads, and imports are not timed
import dlt
import duckdb
import pandas as pd  # noqa: F401 - as connectorx
from dlt.sources.sql_database import sql_table

from benchmarks.source import TABLE
from benchmarks.task import Task


def run(task: Task) -> int:
    backend_kwargs = {"conn": task.host_url} if task.variant == "connectorx" else {}
    table = sql_table(
        credentials=task.url.replace("postgresql:", "postgresql+psycopg:", 1),
        schema="public",
        table=TABLE,
        backend=task.variant,  # type: ignore[arg-type]
        backend_kwargs=backend_kwargs,
    )
    warehouse = str(task.path / "dlt.duckdb")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(task.path / "pipelines"),
        destination=dlt.destinations.duckdb(warehouse),
        dataset_name="raw",
    )
    pipeline.run(table, write_disposition="replace").raise_on_failed_jobs()
    with duckdb.connect(warehouse, read_only=True) as connection:
        counted = connection.execute("SELECT count(*) FROM raw.orders").fetchone()
    return int(counted[0]) if counted else 0
