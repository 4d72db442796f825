"""Reconciliation: source and warehouse compared by counts and checksums that each computes itself.

Days first, then buckets of the days that differ, then the keys of the buckets that differ: what
travels is in proportion to the differences. It finds what no cursor tells: deletes, changed keys,
rows written behind the cursor's back. Repair brings exactly those rows, by `changing.py`.
"""

import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.changing import Before, ChangeSet, Outcome
from etl_assets.core.changes import Position
from etl_assets.core.digests import BUCKETS_SCHEMA, not_compared, row_digests_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.rows import keys_of
from etl_assets.core.state import WHOLE_TABLE
from etl_assets.core.table import LayerTable
from etl_assets.judging import Moment
from etl_assets.matching import Scope
from etl_assets.sources.postgres.reader import PostgresReader, TableSnapshot
from etl_assets.sync_state import Log, position_of
from etl_assets.syncing import found_of
from etl_assets.warehouse.base import Warehouse, lost_turn

BUCKETS = 256
MOST_ROWS = 1_000_000
DELETES_UNCONFIRMED = 10
"""So many rows may always go: a share means little in a small table."""


class MassDelete(EtlError):
    """More rows are gone from the source than may be removed unconfirmed."""


@dataclass(frozen=True)
class Differences:
    """Rows that differ, by their keys; changes that the next sync brings are only `pending`.

    `missing` are in the source only, `changed` in both, `extra` in the warehouse only.
    `compared_days` were looked at, `days` have a difference, pending ones aside.
    """

    missing: pl.DataFrame
    changed: pl.DataFrame
    extra: pl.DataFrame
    pending: int
    compared_days: frozenset[date]
    days: frozenset[date]

    @property
    def count(self) -> int:
        """How many rows differ."""
        return self.missing.height + self.changed.height + self.extra.height


@dataclass(frozen=True)
class Reconciliation:
    """What a reconciliation found and did.

    `verified_through`: up to this moment (UTC, source's clock) the days that are equal are.
    `left_out` names the columns that no checksum can cover. `outcome` is of the repair, if any.
    """

    table: str
    differences: Differences
    verified_through: datetime
    left_out: Sequence[str]
    outcome: Outcome | None = None

    @property
    def is_equal(self) -> bool:
        """Whether source and warehouse are equal now."""
        if self.outcome is not None:
            return not self.outcome.refused
        return not self.differences.count


