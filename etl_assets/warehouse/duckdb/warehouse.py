"""The embedded warehouse: one DuckDB file, opened for one operation at a time.

A connection lives inside a turn at the file (`file_turns.py`) and never while anything is read from
a source, audited or transformed: those work on the spool.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import tenacity

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseBusy
from etl_assets.core.partitions import Window
from etl_assets.core.state import Happening, HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.interrupts import stopped_by_signals
from etl_assets.spool import SpoolFiles, disk_errors
from etl_assets.warehouse.base import (
    Changes,
    Extract,
    Look,
    Mode,
    Publication,
    StagedDay,
    Staging,
    Warehouse,
)
from etl_assets.warehouse.duckdb import inquiries, states
from etl_assets.warehouse.duckdb.failures import (
    ENGINE_ERRORS,
    holder_of,
    opening_failed,
    statement_failed,
)
from etl_assets.warehouse.duckdb.file_turns import busy, turn, unusable
from etl_assets.warehouse.duckdb.publication import publish
from etl_assets.warehouse.duckdb.schema import ensure, exists
from etl_assets.warehouse.duckdb.types import SYSTEM_TABLES, within


class DuckDBWarehouse(Warehouse):
    """A DuckDB file at `path`; waits up to `wait_seconds` for others that use it."""

    def __init__(
        self, path: Path, *, wait_seconds: float = 120, memory_limit: str = "192MB"
    ) -> None:
        self.path = path
        self.wait_seconds = wait_seconds
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": f"{path}.tmp",
            "preserve_insertion_order": False,
        }

    def ensure(self, table: LayerTable) -> None:
        """See `Warehouse.ensure`."""
        with self._open(f"creating {table.path}") as connection:
            ensure(connection, table)

    def stage(
        self,
        table: LayerTable,
        days: Sequence[StagedDay],
        run_id: str,
        mode: Mode = Mode.REPLACE,
        changes: Changes | None = None,
    ) -> Staging:
        """See `Warehouse.stage`."""
        # The spool itself serves: DuckDB reads the Parquet files inside the transaction.
        return Staging(table, days, f"{table.name}_{run_id}", mode, changes)

    def publish(self, staging: Staging) -> Publication:
        """See `Warehouse.publish`."""
        table = staging.table
        if not staging.days and staging.changes is None:
            return Publication()
        with self._open(f"publishing {table.path}") as connection:
            for needed in filter(None, (table, table.versions)):
                ensure(connection, needed)
            with _transaction(connection):
                publish(connection, staging)
        return Publication()

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Warehouse.read`."""
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

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `Warehouse.state`."""
        with self._look("reading etl_state") as connection:
            return states.states(connection, table)

    def table_state(self, table: LayerTable) -> PartitionState | None:
        """See `Warehouse.table_state`."""
        with self._look("reading etl_state") as connection:
            return states.own_row(connection, table.path)

    def look(self, table: LayerTable) -> Look:
        """See `Warehouse.look`."""
        with self._look(f"looking at {table.path}") as connection:
            newest = {
                str(kind): entries[0]
                for kind in Happening
                if (entries := states.history(connection, table, kind, 1))
            }
            return Look(
                states.own_row(connection, table.path),
                states.states(connection, table),
                inquiries.quarantined(connection, table),
                newest,
            )

    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Warehouse.lookup`."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._look(f"looking up rows of {table.path}") as connection:
            return inquiries.lookup(connection, table, keys, folder / "found.parquet")

    def profile(self, table: LayerTable, days: Collection[date]) -> pl.DataFrame:
        """See `Warehouse.profile`."""
        with self._look(f"counting rows of {table.path}") as connection:
            return inquiries.profile(connection, table, days)

    def quarantined(self, table: LayerTable) -> pl.DataFrame:
        """See `Warehouse.quarantined`."""
        with self._look("reading etl_quarantine") as connection:
            return inquiries.quarantined(connection, table)

    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Warehouse.digests`."""
        with self._look(f"comparing {table.path}") as connection:
            return inquiries.digests(connection, table, days, buckets)

    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Warehouse.row_digests`."""
        with self._look(f"comparing {table.path}") as connection:
            return inquiries.row_digests(connection, table, day, buckets, among)

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `Warehouse.verify`."""
        with self._change("writing etl_state") as connection:
            states.verify(connection, table, days, moment)

    def move(
        self, position: PartitionState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `Warehouse.move`."""
        with self._change(f"moving {position.table_name}") as connection:
            states.move(connection, position, token)
            states.record(connection, history)

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `Warehouse.record`."""
        with self._change("writing etl_history") as connection:
            states.record(connection, history)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `Warehouse.history`."""
        with self._look("reading etl_history") as connection:
            return states.history(connection, table, kind, most)

    @contextmanager
    def _look(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to read by; to an empty warehouse where there is no file, which stays so."""
        if not self._is_there():
            with duckdb.connect() as nothing:
                nothing.execute(SYSTEM_TABLES)
                yield nothing
            return
        with self._open(doing) as connection:
            connection.execute(SYSTEM_TABLES)
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
            connection.execute(SYSTEM_TABLES)
            with _transaction(connection):
                yield connection

    @contextmanager
    def _open(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with disk_errors(self.path.parent), turn(self.path, doing, self.wait_seconds):
            connection = self._connect()
            try:
                # A query looks for no signals, and one that does loses the interrupt.
                with closing(connection), stopped_by_signals(connection.interrupt):
                    yield connection  # closing rolls an open transaction back
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
            connection = duckdb.connect(str(self.path), config=self._settings)
            connection.execute("SET TimeZone = 'UTC'")  # else moments come back in the machine's
            return connection
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
