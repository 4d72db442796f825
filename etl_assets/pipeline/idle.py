"""Tables that have nothing to be synced, found without Dagster, so that an idle `sync` is quick.

Only what is sure is found here: whatever fails, differs or changed is left to a run, which does all
of it anew and is seen in the UI. What a sync does is `sync.py`.
"""

import uuid
from collections.abc import Collection, Iterable

from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.sync_report import SyncReport


def idle_syncs(platform: Platform, tables: Iterable[LayerTable]) -> dict[str, SyncReport]:
    """The reports of the tables whose sync would change nothing, by path.

    Errors are not raised: the table is left out, and its run reports them.
    """
    reports = {table.path: _idle_sync(platform, table) for table in tables}
    return {path: report for path, report in reports.items() if report}


def is_behind(platform: Platform, paths: Collection[str]) -> bool:
    """Whether a day of these derived tables is late."""
    return any(one.table in paths for one in platform.late())


def _idle_sync(platform: Platform, table: LayerTable) -> SyncReport | None:
    run_id = f"idle-{uuid.uuid4().hex}"  # no run has this id: nothing of it is kept
    try:
        with platform.spool(run_id, table.name) as folder:
            chunk = platform.sync(table, folder, run_id).idle()
    except Exception:
        return None
    if chunk is None:
        return None
    report = SyncReport(table.path)
    report.add(chunk)
    return report
