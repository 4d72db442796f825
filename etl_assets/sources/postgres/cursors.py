"""A table's cursor in the source's SQL: what is compared, what it is compared with, what has none.

How it is read in order is `keyset.py`; how far it may be read is `core/settling.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.cursor import FIRST, LAST, MOST, Cursor, CursorKind, midnight
from etl_assets.core.partitions import ONE_DAY
from etl_assets.core.position import Position
from etl_assets.postgres import arrow_types
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import ColumnRead
from etl_assets.sources.postgres.keys import Found

_TYPES: Mapping[CursorKind, set[str]] = {
    CursorKind.MOMENT: {"timestamptz", "timestamp"},
    CursorKind.DAY: {"date"},
    CursorKind.EPOCH: {"int2", "int4", "int8"},
    CursorKind.VERSION: {"int2", "int4", "int8"},
}
_UTC_ZONES = {"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"}


@dataclass(frozen=True)
class SourceCursor:
    """The cursor as it is compared, in SQL.

    `value` is an instant, a date or a whole number: a column, or the greatest of several. `bare` is
    a naive column that stands for instants of a zone: an index on the column itself serves it, by
    bounds that are a day wider. It is `value` where there is no such column. `indexed` is what an
    index serves it by; None where the columns are not of the table itself.
    """

    cursor: Cursor
    value: str
    bare: str
    indexed: str | None

    @property
    def compared(self) -> sql.SQL:
        """The value, to be put into a statement."""
        return sql.SQL(self.value)

    def literal(self, place: Position) -> sql.Composable:
        """The place of a position, as the value is compared with it."""
        kind = self.cursor.kind
        if kind is CursorKind.VERSION:
            return _number(MOST if place.number is None else place.number)
        if kind is CursorKind.EPOCH:
            return _number(self.cursor.number_at(place.moment))
        if kind is CursorKind.DAY:
            return sql.SQL("{}::date").format(sql.Literal(place.moment.date().isoformat()))
        return _moment(place.moment)

    def position(self, values: Sequence[str | None]) -> Position:
        """The position of a row, from the texts of its cursor and of its key."""
        text, key = values[0] or "", tuple(values[1:])
        kind = self.cursor.kind
        if kind is CursorKind.VERSION:
            return Position(FIRST, key, int(text))
        if kind is CursorKind.EPOCH:
            return Position(self.cursor.moment_at(int(text)), key)
        if kind is CursorKind.DAY:
            return Position(midnight(date.fromisoformat(text)), key)
        return Position(_utc(text), key)

    def in_range(self) -> sql.Composable:
        """That a row has a place: a number, or a moment that is a calendar date (in UTC too)."""
        column = sql.SQL(self.bare)
        if self.cursor.kind is CursorKind.VERSION:
            return sql.SQL("{} IS NOT NULL").format(column)
        first, last = self._ends()
        return sql.SQL("{c} >= {} AND {c} <= {}").format(first, last, c=column)

    def without(self) -> sql.Composable:
        """That a row has none: no cursor, or infinity, BC, after 9999."""
        column = sql.SQL(self.bare)
        if self.cursor.kind is CursorKind.VERSION:
            return sql.SQL("{} IS NULL").format(column)
        first, last = self._ends()
        if self.cursor.kind is CursorKind.EPOCH:
            return sql.SQL("({c} IS NULL OR {c} < {} OR {c} > {})").format(first, last, c=column)
        # With both ends, or a table without statistics seems to have many of them.
        return sql.SQL(
            "({c} IS NULL OR ({c} >= '-infinity' AND {c} < {}) OR ({c} > {} AND {c} <= 'infinity'))"
        ).format(first, last, c=column)

    def wider(self, after: Position, through: Position) -> sql.Composable | None:
        """Bounds of the naive column that leave nothing out; None where there is no such column."""
        if self.bare == self.value:
            return None
        # A day wider: an index on the column can serve only that.
        low = _moment(max(after.moment, FIRST + 2 * ONE_DAY) - ONE_DAY)
        high = _moment(min(through.moment, LAST - 2 * ONE_DAY) + ONE_DAY)
        return sql.SQL("{c} >= {} AND {c} <= {}").format(low, high, c=sql.SQL(self.bare))

    def read(self, name: str) -> ColumnRead:
        """How the place of a row is read, in `Cursor.place_dtype`; NULL where it has none."""
        kind = self.cursor.kind
        if kind in {CursorKind.EPOCH, CursorKind.VERSION}:
            place = self.cursor.place_of(pl.col(name))
            number = f"{self.value}::bigint"
            return ColumnRead(name, number, arrow_types.INT64, number, finish=place)
        moment = (
            "{}::timestamptz" if kind is CursorKind.MOMENT else "{}::timestamp AT TIME ZONE 'UTC'"
        )
        text = (
            sql.SQL("CASE WHEN NOT {} THEN {} END")
            .format(self.without(), sql.SQL(moment.format(self.value)))
            .as_string()
        )
        return ColumnRead(name, text, arrow_types.MOMENT, text)

    def _ends(self) -> tuple[sql.Composable, sql.Composable]:
        spare = 0 * ONE_DAY if self.bare == self.value else ONE_DAY
        return self.literal(Position(FIRST + spare)), self.literal(Position(LAST - spare))


def source_cursor(cursor: Cursor | None, found: Found) -> SourceCursor | None:
    """The cursor of a table whose columns are `found`: as declared, in the catalogue, and quoted.

    None where the table has none, or one whose columns are of another type in the source.
    """
    if cursor is None:
        return None
    columns = [found[name] for name in cursor.columns]
    if any(source.type not in _TYPES[cursor.kind] for _, source, _ in columns):
        return None
    values = [_instant(*column) for column in columns]
    own = [_quoted(source.name) for _, source, plain in columns if plain.startswith('"t".')]
    is_own = len(own) == len(columns)
    if len(values) > 1:
        instants = [_instant(d, s, name) for (d, s, _), name in zip(columns, own, strict=False)]
        indexed = f"GREATEST({', '.join(instants)})" if is_own else None
        greatest = f"GREATEST({', '.join(values)})"
        return SourceCursor(cursor, greatest, greatest, indexed)
    return SourceCursor(cursor, values[0], columns[0][2], own[0] if is_own else None)


def _instant(declared: Column, source: SourceColumn, plain: str) -> str:
    """A column as it is compared; one that is naive stands for an instant of its zone."""
    zone = declared.source_zone if source.type == "timestamp" else None
    if zone is None or zone in _UTC_ZONES:
        return plain
    return sql.SQL("({} AT TIME ZONE {})").format(sql.SQL(plain), sql.Literal(zone)).as_string()


def _quoted(name: str) -> str:
    """A column's name as an index has it: quoted where it is no plain one."""
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) else sql.Identifier(name).as_string()


def _number(number: int) -> sql.Composable:
    # As text: a minus before the least of all bigints would make a numeric of it.
    return sql.SQL("{}::bigint").format(sql.Literal(str(number)))


def _moment(moment: datetime) -> sql.Literal:
    return sql.Literal(moment.isoformat())


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
