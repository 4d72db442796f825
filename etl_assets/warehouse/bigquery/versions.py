"""Versions of rows: each staged (key, cursor) that the versions table does not have.

Text only. The bounds on the cursor, by which that table is partitioned, are constants: they prune.
"""

from collections.abc import Collection
from datetime import date

import polars as pl

from etl_assets.core.partitions import WHOLE
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.spooled import readable
from etl_assets.warehouse.bigquery.types import on_days, quote, same_key
from etl_assets.warehouse.cursor_sql import has_cursor
from etl_assets.warehouse.publication import Staging


def cursor_days(staging: Staging) -> list[date]:
    """The days of the cursors of the staged rows: on no others does the versions table gain any."""
    versions = staging.table.versions
    files = [path for staged in staging.days for path in staged.files.files]
    if versions is None or not files:
        return []
    if not versions.has_days:
        return [WHOLE] if staging.rows else []
    moment = pl.col(versions.day_column)
    days = pl.scan_parquet(files, glob=False).select(moment.cast(pl.Date).drop_nulls().unique())
    with readable(staging.table.path):
        return sorted(days.collect(engine="streaming").to_series())


def new_versions(
    datasets: Datasets, versions: LayerTable, days: Collection[date], *, is_there: bool = True
) -> str:
    """The clauses behind a FROM of staged rows `s` that leave each new version once.

    `days` are `cursor_days`; `is_there` says whether the versions table is.
    """
    key = ", ".join(f"s.{quote(name)}" for name in versions.key)
    known = (
        f"AND NOT EXISTS (SELECT 1 FROM {datasets.published(versions)} AS t "  # noqa: S608
        f"WHERE {on_days(versions, days, 't.')} AND {same_key(versions, 's', 't')}) "
    )
    return (
        f" WHERE {has_cursor(versions, lambda name: f's.{quote(name)}')} "
        f"{known if is_there else ''}"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key}) = 1"
    )
