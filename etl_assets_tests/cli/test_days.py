"""The range of days that a command is about, and what is said of one that is none."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl_assets.cli.days import window_of
from etl_assets.config import Settings, read_settings
from etl_assets.core.errors import EtlError
from etl_assets.core.partitions import Window

SETTINGS = Settings(home=Path("/nowhere"), first_day=date(2024, 1, 5), last_day=date(2024, 1, 20))
TODAY = datetime.now(UTC).date()


def message(settings: Settings, first: date | None = None, last: date | None = None) -> str:
    with pytest.raises(EtlError) as refused:
        window_of(settings, first, last)
    return str(refused.value)


def test_days_that_are_not_named_are_the_platforms() -> None:
    assert window_of(SETTINGS, None, None) == Window(date(2024, 1, 5), date(2024, 1, 20))
    assert window_of(SETTINGS, date(2024, 1, 7), None).first == date(2024, 1, 7)
    assert window_of(SETTINGS, None, date(2024, 1, 7)).last == date(2024, 1, 7)


@pytest.mark.parametrize("ahead", [1, 2, 400])
def test_m4_a_first_day_in_the_future_is_said_to_be_that(ahead: int) -> None:
    day = TODAY + timedelta(days=ahead)
    settings = read_settings(
        {"ETL_FIRST_DAY": str(day), "DATABASE_URL": "postgresql://localhost/x"}
    )
    told = message(settings)
    assert f"ETL_FIRST_DAY ({day})" in told
    assert "Swap" not in told


def test_m4_a_platform_that_starts_today_has_no_day_that_is_over() -> None:
    told = message(Settings(home=Path("/nowhere"), first_day=TODAY))
    assert f"--to {TODAY}" in told
    assert "Swap" not in told
    today = window_of(Settings(home=Path("/nowhere"), first_day=TODAY), None, TODAY)
    assert today == Window.of(TODAY)


def test_m4_only_two_days_that_were_both_named_can_be_swapped() -> None:
    assert "Swap the two days" in message(SETTINGS, date(2024, 1, 9), date(2024, 1, 8))
    early = message(SETTINGS, last=date(2023, 12, 31))
    assert "before the first day, 2024-01-05" in early
    assert "Swap" not in early
    late = message(SETTINGS, first=date(2024, 2, 1))
    assert "after 2024-01-20" in late
    assert "Swap" not in late
