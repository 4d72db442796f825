"""Our way into BigQuery: the spool, one load job for its files, one transaction."""

from pathlib import Path

from benchmarks.batches import batches
from benchmarks.orders import staged_orders
from benchmarks.table import RAW_ORDERS
from benchmarks.task import Task
from etl_assets.config import read_settings
from etl_assets.pipeline.publish import publish_staged
from etl_assets.warehouse.factory import open_warehouse

_warehouse = open_warehouse(read_settings())


def run(task: Task) -> int:
    staged = staged_orders(batches(Path(task.url), task.rows), task.path / "spool")
    publish_staged(_warehouse, RAW_ORDERS, [staged], "bench")
    (state,) = _warehouse.state(RAW_ORDERS)
    return state.row_count
