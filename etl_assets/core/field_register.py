"""What is remembered of the fields of JSON columns: counts by part, and marks that people made.

Counts are kept by part and with the load that they were counted from, so that a part that is loaded
twice counts once. The parts are those of the table's versions where it keeps them, so that a field
that was overwritten stays counted. What counts a batch is `core/field_profile.py`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as default
from datetime import date, datetime

from etl_assets.core.contracts import Column
from etl_assets.core.field_profile import FieldCounts
from etl_assets.core.state import Happening, HistoryEntry
from etl_assets.core.table import LayerTable


@dataclass(frozen=True)
class FieldPart:
    """A row of `etl_fields`: what one part of a table has of one field.

    `field` is None for the column itself, of which each part has a row. `load_id` is the load of
    the part that was counted. `rows_seen` have the field, `nulls` of them with null, and `types`
    (JSON) counts them by type. `first_seen` and `last_seen` are source time (UTC): the rows'
    cursor, without one their day, None for a table that has neither.
    """

    table_name: str
    column_name: str
    field: str | None
    partition_key: date
    load_id: str
    rows_seen: int
    nulls: int
    types: str
    first_seen: datetime | None
    last_seen: datetime | None

    def without_rows(self, load_id: str) -> "FieldPart":
        """The same of a load that has no row with the field any more: that it was there stays."""
        return replace(self, load_id=load_id, rows_seen=0, nulls=0, types="{}")


@dataclass(frozen=True)
class Mark:
    """That somebody called a field deprecated: since when (UTC), who and why."""

    since: datetime
    by: str
    reason: str


@dataclass
class FieldSummary:
    """One field over all parts; `of_rows` counts the objects that could have it.

    `promoted` are the columns that are made of it (`staged/customers.loyalty_tier`).
    """

    column: str
    field: str
    counts: FieldCounts = default(default_factory=FieldCounts)
    of_rows: int = 0
    deprecated: Mark | None = None
    promoted: Sequence[str] = ()

    @property
    def null_ratio(self) -> float | None:
        """The share of null among the rows that have the field; None where no row has it now."""
        return self.counts.types["null"] / self.counts.rows if self.counts.rows else None


def field_columns(table: LayerTable) -> tuple[Column, ...]:
    """The JSON columns of the table whose keys are fields."""
    return tuple(column for column in table.columns if column.fields)


def counted_table(table: LayerTable) -> LayerTable:
    """The table whose rows are counted: the versions, where they are kept."""
    return table.versions or table


def parts_of(
    table: LayerTable,
    column: str,
    day: date,
    load_id: str,
    counts: Mapping[str | None, FieldCounts],
) -> list[FieldPart]:
    """The rows of `etl_fields` of one part, the column itself first."""
    return [
        FieldPart(
            table.path,
            column,
            name,
            day,
            load_id,
            seen.rows,
            seen.types["null"],
            json.dumps(dict(sorted(seen.types.items()))),
            seen.first_seen,
            seen.last_seen,
        )
        for name, seen in counts.items()
    ]


def with_gone(fresh: Sequence[FieldPart], before: Iterable[FieldPart]) -> list[FieldPart]:
    """What was counted of a part, and what an earlier load had that this one has not, without rows.

    A table that keeps no versions remembers its lost fields by these.
    """
    there = {(part.column_name, part.field) for part in fresh}
    load_id = fresh[0].load_id if fresh else ""
    gone = {
        (part.column_name, part.field): part.without_rows(load_id)
        for part in before
        if (part.column_name, part.field) not in there
    }
    return [*fresh, *gone.values()]


def summaries(
    parts: Iterable[FieldPart], marks: Mapping[tuple[str, str], Mark]
) -> list[FieldSummary]:
    """Every field that was ever seen, by column and name; a part that two runs put counts once."""
    once = {(p.column_name, p.field, p.partition_key): p for p in parts}
    found: dict[tuple[str, str], FieldSummary] = {}
    objects: Counter[str] = Counter()
    for (column, name, _), part in once.items():
        types = json.loads(part.types)
        if name is None:
            objects[column] += types.get("object", 0)
            continue
        one = found.setdefault((column, name), FieldSummary(column, name))
        one.counts.rows += part.rows_seen
        one.counts.types.update(types)
        one.counts.span(part.first_seen, part.last_seen)
    for key, one in found.items():
        one.of_rows, one.deprecated = objects[one.column], marks.get(key)
    return [found[key] for key in sorted(found)]


def mark_entry(
    table: LayerTable, column: str, name: str, mark: Mark, *, deprecated: bool, run_id: str
) -> HistoryEntry:
    """The entry of `etl_history` by which a field is deprecated, or is so no longer."""
    told = {
        "column": column,
        "field": name,
        "deprecated": deprecated,
        "by": mark.by,
        "reason": mark.reason,
    }
    payload = json.dumps(told, ensure_ascii=False)
    return HistoryEntry(table.path, Happening.FIELD, mark.since, run_id, payload)


def marks_of(entries: Iterable[HistoryEntry]) -> dict[tuple[str, str], Mark]:
    """The fields that are deprecated, by column and name: the newest entry of each counts.

    A field that is deprecated twice is so since the first time.
    """
    marks: dict[tuple[str, str], Mark] = {}
    for entry in sorted(entries, key=lambda one: one.at):
        told = json.loads(entry.payload)
        key = (told["column"], told["field"])
        if not told["deprecated"]:
            marks.pop(key, None)
            continue
        since = marks[key].since if key in marks else entry.at
        marks[key] = Mark(since, told["by"], told["reason"])
    return marks
