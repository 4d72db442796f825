"""`etl_state` and `etl_history`: read, and written inside the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, fields, replace
from datetime import date, datetime

import duckdb

from etl_assets.core.state import WHOLE_TABLE, HistoryEntry, PartitionState, bare
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import SYSTEM_DATASET, Staging, lost_turn
from etl_assets.warehouse.duckdb.types import day_of, quote, relation

STATE = f"{SYSTEM_DATASET}.etl_state"
_HISTORY = f"{SYSTEM_DATASET}.etl_history"
_STATE_COLUMNS = tuple(field.name for field in fields(PartitionState))
_HISTORY_COLUMNS = tuple(quote(field.name) for field in fields(HistoryEntry))


def states(connection: duckdb.DuckDBPyConnection, table: LayerTable | None) -> list[PartitionState]:
    """The states of all partitions, by table and day; of one table if given."""
    return _read(
        connection,
        "partition_key <> $whole AND ($table IS NULL OR table_name = $table)",
        {"whole": WHOLE_TABLE, "table": table.path if table else None},
    )


def own_row(connection: duckdb.DuckDBPyConnection, table_name: str) -> PartitionState | None:
    """The row of a whole table (`WHOLE_TABLE`)."""
    found = _read(
        connection,
        "partition_key = $whole AND table_name = $table",
        {"whole": WHOLE_TABLE, "table": table_name},
    )
    return found[0] if found else None


def token_of(connection: duckdb.DuckDBPyConnection, table_name: str) -> str | None:
    """The `load_id` of that row."""
    own = own_row(connection, table_name)
    return own.load_id if own else None


def _read(
    connection: duckdb.DuckDBPyConnection, condition: str, given: Mapping[str, object]
) -> list[PartitionState]:
    rows = connection.sql(
        f"SELECT {', '.join(_STATE_COLUMNS)} FROM {STATE} "  # noqa: S608 - our columns
        f"WHERE {condition} ORDER BY table_name, partition_key",
        params=dict(given),
    ).pl()
    return [PartitionState(**row) for row in rows.to_dicts()]


def put_states(connection: duckdb.DuckDBPyConnection, given: Sequence[PartitionState]) -> None:
    """Put rows of one table in the place of those of the same days."""
    if not given:
        return
    connection.execute(
        f"DELETE FROM {STATE} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
        [given[0].table_name, [state.partition_key for state in given]],
    )
    marks = ", ".join("?" for _ in _STATE_COLUMNS)
    connection.executemany(
        f"INSERT INTO {STATE} ({', '.join(_STATE_COLUMNS)}) VALUES ({marks})",  # noqa: S608
        [[getattr(state, column) for column in _STATE_COLUMNS] for state in given],
    )


def give_token(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Give a table that syncs this publication's token; its position stays where it is."""
    if not staging.table.syncs:
        return
    state = staging.days[0].state
    known = connection.execute(
        f"UPDATE {STATE} SET load_id = ?, updated_at = ? "  # noqa: S608 - our own table
        "WHERE table_name = ? AND partition_key = ? RETURNING load_id",
        [state.load_id, state.updated_at, state.table_name, WHOLE_TABLE],
    ).fetchall()
    if not known:
        put_states(connection, [bare_state(staging, state.table_name, WHOLE_TABLE)])


def bare_state(staging: Staging, table_name: str, day: date) -> PartitionState:
    """A state of this publication, of its newest moment, that says nothing else yet."""
    newest = max(staged.state.as_of for staged in staging.days)
    return replace(bare(staging.days[0].state, day, table_name), as_of=newest)


def recount(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    days: Collection[date] | None = None,
) -> None:
    """Make the states of the days, or of all, say how many rows are published."""
    connection.execute(
        f"UPDATE {STATE} AS s SET row_count = (SELECT count(*) FROM {relation(table)} "  # noqa: S608
        f"WHERE {day_of(table)} = s.partition_key) "
        "WHERE table_name = $table AND partition_key <> $whole "
        "AND ($days IS NULL OR partition_key = ANY($days))",
        {"table": table.path, "whole": WHOLE_TABLE, "days": list(days) if days else None},
    )


def lose_rows(
    connection: duckdb.DuckDBPyConnection, lost: Mapping[date, int], state: PartitionState
) -> None:
    """Make the states of days that lost rows to this publication say so; `state` is one of its."""
    for day, rows in lost.items():
        connection.execute(
            f"UPDATE {STATE} SET row_count = row_count - ?, load_id = ?, updated_at = ? "  # noqa: S608
            "WHERE table_name = ? AND partition_key = ?",
            [rows, state.load_id, state.updated_at, state.table_name, day],
        )


def verify(
    connection: duckdb.DuckDBPyConnection,
    table: LayerTable,
    days: Collection[date],
    moment: datetime,
) -> None:
    """See `Warehouse.verify`."""
    connection.execute(
        f"UPDATE {STATE} SET verified_through = greatest(verified_through, ?) "  # noqa: S608
        "WHERE table_name = ? AND partition_key = ANY(?)",
        [moment, table.path, list(days)],
    )


def move(
    connection: duckdb.DuckDBPyConnection, position: PartitionState, token: str | None
) -> None:
    """See `Warehouse.move`."""
    if token_of(connection, position.table_name) != token:
        raise lost_turn(position.table_name)
    put_states(connection, [position])


def record(connection: duckdb.DuckDBPyConnection, entries: Sequence[HistoryEntry]) -> None:
    """Add to `etl_history`."""
    if entries:
        marks = ", ".join("?" for _ in _HISTORY_COLUMNS)
        connection.executemany(
            f"INSERT INTO {_HISTORY} ({', '.join(_HISTORY_COLUMNS)}) VALUES ({marks})",  # noqa: S608
            [astuple(entry) for entry in entries],
        )


def history(
    connection: duckdb.DuckDBPyConnection, table: LayerTable, kind: str, most: int
) -> list[HistoryEntry]:
    """See `Warehouse.history`."""
    rows = connection.sql(
        f"SELECT {', '.join(_HISTORY_COLUMNS)} FROM {_HISTORY} "  # noqa: S608 - our columns
        'WHERE table_name = ? AND kind = ? ORDER BY "at" DESC LIMIT ?',
        params=[table.path, kind, most],
    ).pl()
    return [HistoryEntry(**row) for row in rows.to_dicts()]
