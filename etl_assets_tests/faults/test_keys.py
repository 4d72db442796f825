"""Keys that are NULL in part or whole (R1), and keys that stand more than once (R9)."""

from typing import Any

import polars as pl
import pytest

from etl_assets.core.policies import Thresholds
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, cased

DEVICE: dict[str, Any] = {"id": pl.Int64, "device": pl.String}
REQUIRED = {"id": {"nullable": False}}
WITH_DEVICE = (
    "CREATE TABLE things (id bigint NOT NULL, device text, created_at timestamptz NOT NULL, "
    "updated_at timestamptz NOT NULL, UNIQUE NULLS NOT DISTINCT (id, device))"
)
LOOSE = (
    "CREATE TABLE things (id bigint, created_at timestamptz NOT NULL, "
    "updated_at timestamptz NOT NULL)"
)
TOUCH = "UPDATE things SET updated_at = now()"

# The road is one for all warehouses: on DuckDB the default run has all of it, on others a share.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


@pytest.mark.thorough_but("duckdb")
@pytest.mark.share
def test_r1_a_row_with_a_null_in_its_key_stays_one_row(pave: Paved) -> None:
    """The case null_key.sql."""
    road = pave(
        cased(DEVICE, REQUIRED, key=("id", "device")),
        WITH_DEVICE,
        "INSERT INTO things VALUES (1, NULL, '2024-01-05Z', '2024-01-05Z')",
    )
    road.sync()
    for _ in range(2):
        road.sql(TOUCH)
        road.sync()
    assert [row[:2] for row in road.published()] == [(1, None)]
    assert road.reconcile().is_equal
    assert [row[:2] for row in road.published()] == [(1, None)]
    road.assert_settled()


def test_r1_a_null_in_a_key_moves_vanishes_and_is_no_empty_text(pave: Paved) -> None:
    road = pave(
        cased(DEVICE, REQUIRED, key=("id", "device")),
        WITH_DEVICE,
        "INSERT INTO things SELECT n, d, '2024-01-05Z', '2024-01-05Z' "
        "FROM generate_series(1, 3) n, (VALUES (NULL), (''), ('null')) AS v (d)",
    )
    road.sync()
    assert len(road.published()) == 9
    road.sql(
        "UPDATE things SET created_at = '2024-01-06Z', updated_at = now() "
        "WHERE id = 1 AND device IS NULL",
        "DELETE FROM things WHERE id = 2 AND device IS NULL",
        "UPDATE things SET device = 'x', updated_at = now() WHERE id = 3 AND device IS NULL",
    )
    road.sync()
    road.reconcile()
    keys = {row[:2]: row[2].day for row in road.published()}
    assert len(keys) == 8
    assert keys[1, None] == 6
    assert (2, None) not in keys
    assert (3, None) not in keys
    road.assert_settled()


def test_r1_a_null_and_the_text_none_are_two_rows_in_quarantine(pave: Paved) -> None:
    dtypes = {**DEVICE, "v": pl.Int64}
    road = pave(
        cased(dtypes, {**REQUIRED, "v": {"ge": 0}}, key=("id", "device")),
        "CREATE TABLE things (id bigint, device text, v bigint, created_at timestamptz, "
        "updated_at timestamptz, UNIQUE NULLS NOT DISTINCT (id, device))",
        "INSERT INTO things SELECT 1, d, -1, '2024-01-05Z', '2024-01-05Z' "
        "FROM (VALUES (NULL), ('None')) AS v (d)",
    )
    road.sync()
    assert len(road.quarantined()) == 2
    road.sql("UPDATE things SET v = 1, updated_at = now() WHERE device IS NULL")
    road.sync()
    assert [row[:2] for row in road.published()] == [(1, None)]
    assert len(road.quarantined()) == 1, "the other row is still bad"
    road.assert_settled()


@pytest.mark.thorough
def test_r1_two_rows_of_one_key_with_a_null_are_both_set_aside(pave: Paved) -> None:
    road = pave(
        cased(DEVICE, REQUIRED, key=("id", "device")),
        "CREATE TABLE things (id bigint, device text, created_at timestamptz, "
        "updated_at timestamptz, UNIQUE (id, device))",
        "INSERT INTO things VALUES (1, NULL, '2024-01-05Z', '2024-01-05Z'), "
        "(1, NULL, '2024-01-05 12:00Z', '2024-01-05Z'), (2, NULL, '2024-01-05Z', '2024-01-05Z')",
    )
    road.sync()
    for _ in range(2):
        assert [row[:2] for row in road.published()] == [(2, None)]
        assert road.rules() == ["unique_key", "unique_key"]
        assert road.reconcile().is_equal
    road.assert_settled()


@pytest.mark.timeout(300)
def test_r1_a_row_without_its_key_in_a_refused_day_does_not_keep_a_sync_going(pave: Paved) -> None:
    """The case null_key_hang.sql: with the default thresholds the day is refused."""
    table = cased({"id": pl.Int64}, REQUIRED, thresholds=Thresholds())
    road = pave(table, LOOSE, "INSERT INTO things VALUES (NULL, '2024-01-05Z', '2024-01-05Z')")
    (chunk,) = road.sync()
    assert [day.day for day in chunk.outcome.refused] == [DAYS[4]]
    state = road.warehouse.table_state(table)
    assert state is not None
    assert set(state.reload_reasons) == {DAYS[4]}
    road.sql(TOUCH)
    road.sync()
    assert road.published() == []


