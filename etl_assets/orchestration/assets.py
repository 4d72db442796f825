"""The factory that turns a layer table into an asset: read, transform, audit, publish.

A run may hold many days. Each gets a verdict of its own: good days are published and materialised
even where others are refused, and the run fails naming those.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.core.errors import StalePublication
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.checks import verdicts
from etl_assets.orchestration.failures import failure_of, overtaken, refused_days
from etl_assets.orchestration.io_managers import WarehouseIOManager
from etl_assets.orchestration.keys import key_of
from etl_assets.orchestration.metadata import table_metadata
from etl_assets.orchestration.partitions import BACKFILL_POLICIES, days_of, mapping_of
from etl_assets.orchestration.platform import Platform
from etl_assets.orchestration.versions import version_events

if TYPE_CHECKING:
    from etl_assets.pipeline.days import FailedDay, LoadedDay
    from etl_assets.sources.base import DaySource

SOURCE_GROUP = "source"
_ROUNDS = 3
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
    key = key_of(table)

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
        from etl_assets.pipeline.derive import DerivedSource

        source = inputs["source"] if table.source else DerivedSource(table, inputs)
        try:
            yield from _load(context, table, source)
        except StalePublication as error:
            raise overtaken(table, error) from None
        except Exception as error:
            raise failure_of(error) from None

    return load


def _load(
    context: dg.AssetExecutionContext, table: LayerTable, source: "DaySource"
) -> Iterator[Any]:
    from etl_assets.pipeline.days import LoadedDay

    platform: Platform = context.resources.platform
    with platform.spool(context.run_id, f"{table.layer}__{table.name}") as folder:
        days = {day.day: day for day in _loaded(context, table, source, folder)}
        for day in days.values():
            good_day = isinstance(day, LoadedDay) and day.is_good
            platform.on_day(table.path, day.day, good_day)
        good = [day for day in days.values() if isinstance(day, LoadedDay) and day.is_good]
        refused = [day for day in days.values() if day not in good]
        audited = [day for day in refused if isinstance(day, LoadedDay)]
        yield from verdicts(context.instance, table, audited)
        if not refused:
            yield dg.Output(good)  # the IO manager publishes
        elif good:
            yield from _publish_good(context, table, good)
        if table.syncs:
            yield from _beside(context, table, good)
        # Last, because a verdict counts for the materialisation that it names.
        yield from verdicts(context.instance, table, good)
    remember_columns(platform, table, source, context.run_id)
    if refused:
        raise refused_days(table, good, refused)


def _loaded(
    context: dg.AssetExecutionContext, table: LayerTable, source: "DaySource", folder: Path
) -> "Iterator[LoadedDay | FailedDay]":
    """Every day, and once more those that a sync has published newer while others were read."""
    from etl_assets.pipeline.days import LoadedDay
    from etl_assets.pipeline.load import load_days
    from etl_assets.pipeline.publish import published_counts

    platform: Platform = context.resources.platform
    days = days_of(context.partition_keys)
    for _ in range(_ROUNDS):
        published = published_counts(platform.warehouse, table)
        loaded = list(load_days(table, source, days, published, folder, context.run_id))
        yield from loaded
        newest = {s.partition_key: s.as_of for s in platform.warehouse.state(table)}
        read = [day for day in loaded if isinstance(day, LoadedDay)]
        days = [day.day for day in read if newest.get(day.day, day.as_of) > day.as_of]
        if not (table.syncs and days):
            return
        context.log.info(f"{len(days)} days of {table.path} were synced meanwhile: read again.")


def _beside(
    context: dg.AssetExecutionContext, table: LayerTable, good: "list[LoadedDay]"
) -> Iterator[dg.AssetMaterialization]:
    """What else this publication touched: days that rows moved away from, and versions."""
    platform: Platform = context.resources.platform
    days = {loaded.day for loaded in good}
    states = platform.warehouse.state(table)
    loads = {state.load_id for state in states if state.partition_key in days}
    for state in states:
        if state.load_id in loads and state.partition_key not in days:
            yield dg.AssetMaterialization(
                context.asset_key,
                partition=state.partition_key.isoformat(),
                metadata={
                    "dagster/partition_row_count": state.row_count,
                    "why": "rows of it were found on another day",
                },
            )
    if table.versions:
        yield from version_events(platform, table.versions, loads)


def remember_columns(
    platform: Platform, table: LayerTable, source: "DaySource", run_id: str
) -> None:
    """Put the source's columns on record where they are not those of last time."""
    columns, seen = getattr(source, "columns", None), getattr(source, "seen", None)
    if columns and list(columns) != list(seen or ()):
        from etl_assets.pipeline.sync_log import Log

        platform.warehouse.record([Log(table, run_id).columns(columns)])


def _publish_good(
    context: dg.AssetExecutionContext, table: LayerTable, good: "list[LoadedDay]"
) -> Iterator[dg.AssetMaterialization]:
    """Publish what can be, day by day on record: an Output would materialise the bad days too."""
    warehouse: WarehouseIOManager = context.resources.warehouse_io_manager
    for day, metadata in warehouse.publish(table, good, context.run_id).items():
        yield dg.AssetMaterialization(context.asset_key, partition=day, metadata=metadata)


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
