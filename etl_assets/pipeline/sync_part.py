"""What one chunk of a sync reads, in one snapshot: the part of a table from one stop to the next.

Which chunks there are, and what becomes of them, is `sync.py`; how a source is read is `sources/`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl

from etl_assets.core import settling
from etl_assets.core.cursor import Cursor
from etl_assets.core.frames import DAY, PAYLOAD, POSITION, RULE
from etl_assets.core.position import Horizon, Position
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability
from etl_assets.sources.found import Found, unreadable_schema
from etl_assets.sources.reads import ChangeRead
from etl_assets.sources.snapshot import Snapshot


@dataclass(frozen=True)
class SyncPolicy:
    """How much a chunk holds at most, and how long trouble that may pass is sat out.

    `on_wait` is told of a wait that is longer than a moment: which table waits, and for what.
    """

    chunk_rows: int = 50_000
    chunk_bytes: int = 64 << 20
    patience: timedelta = timedelta(minutes=2)
    on_wait: Callable[[str], None] = lambda _told: None


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
        return cls(Slice.CHANGES, settling.begin(cursor(table), mark, table.lookback))

    def past(self, read: ChangeRead) -> "Stop":
        """The place after what was read of this slice."""
        if not read.is_last:
            return replace(self, after=read.last)
        slices = [*Slice, None]
        return Stop(slices[slices.index(self.slice) + 1])


@dataclass(frozen=True)
class Part:
    """What one chunk read, in one snapshot: of one slice, and of the next ones if that is short.

    `last` is the last position of the changes among it, `is_whole` says that there are no more of
    those before the horizon. `settled` is how far the position may move: what lies after it can
    still get more changes. `holds` is the horizon's.
    """

    found: Found
    rows: int
    stop: Stop
    last: Position | None
    is_whole: bool
    settled: Position
    holds: bool
    query: str
    without_cursor: int

    def reaches(self, mark: Position | None) -> Position | None:
        """The position once this is published; it never moves back, and never past `settled`.

        Where all changes are read it is that itself: were it the last row's, each sync would
        read all rows of that moment again, and a mass update gives one moment to a whole table.
        Where the horizon does not hold it is the last row's all the same.
        """
        if self.last is None:
            return mark
        reached = self.settled
        if (not self.is_whole or not self.holds) and self.last.place <= self.settled.place:
            reached = settling.amid(self.last, mark, self.settled)
        return mark if mark is not None and reached.place < mark.place else reached

    def moves(self, mark: Position) -> bool:
        """Whether the position must move, or what it has seen must be remembered."""
        if self.last is None:
            return False
        moved = min(self.last.place, self.settled.place) > mark.place
        return moved or self.settled.seen != mark.seen


def read_part(
    table: LayerTable,
    snapshot: Snapshot,
    stop: Stop,
    horizon: Horizon,
    settled: Position,
    policy: SyncPolicy,
) -> Part:
    """Read from a stop on, up to the bounds of the policy; within the snapshot."""
    rows_left, bytes_left = policy.chunk_rows, policy.chunk_bytes
    found = [Found.nothing(table)]
    last: Position | None = None
    is_whole, total, unplaced, query = False, 0, 0, ""
    until = settling.until(cursor(table), horizon)
    while stop.slice is not None and rows_left > 0 and bytes_left > 0:
        read = _slice(snapshot, stop, until, horizon.now, rows_left, bytes_left)
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
    return Part(joined(found), total, stop, last, is_whole, settled, horizon.holds, query, unplaced)


def _slice(
    snapshot: Snapshot, stop: Stop, until: datetime, now: datetime, rows: int, size: int
) -> ChangeRead:
    if stop.slice is Slice.CHANGES:
        return snapshot.changes(stop.after, until, rows, size)
    if stop.slice is Slice.WITHOUT_CURSOR:
        key = stop.after.key if stop.after else None
        return snapshot.without_cursor(key, rows, size)
    return snapshot.beyond(max(until, now), stop.after, rows, size)


def cursor(table: LayerTable) -> Cursor:
    """The cursor of a table that syncs; raises TypeError for another."""
    found = table.cursor
    if found is None:
        raise TypeError(f"{table.path} has no cursor.")
    return found


def found_of(table: LayerTable, read: ChangeRead) -> Found:
    """What a read finds, in memory; within its snapshot."""
    rejected = read.rejected()
    unreadable = rejected.keys.with_columns(
        pl.Series(DAY, rejected.days, dtype=pl.Date),
        pl.Series(RULE, rejected.rows.rules, dtype=pl.String),
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
