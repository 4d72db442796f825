"""Events: one row an event of the shop, from the database that events land in."""

from functools import partial
from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column
from etl_assets.core.policies import Thresholds
from etl_assets.core.source_specs import EVENTS_CONNECTION, PostgresTable
from etl_assets.core.spec import TableSpec

TYPES = ["page_view", "product_view", "cart_add", "cart_remove", "purchase"]
QUALITIES = ["valid", "incomplete", "needs_review", "invalid"]
PLACED_BY = ["source", "receipt"]

# Sources leave out what an event does not need: only a column without any value is suspicious.
_optional = partial(column, nullable=True, max_null_ratio=1.0)


class RawEvents(Contract):
    event_id: pl.String = column(description="The canonical id, the same across all sources.")
    event_date: pl.Date = column(description="UTC day that it belongs to, see placed_by.")
    event_type: pl.String = _optional(description="What was done.")
    source: pl.String = column(description="Where the copy that stays came from.")
    occurred_at: Annotated[pl.Datetime, "us", "UTC"] = _optional(
        description="The moment by the source's clock, whatever that shows."
    )
    received_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was received.")
    user_id: pl.String = _optional(description="The known user.", personal=True)
    anonymous_id: pl.String = _optional(description="The device or browser.", personal=True)
    linked_user_id: pl.String = _optional(
        description="The user whom the device is linked to at that moment.", personal=True
    )
    session_hint: pl.String = _optional(description="The source's own session.")
    product_id: pl.String = _optional(description="The product that it is about.")
    order_id: pl.String = _optional(description="The order of a purchase.")
    quantity: pl.Int64 = _optional(description="Pieces.", unit="pieces")
    price: Annotated[pl.Decimal, 18, 4] = _optional(
        description="For all pieces.", unit="units of currency"
    )
    currency: pl.String = _optional(description="ISO 4217 code.")
    channel: pl.String = _optional(description="Where it was done.")
    quality: pl.String = column(description="How far it can be used.", isin=QUALITIES)
    quality_reasons: pl.String = column(
        description="Why it is not valid: a JSON list of texts.", logical="json"
    )
    sequence: pl.Int64 = _optional(description="The source's version of the event.")
    placed_by: pl.String = column(
        description="Whose moment the day is of: the source's, or the receipt's.", isin=PLACED_BY
    )
    staging_id: pl.Int64 = column(description="The row of landing that it was made of.")
    payload_digest: pl.Binary = column(description="SHA-256 of the payload.")
    processed_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was loaded.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["event_id"]


class StagedEvents(Contract):
    event_id: pl.String = column(description="The canonical id, the same across all sources.")
    has_made_id: pl.Boolean = column(description="Whether the source gave no id.")
    event_date: pl.Date = column(description="UTC day of occurred_at.")
    event_type: pl.String = column(description="What was done.", isin=TYPES)
    occurred_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="The moment that counts: the source's, or that of the receipt (placed_by)."
    )
    source_at: Annotated[pl.Datetime, "us", "UTC"] = _optional(
        description="The moment by the source's clock."
    )
    received_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="When it was received.")
    is_late: pl.Boolean = column(description="Whether its day was over when it was received.")
    source: pl.String = column(description="Where the copy that stays came from.")
    visitor_id: pl.String = _optional(
        description="`user:` and the known or linked user, or else `anonymous:` and the device.",
        personal=True,
    )
    session_hint: pl.String = _optional(description="The source's own session.")
    product_id: pl.String = _optional(description="The product that it is about.")
    order_id: pl.String = _optional(description="The order of a purchase.")
    quantity: pl.Int64 = _optional(description="Pieces.", unit="pieces")
    price: Annotated[pl.Decimal, 18, 4] = _optional(
        description="For all pieces.", unit="units of currency"
    )
    currency: pl.String = _optional(description="ISO 4217 code.")
    channel: pl.String = _optional(description="Where it was done.")
    quality: pl.String = column(description="How far it can be used.", isin=QUALITIES)
    quality_reasons: pl.String = column(
        description="Why it is not valid: a JSON list of texts.", logical="json"
    )
    placed_by: pl.String = column(description="Whose moment occurred_at is.", isin=PLACED_BY)
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Last change.")

    class Config:
        unique = ["event_id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    """RawEvents in, StagedEvents out, row by row."""
    is_placed_by_source = pl.col("placed_by") == "source"
    return raw.select(
        "event_id",
        pl.col("event_id").str.starts_with("sha256:").alias("has_made_id"),
        "event_date",
        "event_type",
        pl.when(is_placed_by_source)
        .then("occurred_at")
        .otherwise("received_at")
        .alias("occurred_at"),
        pl.col("occurred_at").alias("source_at"),
        "received_at",
        (pl.col("received_at").dt.date() > pl.col("event_date")).alias("is_late"),
        "source",
        pl.coalesce(
            pl.concat_str(pl.lit("user:"), "user_id"),
            pl.concat_str(pl.lit("user:"), "linked_user_id"),
            pl.concat_str(pl.lit("anonymous:"), "anonymous_id"),
        ).alias("visitor_id"),
        "session_hint",
        "product_id",
        "order_id",
        "quantity",
        "price",
        "currency",
        "channel",
        "quality",
        "quality_reasons",
        "placed_by",
        "updated_at",
    )


TABLE = TableSpec(
    name="events",
    source=PostgresTable("events", connection=EVENTS_CONNECTION),
    raw=RawEvents,
    staged=StagedEvents,
    stage=stage,
    partition_column="event_date",
    description="One row an event.",
    domain="events",
    # Days of few events are usual, and a corrected moment moves events to another day.
    thresholds=Thresholds(max_bad_share=0.05, min_share_of_last=0.0),
)
