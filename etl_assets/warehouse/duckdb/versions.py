"""The table that keeps every version of a row that was seen: rows are added, none ever leaves."""

from dataclasses import replace

import duckdb

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Staging
from etl_assets.warehouse.duckdb.rows import files_of, insert, newest_of_each_key
from etl_assets.warehouse.duckdb.states import bare_state, put_states, states
from etl_assets.warehouse.duckdb.types import day_of, quote, relation, same_key


def keep_versions(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Add what was staged and has a cursor, if the table has versions and this one is new."""
    versions = staging.table.versions
    if versions is None or not files_of(staging):
        return
    condition = (
        f"WHERE s.{quote(versions.day_column)} IS NOT NULL AND NOT EXISTS "  # noqa: S608
        f"(SELECT 1 FROM {relation(versions)} AS t WHERE {same_key(versions)}) "
    )
    if len(staging.days) > 1:  # a row that moved may be staged on both days
        condition += newest_of_each_key(versions)
    if insert(connection, staging, condition, into=versions):
        _put_states(connection, staging, versions)


def _put_states(
    connection: duckdb.DuckDBPyConnection, staging: Staging, versions: LayerTable
) -> None:
    """A state for each day that gained rows."""
    before = {state.partition_key: state.row_count for state in states(connection, versions)}
    cursor, day = quote(versions.day_column), day_of(versions)
    found = connection.execute(
        f"SELECT {day} AS day, count(*), CAST(max({cursor}) AS TIMESTAMPTZ) "  # noqa: S608 - quoted
        f"FROM {relation(versions)} "
        f"WHERE {day} IN (SELECT {day} FROM read_parquet($files)) GROUP BY ALL ORDER BY day",
        {"files": files_of(staging)},
    ).fetchall()
    gained = [
        replace(bare_state(staging, versions.path, day), row_count=rows, high_watermark=newest)
        for day, rows, newest in found
        if rows != before.get(day)
    ]
    put_states(connection, gained)
