"""Days as partitions: how they are made, named, pruned and found, and whom that disturbs."""

import threading
from datetime import timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets.warehouse.postgres.types import within
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    changes_of,
    orders,
    publish,
    published,
    staged,
    token_of,
    values,
)
from etl_assets_tests.postgres_warehouse.boundaries import Way
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at, with_days
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, layer_table, run

MONTH = [DAY + timedelta(days=n) for n in range(30)]
PARTITIONS = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
    "JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' ORDER BY 2, 1"
)


def test_only_the_day_is_touched_by_what_deletes_or_reads_it(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    with_days(warehouse, ORDERS, *MONTH)
    with psycopg.connect(database_url) as connection:
        for words in ("DELETE FROM raw.orders WHERE ", "SELECT * FROM raw.orders WHERE "):
            condition = within(ORDERS, Window.of(NEXT)).as_string(connection)
            plan = "\n".join(r for (r,) in connection.execute("EXPLAIN " + words + condition))
            assert "orders_p20240518" in plan
            assert plan.count("orders_p") == plan.count("orders_p20240518")


@pytest.mark.parametrize(
    ("dtype", "bounds"),
    [
        (pl.Date, "FROM ('2024-05-17') TO ('2024-05-18')"),
        (NAIVE, "FROM ('2024-05-17 00:00:00') TO ('2024-05-18 00:00:00')"),
        (UTC_MOMENT, "FROM ('2024-05-17 00:00:00+00') TO ('2024-05-18 00:00:00+00')"),
    ],
)
def test_a_partition_is_a_half_open_utc_day(
    warehouse: PostgresWarehouse, database_url: str, dtype: object, bounds: str
) -> None:
    # A server elsewhere must not move the days.
    run(database_url, "ALTER ROLE postgres SET timezone = 'Asia/Tokyo'")
    try:
        table = layer_table({"id": pl.Int64, "day_at": dtype, "v": pl.String})
        with_days(warehouse, table, DAY)
    finally:
        run(database_url, "ALTER ROLE postgres RESET timezone")
    assert run(database_url, PARTITIONS) == [("things_p20240517", f"FOR VALUES {bounds}")]


def test_a_day_is_added_while_others_read_and_write_the_table(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    with psycopg.connect(database_url) as reader, psycopg.connect(database_url) as writer:
        reader.execute("SELECT * FROM raw.orders")
        writer.execute("UPDATE raw.orders SET v = v")
        publish(warehouse, staged(tmp_path, orders({2: "two"}, NEXT), NEXT))
        assert values(warehouse, tmp_path, DAY, NEXT) == {1: "one", 2: "two"}


def test_threads_that_want_the_same_days_make_each_once(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    warehouse.ensure(ORDERS)
    threads = [
        threading.Thread(target=with_days, args=[warehouse, ORDERS, *MONTH]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(run(database_url, PARTITIONS)) == len(MONTH)


def test_a_long_name_gets_partitions_with_a_digest(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    name = "ä" * 31  # 62 bytes
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}, name=name)
    frame = pl.DataFrame([(1, at(DAY), "v")], schema=polars_schema(table.columns), orient="row")
    for _ in range(2):
        publish(warehouse, staged(tmp_path, frame, table=table), table=table)
    assert published(warehouse, tmp_path, table=table).equals(frame)
    ((partition, _),) = run(database_url, PARTITIONS)
    assert partition.startswith("p20240517_")


@pytest.mark.parametrize("what", ["table", "column"])
def test_names_that_postgresql_would_cut_off_are_refused(
    warehouse: PostgresWarehouse, what: str
) -> None:
    name = "n" * 64
    column, table = (name, "things") if what == "column" else ("v", name)
    long = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, column: pl.String}, name=table)
    with pytest.raises(WarehouseError, match=f"63 bytes: {name}"):
        warehouse.ensure(long)


def test_a_table_put_aside_for_another_partition_column_keeps_its_rows(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    old = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String})
    frame = pl.DataFrame([(1, at(DAY), "v")], schema=polars_schema(old.columns), orient="row")
    publish(warehouse, staged(tmp_path, frame, table=old), table=old)
    new = layer_table({"id": pl.Int64, "day_at": pl.Date, "v": pl.String})
    with pytest.raises(WarehouseError, match="RENAME TO") as caught:
        warehouse.ensure(new)
    run(database_url, str(caught.value).split("migrate the table: ")[1])
    other = pl.DataFrame([(1, DAY, "v")], schema=polars_schema(new.columns), orient="row")
    publish(warehouse, staged(tmp_path, other, table=new), table=new)
    assert published(warehouse, tmp_path, table=new).equals(other)
    assert run(database_url, "SELECT count(*) FROM raw.things_aside") == [(1,)]
    assert len(run(database_url, PARTITIONS)) == 2


def test_a_table_of_somebody_elses_is_refused(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    run(database_url, "CREATE SCHEMA raw", "CREATE TABLE raw.orders (id bigint)")
    with pytest.raises(WarehouseError, match="not partitioned by day_at"):
        warehouse.ensure(ORDERS)


def test_a_contract_with_another_key_is_refused_with_a_statement_that_works(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    dtypes = {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String}
    warehouse.ensure(layer_table(dtypes))
    wider = layer_table(dtypes, key=("id", "v"))
    with pytest.raises(WarehouseError, match="CREATE UNIQUE INDEX") as caught:
        warehouse.ensure(wider)
    run(database_url, str(caught.value).split("migrate the table: ")[1])
    rows = [(1, at(DAY), "a"), (1, at(DAY), "b")]
    frame = pl.DataFrame(rows, schema=polars_schema(wider.columns), orient="row")
    publish(warehouse, staged(tmp_path, frame, table=wider), table=wider)
    assert published(warehouse, tmp_path, table=wider).equals(frame)


def test_rows_of_another_day_are_refused(warehouse: PostgresWarehouse, tmp_path: Path) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "one"})))
    for moment in (at(NEXT), None):
        frame = orders({2: "two"}).with_columns(pl.lit(moment, UTC_MOMENT).alias("day_at"))
        with pytest.raises(WarehouseError, match=r"1 row staged .* another day"):
            publish(warehouse, staged(tmp_path, frame))
    assert values(warehouse, tmp_path) == {1: "one"}


