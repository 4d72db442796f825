"""From landing to sessions in each warehouse: late events make exactly their days again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from etl_assets.core.contracts import columns_of, polars_schema
from etl_assets.core.partitions import ONE_DAY
from etl_assets.events.links import link, unlink
from etl_assets.orchestration.commands import sync_tables
from etl_assets.pipeline.platform import Platform
from etl_assets.table_modules import tables_from
from etl_assets.tables.events import daily_active_users, funnel_daily, sessions
from etl_assets_tests.contract.backends import Backend, settings_of
from etl_assets_tests.contract.days import published
from etl_assets_tests.events.arrivals import ZERO, Meant, fold
from etl_assets_tests.events.store import Store

DAYS = [date(2024, 3, number) for number in range(1, 9)]
BEYOND = (DAYS[0] - ONE_DAY, DAYS[-1] + ONE_DAY)
"""A day more on either side, on which nothing may be."""
A_DAY = 24 * 3600


@dataclass
class Place:
    """A database of events, and everything that brings them to a warehouse."""

    store: Store
    platform: Platform
    instance: dg.DagsterInstance

    def bring(self, arrivals: Sequence[Meant]) -> dict[str, set[date]]:
        """Land, load, sync and derive; the days that were made, by table."""
        self.store.land(arrivals)
        self.store.load()
        raw = [self.platform.catalog["raw/events"]]
        done = sync_tables(self.platform, raw, self.instance, derive=None)
        assert done.failures == {}
        assert done.derived.succeeded, done.derived.messages
        assert self.platform.late() == []
        return {path: days for path, days in done.derived.done.items() if days}

    def rows(self, path: str, *columns: str) -> list[tuple[Any, ...]]:
        """What is published of these columns, sorted by them; none for all of the contract."""
        table = self.platform.catalog[path]
        folder = self.platform.settings.home
        found = published(self.platform.warehouse, folder, *BEYOND, table=table)
        return found.select(columns or found.columns).sort(pl.all()).rows()

    def staged(self) -> list[tuple[Any, ...]]:
        """As the oracle has it."""
        return self.rows(
            "staged/events", "event_id", "event_date", "source", "source_at", "product_id"
        )

    def sessions(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "enriched/sessions", "session_date", "started_at", "ended_at", "event_count"
        )


@pytest.fixture
def place(backend: Backend, store: Store, tmp_path: Path) -> Iterator[Place]:
    settings = settings_of(tmp_path).changed(
        databases={"events": store.url},
        tables=("etl_assets.tables.events",),
        first_day=DAYS[0],
        last_day=DAYS[-1],
    )
    platform = Platform(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Place(store, platform, instance)
    platform.close()


def expected(arrivals: Sequence[Meant]) -> list[tuple[Any, ...]]:
    """Id, day, source, the source's moment and product of what must be staged."""
    return [
        (event_id, day, source, at, product)
        for event_id, day, _, source, at, _, _, product, *_ in fold(arrivals)
    ]


def session(day: date, first: int, last: int, events: int) -> tuple[Any, ...]:
    return (day, ZERO + timedelta(seconds=first), ZERO + timedelta(seconds=last), events)


# With eight days and four tables it takes a minute on the emulator: `orchestration/test_windows.py`
# has windows on BigQuery in the default run.
ON_BIGQUERY_SOAK = pytest.mark.soak_for("bigquery")


@pytest.mark.thorough_for("postgres", "bigquery")
@ON_BIGQUERY_SOAK
def test_late_and_corrected_events_make_their_days_again_both_ways_and_no_others(
    place: Place,
) -> None:
    midnight = A_DAY
    arrivals = [
        Meant("a", happened=midnight - 1200, received=9 * A_DAY),
        Meant("b", happened=midnight + 1200, received=9 * A_DAY),
        *(Meant(f"d{n}", happened=n * A_DAY + 600, received=9 * A_DAY) for n in range(2, 8)),
        Meant("moves", happened=5 * A_DAY + 601, received=9 * A_DAY),
    ]
    place.bring(arrivals)
    assert place.staged() == expected(arrivals)
    short = {n: session(DAYS[n], n * A_DAY + 600, n * A_DAY + 600, 1) for n in range(2, 8)}
    assert place.sessions() == [
        session(DAYS[0], midnight - 1200, midnight - 1200, 1),
        session(DAYS[1], midnight + 1200, midnight + 1200, 1),
        *(short | {5: session(DAYS[5], 5 * A_DAY + 600, 5 * A_DAY + 601, 2)}).values(),
    ]
    later = [
        Meant("late", happened=midnight, received=10 * A_DAY),
        Meant("MOVES", sequence=1, happened=6 * A_DAY + 601, received=10 * A_DAY),
    ]
    made = place.bring(later)
    assert made == {
        "staged/events": {DAYS[1], DAYS[5], DAYS[6]},
        "enriched/sessions": {DAYS[n] for n in (0, 1, 2, 4, 5, 6, 7)},
        # The second day has no session any more: what began there began on the first one.
        "enriched/funnel_daily": {DAYS[n] for n in (0, 1, 2, 4, 5, 6, 7)},
        "enriched/daily_active_users": {DAYS[1], DAYS[5], DAYS[6]},
    }
    assert place.staged() == expected(arrivals + later)
    assert place.sessions() == [
        session(DAYS[0], midnight - 1200, midnight + 1200, 3),
        *(short | {6: session(DAYS[6], 6 * A_DAY + 600, 6 * A_DAY + 601, 2)}).values(),
    ]


