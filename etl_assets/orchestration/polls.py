"""Schedules of tables whose source tells nobody that it has something new: lists of HTTP APIs.

Tables with a cursor are synced (`syncs.py`), those of files have sensors (`new_files.py`). How a
list is read is `sources/http/`.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.keeping import open_from
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.ranges import range_tags
from etl_assets.orchestration.schedules import EVERY_15_MINUTES
from etl_assets.orchestration.started_by import SCHEDULE, started_by

POLL_TAG = "etl_assets/poll"
"""The tag of the runs that a poll asks for; its value is the table's path."""

_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def build_polls(settings: Settings, tables: list[LayerTable]) -> list[dg.ScheduleDefinition]:
    """`poll__<table>` for each table that is polled."""
    return [_poll(settings, table) for table in tables if table.source and table.source.POLLED]


def _poll(settings: Settings, table: LayerTable) -> dg.ScheduleDefinition:
    """Every quarter of an hour a run of the last days, unless one is still going.

    It works by itself where settings say where the API is; the demo's never changes.
    """
    assert table.source is not None  # noqa: S101 - the caller asked
    api = settings.http.apis.get(table.source.connection)
    status = dg.DefaultScheduleStatus

    @dg.schedule(
        name=f"poll__{table.name}",
        cron_schedule=EVERY_15_MINUTES,
        target=dg.AssetSelection.assets(key_of(table)),
        default_status=status.RUNNING
        if api and api.url and not settings.environment
        else status.STOPPED,
        description=f"Every quarter of an hour: loads the last days of {table.path} again, as its "
        "source tells nobody what is new. Waits while a run of the table is under way.",
    )
    def poll(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        runs = context.instance.get_runs_count(
            dg.RunsFilter(statuses=_GOING, tags={POLL_TAG: table.path})
        )
        if runs:
            return dg.SkipReason(f"{runs} runs of the table are queued or at work.")
        days = range_tags(recent_days(settings, table))
        tags = {**days, **started_by(SCHEDULE), POLL_TAG: table.path}
        return dg.RunRequest(tags=tags, asset_selection=[key_of(table)])

    return poll


def recent_days(settings: Settings, table: LayerTable) -> Window:
    """The days that a poll loads: the newest, as far as it went, and those before it."""
    if not table.has_days:
        return Window.of(WHOLE)
    newest = settings.newest_partition()
    first = newest - timedelta(days=settings.http.recent_days - 1)
    opened = open_from(table, datetime.now(UTC)) or first  # closed days are not asked for
    return Window(min(max(first, settings.first_day, opened), newest), newest)
