"""L3 and L4: who uses one DuckDB file takes turns, waits a bounded time, and is told for whom."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from etl_assets.config import child_environment
from etl_assets.core.errors import StalePublication, WarehouseBusy
from etl_assets_tests.hazards.load_road import (
    fill,
    load_and_publish,
    source_rows,
    warehouse_of,
    warehouse_rows,
)
from etl_assets_tests.processes import ended, hold, holding, start
from etl_assets_tests.source_tables import DAY

UNDECLARED = "warning: raw/things is published, and no module declares it.\n"
DAYS = [DAY + timedelta(days=n) for n in range(4)]


@pytest.mark.thorough
def test_l3_l4_four_runs_and_a_status_at_once_all_work(database_url: str, tmp_path: Path) -> None:
    fill(database_url, version=1, rows=2000, days=4)
    runs = [
        start(load_and_publish, database_url, tmp_path, f"run-{n}", (day,))
        for n, day in enumerate(DAYS)
    ]
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    status = subprocess.run(
        [Path(sys.executable).with_name("etl-assets"), "status"],
        env=child_environment(ETL_HOME=str(tmp_path), WAREHOUSE_URL=url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert [ended(process) for process in runs] == [0, 0, 0, 0]
    # No module declares the table of this test; whether it is there yet is a matter of turns.
    told = status.stderr.replace(UNDECLARED, "")
    assert (status.returncode, told) == (0, "")
    for day in DAYS:
        assert warehouse_rows(tmp_path, day) == source_rows(database_url, day)
    states = warehouse_of(tmp_path).state()
    assert [(state.partition_key, state.row_count) for state in states] == [
        (day, len(source_rows(database_url, day))) for day in DAYS
    ]
    assert list((tmp_path / "spool").iterdir()) == []


def _hold_turn(signs: Path, folder: Path) -> None:
    with warehouse_of(folder)._open("publishing raw/orders"):
        hold(signs)


def _hold_file(signs: Path, folder: Path) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")):
        hold(signs)


@pytest.mark.parametrize("holder", [_hold_turn, _hold_file], ids=["a run", "a foreign program"])
def test_l4_waiting_for_the_file_is_bounded_and_names_the_holder(
    tmp_path: Path, holder: object
) -> None:
    with holding(holder, tmp_path / "signs", tmp_path) as process:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(WarehouseBusy) as caught:
            warehouse_of(tmp_path, wait_seconds=1).state()
        waited = time.monotonic() - began
    message = str(caught.value)
    assert 1 <= waited < 60
    assert str(process.pid) in message, message
    assert "waited 1 s" in message
    assert "ETL_WAREHOUSE_WAIT_SECONDS" in message
    assert ("publishing raw/orders" in message) == (holder is _hold_turn)
    assert caught.value.retryable


@pytest.mark.parametrize("holder", [_hold_turn, _hold_file], ids=["a run", "a foreign program"])
def test_l4_who_waits_goes_on_when_the_file_is_free(tmp_path: Path, holder: object) -> None:
    signs = tmp_path / "signs"
    with holding(holder, signs, tmp_path):  # type: ignore[arg-type]
        waiting = start(_look, tmp_path)
        with pytest.raises(WarehouseBusy):
            warehouse_of(tmp_path, wait_seconds=0.2).state()
        assert waiting.exitcode is None
    assert ended(waiting) == 0


def _look(folder: Path) -> None:
    assert warehouse_of(folder).state() == []


def _die_with_turn(folder: Path) -> None:
    with warehouse_of(folder)._open("publishing raw/orders"):
        os.kill(os.getpid(), signal.SIGKILL)


def test_l4_a_killed_holder_keeps_nobody_waiting(tmp_path: Path) -> None:
    assert ended(start(_die_with_turn, tmp_path)) == -signal.SIGKILL
    assert warehouse_of(tmp_path, wait_seconds=1).state() == []


def _load_days_in_turn(url: str, folder: Path, run_id: str) -> None:
    for day in DAYS[:2]:
        with suppress(StalePublication):  # the other one read later and was faster
            load_and_publish(url, folder, run_id, (day,))


def test_l3_runs_that_load_the_same_days_at_once_double_nothing(
    database_url: str, tmp_path: Path
) -> None:
    fill(database_url, version=1, rows=2000, days=4)
    runs = [start(_load_days_in_turn, database_url, tmp_path, f"run-{n}") for n in range(3)]
    assert [ended(process) for process in runs] == [0, 0, 0]
    for day in DAYS[:2]:
        assert warehouse_rows(tmp_path, day) == source_rows(database_url, day)


def test_l4_the_file_is_free_while_a_day_is_read_and_audited(
    database_url: str, tmp_path: Path
) -> None:
    fill(database_url, version=1)
    load_and_publish(database_url, tmp_path, "first")
    signs = tmp_path / "signs"
    with holding(_hold_in_the_audit, signs, database_url, tmp_path):
        assert len(warehouse_of(tmp_path, wait_seconds=0.2).state()) == 1
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")):
            pass


def _hold_in_the_audit(signs: Path, url: str, folder: Path) -> None:
    from etl_assets.core.audit import DayAudit

    split = DayAudit.split

    def slow(self: DayAudit, batch: object) -> object:
        hold(signs)
        return split(self, batch)  # type: ignore[arg-type]

    DayAudit.split = slow  # type: ignore[assignment, method-assign]
    load_and_publish(url, folder, "slow")
