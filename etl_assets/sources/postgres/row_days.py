"""Which day a row belongs to, as SQL: the rows of some days, the day of a row, rows without one.

What is compared is the day itself or the moment that it is taken from. Where a zone is between the
column and the day, the condition comes in two parts: one of the day, which is exact, and one of the
bare column, which an index can serve and which leaves out none of the rows. Zones are computed by
PostgreSQL alone, with its own data: day, bounds and digests come from one place (C17, C18).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import sql

from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.scope import Scope

_FIRST, _AFTER_LAST = "0001-01-01", "10000-01-01"
# No zone changes its clock twice in this time, nor by more.
_REACH = "INTERVAL '26 hours'"


class RowDays(ABC):
    """How the rows of one table get their days."""

    @abstractmethod
    def has_day(self) -> sql.Composable:
        """That a row belongs to a day."""

    @abstractmethod
    def without_day(self) -> sql.Composable:
        """That a row belongs to none, in a form with which an index finds the few rows."""

    @abstractmethod
    def day(self) -> sql.Composable:
        """The row's day as a date, NULL where it has none."""

    @abstractmethod
    def since(self, first: date, last: date | None) -> sql.Composable:
        """The rows of these days, both included; None for no end."""

    def within(self, window: Window) -> sql.Composable:
        """The rows of the window's days."""
        return self.since(window.first, window.last)

    def in_scope(self, scope: Scope | None) -> sql.Composable:
        """The rows of the days of a scope, None for every day."""
        if scope is None:
            return self.has_day()
        if scope.last is not None:
            return self.since(scope.first, scope.last)
        return sql.SQL("{} AND {}").format(self.has_day(), self.since(scope.first, None))


class NoDays(RowDays):
    """A table without days: all of its rows are on WHOLE."""

    def has_day(self) -> sql.Composable:
        """See `RowDays.has_day`."""
        return sql.SQL("TRUE")

    def without_day(self) -> sql.Composable:
        """See `RowDays.without_day`."""
        return sql.SQL("FALSE")

    def day(self) -> sql.Composable:
        """See `RowDays.day`."""
        return sql.SQL("DATE {}").format(sql.Literal(WHOLE.isoformat()))

    def since(self, first: date, last: date | None) -> sql.Composable:  # noqa: ARG002
        """See `RowDays.since`."""
        return sql.SQL("TRUE")


@dataclass(frozen=True)
class PlainDays(RowDays):
    """The UTC day of a column that is a date, a timestamptz, or a timestamp that stands for UTC."""

    column: str

    def has_day(self) -> sql.Composable:
        """See `RowDays.has_day`."""
        return _sql(f"{self.column} >= '{_FIRST}' AND {self.column} < '{_AFTER_LAST}'")

    def without_day(self) -> sql.Composable:
        """See `RowDays.without_day`."""
        # In this form, and not as "has no day", an index on the column serves it.
        c = self.column
        return _sql(f"{c} IS NULL OR {c} < '{_FIRST}' OR {c} >= '{_AFTER_LAST}'")

    def day(self) -> sql.Composable:
        """See `RowDays.day`."""
        return sql.SQL("CASE WHEN {} THEN {}::date END").format(self.has_day(), _sql(self.column))

    def since(self, first: date, last: date | None) -> sql.Composable:
        """See `RowDays.since`."""
        column = _sql(self.column)
        since = sql.SQL("{} >= {}").format(column, _literal(Window.of(first).start))
        if last is None:
            return since
        end = sql.Literal(_AFTER_LAST) if last == date.max else _literal(Window.of(last).end)
        return sql.SQL("{} AND {} < {}").format(since, column, end)


@dataclass(frozen=True)
class ZonedDays(RowDays):
    """The day of a moment where a zone is between the column and the day.

    `column` is a timestamptz, or with `source_zone` a timestamp on the clock of that zone; `moment`
    is the timestamptz that is loaded of it, NULL for a value of `column` only where the contract
    says so (`has_nulls`). The day is that on the clock of `zone`.
    """

    column: str
    moment: str
    source_zone: str | None
    zone: str
    has_nulls: bool = False

    @property
    def clock(self) -> str:
        """What the clock of the zone shows at the row's moment."""
        return f"({self.moment} AT TIME ZONE {_quoted(self.zone)})"

    @property
    def value(self) -> sql.Composable:
        """The date that the clock shows, that of an infinite moment among them."""
        return _sql(f"{self.clock}::date")

    def has_day(self) -> sql.Composable:
        """See `RowDays.has_day`."""
        return _sql(f"{self.clock} >= '{_FIRST}' AND {self.clock} < '{_AFTER_LAST}'")

    def without_day(self) -> sql.Composable:
        """See `RowDays.without_day`."""
        none = sql.SQL("({}) IS NOT TRUE").format(self.has_day())
        if self.has_nulls:
            return none
        c = self.column
        few = _sql(f"({c} IS NULL OR {c} < '0001-01-04' OR {c} >= '9999-12-29')")
        return sql.SQL("{} AND {}").format(few, none)

    def day(self) -> sql.Composable:
        """See `RowDays.day`."""
        return sql.SQL("CASE WHEN {} THEN {}::date END").format(self.has_day(), _sql(self.clock))

    def since(self, first: date, last: date | None) -> sql.Composable:
        """See `RowDays.since`."""
        low = f"TIMESTAMP '{first}'"
        least, most = self._bound("LEAST", low), self._bound("GREATEST", low)
        bare, exact = [f"{self.column} >= {least}"], [f"{self.clock} >= {low}"]
        is_plain = [f"{least} = {most}"]
        if last is not None:
            high = f"(TIMESTAMP '{last}' + INTERVAL '1 day')"
            least, most = self._bound("LEAST", high), self._bound("GREATEST", high)
            bare.append(f"{self.column} < {most}")
            exact.append(f"{self.clock} < {high}")
            is_plain.append(f"{least} = {most}")
        # Where no clock is changed nearby the bare bounds are exact. The planner computes that, and
        # leaves out the rest, which costs more than to read the row. It does not look into a CASE
        # that stays: it would take hardly any row to be on a day.
        both = (
            f"CASE WHEN {' AND '.join(is_plain)} THEN TRUE WHEN {' AND '.join(exact)} THEN TRUE END"
        )
        return _sql(f"{' AND '.join(bare)} AND {both}")

    def _bound(self, which: str, clock: str) -> str:
        """The least (greatest) value of the column for which the zone's clock can show `clock`.

        Moments are written as a clock in UTC shows them, because PostgreSQL takes the sum of a
        timestamp and a time for a constant, and that of a timestamptz not.
        """
        utc = _turned(which, clock, f"AT TIME ZONE {_quoted(self.zone)} AT TIME ZONE 'UTC'")
        if self.source_zone is None:
            return f"({utc} AT TIME ZONE 'UTC')"
        return _turned(which, utc, f"AT TIME ZONE 'UTC' AT TIME ZONE {_quoted(self.source_zone)}")


def _turned(which: str, clock: str, turn: str) -> str:
    """`clock` turned from one zone to another, with the offset then and those a day around it.

    Where no clock is changed nearby these are the same, and the bound is exact.
    """
    shifts = ("INTERVAL '0'", _REACH, f"-{_REACH}")
    turned = [f"(({clock} - {shift}) {turn} + {shift})" for shift in shifts]
    return f"{which}({', '.join(turned)})"


def _quoted(zone: str) -> str:
    return "'" + zone.replace("'", "''") + "'"


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)  # names were quoted, zones are checked


def _literal(moment: datetime) -> sql.Literal:
    return sql.Literal(moment.isoformat())
