"""What PostgreSQL computes of published rows without handing them out: counts and digests."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.contracts import Column
from etl_assets.core.digests import BUCKETS_SCHEMA, compared, mark_left_out, row_digests_schema
from etl_assets.core.frames import DIGEST
from etl_assets.core.table import LayerTable
from etl_assets.postgres import arrow_types
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.connection import driver_of
from etl_assets.postgres.digest_text import (
    bucket_of,
    canonical_text,
    checksum,
    line,
    row_digest,
)
from etl_assets.warehouse.base import counted_nulls, profile_schema
from etl_assets.warehouse.cursor_sql import all_null
from etl_assets.warehouse.postgres.reading import read_columns
from etl_assets.warehouse.postgres.schema import exists
from etl_assets.warehouse.postgres.types import day_of, on_days, quoted_in, read_as, relation


def profile(
    connection: sa.Connection,
    table: LayerTable,
    days: Collection[date],
    among: Collection[str] | None = None,
) -> pl.DataFrame:
    """See `Warehouse.profile`."""
    counted = counted_nulls(table, among)
    schema = profile_schema(counted)
    if not exists(connection, table):
        return pl.DataFrame(schema=schema)
    nulls = [
        sql.SQL(f"count(*) FILTER (WHERE {all_null(columns, quoted_in('t'))})")
        for columns in counted.values()
    ]
    query = sql.SQL("SELECT {} FROM {} AS t WHERE {} GROUP BY 1").format(
        sql.SQL(", ").join([day_of(table, "t"), sql.SQL("count(*)"), *nulls]),
        relation(table),
        on_days(table, days),
    )
    return pl.DataFrame(driver_of(connection).execute(query).fetchall(), schema, orient="row")


def digests(
    connection: sa.Connection, table: LayerTable, days: Collection[date], buckets: int
) -> pl.DataFrame:
    """See `Warehouse.digests`."""
    if not exists(connection, table):
        return pl.DataFrame(schema=BUCKETS_SCHEMA)
    # OFFSET 0 keeps the planner from writing the digest into both sums, and so computing it twice.
    query = sql.SQL(
        "SELECT day, bucket, count(*), {low}, {high} FROM ("
        "SELECT {day} AS day, {bucket} AS bucket, {digest} AS digest "
        "FROM {table} AS t WHERE {on_days}{is_at_source} OFFSET 0) AS digests GROUP BY 1, 2"
    ).format(
        **dict(zip(("low", "high"), map(sql.SQL, checksum("digest")), strict=True)),
        day=day_of(table, "t"),
        bucket=sql.SQL(_bucket(table, buckets)),
        digest=sql.SQL(row_digest(_line(compared(table)))),
        table=relation(table),
        on_days=on_days(table, days),
        is_at_source=_is_at_source(table),
    )
    found = driver_of(connection).execute(query).fetchall()
    return pl.DataFrame(found, BUCKETS_SCHEMA, orient="row")


def row_digests(
    connection: sa.Connection, table: LayerTable, day: date, buckets: int, among: Collection[int]
) -> pl.DataFrame:
    """See `Warehouse.row_digests`."""
    nothing = pl.DataFrame(schema=row_digests_schema(table))
    if not exists(connection, table):
        return nothing
    digest = row_digest(_line(compared(table)))
    columns = [
        *(read_as(table.column(name), _quoted(name)) for name in table.key),
        ColumnRead(DIGEST, digest, arrow_types.STRING, digest),
    ]
    where = sql.SQL("{} AND {} = ANY({}){}").format(
        on_days(table, [day]),
        sql.SQL(_bucket(table, buckets)),
        sql.Literal(sorted(among)),
        _is_at_source(table),
    )
    return pl.concat([nothing, *read_columns(connection, table, columns, where)])


def _is_at_source(table: LayerTable) -> sql.Composable:
    """That the row is not marked as gone from the source: one more condition, or nothing."""
    mark = mark_left_out(table)
    return sql.SQL(" AND {} IS NULL").format(sql.Identifier("t", mark)) if mark else sql.SQL("")


def _bucket(table: LayerTable, buckets: int) -> str:
    return bucket_of(_line([table.column(name) for name in table.key]), buckets)


def _line(columns: Sequence[Column]) -> str:
    return line([canonical_text(column.dtype, _quoted(column.name)) for column in columns])


def _quoted(name: str) -> str:
    return sql.Identifier("t", name).as_string()
