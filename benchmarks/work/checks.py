"""The checks of a raw day alone: every frame of it is read first, and only checking is measured.

Writes the CPU seconds of the checks to BENCH_FIGURES; what `child.py` measures is all of it.
"""

import json
import os
import time
from pathlib import Path

import pandera.polars  # noqa: F401 - imports are not timed, and the first check imports it

from benchmarks.source import DAY
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.core.audit import DayAudit
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.postgres.reader import PostgresReader


def run(task: Task) -> int:
    reader = PostgresReader(make_engine(task.url, PoolSettings()))
    with reader.snapshot(RAW_ORDERS) as snapshot:
        frames = list(snapshot.day(DAY).batches())
    audit = DayAudit(RAW_ORDERS, DAY, None)
    began, used = time.perf_counter(), time.process_time()
    for frame in frames:
        good, bad = audit.split(frame)
        assert bad is None, "the bench's rows are good"
        assert good.height == frame.height
    audit.null_ratios()
    figures = {
        "checks_seconds": time.perf_counter() - began,
        "checks_cpu_seconds": time.process_time() - used,
    }
    Path(os.environ["BENCH_FIGURES"]).write_text(json.dumps(figures), encoding="utf-8")
    return audit.good_rows
