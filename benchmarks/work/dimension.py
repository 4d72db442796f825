"""One run of a dimension of the bench, on a warehouse that is there: all of it, or a new day."""

from pathlib import Path

from benchmarks.star import CATALOG, DIMENSION
from benchmarks.task import Task
from etl_assets.pipeline.dimensions.build import build_dimension
from etl_assets.warehouse.duckdb import DuckDBWarehouse


def run(task: Task) -> int:
    warehouse = DuckDBWarehouse(Path(task.url))
    found = build_dimension(warehouse, CATALOG, CATALOG[DIMENSION], task.path / "spool", "bench")
    warehouse.close()
    return found.keys
