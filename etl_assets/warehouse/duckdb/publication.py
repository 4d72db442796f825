"""Carries a publication out inside a transaction, step by step as `warehouse/publication.py` says.

Connections, locks and errors are `file.py`.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from etl_assets.core.partitions import windows_of
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.duckdb.inquiries import new_versions
from etl_assets.warehouse.duckdb.states import put_states, put_table, record, take_turn
from etl_assets.warehouse.duckdb.system import name_of
from etl_assets.warehouse.duckdb.types import day_of, on_days, quote, relation, same_key, within
from etl_assets.warehouse.publication import STAGED_DAY, Publication, Staging
from etl_assets.warehouse.system_tables import FILES, QUARANTINE, TOMBSTONES, SystemTable


def publish(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Publish inside the caller's transaction; raises LostTurn."""
    staging, table = publication.staging, publication.table
    take_turn(connection, publication.table_state, publication.token)
    _remove(connection, publication)
    condition = ""
    if publication.left_out is not None:
        connection.register("etl_left_out", publication.left_out.to_arrow())
        condition = (
            "WHERE NOT EXISTS (SELECT 1 FROM etl_left_out AS o "  # noqa: S608 - quoted
            f"WHERE o.{quote(STAGED_DAY)} = {day_of(table, 's.')} AND {same_key(table, 'o', 's')})"
        )
    names = ", ".join(quote(column.name) for column in table.columns)
    staged = f"SELECT {names} FROM read_parquet($files)"  # noqa: S608 - quoted
    _insert(connection, staging, table, staged, condition)
    if table.versions is not None:
        _insert(connection, staging, table.versions, new_versions(connection, table.versions))
    _add(connection, QUARANTINE, [path for day in staging.days for path in day.quarantine.files])
    ledger = publication.ledger
    _add(connection, FILES, ledger.files if ledger else [])
    stones = publication.tombstones
    _add(connection, TOMBSTONES, stones.files if stones else [])
    put_states(connection, publication.states)
    put_table(connection, publication.table_state)
    record(connection, publication.history)


def _remove(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Let rows, quarantine and ledger leave."""
    table, quarantine = publication.table, name_of(QUARANTINE)
    for window in windows_of(publication.replaced):
        connection.execute(f"DELETE FROM {relation(table)} WHERE {within(table, window)}")  # noqa: S608
    if publication.replaced:
        connection.execute(
            f"DELETE FROM {quarantine} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
            [table.path, list(publication.replaced)],
        )
        if publication.ledger is not None:
            connection.execute(
                f"DELETE FROM {name_of(FILES)} WHERE table_name = ? AND partition_key = ANY(?)",  # noqa: S608
                [table.path, list(publication.replaced)],
            )
    leaving = publication.leaving
    if leaving is not None and leaving.files and publication.leaving_from:
        connection.execute(
            f"DELETE FROM {relation(table)} AS t "  # noqa: S608 - quoted
            f"WHERE {on_days(table, publication.leaving_from)} "
            f"AND EXISTS (SELECT 1 FROM read_parquet($files) AS s WHERE {same_key(table)})",
            {"files": [str(path) for path in leaving.files]},
        )
    if publication.cleared:
        connection.execute(
            f"DELETE FROM {quarantine} WHERE table_name = ? AND source_position = ANY(?)",  # noqa: S608
            [table.path, list(publication.cleared)],
        )


def _insert(
    connection: duckdb.DuckDBPyConnection,
    staging: Staging,
    into: LayerTable,
    rows: str,
    condition: str = "",
) -> None:
    """Insert the rows `s` of a query over `$files`, with audit columns; a statement a source."""
    names = ", ".join(quote(column.name) for column in into.columns)
    for source in dict.fromkeys(staged.source for staged in staging.days):
        days = [staged for staged in staging.days if staged.source == source]
        files = [str(path) for staged in days for path in staged.files.files]
        if files:
            connection.execute(
                f"INSERT INTO {relation(into)} "  # noqa: S608 - quoted
                f"({names}, _source, _ingested_at, _run_id, _schema_version) "
                f"SELECT {names}, $source, $at, $run, $version FROM ({rows}) AS s {condition}",
                {
                    "files": files,
                    "source": source,
                    "at": max(staged.state.updated_at for staged in staging.days),
                    "run": staging.days[0].state.run_id,
                    "version": schema_version(into),
                },
            )


def _add(connection: duckdb.DuckDBPyConnection, table: SystemTable, files: Sequence[Path]) -> None:
    if files:
        connection.execute(
            f"INSERT INTO {name_of(table)} BY NAME SELECT * FROM read_parquet(?)",  # noqa: S608
            [[str(path) for path in files]],
        )
