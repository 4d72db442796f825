"""The platform's own tables are brought over from earlier releases, whoever comes first.

`fixtures/old_warehouse.sql` is a dump of what the last release before version 4 left behind.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.core.state import Happening
from etl_assets.core.table import versions_of
from etl_assets.warehouse.postgres.locks import lock_schema_changes
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    by_contract,
    entry,
    orders,
    publish,
    staged,
    values,
)
from etl_assets_tests.hazards.test_source_concurrency import until
from etl_assets_tests.old_warehouse import (
    DAILY,
    FIXTURES,
    LATER,
    OF_DAILY,
    OF_ORDERS,
    ROWS,
    VERSIONED,
    assert_nothing_is_lost,
)
from etl_assets_tests.postgres_warehouse.warehouses import holding, warehouse_at
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import run

COLUMNS = (
    "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
    "WHERE c.relnamespace = 'etl'::regnamespace AND c.relkind = 'r' ORDER BY c.relname, a.attname"
)
INDEXES = (
    "SELECT replace(indexdef, indexname, '…') FROM pg_indexes WHERE schemaname = 'etl' ORDER BY 1"
)
OLD_ONES = ("alembic_version", "etl_appends", "events", "staging_events")
TO_0002 = (
    "DROP TABLE etl.etl_history, etl.etl_tombstones",
    "DELETE FROM etl.etl_state WHERE partition_key = '0001-01-01'",
    "ALTER TABLE etl.etl_state DROP COLUMN made_of",
    "UPDATE etl.alembic_version SET version_num = '0002'",
)
TO_0001 = (*TO_0002, "DROP TABLE etl.events, etl.staging_events")
TO_0001 = (*TO_0001, "UPDATE etl.alembic_version SET version_num = '0001'")


@pytest.fixture
def old_url(database_url: str) -> str:
    """The URL of a database that holds what an earlier release left."""
    run(database_url, (FIXTURES / "old_warehouse.sql").read_text())
    return database_url


def of_our_own(url: str, query: str) -> list[tuple[object, ...]]:
    """What the query finds of the tables that this release has."""
    return [row for row in run(url, query) if not any(name in str(row) for name in OLD_ONES)]


def nothing_is_lost(url: str, folder: Path) -> None:
    with warehouse_at(url) as warehouse:
        assert_nothing_is_lost(warehouse, folder)
    for table, rows in ROWS.items():
        assert run(url, f"SELECT id, v FROM {table} ORDER BY 1, 2") == rows
    assert run(url, "SELECT row_key FROM etl.etl_tombstones") == [("id=2",)]
    assert run(url, "SELECT event_id, payload::text FROM etl.staging_events") == [("e1", "{}")]


def test_what_an_earlier_release_left_is_brought_over_without_loss(
    old_url: str, tmp_path: Path
) -> None:
    with warehouse_at(old_url) as warehouse:
        told = warehouse.migrate()
        assert told.startswith(f"Migrated the platform's tables from version 3 to {SCHEMA_VERSION}")
        assert "New: etl_tables, " in told
        assert warehouse.migrate().startswith("Nothing to migrate")
    nothing_is_lost(old_url, tmp_path)
    assert run(old_url, "SELECT version FROM etl.etl_schema") == [(SCHEMA_VERSION,)]
    # A release before version 4 knows no such revision, and says so.
    assert run(old_url, "SELECT version_num FROM etl.alembic_version") == [("0004",)]
    assert run(
        old_url, "SELECT count(*) FROM etl.etl_state WHERE partition_key < '2000-01-01'"
    ) == [(0,)]


def test_work_goes_on_from_what_an_earlier_release_left(old_url: str, tmp_path: Path) -> None:
    with warehouse_at(old_url) as warehouse:
        assert warehouse.table_state(ORDERS) == OF_ORDERS  # this brings it over
        assert warehouse.migrate().startswith("Nothing to migrate")
        day = staged(tmp_path, orders({3: "moved", 4: "new"}, updated=at(NEXT, 18)), as_of=LATER)
        publish(warehouse, day, table=VERSIONED)
        assert values(warehouse, tmp_path, DAY, NEXT) == {3: "moved", 4: "new"}
        now = warehouse.table_state(ORDERS)
        after = replace(OF_ORDERS, load_id=day.state.load_id, run_id="run-1", row_count=2)
        assert now == by_contract(after, VERSIONED)
        assert [state.row_count for state in warehouse.state(ORDERS)] == [2, 0]
        versions = [state.row_count for state in warehouse.state(versions_of(ORDERS))]
        assert versions == [3, 3]


def test_reading_works_before_the_upgrade_and_changes_nothing(old_url: str, tmp_path: Path) -> None:
    with warehouse_at(old_url) as warehouse:
        assert [(s.table_name, s.partition_key) for s in warehouse.state(ORDERS)] == [
            ("raw/orders", DAY),
            ("raw/orders", NEXT),
        ]
        assert warehouse.table_states() == []
        assert warehouse.quarantine_counts(ORDERS) == {DAY: 1}
        assert warehouse.quarantined(ORDERS, days=[NEXT]).height == 0
        assert len(warehouse.history(ORDERS, Happening.SCOPE)) == 2
        assert values(warehouse, tmp_path, DAY, NEXT) == dict(ROWS["raw.orders"])
        assert warehouse.version() is None
    assert run(
        old_url, "SELECT to_regclass('etl.etl_tables'), version_num FROM etl.alembic_version"
    ) == [(None, "0003")]


@pytest.mark.parametrize("steps", [TO_0002, TO_0001], ids=["0002", "0001"])
def test_releases_before_the_last_one_are_brought_over_as_well(
    old_url: str, tmp_path: Path, steps: tuple[str, ...]
) -> None:
    run(old_url, *steps)
    with warehouse_at(old_url) as warehouse:
        assert warehouse.history(ORDERS, Happening.WATERMARK) == []
        assert [state.made_of for state in warehouse.state(DAILY)] == [None, None]
        own = warehouse.table_state(ORDERS)
        assert own is not None
        assert (own.row_count, own.load_id, own.high_watermark) == (2, f"{4:032x}", None)
        assert warehouse.table_state(DAILY) == OF_DAILY
        warehouse.record([entry()])
        assert warehouse.history(ORDERS, Happening.WATERMARK) == [entry()]
        assert values(warehouse, tmp_path, DAY, NEXT) == dict(ROWS["raw.orders"])


def test_an_upgraded_database_has_what_a_new_one_has(
    old_url: str, postgres: object, tmp_path: Path
) -> None:
    with warehouse_at(old_url) as warehouse:
        warehouse.migrate()
    upgraded = of_our_own(old_url, COLUMNS), of_our_own(old_url, INDEXES)
    run(old_url, "DROP SCHEMA etl CASCADE")
    with warehouse_at(old_url) as warehouse:
        warehouse.migrate()
    wide = [  # earlier releases counted checks in 32 bits
        (table, name, "bigint" if type_ == "integer" else type_, strict)
        for table, name, type_, strict in upgraded[0]
    ]
    assert wide == run(old_url, COLUMNS)
    assert upgraded[1] == run(old_url, INDEXES)
    assert len(upgraded[1]) == 14


@pytest.mark.parametrize(
    "writing",
    [
        "INSERT INTO etl.etl_state SELECT 'raw/late', partition_key, high_watermark, NULL, "
        "0, NULL, 0, 0, 0, as_of, 'late', run_id, 0, NULL, updated_at FROM etl.etl_state "
        "WHERE partition_key = '0001-01-01'",
        "INSERT INTO etl.etl_history (table_name, kind, at, run_id, payload) "
        "VALUES ('raw/orders', 'owed', '2024-07-01', 'late', '{\"days\": [\"2024-06-07\"]}')",
    ],
    ids=["state", "history"],
)
def test_a_run_of_an_earlier_release_that_is_at_work_is_waited_for(
    old_url: str, writing: str
) -> None:
    thread = threading.Thread(target=_migrate, args=[old_url])
    with psycopg.connect(old_url) as old:
        old.execute(writing.encode())
        thread.start()
        until(
            old_url,
            "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())) "
            "OR to_regclass('etl.etl_schema') IS NOT NULL",
        )
    thread.join()
    with warehouse_at(old_url) as warehouse:
        tables = {state.table_name: state for state in warehouse.table_states()}
        if "etl_state" in writing:
            assert tables["raw/late"].load_id == "late"
        else:
            assert list(tables["raw/orders"].reload_reasons) == [date(2024, 6, 7)]
        assert all(state.partition_key >= DAY for state in warehouse.state())


def ahead_by_version(url: str) -> str:
    with warehouse_at(url) as warehouse:
        warehouse.migrate()
    run(url, f"UPDATE etl.etl_schema SET version = {SCHEMA_VERSION + 1}")
    return f"version {SCHEMA_VERSION + 1}"


def ahead_by_revision(url: str) -> str:
    run(url, "UPDATE etl.alembic_version SET version_num = '9999'")
    return "revision 9999"


@pytest.mark.parametrize("ahead", [ahead_by_version, ahead_by_revision])
def test_a_database_of_a_newer_release_is_refused(
    old_url: str, tmp_path: Path, ahead: Callable[[str], str]
) -> None:
    words = ahead(old_url)
    with warehouse_at(old_url) as older:
        for attempt in (
            lambda: publish(older, staged(tmp_path, orders({2: "two"}))),
            lambda: older.table_state(ORDERS),
            lambda: older.record([entry()]),
            older.migrate,
        ):
            with pytest.raises(WarehouseError, match=rf"newer release .*{words}"):
                attempt()
        assert values(older, tmp_path, DAY, NEXT) == dict(ROWS["raw.orders"])


def _migrate(url: str) -> None:
    with warehouse_at(url) as warehouse:
        warehouse.migrate()


@pytest.mark.parametrize("old", [True, False], ids=["old", "new"])
def test_processes_and_threads_may_migrate_at_once(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, old: bool
) -> None:
    if old:
        request.getfixturevalue("old_url")
    waiting = (
        "(SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())) = 3"
    )
    thread = threading.Thread(target=_migrate, args=[database_url])
    with warehouse_at(database_url) as warehouse, holding(warehouse, lock_schema_changes):
        processes = [start(_migrate, database_url) for _ in range(2)]  # so that they meet
        thread.start()
        until(database_url, waiting)
        assert run(database_url, "SELECT to_regclass('etl.etl_tables')") == [(None,)]
    thread.join()
    assert [ended(process) for process in processes] == [0, 0]
    assert run(database_url, "SELECT version FROM etl.etl_schema") == [(SCHEMA_VERSION,)]
    if old:
        nothing_is_lost(database_url, tmp_path)
