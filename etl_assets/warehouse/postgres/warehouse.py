"""The warehouse that is a PostgreSQL: which transactions its operations take, and in what order.

What happens inside one is `publication.py`, `staging.py`, `schema.py` and `reading.py`.
"""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from etl_assets.config import WarehousePool
from etl_assets.core.partitions import Window
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import (
    Extract,
    Mode,
    Publication,
    StagedDay,
    Staging,
    Warehouse,
)
from etl_assets.warehouse.postgres import migrate, schema, staging
from etl_assets.warehouse.postgres.engine import Transactions, warehouse_engine
from etl_assets.warehouse.postgres.partitions import ensure_days
from etl_assets.warehouse.postgres.publication import StagingLost, publish
from etl_assets.warehouse.postgres.reading import read
from etl_assets.warehouse.postgres.states import states
from etl_assets.warehouse.postgres.types import column_types


class PostgresWarehouse(Warehouse):
    """The database of `url`; waits up to `wait_seconds` for others that hold what it needs."""

    def __init__(self, url: str, *, pool: WarehousePool, wait_seconds: float = 120) -> None:
        self.transactions = Transactions(warehouse_engine(url, pool), wait_seconds)
        self._is_prepared = False

    def ensure(self, table: LayerTable) -> None:
        """See `Warehouse.ensure`."""
        column_types(table)  # refuses a contract before anything is made
        self._prepare()
        self.transactions.run(f"creating {table.path}", lambda c: schema.ensure(c, table))

    def stage(
        self,
        table: LayerTable,
        days: Sequence[StagedDay],
        run_id: str,
        mode: Mode = Mode.REPLACE,
    ) -> Staging:
        """See `Warehouse.stage`."""
        staged = Staging(table, days, staging.staging_name(table, run_id), mode)
        if days:
            self.ensure(table)  # before gigabytes are copied for nothing
            staging.sweep(self.transactions)
            staging.fill(self.transactions, staged)
        return staged

    def publish(self, staging: Staging) -> Publication:
        """See `Warehouse.publish`."""
        if staging.days:
            self.ensure(staging.table)
            ensure_days(self.transactions, staging.table, (staged.day for staged in staging.days))
            self._publish(staging)
        return Publication()

    def _publish(self, staged: Staging) -> None:
        names = [column.name for column in staged.table.columns]
        appending = staged.days if staged.mode is Mode.APPEND else ()
        contents = [day.files.content(names) for day in appending]

        def work(connection: sa.Connection) -> None:
            publish(connection, staged, contents)

        doing = f"publishing {staged.table.path}"
        try:
            try:
                self.transactions.run(doing, work)
            except StagingLost:  # the spool still has what a crashed server forgot
                staging.fill(self.transactions, staged)
                self.transactions.run(doing, work)
        finally:
            staging.drop(self.transactions, [staged.name])

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Warehouse.read`."""
        folder.mkdir(parents=True, exist_ok=True)
        return self.transactions.run(
            f"reading {table.path}", lambda c: read(c, table, windows, folder), reading=True
        )

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `Warehouse.state`."""
        return self.transactions.run(
            "reading etl_state", lambda connection: states(connection, table), reading=True
        )

    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        before, now = migrate.upgrade(self.transactions)
        if before == now:
            return f"Nothing to migrate: the platform's tables are at revision {now}."
        return f"Migrated the platform's tables from revision {before or 'none'} to {now}."

    def close(self) -> None:
        """See `Warehouse.close`."""
        self.transactions.engine.dispose()

    def _prepare(self) -> None:
        """Migrate a database that is new or behind, once a process."""
        if not self._is_prepared:
            if not migrate.is_current(self.transactions):
                migrate.upgrade(self.transactions)
            self._is_prepared = True
