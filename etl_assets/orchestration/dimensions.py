"""Dimensions as assets: a run brings the keys that changed up to the input, and says what it did.

How that is done is `pipeline/dimensions/`; the asset reads and publishes by keys, past the IO
managers, as a sync does.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.core.catalog import Catalog
from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.orchestration.checks import verdicts
from etl_assets.orchestration.failures import failure_of, refused_days
from etl_assets.orchestration.metadata import (
    Metadata,
    asset_metadata,
    code_of,
    cost_metadata,
    day_metadata,
)
from etl_assets.orchestration.names import key_of, step_of
from etl_assets.orchestration.partitions import mapping_of
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.dimensions.build import DimensionRun


def dimension_asset(
    catalog: Catalog, table: LayerTable, warehouse_kind: str
) -> dg.AssetsDefinition:
    """The asset of a dimension; its key is the table's path, and it has no partitions."""
    above = catalog.inputs_of(table)
    deps = [
        dg.AssetDep(key_of(one), partition_mapping=mapping_of(table, table.inputs[name], one))
        for name, one in above.items()
    ]
    # Nobody runs versions: in a run of all tables the dimension comes after what publishes them.
    publishers = [
        catalog[catalog.publisher_of(one.path)] for one in above.values() if one.path not in catalog
    ]

    @dg.asset(
        key=key_of(table),
        deps=[
            *deps,
            *(dg.AssetDep(key_of(one), partition_mapping=_all_of(one)) for one in publishers),
        ],
        # What is made of the dimension reads it by this one; the asset itself publishes.
        io_manager_key="warehouse_io_manager",
        required_resource_keys={"platform"},
        description=table.description,
        group_name=str(table.layer),
        kinds={warehouse_kind, "polars"},
        owners=table.owners,
        tags={"domain": table.domain},
        metadata={**asset_metadata(catalog, table), **code_of(table)},
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        try:
            yield from _build(context, table)
        except Exception as error:
            raise failure_of(error) from None

    return build


def _all_of(table: LayerTable) -> dg.PartitionMapping | None:
    return dg.AllPartitionMapping() if table.has_days else None


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
            raise refused_days(table, [], [run.loaded])
        yield dg.MaterializeResult(metadata=_described(platform, run))
        if run.loaded is not None:
            # Last, because a verdict counts for the materialisation that it names.
            yield from verdicts(context.instance, table, [run.loaded])


def _described(platform: Platform, run: "DimensionRun") -> Metadata:
    committed = run.committed
    assert committed is not None  # noqa: S101 - a refused run describes nothing
    if run.loaded is None:
        return {"dagster/row_count": committed.total_rows, "unchanged": True}
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
