"""Sources and contracts that change under a table (M9, M10, M12): what is said, what is kept."""

from dataclasses import replace

import polars as pl
import pytest

from etl_assets.core.errors import ContractMismatch
from etl_assets.pipeline.sync_report import SyncReport
from etl_assets_tests.faults.conftest import Paved
from etl_assets_tests.faults.road import DAYS, Road, cased

REQUIRED = {"id": {"nullable": False}}
BARE = (
    "CREATE TABLE things (id int PRIMARY KEY, created_at timestamptz NOT NULL, "
    "updated_at timestamptz)"
)
THREE = "INSERT INTO things SELECT n, '2024-01-05Z', '2024-01-05Z' FROM generate_series(1, 3) n"

# The road is one for all warehouses: on DuckDB the default run has all of it, on PostgreSQL a part.
pytestmark = pytest.mark.soak_for("bigquery", "postgres")


def ids(road: Road) -> list[int]:
    return [row[0] for row in road.published()]


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_m9_a_contract_that_gained_a_column_is_no_trouble_of_the_warehouse(pave: Paved) -> None:
    """The case added_column.sql: the next sync and reconciliation go on, and fill the column."""
    road = pave(cased({"id": pl.Int64}, REQUIRED), BARE, THREE)
    road.sync()
    road.sql(
        "ALTER TABLE things ADD channel text NOT NULL DEFAULT 'web'",
        "UPDATE things SET updated_at = now() WHERE id = 2",
    )
    road = replace(road, table=cased({"id": pl.Int64, "channel": pl.String}, REQUIRED))
    road.sync()
    road.reconcile()
    assert [row[:2] for row in road.published()] == [(1, "web"), (2, "web"), (3, "web")]
    road.assert_settled()


@pytest.mark.thorough_but("duckdb")
@pytest.mark.soak_for("bigquery")
def test_m12_a_key_that_widens_so_that_it_repeats_replaces_no_row_in_silence(pave: Paved) -> None:
    road = pave(cased({"id": pl.Int64, "region": pl.String}, REQUIRED), BARE)
    road.sql("ALTER TABLE things ADD region text NOT NULL DEFAULT 'eu'", THREE)
    road.sync()
    assert ids(road) == [1, 2, 3]
    road.sql(
        "ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (id, region)",
        "INSERT INTO things VALUES (1, '2024-01-05Z', now(), 'us')",
        "INSERT INTO things VALUES (2, '2024-01-09Z', now(), 'us')",
    )
    road.sync()
    assert ids(road) == [3]
    aside = [(day, rule) for day, rule, _ in road.quarantined()]
    assert aside == [(DAYS[4], "unique_key")] * 3 + [(DAYS[8], "unique_key")]
    road.assert_settled()


def test_m12_a_key_that_widened_and_is_declared_so_loads_every_row(pave: Paved) -> None:
    both = cased(
        {"id": pl.Int64, "region": pl.String},
        {**REQUIRED, "region": {"nullable": False}},
        key=("id", "region"),
    )
    road = pave(both, BARE, "ALTER TABLE things ADD region text NOT NULL DEFAULT 'eu'", THREE)
    road.sync()
    road.sql(
        "ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (id, region)",
        "INSERT INTO things VALUES (1, '2024-01-05Z', now(), 'us')",
    )
    road.sync()
    assert ids(road) == [1, 1, 2, 3]
    assert road.quarantined() == []
    road.assert_settled()


def test_m12_a_type_that_outgrows_the_contract_stops_the_table_and_keeps_its_rows(
    pave: Paved,
) -> None:
    road = pave(cased({"id": pl.Int64, "v": pl.Int32}, REQUIRED), BARE)
    road.sql("ALTER TABLE things ADD v int NOT NULL DEFAULT 7", THREE)
    road.sync()
    before = road.published()
    road.sql(
        "ALTER TABLE things ALTER v TYPE bigint",
        "UPDATE things SET v = 3000000000, updated_at = now() WHERE id = 1",
    )
    for work in (road.sync, road.reconcile, road.load):
        with pytest.raises(ContractMismatch) as told:
            work()
        assert "'v' is bigint in the source" in told.value.what
        assert "the contract's Int32 " in told.value.what
        assert road.published() == before
    road.sql("UPDATE things SET v = 8 WHERE id = 1", "ALTER TABLE things ALTER v TYPE int")
    road.sync()
    assert road.published()[0][1] == 8


@pytest.mark.parametrize(
    ("stamp", "read"), [("NULL", 3), ("'2999-01-01Z'", 3), ("'2024-01-05Z'", 0)]
)
def test_m10_a_sync_that_reads_rows_without_a_cursor_says_how_many_each_time(
    pave: Paved, stamp: str, read: int
) -> None:
    road = pave(cased({"id": pl.Int64}, {**REQUIRED, "updated_at": {"nullable": True}}), BARE)
    road.sql(THREE.replace("'2024-01-05Z', '2024-01-05Z'", f"'2024-01-05Z', {stamp}::timestamptz"))
    road.sync()
    for _ in range(2):
        report = SyncReport("raw/things")
        for chunk in road.sync():
            report.add(chunk)
        told = [note for note in report.notes() if "usable cursor" in note]
        assert report.rows == read
        assert [note.startswith(f"raw/things: {read} rows have no") for note in told] == (
            [True] if read else []
        )
    assert ids(road) == [1, 2, 3]
