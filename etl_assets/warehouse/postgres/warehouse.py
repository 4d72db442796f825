"""The warehouse that is a PostgreSQL: which transactions its operations take, and in what order.

What happens inside one is `publication.py`, `staging.py`, `schema.py`, `reading.py`, `inquiries.py`
and `measuring.py`; what it remembers of tables is `state_store.py`.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

import polars as pl
import sqlalchemy as sa

from etl_assets.core.findings import Finding
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.postgres import inquiries, measuring, schema, system
from etl_assets.warehouse.postgres.health import findings
from etl_assets.warehouse.postgres.partitions import ensure_days
from etl_assets.warehouse.postgres.publication import publish
from etl_assets.warehouse.postgres.reading import lookup, read
from etl_assets.warehouse.postgres.schemas import Schemas, staging_schema
from etl_assets.warehouse.postgres.staging import (
    StagingLost,
    drop,
    fill,
    staged_days,
    staging_name,
    sweep,
    version_days,
)
from etl_assets.warehouse.postgres.state_store import PostgresStates
from etl_assets.warehouse.postgres.types import column_types
from etl_assets.warehouse.publication import Facts, JobCost, Publication, StagedDay, Staging
from etl_assets.warehouse.versions import migrated

T = TypeVar("T")


class PostgresWarehouse(PostgresStates, Warehouse):
    """A warehouse in one database, made as `PostgresDatabase` is."""

    def health(self, where: str, layers: Sequence[str]) -> tuple[list[Finding], timedelta | None]:
        """See `Warehouse.health`."""
        return findings(self.transactions, where, layers)

    def ensure(self, table: LayerTable) -> Sequence[str]:
        """See `Rows.ensure`."""
        column_types(table)  # refuses a contract before anything is made
        self._prepare()
        doing = f"creating {table.path}"
        return self.transactions.run(doing, lambda c: schema.ensure(c, table))

    def fit(self, table: LayerTable) -> Fit | None:
        """See `Rows.fit`."""
        return self._look(f"looking at {table.path}", lambda c: schema.fit(c, table))

    def stage(self, table: LayerTable, days: Sequence[StagedDay], run_id: str) -> Staging:
        """See `Rows.stage`."""
        staged = Staging(table, days, staging_name(table, run_id))
        if days:
            self.ensure(table)  # before gigabytes are copied for nothing
            sweep(self.transactions)
            fill(self.transactions, staged)
        return staged

    def facts(self, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
        """See `Rows.facts`."""
        if not (elsewhere or versions):
            return Facts.nothing(staging.table)
        return self._with_staged(
            staging,
            f"comparing what is staged for {staging.table.path}",
            lambda c: inquiries.facts(c, staging, elsewhere=elsewhere, versions=versions),
            reading=True,
        )

    def publish(self, publication: Publication) -> Sequence[JobCost]:
        """See `Rows.publish`."""
        table, staged = publication.table, publication.staging
        self.ensure(table)
        ensure_days(self.transactions, table, staged_days(staged))
        if table.versions is not None:
            self.ensure(table.versions)
            days = version_days(table.versions, staged)
            ensure_days(self.transactions, table.versions, days)
        doing = f"publishing {table.path}"
        self._with_staged(staged, doing, lambda c: publish(c, publication))
        return ()

    def discard(self, staging: Staging) -> None:
        """See `Rows.discard`."""
        if staging.rows:
            drop(self.transactions, [staging.name])

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Rows.read`."""
        folder.mkdir(parents=True, exist_ok=True)
        return self._look(f"reading {table.path}", lambda c: read(c, table, windows, folder))

    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Rows.lookup`."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._is_read_only:  # then nothing else has made the schema
            self.transactions.run(
                "making the schema of what is staged",
                lambda c: system.create_schema(c, staging_schema()),
                staging=True,
            )
        return self.transactions.run(
            f"looking up rows of {table.path}",
            lambda c: lookup(c, table, keys, folder),
            staging=True,
        )

    def profile(
        self, table: LayerTable, days: Collection[date], among: Collection[str] | None = None
    ) -> pl.DataFrame:
        """See `Rows.profile`."""
        doing = f"counting NULLs of {table.path}"
        return self._look(doing, lambda c: measuring.profile(c, table, days, among))

    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Rows.digests`."""
        doing = f"comparing {table.path}"
        return self._look(doing, lambda c: measuring.digests(c, table, days, buckets))

    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Rows.row_digests`."""
        doing = f"comparing {table.path}"
        return self._look(doing, lambda c: measuring.row_digests(c, table, day, buckets, among))

    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        before = system.upgrade(self.transactions)
        return migrated(before)

    def environments(self) -> list[str]:
        """See `Warehouse.environments`."""
        return self._look("looking for environments", system.environments)

    def drop_environment(self, name: str) -> list[str]:
        """See `Warehouse.drop_environment`."""
        schemas = Schemas(f"{name}_", f"{name}_").all
        return self.transactions.run(
            f"removing the environment {name}", lambda c: system.drop_schemas(c, schemas)
        )

    def _with_staged(
        self,
        staged: Staging,
        doing: str,
        work: Callable[[sa.Connection], T],
        *,
        reading: bool = False,
    ) -> T:
        """What `work` returns; done again where what was staged is gone: the spool still has it."""
        try:
            return self.transactions.run(doing, work, reading=reading)
        except StagingLost:
            fill(self.transactions, staged)
            return self.transactions.run(doing, work, reading=reading)
