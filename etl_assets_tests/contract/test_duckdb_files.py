"""Files that an earlier release made: they gain what this one needs, and keep what they hold."""

from pathlib import Path

import duckdb

from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.contract.days import NEXT, ORDERS, orders, publish, staged, values


def test_a_file_of_an_earlier_release_gains_what_this_one_needs(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    before = staged(tmp_path, orders({1: "one"}))
    publish(DuckDBWarehouse(path), before)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE etl.etl_state DROP COLUMN made_of")
        connection.execute("DROP TABLE etl.etl_history")
        connection.execute("DROP TABLE etl.etl_tombstones")
        connection.execute("DELETE FROM etl.etl_state WHERE partition_key < DATE '1970-01-01'")
    warehouse = DuckDBWarehouse(path)
    assert warehouse.state() == [before.state]
    assert warehouse.table_state(ORDERS) is None
    after = staged(tmp_path, orders({1: "moved"}, NEXT), NEXT, made_of="a digest")
    publish(warehouse, after)
    assert values(warehouse, tmp_path, NEXT) == {1: "moved"}
    assert [(state.row_count, state.made_of) for state in warehouse.state()] == [
        (0, None),
        (1, "a digest"),
    ]
