"""What assets and IO managers work with: source, warehouse and spool, made when they are used.

Importing this module loads no driver and reads no environment.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from etl_assets.config import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from etl_assets.orchestration.syncs import SyncReport
    from etl_assets.pipeline.reconcile import Reconciliation
    from etl_assets.pipeline.sync import SyncPolicy
    from etl_assets.postgres.connection import PoolSettings
    from etl_assets.sources.postgres.reader import PostgresReader
    from etl_assets.warehouse.base import Warehouse


@dataclass
class Platform:
    """The platform of one code location, as the settings have it.

    `on_day` is told of each day that was loaded and judged: table path, day, whether it is good;
    `on_sync` and `on_reconciled` of each table; `on_failure` of each op that failed for good.
    """

    settings: Settings
    on_day: Callable[[str, date, bool], None] = lambda _table, _day, _good: None
    on_sync: "Callable[[SyncReport], None]" = lambda _report: None
    on_reconciled: "Callable[[Reconciliation], None]" = lambda _found: None
    on_failure: Callable[[str, str], None] = lambda _op, _message: None

    @cached_property
    def warehouse(self) -> "Warehouse":
        """The warehouse of WAREHOUSE_URL."""
        from etl_assets.orchestration.google import bigquery_client
        from etl_assets.warehouse.factory import open_warehouse

        return open_warehouse(self.settings, bigquery_client(self.settings))

    @cached_property
    def _pool(self) -> "PoolSettings":
        from etl_assets.postgres.connection import PoolSettings

        return PoolSettings(statement_timeout=self.settings.statement_timeout_seconds)

    @cached_property
    def _engine(self) -> "Engine":
        from etl_assets.postgres.connection import make_engine

        return make_engine(self._database_url(), self._pool)

    def reader(self) -> "PostgresReader":
        """A reader of the source for one load: what it remembers of columns ends with it."""
        from etl_assets.sources.postgres.reader import PostgresReader

        return PostgresReader(self._engine, self._pool)

    def sync_policy(self) -> "SyncPolicy":
        """How tables sync, as the settings have it."""
        from etl_assets.pipeline.sync import SyncPolicy
        from etl_assets.sources.postgres.horizon import HorizonPolicy

        sync = self.settings.sync
        return SyncPolicy(
            chunk_rows=sync.chunk_rows,
            chunk_bytes=sync.chunk_bytes,
            patience=timedelta(seconds=sync.patience),
            horizon=HorizonPolicy(
                lag=timedelta(seconds=sync.lag), max_hold=timedelta(seconds=sync.max_hold)
            ),
        )

    def close(self) -> None:
        """Close idle connections to source and warehouse; using it again opens new ones."""
        if "_engine" in self.__dict__:
            self._engine.dispose()
        if "warehouse" in self.__dict__:
            self.warehouse.close()

    def spool(self, run_id: str, step: str) -> AbstractContextManager[Path]:
        """The folder of one step of one run; see `etl_assets.spool.run_spool`."""
        from etl_assets.spool import run_spool

        return run_spool(self.settings.home, run_id, step)

    def spool_folder(self, run_id: str, step: str) -> Path:
        """Where that folder is or will be."""
        from etl_assets.spool import spool_folder

        return spool_folder(self.settings.home, run_id, step)

    def _database_url(self) -> str:
        if self.settings.database_url:
            return self.settings.database_url
        from etl_assets.demo.shared_use import shared_postgres

        server = shared_postgres(self.settings.postgres_home)
        server.ensure_database("shop")
        return server.url("shop")
