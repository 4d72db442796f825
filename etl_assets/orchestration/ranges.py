"""The tags by which a run of Dagster holds a range of partitions."""

from collections.abc import Mapping

from etl_assets.core.partitions import WHOLE, Window

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def range_tags(window: Window) -> Mapping[str, str]:
    """The tags of a run over these days; none for `WHOLE`, as the asset has no partitions."""
    if window == Window.of(WHOLE):
        return {}
    return {RANGE_START: window.first.isoformat(), RANGE_END: window.last.isoformat()}
