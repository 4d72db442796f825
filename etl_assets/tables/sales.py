"""Sales: what the tills of the stores sold, from the HTTP API that collects it."""

from typing import Annotated

import polars as pl

from etl_assets.core.carrying import CarryForward
from etl_assets.core.contracts import Contract, column
from etl_assets.core.http_specs import CursorPages, DayWindow, HttpApi
from etl_assets.core.money import AMOUNT
from etl_assets.core.spec import TableSpec

# A till leaves out what is as it was when it sold the article last. A price is at most three sales
# old: a till that was offline for longer knows nothing.
CARRIED = CarryForward(
    columns=("unit_price", "currency"),
    within=("store", "till", "sku"),
    order=("sold_at", "sale_id"),
    most=3,
)


class RawSales(Contract):
    sale_id: pl.Int64 = column(description="The API's number of the sale.")
    sold_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was sold.")
    store: pl.String = column(description="The store.")
    till: pl.Int64 = column(description="The till in the store.")
    sku: pl.String = column(description="The article.")
    quantity: pl.Int64 = column(description="How many pieces.")
    unit_price: Annotated[pl.Decimal, 12, 2] = column(
        description="Price of a piece; missing where it is as before.",
        unit="units of currency",
        nullable=True,
    )
    currency: pl.String = column(
        description="ISO 4217 code; missing where it is as before.", nullable=True
    )

    class Config:
        unique = ["sale_id"]


class StagedSales(Contract):
    sale_id: pl.Int64 = column(description="The API's number of the sale.", ge=1)
    sold_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was sold.")
    sale_date: pl.Date = column(description="UTC day on which it was sold.")
    store: pl.String = column(description="The store.", str_length={"min_value": 1})
    till: pl.Int64 = column(description="The till in the store.", ge=1)
    sku: pl.String = column(description="The article.", str_length={"min_value": 1})
    quantity: pl.Int64 = column(description="How many pieces.", ge=1)
    unit_price: Annotated[pl.Decimal, 12, 2] = column(
        description="Price of a piece; missing where none is known.",
        unit="units of currency",
        nullable=True,
        gt=0,
    )
    currency: pl.String = column(
        description="ISO 4217 code; missing where none is known.",
        nullable=True,
        str_matches=r"^[A-Z]{3}$",
    )
    sale_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Price of all pieces.", unit="units of currency", nullable=True, gt=0
    )
    is_price_carried: pl.Boolean = column(
        description="Whether the price is that of the till's sale of the article before."
    )

    class Config:
        unique = ["sale_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawSales of a day in, StagedSales out; values are carried within the day alone."""
    return raw.with_columns(
        *CARRIED.carried(), CARRIED.is_carried("unit_price").alias("is_price_carried")
    ).select(
        "sale_id",
        "sold_at",
        pl.col("sold_at").dt.date().alias("sale_date"),
        "store",
        "till",
        "sku",
        "quantity",
        "unit_price",
        "currency",
        (pl.col("unit_price") * pl.col("quantity")).cast(AMOUNT).alias("sale_amount"),
        "is_price_carried",
    )


TABLE = TableSpec(
    name="sales",
    source=HttpApi(
        "/sales",
        items="sales",
        pagination=CursorPages(),
        window=DayWindow("from", "until"),
        params={"limit": 100},
        connection="sales",
    ),
    raw=RawSales,
    staged=StagedSales,
    stage=stage,
    partition_column="sold_at",
    cursor_column=None,
    description="One row a sale of an article at a till.",
)
"""Exact copies of a sale, which the API's pages have at times, count once: see `docs/http.md`."""
