"""The columns of Parquet files: the dtype that holds every value of a file's type without loss."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat
from polars.exceptions import PanicException

from etl_assets.core.errors import SourceError
from etl_assets.sources.files.propose.columns import Sampled
from etl_assets.sources.files.propose.guess import Guess
from etl_assets.sources.files.propose.moments import NO_ZONE
from etl_assets.sources.files.propose.sample import Begin
from etl_assets.sources.files.reading.parquet_casts import misfit

_ROWS = 65_536
NOT_EVEN_BESIDE = ", so that its values are not loaded"
"""The end of the reason of a column that cannot be kept in an overflow column either."""


def names_in_parquet(begin: Begin) -> list[str]:
    """The names of a file's columns; raises SourceError for a file that cannot be read."""
    return list(_first_rows(begin).schema.names)


def columns_of_parquet(begins: Sequence[Begin]) -> tuple[Sampled, Mapping[str, str]]:
    """The columns of the files, and those that no contract can declare with the reason.

    Raises SourceError for a file that cannot be read.
    """
    tables = [_first_rows(begin) for begin in begins]
    names = list(dict.fromkeys(name for table in tables for name in table.schema.names))
    guesses, left_out = [], {}
    missing = [name for name in names if not all(name in t.schema.names for t in tables)]
    for name in names:
        having = [table for table in tables if name in table.schema.names]
        types = {table.schema.field(name).type for table in having}
        fitting = [guess for found in types if (guess := _guess(name, found))]
        held = [g for g in fitting if not any(misfit(found, g.column) for found in types)]
        if not held:
            shown = " and ".join(sorted(map(str, types)))
            left_out[name] = f"no dtype of a contract holds {shown} without loss"
            if not all(map(_held, types)):
                left_out[name] += NOT_EVEN_BESIDE
            continue
        nulls = sum(table.column(name).null_count for table in having)
        rows = sum(table.num_rows for table in having)
        is_unique = not nulls and name not in missing and _is_unique(having, name, rows)
        guess = replace(held[0], nullable=nulls > 0 or name in missing, is_unique=is_unique)
        guesses.append(guess.noting("Some files do not have it.") if name in missing else guess)
    rows = sum(table.num_rows for table in tables)
    return Sampled(guesses, rows, missing), left_out


def _first_rows(begin: Begin) -> pa.Table:
    try:
        with pq.ParquetFile(io.BytesIO(begin.content)) as file:
            batch = next(file.iter_batches(_ROWS), None)
            schema = file.schema_arrow
            return pa.Table.from_batches([batch] if batch is not None else [], schema)
    except Exception as error:  # pyarrow raises what it likes for what is no Parquet
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise SourceError(
            f"{begin.key!r} cannot be read as Parquet ({first}).",
            "Have it delivered again, or name a folder without it.",
        ) from None


def _is_unique(tables: Sequence[pa.Table], name: str, rows: int) -> bool:
    kind = tables[0].schema.field(name).type
    if not (pat.is_integer(kind) or pat.is_string(kind) or pat.is_large_string(kind)):
        return False
    values = [value for table in tables for value in table.column(name).to_pylist()]
    return len(set(values)) == rows


def _guess(name: str, found: pa.DataType) -> Guess | None:
    """The dtype for a type of Parquet, None where there is none."""
    if pat.is_dictionary(found):
        found = found.value_type
    if pat.is_null(found):
        return Guess(name, pl.String(), nullable=True).noting("null everywhere.")
    if pat.is_uint64(found):
        return Guess(name, pl.Decimal(20, 0)).noting("Unsigned integers of 64 bits.")
    if pat.is_integer(found):
        return Guess(name, pl.Int64())
    if pat.is_floating(found):
        return Guess(name, pl.Float64()).noting(
            "The files hold floats: NaN and infinity go to quarantine (allow_nan=True keeps NaN)."
        )
    if pat.is_timestamp(found):
        note = "Finer than microseconds goes to quarantine." if found.unit == "ns" else ""
        guess = Guess(name, pl.Datetime("us", "UTC" if found.tz else None))
        return guess.noting(*filter(None, [note, "" if found.tz else NO_ZONE]))
    if pat.is_decimal(found):
        is_held = found.precision <= 38 and 0 <= found.scale <= found.precision
        return Guess(name, pl.Decimal(found.precision, found.scale)) if is_held else None
    if pat.is_time(found):
        return Guess(name, pl.Time())
    if pat.is_boolean(found):
        return Guess(name, pl.Boolean())
    if pat.is_date(found):
        return Guess(name, pl.Date())
    held = _held(found)
    return Guess(name, held) if held is not None else None


def _held(found: pa.DataType) -> pl.DataType | None:
    """The dtype that Polars has for a type of Arrow, None where it has none."""
    if pat.is_decimal256(found):
        return None
    try:
        return pl.Series(pa.array([], found)).dtype
    except (Exception, PanicException):
        return None
