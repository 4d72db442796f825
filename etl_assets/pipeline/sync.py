"""Incremental sync: changed rows by (cursor, key), chunk by chunk, up to a horizon that holds.

The position moves in the transaction that publishes the rows that it has passed, so a crash goes on
where the last chunk ended. How changed rows are published is `change_set.py`; how a source is read
is `sources/`.
"""

import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.core.drift import DriftReport, SourceColumns
from etl_assets.core.errors import may_pass
from etl_assets.core.frames import COLUMN, DAY, PAYLOAD, POSITION
from etl_assets.core.position import Horizon, Position
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.change_set import ChangeSet, Outcome
from etl_assets.pipeline.day_check import Origin
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.sync_log import (
    Remembered,
    columns_seen,
    position_of,
    refuse_future,
    scope_seen,
)
from etl_assets.sources.base import Ability, ChangeRead, Snapshot, Source
from etl_assets.sources.found import Found, unreadable_schema
from etl_assets.warehouse.base import Warehouse

_IDLE_ROWS = 1_000  # of the look-back at most; with more than that a sync is not idle


@dataclass(frozen=True)
class SyncPolicy:
    """How much a chunk holds at most, and how long trouble that may pass is sat out."""

    chunk_rows: int = 50_000
    chunk_bytes: int = 64 << 20
    patience: timedelta = timedelta(minutes=2)


class Slice(StrEnum):
    """The three parts of a table that a sync reads, in this order.

    Changes in the order of the cursor; then what has no cursor, and what has one in the future,
    which no position passes (C5): these are read anew by every sync.
    """

    CHANGES = "changes"
    WITHOUT_CURSOR = "without_cursor"
    BEYOND = "beyond"


@dataclass(frozen=True)
class Stop:
    """Where in a sync the next chunk begins: after a position of a slice; at the end, no slice."""

    slice: Slice | None
    after: Position | None = None

    @classmethod
    def first(cls, table: LayerTable, mark: Position | None) -> "Stop":
        """A little before what is published, for writers whose clocks are behind (C6)."""
        if mark is not None and table.lookback:  # else from the very row: it may be amid its moment
            mark = Position(mark.moment - table.lookback)
        return cls(Slice.CHANGES, mark)

    def past(self, read: ChangeRead) -> "Stop":
        """The place after what was read of this slice."""
        if not read.is_last:
            return replace(self, after=read.last)
        slices = [*Slice, None]
        return Stop(slices[slices.index(self.slice) + 1])


@dataclass(frozen=True)
class Chunk:
    """A part of a sync that is committed: `rows` were read, `outcome` is what came of them.

    `mark` is the table's position now, `drift` how the source's columns differ from the contract's;
    `without_cursor` counts those of the rows that have no usable cursor, so that every sync reads
    them again.
    """

    rows: int
    outcome: Outcome
    mark: Position | None
    horizon: Horizon
    drift: DriftReport
    without_cursor: int = 0


