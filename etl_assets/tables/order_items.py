"""Order items: the lines of an order. A line has no day of its own, it belongs to its order's."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.money import amount
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.spec import TableSpec


class RawOrderItems(Contract):
    id: pl.Int64 = column(description="The shop's number of the line.", ge=1)
    order_id: pl.Int64 = column(description="The order that it is a line of.", ge=1)
    product_id: pl.Int64 = column(description="What was ordered.", ge=1)
    quantity: pl.Int32 = column(description="How many pieces.", unit="pieces")
    unit_price_cents: pl.Int64 = column(description="Price of one piece then.", unit="cents")
    discount_cents: pl.Int32 = column(description="Discount on the line.", unit="cents")
    order_created_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When its order was placed."
    )
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]


class StagedOrderItems(Contract):
    order_item_id: pl.Int64 = column(description="The shop's number of the line.", ge=1)
    order_id: pl.Int64 = column(description="The order that it is a line of.", ge=1)
    product_id: pl.Int64 = column(description="What was ordered.", ge=1)
    quantity: pl.Int32 = column(description="How many pieces.", unit="pieces", ge=1)
    unit_price_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="Price of one piece then.", unit="units of currency", ge=0
    )
    line_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="quantity * unit price - discount.", unit="units of currency", ge=0
    )
    order_created_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When its order was placed."
    )
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["order_item_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawOrderItems in, StagedOrderItems out, row by row."""
    line_cents = pl.col("quantity") * pl.col("unit_price_cents") - pl.col("discount_cents")
    return raw.select(
        pl.col("id").alias("order_item_id"),
        "order_id",
        "product_id",
        "quantity",
        amount(pl.col("unit_price_cents")).alias("unit_price_amount"),
        amount(line_cents).alias("line_amount"),
        "order_created_at",
        "updated_at",
    )


TABLE = TableSpec(
    name="order_items",
    source=PostgresTable(
        "order_items",
        parent=Parent("orders", on={"order_id": "id"}, columns={"order_created_at": "created_at"}),
    ),
    raw=RawOrderItems,
    staged=StagedOrderItems,
    stage=stage,
    description="One row a line of an order.",
    partition_column="order_created_at",
)
