"""`etl_tables`, `etl_state` and `etl_history` in PostgreSQL.

They are read, and written inside the caller's transaction; what they say is decided elsewhere.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.postgres.connection import driver_of
from etl_assets.warehouse.postgres.locks import lock_table
from etl_assets.warehouse.postgres.system import columns_there, schema_of, target_of
from etl_assets.warehouse.postgres.write_paths import insert, names
from etl_assets.warehouse.publication import lost_turn
from etl_assets.warehouse.system_tables import (
    FIELDS,
    FILE_DAYS,
    FILES,
    HISTORY,
    SCHEMA,
    STATE,
    TABLES,
    SystemTable,
)

Row = TypeVar(
    "Row", TableState, PartitionState, LedgerEntry, IndexedObject, FieldPart, HistoryEntry
)


def version(connection: sa.Connection) -> str | None:
    """See `StateStore.version`; None where an earlier release wrote last.

    Every change of state writes the table's row of `etl_tables`, and an entry of the log alone
    writes that of `etl_schema` (`record`): a row that was written has another place and another
    transaction.
    """
    if not columns_there(connection, TABLES):
        return None if columns_there(connection, STATE) else "nothing"
    written = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT xmin::text || ctid::text AS row FROM {}").format(target_of(t).relation)
        for t in (TABLES, SCHEMA)
    )
    query = sql.SQL("SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM ({}) AS rows")
    found = driver_of(connection).execute(query.format(written)).fetchone()
    return str(found[0]) if found else None


def table_states(connection: sa.Connection, table_name: str | None = None) -> list[TableState]:
    """The rows of `etl_tables`, by name; that of one table if given."""
    return _read(connection, TABLES, TableState, _of_table(table_name), "table_name")


def states(connection: sa.Connection, table_name: str | None = None) -> list[PartitionState]:
    """The states of all parts, by table and part; of one table if given."""
    where = _of_table(table_name)
    if not columns_there(connection, TABLES):  # written by an earlier release: see `upgrading.py`
        where += sql.SQL(" AND partition_key <> {}").format(sql.Literal(WHOLE))
    return _read(connection, STATE, PartitionState, where, "table_name, partition_key")


def put_table(connection: sa.Connection, state: TableState) -> None:
    """Put the row in the place of its table's."""
    _delete(connection, TABLES, _of_table(state.table_name))
    _insert(connection, TABLES, [state])


def put_states(connection: sa.Connection, given: Sequence[PartitionState]) -> None:
    """Put each row in the place of that of its table and part."""
    for name in dict.fromkeys(state.table_name for state in given):
        parts = [state.partition_key for state in given if state.table_name == name]
        _delete(connection, STATE, _of_table(name) + sql.SQL(" AND ") + on_parts(parts))
    _insert(connection, STATE, given)


def take_turn(connection: sa.Connection, state: TableState, token: str | None) -> bool:
    """Whether the table's row still has the token (None: is missing), so that `state` may take its
    place. The table is locked until the transaction ends.

    False where it is `state` already: the answer to a COMMIT was lost. Raises LostTurn where it is
    anything else.
    """
    lock_table(connection, state.table_name)
    row = table_states(connection, state.table_name)
    found = row[0].load_id if row else None
    if found == token:
        return True
    if found == state.load_id:
        return False
    raise lost_turn(state.table_name)


def verify(
    connection: sa.Connection, table: LayerTable, days: Collection[date], at: datetime
) -> None:
    """See `StateStore.verify`. The table is locked: its row follows from all of its parts."""
    lock_table(connection, table.path)
    state, own = target_of(STATE).relation, target_of(TABLES).relation
    driver_of(connection).execute(
        sql.SQL(  # greatest() passes over NULL
            "UPDATE {} SET verified_through = greatest(verified_through, {}) WHERE {} AND {}"
        ).format(state, sql.Literal(at), _of_table(table.path), on_parts(days))
    )
    driver_of(connection).execute(
        sql.SQL(
            "UPDATE {own} SET verified_through = (SELECT CASE WHEN "
            "count(*) = count(verified_through) THEN min(verified_through) END "
            "FROM {state} WHERE {name}) WHERE {name}"
        ).format(own=own, state=state, name=_of_table(table.path))
    )


