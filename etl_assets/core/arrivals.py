"""Which day must have arrived by now, and whether it has: what a spec's `Arrival` comes to. Pure.

Decided from the states of the published days alone. When that is looked at, and what Dagster shows
of it, is `orchestration/arrivals.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from etl_assets.core.checks import ARRIVED, CheckResult
from etl_assets.core.due_days import due_at, due_day, is_expected
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.policies import Arrival
from etl_assets.core.scope import Scope
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of, is_or_are

NO_OBJECTS = fingerprint([])
"""`made_of` of a published day of a table of files that has no object (any more)."""

_MOST_MISSING = 366


@dataclass(frozen=True)
class Found:
    """What is there of the days that must be.

    `due` is the newest of them, None if there is none yet. `missing` are the days without a break
    up to it that have not arrived, oldest first; `last` is the newest day before them that has.
    """

    due: date | None
    missing: Sequence[date] = ()
    last: date | None = None


def look_for(
    expects: Arrival, scope: Scope, states: Mapping[date, PartitionState], now: datetime
) -> Found:
    """Hold the states of a table, by day, against what must have arrived at the moment `now`."""
    newest = due_day(now, expects)
    if scope.last is not None:
        newest = min(newest, scope.last)
    wanted = [day for day in _days_back(newest, scope.first) if is_expected(day, expects)]
    missing: list[date] = []
    for day in wanted:
        if _has_arrived(states.get(day), expects):
            break
        missing.insert(0, day)
    arrived = [
        d for d in states if d < (missing or [newest])[0] and _has_arrived(states[d], expects)
    ]
    return Found(wanted[0] if wanted else None, missing, max(arrived, default=None))


def verdict(
    table: LayerTable, scope: Scope, states: Sequence[PartitionState], now: datetime
) -> CheckResult:
    """The check ARRIVED of a table with `expects`, at the moment `now` (with a time zone)."""
    expects = table.expects
    assert expects is not None, table.path  # noqa: S101 - the caller asked
    by_day = {state.partition_key: state for state in states}
    found = look_for(expects, scope, by_day, now)
    severity = table.thresholds.severities.get(ARRIVED.name, ARRIVED.severity)
    if found.due is None:
        said = {"what": f"No day of {table.path} is due yet."}
        return CheckResult(ARRIVED, passed=True, severity=severity, evidence=said)
    state = by_day.get(found.due)
    evidence: dict[str, object] = {
        "day": found.due.isoformat(),
        "due": _on_clock(found.due, expects),
        "rows": state.row_count if state else 0,
        "rows_expected": expects.rows,
        "last_arrived": found.last.isoformat() if found.last else "never",
    }
    if found.missing:
        evidence |= {
            "missing_days": len(found.missing),
            "missing_since": _on_clock(found.missing[0], expects),
            "what": _what(table, found, state, expects),
            "next_step": _next_step(table),
        }
    return CheckResult(ARRIVED, passed=not found.missing, severity=severity, evidence=evidence)


def _what(table: LayerTable, found: Found, state: PartitionState | None, expects: Arrival) -> str:
    due = f"{found.due} of {table.path}, due by {expects.by:%H:%M} {expects.zone},"
    if state is None:
        told = f"{due} is not published."
    elif table.is_of_files and state.made_of == NO_OBJECTS:
        told = f"{due} has no object."
    else:
        told = (
            f"{due} has {count_of(state.row_count, 'row')}, and at least {expects.rows:,} are "
            "expected."
        )
    if len(found.missing) > 1:
        told += (
            f" {count_of(len(found.missing), 'day')} {is_or_are(len(found.missing))} "
            f"missing, since {found.missing[0]}."
        )
    return told


def _next_step(table: LayerTable) -> str:
    assert table.source is not None  # noqa: S101 - only raw tables expect anything
    if table.is_of_files:
        return (
            f"See what is there: etl-assets files list {table.path}. If nothing is, ask whoever "
            f"delivers {table.source.place}; the day is loaded by itself when it comes."
        )
    if not table.syncs:
        return (
            f"See whether {table.source.place} has rows of that day, and load it: "
            f"etl-assets backfill {table.path}."
        )
    return (
        f"See whether {table.source.place} has rows of that day, and whether the sync works: "
        f"etl-assets sync {table.path}."
    )


def _on_clock(day: date, expects: Arrival) -> str:
    """The moment by which the day is due, on the clock of the zone."""
    return due_at(day, expects).astimezone(ZoneInfo(expects.zone)).isoformat()


def _has_arrived(state: PartitionState | None, expects: Arrival) -> bool:
    return state is not None and state.row_count >= expects.rows and state.made_of != NO_OBJECTS


def _days_back(newest: date, first: date) -> Iterator[date]:
    for back in range(min((newest - first).days + 1, _MOST_MISSING)):
        yield newest - back * ONE_DAY
