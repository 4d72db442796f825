"""Incremental sync: changed rows by (cursor, key), chunk by chunk, up to a horizon that holds.

The position moves in the transaction that publishes the rows that it has passed, so a crash goes on
where the last chunk ended. How changed rows are published is `change_set.py`; how a source is read
is `sources/`.
"""

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import tenacity

from etl_assets.core import settling
from etl_assets.core.drift import DriftReport, SourceColumns
from etl_assets.core.errors import may_pass
from etl_assets.core.position import Horizon, Position
from etl_assets.core.scope import Scope
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.before import Before
from etl_assets.pipeline.change_set import ChangeSet, Outcome
from etl_assets.pipeline.day_check import Origin
from etl_assets.pipeline.gained import bring_columns, is_news
from etl_assets.pipeline.sync_log import Remembered, columns_seen, mark_of, refuse_future
from etl_assets.pipeline.sync_part import (
    Part,
    Stop,
    SyncPolicy,
    complete,
    cursor,
    read_part,
)
from etl_assets.sources.base import Source
from etl_assets.warehouse.base import Warehouse

_SHORT_WAITS = 2
_IDLE_ROWS = 1_000  # of the look-back at most; with more than that a sync is not idle


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
    policy: SyncPolicy = field(default_factory=SyncPolicy)

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
            before_sleep=self._waits,
            reraise=True,
        )
        bring_columns(self.warehouse, self.table, self.run_id)
        stop, mark = None, None
        while stop is None or stop.slice is not None:  # each chunk ends later than it began
            chunk, stop = attempts(self._chunk, stop, mark)
            mark = chunk.mark
            yield chunk

    def _waits(self, attempt: tenacity.RetryCallState) -> None:
        """Tell of a wait; the first two are over within a second, and nobody asks about them."""
        error = attempt.outcome.exception() if attempt.outcome else None
        if attempt.attempt_number > _SHORT_WAITS and error is not None:
            self.policy.on_wait(f"{self.table.path} waits, and tries again. {error}")

    def idle(self) -> Chunk | None:
        """The only chunk of a sync that changes nothing, not even the position; else None.

        None as well where the position is not known, or days must be loaded whole. It reads a few
        rows at most, and publishes nothing. Raises what `run` raises, at once.
        """
        before = Before.of(self.warehouse, self.table)
        state = before.table_state
        mark, why = mark_of(self.table, before.table_state, self.scope)
        if state is None or state.reload_reasons or mark is None:
            return None
        if is_news(self.table, state):
            return None  # `run` brings the columns that the contract gained
        few = replace(self.policy, chunk_rows=_IDLE_ROWS)
        read = self._read(before, mark, Stop.first(self.table, mark), few)
        part = read.part
        if part.stop.slice is not None or part.moves(mark):
            return None
        remembered = Remembered(mark, why, part.rows, read.columns, self.scope)
        if remembered.state(self.table, state, {}) != state:
            return None
        if not read.changes.is_empty():
            return None
        return read.chunk(Outcome(outside=read.changes.matched.outside), mark)

    def _chunk(self, stop: Stop | None, left_at: Position | None) -> tuple[Chunk, Stop]:
        """Read and publish one chunk; where the next one begins.

        `stop` is where the last one ended, and left the table's position at `left_at`.
        """
        before = Before.of(self.warehouse, self.table)
        mark, why = mark_of(self.table, before.table_state, self.scope)
        if left_at and (mark is None or mark.place < left_at.place):
            stop = None  # somebody set it back meanwhile: to go on would undo that (L6)
        read = self._read(before, mark, stop or Stop.first(self.table, mark), self.policy)
        reached = read.part.reaches(mark)
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
            settled = settling.settled(cursor(self.table), mark, horizon, self.table.lookback)
            part = read_part(self.table, snapshot, begin, horizon, settled, policy)
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


@dataclass(frozen=True)
class _ReadChunk:
    """What one chunk read at one moment, and the changes that come of it; nothing is published."""

    part: Part
    horizon: Horizon
    columns: SourceColumns
    drift: DriftReport
    changes: ChangeSet

    def chunk(self, outcome: Outcome, mark: Position | None) -> Chunk:
        """The chunk, with the outcome of its changes and the position that the table now has."""
        part = self.part
        return Chunk(part.rows, outcome, mark, self.horizon, self.drift, part.without_cursor)
