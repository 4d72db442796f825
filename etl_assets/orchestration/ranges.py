"""The tags by which a run of Dagster holds a range of partitions."""

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
