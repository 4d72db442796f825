"""A day with one very large row in DuckDB: loaded, or synced after a change, or repaired.

The warehouse is beside the folder of the measurement, so that the next one finds it.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import polars as pl
import psycopg

from benchmarks.large_row import TABLE
from benchmarks.source import DAY
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.core.contracts import Contract, column
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import PostgresTable
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.pipeline.reconcile import Reconciling
from etl_assets.pipeline.sync import Sync
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.postgres.horizon import HorizonPolicy
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.duckdb import DuckDBWarehouse

_AT_ONCE = HorizonPolicy(lag=timedelta(0), prepared_wait=timedelta(0))


class Documents(Contract):
    id: pl.Int64 = column(description="Number.", ge=1)
    body: pl.String = column(description="A document.", logical="json", nullable=True)
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When made.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]  # noqa: RUF012 - as Pandera has it


DOCUMENTS = replace(
    RAW_ORDERS,
    name=TABLE,
    contract=Documents,
    description="Documents, one of them very large.",
    source=PostgresTable(TABLE),
)


def run(task: Task) -> int:
    warehouse = DuckDBWarehouse(task.path.with_suffix(".duckdb"))
    reader = PostgresReader(make_engine(task.url, PoolSettings()))
    scope = Scope(DAY)
    source = PostgresSource(reader, DOCUMENTS, None, scope, _AT_ONCE)
    if task.variant == "load":
        published = published_counts(warehouse, DOCUMENTS)
        for day in load_days(DOCUMENTS, source, [DAY], published, task.path, "bench"):
            assert isinstance(day, LoadedDay), day.error
            publish_days(warehouse, DOCUMENTS, [day], "bench")
    elif task.variant == "sync":
        _change(task.url, "updated_at = now()")
        list(Sync(DOCUMENTS, source, warehouse, scope, task.path, "bench").run())
    else:
        _change(task.url, "created_at = created_at - interval '1s'")
        found = Reconciling(DOCUMENTS, source, warehouse, scope, task.path, "bench")
        assert found.run(repair=True).is_equal
    return sum(state.row_count for state in warehouse.state(DOCUMENTS))


def _change(url: str, change: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"UPDATE {TABLE} SET {change} WHERE id > 9990".encode())
