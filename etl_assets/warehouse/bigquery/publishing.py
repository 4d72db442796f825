"""Publishes what is staged: brings the keys and tombstones, and runs the transaction once.

The transaction is `publication.py`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import polars as pl

from etl_assets.core.contracts import Column
from etl_assets.core.errors import EtlError
from etl_assets.core.ledger import LEDGER_SCHEMA
from etl_assets.core.rows import TOMBSTONE_SCHEMA
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.bigquery.failures import bigquery_errors
from etl_assets.warehouse.bigquery.given import Given, Giver, key_columns, with_day
from etl_assets.warehouse.bigquery.jobs import Jobs, cost_of
from etl_assets.warehouse.bigquery.publication import (
    LEAVING,
    LEDGER,
    LEFT_OUT,
    STONES,
    publication,
)
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.states import States
from etl_assets.warehouse.bigquery.types import labels
from etl_assets.warehouse.publication import JobCost, Publication

_TOMBSTONE, _LEDGER = (
    [
        Column(name, dtype, nullable=name == "error", description="")
        for name, dtype in schema.items()
    ]
    for schema in (TOMBSTONE_SCHEMA, LEDGER_SCHEMA)
)


class Publishing:
    """Carries publications out; all tables must be there."""

    def __init__(self, jobs: Jobs, datasets: Datasets, giver: Giver, states: States) -> None:
        self._jobs, self._datasets, self._giver, self._states = jobs, datasets, giver, states

    def publish(self, plan: Publication) -> list[JobCost]:
        """See `Rows.publish`; raises LostTurn, WarehouseError and what Google's client raises.

        The id of the job follows from the staging and the token: the same plan is carried out once
        however often it is sent, and another plan with the same staging is another job (L1).
        """
        plan_id = hashlib.sha256(str(plan.token).encode()).hexdigest()[:12]
        name, costs = f"{plan.staging.name}_{plan_id}", list(plan.staging.jobs)
        with self._jobs.turn():
            if not self._states.take_turn(plan.table_state, plan.token):
                return costs
            with self._given(plan, name) as given:
                script = publication(self._datasets, plan, given)
                marks = labels(
                    layer=plan.table.layer, table=plan.table.name, run=plan.table_state.run_id
                )
                job = self._states.transact(script, f"etl_publish_{name}", plan.table_state, marks)
                costs += [cost for rows in given.values() for cost in rows.jobs]
        return [*costs, cost_of(job)] if job else costs

    @contextmanager
    def _given(self, plan: Publication, name: str) -> Iterator[dict[str, Given]]:
        """What the script is given; staging tables are dropped afterwards."""
        wanted: dict[str, tuple[list[Column], SpoolFiles]] = {}
        if plan.leaving is not None and plan.leaving.rows:
            wanted[LEAVING] = key_columns(plan.table), plan.leaving
        if plan.left_out is not None and plan.left_out.height:
            wanted[LEFT_OUT] = with_day(plan.table), self._spooled(plan, plan.left_out)
        if plan.tombstones is not None and plan.tombstones.rows:
            wanted[STONES] = _TOMBSTONE, plan.tombstones
        if plan.ledger is not None and plan.ledger.rows:
            wanted[LEDGER] = _LEDGER, plan.ledger
        given: dict[str, Given] = {}
        try:
            for what, (columns, files) in wanted.items():
                given[what] = self._giver.give(
                    plan.table,
                    columns,
                    files,
                    f"{name}_{what}",
                    plan.table_state.run_id,
                    files.folder.parent,
                    parameter=what,
                )
            yield given
        finally:
            for what in wanted:
                if what in given and given[what].staged is None:
                    continue
                # What cannot be dropped expires by itself: no reason to fail or to hide a failure.
                with suppress(EtlError), bigquery_errors("dropping staging tables"):
                    self._datasets.drop_staging(f"{name}_{what}")

    def _spooled(self, plan: Publication, frame: pl.DataFrame) -> SpoolFiles:
        folder: Path = plan.staging.days[0].files.folder.parent
        files = SpoolFiles(folder / f"left-out-{uuid4().hex}")
        files.write(frame)
        files.close()
        return files
