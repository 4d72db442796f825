"""The scripts that publish: one multi-statement transaction for rows, quarantine and state.

Text only; `warehouse.py` runs it. Two transactions that change one table at once cannot both
commit, and each changes its row of `etl_modifications`: a DELETE that meets no rows may be no
change, so that two first loads of a day could both insert (hazard L3).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from etl_assets.core.rows import QUARANTINE_SCHEMA, TOMBSTONE_SCHEMA
from etl_assets.core.state import WHOLE_TABLE, PartitionState, bare
from etl_assets.warehouse.base import Changes, Mode, Staging
from etl_assets.warehouse.bigquery.placing import placement
from etl_assets.warehouse.bigquery.schema import STAGING_DATASET, Datasets
from etl_assets.warehouse.bigquery.scripts import (
    OWN_DAY,
    RACED,
    STALE,
    Script,
    count_statements,
    history_parameter,
    put_history,
    put_states,
    quarantine_name,
    refuse_if,
    refuse_lost_turn,
    states_parameter,
    struct_rows,
    system,
    tombstones_name,
    transaction,
)
from etl_assets.warehouse.bigquery.versions import versions_kept


def publication(
    datasets: Datasets,
    staging: Staging,
    states: Sequence[PartitionState],
    ledger_day: date,
    *,
    before: Sequence[PartitionState] = (),
    contents: Sequence[tuple[date, str, int]] = (),
) -> Script:
    """The transaction that publishes staged days, with the rows of `etl_state` that belong to them.

    Appended rows are there already: what is committed is that they are (`contents`: day, digest,
    rows), unless the states are no longer those that were read (`before`).
    """
    placed, changes = placement(datasets, staging), staging.changes
    marked = staging.table.syncs and changes is None
    steps = [
        count_statements(datasets, placed.statements),
        *_guards(datasets, staging),
        *_quarantine(datasets, staging),
        *put_states(datasets, first=marked),
        *placed.steps,
        *([_mark_table(datasets)] if marked else []),
        *versions_kept(datasets, staging),
        *(_add_beside(datasets, staging, changes) if changes else []),
        *([_remember(datasets)] if staging.mode is Mode.APPEND else []),
    ]
    written = [*states, changes.position] if changes else states
    return Script(
        transaction(steps),
        [
            *_scalars(staging, written, ledger_day),
            states_parameter(written),
            *([states_parameter([_own(written)], "own")] if marked else []),
            struct_rows(
                "before",
                {"day": "DATE", "load_id": "STRING"},
                [(state.partition_key, state.load_id) for state in before],
            ),
            struct_rows("contents", {"day": "DATE", "content": "STRING", "n": "INT64"}, contents),
            *(_beside(changes) if changes else []),
        ],
    )


def _scalars(staging: Staging, written: Sequence[PartitionState], ledger_day: date) -> list[Any]:
    table, versions = staging.table, staging.table.versions
    return [
        ScalarQueryParameter("table", "STRING", table.path),
        ScalarQueryParameter("versions", "STRING", versions.path if versions else None),
        ScalarQueryParameter("at", "TIMESTAMP", max(state.updated_at for state in written)),
        ScalarQueryParameter("as_of", "TIMESTAMP", max(state.as_of for state in written)),
        ScalarQueryParameter("run", "STRING", written[0].run_id),
        ScalarQueryParameter("load_id", "STRING", written[0].load_id),
        ScalarQueryParameter("ledger_day", "DATE", ledger_day),
    ]


def _beside(changes: Changes) -> list[Any]:
    return [
        ScalarQueryParameter("token", "STRING", changes.token),
        ArrayQueryParameter("cleared", "STRING", list(changes.cleared)),
        history_parameter(changes.history),
    ]


def _guards(datasets: Datasets, staging: Staging) -> list[str]:
    if staging.changes is not None:  # its token says more than the moments of its days
        return [refuse_lost_turn(datasets, staging.changes.token)]
    return _guard_append(datasets) if staging.mode is Mode.APPEND else [_guard(datasets)]


def _guard(datasets: Datasets) -> str:
    return refuse_if(
        f"EXISTS (SELECT 1 FROM {system(datasets, 'etl_state')} AS n "  # noqa: S608 - quoted
        "JOIN UNNEST(@states) AS new ON new.partition_key = n.partition_key "
        f"WHERE n.table_name = @table AND n.partition_key <> {OWN_DAY} AND n.as_of > new.as_of)",
        STALE,
    )


def _guard_append(datasets: Datasets) -> list[str]:
    return [
        refuse_if(
            f"EXISTS (SELECT 1 FROM {system(datasets, 'etl_appends')} AS a "  # noqa: S608 - quoted
            "JOIN UNNEST(@contents) AS c ON c.day = a.partition_key AND c.content = a.content "
            "WHERE a.table_name = @table)",
            RACED,
        ),
        refuse_if(
            f"EXISTS (SELECT 1 FROM {system(datasets, 'etl_state')} AS n "  # noqa: S608 - quoted
            "JOIN UNNEST(@states) AS new ON new.partition_key = n.partition_key "
            "LEFT JOIN UNNEST(@before) AS b ON b.day = n.partition_key AND b.load_id = n.load_id "
            "WHERE n.table_name = @table AND b.load_id IS NULL)",
            RACED,
        ),
    ]


def _quarantine(datasets: Datasets, staging: Staging) -> list[str]:
    quarantine = system(datasets, "etl_quarantine")
    days = "partition_key IN (SELECT new.partition_key FROM UNNEST(@states) AS new)"
    if staging.mode is Mode.APPEND:
        left = ""
    elif staging.changes is None:
        left = days
    else:
        left = "source_position IN UNNEST(@cleared)" if staging.changes.cleared else ""
    steps = []
    if left:
        steps.append(f"DELETE FROM {quarantine} WHERE table_name = @table AND {left}")  # noqa: S608
    if any(staged.quarantine.rows for staged in staging.days):
        staged_rows = datasets.name(STAGING_DATASET, quarantine_name(staging.name))
        names = ", ".join(QUARANTINE_SCHEMA)
        steps.append(
            f"INSERT INTO {quarantine} ({names}) "  # noqa: S608 - quoted
            f"SELECT {names} FROM {staged_rows} WHERE {days}"
        )
    return steps


def _mark_table(datasets: Datasets) -> str:
    """The table's own row gets this load's id: who looked before is found out (`LostTurn`)."""
    return (
        f"UPDATE {system(datasets, 'etl_state')} SET load_id = @load_id "  # noqa: S608 - quoted
        f"WHERE table_name = @table AND partition_key = {OWN_DAY}"
    )


def _own(states: Sequence[PartitionState]) -> PartitionState:
    """The table's own row as the first publication makes it: without a position."""
    return replace(bare(states[0], WHOLE_TABLE), as_of=max(state.as_of for state in states))


def _add_beside(datasets: Datasets, staging: Staging, changes: Changes) -> list[str]:
    steps = []
    if changes.tombstones.rows:
        names = ", ".join(TOMBSTONE_SCHEMA)
        staged = datasets.name(STAGING_DATASET, tombstones_name(staging.name))
        steps.append(
            f"INSERT INTO {system(datasets, 'etl_tombstones')} ({names}) "  # noqa: S608 - quoted
            f"SELECT {names} FROM {staged}"
        )
    return [*steps, put_history(datasets)] if changes.history else steps


def _remember(datasets: Datasets) -> str:
    return (
        f"INSERT INTO {system(datasets, 'etl_appends')} "  # noqa: S608 - quoted
        "(table_name, partition_key, content, row_count, run_id, appended_at) "
        "SELECT @table, c.day, c.content, c.n, @run, @at FROM UNNEST(@contents) AS c"
    )
