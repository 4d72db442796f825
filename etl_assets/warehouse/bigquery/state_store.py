"""What a BigQuery warehouse remembers of its tables: one error for each kind of Google's.

The requests are `states.py` and `records.py`.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime

import polars as pl

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.failures import bigquery_errors
from etl_assets.warehouse.bigquery.service import BigQueryService, writing
from etl_assets.warehouse.publication import Recorded
from etl_assets.warehouse.state_store import StateStore


class BigQueryStates(BigQueryService, StateStore):
    """The platform's own tables in their dataset; see `StateStore`."""

    def version(self) -> str | None:
        """See `StateStore.version`."""
        with bigquery_errors("reading etl_tables"):
            return self._system.fingerprint()

    def table_states(self) -> list[TableState]:
        """See `StateStore.table_states`."""
        with bigquery_errors("reading etl_tables"):
            return self._states.of_tables()

    def table_state(self, table: LayerTable) -> TableState | None:
        """See `StateStore.table_state`."""
        with bigquery_errors("reading etl_tables"):
            # Work goes on from here: what an earlier release wrote counts.
            if not self.options.is_read_only and self._system.upgrade(from_nothing=False) is None:
                return None
            return self._states.of_table(table.path)

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `StateStore.state`."""
        with bigquery_errors("reading etl_state"):
            return self._states.of_parts(*([table.path] if table else []))

    def recorded(
        self, table: LayerTable, *, versions: bool = False, quarantine: bool = False
    ) -> Recorded:
        """See `StateStore.recorded`; the table's row is listed first."""
        own, kept = self.table_state(table), table.versions if versions else None
        with bigquery_errors("reading etl_state"):
            found = self._states.of_parts(table.path, *([kept.path] if kept else []))
        counts = self.quarantine_counts(table) if quarantine else {}
        return Recorded(
            own,
            {state.partition_key: state for state in found if state.table_name == table.path},
            {state.partition_key: state for state in found if state.table_name != table.path},
            counts,
        )

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        with bigquery_errors("reading etl_quarantine"):
            return self._records.quarantine_counts(table)

    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        with bigquery_errors("reading etl_tombstones"):
            return self._records.tombstones(table)

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        with bigquery_errors("reading etl_files"):
            return self._records.ledger(table)

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`."""
        with bigquery_errors("reading etl_file_days"):
            return self._records.file_days(table)

    @writing
    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """See `StateStore.put_file_days`."""
        with bigquery_errors("writing etl_file_days"):
            self._records.put_file_days(table, keys, found)

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`."""
        with bigquery_errors("reading etl_fields"):
            return self._records.fields(table)

    @writing
    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """See `StateStore.put_fields`."""
        with bigquery_errors("writing etl_fields"):
            self._records.put_fields(table, parts, found)

    def quarantined(
        self,
        table: LayerTable,
        *,
        positions: Collection[str] | None = None,
        days: Collection[date] | None = None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        with bigquery_errors("reading etl_quarantine"):
            return self._records.quarantined(table, positions, days)

    @writing
    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `StateStore.verify`."""
        with bigquery_errors("writing etl_state"):
            self._states.verify(table, days, moment)

    @writing
    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `StateStore.move`."""
        with bigquery_errors(f"moving the position of {table_state.table_name}"):
            self._states.move(table_state, token, history)

    @writing
    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `StateStore.record`."""
        with bigquery_errors("writing etl_history"):
            self._states.record(history)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `StateStore.history`."""
        with bigquery_errors("reading etl_history"):
            return self._states.history(table, kind, most)
