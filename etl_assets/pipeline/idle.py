"""Tables that have nothing to be synced, found without Dagster, so that an idle `sync` is quick.

Only what is sure is found here: whatever fails, differs or changed is left to a run, which does all
of it anew and is seen in the UI. What a sync does is `sync.py`.
"""

import uuid
from collections.abc import Collection, Iterable

from etl_assets.core.errors import EtlError
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.sync import Sync
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
    run_id = f"idle-{uuid.uuid4().hex}"  # of no run, as nothing of it is kept
    report = SyncReport(table.path)
    try:
        with platform.spool(run_id, table.name) as folder:
            sync = Sync(
                table,
                platform.source(table),
                platform.warehouse,
                platform.scope,
                folder,
                run_id,
                platform.sync_policy(),
            )
            chunk = sync.idle()
    except EtlError:
        return None
    if chunk is None:
        return None
    report.add(chunk)
    return report
