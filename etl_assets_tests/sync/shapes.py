"""The kinds of tables that histories happen to, and what SQL says must become of their rows.

The SQL knows the rules, not the platform: it is the independent computation that the warehouse is
held against. What happens to the rows is `world.py`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.core.table import LayerTable, versions_of
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, nulls_first
from etl_assets_tests.sync.stamps import STAMPS, Stamp

BAD = "bad"
"""The value of `v` that breaks the contract."""
MOST_BAD = 0.34
PARTS = ["'a'", "'B'", "'ä'", "''", "NULL"]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Shape:
    """A table of the source: days or none, a key with a part that may be NULL or one number,
    unique or not (`repeats`), whether a check refuses days with many bad rows (`refuses`), what its
    cursor is (`stamped`, of STAMPS), and what becomes of rows that the source deletes."""

    name: str = "shelf"
    has_days: bool = True
    has_part: bool = False
    repeats: bool = False
    refuses: bool = False
    stamped: str = "moment"
    deletes: Deletes = Deletes.REMOVE

    @property
    def stamp(self) -> Stamp:
        """Its cursor."""
        return STAMPS[self.stamped]

    def table(self) -> LayerTable:
        """The table, with its versions; a cursor, a short look-back."""
        part: dict[str, Any] = {"part": pl.String} if self.has_part else {}
        made = layer_table(
            {
                "id": pl.Int64,
                **part,
                "created_at": UTC_MOMENT,
                "updated_at": UTC_MOMENT,
                "v": pl.String,
                "amount": pl.Decimal(12, 2),
                **self.stamp.dtypes,
            },
            {
                "id": {"nullable": False},
                "created_at": {"nullable": False},
                "v": {"notin": [BAD]},
                **self.stamp.options,
            },
            name=self.name,
            partition="created_at",
            key=("id", *part),
        )
        share = MOST_BAD if self.refuses else 1.0
        checks = Thresholds(max_bad_share=share, min_share_of_last=0.0, max_deleted_share=1.0)
        made = replace(
            made,
            partition_column="created_at" if self.has_days else None,
            cursor_column=self.stamp.cursor,
            deletes=self.deletes,
            lookback=timedelta(milliseconds=20),  # a slow clock is 15 behind
            thresholds=checks,
        )
        return replace(made, versions=versions_of(made)) if self.stamp.keeps_versions else made

    # Statements

    def create(self) -> list[str]:
        """The table, empty."""
        kind = "" if self.repeats else f", UNIQUE NULLS NOT DISTINCT ({self._key})"
        return [
            f"DROP TABLE IF EXISTS {self.name}",
            f"CREATE TABLE {self.name} (id bigint NOT NULL{', part text' if self.has_part else ''},"
            " created_at timestamptz NOT NULL, updated_at timestamptz, v text, "
            f"amount numeric(12, 2){self.stamp.declared()}{kind})",
            f"CREATE INDEX ON {self.name} ({self.stamp.index}, {self._key})",
            *self.stamp.trigger(self.name),
        ]

    def some_rows(self, rows: int) -> str:
        """So many rows, ids from 1."""
        part = ", NULL" if self.has_part else ""
        return (
            f"INSERT INTO {self.name} ({self._key}, created_at, updated_at, v, amount) "
            f"SELECT n{part}, {day_of(0)} + n * interval '7 hours', now(), "
            f"'v', n FROM generate_series(1, {rows}) AS n"
        )

    def is_key(self, number: int) -> str:
        """The condition that a row has the key of this number."""
        if not self.has_part:
            return f"id = {number}"
        return f"id = {number // 4} AND part IS NOT DISTINCT FROM {self._part(number)}"

    def insert(self, number: int, day: int, stamp: str, v: str | None) -> str:
        """A row with the key of this number."""
        key = f"{number // 4}, {self._part(number)}" if self.has_part else str(number)
        return (
            f"INSERT INTO {self.name} ({self._key}, created_at, updated_at, v, amount) VALUES "
            f"({key}, {day_of(day)}, {stamp}, {literal(v)}, {number})"
        )

    def put(self, number: int, day: int, stamp: str, v: str | None) -> str:
        """An insert, or an update that may move the row to another day."""
        if self.repeats:
            gone = f"DELETE FROM {self.name} WHERE {self.is_key(number)}"
            return f"{gone}; {self.insert(number, day, stamp, v)}"
        return (
            f"{self.insert(number, day, stamp, v)} ON CONFLICT ({self._key}) DO UPDATE SET "
            "(created_at, updated_at, v) = "
            "(excluded.created_at, excluded.updated_at, excluded.v)"
        )

    def delete_bad_rows(self) -> str:
        """Of a key that is there twice both rows go."""
        bad = f"SELECT place FROM {self._told} WHERE NOT good"
        return f"DELETE FROM {self.name} WHERE ctid IN ({bad})"

    def _part(self, number: int) -> str:
        return PARTS[number % len(PARTS)]

    # What must become of the rows

    def wanted(self, shelf: Shelf) -> list[Row]:
        """The rows that must be published where their day is, sorted as `Shelf.published`."""
        rows = shelf.sql(f"SELECT {self._columns} FROM {self._told} WHERE good")
        return sorted(rows, key=nulls_first)

    def set_aside(self, shelf: Shelf) -> list[tuple[date, Row]]:
        """The day and the key of the rows that must be in quarantine where their day is."""
        # Not all that the source holds can be read here: an infinite moment cannot.
        rows = shelf.sql(f"SELECT {self._key}, created_at FROM {self._told} WHERE NOT good")
        return [(self.day(row), self.key(row)) for row in rows]

    def keys(self, shelf: Shelf) -> set[Row]:
        """Every key that the source has."""
        return {self.key(row) for row in shelf.sql(f"SELECT {self._key} FROM {self.name}")}

    def refused_days(self, wanted: Sequence[Row], aside: Sequence[tuple[date, Row]]) -> set[date]:
        """The days that a check refuses: too many of their rows are bad."""
        if not self.refuses:
            return set()
        bad = Counter(day for day, _ in aside)
        rows = Counter(self.day(row) for row in wanted) + bad
        return {day for day, n in bad.items() if n / rows[day] > MOST_BAD}

    @property
    def _columns(self) -> str:
        return f"{self._key}, created_at, updated_at, v, amount{self.stamp.shown()}"

    @property
    def _key(self) -> str:
        return "id, part" if self.has_part else "id"

    @property
    def _told(self) -> str:
        since = f"created_at >= '{FIRST_DAY}Z'" if self.has_days else "TRUE"
        return (
            f"(SELECT *, ctid AS place, count(*) OVER (PARTITION BY {self._key}) = 1 "
            f"AND {self._finite} "
            f"AND amount IS DISTINCT FROM 'NaN' AND v IS DISTINCT FROM '{BAD}' AS good "
            f"FROM {self.name} WHERE {since}) AS told"
        )

    @property
    def _finite(self) -> str:
        columns = ("updated_at", *self.stamp.bounded)
        return " AND ".join(f"({name} IS NULL OR isfinite({name}))" for name in columns)

    # Parts of rows, as they are published

    def key(self, row: Row) -> Row:
        """The key of a row."""
        return row[:2] if self.has_part else row[:1]

    def day(self, row: Row) -> date:
        """The part of the table that the row stands in."""
        moment = row[2 if self.has_part else 1]
        assert isinstance(moment, datetime)
        return moment.date() if self.has_days else WHOLE

    def version(self, row: Row) -> Row | None:
        """What tells the row's version from others of its key; None where it is no version."""
        moment = row[3 if self.has_part else 2]
        if self.stamp.is_plain:
            return (moment,) if moment is not None else None
        values = row[-len(self.stamp.columns) :]
        return (*values, self.day(row)) if any(value is not None for value in values) else None

    def key_in(self, payload: str) -> Row:
        """The key of a row in quarantine."""
        values = json.loads(payload)
        return tuple(
            int(values[name]) if name == "id" else values[name]
            for name in (["id", "part"] if self.has_part else ["id"])
        )


def day_of(number: int) -> str:
    """The SQL of a moment on the day of this number."""
    return f"('{FIRST_DAY}Z'::timestamptz + interval '{number} days 5 hours')"


def literal(value: str | None) -> str:
    """The value in SQL."""
    return "NULL" if value is None else f"'{value}'"
