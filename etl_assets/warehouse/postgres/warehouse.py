"""The warehouse that is a PostgreSQL: which transactions its operations take, and in what order.

What happens inside one is `publication.py`, `staging.py`, `states.py`, `schema.py`, `reading.py`,
`inquiries.py` and `measuring.py`.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import polars as pl
import sqlalchemy as sa

from etl_assets.config import WarehousePool
from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.findings import Finding
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import Window
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.postgres import (
    inquiries,
    measuring,
    schema,
    states,
    system,
)
from etl_assets.warehouse.postgres import quarantine as of_quarantine
from etl_assets.warehouse.postgres.engine import Transactions, warehouse_engine
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
from etl_assets.warehouse.postgres.types import column_types
from etl_assets.warehouse.publication import (
    Facts,
    JobCost,
    Publication,
    Recorded,
    StagedDay,
    Staging,
)
from etl_assets.warehouse.system_tables import SCHEMA_VERSION
from etl_assets.warehouse.versions import migrated

T = TypeVar("T")


class PostgresWarehouse(Warehouse):
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

    def version(self) -> str | None:
        """See `StateStore.version`."""
        return self._look("reading etl_tables", states.version)

    def table_states(self) -> list[TableState]:
        """See `StateStore.table_states`."""
        return self._look("reading etl_tables", states.table_states)

    def table_state(self, table: LayerTable) -> TableState | None:
        """See `StateStore.table_state`."""
        self._bring_over()
        found = self._look("reading etl_tables", lambda c: states.table_states(c, table.path))
        return found[0] if found else None

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `StateStore.state`."""
        name = table.path if table else None
        return self._look("reading etl_state", lambda c: states.states(c, name))

    def recorded(
        self, table: LayerTable, *, versions: bool = False, quarantine: bool = False
    ) -> Recorded:
        """See `StateStore.recorded`: all of one moment."""
        kept = table.versions if versions else None

        def work(connection: sa.Connection) -> Recorded:
            own = states.table_states(connection, table.path)
            of_versions = states.states(connection, kept.path) if kept else []
            return Recorded(
                own[0] if own else None,
                {state.partition_key: state for state in states.states(connection, table.path)},
                {state.partition_key: state for state in of_versions},
                of_quarantine.counts(connection, table) if quarantine else {},
            )

        self._bring_over()
        return self._look(f"reading what is recorded of {table.path}", work)

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        return self._look("reading etl_quarantine", lambda c: of_quarantine.counts(c, table))

    def quarantined(
        self,
        table: LayerTable,
        *,
        positions: Collection[str] | None = None,
        days: Collection[date] | None = None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        return self._look(
            "reading etl_quarantine",
            lambda c: of_quarantine.quarantined(c, table, positions, days),
        )

    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        return self._look("reading etl_tombstones", lambda c: of_quarantine.tombstones(c, table))

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        return self._look("reading etl_files", lambda c: states.ledger(c, table))

    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `StateStore.move`."""

        def work(connection: sa.Connection) -> None:
            if states.take_turn(connection, table_state, token):
                states.put_table(connection, table_state)
                states.record(connection, history)

        self._change(f"moving the position of {table_state.table_name}", work)

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`."""
        return self._look("reading etl_file_days", lambda c: states.file_days(c, table))

    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """See `StateStore.put_file_days`."""
        self._change("writing etl_file_days", lambda c: states.put_file_days(c, table, keys, found))

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`."""
        return self._look("reading etl_fields", lambda c: states.fields(c, table))

    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """See `StateStore.put_fields`."""
        self._change("writing etl_fields", lambda c: states.put_fields(c, table, parts, found))

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `StateStore.verify`."""
        self._change(f"verifying {table.path}", lambda c: states.verify(c, table, days, moment))

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `StateStore.record`."""

        def work(connection: sa.Connection) -> None:
            states.record(connection, history)
            states.mark_written(connection)

        self._change("writing etl_history", work)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `StateStore.history`."""
        return self._look("reading etl_history", lambda c: states.history(c, table, kind, most))

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`."""
        return self._look("looking at the platform's tables", system.version_of)

    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        before = system.upgrade(self.transactions)
        return migrated(before)

    def close(self) -> None:
        """See `Warehouse.close`."""
        self.transactions.engine.dispose()

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
