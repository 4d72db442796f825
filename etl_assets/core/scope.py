"""Which days the platform has."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from etl_assets.core.frames import DAY


@dataclass(frozen=True)
class Scope:
    """The days that the platform has; `last` None for no end."""

    first: date
    last: date | None = None

    def has(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.first <= day and (self.last is None or day <= self.last)

    def is_wider_than(self, other: "Scope") -> bool:
        """Whether it has days that the other has not."""
        if self.first < other.first:
            return True
        return other.last is not None and (self.last is None or self.last > other.last)

    def holds(self) -> pl.Expr:
        """The same of the column DAY; a row without a day is in no scope."""
        inside = pl.col(DAY) >= self.first
        if self.last is not None:
            inside &= pl.col(DAY) <= self.last
        return inside.fill_null(value=False)
