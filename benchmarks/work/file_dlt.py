"""dlt's filesystem source into DuckDB; `task.variant` is `reader` and suffix: `read_csv.csv`.

Each reader as quick as it can be told: Arrow where it has it, large chunks, declared types.
"""

from typing import Any

import dlt
import duckdb
import pandas as pd  # noqa: F401 - dlt imports it when it reads, and imports are not timed
import pyarrow.parquet  # noqa: F401 - as pandas
from dlt.destinations.impl.duckdb import duck  # noqa: F401 - as pandas
from dlt.sources import filesystem as source

from benchmarks.task import Task
from benchmarks.work.file_duckdb import TYPES
from benchmarks.work.file_pandas import DTYPES, MOMENTS

_CHUNK = 50_000
_READERS: dict[str, Any] = {
    "read_csv": lambda: source.read_csv(chunksize=_CHUNK, dtype=DTYPES, parse_dates=MOMENTS),
    "read_csv_duckdb": lambda: source.read_csv_duckdb(
        chunk_size=_CHUNK, use_pyarrow=True, header=True, dtype=TYPES
    ),
    "read_jsonl": lambda: source.read_jsonl(),
    "read_parquet": lambda: source.read_parquet(chunksize=_CHUNK, use_pyarrow=True),
}


def run(task: Task) -> int:
    reader, dot, suffix = task.variant.partition(".")
    files = source.filesystem(bucket_url=f"file://{task.url}", file_glob=f"**/*{dot}{suffix}")
    warehouse = str(task.path / "dlt.duckdb")
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(task.path / "pipelines"),
        destination=dlt.destinations.duckdb(warehouse),
        dataset_name="raw",
    )
    rows: Any = (files | _READERS[reader]()).with_name("orders")
    pipeline.run(rows, write_disposition="replace").raise_on_failed_jobs()
    with duckdb.connect(warehouse, read_only=True) as connection:
        counted = connection.execute("SELECT count(*) FROM raw.orders").fetchone()
    return int(counted[0]) if counted else 0
