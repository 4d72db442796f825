"""Cursors: the columns that say that a row changed, as specs declare and frames have them.

How far changes may be read is `core/settling.py`; what a source makes of a cursor is in `sources/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Literal

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.frames import WITHOUT
from etl_assets.core.spec_classes import spec_class

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")
LEAST, MOST = -(1 << 63), (1 << 63) - 1
"""The least and the greatest number of a version."""

EpochUnit = Literal["seconds", "milliseconds", "microseconds"]
Columns = str | tuple[str, ...]
_MICROSECONDS: Mapping[str, int] = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


@spec_class
@dataclass(frozen=True)
class Epoch:
    """A cursor of whole numbers that count from 1970-01-01 UTC; of several columns the greatest."""

    columns: Columns
    unit: EpochUnit


@spec_class
@dataclass(frozen=True)
class Version:
    """A cursor of whole numbers that one sequence gives to every change of the whole table.

    Each sync reads so many numbers before its position again (`lookback`), for sequences whose
    numbers are not given in order: CACHE n on s sessions needs n * s of them. A counter of each
    row, which begins at 1 for every row, is no such number.
    """

    columns: Columns
    lookback: int = 0


CursorColumn = Columns | Epoch | Version
"""What a spec may say: a column, several of which the greatest counts, or numbers of a kind."""


class CursorKind(StrEnum):
    """What the values of a cursor are."""

    MOMENT = "moment"
    DAY = "date"
    EPOCH = "epoch"
    VERSION = "version"


@dataclass(frozen=True)
class Cursor:
    """The cursor of a table: the greatest of its columns, in which NULL does not count.

    The place of a row in the order of changes is a moment (Datetime us UTC), midnight of a day, or
    for a version its number (Int64). `unit` is an epoch's, `lookback` a version's.
    """

    columns: tuple[str, ...]
    kind: CursorKind
    unit: EpochUnit = "microseconds"
    lookback: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it is a single column of moments."""
        return self.kind is CursorKind.MOMENT and len(self.columns) == 1

    @property
    def has_moments(self) -> bool:
        """Whether its places are moments; else they are numbers."""
        return self.kind is not CursorKind.VERSION

    @property
    def null_count(self) -> str:
        """What the count of NULLs is called: that of its column, or of all of them, `WITHOUT`."""
        return self.columns[0] if len(self.columns) == 1 else WITHOUT

    @property
    def shown(self) -> str:
        """As messages name it: `updated_at`, `greatest(updated_at, created_at)`."""
        return greatest_shown(self.columns)

    @property
    def identity(self) -> str:
        """What a position is a position of; a stored position of another cursor is none."""
        unit = f" in {self.unit}" if self.kind is CursorKind.EPOCH else ""
        return f"{self.kind} {self.shown}{unit}"

    @property
    def microseconds(self) -> int:
        """How many microseconds a number of an epoch counts."""
        return _MICROSECONDS[self.unit]

    @property
    def place_dtype(self) -> pl.DataType:
        """The dtype of places."""
        return MOMENT if self.has_moments else pl.Int64()

    @property
    def value(self) -> pl.Expr:
        """The cursor of a row in its columns' own dtype, NULL where it has none."""
        first, *others = self.columns
        return pl.max_horizontal(first, *others) if others else pl.col(first)

    @property
    def place(self) -> pl.Expr:
        """The place of a row, in `place_dtype`; NULL where it has none that is a calendar date."""
        return self.place_of(self.value)

    def place_of(self, value: pl.Expr) -> pl.Expr:
        """The same of cursors that were computed already."""
        if self.kind is CursorKind.VERSION:
            return value.cast(pl.Int64)
        if self.kind is CursorKind.EPOCH:
            low, high = self.number_at(FIRST), self.number_at(LAST)
            number = value.cast(pl.Int64)
            moment = (number.clip(low, high) * self.microseconds).cast(MOMENT)
            return pl.when(number.is_between(low, high)).then(moment)
        if self.kind is CursorKind.DAY:
            return value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return value

    def number_at(self, moment: datetime) -> int:
        """The number of an epoch at a moment, rounded down."""
        since = moment - _1970
        exact = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return exact // self.microseconds

    def moment_at(self, number: int) -> datetime:
        """The moment of an epoch's number, which is one between the years 1 and 9999."""
        return _1970 + timedelta(microseconds=self.microseconds * number)


def cursor_of(declared: CursorColumn | None, columns: Sequence[Column]) -> Cursor | None:
    """The cursor that a spec declares, None where it declares none.

    Whether its columns are there and fit is checked in `core/cursor_checks.py`.
    """
    if declared is None:
        return None
    names = names_of(declared)
    if isinstance(declared, Version):
        return Cursor(names, CursorKind.VERSION, lookback=declared.lookback)
    if isinstance(declared, Epoch):
        return Cursor(names, CursorKind.EPOCH, declared.unit)
    are_days = any(c.name in names and isinstance(c.dtype, pl.Date) for c in columns)
    return Cursor(names, CursorKind.DAY if are_days else CursorKind.MOMENT)


def names_of(declared: CursorColumn) -> tuple[str, ...]:
    """The columns that a spec names as its cursor."""
    columns = declared.columns if isinstance(declared, Epoch | Version) else declared
    return (columns,) if isinstance(columns, str) else tuple(columns)


def greatest_shown(columns: Sequence[str]) -> str:
    """Several columns of which the greatest counts, as messages name them."""
    return columns[0] if len(columns) == 1 else f"greatest({', '.join(columns)})"


def midnight(day: date) -> datetime:
    """The place of a day: its midnight, as UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
