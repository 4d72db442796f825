"""Types of Parquet files as dtypes of contracts: what fits without any loss, and how it is cast.

Nothing else is cast: a file that has another type is refused by its footer (F16).
"""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from etl_assets.core.contracts import Column
from etl_assets.sources.files.reading.moments import local_moments, within_years
from etl_assets.sources.files.reading.values import NUL, Values

_INTEGERS: dict[pa.DataType, tuple[type[pl.DataType], int]] = {
    pa.int8(): (pl.Int8, 3),
    pa.int16(): (pl.Int16, 5),
    pa.int32(): (pl.Int32, 10),
    pa.int64(): (pl.Int64, 19),
    pa.uint8(): (pl.UInt8, 3),
    pa.uint16(): (pl.UInt16, 5),
    pa.uint32(): (pl.UInt32, 10),
    pa.uint64(): (pl.UInt64, 20),
}
"""Of each integer type: the dtype, and its digits."""

_BITS = {
    dtype: (int(str(dtype()).lstrip("UInt")), str(dtype()).startswith("I"))
    for dtype, _ in _INTEGERS.values()
}
"""Of each integer dtype: its bits, and whether it has a sign."""

_FAR = 10**18
"""Microseconds beyond the year 9999, to either side, whose multiples still fit 64 bits."""


def misfit(found: pa.DataType, column: Column) -> bool:
    """Whether the contract's dtype cannot hold every value of the file's type."""
    dtype = column.dtype
    if pat.is_dictionary(found):
        found = found.value_type
    if pat.is_null(found):
        return False
    if found in _INTEGERS:
        return not _holds_integers(dtype, *_INTEGERS[found])
    if pat.is_floating(found):
        return not (
            isinstance(dtype, pl.Float64)
            or (isinstance(dtype, pl.Float32) and found.bit_width < 64)
        )
    if isinstance(found, pa.Decimal32Type | pa.Decimal64Type | pa.Decimal128Type):
        return not _holds_decimals(dtype, found.precision, found.scale)
    if pat.is_timestamp(found):
        return not _holds_moments(dtype, found.tz, column.source_zone)
    if pat.is_string(found) or pat.is_large_string(found) or pat.is_string_view(found):
        return not isinstance(dtype, pl.String)
    if pat.is_nested(found):
        return bool(pl.Series(pa.array([], found)).dtype != dtype)
    return not (
        (pat.is_boolean(found) and isinstance(dtype, pl.Boolean))
        or (pat.is_date32(found) and isinstance(dtype, pl.Date))
        or (pat.is_time(found) and isinstance(dtype, pl.Time))
        or (_is_binary(found) and isinstance(dtype, pl.Binary))
    )


def values_of(found: pa.Array, column: Column) -> Values:
    """The values of a batch's column that is no misfit, in the contract's dtype."""
    failed, reason = None, ""
    dtype = column.dtype
    if pat.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pat.is_null(found.type):
        values = pl.Series([None], dtype=dtype).new_from_index(0, len(found))
    elif pat.is_timestamp(found.type):
        values, failed = _moments(found, column)
        reason = "is no moment of the years 1 to 9999, exact in microseconds and of its zone"
    elif isinstance(dtype, pl.Decimal):
        values = pl.Series(pc.cast(found, pa.decimal128(dtype.precision or 38, dtype.scale)))
    else:
        values = pl.Series(found).cast(dtype)
    if isinstance(dtype, pl.Date):
        values, reason = within_years(values), "is no date of the years 1 to 9999"
        failed = values.is_null() & pl.Series(found.is_valid())
    elif isinstance(dtype, pl.String):
        failed, reason = values.str.contains("\0", literal=True).fill_null(False), NUL
    failed = None if failed is None or not failed.any() else failed
    empty = None
    if not column.nullable and values.null_count():
        empty = values.is_null() if failed is None else values.is_null() & ~failed
    return Values(values.alias(column.name), failed, reason, empty)


def longest_value(batch: pa.RecordBatch) -> int:
    """The bytes of the longest text or binary value."""
    lengths = [
        pc.max(pc.binary_length(column)).as_py() or 0
        for column in batch.columns
        if _is_binary(column.type) or pat.is_string(column.type) or pat.is_large_string(column.type)
    ]
    return max(lengths, default=0)


def _holds_integers(dtype: pl.DataType, found: type[pl.DataType], digits: int) -> bool:
    if isinstance(dtype, pl.Decimal):
        return digits <= (dtype.precision or 38) - dtype.scale
    if type(dtype) not in _BITS:
        return False
    (bits, is_signed), (found_bits, found_is_signed) = _BITS[type(dtype)], _BITS[found]
    if is_signed == found_is_signed:
        return found_bits <= bits
    return is_signed and found_bits < bits


def _holds_decimals(dtype: pl.DataType, precision: int, scale: int) -> bool:
    if not isinstance(dtype, pl.Decimal):
        return False
    return 0 <= scale <= dtype.scale and precision - scale <= (dtype.precision or 38) - dtype.scale


def _holds_moments(dtype: pl.DataType, zone: str | None, source_zone: str | None) -> bool:
    if not isinstance(dtype, pl.Datetime) or dtype.time_unit != "us":
        return False
    if dtype.time_zone is None:
        return zone is None
    return dtype.time_zone == "UTC" and (zone is not None or source_zone is not None)


def _moments(found: pa.TimestampArray, column: Column) -> tuple[pl.Series, pl.Series]:
    """Moments in microseconds, and which of them are bad: those that are not exact among them."""
    unit, zone = found.type.unit, found.type.tz
    numbers = pl.Series(found.cast(pa.timestamp(unit)).cast(pa.int64()))
    scaled = numbers
    if unit == "ns":
        scaled = (numbers // 1_000).set((numbers % 1_000 != 0).fill_null(False), None)
    elif unit != "us":
        factor = 1_000_000 if unit == "s" else 1_000
        is_far = ~numbers.is_between(-_FAR // factor, _FAR // factor)
        scaled = numbers.set(is_far.fill_null(False), None) * factor
    naive = within_years(scaled.cast(pl.Datetime("us")))
    failed = naive.is_null() & numbers.is_not_null()
    if not isinstance(column.dtype, pl.Datetime) or column.dtype.time_zone is None:
        return naive, failed
    if zone is not None:
        return naive.dt.replace_time_zone("UTC"), failed
    values, refused = local_moments(naive, column)
    return values, failed | refused


def _is_binary(found: pa.DataType) -> bool:
    return bool(
        pat.is_binary(found) or pat.is_large_binary(found) or pat.is_fixed_size_binary(found)
    )
