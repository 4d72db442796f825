"""What is cut into slices, and that several connections read what one reads (C12, C13)."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl_assets.core.computed import Sql
from etl_assets.core.errors import SourceError
from etl_assets.core.findings import Level
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.postgres.server_facts import findings_of_source
from etl_assets.sources.postgres import slices
from etl_assets_tests.hazards.in_slices import (
    BY_DAY,
    PLAIN,
    RENAMED,
    ROWS,
    Loads,
    Seen,
    fill,
    frames,
    sessions,
)
from etl_assets_tests.source_tables import (
    UTC_MOMENT,
    layer_table,
    reader_of,
    run,
)

KINDS: dict[str, tuple[list[str], LayerTable]] = {
    "a table": ([], PLAIN),
    "a day of a table": ([], BY_DAY),
    "a day that an index finds": (
        [
            "INSERT INTO things SELECT n, '2024-06-01Z', 'x' FROM generate_series(10000, 90000) n",
            "CREATE INDEX ON things (day_at)",
            "ANALYZE things",
        ],
        BY_DAY,
    ),
    "partitions": (
        [
            RENAMED,
            "CREATE TABLE things (LIKE base) PARTITION BY RANGE (id)",
            "CREATE TABLE few PARTITION OF things FOR VALUES FROM (1) TO (100)",
            "CREATE TABLE none PARTITION OF things FOR VALUES FROM (100) TO (101)",
            "CREATE TABLE most PARTITION OF things DEFAULT",
            "INSERT INTO things SELECT * FROM base WHERE id <> 100",
            "ANALYZE things",
        ],
        PLAIN,
    ),
    "children": (
        [
            "CREATE TABLE child (more int) INHERITS (things)",
            "INSERT INTO child SELECT * FROM things",
        ],
        PLAIN,
    ),
    "its own rows only": (
        ["CREATE TABLE child () INHERITS (things)", "INSERT INTO child SELECT * FROM things"],
        replace(PLAIN, source=PostgresTable("things", only=True)),
    ),
    "a materialised view": (
        [RENAMED, "CREATE MATERIALIZED VIEW things AS SELECT * FROM base", "ANALYZE things"],
        PLAIN,
    ),
    "a view by day": (
        [RENAMED, "CREATE VIEW things AS SELECT * FROM base", "CREATE INDEX ON base (day_at)"],
        BY_DAY,
    ),
    "a parent": (
        ["CREATE TABLE parents AS SELECT id AS pid, v AS name FROM things", "ANALYZE parents"],
        layer_table(
            {"id": pl.Int64, "name": pl.String},
            parent=Parent("parents", on={"id": "pid"}, columns={"name": "name"}),
        ),
    ),
    "no rows": (["TRUNCATE things"], PLAIN),
    "never analysed": (
        ["CREATE TABLE t AS TABLE things", "DROP TABLE things", "ALTER TABLE t RENAME TO things"],
        PLAIN,
    ),
    "rows that were updated and deleted": (
        [
            "UPDATE things SET v = v || 'u' WHERE id % 3 = 0",
            "DELETE FROM things WHERE id % 7 = 0",
            "VACUUM things",
            "INSERT INTO things SELECT n, '2024-05-17 12:00Z', 'again' "
            "FROM generate_series(100000, 100400) n",
            "ANALYZE things",
        ],
        PLAIN,
    ),
    "c12: no key, no day": (
        [
            "ALTER TABLE things DROP CONSTRAINT things_pkey, ALTER id DROP NOT NULL",
            "UPDATE things SET id = NULL WHERE id % 10 = 0",
            "UPDATE things SET day_at = NULL WHERE id % 9 = 0",
        ],
        PLAIN,
    ),
}
"""What is done to `things` before it is read, and the table."""
CUT = {kind for kind in KINDS if kind != "no rows"}


@pytest.mark.parametrize("kind", KINDS)
def test_c12_c13_several_connections_read_what_one_reads(
    database_url: str, seen: Seen, kind: str
) -> None:
    statements, table = KINDS[kind]
    table = table if kind != "a parent" else replace(table, partition_column=None)
    fill(database_url)
    run(database_url, "SELECT 1", *statements)
    alone = frames(database_url, table, 1)
    assert seen.slices == [], "one connection reads all at once"
    empty = pl.DataFrame(schema={c.name: c.dtype for c in table.columns})
    orders = []
    for workers in (2, 3):
        shared = frames(database_url, table, workers)
        rows = pl.concat([empty, *shared])
        assert_frame_equal(rows, pl.concat([empty, *alone]), check_row_order=False)
        orders.append(rows)
    assert_frame_equal(*orders)
    assert seen.connections == ([2, 3] if kind in CUT else [])
    assert all(cut >= 4 for cut in seen.slices)
    assert sessions(database_url) == []


def test_what_is_small_or_a_foreign_table_is_read_by_one(
    icu_database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_url = icu_database_url
    fill(database_url)
    monkeypatch.setattr(slices, "LEAST_BYTES", 32 << 20)
    assert sum(f.height for f in frames(database_url, PLAIN, 4)) == ROWS
    monkeypatch.setattr(slices, "LEAST_BYTES", 0)
    (here,) = run(
        database_url,
        "SELECT format('dbname %L, host %L, port %L', current_database(), "
        "current_setting('unix_socket_directories'), current_setting('port'))",
    )
    run(
        database_url,
        RENAMED,
        "CREATE EXTENSION postgres_fdw",
        f"CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({here[0]})",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER here OPTIONS (user 'postgres')",
        "CREATE TABLE things (LIKE base) PARTITION BY RANGE (id)",
        "CREATE FOREIGN TABLE far PARTITION OF things DEFAULT SERVER here "
        "OPTIONS (table_name 'base')",
    )
    assert sum(f.height for f in frames(database_url, PLAIN, 4)) == ROWS
    assert seen.slices == []


def test_a_day_without_an_index_is_not_read_once_for_each_slice(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "_MOST_COST", 1.5)
    monkeypatch.setattr(slices, "SLICE_BYTES", 1 << 20)
    fill(database_url, 100_000)
    run(database_url, RENAMED, "CREATE VIEW things AS SELECT * FROM base")
    assert sum(f.height for f in frames(database_url, BY_DAY, 2)) == 100_000
    assert seen.slices == []


@pytest.mark.thorough
def test_a_server_that_cannot_scan_a_range_of_pages_is_read_by_one_or_by_the_days_index(
    database_url: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a PostgreSQL before 14, to which a range of pages is a filter over all rows."""
    monkeypatch.setattr(slices, "_MOST_COST", 1.5)
    monkeypatch.setattr(slices, "SLICE_BYTES", 1 << 20)
    fill(database_url, 100_000)
    name = database_url.split("/")[3].split("?")[0]
    assert sum(f.height for f in frames(database_url, PLAIN, 2)) == 100_000
    assert len(seen.connections) == 1
    run(database_url, f'ALTER DATABASE "{name}" SET enable_tidscan = off')
    assert sum(f.height for f in frames(database_url, PLAIN, 2)) == 100_000
    assert sum(f.height for f in frames(database_url, BY_DAY, 2)) == 100_000
    assert len(seen.connections) == 1, "by one"
    run(
        database_url,
        "INSERT INTO things SELECT n, '2024-06-01Z', 'x' FROM generate_series(200000, 700000) n",
        "CREATE INDEX ON things (day_at)",
        "ANALYZE things",
    )
    assert sum(f.height for f in frames(database_url, BY_DAY, 2)) == 100_000
    assert len(seen.connections) == 2, "by spans of the day"


