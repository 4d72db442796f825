"""Appending: for tables whose rows never change; what was added once is not added again."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from etl_assets.warehouse.base import Mode, StagedDay, Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import AS_OF, DAY, NEXT, at, orders, publish, staged, values


def append(warehouse: Warehouse, *days: StagedDay) -> None:
    publish(warehouse, *days, mode=Mode.APPEND)


def test_appended_rows_join_those_that_are_there(warehouse: Warehouse, tmp_path: Path) -> None:
    append(warehouse, staged(tmp_path, orders({1: "one"})))
    append(
        warehouse,
        staged(tmp_path, orders({2: "two"})),
        staged(tmp_path, orders({3: "three"}, NEXT), NEXT),
    )
    assert values(warehouse, tmp_path, DAY, NEXT) == {1: "one", 2: "two", 3: "three"}


def test_l1_the_same_rows_are_appended_once(warehouse: Warehouse, tmp_path: Path) -> None:
    day = staged(tmp_path, orders({1: "one", 2: "two"}))
    append(warehouse, day)
    state = warehouse.state()
    append(warehouse, day)
    assert values(warehouse, tmp_path) == {1: "one", 2: "two"}
    assert warehouse.state() == state


def test_l1_another_run_that_read_the_same_rows_in_another_order_adds_nothing(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = orders({1: "one", 2: "two", 3: "three"})
    append(warehouse, staged(tmp_path, rows))
    again = staged(tmp_path, rows.clear(), run_id="run-2", as_of=AS_OF + timedelta(days=1))
    for part in (rows.tail(1), rows.head(2)):
        again.files.write(part)
        again.files.close()
    append(warehouse, replace(again, state=replace(again.state, row_count=3)))
    assert values(warehouse, tmp_path) == {1: "one", 2: "two", 3: "three"}
    (state,) = warehouse.state()
    assert (state.run_id, state.row_count) == ("run-1", 3)


def test_l1_of_a_repeated_run_only_the_new_day_is_added(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first = staged(tmp_path, orders({1: "one"}))
    append(warehouse, first)
    append(warehouse, first, staged(tmp_path, orders({2: "two"}, NEXT), NEXT))
    assert values(warehouse, tmp_path, DAY, NEXT) == {1: "one", 2: "two"}


def test_rows_that_differ_in_a_null_are_other_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    append(warehouse, staged(tmp_path, orders({1: "NULL"})))
    other = orders({2: "x"}).with_columns(v=pl.lit(None, dtype=pl.String))
    append(warehouse, staged(tmp_path, other))
    assert values(warehouse, tmp_path) == {1: "NULL", 2: None}


def test_the_state_of_an_appended_day_adds_up(warehouse: Warehouse, tmp_path: Path) -> None:
    later = AS_OF + timedelta(hours=1)
    append(warehouse, staged(tmp_path, orders({1: "one"}), as_of=later, rejected=["{}"]))
    older = staged(tmp_path, orders({2: "two", 3: "three"}), run_id="run-2")
    append(warehouse, replace(older, state=replace(older.state, high_watermark=at(DAY, 1))))
    (state,) = warehouse.state()
    assert (state.row_count, state.source_count, state.quarantined_count) == (3, 4, 1)
    assert (state.as_of, state.high_watermark, state.run_id) == (later, at(DAY), "run-2")


def test_quarantined_rows_of_an_appended_day_are_kept_together(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    first = staged(tmp_path, orders({1: "one"}), rejected=['{"id": 8}'])
    append(warehouse, first)
    append(warehouse, first)
    append(
        warehouse, first, staged(tmp_path, orders({2: "two"}, NEXT), NEXT, rejected=['{"id": 9}'])
    )
    found = backend.rows(tmp_path, "etl", "etl_quarantine", ["payload"])
    assert found == [('{"id": 8}',), ('{"id": 9}',)]
