"""`etl_tables`, `etl_state`, `etl_quarantine` and `etl_history` of a DuckDB file.

They are read, and written inside the caller's transaction; what they say is decided elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import duckdb
import polars as pl

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import WHOLE
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.duckdb.system import columns_there, name_of
from etl_assets.warehouse.duckdb.types import quote
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

Row = TypeVar(
    "Row", TableState, PartitionState, LedgerEntry, IndexedObject, FieldPart, HistoryEntry
)


def table_states(
    connection: duckdb.DuckDBPyConnection, table_name: str | None = None
) -> list[TableState]:
    """The rows of `etl_tables`, by name; that of one table if given."""
    where, given = ("table_name = $table", {"table": table_name}) if table_name else ("TRUE", {})
    return _read(connection, TABLES, TableState, where, given, order="table_name")


def states(
    connection: duckdb.DuckDBPyConnection, table_name: str | None = None
) -> list[PartitionState]:
    """The states of all parts, by table and part; of one table if given."""
    where, given = ("table_name = $table", {"table": table_name}) if table_name else ("TRUE", {})
    if not columns_there(connection, TABLES):  # written by an earlier release: see `system.py`
        where += f" AND partition_key <> DATE '{WHOLE}'"
    order = "table_name, partition_key"
    return _read(connection, STATE, PartitionState, where, given, order=order)


def put_table(connection: duckdb.DuckDBPyConnection, state: TableState) -> None:
    """Put the row in the place of its table's."""
    connection.execute(
        f"DELETE FROM {name_of(TABLES)} WHERE table_name = ?",  # noqa: S608 - our own table
        [state.table_name],
    )
    _insert(connection, TABLES, [state])


def put_states(connection: duckdb.DuckDBPyConnection, given: Sequence[PartitionState]) -> None:
    """Put each row in the place of that of its table and part."""
    for table_name in dict.fromkeys(state.table_name for state in given):
        parts = [state.partition_key for state in given if state.table_name == table_name]
        connection.execute(
            f"DELETE FROM {name_of(STATE)} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
            [table_name, parts],
        )
    _insert(connection, STATE, given)


def take_turn(connection: duckdb.DuckDBPyConnection, state: TableState, token: str | None) -> None:
    """Raise LostTurn unless the table's row has the token, or is missing where it is None."""
    found = table_states(connection, state.table_name)
    if (found[0].load_id if found else None) != token:
        raise lost_turn(state.table_name)


def verify(
    connection: duckdb.DuckDBPyConnection, table: LayerTable, days: Collection[date], at: datetime
) -> None:
    """See `StateStore.verify`."""
    connection.execute(
        f"UPDATE {name_of(STATE)} SET verified_through = greatest(verified_through, ?) "  # noqa: S608
        "WHERE table_name = ? AND partition_key = ANY(?)",
        [at, table.path, list(days)],
    )
    connection.execute(
        f"UPDATE {name_of(TABLES)} SET verified_through = (SELECT CASE WHEN "  # noqa: S608
        "count(*) = count(verified_through) THEN min(verified_through) END "
        f"FROM {name_of(STATE)} WHERE table_name = $table) WHERE table_name = $table",
        {"table": table.path},
    )


def record(connection: duckdb.DuckDBPyConnection, entries: Sequence[HistoryEntry]) -> None:
    """Add to `etl_history`."""
    _insert(connection, HISTORY, entries)


def history(
    connection: duckdb.DuckDBPyConnection, table: LayerTable, kind: str, most: int
) -> list[HistoryEntry]:
    """See `StateStore.history`."""
    return _read(
        connection,
        HISTORY,
        HistoryEntry,
        "table_name = $table AND kind = $kind",
        {"table": table.path, "kind": str(kind)},
        order=f'"at" DESC LIMIT {int(most)}',
    )


