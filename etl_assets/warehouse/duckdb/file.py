"""The DuckDB file of a warehouse: connections to read it, and to change it.

A connection lives inside a turn at the file (`file_turns.py`) and never while anything is read from
a source, audited or transformed: those work on the spool.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import tenacity

from etl_assets.core.errors import WarehouseBusy
from etl_assets.interrupts import stopped_by_signals
from etl_assets.spool import disk_errors
from etl_assets.warehouse.duckdb.engine import Engine, no_file
from etl_assets.warehouse.duckdb.failures import (
    ENGINE_ERRORS,
    holder_of,
    opening_failed,
    statement_failed,
)
from etl_assets.warehouse.duckdb.file_turns import busy, turn, unusable
from etl_assets.warehouse.duckdb.memory import USUAL_BYTES
from etl_assets.warehouse.duckdb.system import upgrade


class DuckDBFile:
    """The file at `path`; waits up to `wait_seconds` for others that use it.

    With `read_only` it is opened so that nothing can be changed in it.
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

    def limit_memory(self, most_bytes: int) -> None:
        """See `memory.Limited`."""
        self._engine.set("memory_limit", f"{most_bytes}B")

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
            with transaction(connection):
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
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is done inside is committed, or not done where it raises."""
    connection.execute("BEGIN TRANSACTION")
    yield  # what raises leaves it open, and closing the connection rolls it back
    connection.execute("COMMIT")
