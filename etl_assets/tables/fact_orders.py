"""Orders as facts: an order with its lines summed up and its customer as of then beside it."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.money import AMOUNT
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.tables.dim_customers import BUYER
from etl_assets.tables.orders import CHANNELS, STATUSES


class FactOrders(Contract):
    order_id: pl.Int64 = column(description="The shop's order number.", ge=1)
    customer_id: pl.Int64 = column(description="Who ordered.", ge=1)
    customer_sk: pl.Int64 = column(
        description="The version of the customer when the order was placed; 0 if unknown."
    )
    customer_country: pl.String = column(
        description="The customer's country then; null if the customer is in quarantine.",
        nullable=True,
        max_null_ratio=0.1,
    )
    customer_segment: pl.String = column(
        description="The customer's segment then, `unknown` if not classified."
    )
    status: pl.String = column(description="Where the order stands.", isin=STATUSES)
    channel: pl.String = column(description="Where the order was placed.", isin=CHANNELS)
    currency: pl.String = column(description="ISO 4217 code.")
    total_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="What the order comes to.", unit="units of currency", ge=0
    )
    discount_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Discount on the whole order.", unit="units of currency", ge=0
    )
    lines_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Sum of its lines, before that discount.", unit="units of currency", ge=0
    )
    line_count: pl.Int64 = column(description="How many lines.", unit="lines", ge=0)
    unit_count: pl.Int64 = column(description="How many pieces.", unit="pieces", ge=0)
    is_balanced: pl.Boolean = column(
        description="Whether the lines less the discount are the total."
    )
    created_date: pl.Date = column(description="UTC day of created_at.")
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was placed.")

    class Config:
        unique = ["order_id"]


def enrich(
    orders: pl.LazyFrame, order_items: pl.LazyFrame, customers: pl.LazyFrame
) -> pl.LazyFrame:
    """StagedOrders, StagedOrderItems and dim_customers in, one row for each order out."""
    lines = order_items.group_by("order_id").agg(
        pl.col("line_amount").sum().cast(AMOUNT).alias("lines_amount"),
        pl.len().cast(pl.Int64).alias("line_count"),
        pl.col("quantity").cast(pl.Int64).sum().alias("unit_count"),
    )
    nothing = pl.lit(0).cast(AMOUNT)
    return (
        BUYER.look_up(orders, customers)
        .join(lines, on="order_id", how="left")
        .with_columns(
            pl.col("lines_amount").fill_null(nothing),
            pl.col("line_count", "unit_count").fill_null(0),
            pl.col("customer_segment").fill_null("unknown"),
        )
        .with_columns(
            (pl.col("lines_amount") - pl.col("discount_amount") == pl.col("total_amount")).alias(
                "is_balanced"
            )
        )
        .select(column_names(FactOrders))
    )


TABLE = EnrichedSpec(
    name="fact_orders",
    contract=FactOrders,
    inputs={
        "orders": Input("staged/orders", sets_grain=True),
        "order_items": Input("staged/order_items"),
        "customers": Input("enriched/dim_customers", as_of=BUYER),
    },
    enrich=enrich,
    description="One row an order, with its lines and its customer.",
)
