"""Shipments as facts: a parcel with its order beside it, and how long the order had waited."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input
from etl_assets.tables.orders import CHANNELS
from etl_assets.tables.shipments import SERVICES, THRESHOLDS

# Orders in quarantine are few; a day most of whose orders nobody knows is of another shop.
_MOST_UNKNOWN = 0.5


class FactShipments(Contract):
    tracking_no: pl.String = column(description="The carrier's number of the parcel.")
    order_id: pl.Int64 = column(description="The shop's order number.", ge=1)
    customer_id: pl.Int64 = column(
        description="Who ordered; null if the order is in quarantine.",
        nullable=True,
        max_null_ratio=_MOST_UNKNOWN,
        ge=1,
    )
    channel: pl.String = column(
        description="Where the order was placed; null if it is in quarantine.",
        nullable=True,
        max_null_ratio=_MOST_UNKNOWN,
        isin=CHANNELS,
    )
    carrier: pl.String = column(description="Who carries it.")
    service: pl.String = column(description="How fast it goes.", isin=SERVICES)
    weight_kg: Annotated[pl.Decimal, 10, 3] = column(description="As weighed.", unit="kg", gt=0)
    freight_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="What the carrier charges.", unit="euros", ge=0
    )
    hours_to_ship: pl.Int64 = column(
        description="Whole hours from the order to the carrier; null if it is in quarantine.",
        unit="hours",
        nullable=True,
        max_null_ratio=_MOST_UNKNOWN,
        ge=0,
    )
    shipped_date: pl.Date = column(description="UTC day that the carrier's file is of.")
    ordered_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When the order was placed; null if it is in quarantine.",
        nullable=True,
        max_null_ratio=_MOST_UNKNOWN,
    )
    shipped_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was picked up.")

    class Config:
        unique = ["tracking_no"]


def enrich(shipments: pl.LazyFrame, orders: pl.LazyFrame) -> pl.LazyFrame:
    """StagedShipments and StagedOrders in, one row for each shipment out."""
    placed = orders.select(
        "order_id", "customer_id", "channel", pl.col("created_at").alias("ordered_at")
    )
    return (
        shipments.join(placed, on="order_id", how="left")
        .with_columns(
            (pl.col("shipped_at") - pl.col("ordered_at")).dt.total_hours().alias("hours_to_ship"),
            pl.col("file_date").alias("shipped_date"),
        )
        .select(column_names(FactShipments))
    )


TABLE = EnrichedSpec(
    name="fact_shipments",
    contract=FactShipments,
    inputs={
        "shipments": Input("staged/shipments", sets_grain=True),
        # What is taken of an order never changes, so that one which moves on makes no day late.
        "orders": Input("staged/orders", all_days_until=True, makes_late=False),
    },
    enrich=enrich,
    description="One row a parcel, with its order.",
    partition_column="shipped_date",
    domain="logistics",
    thresholds=THRESHOLDS,
)
