"""`keep_before`: old days are closed, and what the source pruned of them stays (R4, C7)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from etl_assets.core.errors import DayClosed
from etl_assets.core.keeping import closed_days, open_from
from etl_assets.core.partitions import Window
from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.core.scope import Scope
from etl_assets.pipeline.days import FailedDay
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import Loaded, load
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, Road, cased
from etl_assets_tests.faults.test_kept_rows import CREATE
from etl_assets_tests.source_tables import UTC_MOMENT

TODAY = datetime.now(UTC).date()
OLD = [TODAY - timedelta(days=n) for n in (40, 39)]
YOUNG = [TODAY - timedelta(days=n) for n in (9, 8)]
KEPT = timedelta(days=20)
EVERY = [*OLD, *YOUNG]
LISTED = "ARRAY[" + ", ".join(f"'{day} 05:00Z'::timestamptz" for day in EVERY) + "]"
FILL = (
    f"INSERT INTO things SELECT n, 'v' || n, ({LISTED})[n % 4 + 1], '2024-01-01Z' "
    "FROM generate_series(1, 120) n"
)
OLD_IDS = {n for n in range(1, 121) if n % 4 < 2}
YOUNG_IDS = set(range(1, 121)) - OLD_IDS
# On other warehouses than DuckDB the default run has a share of it.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


def closing_table(**changes: Any) -> Any:
    """`things` with a text, whose days are closed after twenty."""
    made: dict[str, Any] = {"deletes": Deletes.KEEP, "keep_before": KEPT, **changes}
    return cased({"id": pl.Int64, "v": pl.String}, {"id": {"nullable": False}}, **made)


def rows(road: Road) -> dict[int, str]:
    """What is published, by id."""
    extract = road.warehouse.read(road.table, [Window(EVERY[0], TODAY)], road._folder())
    return dict(extract.frames[0].select("id", "v").collect().iter_rows())


def load_again(road: Road, days: Sequence[date] = EVERY, *, even_closed: bool = False) -> Loaded:
    """A backfill of the days, which publishes the good ones."""
    found = load(
        road.table,
        road.source(),
        road.warehouse,
        days,
        road._folder(),
        "load",
        even_closed=even_closed,
    )
    publish_days(road.warehouse, road.table, found.good, "load")
    return found


def refused(found: Loaded) -> list[date]:
    """The days that were refused because they are closed; fails for another reason."""
    assert all(isinstance(one, FailedDay) for one in found.refused)
    assert all(isinstance(one.error, DayClosed) for one in found.refused if hasattr(one, "error"))
    return [one.day for one in found.refused]


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_r4_closed_days_keep_what_is_pruned_and_deletes_are_applied_to_later_ones(
    pave: Paved,
) -> None:
    road = pave(closing_table(thresholds=Thresholds()), CREATE, FILL)
    load_again(road)
    road.sql(
        "DELETE FROM things WHERE id <= 7", f"DELETE FROM things WHERE created_at < '{OLD[1]}'"
    )
    found = road.reconcile()
    assert found.is_equal
    assert found.differences.compared_days == set(YOUNG)
    assert found.differences.extra["id"].sort().to_list() == [2, 3, 6, 7]
    assert rows(road).keys() == OLD_IDS | YOUNG_IDS - {2, 3, 6, 7}
    verified = {s.partition_key: s.verified_through for s in road.warehouse.state(road.table)}
    assert [day for day, moment in verified.items() if moment] == YOUNG

    again = load_again(road)
    assert refused(again) == OLD
    assert [day.day for day in again.good] == YOUNG
    assert rows(road).keys() == OLD_IDS | YOUNG_IDS - {2, 3, 6, 7}
    assert road.reconcile(repair=False).is_equal


def test_r4_a_whole_load_of_an_open_day_replaces_it_and_of_a_closed_one_keeps_the_rest(
    pave: Paved,
) -> None:
    road = pave(closing_table(), CREATE, FILL)
    load_again(road)
    road.sql("DELETE FROM things WHERE id <= 20", "UPDATE things SET v = 'x' WHERE id IN (21, 24)")
    found = load_again(road, even_closed=True)
    assert not found.refused
    now = rows(road)
    assert now.keys() == OLD_IDS | {n for n in YOUNG_IDS if n > 20}
    assert (now[21], now[24], now[25]) == ("x", "x", "v25")


def test_r4_a_closed_day_that_was_never_loaded_is_loaded(pave: Paved) -> None:
    road = pave(closing_table(), CREATE, FILL)
    assert refused(load_again(road, OLD)) == []
    assert rows(road).keys() == OLD_IDS
    assert refused(load_again(road, OLD)) == OLD


def test_r4_a_sync_still_applies_changes_of_closed_days(pave: Paved) -> None:
    road = pave(closing_table(), CREATE, FILL)
    road.sync()
    road.sql(
        "UPDATE things SET v = 'changed', updated_at = now() WHERE id IN (4, 1)",
        f"UPDATE things SET created_at = '{YOUNG[0]}Z', updated_at = now() WHERE id = 5",
        f"INSERT INTO things VALUES (201, 'late', '{OLD[0]}Z', now())",
        "DELETE FROM things WHERE id = 8",
    )
    road.sync()
    now = rows(road)
    assert now.keys() == {*range(1, 121), 201}
    assert (now[4], now[1], now[8]) == ("changed", "changed", "v8")
    assert road.reconcile().is_equal
    assert len(rows(road)) == 121


def test_r4_a_day_that_waits_is_loaded_although_it_is_closed_meanwhile(pave: Paved) -> None:
    table = closing_table()
    bad = cased(
        {"id": pl.Int64, "v": pl.String},
        {"id": {"nullable": False}, "v": {"notin": ["bad"]}},
        deletes=Deletes.KEEP,
        keep_before=KEPT,
        thresholds=Thresholds(),
    )
    road = pave(table, CREATE, FILL)
    load_again(road)
    road = replace(road, table=bad)
    road.sync()
    road.sql("UPDATE things SET v = 'bad', updated_at = now() WHERE id IN (4, 8, 12)")
    road.sync()
    state = road.warehouse.table_state(road.table)
    assert state is not None
    assert set(state.reload_reasons) == {OLD[0]}
    road.sql(
        "UPDATE things SET v = 'good', updated_at = now() WHERE id IN (4, 8)",
        "DELETE FROM things WHERE id IN (12, 16)",
    )
    road.sync()
    state = road.warehouse.table_state(road.table)
    assert state is not None
    assert not state.reload_reasons
    now = rows(road)
    assert (len(now), now[4], now[12], now[16]) == (120, "good", "v12", "v16")


def test_r4_a_platform_whose_every_day_is_closed_has_nothing_to_compare(pave: Paved) -> None:
    road = pave(closing_table(), CREATE, FILL)
    road = replace(road, scope=Scope(OLD[0], OLD[1]))
    road.sync()
    road.sql("DELETE FROM things")
    found = road.reconcile()
    assert (found.is_equal, found.differences.compared_days) == (True, frozenset())
    assert rows(road).keys() == OLD_IDS


def test_c7_the_guards_of_open_days_count_open_days_alone(pave: Paved) -> None:
    road = pave(closing_table(thresholds=Thresholds()), CREATE, FILL)
    road.sync()
    road.sql("DELETE FROM things WHERE id <= 40")  # twenty of the sixty rows of open days
    found = road.reconcile()
    assert found.repair is not None
    told = str(found.repair.mass_delete)
    assert "20 of 60 rows of raw/things are gone from the source" in told
    assert "shorten keep_before in the spec of raw/things" in told
    road.sql(f"DELETE FROM things WHERE created_at >= '{YOUNG[1]}'")
    found = road.reconcile()
    assert found.repair is not None
    assert f"All rows of {YOUNG[1]} of raw/things vanished" in str(found.repair.mass_delete)
    assert len(rows(road)) == 120
    assert road.reconcile(confirmed=True).is_equal
    assert len(rows(road)) == 80


def test_r4_a_row_that_was_marked_in_a_day_that_is_open_follows_the_rule_of_open_days(
    pave: Paved,
) -> None:
    """Marked while the table kept everything; since then only closed days keep."""
    columns = {"id": pl.Int64, "v": pl.String, "gone_at": UTC_MOMENT}
    options = {"id": {"nullable": False}}
    kept: dict[str, Any] = {"deletes": Deletes.KEEP, "kept_column": "gone_at"}
    road = pave(cased(columns, options, **kept), CREATE, FILL)
    road.sync()
    road.sql("DELETE FROM things WHERE id <= 8")
    road.reconcile()
    assert len(rows(road)) == 120
    road = replace(road, table=cased(columns, options, keep_before=KEPT, **kept))
    road.sql(f"INSERT INTO things VALUES (2, 'v2', '{YOUNG[0]} 05:00Z', '2024-01-01Z')")
    found = road.reconcile()
    assert found.differences.changed["id"].to_list() == [2]
    assert found.is_equal
    assert rows(road).keys() == OLD_IDS | {n for n in YOUNG_IDS if n > 8 or n == 2}
    frame = road.warehouse.read(road.table, [Window(OLD[0], TODAY)], road._folder()).frames[0]
    marked = frame.filter(pl.col("gone_at").is_not_null()).collect()["id"].to_list()
    assert set(marked) == {n for n in OLD_IDS if n <= 8}


def test_a_day_is_closed_once_it_began_longer_ago_than_that() -> None:
    table = closing_table()
    midnight = datetime(2024, 5, 21, tzinfo=UTC)
    assert open_from(table, midnight) == date(2024, 5, 1)
    assert open_from(table, midnight + timedelta(microseconds=1)) == date(2024, 5, 2)
    assert open_from(table, midnight - timedelta(microseconds=1)) == date(2024, 5, 1)
    dated = cased({"id": pl.Int64, "on": pl.Date}, deletes=Deletes.KEEP, keep_before=KEPT)
    dated = replace(dated, partition_column="on")
    assert open_from(dated, midnight) == date(2024, 5, 2)


def test_closed_days_are_told_in_one_sentence_however_many_they_are() -> None:
    told = str(closed_days(closing_table(), DAYS))
    assert told == (
        "raw/things: 12 days from 2024-01-01 to 2024-01-12 are published and not loaded again, "
        "because days that began more than 20 days ago are closed (keep_before): the source may "
        "have pruned them. If it is meant, what the source still has is loaded and the rest stays: "
        "etl-assets backfill raw/things --from 2024-01-01 --to 2024-01-12 --even-closed; in "
        "Dagster's UI the run needs the tag etl_assets/closed_days with the value load."
    )
