"""The ways rows get into a table: Core inserts, COPY, and INSERT … SELECT from a staging table.

Few rows go in with SQLAlchemy Core, many in a statement (`insertmanyvalues`): no COPY to set up.
Many rows go through COPY, which takes a thirtieth of the time.
All ways leave the same rows behind. What a value is written as is `types.py`.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.postgres.connection import driver_of

COPY_FROM_ROWS = 30
"""Measured beside the server, rows of ten columns: Core takes 0.6 ms for a row, 2.5 for 30, 48 for
1,000; COPY 1.0, 0.9 and 4.0, and a round trip more, which is why not even fewer go by it."""

_CORE_BYTES = 1 << 20
_SLICE_ROWS = 16_384


class _Native(sa.types.UserDefinedType[Any]):
    """A type by PostgreSQL's own name: what is bound is cast to it, as COPY would parse it."""

    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **_: Any) -> str:
        return self.spec

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.cast(sa.type_coerce(bindvalue, sa.types.NullType()), self)


@dataclass(frozen=True)
class Target:
    """A table to write to: the columns that are written, with their PostgreSQL types."""

    schema: str
    name: str
    types: Mapping[str, str]

    @property
    def relation(self) -> sql.Identifier:
        """The qualified name, quoted."""
        return sql.Identifier(self.schema, self.name)

    @property
    def clause(self) -> sa.TableClause:
        """The table as SQLAlchemy Core sees it."""
        columns = [sa.column(name, _Native(type_)) for name, type_ in self.types.items()]
        return sa.table(self.name, *columns, schema=self.schema)


def insert(
    connection: sa.Connection, target: Target, frames: Iterable[pl.DataFrame], rows: int
) -> int:
    """Add the rows of the frames, about `rows` of them, the way that is quicker; how many it were.

    The frames have the target's columns, encoded (`types.encoded`).
    """
    if rows >= COPY_FROM_ROWS:
        return copy(connection, target, frames)
    return sum(
        copy(connection, target, [frame])
        if frame.estimated_size() > _CORE_BYTES  # a statement holds each value several times
        else insert_core(connection, target, frame)
        for frame in frames
    )


def insert_core(connection: sa.Connection, target: Target, frame: pl.DataFrame) -> int:
    """Add rows with SQLAlchemy Core, many in each statement."""
    if frame.height:
        connection.execute(sa.insert(target.clause), frame.select(list(target.types)).to_dicts())
    return frame.height


def copy(connection: sa.Connection, target: Target, frames: Iterable[pl.DataFrame]) -> int:
    """Add rows with COPY, in memory bounded by a frame."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        target.relation, names(target.types)
    )
    with driver_of(connection).cursor() as cursor:
        with cursor.copy(statement) as stream:
            for frame in frames:
                for text in _csv(frame.select(list(target.types))):
                    stream.write(text)
        return cursor.rowcount


def _csv(frame: pl.DataFrame) -> Iterator[memoryview]:
    for part in frame.iter_slices(_SLICE_ROWS):
        buffer = io.BytesIO()
        # All text is quoted: a NULL is told from "", and a line of \. from the end of the data.
        part.write_csv(buffer, include_header=False, quote_style="non_numeric")
        yield buffer.getbuffer()


def create_staging(connection: sa.Connection, staging: Target) -> None:
    """A table that costs no write-ahead log; what is in it is lost if the server crashes."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))
        for name, type_ in staging.types.items()
    )
    driver_of(connection).execute(
        sql.SQL("CREATE UNLOGGED TABLE {} ({}) WITH (autovacuum_enabled = false)").format(
            staging.relation, columns
        )
    )


def insert_from(
    connection: sa.Connection,
    target: sql.Composable,
    columns: Mapping[str, sql.Composable],
    source: sql.Composable,
) -> int:
    """INSERT INTO target SELECT … FROM source; how many rows.

    `columns` are the target's, each with the expression that it is filled with.
    """
    statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
        target, names(columns), sql.SQL(", ").join(columns.values()), source
    )
    return driver_of(connection).execute(statement).rowcount


def names(columns: Iterable[str]) -> sql.Composed:
    """Quoted names, separated by commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))
