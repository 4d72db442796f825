"""What is asked of staged rows before they are published: see `Facts`.

Counts and digests of published rows are `measuring.py`.
"""

from dataclasses import replace

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.table import LayerTable
from etl_assets.postgres import arrow_types
from etl_assets.postgres.columns import ColumnRead
from etl_assets.postgres.connection import driver_of
from etl_assets.warehouse.cursor_sql import cursor_value, has_cursor, newest_moment
from etl_assets.warehouse.postgres.reading import read_columns
from etl_assets.warehouse.postgres.schema import exists
from etl_assets.warehouse.postgres.staging import refuse_lost, staging_target
from etl_assets.warehouse.postgres.types import (
    day_of,
    on_days,
    quoted_in,
    read_as,
    relation,
    same_key,
)
from etl_assets.warehouse.publication import CURSOR, STAGED_DAY, Facts, Staging


def facts(connection: sa.Connection, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
    """See `Rows.facts`; raises StagingLost where the parts must be staged again first."""
    nothing, table = Facts.nothing(staging.table), staging.table
    if not staging.rows:
        return nothing
    refuse_lost(connection, staging)
    return Facts(
        _elsewhere(connection, staging, nothing.elsewhere)
        if elsewhere and table.has_days and exists(connection, table)
        else nothing.elsewhere,
        _gains(connection, staging, table.versions, nothing.versions.schema)
        if versions and table.versions is not None
        else nothing.versions,
    )


def _elsewhere(connection: sa.Connection, staging: Staging, nothing: pl.DataFrame) -> pl.DataFrame:
    """It reads all keys of the table, which locks nothing, and may be done by several processes."""
    table = staging.table
    cursor = cursor_value(table, quoted_in("t"))
    day = day_of(table, "t").as_string()
    columns = [
        *(read_as(table.column(name), sql.Identifier("t", name).as_string()) for name in table.key),
        ColumnRead(STAGED_DAY, day, arrow_types.DATE, day),
    ]
    if cursor and table.cursor:
        value = replace(table.column(table.cursor.columns[0]), name=CURSOR)
        columns.append(read_as(value, cursor))
    others = sql.SQL("NOT {} AND EXISTS (SELECT FROM {} AS s WHERE {})").format(
        on_days(table, (staged.day for staged in staging.days), "t"),
        staging_target(staging).relation,
        same_key(table),
    )
    found = list(read_columns(connection, table, columns, others))
    if cursor is None:
        found = [frame.with_columns(pl.lit(None).alias(CURSOR)) for frame in found]
    return pl.concat([nothing, *(frame.select(nothing.columns) for frame in found)])


def _gains(
    connection: sa.Connection, staging: Staging, versions: LayerTable, schema: pl.Schema
) -> pl.DataFrame:
    query = sql.SQL(
        "SELECT {day} AS day, count(*), CAST({newest} AS timestamptz) "
        "FROM ({rows}) AS s GROUP BY 1 ORDER BY 1"
    ).format(
        day=day_of(versions, "s"),
        newest=sql.SQL(newest_moment(versions, quoted_in("s"))),
        rows=new_versions(connection, staging, versions),
    )
    found = driver_of(connection).execute(query).fetchall()
    return pl.DataFrame(found, schema=schema, orient="row")


def new_versions(connection: sa.Connection, staging: Staging, versions: LayerTable) -> sql.Composed:
    """The query of the staged rows whose version is not there yet, each once."""
    there: sql.Composable = sql.SQL("")
    if exists(connection, versions):
        there = sql.SQL("AND NOT EXISTS (SELECT FROM {} AS t WHERE {})").format(
            relation(versions), same_key(versions)
        )
    return sql.SQL(
        "SELECT DISTINCT ON ({key}) s.* FROM {staging} AS s WHERE {has_cursor} {there}"
    ).format(
        key=sql.SQL(", ").join(sql.Identifier("s", name) for name in versions.key),
        staging=staging_target(staging).relation,
        has_cursor=sql.SQL(has_cursor(versions, quoted_in("s"))),
        there=there,
    )
