"""Keys that rows are compared with: a table that is there for as long as a statement needs it."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.contracts import Column, polars_schema
from etl_assets.core.table import LayerTable
from etl_assets.postgres.connection import driver_of
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.postgres.schemas import staging_schema
from etl_assets.warehouse.postgres.staging import spooled
from etl_assets.warehouse.postgres.types import column_type, encoded
from etl_assets.warehouse.postgres.write_paths import Target, create_staging, insert


@contextmanager
def spooled_keys(
    connection: sa.Connection, table: LayerTable, keys: SpoolFiles
) -> Iterator[sql.Identifier]:
    """The spooled keys of the table, in a table of the key's columns; see `key_table`."""
    columns = [table.column(name) for name in table.key]
    frames = spooled(keys, polars_schema(columns), table)
    with key_table(connection, columns, frames, keys.rows) as relation:
        yield relation


@contextmanager
def key_table(
    connection: sa.Connection, columns: Sequence[Column], frames: Iterable[pl.DataFrame], rows: int
) -> Iterator[sql.Identifier]:
    """A table with these columns that holds the frames, about `rows` rows; it goes afterwards.

    A session's temporary table would stay behind in PgBouncer's connection if the transaction broke
    off; of this one nothing stays.
    """
    target = Target(
        staging_schema(), f"keys_{uuid.uuid4().hex}", {c.name: column_type(c) for c in columns}
    )
    create_staging(connection, target)
    insert(connection, target, (encoded(frame, columns) for frame in frames), rows)
    driver_of(connection).execute(sql.SQL("ANALYZE {}").format(target.relation))
    yield target.relation
    driver_of(connection).execute(sql.SQL("DROP TABLE {}").format(target.relation))
