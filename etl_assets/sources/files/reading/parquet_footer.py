"""A Parquet footer held against itself: it has no checksum, so what it says twice must agree.

Whether its types fit the contract is in `parquet_casts.py`.
"""

from collections.abc import Sequence

import pyarrow.parquet as pq

from etl_assets.core.wording import count_of
from etl_assets.sources.files.reading.results import FileRefused, Limits


def hold_row_counts(metadata: pq.FileMetaData) -> None:
    """Raises FileRefused where the row groups have not as many rows as the file."""
    groups = range(metadata.num_row_groups)
    rows = sum(metadata.row_group(group).num_rows for group in groups)
    if rows != metadata.num_rows:
        raise FileRefused(
            f"it has {count_of(rows, 'row')}, but its footer says {metadata.num_rows}"
        )


def hold_size(metadata: pq.FileMetaData, group: int, limits: Limits) -> None:
    """Raises FileRefused for a row group that is too large for the memory."""
    if metadata.row_group(group).total_byte_size > limits.row_group_bytes:
        raise FileRefused(
            f"its row group {group + 1} is larger than {count_of(limits.row_group_bytes, 'byte')}"
        )


def hold_codecs(metadata: pq.FileMetaData, group: int, names: Sequence[str]) -> None:
    """Raises FileRefused where pages were read as they are, but are smaller than their content.

    A page's checksum is of its packed bytes: taken for content, they would be other values. Only
    for columns that have been read: where a chunk is damaged, pyarrow's `column()` ends the
    process.
    """
    for place in range(metadata.num_columns):
        path = metadata.schema.column(place).path
        if path not in names and path.split(".")[0] not in names:
            continue
        chunk = metadata.row_group(group).column(place)
        is_packed = chunk.total_compressed_size != chunk.total_uncompressed_size
        if chunk.compression == "UNCOMPRESSED" and is_packed:
            raise FileRefused(
                f"its Parquet is damaged (column {path!r} is not packed, but has two sizes)"
            )
