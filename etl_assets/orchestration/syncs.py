"""Syncs and reconciliations as Dagster jobs: an op a table, a materialisation for each touched day.

What they do is `syncing.py`, `owed.py` and `reconciling.py`; here it becomes events, retries, and
schedules. A table that cannot be synced fails alone.
"""

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.checks import verdicts
from etl_assets.orchestration.console import CONSOLE
from etl_assets.orchestration.failures import failure_of, refused_days, report_failure
from etl_assets.orchestration.keys import key_of
from etl_assets.orchestration.metadata import Metadata, cost_metadata, day_metadata
from etl_assets.orchestration.partitions import scope_of
from etl_assets.orchestration.platform import Platform
from etl_assets.orchestration.versions import version_events

if TYPE_CHECKING:
    from etl_assets.pipeline.change_set import Outcome
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.retry_refused import Settled
    from etl_assets.pipeline.sync import Chunk

SYNC_JOB, RECONCILE_JOB = "sync", "reconcile"
EVERY_15_MINUTES, EVERY_NIGHT = "*/15 * * * *", "30 3 * * *"
Events = Iterator[Any]

# What may pass was sat out inside already; this is for what lasts a little longer.
_MOST_RETRIES, _RETRY_SECONDS = 2, 2.0


@dataclass
class SyncReport:
    """What a sync of one table came to, for whoever started it."""

    table: str
    rows: int = 0
    changed: int = 0
    removed: int = 0
    outside: int = 0
    days: set[date] = field(default_factory=set)
    drifted: list[str] = field(default_factory=list)
    last: "Chunk | None" = None

    def add(self, chunk: "Chunk") -> None:
        """Count a chunk in."""
        self.rows += chunk.rows
        self.changed += chunk.outcome.changed
        self.removed += chunk.outcome.removed
        self.outside += chunk.outcome.outside
        self.days |= {day.day for day in chunk.outcome.days}
        self.drifted += chunk.drift.since_last
        self.last = chunk

    def notes(self) -> list[str]:
        """What a person should know: what could not be seen, drifted, or was not loaded."""
        if self.last is None:
            return []
        told = [f"{name} ({shown})" for name, shown in self.last.drift.added]
        notes = list(self.last.horizon.warnings)
        if self.drifted:
            notes.append(f"{self.table}: the source's columns changed: {'; '.join(self.drifted)}.")
        if told:
            notes.append(f"{self.table}: not in the contract, and not read: {', '.join(told)}.")
        if self.outside:
            notes.append(
                f"{self.table}: {self.outside:,} rows belong to no day of this platform, and are "
                "not loaded."
            )
        return notes


def op_name(table: LayerTable, job: str) -> str:
    """The op of a table in a job."""
    return f"{job}__{table.name}"


def build_sync_job(tables: Sequence[LayerTable]) -> dg.JobDefinition:
    """A job that syncs every table with a cursor."""
    ops = [_op(table, SYNC_JOB, _sync_alone) for table in tables if table.syncs]
    return _job(SYNC_JOB, "Read what changed in the source, and bring each touched day.", ops)


def build_reconcile_job(tables: Sequence[LayerTable]) -> dg.JobDefinition:
    """A job that syncs every table with a cursor, compares it with its source and repairs it."""
    ops = [_op(table, RECONCILE_JOB, _reconcile) for table in tables if table.syncs]
    return _job(RECONCILE_JOB, "Compare source and warehouse, and repair what differs.", ops)


def build_schedules(
    settings: Settings, jobs: Sequence[dg.JobDefinition]
) -> list[dg.ScheduleDefinition]:
    """Syncs every quarter of an hour, reconciliations every night; never two of a kind at once.

    They run by themselves where there is a source of one's own; the demo shop never changes.
    """
    crons = {SYNC_JOB: EVERY_15_MINUTES, RECONCILE_JOB: EVERY_NIGHT}
    status = dg.DefaultScheduleStatus
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule",
            job=job,
            cron_schedule=crons[job.name],
            should_execute=_is_idle(job.name),
            default_status=status.RUNNING if settings.database_url else status.STOPPED,
        )
        for job in jobs
    ]


def _is_idle(name: str) -> Callable[[dg.ScheduleEvaluationContext], bool]:
    going = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]

    def is_idle(context: dg.ScheduleEvaluationContext) -> bool:
        wanted = dg.RunsFilter(job_name=name, statuses=going)
        return not context.instance.get_run_records(wanted, limit=1)

    return is_idle


def _job(name: str, description: str, ops: Sequence[dg.OpDefinition]) -> dg.JobDefinition:
    return dg.GraphDefinition(name=name, node_defs=ops).to_job(
        description=description,
        hooks={report_failure},
        logger_defs={"console": CONSOLE},
        executor_def=dg.in_process_executor,
    )


def _op(
    table: LayerTable, job: str, work: Callable[[dg.OpExecutionContext, LayerTable], Events]
) -> dg.OpDefinition:
    schema = {
        "confirm_deletes": dg.Field(
            bool, default_value=False, description="Remove however many rows are gone."
        ),
        "repair": dg.Field(bool, default_value=True, description="Bring what differs."),
    }

    @dg.op(
        name=op_name(table, job),
        out=dg.Out(dg.Nothing),
        required_resource_keys={"platform"},
        config_schema=schema if job == RECONCILE_JOB else None,
        tags={"table": table.path},
    )
    def run(context: dg.OpExecutionContext) -> Events:
        try:
            yield from work(context, table)
        except Exception as error:
            outcome = _again(context, failure_of(error))
            raise outcome from outcome.__cause__
        yield dg.Output(None)

    return run


