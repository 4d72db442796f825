"""Sessions: what a visitor did without a break of 30 minutes, on the day on which it began."""

from datetime import date
from typing import Annotated

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.policies import Thresholds
from etl_assets.core.sessions import sessions_starting_on
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input

# An event that comes late may join two sessions of a quiet day to one.
_THRESHOLDS = Thresholds(min_share_of_last=0.0)


class Sessions(Contract):
    session_id: pl.String = column(description="Made of the visitor and the start.")
    session_date: pl.Date = column(description="UTC day of started_at.")
    visitor_id: pl.String = column(description="Who, as in staged events.", personal=True)
    started_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Its first event.")
    ended_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="Its last event, maybe of the next day."
    )
    duration_seconds: pl.Int64 = column(
        description="From the first to the last event.", unit="seconds", ge=0, lt=172_800
    )
    event_count: pl.Int64 = column(description="Its events.", ge=1)
    page_view_count: pl.Int64 = column(description="Pages viewed.", ge=0)
    product_view_count: pl.Int64 = column(description="Products viewed.", ge=0)
    cart_add_count: pl.Int64 = column(description="Products put into the cart.", ge=0)
    cart_remove_count: pl.Int64 = column(description="Products taken out of the cart.", ge=0)
    purchase_count: pl.Int64 = column(description="Purchases.", ge=0)
    channel: pl.String = column(
        description="Of the first event that has one.", nullable=True, max_null_ratio=1.0
    )
    viewed_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="The first product view.", nullable=True, max_null_ratio=1.0
    )
    carted_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="The first product put into the cart at viewed_at or later.",
        nullable=True,
        max_null_ratio=1.0,
    )
    purchased_at: Annotated[pl.Datetime, "us", "UTC"] = column(
        description="The first purchase at carted_at or later.", nullable=True, max_null_ratio=1.0
    )

    class Config:
        unique = ["session_id"]


def enrich(events: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """StagedEvents of three days in, the sessions that start on the middle one out.

    Events of no known visitor, and those whose quality is `invalid`, are in no session.
    """
    usable = events.filter(pl.col("quality") != "invalid")
    return sessions_starting_on(usable, day).select(column_names(Sessions))


TABLE = EnrichedSpec(
    name="sessions",
    contract=Sessions,
    inputs={"events": Input("staged/events", days_before=1, days_after=1)},
    enrich=enrich,
    description="One row a session of a visitor.",
    partition_column="session_date",
    domain="events",
    thresholds=_THRESHOLDS,
)
