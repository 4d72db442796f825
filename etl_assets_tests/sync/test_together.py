"""Two workers, a schedule and a backfill on the same days, while the shop goes on writing (L3, L5).

In the suite they have a few seconds; `SOAK_SECONDS=600 make soak` lets them work for longer.
"""

import os
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from etl_assets.core.errors import EtlError, StalePublication
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import reader_of, run
from etl_assets_tests.sync.shelf import CREATE, FIRST_DAY, Shelf, shelf_table

SECONDS = 4.0
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
DAYS = [FIRST_DAY + timedelta(days=number) for number in range(4)]
TABLE = shelf_table("shelf", lookback=timedelta(milliseconds=200))


def _work(
    url: str, folder: Path, seconds: float, task: Callable[[Shelf], None], pause: float
) -> None:
    """A process that does one thing again and again until time is up."""
    folder.mkdir()
    until = time.monotonic() + seconds
    with reader_of(url) as reader:
        warehouse = DuckDBWarehouse(folder.parent / "w.duckdb")
        shelf = Shelf(url, TABLE, warehouse, folder, reader)
        while time.monotonic() < until:
            try:
                task(shelf)
            except EtlError as error:  # whoever was overtaken says so, and tries again
                if not (error.retryable or isinstance(error, StalePublication)):
                    raise
            time.sleep(pause)


def _sync(shelf: Shelf) -> None:
    shelf.sync()


def _backfill(shelf: Shelf) -> None:
    shelf.reload(*DAYS)


def _write(url: str, seconds: float) -> None:
    """A shop: single orders, mass updates, and transactions that take their time."""
    chance = random.Random(7)
    until = time.monotonic() + seconds
    with psycopg.connect(url) as connection:
        while time.monotonic() < until:
            for _ in range(chance.randrange(1, 6)):
                key, day = chance.randrange(1, 200), chance.choice(DAYS)
                connection.execute(
                    "INSERT INTO shelf VALUES (%s, %s, now(), %s, 1) ON CONFLICT (id) DO UPDATE "
                    "SET (created_at, updated_at, v) = (excluded.created_at, now(), excluded.v)",
                    [key, f"{day} {chance.randrange(24):02}:00Z", str(chance.random())],
                )
                time.sleep(chance.random() / 20)
            if chance.random() < 0.1:
                connection.execute("UPDATE shelf SET v = 'all', updated_at = now() WHERE id < 100")
            connection.commit()


@pytest.mark.parametrize("seconds", [SECONDS, pytest.param(SOAK_SECONDS, marks=pytest.mark.soak)])
def test_l3_l5_everybody_at_once_loses_nothing_doubles_nothing_and_never_hangs(
    database_url: str, tmp_path: Path, seconds: float
) -> None:
    run(database_url, *CREATE.format(name="shelf").split(";"))
    tasks = [(_sync, 0.0), (_sync, 0.0), (_sync, 1.0), (_backfill, 0.0)]
    processes = [
        start(_work, database_url, tmp_path / str(number), seconds, task, pause)
        for number, (task, pause) in enumerate(tasks)
    ]
    processes.append(start(_write, database_url, seconds))
    assert [ended(process, seconds + 120) for process in processes] == [0] * len(processes)
    with reader_of(database_url) as reader:
        warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
        shelf = Shelf(database_url, TABLE, warehouse, tmp_path, reader)
        time.sleep(0.05)
        shelf.sync()
        assert shelf.published() == shelf.wanted()
        assert shelf.reconcile(repair=False).is_equal
        told = {state.partition_key: state.row_count for state in warehouse.state(TABLE)}
    assert sum(told.values()) == len(shelf.wanted())