def record(connection: sa.Connection, entries: Sequence[HistoryEntry]) -> None:
    """Add to `etl_history`."""
    _insert(connection, HISTORY, entries)


def mark_written(connection: sa.Connection) -> None:
    """Let `version` be another one, though no table's row is written."""
    driver_of(connection).execute(
        sql.SQL("UPDATE {} SET version = version").format(target_of(SCHEMA).relation)
    )


def history(
    connection: sa.Connection, table: LayerTable, kind: str, most: int
) -> list[HistoryEntry]:
    """See `StateStore.history`."""
    where = _of_table(table.path) + sql.SQL(" AND kind = {}").format(sql.Literal(str(kind)))
    order = f"at DESC, id DESC LIMIT {int(most)}"
    return _read(connection, HISTORY, HistoryEntry, where, order)


def ledger(connection: sa.Connection, table: LayerTable) -> list[LedgerEntry]:
    """See `StateStore.ledger`."""
    order = 'partition_key, object_key COLLATE "C"'
    return _read(connection, FILES, LedgerEntry, _of_table(table.path), order)


def file_days(connection: sa.Connection, table: LayerTable) -> list[IndexedObject]:
    """See `StateStore.file_days`."""
    order = 'object_key COLLATE "C"'
    return _read(connection, FILE_DAYS, IndexedObject, _of_table(table.path), order)


def put_file_days(
    connection: sa.Connection,
    table: LayerTable,
    keys: Collection[str],
    found: Sequence[IndexedObject],
) -> None:
    """See `StateStore.put_file_days`."""
    if keys:
        among = sql.SQL(" AND object_key = ANY({}::text[])").format(sql.Literal(list(keys)))
        _delete(connection, FILE_DAYS, _of_table(table.path) + among)
    if found:
        _insert(connection, FILE_DAYS, found)


def fields(connection: sa.Connection, table: LayerTable) -> list[FieldPart]:
    """See `StateStore.fields`."""
    order = 'column_name COLLATE "C", partition_key, field COLLATE "C" NULLS FIRST'
    return _read(connection, FIELDS, FieldPart, _of_table(table.path), order)


def put_fields(
    connection: sa.Connection,
    table: LayerTable,
    parts: Collection[date],
    found: Sequence[FieldPart],
) -> None:
    """See `StateStore.put_fields`."""
    _delete(connection, FIELDS, _of_table(table.path) + sql.SQL(" AND ") + on_parts(parts))
    if found:
        _insert(connection, FIELDS, found)


def on_parts(days: Collection[date]) -> sql.Composed:
    """The condition that a row of the platform's own tables is of one of the parts."""
    return sql.SQL("partition_key = ANY({}::date[])").format(sql.Literal(list(days)))


def _of_table(table_name: str | None) -> sql.Composed:
    if table_name is None:
        return sql.SQL("TRUE").format()
    return sql.SQL("table_name = {}").format(sql.Literal(table_name))


def _read(
    connection: sa.Connection,
    table: SystemTable,
    row: type[Row],
    condition: sql.Composable,
    order: str,
) -> list[Row]:
    # A column that this release added may be missing until it publishes.
    asked = columns_there(connection, table)
    if not asked:
        return []
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
        names(asked), target_of(table).relation, condition, sql.SQL(order)
    )
    found = driver_of(connection).execute(query).fetchall()
    return [row(**dict(zip(asked, values, strict=True))) for values in found]


def _delete(connection: sa.Connection, table: SystemTable, condition: sql.Composable) -> None:
    driver_of(connection).execute(
        sql.SQL("DELETE FROM {} WHERE {}").format(target_of(table).relation, condition)
    )


def _insert(connection: sa.Connection, table: SystemTable, rows: Sequence[Any]) -> None:
    values = [tuple(getattr(row, name) for name in table.names) for row in rows]
    frame = pl.DataFrame(values, schema=schema_of(table), orient="row")
    insert(connection, target_of(table), [frame], frame.height)
