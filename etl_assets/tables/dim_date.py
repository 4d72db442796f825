"""The calendar: a row a day of half a century, made of nothing but the calendar itself."""

from datetime import date

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.spec import EnrichedSpec

_FIRST, _LAST = date(2000, 1, 1), date(2049, 12, 31)


class DimDate(Contract):
    date: pl.Date = column(description="The day.")
    date_sk: pl.Int32 = column(description="The same as a number, 20240131.", ge=10_000_101)
    year: pl.Int32 = column(description="Calendar year.")
    quarter: pl.Int16 = column(description="Quarter of the year.", ge=1, le=4)
    month: pl.Int16 = column(description="Month of the year.", ge=1, le=12)
    day_of_month: pl.Int16 = column(description="Day of the month.", ge=1, le=31)
    day_of_year: pl.Int16 = column(description="Day of the year.", ge=1, le=366)
    iso_year: pl.Int32 = column(description="Year that the ISO week is of.")
    iso_week: pl.Int16 = column(description="ISO week, which begins on a Monday.", ge=1, le=53)
    weekday: pl.Int16 = column(description="1 is Monday, 7 is Sunday.", ge=1, le=7)
    is_weekend: pl.Boolean = column(description="Whether it is a Saturday or a Sunday.")
    is_month_end: pl.Boolean = column(description="Whether it is the last day of its month.")

    class Config:
        unique = ["date"]


def enrich() -> pl.LazyFrame:
    """DimDate from 2000 to 2049."""
    day = pl.col("date")
    return (
        pl.LazyFrame({"date": pl.date_range(_FIRST, _LAST, eager=True)})
        .with_columns(
            day.dt.strftime("%Y%m%d").cast(pl.Int32).alias("date_sk"),
            day.dt.year().cast(pl.Int32).alias("year"),
            day.dt.quarter().cast(pl.Int16).alias("quarter"),
            day.dt.month().cast(pl.Int16).alias("month"),
            day.dt.day().cast(pl.Int16).alias("day_of_month"),
            day.dt.ordinal_day().alias("day_of_year"),
            day.dt.iso_year().cast(pl.Int32).alias("iso_year"),
            day.dt.week().cast(pl.Int16).alias("iso_week"),
            day.dt.weekday().cast(pl.Int16).alias("weekday"),
            (day.dt.weekday() >= 6).alias("is_weekend"),
            (day.dt.month_end() == day).alias("is_month_end"),
        )
        .select(column_names(DimDate))
    )


TABLE = EnrichedSpec(
    name="dim_date",
    contract=DimDate,
    inputs={},
    enrich=enrich,
    description="One row a day from 2000 to 2049.",
    partition_column=None,
    domain="calendar",
)
