"""The platform's own tables in a DuckDB file: made, and brought up to this release.

What they are is `warehouse/system_tables.py`; what is written to them is `states.py`.
"""

import weakref

import duckdb

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.duckdb.types import quote
from etl_assets.warehouse.system_tables import (
    HISTORY,
    OLD_TABLE_ROW,
    SCHEMA,
    SCHEMA_VERSION,
    STATE,
    SYSTEM_DATASET,
    SYSTEM_TABLES,
    TABLES,
    TABLES_OF_VERSION_4,
    Kind,
    SystemTable,
)

_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.DAY: "DATE",
    Kind.MOMENT: "TIMESTAMPTZ",
    Kind.INTEGER: "BIGINT",
    Kind.FLOAT: "DOUBLE",
}


_OF_THIS_RELEASE: "weakref.WeakSet[duckdb.DuckDBPyConnection]" = weakref.WeakSet()
"""Connections whose file this release wrote last: it stays so while a connection holds the file."""


def name_of(table: SystemTable) -> str:
    """The table's qualified name."""
    return f"{SYSTEM_DATASET}.{table.name}"


def columns_there(connection: duckdb.DuckDBPyConnection, table: SystemTable) -> list[str]:
    """Those of the table's columns that are there; none where nobody published yet.

    All of them where this release wrote here last: to ask the catalogue takes its time.
    """
    version = version_of(connection)
    if version is None:
        return []
    if version == SCHEMA_VERSION:
        return list(table.names)
    there = _columns(connection).get(table.name, set())
    return [name for name in table.names if name in there]


def version_of(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The SCHEMA_VERSION that wrote here last, None if nobody ever wrote here.

    It is 3 for any release before version 4. Raises WarehouseError for that of a newer release.
    """
    if connection in _OF_THIS_RELEASE:
        return SCHEMA_VERSION
    try:
        ((found,),) = connection.execute(
            f"SELECT max(version) FROM {name_of(SCHEMA)}"  # noqa: S608 - our own table
        ).fetchall()
    except duckdb.CatalogException:
        return 3 if _has_state(connection) else None
    version = 3 if found is None else int(found)
    if version > SCHEMA_VERSION:
        raise WarehouseError(
            f"A newer release of etl_assets has written to this warehouse (its tables are of "
            f"version {version}; this release knows {SCHEMA_VERSION}).",
            "Install that release here as well, or name another file in WAREHOUSE_URL.",
        )
    if version == SCHEMA_VERSION:
        _OF_THIS_RELEASE.add(connection)
    return version


def upgrade(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Make the tables what this release needs, in one transaction; the version before."""
    before = version_of(connection)
    if before == SCHEMA_VERSION:
        return before
    connection.execute("BEGIN TRANSACTION")
    there = _columns(connection)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SYSTEM_DATASET}")
    for table in SYSTEM_TABLES:
        for statement in _missing(table, there.get(table.name)):
            connection.execute(statement)
    if before is not None and before < 4:
        for statement in table_rows_from_state():
            connection.execute(statement)
    connection.execute(f"DELETE FROM {name_of(SCHEMA)}")  # noqa: S608 - our own table
    connection.execute(f"INSERT INTO {name_of(SCHEMA)} VALUES ({SCHEMA_VERSION})")  # noqa: S608
    connection.execute("COMMIT")
    return before


def table_rows_from_state() -> list[str]:
    """Version 4: a table's own row, and the newest entries of the log, become its row of
    `etl_tables`; tables without such a row get theirs from their days.

    Before, the row stood in `etl_state` with the day 0001-01-01, and what was remembered of the
    source's columns, the days and the days to be loaded again was the newest entry of
    `etl_history`."""
    state, history, tables = name_of(STATE), name_of(HISTORY), name_of(TABLES)
    columns = ", ".join(TABLES_OF_VERSION_4)

    def newest(kind: str, value: str) -> str:
        return (
            f"(SELECT {value} FROM {history} AS h WHERE h.table_name = n.table_name "  # noqa: S608
            f"AND h.kind = '{kind}' ORDER BY h.\"at\" DESC LIMIT 1)"
        )

    days_to_reload = newest(
        "owed",
        "(SELECT '{' || string_agg('\"' || d || '\": \"refused before\"', ', ' ORDER BY d) || '}' "
        "FROM unnest(json_extract_string(h.payload, '$.days[*]')) AS u(d))",
    )
    first_day, last_day = (
        newest("scope", f"CAST(json_extract_string(h.payload, '$.{end}') AS DATE)")
        for end in ("first", "last")
    )
    own = (
        f"SELECT n.table_name, n.load_id, n.run_id, n.as_of, n.updated_at, "  # noqa: S608
        f"(SELECT coalesce(sum(d.row_count), 0) FROM {state} AS d "
        f"WHERE d.table_name = n.table_name AND d.partition_key <> DATE '{OLD_TABLE_ROW}'), "
        "n.high_watermark, n.watermark_key, NULL, "
        f"{newest('columns', 'h.payload')}, {days_to_reload}, "
        f"{first_day}, {last_day}, "
        f"n.verified_through FROM {state} AS n WHERE n.partition_key = DATE '{OLD_TABLE_ROW}'"
    )
    others = (
        "SELECT n.table_name, arg_max(n.load_id, n.updated_at), arg_max(n.run_id, n.updated_at), "  # noqa: S608
        "max(n.as_of), max(n.updated_at), sum(n.row_count), NULL, NULL, NULL, NULL, NULL, NULL, "
        f"NULL, NULL FROM {state} AS n GROUP BY n.table_name "
        f"HAVING bool_and(n.partition_key <> DATE '{OLD_TABLE_ROW}')"
    )
    return [
        f"INSERT INTO {tables} ({columns}) {own}",
        f"INSERT INTO {tables} ({columns}) {others}",
        f"DELETE FROM {state} WHERE partition_key = DATE '{OLD_TABLE_ROW}'",  # noqa: S608
        f"UPDATE {history} SET kind = 'reload' WHERE kind = 'owed'",  # noqa: S608
    ]


def _has_state(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?",
        [SYSTEM_DATASET, STATE.name],
    ).fetchall()
    return bool(found)


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The names of the columns of each table of our schema."""
    rows = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = ?",
        [SYSTEM_DATASET],
    ).fetchall()
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def _missing(table: SystemTable, there: set[str] | None) -> list[str]:
    """What makes the table, or adds the columns that a later release added."""
    if there is None:
        columns = ", ".join(
            f"{quote(c.name)} {_TYPES[c.kind]}{' NOT NULL' if c.required else ''}"
            for c in table.columns
        )
        return [f"CREATE TABLE {name_of(table)} ({columns})"]
    return [
        f"ALTER TABLE {name_of(table)} ADD COLUMN {quote(c.name)} {_TYPES[c.kind]}"
        for c in table.columns
        if c.name not in there
    ]