@pytest.mark.timeout(300)
def test_r1_an_unreadable_key_in_a_refused_day_does_not_either(pave: Paved) -> None:
    table = cased({"id": pl.Decimal(9, 0)}, REQUIRED, thresholds=Thresholds())
    road = pave(
        table,
        "CREATE TABLE things (id numeric, created_at timestamptz, updated_at timestamptz)",
        "INSERT INTO things VALUES ('NaN', '2024-01-05Z', '2024-01-05Z'), "
        "(1, '2024-01-06Z', '2024-01-06Z')",
    )
    (chunk,) = road.sync()
    assert [day.day for day in chunk.outcome.refused] == [DAYS[4]]
    assert [row[0] for row in road.published()] == [1]


def test_r1_a_row_without_its_key_stays_in_quarantine(pave: Paved) -> None:
    """The case null_key_quarantine_lost.sql."""
    road = pave(
        cased({"id": pl.Int64}, REQUIRED),
        LOOSE,
        "INSERT INTO things VALUES (1, '2024-01-05Z', '2024-01-05Z'), "
        "(NULL, '2024-01-05Z', '2024-01-05Z')",
    )
    road.sync()
    before = road.quarantined()
    assert [rule for _, rule, _ in before] == ["id: not_null"]
    for _ in range(2):
        assert road.reconcile().is_equal
        assert road.quarantined() == before
    road.sql(TOUCH)
    road.sync()
    assert road.rules() == ["id: not_null"]
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_r9_a_key_that_stands_in_two_days_is_published_on_neither(pave: Paved) -> None:
    """The case key_in_two_days.sql."""
    road = pave(
        cased({"id": pl.Int64}, REQUIRED),
        LOOSE,
        "INSERT INTO things VALUES (1, '2024-01-05Z', '2024-01-05Z'), "
        "(1, '2024-01-06Z', '2024-01-06Z'), (2, '2024-01-06Z', '2024-01-06Z')",
    )
    road.sync()
    both = [(DAYS[4], "unique_key"), (DAYS[5], "unique_key")]
    assert [row[0] for row in road.published()] == [2]
    assert [(day, rule) for day, rule, _ in road.quarantined()] == both
    road.sql(TOUCH + " WHERE created_at = '2024-01-06Z'")
    road.sync()
    assert [row[0] for row in road.published()] == [2]
    assert [(day, rule) for day, rule, _ in road.quarantined()] == both
    road.assert_settled()

    road.sql("DELETE FROM things WHERE id = 1 AND created_at = '2024-01-05Z'")
    assert not road.reconcile(repair=False).is_equal
    repaired = road.reconcile()
    assert repaired.is_equal
    assert [row[0] for row in road.published()] == [1, 2]
    assert road.quarantined() == []
    road.assert_settled()


def test_r9_a_key_that_comes_a_second_time_takes_the_first_one_out(pave: Paved) -> None:
    road = pave(
        cased({"id": pl.Int64}, REQUIRED),
        LOOSE,
        "INSERT INTO things SELECT n, '2024-01-05Z', '2024-01-05Z' FROM generate_series(1, 4) n",
    )
    road.sync()
    road.sql("INSERT INTO things VALUES (1, '2024-01-07Z', now()), (2, '2024-01-05Z', now())")
    road.sync()
    assert [row[0] for row in road.published()] == [3, 4]
    assert [day.day for day, _, _ in road.quarantined()] == [5, 5, 5, 7]
    road.assert_settled()


def test_r9_a_key_that_comes_a_second_time_behind_the_cursor_is_found(pave: Paved) -> None:
    road = pave(
        cased({"id": pl.Int64}, REQUIRED),
        LOOSE,
        "INSERT INTO things SELECT n, '2024-01-05Z', '2024-01-05Z' FROM generate_series(1, 4) n",
    )
    road.sync()
    road.sql("INSERT INTO things VALUES (1, '2024-01-08Z', '2023-01-01Z')")
    assert not road.reconcile(repair=False).is_equal
    assert road.reconcile().is_equal
    assert [row[0] for row in road.published()] == [2, 3, 4]
    assert road.rules() == ["unique_key"] * 2
    road.assert_settled()


def test_r9_a_backfill_of_one_day_knows_the_keys_of_the_others(pave: Paved) -> None:
    road = pave(
        cased({"id": pl.Int64}, REQUIRED),
        LOOSE,
        "INSERT INTO things VALUES (1, '2024-01-05Z', '2024-01-05Z'), "
        "(1, '2024-01-06Z', '2024-01-06Z'), (2, '2024-01-06Z', '2024-01-06Z')",
    )
    road.load([DAYS[5]])
    assert [row[0] for row in road.published()] == [2]
    assert [(day.day, rule) for day, rule, _ in road.quarantined()] == [(6, "unique_key")]


def test_r9_a_key_before_the_platforms_first_day_repeats_nothing(pave: Paved) -> None:
    road = pave(
        cased({"id": pl.Int64}, REQUIRED),
        LOOSE,
        "INSERT INTO things VALUES (1, '2023-12-05Z', '2024-01-05Z'), "
        "(1, '2024-01-06Z', '2024-01-06Z')",
    )
    road.sync()
    assert [row[0] for row in road.published()] == [1]
    road.assert_settled()


def test_r9_a_table_without_days_has_every_key_once(pave: Paved) -> None:
    road = pave(
        cased({"id": pl.Int64}, REQUIRED, partition_column=None),
        LOOSE,
        "INSERT INTO things VALUES (1, '2024-01-05Z', '2024-01-05Z'), "
        "(1, '2024-01-06Z', '2024-01-06Z'), (2, '2024-01-06Z', '2024-01-06Z')",
    )
    road.sync()
    assert [row[0] for row in road.published()] == [2]
    assert road.rules() == ["unique_key"] * 2
    road.sql("UPDATE things SET id = 3, updated_at = now() WHERE created_at = '2024-01-05Z'")
    road.sync()
    assert road.reconcile().is_equal
    assert [row[0] for row in road.published()] == [1, 2, 3]
    road.assert_settled()
