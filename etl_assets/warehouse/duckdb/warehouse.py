"""The embedded warehouse: one DuckDB file, opened for one operation at a time.

A connection to it lives inside a turn at the file (`file_turns.py`) and never while anything is
read from a source, audited or transformed: those work on the spool.
"""

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import tenacity

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseBusy
from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import Window
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.interrupts import stopped_by_signals
from etl_assets.spool import SpoolFiles, disk_errors
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.duckdb import inquiries, states
from etl_assets.warehouse.duckdb.engine import Engine, no_file
from etl_assets.warehouse.duckdb.environments import file_of, names_beside, remove
from etl_assets.warehouse.duckdb.failures import (
    ENGINE_ERRORS,
    holder_of,
    opening_failed,
    statement_failed,
)
from etl_assets.warehouse.duckdb.file_turns import busy, turn, unusable
from etl_assets.warehouse.duckdb.memory import USUAL_BYTES, grows
from etl_assets.warehouse.duckdb.publication import publish
from etl_assets.warehouse.duckdb.schema import ensure, exists, fit
from etl_assets.warehouse.duckdb.system import upgrade, version_of
from etl_assets.warehouse.duckdb.types import within
from etl_assets.warehouse.publication import (
    Facts,
    JobCost,
    Publication,
    Recorded,
    StagedDay,
    Staging,
)
from etl_assets.warehouse.versions import migrated


class DuckDBWarehouse(Warehouse):
    """A DuckDB file at `path`; waits up to `wait_seconds` for others that use it.

    With `read_only` the file is opened so that nothing can be changed in it.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 120, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.wait_seconds = wait_seconds
        self._engine = Engine(
            {
                "memory_limit": f"{USUAL_BYTES}B",
                "temp_directory": f"{path}.tmp",
                "preserve_insertion_order": False,
            }
        )

    def close(self) -> None:
        """See `Warehouse.close`."""
        self._engine.close()

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

    def limit_memory(self, most_bytes: int) -> None:
        """See `memory.Limited`."""
        self._engine.set("memory_limit", f"{most_bytes}B")

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
            with _transaction(connection):
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

    def version(self) -> str | None:
        """See `StateStore.version`: size and time of change of the file and of its log.

        What a process committed that was killed then is in the log only, until the file is opened.
        """
        told = []
        for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
            try:
                found = path.stat()
            except FileNotFoundError:
                told.append("nothing")
            except OSError as error:
                raise unusable(path, error) from None
            else:
                told.append(f"{found.st_mtime_ns}.{found.st_size}")
        return " ".join(told)

    def table_states(self) -> list[TableState]:
        """See `StateStore.table_states`."""
        with self._look("reading etl_tables") as connection:
            return states.table_states(connection)

    def table_state(self, table: LayerTable) -> TableState | None:
        """See `StateStore.table_state`."""
        with self._look("reading etl_tables") as connection:
            if self.path.exists() and not self.read_only:
                upgrade(connection)  # work goes on from here: what an earlier release wrote counts
            found = states.table_states(connection, table.path)
        return found[0] if found else None

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `StateStore.state`."""
        with self._look("reading etl_state") as connection:
            return states.states(connection, table.path if table else None)

    def recorded(
        self, table: LayerTable, *, versions: bool = False, quarantine: bool = False
    ) -> Recorded:
        """See `StateStore.recorded`."""
        kept = table.versions if versions else None
        with self._look(f"reading what is recorded of {table.path}") as connection:
            if self.path.exists() and not self.read_only:
                upgrade(connection)
            own = states.table_states(connection, table.path)
            parts = states.states(connection, table.path)
            of_versions = states.states(connection, kept.path) if kept else []
            counts = states.quarantine_counts(connection, table) if quarantine else {}
        return Recorded(
            own[0] if own else None,
            {state.partition_key: state for state in parts},
            {state.partition_key: state for state in of_versions},
            counts,
        )

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        with self._look("reading etl_quarantine") as connection:
            return states.quarantine_counts(connection, table)

    @grows
    def quarantined(
        self,
        table: LayerTable,
        *,
        positions: Collection[str] | None = None,
        days: Collection[date] | None = None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        with self._look("reading etl_quarantine") as connection:
            return states.quarantined(connection, table, positions, days)

    @grows
    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        with self._look("reading etl_tombstones") as connection:
            return states.tombstones(connection, table)

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        with self._look("reading etl_files") as connection:
            return states.ledger(connection, table)

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`."""
        with self._look("reading etl_file_days") as connection:
            return states.file_days(connection, table)

    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """See `StateStore.put_file_days`."""
        with self._change("writing etl_file_days") as connection:
            states.put_file_days(connection, table, keys, found)

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`."""
        with self._look("reading etl_fields") as connection:
            return states.fields(connection, table)

    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """See `StateStore.put_fields`."""
        with self._change("writing etl_fields") as connection:
            states.put_fields(connection, table, parts, found)

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `StateStore.verify`."""
        with self._change("writing etl_state") as connection:
            states.verify(connection, table, days, moment)

    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `StateStore.move`."""
        with self._change(f"moving the position of {table_state.table_name}") as connection:
            states.take_turn(connection, table_state, token)
            states.put_table(connection, table_state)
            states.record(connection, history)

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `StateStore.record`."""
        with self._change("writing etl_history") as connection:
            states.record(connection, history)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `StateStore.history`."""
        with self._look("reading etl_history") as connection:
            return states.history(connection, table, kind, most)

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`."""
        with self._look("looking at the platform's tables") as connection:
            return version_of(connection)

    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        with self._open("migrating the platform's tables") as connection:
            before = upgrade(connection)
        return migrated(before)

    @contextmanager
    def _look(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to read by; to an empty warehouse where there is no file, which stays so."""
        if not self._is_there():
            # Not on our engine: outside of a turn another thread may just make the file there.
            with no_file() as nothing:
                yield nothing
            return
        with self._open(doing) as connection:
            yield connection

    def _is_there(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:
            raise unusable(self.path, error) from None

    @contextmanager
    def _change(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction on the platform's own tables."""
        with self._open(doing) as connection:
            upgrade(connection)
            with _transaction(connection):
                yield connection

    @contextmanager
    def _open(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with disk_errors(self.path.parent), turn(self.path, doing, self.wait_seconds):
            connection = self._connect()
            try:
                # A query looks for no signals, and one that does loses the interrupt.
                with (
                    self._engine.released(connection),
                    stopped_by_signals(connection.interrupt),
                ):
                    yield connection
            except ENGINE_ERRORS as error:
                raise statement_failed(error, self.path, doing) from None

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Opens the file, waiting for programs that hold it without our lock (DuckDB's own CLI)."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(WarehouseBusy),
            stop=tenacity.stop_after_delay(self.wait_seconds),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
            reraise=True,
        )
        return attempts(self._connect_once)

    def _connect_once(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._engine.attach(self.path, read_only=self.read_only)
        except Exception as error:
            # A damaged file makes DuckDB raise errors of any class, also of Python's own.
            holder = holder_of(error)
            if holder is None:
                raise opening_failed(error, self.path) from None
            raise busy(self.path, holder, self.wait_seconds) from None


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN TRANSACTION")
    yield  # what raises leaves it open, and closing the connection rolls it back
    connection.execute("COMMIT")
