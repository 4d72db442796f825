"""The embedded warehouse: one DuckDB file, opened for one operation at a time.

Rows are here; what it remembers of tables is `state_store.py`, how the file is opened
`file.py`.
"""

import shutil
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.duckdb import inquiries
from etl_assets.warehouse.duckdb.environments import file_of, names_beside, remove
from etl_assets.warehouse.duckdb.file import transaction
from etl_assets.warehouse.duckdb.file_turns import turn
from etl_assets.warehouse.duckdb.memory import grows
from etl_assets.warehouse.duckdb.publication import publish
from etl_assets.warehouse.duckdb.schema import ensure, exists, fit
from etl_assets.warehouse.duckdb.state_store import DuckDBStates
from etl_assets.warehouse.duckdb.system import upgrade, version_of
from etl_assets.warehouse.duckdb.types import within
from etl_assets.warehouse.publication import Facts, JobCost, Publication, StagedDay, Staging
from etl_assets.warehouse.versions import migrated


class DuckDBWarehouse(DuckDBStates, Warehouse):
    """A warehouse in one DuckDB file, made as `DuckDBFile` is."""

    def environments(self) -> list[str]:
        """See `Warehouse.environments`."""
        return names_beside(self.path)

    def drop_environment(self, name: str) -> list[str]:
        """See `Warehouse.drop_environment`."""
        target = file_of(self.path, name)
        with turn(target, "removing the environment", self.wait_seconds):
            gone = remove(self.path, name)
        shutil.rmtree(f"{target}.queue", ignore_errors=True)
        return gone

    def ensure(self, table: LayerTable) -> Sequence[str]:
        """See `Rows.ensure`."""
        with self._open(f"creating {table.path}") as connection:
            upgrade(connection)
            return ensure(connection, table)

    def fit(self, table: LayerTable) -> Fit | None:
        """See `Rows.fit`."""
        with self._look(f"looking at {table.path}") as connection:
            return fit(connection, table)

    def stage(self, table: LayerTable, days: Sequence[StagedDay], run_id: str) -> Staging:
        """See `Rows.stage`."""
        # The spool itself serves: DuckDB reads the Parquet files inside the transaction.
        return Staging(table, days, f"{table.name}_{run_id}")

    @grows
    def facts(self, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
        """See `Rows.facts`."""
        if not (elsewhere or versions):
            return Facts.nothing(staging.table)
        with self._look(f"comparing what is staged for {staging.table.path}") as connection:
            return inquiries.facts(connection, staging, elsewhere=elsewhere, versions=versions)

    @grows
    def publish(self, publication: Publication) -> Sequence[JobCost]:
        """See `Rows.publish`."""
        table = publication.table
        with self._open(f"publishing {table.path}") as connection:
            upgrade(connection)
            for needed in filter(None, (table, table.versions)):
                ensure(connection, needed)
            with transaction(connection):
                publish(connection, publication)
        return ()

    def discard(self, staging: Staging) -> None:
        """See `Rows.discard`: nothing is to be dropped, the spool belongs to the run."""

    @grows
    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Rows.read`."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._look(f"reading {table.path}") as connection:
            as_of = datetime.now(UTC)
            if not exists(connection, table):
                empty = pl.LazyFrame(schema=polars_schema(table.columns))
                return Extract([empty] * len(windows), as_of)
            frames = [
                inquiries.copy_out(
                    connection,
                    table,
                    within(table, window),
                    folder / f"{window.first}_{window.last}.parquet",
                )
                for window in windows
            ]
        return Extract(frames, as_of)

    @grows
    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Rows.lookup`."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._look(f"looking up rows of {table.path}") as connection:
            return inquiries.lookup(connection, table, keys, folder / "found.parquet")

    @grows
    def profile(
        self, table: LayerTable, days: Collection[date], among: Collection[str] | None = None
    ) -> pl.DataFrame:
        """See `Rows.profile`."""
        with self._look(f"counting rows of {table.path}") as connection:
            return inquiries.profile(connection, table, days, among)

    @grows
    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Rows.digests`."""
        with self._look(f"comparing {table.path}") as connection:
            return inquiries.digests(connection, table, days, buckets)

    @grows
    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Rows.row_digests`."""
        with self._look(f"comparing {table.path}") as connection:
            return inquiries.row_digests(connection, table, day, buckets, among)

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`."""
        with self._look("looking at the platform's tables") as connection:
            return version_of(connection)

    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        with self._open("migrating the platform's tables") as connection:
            before = upgrade(connection)
        return migrated(before)
