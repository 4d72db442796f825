"""What the platform remembers: a row of `etl_state` for each published partition of a table, one
more for a table that syncs, and what happened to it in `etl_history`.

State is written by the warehouse in the transaction that publishes the rows, so that it is never
ahead of them nor behind.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

WHOLE_TABLE = date.min
"""The `partition_key` of the row that is about a whole table and no partition: its `high_watermark`
and `watermark_key` (the key's values as JSON texts) are where the next sync goes on, and its
`load_id` is the table's token: every publication changes it, so that one which was built on an
older one is found out (L3, L5)."""


@dataclass(frozen=True)
class PartitionState:
    """One published partition of one table; times are UTC.

    `as_of` is the moment of the snapshot that was read, on the clock of the system that it was
    read from: an older one never overwrites a newer one (L5). `high_watermark` and `watermark_key`
    are the greatest cursor and its row's key. `source_count` is the source's own count, `row_count`
    what is published and `quarantined_count` what was set aside. `verified_through` is the moment
    up to which a reconciliation found source and warehouse equal. `made_of` is a digest of the
    upstream loads that a derived day was made of (`core/lateness.py`), None for a day of a source.
    """

    table_name: str
    partition_key: date
    high_watermark: datetime | None
    watermark_key: str | None
    row_count: int
    source_count: int | None
    quarantined_count: int
    checks_passed: int
    checks_failed: int
    as_of: datetime
    load_id: str
    run_id: str
    seconds: float
    verified_through: datetime | None
    updated_at: datetime
    made_of: str | None = None


class Happening(StrEnum):
    """What `etl_history` keeps of a table, by kind; the payload is JSON.

    `watermark`: where it stood and stands, and why it moved. `columns`: the source's columns, when
    they were first seen so. `owed`: the days that wait for a full load, because a check refused
    changes of theirs. `scope`: the days that the platform had, when they last changed.
    `reconciliation`: what was compared, found and repaired.
    """

    WATERMARK = "watermark"
    COLUMNS = "columns"
    OWED = "owed"
    SCOPE = "scope"
    RECONCILIATION = "reconciliation"


@dataclass(frozen=True)
class HistoryEntry:
    """A row of `etl_history`, which only grows; `at` is UTC, `payload` a JSON object."""

    table_name: str
    kind: str
    at: datetime
    run_id: str
    payload: str


def bare(of: PartitionState, day: date, table_name: str | None = None) -> PartitionState:
    """A state of the same load that says nothing yet of rows, checks or watermarks."""
    return replace(
        of,
        table_name=table_name or of.table_name,
        partition_key=day,
        high_watermark=None,
        watermark_key=None,
        row_count=0,
        source_count=None,
        quarantined_count=0,
        checks_passed=0,
        checks_failed=0,
        seconds=0.0,
        verified_through=None,
        made_of=None,
    )


def appended(before: PartitionState | None, more: PartitionState) -> PartitionState:
    """The state of a partition that rows were added to: counts add up, moments only grow."""
    if before is None:
        return more
    ahead = _mark(before) > _mark(more)
    counts = [n for n in (before.source_count, more.source_count) if n is not None]
    return replace(
        more,
        high_watermark=before.high_watermark if ahead else more.high_watermark,
        watermark_key=before.watermark_key if ahead else more.watermark_key,
        row_count=before.row_count + more.row_count,
        source_count=sum(counts) if counts else None,
        quarantined_count=before.quarantined_count + more.quarantined_count,
        as_of=max(before.as_of, more.as_of),
        seconds=before.seconds + more.seconds,
    )


def _mark(state: PartitionState) -> tuple[bool, datetime]:
    return state.high_watermark is not None, state.high_watermark or state.as_of
