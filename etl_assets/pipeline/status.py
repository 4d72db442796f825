"""The summary a person reads: a line a table, made of the state rows. No I/O, no printing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_assets.core.state import PartitionState


@dataclass(frozen=True)
class TableStatus:
    """One table: sums over its published partitions.

    `high_watermark` is UTC; `freshness` the time since the last publication; `seconds` what the
    last load of each partition took, added up. Through `verified_through` (UTC) a reconciliation
    found every partition equal to its source; None where one was never compared.
    """

    table: str
    partitions: int
    rows: int
    checks_passed: int
    checks_failed: int
    quarantined: int
    high_watermark: datetime | None
    freshness: timedelta
    seconds: float
    verified_through: datetime | None = None


def summarise(
    states: Iterable[PartitionState], order: Iterable[str], now: datetime
) -> list[TableStatus]:
    """A line for each table of `order` that has published partitions."""
    by_table: dict[str, list[PartitionState]] = {path: [] for path in order}
    for state in states:
        by_table.setdefault(state.table_name, []).append(state)
    return [_line(path, found, now) for path, found in by_table.items() if found]


def _line(path: str, states: list[PartitionState], now: datetime) -> TableStatus:
    marks = [state.high_watermark for state in states if state.high_watermark]
    return TableStatus(
        table=path,
        partitions=len(states),
        rows=sum(state.row_count for state in states),
        checks_passed=sum(state.checks_passed for state in states),
        checks_failed=sum(state.checks_failed for state in states),
        quarantined=sum(state.quarantined_count for state in states),
        high_watermark=max(marks, default=None),
        freshness=now - max(state.updated_at for state in states),
        seconds=sum(state.seconds for state in states),
        verified_through=_earliest([state.verified_through for state in states]),
    )


def _earliest(moments: list[datetime | None]) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) else None


def ago(span: timedelta) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: as much as a person wants to know."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
