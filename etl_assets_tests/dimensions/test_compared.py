"""The histories of `make compare-scd2`: ours are right, and its judge tells what is not."""

import pytest

from benchmarks.scd2 import ours
from benchmarks.scd2.histories import HISTORIES, READINGS, Change, History, read
from benchmarks.scd2.judging import Version, judge, versions_by_source_time
from etl_assets_tests.dimensions import oracle


@pytest.mark.thorough_but("back", "gone", "late", "splits", "null_key")
@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_s1_s2_our_versions_of_each_history_are_those_by_source_time(history: History) -> None:
    right = versions_by_source_time(history.changes())
    assert judge(right, ours.play(history), len(history.batches()), "").told == "right"


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_what_is_right_is_what_plain_sql_finds(history: History) -> None:
    last = {(c.id, c.at): c for c in sorted(history.changes(), key=lambda change: change.seq)}
    changes = [oracle.Change(c.id, c.at, c.a, c.b, c.gone) for c in last.values()]
    found = {Version(v.id, v.a, v.since, v.until) for v in oracle.versions(changes)}
    assert set(versions_by_source_time(history.changes())) == found


RIGHT = [Version(1, "x", 0, 30), Version(1, "y", 30, None)]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (RIGHT, "right"),
        (RIGHT[:1], "1 lost"),
        ([*RIGHT, Version(1, "z", 30, None)], "1 wrong"),
        ([*RIGHT, RIGHT[0]], "1 wrong"),
        ([Version(1, "x", 0, 48), Version(1, "y", 48, None)], "2 by the clock"),
        ([Version(1, "x", 0, 47), Version(1, "y", 30, None)], "1 lost, 1 wrong"),
        ([Version(1, "x", 0, None), RIGHT[1]], "1 lost, 1 wrong"),
        ([Version(1, None, 0, 30), RIGHT[1]], "1 lost, 1 wrong"),
    ],
)
def test_the_judge_tells_lost_wrong_and_by_the_clock(found: list[Version], told: str) -> None:
    assert judge(RIGHT, found, 3, "").told == told


def test_a_peer_finds_the_newest_row_of_each_key_and_of_an_old_day_what_was_there() -> None:
    gone = Change(30, None, gone=True)
    history = History("h", "h", [[Change(0, "x")], [gone]], again=[0])
    rows = {how: [[row.a for row in run] for run in read(history, how)] for how in READINGS}
    assert rows == {
        "present": [["still", "x"], ["still"], ["still", "x"], ["still"]],
        "marked": [["still", "x"], ["still", None], ["still", "x"], ["still", None]],
        "batch": [["still", "x"], [None], ["still", "x"], []],
    }