def _again(context: dg.OpExecutionContext, failure: BaseException) -> BaseException:
    """A request for another attempt where one may help, else the failure.

    Not a RetryPolicy: Dagster follows that after an interrupt as well, and a run that is terminated
    would begin again.
    """
    attempt = context.retry_number
    may_help = isinstance(failure, dg.Failure) and failure.allow_retries
    if not may_help or attempt >= _MOST_RETRIES:
        return failure
    seconds = _RETRY_SECONDS * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    again = dg.RetryRequested(max_retries=_MOST_RETRIES, seconds_to_wait=seconds)
    again.__cause__ = failure
    return again


def _sync_alone(context: dg.OpExecutionContext, table: LayerTable) -> Events:
    settled = yield from _sync(context, table)
    if settled.refused:
        raise refused_days(table, settled.good, settled.refused)


def _sync(context: dg.OpExecutionContext, table: LayerTable) -> "Generator[Any, None, Settled]":
    """Sync a table; what came of the days that it owed."""
    from etl_assets.pipeline.retry_refused import settle
    from etl_assets.pipeline.sync import Sync
    from etl_assets.pipeline.sync_log import columns_seen
    from etl_assets.sources.postgres.source import PostgresSource

    platform: Platform = context.resources.platform
    report = SyncReport(table.path)
    with platform.spool(context.run_id, op_name(table, SYNC_JOB)) as folder:
        sync = Sync(
            table,
            platform.reader(),
            platform.warehouse,
            scope_of(platform.settings),
            folder,
            context.run_id,
            platform.sync_policy(),
        )
        for chunk in sync.run():
            report.add(chunk)
            yield from _touched(context, table, chunk.outcome, "changes that were synced")
        seen = columns_seen(platform.warehouse.look(table))
        source = PostgresSource(platform.reader(), table, seen)
        settled = settle(table, source, platform.warehouse, folder / "owed", context.run_id)
        yield from _materialised(context, table, settled.good, "a full load that was owed")
    _log(context, report)
    platform.on_sync(report)
    return settled


def _reconcile(context: dg.OpExecutionContext, table: LayerTable) -> Events:
    from etl_assets.pipeline.reconcile import Reconciling, report_of

    settled = yield from _sync(context, table)
    platform: Platform = context.resources.platform
    config = context.op_config
    with platform.spool(context.run_id, op_name(table, RECONCILE_JOB)) as folder:
        found = Reconciling(
            table,
            platform.reader(),
            platform.warehouse,
            scope_of(platform.settings),
            folder,
            context.run_id,
        ).run(repair=config["repair"], confirmed=config["confirm_deletes"])
        if found.outcome:
            yield from _touched(context, table, found.outcome, "differences that were repaired")
    platform.on_reconciled(found)
    yield dg.AssetObservation(key_of(table), metadata=_shown(report_of(found)))
    refused = [*settled.refused, *(found.outcome.refused if found.outcome else ())]
    if found.mass_delete:
        raise dg.Failure(str(found.mass_delete), allow_retries=False)
    if refused:
        raise refused_days(table, settled.good, refused)
    if not found.is_equal:
        raise dg.Failure(
            f"{table.path} differs from its source in {found.differences.count} rows of "
            f"{len(found.differences.days)} days. Repair it: etl-assets reconcile {table.path} "
            "--repair.",
            metadata=_shown(report_of(found)),
            allow_retries=False,
        )


def _touched(
    context: dg.OpExecutionContext, table: LayerTable, outcome: "Outcome", why: str
) -> Events:
    """A materialisation for every day that was published, of the versions as well, and verdicts."""
    yield from verdicts(context.instance, table, outcome.refused)
    yield from _materialised(context, table, outcome.days, why, cost_metadata(outcome.jobs, 1))
    if table.versions and outcome.load_id:
        platform: Platform = context.resources.platform
        yield from version_events(platform, table.versions, {outcome.load_id})


def _materialised(
    context: dg.OpExecutionContext,
    table: LayerTable,
    days: "Sequence[LoadedDay]",
    why: str,
    cost: Metadata | None = None,
) -> Events:
    platform: Platform = context.resources.platform
    newest = platform.settings.newest_partition()
    for loaded in days:
        if loaded.day > newest:
            context.log.warning(f"{table.path} has rows of {loaded.day}, which is in the future.")
            continue
        total = sum(state.row_count for state in platform.warehouse.state(table))
        metadata = {
            **day_metadata(loaded, total_rows=total),
            **(cost or {}),
            "why": why,
            "changed_rows": loaded.files.rows,
        }
        yield dg.AssetMaterialization(
            key_of(table), partition=loaded.day.isoformat(), metadata=metadata
        )
    yield from verdicts(context.instance, table, [day for day in days if day.day <= newest])


def _log(context: dg.OpExecutionContext, report: SyncReport) -> None:
    """One line that says what there was to do, and what holds the rest back."""
    last = report.last
    mark = f"{last.mark.moment:%Y-%m-%d %H:%M:%S} UTC" if last and last.mark else "the beginning"
    context.log.info(
        f"{report.table}: {report.rows:,} rows read, {report.changed:,} changed, "
        f"{report.removed:,} removed, {len(report.days)} days touched; stands at {mark}."
    )
    if last and last.horizon.held_by:
        context.log.info(f"{report.table}: held back by {last.horizon.held_by}.")
    for note in report.notes():
        context.log.warning(note)


def _shown(told: Mapping[str, object]) -> Metadata:
    return {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in told.items()}
