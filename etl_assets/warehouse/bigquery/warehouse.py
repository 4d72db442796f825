"""The warehouse of production: days are loaded beside the tables, and published by one transaction.

The steps are here; what is sent is in the modules beside this one.
"""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path

import polars as pl
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud.bigquery import ScalarQueryParameter

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError, StalePublication
from etl_assets.core.partitions import Window
from etl_assets.core.state import PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import (
    SYSTEM_DATASET,
    Extract,
    Mode,
    Publication,
    StagedDay,
    Staging,
    Warehouse,
    newer_is_published,
)
from etl_assets.warehouse.bigquery.appending import Appending
from etl_assets.warehouse.bigquery.clients import Clients
from etl_assets.warehouse.bigquery.failures import bigquery_errors, request_retry
from etl_assets.warehouse.bigquery.jobs import Jobs, cost_of
from etl_assets.warehouse.bigquery.ledger import Ledger
from etl_assets.warehouse.bigquery.loading import Loading
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.bigquery.publication import STALE, STATE_COLUMNS, publication
from etl_assets.warehouse.bigquery.reading import Reader, RestReader, StorageReader
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.spooled import check_days
from etl_assets.warehouse.bigquery.types import check_names, labels


class BigQueryWarehouse(Warehouse):
    """Datasets of one project; `clients` connects when something is first asked for.

    `wait_seconds` bounds how long requests, failed jobs and conflicts are tried again.
    """

    def __init__(
        self,
        options: BigQueryOptions,
        clients: Callable[[], Clients],
        *,
        wait_seconds: float = 120,
    ) -> None:
        self.options = options
        self._connect, self._wait_seconds = clients, wait_seconds
        self._retry = request_retry(wait_seconds)

    def ensure(self, table: LayerTable) -> None:
        """See `Warehouse.ensure`."""
        with bigquery_errors(f"creating {table.path}"):
            for statement in self._datasets.ensure(table):
                self._jobs.query(statement, _new_id("alter"))

    def stage(
        self,
        table: LayerTable,
        days: Sequence[StagedDay],
        run_id: str,
        mode: Mode = Mode.REPLACE,
    ) -> Staging:
        """See `Warehouse.stage`."""
        check_names(table)
        check_days(table, [staged.day for staged in days])
        name = _staging_name(table, days, run_id)
        staging = Staging(table, days, name, mode)
        if not days:
            return staging
        with bigquery_errors(f"loading {table.path}"):
            self._datasets.ensure_system()
            return self._loading.stage(staging)

    def publish(self, staging: Staging) -> Publication:
        """See `Warehouse.publish`."""
        table = staging.table
        if not staging.days:
            return Publication()
        with self._dropped_afterwards(staging), bigquery_errors(f"publishing {table.path}"):
            self.ensure(table)
            if staging.mode is Mode.APPEND:
                return self._appending.publish(staging)
            states = [staged.state for staged in staging.days]
            day = self._ledger.open_day(table)
            script = publication(self._datasets, staging, states, day)
            try:
                job = self._jobs.query(
                    script.sql,
                    f"etl_publish_{staging.name}",
                    labels=labels(layer=table.layer, table=table.name, run=states[0].run_id),
                    parameters=script.parameters,
                )
            except GoogleAPICallError as error:
                if STALE not in str(error):
                    raise
                raise self._stale(staging) from None
            return Publication([*staging.jobs, cost_of(job)])

    def read(self, table: LayerTable, windows: Sequence[Window], folder: Path) -> Extract:
        """See `Warehouse.read`."""
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

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `Warehouse.state`."""
        only = "WHERE table_name = @table " if table else ""
        with bigquery_errors("reading etl_state"):
            try:
                job = self._jobs.query(
                    f"SELECT {', '.join(STATE_COLUMNS)} "  # noqa: S608 - our own columns
                    f"FROM {self._datasets.name(SYSTEM_DATASET, 'etl_state')} "
                    f"{only}ORDER BY table_name, partition_key",
                    _new_id("state"),
                    parameters=[ScalarQueryParameter("table", "STRING", table.path)]
                    if table
                    else [],
                )
            except NotFound:
                return []  # nothing was ever published
            return [PartitionState(**dict(row.items())) for row in job.result()]

    def close(self) -> None:
        """Close the sessions to Google; using the warehouse again opens new ones."""
        if "_clients" in self.__dict__:
            self._clients.close()
            for part in _CONNECTED:
                self.__dict__.pop(part, None)

    @cached_property
    def _clients(self) -> Clients:
        return self._connect()

    @cached_property
    def _datasets(self) -> Datasets:
        return Datasets(self._clients.rest, self.options, self._retry)

    @cached_property
    def _jobs(self) -> Jobs:
        return Jobs(self._clients.rest, self.options, self._wait_seconds)

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self._jobs, self._datasets, self.options.load_jobs_a_day)

    @cached_property
    def _loading(self) -> Loading:
        return Loading(self._jobs, self._datasets, self._clients.bucket)

    @cached_property
    def _appending(self) -> Appending:
        return Appending(self._jobs, self._datasets, self._ledger, self._loading, self.state)

    @cached_property
    def _reader(self) -> Reader:
        storage = self._clients.storage
        return Reader(
            StorageReader(storage, self._datasets, self._retry) if storage else None,
            RestReader(self._jobs, self._datasets, lambda: _new_id("read")),
        )

    def _now(self) -> datetime:
        """The service's clock: days that are made of these rows are compared by it (L5)."""
        job = self._jobs.query("SELECT CURRENT_TIMESTAMP()", _new_id("clock"))
        moment: datetime = next(iter(job.result()))[0]
        return moment

    def _stale(self, staging: Staging) -> StalePublication:
        as_of = {staged.day: staged.state.as_of for staged in staging.days}
        days = [
            state.partition_key
            for state in self.state(staging.table)
            if state.partition_key in as_of and state.as_of > as_of[state.partition_key]
        ]
        return newer_is_published(staging.table, days)

    @contextmanager
    def _dropped_afterwards(self, staging: Staging) -> Iterator[None]:
        try:
            yield
        finally:
            # What cannot be dropped expires by itself: no reason to fail, nor to hide a failure.
            with suppress(EtlError), bigquery_errors("dropping staging tables"):
                self._loading.drop(staging)


_CONNECTED = ("_clients", "_datasets", "_jobs", "_ledger", "_loading", "_appending", "_reader")


def _staging_name(table: LayerTable, days: Sequence[StagedDay], run_id: str) -> str:
    """Names the run and the days, and is never given twice: so are the ids of the jobs on it."""
    dates = sorted(staged.day for staged in days)
    span = f"{dates[0]:%Y%m%d}_{dates[-1]:%Y%m%d}" if dates else "none"
    words = f"{table.layer}_{table.name[:60]}_{span}_{run_id[:40]}_{uuid.uuid4().hex[:12]}"
    return re.sub(r"\W", "_", words, flags=re.ASCII)


def _new_id(what: str) -> str:
    return f"etl_{what}_{uuid.uuid4().hex}"
