"""The first `task.rows` days of the demo shop, every table and layer: with Dagster, and without.

`task.variant` says which. The difference of the two is what Dagster's bookkeeping costs.
"""

import shutil
from collections.abc import Mapping
from datetime import date, timedelta

from benchmarks.task import Task
from etl_assets.config import read_settings
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.backfill import backfill, home_instance
from etl_assets.orchestration.platform import open_platform
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.derive import DerivedSource, Upstream, read_upstream
from etl_assets.pipeline.dimensions.build import build_dimension
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets.sources.reads import DaySource

_settings = read_settings()
_platform = open_platform(_settings)
# Made here and not in `run`: its tables are created once in the life of a deployment.
_instance = home_instance(_settings)


def run(task: Task) -> int:
    first = _settings.first_day
    window = Window(first, first + timedelta(days=task.rows - 1))
    if task.variant == "dagster":
        result = backfill(_platform, _platform.catalog, window, _instance)
        assert result.succeeded, result.messages
        return window_days(window)
    for table in _platform.catalog.values():
        _load(table, window)
    return window_days(window)


def window_days(window: Window) -> int:
    return (window.last - window.first).days + 1


def _parts(table: LayerTable, window: Window) -> list[date]:
    return list(window.days()) if table.has_days else [WHOLE]


def _load(table: LayerTable, window: Window) -> None:
    warehouse, spool = _platform.warehouse, _settings.home / "spool" / table.path
    if table.dimension:
        build_dimension(warehouse, _platform.catalog, table, spool, "bench")
        shutil.rmtree(spool, ignore_errors=True)
        return
    source: DaySource = (
        _platform.source(table) if table.source else DerivedSource(table, _upstream(table, window))
    )
    published, parts = published_counts(warehouse, table), _parts(table, window)
    loaded = list(load_days(table, source, parts, published, spool, "bench"))
    publish_days(warehouse, table, [day for day in loaded if isinstance(day, LoadedDay)], "bench")
    shutil.rmtree(spool, ignore_errors=True)  # a table without rows spools nothing


def _upstream(table: LayerTable, window: Window) -> Mapping[str, Upstream]:
    upstream = {}
    above_of = _platform.catalog.inputs_of(table)
    for name, given in table.inputs.items():
        above = above_of[name]
        folder = _settings.home / "spool" / table.path / "in" / name
        days = _parts(above, window)
        upstream[name] = read_upstream(
            _platform.warehouse, above, given, days, folder, reader=table
        )
    return upstream
