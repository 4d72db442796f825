"""What happens inside the transaction that publishes days, and the state that it writes.

Connections, locks and errors are `warehouse.py`.
"""

from dataclasses import replace

import duckdb

from etl_assets.core.partitions import windows_of
from etl_assets.core.state import PartitionState, appended
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import (
    SYSTEM_DATASET,
    Mode,
    StagedDay,
    Staging,
    newer_is_published,
)
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.duckdb.types import quote, relation, within

_STATE = f"{SYSTEM_DATASET}.etl_state"
_QUARANTINE = f"{SYSTEM_DATASET}.etl_quarantine"
_APPENDS = f"{SYSTEM_DATASET}.etl_appends"
_STATE_COLUMNS = tuple(PartitionState.__dataclass_fields__)


def publish(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Publish the staged days inside the caller's transaction; raises StalePublication."""
    if staging.mode is Mode.APPEND:
        _append(connection, staging)
        return
    _refuse_stale(connection, staging)
    put = _replace_rows if staging.mode is Mode.REPLACE else _merge_rows
    put(connection, staging)
    _replace_quarantine(connection, staging)
    _replace_state(connection, staging)


def states(connection: duckdb.DuckDBPyConnection, table: LayerTable | None) -> list[PartitionState]:
    """The rows of `etl_state`, by table and day; of one table if given."""
    rows = connection.sql(
        f"SELECT {', '.join(_STATE_COLUMNS)} FROM {_STATE} "  # noqa: S608 - our columns
        "WHERE $table IS NULL OR table_name = $table ORDER BY table_name, partition_key",
        params={"table": table.path if table else None},
    ).pl()
    return [PartitionState(**row) for row in rows.to_dicts()]


def _refuse_stale(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    days = {staged.day: staged.state.as_of for staged in staging.days}
    newer = connection.sql(
        f"SELECT partition_key, as_of FROM {_STATE} "  # noqa: S608 - our own table
        "WHERE table_name = ? AND partition_key = ANY(?)",
        params=[staging.table.path, list(days)],
    ).pl()
    stale = [day for day, as_of in newer.iter_rows() if as_of > days[day]]
    if stale:
        raise newer_is_published(staging.table, stale)


def _replace_rows(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    for window in windows_of(staged.day for staged in staging.days):
        connection.execute(
            f"DELETE FROM {relation(staging.table)} "  # noqa: S608 - quoted
            f"WHERE {within(staging.table, window)}"
        )
    _insert(connection, staging, "")


def _merge_rows(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """By key; of two versions of a row the one with the greater cursor stays."""
    table, files = staging.table, _files(staging)
    if not files:
        return
    same_key = " AND ".join(f"s.{quote(k)} = t.{quote(k)}" for k in table.key)
    newest, order = "TRUE", f"s.{quote(table.partition_column)} DESC"
    if table.cursor_column:  # a published row without a cursor gives way to any version
        cursor = quote(table.cursor_column)
        newest = f"(t.{cursor} IS NULL OR s.{cursor} >= t.{cursor})"
        order = f"s.{cursor} DESC NULLS LAST, {order}"
    connection.execute(
        f"DELETE FROM {relation(table)} AS t USING read_parquet($files) AS s "  # noqa: S608
        f"WHERE {same_key} AND {newest}",
        {"files": files},
    )
    key = ", ".join(f"s.{quote(k)}" for k in table.key)
    _insert(  # a key may be staged on two days: its row was read before and after it moved
        connection,
        staging,
        f"WHERE NOT EXISTS (SELECT 1 FROM {relation(table)} AS t WHERE {same_key}) "  # noqa: S608
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1",
    )


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
        _insert(connection, added, "")
        _insert_quarantine(connection, added)
        _replace_state(connection, added)


def _insert(connection: duckdb.DuckDBPyConnection, staging: Staging, condition: str) -> None:
    table = staging.table
    names = ", ".join(quote(column.name) for column in table.columns)
    parts: list[str] = []
    given: dict[str, object] = {}
    for number, source in enumerate(dict.fromkeys(staged.source for staged in staging.days)):
        files = _files(staging, source)
        if files:
            given |= {f"files{number}": files, f"source{number}": source}
            parts.append(
                f"SELECT {names}, $source{number} AS _source FROM read_parquet($files{number})"  # noqa: S608
            )
    if not parts:
        return
    given |= {
        "at": max(staged.state.updated_at for staged in staging.days),
        "run": staging.days[0].state.run_id,
        "version": schema_version(table),
    }
    connection.execute(
        f"INSERT INTO {relation(table)} "  # noqa: S608 - quoted
        f"({names}, _source, _ingested_at, _run_id, _schema_version) "
        f"SELECT {names}, _source, $at, $run, $version "
        f"FROM ({' UNION ALL '.join(parts)}) AS s {condition}",
        given,
    )


def _files(staging: Staging, source: str | None = None) -> list[str]:
    return [
        str(path)
        for staged in staging.days
        if source is None or staged.source == source
        for path in staged.files.files
    ]


def _replace_quarantine(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    days = [staged.day for staged in staging.days]
    connection.execute(
        f"DELETE FROM {_QUARANTINE} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [staging.table.path, days],
    )
    _insert_quarantine(connection, staging)


def _insert_quarantine(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    files = [str(path) for staged in staging.days for path in staged.quarantine.files]
    if files:
        connection.execute(
            f"INSERT INTO {_QUARANTINE} BY NAME SELECT * FROM read_parquet(?)",  # noqa: S608
            [files],
        )


def _replace_state(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    table = staging.table
    connection.execute(
        f"DELETE FROM {_STATE} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [table.path, [staged.day for staged in staging.days]],
    )
    marks = ", ".join("?" for _ in _STATE_COLUMNS)
    rows = [[getattr(staged.state, column) for column in _STATE_COLUMNS] for staged in staging.days]
    connection.executemany(
        f"INSERT INTO {_STATE} ({', '.join(_STATE_COLUMNS)}) VALUES ({marks})",  # noqa: S608
        rows,
    )
    # After a merge neither what was staged is what is published, nor where it was.
    if staging.mode is Mode.MERGE:
        connection.execute(
            f"UPDATE {_STATE} AS s SET row_count = (SELECT count(*) FROM {relation(table)} AS t "  # noqa: S608
            f"WHERE CAST(t.{quote(table.partition_column)} AS DATE) = s.partition_key) "
            "WHERE table_name = ?",
            [table.path],
        )
