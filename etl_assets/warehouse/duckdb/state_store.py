"""What a DuckDB warehouse remembers of its tables: a connection for each question and change.

The statements are `states.py`.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime

import polars as pl

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.duckdb import states
from etl_assets.warehouse.duckdb.file import DuckDBFile
from etl_assets.warehouse.duckdb.file_turns import unusable
from etl_assets.warehouse.duckdb.memory import grows
from etl_assets.warehouse.duckdb.system import upgrade
from etl_assets.warehouse.publication import Recorded
from etl_assets.warehouse.state_store import StateStore


class DuckDBStates(DuckDBFile, StateStore):
    """The platform's own tables in the file; see `StateStore`."""

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
