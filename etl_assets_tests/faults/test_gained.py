"""B10, a contract that gains a column: brought, noted, and filled by loading the fewest days."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.core.gained import lacking
from etl_assets.core.policies import Deletes
from etl_assets.core.state import Happening
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.run_days import reload
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, Road, cased

REQUIRED = {"id": {"nullable": False}}
BARE = (
    "CREATE TABLE things (id int PRIMARY KEY, created_at timestamptz NOT NULL, "
    "updated_at timestamptz)"
)
THREE = (
    "INSERT INTO things SELECT n, timestamptz '2024-01-01Z' + n * interval '1 day', '2024-01-05Z' "
    "FROM generate_series(1, 3) n"
)
PLAIN = cased({"id": pl.Int64}, REQUIRED)
GAINED = cased({"id": pl.Int64, "channel": pl.String}, REQUIRED)
STRICT = cased({"id": pl.Int64, "channel": pl.String}, {**REQUIRED, "channel": {"nullable": False}})

# The road is one for all warehouses: on DuckDB the default run has all of it, on PostgreSQL a part.
pytestmark = pytest.mark.soak_for("bigquery")


def with_contract(road: Road, table: LayerTable) -> Road:
    return replace(road, table=table)


def loads(road: Road) -> dict[date, str]:
    return {state.partition_key: state.load_id for state in road.warehouse.state(road.table)}


def lacked(road: Road) -> dict[date, list[str]]:
    """What the published days lack."""
    state = road.warehouse.table_state(road.table)
    return {day: sorted(names) for day, names in lacking(road.table, state, loads(road)).items()}


def values(road: Road) -> list[tuple[Any, ...]]:
    return [row[:2] for row in road.published()]


@pytest.mark.thorough_but("duckdb-")
@pytest.mark.parametrize("table", [GAINED, STRICT], ids=["nullable", "required"])
def test_b10_days_that_differ_are_loaded_again_and_no_others(
    pave: Paved, table: LayerTable
) -> None:
    road = pave(PLAIN, BARE, THREE)
    road.sync()
    before = loads(road)
    road.sql(
        "ALTER TABLE things ADD channel text",
        "UPDATE things SET channel = 'web'" + (" WHERE id = 2" if table is GAINED else ""),
    )
    road = with_contract(road, table)
    assert lacked(road) == {day: ["channel"] for day in DAYS[1:4]}
    road.sync()
    assert lacked(road) == {}
    fresh = {day for day, load in loads(road).items() if load != before[day]}
    assert fresh == (set(DAYS[2:3]) if table is GAINED else set(DAYS[1:4]))
    road.assert_settled()
    (entry,) = road.warehouse.history(road.table, Happening.GAINED)
    assert json.loads(entry.payload) == {"columns": ["channel"], "parts": 3}


@pytest.mark.thorough_but("duckdb")
def test_b10_a_change_of_one_row_does_not_make_a_day_complete(pave: Paved) -> None:
    road = pave(PLAIN, BARE, THREE, "INSERT INTO things VALUES (9, '2024-01-02Z', '2024-01-05Z')")
    road.sync()
    road.sql(
        "ALTER TABLE things ADD channel text DEFAULT 'web'",
        "UPDATE things SET updated_at = now() WHERE id = 9",
    )
    road = with_contract(road, GAINED)
    folder = road._folder()
    bring_columns(road.warehouse, road.table, "bring")
    chunks = list(replace(road.syncing(), folder=folder).run())
    assert sum(chunk.outcome.changed for chunk in chunks) == 1
    assert values(road) == [(1, None), (2, None), (3, None), (9, "web")]
    assert lacked(road) == {day: ["channel"] for day in DAYS[1:4]}
    road.sync()
    assert values(road) == [(1, "web"), (2, "web"), (3, "web"), (9, "web")]
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
def test_b10_so_many_days_at_a_time_the_newest_first(pave: Paved) -> None:
    road = pave(PLAIN, BARE, THREE)
    road.sync()
    road.sql("ALTER TABLE things ADD channel text DEFAULT 'web'")
    road = with_contract(road, GAINED)
    bring_columns(road.warehouse, road.table, "bring")
    for turn, left in enumerate([DAYS[1:3], DAYS[1:2], []]):
        done = reload(road.table, road.source(), road.warehouse, road._folder(), "fill", 1)
        assert [loaded.day for loaded in done.good] == [DAYS[3 - turn]]
        assert sorted(done.lacking) == left
        assert sorted(lacked(road)) == left
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
def test_b10_a_table_without_a_cursor_is_filled_by_its_reconciliation(pave: Paved) -> None:
    road = pave(replace(PLAIN, cursor_column=None, versions=None), BARE, THREE)
    road.load()
    road.sql("ALTER TABLE things ADD channel text DEFAULT 'web'")
    road = with_contract(road, replace(GAINED, cursor_column=None, versions=None))
    looked = road.reconcile(repair=False)
    assert looked.lacking_days == 3
    assert looked.differences.count == 0, "days that lack a column are not told row by row"
    assert "3 days have no values of channel yet" in looked.lacking
    repaired = road.reconcile()
    assert (repaired.lacking_days, repaired.is_equal) == (0, True)
    assert len(repaired.filled.good) == 3
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
def test_b10_a_column_that_is_required_now_has_the_days_with_nulls_loaded_again(
    pave: Paved,
) -> None:
    road = pave(GAINED, BARE, "ALTER TABLE things ADD channel text", THREE)
    road.sql("UPDATE things SET channel = 'web' WHERE id <> 2")
    road.sync()
    before = loads(road)
    road = with_contract(road, STRICT)
    road.sql("UPDATE things SET channel = 'shop' WHERE id = 2")
    bring_columns(road.warehouse, road.table, "bring")
    assert lacked(road) == {DAYS[2]: ["channel"]}
    road.sync()
    fresh = {day for day, load in loads(road).items() if load != before[day]}
    assert fresh == {DAYS[2]}
    road.assert_settled()


@pytest.mark.thorough_for("postgres")
def test_b10_a_day_that_its_new_column_refuses_stays_as_it_was_and_lacks_it(pave: Paved) -> None:
    strict = replace(STRICT, thresholds=replace(STRICT.thresholds, max_bad_share=0.1))
    road = pave(PLAIN, BARE, THREE)
    road.sync()
    road.sql(
        "ALTER TABLE things ADD channel text", "UPDATE things SET channel = 'web' WHERE id <> 2"
    )
    road = with_contract(road, strict)
    road.sync()
    assert values(road) == [(1, "web"), (2, None), (3, "web")]
    assert lacked(road) == {DAYS[2]: ["channel"]}
    state = road.warehouse.table_state(road.table)
    assert state is not None
    assert "refused by value_rules" in state.reload_reasons[DAYS[2]]
    road.sql("UPDATE things SET channel = 'late' WHERE id = 2")
    road.sync()
    assert (values(road)[1], lacked(road)) == ((2, "late"), {})
    road.assert_settled()


@pytest.mark.parametrize("key", [("id", "channel")])
def test_b10_a_column_that_comes_into_the_key_is_refused_with_what_to_do(
    pave: Paved, key: tuple[str, ...]
) -> None:
    road = pave(PLAIN, BARE, THREE)
    road.sync()
    road.sql("ALTER TABLE things ADD channel text NOT NULL DEFAULT 'web'")
    options = {**REQUIRED, "channel": {"nullable": False}}
    wider = cased({"id": pl.Int64, "channel": pl.String}, options, key=key)
    with pytest.raises(WarehouseError, match=r"raw/things.*new in the key.*load its days again"):
        with_contract(road, wider).sync()
    assert [row[0] for row in road.published()] == [1, 2, 3]


@pytest.mark.thorough_but("duckdb")
def test_b10_what_an_earlier_release_published_lacks_what_its_table_lacks(pave: Paved) -> None:
    road = pave(PLAIN, BARE, THREE)
    road.sync()
    state = road.warehouse.table_state(road.table)
    assert state is not None
    road.warehouse.move(replace(state, columns=None, load_id="old"), state.load_id, [])
    road.sql("ALTER TABLE things ADD channel text DEFAULT 'web'")
    road = with_contract(road, GAINED)
    road.sync()
    assert values(road) == [(1, "web"), (2, "web"), (3, "web")]
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
def test_b10_rows_that_no_dtype_holds_are_no_difference_of_a_day_that_lacks_a_column(
    pave: Paved,
) -> None:
    """The day was not compared, and neither was what it has in quarantine."""
    price = {"price": pl.Decimal(9, 2)}
    plain = cased({"id": pl.Int64, **price}, REQUIRED)
    gained = cased({"id": pl.Int64, **price, "channel": pl.String}, REQUIRED)
    road = pave(
        replace(plain, cursor_column=None, versions=None),
        BARE,
        "ALTER TABLE things ADD price numeric DEFAULT 1",
        THREE,
        "INSERT INTO things VALUES (9, '2024-01-03Z', '2024-01-05Z', 'NaN')",
    )
    road.load()
    assert road.rules() == ["price: representable"]
    road.sql("ALTER TABLE things ADD channel text DEFAULT 'web'")
    road = with_contract(road, replace(gained, cursor_column=None, versions=None))
    looked = road.reconcile(repair=False)
    assert (looked.lacking_days, looked.is_equal) == (3, True), looked.differences
    assert road.reconcile().is_equal
    road.assert_settled()


def test_b10_a_contract_that_lost_a_column_or_requires_less_is_no_news_to_a_sync(
    pave: Paved,
) -> None:
    road = pave(PLAIN, BARE, THREE)
    road.sync()
    assert road.syncing().idle() is not None
    state = road.warehouse.table_state(road.table)
    assert state is not None
    wider = {**road.table.required_columns, "channel": True, "updated_at": True}
    other = replace(state.with_columns(wider), load_id="other")
    road.warehouse.move(other, state.load_id, [])
    assert road.syncing().idle() is not None


def test_b10_rows_that_stay_though_gone_do_not_hide_what_an_older_table_lacks(
    pave: Paved,
) -> None:
    """A load of one day of a table that keeps rows looks at them before it publishes."""
    road = pave(replace(PLAIN, deletes=Deletes.KEEP), BARE, THREE)
    road.sync()
    state = road.warehouse.table_state(road.table)
    assert state is not None
    road.warehouse.move(replace(state, columns=None, load_id="old"), state.load_id, [])
    road.sql("ALTER TABLE things ADD channel text DEFAULT 'web'")
    road = with_contract(road, replace(GAINED, deletes=Deletes.KEEP))
    road.load([DAYS[2]])
    assert lacked(road) == {day: ["channel"] for day in (DAYS[1], DAYS[3])}
