"""When a table counts as stale: Dagster's freshness policies, from the specs.

A table whose spec says when its days must arrive is red when they do not. Any other table that
syncs is red when no sync came through for `fresh_within`, whether there was something to bring or
not. Dagster looks at materialisations alone, so a sync that finds nothing makes one from time to
time.
"""

from collections.abc import Iterator
from datetime import timedelta
from time import time as now
from typing import TYPE_CHECKING

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.due_days import deadline_cron, time_to_arrive
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.metadata import Metadata
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.source_assets import seen_in_sync
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.sync_report import SyncReport


def policy_of(settings: Settings, table: LayerTable) -> dg.FreshnessPolicy | None:
    """The policy of a table; None where nothing is expected of it: the days of the platform have an
    end, or its changes come by themselves nowhere.

    Of a table that expects days Dagster looks at the newest materialisation, whichever day it is
    of: another day that is loaded shortly before the moment passes for the one that is due. The
    check `arrived` is exact.
    """
    if settings.last_day is not None:
        return None
    if table.expects is not None:
        return dg.FreshnessPolicy.cron(
            deadline_cron(table.expects), time_to_arrive(table.expects), table.expects.zone
        )
    if _is_synced(settings, table):
        return dg.FreshnessPolicy.time_window(
            table.fresh_within, warn_window=_warns_after(table.fresh_within)
        )
    return None


def _is_synced(settings: Settings, table: LayerTable) -> bool:
    """Whether a schedule that is on by itself syncs the table."""
    return table.syncs and settings.works_by_itself


def _warns_after(fresh_within: timedelta) -> timedelta | None:
    half = fresh_within / 2
    return half if half >= timedelta(minutes=1) else None


def came_through(
    context: dg.OpExecutionContext, table: LayerTable, report: "SyncReport"
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """What a sync says once it has caught up: what it saw of the source, and that it was there.

    A sync that brought nothing says it only if nothing was said for a third of `fresh_within`, as
    each event stays in Dagster's database. It names no day, so that no day looks loaded.
    """
    platform: Platform = context.resources.platform
    brought = bool(report.days or report.loaded_whole or report.drifted)
    if not brought and not _is_silent(context, table):
        return
    yield from seen_in_sync(table, report)
    if not brought and table.expects is None and _is_synced(platform.settings, table):
        yield dg.AssetMaterialization(key_of(table), metadata=_nothing_new(report))


def _is_silent(context: dg.OpExecutionContext, table: LayerTable) -> bool:
    record = context.instance.fetch_materializations(key_of(table), limit=1).records
    if not record:
        return True
    return now() - record[0].timestamp > table.fresh_within.total_seconds() / 3


def _nothing_new(report: "SyncReport") -> Metadata:
    last = report.last
    mark = last.mark.shown if last and last.mark else "the beginning"
    return {"why": "a sync found nothing new", "rows_read": report.rows, "stands_at": mark}
