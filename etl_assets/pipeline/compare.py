"""Source and warehouse compared by counts and checksums that each computes inside itself.

Parts first, then buckets of the parts that differ, then the keys of the buckets that differ: what
travels is in proportion to the differences. Few rows that differ in a large part may be one in each
bucket: its buckets are made smaller first. What these rows mean is `differences.py`, what is done
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
from etl_assets.core.wording import count_of
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.differences import Comparison, Differences
from etl_assets.pipeline.kept_rows import marked_rows
from etl_assets.sources.base import Source
from etl_assets.sources.snapshot import Snapshot
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.publication import lost_turn

BUCKETS = 256
MOST_BUCKETS = 65_536
"""Of the buckets that differ, BigQuery takes the numbers in the text of a query."""
ROWS_A_BUCKET = 16
FEW_ROWS = 20_000
"""To read so many rows of a part takes less than to compute its checksums once more."""
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
        theirs, ours, places = [], [], 0
        for (day,), part in differing.group_by("day", maintain_order=True):
            assert isinstance(day, date)  # noqa: S101 - the column's dtype
            number, among = self._narrowed(snapshot, day, part)
            places += len(among)
            theirs.append(_on(day, snapshot.row_digests(day, number, among)))
            ours.append(_on(day, self.warehouse.row_digests(self.table, day, number, among)))
            most = max(
                sum(frame.height for frame in theirs),
                # To be marked; a load of these days does that as well.
                sum(frame.height for frame in ours) if self.table.kept_column else 0,
            )
            if most > MOST_ROWS:
                raise self._too_many(places, days)
        key = row_digests_schema(self.table)
        empty = pl.DataFrame(schema={**key, DAY: pl.Date()})
        place = self.table.cursor.place_dtype if self.table.cursor else MOMENT
        cursors = empty.with_columns(pl.lit(None, place).alias(CURSOR))
        return pl.concat([cursors.select(*key, CURSOR, DAY), *theirs]), pl.concat([empty, *ours])

    def _narrowed(self, snapshot: Snapshot, day: date, part: pl.DataFrame) -> tuple[int, list[int]]:
        """How many buckets the day is seen in, and which of them differ."""
        rows = int(part["rows"].sum())
        wanted = BUCKETS
        while wanted < MOST_BUCKETS and rows * BUCKETS > part.height * wanted * ROWS_A_BUCKET:
            wanted *= 2
        if rows <= FEW_ROWS or wanted == BUCKETS:
            return BUCKETS, part["bucket"].to_list()
        ours = self.warehouse.digests(self.table, [day], wanted)
        return wanted, _differing(snapshot.digests([day], wanted), ours)["bucket"].to_list()

    def _too_many(self, places: int, days: Sequence[date]) -> EtlError:
        """The error of more rows than can be told; each place has at least one that differs."""
        path = self.table.path
        told = f"{path} differs from its source in {count_of(places, 'row')} or more"
        if not self.table.has_days:
            return EtlError(
                f"{told}, too many to tell one by one.",
                f"Load it again: etl-assets backfill {path}.",
            )
        return EtlError(
            f"{told}, too many to tell one by one, from {days[0]} to {days[-1]}.",
            f"Load these days again: etl-assets backfill {path} --from {days[0]} --to {days[-1]}.",
        )

    def _has(self, day: date, scope: Scope) -> bool:
        return day not in self.without and (not self.table.has_days or scope.has(day))

    def _in_scope(self, digests: pl.DataFrame, scope: Scope) -> pl.DataFrame:
        inside = [self._has(day, scope) for day in digests["day"]]
        return digests.filter(pl.Series(inside, dtype=pl.Boolean))


def _differing(theirs: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """The (day, bucket)s whose count or checksum is not the same on both sides, with their rows: on
    the side that has more."""
    everything = list(BUCKETS_SCHEMA)
    apart = [
        one.join(other, on=everything, how="anti")
        for one, other in ((theirs, ours), (ours, theirs))
    ]
    rows = pl.concat(apart).group_by("day", "bucket").agg(pl.col("rows").max())
    return rows.sort("day", "bucket")


def _on(day: date, digests: pl.DataFrame) -> pl.DataFrame:
    return digests.with_columns(pl.lit(day, dtype=pl.Date).alias(DAY))


_NONE = pl.DataFrame(schema=BUCKETS_SCHEMA)