@dataclass(frozen=True)
class Sync:
    """A table that syncs, and all that it needs for it."""

    table: LayerTable
    source: Source
    warehouse: Warehouse
    scope: Scope
    folder: Path
    run_id: str
    policy: SyncPolicy = SyncPolicy()

    def run(self) -> Iterator[Chunk]:
        """Every chunk once it is committed, until the table has caught up with its horizon.

        Trouble that may pass (the source is away, another run published first) is sat out, a chunk
        at a time. Raises what does not pass: ContractMismatch, SourceError, WarehouseError,
        DiskFull, StateError (L6), or what lasted longer than `policy.patience`. What was committed
        until then stays, and the next sync goes on from there.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_pass),
            stop=tenacity.stop_after_delay(self.policy.patience.total_seconds()),
            wait=tenacity.wait_exponential_jitter(initial=0.2, max=15),
            reraise=True,
        )
        bring_columns(self.warehouse, self.table, self.run_id)
        stop, mark = None, None
        while stop is None or stop.slice is not None:  # each chunk ends later than it began
            chunk, stop = attempts(self._chunk, stop, mark)
            mark = chunk.mark
            yield chunk

    def idle(self) -> Chunk | None:
        """The only chunk of a sync that changes nothing, not even the position; else None.

        None as well where the position is not known, or days must be loaded whole. It reads a few
        rows at most, and publishes nothing. Raises what `run` raises, at once.
        """
        before = Before.of(self.warehouse, self.table)
        state = before.table_state
        mark, why = self._mark(before)
        if state is None or state.reload_reasons or mark is None:
            return None
        if state.published_columns != self.table.required_columns:
            return None  # `run` brings the columns that the contract gained
        few = replace(self.policy, chunk_rows=_IDLE_ROWS)
        read = self._read(before, mark, Stop.first(self.table, mark), few)
        part = read.part
        if part.stop.slice is not None or (part.last and part.last.moment > mark.moment):
            return None
        remembered = Remembered(mark, why, part.rows, read.columns, self.scope)
        if remembered.state(state, {}) != state:
            return None
        if not read.changes.is_empty():
            return None
        return read.chunk(Outcome(outside=read.changes.matched.outside), mark)

    def _chunk(self, stop: Stop | None, left_at: Position | None) -> tuple[Chunk, Stop]:
        """Read and publish one chunk; where the next one begins.

        `stop` is where the last one ended, and left the table's position at `left_at`.
        """
        before = Before.of(self.warehouse, self.table)
        mark, why = self._mark(before)
        if left_at and (mark is None or mark.moment < left_at.moment):
            stop = None  # somebody set it back meanwhile: to go on would undo that (L6)
        read = self._read(before, mark, stop or Stop.first(self.table, mark), self.policy)
        reached = read.part.reaches(mark, read.horizon)
        outcome = read.changes.publish(
            Remembered(reached, why, read.part.rows, read.columns, self.scope)
        )
        shutil.rmtree(read.changes.folder, ignore_errors=True)
        return read.chunk(outcome, reached), read.part.stop

    def _read(
        self, before: Before, mark: Position | None, begin: Stop, policy: SyncPolicy
    ) -> "_ReadChunk":
        """Read one chunk at one moment, from `begin`."""
        source = self.source.again(columns_seen(before.table_state))
        horizon = source.horizon(mark.moment if mark else None)
        refuse_future(self.table, mark, horizon)
        with source.open() as snapshot:
            part = _part(self.table, snapshot, begin, horizon, policy)
            found, is_unique = complete(self.table, snapshot, part.found)
            report = snapshot.drift or DriftReport((), ())
            origin = Origin(
                snapshot.source, snapshot.as_of, part.query, report, limits=snapshot.limits()
            )
            columns = snapshot.columns
        changes = ChangeSet(
            self.table,
            self.warehouse,
            before,
            found,
            origin,
            self.scope,
            self.folder / uuid.uuid4().hex,
            self.run_id,
            is_unique,
        )
        return _ReadChunk(part, horizon, columns, report, changes)

    def _mark(self, before: Before) -> tuple[Position | None, str]:
        """The position to go on from, and the reason for the entry in the log."""
        known_days = scope_seen(before.table_state)
        if known_days is not None and self.scope.is_wider_than(known_days):
            return None, "days were added"  # rows of these were passed over
        return position_of(self.table, before.table_state), "sync"


@dataclass(frozen=True)
class _Part:
    """What one chunk read, in one snapshot: of one slice, and of the next ones if that is short.

    `last` is the last position of the changes among it, `is_whole` says that there are no more of
    those before the horizon.
    """

    found: Found
    rows: int
    stop: Stop
    last: Position | None
    is_whole: bool
    query: str
    without_cursor: int

    def reaches(self, mark: Position | None, horizon: Horizon) -> Position | None:
        """The position once this is published; it never moves back, and never past the horizon.

        Where all changes are read it is the horizon itself: were it the last row's, each sync would
        read all rows of that moment again, and a mass update gives one moment to a whole table.
        Where the horizon does not hold it is the last row's all the same.
        """
        is_horizon = self.is_whole and self.last and horizon.holds
        reached = Position(horizon.moment) if is_horizon else self.last
        if reached is None or (mark is not None and reached.moment < mark.moment):
            return mark
        return reached


@dataclass(frozen=True)
class _ReadChunk:
    """What one chunk read at one moment, and the changes that come of it; nothing is published."""

    part: _Part
    horizon: Horizon
    columns: SourceColumns
    drift: DriftReport
    changes: ChangeSet

    def chunk(self, outcome: Outcome, mark: Position | None) -> Chunk:
        """The chunk, with the outcome of its changes and the position that the table now has."""
        part = self.part
        return Chunk(part.rows, outcome, mark, self.horizon, self.drift, part.without_cursor)


def _part(
    table: LayerTable, snapshot: Snapshot, stop: Stop, horizon: Horizon, policy: SyncPolicy
) -> _Part:
    rows_left, bytes_left = policy.chunk_rows, policy.chunk_bytes
    found = [Found.nothing(table)]
    last: Position | None = None
    is_whole, total, unplaced, query = False, 0, 0, ""
    while stop.slice is not None and rows_left > 0 and bytes_left > 0:
        read = _slice(snapshot, stop, horizon, rows_left, bytes_left)
        query = query or read.query
        found.append(found_of(table, read))
        total += read.rows
        rows_left -= read.rows
        bytes_left -= int(found[-1].rows.estimated_size())
        if stop.slice is Slice.CHANGES:
            last, is_whole = read.last, read.is_last
        else:
            unplaced += read.rows
        stop = stop.past(read)
    return _Part(joined(found), total, stop, last, is_whole, query, unplaced)


def _slice(snapshot: Snapshot, stop: Stop, horizon: Horizon, rows: int, size: int) -> ChangeRead:
    if stop.slice is Slice.CHANGES:
        return snapshot.changes(stop.after, horizon.moment, rows, size)
    if stop.slice is Slice.WITHOUT_CURSOR:
        key = stop.after.key if stop.after else None
        return snapshot.without_cursor(key, rows, size)
    return snapshot.beyond(horizon.now, stop.after, rows, size)


def found_of(table: LayerTable, read: ChangeRead) -> Found:
    """What a read finds, in memory; within its snapshot."""
    rejected = read.rejected()
    unreadable = rejected.keys.with_columns(
        pl.Series(DAY, rejected.days, dtype=pl.Date),
        pl.Series(COLUMN, rejected.rows.columns, dtype=pl.String),
        pl.Series(POSITION, rejected.rows.positions, dtype=pl.String),
        pl.Series(PAYLOAD, rejected.rows.payloads, dtype=pl.String),
    )
    nothing = Found.nothing(table)
    rows = pl.concat([nothing.rows, *read.batches()])
    return Found(rows, unreadable.select(unreadable_schema(table).names()), nothing.gone)


def complete(table: LayerTable, snapshot: Snapshot, found: Found) -> tuple[Found, bool]:
    """The same with all rows of each key that was found, and whether keys are unique for sure.

    Rows whose key no dtype holds cannot be asked for by it: they stay as they were found.
    """
    if snapshot.key_is_unique or Ability.KEYS in snapshot.cannot:
        return found, True
    keys = found.keys(table)
    if not keys.height:
        return found, False
    all_rows = found_of(table, snapshot.by_keys(keys))
    nameless = found.unreadable.join(all_rows.unreadable, on=POSITION, how="anti", nulls_equal=True)
    unreadable = pl.concat([all_rows.unreadable, nameless])
    return Found(all_rows.rows, unreadable, found.gone), False


def joined(parts: Sequence[Found]) -> Found:
    """All that several readings of one snapshot found."""
    return Found(
        pl.concat([part.rows for part in parts]),
        pl.concat([part.unreadable for part in parts]),
        pl.concat([part.gone for part in parts]),
    )
