"""What happens inside the transaction that publishes days.

Connections, locks and errors are `warehouse.py`, the state that is written `states.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import duckdb

from etl_assets.core.partitions import windows_of
from etl_assets.core.state import appended
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import (
    SYSTEM_DATASET,
    Changes,
    Mode,
    StagedDay,
    Staging,
    lost_turn,
    newer_is_published,
)
from etl_assets.warehouse.duckdb.rows import files_of, insert, newest_of_each_key
from etl_assets.warehouse.duckdb.states import (
    STATE,
    give_token,
    lose_rows,
    put_states,
    record,
    recount,
    states,
    token_of,
)
from etl_assets.warehouse.duckdb.types import on_days, quote, relation, same_key, within
from etl_assets.warehouse.duckdb.versions import keep_versions

_QUARANTINE = f"{SYSTEM_DATASET}.etl_quarantine"
_TOMBSTONES = f"{SYSTEM_DATASET}.etl_tombstones"
_APPENDS = f"{SYSTEM_DATASET}.etl_appends"


def publish(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Publish what is staged inside the caller's transaction.

    Raises StalePublication and LostTurn.
    """
    if staging.mode is Mode.CHANGES:
        if staging.changes is None:
            raise ValueError("Mode.CHANGES was staged without changes.")
        _bring(connection, staging, staging.changes)
    elif staging.mode is Mode.APPEND:
        _append(connection, staging)
    else:
        _refuse_stale(connection, staging)
        put = _replace if staging.mode is Mode.REPLACE else _merge
        put(connection, staging)


def _refuse_stale(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    days = {staged.day: staged.state.as_of for staged in staging.days}
    newer = connection.sql(
        f"SELECT partition_key, as_of FROM {STATE} "  # noqa: S608 - our own table
        "WHERE table_name = ? AND partition_key = ANY(?)",
        params=[staging.table.path, list(days)],
    ).pl()
    stale = [day for day, as_of in newer.iter_rows() if as_of > days[day]]
    if stale:
        raise newer_is_published(staging.table, stale)


def _replace(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    table = staging.table
    for window in windows_of(staged.day for staged in staging.days):
        connection.execute(f"DELETE FROM {relation(table)} WHERE {within(table, window)}")  # noqa: S608
    condition = ""
    lost: Mapping[date, int] = {}
    if table.syncs and files_of(staging):
        if _has_other_days(connection, staging):
            lost = _take_keys(connection, staging)
            condition = _not_published(table)
        if len({staged.state.as_of for staged in staging.days}) > 1:
            # A row that moved between two snapshots was read on its old day and on its new one.
            condition += newest_of_each_key(table)
    inserted = insert(connection, staging, condition)
    _replace_quarantine(connection, staging)
    _record_publication(connection, staging)
    lose_rows(connection, lost, staging.days[0].state)
    if inserted < sum(staged.files.rows for staged in staging.days):
        recount(connection, table, [staged.day for staged in staging.days])


def _has_other_days(connection: duckdb.DuckDBPyConnection, staging: Staging) -> bool:
    days = {staged.day for staged in staging.days}
    return any(
        state.row_count and state.partition_key not in days
        for state in states(connection, staging.table)
    )


def _take_keys(connection: duckdb.DuckDBPyConnection, staging: Staging) -> Mapping[date, int]:
    """Remove published rows that have a staged version, unless they are newer; how many by day."""
    table = staging.table
    newest = "TRUE"
    if table.cursor_column:  # a published row without a cursor gives way to any version
        cursor = quote(table.cursor_column)
        newest = f"(t.{cursor} IS NULL OR s.{cursor} >= t.{cursor})"
    taken = connection.execute(
        f"WITH taken AS (DELETE FROM {relation(table)} AS t USING read_parquet($files) AS s "  # noqa: S608
        f"WHERE {same_key(table)} AND {newest} "
        f"RETURNING CAST(t.{quote(table.day_column)} AS DATE) AS day) "
        "SELECT day, count(*) FROM taken GROUP BY day",
        {"files": files_of(staging)},
    )
    return dict(taken.fetchall())


def _not_published(table: LayerTable) -> str:
    return f"WHERE NOT EXISTS (SELECT 1 FROM {relation(table)} AS t WHERE {same_key(table)}) "  # noqa: S608


def _merge(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """By key; of two versions of a row the one with the greater cursor stays."""
    table = staging.table
    if files_of(staging):
        _take_keys(connection, staging)
        # A key may be staged on two days: its row was read before and after it moved.
        insert(connection, staging, _not_published(table) + newest_of_each_key(table))
    _replace_quarantine(connection, staging)
    _record_publication(connection, staging)
    # After a merge neither what was staged is what is published, nor where it was.
    recount(connection, table)


def _append(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Add the rows of those days whose very rows were not added before."""
    table = staging.table
    before = {state.partition_key: state for state in states(connection, table)}
    names = [column.name for column in table.columns]
    fresh: list[StagedDay] = []
    for staged in staging.days:
        load = [table.path, staged.day, staged.files.content(names)]
        known = "WHERE table_name = ? AND partition_key = ? AND content = ?"
        if not connection.execute(f"SELECT 1 FROM {_APPENDS} {known}", load).fetchall():  # noqa: S608
            state = staged.state
            connection.execute(
                f"INSERT INTO {_APPENDS} VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - our table
                [*load, staged.files.rows, state.run_id, state.updated_at],
            )
            fresh.append(replace(staged, state=appended(before.get(staged.day), state)))
    if fresh:
        added = replace(staging, days=fresh)
        insert(connection, added)
        _insert_quarantine(connection, added)
        _record_publication(connection, added)


def _bring(connection: duckdb.DuckDBPyConnection, staging: Staging, changes: Changes) -> None:
    """Publish what was looked up under the token, if that is the table's still."""
    table = staging.table
    if token_of(connection, table.path) != changes.token:
        raise lost_turn(table.path)
    leaving = [*files_of(staging), *map(str, changes.gone.files)]
    if leaving and staging.days:
        connection.execute(
            f"DELETE FROM {relation(table)} AS t "  # noqa: S608 - quoted
            f"WHERE {on_days(table, [staged.day for staged in staging.days])} "
            f"AND EXISTS (SELECT 1 FROM read_parquet($files) AS s WHERE {same_key(table)})",
            {"files": leaving},
        )
    insert(connection, staging)
    connection.execute(
        f"DELETE FROM {_QUARANTINE} WHERE table_name = ? AND source_position = ANY(?)",  # noqa: S608
        [table.path, list(changes.cleared)],
    )
    _insert_quarantine(connection, staging)
    _insert_files(connection, _TOMBSTONES, list(map(str, changes.tombstones.files)))
    record(connection, changes.history)
    put_states(connection, [staged.state for staged in staging.days])
    put_states(connection, [changes.position])
    keep_versions(connection, staging)


def _record_publication(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """The states of the days and the table's own, and the versions that the days brought."""
    put_states(connection, [staged.state for staged in staging.days])
    give_token(connection, staging)
    keep_versions(connection, staging)


def _replace_quarantine(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    days = [staged.day for staged in staging.days]
    connection.execute(
        f"DELETE FROM {_QUARANTINE} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [staging.table.path, days],
    )
    _insert_quarantine(connection, staging)


def _insert_quarantine(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    files = [str(path) for staged in staging.days for path in staged.quarantine.files]
    _insert_files(connection, _QUARANTINE, files)


def _insert_files(connection: duckdb.DuckDBPyConnection, name: str, files: list[str]) -> None:
    if files:
        connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM read_parquet(?)", [files])  # noqa: S608
