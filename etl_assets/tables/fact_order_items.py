"""Order items as facts: each line with its article and its customer as they were then."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.tables.dim_customers import BUYER
from etl_assets.tables.dim_products import ARTICLE


class FactOrderItems(Contract):
    order_item_id: pl.Int64 = column(description="The shop's number of the line.", ge=1)
    order_id: pl.Int64 = column(description="The order that it is a line of.", ge=1)
    customer_sk: pl.Int64 = column(
        description="The version of the customer when the order was placed; 0 if unknown."
    )
    product_sk: pl.Int64 = column(
        description="The version of the article when the order was placed; 0 if unknown."
    )
    category: pl.String = column(description="The article's category then.")
    quantity: pl.Int32 = column(description="How many pieces.", unit="pieces", ge=1)
    unit_price_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Price of one piece then.", unit="units of currency", ge=0
    )
    list_price_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="The catalogue's price then; null if the article is unknown.",
        unit="units of currency",
        ge=0,
        nullable=True,
    )
    line_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="quantity * unit price - discount.", unit="units of currency", ge=0
    )
    order_created_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When its order was placed."
    )

    class Config:
        unique = ["order_item_id"]


def enrich(
    order_items: pl.LazyFrame,
    orders: pl.LazyFrame,
    products: pl.LazyFrame,
    customers: pl.LazyFrame,
) -> pl.LazyFrame:
    """StagedOrderItems, StagedOrders and two dimensions in, one row for each line out."""
    buyers = BUYER.look_up(orders, customers).select("order_id", "customer_sk")
    return (
        ARTICLE.look_up(order_items, products)
        .join(buyers, on="order_id", how="left")
        # An order in quarantine names no customer.
        .with_columns(pl.col("customer_sk").fill_null(0))
        .select(column_names(FactOrderItems))
    )


TABLE = EnrichedSpec(
    name="fact_order_items",
    contract=FactOrderItems,
    inputs={
        "order_items": Input("staged/order_items", sets_grain=True),
        "orders": Input("staged/orders"),
        "products": Input("enriched/dim_products", as_of=ARTICLE),
        "customers": Input("enriched/dim_customers", as_of=BUYER),
    },
    enrich=enrich,
    description="One row a line of an order, with its article and its customer as of then.",
    partition_column="order_created_at",
)
