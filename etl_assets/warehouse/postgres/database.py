"""The database of a warehouse: its transactions, and its own tables brought up to this release."""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from etl_assets.config import WarehousePool
from etl_assets.warehouse.postgres import system
from etl_assets.warehouse.postgres.engine import Transactions, warehouse_engine
from etl_assets.warehouse.postgres.schemas import Schemas
from etl_assets.warehouse.system_tables import SCHEMA_VERSION

T = TypeVar("T")


class PostgresDatabase:
    """The database of `url`; waits up to `wait_seconds` for others that hold what it needs.

    `schemas` says how the names of its schemas begin. With `read_only` nothing is changed in it, as
    its transactions are read-only; keys that are looked up are staged where `schemas` says.
    """

    def __init__(
        self,
        url: str,
        *,
        pool: WarehousePool,
        wait_seconds: float = 120,
        schemas: Schemas | None = None,
        read_only: bool = False,
    ) -> None:
        engine = warehouse_engine(url, pool)
        self.transactions = Transactions(engine, wait_seconds, schemas, read_only=read_only)
        self._is_read_only = self._is_prepared = read_only

    def close(self) -> None:
        """See `Warehouse.close`."""
        self.transactions.engine.dispose()

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`."""
        return self._look("looking at the platform's tables", system.version_of)

    def _look(self, doing: str, work: Callable[[sa.Connection], T]) -> T:
        """What `work` returns of one moment; it changes nothing."""
        return self.transactions.run(doing, work, reading=True)

    def _change(self, doing: str, work: Callable[[sa.Connection], None]) -> None:
        """Do `work` on the platform's own tables, in one transaction."""
        self._prepare()
        self.transactions.run(doing, work)

    def _bring_over(self) -> None:
        """Upgrade what an earlier release wrote, since work goes on from it; nothing is made where
        nobody published."""
        if not self._is_prepared and self.tables_version() is not None:
            self._prepare()

    def _prepare(self) -> None:
        """Upgrade a database that is new or behind, once a process."""
        if not self._is_prepared:
            if self.tables_version() != SCHEMA_VERSION:
                system.upgrade(self.transactions)
            self._is_prepared = True
