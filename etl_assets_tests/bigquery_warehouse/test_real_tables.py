"""What only the real BigQuery can answer about tables as a whole: replaced, migrated, described."""

from dataclasses import replace
from uuid import uuid4

import polars as pl
import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.core.partitions import WHOLE
from etl_assets.warehouse.bigquery import system
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets_tests.bigquery_warehouse.real import BIGQUERY_REAL, Real, own
from etl_assets_tests.contract.days import ORDERS, orders, publish, published, staged, values
from etl_assets_tests.contract.test_schema import OLD, REQUIRED, put, things
from etl_assets_tests.source_tables import UTC_MOMENT

pytestmark = BIGQUERY_REAL


def test_a_table_without_days_is_replaced(real: Real) -> None:
    """A table without days has no partitions, and is replaced and read as a whole."""
    table = replace(own(ORDERS), partition_column=None)
    warehouse = real.warehouse("&require_partition_filter=true")
    for value in ("old", "new"):
        day = staged(real.folder, orders({1: value}), WHOLE, table=table)
        publish(warehouse, day, table=table)
    assert values(warehouse, real.folder, WHOLE, table=table) == {1: "new"}
    assert warehouse.digests(table, [WHOLE], 1)["rows"].to_list() == [1]


def test_an_earlier_release_is_brought_over(real: Real) -> None:
    """The statements that bring an earlier release's rows over run, also where there are none."""
    table, warehouse = own(ORDERS), real.warehouse()
    publish(warehouse, staged(real.folder, orders({1: "one"}), table=table), table=table)
    before = warehouse.table_state(table)
    script = system._upgrade(warehouse._datasets).replace(f"< {SCHEMA_VERSION} THEN", "< 99 THEN")
    warehouse._jobs.query(script, f"etl_upgrade_{uuid4().hex}")
    assert warehouse.table_state(table) == before


DIFFERENT = {
    "gone": (things(OLD), things({"id": pl.Int64, "day_at": UTC_MOMENT}), None),
    "retyped": (things(OLD), things({**OLD, "v": pl.Int64}), 7),
    "no longer required": (things(OLD, {"v": REQUIRED}), things(OLD), None),
}


@pytest.mark.parametrize("change", DIFFERENT)
def test_the_statements_we_tell_work(real: Real, change: str) -> None:
    """What our message says to run works: drop, retype, DROP NOT NULL."""
    before, after, value = DIFFERENT[change]
    before = own(before)
    after, warehouse = replace(after, name=before.name), real.warehouse()
    put(warehouse, real.folder, before, v="7")
    with pytest.raises(WarehouseError) as caught:
        warehouse.ensure(after)
    real.query(str(caught.value).split("migrate the table: ")[1])
    warehouse.ensure(after)
    kept = published(warehouse, real.folder, table=after)
    assert kept.height == 1
    put(warehouse, real.folder, after, v=value)
    row = published(warehouse, real.folder, table=after).row(0, named=True)
    assert row.get("v") == value


def test_added_columns_are_described(real: Real) -> None:
    """Three new columns are added and described within the rate of table changes."""
    before, warehouse = own(things(OLD)), real.warehouse()
    put(warehouse, real.folder, before)
    new = {"note": pl.String, "amount": pl.Decimal(18, 2), "tags": pl.List(pl.String)}
    after = replace(things({**OLD, **new}), name=before.name)
    warehouse.ensure(after)
    found = real.client.get_table(f"{real.prefix}raw.{after.name}").schema
    described = {field.name: field.description for field in found}
    assert [described[name] for name in new] == ["A test's."] * 3
    put(warehouse, real.folder, after, note="noted", tags=["a"])
    assert published(warehouse, real.folder, table=after)["note"].to_list() == ["noted"]
