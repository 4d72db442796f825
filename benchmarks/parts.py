"""The parts of the bench, in the order in which they are measured and reported."""

from benchmarks import (
    bigquery,
    checks_share,
    commands,
    dimension_peers,
    dimensions,
    drops,
    event_load,
    file_keys,
    file_memory,
    files,
    imports,
    large_row,
    memory,
    partitions,
    scaling,
    speed,
    syncs,
    upserts,
    year,
)

PARTS = tuple(
    module.PART
    for module in (
        *(speed, checks_share, scaling, memory, large_row, syncs, upserts, bigquery),
        *(files, file_memory, file_keys, drops, event_load, dimensions, dimension_peers),
        *(partitions, year, imports, commands),
    )
)
