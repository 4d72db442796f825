"""Reconciliation: it finds exactly the keys that differ, and repairs their days and no others."""

import json
import random
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from etl_assets.core.errors import EtlError
from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.core.state import Happening
from etl_assets.pipeline import compare
from etl_assets_tests.source_tables import contract_of
from etl_assets_tests.sync.shelf import Shelf, put

Rows = dict[int, tuple[Any, ...]]


def both(shelf: Shelf) -> tuple[Rows, Rows]:
    """The source's rows and the published ones, by key."""
    return {row[0]: row for row in shelf.wanted()}, {row[0]: row for row in shelf.published()}


def loads(shelf: Shelf) -> dict[date, str]:
    return {state.partition_key: state.load_id for state in shelf.warehouse.state(shelf.table)}


def mess_up(shelf: Shelf, chance: random.Random) -> None:
    """Changes that no cursor tells of, on three of eight days."""
    ids = [n for n in range(1, 81) if (n - 1) % 8 in (1, 4, 6)]
    chance.shuffle(ids)
    gone, moved, other, null, renamed = ids[:3], ids[3:5], ids[5:8], ids[8:10], ids[10:12]
    shelf.sql(
        f"DELETE FROM shelf WHERE id = ANY(ARRAY{gone})",
        f"UPDATE shelf SET created_at = '2024-05-05 23:59:59.999999Z' WHERE id = ANY(ARRAY{moved})",
        f"UPDATE shelf SET v = v || ' ' WHERE id = ANY(ARRAY{other})",
        f"UPDATE shelf SET amount = NULL WHERE id = ANY(ARRAY{null})",
        f"UPDATE shelf SET id = id + 1000 WHERE id = ANY(ARRAY{renamed})",
        "INSERT INTO shelf VALUES (500, '2024-05-02Z', '2020-01-01Z', 'old', 0)",
    )


