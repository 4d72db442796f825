"""Asset checks: those of every table, recorded a day at a time, and run alone from the UI.

What they demand follows from the contract (`core/verdict.py`). As part of a load the asset records
them; the check op here audits what is published, and does nothing in a run that loads the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from etl_assets.core.checks import CHECKS, ONE_VERSION, SCHEMA_DRIFT, CheckResult, Severity
from etl_assets.core.table import Input, LayerTable
from etl_assets.orchestration.metadata import evidence_metadata
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.partitions import days_of, partition_of, partitions_of
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay

_CONSEQUENCE = {
    Severity.ERROR: "A day that fails it is not published.",
    Severity.WARN: "A day that fails it is published all the same.",
}


def check_specs(table: LayerTable, days: dg.PartitionsDefinition[str]) -> list[dg.AssetCheckSpec]:
    """A partitioned spec for each check: an unpartitioned one lets bad days through.

    The UI calls them non-blocking, as Dagster means it: they do their blocking before publication.
    """
    severities = {
        check: table.thresholds.severities.get(check.name, check.severity)
        for check in (*CHECKS, *table.own_checks)
    }
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=key_of(table),
            description=f"{check.description} {_CONSEQUENCE[severity]}",
            partitions_def=partitions_of(table, days),
            metadata={"severity": str(severity)},
        )
        for check, severity in severities.items()
    ]


def verdicts(
    instance: dg.DagsterInstance, table: LayerTable, days: "Sequence[LoadedDay]"
) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts of the days, on what is materialised of them at this moment."""
    targets = _materialised(instance, table, [loaded.day for loaded in days])
    for loaded in days:
        yield from _evaluations(loaded, targets.get(partition_of(loaded.day)))


def _evaluations(loaded: "LoadedDay", target: Target | None) -> Iterator[dg.AssetCheckEvaluation]:
    """The day's verdicts. `AssetCheckResult` has no partition in a run of several days.

    The UI shows a day's check as missing unless it names the day's newest materialisation.
    """
    for result in loaded.results:
        yield dg.AssetCheckEvaluation(
            asset_key=key_of(loaded.table),
            check_name=result.check.name,
            passed=result.passed,
            metadata=evidence_metadata(result.evidence),
            target_materialization_data=target,
            severity=severity_of(result),
            partition=partition_of(loaded.day),
        )


def severity_of(result: CheckResult) -> dg.AssetCheckSeverity:
    """How grave it is if the check failed."""
    is_error = result.severity is Severity.ERROR
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN


def build_checks(table: LayerTable, days: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    """The table's checks as an op of their own, against what is published."""

    @dg.multi_asset_check(
        name=f"{table.layer}__{table.name}__checks",
        specs=check_specs(table, days),
        can_subset=True,
        required_resource_keys={"platform"},
    )
    def run_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckEvaluation]:
        loading = context.job_def.asset_layer.selected_asset_keys
        if key_of(table) in loading:
            return  # the asset itself records them, before it publishes
        # What is published says nothing of the source's columns, or of dimensions.
        unseen = {SCHEMA_DRIFT.name, ONE_VERSION.name}
        wanted = {key.name for key in context.selected_asset_check_keys} - unseen
        platform: Platform = context.resources.platform
        for loaded, target in _audit_published(context, table, platform):
            yield from (e for e in _evaluations(loaded, target) if e.check_name in wanted)

    return run_checks


def _audit_published(
    context: dg.AssetCheckExecutionContext, table: LayerTable, platform: Platform
) -> "Iterator[tuple[LoadedDay, Target | None]]":
    from etl_assets.core.partitions import Window
    from etl_assets.pipeline.days import LoadedDay, Published
    from etl_assets.pipeline.derive import PublishedSource, Upstream
    from etl_assets.pipeline.load import load_days

    counts = {
        state.partition_key: state.row_count for state in platform.warehouse.seen.state(table)
    }
    op = context.op_execution_context
    run_id = op.run_id
    if table.has_days and (op.has_partition_key or op.has_partition_key_range):
        days = [day for day in days_of(op.partition_keys) if day in counts]
    else:
        days = sorted(counts)
    targets = _materialised(op.instance, table, days)
    with platform.spool(run_id, f"checks.{table.layer}.{table.name}") as folder:
        extract = platform.warehouse.seen.read(table, [Window.of(d) for d in days], folder / "in")
        published = Upstream(
            table, Input(table.path), extract.as_of, dict(zip(days, extract.frames, strict=True))
        )
        source = PublishedSource(table, published, counts)
        for loaded in load_days(table, source, days, Published(counts), folder, run_id):
            if isinstance(loaded, LoadedDay):
                yield loaded, targets.get(partition_of(loaded.day))


def _materialised(
    instance: dg.DagsterInstance, table: LayerTable, days: Sequence[date]
) -> Mapping[str | None, Target]:
    """The newest materialisation of each of the days that has one, by partition key, if any."""
    key = key_of(table)
    if not table.has_days:
        records = instance.fetch_materializations(key, limit=1).records
        return {None: _target(records[0])} if records else {}
    newest = instance.get_latest_storage_id_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, {day.isoformat() for day in days}
    )
    if not days or not newest:
        return {}
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(key, storage_ids=list(newest.values())), limit=len(newest)
    )
    return {
        record.partition_key: _target(record) for record in found.records if record.partition_key
    }


def _target(record: dg.EventLogRecord) -> Target:
    return Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
