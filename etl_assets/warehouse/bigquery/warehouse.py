"""The warehouse of production: parts are loaded beside the tables, published by one transaction.

The steps are here; what is sent is in the modules beside this one.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError
from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.findings import Finding, clock_finding
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.partitions import Window
from etl_assets.core.state import HistoryEntry, PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Extract, Warehouse
from etl_assets.warehouse.bigquery.clients import Clients
from etl_assets.warehouse.bigquery.digests import Digests
from etl_assets.warehouse.bigquery.facts import Inquiries
from etl_assets.warehouse.bigquery.failures import bigquery_errors, request_retry
from etl_assets.warehouse.bigquery.given import Giver
from etl_assets.warehouse.bigquery.health import findings
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.loading import Loading
from etl_assets.warehouse.bigquery.lookups import Lookups
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.bigquery.publishing import Publishing
from etl_assets.warehouse.bigquery.reading import Reader, RestReader, StorageReader
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import staging_name
from etl_assets.warehouse.bigquery.spooled import check_days
from etl_assets.warehouse.bigquery.states import States
from etl_assets.warehouse.bigquery.system import System
from etl_assets.warehouse.bigquery.types import check_emulated, check_names
from etl_assets.warehouse.contract_tables import Fit
from etl_assets.warehouse.publication import (
    Facts,
    JobCost,
    Publication,
    Recorded,
    StagedDay,
    Staging,
)
from etl_assets.warehouse.versions import migrated

_PATIENCE = 10.0
P = ParamSpec("P")
T = TypeVar("T")


def _writing(
    method: "Callable[Concatenate[BigQueryWarehouse, P], T]",
) -> "Callable[Concatenate[BigQueryWarehouse, P], T]":
    """A method that changes something: one of production is refused in an environment."""

    @wraps(method)
    def guarded(self: "BigQueryWarehouse", *args: P.args, **kwargs: P.kwargs) -> T:
        if self.options.is_read_only:
            raise TypeError("Production is only read from an environment.")
        return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[BigQueryWarehouse, P], T]", guarded)


class BigQueryWarehouse(Warehouse):
    """Datasets of one project; `clients` connects when something is first asked for.

    `wait_seconds` bounds how long requests, failed jobs and conflicts are tried again. What
    `is_emulated` holds less than the service.
    """

    def __init__(
        self,
        options: BigQueryOptions,
        clients: Callable[[], Clients],
        *,
        wait_seconds: float = 120,
        is_emulated: bool = False,
    ) -> None:
        self.options = options
        self._connect, self._wait_seconds = clients, wait_seconds
        self._is_emulated = is_emulated
        self._retry = request_retry(wait_seconds)

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

    @_writing
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

    @_writing
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

    @_writing
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

    def version(self) -> str | None:
        """See `StateStore.version`."""
        with bigquery_errors("reading etl_tables"):
            return self._system.fingerprint()

    def table_states(self) -> list[TableState]:
        """See `StateStore.table_states`."""
        with bigquery_errors("reading etl_tables"):
            return self._states.of_tables()

    def table_state(self, table: LayerTable) -> TableState | None:
        """See `StateStore.table_state`."""
        with bigquery_errors("reading etl_tables"):
            # Work goes on from here: what an earlier release wrote counts.
            if not self.options.is_read_only and self._system.upgrade(from_nothing=False) is None:
                return None
            return self._states.of_table(table.path)

    def state(self, table: LayerTable | None = None) -> list[PartitionState]:
        """See `StateStore.state`."""
        with bigquery_errors("reading etl_state"):
            return self._states.of_parts(*([table.path] if table else []))

    def recorded(
        self, table: LayerTable, *, versions: bool = False, quarantine: bool = False
    ) -> Recorded:
        """See `StateStore.recorded`; the table's row is listed first."""
        own, kept = self.table_state(table), table.versions if versions else None
        with bigquery_errors("reading etl_state"):
            found = self._states.of_parts(table.path, *([kept.path] if kept else []))
        counts = self.quarantine_counts(table) if quarantine else {}
        return Recorded(
            own,
            {state.partition_key: state for state in found if state.table_name == table.path},
            {state.partition_key: state for state in found if state.table_name != table.path},
            counts,
        )

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        with bigquery_errors("reading etl_quarantine"):
            return self._states.quarantine_counts(table)

    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        with bigquery_errors("reading etl_tombstones"):
            return self._states.tombstones(table)

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        with bigquery_errors("reading etl_files"):
            return self._states.ledger(table)

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`."""
        with bigquery_errors("reading etl_file_days"):
            return self._states.file_days(table)

    @_writing
    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """See `StateStore.put_file_days`."""
        with bigquery_errors("writing etl_file_days"):
            self._states.put_file_days(table, keys, found)

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`."""
        with bigquery_errors("reading etl_fields"):
            return self._states.fields(table)

    @_writing
    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """See `StateStore.put_fields`."""
        with bigquery_errors("writing etl_fields"):
            self._states.put_fields(table, parts, found)

    def quarantined(
        self,
        table: LayerTable,
        *,
        positions: Collection[str] | None = None,
        days: Collection[date] | None = None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        with bigquery_errors("reading etl_quarantine"):
            return self._states.quarantined(table, positions, days)

    @_writing
    def verify(self, table: LayerTable, days: Collection[date], moment: datetime) -> None:
        """See `StateStore.verify`."""
        with bigquery_errors("writing etl_state"):
            self._states.verify(table, days, moment)

    @_writing
    def move(
        self, table_state: TableState, token: str | None, history: Sequence[HistoryEntry]
    ) -> None:
        """See `StateStore.move`."""
        with bigquery_errors(f"moving the position of {table_state.table_name}"):
            self._states.move(table_state, token, history)

    @_writing
    def record(self, history: Sequence[HistoryEntry]) -> None:
        """See `StateStore.record`."""
        with bigquery_errors("writing etl_history"):
            self._states.record(history)

    def history(self, table: LayerTable, kind: str, most: int = 100) -> list[HistoryEntry]:
        """See `StateStore.history`."""
        with bigquery_errors("reading etl_history"):
            return self._states.history(table, kind, most)

    def tables_version(self) -> int | None:
        """See `Warehouse.tables_version`."""
        with bigquery_errors("looking at the platform's tables"):
            return self._system.version()

    @_writing
    def migrate(self) -> str:
        """See `Warehouse.migrate`."""
        with bigquery_errors("migrating the platform's tables"):
            before = self._system.upgrade()
        return migrated(before)

    def close(self) -> None:
        """Close the sessions to Google; using the warehouse again opens new ones."""
        if "_clients" in self.__dict__:
            self._clients.close()
            for part in _CONNECTED:
                self.__dict__.pop(part, None)

    def environments(self) -> list[str]:
        """See `Warehouse.environments`."""
        with bigquery_errors("looking for environments"):
            return self._datasets.environments()

    def drop_environment(self, name: str) -> list[str]:
        """See `Warehouse.drop_environment`."""
        with bigquery_errors(f"removing the environment {name}"):
            return self._datasets.drop_all(f"{self.options.dataset_prefix}{name}_")

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
    def _system(self) -> System:
        return System(self._jobs, self._datasets)

    @cached_property
    def _states(self) -> States:
        return States(self._jobs, self._datasets, self._system)

    @cached_property
    def _giver(self) -> Giver:
        return Giver(self._datasets, self._loading)

    @cached_property
    def _lookups(self) -> Lookups:
        return Lookups(self._jobs, self._datasets, self._giver)

    @cached_property
    def _inquiries(self) -> Inquiries:
        return Inquiries(self._jobs, self._datasets)

    @cached_property
    def _publishing(self) -> Publishing:
        return Publishing(self._jobs, self._datasets, self._giver, self._states)

    @cached_property
    def _digests(self) -> Digests:
        return Digests(self._jobs, self._datasets)

    @cached_property
    def _loading(self) -> Loading:
        return Loading(self._jobs, self._datasets, self._clients.bucket)

    @cached_property
    def _reader(self) -> Reader:
        storage = self._clients.storage
        return Reader(
            StorageReader(storage, self._datasets, self._retry) if storage else None,
            RestReader(self._jobs, self._datasets, lambda: _new_id("read")),
        )

    def _ensure(self, table: LayerTable) -> Sequence[str]:
        added = self._datasets.ensure(table)
        for statement in added.values():
            self._jobs.query(statement, _new_id("alter"))
        return list(added)

    def _now(self) -> datetime:
        """The service's clock: days that are made of these rows are compared by it (L5)."""
        job = self._jobs.query("SELECT CURRENT_TIMESTAMP()", _new_id("clock"))
        moment: datetime = next(iter(job.result()))[0]
        return moment


_CONNECTED = tuple(
    name for name, part in vars(BigQueryWarehouse).items() if isinstance(part, cached_property)
)


def _new_id(what: str) -> str:
    return f"etl_{what}_{uuid.uuid4().hex}"
