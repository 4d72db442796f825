"""Sessions: which events of a visitor belong together, decided from a window of three days. Pure.

Events of one visitor with gaps under 30 minutes are one session, across midnight as well; it
belongs to the UTC day on which it starts. Without a bound a heartbeat would make a session of
weeks. So a visitor who was active through the whole day before, from its 00:00 to the first event
of this day without a gap of 30 minutes, starts a new session with that event.

Therefore a session that starts on day D has events of D and D+1 only, and is shorter than 48 hours:
one that goes on through all of D+1 ends there, because the first event of D+2 starts another. And
whether an event of D or D+1 starts a session is seen from that day and the one before it. So
D-1, D and D+1 are all that is needed, and the same sessions come out however days are cut.
"""

import hashlib
from datetime import date, timedelta

import polars as pl

GAP = timedelta(minutes=30)
"""After so long without an event the next one starts a session."""

_STEPS = ("product_view", "cart_add", "purchase")
_COUNTED = ("page_view", "product_view", "cart_add", "cart_remove", "purchase")


def sessions_starting_on(events: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The sessions that start on a UTC day, a row each.

    `events` are those of the day before, the day and the day after, in any order: event_id, text;
    visitor_id, text, null where nobody knows who it was; occurred_at, a moment in UTC; event_type
    and channel, texts. Each event_id is there once. Events without a visitor are in no session.

    A row has session_id (of visitor and start), session_date, visitor_id, started_at, ended_at,
    duration_seconds, event_count, a count for each type, channel (of the first event that has one),
    and the steps of the funnel: viewed_at, carted_at, purchased_at, each the first at or after the
    step before it, null where the session did not get so far.
    """
    moment, kind = pl.col("occurred_at"), pl.col("event_type")
    steps = _first_in_order(moment, kind)
    return (
        _numbered(events)
        .group_by("visitor_id", "session_number")
        .agg(
            moment.min().alias("started_at"),
            moment.max().alias("ended_at"),
            pl.len().cast(pl.Int64).alias("event_count"),
            *((kind == one).sum().cast(pl.Int64).alias(f"{one}_count") for one in _COUNTED),
            pl.col("channel").drop_nulls().first(),
            *steps,
        )
        .filter(pl.col("started_at").dt.date() == day)
        .select(
            pl.struct("visitor_id", "started_at")
            .map_batches(_ids, return_dtype=pl.String, is_elementwise=True)
            .alias("session_id"),
            pl.col("started_at").dt.date().alias("session_date"),
            "visitor_id",
            "started_at",
            "ended_at",
            (pl.col("ended_at") - pl.col("started_at"))
            .dt.total_seconds()
            .alias("duration_seconds"),
            "event_count",
            *(f"{one}_count" for one in _COUNTED),
            "channel",
            "viewed_at",
            "carted_at",
            "purchased_at",
        )
    )


def _numbered(events: pl.LazyFrame) -> pl.LazyFrame:
    """The events of known visitors in order, each with the number of its visitor's session."""
    moment = pl.col("occurred_at")
    midnight = moment.dt.truncate("1d")
    a_day = ["visitor_id", "event_day"]
    # Of equal moments the id decides, so that what comes first in a session is never chance.
    ordered = (
        events.filter(pl.col("visitor_id").is_not_null())
        .select("event_id", "visitor_id", "occurred_at", "event_type", "channel")
        .sort("visitor_id", "occurred_at", "event_id")
        .with_columns(
            moment.dt.date().alias("event_day"),
            (moment - moment.shift(1).over("visitor_id")).alias("gap"),
        )
    )
    is_first_of_day = pl.col("event_day") != pl.col("event_day").shift(1).over("visitor_id")
    began_early = (moment.first() - midnight.first()) < GAP
    had_no_gap = (pl.col("gap").slice(1).max().fill_null(timedelta())) < GAP
    return (
        ordered.with_columns(
            is_first_of_day.fill_null(True).alias("is_first_of_day"),
            (began_early & had_no_gap).over(a_day).alias("is_whole_day"),
        )
        .with_columns(
            (
                pl.col("gap").is_null()
                | (pl.col("gap") >= GAP)
                # The gap is short here: the event before is of the day before.
                | (pl.col("is_first_of_day") & pl.col("is_whole_day").shift(1).over("visitor_id"))
            ).alias("starts")
        )
        .with_columns(pl.col("starts").cum_sum().over("visitor_id").alias("session_number"))
    )


def _first_in_order(moment: pl.Expr, kind: pl.Expr) -> list[pl.Expr]:
    """The first moments of the funnel's steps; a step counts at or after the one before it."""
    viewed = moment.filter(kind == _STEPS[0]).min()
    carted = moment.filter((kind == _STEPS[1]) & (moment >= viewed)).min()
    purchased = moment.filter((kind == _STEPS[2]) & (moment >= carted)).min()
    return [
        viewed.alias("viewed_at"),
        carted.alias("carted_at"),
        purchased.alias("purchased_at"),
    ]


def session_id(visitor_id: str, started_at_us: int) -> str:
    """The id of a session: 32 hexadecimal digits of its visitor and its start in microseconds."""
    return hashlib.sha256(f"{started_at_us} {visitor_id}".encode()).hexdigest()[:32]


def _ids(sessions: pl.Series) -> pl.Series:
    frame = sessions.struct.unnest()
    starts = frame["started_at"].dt.epoch("us")
    return pl.Series(
        [session_id(who, start) for who, start in zip(frame["visitor_id"], starts, strict=True)],
        dtype=pl.String,
    )
