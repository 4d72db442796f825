"""Source and warehouse compared by counts and checksums that each computes inside itself.

Days first, then buckets of the days that differ, then the keys of the buckets that differ: what
travels is in proportion to the differences. What is done about them is `reconciling.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from etl_assets.core.digests import BUCKETS_SCHEMA, row_digests_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.position import Position
from etl_assets.core.rows import keys_of, payloads_of
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.change_set import Before
from etl_assets.pipeline.sync import found_of
from etl_assets.pipeline.sync_log import position_of
from etl_assets.sources.postgres.reader import PostgresReader, TableSnapshot
from etl_assets.warehouse.base import Warehouse, lost_turn

BUCKETS = 256
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Differences:
    """Rows that differ, by their keys; changes that the next sync brings are only `pending`.

    `missing` are in the source only, `changed` in both, `extra` in the warehouse only.
    `compared_days` were looked at, `days` have a difference, pending ones aside. All of it was so
    `through` that moment (UTC, on the source's clock): later changes are pending.
    """

    missing: pl.DataFrame
    changed: pl.DataFrame
    extra: pl.DataFrame
    pending: int
    compared_days: frozenset[date]
    days: frozenset[date]
    through: datetime

    @property
    def count(self) -> int:
        """How many rows differ."""
        return self.missing.height + self.changed.height + self.extra.height


@dataclass(frozen=True)
class Comparing:
    """A table and its source, in the days that the platform has (`scope`)."""

    table: LayerTable
    reader: PostgresReader
    warehouse: Warehouse
    scope: Scope

    def compare(self) -> Differences:
        """The rows that differ, in one snapshot of the source.

        Raises LostTurn where somebody publishes to the table meanwhile, EtlError where more rows
        differ than can be told one by one, else what the source and the warehouse raise.
        """
        before = Before(self.warehouse.look(self.table))
        with self.reader.snapshot(self.table) as snapshot:
            theirs = self._in_scope(snapshot.digests(None, 1))
            published = [day for day in before.states if self.scope.has(day)]
            ours = self.warehouse.digests(self.table, published, 1)
            days = sorted(_differing(theirs, ours)["day"].unique())
            rows = self._rows(snapshot, days)
            compared = frozenset(theirs["day"]) | frozenset(published)
            differences = self._differences(snapshot, before, compared, *rows)
        if self.warehouse.table_state(self.table) != before.position:
            raise lost_turn(self.table.path)
        return differences

    def _rows(
        self, snapshot: TableSnapshot, days: Sequence[date]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
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
            if sum(frame.height for frame in theirs) > MOST_ROWS:
                raise EtlError(
                    f"{self.table.path} differs from its source in too many rows to tell one by "
                    f"one (over {MOST_ROWS:,}), from {days[0]} to {days[-1]}.",
                    f"Load these days again: etl-assets backfill {self.table.path} "
                    f"--from {days[0]} --to {days[-1]}.",
                )
        key = row_digests_schema(self.table)
        empty = pl.DataFrame(schema={**key, _DAY: pl.Date()})
        cursors = empty.with_columns(pl.lit(None, _MOMENT).alias("cursor"))
        return pl.concat([cursors.select(*key, "cursor", _DAY), *theirs]), pl.concat([empty, *ours])

    def _differences(
        self,
        snapshot: TableSnapshot,
        before: Before,
        compared: frozenset[date],
        theirs: pl.DataFrame,
        ours: pl.DataFrame,
    ) -> Differences:
        position = position_of(self.table, before.position)
        key, same = list(self.table.key), [*self.table.key, "digest", _DAY]
        source_only = theirs.join(ours, on=same, how="anti")
        ours_only = ours.join(theirs, on=same, how="anti")
        pending = source_only.filter(_is_pending(position))
        told = source_only.join(pending, on=key, how="anti")
        if before.quarantine.height and told.height and self.table.syncs:
            told = told.join(self._aside(snapshot, told, before), on=key, how="anti")
        left = ours_only.join(pending, on=key, how="anti")
        changed = told.join(left, on=key, how="semi")
        extra = left.join(told, on=key, how="anti")
        # A row that is on another day in the source, as a change that is pending, is no ghost.
        extra, moving = self._ghosts(snapshot, extra, position)
        days = {*told[_DAY], *extra[_DAY], *left.join(changed, on=key, how="semi")[_DAY]}
        return Differences(
            missing=told.join(left, on=key, how="anti").select(key),
            changed=changed.select(key).unique(),
            extra=extra.select(key).unique(),
            pending=pending.height + moving,
            compared_days=compared,
            days=frozenset(days),
            # Where nothing is on its way, all is as it was when it was read.
            through=position.moment if position and pending.height + moving else snapshot.as_of,
        )

    def _ghosts(
        self, snapshot: TableSnapshot, extra: pl.DataFrame, position: Position | None
    ) -> tuple[pl.DataFrame, int]:
        """Those of the extra rows that are not merely on their way to another day, and the rest."""
        if not extra.height or self.table.cursor_column is None:
            return extra, 0
        alive = found_of(self.table, snapshot.by_keys(extra.select(self.table.key))).rows
        cursor = pl.col(self.table.cursor_column).alias("cursor")
        moving = alive.with_columns(cursor).filter(_is_pending(position))
        ghosts = extra.join(moving, on=list(self.table.key), how="anti")
        return ghosts, extra.height - ghosts.height

    def _aside(self, snapshot: TableSnapshot, rows: pl.DataFrame, before: Before) -> pl.DataFrame:
        """Those of the rows that are in quarantine just as they are: published nowhere, on purpose.

        One that was mended since is missing, like any other.
        """
        known = before.quarantine.select("source_position", "payload")
        mine = self._positions(snapshot, rows).is_in(known["source_position"].implode())
        found = found_of(self.table, snapshot.by_keys(rows.filter(mine))).rows
        named = found.with_columns(
            self._positions(snapshot, found).alias("source_position"),
            pl.Series("payload", payloads_of(found), dtype=pl.String),
        )
        return named.join(known, on=["source_position", "payload"], how="semi")

    def _positions(self, snapshot: TableSnapshot, rows: pl.DataFrame) -> pl.Series:
        keys = keys_of(rows, [self.table.column(name) for name in self.table.key])
        return pl.Series([f"{snapshot.source} {key}" for key in keys], dtype=pl.String)

    def _in_scope(self, digests: pl.DataFrame) -> pl.DataFrame:
        inside = [self.scope.has(day) for day in digests["day"]]
        return digests.filter(pl.Series(inside, dtype=pl.Boolean))


def _differing(theirs: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """The (day, bucket)s whose count or checksum is not the same on both sides."""
    everything = list(BUCKETS_SCHEMA)
    apart = [
        one.join(other, on=everything, how="anti")
        for one, other in ((theirs, ours), (ours, theirs))
    ]
    return pl.concat(apart).select("day", "bucket").unique().sort("day", "bucket")


def _is_pending(position: Position | None) -> pl.Expr:
    """Whether a sync that goes on from the position will read the row, by its `cursor`."""
    if position is None:
        return pl.lit(value=False)
    cursor, moment = pl.col("cursor"), pl.lit(position.moment, dtype=_MOMENT)
    later = cursor >= moment if position.key else cursor > moment
    return later.fill_null(value=True)


def _on(day: date, digests: pl.DataFrame) -> pl.DataFrame:
    return digests.with_columns(pl.lit(day, dtype=pl.Date).alias(_DAY))


_DAY = "day"
_MOMENT = pl.Datetime("us", "UTC")
_NONE = pl.DataFrame(schema=BUCKETS_SCHEMA)
