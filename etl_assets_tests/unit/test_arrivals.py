"""Which day must have arrived: clocks, zones, weekends, and what is said of a day that has not."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_assets.core.arrivals import NO_OBJECTS, look_for, verdict
from etl_assets.core.checks import Severity
from etl_assets.core.due_days import deadline_cron, due_at, due_day, is_expected, time_to_arrive
from etl_assets.core.errors import SpecError
from etl_assets.core.policies import Arrival, Thresholds
from etl_assets.core.scope import Scope
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.listing import made_of
from etl_assets_tests.files.shipments import SOURCE, SPEC

BERLIN = Arrival(by=time(6), zone="Europe/Berlin")
NIGHT = replace(BERLIN, by=time(2, 30))
FRIDAY = date(2024, 5, 17)
SCOPE = Scope(date(2024, 5, 1))


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


DUE: dict[str, tuple[str, Arrival, str]] = {
    "a second before": ("2024-05-17T05:59:59", BERLIN, "2024-05-16"),
    "at the moment": ("2024-05-17T06:00", BERLIN, "2024-05-17"),
    "late in the evening, the next UTC day": ("2024-05-18T01:00", BERLIN, "2024-05-17"),
    "the morning after": ("2024-05-17T06:00", replace(BERLIN, days_after=1), "2024-05-16"),
    "a weekend": ("2024-05-19T12:00", replace(BERLIN, every="weekday"), "2024-05-17"),
    "Monday before it is due": ("2024-05-20T05:00", replace(BERLIN, every="weekday"), "2024-05-17"),
    "Saturday brings Friday": (
        "2024-05-18T06:00",
        replace(BERLIN, every="weekday", days_after=1),
        "2024-05-17",
    ),
    # On 2024-03-31 the clock goes from 02:00 to 03:00, on 2024-10-27 from 03:00 back to 02:00.
    "summer time begins, before": ("2024-03-31T03:29", NIGHT, "2024-03-30"),
    "summer time begins": ("2024-03-31T03:30", NIGHT, "2024-03-31"),
    "summer time ends, after": ("2024-10-27T03:00", NIGHT, "2024-10-27"),
}


@pytest.mark.parametrize("what", DUE)
def test_the_newest_day_that_is_due_follows_the_clock_of_the_zone(what: str) -> None:
    now, expects, day = DUE[what]
    assert due_day(at(now), expects) == date.fromisoformat(day)


def test_an_hour_that_comes_twice_is_over_after_the_second_time() -> None:
    first, second = (at("2024-10-27T02:30").replace(fold=fold) for fold in (0, 1))
    assert due_day(first, NIGHT) == date(2024, 10, 26)
    assert due_day(second, NIGHT) == date(2024, 10, 27)


@given(
    st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.builds(
        Arrival,
        by=st.times().map(lambda t: time(t.hour, t.minute)),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
        every=st.sampled_from(["day", "weekday"]),
        days_after=st.integers(0, 3),
    ),
)
def test_the_due_day_is_over_and_no_later_expected_day_is(now: datetime, expects: Arrival) -> None:
    day = due_day(now, expects)
    assert is_expected(day, expects)
    assert due_at(day, expects) <= now
    later = [day + timedelta(days=n) for n in range(1, 8)]
    assert all(due_at(one, expects) > now for one in later if is_expected(one, expects))


def test_dagsters_policy_has_the_same_moments() -> None:
    assert deadline_cron(BERLIN) == "0 6 * * *"
    assert deadline_cron(replace(BERLIN, every="weekday", days_after=1)) == "0 6 * * 2,3,4,5,6"
    assert deadline_cron(replace(BERLIN, every="weekday", days_after=2)) == "0 6 * * 0,3,4,5,6"
    assert time_to_arrive(BERLIN) == timedelta(hours=5)
    assert time_to_arrive(replace(BERLIN, days_after=1)) == timedelta(days=1)


def state(day: date, rows: int = 5, made: str | None = "objects") -> PartitionState:
    now = datetime(2024, 5, 20, tzinfo=UTC)
    return PartitionState(
        "raw/shipments", day, None, None, rows, rows, 0, 1, 0, now, "l", "r", 1.0, None, now, made
    )


def table(expects: Arrival, **changes: Any) -> LayerTable:
    return replace(SPEC, expects=expects, **changes).layer_tables()[0]


def said(expects: Arrival, *states: PartitionState, now: str = "2024-05-17T07:00") -> Any:
    return verdict(table(expects), SCOPE, states, at(now))


def test_a_day_that_is_there_in_time_is_green() -> None:
    result = said(BERLIN, state(FRIDAY))
    assert result.passed
    assert result.evidence == {
        "day": "2024-05-17",
        "due": "2024-05-17T06:00:00+02:00",
        "rows": 5,
        "rows_expected": 1,
        "last_arrived": "never",
    }


def test_a_day_that_fails_to_come_is_red_and_says_since_when_and_what_to_do() -> None:
    result = said(BERLIN, state(date(2024, 5, 14)))
    assert (result.passed, result.severity, result.blocks) == (False, Severity.ERROR, True)
    evidence = result.evidence
    assert (evidence["missing_days"], evidence["last_arrived"]) == (3, "2024-05-14")
    assert evidence["missing_since"] == "2024-05-15T06:00:00+02:00"
    assert evidence["what"] == (
        "2024-05-17 of raw/shipments, due by 06:00 Europe/Berlin, is not published. "
        "3 days are missing, since 2024-05-15."
    )
    assert "etl-assets files list raw/shipments" in str(evidence["next_step"])


def test_too_few_rows_and_a_day_whose_objects_are_gone_are_no_arrival() -> None:
    few = said(replace(BERLIN, rows=6), state(FRIDAY))
    assert (few.passed, "has 5 rows, and at least 6" in few.evidence["what"]) == (False, True)
    assert said(replace(BERLIN, rows=0), state(FRIDAY, rows=0)).passed
    gone = said(replace(BERLIN, rows=0), state(FRIDAY, rows=0, made=NO_OBJECTS))
    assert (gone.passed, "has no object" in gone.evidence["what"]) == (False, True)
    assert made_of(()) == NO_OBJECTS


def test_a_gap_before_a_day_that_came_is_no_news() -> None:
    assert said(BERLIN, state(FRIDAY), state(date(2024, 5, 10))).passed


def test_days_that_the_platform_does_not_have_are_not_expected() -> None:
    early = verdict(table(BERLIN), Scope(date(2024, 6, 1)), [], at("2024-05-17T07:00"))
    assert (early.passed, early.evidence["what"]) == (True, "No day of raw/shipments is due yet.")
    ended = look_for(BERLIN, Scope(FRIDAY, FRIDAY), {FRIDAY: state(FRIDAY)}, at("2026-01-01T00:00"))
    assert (ended.due, ended.missing) == (FRIDAY, [])


def test_a_check_that_only_warns_is_a_warning() -> None:
    lenient = table(BERLIN, thresholds=Thresholds(severities={"arrived": Severity.WARN}))
    assert verdict(lenient, SCOPE, [], at("2024-05-17T07:00")).severity is Severity.WARN


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a zone that is none": ({"zone": "Europe/Atlantis"}, "no time zone 'Europe/Atlantis'"),
    "no zone": ({"zone": ""}, "no time zone ''"),
    "a path": ({"zone": "../../etc/passwd"}, "no time zone"),
    "negative rows": ({"rows": -1}, "rows counts rows"),
    "half a row": ({"rows": 0.5}, "rows counts rows"),
    "seconds": ({"by": time(6, 0, 30)}, "whole minutes"),
    "no time": ({"by": 6}, "whole minutes"),
    "a rhythm": ({"every": "hour"}, "every is 'hour'"),
    "a day before": ({"days_after": -1}, "days_after counts days"),
    "before the day can be loaded": (
        {"zone": "Asia/Tokyo"},
        "before the UTC day begins.*Write a time after 09:00, or days_after=1",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_m1_what_cannot_be_expected_is_told_when_it_is_declared(what: str) -> None:
    changes, says = WRONG[what]
    with pytest.raises(SpecError, match=f"TableSpec shipments: expects: .*{says}"):
        replace(SPEC, expects=replace(BERLIN, **changes))


def test_m1_a_table_without_days_expects_none() -> None:
    with pytest.raises(SpecError, match="has no days that could be missing"):
        replace(
            SPEC, expects=BERLIN, partition_column=None, source=replace(SOURCE, pattern="*.csv")
        )


def test_only_the_raw_table_expects_anything() -> None:
    raw, staged = replace(SPEC, expects=BERLIN).layer_tables()
    assert (raw.expects, staged.expects) == (BERLIN, None)
