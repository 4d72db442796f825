"""Changes published into a PostgreSQL warehouse, as a sync does it: a row takes its key's place."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.batches import batches
from benchmarks.orders import staged_orders
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.config import read_settings
from etl_assets.pipeline.publish import spooled
from etl_assets.warehouse.factory import open_warehouse
from etl_assets.warehouse.planning import changes

_warehouse = open_warehouse(read_settings())


def run(task: Task) -> int:
    day = staged_orders(batches(Path(task.url), task.rows), task.path / "spool")
    keys = pl.concat(pl.read_parquet(path, columns=["id"]) for path in day.files.files)
    staging = _warehouse.stage(RAW_ORDERS, [day], "bench")
    known = _warehouse.recorded(RAW_ORDERS)
    assert known.table_state is not None, "the template's database has half of the rows"
    plan = changes(
        staging,
        known,
        _warehouse.facts(staging, elsewhere=False, versions=False),
        table_state=replace(known.table_state, load_id=day.state.load_id),
        leaving=spooled(task.path / "leaving", keys),
    )
    _warehouse.publish(plan)
    _warehouse.discard(staging)
    (state,) = _warehouse.state(RAW_ORDERS)
    return state.row_count
