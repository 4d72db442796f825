"""The summary: a line a table."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from etl_assets.core.partitions import WHOLE
from etl_assets.core.reload_reasons import (
    forgotten,
    forgotten_of,
    objects_of,
    refused,
    refused_of,
)
from etl_assets.core.scope import Scope
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


def test_b9_warnings_are_counted_by_check_and_named() -> None:
    states = [
        replace(STATE, partition_key=date(2024, 5, day), failed_checks=names, checks_failed=count)
        for day, names, count in [
            (1, "schema_drift", 1),
            (2, "schema_drift,cursor_values", 2),
            (3, None, 0),
        ]
    ]
    (line,) = summarise(states, ["raw/orders"], NOW)
    assert line.warnings == {"schema_drift": 2, "cursor_values": 1}
    assert line.notes() == [
        "raw/orders: checks that warn: schema_drift on 2 days, cursor_values on 1 day."
    ]


def test_r2_days_that_a_check_refused_are_no_warnings() -> None:
    days = date(2024, 5, 19), date(2024, 5, 18)
    reasons = {"raw/orders": dict.fromkeys(days, "refused by value_rules"), "raw/none": {}}
    (line,) = summarise([STATE], ["raw/orders"], NOW, reloads=reasons, syncing={"raw/orders"})
    assert list(line.refused) == [date(2024, 5, 18), date(2024, 5, 19)]
    assert line.as_dict()["days_to_reload"] == list(line.refused)
    assert line.as_dict()["refused"] == {
        "2024-05-18": "refused by value_rules",
        "2024-05-19": "refused by value_rules",
    }
    (note,) = line.notes()
    assert "refused 2 days" in note
    assert "2024-05-18 refused by value_rules; 2024-05-19" in note
    assert note.endswith("etl-assets sync raw/orders.")


def test_refused_days_of_a_table_that_does_not_sync_name_the_backfill() -> None:
    days = {date(2024, 5, day): refused("by files_read", "ab12") for day in (16, 17, 18, 19)}
    (line,) = summarise([], [], NOW, reloads={"raw/files": days}, of_files={"raw/files"})
    assert (line.partitions, line.rows, line.freshness, ago(line.freshness)) == (0, 0, None, "—")
    note, undeclared = line.notes()
    assert "refused 4 days" in note
    assert "; and 1 more)" in note
    assert "[objects" not in note
    assert "etl-assets backfill raw/files --from 2024-05-16 --to 2024-05-19" in note
    assert "no module declares it" in undeclared
    whole = {"raw/lists": {WHOLE: refused("The columns differ.")}}
    (line,) = summarise([], ["raw/lists"], NOW, reloads=whole)
    (note,) = line.notes()
    assert "It was refused: The columns differ.." not in note
    assert note.endswith("then: etl-assets backfill raw/lists.")
    assert "0001" not in note


def test_a_day_that_was_forgotten_and_refused_is_both() -> None:
    asked = forgotten("2024-05-20T10:00:00", "abc123")
    reasons = {date(2024, 5, 17): refused("by files_read", "ab12", asked)}
    (line,) = summarise([STATE], ["raw/orders"], NOW, reloads={"raw/orders": reasons})
    assert (list(line.refused), line.days_forgotten) == ([STATE.partition_key], list(line.refused))
    (text,) = reasons.values()
    assert forgotten_of(text) == asked, "the sensor does not take it for another request"
    assert (refused_of(text), objects_of(text)) == ("refused by files_read", "ab12")


def test_m10_days_outside_the_platforms_are_counted_but_not_those_of_other_kinds() -> None:
    scope = Scope(date(2024, 5, 17), date(2024, 5, 18))
    days = [WHOLE, *(date(2024, 5, day) for day in (15, 16, 17, 18, 19))]
    states = [
        replace(STATE, table_name=path, partition_key=day)
        for path in ("raw/orders", "raw/orders_versions", "raw/gone")
        for day in days
    ]
    orders, versions, gone = summarise(
        states, ["raw/orders"], NOW, scope=scope, versions={"raw/orders_versions"}
    )
    assert [day.day for day in orders.days_outside] == [15, 16, 19]
    assert (list(versions.days_outside), versions.notes()) == ([], [])
    assert gone.notes() == ["raw/gone is published, and no module declares it."]


def test_b9_columns_that_are_not_read_are_told_once_and_by_name() -> None:
    days = [
        replace(STATE, partition_key=date(2024, 5, day), failed_checks="schema_drift")
        for day in range(1, 31)
    ]
    names = ["blob (bytea)"]
    (line,) = summarise(days, ["raw/orders"], NOW, undeclared={"raw/orders": names})
    assert (line.checks_failed, dict(line.warnings), line.not_in_contract) == (1, {}, names)
    (note,) = line.notes()
    assert "columns that the contract does not have: blob (bytea)" in note
    assert "`ignore`" in note
    # Declared or ignored since: what the days said when they were loaded is over.
    (line,) = summarise(days, ["raw/orders"], NOW, undeclared={"raw/orders": []})
    assert (line.checks_failed, dict(line.warnings), line.notes()) == (0, {}, [])
    # Where nobody knows the source's columns now, the days say it.
    (line,) = summarise(days, ["raw/orders"], NOW)
    assert dict(line.warnings) == {"schema_drift": 30}
    assert line.as_dict()["not_in_contract"] == []


def test_b9_other_warnings_keep_their_names_and_days() -> None:
    days = [
        replace(STATE, partition_key=date(2024, 5, 1), failed_checks="schema_drift,cursors"),
        replace(STATE, partition_key=date(2024, 5, 2), failed_checks="cursors"),
    ]
    (line,) = summarise(days, ["raw/orders"], NOW, undeclared={"raw/orders": []})
    assert line.notes() == ["raw/orders: checks that warn: cursors on 2 days."]
