"""Merging by key: what an incremental sync asks of a warehouse."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.warehouse.base import Mode, Warehouse
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    orders,
    publish,
    published,
    staged,
    values,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table


def merge(warehouse: Warehouse, *days: object) -> None:
    publish(warehouse, *days, mode=Mode.MERGE)  # type: ignore[arg-type]


def test_a_merge_adds_new_rows_and_keeps_the_others(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one", 2: "two"})))
    merge(warehouse, staged(tmp_path, orders({2: "changed", 3: "three"}, updated=at(NEXT))))
    assert values(warehouse, tmp_path) == {1: "one", 2: "changed", 3: "three"}


def test_a_merge_into_a_table_that_is_not_there_creates_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    merge(warehouse, staged(tmp_path, orders({1: "one"})))
    assert values(warehouse, tmp_path) == {1: "one"}


def test_the_greater_cursor_wins_and_an_older_version_does_not_overwrite(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "kept"}, updated=at(NEXT))))
    merge(warehouse, staged(tmp_path, orders({1: "older"}, updated=at(DAY))))
    assert values(warehouse, tmp_path) == {1: "kept"}
    merge(warehouse, staged(tmp_path, orders({1: "newer"}, updated=at(NEXT, 13))))
    assert values(warehouse, tmp_path) == {1: "newer"}


def test_the_same_merge_twice_changes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    day = staged(tmp_path, orders({1: "one", 2: "two"}, updated=at(NEXT)))
    merge(warehouse, day)
    once = published(warehouse, tmp_path)
    merge(warehouse, day)
    assert published(warehouse, tmp_path).equals(once)


def test_an_equal_cursor_lets_the_later_read_win(warehouse: Warehouse, tmp_path: Path) -> None:
    merge(warehouse, staged(tmp_path, orders({1: "first"})))
    merge(warehouse, staged(tmp_path, orders({1: "second"})))
    assert values(warehouse, tmp_path) == {1: "second"}


def test_a_row_that_got_a_cursor_replaces_the_version_without_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    blank = orders({1: "blank", 2: "blank"}).with_columns(updated_at=pl.lit(None, dtype=UTC_MOMENT))
    publish(warehouse, staged(tmp_path, blank))
    merge(warehouse, staged(tmp_path, orders({1: "stamped"})))
    assert values(warehouse, tmp_path) == {1: "stamped", 2: "blank"}


def test_a_version_without_a_cursor_never_overwrites_one_that_has_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "stamped"})))
    blank = orders({1: "blank"}).with_columns(updated_at=pl.lit(None, dtype=UTC_MOMENT))
    merge(warehouse, staged(tmp_path, blank))
    assert values(warehouse, tmp_path) == {1: "stamped"}


def test_a_row_whose_day_changed_moves_to_it(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "here", 2: "stays"})))
    moved = staged(tmp_path, orders({1: "moved"}, NEXT), NEXT, as_of=AS_OF + timedelta(days=1))
    merge(warehouse, moved)
    assert values(warehouse, tmp_path, DAY, NEXT) == {1: "moved", 2: "stays"}
    assert values(warehouse, tmp_path, NEXT) == {1: "moved"}
    assert [state.row_count for state in warehouse.state(ORDERS)] == [1, 1]


def test_state_counts_what_is_published_after_a_merge(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one", 2: "two"})))
    merge(warehouse, staged(tmp_path, orders({2: "two", 3: "three"}, updated=at(NEXT))))
    (state,) = warehouse.state(ORDERS)
    assert state.row_count == 3


def test_an_empty_merge_keeps_the_rows_and_commits_the_state(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    merge(warehouse, staged(tmp_path, orders({}), run_id="run-2"))
    assert values(warehouse, tmp_path) == {1: "one"}
    (state,) = warehouse.state(ORDERS)
    assert (state.run_id, state.row_count) == ("run-2", 1)


def test_keys_of_two_columns_are_compared_as_a_whole(warehouse: Warehouse, tmp_path: Path) -> None:
    dtypes = {"id": pl.Int64, "line": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}
    lines = layer_table(dtypes, name="lines", key=("id", "line"))

    def rows(found: dict[tuple[int, int], str]) -> pl.DataFrame:
        return pl.DataFrame(
            [(*key, at(DAY), value) for key, value in found.items()],
            schema=polars_schema(lines.columns),
            orient="row",
        )

    before = rows({(1, 1): "a", (1, 2): "b", (2, 1): "c"})
    publish(warehouse, staged(tmp_path, before, table=lines), table=lines)
    change = staged(tmp_path, rows({(1, 2): "changed", (2, 2): "d"}), table=lines)
    publish(warehouse, change, table=lines, mode=Mode.MERGE)
    found = published(warehouse, tmp_path, table=lines).select("id", "line", "v").rows()
    assert found == [(1, 1, "a"), (1, 2, "changed"), (2, 1, "c"), (2, 2, "d")]


def test_of_a_key_that_is_staged_on_two_days_the_newest_version_stays(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "old", 2: "old"})))
    merge(
        warehouse,
        staged(tmp_path, orders({1: "before", 3: "after"}, updated=at(NEXT, 2)), source="one"),
        staged(
            tmp_path, orders({1: "moved", 3: "before"}, NEXT, updated=at(NEXT, 1)), NEXT, source="2"
        ),
    )
    merge(
        warehouse,
        staged(tmp_path, orders({2: "before"}, updated=at(NEXT, 1)), source="one"),
        staged(tmp_path, orders({2: "moved"}, NEXT, updated=at(NEXT, 2)), NEXT, source="another"),
    )
    assert values(warehouse, tmp_path) == {1: "before", 3: "after"}
    assert values(warehouse, tmp_path, NEXT) == {2: "moved"}
    assert [state.row_count for state in warehouse.state(ORDERS)] == [2, 1]


def test_without_a_cursor_the_staged_version_wins(warehouse: Warehouse, tmp_path: Path) -> None:
    table = replace(ORDERS, cursor_column=None)
    publish(warehouse, staged(tmp_path, orders({1: "old"}, updated=at(NEXT))), table=table)
    day = staged(tmp_path, orders({1: "new"}, updated=at(DAY)))
    publish(warehouse, day, table=table, mode=Mode.MERGE)
    assert values(warehouse, tmp_path) == {1: "new"}
