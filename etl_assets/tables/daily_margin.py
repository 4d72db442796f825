"""Margin by day, currency and category: what was sold, against what the suppliers ask for it."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.money import AMOUNT
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.tables.daily_revenue import NO_REVENUE


class DailyMargin(Contract):
    margin_date: pl.Date = column(description="UTC day on which the orders were placed.")
    currency: pl.String = column(description="ISO 4217 code, of the orders and of the prices.")
    category: pl.String = column(
        description="Of the articles, in the catalogue; `unknown` if they are in quarantine."
    )
    unit_count: pl.Int64 = column(
        description="Pieces of the orders that were neither cancelled nor refunded.",
        unit="pieces",
        ge=0,
    )
    costed_unit_count: pl.Int64 = column(
        description="Those of them that a supplier has a price for, in that currency.",
        unit="pieces",
        ge=0,
    )
    revenue_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Lines of the costed pieces, before discounts on whole orders.",
        unit="units of currency",
        ge=0,
    )
    cost_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="The costed pieces at the lowest price of that day.",
        unit="units of currency",
        ge=0,
    )
    margin_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="revenue_amount - cost_amount.", unit="units of currency"
    )

    class Config:
        unique = ["margin_date", "currency", "category"]


def enrich(
    orders: pl.LazyFrame,
    order_items: pl.LazyFrame,
    products: pl.LazyFrame,
    prices: pl.LazyFrame,
) -> pl.LazyFrame:
    """StagedOrders, -OrderItems, -Products and -SupplierPrices in, DailyMargin out."""
    sold = orders.filter(~pl.col("status").is_in(NO_REVENUE)).select(
        "order_id", "currency", pl.col("created_date").alias("margin_date")
    )
    lowest = prices.group_by("sku", "currency").agg(pl.col("price_amount").min().alias("price"))
    pieces = pl.col("quantity").cast(pl.Int64)
    costed = pl.col("price").is_not_null()
    return (
        order_items.join(sold, on="order_id")
        .join(products.select("product_id", "sku", "category"), on="product_id", how="left")
        .join(lowest, on=["sku", "currency"], how="left")
        .group_by("margin_date", "currency", pl.col("category").fill_null("unknown"))
        .agg(
            pieces.sum().alias("unit_count"),
            pieces.filter(costed).sum().alias("costed_unit_count"),
            pl.col("line_amount").filter(costed).sum().cast(AMOUNT).alias("revenue_amount"),
            (pl.col("price") * pl.col("quantity").cast(AMOUNT))
            .sum()
            .cast(AMOUNT)
            .alias("cost_amount"),
        )
        .with_columns(
            (pl.col("revenue_amount") - pl.col("cost_amount")).cast(AMOUNT).alias("margin_amount")
        )
        .select(column_names(DailyMargin))
    )


TABLE = EnrichedSpec(
    name="daily_margin",
    contract=DailyMargin,
    inputs={
        "orders": Input("staged/orders"),
        "order_items": Input("staged/order_items"),
        "products": Input("staged/products", all_days_until=True),
        "prices": Input("staged/supplier_prices"),
    },
    enrich=enrich,
    description="Revenue, cost and margin by day, currency and category.",
    partition_column="margin_date",
)
