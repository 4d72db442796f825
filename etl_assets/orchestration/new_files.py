"""The sensor of a table of files: asks for the days whose objects are new, changed or gone.

Which days those are is decided in `pipeline/file_days.py`, from the listing and from `etl_state`
alone, and which of them are asked for now in `file_requests.py`. What is queued or running is not
asked for again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.lateness import Late
from etl_assets.core.partitions import windows_of
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.demo.partner_folder import is_watched
from etl_assets.orchestration.failures import told_in_ticks
from etl_assets.orchestration.file_index import index_request
from etl_assets.orchestration.file_requests import Memory, plan, plan_reading
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.ranges import range_tags
from etl_assets.orchestration.started_by import SENSOR, started_by
from etl_assets.pipeline.platform import Platform
from etl_assets.sources.files.declared import files_of

FILES_TAG = "etl_assets/files"
"""The tag of a run that the sensor asked for: the table's path."""

_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_MOST_WAITS = 10


def build_files_sensor(
    settings: Settings, table: LayerTable, index_jobs: Sequence[dg.JobDefinition] = ()
) -> dg.SensorDefinition:
    """`new_files__<table>`: looks every half minute, and asks for a run for each span of days.

    It works by itself where something says where the files are: else each of its ticks would fail.
    Where rows say their day it asks for a run of the job of `index_jobs` for objects to be read.
    """
    assets = dg.AssetSelection.assets(key_of(table))
    job = dg.define_asset_job(f"load__{table.name}", assets) if table.has_row_days else None
    status = dg.DefaultSensorStatus
    targets: dict[str, Any] = {"jobs": [job, *index_jobs]} if job else {"target": assets}

    @dg.sensor(
        name=f"new_files__{table.name}",
        **targets,
        minimum_interval_seconds=30,
        required_resource_keys={"platform"},
        default_status=status.RUNNING if _has_store(settings, table) else status.STOPPED,
        description=f"Loads the days of {table.path} whose objects are new, changed or gone.",
    )
    @told_in_ticks()
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        platform: Platform = context.resources.platform
        memory, now = Memory.from_cursor(context.cursor), datetime.now(UTC)
        runs = context.instance.get_runs_count(
            dg.RunsFilter(statuses=_IN_FLIGHT, tags={FILES_TAG: table.path})
        )
        most = settings.sync.late_days
        hints = platform.hints(table)
        # While a run is at work nothing is asked for: what waits is listed when it is over.
        days = [*hints.days, *([] if runs else memory.days_to_list(most, now))]
        look, watched = platform.watch_files(table, memory.watch, days)
        look = memory.patient(look, now)
        chosen, asked = (
            ([], memory.asked)
            if runs
            else plan(look.late, memory.asked, most, now, whole=look.whole)
        )
        # A load reads what is to be read by itself.
        reading, asked = plan_reading(look, memory.asked, asked, now, may=not (runs or chosen))
        memory = memory.after(look, watched.watch, asked, now)
        told = " ".join(filter(None, [look.told(), watched.told]))
        context.log.info(f"{told} Asked for {count_of(len(chosen), 'day')}." if chosen else told)
        for day, why in sorted(look.waits.items())[:_MOST_WAITS]:
            context.log.info(f"{day} is not complete: {why}.")
        hints.forget()
        requests = [index_request(one, FILES_TAG) for one in reading]
        requests += _requests(table, chosen, job.name if job else None)
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=memory.to_cursor())
        context.update_cursor(memory.to_cursor())
        if runs:
            return dg.SkipReason(f"{told} {runs} runs of the table are queued or at work.")
        waiting = (
            f" {count_of(len(look.late), 'day')} waiting: their runs failed." if look.late else ""
        )
        return dg.SkipReason(f"{told}{waiting}")

    return new_files


def _has_store(settings: Settings, table: LayerTable) -> bool:
    """Whether spec or settings say where the files are, or the demo's partners have a folder, and
    this is no environment, in which a person asks."""
    is_there = bool(files_of(table).location or settings.object_store.url) or is_watched(settings)
    return is_there and not settings.environment


def _requests(table: LayerTable, chosen: Sequence[Late], job: str | None) -> list[dg.RunRequest]:
    """A run for each span of neighbouring days; its tags say why."""
    why = {one.day: one.why for one in chosen}
    return [
        dg.RunRequest(
            job_name=job,
            tags={
                **range_tags(window),
                **started_by(SENSOR),
                FILES_TAG: table.path,
                "etl_assets/why": "; ".join(f"{d}: {why[d]}" for d in window.days())[:1000],
            },
            asset_selection=[key_of(table)],
        )
        for window in windows_of(why)
    ]
