"""The warehouse that is a PostgreSQL: which transactions its operations take, and in what order.

What happens inside one is `publication.py`, `staging.py`, `schema.py`, `reading.py` and
`measuring.py`.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import polars as pl
import sqlalchemy as sa

from etl_assets.config import WarehousePool
from etl_assets.core.partitions import Window
from etl_assets.core.state import HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import (
    Changes,
    Extract,
    Mode,
    Publication,
    StagedDay,
    Staging,
    Warehouse,
    lost_turn,
)
from etl_assets.warehouse.postgres import (
    measuring,
    migrate,
    quarantine,
    schema,
    staging,
    states,
)
from etl_assets.warehouse.postgres.engine import Transactions, warehouse_engine
from etl_assets.warehouse.postgres.history import history, record
from etl_assets.warehouse.postgres.inserting import StagingLost
from etl_assets.warehouse.postgres.locks import lock_table
from etl_assets.warehouse.postgres.partitions import ensure_days
from etl_assets.warehouse.postgres.publication import publish
from etl_assets.warehouse.postgres.reading import lookup, read
from etl_assets.warehouse.postgres.types import column_types
from etl_assets.warehouse.postgres.versions import version_days

T = TypeVar("T")


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
        changes: Changes | None = None,
    ) -> Staging:
        """See `Warehouse.stage`."""
        assert (mode is Mode.CHANGES) == (changes is not None)  # noqa: S101 - they go together
        staged = Staging(table, days, staging.staging_name(table, run_id), mode, changes)
        if days:
            self.ensure(table)  # before gigabytes are copied for nothing
            staging.sweep(self.transactions)
            staging.fill(self.transactions, staged)
        return staged

    def publish(self, staging: Staging) -> Publication:
        """See `Warehouse.publish`."""
        table, versions = staging.table, staging.table.versions
        if staging.days:
            self.ensure(table)
            ensure_days(self.transactions, table, (staged.day for staged in staging.days))
            if versions is not None:
                self.ensure(versions)
                ensure_days(self.transactions, versions, version_days(versions, staging))
        if staging.days or staging.changes:
            self._prepare()
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
            if staged.days:
                staging.drop(self.transactions, [staged.name])

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Warehouse.read`."""
        folder.mkdir(parents=True, exist_ok=True)
        return self._look(f"reading {table.path}", lambda c: read(c, table, windows, folder))

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `Warehouse.state`."""
        return self._look("reading etl_state", lambda c: states.states(c, table))

    def table_state(self, table: LayerTable) -> PartitionState | None:
        """See `Warehouse.table_state`."""
        return self._look("reading etl_state", lambda c: states.own_row(c, table.path))

    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Warehouse.lookup`."""
        folder.mkdir(parents=True, exist_ok=True)
        return self.transactions.run(
            f"looking up rows of {table.path}", lambda c: lookup(c, table, keys, folder)
        )

    def profile(self, table: LayerTable, days: Collection[date]) -> pl.DataFrame:
        """See `Warehouse.profile`."""
        doing = f"counting NULLs of {table.path}"
        return self._look(doing, lambda c: measuring.profile(c, table, days))

    def quarantined(self, table: LayerTable) -> pl.DataFrame:
        """See `Warehouse.quarantined`."""
        return self._look("reading etl_quarantine", lambda c: quarantine.positions(c, table))

    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Warehouse.digests`."""
        doing = f"comparing {table.path}"
        return self._look(doing, lambda c: measuring.digests(c, table, days, buckets))

    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Warehouse.row_digests`."""
        doing = f"comparing {table.path}"
        return self._look(doing, lambda c: measuring.row_digests(c, table, day, buckets, among))

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `Warehouse.verify`."""
        self._prepare()
        self.transactions.run(
            f"verifying {table.path}", lambda c: states.verify(c, table, days, moment)
        )

    def move(
        self, position: PartitionState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `Warehouse.move`."""

        lost = lost_turn(position.table_name)

        def work(connection: sa.Connection) -> None:
            lock_table(connection, position.table_name)
            if states.has_turn(connection, position, token, lost):
                states.put_states(connection, [position])
                record(connection, history)

        self._prepare()
        self.transactions.run(f"moving the position of {position.table_name}", work)

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `Warehouse.record`."""
        self._prepare()
        self.transactions.run("writing etl_history", lambda c: record(c, history))

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `Warehouse.history`."""
        return self._look("reading etl_history", lambda c: history(c, table, kind, most))

    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        before, now = migrate.upgrade(self.transactions)
        if before == now:
            return f"Nothing to migrate: the platform's tables are at revision {now}."
        return f"Migrated the platform's tables from revision {before or 'none'} to {now}."

    def close(self) -> None:
        """See `Warehouse.close`."""
        self.transactions.engine.dispose()

    def _look(self, doing: str, work: Callable[[sa.Connection], T]) -> T:
        """What `work` returns of one moment; it changes nothing."""
        return self.transactions.run(doing, work, reading=True)

    def _prepare(self) -> None:
        """Migrate a database that is new or behind, once a process."""
        if not self._is_prepared:
            if not migrate.is_current(self.transactions):
                migrate.upgrade(self.transactions)
            self._is_prepared = True