@pytest.mark.parametrize("way", Way)
def test_partitions_of_days_that_have_nothing_to_do_with_it_are_left_alone(
    database_url: str, tmp_path: Path, way: Way
) -> None:
    """Changes say which days they touch; replaced days look for their keys on published ones."""
    with warehouse_at(database_url, wait_seconds=0.3) as warehouse:
        with_days(warehouse, ORDERS, DAY, NEXT)
        publish(warehouse, staged(tmp_path, orders({1: "one"})))
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE raw.orders_p20240518 IN ACCESS EXCLUSIVE MODE")
            day = staged(tmp_path, orders({1: "new"}))
            if way is Way.REPLACE:
                publish(warehouse, day)
            else:
                bring(warehouse, changes_of(tmp_path, token_of(warehouse)), day)
            assert values(warehouse, tmp_path) == {1: "new"}


def test_c8_rows_of_days_that_a_replaced_day_takes_nothing_from_may_be_locked(
    database_url: str, tmp_path: Path
) -> None:
    later = NEXT + timedelta(days=1)
    with warehouse_at(database_url, wait_seconds=0.3) as warehouse:
        publish(
            warehouse,
            staged(tmp_path, orders({1: "one"})),
            staged(tmp_path, orders({2: "two", 3: "three"}, NEXT), NEXT),
        )
        with psycopg.connect(database_url) as writer:
            writer.execute("UPDATE raw.orders_p20240517 SET v = v")
            writer.execute("UPDATE raw.orders_p20240518 SET v = v WHERE id = 3")
            moved = staged(tmp_path, orders({2: "moved"}, later, updated=at(later)), later)
            publish(warehouse, moved)
        assert values(warehouse, tmp_path, DAY, later) == {1: "one", 2: "moved", 3: "three"}
