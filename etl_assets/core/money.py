"""Money without floats: the one conversion that several tables need."""

import polars as pl

AMOUNT = pl.Decimal(18, 2)
"""The dtype of an amount in units of its currency."""


def amount(cents: pl.Expr) -> pl.Expr:
    """Integer hundredths as an exact amount in units, in AMOUNT; null stays null."""
    return (cents.cast(pl.Decimal(18, 2)) / pl.lit(100).cast(pl.Decimal(18, 2))).cast(AMOUNT)


def exact_decimal(texts: pl.Expr, precision: int, scale: int) -> pl.Expr:
    """Decimals of texts as PostgreSQL prints a numeric; null for one that would lose a digit.

    More digits than fit, NaN and the infinities are null. Zeros at the end are no digits.
    """
    whole = precision - scale
    fits = rf"^-?[0-9]{{1,{whole}}}(\.[0-9]{{0,{scale}}}0*)?$"
    return pl.when(texts.str.contains(fits)).then(
        texts.str.replace(r"(\.[0-9]*?)0+$", "${1}").cast(
            pl.Decimal(precision, scale), strict=False
        )
    )
