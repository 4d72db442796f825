"""`etl_tables`, `etl_state`, `etl_quarantine` and `etl_history`: read, and moved on.

What is small is listed, which is no job and costs nothing; what may be large is asked for.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import polars as pl
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.bigquery import ArrayQueryParameter, QueryJob, ScalarQueryParameter

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import (
    LOST,
    Script,
    put_history,
    put_table,
    struct_rows,
    transaction,
)
from etl_assets.warehouse.bigquery.system import System, system, types_of
from etl_assets.warehouse.publication import lost_turn
from etl_assets.warehouse.state_store import QUARANTINED_SCHEMA, TOMBSTONED_SCHEMA
from etl_assets.warehouse.system_tables import (
    FIELDS,
    FILE_DAYS,
    FILES,
    HISTORY,
    QUARANTINE,
    STATE,
    TABLES,
    TOMBSTONES,
    SystemTable,
)

_MOST_LISTED = 100_000
_MOST_GIVEN, _MOST_CHARACTERS = 1_000, 1_000_000


class States:
    """What is remembered of tables; all methods raise what Google's client raises.

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
        rows = self._asked(
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

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        if self._system.size(QUARANTINE) > _MOST_LISTED:
            rows = self._asked(
                f"SELECT partition_key, COUNT(*) FROM {system(self._datasets, QUARANTINE)} "  # noqa: S608
                "WHERE table_name = @table GROUP BY partition_key",
                [ScalarQueryParameter("table", "STRING", table.path)],
            )
            return dict(rows)
        listed = self._system.rows(QUARANTINE, "table_name", "partition_key")
        return dict(Counter(r["partition_key"] for r in listed if r["table_name"] == table.path))

    def quarantined(
        self,
        table: LayerTable,
        positions: Collection[str] | None,
        days: Collection[date] | None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        empty = pl.DataFrame(schema=QUARANTINED_SCHEMA)
        given: list[Any] = [ScalarQueryParameter("table", "STRING", table.path)]
        where = "table_name = @table"
        for name, column, type_, among in (
            ("positions", "source_position", "STRING", positions),
            ("days", "partition_key", "DATE", days),
        ):
            if among is not None:
                where += f" AND {column} IN UNNEST(@{name})"
                given.append(ArrayQueryParameter(name, type_, list(among)))
                if not among:
                    return empty
        names = ", ".join(QUARANTINED_SCHEMA)
        rows = self._asked(
            f"SELECT {names} FROM {system(self._datasets, QUARANTINE)} "  # noqa: S608 - quoted
            f"WHERE {where} ORDER BY {names}",
            given,
        )
        return pl.DataFrame(rows, schema=QUARANTINED_SCHEMA, orient="row")

    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        rows = self._asked(
            f"SELECT {', '.join(TOMBSTONED_SCHEMA)} "  # noqa: S608 - quoted
            f"FROM {system(self._datasets, TOMBSTONES)} "
            "WHERE table_name = @table ORDER BY found_at, payload",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return pl.DataFrame(rows, schema=TOMBSTONED_SCHEMA, orient="row")

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        rows = self._asked(
            f"SELECT {', '.join(FILES.names)} FROM {system(self._datasets, FILES)} "  # noqa: S608
            "WHERE table_name = @table ORDER BY partition_key, object_key",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return [LedgerEntry(*row) for row in rows]

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`: listed, as every look at a table of files needs it."""
        found = [
            IndexedObject(**row)
            for row in self._system.rows(FILE_DAYS)
            if row["table_name"] == table.path
        ]
        return sorted(found, key=lambda one: one.object_key)

    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """See `StateStore.put_file_days`; a statement for as much as one takes."""
        self._system.upgrade()
        target = system(self._datasets, FILE_DAYS)
        gone = sorted(keys)
        for at in range(0, len(gone), _MOST_GIVEN):
            self._jobs.query(
                f"DELETE FROM {target} WHERE table_name = @table "  # noqa: S608 - quoted
                "AND object_key IN UNNEST(@keys)",
                f"etl_file_days_{uuid4().hex}",
                parameters=[
                    ScalarQueryParameter("table", "STRING", table.path),
                    ArrayQueryParameter("keys", "STRING", gone[at : at + _MOST_GIVEN]),
                ],
            )
        self._insert(FILE_DAYS, [astuple(one) for one in found])

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`."""
        rows = self._asked(
            f"SELECT {', '.join(FIELDS.names)} FROM {system(self._datasets, FIELDS)} "  # noqa: S608
            "WHERE table_name = @table ORDER BY column_name, partition_key, field",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return [FieldPart(*row) for row in rows]

    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """See `StateStore.put_fields`; a statement for as much as one takes."""
        self._system.upgrade()
        self._jobs.query(
            f"DELETE FROM {system(self._datasets, FIELDS)} WHERE table_name = @table "  # noqa: S608
            "AND partition_key IN UNNEST(@parts)",
            f"etl_fields_{uuid4().hex}",
            parameters=[
                ScalarQueryParameter("table", "STRING", table.path),
                ArrayQueryParameter("parts", "DATE", list(parts)),
            ],
        )
        self._insert(FIELDS, [astuple(one) for one in found])

    def _insert(self, table: SystemTable, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, in the order of the table's columns."""
        types = types_of(table)
        names, values = ", ".join(types), ", ".join(f"f.{name}" for name in types)
        for given in _portions(rows):
            self._jobs.query(
                f"INSERT INTO {system(self._datasets, table)} ({names}) "  # noqa: S608 - quoted
                f"SELECT {values} FROM UNNEST(@found) AS f",
                f"{table.name}_{uuid4().hex}",
                parameters=[struct_rows("found", types, given)],
            )

    def _asked(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            job = self._jobs.query(sql, f"etl_state_{uuid4().hex}", parameters=parameters)
        except NotFound:
            return []  # nothing was ever published
        return [tuple(row.values()) for row in job.result()]


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """What the parameters of one statement can hold."""
    portion: list[tuple[Any, ...]] = []
    characters = 0
    for one in rows:
        if portion and (len(portion) == _MOST_GIVEN or characters > _MOST_CHARACTERS):
            yield portion
            portion, characters = [], 0
        portion.append(one)
        characters += sum(len(value) for value in one if isinstance(value, str))
    if portion:
        yield portion