@pytest.mark.parametrize(("version", "says"), [("13.20", True), ("14.1", False)])
def test_doctor_says_what_a_server_before_14_reads_by_one(
    database_url: str, version: str, says: bool
) -> None:
    with reader_of(database_url) as plain:
        facts = plain.facts()
    number = int(version.split(".")[0]) * 10_000
    facts = replace(facts, told=facts.told._replace(version=number, shown_version=version))
    found = [f for f in findings_of_source("source", facts, 3600) if f.check == "large tables"]
    told = "before PostgreSQL 14 a large table is read by one connection"
    assert [(f.level, told in f.found) for f in found] == ([(Level.OK, True)] if says else [])


def test_rows_that_policies_hide_are_hidden_from_every_connection(
    database_url: str, seen: Seen
) -> None:
    fill(database_url)
    run(
        database_url,
        "DROP ROLE IF EXISTS narrow",
        "CREATE ROLE narrow LOGIN",
        "GRANT SELECT ON things TO narrow",
        "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY odd ON things FOR SELECT TO narrow USING (id % 2 = 1)",
    )
    url = database_url.replace("postgres:@", "narrow:@", 1)
    table = replace(PLAIN, source=PostgresTable("things", row_security=True))
    assert sum(f.height for f in frames(url, table, 3)) == ROWS // 2
    assert seen.connections == [3]


def test_an_expression_that_fails_for_a_row_names_it(database_url: str, seen: Seen) -> None:
    fill(database_url)
    run(database_url, "UPDATE things SET v = 'none' WHERE id = 3333")
    table = replace(
        layer_table({"id": pl.Int64, "n": pl.Int64}),
        partition_column=None,
        source=PostgresTable("things", computed={"n": Sql("substr(t.v, 2)::bigint")}),
    )
    for workers in (1, 3):
        with pytest.raises(SourceError, match=r"fails for the row id=3333"):
            frames(database_url, table, workers)
    assert sessions(database_url) == []


def test_rows_of_each_rule_are_set_aside_in_the_same_order(
    database_url: str, tmp_path: Path, seen: Seen
) -> None:
    fill(database_url)
    table = replace(
        layer_table(
            {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, {"v": {"str_endswith": "0"}}
        ),
        partition_column=None,
    )
    found = [
        Loads(database_url, tmp_path / str(workers), table).load(workers) for workers in (1, 2, 3)
    ]
    told = [
        (day.rows, day.quarantined, day.results, day.preview, day.high_watermark) for day in found
    ]
    aside = [pl.read_parquet(day.quarantine.files).drop("quarantined_at") for day in found]
    for other in (1, 2):
        assert_frame_equal(told[0][3], told[other][3])
        assert told[0][:3] == told[other][:3]
        assert_frame_equal(aside[0], aside[other])
    assert seen.connections == [2, 3]


def test_a_server_that_cannot_hand_its_snapshot_on_is_read_by_one(
    database_url: str, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some that only speak PostgreSQL's protocol; here the function is hidden from the role."""
    fill(database_url)
    run(
        database_url,
        "DROP ROLE IF EXISTS plain",
        "CREATE ROLE plain LOGIN",
        "GRANT SELECT ON things TO plain",
        "REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC",
    )
    loaded = Loads(database_url.replace("postgres:@", "plain:@", 1), tmp_path).load(3)
    assert (loaded.rows, seen.connections) == (ROWS, [])
