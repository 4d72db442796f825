"""What goes wrong: told apart, with a next step, without a secret or a row's values."""

import threading
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import (
    ConfigError,
    DiskFull,
    EtlError,
    WarehouseBusy,
    WarehouseError,
    WarehouseUnavailable,
)
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets.warehouse.postgres.engine import Interrupted, classify
from etl_assets.warehouse.postgres.locks import lock_table
from etl_assets.warehouse.publication import Publication
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    orders,
    own_row,
    publish,
    staged,
    values,
)
from etl_assets_tests.hazards.test_source_failures import CANARY, told
from etl_assets_tests.postgres_warehouse.warehouses import (
    everything,
    holding,
    staging_tables,
    warehouse_at,
    with_days,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run

NOBODY = f"postgresql://app:{CANARY}@127.0.0.1:1/warehouse?connect_timeout=2"


def test_a_server_that_is_not_there_is_worth_a_retry_and_keeps_the_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with warehouse_at(NOBODY) as warehouse, pytest.raises(WarehouseUnavailable) as caught:
        warehouse.state()
    assert caught.value.retryable
    assert "WAREHOUSE_URL" in caught.value.next_step
    assert CANARY not in told(caught.value, caplog)


@pytest.mark.parametrize(
    "url", [f"postgresql://u:p@{CANARY}@host/db", f"postgresql://u:%zz{CANARY}@h/d"]
)
def test_a_malformed_url_names_its_setting_and_keeps_the_secret(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match="WAREHOUSE_URL") as caught, warehouse_at(url):
        pass
    assert CANARY not in told(caught.value, caplog)


def test_two_rows_of_one_key_are_refused_without_their_values(
    warehouse: PostgresWarehouse, tmp_path: Path, caplog: Any
) -> None:
    table = layer_table({"id": pl.String, "day_at": UTC_MOMENT, "v": pl.String})
    rows = [(CANARY, at(DAY), "a"), (CANARY, at(DAY), "b")]
    frame = pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")
    with pytest.raises(WarehouseError, match="23505") as caught:
        publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    assert "one key" in caught.value.next_step
    assert CANARY not in told(caught.value, caplog)


@pytest.mark.parametrize(
    ("table", "day", "waits"),
    [
        (ORDERS, DAY, True),
        (ORDERS, NEXT, True),
        (replace(ORDERS, source=None), NEXT, True),
        (replace(ORDERS, name="others"), DAY, False),
    ],
)
def test_l3_publications_of_one_table_take_turns_and_of_two_do_not(
    database_url: str, tmp_path: Path, table: LayerTable, day: date, waits: bool
) -> None:
    with warehouse_at(database_url, wait_seconds=0.3) as warehouse:
        with_days(warehouse)
        before = everything(database_url)
        part = staged(tmp_path, orders({1: "one"}, day), day, table=table)
        with holding(warehouse, lambda c: lock_table(c, ORDERS.path)):
            if waits:
                with pytest.raises(
                    WarehouseBusy, match=r"publishing raw/orders; waited 0 s"
                ) as busy:
                    publish(warehouse, part, table=table)
                assert busy.value.retryable
                assert everything(database_url) == before
            else:
                publish(warehouse, part, table=table)
        publish(warehouse, part, table=table)
        assert values(warehouse, tmp_path, day, table=table) == {1: "one"}
    assert staging_tables(database_url) == []


def test_an_exhausted_pool_is_busy(database_url: str) -> None:
    with (
        warehouse_at(database_url, size=1, overflow=1, timeout=0.2) as warehouse,
        holding(warehouse, lambda connection: None),
        holding(warehouse, lambda connection: None),
        pytest.raises(WarehouseBusy, match="connections of the warehouse's pool") as caught,
    ):
        warehouse.state()
    assert "ETL_WAREHOUSE_POOL_SIZE" in caught.value.next_step


def test_a_deadlock_is_tried_again(warehouse: PostgresWarehouse, database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "INSERT INTO t VALUES (1,0),(2,0)",
    )
    both = threading.Barrier(2)
    attempts: list[int] = []

    def cross(first: int, second: int) -> None:
        def work(connection: Any) -> None:
            attempts.append(first)
            connection.exec_driver_sql(f"UPDATE t SET n = n + 1 WHERE id = {first}")
            if len(attempts) <= 2:
                both.wait(10)
            connection.exec_driver_sql(f"UPDATE t SET n = n + 1 WHERE id = {second}")

        warehouse.transactions.run("crossing", work)

    threads = [threading.Thread(target=cross, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run(database_url, "SELECT n FROM t ORDER BY id") == [(2,), (2,)]
    assert len(attempts) == 3


def test_a_conflict_that_lasts_is_given_up_after_a_while(warehouse: PostgresWarehouse) -> None:
    attempts: list[int] = []

    def work(connection: Any) -> None:
        attempts.append(1)
        connection.exec_driver_sql(
            "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'serialization_failure'; END $$"
        )

    with pytest.raises(WarehouseUnavailable, match="40001"):
        warehouse.transactions.run("conflicting", work)
    assert len(attempts) == 5


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", DiskFull),
        ("55P03", WarehouseBusy),
        ("57P01", Interrupted),
        ("08006", Interrupted),
        ("53300", WarehouseUnavailable),
        ("57014", WarehouseUnavailable),
        ("42501", WarehouseError),
        ("22003", WarehouseError),
        (None, Interrupted),
    ],
)
def test_errors_are_told_apart_by_sqlstate(state: str | None, kind: type[EtlError]) -> None:
    error = psycopg.errors.lookup(state)(CANARY) if state else psycopg.OperationalError(CANARY)
    ours = classify(error, "testing", 1)
    assert type(ours) is kind
    assert CANARY not in str(ours)


def test_leftovers_of_killed_runs_are_swept_after_a_day(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    with_days(warehouse)
    for name, age in (("old", "25 hours"), ("young", "23 hours")):
        run(
            database_url,
            f"CREATE TABLE etl_staging.{name} (id int)",
            f"DO $$ BEGIN EXECUTE format('COMMENT ON TABLE etl_staging.{name} IS %L', "
            f"to_char(now() - interval '{age}', 'YYYY-MM-DD\"T\"HH24:MI:SS')); END $$",
        )
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    assert staging_tables(database_url) == ["young"]


def test_staged_days_of_two_runs_have_tables_of_their_own(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    day = staged(tmp_path, orders({1: "one"}))
    staged_twice = [warehouse.stage(ORDERS, [day], "run") for _ in range(2)]
    assert len(staging_tables(database_url)) == 2
    kinds = run(
        database_url,
        "SELECT DISTINCT relpersistence FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace = 'etl_staging'::regnamespace",
    )
    assert kinds == [("u",)]
    for staging in staged_twice:
        warehouse.discard(staging)
        warehouse.discard(staging)
    assert staging_tables(database_url) == []
    plan = Publication(
        staged_twice[0],
        token=None,
        table_state=own_row(row_count=1),
        states=[day.state],
        replaced=[DAY],
    )
    warehouse.publish(plan)  # from the spool again
    assert values(warehouse, tmp_path) == {1: "one"}
    warehouse.discard(staged_twice[0])
    assert staging_tables(database_url) == []


def test_discarding_never_fails(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    staging = warehouse.stage(ORDERS, [staged(tmp_path, orders({1: "one"}))], "run")
    with psycopg.connect(database_url) as other:
        other.execute(f'SELECT * FROM etl_staging."{staging.name}"'.encode())
        warehouse.discard(staging)  # it is in use: the sweep of a later day takes it
        assert staging_tables(database_url) == [staging.name]
    with warehouse_at(NOBODY) as far:
        far.discard(staging)


def test_parts_without_rows_need_no_staging_table_and_no_partition(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    day = staged(tmp_path, orders({}), rejected=["{}"])
    staging = warehouse.stage(ORDERS, [day], "run")
    assert staging_tables(database_url) == []
    warehouse.discard(staging)
    publish(warehouse, day)
    assert warehouse.state() == [day.state]
    assert run(database_url, "SELECT count(*) FROM pg_inherits") == [(0,)]
