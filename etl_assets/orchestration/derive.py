"""Late days from a terminal: what the lateness sensors do, in this process and to the end."""

from collections.abc import Collection
from datetime import date

import dagster as dg

from etl_assets.core.lateness import Late
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.backfill import BackfillResult, make_by_layer
from etl_assets.pipeline.platform import Platform


def derive_late_days(
    platform: Platform, paths: Collection[str], instance: dg.DagsterInstance
) -> BackfillResult:
    """Make exactly the late days of these tables, a layer at a time: each makes the next one late.

    A day whose upstream day is refused stays late, and is tried again by the next call. Errors of
    a run are in the result's messages.
    """
    result = BackfillResult()
    derived = [path for path in paths if platform.catalog[path].is_derived]

    late = platform.late() if derived else []
    by_depth: dict[int, list[Late]] = {}
    expected = 0

    def days_of(table: LayerTable) -> list[date]:
        nonlocal expected
        depth = platform.catalog.depth(table.path)
        if depth not in by_depth:  # what is late now that the layer before was made
            by_depth[depth] = platform.late()
            of_layer = {path for path in derived if platform.catalog.depth(path) == depth}
            expected += sum(one.table in of_layer for one in by_depth[depth])
            platform.on_work("late day", expected, "making late days")
        return sorted(one.day for one in by_depth[depth] if one.table == table.path)

    if late:
        make_by_layer(platform, derived, instance, days_of, result)
    return result
