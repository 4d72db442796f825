"""The raw contract of the benchmark's table: checks as a careful team would declare them."""

from typing import Annotated

import polars as pl

from benchmarks.source import DAY, TABLE
from etl_assets.core.contracts import Contract, column
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import Layer, LayerTable

WINDOW = Window.of(DAY)


class BenchOrders(Contract):
    id: pl.Int64 = column(description="Number.", ge=1)
    customer_id: pl.Int64 = column(description="Who ordered.", ge=1)
    status: pl.String = column(
        description="Where it stands.", isin=["paid", "shipped", "delivered", "cancelled"]
    )
    total_cents: pl.Int64 = column(description="Sum.", unit="cents", ge=0)
    currency: pl.String = column(description="ISO 4217 code.", isin=["EUR", "USD"])
    channel: pl.String = column(description="Where placed.", isin=["web", "mobile", "store"])
    discount_cents: pl.Int32 = column(description="Discount.", nullable=True, max_null_ratio=0.9)
    coupon_code: pl.String = column(description="Coupon.", nullable=True, max_null_ratio=0.95)
    note: pl.String = column(description="Note.", nullable=True, max_null_ratio=0.98)
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When placed.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["id"]  # noqa: RUF012 - as Pandera has it


RAW_ORDERS = LayerTable(
    layer=Layer.RAW,
    name=TABLE,
    contract=BenchOrders,
    partition_column="created_at",
    cursor_column="updated_at",
    description="Orders of one very busy day.",
    domain="sales",
    owners=("team:data",),
    thresholds=Thresholds(),
    source=PostgresTable(TABLE),
)
