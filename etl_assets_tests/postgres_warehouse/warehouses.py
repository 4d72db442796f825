"""What the tests of the PostgreSQL warehouse share: warehouses, and a look past them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from etl_assets.config import WarehousePool
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets.warehouse.postgres.partitions import ensure_days
from etl_assets_tests.contract.days import DAY, ORDERS
from etl_assets_tests.source_tables import run


@contextmanager
def warehouse_at(url: str, *, wait_seconds: float = 20, **pool: Any) -> Iterator[PostgresWarehouse]:
    """A warehouse on an engine of its own, disposed of afterwards."""
    warehouse = PostgresWarehouse(url, pool=WarehousePool(**pool), wait_seconds=wait_seconds)
    try:
        yield warehouse
    finally:
        warehouse.close()


def staging_tables(url: str) -> list[str]:
    """The names of the staging tables that are there."""
    found = run(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'etl_staging' ORDER BY 1")
    return [name for (name,) in found]


def with_days(warehouse: PostgresWarehouse, table: LayerTable = ORDERS, *days: date) -> None:
    """Make the table and its days, without rows."""
    warehouse.ensure(table)
    ensure_days(warehouse.transactions, table, days or [DAY])


def everything(url: str, table: str = "raw.orders") -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a table, of state and of quarantine, past the warehouse."""
    return {
        "rows": run(url, f"SELECT * FROM {table} ORDER BY id"),
        "state": run(url, "SELECT * FROM etl.etl_state ORDER BY 1, 2"),
        "quarantine": run(url, "SELECT payload, run_id FROM etl.etl_quarantine ORDER BY 1"),
    }


@contextmanager
def holding(warehouse: PostgresWarehouse, take: Any) -> Iterator[None]:
    """Hold locks in a transaction of another thread."""
    taken, let_go = threading.Event(), threading.Event()

    def work(connection: Any) -> None:
        take(connection)
        taken.set()
        let_go.wait(60)

    thread = threading.Thread(target=lambda: warehouse.transactions.run("holding", work))
    thread.start()
    assert taken.wait(20)
    try:
        yield
    finally:
        let_go.set()
        thread.join()
