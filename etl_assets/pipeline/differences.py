"""What rows that differ mean: which are missing, changed, extra or only pending, and whether the
quarantine is what a full load would set aside.

Which rows differ is found by `compare.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from etl_assets.core.frames import CURSOR, DAY, DIGEST, PAYLOAD, POSITION
from etl_assets.core.keeping import open_from, stays
from etl_assets.core.position import Position
from etl_assets.core.rows import keys_of, payloads_of
from etl_assets.core.scope import Scope
from etl_assets.core.set_aside import SOURCE_RULES
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.sync_log import position_of
from etl_assets.pipeline.sync_part import found_of
from etl_assets.sources.snapshot import Snapshot


@dataclass(frozen=True)
class Differences:
    """Rows that differ, by their keys; changes that the next sync brings are only `pending`.

    `missing` are in the source only, `changed` in both, `extra` in the warehouse only; `extra` has
    the column DAY beside the key. `vanished` are the days of which every published row is extra.
    `quarantine_days` are the days whose quarantine is not what a full load would set aside.
    `compared_days` were looked at, `days` have a difference, pending ones aside. `without_day`
    counts source rows that no day can hold. `kept` counts published rows that the source no longer
    has and that stay, which is no difference; `unmarked` (like `extra`) are those of them that do
    not say so yet, in a table where they should. Days before `open_from` are closed, and were not
    looked at; None where none is. All of it was so `through` that moment (UTC, on the
    source's clock): later changes are pending.
    """

    missing: pl.DataFrame
    changed: pl.DataFrame
    extra: pl.DataFrame
    pending: int
    compared_days: frozenset[date]
    days: frozenset[date]
    through: datetime
    vanished: frozenset[date] = frozenset()
    quarantine_days: frozenset[date] = frozenset()
    without_day: int = 0
    kept: int = 0
    unmarked: pl.DataFrame = field(default_factory=pl.DataFrame)
    open_from: date | None = None

    @property
    def count(self) -> int:
        """How many rows differ."""
        return self.missing.height + self.changed.height + self.extra.height

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.count and not self.quarantine_days


@dataclass(frozen=True)
class Comparison:
    """The rows of the buckets that differ (`theirs`: key, digest, cursor, day; `ours` likewise
    without a cursor), and what is recorded of the table."""

    table: LayerTable
    snapshot: Snapshot
    before: Before
    scope: Scope
    without: frozenset[date]
    theirs: pl.DataFrame
    ours: pl.DataFrame
    key: Sequence[str] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", list(self.table.key))

    def differences(self, compared: frozenset[date], source_days: frozenset[date]) -> Differences:
        """What the rows mean; `compared` are the days that were looked at, `source_days` those that
        the source has."""
        position = position_of(self.table, self.before.table_state)
        same = [*self.key, DIGEST, DAY]
        source_only = self._without(self.theirs, self.ours, same)
        ours_only = self._without(self.ours, self.theirs, same)
        pending = source_only.filter(_is_pending(self.table, position))
        told = self._without(source_only, pending, self.key)
        quarantine = self._quarantine(compared)
        known = self._set_aside(told, quarantine)
        left = self._without(ours_only, pending, self.key)
        wrong = self._wrong_quarantine(quarantine, known, pending, told) - self.without
        told = self._without(told, known, self.key)
        changed = self._with(told, left)
        extra = self._without(left, told, self.key)
        # A row that is on another day in the source, as a change that is pending, is no ghost.
        extra, moving = self._ghosts(extra, position)
        stay = extra.filter(stays(self.table, self.snapshot.as_of, DAY))
        extra = self._without(extra, stay, self.key)
        days = {*told[DAY], *extra[DAY], *self._with(left, changed)[DAY], *wrong}
        waits = bool(pending.height + moving)
        return Differences(
            missing=self._without(told, left, self.key).select(self.key).unique(),
            changed=changed.select(self.key).unique(),
            extra=extra.select(*self.key, DAY).unique(),
            pending=pending.height + moving,
            compared_days=compared,
            days=frozenset(days),
            # Where nothing is on its way, all is as it was when it was read.
            through=position.moment if position and waits else self.snapshot.as_of,
            vanished=self._vanished(extra, source_days),
            quarantine_days=frozenset(wrong),
            without_day=self.snapshot.without_day(),
            kept=stay.height,
            unmarked=(stay if self.table.kept_column else stay.clear()).select(*self.key, DAY),
            open_from=open_from(self.table, self.snapshot.as_of),
        )

    def _with(self, rows: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
        return rows.join(other, on=self.key, how="semi", nulls_equal=True)

    def _without(self, rows: pl.DataFrame, other: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
        return rows.join(other, on=list(on), how="anti", nulls_equal=True)

    def _vanished(self, extra: pl.DataFrame, source_days: frozenset[date]) -> frozenset[date]:
        gone = dict(extra.group_by(DAY).len().iter_rows())
        return frozenset(
            day
            for day, rows in gone.items()
            if day not in source_days
            and day in self.before.states
            and rows >= self.before.states[day].row_count
        )

    def _ghosts(self, extra: pl.DataFrame, position: Position | None) -> tuple[pl.DataFrame, int]:
        """Those of the extra rows that are not merely on their way to another day, and the rest."""
        if not extra.height or self.table.cursor is None:
            return extra, 0
        alive = found_of(self.table, self.snapshot.by_keys(extra.select(self.key))).rows
        cursor = self.table.cursor.place.alias(CURSOR)
        moving = alive.with_columns(cursor).filter(_is_pending(self.table, position))
        ghosts = self._without(extra, moving, self.key)
        return ghosts, extra.height - ghosts.height

    def _quarantine(self, compared: frozenset[date]) -> pl.DataFrame:
        if not self.before.quarantine_counts:
            return self.before.warehouse.quarantined(self.table, positions=[])
        days = [day for day in self.before.quarantine_counts if day in compared]
        return self.before.warehouse.quarantined(self.table, days=days)

    def _set_aside(self, rows: pl.DataFrame, quarantine: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows that are in quarantine just as they are: published nowhere, on purpose.

        All source rows of a key must be there. The columns are the key's and POSITION.
        """
        nothing = rows.clear().select(self.key).with_columns(pl.lit("").alias(POSITION))
        if not quarantine.height or not rows.height:
            return nothing
        mine = self._positions(rows).is_in(quarantine["source_position"].implode())
        candidates = rows.filter(mine)
        if not candidates.height:
            return nothing
        found = found_of(self.table, self.snapshot.by_keys(candidates.select(self.key))).rows
        named = found.with_columns(
            self._positions(found).alias(POSITION),
            pl.Series(PAYLOAD, payloads_of(found), dtype=pl.String),
        )
        on = [POSITION, PAYLOAD]
        aside = quarantine.rename({"source_position": POSITION, "payload": PAYLOAD})
        kept = named.join(aside.select(on).unique(), on=on, how="semi")
        # A key that was repeated and is not any more has fewer rows in the source than here.
        of = [frame.group_by(POSITION).len() for frame in (named, kept, aside)]
        counted = [POSITION, "len"]
        whole = of[0].join(of[1], on=counted, how="semi").join(of[2], on=counted, how="semi")
        whole_rows = kept.join(whole, on=POSITION, how="semi")
        return whole_rows.select(*self.key, POSITION).unique()

    def _wrong_quarantine(
        self,
        quarantine: pl.DataFrame,
        known: pl.DataFrame,
        pending: pl.DataFrame,
        told: pl.DataFrame,
    ) -> set[date]:
        """The days whose quarantine is not what a full load would set aside.

        Rows that no dtype holds are compared by position, day and row; of others those are wrong
        that are not in the source any more as they are in quarantine. What is missing in quarantine
        is a missing row.
        """
        is_unreadable = pl.col("rule").str.split(": ").list.last().is_in(SOURCE_RULES)
        unreadable = self.snapshot.unreadable(self.scope)
        theirs = pl.DataFrame(
            {
                "partition_key": pl.Series(unreadable.days, dtype=pl.Date),
                "source_position": pl.Series(unreadable.rows.positions, dtype=pl.String),
                "payload": pl.Series(unreadable.rows.payloads, dtype=pl.String),
            }
        )
        columns = theirs.columns
        ours = quarantine.filter(is_unreadable).select(columns)
        counted = [frame.group_by(columns).len() for frame in (theirs, ours)]
        apart = pl.concat(
            [
                one.join(other, on=[*columns, "len"], how="anti")
                for one, other in (counted, reversed(counted))
            ]
        )
        waiting = [*self._positions(pending), *self._positions(told)]
        others = quarantine.filter(~is_unreadable)
        stale = others.filter(~pl.col("source_position").is_in([*known[POSITION], *waiting]))
        return set(apart["partition_key"].drop_nulls()) | set(stale["partition_key"])

    def _positions(self, rows: pl.DataFrame) -> pl.Series:
        keys = keys_of(rows, [self.table.column(name) for name in self.key])
        return pl.Series([f"{self.snapshot.source} {key}" for key in keys], dtype=pl.String)


def _is_pending(table: LayerTable, position: Position | None) -> pl.Expr:
    """Whether a sync that goes on from the position will read the row, by its CURSOR."""
    if position is None or not table.syncs or table.cursor is None:
        return pl.lit(value=False)
    cursor, place = pl.col(CURSOR), pl.lit(position.place, dtype=table.cursor.place_dtype)
    later = cursor >= place if position.key else cursor > place
    return later.fill_null(value=True)
