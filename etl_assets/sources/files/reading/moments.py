"""Text to dates, times of day and moments, exactly: by ISO 8601, or by the declared formats.

ISO 8601 is here what Arrow reads: `2024-01-31`, and after `T` or a blank `10`, `10:11`, `10:11:12`
or `10:11:12.123456`, then `Z`, `+01`, `+0100` or `+01:00` where the moment has an offset. Years are
0001 to 9999; a second 60 and an hour 24 are bad. Digits after the microseconds must be 0.

A moment in UTC must have an offset, unless the contract's column says in which zone the source's
clock was. How local times become moments, and text null, belongs in the contract.
"""

from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from etl_assets.core.contracts import Column
from etl_assets.core.file_formats import FRACTION, pattern_of

_NAIVE, _MOMENT = pl.Datetime("us"), pl.Datetime("us", "UTC")
_BEYOND_MICROSECONDS = r"(\.[0-9]{6})0+"

Moments = tuple[pl.Series, pl.Series | None, str]


def moments(found: pl.Series | pa.ChunkedArray, column: Column) -> Moments:
    """The values of a Date, Time or Datetime column, which of them are bad, and why they are."""
    dtype = column.dtype
    formats = column.text.formats if column.text else ()
    reason = f"is no {dtype} {'in its formats' if formats else 'by ISO 8601'}"
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        if column.source_zone is not None:
            return _local_or_not(pl.Series(found), column, reason)
        values = _read(found, _MOMENT, formats)
    else:
        values = _read(found, dtype, formats)
    texts = pl.Series(
        found.is_valid() if isinstance(found, pa.ChunkedArray) else found.is_not_null()
    )
    failed = values.is_null() & texts if values.null_count() else None
    return values, failed if failed is not None and failed.any() else None, reason


def _local_or_not(texts: pl.Series, column: Column, reason: str) -> Moments:
    """Moments, of which those without an offset are of the source's clock (C17)."""
    formats = column.text.formats if column.text else ()
    with_offset = tuple(form for form in formats if "%z" in form)
    without = tuple(form for form in formats if "%z" not in form)
    nothing = pl.Series(texts.name, [None], dtype=_NAIVE).new_from_index(0, texts.len())
    naive = nothing if with_offset and not without else _read(texts, _NAIVE, without)
    values, is_refused = local_moments(naive, column)
    rest = texts.set(naive.is_not_null(), None)
    if rest.null_count() < rest.len() and (with_offset or not formats):
        values = values.zip_with(rest.is_null(), _read(rest, _MOMENT, with_offset))
    failed = values.is_null() & texts.is_not_null()
    if column.ambiguous == "null":
        failed &= naive.is_null()
    elif is_refused.any():
        reason = f"{reason}, or a local time that {column.source_zone} has twice or not at all"
    return values, failed if failed.any() else None, reason


def local_moments(naive: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """Times of the clock in `source_zone` as moments in UTC, and which of them are none.

    By `ambiguous`, an hour that comes twice is one of the two, null, or none; one that a clock
    change leaves out is none, or null with "null".
    """
    values = naive.dt.replace_time_zone(
        column.source_zone,
        ambiguous="null" if column.ambiguous == "raise" else column.ambiguous,
        non_existent="null",
    ).dt.convert_time_zone("UTC")
    if column.ambiguous == "null":
        return values, pl.Series([False], dtype=pl.Boolean).new_from_index(0, naive.len())
    return values, naive.is_not_null() & values.is_null()


def _read(
    found: pl.Series | pa.ChunkedArray, dtype: pl.DataType, formats: tuple[str, ...]
) -> pl.Series:
    """Values by the formats, or by ISO 8601 if there are none; null for what is none."""
    if formats:
        return _formatted(pl.Series(found), dtype, formats)
    if isinstance(dtype, pl.Time):
        # Arrow reads no time of day; an hour alone would be any number of two digits.
        texts = pl.Series(found)
        texts = texts.set(~texts.str.contains("^[0-9]{2}:").fill_null(True), "")
        dated = _read("1970-01-01T" + texts, _NAIVE, ())
        return dated.dt.time()
    if isinstance(dtype, pl.Date):
        arrow: pa.DataType = pa.date32()
    else:
        zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
        arrow = pa.timestamp("us", zone)
    try:
        read = pc.cast(found if isinstance(found, pa.ChunkedArray) else found.to_arrow(), arrow)
    except pa.ArrowInvalid:
        texts = pl.Series(found).str.replace(_BEYOND_MICROSECONDS, "$1")
        read = pa.chunked_array(_halves(texts.to_arrow(), arrow), arrow)
    return within_years(pl.Series(read).cast(dtype))


def within_years(values: pl.Series) -> pl.Series:
    """Dates or moments, null for those before the year 1 or after 9999."""
    days = values if isinstance(values.dtype, pl.Date) else values.dt.date()
    # Polars has no date of a moment that is too far for it.
    is_within = days.is_between(date.min, date.max).fill_null(False) | values.is_null()
    return values if is_within.all() else values.set(~is_within, None)


def _halves(texts: pa.Array, arrow: pa.DataType) -> list[pa.Array]:
    """Each value that Arrow can read, null for the others: by halves, because it does not say."""
    try:
        return [pc.cast(texts, arrow)]
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return [pa.nulls(1, arrow)]
        half = len(texts) // 2
        return _halves(texts[:half], arrow) + _halves(texts[half:], arrow)


def _formatted(texts: pl.Series, dtype: pl.DataType, formats: tuple[str, ...]) -> pl.Series:
    text = pl.col(texts.name)
    tried = [_by_format(text, dtype, form) for form in formats]
    values = pl.DataFrame(texts).select(pl.coalesce(tried)).to_series()
    return values if isinstance(dtype, pl.Time) else within_years(values)


def _by_format(text: pl.Expr, dtype: pl.DataType, form: str) -> pl.Expr:
    text = pl.when(text.str.contains(pattern_of(form))).then(text)
    form = form.replace(FRACTION, "%.f")
    if isinstance(dtype, pl.Date):
        return text.str.to_date(form, strict=False)
    if isinstance(dtype, pl.Time):
        return text.str.to_time(form, strict=False)
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    return text.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False)
