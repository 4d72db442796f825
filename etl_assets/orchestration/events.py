"""The job that brings events to their table: sources are pulled, payloads archived, events loaded.

And where events come from, as assets: the graph begins with the API, not with a table.

What it does is `etl_assets/events/`. From that table to the warehouse they come as those of any
PostgreSQL table: by `sync`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.errors import ConfigError
from etl_assets.core.source_specs import EVENTS_CONNECTION, Files
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.console import CONSOLE
from etl_assets.orchestration.failures import failure_of
from etl_assets.orchestration.names import SOURCE, source_key_of
from etl_assets.orchestration.schedules import is_idle
from etl_assets.orchestration.source_assets import observable
from etl_assets.orchestration.started_by import SCHEDULE, note_who_started, started_by
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.events.sources import EventSource

EVENTS_JOB = "events"
EVERY_MINUTE = "* * * * *"


def build_event_jobs(settings: Settings, tables: Sequence[LayerTable]) -> list[dg.JobDefinition]:
    """The job, where a table is read from the database of events."""
    if not any(map(_has_events, tables)):
        return []
    job = dg.GraphDefinition(name=EVENTS_JOB, node_defs=[_op(settings)]).to_job(
        description="Pull events from their sources, archive what landed, and load it.",
        logger_defs={"console": CONSOLE},
        executor_def=dg.in_process_executor,
    )
    return [job]


def build_event_schedules(
    settings: Settings, jobs: Sequence[dg.JobDefinition]
) -> list[dg.ScheduleDefinition]:
    """A round each minute, never two at once; by itself where EVENTS_DATABASE_URL is set."""
    status = dg.DefaultScheduleStatus
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule",
            job=job,
            cron_schedule=EVERY_MINUTE,
            description="Every minute: pulls events from their sources, archives what landed, and "
            "loads it. Waits while a round is under way.",
            tags=started_by(SCHEDULE),
            should_execute=is_idle(job.name),
            default_status=status.RUNNING
            if settings.events_database_url and not settings.environment
            else status.STOPPED,
        )
        for job in jobs
    ]


def build_event_sources(
    settings: Settings, tables: Sequence[LayerTable]
) -> Sequence[dg.AssetsDefinition]:
    """An observable asset for each source of ETL_EVENT_SOURCES, where a table has events.

    A module that cannot be used has none: the job fails and says so, the rest of the graph stays.
    """
    if not any(map(_has_events, tables)):
        return []
    from etl_assets.events.sources import sources_of

    try:
        sources = sources_of(settings).values()
    except ConfigError:
        return []
    return [
        observable(
            dg.AssetSpec(
                source_key_of(EVENTS_CONNECTION, source.name),
                description=_told(source),
                group_name=SOURCE,
                kinds={_kind(source)},
                tags={"domain": "events"},
            ),
            partial(_look_at, source.name),
        )
        for source in sources
    ]


def _look_at(source: str, platform: Platform) -> Mapping[str, object]:
    """What has arrived from the source; raises what the database of events raises."""
    from etl_assets.events.freshness import look

    for found in look(platform.settings):
        if found.source == source:
            return {
                "newest_arrival": found.newest_at.isoformat(),
                "waiting": found.pending,
                "quarantined": found.quarantined,
            }
    return {"newest_arrival": "none"}


def fed_by(sources: Sequence[dg.AssetsDefinition], table: LayerTable) -> Sequence[dg.AssetKey]:
    """What the source of a raw table is made of: one of events of all their sources."""
    return [source.key for source in sources] if _has_events(table) else []


def _has_events(table: LayerTable) -> bool:
    return table.source is not None and table.source.connection == EVENTS_CONNECTION


def _kind(source: "EventSource") -> str:
    if source.api is not None:
        return source.api.KIND
    return Files.KIND if source.drops is not None else "webhook"


def _told(source: "EventSource") -> str:
    told = []
    if source.api is not None:
        told.append(f"The list {source.api.url} of the HTTP API {source.api.connection}")
    if source.drops is not None:
        told.append(f"files {source.drops} in the store of OBJECT_STORE_URL")
    told = told or [f"calls of POST /webhooks/{source.name}"]
    text = ", and ".join(told)
    return f"{text[0].upper()}{text[1:]}."


def _op(settings: Settings) -> dg.OpDefinition:
    @dg.op(name="bring_events", out=dg.Out(dg.Nothing))
    def bring_events(context: dg.OpExecutionContext) -> Iterator[Any]:
        from etl_assets.events.round import run_round

        note_who_started(context)
        try:
            done = run_round(settings)
        except Exception as error:
            failure = failure_of(error)
            raise failure from failure.__cause__
        context.add_output_metadata(
            {
                **{f"landed from {one.source}": one.new for one in done.pulled if one.landed},
                "archived": done.archived.payloads if done.archived else "no archive is named",
                "loaded": done.loaded.read,
                "events": done.loaded.loaded,
                "duplicates": done.loaded.duplicates,
                "superseded": done.loaded.superseded,
                "quarantined": done.loaded.quarantined,
            }
        )
        for one in done.pulled:
            if one.new:
                yield dg.AssetObservation(
                    source_key_of(EVENTS_CONNECTION, one.source),
                    metadata={"seen_by": "a round of the job events", "new_payloads": one.new},
                )
        if done.errors:
            failure = failure_of(done.errors[0])
            raise failure from failure.__cause__
        yield dg.Output(None)

    return bring_events
