"""L2: a run that is killed leaves the old day or the new one, whole, and a re-run ends the same."""

import signal
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.state import PartitionState
from etl_assets_tests.hazards.load_road import (
    BOUNDARIES,
    COMMITTED,
    THINGS,
    fill,
    load_and_publish,
    load_until,
    quarantine,
    source_rows,
    warehouse_of,
    warehouse_rows,
)
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import DAY, run

SHARE = {
    "after the first batch",
    "after the audit",
    "after the rows are deleted",
    "after the state is inserted",
    "before COMMIT",
    "after COMMIT",
}
"""The boundaries of the default run; `make soak` has all of them."""


@pytest.fixture(scope="module")
def source_url(postgres: Any) -> str:
    postgres.ensure_database("killed")
    return str(postgres.url("killed"))


def state_of(folder: Path) -> PartitionState | None:
    states = warehouse_of(folder).state(THINGS)
    assert len(states) <= 1
    return states[0] if states else None


def whole(folder: Path, run_id: str, bad_id: int) -> None:
    """State and quarantine are those of that run, and of the rows that are there."""
    rows, state = warehouse_rows(folder), state_of(folder)
    assert state is not None
    assert (state.run_id, state.row_count) == (run_id, len(rows))
    assert (state.source_count, state.quarantined_count) == (len(rows) + 1, 1)
    assert (state.high_watermark, state.watermark_key) == (rows[-1][3], f"id={rows[-1][0]}")
    position = f"postgres:public.things id={bad_id}"
    assert quarantine(folder) == [(DAY, "v: str_startswith('v')", position, run_id)]


@pytest.mark.thorough_but("before COMMIT")
@pytest.mark.soak_for(*(boundary for boundary in BOUNDARIES if boundary not in SHARE))
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_l2_killed_at_a_boundary_the_old_or_the_new_day_is_whole(
    source_url: str, tmp_path: Path, boundary: str
) -> None:
    fill(source_url, version=1)
    old = source_rows(source_url)
    load_and_publish(source_url, tmp_path, "old")
    whole(tmp_path, "old", bad_id=11)
    fill(source_url, version=2)
    new = source_rows(source_url)

    killed = start(load_until, source_url, tmp_path, "killed", boundary)
    assert ended(killed) == -signal.SIGKILL
    is_new = boundary in COMMITTED
    assert warehouse_rows(tmp_path) == (new if is_new else old)
    whole(tmp_path, "killed" if is_new else "old", bad_id=12 if is_new else 11)
    assert (tmp_path / "spool" / "killed").exists(), "it died before it began"

    load_and_publish(source_url, tmp_path, "again")
    assert warehouse_rows(tmp_path) == new
    # What the killed run published is what the source has: nothing has to be published again.
    whole(tmp_path, "killed" if is_new else "again", bad_id=12)
    assert list((tmp_path / "spool").iterdir()) == [], "what the killed run left is swept"


@pytest.mark.parametrize("boundary", ["after the rows are inserted", "before COMMIT"])
def test_l2_killed_in_the_first_publication_of_all_nothing_is_there(
    source_url: str, tmp_path: Path, boundary: str
) -> None:
    fill(source_url, version=1)
    warehouse_of(tmp_path).migrate()  # the platform's tables come in a transaction of their own
    killed = start(load_until, source_url, tmp_path, "killed", boundary)
    assert ended(killed) == -signal.SIGKILL
    assert warehouse_rows(tmp_path) == []
    assert state_of(tmp_path) is None
    assert quarantine(tmp_path) == []
    load_and_publish(source_url, tmp_path, "again")
    assert warehouse_rows(tmp_path) == source_rows(source_url)
    whole(tmp_path, "again", bad_id=11)


@pytest.mark.thorough
def test_l2_killed_at_one_boundary_after_the_other_it_still_ends_right(
    source_url: str, tmp_path: Path
) -> None:
    fill(source_url, version=1)
    warehouse_of(tmp_path).migrate()
    for number, boundary in enumerate(["before COMMIT", "after COMMIT", "before COMMIT"], 1):
        killed = start(load_until, source_url, tmp_path, f"killed-{number}", boundary)
        assert ended(killed) == -signal.SIGKILL
    assert warehouse_rows(tmp_path) == source_rows(source_url)
    whole(tmp_path, "killed-2", bad_id=11)


def test_a_session_that_a_killed_run_left_does_not_keep_the_source_locked(
    source_url: str, tmp_path: Path
) -> None:
    fill(source_url, version=1)
    killed = start(load_until, source_url, tmp_path, "killed", "after the first batch")
    assert ended(killed) == -signal.SIGKILL
    run(source_url, "SET lock_timeout = '20s'; TRUNCATE things")
