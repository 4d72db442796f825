"""A sync of a table most of whose rows were never updated: what it reads, in rows and not seconds.

Their `updated_at` is NULL; the cursor is the greatest of it and `created_at`, which an expression
index serves. Fails if a statement of the sync does not use that index.
"""

import json
import os
import uuid
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
import psycopg

from benchmarks.source_log import SourceLog
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.core.contracts import Contract, column
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import PostgresTable
from etl_assets.pipeline.sync import Chunk, Sync
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.duckdb import DuckDBWarehouse

INDEX, TABLE = "unchanged_cursor", "unchanged"
UPDATED, CHANGED = 200, 100
SCOPE = Scope(date(2024, 1, 1))
_FILL = (
    f"CREATE UNLOGGED TABLE {TABLE} (id bigint PRIMARY KEY, v text, "
    "created_at timestamptz NOT NULL, updated_at timestamptz)",
    f"INSERT INTO {TABLE} SELECT n, 'v' || n, '2024-01-01Z'::timestamptz "
    "+ n % 86400 * interval '1 second', "
    f"CASE WHEN n <= {UPDATED} THEN '2024-02-01Z'::timestamptz END "
    "FROM generate_series(1::bigint, {rows}) AS n",
    f"CREATE INDEX {INDEX} ON {TABLE} (GREATEST(updated_at, created_at), id)",
    f"VACUUM (ANALYZE) {TABLE}",
)
_CHANGE = f"UPDATE {TABLE} SET v = 'changed', updated_at = now() WHERE id % 1000 = 7 AND id <= "


class Unchanged(Contract):
    id: pl.Int64 = column(description="Number.", ge=1)
    v: pl.String = column(description="Value.")
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When made.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When first updated.", nullable=True
    )

    class Config:
        unique = ["id"]  # noqa: RUF012 - as Pandera has it


RAW = replace(
    RAW_ORDERS,
    name=TABLE,
    contract=Unchanged,
    cursor_column=("updated_at", "created_at"),
    source=PostgresTable(TABLE),
)


def run(task: Task) -> int:
    with psycopg.connect(task.url, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement.replace("{rows}", str(task.rows)).encode())
    log = SourceLog.of(task.url)  # before there are sessions that it says nothing of
    warehouse = DuckDBWarehouse(task.path / "warehouse.duckdb")
    reader = PostgresReader(make_engine(task.url, PoolSettings()))
    first = _sync(task, warehouse, reader)
    assert sum(chunk.rows for chunk in first) == task.rows
    with psycopg.connect(task.url) as connection:
        changed = connection.execute(f"{_CHANGE}{1000 * CHANGED}".encode()).rowcount
    log.since()
    chunks = _sync(task, warehouse, reader)
    _uses_the_index(log)
    assert sum(chunk.outcome.changed for chunk in chunks) == changed
    figures = {"sync_unchanged_read_over_changed": sum(chunk.rows for chunk in chunks) / changed}
    Path(os.environ["BENCH_FIGURES"]).write_text(json.dumps(figures), encoding="utf-8")
    return task.rows


def _sync(task: Task, warehouse: DuckDBWarehouse, reader: PostgresReader) -> list[Chunk]:
    source = PostgresSource(reader, RAW, None, SCOPE)
    folder = task.path / uuid.uuid4().hex
    return list(Sync(RAW, source, warehouse, SCOPE, folder, "bench").run())


def _uses_the_index(log: SourceLog) -> None:
    plans = log.plans(log.since(), TABLE)
    assert plans, "no statement of the sync was found in the server's log"
    for plan in plans:
        assert f"Seq Scan on {TABLE}" not in plan, plan
    assert any(INDEX in plan for plan in plans)
