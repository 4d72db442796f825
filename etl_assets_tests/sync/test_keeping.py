"""Versions of rows: each one that was seen is kept once, whatever brings it."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from etl_assets_tests.sync.dying import Killed, dying
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf, put


def versions(shelf: Shelf) -> list[tuple[Any, ...]]:
    """Key, day and value of each version, by key and moment."""
    assert shelf.table.versions is not None
    kept = sorted(shelf.published(shelf.table.versions), key=lambda row: row[:1] + row[2:3])
    keys = [(row[0], row[2]) for row in kept]
    assert len(set(keys)) == len(keys), "a version is there twice"
    return [(row[0], row[1].day, row[3]) for row in kept]


def change(shelf: Shelf, v: str, key: int = 1) -> None:
    shelf.sql(f"UPDATE shelf SET v = '{v}', updated_at = clock_timestamp() WHERE id = {key}")


def test_versions_are_kept_through_syncs_moves_reloads_repairs_and_deletes(shelf: Shelf) -> None:
    put(shelf, 3)
    shelf.sync()
    change(shelf, "second")
    shelf.sync()
    shelf.sql("UPDATE shelf SET created_at = '2024-05-02Z', updated_at = now() WHERE id = 1")
    shelf.sync()
    seen = [(1, 1, "v1"), (1, 1, "second"), (1, 2, "second"), (2, 2, "v2"), (3, 3, "v3")]
    assert versions(shelf) == seen

    shelf.reload(FIRST_DAY, FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2))
    assert versions(shelf) == seen
    change(shelf, "of a reload", key=3)
    shelf.reload(FIRST_DAY + timedelta(days=2))
    seen.append((3, 3, "of a reload"))
    assert versions(shelf) == seen
    shelf.sync()
    assert versions(shelf) == seen, "what a reload has brought was appended again"

    shelf.sql("UPDATE shelf SET updated_at = updated_at - interval '1 h', v = 'late' WHERE id = 2")
    shelf.sql("DELETE FROM shelf WHERE id = 3")
    assert shelf.reconcile().repair is not None
    assert shelf.published() == shelf.wanted()
    assert versions(shelf) == [*seen[:3], (2, 2, "late"), *seen[3:]]
    assert shelf.table.versions is not None
    states = shelf.warehouse.state(shelf.table.versions)
    assert sum(state.row_count for state in states) == 7


def test_a_version_that_is_read_again_after_a_crash_is_kept_once(shelf: Shelf) -> None:
    put(shelf, 9)
    shelf.sync()
    for key in range(1, 10):
        change(shelf, "new", key)
    for committed in (False, True):
        with dying(shelf, 0, committed=committed), suppress(Killed):
            shelf.sync()
        assert len(versions(shelf)) == 9 + 7 * committed
    shelf.sync()
    assert len(versions(shelf)) == 18


@pytest.mark.thorough
def test_a_row_that_no_cursor_places_has_no_version_and_one_that_changes_silently_no_new_one(
    shelf: Shelf,
) -> None:
    put(shelf, 1)
    put(shelf, 1, first=2, stamp="NULL")
    shelf.sync()
    assert versions(shelf) == [(1, 1, "v1")]
    shelf.sql("UPDATE shelf SET v = 'silent'")
    shelf.sync()
    shelf.reconcile()
    assert shelf.published() == shelf.wanted()
    assert versions(shelf) == [(1, 1, "v1")]
