"""Changed rows held against what is published of them: which differ, and which leave.

Pure Polars, in the memory of one chunk of changes. Whether the rows are good is decided in
`day_check.py`. Keys are compared with NULL equal to NULL throughout.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.frames import COUNT, DAY, POSITION, numbered
from etl_assets.core.json_objects import json_value
from etl_assets.core.keeping import marked, stays
from etl_assets.core.partitions import WHOLE
from etl_assets.core.rows import keys_of
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.sources.found import Found


@dataclass(frozen=True)
class Match:
    """The rows that need work, all with their DAY.

    `fresh` are to be published if they are good, `repeated` (their key stands more than once in
    the source) and `unreadable` are to be set aside, and `leaving` (keys) have no business in the
    table. `old` are the published versions of all of these: each leaves. `marked` are published
    rows that stay although they are gone from the source, and get the mark of that; their version
    without it is among `old`. `outside` counts source rows of no day that the platform has."""

    table: LayerTable
    fresh: pl.DataFrame
    repeated: pl.DataFrame
    unreadable: pl.DataFrame
    leaving: pl.DataFrame
    old: pl.DataFrame
    marked: pl.DataFrame
    outside: int = 0

    def is_empty(self) -> bool:
        """Whether nothing needs work."""
        frames = (self.fresh, self.repeated, self.unreadable, self.leaving, self.old, self.marked)
        return not any(frame.height for frame in frames)

    def days(self) -> set[date]:
        """Every part that a row is, was or will be on."""
        frames = (self.fresh, self.repeated, self.unreadable, self.old)
        return {day for frame in frames for day in frame[DAY].unique()}

    def without(self, days: Collection[date]) -> tuple["Match", set[date]]:
        """Leave every row out that has to do with these parts; and the parts that this concerns.

        These are the parts themselves, and those that a row left for one of them or came from.
        """
        key = list(self.table.key)
        frames = (self.fresh, self.repeated, self.unreadable, self.old)
        touching = [f.filter(pl.col(DAY).is_in(list(days))).select(key) for f in frames]
        keys = pl.concat(touching).unique()
        concerned = {
            day
            for f in frames
            for day in f.join(keys, on=key, how="semi", nulls_equal=True)[DAY].unique()
        }
        names = ("fresh", "repeated", "unreadable", "old", "leaving", "marked")
        rest = {
            name: getattr(self, name).join(keys, on=key, how="anti", nulls_equal=True)
            for name in names
        }
        left = replace(self, **rest)
        return left, concerned | set(days)

    def positions(self, source: str) -> list[str]:
        """The source position of every row that is concerned, as quarantine has it."""
        key = list(self.table.key)
        parts = [self.table.column(name) for name in key]
        frames = [f.select(key) for f in (self.fresh, self.repeated, self.leaving, self.marked)]
        known = [f"{source} {text}" for text in keys_of(pl.concat(frames), parts)]
        return list(dict.fromkeys([*known, *self.unreadable[POSITION]]))


def match(
    table: LayerTable,
    found: Found,
    published: pl.DataFrame,
    scope: Scope,
    *,
    is_unique: bool,
    as_of: datetime,
) -> Match:
    """Hold what was found at `as_of` (UTC, the source's clock) against the published rows of those
    keys (`Rows.lookup`).

    A row that is published as the source has it needs nothing, however often it is read, nor does
    one that stays although it is gone and that says so already. Unless the
    source makes sure that keys `is_unique`, `found` has all rows of each key that it has.
    """
    key, day = list(table.key), _day_of(table)
    rows, old = found.rows.with_columns(day), published.with_columns(day)
    held = scope.holds() if table.has_days else pl.lit(value=True)
    inside, outside = rows.filter(held), rows.filter(~held)
    unreadable, lost = found.unreadable.filter(held), found.unreadable.filter(~held)
    repeated = inside.clear()
    if not is_unique:
        keys = whole_keys(table, repeated_among(table, [inside, unreadable]))
        repeated = inside.join(keys, on=key, how="semi", nulls_equal=True)
        inside = inside.join(keys, on=key, how="anti", nulls_equal=True)
    same = _same(table, inside, old)
    leaving = pl.concat([found.gone, outside.select(key), lost.select(key)]).unique()
    # A key that the same reading found alive elsewhere stays.
    alive = pl.concat([f.select(key) for f in (inside, repeated, unreadable)])
    leaving = leaving.join(alive, on=key, how="anti", nulls_equal=True)
    gone = leaving.join(found.gone, on=key, how="semi", nulls_equal=True)
    kept = old.join(gone, on=key, how="semi", nulls_equal=True).filter(stays(table, as_of))
    unmarked = kept.filter(_is_unmarked(table))
    done = kept.join(unmarked, on=key, how="anti", nulls_equal=True)
    same = pl.concat([same, done.select(key)])
    return Match(
        table=table,
        fresh=inside.join(same, on=key, how="anti", nulls_equal=True),
        repeated=repeated,
        unreadable=unreadable,
        leaving=leaving.join(kept, on=key, how="anti", nulls_equal=True),
        old=old.join(same, on=key, how="anti", nulls_equal=True),
        marked=marked(table, unmarked, as_of),
        outside=outside.height + lost.height,
    )


def _is_unmarked(table: LayerTable) -> pl.Expr:
    """Whether a row lacks the mark of what is gone from the source; none does without a mark."""
    return pl.col(table.kept_column).is_null() if table.kept_column else pl.lit(value=False)


def repeated_among(table: LayerTable, frames: Collection[pl.DataFrame]) -> pl.DataFrame:
    """The keys that stand more than once in the frames taken together; NULL is equal to NULL."""
    key = list(table.key)
    counted = pl.concat([frame.select(key) for frame in frames]).group_by(key).len(COUNT)
    return counted.filter(pl.col(COUNT) > 1).select(key)


def whole_keys(table: LayerTable, keys: pl.DataFrame) -> pl.DataFrame:
    """Those of the keys that have no NULL where the contract refuses one: such rows are set aside
    for the NULL, whether the key is repeated or not."""
    required = [name for name in table.key if not table.column(name).nullable]
    return keys.filter(pl.all_horizontal([pl.lit(value=True), *map(_is_there, required)]))


def _is_there(name: str) -> pl.Expr:
    return pl.col(name).is_not_null()


def _day_of(table: LayerTable) -> pl.Expr:
    if not table.has_days:
        return pl.lit(WHOLE, pl.Date).alias(DAY)
    return pl.col(table.day_column).cast(pl.Date).alias(DAY)


def _same(table: LayerTable, rows: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """The keys whose only published row is the source's, value by value."""
    key = list(table.key)
    once = [frame.filter(pl.len().over(key) == 1) for frame in (rows, old)]
    others = [column for column in table.columns if column.name not in key]
    then = {column.name: numbered(number) for number, column in enumerate(others)}
    pairs = once[0].join(once[1].rename(then), on=key, nulls_equal=True)
    for column in others:
        pairs = pairs.filter(_equal(column, pairs[column.name], pairs[then[column.name]]))
    return pairs.select(key)


def _equal(column: Column, values: pl.Series, older: pl.Series) -> pl.Series:
    """Whether the two values of a column are the same, pair by pair.

    JSON is by its value: a warehouse may write it with other spaces and in another order.
    """
    same = values.eq_missing(older)
    if column.logical != "json" or same.all():
        return same
    pairs_of_texts = zip(same, values, older, strict=True)
    return pl.Series([known or _is_same_json(*texts) for known, *texts in pairs_of_texts])


def _is_same_json(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and json_value(one) == json_value(other)
