"""M7: the progress of long work says how long a person has waited, how far it is and how fast."""

import re
import time
from datetime import date, timedelta

import pytest

from etl_assets.cli.progress import Progress, progress
from etl_assets.core.meter import METER

TIME = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")


@pytest.mark.parametrize("waited", [5, 185, 3_725, 90_005])
def test_m7_the_last_line_has_the_time_since_the_command_began(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], waited: int
) -> None:
    """Not the time since Dagster got its first day: imports and its start are most of it."""
    monkeypatch.setattr("etl_assets.cli.main.BEGAN", time.monotonic() - waited)
    with progress("day", 2) as shown:
        shown.on_day("raw/orders", date(2024, 1, 1), True)
        shown.on_day("raw/orders", date(2024, 1, 2), False)
    printed = capsys.readouterr()
    assert printed.out == "", "stdout has results only"
    last = printed.err.splitlines()[-1]
    assert "2 of 2 days" in last, "a day that was refused is done, too"
    found = TIME.search(last)
    assert found, last
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    shown_time = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert timedelta(seconds=waited) <= shown_time < timedelta(seconds=waited + 60)


def test_rows_and_bytes_are_those_since_it_began() -> None:
    METER.count(7, 7_000)
    shown = Progress("day", 1)
    METER.count(1, 1_000_000)
    assert (shown.read.rows, shown.read.bytes) == (1, 1_000_000)
    assert shown.speed().startswith("1 row (")
    assert shown.speed().endswith("MB/s)")


def test_steps_of_another_kind_begin_anew_and_are_both_in_the_last_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("table", 2, done="Synced") as shown:
        shown.step("raw/orders")
        shown.step("raw/products")
        shown.on_work("late day", 1, "making late days")
        shown.on_work("late day", 3, "making late days")
        shown.on_day("staged/orders")
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"Synced after \d+:\d\d:\d\d: 2 of 2 tables, 1 of 3 late days\.", last)


def test_a_kind_of_steps_of_which_there_are_none_is_not_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("table", 1, done="Synced") as shown:
        shown.on_work("late day", 0, "making late days")
        shown.has_errors = True
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"Ended with errors after \d+:\d\d:\d\d: 0 of 1 table\.", last)


def test_work_with_errors_is_not_said_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("day", 1, done="Loaded") as shown:
        shown.on_day("raw/orders")
        shown.has_errors = True
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Ended with errors after ")
    assert "1 of 1 day" in last


def test_work_that_an_error_ends_is_not_said_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with progress("day", 5, done="Loaded") as shown:
            shown.on_day("raw/orders")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Stopped after ")
    assert "1 of 5 days" in last
