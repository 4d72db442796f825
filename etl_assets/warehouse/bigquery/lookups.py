"""What is asked of published tables but not read by days: rows by key, and profiles."""

from collections.abc import Collection
from contextlib import suppress
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl
from google.cloud.bigquery import QueryJob

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import counted_nulls, profile_schema
from etl_assets.warehouse.bigquery.failures import bigquery_errors
from etl_assets.warehouse.bigquery.given import Given, Giver, key_columns
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.reading import typed
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.types import day_of, on_any_day, on_days, quote, same_key
from etl_assets.warehouse.cursor_sql import all_null


class Lookups:
    """Queries on published tables; a table that nobody published yet is empty."""

    def __init__(self, jobs: Jobs, datasets: Datasets, giver: Giver) -> None:
        self._jobs, self._datasets, self._giver = jobs, datasets, giver

    def rows(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Rows.lookup`: the keys are looked for on all days, rows read from theirs."""
        schema = polars_schema(table.columns)
        found = SpoolFiles(folder / "found")
        if keys.rows and self._datasets.find(table) is not None:
            name = f"etl_lookup_{uuid4().hex}"
            columns = key_columns(table)
            try:
                given = self._giver.give(table, columns, keys, name, "lookup", folder)
                self._spool(table, given, found)
            finally:
                with suppress(EtlError), bigquery_errors("dropping staging tables"):
                    self._datasets.drop_staging(name)
        if not found.files:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(found.files, schema=schema, glob=False)

    def profile(
        self, table: LayerTable, days: Collection[date], among: Collection[str] | None = None
    ) -> pl.DataFrame:
        """See `Rows.profile`."""
        counted = counted_nulls(table, among)
        schema = profile_schema(counted)
        if not days or self._datasets.find(table) is None:
            return pl.DataFrame(schema=schema)
        nulls = "".join(
            f", COUNTIF({all_null(columns, lambda name: f't.{quote(name)}')})"
            for columns in counted.values()
        )
        job = self._query(
            f"SELECT {day_of(table, 't.')}, COUNT(*){nulls} "  # noqa: S608 - quoted
            f"FROM {self._datasets.published(table)} AS t "
            f"WHERE {on_days(table, days, 't.')} GROUP BY 1 ORDER BY 1"
        )
        rows = [tuple(row.values()) for row in job.result()]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _spool(self, table: LayerTable, keys: Given, sink: SpoolFiles) -> None:
        target = self._datasets.published(table)
        where = on_any_day(table, "t.")
        has_key = f"EXISTS (SELECT 1 FROM {keys.relation} AS k WHERE {same_key(table, 'k', 't')})"  # noqa: S608
        if table.has_days:
            job = self._query(
                f"SELECT DISTINCT {day_of(table, 't.')} FROM {target} AS t "  # noqa: S608 - quoted
                f"WHERE {where} AND {has_key}",
                keys,
            )
            days = [row[0] for row in job.result()]
            if not days:
                return
            where = on_days(table, days, "t.")
        names = ", ".join(f"t.{quote(column.name)}" for column in table.columns)
        job = self._query(f"SELECT {names} FROM {target} AS t WHERE {where} AND {has_key}", keys)  # noqa: S608
        schema = polars_schema(table.columns)
        for batch in job.result().to_arrow_iterable(bqstorage_client=None):
            sink.write(typed(batch, schema))
        sink.close()

    def _query(self, sql: str, keys: Given | None = None) -> QueryJob:
        parameters = keys.parameters if keys else ()
        return self._jobs.query(sql, f"etl_lookup_{uuid4().hex}", parameters=parameters)
