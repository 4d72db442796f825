"""From the spool to one Parquet file that a load job takes, with every value validated.

The service would coerce or refuse late what does not fit; here it is refused before anything is
sent, by column and without quoting a value.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets.core.contracts import Column, polars_schema, struct_fields
from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles, disk_errors, full_disk
from etl_assets.warehouse.bigquery.types import is_bytes_list

# A day-partitioned table takes these days: "Partitioned tables, limitations".
FIRST_DAY, LAST_DAY = date(1960, 1, 1), date(2159, 12, 31)
_LONGEST_YEAR = 9999
_MOST_INTEGER, _LEAST_INTEGER = 2**64 - 1, -(2**63)


def write_parquet(
    table: LayerTable, columns: Sequence[Column], spooled: Sequence[SpoolFiles], path: Path
) -> Path:
    """Write these columns of all rows into one file, a row group a spool file; returns `path`.

    It is for a staging table: JSON stays text and bytes become base64.
    Raises WarehouseError for what BigQuery cannot hold, DiskFull.
    """
    writer: pq.ParquetWriter | None = None
    with disk_errors(path.parent):
        try:
            for frame in checked_frames(table, columns, spooled):
                arrow = _as_text(columns, frame).to_arrow()
                arrow = arrow.cast(pa.schema([_micros(field) for field in arrow.schema]))
                writer = writer or pq.ParquetWriter(path, arrow.schema, compression="snappy")
                writer.write_table(arrow)
        finally:
            if writer is not None:
                writer.close()
    return path


def merge_parquet(spooled: Sequence[SpoolFiles], path: Path) -> Path:
    """Write the files of a fixed schema (the quarantine's) into one at `path`; returns `path`."""
    files = [file for part in spooled for file in part.files]
    with disk_errors(path.parent), readable("quarantine"):
        pl.scan_parquet(files, glob=False).sink_parquet(path, compression="snappy")
    return path


def check_days(table: LayerTable, days: Sequence[date]) -> None:
    """Raise WarehouseError for days that a partitioned table does not take."""
    outside = [str(day) for day in days if not FIRST_DAY <= day <= LAST_DAY]
    if outside and table.has_days:
        raise WarehouseError(
            f"BigQuery has no partition for {table.path} {', '.join(outside)}.",
            f"Its days go from {FIRST_DAY} to {LAST_DAY}: set ETL_FIRST_DAY and ETL_LAST_DAY.",
        )


def checked_frames(
    table: LayerTable, columns: Sequence[Column], spooled: Sequence[SpoolFiles]
) -> Iterator[pl.DataFrame]:
    """The rows of each spool file in these columns; raises WarehouseError, which quotes no value,
    for what BigQuery cannot hold and for a file that cannot be read."""
    wanted = polars_schema(columns)
    for path in [path for files in spooled for path in files.files]:
        with readable(table.path):
            frame = pl.read_parquet(path, glob=False)
        found = dict(frame.schema)
        differing = [name for name, dtype in wanted.items() if found.get(name) != dtype]
        if differing:
            raise WarehouseError(
                f"The rows of {table.path} differ from its contract in {', '.join(differing)}.",
                "Nothing was published. Run it again with the release that the contract is of.",
            )
        frame = frame.select(list(wanted))
        for column in columns:
            _check(table, column, frame[column.name])
        yield frame


@contextmanager
def readable(of: str) -> Iterator[None]:
    """Turn what reading a spool file of a table raises into WarehouseError, but for a full disk."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if full_disk(error, Path()) is not None:
            raise
        raise WarehouseError(
            f"A spool file of {of} cannot be read.", "Nothing was published. Run it again."
        ) from None


def _check(table: LayerTable, column: Column, values: pl.Series) -> None:
    if not column.nullable and values.null_count():
        _refuse(table, column, "has a null, and is required")
    if column.logical == "json":
        for text in values.drop_nulls():
            _check_json(table, column, text)
    fault = _fault(values, column.dtype)
    if fault:
        _refuse(table, column, fault)


def _fault(values: pl.Series, dtype: pl.DataType) -> str | None:
    """What BigQuery cannot hold among the values, at any depth; None if it holds them all."""
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        if values.null_count():
            return "has a NULL array, which BigQuery does not tell from an empty one"
        inner = values.explode(empty_as_null=False, keep_nulls=False)
        if inner.null_count():
            return "has an array with a NULL in it, which BigQuery does not store"
        return _fault(inner, dtype.inner)
    if isinstance(dtype, pl.Struct):
        there = values.drop_nulls()
        faults = (_fault(there.struct.field(n), t) for n, t in struct_fields(dtype).items())
        return next((fault for fault in faults if fault), None)
    if isinstance(dtype, pl.Date | pl.Datetime) and values.len():
        years = values.dt.year()
        if not years.is_between(1, _LONGEST_YEAR).all():
            return "has a year outside of 1 to 9999"
    return None


def _check_json(table: LayerTable, column: Column, text: str) -> None:
    try:
        json.loads(
            text, parse_int=_exact_integer, parse_float=_exact_float, parse_constant=_refused
        )
    except OverflowError:
        _refuse(table, column, "has JSON with a number that 64 bits do not hold exactly")
    except (ValueError, RecursionError):
        _refuse(table, column, "has text that is no JSON")


def _exact_integer(digits: str) -> int:
    number = int(digits)
    if not _LEAST_INTEGER <= number <= _MOST_INTEGER:
        raise OverflowError
    return number


def _exact_float(digits: str) -> float:
    number = float(digits)
    # What comes back is the shortest text of the double: it must be the number that was given.
    if not math.isfinite(number) or Decimal(repr(number)) != Decimal(digits):
        raise OverflowError
    return number


def _refused(text: str) -> NoReturn:
    raise ValueError(text)


def _refuse(table: LayerTable, column: Column, what: str) -> NoReturn:
    raise WarehouseError(
        f"Column {column.name!r} of {table.path} {what}; nothing was published.",
        "Mend it in the source or in the table's stage(), or declare the column as plain pl.String "
        f"in {table.declared_in}, which keeps the text as it is.",
    )


def _as_text(columns: Sequence[Column], frame: pl.DataFrame) -> pl.DataFrame:
    text = pl.element().bin.encode("base64")
    return frame.with_columns(
        pl.col(column.name).list.eval(text)
        if is_bytes_list(column)
        else pl.col(column.name).bin.encode("base64")
        for column in columns
        if isinstance(column.dtype, pl.Binary) or is_bytes_list(column)
    )


def _micros(field: "pa.Field") -> "pa.Field":
    """Times in microseconds, at any depth: BigQuery takes no others from Parquet."""
    return field.with_type(_micros_type(field.type))


def _micros_type(type_: "pa.DataType") -> "pa.DataType":
    if pa.types.is_time64(type_):
        return pa.time64("us")
    if pa.types.is_large_list(type_) or pa.types.is_list(type_):
        return pa.list_(_micros(type_.value_field))
    if pa.types.is_struct(type_):
        return pa.struct([_micros(type_.field(i)) for i in range(type_.num_fields)])
    return type_
