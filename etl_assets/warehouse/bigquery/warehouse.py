"""The warehouse of production: days are loaded beside the tables, and published by one transaction.

The steps are here; what is sent is in the modules beside this one.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl
from google.api_core.exceptions import GoogleAPICallError

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError, StalePublication
from etl_assets.core.partitions import Window
from etl_assets.core.state import HistoryEntry, PartitionState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import (
    Changes,
    Extract,
    Look,
    Mode,
    Publication,
    StagedDay,
    Staging,
    Warehouse,
    lost_turn,
    newer_is_published,
)
from etl_assets.warehouse.bigquery.appending import Appending
from etl_assets.warehouse.bigquery.clients import Clients
from etl_assets.warehouse.bigquery.digests import Digests
from etl_assets.warehouse.bigquery.failures import bigquery_errors, request_retry
from etl_assets.warehouse.bigquery.jobs import Jobs, cost_of
from etl_assets.warehouse.bigquery.ledger import Ledger
from etl_assets.warehouse.bigquery.loading import Loading, run_of
from etl_assets.warehouse.bigquery.lookups import Lookups
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.bigquery.publication import publication
from etl_assets.warehouse.bigquery.reading import Reader, RestReader, StorageReader
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import LOST, STALE, staging_name
from etl_assets.warehouse.bigquery.spooled import check_days
from etl_assets.warehouse.bigquery.states import States
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
            self._ensure_system()
            for statement in self._datasets.ensure(table):
                self._jobs.query(statement, _new_id("alter"))

    def stage(
        self,
        table: LayerTable,
        days: Sequence[StagedDay],
        run_id: str,
        mode: Mode = Mode.REPLACE,
        changes: Changes | None = None,
    ) -> Staging:
        """See `Warehouse.stage`."""
        check_names(table)
        check_days(table, [staged.day for staged in days])
        name = staging_name(table, days, run_id)
        staging = Staging(table, days, name, mode, changes)
        if not days and changes is None:
            return staging
        with bigquery_errors(f"loading {table.path}"):
            self._ensure_system()
            return self._loading.stage(staging)

    def publish(self, staging: Staging) -> Publication:
        """See `Warehouse.publish`."""
        table = staging.table
        if not staging.days and staging.changes is None:
            return Publication()
        with self._dropped_afterwards(staging), bigquery_errors(f"publishing {table.path}"):
            self.ensure(table)
            if table.versions is not None:
                self.ensure(table.versions)
            if staging.mode is Mode.APPEND:
                return self._appending.publish(staging)
            states = [staged.state for staged in staging.days]
            day = self._ledger.open_day(table.path)
            script = publication(self._datasets, staging, states, day)
            try:
                job = self._jobs.transact(
                    script.sql,
                    f"etl_publish_{staging.name}",
                    labels=labels(layer=table.layer, table=table.name, run=run_of(staging)),
                    parameters=script.parameters,
                )
            except GoogleAPICallError as error:
                if LOST in str(error):
                    raise lost_turn(table.path) from None
                if STALE in str(error):
                    raise self._stale(staging) from None
                raise
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
        with bigquery_errors("reading etl_state"):
            return self._states.of_days(table)

    def table_state(self, table: LayerTable) -> PartitionState | None:
        """See `Warehouse.table_state`."""
        with bigquery_errors("reading etl_state"):
            return self._states.of_table(table)

    def look(self, table: LayerTable) -> Look:
        """See `Warehouse.look`; what is read after the token is as new as it, or newer."""
        with bigquery_errors(f"looking at {table.path}"):
            own, days = self._states.of_both(table)
            quarantined = self._lookups.quarantined(table)
            return Look(own, days, quarantined, self._states.newest(table))

    def lookup(self, table: LayerTable, keys: SpoolFiles, folder: Path) -> pl.LazyFrame:
        """See `Warehouse.lookup`."""
        with bigquery_errors(f"looking keys up in {table.path}"):
            return self._lookups.rows(table, keys, folder)

    def profile(self, table: LayerTable, days: Collection[date]) -> pl.DataFrame:
        """See `Warehouse.profile`."""
        with bigquery_errors(f"counting {table.path}"):
            return self._lookups.profile(table, days)

    def quarantined(self, table: LayerTable) -> pl.DataFrame:
        """See `Warehouse.quarantined`."""
        with bigquery_errors("reading etl_quarantine"):
            return self._lookups.quarantined(table)

    def digests(self, table: LayerTable, days: Collection[date], buckets: int) -> pl.DataFrame:
        """See `Warehouse.digests`."""
        with bigquery_errors(f"comparing {table.path}"):
            return self._digests.of_buckets(table, days, buckets)

    def row_digests(
        self, table: LayerTable, day: date, buckets: int, among: Collection[int]
    ) -> pl.DataFrame:
        """See `Warehouse.row_digests`."""
        with bigquery_errors(f"comparing {table.path}"):
            return self._digests.of_rows(table, day, buckets, among)

    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `Warehouse.verify`."""
        with bigquery_errors("writing etl_state"):
            self._states.verify(table, days, moment)

    def move(
        self, position: PartitionState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `Warehouse.move`."""
        with bigquery_errors("writing etl_state"):
            if not self._states.move(position, token, history):
                raise lost_turn(position.table_name)

    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `Warehouse.record`."""
        with bigquery_errors("writing etl_history"):
            self._states.record(history)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `Warehouse.history`."""
        with bigquery_errors("reading etl_history"):
            return self._states.history(table, kind, most)

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
    def _states(self) -> States:
        return States(self._jobs, self._datasets, self._ledger, self._ensure_system)

    @cached_property
    def _lookups(self) -> Lookups:
        return Lookups(self._jobs, self._datasets, self._loading)

    @cached_property
    def _digests(self) -> Digests:
        return Digests(self._jobs, self._datasets)

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

    def _ensure_system(self) -> None:
        for statement in self._datasets.ensure_system():
            self._jobs.query(statement, _new_id("alter"))

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


_CONNECTED = tuple(
    name for name, part in vars(BigQueryWarehouse).items() if isinstance(part, cached_property)
)


def _new_id(what: str) -> str:
    return f"etl_{what}_{uuid.uuid4().hex}"
