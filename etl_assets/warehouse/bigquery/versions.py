"""Versions of rows: each staged (key, cursor) that the versions table does not have.

Text only. The bounds on the cursor, by which that table is partitioned, are constants: they prune.
"""

from collections.abc import Collection
from datetime import date

import polars as pl

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.types import on_days, quote, same_key
from etl_assets.warehouse.publication import Staging


def cursor_days(staging: Staging) -> list[date]:
    """The days of the cursors of the staged rows: on no others does the versions table gain any."""
    versions = staging.table.versions
    files = [path for staged in staging.days for path in staged.files.files]
    if versions is None or not files:
        return []
    moment = pl.col(versions.day_column)
    days = pl.scan_parquet(files, glob=False).select(moment.cast(pl.Date).drop_nulls().unique())
    return sorted(days.collect(engine="streaming").to_series())


def is_new_version(datasets: Datasets, versions: LayerTable, days: Collection[date]) -> str:
    """The clauses behind a FROM of staged rows `s` that leave each new version once."""
    key = ", ".join(f"s.{quote(name)}" for name in versions.key)
    return (
        f" WHERE s.{quote(versions.day_column)} IS NOT NULL AND NOT EXISTS (SELECT 1 "  # noqa: S608
        f"FROM {datasets.published(versions)} AS t WHERE {on_days(versions, days, 't.')} "
        f"AND {same_key(versions, 's', 't')}) QUALIFY ROW_NUMBER() OVER (PARTITION BY {key}) = 1"
    )
