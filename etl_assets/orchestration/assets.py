"""The factory that turns a layer table into an asset: read, transform, audit, publish.

A run may hold many days. Each gets a verdict of its own: good days are published and materialised
even where others are refused, and the run fails naming those. The asset has its checks, so that a
load needs no step of its own for them; asked for checks alone it loads nothing (`checks_alone.py`).
"""

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.declared.code_version import code_version
from etl_assets.core.errors import EtlError, StalePublication
from etl_assets.core.keeping import CLOSED_TAG, LOAD_CLOSED
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.checks import check_outputs, check_specs, verdicts
from etl_assets.orchestration.checks_alone import only_checks, run_checks
from etl_assets.orchestration.code_versions import output_of
from etl_assets.orchestration.failures import failure_of, overtaken, refused_days
from etl_assets.orchestration.freshness import policy_of
from etl_assets.orchestration.inputs import deps_of, source_of
from etl_assets.orchestration.io_managers import WarehouseIOManager
from etl_assets.orchestration.metadata import asset_metadata, kinds_of
from etl_assets.orchestration.names import key_of, step_of
from etl_assets.orchestration.partitions import (
    BACKFILL_POLICIES,
    partition_of,
    partitions_of,
    parts_of,
)
from etl_assets.orchestration.refused_days import count_refused_days, refused_last
from etl_assets.orchestration.source_assets import seen_in_load
from etl_assets.orchestration.started_by import note_who_started
from etl_assets.orchestration.unchanged import (
    States,
    is_forced,
    left_as_they_are,
    left_metadata,
    materialisations,
    verdicts_of_left,
)
from etl_assets.orchestration.versions import version_events
from etl_assets.pipeline.platform import Platform

if TYPE_CHECKING:
    from etl_assets.pipeline.days import FailedDay, LoadedDay
    from etl_assets.pipeline.publish import Committed
    from etl_assets.pipeline.run_days import Loaded
    from etl_assets.sources.reads import DaySource

OUTPUT = "result"
"""The output of the step that is the asset; the others are its checks."""


def build_asset(
    settings: Settings,
    catalog: Catalog,
    table: LayerTable,
    days: dg.PartitionsDefinition[str],
) -> dg.AssetsDefinition:
    """The asset of a layer table, with its checks; its key is the table's path."""
    out = dg.AssetOut(
        key=key_of(table),
        is_required=False,
        io_manager_key="warehouse_io_manager",
        description=table.description,
        group_name=str(table.layer),
        kinds=kinds_of(settings),
        owners=table.owners,
        tags={"domain": table.domain},
        metadata=asset_metadata(settings, catalog, table),
        code_version=code_version(table),
        freshness_policy=policy_of(settings, table),
    )

    # A multi-asset, because only of these Dagster can run the checks alone.
    @dg.multi_asset(
        name=step_of(table),
        outs={OUTPUT: out},
        deps=deps_of(catalog, table),
        check_specs=check_specs(table, days),
        can_subset=True,
        partitions_def=partitions_of(table, days),
        backfill_policy=BACKFILL_POLICIES[table.layer] if table.has_days else None,
        required_resource_keys={"platform", "warehouse_io_manager"},
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Any]:
        note_who_started(context)
        try:
            yield from run_checks(context, table) if only_checks(context) else _load(context, table)
        except StalePublication as error:
            raise overtaken(table, error) from None
        except Exception as error:
            raise failure_of(error) from None

    return load


def _load(context: dg.AssetExecutionContext, table: LayerTable) -> Iterator[Any]:
    """Load the parts, let the good ones be published, and put on record what came of each."""
    from etl_assets.pipeline.run_days import Loaded, load

    platform: Platform = context.resources.platform
    parts = parts_of(table, context)
    left = left_as_they_are(context, platform, table, parts)
    wanted, loaded, source = [part for part in parts if part not in left], Loaded(), None
    with platform.spool(context.run_id, step_of(table)) as folder:
        if wanted:
            source = source_of(platform, table, wanted, folder / "in", context.run_id)
            loaded = load(
                table,
                source,
                platform.warehouse,
                wanted,
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
        refused = list(verdicts(context.instance, table, loaded.audited))
        yield from refused
        committed = yield from _publish(context, table, loaded, left)
        yield from beside(table, loaded.good, committed)
        yield from seen_in_load(table, [*loaded.good, *loaded.audited])
        # Last, because a verdict counts for the materialisation that it names.
        yield from verdicts_of_left(context.instance, table, left)
        yield from verdicts(context.instance, table, loaded.good)
    if source is not None:
        _remember_columns(platform, table, source, context.run_id)
    if loaded.refused:
        _remember_refusals(context, platform, table, loaded.refused)
        refused_last(context, refused, parts)
    yield count_refused_days(platform, table)
    if loaded.refused:
        raise refused_days(table, loaded.good, loaded.refused)
    yield from check_outputs(context)


def _publish(
    context: dg.AssetExecutionContext, table: LayerTable, loaded: "Loaded", left: States
) -> Generator[Any, None, "Committed"]:
    """Publish the good parts, and materialise them and those that are left as they are."""
    from etl_assets.pipeline.publish import Committed

    platform: Platform = context.resources.platform
    manager: WarehouseIOManager = context.resources.warehouse_io_manager
    described = left_metadata(context.instance, platform, table, left)
    if loaded.refused:
        # Day by day on record: an Output would materialise the refused days too.
        committed = Committed()
        if loaded.good:
            even_same = is_forced(context.run.tags)
            committed, made = manager.publish(
                table, loaded.good, context.run_id, even_same=even_same
            )
            described |= made
        yield from materialisations(context, table, described, {**left, **committed.same})
        return committed
    for partition, metadata in described.items():
        context.add_asset_metadata(metadata, context.asset_key, partition_key=partition)
    runs = {context.run_id} if loaded.good else {state.run_id for state in left.values()}
    version = min(runs) if len(runs) == 1 else context.run_id
    yield output_of(loaded.good, OUTPUT, version)  # the IO manager publishes
    committed, made = manager.committed(context.run_id, table)
    # An output has one version for all of its days: what is older data is said once more.
    same = {**left, **committed.same}
    older = {partition_of(day) for day, state in same.items() if state.run_id != version}
    again = {key: told for key, told in {**described, **made}.items() if key in older}
    yield from materialisations(context, table, again, same)
    return committed


def beside(
    table: LayerTable, good: "Sequence[LoadedDay]", committed: "Committed"
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
        yield from version_events(table.versions, committed.versions)


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
