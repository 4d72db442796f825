"""`COPY … TO STDOUT (FORMAT csv)` as a stream of Polars frames in declared dtypes.

A thread pumps the bytes into a pipe while pyarrow parses: a quarter faster than reading in the
parser's own thread, and the memory is bounded by the block. A row that is longer than a block goes
to the parser as one block of its size (`copy_pump.py`). pyarrow parses in a thread as well, so that
a signal reaches the one that waits. What is selected is decided elsewhere.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import polars as pl
import psycopg
from psycopg import sql

from etl_assets.core.errors import ContractMismatch
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.copy_pump import LargeRows, Part, Pump

if TYPE_CHECKING:
    import pyarrow as pa

EXACT_TEXT = (
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; "
    "SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL extra_float_digits = 1; "
    "SET LOCAL bytea_output = 'hex'"
)
"""What a transaction must be told for the text of its values to be the exact one read here."""

BLOCK_BYTES = 8 << 20


def copy_frames(
    connection: psycopg.Connection,
    rows: sql.Composed,
    columns: Sequence[ColumnRead],
    *,
    of: str,
    block_bytes: int = BLOCK_BYTES,
) -> Generator[pl.DataFrame, None, None]:
    """Frames of the SELECT's rows, in its order; none where it has no rows. `of` names the table in
    messages.

    Closing the iterator early cancels the COPY, and so does an interrupt. Raises psycopg.Error
    where the server breaks off (the frames until then are an unfinished day), ContractMismatch
    where a value does not parse.
    """
    pump = Pump(connection, rows, block_bytes)
    with (
        closing(_parse(pump, columns, of, block_bytes)) as batches,
        ThreadPoolExecutor(1, thread_name_prefix="copy-parser") as parser,
    ):
        try:
            pump.start()
            while (batch := parser.submit(next, batches, None).result()) is not None:
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)  # noqa: S101 - from_arrow of a batch
                del batch
                yield _finish(frame, columns, of)
            pump.join()
        except BaseException:
            pump.end()  # it closes the pipe, which lets the parser go
            raise
        pump.close()
    if pump.error is not None:
        raise pump.error


def _finish(frame: pl.DataFrame, columns: Sequence[ColumnRead], of: str) -> pl.DataFrame:
    for column in columns:
        if column.finish is not None:
            try:
                frame = frame.with_columns(column.finish)
            except pl.exceptions.PolarsError:  # its message quotes the value
                failure = column.failure
            else:
                continue
            raise ContractMismatch(
                f"A value of column {column.name!r} of {of} {failure}.",
                "Set `on_unrepresentable` of the column in its contract, or correct the rows in "
                "the source.",
            )
    return frame


def _parse(
    pump: Pump, columns: Sequence[ColumnRead], of: str, block_bytes: int
) -> "Generator[pa.RecordBatch, None, None]":
    for part in pump.parts():
        yield from _parse_part(part, columns, of, block_bytes)


def _parse_part(
    part: Part, columns: Sequence[ColumnRead], of: str, block_bytes: int
) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    types = {column.name: column.arrow.made() for column in columns}
    if isinstance(part, LargeRows):
        rows = pa.py_buffer(part.take())
        stream, size = pa.BufferReader(rows), len(rows) + 1
        del rows
    else:
        stream, size = part, block_bytes
    try:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=list(types), block_size=size),
            # An empty line is a NULL where the table has one column only, never nothing.
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                true_values=["t"],
                false_values=["f"],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        if isinstance(part, LargeRows):
            # All at once, so that the text is let go while somebody works with the values.
            batches = list(reader)
            del reader, stream
            pa.default_memory_pool().release_unused()
            while batches:
                yield batches.pop(0)
        else:
            yield from reader
        return
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        # Arrow quotes the value it could not parse, and that may be personal.
        message = str(error)
    number = re.search(r"column #(\d+)", message)
    where = repr(list(types)[int(number[1])]) if number else "unknown"
    raise ContractMismatch(
        f"A value of {of} does not fit the declared dtype of column {where}.",
        "Compare the table's contract with the source column's values: etl-assets doctor shows "
        "what can be read.",
    )
