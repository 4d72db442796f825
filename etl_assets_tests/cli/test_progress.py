"""M7: the progress bar of a backfill says how long a person has waited, and how far it is."""

import re
import time
from datetime import date, timedelta

import pytest

from etl_assets.cli.backfill import _progress

TIME = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")


@pytest.mark.parametrize("waited", [5, 185, 3_725, 90_005])
def test_m7_the_bar_shows_the_time_since_the_command_began(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], waited: int
) -> None:
    """Not the time since Dagster got its first day: imports and its start are most of it."""
    monkeypatch.setattr("etl_assets.cli.main.BEGAN", time.monotonic() - waited)
    with _progress(2) as on_day:
        on_day("raw/orders", date(2024, 1, 1), True)
        on_day("raw/orders", date(2024, 1, 2), False)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "2/2" in last, "a day that was refused is done, too"
    found = TIME.search(last)
    assert found, last
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    shown = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert shown >= timedelta(seconds=waited)
