"""Days that are not published as they should be, so that nobody takes their page for green.

The check `days_refused` counts them; it decides nothing. What a day was refused for is on record in
the table's row (`pipeline/refusals.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData

from etl_assets.core.checks import DAYS_REFUSED
from etl_assets.core.partitions import WHOLE
from etl_assets.core.reload_reasons import refused_of
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.partitions import partition_of
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import FailedDay, LoadedDay

_MOST_SHOWN = 100


def refused_days_spec(table: LayerTable) -> dg.AssetCheckSpec:
    """The check of the table as a whole; without partitions, as it is about all of its days."""
    return dg.AssetCheckSpec(
        DAYS_REFUSED.name,
        asset=key_of(table),
        description=f"{DAYS_REFUSED.description} It only counts: the other checks kept them out.",
        metadata={"severity": str(DAYS_REFUSED.severity)},
    )


def count_refused_days(platform: Platform, table: LayerTable) -> dg.AssetCheckEvaluation:
    """How many days are not published as they should be, and why; red unless there is none.

    Raises what the warehouse raises.
    """
    return dg.AssetCheckEvaluation(
        asset_key=key_of(table),
        check_name=DAYS_REFUSED.name,
        **_told(table, platform.reload_reasons(table)),
        severity=dg.AssetCheckSeverity.ERROR,
    )


def _told(table: LayerTable, reasons: Mapping[date, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"days_refused": len(reasons)}
    if not reasons:
        return {"passed": True, "metadata": metadata}
    days = sorted(reasons)
    shown = days[-_MOST_SHOWN:]
    metadata["days"] = dg.MetadataValue.table(
        [dg.TableRecord({"day": _shown(day), "why": _why(reasons[day])}) for day in reversed(shown)]
    )
    span = "" if days == [WHOLE] else f" --from {days[0]} --to {days[-1]}"
    again = f"etl-assets sync {table.path}" if table.syncs else None
    load = f"etl-assets backfill {table.path}{span}"
    metadata["next_step"] = "Mend the source or the contract. " + (
        f"The next sync tries again: {again}; or now: {load}" if again else f"Then: {load}"
    )
    newest = _why(reasons[days[-1]])
    what = (
        f"{table.path} is not published as it should be: {newest}."
        if days == [WHOLE]
        else f"{days[-1]} is not published as it should be: {newest}."
        if len(days) == 1
        else f"{len(days):,} of its days are not published as they should be. The newest is "
        f"{days[-1]}: {newest}."
    )
    return {"passed": False, "metadata": metadata, "description": what}


def _why(reason: str) -> str:
    return (refused_of(reason) or reason).rstrip(".")


def _shown(day: date) -> str:
    return "all" if day == WHOLE else day.isoformat()


def refused_last(
    context: dg.AssetExecutionContext,
    evaluations: Iterable[dg.AssetCheckEvaluation],
    parts: Sequence[date],
) -> None:
    """Make the verdict of the newest refused day the latest one of each check that refused it.

    Dagster notes a run's verdicts in the order of its days, and shows the last of them: a good day
    after the refused one would hide it. So the verdict is reported once more, after the run's own.
    """
    newest: dict[str, dg.AssetCheckEvaluation] = {}
    for one in evaluations:
        if not one.passed and one.severity is dg.AssetCheckSeverity.ERROR and one.partition:
            newest[one.check_name] = max(
                newest.get(one.check_name, one), one, key=lambda known: known.partition or ""
            )
    last = partition_of(max(parts))
    for one in newest.values():
        if one.partition != last:
            again = dg.AssetCheckEvaluation(
                asset_key=one.asset_key,
                check_name=one.check_name,
                passed=False,
                metadata=one.metadata,
                target_materialization_data=one.target_materialization_data,
                severity=one.severity,
                description=f"{one.partition} was refused by run {context.run_id[:8]}.",
                partition=one.partition,
            )
            context.instance.report_runless_asset_event(again)


def mark_as_failed(
    context: dg.OpExecutionContext,
    table: LayerTable,
    refused: "Iterable[LoadedDay | FailedDay]",
) -> None:
    """Note that the run meant to materialise these days, as Dagster does for the assets of a run.

    The run of a job of ops fails, and so they are red and not green as they were before it.
    """
    step = context.get_step_execution_context().step.key
    for one in refused:
        planned = AssetMaterializationPlannedData(key_of(table), partition=partition_of(one.day))
        event = dg.DagsterEvent.build_asset_materialization_planned_event(
            context.job_name, step, planned
        )
        context.instance.report_dagster_event(event, context.run_id, "DEBUG")
