"""Published rows back out, exactly: COPY through the parser that reads sources, into Parquet files.

All windows are of one moment of one transaction, whose time on the server's clock goes with them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import ContractMismatch, WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.connection import driver_of
from etl_assets.postgres.copy import copy_frames
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract
from etl_assets.warehouse.postgres.key_tables import spooled_keys
from etl_assets.warehouse.postgres.schema import exists
from etl_assets.warehouse.postgres.types import read_as, relation, same_key, within


def read(
    connection: sa.Connection, table: LayerTable, windows: Sequence[Window], folder: Path
) -> Extract:
    """The rows of each window in the contract's columns; see `Warehouse.read`."""
    # The query that takes the snapshot; its start is the last moment before it.
    as_of = connection.scalar(sa.text("SELECT statement_timestamp()"))
    if not exists(connection, table):
        return Extract([_frame(table, SpoolFiles(folder))] * len(windows), as_of)
    frames = []
    for number, window in enumerate(windows):
        place = folder / f"{number}_{window.first}_{window.last}"
        frames.append(_read(connection, table, within(table, window), place))
    return Extract(frames, as_of)


def lookup(
    connection: sa.Connection, table: LayerTable, keys: SpoolFiles, folder: Path
) -> pl.LazyFrame:
    """The rows of these keys; see `Warehouse.lookup`. The keys are a table for that long."""
    if not keys.rows or not exists(connection, table):
        return _frame(table, SpoolFiles(folder))
    with spooled_keys(connection, table, keys) as wanted:
        among = sql.SQL("EXISTS (SELECT FROM {} AS s WHERE {})").format(wanted, same_key(table))
        return _read(connection, table, among, folder)


def _read(
    connection: sa.Connection, table: LayerTable, where: sql.Composable, folder: Path
) -> pl.LazyFrame:
    """The rows `t` that the condition is true for, spooled in the folder."""
    columns = [read_as(c, sql.Identifier(c.name).as_string()) for c in table.columns]
    files = SpoolFiles(folder)
    for frame in read_columns(connection, table, columns, where):
        files.write(frame)
    files.close()
    return _frame(table, files)


def read_columns(
    connection: sa.Connection,
    table: LayerTable,
    columns: Sequence[ColumnRead],
    where: sql.Composable,
) -> Iterator[pl.DataFrame]:
    """Frames of what is selected from the published rows `t` that the condition is true for."""
    selected = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(sql.SQL(column.select), sql.Identifier(column.name))
        for column in columns
    )
    rows = sql.SQL("SELECT {} FROM {} AS t WHERE {}").format(selected, relation(table), where)
    try:
        yield from copy_frames(driver_of(connection), rows, columns, of=table.path)
    except ContractMismatch as error:
        raise WarehouseError(
            f"Published rows of {table.path} are not what its contract says: {error.what}",
            "Somebody changed them past the platform: run the days again.",
        ) from None


def _frame(table: LayerTable, files: SpoolFiles) -> pl.LazyFrame:
    schema = polars_schema(table.columns)
    if not files.files:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(files.files, schema=schema, glob=False)
