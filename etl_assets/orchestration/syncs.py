"""Syncs and reconciliations as Dagster jobs: an op a table, a materialisation for each touched day.

What they do is `pipeline/sync.py`, `run_days.py` and `reconcile.py`; here it becomes events,
and retries. When they run is `schedules.py`. A table that cannot be synced fails alone.
"""

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.assets.job.asset_layer import AssetLayer

from etl_assets.core.digests import can_be_reconciled
from etl_assets.core.gained import lacking_note
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.orchestration.assets import beside
from etl_assets.orchestration.checks import verdicts
from etl_assets.orchestration.code_versions import provenance
from etl_assets.orchestration.console import CONSOLE
from etl_assets.orchestration.failures import failure_of, refused_days, tell_failure
from etl_assets.orchestration.freshness import came_through
from etl_assets.orchestration.metadata import Metadata, cost_metadata, day_metadata
from etl_assets.orchestration.names import key_of, source_key
from etl_assets.orchestration.partitions import partition_of
from etl_assets.orchestration.refused_days import count_refused_days, mark_as_failed
from etl_assets.orchestration.started_by import note_who_started
from etl_assets.orchestration.versions import version_events
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.sync_report import SyncReport

if TYPE_CHECKING:
    from etl_assets.pipeline.change_set import Outcome
    from etl_assets.pipeline.days import FailedDay, LoadedDay
    from etl_assets.pipeline.publish import Committed
    from etl_assets.pipeline.reconcile import Reconciliation
    from etl_assets.pipeline.run_days import Reloaded

SYNC_JOB, RECONCILE_JOB = "sync", "reconcile"
Events = Iterator[Any]

# What may pass was sat out inside already; this is for what lasts a little longer.
_MOST_RETRIES, _RETRY_SECONDS = 2, 2.0


def op_name(table: LayerTable, job: str) -> str:
    """The op of a table in a job."""
    return f"{job}__{table.name}"


def build_sync_job(tables: Sequence[LayerTable]) -> dg.JobDefinition:
    """A job that syncs every table with a cursor."""
    synced = [table for table in tables if table.syncs]
    ops = [_op(table, SYNC_JOB, _sync_alone) for table in synced]
    what = "Read what changed in the source, and publish each day that it touches."
    return _job(SYNC_JOB, what, ops, synced)


def build_reconcile_job(tables: Sequence[LayerTable]) -> dg.JobDefinition:
    """A job that compares every table with its source and repairs it, after a sync if it has
    one; without the tables whose key no checksum covers."""
    compared = [table for table in tables if can_be_reconciled(table)]
    ops = [_op(table, RECONCILE_JOB, _reconcile) for table in compared]
    what = "Compare source and warehouse, and repair what differs."
    return _job(RECONCILE_JOB, what, ops, compared)


