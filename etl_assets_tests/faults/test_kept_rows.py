"""Sources that prune (R4): whole loads keep what the source no longer has, and mark it."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from etl_assets.core.errors import StalePublication
from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import load
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, Road, cased
from etl_assets_tests.source_tables import UTC_MOMENT

CREATE = (
    "CREATE TABLE things (id bigint PRIMARY KEY, v text, created_at timestamptz, "
    "updated_at timestamptz NOT NULL)"
)
FILL = (
    "INSERT INTO things SELECT n, 'v' || n, timestamptz '2024-01-01 05:00Z' + n % 4 * interval "
    "'1 day', '2024-01-01Z' FROM generate_series(1, 40) n"
)
# On other warehouses than DuckDB the default run has a share of it.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


def kept_table(*, mark: bool = True, **changes: Any) -> Any:
    """`things` with a text, whose deleted rows stay; with `mark` the column `gone_at`."""
    columns = {"id": pl.Int64, "v": pl.String, **({"gone_at": UTC_MOMENT} if mark else {})}
    return cased(
        columns,
        {"id": {"nullable": False}, "v": {"notin": ["bad"]}},
        deletes=Deletes.KEEP,
        kept_column="gone_at" if mark else None,
        **changes,
    )


def marks(road: Road) -> dict[int, datetime | None]:
    """The mark of each published row, by id."""
    at = [column.name for column in road.table.columns].index("gone_at")
    return {row[0]: row[at] for row in road.published()}


def gone(road: Road) -> set[int]:
    """The published rows that are marked."""
    return {key for key, mark in marks(road).items() if mark is not None}


def loaded(road: Road, *days: date) -> list[LoadedDay]:
    """Days as a backfill reads them, none of them published."""
    found = load(road.table, road.source(), road.warehouse, days, road._folder(), "load")
    assert not found.refused, found.refused
    return list(found.good)


def counts(road: Road) -> dict[date, tuple[int, int | None, int]]:
    """Rows, the source's count and quarantine of each day, as the state has them."""
    return {
        s.partition_key: (s.row_count, s.source_count, s.quarantined_count)
        for s in road.warehouse.state(road.table)
    }


@pytest.mark.thorough_but("duckdb")
@pytest.mark.share
def test_r4_a_whole_load_keeps_what_the_source_has_pruned_and_says_since_when(pave: Paved) -> None:
    road = pave(kept_table(thresholds=Thresholds()), CREATE, FILL)
    road.load(DAYS[:4])
    road.sql("DELETE FROM things WHERE id % 4 = 1 AND id > 5 OR id % 4 = 2")
    (before,) = road.sql("SELECT clock_timestamp()")[0]
    road.load(DAYS[:4])
    (after,) = road.sql("SELECT clock_timestamp()")[0]

    assert len(road.published()) == 40
    assert gone(road) == {n for n in range(1, 41) if n % 4 == 2 or (n % 4 == 1 and n > 5)}
    assert all(before <= mark <= after for mark in marks(road).values() if mark)
    assert counts(road) == dict.fromkeys(DAYS[:4:3], (10, 10, 0)) | {
        DAYS[1]: (10, 2, 0),
        DAYS[2]: (10, 0, 0),
    }
    assert road.reconcile(repair=False).is_equal

    since = marks(road)
    road.load(DAYS[:4])
    assert marks(road) == since, "the moment is that of the first load that found the row gone"


def test_r4_the_mark_goes_when_the_row_returns_whatever_brings_it(pave: Paved) -> None:
    road = pave(kept_table(), CREATE, FILL)
    road.load(DAYS[:4])
    road.sql("DELETE FROM things WHERE id % 4 = 1")
    road.load(DAYS[1:2])
    assert len(gone(road)) == 10
    road.sql("INSERT INTO things VALUES (1, 'v1', '2024-01-02 05:00Z', '2024-01-01Z')")
    road.load(DAYS[1:2])
    assert 1 not in gone(road)
    road.sync()
    road.sql("INSERT INTO things VALUES (5, 'again', '2024-01-02 05:00Z', now())")
    road.sync()
    assert 5 not in gone(road)
    road.sql("INSERT INTO things VALUES (9, 'v9', '2024-01-02 05:00Z', '2024-01-01Z')")
    road.sync()
    assert 9 in gone(road), "its cursor is old: no sync reads it"
    assert road.reconcile().is_equal
    assert gone(road) == {n for n in range(10, 41) if n % 4 == 1}
    assert len(road.published()) == 40


