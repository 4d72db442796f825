"""The funnel by day and channel: sessions and visitors that viewed, put into the cart, purchased.

A session counts for a step if it took it after the steps before: who purchases without a view and
a cart in the same session is not in the funnel. Its channel is that of its first event, and its day
the one on which it began. A visitor counts once a day, channel and step.
"""

import polars as pl

from etl_assets.core.contracts import Contract, column, column_names
from etl_assets.core.policies import Thresholds
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input

_STEPS = {"viewed": "viewed_at", "carted": "carted_at", "purchased": "purchased_at"}


class FunnelDaily(Contract):
    funnel_date: pl.Date = column(description="UTC day on which the sessions began.")
    channel: pl.String = column(description="The sessions' channel, `unknown` for none.")
    session_count: pl.Int64 = column(description="All sessions.", ge=1)
    viewed_session_count: pl.Int64 = column(description="Those with a product view.", ge=0)
    carted_session_count: pl.Int64 = column(
        description="Of those, with a product put into the cart afterwards.", ge=0
    )
    purchased_session_count: pl.Int64 = column(
        description="Of those, with a purchase afterwards.", ge=0
    )
    visitor_count: pl.Int64 = column(description="Visitors of all sessions.", ge=1)
    viewed_visitor_count: pl.Int64 = column(description="Visitors who viewed.", ge=0)
    carted_visitor_count: pl.Int64 = column(description="Visitors who then filled a cart.", ge=0)
    purchased_visitor_count: pl.Int64 = column(description="Visitors who then purchased.", ge=0)

    class Config:
        unique = ["funnel_date", "channel"]


def enrich(sessions: pl.LazyFrame) -> pl.LazyFrame:
    """Sessions in, a row for each day and channel out."""
    took = {step: pl.col(at).is_not_null() for step, at in _STEPS.items()}
    visitor = pl.col("visitor_id")
    return (
        sessions.group_by(
            pl.col("session_date").alias("funnel_date"), pl.col("channel").fill_null("unknown")
        )
        .agg(
            pl.len().cast(pl.Int64).alias("session_count"),
            visitor.n_unique().cast(pl.Int64).alias("visitor_count"),
            *(
                one.sum().cast(pl.Int64).alias(f"{step}_session_count")
                for step, one in took.items()
            ),
            *(
                visitor.filter(one).n_unique().cast(pl.Int64).alias(f"{step}_visitor_count")
                for step, one in took.items()
            ),
        )
        .select(column_names(FunnelDaily))
    )


TABLE = EnrichedSpec(
    name="funnel_daily",
    contract=FunnelDaily,
    inputs={"sessions": Input("enriched/sessions")},
    enrich=enrich,
    description="Sessions and visitors by day, channel and step from view to purchase.",
    partition_column="funnel_date",
    domain="events",
    thresholds=Thresholds(min_share_of_last=0.0),
)
