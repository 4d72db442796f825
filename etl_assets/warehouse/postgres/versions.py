"""The versions of a table's rows: each staged one is kept once, by key and cursor, and stays."""

from dataclasses import replace
from datetime import date

import polars as pl
import sqlalchemy as sa
from psycopg import sql

from etl_assets.core.state import appended, bare
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Staging
from etl_assets.warehouse.postgres.engine import driver_of
from etl_assets.warehouse.postgres.inserting import filled, is_staged_row
from etl_assets.warehouse.postgres.schema import unique_key
from etl_assets.warehouse.postgres.staging import spooled, staging_target
from etl_assets.warehouse.postgres.states import put_states, states
from etl_assets.warehouse.postgres.types import relation
from etl_assets.warehouse.postgres.write_paths import names


def version_days(versions: LayerTable, staging: Staging) -> set[date]:
    """The days that versions of the staged rows belong to; they must be there beforehand."""
    moment = versions.day_column
    schema = pl.Schema({moment: versions.column(moment).dtype})
    days: set[date] = set()
    for staged in staging.days:
        for frame in spooled(staged.files, schema, staging.table):
            days.update(frame[moment].drop_nulls().cast(pl.Date).unique())
    return days


def keep_versions(connection: sa.Connection, versions: LayerTable, staging: Staging) -> None:
    """Add the staged rows whose version is not there yet, with the states of their days."""
    moment = sql.Identifier(versions.day_column)
    columns = filled(staging, staging.days)
    added = driver_of(connection).execute(
        sql.SQL(
            "WITH added AS (INSERT INTO {versions} ({columns}) SELECT {values} FROM {staging} "
            "WHERE {moment} IS NOT NULL AND {is_staged} ON CONFLICT ({key}) DO NOTHING "
            "RETURNING {moment}) SELECT CAST({moment} AS date) AS day, count(*), "
            "CAST(max({moment}) AS timestamptz) FROM added GROUP BY day"
        ).format(
            versions=relation(versions),
            columns=names(columns),
            values=sql.SQL(", ").join(columns.values()),
            staging=staging_target(staging).relation,
            moment=moment,
            is_staged=is_staged_row(staging),
            key=names(unique_key(versions)),
        )
    )
    before = {state.partition_key: state for state in states(connection, versions)}
    by = replace(staging.days[0].state, as_of=max(staged.state.as_of for staged in staging.days))
    put = [
        appended(
            before.get(day),
            replace(bare(by, day, versions.path), row_count=rows, high_watermark=newest),
        )
        for day, rows, newest in added
    ]
    if put:
        put_states(connection, put)
