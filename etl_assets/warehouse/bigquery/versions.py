"""The table that keeps every version of a row that was seen: filled in the same transaction.

Text only. Rows are only added, by key and cursor; versions are looked for between the staged rows'
first and last cursor, which is what the versions table is partitioned by, so that it prunes.
"""

from etl_assets.warehouse.base import Staging
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import (
    block,
    has_staged_rows,
    insert,
    key_columns,
    only_if,
    same_key,
    staged_rows,
    system,
)
from etl_assets.warehouse.bigquery.types import partition_type, quote


def versions_kept(datasets: Datasets, staging: Staging) -> list[str]:
    """Add the staged rows whose (key, cursor) is not there yet, and tell the states of their days.

    `etl_gained` are the days that gain rows, how many, and the greatest cursor.
    """
    table, versions = staging.table, staging.table.versions
    if versions is None or not has_staged_rows(staging):
        return []
    staged, kind = staged_rows(datasets, staging), partition_type(versions)
    cursor, key = quote(versions.day_column), key_columns(table, "s")
    new = (
        f"s.{cursor} IS NOT NULL AND NOT EXISTS (SELECT 1 "  # noqa: S608 - quoted
        f"FROM {datasets.published(versions)} AS v WHERE v.{cursor} BETWEEN etl_oldest AND "
        f"etl_newest AND {same_key(table, 'v')} AND s.{cursor} = v.{cursor})"
    )
    days = (
        f"SELECT DATE(s.{cursor}) AS day, COUNT(*) AS n, "  # noqa: S608 - quoted
        f"MAX(CAST(s.{cursor} AS TIMESTAMP)) AS newest "
        f"FROM (SELECT DISTINCT {key}, s.{cursor} FROM {staged} AS s) AS s WHERE {new} GROUP BY 1"
    )
    once = (
        f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {key}, s.{cursor} "
        f"ORDER BY s.{quote(table.day_column)} DESC) = 1"
    )
    oldest, newest = (
        f"(SELECT {extreme}(s.{cursor}) FROM {staged} AS s)"  # noqa: S608 - quoted
        for extreme in ("MIN", "MAX")
    )
    steps = [
        f"DECLARE etl_oldest {kind} DEFAULT {oldest}",
        f"DECLARE etl_newest {kind} DEFAULT {newest}",
        "DECLARE etl_gained ARRAY<STRUCT<day DATE, n INT64, newest TIMESTAMP>> "  # noqa: S608
        f"DEFAULT ARRAY(SELECT AS STRUCT x.day, x.n, x.newest FROM ({days}) AS x)",
        only_if(
            "ARRAY_LENGTH(etl_gained) > 0",
            [insert(datasets, staging, versions, f" WHERE {new}{once}"), *_states(datasets)],
        ),
    ]
    return [block(steps)]


def _states(datasets: Datasets) -> list[str]:
    state = system(datasets, "etl_state")
    return [
        f"UPDATE {state} AS n SET row_count = n.row_count + g.n, "  # noqa: S608 - quoted
        "high_watermark = GREATEST(IFNULL(n.high_watermark, g.newest), g.newest), "
        "as_of = GREATEST(n.as_of, @as_of), load_id = @load_id, run_id = @run, updated_at = @at "
        "FROM UNNEST(etl_gained) AS g "
        "WHERE n.table_name = @versions AND n.partition_key = g.day",
        f"INSERT INTO {state} (table_name, partition_key, high_watermark, row_count, "  # noqa: S608
        "quarantined_count, checks_passed, checks_failed, as_of, load_id, run_id, seconds, "
        "updated_at) SELECT @versions, g.day, g.newest, g.n, 0, 0, 0, @as_of, @load_id, @run, 0, "
        f"@at FROM UNNEST(etl_gained) AS g WHERE g.day NOT IN "
        f"(SELECT n.partition_key FROM {state} AS n WHERE n.table_name = @versions)",
    ]
