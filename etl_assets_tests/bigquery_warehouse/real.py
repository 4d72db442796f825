"""The real BigQuery that this shell names, in datasets of the session's own, gone afterwards.

The tests are in the modules `test_real_*.py`; what to export is in docs/warehouses.md. A run takes
about twenty minutes. Its tables hold a few rows, but BigQuery bills at least 10 MB a table and
statement: some 20 GB in all, so 0.10 USD, or nothing within a month's free TiB. What the emulator
can answer is in the other modules.
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from etl_assets.config import Settings, read_settings
from etl_assets.core.errors import ConfigError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery import BigQueryWarehouse, open_bigquery
from etl_assets.warehouse.bigquery.types import quote
from etl_assets_tests.contract.days import AS_OF

PREFIX = "etl_test_"
BIGQUERY_REAL = [
    pytest.mark.bigquery_real,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # Google's libraries warn of the ways to log in
]
"""The marks of a module of such tests."""
LATER = AS_OF + timedelta(days=1)


@dataclass(frozen=True)
class Real:
    """Datasets named `prefix` and the layer in the project of `settings`, for one test."""

    folder: Path
    settings: Settings
    prefix: str
    client: bigquery.Client
    _open: ExitStack

    def warehouse(self, more: str = "", **changes: Any) -> BigQueryWarehouse:
        """A warehouse with `more` parameters in its URL and changed settings; closed afterwards."""
        settings = self.settings.changed(home=self.folder, **changes)
        url = _with(settings.warehouse_url or "", f"dataset_prefix={self.prefix}{more}")
        return self._open.enter_context(closing(open_bigquery(url, settings)))

    def name(self, dataset: str, table: str) -> str:
        """A table, quoted for SQL."""
        return quote(f"{self.prefix}{dataset}", table)

    def query(self, sql: str, **config: Any) -> bigquery.QueryJob:
        """A job that has ended, or was only estimated (`dry_run=True`); raises what Google's do."""
        given = bigquery.QueryJobConfig(use_query_cache=False, **config)
        job = self.client.query(sql, given, job_retry=None)
        if not config.get("dry_run"):
            job.result(job_retry=None)
        return job

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row.values()) for row in self.query(sql).result()]


def own(table: LayerTable) -> LayerTable:
    """The same table by a name of its own: the datasets are those of the whole session."""
    return replace(table, name=f"{table.name}_{uuid.uuid4().hex[:8]}")


@contextmanager
def real_session(folder: Path) -> Iterator[Real]:
    """The session's datasets, deleted at the end; fails, in a line, where there is no BigQuery."""
    settings = read_settings()
    if told := what_is_wrong(settings):
        pytest.fail(told, pytrace=False)
    with ExitStack() as opened:
        prefix = f"{PREFIX}{uuid.uuid4().hex[:10]}_"
        warehouse = opened.enter_context(closing(open_bigquery(settings.warehouse_url, settings)))
        client = _client_of(warehouse)
        try:
            yield Real(folder, settings, prefix, client, opened)
        finally:
            for dataset in list(client.list_datasets()):
                if dataset.dataset_id.startswith(prefix):
                    client.delete_dataset(
                        dataset.reference, delete_contents=True, not_found_ok=True
                    )


def _client_of(warehouse: BigQueryWarehouse) -> bigquery.Client:
    try:
        return warehouse._clients.rest
    except ConfigError as error:
        told = str(error)
    pytest.fail(told, pytrace=False)


def what_is_wrong(settings: Settings) -> str | None:
    """Why these settings name no real BigQuery, and what to export; None if they do."""
    if settings.bigquery_emulator_host:
        return "These tests ask the real BigQuery: unset BIGQUERY_EMULATOR_HOST (and in .env)."
    if not (settings.warehouse_url or "").startswith("bigquery://"):
        return (
            "These tests ask the real BigQuery: export WAREHOUSE_URL='bigquery://PROJECT"
            "?location=EU', and log in with `gcloud auth application-default login`."
        )
    return None


@contextmanager
def open_transaction(real: Real) -> Iterator[Callable[[str], bigquery.QueryJob]]:
    """What runs statements in an open transaction; it is rolled back if nothing ended it."""
    begun = real.query("BEGIN TRANSACTION", create_session=True)
    session = bigquery.ConnectionProperty("session_id", begun.session_info.session_id)

    def run(sql: str) -> bigquery.QueryJob:
        return real.query(sql, connection_properties=[session])

    try:
        yield run
    finally:
        for statement in ("ROLLBACK TRANSACTION", "CALL BQ.ABORT_SESSION()"):
            with suppress(GoogleAPICallError):
                run(statement)


def at_once(*actions: Callable[[], Any]) -> Sequence[Any]:
    """The results of all actions, begun together in threads of their own."""
    barrier = threading.Barrier(len(actions))

    def begin(action: Callable[[], Any]) -> Any:
        barrier.wait(60)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(begin, actions))


def _with(url: str, parameters: str) -> str:
    """Of a parameter that the URL has twice the last one counts."""
    return f"{url.rstrip('?&')}{'&' if '?' in url.rstrip('?&') else '?'}{parameters}"
