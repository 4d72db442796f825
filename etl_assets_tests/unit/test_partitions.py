"""Days and windows of days."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_assets.core.errors import PartitionError
from etl_assets.core.partitions import Window, parse_day, windows_of

DAYS = st.dates(date(1, 1, 1), date(9999, 12, 30))


def test_a_day_is_half_open_and_in_utc() -> None:
    window = Window.of(date(2024, 2, 29))
    assert window.start == datetime(2024, 2, 29, tzinfo=UTC)
    assert window.end == datetime(2024, 3, 1, tzinfo=UTC)
    assert list(window.days()) == [date(2024, 2, 29)]


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(PartitionError, match="Swap the two days"):
        Window(date(2024, 1, 2), date(2024, 1, 1))


@pytest.mark.parametrize(
    "text", ["", "2024-13-01", "2023-02-29", "01.02.2024", "today", "2024-1-1"]
)
def test_what_is_no_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PartitionError, match="YYYY-MM-DD"):
        parse_day(text)


@pytest.mark.parametrize("text", ["20240101", "2024-W01-1"])
def test_other_iso_forms_are_no_partition_keys(text: str) -> None:
    with pytest.raises(PartitionError, match="YYYY-MM-DD"):
        parse_day(text)


@given(DAYS)
def test_a_day_survives_its_key(day: date) -> None:
    assert parse_day(day.isoformat()) == day


@given(st.lists(st.dates(date(2024, 1, 1), date(2024, 3, 1)), max_size=60))
def test_windows_cover_exactly_the_days_given_and_are_as_few_as_can_be(days: list[date]) -> None:
    windows = windows_of(days)
    assert [day for window in windows for day in window.days()] == sorted(set(days))
    for one, next_one in pairwise(windows):
        assert next_one.first > one.last + timedelta(days=1)
