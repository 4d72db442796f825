"""Any history of one table (C1, C2, C5, C6, C7, C8, L2, L5): the warehouse is the source.

`HISTORIES=5000 SEED=7 make simulate` runs as many as one likes; the suite runs a few.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.sources.postgres.reader import PostgresReader
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.shelf import Shelf, shelf_table
from etl_assets_tests.sync.world import World

HISTORIES = int(os.environ.get("HISTORIES", "60"))
SEED = int(os.environ.get("SEED", "4"))
PARTS = 4
# To shorten a history that fails takes minutes: for whoever looks for one.
PHASES = [Phase.generate, Phase.shrink] if "HISTORIES" in os.environ else [Phase.generate]
TABLE = shelf_table("shelf", lookback=timedelta(milliseconds=50))


class OpenDuckDB(DuckDBWarehouse):
    """Keeps its file open, since nobody else wants it: to open it is most of a quick sync."""

    kept: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def _open(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        self.kept = self.kept or self._connect()
        try:
            yield self.kept
        except BaseException:
            with suppress(duckdb.Error):  # as closing it would
                self.kept.rollback()
            raise


@pytest.fixture
def reader(postgres: EmbeddedPostgres) -> Iterator[PostgresReader]:
    postgres.ensure_database("simulated")
    with reader_of(postgres.url("simulated")) as opened:
        yield opened


@pytest.mark.parametrize("part", range(PARTS))
def test_after_any_history_the_warehouse_is_the_source(
    part: int, reader: PostgresReader, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    print(f"seed {SEED}.{part}, {HISTORIES // PARTS} histories")
    url, numbers = postgres.url("simulated"), count()
    warehouse: OpenDuckDB | None = None

    def open_shelf() -> Shelf:
        nonlocal warehouse
        if warehouse is not None and warehouse.kept is not None:
            warehouse.kept.close()
        folder = tmp_path / f"history-{next(numbers)}"
        shutil.rmtree(tmp_path / f"history-{next(numbers) - 2}", ignore_errors=True)
        folder.mkdir()
        warehouse = OpenDuckDB(folder / "w.duckdb")
        return Shelf(url, TABLE, warehouse, folder, reader)

    chosen = settings(
        max_examples=HISTORIES // PARTS,
        stateful_step_count=14,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(seed(SEED * 100 + part)(lambda: World(open_shelf)), settings=chosen)
