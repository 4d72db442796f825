"""Missing values carried forward, within bounds that are declared: never to an unrelated row. Pure.

The values of which columns may be missing is the contract's to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class CarryForward:
    """Which missing values take that of the row before, and of which row.

    A row that lacks a value of `columns` takes that of the last row before it that has one, in the
    `order`, among the rows that agree in all columns of `within`, but not over more than `most`
    rows. NULL in a column of `within` is equal to nothing: such a row neither gives nor takes.
    Raises ValueError for bounds that are none.
    """

    columns: Sequence[str]
    within: Sequence[str]
    order: Sequence[str]
    most: int

    def __post_init__(self) -> None:
        if not (self.columns and self.within and self.order and self.most > 0):
            raise ValueError("values are carried within columns, in an order, over some rows")

    def carried(self) -> list[pl.Expr]:
        """The columns with what was carried, under their names."""
        return [self.value(name) for name in self.columns]

    def value(self, name: str) -> pl.Expr:
        """One column with what was carried."""
        filled = (
            pl.col(name)
            .forward_fill(limit=self.most)
            .over(list(self.within), order_by=list(self.order))
        )
        is_known = pl.all_horizontal([pl.col(part).is_not_null() for part in self.within])
        return pl.when(is_known).then(filled).otherwise(pl.col(name)).alias(name)

    def is_carried(self, name: str) -> pl.Expr:
        """Whether a column's value was missing and is not any more (Boolean)."""
        return pl.col(name).is_null() & self.value(name).is_not_null()
