"""Syncs that die (L2), run at once (L3), or meet a full load of the same day (L5)."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from etl_assets.core.errors import StalePublication
from etl_assets.core.state import Happening
from etl_assets.pipeline.publish import publish_days
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.publication import JobCost, Publication
from etl_assets_tests.hazards.load_road import _sql
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.dying import Killed, dying
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put, shelf_table

ONE_A_SECOND = "'2024-05-17Z'::timestamptz + n * interval '1 second'"
AT_ONCE = "'2024-05-17Z'"
NO_LOOKBACK = shelf_table("shelf", lookback=timedelta(0))


@pytest.mark.thorough_but("1-before", "2-after")
@pytest.mark.parametrize("committed", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_l2_a_sync_that_died_at_a_commit_goes_on_after_the_last_committed_row(
    shelf: Shelf, chunk: int, committed: bool
) -> None:
    put(shelf, 19, stamp=AT_ONCE if chunk else ONE_A_SECOND)
    with dying(shelf, chunk, committed=committed), pytest.raises(Killed):
        shelf.sync()
    there = 7 * chunk + (committed and (7, 7, 5)[chunk])
    assert len(shelf.published()) == there
    again = shelf.sync()
    assert sum(one.rows for one in again) == 19 - there
    assert shelf.published() == shelf.wanted()


@pytest.mark.thorough
def test_l2_with_a_lookback_what_lies_within_it_is_read_again_and_not_published_again(
    shelf: Shelf,
) -> None:
    table = replace(shelf.table, lookback=timedelta(seconds=3))
    shelf = replace(shelf, table=table)
    put(shelf, 19, days=1, stamp=ONE_A_SECOND)
    assert next(shelf.chunks()).rows == 7
    again = shelf.sync()
    assert sum(one.rows for one in again) == 12 + 3
    assert sum(one.outcome.changed for one in again) == 12
    assert shelf.published() == shelf.wanted()


def sync_and_die(url: str, folder: Path, when: str) -> None:
    """In a child process: a sync that kills itself at its first COMMIT."""
    _sql(when, "COMMIT")()
    with reader_of(url) as reader:
        warehouse = DuckDBWarehouse(folder / "w.duckdb")
        Shelf(url, NO_LOOKBACK, warehouse, folder, reader).sync()


@pytest.mark.parametrize(("when", "there"), [("before", 0), ("after", 7)])
def test_l2_a_process_that_is_killed_at_commit_leaves_rows_and_watermark_of_one_moment(
    shelf: Shelf, when: str, there: int
) -> None:
    put(shelf, 10, stamp=ONE_A_SECOND)
    shelf.warehouse.migrate()  # the platform's own tables are made in a transaction of their own
    child = start(sync_and_die, shelf.url, shelf.folder, when)
    assert ended(child) == -signal.SIGKILL
    assert len(shelf.published()) == there
    assert sum(chunk.rows for chunk in shelf.sync()) == 10 - there
    assert shelf.published() == shelf.wanted()


def same(shelf: Shelf) -> Shelf:
    """Another run of the same table, with nothing in common but the file."""
    return replace(shelf, warehouse=DuckDBWarehouse(shelf.folder / "w.duckdb"))


def test_l3_two_syncs_at_once_beside_a_writer_lose_and_double_nothing(shelf: Shelf) -> None:
    put(shelf, 30, stamp=ONE_A_SECOND)

    def write() -> None:
        with psycopg.connect(shelf.url, autocommit=True) as connection:
            for n in range(15):
                connection.execute(
                    "UPDATE shelf SET v = 'w', updated_at = now(), "
                    "created_at = created_at + interval '1 day' WHERE id %% 15 = %s",
                    [n],
                )

    with ThreadPoolExecutor(3) as threads:
        works: list[Callable[[], object]] = [shelf.sync, same(shelf).sync, write]
        for done in [threads.submit(work) for work in works]:
            done.result()
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    states = shelf.warehouse.state(shelf.table)
    assert sum(state.row_count for state in states) == 30
    assert shelf.reconcile(repair=False).is_equal


def test_l3_a_sync_that_another_one_overtakes_loses_its_turn_and_takes_the_next(
    shelf: Shelf,
) -> None:
    put(shelf, 10, stamp=ONE_A_SECOND)
    slow, publish, turns = same(shelf), DuckDBWarehouse.publish, []

    def overtaken(publication: Publication) -> Sequence[JobCost]:
        turns.append(len(publication.staging.days))
        if len(turns) == 1:
            shelf.sync()
        return publish(slow.warehouse, publication)  # type: ignore[arg-type]

    slow.warehouse.publish = overtaken  # type: ignore[method-assign]
    chunks = slow.sync()
    assert turns == [3], "the first turn was lost, and then nothing was left to publish"
    assert sum(chunk.outcome.changed for chunk in chunks) == 0
    assert shelf.published() == shelf.wanted()
    assert len(shelf.warehouse.history(shelf.table, Happening.WATERMARK)) == 2


@pytest.mark.thorough
def test_l3_interleaved_syncs_never_move_the_watermark_back(shelf: Shelf) -> None:
    put(shelf, 21, stamp=ONE_A_SECOND)
    one, other = shelf.chunks(), same(shelf).chunks()
    marks = []
    for chunks in (one, other, other, one, one, other):
        with suppress(StopIteration):
            next(chunks)
        own = shelf.warehouse.table_state(shelf.table)
        assert own is not None
        marks.append(own.high_watermark)
    assert marks == sorted(marks, key=str)
    list(one)
    list(other)
    assert shelf.published() == shelf.wanted()


def test_l5_a_full_load_that_read_before_a_sync_loses_and_says_so(shelf: Shelf) -> None:
    put(shelf, 9)
    shelf.sync()
    loaded = shelf.load(FIRST_DAY)
    shelf.sql(
        "UPDATE shelf SET v = 'new', updated_at = now() WHERE id = 1",
        "UPDATE shelf SET created_at = '2024-05-02Z', updated_at = now() WHERE id = 4",
    )
    shelf.sync()
    with pytest.raises(StalePublication, match=r"newer snapshot of raw/shelf 2024-05-01"):
        publish_days(shelf.warehouse, shelf.table, loaded, "backfill")
    assert shelf.published() == shelf.wanted()
    shelf.reload(FIRST_DAY)  # the retry
    assert shelf.published() == shelf.wanted()


def test_l5_a_full_load_of_another_day_never_brings_back_what_moved(shelf: Shelf) -> None:
    put(shelf, 9)
    shelf.sync()
    loaded = shelf.load(FIRST_DAY + timedelta(days=2))
    shelf.sql("UPDATE shelf SET created_at = '2024-05-02Z', updated_at = now() WHERE id = 3")
    shelf.sync()
    shelf.reload(FIRST_DAY + timedelta(days=1))
    with pytest.raises(StalePublication):
        publish_days(shelf.warehouse, shelf.table, loaded, "backfill")
    assert shelf.published() == shelf.wanted()


@pytest.mark.thorough
def test_l5_a_sync_that_read_before_a_full_load_reads_again(shelf: Shelf) -> None:
    put(shelf, 9)
    shelf.sync()
    shelf.sql("UPDATE shelf SET v = 'older', updated_at = now() WHERE id = 1")
    slow, publish, turns = same(shelf), DuckDBWarehouse.publish, []

    def overtaken(publication: Publication) -> Sequence[JobCost]:
        turns.append(publication.staging.days[0].state.as_of)
        if len(turns) == 1:
            shelf.sql("UPDATE shelf SET v = 'newer', updated_at = now() WHERE id = 1")
            shelf.reload(FIRST_DAY)
        return publish(slow.warehouse, publication)  # type: ignore[arg-type]

    slow.warehouse.publish = overtaken  # type: ignore[method-assign]
    slow.sync()
    assert shelf.published()[0][3] == "newer"
    assert shelf.published() == shelf.wanted()
