"""The checks of a table, run without a load: they audit what is published, and publish nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from etl_assets.core.checks import DAYS_REFUSED, ONE_VERSION, SCHEMA_DRIFT
from etl_assets.core.table import Input, LayerTable
from etl_assets.orchestration.checks import check_outputs, evaluations, materialised
from etl_assets.orchestration.partitions import days_of, partition_of
from etl_assets.orchestration.refused_days import count_refused_days
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from dagster._core.definitions.asset_checks.asset_check_evaluation import (
        AssetCheckEvaluationTargetMaterializationData as Target,
    )

    from etl_assets.pipeline.days import LoadedDay

# What is published says nothing of the source's columns, or of dimensions.
_UNSEEN = {SCHEMA_DRIFT.name, ONE_VERSION.name}


def only_checks(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was asked for checks of the asset and not for the asset."""
    return not context.op_execution_context.selected_asset_keys


def run_checks(
    context: dg.AssetExecutionContext, table: LayerTable
) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
    """The verdicts of the checks that were asked for, of the run's days, or of all published ones
    where the run has none."""
    platform: Platform = context.resources.platform
    asked = {key.name for key in context.op_execution_context.selected_asset_check_keys}
    for loaded, target in _audit_published(context, table, platform):
        wanted = asked - _UNSEEN
        yield from (one for one in evaluations(loaded, target) if one.check_name in wanted)
    if DAYS_REFUSED.name in asked:
        yield count_refused_days(platform, table)
    yield from check_outputs(context)


def _audit_published(
    context: dg.AssetExecutionContext, table: LayerTable, platform: Platform
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
    targets = materialised(op.instance, table, days)
    with platform.spool(run_id, f"checks.{table.layer}.{table.name}") as folder:
        extract = platform.warehouse.seen.read(table, [Window.of(d) for d in days], folder / "in")
        published = Upstream(
            table, Input(table.path), extract.as_of, dict(zip(days, extract.frames, strict=True))
        )
        source = PublishedSource(table, published, counts)
        for loaded in load_days(table, source, days, Published(counts), folder, run_id):
            if isinstance(loaded, LoadedDay):
                yield loaded, targets.get(partition_of(loaded.day))
