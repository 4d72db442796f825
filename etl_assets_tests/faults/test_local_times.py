"""The hour that comes twice or never (B3), and local times in a comparison (B2)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.partitions import Window
from etl_assets.core.policies import Thresholds
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, FIRST, Road, cased
from etl_assets_tests.source_tables import UTC_MOMENT

BERLIN: dict[str, Any] = {"source_zone": "Europe/Berlin"}
DDL = (
    "CREATE TABLE things (id bigint PRIMARY KEY, at timestamp, created_at timestamptz NOT NULL, "
    "updated_at timestamptz NOT NULL)"
)

# The road is one for all warehouses: on DuckDB the default run has all of it, on others a share.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


def local(**options: Any) -> Any:
    """The table of the case, whose thresholds are those of any other table."""
    table = cased(
        {"id": pl.Int64, "at": UTC_MOMENT},
        {"id": {"nullable": False}, "at": {**BERLIN, **options}},
    )
    return replace(table, thresholds=Thresholds())


def row(number: int, at: str, day: int) -> str:
    return f"INSERT INTO things VALUES ({number}, '{at}', '2024-01-0{day}Z', '2024-01-0{day}Z')"


def ids(road: Road) -> list[int]:
    return [number for number, *_ in road.published()]


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")  # it is the source that tells the hours apart
def test_b3_the_hour_that_comes_twice_or_never_sets_its_row_aside_and_no_other(
    pave: Paved,
) -> None:
    """The case repeated_hour.sql, with the hours of a whole year."""
    road = pave(
        local(),
        DDL,
        row(1, "2024-10-26 12:00", 1),
        row(2, "2024-10-27 02:30", 2),  # alone on its day
        row(3, "2024-03-31 02:30", 3),
        row(4, "2024-03-31 03:30", 3),
        row(5, "2024-10-27 03:00", 3),
    )
    road.sync()
    assert ids(road) == [1, 4, 5]
    assert [(day, rule) for day, rule, _ in road.quarantined()] == [
        (DAYS[1], "at: local_time"),
        (DAYS[2], "at: local_time"),
    ]
    payloads = {json.loads(payload)["id"]: payload for _, _, payload in road.quarantined()}
    assert "2024-10-27 02:30:00" in payloads["2"]
    road.sql("UPDATE things SET updated_at = now() WHERE id = 4")
    road.sync()
    assert ids(road) == [1, 4, 5], "what is aside from before keeps no day back"
    road.sql("UPDATE things SET at = '2024-10-27 04:00' WHERE id IN (1, 2)")  # behind the cursor
    assert road.reconcile().is_equal
    assert ids(road) == [1, 2, 4, 5]
    assert road.rules() == ["at: local_time"]
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
@pytest.mark.parametrize(("policy", "hour"), [("earliest", 0), ("latest", 1)])
def test_b3_one_of_two_hours_is_chosen_and_the_hour_that_never_was_set_aside(
    pave: Paved, policy: str, hour: int
) -> None:
    road = pave(
        local(ambiguous=policy),
        DDL,
        row(1, "2024-10-27 02:30", 1),
        row(2, "2024-03-31 02:30", 1),
    )
    road.sync()
    ((number, at, *_),) = road.published()
    assert (number, at.hour, at.minute) == (1, hour, 30)
    assert road.rules() == ["at: local_time"]
    road.load()
    road.assert_settled()


def test_b2_a_local_time_that_changed_behind_the_cursor_is_found(pave: Paved) -> None:
    road = pave(local(ambiguous="null"), DDL, row(1, "2024-07-01 12:00", 1))
    road.sql(row(2, "2024-10-27 02:30", 1))
    road.sync()
    road.sql("UPDATE things SET at = at + interval '1 microsecond' WHERE id = 1")
    found = road.reconcile(repair=False)
    assert found.differences.changed["id"].to_list() == [1]
    assert list(found.left_out) == []
    assert road.reconcile().is_equal
    assert [at and at.microsecond for _, at, *_ in road.published()] == [1, None]
    road.assert_settled()


def test_b2_a_table_by_the_days_of_a_local_time_knows_an_hour_by_its_instant(
    pave: Paved, tmp_path: Path
) -> None:
    zone = {"source_zone": "Atlantic/Azores", "ambiguous": "earliest", "nullable": False}
    table = cased({"id": pl.Int64}, {"id": {"nullable": False}, "created_at": zone})
    road = pave(
        replace(table, thresholds=Thresholds()),
        "CREATE TABLE things (id bigint PRIMARY KEY, created_at timestamp NOT NULL, "
        "updated_at timestamptz NOT NULL)",
        # On the Azores 00:30 stood twice: at 00:30 and at 01:30 UTC.
        "INSERT INTO things VALUES (1, '2024-10-27 00:30', '2024-01-05Z'), "
        "(2, '2024-01-05 23:30', '2024-01-05Z')",
    )
    road.load([FIRST.replace(month=10, day=27), FIRST.replace(day=6)])
    days = [state.partition_key for state in road.warehouse.state(road.table)]
    windows = [Window.of(day) for day in sorted(days)]
    frames = road.warehouse.read(road.table, windows, tmp_path / "read").frames
    found = pl.concat([frame.select("id", "created_at").collect() for frame in frames])
    assert {number: at.isoformat() for number, at in found.rows()} == {
        1: "2024-10-27T00:30:00+00:00",
        2: "2024-01-06T00:30:00+00:00",
    }
