"""What the platform remembers: a row of `etl_tables` for each table, a row of `etl_state` for each
published part of it, and a log of what happened in `etl_history`.

The warehouse writes state in the transaction that publishes the rows, so that it is never ahead of
them nor behind. How the rows are stored is `warehouse/system_tables.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True)
class PartitionState:
    """One published part of one table, a row of `etl_state`; times are UTC.

    `partition_key` is the day, or `core.partitions.WHOLE` for the only part of a table without
    days. `as_of` is the moment of the snapshot that was read, on the clock of the system that it
    was read from: an older snapshot never overwrites a newer one (L5). `high_watermark` and
    `watermark_key` are the greatest cursor and the key of its row. `source_count` is the source's
    own count, `row_count` what is published and `quarantined_count` what was set aside.
    `checks_failed` counts warnings, which `failed_checks` names, separated by commas: a part that
    fails a blocking check is not published. `verified_through` is the moment up to which a
    reconciliation found source and warehouse equal. `made_of` is a digest of the upstream loads
    that a derived part was made of (`core/lateness.py`), None for a part that was read. `made_by`
    is the code that made it (`core/declared/code_version.py`), None where that is not known."""

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
    failed_checks: str | None = None
    made_by: str | None = None

    @property
    def is_of_versions(self) -> bool:
        """Whether it is a part of kept versions: these are checked as rows of their table, and come
        with them, so that none of their own checks ever ran."""
        return self.checks_passed == self.checks_failed == 0 and self.source_count is None


def empty_part(name: str, part: date, load_id: str, run_id: str, now: datetime) -> PartitionState:
    """The state of a part that has no rows and was never checked: a note about it, or what a
    publication begins with."""
    return PartitionState(
        table_name=name,
        partition_key=part,
        high_watermark=None,
        watermark_key=None,
        row_count=0,
        source_count=None,
        quarantined_count=0,
        checks_passed=0,
        checks_failed=0,
        as_of=now,
        load_id=load_id,
        run_id=run_id,
        seconds=0.0,
        verified_through=None,
        updated_at=now,
    )


@dataclass(frozen=True)
class TableState:
    """One table as a whole, a row of `etl_tables`; times are UTC.

    `load_id` is the table's token: every publication changes it, so that a publication that was
    planned on an older one is found out (L3, L5). `high_watermark` and `watermark_key` are where
    the next sync goes on; `watermark_key` is a JSON list of texts. `row_count` counts all
    published rows. `content` is a digest of the published rows of a table without days.
    `source_columns` are the source's columns when they were seen last (`core/drift.py`),
    `days_to_reload` the days that a check refused, that lack values of a column that the contract
    gained, or that must be loaded whole for another reason, by the next sync or the sensor of a
    table of files, with the reason of each (a JSON object of the texts of
    `core/reload_reasons.py`). `first_day` and `last_day` are the days that the platform had when
    the table was synced last, `last_day` None for no end. `verified_through` is the earliest of
    that of all parts, None where one has none. `columns` are the contract's as of the last
    publication, each with whether it is required (a JSON object), None where an earlier release
    published last. `declaration` is all that the table declared then (a JSON object, see
    `core/declared/`), by which a change of the code is told; nothing is decided by it."""

    table_name: str
    load_id: str
    run_id: str
    as_of: datetime
    updated_at: datetime
    row_count: int = 0
    high_watermark: datetime | None = None
    watermark_key: str | None = None
    content: str | None = None
    source_columns: str | None = None
    days_to_reload: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    verified_through: datetime | None = None
    columns: str | None = None
    declaration: str | None = None

    @property
    def published_columns(self) -> Mapping[str, bool] | None:
        """The contract's columns as of the last publication, and whether each is required; None
        where that is not known."""
        return None if self.columns is None else json.loads(self.columns)

    def with_columns(self, required: Mapping[str, bool]) -> "TableState":
        """The same, published by a contract that has these columns."""
        return replace(self, columns=json.dumps(dict(sorted(required.items())), ensure_ascii=False))

    @property
    def reload_reasons(self) -> Mapping[date, str]:
        """The days that must be loaded whole, each with the reason."""
        found = json.loads(self.days_to_reload) if self.days_to_reload else {}
        return {date.fromisoformat(day): reason for day, reason in found.items()}

    def with_days_to_reload(self, reasons: Mapping[date, str]) -> "TableState":
        """The same, with exactly these days to be loaded whole."""
        told = {day.isoformat(): reason for day, reason in sorted(reasons.items())}
        text = json.dumps(told, ensure_ascii=False) if told else None
        return replace(self, days_to_reload=text)


class Happening(StrEnum):
    """The kinds of entries in `etl_history`; the payload is JSON.

    `watermark`: where the position stood and stands, and why it moved. `columns`: the source's
    columns, when they were first seen so. `reload`: the days that must be loaded whole from then
    on. `gained`: columns that the contract gained, and how many parts lack values of them. `scope`:
    the days that the platform had, when they last changed. `reconciliation`: what was
    compared, found and repaired. `field`: a field of a JSON column that somebody deprecated, or no
    longer does (`core/field_register.py`)."""

    WATERMARK = "watermark"
    COLUMNS = "columns"
    RELOAD = "reload"
    SCOPE = "scope"
    RECONCILIATION = "reconciliation"
    FIELD = "field"
    GAINED = "gained"


@dataclass(frozen=True)
class HistoryEntry:
    """A row of `etl_history`, a log that nothing is decided by; `at` is UTC, `payload` JSON."""

    table_name: str
    kind: str
    at: datetime
    run_id: str
    payload: str
