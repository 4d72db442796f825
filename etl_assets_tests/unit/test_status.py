"""The summary: a line a table."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from etl_assets.core.state import PartitionState
from etl_assets.pipeline.status import ago, summarise

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
STATE = PartitionState(
    table_name="raw/orders",
    partition_key=date(2024, 5, 17),
    high_watermark=None,
    watermark_key=None,
    row_count=10,
    source_count=11,
    quarantined_count=1,
    checks_passed=7,
    checks_failed=1,
    as_of=NOW,
    load_id="l",
    run_id="r",
    seconds=0.5,
    verified_through=None,
    updated_at=NOW - timedelta(hours=3),
)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"),
        (86_399, "23 h"), (86_400, "1 d"), (10 * 86_400, "10 d"),
    ],
)  # fmt: skip
def test_ago_says_as_much_as_a_person_wants_to_know(seconds: float, told: str) -> None:
    assert ago(timedelta(seconds=seconds)) == told


def test_a_line_sums_up_the_days_of_a_table() -> None:
    other = replace(
        STATE,
        partition_key=date(2024, 5, 18),
        high_watermark=NOW,
        updated_at=NOW - timedelta(minutes=5),
    )
    (line,) = summarise([STATE, other], ["raw/customers", "raw/orders"], NOW)
    assert (line.table, line.partitions, line.rows, line.quarantined) == ("raw/orders", 2, 20, 2)
    assert (line.checks_passed, line.checks_failed, line.seconds) == (14, 2, 1.0)
    assert (line.high_watermark, line.freshness) == (NOW, timedelta(minutes=5))


def test_lines_are_in_the_order_given_and_unknown_tables_come_last() -> None:
    states = [replace(STATE, table_name=name) for name in ("raw/old", "raw/b", "raw/a")]
    lines = summarise(states, ["raw/a", "raw/b"], NOW)
    assert [line.table for line in lines] == ["raw/a", "raw/b", "raw/old"]


def test_nothing_published_is_no_lines() -> None:
    assert summarise([], ["raw/orders"], NOW) == []
