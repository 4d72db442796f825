"""The warehouse of production: parts are loaded beside the tables, published by one transaction.

The steps for rows are here, what it remembers of tables is `state_store.py`; what is sent is in the
modules beside them.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.findings import Finding, clock_finding
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.bigquery.failures import bigquery_errors, request_retry
from etl_assets.warehouse.bigquery.health import findings
from etl_assets.warehouse.bigquery.scripts import staging_name
from etl_assets.warehouse.bigquery.service import new_id, writing
from etl_assets.warehouse.bigquery.spooled import check_days
from etl_assets.warehouse.bigquery.state_store import BigQueryStates
from etl_assets.warehouse.bigquery.types import check_emulated, check_names
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.publication import Facts, JobCost, Publication, StagedDay, Staging
from etl_assets.warehouse.versions import migrated

_PATIENCE = 10.0


class BigQueryWarehouse(BigQueryStates, Warehouse):
    """A warehouse of datasets of one project, made as `BigQueryService` is."""

    def health(self, where: str, layers: Sequence[str]) -> tuple[list[Finding], timedelta | None]:
        """See `Warehouse.health`."""
        retry = request_retry(min(self._wait_seconds, _PATIENCE))  # a person waits
        with bigquery_errors("looking how BigQuery is"):
            found = list(findings(self._clients.rest, self.options, retry, where, layers))
            before = datetime.now(UTC)
            now, after = self._now(), datetime.now(UTC)
        skew = now - (before + (after - before) / 2)
        if abs(skew) <= after - before:  # no more is known than how long the answer took
            skew = timedelta()
        answers = Finding(where, "connection", "it answers")
        return [answers, *found, clock_finding(where, skew)], skew

    @writing
    def ensure(self, table: LayerTable) -> Sequence[str]:
        """See `Rows.ensure`."""
        self._check(table)
        with bigquery_errors(f"creating {table.path}"):
            self._system.upgrade()
            return self._ensure(table)

    def fit(self, table: LayerTable) -> Fit | None:
        """See `Rows.fit`."""
        self._check(table)
        with bigquery_errors(f"looking at {table.path}"):
            return self._datasets.fit(table)

    def size(self, table: LayerTable) -> int | None:
        """See `Rows.size`."""
        with bigquery_errors(f"looking at {table.path}"):
            found = self._datasets.find(table)
        return int(found.num_bytes or 0) if found else 0

    @writing
    def stage(self, table: LayerTable, days: Sequence[StagedDay], run_id: str) -> Staging:
        """See `Rows.stage`."""
        self._check(table)
        check_days(table, [staged.day for staged in days])
        staging = Staging(table, days, staging_name(table, days, run_id))
        with bigquery_errors(f"loading {table.path}"):
            return self._loading.stage(staging)

    def _check(self, table: LayerTable) -> None:
        check_names(table)
        if self._is_emulated:
            check_emulated(table)

    def facts(self, staging: Staging, *, elsewhere: bool, versions: bool) -> Facts:
        """See `Rows.facts`."""
        with bigquery_errors(f"comparing what is staged for {staging.table.path}"):
            return self._inquiries.facts(staging, elsewhere=elsewhere, versions=versions)

    @writing
    def publish(self, publication: Publication) -> Sequence[JobCost]:
        """See `Rows.publish`."""
        table = publication.table
        with bigquery_errors(f"publishing {table.path}"):
            self._system.upgrade()
            for needed in filter(None, (table, table.versions)):
                self._ensure(needed)
            return self._publishing.publish(publication)

    def discard(self, staging: Staging) -> None:
        """See `Rows.discard`: what cannot be dropped expires by itself."""
        with suppress(EtlError), bigquery_errors("dropping staging tables"):
            self._loading.drop(staging)

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Rows.read`."""
        schema = polars_schema(table.columns)
        with bigquery_errors(f"reading {table.path}"):
            as_of = self._now()
            if self._datasets.find(table) is None:
                return Extract([pl.LazyFrame(schema=schema)] * len(windows), as_of)
            found = self._reader.spool(table, windows, as_of, folder)
        return Extract(
            [
                pl.scan_parquet(paths, schema=schema, glob=False)
                if paths
                else pl.LazyFrame(schema=schema)
                for paths in found
            ],
            as_of,
        )

    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Rows.lookup`."""
        with bigquery_errors(f"looking up rows of {table.path}"):
            return self._lookups.rows(table, keys, folder)

    def profile(
        self, table: LayerTable, days: Collection[date], among: Collection[str] | None = None
    ) -> pl.DataFrame:
        """See `Rows.profile`."""
        with bigquery_errors(f"counting rows of {table.path}"):
            return self._lookups.profile(table, days, among)

    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Rows.digests`."""
        with bigquery_errors(f"comparing {table.path}"):
            return self._digests.of_buckets(table, days, buckets)

    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Rows.row_digests`."""
        with bigquery_errors(f"comparing {table.path}"):
            return self._digests.of_rows(table, day, buckets, among)

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`."""
        with bigquery_errors("looking at the platform's tables"):
            return self._system.version()

    @writing
    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        with bigquery_errors("migrating the platform's tables"):
            before = self._system.upgrade()
        return migrated(before)

    def environments(self) -> list[str]:
        """See `Warehouse.environments`."""
        with bigquery_errors("looking for environments"):
            return self._datasets.environments()

    def drop_environment(self, name: str) -> list[str]:
        """See `Warehouse.drop_environment`."""
        with bigquery_errors(f"removing the environment {name}"):
            return self._datasets.drop_all(f"{self.options.dataset_prefix}{name}_")

    def _ensure(self, table: LayerTable) -> Sequence[str]:
        added = self._datasets.ensure(table)
        for statement in added.values():
            self._jobs.query(statement, new_id("alter"))
        return list(added)

    def _now(self) -> datetime:
        """The service's clock: days that are made of these rows are compared by it (L5)."""
        job = self._jobs.query("SELECT CURRENT_TIMESTAMP()", new_id("clock"))
        moment: datetime = next(iter(job.result()))[0]
        return moment
