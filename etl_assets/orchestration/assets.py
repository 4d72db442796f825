"""The factory that turns a layer table into an asset: read, transform, audit, publish.

A run may hold many days. Each gets a verdict of its own: good days are published and materialised
even where others are refused, and the run fails naming those.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from etl_assets.core.errors import EtlError
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.checks import verdicts
from etl_assets.orchestration.io_managers import WarehouseIOManager
from etl_assets.orchestration.metadata import table_metadata
from etl_assets.orchestration.partitions import BACKFILL_POLICIES, days_of, mapping_of
from etl_assets.orchestration.platform import Platform

if TYPE_CHECKING:
    from etl_assets.core.reads import DaySource
    from etl_assets.loading import FailedDay, LoadedDay

SOURCE_GROUP = "source"
_TABLES = Path(__file__).parents[1] / "tables"


def source_asset(table: LayerTable, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The external asset of the source table that a raw table is read from."""
    assert table.source is not None  # noqa: S101 - only raw tables have a source
    return dg.AssetSpec(
        ["source", table.name],
        partitions_def=partitions,
        description=f"{table.source.schema}.{table.source.table} of the source database.",
        group_name=SOURCE_GROUP,
        kinds={"postgres"},
        owners=table.owners,
        tags={"domain": table.domain},
        metadata={"dagster/table_name": f"{table.source.schema}.{table.source.table}"},
    ).with_io_manager_key("postgres_io_manager")


def build_asset(
    table: LayerTable, partitions: dg.PartitionsDefinition[str], warehouse_kind: str
) -> dg.AssetsDefinition:
    """The asset of a layer table; its key is the table's path."""
    key = dg.AssetKey(table.path.split("/"))

    @dg.asset(
        key=key,
        ins=_inputs(table),
        partitions_def=partitions,
        backfill_policy=BACKFILL_POLICIES[table.layer],
        io_manager_key="warehouse_io_manager",
        output_required=False,
        required_resource_keys={"platform", "warehouse_io_manager"},
        description=table.description,
        group_name=str(table.layer),
        kinds={warehouse_kind, "polars"},
        owners=table.owners,
        tags={"domain": table.domain},
        metadata={**table_metadata(table), "dagster/code_references": _code_of(table)},
    )
    def load(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
        from etl_assets.deriving import DerivedSource

        source = inputs["source"] if table.source else DerivedSource(table, inputs)
        try:
            yield from _load(context, table, source)
        except EtlError as error:
            raise dg.Failure(str(error), allow_retries=error.retryable) from None

    return load


def _load(
    context: dg.AssetExecutionContext, table: LayerTable, source: "DaySource"
) -> Iterator[Any]:
    from etl_assets.loading import LoadedDay, load_days
    from etl_assets.publishing import published_counts

    platform: Platform = context.resources.platform
    good: list[LoadedDay] = []
    refused: list[LoadedDay | FailedDay] = []
    step = f"{table.layer}__{table.name}"
    with platform.spool(context.run_id, step) as folder:
        published = published_counts(platform.warehouse, table)
        days = days_of(context.partition_keys)
        for loaded in load_days(table, source, days, published, folder, context.run_id):
            is_good = isinstance(loaded, LoadedDay) and loaded.is_good
            platform.on_day(table.path, loaded.day, is_good)
            (good if is_good else refused).append(loaded)  # type: ignore[arg-type]
        audited = [day for day in refused if isinstance(day, LoadedDay)]
        yield from verdicts(context, table, audited)
        if not refused:
            yield dg.Output(good)  # the IO manager publishes
        elif good:
            yield from _publish_good(context, table, good)
        # Last, because a verdict counts for the materialisation that it names.
        yield from verdicts(context, table, good)
    if refused:
        raise _failure(table, good, refused)


def _publish_good(
    context: dg.AssetExecutionContext, table: LayerTable, good: "list[LoadedDay]"
) -> Iterator[dg.AssetMaterialization]:
    """Publish what can be, day by day on record: an Output would materialise the bad days too."""
    warehouse: WarehouseIOManager = context.resources.warehouse_io_manager
    for day, metadata in warehouse.publish(table, good, context.run_id).items():
        yield dg.AssetMaterialization(context.asset_key, partition=day, metadata=metadata)


def _failure(
    table: LayerTable, good: "list[LoadedDay]", refused: "list[LoadedDay | FailedDay]"
) -> dg.Failure:
    from etl_assets.loading import LoadedDay

    reasons = [
        f"{one.day}: {_broken(one) if isinstance(one, LoadedDay) else one.error}" for one in refused
    ]
    return dg.Failure(
        f"{table.path}: {len(refused)} of {len(refused) + len(good)} days are not published "
        f"({'; '.join(reasons)}). What was published for them before stays. See the checks of "
        "these days, mend the source or the contract, and run only these days again.",
        metadata={
            "days_not_published": ", ".join(str(one.day) for one in refused),
            "days_published": len(good),
        },
        allow_retries=False,
    )


def _broken(loaded: "LoadedDay") -> str:
    """The checks that refused the day; of bad rows the commonest rule, its rows and some keys."""
    told = []
    for result in (result for result in loaded.results if result.blocks):
        rules = cast("list[dict[str, object]]", result.evidence.get("broken_rules", []))
        first = [f" ({r['rule']}: {r['rows']} rows, {r['sample_keys']})" for r in rules[:1]]
        told.append(result.check.name + "".join(first))
    return ", ".join(told)


def _code_of(table: LayerTable) -> dg.CodeReferencesMetadataValue:
    """The module that declares the table."""
    path = str(_TABLES / f"{table.name}.py")
    reference = dg.LocalFileCodeReference(file_path=path, line_number=1, label=table.path)
    return dg.CodeReferencesMetadataValue(code_references=[reference])


def _inputs(table: LayerTable) -> dict[str, dg.AssetIn]:
    if table.source is not None:
        return {"source": dg.AssetIn(["source", table.name])}
    return {
        name: dg.AssetIn(
            given.asset.split("/"),
            partition_mapping=mapping_of(given),
            metadata={"all_days_until": given.all_days_until},
        )
        for name, given in table.inputs.items()
    }
