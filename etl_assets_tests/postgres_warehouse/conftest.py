"""Fixtures of the PostgreSQL warehouse's own tests."""

from collections.abc import Iterator

import pytest

from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at


@pytest.fixture
def warehouse(database_url: str) -> Iterator[PostgresWarehouse]:
    """A warehouse in a fresh database."""
    with warehouse_at(database_url) as warehouse:
        yield warehouse
