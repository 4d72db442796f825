"""Source and warehouse compared by counts and checksums that each computes inside itself.

Parts first, then buckets of the parts that differ, then the keys of the buckets that differ: what
travels is in proportion to the differences. Then quarantine is held against the rows that are not
published. What is done about differences is `reconcile.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from etl_assets.core.cursor import MOMENT
from etl_assets.core.digests import BUCKETS_SCHEMA, row_digests_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.frames import CURSOR, DAY, DIGEST, PAYLOAD, POSITION
from etl_assets.core.keeping import open_from, open_scope, stays
from etl_assets.core.position import Position
from etl_assets.core.rows import keys_of, payloads_of
from etl_assets.core.scope import Scope
from etl_assets.core.set_aside import SOURCE_RULES
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.kept_rows import marked_rows
from etl_assets.pipeline.sync_log import position_of
from etl_assets.pipeline.sync_part import found_of
from etl_assets.sources.base import Snapshot, Source
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import lost_turn

BUCKETS = 256
MOST_ROWS = 1_000_000


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
class Comparing:
    """A table and its source, in the days that the platform has (`scope`), `without` some of them.

    Days are left out that lack a column of the contract: every row of them would differ.
    """

    table: LayerTable
    source: Source
    warehouse: Warehouse
    scope: Scope
    without: frozenset[date] = frozenset()

    def compare(self) -> Differences:
        """The rows that differ, in one snapshot of the source.

        Raises LostTurn where somebody publishes to the table meanwhile, EtlError where more rows
        differ than can be told one by one, else what the source and the warehouse raise.
        """
        before = Before.of(self.warehouse, self.table)
        with self.source.again(None).open() as snapshot:
            scope = open_scope(self.table, self.scope, snapshot.as_of)
            if scope is None:
                return self._all_closed(snapshot)
            asked = scope if self.table.keep_before else None
            theirs = self._in_scope(snapshot.digests(None, 1, asked), scope)
            published = [day for day in before.states if self._has(day, scope)]
            ours = self.warehouse.digests(self.table, published, 1)
            pruned = self._pruned(theirs, ours, snapshot.as_of)
            days = sorted(set(_differing(theirs, ours)["day"]) - set(pruned["day"]))
            rows = self._rows(snapshot, days)
            compared = frozenset(theirs["day"]) | frozenset(published)
            comparison = _Comparison(self.table, snapshot, before, scope, self.without, *rows)
            differences = comparison.differences(compared, frozenset(theirs["day"]))
        if self.warehouse.table_state(self.table) != before.table_state:
            raise lost_turn(self.table.path)
        known = int(pruned["rows"].sum()) + marked_rows(self.warehouse, self.table, published)
        return replace(differences, kept=differences.kept + known)

    def _all_closed(self, snapshot: Snapshot) -> Differences:
        """Nothing is compared where every day of the platform is closed."""
        keys = row_digests_schema(self.table)
        keys.pop(DIGEST)
        return Differences(
            missing=pl.DataFrame(schema=keys),
            changed=pl.DataFrame(schema=keys),
            extra=pl.DataFrame(schema={**keys, DAY: pl.Date()}),
            pending=0,
            compared_days=frozenset(),
            days=frozenset(),
            through=snapshot.as_of,
            open_from=open_from(self.table, snapshot.as_of),
        )

    def _pruned(self, theirs: pl.DataFrame, ours: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """Those of our days that the source has no row of and whose rows stay as they are.

        They are not compared row by row: there may be years of them.
        """
        if self.table.kept_column:
            return ours.clear()  # what is left of such days is to be marked
        gone = ours.join(theirs, on="day", how="anti")
        return gone.filter(stays(self.table, now, "day"))

    def _rows(self, snapshot: Snapshot, days: Sequence[date]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Key, digest and day of the rows in the buckets that differ: the source's and ours."""
        differing = _differing(
            snapshot.digests(days, BUCKETS) if days else _NONE,
            self.warehouse.digests(self.table, days, BUCKETS) if days else _NONE,
        )
        theirs, ours = [], []
        for (day,), part in differing.group_by("day", maintain_order=True):
            assert isinstance(day, date)  # noqa: S101 - the column's dtype
            buckets = part["bucket"].to_list()
            theirs.append(_on(day, snapshot.row_digests(day, BUCKETS, buckets)))
            ours.append(_on(day, self.warehouse.row_digests(self.table, day, BUCKETS, buckets)))
            most = max(
                sum(frame.height for frame in theirs),
                # To be marked; a load of these days does that as well.
                sum(frame.height for frame in ours) if self.table.kept_column else 0,
            )
            if most > MOST_ROWS:
                raise EtlError(
                    f"{self.table.path} differs from its source in too many rows to tell one by "
                    f"one (over {MOST_ROWS:,}), from {days[0]} to {days[-1]}.",
                    f"Load these days again: etl-assets backfill {self.table.path} "
                    f"--from {days[0]} --to {days[-1]}.",
                )
        key = row_digests_schema(self.table)
        empty = pl.DataFrame(schema={**key, DAY: pl.Date()})
        places = self.table.cursor.place_dtype if self.table.cursor else MOMENT
        cursors = empty.with_columns(pl.lit(None, places).alias(CURSOR))
        return pl.concat([cursors.select(*key, CURSOR, DAY), *theirs]), pl.concat([empty, *ours])

    def _has(self, day: date, scope: Scope) -> bool:
        return day not in self.without and (not self.table.has_days or scope.has(day))

    def _in_scope(self, digests: pl.DataFrame, scope: Scope) -> pl.DataFrame:
        inside = [self._has(day, scope) for day in digests["day"]]
        return digests.filter(pl.Series(inside, dtype=pl.Boolean))


@dataclass(frozen=True)
class _Comparison:
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


def _differing(theirs: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """The (day, bucket)s whose count or checksum is not the same on both sides."""
    everything = list(BUCKETS_SCHEMA)
    apart = [
        one.join(other, on=everything, how="anti")
        for one, other in ((theirs, ours), (ours, theirs))
    ]
    return pl.concat(apart).select("day", "bucket").unique().sort("day", "bucket")


def _is_pending(table: LayerTable, position: Position | None) -> pl.Expr:
    """Whether a sync that goes on from the position will read the row, by its CURSOR."""
    if position is None or not table.syncs or table.cursor is None:
        return pl.lit(value=False)
    cursor, place = pl.col(CURSOR), pl.lit(position.place, dtype=table.cursor.place_dtype)
    later = cursor >= place if position.key else cursor > place
    return later.fill_null(value=True)


def _on(day: date, digests: pl.DataFrame) -> pl.DataFrame:
    return digests.with_columns(pl.lit(day, dtype=pl.Date).alias(DAY))


_NONE = pl.DataFrame(schema=BUCKETS_SCHEMA)
