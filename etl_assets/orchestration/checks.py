"""Asset checks: what Dagster knows of those of every table, and their verdicts, a day at a time.

What they demand follows from the contract (`core/verdict.py`). The asset itself records them,
before it publishes; `checks_alone.py` runs them without a load, and `refused_days.py` has the one
check that is about the table and not about a day.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from etl_assets.core.checks import CHECKS, CheckResult, Severity
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.metadata import evidence_metadata
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.partitions import partition_of, partitions_of
from etl_assets.orchestration.refused_days import refused_days_spec

if TYPE_CHECKING:
    from etl_assets.pipeline.days import LoadedDay

_CONSEQUENCE = {
    Severity.ERROR: "A day that fails it is not published, and nothing is built on it.",
    Severity.WARN: "A day that fails it is published all the same.",
}


def check_specs(table: LayerTable, days: dg.PartitionsDefinition[str]) -> list[dg.AssetCheckSpec]:
    """A partitioned spec for each check, as an unpartitioned one lets bad days through; and
    `days_refused`, which lets nothing through because it decides nothing.

    Checks that keep a day from being published are blocking ones to Dagster as well. They block
    before the publication; that Dagster holds back what is downstream in the same run changes
    nothing, as such a run has failed already.
    """
    severities = {
        check: table.thresholds.severities.get(check.name, check.severity)
        for check in (*CHECKS, *table.own_checks)
    }
    return [
        *(
            dg.AssetCheckSpec(
                check.name,
                asset=key_of(table),
                description=f"{check.description} {_CONSEQUENCE[severity]}",
                blocking=severity is Severity.ERROR,
                partitions_def=partitions_of(table, days),
                metadata={"severity": str(severity)},
            )
            for check, severity in severities.items()
        ),
        refused_days_spec(table),
    ]


def verdicts(
    instance: dg.DagsterInstance, table: LayerTable, days: "Sequence[LoadedDay]"
) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts of the days, on what is materialised of them at this moment."""
    targets = materialised(instance, table, [loaded.day for loaded in days])
    for loaded in days:
        yield from evaluations(loaded, targets.get(partition_of(loaded.day)))


def evaluations(loaded: "LoadedDay", target: Target | None) -> Iterator[dg.AssetCheckEvaluation]:
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


def check_outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """The outputs of the step's checks, which an `AssetCheckEvaluation` leaves out.

    Without them Dagster notes in each run that the step "did not yield expected outputs", and warns
    that the checks hold nothing back.
    """
    op, definition = context.op_execution_context, context.assets_def
    for key in sorted(op.selected_asset_check_keys):
        yield dg.Output(None, definition.get_output_name_for_asset_check_key(key))


def severity_of(result: CheckResult) -> dg.AssetCheckSeverity:
    """How grave it is if the check failed."""
    is_error = result.severity is Severity.ERROR
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN


def materialised(
    instance: dg.DagsterInstance, table: LayerTable, days: Sequence[date]
) -> Mapping[str | None, Target]:
    """The newest materialisation of each of the days that has one, by partition key, if any."""
    return {key: _target(one) for key, one in newest_records(instance, table, days).items()}


def newest_records(
    instance: dg.DagsterInstance, table: LayerTable, days: Sequence[date]
) -> Mapping[str | None, dg.EventLogRecord]:
    """The same as records, with their metadata."""
    key = key_of(table)
    if not table.has_days:
        records = instance.fetch_materializations(key, limit=1).records
        return {None: records[0]} if records else {}
    newest = instance.get_latest_storage_id_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, {day.isoformat() for day in days}
    )
    if not days or not newest:
        return {}
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(key, storage_ids=list(newest.values())), limit=len(newest)
    )
    return {record.partition_key: record for record in found.records if record.partition_key}


def _target(record: dg.EventLogRecord) -> Target:
    return Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
