"""From snapshots to changes: what each day's whole state says of the one before. Pure."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

SNAPSHOT_AT, IS_GONE = "__snapshot_at", "__is_gone"
"""Columns of the changes: the start of the snapshot's day (UTC), and whether the key is missing."""


def changes_of(
    rows: pl.DataFrame,
    seen: pl.DataFrame,
    key: Sequence[str],
    day: str,
    days: Collection[date],
    incomplete: Collection[date] = (),
) -> pl.DataFrame:
    """The changes that snapshots tell: their rows, and a deletion for each key that a day lacks.

    `rows` are the rows of all `days` with a value, `seen` (key and day) those that were there at
    all: a row that was set aside tells no values, and is not missing either. Of `incomplete` days
    rows were set aside before, so that nobody knows which keys they lack: a key that such a day
    lacks is gone on the next complete day that lacks it. The result has the columns of `rows`,
    SNAPSHOT_AT (Datetime us UTC) and IS_GONE (Boolean).
    """
    names, then = list(key), pl.col(day)
    present = seen.select(*names, day).unique().sort(*names, day)
    same_key = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in names)
    following = then.replace_strict(_complete_after(days, incomplete), return_dtype=pl.Date)
    gone = (
        present.with_columns(
            following.alias("__following"),
            pl.when(same_key & (pl.int_range(pl.len()) < pl.len() - 1))
            .then(then.shift(-1))
            .alias("__again"),
        )
        .filter(
            pl.col("__following").is_not_null()
            & (pl.col("__again").is_null() | (pl.col("__following") < pl.col("__again")))
        )
        .select(*names, pl.col("__following").alias(day), pl.lit(value=True).alias(IS_GONE))
    )
    there = rows.with_columns(pl.lit(value=False).alias(IS_GONE))
    moment = then.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.concat([there, gone], how="diagonal").with_columns(moment.alias(SNAPSHOT_AT))


def _complete_after(
    days: Collection[date], incomplete: Collection[date]
) -> dict[date, date | None]:
    """For each day the first later one that is complete."""
    found: dict[date, date | None] = {}
    after: date | None = None
    for one in sorted(days, reverse=True):
        found[one] = after
        after = after if one in incomplete else one
    return found
