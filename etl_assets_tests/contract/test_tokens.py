"""Tables that sync: a token that every publication changes, a key on one day only, versions."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from etl_assets.core.errors import LostTurn
from etl_assets.core.state import Happening, TableState
from etl_assets.core.table import versions_of
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    by_contract,
    changes_of,
    entry,
    orders,
    own_row,
    publish,
    published,
    staged,
    token_of,
    values,
)
from etl_assets_tests.source_tables import UTC_MOMENT

pytestmark = pytest.mark.thorough_for("bigquery")

LAST = NEXT + timedelta(days=1)
LATER = AS_OF + timedelta(hours=1)
VERSIONED = replace(ORDERS, versions=versions_of(ORDERS))
VERSIONS = versions_of(ORDERS)


@pytest.mark.soak_for("bigquery")
def test_every_publication_changes_the_token_and_leaves_the_position(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    day = staged(tmp_path, orders({1: "one"}))
    publish(warehouse, day)
    own = warehouse.table_state(ORDERS)
    first = TableState("raw/orders", day.state.load_id, "run-1", AS_OF, AS_OF, row_count=1)
    assert own == by_contract(first)
    assert warehouse.table_states() == [own]
    position = own_row()
    warehouse.move(position, own.load_id, [])
    other = staged(tmp_path, orders({2: "two"}, NEXT), NEXT)
    publish(warehouse, other)
    own = warehouse.table_state(ORDERS)
    moved = replace(position, load_id=other.state.load_id, run_id="run-1")
    assert own == by_contract(moved)
    assert warehouse.state() == [day.state, other.state]


@pytest.mark.soak_for("bigquery")
def test_a_table_that_is_made_from_others_keeps_its_days_apart(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    table = replace(ORDERS, cursor_column=None, source=None)
    day, other = (
        staged(tmp_path, orders({1: "here"})),
        staged(tmp_path, orders({1: "there"}, NEXT), NEXT),
    )
    publish(warehouse, day, table=table)
    publish(warehouse, other, table=table)
    assert values(warehouse, tmp_path, DAY, table=table) == {1: "here"}
    assert values(warehouse, tmp_path, NEXT, table=table) == {1: "there"}
    assert token_of(warehouse, table) == other.state.load_id
    assert warehouse.state() == [day.state, other.state]


@pytest.mark.soak_for("bigquery-the first")
@pytest.mark.parametrize("newer", [DAY, NEXT], ids=["the first day", "the other day"])
def test_c8_without_a_cursor_a_key_stays_on_the_day_that_was_read_last(
    warehouse: Warehouse, tmp_path: Path, newer: date
) -> None:
    table = replace(ORDERS, cursor_column=None)
    for day in (DAY, NEXT):
        rows = orders({1: "both", day.day + 100: "own"}, day)
        as_of = LATER if day == newer else AS_OF
        publish(warehouse, staged(tmp_path, rows, day, as_of=as_of), table=table)
    there = {day: values(warehouse, tmp_path, day, table=table) for day in (DAY, NEXT)}
    assert {day: sorted(rows) for day, rows in there.items()} == {
        day: ([1] if day == newer else []) + [day.day + 100] for day in (DAY, NEXT)
    }
    counts = {state.partition_key: state.row_count for state in warehouse.state(table)}
    assert counts == {day: len(rows) for day, rows in there.items()}


def test_c8_replacing_a_day_takes_its_keys_from_other_days(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    older, equal, blank = (
        orders({1: "older", 2: "stays"}),
        orders({3: "equal"}, updated=at(LAST)),
        orders({4: "blank"}).with_columns(updated_at=None).cast({"updated_at": UTC_MOMENT}),
    )
    before = staged(tmp_path, older.vstack(equal).vstack(blank), verified_through=AS_OF)
    untouched = staged(tmp_path, orders({5: "far"}, NEXT), NEXT)
    publish(warehouse, before, untouched)
    rows = orders({1: "moved", 3: "moved", 4: "moved", 6: "new"}, LAST, updated=at(LAST))
    day = staged(tmp_path, rows, LAST, run_id="run-2", as_of=LATER)
    publish(warehouse, day)
    assert values(warehouse, tmp_path, DAY) == {2: "stays"}
    assert values(warehouse, tmp_path, LAST) == dict(rows.select("id", "v").iter_rows())
    left = replace(before.state, row_count=1, load_id=day.state.load_id, updated_at=LATER)
    assert warehouse.state(ORDERS) == [left, untouched.state, day.state]
    assert token_of(warehouse) == day.state.load_id


@pytest.mark.soak_for("bigquery")
def test_c8_a_newer_version_on_another_day_stays_and_the_replaced_day_says_so(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    newer = staged(tmp_path, orders({1: "newer", 2: "newer"}, updated=at(LAST)))
    publish(warehouse, newer)
    rows = orders({1: "older", 3: "three"}, NEXT)
    blank = (
        orders({2: "blank"}, NEXT).with_columns(updated_at=None).cast({"updated_at": UTC_MOMENT})
    )
    day = staged(tmp_path, rows.vstack(blank), NEXT)
    publish(warehouse, day)
    assert values(warehouse, tmp_path, DAY) == {1: "newer", 2: "newer"}
    assert values(warehouse, tmp_path, NEXT) == {3: "three"}
    assert warehouse.state(ORDERS) == [newer.state, replace(day.state, row_count=1)]


@pytest.mark.soak_for("bigquery")
def test_c8_of_a_key_that_two_snapshots_saw_on_two_days_the_newest_version_stays(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    here = staged(tmp_path, orders({1: "before", 2: "after"}, updated=at(LAST, 2)))
    rows = orders({1: "moved"}, NEXT, updated=at(LAST, 3)).vstack(
        orders({2: "before", 3: "three"}, NEXT, updated=at(LAST, 1))
    )
    there = staged(tmp_path, rows, NEXT, as_of=LATER)
    publish(warehouse, here, there)
    assert values(warehouse, tmp_path, DAY) == {2: "after"}
    assert values(warehouse, tmp_path, NEXT) == {1: "moved", 3: "three"}
    assert [state.row_count for state in warehouse.state(ORDERS)] == [1, 2]


def test_every_version_that_was_seen_is_kept_once(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    blank = orders({9: "blank"}).with_columns(updated_at=None).cast({"updated_at": UTC_MOMENT})
    first = staged(tmp_path, orders({1: "a", 2: "b"}).vstack(blank))
    publish(warehouse, first, table=VERSIONED)
    publish(warehouse, first, table=VERSIONED)
    assert warehouse.table_state(VERSIONS) is None
    (state,) = kept = warehouse.state(VERSIONS)
    assert (state.table_name, state.partition_key) == ("raw/orders_versions", DAY)
    assert (state.row_count, state.high_watermark) == (2, at(DAY))
    for value, hour in [("c", 13), ("d", 14)]:  # beside a version that is there already
        rows = orders({1: value}, updated=at(NEXT, hour)).vstack(orders({2: "b"}))
        publish(warehouse, staged(tmp_path, rows, run_id="run-2"), table=VERSIONED)
    rows = orders({1: "e"}, updated=at(NEXT, 1)).vstack(orders({2: "b"}))
    changed = changes_of(tmp_path, token_of(warehouse), table=VERSIONED)
    bring(warehouse, changed, staged(tmp_path, rows, run_id="run-2"), table=VERSIONED)
    late = staged(tmp_path, orders({3: "f"}, NEXT, updated=at(NEXT, 2)), NEXT, source="a file")
    publish(warehouse, late, table=VERSIONED)
    found = published(warehouse, tmp_path, DAY, NEXT, table=VERSIONS).sort("updated_at", "id")
    assert found["v"].to_list() == ["a", "b", "e", "f", "c", "d"]
    columns = ["v", "_source", "_run_id", "_ingested_at"]
    audit = backend.rows(tmp_path, "raw", "orders_versions", columns)
    assert len(audit) == 6, "a row without a cursor is no version"
    assert audit[0] == ("a", "postgres:public.orders", "run-1", AS_OF)
    assert audit[-1] == ("f", "a file", "run-1", AS_OF)
    there = warehouse.state(VERSIONS)
    assert there[0] == kept[0], "a day that gained nothing keeps its state"
    assert (there[1].row_count, there[1].high_watermark) == (4, at(NEXT, 14))
    assert there[1].load_id == late.state.load_id == token_of(warehouse)


@pytest.mark.soak_for("bigquery")
def test_a_version_that_was_overtaken_elsewhere_is_kept_among_the_versions(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "new"}, updated=at(LAST))), table=VERSIONED)
    late = staged(tmp_path, orders({1: "old"}, NEXT), NEXT)
    publish(warehouse, late, table=VERSIONED)
    assert values(warehouse, tmp_path, DAY, NEXT) == {1: "new"}
    found = published(warehouse, tmp_path, NEXT, LAST, table=VERSIONS)
    assert found.sort("updated_at")["v"].to_list() == ["old", "new"]


def test_l6_the_position_is_moved_by_whoever_saw_it_last(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first, second = own_row(high_watermark=None, watermark_key=None), own_row()
    with pytest.raises(LostTurn, match="raw/orders"):
        warehouse.move(first, "a token", [entry()])
    assert warehouse.table_state(ORDERS) is None
    warehouse.move(first, None, [entry("{}", moment=AS_OF)])
    assert warehouse.table_state(ORDERS) == first
    with pytest.raises(LostTurn):
        warehouse.move(second, None, [entry()])
    warehouse.move(second, first.load_id, [entry('{"why": "asked"}', moment=LATER)])
    assert warehouse.table_state(ORDERS) == second
    found = warehouse.history(ORDERS, Happening.WATERMARK)
    assert [(one.at, one.payload) for one in found] == [(LATER, '{"why": "asked"}'), (AS_OF, "{}")]
    assert warehouse.state() == []


@pytest.mark.soak_for("bigquery")
def test_what_was_equal_is_recorded_and_never_moves_back(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    days = staged(tmp_path, orders({1: "a"})), staged(tmp_path, orders({2: "b"}, NEXT), NEXT)
    publish(warehouse, *days)
    warehouse.verify(ORDERS, [DAY, LAST], LATER)
    own = warehouse.table_state(ORDERS)
    assert own is not None
    assert own.verified_through is None, "a day was never compared"
    warehouse.verify(ORDERS, [DAY, NEXT], AS_OF)
    assert [state.verified_through for state in warehouse.state(ORDERS)] == [LATER, AS_OF]
    assert warehouse.table_state(ORDERS) == replace(own, verified_through=AS_OF)
    warehouse.verify(replace(ORDERS, name="others"), [DAY], LATER + timedelta(days=1))
    warehouse.verify(ORDERS, [], LATER + timedelta(days=1))
    assert [state.verified_through for state in warehouse.state(ORDERS)] == [LATER, AS_OF]


def test_the_history_is_by_table_and_kind_newest_first(warehouse: Warehouse) -> None:
    assert warehouse.history(ORDERS, Happening.COLUMNS) == []
    entries = [
        entry(f'{{"text": "it\'s {n} é"}}', kind=Happening.COLUMNS, moment=at(DAY, n))
        for n in (2, 1, 3)
    ]
    other = replace(ORDERS, name="others")
    warehouse.record([*entries, entry(), entry("{}", kind=Happening.COLUMNS, table=other)])
    warehouse.record([])
    newest = [entries[2], entries[0], entries[1]]
    assert warehouse.history(ORDERS, Happening.COLUMNS) == newest
    assert warehouse.history(ORDERS, Happening.COLUMNS, most=2) == newest[:2]
    assert warehouse.history(ORDERS, Happening.WATERMARK) == [entry()]
