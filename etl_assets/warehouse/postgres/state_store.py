"""What a PostgreSQL warehouse remembers of its tables: a transaction for each question and change.

The statements are `states.py` and `quarantine.py`.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime

import polars as pl
import sqlalchemy as sa

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.postgres import quarantine as of_quarantine
from etl_assets.warehouse.postgres import states
from etl_assets.warehouse.postgres.database import PostgresDatabase
from etl_assets.warehouse.publication import Recorded
from etl_assets.warehouse.state_store import StateStore


class PostgresStates(PostgresDatabase, StateStore):
    """The platform's own tables in the database; see `StateStore`."""

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
