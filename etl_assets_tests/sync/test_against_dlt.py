"""Histories that a sync by a cursor gets wrong easily; `make compare-dlt` shows what dlt does."""

import operator
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from etl_assets.core.policies import LOOKBACK
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.histories import (
    HISTORIES,
    TABLE,
    History,
    Ours,
    Stage,
    judge,
    play,
    source_rows,
)
from etl_assets_tests.sync.shelf import Shelf, shelf_table

TITLE = operator.attrgetter("title")


def told(*, silent: bool) -> list[History]:
    return [history for history in HISTORIES if history.silent is silent]


@pytest.fixture
def history(request: pytest.FixtureRequest) -> History:
    chosen: History = request.param
    return chosen


@pytest.fixture
def stage(history: History, postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Stage]:
    postgres.ensure_database("histories")
    url = postgres.url("histories")
    lookback = LOOKBACK if history.near else timedelta(milliseconds=50)
    table = shelf_table(TABLE, lookback=lookback)
    with reader_of(url) as reader:
        shelf = Shelf(url, table, DuckDBWarehouse(tmp_path / "w.duckdb"), tmp_path, reader)
        yield Stage(url, Ours(shelf), patience=0.1)


@pytest.mark.thorough_but("very cursor", "prepared", "loaded, the next on", "longer than the lag")
@pytest.mark.parametrize("history", told(silent=False), ids=TITLE, indirect=True)
def test_a_sync_alone_ends_equal_to_the_source(history: History, stage: Stage) -> None:
    play(history, stage)
    assert judge(source_rows(stage.url), stage.runner.rows()).is_equal


@pytest.mark.thorough_but("deleted")
@pytest.mark.parametrize("history", told(silent=True), ids=TITLE, indirect=True)
def test_what_no_cursor_tells_is_found_by_the_reconciliation(
    history: History, stage: Stage
) -> None:
    play(history, stage)
    assert not judge(source_rows(stage.url), stage.runner.rows()).is_equal
    assert isinstance(stage.runner, Ours)
    stage.runner.shelf.reconcile()
    assert judge(source_rows(stage.url), stage.runner.rows()).is_equal
