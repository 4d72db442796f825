"""Parquet to blocks: the footer is held against the contract, pages against their checksums.

Which type of a file fits which dtype is in `parquet_casts.py`.
"""

import errno
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PanicException

from etl_assets.core.contracts import Column
from etl_assets.core.errors import no_room
from etl_assets.core.rows import payloads_of
from etl_assets.core.wording import count_of
from etl_assets.sources.files.reading.assembly import Rows, block_of, cut
from etl_assets.sources.files.reading.header import hold_against
from etl_assets.sources.files.reading.moments import within_years
from etl_assets.sources.files.reading.parquet_casts import longest_value, misfit, values_of
from etl_assets.sources.files.reading.parquet_footer import (
    hold_codecs,
    hold_row_counts,
    hold_size,
)
from etl_assets.sources.files.reading.parquet_int96 import Int96, open_parquet
from etl_assets.sources.files.reading.results import Block, FileRefused, Limits, Summary


class ParquetReading:
    """The reading of one file."""

    def __init__(
        self,
        columns: Sequence[Column],
        limits: Limits,
        summary: Summary,
        *,
        overflow: bool,
        missing_as_null: bool,
    ) -> None:
        self._columns, self._limits, self._summary = columns, limits, summary
        self._overflow, self._missing_as_null = overflow, missing_as_null

    def blocks(self, content: Iterable[bytes], folder: Path | None) -> Iterator[Block]:
        """The blocks of a file, which is put into `folder` while it is read.

        Raises FileRefused, and DiskFull.
        """
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".parquet") as spooled:
            self._spool(content, spooled)
            # A file can be wrong in more ways than pyarrow and Polars have errors for.
            try:
                yield from self._read(spooled.name)
            except (FileRefused, GeneratorExit):
                raise
            except (Exception, PanicException) as error:
                raise FileRefused(f"its Parquet is damaged ({_first_line(error)})") from None

    def _spool(self, content: Iterable[bytes], spooled: IO[bytes]) -> None:
        size = 0
        for chunk in content:
            size += len(chunk)
            if size > self._limits.expanded_bytes:
                raise FileRefused(
                    f"it has more than {count_of(self._limits.expanded_bytes, 'byte')}"
                )
            try:
                spooled.write(chunk)
                spooled.flush()
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise no_room(str(Path(spooled.name).parent)) from None
                raise

    def _read(self, path: str) -> Iterator[Block]:
        with open_parquet(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            names = list(schema.names)
            hold_against(names, self._columns, self._summary, missing_as_null=self._missing_as_null)
            self._hold_types(schema)
            hold_row_counts(metadata)
            rows = 0
            for batch, checked in self._batches(path, file, names):
                if batch.num_rows:
                    block = self._block(batch, checked, rows)
                    rows += batch.num_rows
                    self._summary.lines = rows
                    yield block
            if rows != metadata.num_rows:
                raise FileRefused(
                    f"it has {count_of(rows, 'row')}, but its footer says {metadata.num_rows}"
                )

    def _hold_types(self, schema: pa.Schema) -> None:
        """Raises FileRefused where the contract cannot hold what the footer says is there."""
        for column in self._columns:
            if column.name not in schema.names:
                continue
            found = schema.field(column.name).type
            if misfit(found, column):
                raise FileRefused(
                    f"its column {column.name!r} is {found}, which the contract's {column.dtype} "
                    "cannot hold without loss"
                )

    def _batches(
        self, path: str, file: pq.ParquetFile, names: Sequence[str]
    ) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """Each batch as it is, and with the moments of INT96 that are exact (see Int96)."""
        metadata, limits, expanded = file.metadata, self._limits, 0
        declared = [column.name for column in self._columns]
        with Int96(path, metadata, declared) as int96:
            for group in range(metadata.num_row_groups):
                hold_size(metadata, group, limits)
                batches = file.iter_batches(
                    limits.batch_rows,
                    row_groups=[group],
                    columns=None if self._overflow else self._found(names),
                    use_threads=False,
                )
                for batch, checked in int96.held_against(batches, group, limits.batch_rows):
                    expanded += batch.nbytes
                    if expanded > limits.expanded_bytes:
                        raise FileRefused(
                            f"it expands to more than {count_of(limits.expanded_bytes, 'byte')}"
                        )
                    yield batch, checked
                hold_codecs(metadata, group, declared)

    def _found(self, names: Sequence[str]) -> list[str] | None:
        """The columns to read; all where a name with a point could be taken for a path."""
        found = [column.name for column in self._columns if column.name in names]
        return None if any("." in name for name in names) or not found else found

    def _block(self, batch: pa.RecordBatch, checked: pa.RecordBatch, rows: int) -> Block:
        batch.validate(full=True)
        if longest_value(batch) > self._limits.record_bytes:
            raise FileRefused(
                f"it has a value of more than {count_of(self._limits.record_bytes, 'byte')}"
            )
        read = {}
        for column in self._columns:
            is_there = column.name in batch.schema.names
            found = checked.column(column.name) if is_there else pa.nulls(batch.num_rows)
            read[column.name] = values_of(found, column)
        overflow = None
        if self._overflow:
            extra = [batch.column(name) for name in self._summary.extra]
            overflow = _as_json(self._summary.extra, extra, batch.num_rows)

        def raw(place: int) -> tuple[str, int]:
            return cut(_shown(batch.slice(place, 1)), self._limits), 1

        lines = np.arange(rows + 1, rows + 1 + batch.num_rows, dtype=np.int64)
        return block_of(read, Rows(lines, raw), overflow)


def _as_json(names: Sequence[str], columns: Sequence[pa.Array], rows: int) -> pl.Series:
    if not names:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows)
    series = [pl.Series(name, _in_utc(column)) for name, column in zip(names, columns, strict=True)]
    return pl.Series(payloads_of(pl.DataFrame({s.name: _plain(s) for s in series})))


def _in_utc(column: pa.Array) -> pa.Array:
    """Polars knows no zone that is an offset, as `+05:30` is."""
    kind = column.type
    is_zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    return column.cast(pa.timestamp(kind.unit, "UTC")) if is_zoned else column


def _plain(values: pl.Series) -> pl.Series:
    """Values that Python and JSON have types for; a moment of the year 10000 is its number."""
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        return within_years(values).cast(pl.String).fill_null(values.to_physical().cast(pl.String))
    if isinstance(values.dtype, pl.Duration):
        return values.to_physical()
    return values


def _shown(row: pa.RecordBatch) -> str:
    return str(_as_json(row.schema.names, row.columns, 1)[0])


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
