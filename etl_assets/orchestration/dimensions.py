"""Dimensions as assets: a run brings the keys that changed up to the input, and says what it did.

How that is done is `pipeline/dimensions/`; the asset reads and publishes by keys, past the IO
managers, as a sync does.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.declared.code_version import code_version
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.orchestration.checks import check_outputs, check_specs, verdicts
from etl_assets.orchestration.checks_alone import only_checks, run_checks
from etl_assets.orchestration.failures import failure_of, refused_days
from etl_assets.orchestration.inputs import deps_of
from etl_assets.orchestration.metadata import (
    Metadata,
    asset_metadata,
    cost_metadata,
    day_metadata,
    kinds_of,
)
from etl_assets.orchestration.names import key_of, step_of
from etl_assets.orchestration.partitions import every_day_of
from etl_assets.orchestration.refused_days import count_refused_days
from etl_assets.orchestration.started_by import note_who_started
from etl_assets.orchestration.unchanged import unchanged_metadata, verdicts_of_left
from etl_assets.pipeline.platform import Platform

NOT_MADE_DIMENSION = "No key of its input changed, so nothing was made."

if TYPE_CHECKING:
    from etl_assets.pipeline.dimensions.build import DimensionRun


def dimension_asset(
    settings: Settings, catalog: Catalog, table: LayerTable, days: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """The asset of a dimension, with its checks; its key is the table's path, and it has no
    partitions. `days` are those of the platform."""
    above = catalog.inputs_of(table)
    # Nobody runs versions: in a run of all tables the dimension comes after what publishes them.
    publishers = [
        catalog[catalog.publisher_of(one.path)] for one in above.values() if one.path not in catalog
    ]

    spec = dg.AssetSpec(
        key_of(table),
        deps=[
            *deps_of(catalog, table),
            *(dg.AssetDep(key_of(one), partition_mapping=every_day_of(one)) for one in publishers),
        ],
        skippable=True,
        description=table.description,
        group_name=str(table.layer),
        kinds=kinds_of(settings),
        owners=table.owners,
        tags={"domain": table.domain},
        metadata=asset_metadata(settings, catalog, table),
        code_version=code_version(table),
    )

    @dg.multi_asset(
        name=step_of(table),
        specs=[spec],
        check_specs=check_specs(table, days),
        can_subset=True,
        required_resource_keys={"platform"},
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        note_who_started(context)
        try:
            yield from (
                run_checks(context, table) if only_checks(context) else _build(context, table)
            )
        except Exception as error:
            raise failure_of(error) from None

    return build


def _build(context: dg.AssetExecutionContext, table: LayerTable) -> Iterator[Any]:
    from etl_assets.pipeline.dimensions.build import build_dimension
    from etl_assets.pipeline.refusals import remember

    platform: Platform = context.resources.platform
    with platform.spool(context.run_id, step_of(table)) as folder:
        run = build_dimension(platform.warehouse, platform.catalog, table, folder, context.run_id)
        platform.on_day(table.path, WHOLE, run.committed is not None)
        if run.committed is None and run.loaded is not None:
            yield from verdicts(context.instance, table, [run.loaded])
            remember(platform.warehouse, table, [run.loaded], context.run_id)
            yield count_refused_days(platform, table)
            raise refused_days(table, [], [run.loaded])
        same = run.committed.same.get(WHOLE) if run.committed else None
        version = dg.DataVersion(same.run_id if same else context.run_id)
        yield dg.MaterializeResult(metadata=_described(platform, run), data_version=version)
        if run.loaded is not None:
            # Last, because a verdict counts for the materialisation that it names.
            yield from verdicts(context.instance, table, [run.loaded])
        elif same is not None:
            left = {WHOLE: same}
            yield from verdicts_of_left(context.instance, table, left, NOT_MADE_DIMENSION)
        yield count_refused_days(platform, table)
        yield from check_outputs(context)


def _described(platform: Platform, run: "DimensionRun") -> Metadata:
    committed = run.committed
    assert committed is not None  # noqa: S101 - a refused run describes nothing
    if run.loaded is None:
        unchanged = unchanged_metadata(committed.same.get(WHOLE), NOT_MADE_DIMENSION)
        return {"dagster/row_count": committed.total_rows, **unchanged}
    late = {path: sorted(days) for path, days in run.marks.items() if days}
    told = "; ".join(
        f"{path}: {count_of(len(days), 'day')} from {days[0]} to {days[-1]}"
        for path, days in late.items()
    )
    return {
        **day_metadata(
            platform.catalog,
            run.loaded,
            total_rows=committed.total_rows,
            publish_seconds=committed.seconds,
        ),
        **cost_metadata(committed.jobs, 1),
        "keys_made_anew": run.keys,
        "versions_written": run.coming,
        "versions_removed": run.leaving,
        "made_of": "all of its input" if run.whole else "the keys that changed",
        "facts_made_late": told or "none",
    }
