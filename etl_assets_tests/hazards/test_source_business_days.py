"""The day of a business zone: each row is on exactly one, whatever the zone's clock does (C18)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from etl_assets.core.postgres_spec_checks import is_zone
from etl_assets.core.scope import Scope
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.sources.postgres.row_days import ZonedDays

ODD = (
    "Europe/Berlin",
    "America/Sao_Paulo",  # midnight did not exist
    "America/Havana",  # midnight came twice
    "America/St_Johns",  # one minute after midnight the day before went on
    "America/Toronto",  # 1919: from 23:30 to 0:30
    "Asia/Kathmandu",  # 5:45
    "Pacific/Apia",  # 2011-12-30 did not exist
    "Pacific/Kwajalein",  # 1969-09-30 had 47 hours
    "Africa/Casablanca",  # four changes a year, by the moon
    "Antarctica/Troll",  # two hours
    "Australia/Lord_Howe",  # half an hour
)
_STEP, _MICROSECOND = timedelta(hours=6), timedelta(microseconds=1)


@cache
def changes_of(zone: str) -> Sequence[datetime]:
    """The moments at which the zone's clock was changed, from 1900 to 2037."""
    known, found = ZoneInfo(zone), []
    at, end = datetime(1900, 1, 2, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
    while at < end:
        if at.astimezone(known).utcoffset() != (at + _STEP).astimezone(known).utcoffset():
            low, high = at, at + _STEP
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                is_before = middle.astimezone(known).utcoffset() == at.astimezone(known).utcoffset()
                low, high = (middle, high) if is_before else (low, middle)
            found.append(high)
        at += _STEP
    return found or [datetime(2024, 3, 31, 1, tzinfo=UTC)]


def around(change: datetime) -> list[datetime]:
    """Moments by the quarter of an hour for two days around it, and those next to it."""
    quarters = [change + n * timedelta(minutes=15) for n in range(-200, 201)]
    minutes = [change + n * timedelta(minutes=1) for n in range(-5, 6)]
    return [*quarters, *minutes, change - _MICROSECOND, change + _MICROSECOND]


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    postgres.ensure_database("business_days")
    with psycopg.connect(postgres.url("business_days"), options="-c timezone=UTC") as opened:
        yield opened


@dataclass(frozen=True)
class Kind:
    """Days, and what the naive column `t.local` shows at the moment `t.at`: the clock of a zone."""

    days: ZonedDays
    local: str = "UTC"

    def relation(self, moments: Sequence[datetime]) -> sql.Composed:
        return sql.SQL(
            "FROM unnest({}::timestamptz[]) WITH ORDINALITY AS given(at, n), "
            "LATERAL (SELECT given.at, given.at AT TIME ZONE {} AS local) AS t"
        ).format(sql.Literal(list(moments)), sql.Literal(self.local))


def plain(zone: str) -> Kind:
    return Kind(ZonedDays("t.at", "t.at", None, zone))


def of_tokyo(zone: str) -> Kind:
    """Of a column that shows the clock of Tokyo, which is not changed."""
    moment = "(t.local AT TIME ZONE 'Asia/Tokyo')"
    return Kind(ZonedDays("t.local", moment, "Asia/Tokyo", zone), "Asia/Tokyo")


def of_the_clock(zone: str) -> Kind:
    """UTC days of a column that shows the zone's clock: times that it has twice, or never, too."""
    return Kind(ZonedDays("t.local", f"(t.local AT TIME ZONE '{zone}')", zone, "UTC"))


def found_by(
    connection: psycopg.Connection, kind: Kind, where: sql.Composable, moments: Sequence[datetime]
) -> list[int]:
    """The numbers of the moments that a predicate holds for."""
    query = sql.SQL("SELECT n::int {} WHERE {} ORDER BY n").format(kind.relation(moments), where)
    return [n - 1 for (n,) in connection.execute(query)]


def check_days(connection: psycopg.Connection, kind: Kind, moments: Sequence[datetime]) -> None:
    """Every moment is found on the day of its clock and on no other, by day and by span."""
    days = kind.days
    shown = sql.SQL("SELECT ({} AT TIME ZONE {})::date {} ORDER BY n").format(
        sql.SQL(days.moment), sql.Literal(days.zone), kind.relation(moments)
    )
    expected: list[date] = [day for (day,) in connection.execute(shown)]
    found: dict[int, date] = {}
    first, last = min(expected), max(expected)
    for day in (first + timedelta(days=n) for n in range(-1, (last - first).days + 2)):
        for number in found_by(connection, kind, days.since(day, day), moments):
            assert number not in found, f"{moments[number]} is on {found[number]} and on {day}"
            found[number] = day
    assert [found.get(number) for number in range(len(moments))] == expected
    cut = first + (last - first) // 2
    since = found_by(connection, kind, days.in_scope(Scope(cut)), moments)
    assert since == [number for number, day in enumerate(expected) if day >= cut]
    until = found_by(connection, kind, days.in_scope(Scope(first, cut)), moments)
    assert until == [number for number, day in enumerate(expected) if day <= cut]
    assert not found_by(connection, kind, days.without_day(), moments)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_c18_c17_each_moment_is_on_exactly_one_day_of_any_zone(
    connection: psycopg.Connection, data: st.DataObject
) -> None:
    zone = data.draw(st.sampled_from(ODD))
    change = data.draw(st.sampled_from(changes_of(zone)))
    near = [change.replace(tzinfo=None) + n * timedelta(days=3) for n in (-1, 1)]
    others = st.lists(st.datetimes(*near, timezones=st.just(UTC)), max_size=20)
    kind = data.draw(st.sampled_from([plain, of_tokyo, of_the_clock]))(zone)
    check_days(connection, kind, [*around(change), *data.draw(others)])


@pytest.mark.soak
@pytest.mark.parametrize("kind", [plain, of_tokyo, of_the_clock])
def test_c18_c17_some_changes_of_each_zone_since_1900(
    connection: psycopg.Connection, kind: Callable[[str], Kind]
) -> None:
    for number, zone in enumerate(sorted(filter(is_zone, available_timezones()))):
        for change in changes_of(zone)[number % 100 :: 100]:
            check_days(connection, kind(zone), around(change))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Asia/Kathmandu", date(2024, 3, 31), 24),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Pacific/Kwajalein", date(1969, 9, 30), 47),
        ("Africa/Casablanca", date(2024, 3, 10), 25),
        ("Antarctica/Troll", date(2024, 3, 31), 22),
    ],
)
def test_c18_a_business_day_has_the_hours_of_its_clock(
    connection: psycopg.Connection, zone: str, day: date, hours: int
) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    moments = [start + n * timedelta(minutes=15) for n in range(5 * 96)]
    kind = plain(zone)
    assert len(found_by(connection, kind, kind.days.since(day, day), moments)) == hours * 4


