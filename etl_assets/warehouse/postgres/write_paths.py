"""The ways rows get into a table: Core inserts, COPY, and upserts by either; volume decides.

Few rows go in with SQLAlchemy Core, many in a statement (`insertmanyvalues`): no COPY to set up, no
staging table. Many rows go through COPY, which takes a thirtieth of the time.
All ways leave the same rows behind. What a value is written as is `types.py`.
"""

import io
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.models import STAGING_SCHEMA

COPY_FROM_ROWS = 30
"""Measured beside the server, rows of ten columns: Core takes 0.6 ms for a row, 2.5 for 30, 48 for
1,000; COPY 1.0, 0.9 and 4.0, and a round trip more, which is why not even fewer go by it."""

UPSERT_COPY_FROM_ROWS = 60
"""Measured likewise: Core takes 1.1 ms for a row, 3 for 30, 8.5 for 100, 71 for 1,000; COPY, with
the staging table that it needs, 2.6, 2.6, 3.2 and 8.5, and several round trips more."""

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

    @classmethod
    def of(cls, table: sa.FromClause, columns: Iterable[str]) -> "Target":
        """A model's table, and those of its columns that are written."""
        assert isinstance(table, sa.Table)  # noqa: S101 - a model's `__table__`
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        types = {name: table.columns[name].type.compile(dialect) for name in columns}
        return cls(str(table.schema), table.name, types)

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
    return sum(insert_core(connection, target, frame) for frame in frames)


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


@dataclass(frozen=True)
class Conflict:
    """What a row goes by: its `key`; of two versions the one with the greater `newer` stays.

    A version without a `newer` gives way to any; without the column the one that comes later stays.
    """

    key: Sequence[str]
    newer: str | None = None


def upsert(
    connection: sa.Connection,
    target: Target,
    frames: Iterable[pl.DataFrame],
    rows: int,
    conflict: Conflict,
) -> None:
    """Put rows in by key, about `rows` of them, the way that is quicker.

    The target needs a unique index on the key. Rows may repeat a key.
    """
    if rows >= UPSERT_COPY_FROM_ROWS:
        upsert_copy(connection, target, frames, conflict)
        return
    held = list(frames)
    if held:
        upsert_core(connection, target, pl.concat(held), conflict)


def upsert_core(
    connection: sa.Connection, target: Target, frame: pl.DataFrame, conflict: Conflict
) -> None:
    """Put rows in by key with SQLAlchemy Core, many in each statement."""
    if conflict.newer:  # stable: of equal versions the later one is last
        frame = frame.sort(conflict.newer, nulls_last=False, maintain_order=True)
    frame = frame.unique(subset=conflict.key, keep="last", maintain_order=True)
    if not frame.height:
        return
    statement = postgresql.insert(target.clause)
    updated = {n: statement.excluded[n] for n in target.types if n not in conflict.key}
    where: sa.ColumnElement[bool] | None = None
    if conflict.newer:
        there, new = target.clause.c[conflict.newer], statement.excluded[conflict.newer]
        where = sa.or_(there.is_(None), new >= there)
    upserted = (
        statement.on_conflict_do_update(index_elements=conflict.key, set_=updated, where=where)
        if updated
        else statement.on_conflict_do_nothing(index_elements=conflict.key)
    )
    connection.execute(upserted, frame.select(list(target.types)).to_dicts())


def upsert_copy(
    connection: sa.Connection, target: Target, frames: Iterable[pl.DataFrame], conflict: Conflict
) -> None:
    """Put rows in by key: COPY into a staging table, and one INSERT … ON CONFLICT from there."""
    staging = Target(STAGING_SCHEMA, f"upsert_{uuid.uuid4().hex}", target.types)
    driver = driver_of(connection)
    create_staging(connection, staging)
    copy(connection, staging, frames)
    keep_newest(connection, staging, conflict)
    columns = {name: sql.Identifier(name) for name in target.types}
    insert_from(connection, target.relation, columns, staging.relation, conflict)
    driver.execute(sql.SQL("DROP TABLE {}").format(staging.relation))


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


def keep_newest(connection: sa.Connection, staging: Target, conflict: Conflict) -> None:
    """Of the rows of a staging table that have one key, keep the newest, else the last copied."""
    newest = sql.SQL("ctid DESC")
    if conflict.newer:
        newest = sql.SQL("{} DESC NULLS LAST, ctid DESC").format(sql.Identifier(conflict.newer))  # type: ignore[assignment]
    driver_of(connection).execute(
        sql.SQL(
            "DELETE FROM {table} AS s USING (SELECT ctid AS at, "
            "row_number() OVER (PARTITION BY {key} ORDER BY {newest}) AS n FROM {table}) AS r "
            "WHERE s.ctid = r.at AND r.n > 1"
        ).format(table=staging.relation, key=names(conflict.key), newest=newest)
    )


def insert_from(
    connection: sa.Connection,
    target: sql.Identifier,
    columns: Mapping[str, sql.Composable],
    source: sql.Composable,
    conflict: Conflict | None = None,
) -> int:
    """INSERT INTO target SELECT … FROM source, by key if `conflict` says so; how many rows.

    `columns` are the target's, each with the expression that it is filled with.
    """
    statement = sql.SQL("INSERT INTO {} AS t ({}) SELECT {} FROM {}").format(
        target, names(columns), sql.SQL(", ").join(columns.values()), source
    )
    if conflict is not None:
        statement += _on_conflict(conflict, columns)
    return driver_of(connection).execute(statement).rowcount


def _on_conflict(conflict: Conflict, columns: Iterable[str]) -> sql.Composed:
    updated = [name for name in columns if name not in conflict.key]
    if not updated:
        return sql.SQL(" ON CONFLICT ({}) DO NOTHING").format(names(conflict.key))
    setting = sql.SQL(", ").join(
        sql.SQL("{c} = EXCLUDED.{c}").format(c=sql.Identifier(name)) for name in updated
    )
    clause = sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(names(conflict.key), setting)
    if conflict.newer:
        newer = sql.Identifier(conflict.newer)
        clause += sql.SQL(" WHERE t.{c} IS NULL OR EXCLUDED.{c} >= t.{c}").format(c=newer)
    return clause


def names(columns: Iterable[str]) -> sql.Composed:
    """Quoted names, separated by commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))
