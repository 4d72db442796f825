"""Tables of as many columns as PostgreSQL holds, and of more (M9)."""

import polars as pl
import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.source_tables import plain_table, run

OWN, MOST = 4, 1600


def wide(columns: int, first: int = 0) -> LayerTable:
    """A table of so many columns, with `id` and `day_at`; the others are called c0, c1, …"""
    return plain_table({f"c{n}": pl.Int16 for n in range(first, first + columns - 2)})


def columns_of(url: str) -> int:
    ((count,),) = run(
        url,
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'raw' "
        "AND table_name = 'things'",
    )
    return int(count)


def test_m9_a_table_that_is_full_with_our_own_columns_is_made(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    warehouse.ensure(wide(MOST - OWN))
    warehouse.ensure(wide(MOST - OWN))
    assert columns_of(database_url) == MOST


@pytest.mark.parametrize("over", [1, 4, 300])
def test_m9_more_columns_are_refused_with_how_many_there_may_be(
    warehouse: PostgresWarehouse, database_url: str, over: int
) -> None:
    with pytest.raises(WarehouseError) as raised:
        warehouse.ensure(wide(MOST - OWN + over))
    assert raised.value.what == (
        f"raw/things has {MOST - OWN + over:,} columns, and PostgreSQL holds 1,596 beside the 4 "
        "that the platform adds."
    )
    assert f"Leave at least {over} of them out of the contract" in raised.value.next_step
    assert columns_of(database_url) == 0


def test_m9_a_contract_that_outgrows_its_table_is_refused_and_the_table_stays(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    warehouse.ensure(wide(MOST - OWN - 1))
    with pytest.raises(WarehouseError, match="raw/things has 1,597 columns"):
        warehouse.ensure(wide(MOST - OWN + 1))
    assert columns_of(database_url) == MOST - 1


def test_m9_columns_that_were_dropped_count_and_the_message_says_what_the_limit_is(
    warehouse: PostgresWarehouse, database_url: str
) -> None:
    """Only the server knows of them: PostgreSQL gives no number of a column out twice."""
    warehouse.ensure(wide(MOST - OWN))
    run(database_url, "ALTER TABLE raw.things DROP COLUMN c0")
    with pytest.raises(WarehouseError, match="54011") as raised:
        warehouse.ensure(wide(MOST - OWN, first=1))
    assert "raw/things" in raised.value.what
    assert "PostgreSQL allows 1,600 columns" in raised.value.next_step
    assert columns_of(database_url) == MOST - 1
