"""The factory that turns a layer table into an asset: read, transform, audit, publish.

A run may hold many days. Each gets a verdict of its own: good days are published and materialised
even where others are refused, and the run fails naming those.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import EtlError, StalePublication
from etl_assets.core.keeping import CLOSED_TAG, LOAD_CLOSED
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.arrivals import freshness_of
from etl_assets.orchestration.checks import verdicts
from etl_assets.orchestration.failures import failure_of, overtaken, refused_days
from etl_assets.orchestration.io_managers import READER, WarehouseIOManager
from etl_assets.orchestration.metadata import asset_metadata, code_of
from etl_assets.orchestration.names import key_of, source_key, step_of
from etl_assets.orchestration.partitions import (
    BACKFILL_POLICIES,
    mapping_of,
    partition_of,
    partitions_of,
    parts_of,
)
from etl_assets.orchestration.versions import version_events
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import FailedDay, LoadedDay
    from etl_assets.pipeline.publish import Committed
    from etl_assets.sources.reads import DaySource

SOURCE_GROUP = "source"


def source_asset(table: LayerTable, days: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The external asset of the source table that a raw table is read from."""
    assert table.source is not None  # noqa: S101 - only raw tables have a source
    return dg.AssetSpec(
        source_key(table),
        partitions_def=partitions_of(table, days),
        description=f"{table.source.place} of {table.source.system}.",
        group_name=SOURCE_GROUP,
        kinds={table.source.KIND},
        owners=table.owners,
        tags={"domain": table.domain},
        metadata={"dagster/table_name": table.source.place},
    ).with_io_manager_key("postgres_io_manager")


def build_asset(
    catalog: Catalog,
    table: LayerTable,
    days: dg.PartitionsDefinition[str],
    warehouse_kind: str,
) -> dg.AssetsDefinition:
    """The asset of a layer table; its key is the table's path."""

    @dg.asset(
        key=key_of(table),
        ins=_inputs(catalog, table),
        partitions_def=partitions_of(table, days),
        backfill_policy=BACKFILL_POLICIES[table.layer] if table.has_days else None,
        freshness_policy=freshness_of(table, days),
        io_manager_key="warehouse_io_manager",
        output_required=False,
        required_resource_keys={"platform", "warehouse_io_manager"},
        description=table.description,
        group_name=str(table.layer),
        kinds={warehouse_kind, "polars"},
        owners=table.owners,
        tags={"domain": table.domain},
        metadata={**asset_metadata(catalog, table), **code_of(table)},
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
    """Load the parts, let the good ones be published, and put on record what came of each."""
    from etl_assets.pipeline.publish import Committed
    from etl_assets.pipeline.run_days import load

    platform: Platform = context.resources.platform
    manager: WarehouseIOManager = context.resources.warehouse_io_manager
    with platform.spool(context.run_id, step_of(table)) as folder:
        parts = parts_of(table, context)
        loaded = load(
            table,
            source,
            platform.warehouse,
            parts,
            folder,
            context.run_id,
            context.log.info,
            even_closed=context.run.tags.get(CLOSED_TAG) == LOAD_CLOSED,
        )
        for day in (*loaded.good, *loaded.refused):
            platform.on_day(table.path, day.day, day in loaded.good)
        for note in loaded.notes(table):
            context.log.warning(note)
            platform.on_note(note)
        yield from verdicts(context.instance, table, loaded.audited)
        committed = Committed()
        if not loaded.refused:
            yield dg.Output(loaded.good)  # the IO manager publishes
            committed = manager.committed(context.run_id, table)
        elif loaded.good:
            # Day by day on record: an Output would materialise the refused days too.
            committed, described = manager.publish(table, loaded.good, context.run_id)
            for partition, metadata in described.items():
                yield dg.AssetMaterialization(
                    context.asset_key, partition=partition, metadata=metadata
                )
        yield from beside(platform, table, loaded.good, committed)
        # Last, because a verdict counts for the materialisation that it names.
        yield from verdicts(context.instance, table, loaded.good)
    _remember_columns(platform, table, source, context.run_id)
    if loaded.refused:
        _remember_refusals(context, platform, table, loaded.refused)
        raise refused_days(table, loaded.good, loaded.refused)


def beside(
    platform: Platform, table: LayerTable, good: "Sequence[LoadedDay]", committed: "Committed"
) -> Iterator[dg.AssetMaterialization]:
    """What else a publication touched: days that rows moved away from, and versions."""
    days = {loaded.day for loaded in good}
    for state in committed.states:
        if state.partition_key not in days:
            yield dg.AssetMaterialization(
                key_of(table),
                partition=partition_of(state.partition_key),
                metadata={
                    "dagster/partition_row_count": state.row_count,
                    "why": "rows of it were found on another day",
                },
            )
    if table.versions:
        yield from version_events(platform, table.versions, committed.versions)


def _remember_refusals(
    context: dg.AssetExecutionContext,
    platform: Platform,
    table: LayerTable,
    refused: "Sequence[LoadedDay | FailedDay]",
) -> None:
    """Put the refused days on record for `status`; where that fails the run still says why."""
    from etl_assets.pipeline.refusals import remember

    try:
        remember(platform.warehouse, table, refused, context.run_id)
    except EtlError as error:
        context.log.warning(f"{table.path}: its refused days are not on record. {error}")


def _remember_columns(
    platform: Platform, table: LayerTable, source: "DaySource", run_id: str
) -> None:
    """Put the source's columns on record, for a table that is read from a source."""
    from etl_assets.pipeline.sync_log import remember_columns
    from etl_assets.pipeline.turns import in_turn
    from etl_assets.sources.base import Source

    if isinstance(source, Source) and source.columns and source.columns != source.seen:
        columns = source.columns
        in_turn(lambda: remember_columns(platform.warehouse, table, columns, run_id))


def _inputs(catalog: Catalog, table: LayerTable) -> dict[str, dg.AssetIn]:
    if table.source is not None:
        return {"source": dg.AssetIn(source_key(table))}
    # Dagster loads them in this order, and a dimension must be read after the facts: a version that
    # is published between the two is then seen, or makes the day late (`dimensions/marks.py`).
    inputs = sorted(
        catalog.inputs_of(table).items(), key=lambda one: table.inputs[one[0]].as_of is not None
    )
    return {
        name: dg.AssetIn(
            key_of(above),
            partition_mapping=mapping_of(table, table.inputs[name], above),
            metadata={READER: table.path},
        )
        for name, above in inputs
    }