def test_r4_a_row_that_the_source_still_has_follows_it(pave: Paved) -> None:
    """Moved to another day, outside all days, without a day, set aside for a rule: all are gone
    from their day, and none is kept on it."""
    road = pave(kept_table(), CREATE, FILL)
    road.load(DAYS[:4])
    road.sql(
        "UPDATE things SET created_at = '2024-01-03Z' WHERE id = 1",
        "UPDATE things SET created_at = '2023-12-31Z' WHERE id = 5",
        "UPDATE things SET created_at = NULL WHERE id = 9",
        "UPDATE things SET v = 'bad' WHERE id = 13",
        "DELETE FROM things WHERE id = 17",
    )
    road.load(DAYS[1:2])
    assert {row[0] for row in road.published()} == set(range(1, 41)) - {1, 5, 9, 13}
    assert gone(road) == {17}
    assert counts(road)[DAYS[1]] == (6, 6, 1)
    road.load(DAYS[2:3])
    assert len(road.published()) == 37
    assert road.reconcile().is_equal
    assert gone(road) == {17}


def test_r4_without_a_mark_the_rows_stay_all_the_same(pave: Paved) -> None:
    road = pave(kept_table(mark=False), CREATE, FILL)
    road.load(DAYS[:4])
    road.sql("DELETE FROM things WHERE id > 1")
    before = road.published()
    days = loaded(road, *DAYS[:4])
    assert [day.gone.keys.rows for day in days if day.gone] == [10, 9, 10, 10]
    road.load(DAYS[:4])
    assert road.published() == before
    assert road.reconcile().is_equal


def test_r4_keys_with_nulls_and_keys_that_repeat(pave: Paved) -> None:
    table = cased(
        {"id": pl.Int64, "part": pl.String, "gone_at": UTC_MOMENT},
        {"id": {"nullable": False}},
        key=("id", "part"),
        deletes=Deletes.KEEP,
        kept_column="gone_at",
    )
    road = pave(
        table,
        "CREATE TABLE things (id bigint, part text, created_at timestamptz, "
        "updated_at timestamptz)",
        "INSERT INTO things SELECT n, nullif('p' || n % 2, 'p0'), '2024-01-01Z', '2024-01-01Z' "
        "FROM generate_series(1, 6) n",
    )
    road.load(DAYS[:1])
    road.sql(
        "DELETE FROM things WHERE id IN (1, 2)",
        "INSERT INTO things SELECT * FROM things WHERE id IN (3, 4)",
    )
    road.load(DAYS[:1])
    assert [row[:2] for row in road.published()] == [(1, "p1"), (2, None), (5, "p1"), (6, None)]
    assert gone(road) == {1, 2}
    assert counts(road)[DAYS[0]] == (4, 6, 4)
    assert road.reconcile(repair=False).is_equal


def test_r4_a_table_without_days_keeps_its_rows_and_is_not_published_again_for_nothing(
    pave: Paved,
) -> None:
    road = pave(kept_table(partition_column=None), CREATE, FILL)
    road.load()
    road.sql("DELETE FROM things WHERE id > 3")
    road.load()
    assert (len(road.published()), len(gone(road))) == (40, 37)
    (before,) = road.warehouse.state(road.table)
    road.load()
    (after,) = road.warehouse.state(road.table)
    assert (before.load_id, before.row_count) == (after.load_id, 40)
    assert road.reconcile(repair=False).is_equal


def test_l5_rows_that_come_while_a_load_looks_which_stay_are_not_lost(pave: Paved) -> None:
    """A sync publishes a row after the load has looked, and the row is gone from the source."""
    road = pave(kept_table(), CREATE, FILL)
    road.sync()
    road.sql("INSERT INTO things VALUES (101, 'late', '2024-01-02 07:00Z', now())")
    road.sql("DELETE FROM things WHERE id = 1")
    days = loaded(road, DAYS[1])
    assert road.warehouse.table_state(road.table)
    road.sync()
    with pytest.raises(StalePublication, match="had looked which rows of it stay"):
        publish_days(road.warehouse, road.table, [_as_if_newer(day) for day in days], "load")
    road.sql("DELETE FROM things WHERE id = 101")
    road.load(DAYS[1:2])
    assert {row[0] for row in road.published()} == {*range(1, 41), 101}
    assert gone(road) == {1, 101}


def _as_if_newer(day: LoadedDay) -> LoadedDay:
    """The day as if its snapshot were younger than any sync's."""
    return replace(day, as_of=day.as_of + timedelta(hours=1))
