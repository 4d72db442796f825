"""Our whole load of a day of files: listed, read, checked, spooled, published with its ledger."""

import pandera.polars  # noqa: F401 - imports are not timed, and the platform makes them when needed

import etl_assets.sources.files.source
import etl_assets.warehouse.duckdb.warehouse  # noqa: F401 - as pandera
from benchmarks.file_table import file_orders, load_files, open_files
from benchmarks.source import DAY
from benchmarks.task import Task


def run(task: Task) -> int:
    platform = open_files(task.path / "home", file_orders(task.variant), url=f"file://{task.url}")
    rows = load_files(platform, [DAY])
    platform.close()
    return rows
