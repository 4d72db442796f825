"""Source and warehouse compared by counts and checksums that each computes inside itself.

Parts first, then buckets of the parts that differ, then the keys of the buckets that differ: what
travels is in proportion to the differences. What these rows mean is `differences.py`, what is done
about them `reconcile.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from etl_assets.core.cursor import MOMENT
from etl_assets.core.digests import BUCKETS_SCHEMA, row_digests_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.frames import CURSOR, DAY, DIGEST
from etl_assets.core.keeping import open_from, open_scope, stays
from etl_assets.core.meter import METER
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.differences import Comparison, Differences
from etl_assets.pipeline.kept_rows import marked_rows
from etl_assets.sources.base import Source
from etl_assets.sources.snapshot import Snapshot
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import lost_turn

BUCKETS = 256
MOST_ROWS = 1_000_000


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
            METER.count(int(theirs["rows"].sum()), 0)
            published = [day for day in before.states if self._has(day, scope)]
            ours = self.warehouse.digests(self.table, published, 1)
            pruned = self._pruned(theirs, ours, snapshot.as_of)
            days = sorted(set(_differing(theirs, ours)["day"]) - set(pruned["day"]))
            rows = self._rows(snapshot, days)
            compared = frozenset(theirs["day"]) | frozenset(published)
            comparison = Comparison(self.table, snapshot, before, scope, self.without, *rows)
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


def _differing(theirs: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """The (day, bucket)s whose count or checksum is not the same on both sides."""
    everything = list(BUCKETS_SCHEMA)
    apart = [
        one.join(other, on=everything, how="anti")
        for one, other in ((theirs, ours), (ours, theirs))
    ]
    return pl.concat(apart).select("day", "bucket").unique().sort("day", "bucket")


def _on(day: date, digests: pl.DataFrame) -> pl.DataFrame:
    return digests.with_columns(pl.lit(day, dtype=pl.Date).alias(DAY))


_NONE = pl.DataFrame(schema=BUCKETS_SCHEMA)
