"""The summary a person reads: a line a table, made of the state rows. No I/O, no printing."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from etl_assets.core.checks import SCHEMA_DRIFT
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import is_reading
from etl_assets.core.reload_reasons import forgotten_of, refused_of, shown_reason
from etl_assets.core.scope import Scope
from etl_assets.core.state import PartitionState
from etl_assets.core.wording import count_of
from etl_assets.pipeline.status_notes import notes_of


@dataclass(frozen=True)
class TableStatus:
    """One table: sums over its published partitions.

    A published day passed every blocking check: the checks that it failed are warnings, and
    `warnings` has the number of days by check, as far as the state names them. `refused` are the
    days that a check or the contract refused, each with the reason: they are published as they were
    before, or not at all; `days_forgotten` are those of a table of files that its sensor shall load
    again; `reload_reasons` has every day that must be loaded again, whatever the reason is.
    `lacking` says which days of a table that is read lack columns of its contract. `late_days`
    counts the days of a derived table that are behind what they are made of, or with `is_of_files`
    the days whose objects are not those that they were made of. `days_outside` are published
    days that are not among the platform's (any more), so that nothing brings them up to date.
    `is_declared` is False where no module declares the table, `syncs` where no sync tries refused
    days again. `high_watermark` is UTC; `freshness` the time since the last publication, None where
    there was none; `seconds` what the last load of each partition took, added
    up. Through `verified_through` (UTC) a reconciliation found every partition equal to its
    source; None where one was never compared. Days before `open_from` are closed, and are not
    compared: these do not count for it. `days_closed` of them are published, None where the table
    closes none. `kept` counts rows that the source no longer has, None where nobody looked.
    `days_of_other_code` were made by another transform, contract or source definition.
    `not_in_contract` are columns that the source had when it was seen last, which the contract
    neither has nor ignores; a warning of them is not counted by day.
    """

    table: str
    partitions: int
    rows: int
    checks_passed: int
    checks_failed: int
    quarantined: int
    high_watermark: datetime | None
    freshness: timedelta | None
    seconds: float
    verified_through: datetime | None = None
    warnings: Mapping[str, int] = field(default_factory=dict)
    not_in_contract: Sequence[str] = ()
    refused: Mapping[date, str] = field(default_factory=dict)
    days_forgotten: Sequence[date] = ()
    days_outside: Sequence[date] = ()
    late_days: int = 0
    lacking: str = ""
    is_of_files: bool = False
    syncs: bool = False
    is_declared: bool = True
    open_from: date | None = None
    days_closed: int | None = None
    kept: int | None = None
    reload_reasons: Mapping[date, str] = field(default_factory=dict)
    days_of_other_code: Sequence[date] = ()

    def facts(self) -> list[str]:
        """What is as it should be and worth knowing, a sentence or two each."""
        facts = []
        if self.open_from is not None:
            facts.append(
                f"{self.table}: days before {self.open_from} are closed (keep_before), "
                f"{self.days_closed:,} of them published: neither compared nor loaded again."
            )
        if self.kept:
            rows = count_of(self.kept, "row")
            facts.append(f"{self.table} keeps {rows} that the source no longer has.")
        return facts

    def notes(self) -> list[str]:
        """What a person should know of it, a sentence or two each."""
        return notes_of([self])

    def as_dict(self) -> dict[str, object]:
        """The same for JSON: moments and days as such, the freshness in seconds."""
        return {
            "table": self.table,
            "days": self.partitions,
            "rows": self.rows,
            "checks_passed": self.checks_passed,
            "checks_failed": self.checks_failed,
            "warnings": dict(self.warnings),
            "not_in_contract": list(self.not_in_contract),
            "quarantined": self.quarantined,
            "days_to_reload": list(self.refused),
            "refused": {day.isoformat(): why for day, why in self.refused.items()},
            "must_be_loaded_again": {
                day.isoformat(): why for day, why in self.reload_reasons.items()
            },
            "days_forgotten": list(self.days_forgotten),
            "days_outside": list(self.days_outside),
            "late_days": self.late_days,
            "days_of_other_code": [
                None if day == WHOLE else day for day in self.days_of_other_code
            ],
            "high_watermark": self.high_watermark,
            "verified_through": self.verified_through,
            "fresh_seconds": (
                None if self.freshness is None else round(self.freshness.total_seconds(), 1)
            ),
            "load_seconds": round(self.seconds, 3),
            "is_declared": self.is_declared,
            "open_from": self.open_from,
            "kept": self.kept,
        }


def summarise(
    states: Iterable[PartitionState],
    order: Iterable[str],
    now: datetime,
    *,
    scope: Scope | None = None,
    reloads: Mapping[str, Mapping[date, str]] | None = None,
    versions: Collection[str] = (),
    late: Mapping[str, int] | None = None,
    of_files: Collection[str] = (),
    syncing: Collection[str] = (),
    open_from: Mapping[str, date] | None = None,
    kept: Mapping[str, int] | None = None,
    undeclared: Mapping[str, Sequence[str]] | None = None,
    lacking: Mapping[str, str] | None = None,
    other_code: Mapping[str, Sequence[date]] | None = None,
) -> list[TableStatus]:
    """A line for each table of `order` that has published or refused partitions, then for all
    others.

    `reloads` are each table's `TableState.reload_reasons`; `scope` are the platform's days, None
    where they do not matter; `versions` are tables beside those of `order`, whose days follow a
    cursor and are in no scope. `late` is the number of late days by table; the tables of `of_files`
    are made of files, those of `syncing` sync. `open_from` has the first day that is not closed, of
    tables that close days, and `kept` how many rows are there that the source no longer has.
    `undeclared` are the columns that the sources have and the contracts do not, of each table whose
    source columns are on record.
    `lacking` says of tables that parts lack columns; `other_code` has the parts of each table that
    other code made.
    """
    reloads = reloads or {}
    by_table: dict[str, list[PartitionState]] = {path: [] for path in order}
    declared = {*by_table, *versions}
    for state in states:
        if not is_reading(state.table_name):
            by_table.setdefault(state.table_name, []).append(state)
    for path, reasons in reloads.items():
        if reasons:
            by_table.setdefault(path, [])
    return [
        _line(
            path,
            found,
            now,
            scope if path not in versions else None,
            reloads.get(path, {}),
            late_days=(late or {}).get(path, 0),
            lacking=(lacking or {}).get(path, ""),
            is_of_files=path in of_files,
            is_declared=path in declared,
            syncs=path in syncing,
            open_from=(open_from or {}).get(path),
            kept=(kept or {}).get(path),
            undeclared=(undeclared or {}).get(path),
            other_code=(other_code or {}).get(path, ()),
        )
        for path, found in by_table.items()
        if found or reloads.get(path)
    ]


def _line(
    path: str,
    states: list[PartitionState],
    now: datetime,
    scope: Scope | None,
    reasons: Mapping[date, str],
    *,
    late_days: int,
    lacking: str,
    is_of_files: bool,
    is_declared: bool,
    syncs: bool,
    open_from: date | None,
    kept: int | None,
    undeclared: Sequence[str] | None,
    other_code: Sequence[date],
) -> TableStatus:
    warnings = _warnings(states)
    # Columns are of the table; the days that were loaded when they were new say nothing of today.
    of_columns = warnings.pop(SCHEMA_DRIFT.name, 0) if undeclared is not None else 0
    marks = [state.high_watermark for state in states if state.high_watermark]
    days = [state.partition_key for state in states if state.partition_key != WHOLE]
    return TableStatus(
        table=path,
        partitions=len(states),
        rows=sum(state.row_count for state in states),
        checks_passed=sum(state.checks_passed for state in states),
        checks_failed=sum(state.checks_failed for state in states) - of_columns + bool(undeclared),
        quarantined=sum(state.quarantined_count for state in states),
        high_watermark=max(marks, default=None),
        freshness=now - max(state.updated_at for state in states) if states else None,
        seconds=sum(state.seconds for state in states),
        verified_through=verified_through(states, open_from),
        warnings=warnings,
        not_in_contract=undeclared or (),
        refused={day: why for day in sorted(reasons) if (why := refused_of(reasons[day]))},
        days_forgotten=sorted(day for day, why in reasons.items() if forgotten_of(why)),
        days_outside=sorted(day for day in days if scope and is_declared and not scope.has(day)),
        late_days=late_days,
        lacking=lacking,
        is_of_files=is_of_files,
        is_declared=is_declared,
        syncs=syncs,
        open_from=open_from,
        days_closed=sum(day < open_from for day in days) if open_from else None,
        kept=kept,
        reload_reasons={day: shown_reason(reasons[day]) for day in sorted(reasons)},
        days_of_other_code=other_code,
    )


def _warnings(states: Iterable[PartitionState]) -> dict[str, int]:
    # States that were written before checks were named in them have no names.
    named = Counter(
        name for state in states for name in filter(None, (state.failed_checks or "").split(","))
    )
    return dict(named.most_common())


def verified_through(states: Iterable[PartitionState], open_from: date | None) -> datetime | None:
    """Through which moment (UTC) every part was found equal to its source, None where one never
    was; days before `open_from` are closed and do not count."""
    moments = [
        state.verified_through
        for state in states
        if open_from is None or state.partition_key >= open_from
    ]
    known = [moment for moment in moments if moment is not None]
    return min(known, default=None) if len(known) == len(moments) else None


def ago(span: timedelta | None) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: as much as a person wants to know; None is a dash."""
    if span is None:
        return "—"
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
