"""What the platform remembers of tables: `etl_state` and `etl_history`, read and moved on."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from etl_assets.core.state import WHOLE_TABLE, HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.ledger import Ledger
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import (
    LOST,
    OWN_DAY,
    STATE_COLUMNS,
    count_statements,
    history_parameter,
    put_history,
    put_states,
    refuse_lost_turn,
    states_parameter,
    system,
    transaction,
)

_HISTORY = ", ".join(HistoryEntry.__dataclass_fields__)


class States:
    """`etl_state` and `etl_history`; all methods raise what Google's client raises.

    Reading finds nothing where nothing was ever published; `ensure_system` makes the tables.
    """

    def __init__(
        self, jobs: Jobs, datasets: Datasets, ledger: Ledger, ensure_system: Callable[[], None]
    ) -> None:
        self._jobs, self._datasets, self._ledger = jobs, datasets, ledger
        self._ensure_system = ensure_system

    def of_both(self, table: LayerTable) -> tuple[PartitionState | None, Sequence[PartitionState]]:
        """The table's own row and its partitions' states, of one moment."""
        found = self._states("TRUE", table)
        days = [state for state in found if state.partition_key != WHOLE_TABLE]
        return (found[0] if len(days) < len(found) else None), days

    def of_days(self, table: LayerTable | None = None) -> list[PartitionState]:
        """The state of every published partition, by table and day."""
        return self._states(f"partition_key <> {OWN_DAY}", table)

    def of_table(self, table: LayerTable) -> PartitionState | None:
        """The table's own row."""
        found = self._states(f"partition_key = {OWN_DAY}", table)
        return found[0] if found else None

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `Warehouse.verify`."""
        if not days:
            return
        self._ensure_system()
        self._jobs.query(
            f"UPDATE {system(self._datasets, 'etl_state')} SET verified_through = "  # noqa: S608
            "GREATEST(IFNULL(verified_through, @moment), @moment) "
            "WHERE table_name = @table AND partition_key IN UNNEST(@days)",
            f"etl_verify_{uuid4().hex}",
            parameters=[
                ScalarQueryParameter("table", "STRING", table.path),
                ScalarQueryParameter("moment", "TIMESTAMP", moment),
                ArrayQueryParameter("days", "DATE", list(days)),
            ],
        )

    def move(
        self, position: PartitionState, token: str | None, history: Sequence[HistoryEntry]
    ) -> bool:
        """See `Warehouse.move`; whether the table's own row still had the token."""
        self._ensure_system()
        day = self._ledger.open_day(position.table_name)
        steps = [
            count_statements(self._datasets, 0),
            refuse_lost_turn(self._datasets, token),
            *put_states(self._datasets),
            *([put_history(self._datasets)] if history else []),
        ]
        try:
            self._jobs.transact(
                transaction(steps),
                f"etl_move_{uuid4().hex}",
                parameters=[
                    ScalarQueryParameter("table", "STRING", position.table_name),
                    ScalarQueryParameter("token", "STRING", token),
                    ScalarQueryParameter("ledger_day", "DATE", day),
                    states_parameter([position]),
                    history_parameter(history),
                ],
            )
        except GoogleAPICallError as error:
            if LOST not in str(error):
                raise
            return False
        return True

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `Warehouse.record`."""
        if history:
            self._ensure_system()
            self._jobs.query(
                put_history(self._datasets),
                f"etl_record_{uuid4().hex}",
                parameters=[history_parameter(history)],
            )

    def history(self, table: LayerTable, kind: str, most: int) -> list[HistoryEntry]:
        """See `Warehouse.history`."""
        rows = self._rows(
            f"SELECT {_HISTORY} FROM {system(self._datasets, 'etl_history')} "  # noqa: S608
            "WHERE table_name = @table AND kind = @kind ORDER BY at DESC LIMIT @most",
            [
                ScalarQueryParameter("table", "STRING", table.path),
                ScalarQueryParameter("kind", "STRING", str(kind)),
                ScalarQueryParameter("most", "INT64", most),
            ],
        )
        return [HistoryEntry(**row) for row in rows]

    def newest(self, table: LayerTable) -> dict[str, HistoryEntry]:
        """The newest entry of each kind in the table's history."""
        rows = self._rows(
            f"SELECT {_HISTORY} FROM {system(self._datasets, 'etl_history')} "  # noqa: S608
            "WHERE table_name = @table "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY kind ORDER BY at DESC) = 1",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return {row["kind"]: HistoryEntry(**row) for row in rows}

    def _states(self, condition: str, table: LayerTable | None) -> list[PartitionState]:
        only = " AND table_name = @table" if table else ""
        rows = self._rows(
            # All columns: one that this release has may be missing until it publishes.
            f"SELECT * FROM {system(self._datasets, 'etl_state')} "  # noqa: S608 - quoted
            f"WHERE {condition}{only} ORDER BY table_name, partition_key",
            [ScalarQueryParameter("table", "STRING", table.path)] if table else [],
        )
        return [
            PartitionState(**{name: row[name] for name in STATE_COLUMNS if name in row})
            for row in rows
        ]

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        try:
            job = self._jobs.query(sql, f"etl_state_{uuid4().hex}", parameters=parameters)
        except NotFound:
            return []  # nothing was ever published
        return [dict(row.items()) for row in job.result()]
