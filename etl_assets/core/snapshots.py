"""From snapshots to changes: what each day's whole state says of the one before. Pure."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

SNAPSHOT_AT, IS_GONE = "__snapshot_at", "__is_gone"
"""Columns of the changes: the start of the snapshot's day (UTC), and whether the key is missing."""


def changes_of(
    rows: pl.DataFrame, seen: pl.DataFrame, key: Sequence[str], day: str, days: Collection[date]
) -> pl.DataFrame:
    """The changes that snapshots tell: their rows, and a deletion for each key that a day lacks.

    `rows` are the rows of all `days` with a value, `seen` (key and day) those that were there at
    all: a row that was set aside tells no values, and is not missing either. The result has the
    columns of `rows`, SNAPSHOT_AT (Datetime us UTC) and IS_GONE (Boolean).
    """
    ordered = sorted(days)
    following = dict(zip(ordered, [*ordered[1:], None], strict=True))
    present = seen.select(*key, day).unique()
    missing = (
        present.with_columns(pl.col(day).replace_strict(following, return_dtype=pl.Date).alias(day))
        .drop_nulls(day)
        .join(present, on=[*key, day], how="anti", nulls_equal=True)
    )
    gone = missing.with_columns(pl.lit(value=True).alias(IS_GONE))
    changes = pl.concat(
        [rows.with_columns(pl.lit(value=False).alias(IS_GONE)), gone], how="diagonal"
    )
    moment = pl.col(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return changes.with_columns(moment.alias(SNAPSHOT_AT))
