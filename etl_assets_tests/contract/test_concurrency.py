"""Several at once: threads, processes, and readers in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from etl_assets.core.errors import StalePublication
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import AS_OF, DAY, orders, publish, staged, values
from etl_assets_tests.contract.every_backend import BACKENDS
from etl_assets_tests.processes import ended, start

pytestmark = pytest.mark.thorough_for("bigquery")

DAYS = [DAY + timedelta(days=n) for n in range(8)]


def rows_of(day: date, value: str = "v") -> dict[int, str]:
    return {DAYS.index(day) * 100 + n: value for n in range(100)}


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_eight_threads_publish_eight_days(warehouse: Warehouse, tmp_path: Path) -> None:
    def put(day: date) -> None:
        publish(warehouse, staged(tmp_path, orders(rows_of(day), day), day))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, DAYS))
    expected = {key: value for day in DAYS for key, value in rows_of(day).items()}
    assert values(warehouse, tmp_path, DAYS[0], DAYS[-1]) == expected
    assert [state.partition_key for state in warehouse.state()] == DAYS


def _put_thrice(name: str, folder: Path, writer: str) -> None:
    warehouse = BACKENDS[name].open(folder)
    for _ in range(3):
        publish(warehouse, staged(folder, orders(rows_of(DAY, writer)), run_id=writer))


@pytest.mark.soak_for("bigquery")
def test_l3_processes_that_publish_one_day_at_once_double_nothing(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    processes = [start(_put_thrice, backend.name, tmp_path, f"run-{n}") for n in range(2)]
    seen = set()
    while any(process.is_alive() for process in processes):
        seen.add(frozenset(values(warehouse, tmp_path).values()))  # fails on a doubled id
    assert [ended(process) for process in processes] == [0, 0]
    assert seen <= {frozenset(), frozenset({"run-0"}), frozenset({"run-1"})}
    (state,) = warehouse.state()
    assert values(warehouse, tmp_path) == rows_of(DAY, state.run_id)
    rows = backend.rows(tmp_path, "raw", "orders", ["_run_id"])
    assert rows == [(state.run_id,)] * 100


def _put_older_and_older(name: str, folder: Path, start_at: int) -> None:
    warehouse = BACKENDS[name].open(folder)
    for age in range(start_at, start_at + 8, 2):
        moment = AS_OF - timedelta(minutes=age)
        try:
            rows = orders(rows_of(DAY, str(age)))
            publish(warehouse, staged(folder, rows, as_of=moment, run_id=str(age)))
        except StalePublication:
            continue


def test_l5_of_racing_snapshots_the_newest_stays(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    processes = [start(_put_older_and_older, backend.name, tmp_path, n) for n in (0, 1)]
    assert [ended(process) for process in processes] == [0, 0]
    (state,) = warehouse.state()
    assert (state.run_id, state.as_of) == ("0", AS_OF)
    assert values(warehouse, tmp_path) == rows_of(DAY, "0")
