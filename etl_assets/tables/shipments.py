"""Shipments: parcels that the carriers picked up, as the files say that each sends every day."""

from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.file_formats import Csv, Texts
from etl_assets.core.money import AMOUNT
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import Files
from etl_assets.core.spec import TableSpec

SERVICES = ["standard", "express"]
# Few parcels leave on the shop's first day, and five times as many on its second.
THRESHOLDS = Thresholds(max_change=6)

_NUMBER = Texts(decimal=",")


class RawShipments(Contract):
    carrier: pl.String = column(description="Who carries it.")
    tracking_no: pl.String = column(description="The carrier's number of the parcel.")
    order_no: pl.Int64 = column(description="The shop's number of the order.", ge=1)
    service: pl.String = column(description="How fast it goes.")
    weight_kg: Annotated[pl.Decimal, 10, 3] = column(
        description="As weighed.", unit="kg", text=_NUMBER
    )
    freight_eur: Annotated[pl.Decimal, 12, 2] = column(
        description="What the carrier charges.", unit="euros", text=_NUMBER
    )
    picked_up_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="When it was picked up; the files have UTC without saying so.",
        source_zone="UTC",
        text=Texts(formats=("%d.%m.%Y %H:%M",)),
    )
    file_date: pl.Date = column(description="UTC day that the file is of.")
    file: pl.String = column(description="The object that the line is in.")
    line: pl.Int64 = column(description="The line in it.")

    class Config:
        unique = ["file", "line"]


class StagedShipments(Contract):
    tracking_no: pl.String = column(
        description="The carrier's number of the parcel.", str_length={"min_value": 1}
    )
    carrier: pl.String = column(description="Who carries it, in lower case.")
    order_id: pl.Int64 = column(description="The shop's order number.", ge=1)
    service: pl.String = column(description="How fast it goes.", isin=SERVICES)
    weight_kg: Annotated[pl.Decimal, 10, 3] = column(description="As weighed.", unit="kg", gt=0)
    freight_amount: Annotated[pl.Decimal, 18, 2] = column(
        description="What the carrier charges.", unit="euros", ge=0
    )
    shipped_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was picked up.")
    file_date: pl.Date = column(description="UTC day that the carrier's file is of.")

    class Config:
        unique = ["tracking_no"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawShipments in, StagedShipments out, row by row."""
    return raw.select(
        pl.col("tracking_no").str.strip_chars(),
        pl.col("carrier").str.to_lowercase(),
        pl.col("order_no").alias("order_id"),
        pl.col("service").str.to_lowercase(),
        "weight_kg",
        pl.col("freight_eur").cast(AMOUNT).alias("freight_amount"),
        pl.col("picked_up_at").alias("shipped_at"),
        "file_date",
    )


TABLE = TableSpec(
    name="shipments",
    source=Files(
        # A carrier may send several files a day, also packed: norda.csv, blitzbote.csv.gz.
        "shipments/{day:%Y/%m/%d}/*.csv*",
        format=Csv(delimiter=";"),
        day_column="file_date",
        file_column="file",
        line_column="line",
    ),
    raw=RawShipments,
    staged=StagedShipments,
    stage=stage,
    partition_column="file_date",
    cursor_column=None,
    description="One row a parcel.",
    domain="logistics",
    thresholds=THRESHOLDS,
)
