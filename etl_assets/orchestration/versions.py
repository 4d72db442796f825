"""Tables of versions as assets: nobody runs them, every load of their table adds to them."""

from collections.abc import Iterator, Sequence

import dagster as dg

from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.metadata import table_metadata
from etl_assets.orchestration.names import key_of
from etl_assets.pipeline.platform import Platform


def versions_asset(
    table: LayerTable, partitions: dg.PartitionsDefinition[str], warehouse_kind: str
) -> dg.AssetSpec:
    """The asset of the versions that `table` keeps, by the days that they have."""
    versions = table.versions
    assert versions is not None  # noqa: S101 - asked for tables that keep them
    return dg.AssetSpec(
        key_of(versions),
        deps=[key_of(table)],
        partitions_def=partitions if versions.has_days else None,
        description=versions.description,
        group_name=str(versions.layer),
        kinds={warehouse_kind},
        owners=versions.owners,
        tags={"domain": versions.domain},
        metadata=table_metadata(versions),
    )


def version_events(
    platform: Platform, versions: LayerTable, gained: Sequence[PartitionState]
) -> Iterator[dg.AssetMaterialization]:
    """A materialisation for each day of the platform that gained versions."""
    newest = platform.settings.newest_partition()
    for state in gained:
        if not versions.has_days:
            yield dg.AssetMaterialization(
                key_of(versions), metadata={"dagster/row_count": state.row_count}
            )
        elif platform.settings.first_day <= state.partition_key <= newest:
            yield dg.AssetMaterialization(
                key_of(versions),
                partition=state.partition_key.isoformat(),
                metadata={"dagster/partition_row_count": state.row_count},
            )
