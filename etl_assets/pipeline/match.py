"""Changed rows held against what is published of them: which differ, and which leave.

Pure Polars, in the memory of one chunk of changes. Whether the rows are good is `judging.py`'s.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from etl_assets.core.frames import DAY
from etl_assets.core.rows import keys_of
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.sources.found import Found


@dataclass(frozen=True)
class Match:
    """The rows that need work, all with their DAY.

    `fresh` are to be put in if they are good, `unreadable` to be set aside, and `leaving` (keys)
    have no business in the table. `old` are the published versions of all of these: each leaves.
    `outside` counts source rows of no day in scope.
    """

    table: LayerTable
    fresh: pl.DataFrame
    unreadable: pl.DataFrame
    leaving: pl.DataFrame
    old: pl.DataFrame
    outside: int = 0
    key: Sequence[str] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", list(self.table.key))

    def days(self) -> set[date]:
        """Every day that a row is, was or will be on."""
        return {
            day for frame in (self.fresh, self.unreadable, self.old) for day in frame[DAY].unique()
        }

    def without(self, days: Collection[date]) -> tuple["Match", set[date]]:
        """Leave every row out that has to do with these days, and the days that this concerns."""
        frames = (self.fresh, self.unreadable, self.old)
        keys = pl.concat([f.filter(pl.col(DAY).is_in(days)).select(self.key) for f in frames])
        concerned = {
            day for f in frames for day in f.join(keys, on=self.key, how="semi")[DAY].unique()
        }
        rest = [f.join(keys, on=self.key, how="anti") for f in (*frames, self.leaving)]
        fresh, unreadable, old, leaving = rest
        left = replace(self, fresh=fresh, unreadable=unreadable, old=old, leaving=leaving)
        return left, concerned | set(days)

    def positions(self, source: str) -> set[str]:
        """The source position of every row that is concerned, as quarantine has it."""
        parts = [self.table.column(name) for name in self.key]
        frames = [f.select(self.key) for f in (self.fresh, self.unreadable, self.leaving)]
        return {f"{source} {key}" for key in keys_of(pl.concat(frames), parts)}


def match(table: LayerTable, found: Found, published: pl.DataFrame, scope: Scope) -> Match:
    """Hold what was found against the published rows of those keys (`Warehouse.lookup`).

    A row that is published as the source has it needs nothing, however often it is read.
    """
    key, day = list(table.key), pl.col(table.day_column).cast(pl.Date).alias(DAY)
    rows, old = found.rows.with_columns(day), published.with_columns(day)
    inside, outside = rows.filter(scope.holds()), rows.filter(~scope.holds())
    same = _same(table, inside, old)
    unreadable = found.unreadable.filter(scope.holds())
    lost = found.unreadable.filter(~scope.holds())
    leaving = pl.concat([found.gone, outside.select(key), lost.select(key)]).unique()
    # A key that the same reading found alive elsewhere stays.
    alive = pl.concat([inside.select(key), unreadable.select(key)])
    return Match(
        table=table,
        fresh=inside.join(same, on=key, how="anti", nulls_equal=True),
        unreadable=unreadable,
        leaving=leaving.join(alive, on=key, how="anti"),
        old=old.join(same, on=key, how="anti", nulls_equal=True),
        outside=outside.height + lost.height,
    )


def _same(table: LayerTable, rows: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """The keys whose only published row is the source's, value by value."""
    key = list(table.key)
    once = [_comparable(table, f.filter(pl.len().over(key) == 1)) for f in (rows, old)]
    others = [column.name for column in table.columns if column.name not in key]
    pairs = once[0].join(once[1], on=key, suffix="__old")
    equal = [pl.col(name).eq_missing(pl.col(f"{name}__old")) for name in others]
    return pairs.filter(*equal).select(key) if equal else pairs.select(key)


def _comparable(table: LayerTable, frame: pl.DataFrame) -> pl.DataFrame:
    """JSON by its value: a warehouse may write it with other spaces and in another order."""
    names = [column.name for column in table.columns if column.logical == "json"]
    return frame.with_columns(
        pl.col(name).map_elements(_json_value, return_dtype=pl.String) for name in names
    )


def _json_value(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text
