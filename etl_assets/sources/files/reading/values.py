"""Text to the values of a contract's column: what is accepted is declared here, all else is bad.

- integers: a sign or none, and digits, within the dtype; no point, no exponent, no blanks.
- decimals: a sign or none, digits and a decimal sign, within precision and scale: zeros may follow
  the scale, nothing is ever rounded and no exponent is read.
- floats: the same with or without an exponent, or NaN and infinity by name; too large is bad.
- booleans: the declared words. Text: as it is.

Dates and times are in `moments.py`. Where the text of a field comes from does not belong here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from etl_assets.core.contracts import Column
from etl_assets.core.errors import ContractMismatch
from etl_assets.core.file_formats import Texts
from etl_assets.sources.files.reading.moments import moments

EMPTY = "is empty, and the contract's column is not nullable"
NUL = "has a NUL character"
_PLAIN = Texts()


@dataclass(frozen=True)
class Values:
    """The values of one column, and which of them are bad (their value is null then).

    `failed`: text that is no value, for the `reason`, which ends a sentence that begins with the
    column. `empty`: nulls in a column that is not nullable (EMPTY). Both are None where none is.
    """

    values: pl.Series
    failed: pl.Series | None
    reason: str
    empty: pl.Series | None = None


def check_readable(columns: Sequence[Column]) -> None:
    """Raises ContractMismatch for a column whose dtype no text of a file is read as."""
    for column in columns:
        texts, dtype = column.text or _PLAIN, column.dtype
        forms = [form.replace("%%", "") for form in texts.formats]
        wrong = None
        if isinstance(dtype, pl.Datetime):
            if dtype.time_unit != "us" or dtype.time_zone not in (None, "UTC"):
                wrong = 'is read from files in microseconds and in UTC or no zone: ("us", "UTC")'
            elif dtype.time_zone is None and any("%z" in form for form in forms):
                wrong = "has no time zone, but a format with %z"
            elif any("%Y" not in form for form in forms):
                wrong = "has a format without a date"
        elif isinstance(dtype, pl.Date):
            if any(sign in form for form in forms for sign in ("%z", "%H", "%I")):
                wrong = "is a date, but has a format with a time"
        elif isinstance(dtype, pl.Time):
            if any("%Y" in form for form in forms):
                wrong = "is a time of day, but has a format with a date"
        elif not (dtype.is_numeric() or isinstance(dtype, pl.String | pl.Boolean)):
            wrong = f"cannot be read from text as {dtype}"
        elif texts.formats:
            wrong = f"has formats of dates and times, but is {dtype}"
        if wrong:
            raise ContractMismatch(
                f"Column {column.name!r} {wrong}.", "Correct the column in the table's contract."
            )


def values_of(found: pa.ChunkedArray, column: Column) -> Values:
    """The values of `found` (text; null is an empty field that no quotes are around)."""
    options = column.text or _PLAIN
    if options == _PLAIN and isinstance(column.dtype, pl.Date | pl.Datetime):
        texts = found  # Arrow reads ISO 8601 itself, so its text need not become Polars'
    else:
        texts = _cleaned(pl.Series(column.name, found), options)
    if isinstance(column.dtype, pl.Date | pl.Time | pl.Datetime):
        values, failed, reason = moments(texts, column)
    else:
        values, reason = _parsed(pl.Series(column.name, texts), column.dtype, options)
        failed = None
        if values.null_count() > texts.null_count():
            failed = values.is_null() & texts.is_not_null()
    empty = None
    if not column.nullable and values.null_count():
        empty = values.is_null() & ~failed if failed is not None else values.is_null()
    return Values(values.alias(column.name), failed, reason, empty)


def _cleaned(texts: pl.Series, options: Texts) -> pl.Series:
    """Trimmed, with null for each word that means it; an empty text is null only if trimmed."""
    if options.trim:
        texts = texts.str.strip_chars(" \t")
    if "" not in options.null:
        texts = texts.fill_null("")
    words = [word for word in options.null if word or options.trim]
    if words:
        texts = texts.set(texts.is_in(words).fill_null(False), None)
    return texts


def _parsed(texts: pl.Series, dtype: pl.DataType, options: Texts) -> tuple[pl.Series, str]:
    if isinstance(dtype, pl.String):
        return texts, ""
    if isinstance(dtype, pl.Boolean):
        return _booleans(texts, options), "is none of the words of a boolean"
    if options.thousands is not None or options.decimal != ".":
        texts = _without_signs(texts, options)
    if isinstance(dtype, pl.Decimal):
        return _decimals(texts, dtype), f"is no {dtype} exactly"
    values = texts.cast(dtype, strict=False)
    if dtype.is_float() and (infinite := values.is_infinite()).any():
        is_named = texts.str.contains("(?i)inf", literal=False)
        values = values.set((infinite & ~is_named).fill_null(False), None)
    return values, f"is no {dtype}"


def _booleans(texts: pl.Series, options: Texts) -> pl.Series:
    words = dict.fromkeys(options.true, True) | dict.fromkeys(options.false, False)
    return texts.replace_strict(
        list(words), list(words.values()), default=None, return_dtype=pl.Boolean()
    )


def _decimals(texts: pl.Series, dtype: pl.Decimal) -> pl.Series:
    whole, scale = (dtype.precision or 38) - dtype.scale, dtype.scale
    # Polars cuts what is beyond the scale, and reads exponents.
    fits = texts.str.contains(rf"^[+-]?0*[0-9]{{0,{whole}}}(?:\.[0-9]{{0,{scale}}}0*)?$")
    values = texts.cast(dtype, strict=False)
    return values if fits.all() else values.set(~fits.fill_null(True), None)


def _without_signs(texts: pl.Series, options: Texts) -> pl.Series:
    """Numbers with the usual point and no signs of thousands; null, which is bad, for others."""
    decimal, kept = _escaped(options.decimal), texts
    whole = "[0-9]*"
    if options.thousands is not None:
        whole = rf"(?:[0-9]{{1,3}}(?:{_escaped(options.thousands)}[0-9]{{3}})+|[0-9]*)"
    number = rf"{whole}(?:{decimal}[0-9]*)?(?:[eE][+-]?[0-9]+)?"
    is_number = texts.str.contains(rf"^[+-]?(?:{number}|(?i:nan|inf|infinity))$")
    if options.thousands is not None:
        kept = kept.str.replace_all(options.thousands, "", literal=True)
    if options.decimal != ".":
        kept = kept.str.replace_all(options.decimal, ".", literal=True)
    # Not null: null would pass for an empty field.
    return kept.set(~is_number.fill_null(True), "no number")


def _escaped(sign: str) -> str:
    return rf"\x{{{ord(sign):x}}}"
