"""What no cursor tells: deleted rows and changed keys (C7); and rows that change their day (C8)."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest

from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.pipeline.reconcile import MassDelete
from etl_assets_tests.sync.shelf import Shelf, put


def tombstones(shelf: Shelf) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(shelf.folder / "w.duckdb"), read_only=True) as connection:
        return connection.execute(
            "SELECT row_key, partition_key, payload FROM etl.etl_tombstones ORDER BY ALL"
        ).fetchall()


@pytest.mark.parametrize("policy", [Deletes.REMOVE, Deletes.TOMBSTONE])
def test_c7_deleted_rows_and_changed_keys_leave_by_reconciliation_and_a_tombstone_stays(
    shelf: Shelf, policy: Deletes
) -> None:
    shelf = replace(shelf, table=replace(shelf.table, deletes=policy))
    put(shelf, 9)
    shelf.sync()
    shelf.sql(
        "UPDATE shelf SET v = 'last', updated_at = now() WHERE id = 4",
        "DELETE FROM shelf WHERE id = 5",
    )
    shelf.sync()
    shelf.sql("DELETE FROM shelf WHERE id = 4", "UPDATE shelf SET id = 16 WHERE id = 6")
    shelf.sync()
    assert [row[0] for row in shelf.published()] == [1, 2, 3, 4, 5, 6, 7, 8, 9]

    found = shelf.reconcile(confirmed=False)
    assert found.differences.extra["id"].sort().to_list() == [4, 5, 6]
    assert found.differences.missing["id"].to_list() == [16]
    assert found.repair is not None
    assert found.repair.outcome.removed == 3
    assert shelf.published() == shelf.wanted()
    kept = tombstones(shelf)
    if policy is Deletes.REMOVE:
        assert kept == []
        return
    assert [stone[:2] for stone in kept] == [
        ("id=4", date(2024, 5, 1)),
        ("id=5", date(2024, 5, 2)),
        ("id=6", date(2024, 5, 3)),
    ]
    last = json.loads(kept[0][2])
    assert (last["id"], last["v"], last["amount"]) == (4, "last", "4.00")
    assert shelf.reconcile().is_equal
    assert tombstones(shelf) == kept


def test_c7_of_a_table_without_days_each_deleted_row_has_a_tombstone(shelf: Shelf) -> None:
    whole = replace(shelf.table, partition_column=None, deletes=Deletes.TOMBSTONE, versions=None)
    shelf = replace(shelf, table=whole)
    put(shelf, 5)
    shelf.sync()
    shelf.sql("DELETE FROM shelf WHERE id < 4")
    assert shelf.reconcile().repair is not None
    assert [stone[:2] for stone in tombstones(shelf)] == [
        (f"id={key}", date(1, 1, 1)) for key in (1, 2, 3)
    ]


def test_c7_a_row_that_comes_back_is_published_again_beside_its_tombstone(shelf: Shelf) -> None:
    shelf = replace(shelf, table=replace(shelf.table, deletes=Deletes.TOMBSTONE))
    put(shelf, 3)
    shelf.sync()
    shelf.sql("DELETE FROM shelf WHERE id = 2")
    shelf.reconcile()
    put(shelf, 1, first=2)
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 3
    assert [stone[0] for stone in tombstones(shelf)] == ["id=2"]


def test_c7_a_mass_delete_is_refused_until_it_is_confirmed(shelf: Shelf) -> None:
    strict = replace(shelf.table.thresholds, max_deleted_share=Thresholds().max_deleted_share)
    at_once = replace(shelf.policy, chunk_rows=100)
    shelf = replace(shelf, table=replace(shelf.table, thresholds=strict), policy=at_once)
    put(shelf, 40)
    shelf.sync()
    before = shelf.published()
    shelf.sql("DELETE FROM shelf WHERE id <= 11", "UPDATE shelf SET v = 'x' WHERE id = 40")
    found = shelf.reconcile(confirmed=False)
    refusal = found.repair.mass_delete if found.repair else None
    assert isinstance(refusal, MassDelete)
    assert "11 of 40 rows of raw/shelf are gone from the source" in refusal.what
    assert "--repair --confirm-deletes" in refusal.next_step
    assert not found.is_equal
    # All else is repaired.
    assert shelf.published()[:39] == before[:39]
    assert shelf.published()[39] == shelf.wanted()[-1]

    shelf.reconcile(confirmed=True)
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 29


def test_c8_a_row_that_changes_its_day_leaves_the_old_one_and_both_are_touched(
    shelf: Shelf,
) -> None:
    put(shelf, 9)
    shelf.sync()
    shelf.sql(
        "UPDATE shelf SET created_at = '2024-05-02 23:00Z', updated_at = now() WHERE id = 1",
        "UPDATE shelf SET created_at = '2024-04-30Z', updated_at = now() WHERE id = 3",
        "UPDATE shelf SET created_at = NULL, updated_at = now() WHERE id = 6",
    )
    (chunk,) = shelf.sync()
    days = {day.day: day.rows for day in chunk.outcome.days}
    assert days == {date(2024, 5, 1): 2, date(2024, 5, 2): 4, date(2024, 5, 3): 1}
    assert (chunk.outcome.changed, chunk.outcome.outside, chunk.outcome.removed) == (1, 2, 2)
    assert shelf.published() == shelf.wanted()
    states = {s.partition_key: (s.row_count, s.load_id) for s in shelf.warehouse.state(shelf.table)}
    (load_id,) = {load_id for _, load_id in states.values()}
    assert states == {day: (rows, load_id) for day, rows in days.items()}

    shelf.sql("UPDATE shelf SET created_at = '2024-05-03Z', updated_at = now() WHERE id IN (3, 6)")
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert len(shelf.published()) == 9
