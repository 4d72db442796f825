"""Tables without days: ordinary tables, replaced as a whole; their one part is `WHOLE`."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.contract.days import AS_OF, DAY, orders, publish, spooled, staged
from etl_assets_tests.postgres_warehouse.warehouses import staging_tables, warehouse_at
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, run

RATES = replace(
    layer_table({"id": pl.Int64, "v": pl.String}, {"id": {"nullable": False}}, name="rates"),
    partition_column=None,
)
"""id, v; neither days nor a cursor."""

STAMPED = replace(
    layer_table(
        {"id": pl.Int64, "v": pl.String, "updated_at": UTC_MOMENT},
        {"id": {"nullable": False}},
        name="stamped",
    ),
    partition_column=None,
    cursor_column="updated_at",
)
"""id, v, updated_at, which is the cursor."""

INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'raw' ORDER BY 1"


def rates(values: dict[int, str], table: LayerTable = RATES) -> pl.DataFrame:
    more = () if table is RATES else (AS_OF,)
    rows = [(key, value, *more) for key, value in values.items()]
    return pl.DataFrame(rows, schema=polars_schema(table.columns), orient="row")


def all_of(warehouse: PostgresWarehouse, folder: Path, table: LayerTable = RATES) -> dict[int, str]:
    extract = warehouse.read(table, [Window.of(WHOLE)], folder / "whole")
    return dict(extract.frames[0].select("id", "v").collect().iter_rows())


@pytest.mark.parametrize("table", [RATES, STAMPED], ids=["plain", "with a cursor"])
def test_a_table_without_days_is_replaced_as_a_whole(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path, table: LayerTable
) -> None:
    first = rates({1: "one", 2: "two"}, table)
    publish(warehouse, staged(tmp_path, first, WHOLE, table=table), table=table)
    assert all_of(warehouse, tmp_path, table) == {1: "one", 2: "two"}
    later = AS_OF + timedelta(days=1)
    second = staged(
        tmp_path,
        rates({2: "new", 3: "three"}, table),
        WHOLE,
        table=table,
        as_of=later,
        rejected=[f'{{"n": {n}}}' for n in range(40)],
    )
    publish(warehouse, second, table=table)
    assert all_of(warehouse, tmp_path, table) == {2: "new", 3: "three"}
    assert warehouse.state(table) == [second.state]
    assert warehouse.quarantine_counts(table) == {WHOLE: 40}
    assert warehouse.quarantined(table, days=[WHOLE]).height == 40
    own = warehouse.table_state(table)
    assert own is not None
    assert (own.row_count, own.content is None) == (2, False)
    kinds = run(database_url, f"SELECT relkind FROM pg_class WHERE relname = '{table.name}'")
    assert kinds == [("r",)]
    assert staging_tables(database_url) == []


def test_readers_see_the_old_rows_or_the_new_ones_and_are_not_locked_out(
    database_url: str, tmp_path: Path
) -> None:
    with warehouse_at(database_url, wait_seconds=1) as warehouse:
        publish(warehouse, staged(tmp_path, rates({1: "old"}), WHOLE, table=RATES), table=RATES)
        with psycopg.connect(database_url) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            query = "SELECT id, v FROM raw.rates"
            assert reader.execute(query).fetchall() == [(1, "old")]
            part = staged(tmp_path, rates({2: "new"}), WHOLE, table=RATES)
            publish(warehouse, part, table=RATES)
            assert reader.execute(query).fetchall() == [(1, "old")]
        assert all_of(warehouse, tmp_path) == {2: "new"}


def test_only_what_has_a_range_has_a_brin(warehouse: PostgresWarehouse, database_url: str) -> None:
    warehouse.ensure(RATES)
    warehouse.ensure(STAMPED)
    assert run(database_url, INDEXES) == [
        ("CREATE INDEX stamped_updated_at_idx ON raw.stamped USING brin (updated_at) "
         "WITH (autosummarize='on')",),
        ("CREATE UNIQUE INDEX rates_id_idx ON raw.rates USING btree (id)",),
        ("CREATE UNIQUE INDEX stamped_id_idx ON raw.stamped USING btree (id)",),
    ]  # fmt: skip


def test_what_is_computed_of_rows_is_on_the_whole(
    warehouse: PostgresWarehouse, tmp_path: Path
) -> None:
    frame = rates({1: "one", 2: "two"}).with_columns(v=pl.lit(None, pl.String))
    publish(warehouse, staged(tmp_path, frame, WHOLE, table=RATES), table=RATES)
    assert warehouse.profile(RATES, [WHOLE]).rows() == [(WHOLE, 2, 2)]
    assert warehouse.profile(RATES, [DAY]).rows() == []
    buckets = warehouse.digests(RATES, [WHOLE], 1)
    assert [row[:3] for row in buckets.rows()] == [(WHOLE, 0, 2)]
    assert sorted(warehouse.row_digests(RATES, WHOLE, 1, [0])["id"]) == [1, 2]
    keys = spooled(tmp_path, pl.DataFrame({"id": [2, 9]}))
    assert warehouse.lookup(RATES, keys, tmp_path / "found").collect()["id"].to_list() == [2]


def test_a_table_that_loses_its_days_or_gets_some_is_refused_with_a_statement_that_works(
    warehouse: PostgresWarehouse, database_url: str, tmp_path: Path
) -> None:
    with_days = layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.String, "updated_at": UTC_MOMENT},
        {"id": {"nullable": False}},
        name="rates",
    )
    without = replace(with_days, partition_column=None)
    publish(warehouse, staged(tmp_path, orders({1: "v"}), table=with_days), table=with_days)
    with pytest.raises(WarehouseError, match=r"it is partitioned by day_at\)") as caught:
        warehouse.ensure(without)
    run(database_url, str(caught.value).split("migrate the table: ")[1].split(" Then")[0])
    publish(warehouse, staged(tmp_path, orders({2: "v"}), WHOLE, table=without), table=without)
    run(database_url, "ALTER TABLE raw.rates_aside RENAME TO rates_before")
    with pytest.raises(WarehouseError, match=r"it is not partitioned by day_at\)") as caught:
        warehouse.ensure(with_days)
    run(database_url, str(caught.value).split("migrate the table: ")[1].split(" Then")[0])
    warehouse.ensure(with_days)