@pytest.mark.thorough_but("3-True")
@pytest.mark.parametrize(("seed", "is_large"), [(1, False), (2, False), (3, True)])
def test_reconciliation_finds_exactly_the_keys_that_differ_and_repairs_only_their_days(
    shelf: Shelf, seed: int, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_large:  # parts are seen in smaller buckets
        for name, value in (("BUCKETS", 2), ("ROWS_A_BUCKET", 1), ("FEW_ROWS", 0)):
            monkeypatch.setattr(compare, name, value)
    shelf = replace(shelf, policy=replace(shelf.policy, chunk_rows=100))
    put(shelf, 80, days=8)
    shelf.sync()
    mess_up(shelf, random.Random(seed))
    theirs, ours = both(shelf)
    before = loads(shelf)

    found = shelf.reconcile(repair=False)
    differences = found.differences
    assert set(differences.missing["id"]) == theirs.keys() - ours.keys()
    assert set(differences.extra["id"]) == ours.keys() - theirs.keys()
    changed = {key for key in theirs.keys() & ours.keys() if theirs[key] != ours[key]}
    assert set(differences.changed["id"]) == changed
    assert differences.count == 15
    touched = {
        row[1].date()
        for key in theirs.keys() | ours.keys()
        if theirs.get(key) != ours.get(key)
        for row in (theirs.get(key), ours.get(key))
        if row
    }
    assert differences.days == touched
    assert not found.is_equal
    assert both(shelf) == (theirs, ours), "it only looked"
    assert loads(shelf) == before

    repaired = shelf.reconcile()
    assert repaired.is_equal
    assert shelf.published() == shelf.wanted()
    after = loads(shelf)
    assert {day for day in after if after[day] != before.get(day)} == touched
    assert len(after.keys() - touched) == 5
    assert shelf.reconcile(repair=False).differences.count == 0


def test_changes_that_the_next_sync_brings_are_no_differences(shelf: Shelf) -> None:
    put(shelf, 9)
    put(shelf, 1, first=10, stamp="NULL")
    shelf.sync()
    shelf.sql(
        "UPDATE shelf SET v = 'x', updated_at = now() WHERE id = 1",
        "UPDATE shelf SET created_at = '2024-05-03Z', updated_at = now() WHERE id = 2",
        "UPDATE shelf SET created_at = '2024-04-30Z', updated_at = now() WHERE id = 3",
        "UPDATE shelf SET v = 'x' WHERE id = 10",
        "INSERT INTO shelf VALUES (11, '2024-05-07Z', now(), 'new', 0)",
    )
    before = shelf.published()
    found = shelf.reconcile()
    assert (found.differences.count, found.is_equal, found.repair) == (0, True, None)
    assert found.differences.pending >= 5
    assert shelf.published() == before
    shelf.sync()
    assert shelf.published() == shelf.wanted()
    assert shelf.reconcile().differences.pending == 0


def test_what_is_equal_is_verified_up_to_the_watermark_while_changes_are_pending(
    shelf: Shelf,
) -> None:
    put(shelf, 9)
    shelf.sync()
    own = shelf.warehouse.table_state(shelf.table)
    assert own is not None
    shelf.sql("UPDATE shelf SET v = 'new', updated_at = now() WHERE id = 2")
    found = shelf.reconcile(repair=False)
    assert (found.is_equal, found.differences.pending) == (True, 1)
    assert found.verified_through == own.high_watermark


def test_what_is_equal_is_verified_up_to_the_comparison_and_what_is_not_is_not(
    shelf: Shelf,
) -> None:
    put(shelf, 9)
    shelf.sync()
    shelf.sql("UPDATE shelf SET v = 'silent' WHERE id = 2")
    (before,) = shelf.sql("SELECT clock_timestamp()")[0]
    found = shelf.reconcile(repair=False)
    (after,) = shelf.sql("SELECT clock_timestamp()")[0]
    assert before <= found.verified_through <= after
    states = shelf.warehouse.state(shelf.table)
    through = found.verified_through
    assert [state.verified_through for state in states] == [through, None, through]
    whole = shelf.warehouse.table_state(shelf.table)
    assert whole is not None
    assert whole.verified_through is None

    through = shelf.reconcile().verified_through
    states = shelf.warehouse.state(shelf.table)
    whole = shelf.warehouse.table_state(shelf.table)
    assert whole is not None
    assert {state.verified_through for state in [*states, whole]} == {through}
    entries = shelf.warehouse.history(shelf.table, Happening.RECONCILIATION)
    told = [json.loads(entry.payload) for entry in entries]
    assert [(one["repaired"], one["changed"], one["days"]) for one in told] == [
        (True, 1, ["2024-05-02"]),
        (False, 1, ["2024-05-02"]),
    ]

    shelf.sql("UPDATE shelf SET v = 'usual', updated_at = now() WHERE id = 1")
    shelf.sync()
    kept = [state.verified_through for state in shelf.warehouse.state(shelf.table)]
    assert kept == [through] * 3, "a sync takes nothing back of what was verified before it"


def test_rows_in_quarantine_are_no_differences(shelf: Shelf) -> None:
    dtypes = {column.name: column.dtype for column in shelf.table.columns}
    contract = contract_of(dtypes, {"v": {"str_startswith": "v"}})
    shelf = replace(shelf, table=replace(shelf.table, contract=contract, versions=None))
    put(shelf, 9)
    shelf.sql(
        "UPDATE shelf SET amount = 'NaN' WHERE id IN (1, 5)",
        "UPDATE shelf SET v = 'bad' WHERE id IN (2, 6)",
    )
    shelf.sync()
    assert [row[0] for row in shelf.published()] == [3, 4, 7, 8, 9]
    assert shelf.reconcile(repair=False).differences.count == 0
    shelf.sql(
        "UPDATE shelf SET amount = 1, updated_at = now() WHERE id = 1",
        "UPDATE shelf SET v = 'v', updated_at = now() WHERE id = 2",
        "UPDATE shelf SET created_at = '2024-04-30Z', updated_at = now() WHERE id = 6",
    )
    shelf.sync()
    assert [row[0] for row in shelf.published()] == [1, 2, 3, 4, 7, 8, 9]
    aside = shelf.warehouse.quarantined(shelf.table)["source_position"].to_list()
    assert aside == ["postgres:public.shelf id=5"]
    assert shelf.reconcile(repair=False).is_equal


def test_more_differences_than_can_be_told_are_refused_with_what_to_do(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = replace(shelf, policy=replace(shelf.policy, chunk_rows=100))
    put(shelf, 30)
    shelf.sync()
    shelf.sql("UPDATE shelf SET v = 'silent'")
    monkeypatch.setattr(compare, "MOST_ROWS", 12)
    with pytest.raises(EtlError) as refused:
        shelf.reconcile()
    assert "or more, too many to tell one by one, from " in refused.value.what
    assert refused.value.next_step == (
        "Load these days again: etl-assets backfill raw/shelf --from 2024-05-01 --to 2024-05-03."
    )
    shelf.reload(*loads(shelf))
    assert shelf.published() == shelf.wanted()
    assert shelf.reconcile().is_equal


@pytest.mark.thorough
@pytest.mark.parametrize("has_days", [True, False])
def test_rows_that_are_scattered_over_a_large_table_are_repaired_one_by_one(
    shelf: Shelf, has_days: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in each bucket: of all rows that share a bucket with one, there are too many to tell."""
    shelf = replace(shelf, policy=replace(shelf.policy, chunk_rows=50_000))
    if not has_days:
        shelf = replace(shelf, table=replace(shelf.table, partition_column=None))
    shelf.sql(
        "INSERT INTO shelf SELECT n, '2024-05-01Z', '2024-05-09Z', 'v', 1 "
        "FROM generate_series(1, 40000) AS n"
    )
    shelf.sync()
    shelf.sql("DELETE FROM shelf WHERE id % 100 = 7")
    monkeypatch.setattr(compare, "MOST_ROWS", 30_000)
    found = shelf.reconcile()
    assert found.differences.extra.height == 400
    assert shelf.published() == shelf.wanted()
    assert shelf.reconcile(repair=False).is_equal


@pytest.mark.thorough
def test_a_repair_in_several_chunks_brings_every_key(shelf: Shelf) -> None:
    table = replace(shelf.table, deletes=Deletes.TOMBSTONE, thresholds=Thresholds())
    shelf = replace(shelf, table=table, policy=replace(shelf.policy, chunk_rows=100))
    put(shelf, 30)
    shelf.sync()
    shelf.sql("UPDATE shelf SET v = 'silent'", "DELETE FROM shelf WHERE id % 5 = 0")
    found = shelf.reconcile(chunk_rows=8)
    assert found.repair is not None
    assert (found.repair.outcome.changed, found.repair.outcome.removed) == (24, 6)
    assert found.is_equal
    assert shelf.published() == shelf.wanted()


def test_a_row_in_quarantine_is_known_until_it_is_mended_behind_the_cursors_back(
    shelf: Shelf,
) -> None:
    put(shelf, 6)
    shelf.sql("UPDATE shelf SET amount = 'NaN', updated_at = now() WHERE id = 2")
    shelf.sync()
    assert shelf.reconcile(repair=False).is_equal
    shelf.sql("UPDATE shelf SET amount = 7 WHERE id = 2")
    found = shelf.reconcile()
    assert found.differences.missing["id"].to_list() == [2]
    assert shelf.published() == shelf.wanted()
    assert shelf.warehouse.quarantined(shelf.table).is_empty()


def test_amid_a_sync_only_what_lies_before_it_is_pending(shelf: Shelf) -> None:
    put(shelf, 20, stamp="'2024-05-17Z'::timestamptz + n / 5 * interval '1 second'")
    next(shelf.chunks())  # seven rows: it stands amid those of one second
    shelf.sql("UPDATE shelf SET v = 'silent' WHERE id IN (2, 20)")
    found = shelf.reconcile(repair=False)
    assert found.differences.changed["id"].to_list() == [2]
    assert (found.differences.missing.height, found.differences.pending) == (0, 13)
