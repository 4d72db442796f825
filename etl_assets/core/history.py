"""The history of a dimension: what changes of a key make versions that are valid from a moment to
the next. Pure.

A change is a key, a moment of the source, and values or a deletion. History is by these moments,
never by the clock of a load: the same changes make the same versions, whatever their order of
arrival and in however many runs they came. How a run finds the changes of the keys that it needs
is `pipeline/dimensions/`; how facts look versions up is `core/as_of.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

MOMENT = pl.Datetime("us", "UTC")
VALID_FROM, VALID_TO, IS_CURRENT = "valid_from", "valid_to", "is_current"
CREATED_AT, UPDATED_AT = "created_at", "updated_at"

BEGINNING = datetime(1000, 1, 1, tzinfo=UTC)
"""The `valid_from` of what was ever so: early enough for any fact, and a moment that every
warehouse and every driver can hold."""


@dataclass(frozen=True)
class HistoryShape:
    """Which columns of a change are what.

    `key` identifies what has a history, `moment` (Datetime us UTC) is when the source changed it.
    A version opens where a value of `tracked` changes; `untracked` values never open one: with
    `overwrites` each version of a key has the newest, else each has the newest of its own time.
    `deleted` is a Boolean column that says that the key is gone from the moment on, None where
    changes are never deletions. `order` are columns that say which of several changes of one moment
    is the later one; what they leave open the values decide. With `since_ever` the first
    version of a key is valid from BEGINNING, for facts that are older than it; one that is older
    than BEGINNING is valid from its own moment.
    """

    key: tuple[str, ...]
    moment: str
    tracked: tuple[str, ...]
    untracked: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    deleted: str | None = None
    overwrites: bool = True
    since_ever: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """The columns of a version that describe its key."""
        return (*self.tracked, *self.untracked)


def versions_of(changes: pl.DataFrame, shape: HistoryShape) -> pl.DataFrame:
    """The versions of each key, by key and `valid_from`.

    `changes` has the columns of the shape, in any order; a change that stands twice counts once. A
    row without a moment is an error of the caller. The columns are the key, the values,
    `valid_from` and `valid_to` (Datetime us UTC; exclusive, null for no end), `is_current`
    (Boolean), `created_at` (the first moment of the key) and `updated_at` (the moment of the newest
    change that the version has taken in).

    The rules: of several changes of a key at one moment the last by `order` stays, so that no
    version has zero length. A deletion closes the version that is open, and the next change that is
    none opens one again, even with the same values. NULL is a value like any other, and differs
    from an empty text.
    """
    changes = changes.with_columns(_deleted(shape).alias("_deleted"))
    ordered = _one_a_moment(changes, shape).with_columns(_same_key(shape.key, 1).alias("_same"))
    was_deleted = pl.col("_same") & pl.col("_deleted").shift(1, fill_value=False)
    changed = pl.any_horizontal(
        pl.lit(value=False),
        *(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in shape.tracked),
    )
    ordered = ordered.with_columns(
        (~pl.col("_deleted") & (~pl.col("_same") | was_deleted | changed)).alias("_opens"),
        (pl.col("_deleted") & pl.col("_same") & ~was_deleted).alias("_closes"),
    ).with_columns(pl.col("_opens").cum_sum().alias("_version"))
    opened = (
        ordered.filter(pl.col("_opens") | pl.col("_closes"))
        .with_columns(
            pl.when(_same_key(shape.key, -1)).then(pl.col(shape.moment).shift(-1)).alias(VALID_TO)
        )
        .filter("_opens")
        .select(*shape.key, *shape.tracked, pl.col(shape.moment).alias(VALID_FROM), VALID_TO)
    )
    last_of_version = pl.col("_version").ne_missing(pl.col("_version").shift(-1))
    newest = (
        ordered.filter(~pl.col("_deleted"))
        .filter(last_of_version)
        .select(*shape.untracked, pl.col(shape.moment).alias(UPDATED_AT))
    )
    return _finished(pl.concat([opened, newest], how="horizontal"), shape)


def _finished(versions: pl.DataFrame, shape: HistoryShape) -> pl.DataFrame:
    is_first = ~_same_key(shape.key, 1)
    versions = versions.with_columns(
        pl.col(VALID_TO).is_null().alias(IS_CURRENT),
        pl.when(is_first).then(VALID_FROM).forward_fill().alias(CREATED_AT),
    )
    if shape.overwrites and shape.untracked:
        is_last = ~_same_key(shape.key, -1)
        row = pl.when(is_last).then(pl.int_range(pl.len())).backward_fill()
        newest = versions.select(row.alias("row")).to_series()
        versions = versions.with_columns(versions.select(shape.untracked)[newest])
    if shape.since_ever:
        # A key that is older than BEGINNING begins when it does.
        ever = pl.min_horizontal(pl.lit(BEGINNING, MOMENT), VALID_FROM)
        versions = versions.with_columns(
            pl.when(is_first).then(ever).otherwise(VALID_FROM).alias(VALID_FROM)
        )
    return versions.select(
        *shape.key, *shape.values, VALID_FROM, VALID_TO, IS_CURRENT, CREATED_AT, UPDATED_AT
    )


def _one_a_moment(changes: pl.DataFrame, shape: HistoryShape) -> pl.DataFrame:
    """The changes by key and moment, of each moment the last one."""
    place = [*shape.key, shape.moment]
    ordered = changes.sort(place, nulls_last=False)
    tied = ordered.select(
        pl.struct(place).eq_missing(pl.struct(place).shift(1)).alias("again")
    ).to_series()
    again = tied | tied.shift(-1, fill_value=False)
    if not again.any():
        return ordered
    # Only these are put in order by all that they hold: that costs far more than the rest.
    # What the source does not order a deletion ends, then the greater value, column by column.
    by = [*place, *shape.order, "_deleted", *shape.values]
    ties = ordered.filter(again).sort(by, nulls_last=False)
    last = ties.unique(place, keep="last", maintain_order=True)
    return pl.concat([ordered.filter(~again), last]).sort(place, nulls_last=False)


def _deleted(shape: HistoryShape) -> pl.Expr:
    if shape.deleted is None:
        return pl.lit(value=False)
    return pl.col(shape.deleted).fill_null(value=False)


def _same_key(key: Sequence[str], rows: int) -> pl.Expr:
    """Whether the row so many rows before (after, if negative) has the same key."""
    same = [pl.col(name).eq_missing(pl.col(name).shift(rows)) for name in key]
    place, count = pl.int_range(pl.len()), pl.len()
    inside = place >= rows if rows > 0 else place < count + rows
    return pl.all_horizontal(inside, *same)
