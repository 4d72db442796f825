"""INT96, the moments of older Spark, Hive and Impala: nanoseconds of a day, and the day.

Arrow reads them in one unit and says nothing of what is lost: nanoseconds below a microsecond, and
days that are too far for 64 bits. Here they are read in two other units as well, so that a moment
which microseconds do not hold exactly is found. How moments become values does not belong here.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets.sources.files.reading.results import FileRefused

_FAR = np.int64(2**63 - 1)
"""Microseconds far beyond the year 9999, which `parquet_casts.py` knows for no moment."""

_OTHER_UNITS = ("s", "ns")


def open_parquet(path: str, unit: str = "us") -> pq.ParquetFile:
    """The file, whose pages are held against their checksums; INT96 is read in `unit`."""
    return pq.ParquetFile(path, page_checksum_verification=True, coerce_int96_timestamp_unit=unit)


class Int96(AbstractContextManager["Int96"]):
    """The INT96 columns among `names` of a file, read beside it; there may be none.

    Raises FileRefused for INT96 inside of lists and structs.
    """

    def __init__(self, path: str, metadata: pq.FileMetaData, names: Sequence[str]) -> None:
        self._path, self._stack, self._files = path, ExitStack(), list[pq.ParquetFile]()
        self._names = []
        for place in range(metadata.num_columns):
            leaf = metadata.schema.column(place)
            if leaf.physical_type == "INT96":
                if leaf.path in names:
                    self._names.append(leaf.path)
                elif leaf.path.split(".")[0] in names:
                    raise FileRefused(f"its column {leaf.path!r} has INT96 in a list or struct")

    def __enter__(self) -> "Int96":
        if self._names:
            for unit in _OTHER_UNITS:
                self._files.append(self._stack.enter_context(open_parquet(self._path, unit)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def held_against(
        self, batches: Iterator[pa.RecordBatch], group: int, rows: int
    ) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """Each batch of a row group as it is, and with moments that are inexact moved far away.

        `rows` are those of a batch.
        """
        columns = None if any("." in name for name in self._names) else self._names
        others = [
            file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
            for file in self._files
        ]
        for batch in batches:
            checked = batch
            if self._names:
                seconds, nanoseconds = (next(other) for other in others)
                for name in self._names:
                    moments = _exact(*(b.column(name) for b in (batch, seconds, nanoseconds)))
                    checked = checked.set_column(batch.schema.names.index(name), name, moments)
            yield batch, checked


def _exact(
    moments: pa.TimestampArray, seconds: pa.TimestampArray, nanoseconds: pa.TimestampArray
) -> pa.Array:
    """The moments in microseconds, those that are inexact far away."""
    us, s, ns = (
        found.cast(pa.timestamp(found.type.unit)).cast(pa.int64()).fill_null(0).to_numpy()
        for found in (moments, seconds, nanoseconds)
    )
    # Both sides overflow alike, so what is left is the nanoseconds below the microsecond.
    is_exact = (us // 1_000_000 == s) & (ns - us * 1_000 == 0)
    missing = moments.is_null().to_numpy(zero_copy_only=False)
    return pa.array(np.where(is_exact, us, _FAR), pa.int64(), mask=missing).cast(moments.type)
