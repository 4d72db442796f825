"""Sessions: the same whatever the order of arrival and however days are cut, and never endless."""

import itertools
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets.core.sessions import session_id, sessions_starting_on

FIRST = date(2024, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(5)]
HALF_HOUR = 30 * 60
A_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class One:
    """An event; `at` counts seconds from the first day's 00:00."""

    event_id: str
    visitor: str | None
    at: int
    event_type: str = "page_view"
    channel: str | None = "web"


def moment(at: int) -> datetime:
    return datetime(2024, 3, 1, tzinfo=UTC) + timedelta(seconds=at)


def frame(events: Iterable[One]) -> pl.LazyFrame:
    rows = [(o.event_id, o.visitor, moment(o.at), o.event_type, o.channel) for o in events]
    schema = {
        "event_id": pl.String,
        "visitor_id": pl.String,
        "occurred_at": pl.Datetime("us", "UTC"),
        "event_type": pl.String,
        "channel": pl.String,
    }
    return pl.LazyFrame(rows, schema=schema, orient="row")


def made(events: Sequence[One], day: date) -> list[tuple[object, ...]]:
    """What the transform makes of the day's window: id, visitor, first and last second, events."""
    number = (day - FIRST).days
    window = [one for one in events if number - 1 <= one.at // A_DAY <= number + 1]
    found = sessions_starting_on(frame(window), day).collect()
    assert (found["session_date"] == day).all()
    columns = ["session_id", "visitor_id", "started_at", "ended_at", "event_count", "channel"]
    return sorted(found.select(columns).rows())


def all_made(events: Sequence[One], days: Sequence[date] = DAYS) -> list[tuple[object, ...]]:
    return sorted(row for day in days for row in made(events, day))


def one_pass(events: Iterable[One]) -> list[tuple[object, ...]]:
    """All sessions of all events, by walking through each visitor's once. Written apart."""
    by_visitor: dict[str, list[One]] = defaultdict(list)
    for one in events:
        if one.visitor is not None:
            by_visitor[one.visitor].append(one)
    found: list[tuple[object, ...]] = []
    for visitor, own in by_visitor.items():
        own.sort(key=lambda one: (one.at, one.event_id))
        session: list[One] = []
        for one in own:
            if session and (
                one.at - session[-1].at >= HALF_HOUR or _bounded(own, session[-1], one)
            ):
                found.append(_told(visitor, session))
                session = []
            session.append(one)
        found.append(_told(visitor, session))
    return sorted(found)


def _bounded(own: Sequence[One], last: One, now: One) -> bool:
    """Whether `now` is the first of its day, and all of the day before was without a gap."""
    day = now.at // A_DAY
    if last.at // A_DAY == day:
        return False
    begin = (day - 1) * A_DAY
    moments = [begin, *(o.at for o in own if begin <= o.at < day * A_DAY), now.at]
    return all(later - sooner < HALF_HOUR for sooner, later in itertools.pairwise(moments))


def _told(visitor: str, session: Sequence[One]) -> tuple[object, ...]:
    start, end = moment(session[0].at), moment(session[-1].at)
    channel = next((one.channel for one in session if one.channel is not None), None)
    start_us = round(start.timestamp()) * 1_000_000
    return (session_id(visitor, start_us), visitor, start, end, len(session), channel)


def beats(start: int, end: int, every: int, visitor: str = "v") -> list[One]:
    return [One(f"b{at}", visitor, at) for at in range(start, end, every)]


def lengths(rows: Iterable[tuple[object, ...]]) -> list[tuple[int, int, int]]:
    """First and last second and number of events of each session, in order."""
    zero = moment(0)
    return sorted(
        (int((start - zero).total_seconds()), int((end - zero).total_seconds()), count)  # type: ignore[operator]
        for _, _, start, end, count, _ in rows
    )


def test_a_gap_of_thirty_minutes_ends_a_session_and_a_second_less_does_not() -> None:
    events = [One("a", "v", 0), One("b", "v", HALF_HOUR - 1), One("c", "v", 2 * HALF_HOUR - 1)]
    assert lengths(all_made(events)) == [(0, HALF_HOUR - 1, 2), (2 * HALF_HOUR - 1,) * 2 + (1,)]


def test_a_session_across_midnight_is_one_and_of_the_day_on_which_it_starts() -> None:
    events = [One("a", "v", A_DAY - 60), One("b", "v", A_DAY), One("c", "v", A_DAY + 60)]
    assert lengths(made(events, DAYS[0])) == [(A_DAY - 60, A_DAY + 60, 3)]
    assert made(events, DAYS[1]) == []


def test_a_late_event_that_closes_a_gap_makes_one_session_of_two() -> None:
    events = [One("a", "v", A_DAY - 1200), One("b", "v", A_DAY + 1200)]
    assert [len(made(events, day)) for day in DAYS[:2]] == [1, 1]
    closed = [*events, One("late", "v", A_DAY)]
    assert [len(made(closed, day)) for day in DAYS[:2]] == [1, 0]


def test_an_endless_session_is_cut_by_day_and_none_lasts_two_days() -> None:
    events = beats(12 * 3600, 5 * A_DAY, HALF_HOUR - 1)
    found = lengths(all_made(events))
    assert [(start // A_DAY, end // A_DAY) for start, end, _ in found] == [
        (0, 1), (2, 2), (3, 3), (4, 4),
    ]  # fmt: skip
    assert max(end - start for start, end, _ in found) < 2 * A_DAY
    assert sum(count for *_, count in found) == len(events)


def test_a_day_that_began_half_an_hour_late_is_not_whole_and_its_session_goes_on() -> None:
    late = beats(HALF_HOUR, 2 * A_DAY, HALF_HOUR - 1)
    assert [(s // A_DAY, e // A_DAY) for s, e, _ in lengths(all_made(late))] == [(0, 1)]
    early = beats(HALF_HOUR - 1, 2 * A_DAY, HALF_HOUR - 1)
    assert [(s // A_DAY, e // A_DAY) for s, e, _ in lengths(all_made(early))] == [(0, 0), (1, 1)]


def test_events_of_one_moment_are_ordered_by_their_ids() -> None:
    events = [One("b", "v", 5, channel="store"), One("a", "v", 5, channel="mobile")]
    ((*_, count, channel),) = made(events, DAYS[0])
    assert (count, channel) == (2, "mobile")


def test_events_without_a_visitor_are_in_no_session() -> None:
    assert made([One("a", None, 5)], DAYS[0]) == []


def test_steps_of_the_funnel_count_in_their_order_only() -> None:
    def steps(*types: str) -> tuple[object, ...]:
        events = [One(f"{at}", "v", at, event_type) for at, event_type in enumerate(types)]
        found = sessions_starting_on(frame(events), DAYS[0]).collect()
        return found.select("viewed_at", "carted_at", "purchased_at").row(0)

    assert steps("product_view", "cart_add", "purchase") == (moment(0), moment(1), moment(2))
    assert steps("cart_add", "product_view", "purchase") == (moment(1), None, None)
    assert steps("purchase", "cart_add") == (None, None, None)
    assert steps("cart_add", "product_view", "cart_add", "product_view") == (
        moment(1), moment(2), None,
    )  # fmt: skip


# Small and dense: moments at and around midnights and half hours, beats that fill whole days.
EDGES = [
    number * HALF_HOUR + off
    for number in (0, 1, 2, 47, 48, 49, 50, 95, 96, 97, 143, 144, 145, 239)
    for off in (-1, 0, 1)
    if 0 <= number * HALF_HOUR + off < 5 * A_DAY
]
MOMENTS = st.one_of(st.sampled_from(EDGES), st.integers(0, 5 * A_DAY - 1))

# A day is whole if its first event comes within half an hour of midnight.
NEAR_MIDNIGHT = [day * A_DAY + at for day in range(4) for at in (0, HALF_HOUR - 1, HALF_HOUR)]


@st.composite
def heartbeats(draw: st.DrawFn) -> list[int]:
    """Moments of somebody who is active for a day or more, maybe with a hole."""
    start = draw(st.sampled_from([*NEAR_MIDNIGHT, A_DAY // 2]))
    end = start + draw(st.sampled_from([A_DAY, 2 * A_DAY, 4 * A_DAY]))
    moments = range(start, min(end, 5 * A_DAY), draw(st.sampled_from([HALF_HOUR - 1, HALF_HOUR])))
    hole = draw(st.one_of(st.none(), st.sampled_from(moments)))
    return [at for at in moments if at != hole]


@st.composite
def histories(draw: st.DrawFn) -> list[One]:
    """Events of a few visitors, some of whom are active for days, in any order."""
    events: list[One] = []
    sparse = st.lists(MOMENTS, max_size=12)
    both = st.builds(list.__add__, heartbeats(), st.lists(MOMENTS, max_size=3))
    for visitor in draw(st.sampled_from([["v"], ["v", "w"], ["v", None]])):
        moments = draw(st.one_of(sparse, heartbeats(), both))
        events += [One(f"{visitor}{n}", visitor, at) for n, at in enumerate(moments)]
    random.Random(draw(st.integers(0, 999))).shuffle(events)
    return events


def arrives(
    events: Sequence[One], cuts: Sequence[int], days: Sequence[date]
) -> list[tuple[object, ...]]:
    """Sessions by day, after each part of the arrivals the days around what came are made again."""
    by_day: Mapping[date, list[tuple[object, ...]]] = {day: [] for day in days}
    places = sorted({0, *(min(cut, len(events)) for cut in cuts), len(events)})
    for begin, end in itertools.pairwise(places):
        touched = {one.at // A_DAY for one in events[begin:end]}
        for number, day in enumerate(days):
            if any(abs(number - one) <= 1 for one in touched):
                by_day[day][:] = made(events[:end], day)
    return sorted(row for rows in by_day.values() for row in rows)


def check(events: list[One], cuts: list[int]) -> None:
    assert arrives(events, cuts, DAYS) == one_pass(events)


STRATEGY = {"events": histories(), "cuts": st.lists(st.integers(0, 60), max_size=3)}
QUIETLY = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=100, deadline=None, suppress_health_check=QUIETLY, database=None)
@given(**STRATEGY)
def test_any_order_and_any_cut_make_the_sessions_of_one_pass(
    events: list[One], cuts: list[int]
) -> None:
    check(events, cuts)


@pytest.mark.soak
@settings(
    max_examples=int(os.environ.get("HISTORIES", "1000")),
    deadline=None,
    suppress_health_check=QUIETLY,
    database=None,
)
@given(**STRATEGY)
def test_any_order_and_any_cut_make_the_sessions_of_one_pass_a_thousand_times(
    events: list[One], cuts: list[int]
) -> None:
    check(events, cuts)
