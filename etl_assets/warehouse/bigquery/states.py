"""`etl_tables`, `etl_state` and `etl_history`: read, and moved on.

States are listed, which is no job and costs nothing; the history is asked for. What else is kept of
tables is `records.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import uuid4

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery import ArrayQueryParameter, QueryJob, ScalarQueryParameter

from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import LOST, Script, put_history, put_table, transaction
from etl_assets.warehouse.bigquery.system import System, system
from etl_assets.warehouse.publication import lost_turn
from etl_assets.warehouse.system_tables import HISTORY, STATE, TABLES


class States:
    """How far the tables are. All methods raise what Google's client raises.

    Reading finds nothing where nothing was ever published, and makes no table.
    """

    def __init__(self, jobs: Jobs, datasets: Datasets, platform: System) -> None:
        self._jobs, self._datasets, self._system = jobs, datasets, platform

    def of_tables(self) -> list[TableState]:
        """The row of every table, by name.

        A row without a `load_id` was never published. Of two rows, which two processes made at
        once, every publication changes both alike.
        """
        found = {
            row["table_name"]: TableState(**row)
            for row in self._system.rows(TABLES)
            if row["load_id"]
        }
        return [found[name] for name in sorted(found)]

    def of_table(self, path: str) -> TableState | None:
        """The row of the table of that path (`raw/orders`)."""
        return next((state for state in self.of_tables() if state.table_name == path), None)

    def of_parts(self, *paths: str) -> list[PartitionState]:
        """The state of every published part, by table and part; of the tables of these paths."""
        is_old = not self._system.is_current()  # a table's own row stood there as well
        states = [
            PartitionState(**row)
            for row in self._system.rows(STATE)
            if not paths or row["table_name"] in paths
            if not (is_old and row["partition_key"] == WHOLE)
        ]
        return sorted(states, key=lambda state: (state.table_name, state.partition_key))

    def take_turn(self, state: TableState, token: str | None) -> bool:
        """Let the table have a row before a transaction updates it; False if it is `state` already.

        What is updated inside a transaction must be there before, or two of them do not collide
        (L3): where there is no row, one without a `load_id` is added. Raises LostTurn where the
        table's row has another token: that is known here for nothing, and a job would only fail.
        """
        found = [
            row["load_id"]
            for row in self._system.rows(TABLES)
            if row["table_name"] == state.table_name
        ]
        told = next((load_id for load_id in found if load_id), None)
        if told == state.load_id != token:  # an attempt whose answer was lost has written it
            return False
        if told != token:
            raise lost_turn(state.table_name)
        if not found:
            self._open_row(state)
        return True

    def _open_row(self, state: TableState) -> None:
        tables = system(self._datasets, TABLES)
        self._jobs.query(
            f"INSERT INTO {tables} "  # noqa: S608 - quoted
            "(table_name, load_id, run_id, as_of, updated_at, row_count) "
            "SELECT @table, '', '', @as_of, @as_of, 0 FROM (SELECT 1) "
            f"WHERE NOT EXISTS (SELECT 1 FROM {tables} WHERE table_name = @table)",
            f"etl_open_{uuid4().hex}",
            parameters=[
                ScalarQueryParameter("table", "STRING", state.table_name),
                ScalarQueryParameter("as_of", "TIMESTAMP", state.as_of),
            ],
        )

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `StateStore.verify`."""
        self._system.upgrade()
        state, tables = system(self._datasets, STATE), system(self._datasets, TABLES)
        steps = [
            f"UPDATE {state} SET verified_through = "  # noqa: S608 - quoted
            "GREATEST(IFNULL(verified_through, @moment), @moment) "
            "WHERE table_name = @table AND partition_key IN UNNEST(@days)",
            f"UPDATE {tables} SET verified_through = (SELECT "  # noqa: S608 - quoted
            "IF(COUNT(*) = COUNT(n.verified_through), MIN(n.verified_through), NULL) "
            f"FROM {state} AS n WHERE n.table_name = @table) WHERE table_name = @table",
        ]
        parameters = [
            ScalarQueryParameter("table", "STRING", table.path),
            ScalarQueryParameter("moment", "TIMESTAMP", moment),
            ArrayQueryParameter("days", "DATE", list(days)),
        ]
        with self._jobs.turn():
            sql, job_id = transaction(steps), f"etl_verify_{uuid4().hex}"
            self._jobs.query(sql, job_id, parameters=parameters)

    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `StateStore.move`; raises LostTurn."""
        self._system.upgrade()
        own, own_given = put_table(self._datasets, table_state, token)
        log, log_given = put_history(self._datasets, history)
        script = Script(transaction([*own, *log]), [*own_given, *log_given])
        with self._jobs.turn():
            if self.take_turn(table_state, token):
                self.transact(script, f"etl_move_{uuid4().hex}", table_state)

    def transact(
        self,
        script: Script,
        job_id: str,
        state: TableState,
        labels: Mapping[str, str] | None = None,
    ) -> QueryJob | None:
        """Run a transaction that begins with `put_table` of the state; raises LostTurn.

        None where an attempt whose answer was lost has done it.
        """
        try:
            return self._jobs.query(script.sql, job_id, labels=labels, parameters=script.parameters)
        except GoogleAPICallError as error:
            if LOST not in str(error):
                raise
        found = self.of_table(state.table_name)
        if found is None or found.load_id != state.load_id:
            raise lost_turn(state.table_name)
        return None

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `StateStore.record`."""
        if history:
            self._system.upgrade()
            (step,), given = put_history(self._datasets, history)
            self._jobs.query(step, f"etl_record_{uuid4().hex}", parameters=given)

    def history(self, table: LayerTable, kind: str, most: int) -> list[HistoryEntry]:
        """See `StateStore.history`."""
        rows = self._system.asked(
            f"SELECT {', '.join(f'`{name}`' for name in HISTORY.names)} "  # noqa: S608 - ours
            f"FROM {system(self._datasets, HISTORY)} "
            "WHERE table_name = @table AND kind = @kind ORDER BY `at` DESC LIMIT @most",
            [
                ScalarQueryParameter("table", "STRING", table.path),
                ScalarQueryParameter("kind", "STRING", str(kind)),
                ScalarQueryParameter("most", "INT64", most),
            ],
        )
        return [HistoryEntry(*row) for row in rows]