def quarantine_counts(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> dict[date, int]:
    """See `StateStore.quarantine_counts`."""
    if not columns_there(connection, QUARANTINE):
        return {}
    return dict(
        connection.execute(
            f"SELECT partition_key, count(*) FROM {name_of(QUARANTINE)} "  # noqa: S608 - ours
            "WHERE table_name = ? GROUP BY ALL",
            [table.path],
        ).fetchall()
    )


def quarantined(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    positions: Collection[str] | None,
    days: Collection[date] | None,
) -> pl.DataFrame:
    """See `StateStore.quarantined`."""
    if not columns_there(connection, QUARANTINE):
        return pl.DataFrame(schema=QUARANTINED_SCHEMA)
    given: dict[str, Any] = {"table": table.path}
    where = "table_name = $table"
    if positions is not None:
        given["positions"] = list(positions)
        where += " AND source_position = ANY($positions)"
    if days is not None:
        given["days"] = list(days)
        where += " AND partition_key = ANY($days)"
    found: pl.DataFrame = connection.sql(
        f"SELECT {', '.join(QUARANTINED_SCHEMA)} FROM {name_of(QUARANTINE)} "  # noqa: S608
        f"WHERE {where} ORDER BY ALL",
        params=given,
    ).pl()
    return found.cast(QUARANTINED_SCHEMA)


def tombstones(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> pl.DataFrame:
    """See `StateStore.tombstones`."""
    if not columns_there(connection, TOMBSTONES):
        return pl.DataFrame(schema=TOMBSTONED_SCHEMA)
    found: pl.DataFrame = connection.sql(
        f"SELECT {', '.join(TOMBSTONED_SCHEMA)} FROM {name_of(TOMBSTONES)} "  # noqa: S608
        "WHERE table_name = $table ORDER BY found_at, payload",
        params={"table": table.path},
    ).pl()
    return found.cast(TOMBSTONED_SCHEMA)


def ledger(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> list[LedgerEntry]:
    """See `StateStore.ledger`."""
    order = "partition_key, object_key"
    return _read(
        connection, FILES, LedgerEntry, "table_name = $table", {"table": table.path}, order=order
    )


def file_days(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> list[IndexedObject]:
    """See `StateStore.file_days`."""
    given, order = {"table": table.path}, "object_key"
    return _read(connection, FILE_DAYS, IndexedObject, "table_name = $table", given, order=order)


def put_file_days(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    keys: Collection[str],
    found: Sequence[IndexedObject],
) -> None:
    """See `StateStore.put_file_days`."""
    if keys:
        connection.execute(
            f"DELETE FROM {name_of(FILE_DAYS)} WHERE table_name = ? AND object_key = ANY(?)",  # noqa: S608
            [table.path, list(keys)],
        )
    _insert_frame(connection, FILE_DAYS, found)


def fields(connection: duckdb.DuckDBPyConnection, table: LayerTable) -> list[FieldPart]:
    """See `StateStore.fields`."""
    given, order = {"table": table.path}, "column_name, partition_key, field NULLS FIRST"
    return _read(connection, FIELDS, FieldPart, "table_name = $table", given, order=order)


def put_fields(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    parts: Collection[date],
    found: Sequence[FieldPart],
) -> None:
    """See `StateStore.put_fields`."""
    connection.execute(
        f"DELETE FROM {name_of(FIELDS)} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [table.path, list(parts)],
    )
    _insert_frame(connection, FIELDS, found)


def _read(
    connection: duckdb.DuckDBPyConnection,
    table: SystemTable,
    row: type[Row],
    condition: str,
    given: Mapping[str, object],
    *,
    order: str,
) -> list[Row]:
    # A column that this release added may be missing until it publishes.
    names = columns_there(connection, table)
    if not names:
        return []
    found = connection.execute(
        f"SELECT {', '.join(map(quote, names))} FROM {name_of(table)} "  # noqa: S608 - our columns
        f"WHERE {condition} ORDER BY {order}",
        dict(given),
    )
    # Not as a frame: that would import pyarrow, which takes longer than such a command has.
    return [
        row(**dict(zip(names, map(_in_utc, values), strict=True))) for values in found.fetchall()
    ]


def _in_utc(value: Any) -> Any:
    """A moment with Python's own UTC, which DuckDB's client does not use; other values as such."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _insert_frame(
    connection: duckdb.DuckDBPyConnection, table: SystemTable, rows: Sequence[Any]
) -> None:
    """Add many rows at once."""
    if rows:
        frame = pl.DataFrame(
            [astuple(row) for row in rows],
            schema=table.names,
            orient="row",
            infer_schema_length=None,
        )
        connection.register("etl_found", frame.to_arrow())
        connection.execute(
            f"INSERT INTO {name_of(table)} BY NAME SELECT * FROM etl_found"  # noqa: S608
        )
        connection.unregister("etl_found")


def _insert(connection: duckdb.DuckDBPyConnection, table: SystemTable, rows: Sequence[Any]) -> None:
    if rows:
        names = list(type(rows[0]).__dataclass_fields__)
        connection.executemany(
            f"INSERT INTO {name_of(table)} ({', '.join(map(quote, names))}) "  # noqa: S608 - ours
            f"VALUES ({', '.join('?' for _ in names)})",
            [astuple(row) for row in rows],
        )
