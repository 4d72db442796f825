"""Digests that name versions and tell them apart: the same after a rebuild, on every machine. Pure.

A line is the values of a row as text, each with a V before it, or N for NULL, joined by the
character 31, which stands twice where a value has it. MD5 of the line in UTF-8: what names a
version is its first eight bytes as a signed number, what tells versions apart its hex digits.
"""

import hashlib
from collections.abc import Sequence

import polars as pl

from etl_assets.core.digests import SEPARATOR

_BETWEEN = chr(SEPARATOR)


def numbers_of(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """A number for each row, of these columns; Int64, the first eight bytes of the MD5."""
    found = [int.from_bytes(_md5(line)[:8], "big", signed=True) for line in _lines(rows, columns)]
    return pl.Series(found, dtype=pl.Int64)


def digests_of(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The MD5 of each row, of these columns, in 32 hex digits."""
    return pl.Series([_md5(line).hex() for line in _lines(rows, columns)], dtype=pl.String)


def _md5(line: str) -> bytes:
    return hashlib.md5(line.encode(), usedforsecurity=False).digest()


def _lines(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    texts = [_text(name, rows.schema[name]) for name in columns]
    told = [pl.format("V{}", text).fill_null(pl.lit("N")) for text in texts]
    return rows.select(pl.concat_str(told, separator=_BETWEEN)).to_series()


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    """The value as text, null for null; microseconds and days since 1970 for times."""
    value = pl.col(name)
    match dtype:
        case pl.String():
            return value.str.replace_all(_BETWEEN, _BETWEEN * 2, literal=True)
        case pl.Datetime() | pl.Date() | pl.Time() | pl.Duration():
            return value.to_physical().cast(pl.String)
        case pl.Binary():
            return value.bin.encode("hex")
        case pl.List() | pl.Struct() | pl.Array():
            nested = pl.struct(name).struct.json_encode()
            text = nested.str.replace_all(_BETWEEN, _BETWEEN * 2, literal=True)
            return pl.when(value.is_not_null()).then(text)
    return value.cast(pl.String)
