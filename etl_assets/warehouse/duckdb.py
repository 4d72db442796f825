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
from etl_assets.core.errors import StalePublication, WarehouseBusy, WarehouseError
from etl_assets.core.partitions import Window, windows_of
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.spool import disk_errors, full_disk
from etl_assets.warehouse.base import (
    AUDIT_COLUMNS,
    SYSTEM_DATASET,
    Extract,
    Mode,
    StagedDay,
    Staging,
    Warehouse,
)
from etl_assets.warehouse.duckdb_schema import ensure, exists
from etl_assets.warehouse.duckdb_types import (
    SYSTEM_TABLES,
    literal,
    quote,
    relation,
    schema_version,
)
from etl_assets.warehouse.file_turns import busy, turn

_STATE = f"{SYSTEM_DATASET}.etl_state"
_QUARANTINE = f"{SYSTEM_DATASET}.etl_quarantine"
_STATE_COLUMNS = tuple(PartitionState.__dataclass_fields__)


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

    def stage(self, table: LayerTable, days: Sequence[StagedDay], run_id: str) -> Staging:
        """See `Warehouse.stage`."""
        # The spool itself serves: DuckDB reads the Parquet files inside the transaction.
        return Staging(table, days, f"{table.name}_{run_id}")

    def publish(self, staging: Staging, mode: Mode = Mode.REPLACE) -> None:
        """See `Warehouse.publish`."""
        table = staging.table
        if not staging.days:
            return
        with self._open(f"publishing {table.path}") as connection:
            ensure(connection, table)
            connection.execute("BEGIN TRANSACTION")
            _refuse_stale(connection, staging)
            put = _replace_rows if mode is Mode.REPLACE else _merge_rows
            put(connection, staging)
            _replace_quarantine(connection, staging)
            _replace_state(connection, staging, mode)
            connection.execute("COMMIT")

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
                    f"WHERE {_within(table, window)}) "
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
            rows = connection.sql(
                f"SELECT {', '.join(_STATE_COLUMNS)} FROM {_STATE} "  # noqa: S608 - our columns
                "WHERE $table IS NULL OR table_name = $table ORDER BY table_name, partition_key",
                params={"table": table.path if table else None},
            ).pl()
        return [PartitionState(**row) for row in rows.to_dicts()]

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


def _refuse_stale(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    days = {staged.day: staged.state.as_of for staged in staging.days}
    newer = connection.sql(
        f"SELECT partition_key, as_of FROM {_STATE} "  # noqa: S608 - our own table
        "WHERE table_name = ? AND partition_key = ANY(?)",
        params=[staging.table.path, list(days)],
    ).pl()
    stale = [day for day, as_of in newer.iter_rows() if as_of > days[day]]
    if stale:
        raise StalePublication(
            f"A newer snapshot of {staging.table.path} {', '.join(map(str, stale))} "
            "is published already; this run read an older one and published nothing.",
            "Nothing needs doing unless the newer one is wrong; then run the days again.",
        )


def _replace_rows(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    for window in windows_of(staged.day for staged in staging.days):
        connection.execute(
            f"DELETE FROM {relation(staging.table)} "  # noqa: S608 - quoted
            f"WHERE {_within(staging.table, window)}"
        )
    _insert(connection, staging, "")


def _merge_rows(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """By key; of two versions of a row the one with the greater cursor stays."""
    table, files = staging.table, _files(staging)
    if not files:
        return
    same_key = " AND ".join(f"s.{quote(k)} = t.{quote(k)}" for k in table.key)
    newest = "TRUE"
    if table.cursor_column:  # a published row without a cursor gives way to any version
        cursor = quote(table.cursor_column)
        newest = f"(t.{cursor} IS NULL OR s.{cursor} >= t.{cursor})"
    connection.execute(
        f"DELETE FROM {relation(table)} AS t USING read_parquet($files) AS s "  # noqa: S608
        f"WHERE {same_key} AND {newest}",
        {"files": files},
    )
    unmatched = f"WHERE NOT EXISTS (SELECT 1 FROM {relation(table)} AS t WHERE {same_key})"  # noqa: S608
    _insert(connection, staging, unmatched)


def _insert(connection: duckdb.DuckDBPyConnection, staging: Staging, condition: str) -> None:
    table = staging.table
    names = [quote(column.name) for column in table.columns]
    audit = ", ".join(quote(name) for name in AUDIT_COLUMNS)
    at = max(staged.state.updated_at for staged in staging.days)
    for source in dict.fromkeys(staged.source for staged in staging.days):
        files = _files(staging, source)
        if not files:
            continue
        connection.execute(
            f"INSERT INTO {relation(table)} ({', '.join(names)}, {audit}) "  # noqa: S608 - quoted
            f"SELECT {', '.join(names)}, $at, $source, $run, $version "
            f"FROM read_parquet($files) AS s {condition}",
            {
                "files": files,
                "at": at,
                "source": source,
                "run": staging.days[0].state.run_id,
                "version": schema_version(table),
            },
        )


def _files(staging: Staging, source: str | None = None) -> list[str]:
    return [
        str(path)
        for staged in staging.days
        if source is None or staged.source == source
        for path in staged.files.files
    ]


def _replace_quarantine(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    days = [staged.day for staged in staging.days]
    connection.execute(
        f"DELETE FROM {_QUARANTINE} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [staging.table.path, days],
    )
    files = [str(path) for staged in staging.days for path in staged.quarantine.files]
    if files:
        connection.execute(
            f"INSERT INTO {_QUARANTINE} BY NAME SELECT * FROM read_parquet(?)",  # noqa: S608
            [files],
        )


def _replace_state(connection: duckdb.DuckDBPyConnection, staging: Staging, mode: Mode) -> None:
    table = staging.table
    connection.execute(
        f"DELETE FROM {_STATE} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [table.path, [staged.day for staged in staging.days]],
    )
    marks = ", ".join("?" for _ in _STATE_COLUMNS)
    rows = [[getattr(staged.state, column) for column in _STATE_COLUMNS] for staged in staging.days]
    connection.executemany(
        f"INSERT INTO {_STATE} ({', '.join(_STATE_COLUMNS)}) VALUES ({marks})",  # noqa: S608
        rows,
    )
    if mode is Mode.MERGE:  # neither what was staged is what is published now, nor where it was
        connection.execute(
            f"UPDATE {_STATE} AS s SET row_count = (SELECT count(*) FROM {relation(table)} AS t "  # noqa: S608
            f"WHERE CAST(t.{quote(table.partition_column)} AS DATE) = s.partition_key) "
            "WHERE table_name = ?",
            [table.path],
        )


def _within(table: LayerTable, window: Window) -> str:
    """The half-open condition on the partition column, which is a date or a timestamp."""
    dtype = table.column(table.partition_column).dtype
    name = quote(table.partition_column)
    if isinstance(dtype, pl.Date):
        return f"{name} BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone
    type_ = "TIMESTAMPTZ" if zoned else "TIMESTAMP"
    zone = "+00" if zoned else ""
    start, end = (f"{m:%Y-%m-%d} 00:00:00{zone}" for m in (window.start, window.end))
    return f"{name} >= {type_} '{start}' AND {name} < {type_} '{end}'"
