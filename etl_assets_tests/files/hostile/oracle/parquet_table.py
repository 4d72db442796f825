"""The oracle's reading of Parquet: the table that was written, held against the contract by hand.

It sees what was written and never the file; moments and dates are counted as integers.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.types as pat

from etl_assets.core.contracts import Column
from etl_assets_tests.files.hostile.cases import Case
from etl_assets_tests.files.hostile.oracle.outcomes import Bad, Loaded, Refusal, Row, Unfit
from etl_assets_tests.files.hostile.oracle.values import local

_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_DAY, _LAST_DAY = date.min.toordinal() - 719_163, date.max.toordinal() - 719_163
_EPOCH = datetime(1970, 1, 1)


def read_table(case: Case) -> Loaded:
    """What becomes of the file; raises Refusal."""
    table = case.written
    if table is None:
        raise Refusal("parquet")
    names = table.column_names
    if len(set(names)) < len(names):
        raise Refusal("name twice")
    missing = [column for column in case.columns if column.name not in names]
    if any(case.missing == "refuse" or not column.nullable for column in missing):
        raise Refusal("lacks a column")
    declared = {column.name for column in case.columns}
    loaded = Loaded(
        lines=table.num_rows,
        extra=[name for name in names if name not in declared],
        missing=[column.name for column in missing],
    )
    found = {name: _decoded(table.column(name)) for name in names}
    for column in case.columns:
        if column.name in found and not _fits(found[column.name].type, column):
            raise Refusal("footer")
    values = {name: _numbers(found[name]) for name in names if name in declared}
    extra = {name: found[name].to_pylist() for name in loaded.extra} if case.overflow else {}
    for place in range(table.num_rows):
        row, faults = [], []
        for column in case.columns:
            try:
                kind = found[column.name].type if column.name in found else pa.null()
                row.append(_value(values.get(column.name, {}).get(place), kind, column))
            except Unfit as unfit:
                faults.append((column.name, unfit.why))
        if faults:
            columns = tuple(name for name, _ in faults)
            why = " or ".join(why for _, why in faults)
            loaded.bad.append(Bad(place + 1, why, columns, ""))
            continue
        overflow = {name: _shown(texts[place]) for name, texts in extra.items()}
        loaded.rows.append(Row(place + 1, tuple(row), overflow or None))
    return loaded


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pat.is_dictionary(values.type) else values


def _numbers(values: pa.ChunkedArray) -> dict[int, Any]:
    """The values by place; days and moments as their numbers, since Python has no far ones."""
    if pat.is_timestamp(values.type):
        values = values.cast(pa.timestamp(values.type.unit)).cast(pa.int64())
    elif pat.is_date32(values.type):
        values = values.cast(pa.int32())
    return dict(enumerate(values.to_pylist()))


def _shown(value: object) -> object:
    """A value of a column that the contract does not have, as JSON has it."""
    return ("number", str(value)) if type(value) in (int, float) else value


def _fits(found: pa.DataType, column: Column) -> bool:
    dtype = column.dtype
    if pat.is_null(found):
        return True
    if pat.is_integer(found):
        return _fits_integer(found, dtype)
    if pat.is_decimal(found):
        return (
            isinstance(dtype, pl.Decimal)
            and found.bit_width <= 128
            and 0 <= found.scale <= dtype.scale
            and found.precision - found.scale <= (dtype.precision or 38) - dtype.scale
        )
    if pat.is_timestamp(found):
        if not isinstance(dtype, pl.Datetime):
            return False
        if dtype.time_zone is None:
            return found.tz is None
        return found.tz is not None or column.source_zone is not None
    if pat.is_nested(found):
        return bool(pl.Series(pa.array([], found)).dtype == dtype)
    same: list[tuple[Callable[[pa.DataType], bool], type[pl.DataType]]] = [
        *(
            (pat.is_floating, pl.Float64),
            (pat.is_float32, pl.Float32),
            (pat.is_float16, pl.Float32),
        ),
        *((pat.is_string, pl.String), (pat.is_large_string, pl.String)),
        *((pat.is_binary, pl.Binary), (pat.is_fixed_size_binary, pl.Binary)),
        *((pat.is_boolean, pl.Boolean), (pat.is_date32, pl.Date), (pat.is_time, pl.Time)),
    ]
    return any(is_kind(found) and isinstance(dtype, kind) for is_kind, kind in same)


def _fits_integer(found: pa.DataType, dtype: pl.DataType) -> bool:
    bits, is_signed = found.bit_width, pat.is_signed_integer(found)
    if isinstance(dtype, pl.Decimal):
        digits = _DIGITS[bits] + (bits == 64 and not is_signed)
        return digits <= (dtype.precision or 38) - dtype.scale
    if not dtype.is_integer():
        return False
    name = str(dtype)
    wanted, wants_signed = int(name.strip("UInt")), name.startswith("I")
    return bits <= wanted if is_signed == wants_signed else wants_signed and bits < wanted


def _value(value: Any, found: pa.DataType, column: Column) -> object:
    if value is None:
        if not column.nullable:
            raise Unfit("empty")
        return None
    if isinstance(column.dtype, pl.String) and "\0" in value:
        raise Unfit("nul")
    if pat.is_date32(found):
        if not _FIRST_DAY <= value <= _LAST_DAY:
            raise Unfit("value")
        return date.fromordinal(value + 719_163)
    if pat.is_timestamp(found):
        return _moment(value, found, column)
    return Decimal(value) if isinstance(column.dtype, pl.Decimal) else value


def _moment(value: int, found: pa.DataType, column: Column) -> datetime | None:
    assert isinstance(column.dtype, pl.Datetime)
    microseconds, rest = divmod(value * 10**6, _PER_SECOND[found.unit])
    if rest:
        raise Unfit("value")
    try:
        clock = _EPOCH + timedelta(microseconds=microseconds)
        if column.dtype.time_zone is None:
            return clock
        if found.tz is not None:
            return clock.replace(tzinfo=UTC)
        moment = local(clock, column)
    except (OverflowError, ValueError):
        raise Unfit("value") from None
    if moment is None and not column.nullable:
        raise Unfit("empty")
    return moment
