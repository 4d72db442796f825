"""How far the changes of a cursor are read, from where, and how far a position may move. Pure.

A horizon is a moment before which every transaction has ended. What that says of a cursor depends
on its kind: of moments it is the same; a day, or a second that is counted in whole numbers, is not
over while it lasts; of versions it is what was seen before the horizon. Where a position must stay
behind, what lies after it is read again by each sync.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from etl_assets.core.cursor import FIRST, LAST, LEAST, Cursor, CursorKind, midnight
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.position import Horizon, Position, Seen

_EARLIEST, _LATEST = timedelta(hours=-12), timedelta(hours=14)
"""How far the clocks of the world are from UTC: a date is that of its writer's own zone."""


def begin(cursor: Cursor, mark: Position | None, lookback: timedelta) -> Position | None:
    """Where a sync begins that goes on from a position: a little before it (C6)."""
    if mark is None or cursor.kind is CursorKind.DAY:  # `settled` has the look-back of days
        return mark
    if cursor.kind is CursorKind.VERSION:
        if not cursor.lookback or mark.number is None:
            return mark
        return Position(mark.moment, number=max(LEAST, mark.number - cursor.lookback))
    # Without a look-back from the very row: it may be amid its moment.
    return Position(_back(mark.moment, lookback)) if lookback else mark


def until(cursor: Cursor, horizon: Horizon) -> datetime:
    """The moment up to which changes are read, and at it; what is later is in the future (C5).

    Moments are read up to the horizon. Of days and epochs all that the clock can have said is read,
    and of versions every one: their positions stay behind instead.
    """
    if cursor.kind is CursorKind.DAY:
        return midnight((horizon.now + _LATEST).date())
    if cursor.kind is CursorKind.EPOCH:  # a writer may round up
        return cursor.moment_at(cursor.number_at(horizon.now) + 1)
    return LAST if cursor.kind is CursorKind.VERSION else horizon.moment


def settled(
    cursor: Cursor, mark: Position | None, horizon: Horizon, lookback: timedelta
) -> Position:
    """The place up to which every change is there to be read, whatever still commits.

    Days are those that were over in every zone of the world when the oldest transaction began that
    is open, a look-back before it. Of an epoch it is the number before that of the horizon, since
    writers round down. A version is settled when every transaction has ended that was open when it
    was seen: one that is not is remembered in `seen`, for a later sync.
    """
    if cursor.kind is CursorKind.DAY:
        reached = _back(horizon.moment, lookback - _EARLIEST)
        return Position(_back(midnight(reached.date()), ONE_DAY))
    if cursor.kind is CursorKind.EPOCH:
        first = cursor.number_at(FIRST)
        return Position(cursor.moment_at(max(first, cursor.number_at(horizon.moment) - 1)))
    if cursor.kind is CursorKind.VERSION:
        return _settled_version(mark or Position(FIRST, number=LEAST), horizon)
    return Position(horizon.moment)


def amid(last: Position, mark: Position | None, settled: Position) -> Position:
    """The position of a row that was read last, where more rows are settled than were read."""
    if last.number is None:
        return last
    seen = settled.seen
    if seen is None and settled.number is not None and settled.number > last.number:
        seen = Seen(settled.number, settled.moment)
    return replace(last, moment=mark.moment if mark else FIRST, seen=seen)


def _settled_version(mark: Position, horizon: Horizon) -> Position:
    reached = replace(mark, seen=None)
    waiting = mark.seen
    for seen in (mark.seen, horizon.seen):
        if seen is None or seen.number <= reached.place:
            continue
        if seen.at <= horizon.moment:
            reached, waiting = Position(seen.at, number=seen.number), None
        else:  # the older one stays: a newer one in its place would wait for ever
            waiting = waiting or seen
    if waiting is not None and waiting.number <= reached.place:
        waiting = None
    return replace(reached, seen=waiting)


def _back(moment: datetime, by: timedelta) -> datetime:
    return moment - by if moment - FIRST > by else FIRST