@pytest.mark.thorough
@ON_BIGQUERY_SOAK
def test_a_link_makes_its_days_again_as_the_users_and_undoing_it_gives_the_sessions_of_before(
    place: Place,
) -> None:
    place.bring([Meant(f"d{n}", happened=n * A_DAY + 600, received=9 * A_DAY) for n in range(8)])
    tables = ("enriched/sessions", "enriched/funnel_daily", "enriched/daily_active_users")
    before = {path: place.rows(path) for path in tables}
    since, until = (ZERO + timedelta(days=day) for day in (3, 5))

    assert link(place.store.database, "someone", "7", since, until) == 2
    made = place.bring([])

    assert made["staged/events"] == made["enriched/daily_active_users"] == set(DAYS[3:5])
    assert made["enriched/sessions"] == set(DAYS[2:6])
    assert place.rows("enriched/sessions", "session_date", "visitor_id") == [
        (day, "user:7" if day in DAYS[3:5] else "anonymous:someone") for day in DAYS
    ]
    known = place.rows("enriched/daily_active_users", "active_date", "known_count")
    assert [number for _, number in known] == [0, 0, 0, 1, 1, 0, 0, 0]

    assert unlink(place.store.database, "someone") == (1, 2)
    assert place.bring([])["enriched/sessions"] == set(DAYS[2:6])
    assert {path: place.rows(path) for path in tables} == before


def events_of(*visits: tuple[str | None, str, str]) -> pl.LazyFrame:
    """Staged events, a visit each (visitor, channel, types): a type a minute from ten o'clock."""
    ten = ZERO + timedelta(hours=10)
    rows = [
        (f"{number}.{minute}", who, ten + timedelta(minutes=minute), kind, channel)
        for number, (who, channel, kinds) in enumerate(visits)
        for minute, kind in enumerate(kinds.split())
    ]
    names = ["event_id", "visitor_id", "occurred_at", "event_type", "channel"]
    return pl.LazyFrame(rows, schema=names, orient="row").with_columns(
        pl.col("occurred_at").cast(pl.Datetime("us", "UTC")),
        pl.lit("valid").alias("quality"),
        pl.lit(DAYS[0]).alias("event_date"),
    )


VISITS = events_of(
    ("user:u", "web", "product_view cart_add purchase"),
    ("anonymous:x", "web", "product_view cart_add"),
    ("anonymous:y", "mobile", "product_view"),
    ("user:y", "web", "purchase page_view"),
    (None, "web", "page_view"),
)


def test_the_funnel_counts_sessions_and_visitors_that_took_a_step_after_those_before() -> None:
    found = funnel_daily.enrich(sessions.enrich(VISITS, DAYS[0])).sort("channel").collect()
    assert found.schema == polars_schema(columns_of(funnel_daily.FunnelDaily))
    assert found.rows() == [
        (DAYS[0], "mobile", 1, 1, 0, 0, 1, 1, 0, 0),
        (DAYS[0], "web", 3, 2, 2, 1, 3, 2, 2, 1),
    ]


def test_active_users_are_those_with_an_event_that_is_not_invalid() -> None:
    found = daily_active_users.enrich(VISITS).collect()
    assert found.schema == polars_schema(columns_of(daily_active_users.DailyActiveUsers))
    assert found.rows() == [(DAYS[0], 4, 2, 2, 9)]
    invalid = VISITS.with_columns(pl.lit("invalid").alias("quality"))
    assert daily_active_users.enrich(invalid).collect().rows() == []
    assert sessions.enrich(invalid, DAYS[0]).collect().rows() == []


def test_sessions_have_the_columns_and_types_of_their_contract() -> None:
    found = sessions.enrich(VISITS, DAYS[0]).collect()
    assert found.schema == polars_schema(columns_of(sessions.Sessions))


def test_the_demo_has_no_tables_of_events_and_a_package_of_them_can_be_named() -> None:
    assert "raw/events" not in tables_from()
    both = tables_from(("etl_assets.tables", "etl_assets.tables.events"))
    assert both.errors == ()
    assert {"raw/events", "staged/events", "enriched/sessions", "enriched/fact_orders"} <= set(both)
