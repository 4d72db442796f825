"""Days that a run was asked for and left as they are: what Dagster is told of them.

They are materialised all the same, so that a backfill counts them as done and goes on with what is
made of them. The version of their data stays that of the run that published them, so that nothing
that is made of them becomes stale. Which days these are is `pipeline/unchanged.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import dagster as dg

from etl_assets.core.checks import CHECKS, Severity
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of
from etl_assets.orchestration.checks import materialised, newest_records
from etl_assets.orchestration.code_versions import provenance_in
from etl_assets.orchestration.lineage import column_lineage
from etl_assets.orchestration.metadata import Metadata, table_metadata
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.partitions import partition_of
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.unchanged import FORCE, FORCE_TAG, unchanged_parts

UNCHANGED: Final = "unchanged"
"""The name of the metadata by which such a materialisation is known."""
EQUAL: Final = "It was loaded again, and is what was published before. Nothing was published."
NOT_MADE: Final = (
    "Its inputs, its code and its contract did not change, so it was not made again. A run with "
    f"the tag {FORCE_TAG} and the value {FORCE} makes it all the same."
)
States = Mapping[date, PartitionState]


def is_forced(tags: Mapping[str, str]) -> bool:
    """Whether the tags of a run say that it makes and publishes also what did not change."""
    return tags.get(FORCE_TAG) == FORCE


def left_as_they_are(
    context: dg.AssetExecutionContext, platform: Platform, table: LayerTable, parts: Sequence[date]
) -> States:
    """The parts of a derived table that the run need not make, with their states; none where the
    run's tag asks for all of them."""
    if is_forced(context.run.tags):
        return {}
    left = unchanged_parts(platform.warehouse, platform.catalog, table, parts)
    for part in left:
        platform.on_day(table.path, part, True)
    if left:
        days = "it is" if not table.has_days else f"{count_of(len(left), 'day')} of {len(parts)}"
        context.log.info(f"{table.path}: {days} unchanged, and not made again.")
    return left


def unchanged_metadata(state: PartitionState | None, why: str) -> Metadata:
    """That a part is as it was, since when and why; nothing for one that is not."""
    if state is None:
        return {}
    return {
        UNCHANGED: True,
        "unchanged_since": dg.MetadataValue.timestamp(state.updated_at),
        "published_by_run": dg.MetadataValue.dagster_run(state.run_id),
        "why": why,
    }


def left_metadata(
    instance: dg.DagsterInstance, platform: Platform, table: LayerTable, left: States
) -> dict[str | None, Metadata]:
    """The metadata of parts that were not made, by partition key, if any: what was said of them
    last, so that pages and plots have no gaps, and that they are unchanged."""
    if not left:
        return {}
    records = newest_records(instance, table, list(left))
    row, lineage = platform.warehouse.table_state(table), column_lineage(platform.catalog, table)
    described = {}
    for part, state in left.items():
        last = records.get(partition_of(part))
        said = last.asset_materialization.metadata if last and last.asset_materialization else {}
        described[partition_of(part)] = {
            **said,
            **table_metadata(table),
            **({"dagster/row_count": row.row_count} if row else {}),
            **({"dagster/column_lineage": lineage} if lineage else {}),
            "dagster/partition_row_count": state.row_count,
            "quarantined_rows": state.quarantined_count,
            **unchanged_metadata(state, NOT_MADE),
        }
    return described


def materialisations(
    context: dg.AssetExecutionContext,
    table: LayerTable,
    described: Mapping[str | None, Metadata],
    same: States,
) -> Iterator[dg.AssetMaterialization]:
    """Materialisations of these parts that no output makes, with what an output's would say; those
    that are the `same` are data of the run that published them."""
    published_by = {partition_of(part): state.run_id for part, state in same.items()}
    for partition, metadata in described.items():
        version = published_by.get(partition, context.run_id)
        yield dg.AssetMaterialization(
            key_of(table),
            partition=partition,
            metadata=metadata,
            tags=provenance_in(context, table, version),
        )


def verdicts_of_left(
    instance: dg.DagsterInstance, table: LayerTable, left: States, why: str = NOT_MADE
) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts that the parts were published with, on what was materialised of them last; the
    UI shows those on an earlier materialisation as missing."""
    targets = materialised(instance, table, list(left)) if left else {}
    for part, state in left.items():
        warned = set(filter(None, (state.failed_checks or "").split(",")))
        for check in (*CHECKS, *table.own_checks):
            severity = table.thresholds.severities.get(check.name, check.severity)
            yield dg.AssetCheckEvaluation(
                asset_key=key_of(table),
                check_name=check.name,
                passed=check.name not in warned,
                metadata=unchanged_metadata(state, why),
                target_materialization_data=targets.get(partition_of(part)),
                severity=dg.AssetCheckSeverity.ERROR
                if severity is Severity.ERROR and check.name not in warned
                else dg.AssetCheckSeverity.WARN,
                partition=partition_of(part),
            )
