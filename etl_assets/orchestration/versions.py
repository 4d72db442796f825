"""Tables of versions as assets: nobody runs them, every load of their table adds to them.

They have no partitions here, though their rows have days: a day without a version lacks nothing,
and would stay grey for ever.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from etl_assets.config import Settings
from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.orchestration.metadata import table_metadata, warehouse_kind_of
from etl_assets.orchestration.names import key_of
from etl_assets.orchestration.partitions import every_day_of
from etl_assets.orchestration.places import warehouse_uri


def versions_asset(settings: Settings, table: LayerTable) -> dg.AssetSpec:
    """The asset of the versions that `table` keeps."""
    versions = table.versions
    assert versions is not None  # noqa: S101 - asked for tables that keep them
    return dg.AssetSpec(
        key_of(versions),
        deps=[dg.AssetDep(key_of(table), partition_mapping=every_day_of(table))],
        description=versions.description,
        group_name=str(versions.layer),
        kinds={warehouse_kind_of(settings)},
        owners=versions.owners,
        tags={"domain": versions.domain},
        metadata={
            **table_metadata(versions),
            "dagster/uri": warehouse_uri(settings, versions),
        },
    )


def version_events(
    versions: LayerTable, gained: Sequence[PartitionState]
) -> Iterator[dg.AssetMaterialization]:
    """A materialisation, if the publication added versions: how many rows their days have now."""
    days = sorted(state.partition_key for state in gained if state.partition_key != WHOLE)
    if not gained:
        return
    metadata: dict[str, int | str] = {"rows_of_these_days": sum(one.row_count for one in gained)}
    if days:
        metadata |= {"days_that_gained": len(days), "days": f"{days[0]} to {days[-1]}"}
    yield dg.AssetMaterialization(key_of(versions), metadata=metadata)
