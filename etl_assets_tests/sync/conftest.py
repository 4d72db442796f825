"""A table in a database of its own and the DuckDB that it syncs into, for each test."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.source_tables import reader_of
from etl_assets_tests.sync.shelf import CREATE, Shelf, shelf_table


@pytest.fixture
def shelf(database_url: str, tmp_path: Path) -> Iterator[Shelf]:
    """Empty, and without a look-back: what is read a second time shows in the counts."""
    table = shelf_table("shelf", lookback=timedelta(0))
    with reader_of(database_url) as reader:
        made = Shelf(database_url, table, DuckDBWarehouse(tmp_path / "w.duckdb"), tmp_path, reader)
        made.sql(*CREATE.format(name=table.name).split(";"))
        yield made
