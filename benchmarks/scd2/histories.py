"""The histories that our dimension and its peers are given: changes of a key, some with each run.

What the versions of a history have to be is `judging.py`. Moments are hours after START; run `n`
takes place at hour `clock(n)`, after all changes that are its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

START = datetime(2026, 1, 1)  # in UTC, without a zone: one that every tool takes as it is
HOURS_A_RUN = 24


class Change(NamedTuple):
    """What a source says: from hour `at` on the key has the value `a`, or is gone.

    `b` is not tracked. Of two changes of one hour the one with the greater `seq` is the later.
    """

    at: int
    a: str | None
    b: int = 0
    gone: bool = False
    seq: int = 0
    id: int | None = 1


class SourceRow(NamedTuple):
    """A row that a tool reads."""

    id: int | None
    a: str | None
    b: int
    at: int
    gone: bool


@dataclass(frozen=True)
class History:
    """What arrives at each run; after these, the runs of `again` are run again as they were."""

    name: str
    title: str
    runs: Sequence[Sequence[Change]]
    again: Sequence[int] = ()

    def batches(self) -> list[list[Change]]:
        """What each run gets; the last one is a run without anything new."""
        given = [[STILL, *self.runs[0]], *(list(run) for run in self.runs[1:])]
        return [*given, *(given[number] for number in self.again), []]

    def source_of(self, run: int) -> int:
        """The run whose source is read: this one, or the old one that is run again."""
        fresh = len(self.runs)
        return self.again[run - fresh] if fresh <= run < fresh + len(self.again) else run

    def changes(self) -> list[Change]:
        """All changes, each once."""
        return list(dict.fromkeys(change for batch in self.batches() for change in batch))


STILL = Change(0, "still", id=0)
"""A key that never changes, so that no table is ever empty."""

_X, _Y, _Z = Change(0, "x"), Change(30, "y"), Change(54, "z")

HISTORIES = [
    History("each", "one change before each run", [[_X], [_Y], [_Z]]),
    History("back", "a value that comes back", [[_X], [_Y], [Change(54, "x")]]),
    History("several", "several changes between two runs", [[_X], [_Y, Change(36, "z")]]),
    History("first", "two rows of one key in the first batch", [[_X, Change(6, "y")]]),
    History(
        "late", "a change that arrives late, into a closed version", [[_X], [Change(40, "z")], [_Y]]
    ),
    History(
        "splits",
        "a backdated change that splits the open version",
        [[_X, Change(6, "x", 1)], [Change(40, "x", 2)], [_Y]],
    ),
    History(
        "gone",
        "a deletion, and a return with the same values",
        [[_X], [Change(30, None, gone=True)], [Change(54, "x")]],
    ),
    History(
        "blink",
        "deleted and returned between two runs",
        [[_X], [Change(30, None, gone=True), Change(36, "x")]],
    ),
    History("again", "the batch of an old day, loaded again", [[_X], [_Y]], again=[0]),
    History(
        "null",
        "NULL, then an empty text, then NULL",
        [[Change(0, None)], [Change(30, "")], [Change(54, None)]],
    ),
    History("equal", "two changes of one moment in a batch", [[_X], [_Y, Change(30, "a", seq=1)]]),
    History(
        "equal_later",
        "two changes of one moment in two batches",
        [[_X], [_Y], [Change(30, "a", seq=1)]],
    ),
    History("untracked", "a change of an untracked value only", [[_X], [Change(30, "x", 1)]]),
    History(
        "null_key", "a key that is NULL", [[Change(0, "x", id=None)], [Change(30, "y", id=None)]]
    ),
]


def clock(run: int) -> int:
    """When a run takes place, in hours after START."""
    return (run + 1) * HOURS_A_RUN


def moment(hours: int) -> datetime:
    """A moment of a history."""
    return START + timedelta(hours=hours)


def hours(at: datetime) -> int:
    """How many hours after START a moment is."""
    return round((at.replace(tzinfo=None) - START) / timedelta(hours=1))


READINGS = {
    "present": "the newest row of each key that is not deleted",
    "marked": "the newest row of each key, with a mark of those that are deleted",
    "batch": "the newest row of each key that came since the last run, with the mark",
}
"""How a peer may read the changes: the first two are a table of the source at the run's time."""


def read(history: History, reading: str) -> list[list[SourceRow]]:
    """What a peer finds at each run."""
    batches, found = history.batches(), []
    for number, batch in enumerate(batches):
        if reading == "batch":
            seen = batch
        else:
            until = history.source_of(number) + 1
            seen = [change for earlier in batches[:until] for change in earlier]
        newest = {c.id: c for c in sorted(seen, key=lambda change: (change.at, change.seq))}
        rows = [_row(change) for change in newest.values()]
        found.append([row for row in rows if reading != "present" or not row.gone])
    return found


def _row(change: Change) -> SourceRow:
    return SourceRow(change.id, change.a, change.b, change.at, change.gone)
