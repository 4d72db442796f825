"""The naive way into BigQuery, as the orders system did it: Polars to pandas, append.

`task.variant` is `batches` of 50,000, a load job each, as it did; or `whole`, all rows at once.
"""

from pathlib import Path

import pandas as pd  # noqa: F401 - polars imports it when it converts, and imports are not timed
import polars as pl
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from benchmarks.batches import batches
from benchmarks.task import Task
from benchmarks.work.naive import transform
from etl_assets.config import read_settings
from etl_assets.warehouse.bigquery.options import parse_url

_APPEND = bigquery.LoadJobConfig(
    write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
    time_partitioning=bigquery.TimePartitioning(field="created_date"),
)


def run(task: Task) -> int:
    settings = read_settings()
    options = parse_url(settings.warehouse_url or "")
    with bigquery.Client(
        project=options.project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=f"http://{settings.bigquery_emulator_host}"),
    ) as client:
        dataset = client.create_dataset(f"{options.dataset_prefix}analytics")
        table = dataset.table("orders")
        frames = batches(Path(task.url), task.rows)
        for frame in [pl.concat(frames)] if task.variant == "whole" else frames:
            rows = transform(frame).to_pandas()
            client.load_table_from_dataframe(rows, table, job_config=_APPEND).result()
        return int(client.get_table(table).num_rows)
