"""Our sync of a table that is published already, and the re-loads that it is held against.

The warehouse is filled by days, as a backfill does it; where the first sync goes on is then written
as its position. Fails if a statement of an idle sync does not use the index.
"""

import json
import os
import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from benchmarks.source_log import SourceLog, Statement
from benchmarks.syncs import CHANGED, FIRST, change, days_of, touched_days
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.core.position import Position
from etl_assets.core.scope import Scope
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.pipeline.sync import Chunk, Sync
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets.warehouse.duckdb import DuckDBWarehouse

INDEX = "orders_updated"


def run(task: Task) -> int:
    log = SourceLog.of(task.url)
    bench = _Bench(task, log)
    days = [FIRST + timedelta(days=number) for number in range(days_of(task.rows))]
    table_seconds, rows = bench.load(days)
    bench.stand_at_now()
    bench.sync()  # the first one also notes the source's columns
    idle = [bench.sync() for _ in range(int(task.variant))]
    assert not any(chunk.rows for _, chunks, _ in idle for chunk in chunks)
    _uses_the_index(log, idle[-1][2])
    change(task.url, task.rows, offset=0)
    seconds, chunks, statements = bench.sync()
    written = sum(chunk.outcome.changed for chunk in chunks)
    assert written == CHANGED, written
    days_seconds, days_rows = bench.load(touched_days(task.rows))
    figures = {
        "sync_idle_source_ms": statistics.median(_milliseconds(s) for _, _, s in idle),
        "sync_idle_seconds": statistics.median(seconds for seconds, _, _ in idle),
        "sync_changes_seconds": seconds,
        "sync_changes_source_ms": _milliseconds(statements),
        "sync_changes_written": written,
        "sync_days_reload_seconds": days_seconds,
        "sync_days_reload_written": days_rows,
        "sync_table_reload_seconds": table_seconds,
        "sync_table_reload_written": rows,
    }
    Path(os.environ["BENCH_FIGURES"]).write_text(json.dumps(figures), encoding="utf-8")
    return rows


class _Bench:
    """A table in the source and its warehouse."""

    def __init__(self, task: Task, log: SourceLog) -> None:
        self.folder = task.path
        self.log = log
        self.warehouse = DuckDBWarehouse(task.path / "warehouse.duckdb")
        self.reader = PostgresReader(make_engine(task.url, PoolSettings()))

    def load(self, days: Sequence[date]) -> tuple[float, int]:
        """Load these days and publish them; the seconds and the rows."""
        began = time.perf_counter()
        source = PostgresSource(self.reader, RAW_ORDERS)
        published = published_counts(self.warehouse, RAW_ORDERS)
        folder = self.folder / uuid.uuid4().hex
        found = load_days(RAW_ORDERS, source, days, published, folder, "bench")
        loaded = [day for day in found if isinstance(day, LoadedDay)]
        publish_days(self.warehouse, RAW_ORDERS, loaded, "bench")
        return time.perf_counter() - began, sum(day.files.rows for day in loaded)

    def stand_at_now(self) -> None:
        """The position of somebody who has synced all that was loaded."""
        row = self.warehouse.table_state(RAW_ORDERS)
        assert row is not None
        position = Position(row.as_of)
        moved = replace(
            row, high_watermark=position.moment, watermark_key=position.as_text(), load_id="bench"
        )
        self.warehouse.move(moved, row.load_id, [])

    def sync(self) -> tuple[float, list[Chunk], Sequence[Statement]]:
        """One sync: its seconds, chunks, and what the source did for it."""
        self.log.since()
        began = time.perf_counter()
        chunks = list(
            Sync(
                RAW_ORDERS,
                PostgresSource(self.reader, RAW_ORDERS, None, Scope(FIRST)),
                self.warehouse,
                Scope(FIRST),
                self.folder / uuid.uuid4().hex,
                "bench",
            ).run()
        )
        return time.perf_counter() - began, chunks, self.log.since()


def _uses_the_index(log: SourceLog, statements: Sequence[Statement]) -> None:
    plans = log.plans(statements, "orders")
    assert plans, "no statement of the sync was found in the server's log"
    for plan in plans:
        assert INDEX in plan, plan
        assert "Seq Scan on orders" not in plan, plan


def _milliseconds(statements: Sequence[Statement]) -> float:
    return sum(statement.milliseconds for statement in statements)