def test_c18_moments_without_a_calendar_date_on_the_clock_are_on_no_day(
    connection: psycopg.Connection,
) -> None:
    query = sql.SQL(
        "SELECT n FROM (VALUES (1, NULL), (2, 'infinity'), (3, '-infinity'), "
        "(4, '0044-03-15 BC'), (5, '9999-12-31 23:30Z'), (6, '9999-12-31 22:59Z'), "
        "(7, '0001-01-01 00:00Z'), (8, '0001-12-31 23:45Z BC'), (9, '2024-03-31Z')) AS v(n, text), "
        "LATERAL (SELECT text::timestamptz AS at) AS t WHERE {} ORDER BY n"
    )
    days = plain("Europe/Berlin").days

    def asked(where: sql.Composable) -> list[int]:
        return [n for (n,) in connection.execute(query.format(where))]

    assert asked(days.without_day()) == [1, 2, 3, 4, 5]
    assert asked(days.has_day()) == [6, 7, 8, 9]
    assert asked(days.since(date.min, date.max)) == [6, 7, 8, 9]
    assert asked(days.since(date.max, date.max)) == [6]
    assert asked(days.since(date.min, date.min)) == [7, 8]
    assert asked(sql.SQL("{} IS NULL").format(days.day())) == [1, 2, 3, 4, 5]
