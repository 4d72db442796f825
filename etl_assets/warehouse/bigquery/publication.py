"""The script that publishes: one multi-statement transaction for rows, quarantine and state.

Text only, step by step as `warehouse/publication.py` says; `publishing.py` runs it. What changes
rows has constant bounds on the day, so that it prunes.
"""

from collections.abc import Mapping
from typing import Any

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from etl_assets.core.rows import QUARANTINE_SCHEMA
from etl_assets.warehouse.bigquery.given import Given
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, Datasets
from etl_assets.warehouse.bigquery.scripts import (
    Script,
    insert,
    put_history,
    put_states,
    put_table,
    quarantine_name,
    transaction,
)
from etl_assets.warehouse.bigquery.system import system
from etl_assets.warehouse.bigquery.types import day_of, on_days, quote, same_key
from etl_assets.warehouse.bigquery.versions import cursor_days, new_versions
from etl_assets.warehouse.publication import STAGED_DAY, Publication
from etl_assets.warehouse.system_tables import FILES, QUARANTINE, TOMBSTONES, SystemTable

LEAVING, LEFT_OUT, STONES, LEDGER = "leaving", "left_out", "tombstones", "ledger"
"""The rows that a publication is given beside the staged ones."""


def publication(datasets: Datasets, plan: Publication, given: Mapping[str, Given]) -> Script:
    """The transaction; `given` has those of LEAVING, LEFT_OUT, STONES and LEDGER that there are.

    The table's row comes first: of two publications at once the later one fails early.
    """
    own, own_given = put_table(datasets, plan.table_state, plan.token)
    states, states_given = put_states(datasets, plan.states)
    history, history_given = put_history(datasets, plan.history)
    steps = [
        *own,
        *_removals(datasets, plan, given.get(LEAVING)),
        *_rows(datasets, plan, given.get(LEFT_OUT)),
        *_quarantine(datasets, plan),
        *_versions(datasets, plan),
        *states,
        *_beside(datasets, TOMBSTONES, given.get(STONES)),
        *_beside(datasets, FILES, given.get(LEDGER)),
        *history,
    ]
    beside = [parameter for rows in given.values() for parameter in rows.parameters]
    return Script(
        transaction(steps),
        [*own_given, *_scalars(plan), *states_given, *history_given, *beside],
    )


def _scalars(plan: Publication) -> list[Any]:
    moments = [staged.state.updated_at for staged in plan.staging.days]
    runs = [staged.state.run_id for staged in plan.staging.days]
    return [
        ScalarQueryParameter("at", "TIMESTAMP", max(moments, default=plan.table_state.updated_at)),
        ScalarQueryParameter("run", "STRING", runs[0] if runs else plan.table_state.run_id),
        ArrayQueryParameter("replaced", "DATE", list(plan.replaced)),
        ArrayQueryParameter("cleared", "STRING", list(plan.cleared)),
    ]


def _removals(datasets: Datasets, plan: Publication, leaving: Given | None) -> list[str]:
    table, quarantine = plan.table, system(datasets, QUARANTINE)
    target, steps = datasets.published(table), []
    if plan.replaced:
        steps += [
            f"DELETE FROM {target} WHERE {on_days(table, plan.replaced)}",  # noqa: S608 - quoted
            f"DELETE FROM {quarantine} WHERE table_name = @table "  # noqa: S608
            "AND partition_key IN UNNEST(@replaced)",
        ]
    if plan.ledger is not None:
        steps.append(
            f"DELETE FROM {system(datasets, FILES)} WHERE table_name = @table "  # noqa: S608
            "AND partition_key IN UNNEST(@replaced)"
        )
    if leaving is not None and plan.leaving_from:
        steps.append(
            f"DELETE FROM {target} AS t WHERE {on_days(table, plan.leaving_from, 't.')} "  # noqa: S608
            f"AND EXISTS (SELECT 1 FROM {leaving.relation} AS k WHERE {same_key(table, 'k', 't')})"
        )
    if plan.cleared:
        steps.append(
            f"DELETE FROM {quarantine} WHERE table_name = @table "  # noqa: S608 - quoted
            "AND source_position IN UNNEST(@cleared)"
        )
    return steps


def _rows(datasets: Datasets, plan: Publication, left_out: Given | None) -> list[str]:
    table = plan.table
    if not plan.staging.rows:
        return []
    condition = ""
    if left_out is not None:
        condition = (
            f" WHERE NOT EXISTS (SELECT 1 FROM {left_out.relation} AS k "  # noqa: S608 - quoted
            f"WHERE k.{quote(STAGED_DAY)} = {day_of(table, 's.')} AND {same_key(table, 'k', 's')})"
        )
    return [insert(datasets, plan.staging, table, condition)]


def _quarantine(datasets: Datasets, plan: Publication) -> list[str]:
    if not any(staged.quarantine.rows for staged in plan.staging.days):
        return []
    staged = datasets.name(STAGING_DATASET, quarantine_name(plan.staging.name))
    names = ", ".join(QUARANTINE_SCHEMA)
    return [
        f"INSERT INTO {system(datasets, QUARANTINE)} ({names}) SELECT {names} FROM {staged}"  # noqa: S608
    ]


def _versions(datasets: Datasets, plan: Publication) -> list[str]:
    versions, days = plan.table.versions, cursor_days(plan.staging)
    if versions is None or not days:
        return []
    condition = new_versions(datasets, versions, days)
    return [insert(datasets, plan.staging, versions, condition)]


def _beside(datasets: Datasets, table: SystemTable, rows: Given | None) -> list[str]:
    """Add the rows that the publication is given to one of the platform's own tables."""
    if rows is None:
        return []
    names = ", ".join(table.names)
    return [
        f"INSERT INTO {system(datasets, table)} ({names}) "  # noqa: S608 - quoted
        f"SELECT {names} FROM {rows.relation}"
    ]
