"""Rows shown in part (R2), taken for deleted (R4), and wrong behind the cursor's back (R5)."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl_assets.core.policies import Deletes, Thresholds
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, Road, cased

VALUED: dict[str, Any] = {"id": pl.Int64, "v": pl.String}
REQUIRED = {"id": {"nullable": False}, "v": {"nullable": False}}
WITH_VALUE = (
    "CREATE TABLE things (id bigint PRIMARY KEY, v text, created_at timestamptz NOT NULL, "
    "updated_at timestamptz NOT NULL)"
)
BARE = (
    "CREATE TABLE things (id bigint PRIMARY KEY, created_at timestamptz NOT NULL, "
    "updated_at timestamptz NOT NULL)"
)


def _waiting(road: Road) -> set[Any]:
    state = road.warehouse.table_state(road.table)
    return set(state.reload_reasons) if state else set()


# The road is one for all warehouses: on DuckDB the default run has all of it, on others a share.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


@pytest.mark.thorough_but("duckdb")
@pytest.mark.share
def test_r2_a_day_that_was_refused_is_not_published_by_a_change_of_it(pave: Paved) -> None:
    """The case owed_day_in_part.sql: one bad row of fifty."""
    road = pave(
        cased(VALUED, REQUIRED, thresholds=Thresholds()),
        WITH_VALUE,
        "INSERT INTO things SELECT n, CASE WHEN n > 1 THEN 'good' END, '2024-01-05Z', "
        "'2024-01-05Z' FROM generate_series(1, 50) n",
    )
    road.sync()
    assert (road.published(), _waiting(road)) == ([], {DAYS[4]})
    road.sql("UPDATE things SET updated_at = now() WHERE id = 2")
    road.sync()
    assert (road.published(), _waiting(road)) == ([], {DAYS[4]})
    assert road.warehouse.state(road.table) == []
    road.sql("UPDATE things SET v = 'good' WHERE id = 1")
    road.sync()
    assert (len(road.published()), _waiting(road)) == (50, set())
    road.assert_settled()


def test_r2_a_published_day_that_is_refused_stays_as_it_was(pave: Paved) -> None:
    """Twenty bad rows of a thousand, then good changes of the same day and of another."""
    road = pave(
        cased(VALUED, REQUIRED, thresholds=Thresholds()),
        WITH_VALUE,
        "INSERT INTO things SELECT n, 'good', '2024-01-05Z'::timestamptz + n % 2 * interval "
        "'1 day', '2024-01-05Z' FROM generate_series(1, 1000) n",
    )
    road.sync()
    before = road.published()
    road.sql("UPDATE things SET v = NULL, updated_at = now() WHERE id <= 40 AND id % 2 = 0")
    road.sync()
    road.sql(
        "UPDATE things SET v = 'new', updated_at = now() WHERE id IN (500, 501)",
        "INSERT INTO things VALUES (2000, 'new', '2024-01-05Z', now())",
    )
    road.sync()
    changed = [new for old, new in zip(before, road.published(), strict=True) if old != new]
    assert [row[0] for row in changed] == [501]
    assert _waiting(road) == {DAYS[4]}
    road.sql("UPDATE things SET v = 'good' WHERE v IS NULL")
    road.sync()
    assert len(road.published()) == 1001
    road.assert_settled()


@pytest.mark.thorough
def test_r2_a_row_that_leaves_a_refused_day_waits_with_it(pave: Paved) -> None:
    road = pave(
        cased(VALUED, REQUIRED, thresholds=Thresholds()),
        WITH_VALUE,
        "INSERT INTO things SELECT n, CASE WHEN n > 1 THEN 'good' END, '2024-01-05Z', "
        "'2024-01-05Z' FROM generate_series(1, 50) n",
    )
    road.sync()
    road.sql("UPDATE things SET created_at = '2024-01-06Z', updated_at = now() WHERE id = 2")
    road.sync()
    road.sql("UPDATE things SET v = 'good', updated_at = now() WHERE id = 1")
    road.sync()
    assert len(road.published()) == 50
    road.assert_settled()


def test_r4_a_day_that_vanishes_whole_is_not_removed_unconfirmed(pave: Paved) -> None:
    """The case pruned_source.sql: a day a night, each of them below the share."""
    road = pave(
        cased({"id": pl.Int64}, deletes=Deletes.TOMBSTONE, thresholds=Thresholds()),
        BARE,
        "INSERT INTO things SELECT n, timestamptz '2024-01-01Z' + n % 10 * interval '1 day', "
        "'2024-01-01Z' FROM generate_series(1, 100) n",
    )
    road.sync()
    for night in (2, 3):
        road.sql(f"DELETE FROM things WHERE created_at < '2024-01-0{night}Z'")
        found = road.reconcile()
        assert found.repair is not None
        assert "vanished from the source" in str(found.repair.mass_delete)
        assert "2024-01-01" in str(found.repair.mass_delete)
        assert "--confirm-deletes" in str(found.repair.mass_delete)
        assert not found.is_equal
        assert len(road.published()) == 100
    road.sql("DELETE FROM things WHERE id = 5")
    assert len(road.published()) == 100, "while days are missing nothing is removed unconfirmed"
    assert road.reconcile(confirmed=True).is_equal
    assert len(road.published()) == 79
    road.assert_settled()


def test_r4_deletes_keep_is_equal_to_a_source_that_prunes(pave: Paved) -> None:
    road = pave(
        cased({"id": pl.Int64}, deletes=Deletes.KEEP, thresholds=Thresholds()),
        BARE,
        "INSERT INTO things SELECT n, timestamptz '2024-01-01Z' + n % 10 * interval '1 day', "
        "'2024-01-01Z' FROM generate_series(1, 100) n",
    )
    road.sync()
    road.sql("DELETE FROM things WHERE created_at < '2024-01-03Z' OR id = 55")
    found = road.reconcile(confirmed=True)
    assert (found.is_equal, found.differences.count) == (True, 0)
    assert len(road.published()) == 100


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_r4_a_partition_that_is_detached_and_attached_again_comes_back(pave: Paved) -> None:
    """The case detached_partition.sql: confirmed away, then attached again with old cursors."""
    road = pave(
        cased({"id": pl.Int64}, thresholds=Thresholds()),
        "CREATE TABLE things (id bigint NOT NULL, created_at timestamptz NOT NULL, updated_at "
        "timestamptz NOT NULL, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)",
        *(
            f"CREATE TABLE d{n} PARTITION OF things FOR VALUES FROM ('{DAYS[n]}Z') "
            f"TO ('{DAYS[n + 1]}Z')"
            for n in range(10)
        ),
        "INSERT INTO things SELECT n, timestamptz '2024-01-01Z' + n % 10 * interval '1 day', "
        "timestamptz '2024-01-01Z' + n % 10 * interval '1 day' FROM generate_series(1, 1000) n",
    )
    road.sync()
    road.sql("ALTER TABLE things DETACH PARTITION d3")
    road.reconcile()
    assert len(road.published()) == 1000
    road.reconcile(confirmed=True)
    assert len(road.published()) == 900
    road.sql(
        f"ALTER TABLE things ATTACH PARTITION d3 FOR VALUES FROM ('{DAYS[3]}Z') TO ('{DAYS[4]}Z')"
    )
    assert road.reconcile().is_equal
    assert len(road.published()) == 1000
    road.assert_settled()


BEHIND = (
    "CREATE TABLE things (tenant text NOT NULL, id bigint NOT NULL, n int, amount numeric, v text, "
    "created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (tenant, id))"
)
HISTORY: dict[str, Any] = {
    "tenant": pl.String,
    "id": pl.Int64,
    "n": pl.Int32,
    "amount": pl.Decimal(18, 4),
    "v": pl.String,
}


def _history(pave: Paved) -> Road:
    options = {"tenant": {"nullable": False}, "id": {"nullable": False}, "n": {"ge": 0}}
    road = pave(
        cased(HISTORY, options, key=("tenant", "id")),
        BEHIND,
        "INSERT INTO things SELECT 'a', g, 1, 1.5, 'x', '2024-01-05 10:00Z', '2024-01-05Z' "
        "FROM generate_series(1, 200) g",
    )
    road.sync()
    return road


def test_r5_rows_that_come_behind_the_cursor_are_published_or_set_aside(pave: Paved) -> None:
    """The case unreadable_behind_cursor.sql."""
    road = _history(pave)
    road.sql(
        "INSERT INTO things SELECT 'a', g, n, a::numeric, 'x', '2024-01-05 10:00Z', '2024-01-04Z' "
        "FROM (VALUES (901, 1, 'NaN'), (902, -1, '1'), (903, 1, '1')) AS rows (g, n, a)"
    )
    assert not road.reconcile(repair=False).is_equal
    assert road.reconcile().is_equal
    assert len(road.published()) == 201
    assert len(road.quarantined()) == 2
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_r5_quarantine_follows_rows_that_change_or_go_behind_the_cursor(pave: Paved) -> None:
    road = _history(pave)
    road.sql(
        "UPDATE things SET n = -id, updated_at = now() WHERE id <= 4",
        "UPDATE things SET amount = 'NaN', updated_at = now() WHERE id IN (5, 6, 7)",
    )
    road.sync()
    assert len(road.quarantined()) == 7
    road.assert_settled()
    road.sql(
        "UPDATE things SET n = -100 WHERE id = 1",
        "DELETE FROM things WHERE id IN (2, 5)",
        "UPDATE things SET n = 0 WHERE id = 3",
        "UPDATE things SET v = 'other' WHERE id = 6",
        "UPDATE things SET created_at = '2024-01-06Z' WHERE id IN (4, 7)",
    )
    assert not road.reconcile(repair=False).is_equal
    assert road.reconcile().is_equal
    assert len(road.quarantined()) == 4
    road.assert_settled()


@pytest.mark.thorough
def test_r5_a_row_that_no_dtype_holds_is_found_in_a_table_without_days(pave: Paved) -> None:
    table = cased({"id": pl.Int64, "amount": pl.Decimal(18, 4)}, partition_column=None)
    road = pave(
        replace(table, thresholds=replace(table.thresholds, max_bad_share=1.0)),
        "CREATE TABLE things (id bigint PRIMARY KEY, amount numeric, created_at timestamptz NOT "
        "NULL, updated_at timestamptz NOT NULL)",
        "INSERT INTO things SELECT n, n, '2024-01-05Z', '2024-01-05Z' FROM generate_series(1, 9) n",
    )
    road.sync()
    road.sql(
        "INSERT INTO things VALUES (10, 'Infinity', '2024-01-05Z', '2024-01-04Z')",
        "UPDATE things SET amount = 'NaN' WHERE id = 3",
    )
    assert not road.reconcile(repair=False).is_equal
    assert road.reconcile().is_equal
    assert (len(road.published()), len(road.quarantined())) == (8, 2)
    road.assert_settled()


def test_r5_a_table_without_days_that_was_repaired_is_loaded_again_although_it_is_as_before(
    pave: Paved,
) -> None:
    """A load is skipped only where what is published is what was loaded last."""
    road = pave(
        replace(cased({"id": pl.Int64}, partition_column=None), cursor_column=None, versions=None),
        BARE,
        "INSERT INTO things VALUES (1, '2024-01-05Z', '2024-01-05Z'), (2, '2024-01-05Z', "
        "'2024-01-05Z')",
    )
    road.load()
    road.sql("DELETE FROM things WHERE id = 2")
    road.reconcile()
    assert [row[0] for row in road.published()] == [1]
    road.sql("INSERT INTO things VALUES (2, '2024-01-05Z', '2024-01-05Z')")
    road.load()
    assert [row[0] for row in road.published()] == [1, 2]
    road.assert_settled()