def _job(
    name: str,
    description: str,
    ops: Sequence[dg.OpDefinition],
    tables: Sequence[LayerTable],
) -> dg.JobDefinition:
    brought = [key_of(one) for table in tables for one in (table, table.versions) if one]
    return dg.GraphDefinition(name=name, node_defs=ops).to_job(
        description=description,
        # So that the page of each asset names the job and its schedule.
        asset_layer=AssetLayer.for_external_job([*brought, *map(source_key, tables)]),
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
        note_who_started(context)
        try:
            yield from work(context, table)
        except Exception as error:
            outcome = _again(context, failure_of(error))
            if isinstance(outcome, Exception) and not isinstance(outcome, dg.RetryRequested):
                tell_failure(context, outcome)
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
    reloaded = yield from _sync(context, table)
    yield from _counted(context, table, reloaded.refused)
    if reloaded.refused:
        raise refused_days(table, reloaded.good, reloaded.refused)


def _counted(
    context: dg.OpExecutionContext,
    table: LayerTable,
    refused: "Sequence[LoadedDay | FailedDay]",
) -> Events:
    """The check that counts the days which are not as they should be; those of now are red."""
    mark_as_failed(context, table, refused)
    yield count_refused_days(context.resources.platform, table)


def _sync(context: dg.OpExecutionContext, table: LayerTable) -> "Generator[Any, None, Reloaded]":
    """Sync a table; what came of the days that had to be loaded whole."""
    from etl_assets.pipeline.run_days import reload

    platform: Platform = context.resources.platform
    report = SyncReport(table.path)
    platform.on_begin(table.path)
    with platform.spool(context.run_id, op_name(table, SYNC_JOB)) as folder:
        for chunk in platform.sync(table, folder, context.run_id).run():
            report.add(chunk)
            yield from _touched(context, table, chunk.outcome, "changes that were synced")
        reloaded = reload(
            table,
            platform.source(table),
            platform.warehouse,
            folder / "reload",
            context.run_id,
            platform.settings.sync.late_days,
        )
        yield from _reloaded(context, table, reloaded)
    report.loaded_whole = {loaded.day for loaded in reloaded.good}
    if reloaded.lacking:
        report.lacking = lacking_note(table, reloaded.lacking)
    _log(context, report)
    yield from came_through(context, table, report)
    platform.on_sync(report)
    return reloaded


def _reconcile(context: dg.OpExecutionContext, table: LayerTable) -> Events:
    from etl_assets.pipeline.reconcile import Reconciling, report_of
    from etl_assets.pipeline.run_days import Reloaded

    reloaded = (yield from _sync(context, table)) if table.syncs else Reloaded()
    platform: Platform = context.resources.platform
    config = context.op_config
    with platform.spool(context.run_id, op_name(table, RECONCILE_JOB)) as folder:
        found = Reconciling(
            table,
            platform.source(table),
            platform.warehouse,
            platform.scope,
            folder,
            context.run_id,
        ).run(repair=config["repair"], confirmed=config["confirm_deletes"])
        yield from _reloaded(context, table, found.filled)
        if found.repair:
            outcome = found.repair.outcome
            yield from _touched(context, table, outcome, "differences that were repaired")
            yield from _reloaded(context, table, found.repair.reloaded)
    platform.on_reconciled(found)
    yield dg.AssetObservation(key_of(table), metadata=_shown(report_of(found)))
    refused = [*reloaded.refused, *found.filled.refused]
    if found.repair:
        refused += [*found.repair.outcome.refused, *found.repair.reloaded.refused]
    yield from _counted(context, table, refused)
    if found.repair and found.repair.mass_delete:
        raise dg.Failure(str(found.repair.mass_delete), allow_retries=False)
    if refused:
        raise refused_days(table, reloaded.good, refused)
    if not found.is_equal:
        raise dg.Failure(
            differs(table, found), metadata=_shown(report_of(found)), allow_retries=False
        )


def differs(table: LayerTable, found: "Reconciliation") -> str:
    """What a reconciliation ends with that did not find source and warehouse equal."""
    now = found.now
    told = f"{table.path} differs from its source in {count_of(now.count, 'row')}"
    told += f" of {count_of(len(now.days), 'day')}" if table.has_days else ""
    if now.quarantine_days:
        told += f"; the quarantine of {len(now.quarantine_days):,} of them is out of date"
    if found.repair:
        return f"{told}, also after the repair. Run it again; if that does not help, load it anew."
    return f"{told}. Repair it: etl-assets reconcile {table.path} --repair."


def _touched(
    context: dg.OpExecutionContext, table: LayerTable, outcome: "Outcome", why: str
) -> Events:
    """A materialisation for every part that was published, of the versions as well, and verdicts:
    those of refused days last, as Dagster shows the last one."""
    if outcome.committed:
        yield from _materialised(context, table, outcome.days, outcome.committed, why)
    yield from verdicts(context.instance, table, outcome.refused)


def _reloaded(context: dg.OpExecutionContext, table: LayerTable, reloaded: "Reloaded") -> Events:
    """The same for days that had to be loaded whole."""
    why = "a full load of a day that waited for it"
    yield from _materialised(context, table, reloaded.good, reloaded.committed, why)
    yield from beside(table, reloaded.good, replace(reloaded.committed, versions=()))
    yield from verdicts(context.instance, table, reloaded.audited)


def _materialised(
    context: dg.OpExecutionContext,
    table: LayerTable,
    days: "Sequence[LoadedDay]",
    committed: "Committed",
    why: str,
) -> Events:
    platform: Platform = context.resources.platform
    newest = platform.settings.newest_partition()
    ahead = ONE_DAY if table.has_zone_days else 0 * ONE_DAY
    future = [loaded.day for loaded in days if loaded.day > newest + ahead]
    if future:
        context.log.warning(
            f"{table.path} has rows of days that are in the future: {', '.join(map(str, future))}."
        )
    shown = [loaded for loaded in days if loaded.day <= newest]
    for loaded in shown:
        metadata = {
            **day_metadata(platform.catalog, loaded, total_rows=committed.total_rows),
            **cost_metadata(committed.jobs, 1),
            "why": why,
            "changed_rows": loaded.files.rows,
        }
        yield dg.AssetMaterialization(
            key_of(table),
            partition=partition_of(loaded.day),
            metadata=metadata,
            tags=provenance(table, context.run_id),
        )
    if table.versions:
        yield from version_events(table.versions, committed.versions)
    yield from verdicts(context.instance, table, shown)


def _log(context: dg.OpExecutionContext, report: SyncReport) -> None:
    """One line that says what there was to do, and what holds the rest back."""
    last = report.last
    mark = last.mark.shown if last and last.mark else "the beginning"
    context.log.info(
        f"{report.table}: {count_of(report.rows, 'row')} read, {report.changed:,} changed, "
        f"{report.removed:,} removed, {count_of(len(report.days), 'day')} touched; stands at "
        f"{mark}."
    )
    if last and last.horizon.held_by:
        context.log.info(f"{report.table}: held back by {last.horizon.held_by}.")
    for note in report.notes():
        context.log.warning(note)


def _shown(told: Mapping[str, object]) -> Metadata:
    return {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in told.items()}
