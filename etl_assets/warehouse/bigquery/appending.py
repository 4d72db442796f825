"""Appending by load jobs (WRITE_APPEND), as the orders system did, but once.

A day's job has an id that follows from its very rows, so that the same rows are loaded once
whatever becomes of answers and processes (L1). That they were is then committed with the state;
rows can be seen a moment earlier, which is what an append-only table allows.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import cast
from uuid import uuid4

import polars as pl
import tenacity
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from etl_assets.core.errors import WarehouseError
from etl_assets.core.state import PartitionState, appended
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import SYSTEM_DATASET, JobCost, Publication, StagedDay, Staging
from etl_assets.warehouse.bigquery.jobs import Jobs, cost_of
from etl_assets.warehouse.bigquery.ledger import Ledger
from etl_assets.warehouse.bigquery.loading import Loading
from etl_assets.warehouse.bigquery.publication import publication
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import RACED
from etl_assets.warehouse.bigquery.types import labels
from etl_assets.warehouse.contract_tables import schema_version

_MOST_RACES = 10
States = Callable[[LayerTable], list[PartitionState]]


def _lost_a_race(error: BaseException) -> bool:
    return isinstance(error, GoogleAPICallError) and RACED in str(error)


class Appending:
    """Publishes days by appending them; `states` reads the table's rows of `etl_state`."""

    def __init__(
        self, jobs: Jobs, datasets: Datasets, ledger: Ledger, loading: Loading, states: States
    ) -> None:
        self._jobs, self._datasets, self._ledger = jobs, datasets, ledger
        self._loading, self._states = loading, states

    def publish(self, staging: Staging) -> Publication:
        """Append the days whose rows were not appended before; raises WarehouseError."""
        table = staging.table
        if any(column.logical == "json" for column in table.columns):
            raise WarehouseError(
                f"{table.path} has JSON columns, which no load job fills from Parquet.",
                "Publish it by merge or replace.",
            )
        names = [column.name for column in table.columns]
        contents = {staged.day: staged.files.content(names) for staged in staging.days}
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_lost_a_race),
            stop=tenacity.stop_after_attempt(_MOST_RACES),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
            reraise=True,
        )
        return attempts(self._publish_fresh, staging, contents)

    def _publish_fresh(self, staging: Staging, contents: dict[date, str]) -> Publication:
        table = staging.table
        known = self._known(table, list(contents))
        fresh = [s for s in staging.days if (s.day, contents[s.day]) not in known]
        if not fresh:
            return Publication(staging.jobs)
        costs = [*staging.jobs, *self._load(table, fresh, contents)]
        before = self._states(table)
        by_day = {state.partition_key: state for state in before}
        states = [appended(by_day.get(staged.day), staged.state) for staged in fresh]
        script = publication(
            self._datasets,
            replace(staging, days=fresh),
            states,
            self._ledger.open_day(table.path),
            before=before,
            contents=[(s.day, contents[s.day], s.files.rows) for s in fresh],
        )
        job = self._jobs.transact(
            script.sql,
            f"etl_append_{staging.name}_{_digest(str(states))}",
            labels=labels(layer=table.layer, table=table.name, run=states[0].run_id),
            parameters=script.parameters,
        )
        return Publication([*costs, cost_of(job)])

    def _load(
        self, table: LayerTable, days: list[StagedDay], contents: dict[date, str]
    ) -> list[JobCost]:
        filled = [staged for staged in days if staged.files.rows]
        if not filled:
            return []
        # All files are validated before the first is loaded: a load cannot be taken back.
        paths = [self._loading.prepare(table, s, _audit_columns(table, s)) for s in filled]
        self._ledger.take_load_jobs(table, len(filled))
        target, made_at = self._datasets.path(str(table.layer), table.name), self._made_at(table)
        costs = []
        for staged, path in zip(filled, paths, strict=True):
            digest = _digest(target, made_at, str(staged.day), contents[staged.day])
            job = self._loading.append(table, staged, path, f"etl_append_{digest}")
            costs.append(cost_of(job))
        return costs

    def _made_at(self, table: LayerTable) -> str:
        """When the table was made: jobs of an earlier one of the name must not count for it."""
        found = self._datasets.find(table)
        return str(found.created) if found else ""

    def _known(self, table: LayerTable, days: list[date]) -> set[tuple[date, str]]:
        job = self._jobs.query(
            "SELECT partition_key, content "  # noqa: S608 - quoted
            f"FROM {self._datasets.name(SYSTEM_DATASET, 'etl_appends')} "
            "WHERE table_name = @table AND partition_key IN UNNEST(@days)",
            f"etl_appends_{uuid4().hex}",
            parameters=[
                ScalarQueryParameter("table", "STRING", table.path),
                ArrayQueryParameter("days", "DATE", days),
            ],
        )
        return {cast("tuple[date, str]", tuple(row.values())) for row in job.result()}


def _audit_columns(table: LayerTable, staged: StagedDay) -> list[pl.Expr]:
    at = pl.lit(staged.state.updated_at, dtype=pl.Datetime("us", "UTC"))
    return [
        at.alias("_ingested_at"),
        pl.lit(staged.source).alias("_source"),
        pl.lit(staged.state.run_id).alias("_run_id"),
        pl.lit(schema_version(table)).alias("_schema_version"),
    ]


def _digest(*words: str) -> str:
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:40]
