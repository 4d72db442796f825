"""The digest that source and warehouse are compared by: what each database computes inside itself.

A row's line is its values in the contract's order, each as `V` and its canonical text, or `N` for
NULL, joined by the character 31; its digest is the MD5 of that line in UTF-8, in lower-case hex.
A bucket's checksum is the pair of sums of the first and of the second eight digits, as numbers.
How the canonical texts are written in SQL is each database's; they are the same everywhere:

| dtype | canonical text |
| --- | --- |
| integers | decimal digits |
| Boolean | `1` or `0` |
| Decimal(p, s) | the value times 10^s, an integer |
| Datetime | microseconds since 1970 (as if UTC where it has no zone) |
| Date | days since 1970 |
| Time | microseconds since midnight |
| Binary | lower-case hex |
| Float32, Float64 | the bits of the IEEE 754 double as a signed integer; `NaN`; `0`, -0.0 too |
| List | for each element `V` and the MD5 of its canonical text, or `N`, joined by commas |
| String | itself |

Rows that are marked as gone from the source (`kept_column`) are in no digest of the warehouse
(`mark_left_out`): a row that comes back is then one that it lacks.

JSON is left out, and a reconciliation says so: BigQuery keeps what a text says and not the text.
Structs are left out as well; no source that is compared has one. A local time is the moment that it
was loaded as.
"""

from collections.abc import Sequence

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.frames import DIGEST
from etl_assets.core.table import LayerTable

SEPARATOR = 31
"""The character between two values of a line."""

BUCKETS_SCHEMA = pl.Schema(
    {
        "day": pl.Date(),
        "bucket": pl.Int64(),
        "rows": pl.Int64(),
        "low": pl.Int64(),
        "high": pl.Int64(),
    }
)
"""A count and a checksum for each (day, bucket) that has rows. A row's bucket is the number that
the first eight hex digits of the MD5 of its key's line are, modulo how many buckets there are."""


def is_comparable(column: Column) -> bool:
    """Whether the column's values have a canonical text."""
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
    return not isinstance(inner, pl.List | pl.Struct) and column.logical != "json"


def can_be_reconciled(table: LayerTable) -> bool:
    """Whether it is read from a source, and any database can tell its rows apart by their key."""
    return (
        table.source is not None
        and table.source.COMPARABLE
        and all(_is_comparable_key(table.column(name)) for name in table.key)
    )


def _is_comparable_key(column: Column) -> bool:
    """Whether any database finds rows by it: floats and lists are no keys on BigQuery."""
    return is_comparable(column) and not isinstance(column.dtype, pl.Float32 | pl.Float64 | pl.List)


def compared(table: LayerTable) -> Sequence[Column]:
    """The columns that a row's line is made of."""
    return [column for column in _of_source(table) if is_comparable(column)]


def not_compared(table: LayerTable) -> Sequence[str]:
    """The names of those that are left out."""
    return [column.name for column in _of_source(table) if not is_comparable(column)]


def _of_source(table: LayerTable) -> Sequence[Column]:
    mark = mark_left_out(table)
    return [column for column in table.columns if column.name != mark]


def mark_left_out(table: LayerTable) -> str | None:
    """The column that marks rows as gone from the source, if such rows are in no digest.

    Where `keep_before` lets deleted rows leave the days that are compared, no row of these has a
    business to be marked, and the mark is compared as a value that the source has none of.
    """
    return None if table.keep_before else table.kept_column


def row_digests_schema(table: LayerTable) -> pl.Schema:
    """The key's columns, each with its own dtype, and DIGEST: 32 hex digits."""
    key = {name: table.column(name).dtype for name in table.key}
    return pl.Schema({**key, DIGEST: pl.String()})
