"""The digests of `core/digests.py` as PostgreSQL computes them: SQL text for a SELECT, no more.

Everything given is SQL already, names quoted; nothing here looks at a table or a connection. No
expression fails for a value, so that one which no dtype holds spoils no comparison of the others.
"""

from collections.abc import Sequence

import polars as pl

from etl_assets.core.digests import SEPARATOR

_DIGITS = 8


def canonical_text(dtype: pl.DataType, expression: str) -> str:
    """The canonical text of a value of the contract's dtype, NULL for NULL.

    `expression` has the type that the dtype is read from; what is text for the contract may be of
    any type whose output that text is (`char(n)` keeps its padding). Raises TypeError for a dtype
    without canonical text.
    """
    e = f"({expression})"
    if isinstance(dtype, pl.String):
        return f"CASE WHEN {e} IS NOT NULL THEN concat({e}) END"  # a cast would cut padding off
    if dtype.is_integer():
        return f"{e}::text"
    if isinstance(dtype, pl.Boolean):
        return f"{e}::integer::text"
    if isinstance(dtype, pl.Decimal):
        return f"trunc({e}::numeric * 1e{dtype.scale}::numeric)::text"
    if isinstance(dtype, pl.Datetime | pl.Time):  # numeric, and so exact, of any of their types
        return f"trunc(extract(epoch FROM {e}) * 1000000)::text"
    if isinstance(dtype, pl.Date):
        return f"(extract(julian FROM {e}) - 2440588)::text"
    if isinstance(dtype, pl.Binary):
        return f"encode({e}, 'hex')"
    if isinstance(dtype, pl.Float32 | pl.Float64):
        bits = f"('x' || encode(float8send({e}::float8), 'hex'))::bit(64)::bigint::text"
        return f"CASE {e}::float8 WHEN 'NaN' THEN 'NaN' WHEN 0 THEN '0' ELSE {bits} END"
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType):
        item = f"md5(convert_to({canonical_text(dtype.inner, 'item')}, 'UTF8'))"
        # Not `FROM unnest(…)`, which would take a composite element apart.
        items = f"SELECT coalesce('V' || {item}, 'N') FROM (SELECT unnest({e}) AS item) AS items"  # noqa: S608
        return f"CASE WHEN {e} IS NOT NULL THEN array_to_string(ARRAY({items}), ',') END"
    raise TypeError(f"{dtype} has no canonical text.")


def line(texts: Sequence[str]) -> str:
    """The line of a row, or of its key, made of canonical texts; never NULL."""
    values = ", ".join(f"coalesce('V' || {text}, 'N')" for text in texts)
    # Neither concat_ws, which takes 99 values, nor a chain of ||, which copies them all each time.
    return f"array_to_string(ARRAY[{values}]::text[], chr({SEPARATOR}))"


def row_digest(line: str) -> str:
    """The digest of a row's line: 32 hex digits."""
    return f"md5(convert_to({line}, 'UTF8'))"


def bucket_of(key_line: str, buckets: int) -> str:
    """The bucket of the row with this key's line, from 0, as bigint."""
    return f"({_number(row_digest(key_line), 1)} % {buckets})"


def checksum(digest: str) -> tuple[str, str]:
    """The sums `low` and `high` of a group's digests, as bigint."""
    return tuple(  # type: ignore[return-value]  # two in, two out
        f"sum({_number(digest, start)})::bigint" for start in (1, 1 + _DIGITS)
    )


def _number(digest: str, start: int) -> str:
    return f"('x' || substr({digest}, {start}, {_DIGITS}))::bit({4 * _DIGITS})::bigint"
