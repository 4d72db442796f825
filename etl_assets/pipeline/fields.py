"""The fields of a table's JSON columns: counted from what is published, listed, and marked.

A part is counted when somebody asks and its load was not counted yet, so that no load, sync or
repair has to know of fields, and none can count a row twice. What is remembered is
`core/field_register.py`; typed columns of fields are `promotion.py`.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from etl_assets.core.catalog import Catalog
from etl_assets.core.contracts import Column
from etl_assets.core.errors import UnknownField
from etl_assets.core.field_profile import FieldProfile
from etl_assets.core.field_register import (
    FieldPart,
    FieldSummary,
    Mark,
    counted_table,
    field_columns,
    mark_entry,
    marks_of,
    parts_of,
    summaries,
    with_gone,
)
from etl_assets.core.near_names import near
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.promoted import promoted_columns
from etl_assets.core.state import Happening
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.warehouse.base import Warehouse

_PARTS_AT_ONCE, _BATCH_ROWS, _ALL_MARKS = 31, 131_072, 100_000
_RUN, _SEEN_AT = "fields", "__at"


@dataclass(frozen=True)
class Counted:
    """What came of a look at the fields: how many parts had to be counted, and their rows."""

    parts: int = 0
    rows: int = 0


def origin_of(catalog: Catalog, table: LayerTable, column: str) -> LayerTable:
    """The table that a JSON column's keys come from: the one above, as long as exactly one has it.

    The fields of `staged/customers` are those of `raw/customers`, and are counted once.
    """
    while table.source is None:
        above = [
            one
            for one in catalog.inputs_of(table).values()
            if any(found.name == column for found in field_columns(one))
        ]
        if len(above) != 1:
            break
        (table,) = above
    return table


def bring_up_to_date(platform: Platform, table: LayerTable) -> Counted:
    """Count the parts of a table whose published load was not counted yet, and remember that.

    Of a table with versions these are counted. Raises what the warehouse raises.
    """
    counted, warehouse = counted_table(table), platform.warehouse
    # The states first: rows that are published in between are counted once more, not missed.
    loads = {state.partition_key: state.load_id for state in warehouse.state(counted)}
    known: dict[date, list[FieldPart]] = {}
    for part in warehouse.fields(counted):
        known.setdefault(part.partition_key, []).append(part)
    names = {column.name for column in field_columns(counted)}
    late = [
        day
        for day, load_id in sorted(loads.items())
        if {p.column_name for p in known.get(day, ()) if p.load_id == load_id} != names
    ]
    unpublished = sorted(known.keys() - loads.keys())
    if unpublished:
        kept = [part.without_rows("") for day in unpublished for part in known[day]]
        warehouse.put_fields(counted, unpublished, kept)
    if late:
        warehouse.ensure(counted)  # a JSON column that the contract gained may not be there yet
    rows = 0
    for at in range(0, len(late), _PARTS_AT_ONCE):
        days = late[at : at + _PARTS_AT_ONCE]
        found: list[FieldPart] = []
        with platform.spool(uuid.uuid4().hex, _RUN) as folder:
            for day, profiles in _profiles(warehouse, counted, days, folder):
                fresh = [
                    part
                    for column, profile in profiles.items()
                    for part in parts_of(counted, column, day, loads[day], profile.counts)
                ]
                rows += max(part.rows_seen for part in fresh)
                found += with_gone(fresh, known.get(day, ()))
        warehouse.put_fields(counted, days, found)
    return Counted(len(late), rows)


def fields_of(platform: Platform, table: LayerTable) -> list[FieldSummary]:
    """Every field that was ever seen in the JSON columns of a table, as counted by now."""
    catalog, warehouse = platform.catalog, platform.warehouse
    found: list[FieldSummary] = []
    for column in field_columns(table):
        origin = origin_of(catalog, table, column.name)
        marks = marks_of(warehouse.history(origin, Happening.FIELD, _ALL_MARKS))
        parts = warehouse.fields(counted_table(origin))
        own = [part for part in parts if part.column_name == column.name]
        promoted = _promoted(catalog, origin)
        for one in summaries(own, marks):
            one.promoted = promoted.get((column.name, one.field), ())
            found.append(one)
    return found


def field_of(
    platform: Platform, table: LayerTable, name: str, column: str | None = None
) -> FieldSummary:
    """The one field of that name, of that JSON column if it is given.

    Raises UnknownField, with near names, where no row ever had it, or more than one column has it.
    """
    every = fields_of(platform, table)
    found = [one for one in every if one.field == name and column in (None, one.column)]
    if len(found) == 1:
        return found[0]
    if found:
        columns = " or ".join(one.column for one in found)
        raise UnknownField(
            f"{table.path} has more than one field {name}.", f"Name --column {columns}."
        )
    close = near(name, [one.field for one in every])
    raise UnknownField(
        f"No row of {table.path} ever had a field {name}.",
        f"Did you mean {' or '.join(close)}?"
        if close
        else f"etl-assets fields list {table.path} shows those that were seen.",
    )


def mark(
    platform: Platform,
    table: LayerTable,
    one: FieldSummary,
    *,
    deprecated: bool,
    by: str,
    reason: str,
) -> None:
    """Remember that a field is deprecated, or no longer is; nothing becomes of its values."""
    origin = origin_of(platform.catalog, table, one.column)
    made = Mark(datetime.now(UTC), by, reason)
    entry = mark_entry(origin, one.column, one.field, made, deprecated=deprecated, run_id=_RUN)
    platform.warehouse.record([entry])


def _profiles(
    warehouse: Warehouse, table: LayerTable, days: Sequence[date], folder: Path
) -> Iterator[tuple[date, Mapping[str, FieldProfile]]]:
    """The profile of each JSON column with fields, day by day, in bounded memory."""
    columns, cursor = [column.name for column in field_columns(table)], table.cursor
    moment = cursor.place if cursor and cursor.has_moments else None
    extract = warehouse.read(table, [Window.of(day) for day in days], folder)
    for day, frame in zip(days, extract.frames, strict=True):
        profiles = {name: FieldProfile() for name in columns}
        wanted = frame.select(*columns, *([] if moment is None else [moment.alias(_SEEN_AT)]))
        for batch in wanted.collect_batches(chunk_size=_BATCH_ROWS):
            for name, profile in profiles.items():
                profile.add(batch[name], _midnight(day) if moment is None else batch[_SEEN_AT])
        yield day, profiles


def _midnight(day: date) -> datetime | None:
    return None if day == WHOLE else Window.of(day).start


def _promoted(catalog: Catalog, origin: LayerTable) -> Mapping[tuple[str, str], list[str]]:
    """By column and field, the columns of any table that are made of the origin's fields."""
    found: dict[tuple[str, str], list[str]] = {}
    for table in catalog.values():
        for column in promoted_columns(table.contract):
            if column.from_field and origin_of(catalog, table, column.from_field[0]) is origin:
                found.setdefault(column.from_field, []).append(f"{table.path}.{column.name}")
    return found


def only_column(table: LayerTable, name: str | None) -> Column | None:
    """The JSON column of that name, or the only one of the table; None where there is none."""
    columns = [column for column in field_columns(table) if name in (None, column.name)]
    return columns[0] if len(columns) == 1 else None
