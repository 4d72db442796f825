"""`etl_quarantine`, `etl_tombstones` and `etl_files` in PostgreSQL: what is spooled beside rows.

They are written in the transaction that publishes; which rows they are is decided elsewhere.
"""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.ledger import LEDGER_SCHEMA
from etl_assets.core.rows import QUARANTINE_SCHEMA, TOMBSTONE_SCHEMA
from etl_assets.core.table import LayerTable
from etl_assets.postgres.connection import driver_of
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.postgres.staging import spooled
from etl_assets.warehouse.postgres.states import on_parts
from etl_assets.warehouse.postgres.system import columns_there, target_of
from etl_assets.warehouse.postgres.write_paths import insert, names
from etl_assets.warehouse.publication import StagedDay
from etl_assets.warehouse.state_store import QUARANTINED_SCHEMA, TOMBSTONED_SCHEMA
from etl_assets.warehouse.system_tables import FILES, QUARANTINE, TOMBSTONES, SystemTable


def delete_parts(connection: sa.Connection, table: LayerTable, days: Collection[date]) -> None:
    """Delete what was set aside of the parts."""
    _delete(connection, table, on_parts(days))


def clear(connection: sa.Connection, table: LayerTable, positions: Collection[str]) -> None:
    """Delete what was set aside from these positions of the source, whatever its part."""
    _delete(connection, table, _at_positions(positions))


def add(connection: sa.Connection, table: LayerTable, days: Sequence[StagedDay]) -> None:
    """Add what was set aside of the staged parts."""
    frames = (f for day in days for f in spooled(day.quarantine, QUARANTINE_SCHEMA, table))
    rows = sum(day.quarantine.rows for day in days)
    insert(connection, target_of(QUARANTINE), frames, rows)


def put_tombstones(connection: sa.Connection, table: LayerTable, files: SpoolFiles) -> None:
    """Add the spooled tombstones."""
    frames = spooled(files, TOMBSTONE_SCHEMA, table)
    insert(connection, target_of(TOMBSTONES), frames, files.rows)


def replace_ledger(
    connection: sa.Connection, table: LayerTable, days: Collection[date], files: SpoolFiles
) -> None:
    """Put the spooled ledger in the place of what the ledger says of the parts."""
    _delete(connection, table, on_parts(days), FILES)
    insert(connection, target_of(FILES), spooled(files, LEDGER_SCHEMA, table), files.rows)


def counts(connection: sa.Connection, table: LayerTable) -> dict[date, int]:
    """See `StateStore.quarantine_counts`."""
    if not columns_there(connection, QUARANTINE):
        return {}
    query = sql.SQL(
        "SELECT partition_key, count(*) FROM {} WHERE table_name = {} GROUP BY 1 ORDER BY 1"
    ).format(target_of(QUARANTINE).relation, sql.Literal(table.path))
    return dict(driver_of(connection).execute(query).fetchall())


def quarantined(
    connection: sa.Connection,
    table: LayerTable,
    positions: Collection[str] | None,
    days: Collection[date] | None,
) -> pl.DataFrame:
    """See `StateStore.quarantined`."""
    if not columns_there(connection, QUARANTINE):
        return pl.DataFrame(schema=QUARANTINED_SCHEMA)
    where = sql.SQL("table_name = {}").format(sql.Literal(table.path))
    if positions is not None:
        where += sql.SQL(" AND ") + _at_positions(positions)
    if days is not None:
        where += sql.SQL(" AND ") + on_parts(days)
    query = sql.SQL("SELECT {columns} FROM {table} WHERE {where} ORDER BY {columns}").format(
        columns=names(QUARANTINED_SCHEMA), table=target_of(QUARANTINE).relation, where=where
    )
    found = driver_of(connection).execute(query).fetchall()
    return pl.DataFrame(found, schema=QUARANTINED_SCHEMA, orient="row")


def tombstones(connection: sa.Connection, table: LayerTable) -> pl.DataFrame:
    """See `StateStore.tombstones`."""
    if not columns_there(connection, TOMBSTONES):
        return pl.DataFrame(schema=TOMBSTONED_SCHEMA)
    query = sql.SQL(
        "SELECT {columns} FROM {table} WHERE table_name = {path} ORDER BY found_at, payload"
    ).format(
        columns=names(TOMBSTONED_SCHEMA),
        table=target_of(TOMBSTONES).relation,
        path=sql.Literal(table.path),
    )
    found = driver_of(connection).execute(query).fetchall()
    return pl.DataFrame(found, schema=TOMBSTONED_SCHEMA, orient="row")


def _at_positions(positions: Collection[str]) -> sql.Composed:
    return sql.SQL("source_position = ANY({}::text[])").format(sql.Literal(list(positions)))


def _delete(
    connection: sa.Connection,
    table: LayerTable,
    which: sql.Composable,
    of: SystemTable = QUARANTINE,
) -> None:
    driver_of(connection).execute(
        sql.SQL("DELETE FROM {} WHERE table_name = {} AND {}").format(
            target_of(of).relation, sql.Literal(table.path), which
        )
    )