@dataclass(frozen=True)
class Reconciling:
    """A table that is compared with its source, in the days that the platform has (`scope`)."""

    table: LayerTable
    reader: PostgresReader
    warehouse: Warehouse
    scope: Scope
    folder: Path
    run_id: str
    chunk_rows: int = 50_000

    def run(self, *, repair: bool = False, confirmed: bool = False) -> Reconciliation:
        """Compare, repair if asked to, and record what is verified; sync first, or much is pending.

        Raises MassDelete where more rows would go than `Thresholds.max_deleted_share` lets go
        unconfirmed; then nothing is repaired. Else what the source and the warehouse raise.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, EtlError) and error.retryable
            ),
            stop=tenacity.stop_after_attempt(5),
            wait=tenacity.wait_exponential_jitter(initial=0.5, max=15),
            reraise=True,
        )
        found = attempts(self._compare)
        if repair and found.differences.count:
            self._refuse_mass_delete(found.differences, confirmed=confirmed)
            chunks = self._chunks(found.differences)
            outcome = _together([attempts(self._repair, keys) for keys in chunks])
            found = replace(found, outcome=outcome)
        self._record(found)
        return found

    def _compare(self) -> Reconciliation:
        before = Before(self.warehouse.look(self.table))
        position = position_of(self.table, before.position)
        with self.reader.snapshot(self.table) as snapshot:
            theirs = self._in_scope(snapshot.digests(None, 1))
            published = [day for day in before.states if self.scope.has(day)]
            ours = self.warehouse.digests(self.table, published, 1)
            days = sorted(_differing(theirs, ours)["day"].unique())
            source, warehouse = self._rows(snapshot, days)
            differences = self._differences(snapshot, before, position, source, warehouse)
        compared = frozenset(theirs["day"]) | frozenset(published)
        if self.warehouse.table_state(self.table) != before.position:
            raise lost_turn(self.table.path)
        return Reconciliation(
            self.table.path,
            replace(differences, compared_days=compared),
            position.moment if position else snapshot.as_of,
            not_compared(self.table),
        )

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
        position: Position | None,
        theirs: pl.DataFrame,
        ours: pl.DataFrame,
    ) -> Differences:
        key, same = list(self.table.key), [*self.table.key, "digest", _DAY]
        source_only = theirs.join(ours, on=same, how="anti")
        ours_only = ours.join(theirs, on=same, how="anti")
        pending = source_only.filter(_is_pending(position))
        told = source_only.join(pending, on=key, how="anti")
        told = told.filter(~self._is_aside(snapshot.source, told, before))
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
            compared_days=frozenset(),
            days=frozenset(days),
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

    def _is_aside(self, source: str, rows: pl.DataFrame, before: Before) -> pl.Series:
        """Which of the rows are in quarantine: they are published nowhere, on purpose."""
        parts = [self.table.column(name) for name in self.table.key]
        positions = pl.Series([f"{source} {key}" for key in keys_of(rows, parts)], dtype=pl.String)
        return positions.is_in(before.quarantine["source_position"].implode())

    def _refuse_mass_delete(self, found: Differences, *, confirmed: bool) -> None:
        gone = found.extra.height
        published = sum(state.row_count for state in self.warehouse.state(self.table))
        share = gone / published if published else 0.0
        most = self.table.thresholds.max_deleted_share
        if confirmed or gone <= DELETES_UNCONFIRMED or share <= most:
            return
        raise MassDelete(
            f"{gone:,} of {published:,} rows of {self.table.path} are gone from the source, more "
            f"than the {most:.0%} that may be removed unconfirmed; nothing was repaired.",
            f"If that is meant, run: etl-assets reconcile {self.table.path} --repair "
            "--confirm-deletes.",
        )

    def _chunks(self, found: Differences) -> Iterator[pl.DataFrame]:
        keys = pl.concat([found.missing, found.changed, found.extra]).unique()
        return keys.iter_slices(self.chunk_rows)

    def _repair(self, keys: pl.DataFrame) -> Outcome:
        """Bring the rows with these keys as the source has them now, or has them no longer."""
        before = Before(self.warehouse.look(self.table))
        with self.reader.snapshot(self.table) as snapshot:
            read = snapshot.by_keys(keys)
            found = found_of(self.table, read)
            moment = Moment(snapshot.source, snapshot.as_of, read.query)
        alive = found.keys(self.table)
        found = replace(found, gone=keys.join(alive, on=list(self.table.key), how="anti"))
        folder = self.folder / uuid.uuid4().hex
        changes = ChangeSet(
            self.table, self.warehouse, before, found, moment, self.scope, folder, self.run_id
        )
        log = Log(self.table, self.run_id)
        outcome = changes.publish(
            position_of(self.table, before.position),
            lambda owed: log.owing(before.look, owed),
        )
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _record(self, found: Reconciliation) -> None:
        """`verified_through` of every day that is equal, and the report."""
        differences, through = found.differences, found.verified_through
        wrong = differences.days if found.outcome is None else found.outcome.owed
        self.warehouse.verify(self.table, sorted(differences.compared_days - wrong), through)
        if not wrong:
            self.warehouse.verify(self.table, [WHOLE_TABLE], through)
        self.warehouse.record([Log(self.table, self.run_id).reconciled(report_of(found))])

    def _in_scope(self, digests: pl.DataFrame) -> pl.DataFrame:
        inside = [self.scope.has(day) for day in digests["day"]]
        return digests.filter(pl.Series(inside, dtype=pl.Boolean))


def report_of(found: Reconciliation) -> dict[str, object]:
    """The reconciliation as numbers and days, for `etl_history`."""
    differences, outcome = found.differences, found.outcome
    return {
        "compared_days": len(differences.compared_days),
        "missing": differences.missing.height,
        "changed": differences.changed.height,
        "extra": differences.extra.height,
        "pending": differences.pending,
        "days": sorted(day.isoformat() for day in differences.days),
        "repaired": outcome is not None,
        "removed": outcome.removed if outcome else 0,
        "verified_through": found.verified_through.isoformat(),
        "columns_left_out": list(found.left_out),
    }


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


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        days=[day for outcome in outcomes for day in outcome.days],
        refused=[day for outcome in outcomes for day in outcome.refused],
        owed=frozenset().union(*(outcome.owed for outcome in outcomes)),
        outside=sum(outcome.outside for outcome in outcomes),
        changed=sum(outcome.changed for outcome in outcomes),
        removed=sum(outcome.removed for outcome in outcomes),
        jobs=[job for outcome in outcomes for job in outcome.jobs],
    )


_DAY = "day"
_MOMENT = pl.Datetime("us", "UTC")
_NONE = pl.DataFrame(schema=BUCKETS_SCHEMA)
