"""Revenue by day, country and currency: what the morning report shows."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.money import AMOUNT
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input

NO_REVENUE = ["cancelled", "refunded"]


class DailyRevenue(Contract):
    revenue_date: pl.Date = column(description="UTC day on which the orders were placed.")
    country: pl.String = column(description="The customers' country, `??` if unknown.")
    currency: pl.String = column(description="ISO 4217 code.")
    order_count: pl.Int64 = column(description="Orders placed.", unit="orders", ge=1)
    customer_count: pl.Int64 = column(description="Customers who placed them.", ge=1)
    unit_count: pl.Int64 = column(description="Pieces ordered.", unit="pieces", ge=0)
    revenue_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Totals of the orders that were neither cancelled nor refunded.",
        unit="units of currency",
        ge=0,
    )

    class Config:
        unique = ["revenue_date", "country", "currency"]


def enrich(orders: pl.LazyFrame) -> pl.LazyFrame:
    """FactOrders in; a row for each day, country and currency out."""
    counts = ~pl.col("status").is_in(NO_REVENUE)
    return orders.group_by(
        pl.col("created_date").alias("revenue_date"),
        pl.col("customer_country").fill_null("??").alias("country"),
        "currency",
    ).agg(
        pl.len().cast(pl.Int64).alias("order_count"),
        pl.col("customer_id").n_unique().cast(pl.Int64).alias("customer_count"),
        pl.col("unit_count").sum(),
        pl.col("total_amount").filter(counts).sum().cast(AMOUNT).alias("revenue_amount"),
    )


TABLE = EnrichedSpec(
    name="daily_revenue",
    contract=DailyRevenue,
    inputs={"orders": Input("enriched/fact_orders")},
    enrich=enrich,
    description="Orders, pieces and revenue by day, country and currency.",
    partition_column="revenue_date",
)
