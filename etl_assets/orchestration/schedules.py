"""When syncs and reconciliations run by themselves. What they do is `syncs.py`."""

from collections.abc import Callable, Sequence

import dagster as dg

from etl_assets.config import Settings
from etl_assets.orchestration.started_by import SCHEDULE, started_by
from etl_assets.orchestration.syncs import RECONCILE_JOB, SYNC_JOB

EVERY_15_MINUTES, EVERY_NIGHT = "*/15 * * * *", "30 3 * * *"

_WHEN = {
    SYNC_JOB: (
        EVERY_15_MINUTES,
        "Every quarter of an hour: reads what changed in every table with a cursor, and publishes "
        "the days that it touches. Waits while a sync is under way.",
    ),
    RECONCILE_JOB: (
        EVERY_NIGHT,
        "At 03:30 UTC: syncs every table, compares each of its days with the source by counts and "
        "checksums, and repairs what differs. Waits while a reconciliation is under way.",
    ),
}


def build_schedules(
    settings: Settings, jobs: Sequence[dg.JobDefinition]
) -> list[dg.ScheduleDefinition]:
    """Syncs every quarter of an hour, reconciliations every night; never two of a kind at once.

    They run by themselves where there is a source of one's own, and in no environment. The demo
    shop never changes.
    """
    status = dg.DefaultScheduleStatus
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule",
            job=job,
            cron_schedule=_WHEN[job.name][0],
            description=_WHEN[job.name][1],
            should_execute=is_idle(job.name),
            tags=started_by(SCHEDULE),
            default_status=status.RUNNING if settings.works_by_itself else status.STOPPED,
        )
        for job in jobs
    ]


def is_idle(name: str) -> Callable[[dg.ScheduleEvaluationContext], bool]:
    """Whether no run of the job is queued or under way.

    A limit of Dagster's queue (`tag_concurrency_limits`) would not do: it keeps the run of each
    tick for later, so that a long sync is followed by a run for each quarter of an hour it took.
    """
    going = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]

    def has_none(context: dg.ScheduleEvaluationContext) -> bool:
        wanted = dg.RunsFilter(job_name=name, statuses=going)
        return not context.instance.get_run_records(wanted, limit=1)

    return has_none
