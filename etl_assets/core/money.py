"""Money without floats: the one conversion that several tables need."""

import polars as pl

AMOUNT = pl.Decimal(18, 2)
"""The dtype of an amount in units of its currency."""


def amount(cents: pl.Expr) -> pl.Expr:
    """Integer hundredths as an exact amount in units, in AMOUNT; null stays null."""
    return (cents.cast(pl.Decimal(18, 2)) / pl.lit(100).cast(pl.Decimal(18, 2))).cast(AMOUNT)
