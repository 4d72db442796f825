"""Orders: one row an order, changed in place by the shop as it moves on."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.money import amount
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import TableSpec

STATUSES = ["pending", "paid", "shipped", "delivered", "cancelled", "refunded"]
CHANNELS = ["web", "mobile", "marketplace", "store"]


class RawOrders(Contract):
    id: pl.Int64 = column(description="The shop's order number.", ge=1)
    customer_id: pl.Int64 = column(description="Who ordered.", ge=1)
    status: pl.String = column(description="Where the order stands, in any mixture of cases.")
    total_cents: pl.Int64 = column(description="Sum of the lines less the discount.", unit="cents")
    currency: pl.String = column(description="ISO 4217 code.", str_length={"min_value": 3})
    channel: pl.String = column(description="Where the order was placed.")
    discount_cents: pl.Int32 = column(
        description="Discount on the whole order.", unit="cents", nullable=True
    )
    coupon_code: pl.String = column(
        description="Coupon that was redeemed.", nullable=True, max_null_ratio=0.98
    )
    note: pl.String = column(
        description="What the customer typed, verbatim.", nullable=True, personal=True
    )
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was placed.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]


class StagedOrders(Contract):
    order_id: pl.Int64 = column(description="The shop's order number.", ge=1)
    customer_id: pl.Int64 = column(description="Who ordered.", ge=1)
    status: pl.String = column(description="Where the order stands.", isin=STATUSES)
    total_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Sum of the lines less the discount.", unit="units of currency", ge=0
    )
    discount_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Discount on the whole order, 0 for none.", unit="units of currency", ge=0
    )
    currency: pl.String = column(description="ISO 4217 code.", str_matches=r"^[A-Z]{3}$")
    channel: pl.String = column(description="Where the order was placed.", isin=CHANNELS)
    coupon_code: pl.String = column(
        description="Coupon that was redeemed.", nullable=True, max_null_ratio=0.98
    )
    has_note: pl.Boolean = column(description="Whether the customer wrote anything.")
    created_date: pl.Date = column(description="UTC day of created_at.")
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was placed.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["order_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawOrders in, StagedOrders out, row by row."""
    return raw.select(
        pl.col("id").alias("order_id"),
        "customer_id",
        pl.col("status").str.to_lowercase(),
        amount(pl.col("total_cents")).alias("total_amount"),
        amount(pl.col("discount_cents").fill_null(0)).alias("discount_amount"),
        "currency",
        "channel",
        "coupon_code",
        (pl.col("note").fill_null("") != "").alias("has_note"),
        pl.col("created_at").dt.date().alias("created_date"),
        "created_at",
        "updated_at",
    )


TABLE = TableSpec(
    name="orders",
    source=PostgresTable("orders"),
    raw=RawOrders,
    staged=StagedOrders,
    stage=stage,
    description="One row an order.",
)
