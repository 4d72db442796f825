"""Published rows back out, exactly: COPY through the parser that reads sources, into Parquet files.

All windows are of one moment of one transaction, whose time on the server's clock goes with them.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import ContractMismatch, WarehouseError
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.columns import ColumnRead
from etl_assets.sources.postgres.copy import copy_frames
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.schema import exists
from etl_assets.warehouse.postgres.types import read_as, relation, within


def read(
    connection: sa.Connection, table: LayerTable, windows: Sequence[Window], folder: Path
) -> Extract:
    """The rows of each window in the contract's columns; see `Warehouse.read`."""
    schema = polars_schema(table.columns)
    # The query that takes the snapshot; its start is the last moment before it.
    as_of = connection.scalar(sa.text("SELECT statement_timestamp()"))
    if not exists(connection, table):
        return Extract([pl.LazyFrame(schema=schema)] * len(windows), as_of)
    columns = [read_as(c, sql.Identifier(c.name).as_string()) for c in table.columns]
    frames = []
    for number, window in enumerate(windows):
        place = folder / f"{number}_{window.first}_{window.last}"
        files = _read_window(connection, table, window, columns, SpoolFiles(place))
        frames.append(
            pl.scan_parquet(files.files, schema=schema, glob=False)
            if files.files
            else pl.LazyFrame(schema=schema)
        )
    return Extract(frames, as_of)


def _read_window(
    connection: sa.Connection,
    table: LayerTable,
    window: Window,
    columns: Sequence[ColumnRead],
    files: SpoolFiles,
) -> SpoolFiles:
    selected = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(sql.SQL(column.select), sql.Identifier(column.name))
        for column in columns
    )
    rows = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        selected, relation(table), within(table, window)
    )
    try:
        for frame in copy_frames(driver_of(connection), rows, columns):
            files.write(frame)
    except ContractMismatch as error:
        raise WarehouseError(
            f"Published rows of {table.path} are not what its contract says: {error.what}",
            "Somebody changed them past the platform: run the days again.",
        ) from None
    files.close()
    return files
