"""What is asked of published tables but not read by days: rows by key, profiles, quarantine."""

from collections.abc import Collection
from contextlib import suppress
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl
from google.api_core.exceptions import NotFound
from google.cloud.bigquery import QueryJob, ScalarQueryParameter

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import profile_schema
from etl_assets.warehouse.bigquery.failures import bigquery_errors
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.loading import Loading
from etl_assets.warehouse.bigquery.reading import typed
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, Datasets
from etl_assets.warehouse.bigquery.scripts import on_any_day, on_days, same_key, system
from etl_assets.warehouse.bigquery.types import quote

_QUARANTINED = pl.Schema(
    {"partition_key": pl.Date(), "source_position": pl.String(), "payload": pl.String()}
)


class Lookups:
    """Queries on published tables; a table that nobody published yet is empty."""

    def __init__(self, jobs: Jobs, datasets: Datasets, loading: Loading) -> None:
        self._jobs, self._datasets, self._loading = jobs, datasets, loading

    def rows(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Warehouse.lookup`: the keys are looked for on all days, rows read from theirs."""
        schema = polars_schema(table.columns)
        found = SpoolFiles(folder / "found")
        if keys.rows and self._datasets.find(table) is not None:
            name = f"etl_lookup_{uuid4().hex}"
            try:
                self._loading.load_keys(table, keys, name, "lookup", folder)
                self._spool(table, name, found)
            finally:
                with suppress(EtlError), bigquery_errors("dropping staging tables"):
                    self._datasets.drop_staging(name)
        if not found.files:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(found.files, schema=schema, glob=False)

    def profile(self, table: LayerTable, days: Collection[date]) -> pl.DataFrame:
        """See `Warehouse.profile`."""
        nullable = [column.name for column in table.columns if column.nullable]
        schema = profile_schema(table)
        if not days or self._datasets.find(table) is None:
            return pl.DataFrame(schema=schema)
        nulls = "".join(f", COUNTIF(t.{quote(name)} IS NULL)" for name in nullable)
        job = self._query(
            f"SELECT DATE(t.{quote(table.day_column)}), COUNT(*){nulls} "  # noqa: S608
            f"FROM {self._datasets.published(table)} AS t "
            f"WHERE {on_days(table, days, 't.')} GROUP BY 1 ORDER BY 1"
        )
        rows = [tuple(row.values()) for row in job.result()]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def quarantined(self, table: LayerTable) -> pl.DataFrame:
        """See `Warehouse.quarantined`."""
        try:
            job = self._query(
                "SELECT partition_key, source_position, payload "  # noqa: S608 - quoted
                f"FROM {system(self._datasets, 'etl_quarantine')} "
                "WHERE table_name = @table ORDER BY partition_key, source_position",
                ScalarQueryParameter("table", "STRING", table.path),
            )
        except NotFound:
            return pl.DataFrame(schema=_QUARANTINED)  # nothing was ever published
        rows = [tuple(row.values()) for row in job.result()]
        return pl.DataFrame(rows, schema=_QUARANTINED, orient="row")

    def _spool(self, table: LayerTable, keys_name: str, sink: SpoolFiles) -> None:
        target = self._datasets.published(table)
        keys, same = self._datasets.name(STAGING_DATASET, keys_name), same_key(table)
        job = self._query(
            f"SELECT DISTINCT DATE(t.{quote(table.day_column)}) FROM {target} AS t "  # noqa: S608
            f"JOIN {keys} AS s ON {same} WHERE {on_any_day(table, 't')}"
        )
        days = [row[0] for row in job.result()]
        if not days:
            return
        names = ", ".join(f"t.{quote(column.name)}" for column in table.columns)
        job = self._query(
            f"SELECT {names} FROM {target} AS t WHERE {on_days(table, days, 't.')} "  # noqa: S608
            f"AND EXISTS (SELECT 1 FROM {keys} AS s WHERE {same})"
        )
        schema = polars_schema(table.columns)
        for batch in job.result().to_arrow_iterable(bqstorage_client=None):
            sink.write(typed(batch, schema))
        sink.close()

    def _query(self, sql: str, *parameters: ScalarQueryParameter) -> QueryJob:
        return self._jobs.query(sql, f"etl_lookup_{uuid4().hex}", parameters=parameters)
