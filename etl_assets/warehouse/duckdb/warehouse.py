"""The embedded warehouse: one DuckDB file, opened for one operation at a time.

A connection lives inside a turn at the file (`file_turns.py`) and never while anything is read from
a source, audited or transformed: those work on the spool.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import tenacity

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import WarehouseBusy, WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.spool import disk_errors, full_disk
from etl_assets.warehouse.base import (
    Extract,
    Mode,
    Publication,
    StagedDay,
    Staging,
    Warehouse,
)
from etl_assets.warehouse.duckdb.file_turns import busy, turn
from etl_assets.warehouse.duckdb.publication import publish, states
from etl_assets.warehouse.duckdb.schema import ensure, exists
from etl_assets.warehouse.duckdb.types import SYSTEM_TABLES, literal, quote, relation, within


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
    ) -> Staging:
        """See `Warehouse.stage`."""
        # The spool itself serves: DuckDB reads the Parquet files inside the transaction.
        return Staging(table, days, f"{table.name}_{run_id}", mode)

    def publish(self, staging: Staging) -> Publication:
        """See `Warehouse.publish`."""
        table = staging.table
        if not staging.days:
            return Publication()
        with self._open(f"publishing {table.path}") as connection:
            ensure(connection, table)
            connection.execute("BEGIN TRANSACTION")
            publish(connection, staging)
            connection.execute("COMMIT")
        return Publication()

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Warehouse.read`."""
        folder.mkdir(parents=True, exist_ok=True)
        schema = polars_schema(table.columns)
        names = ", ".join(map(quote, schema))
        frames: list[pl.LazyFrame] = []
        with self._open(f"reading {table.path}") as connection:
            as_of = datetime.now(UTC)
            if not exists(connection, table):
                return Extract([pl.LazyFrame(schema=schema)] * len(windows), as_of)
            for window in windows:
                path = folder / f"{window.first}_{window.last}.parquet"
                connection.execute(
                    f"COPY (SELECT {names} FROM {relation(table)} "  # noqa: S608 - quoted
                    f"WHERE {within(table, window)}) "
                    f"TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)"
                )
                frames.append(pl.scan_parquet(path, schema=schema, glob=False))
        return Extract(frames, as_of)

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `Warehouse.state`."""
        if not self.path.exists():
            return []
        with self._open("reading etl_state") as connection:
            connection.execute(SYSTEM_TABLES)
            return states(connection, table)

    @contextmanager
    def _open(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with disk_errors(self.path.parent), turn(self.path, doing, self.wait_seconds):
            connection = self._connect()
            try:
                yield connection
            except duckdb.Error as error:
                raise full_disk(error, self.path.parent) or _told(error, doing) from None
            finally:
                connection.close()  # an open transaction is rolled back

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
        except duckdb.IOException as error:
            held = str(error).find("Conflicting lock is held in ")
            if held < 0:
                told = _told(error, f"opening {self.path.name}")
                raise full_disk(error, self.path.parent) or told from None
            holder = str(error)[held:].removeprefix("Conflicting lock is held in ")
            raise busy(self.path, holder.split(". ")[0], self.wait_seconds) from None


def _told(error: duckdb.Error, doing: str) -> WarehouseError:
    # DuckDB's messages quote values after the first line; the first line names the trouble.
    first = str(error).splitlines()[0][:200]
    return WarehouseError(
        f"DuckDB refused while {doing}: {first}",
        "Nothing was published. Check the file of WAREHOUSE_URL, or name another one.",
    )
