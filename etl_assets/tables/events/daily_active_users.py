"""Who was active on a day: visitors with at least one usable event, known ones and anonymous."""

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.policies import Thresholds
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input


class DailyActiveUsers(Contract):
    active_date: pl.Date = column(description="UTC day.")
    active_count: pl.Int64 = column(description="Visitors with an event.", ge=0)
    known_count: pl.Int64 = column(description="Of those, known users.", ge=0)
    anonymous_count: pl.Int64 = column(description="Of those, devices of nobody known.", ge=0)
    event_count: pl.Int64 = column(description="Events, those of nobody too.", ge=1)

    class Config:
        unique = ["active_date"]


def enrich(events: pl.LazyFrame) -> pl.LazyFrame:
    """StagedEvents in, a row for the day out; invalid events are not counted."""
    visitor = pl.col("visitor_id")
    known = visitor.filter(visitor.str.starts_with("user:")).n_unique().cast(pl.Int64)
    anonymous = visitor.filter(visitor.str.starts_with("anonymous:")).n_unique().cast(pl.Int64)
    return (
        events.filter(pl.col("quality") != "invalid")
        .group_by(pl.col("event_date").alias("active_date"))
        .agg(
            (known + anonymous).alias("active_count"),
            known.alias("known_count"),
            anonymous.alias("anonymous_count"),
            pl.len().cast(pl.Int64).alias("event_count"),
        )
        .select(column_names(DailyActiveUsers))
    )


TABLE = EnrichedSpec(
    name="daily_active_users",
    contract=DailyActiveUsers,
    inputs={"events": Input("staged/events")},
    enrich=enrich,
    description="Visitors who were active, by day.",
    partition_column="active_date",
    domain="events",
    thresholds=Thresholds(min_share_of_last=0.0),
)
