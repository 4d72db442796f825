"""Staged rows: where their files are, and how they get into a table."""

import duckdb

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Staging
from etl_assets.warehouse.contract_tables import schema_version
from etl_assets.warehouse.duckdb.types import quote, relation


def files_of(staging: Staging, source: str | None = None) -> list[str]:
    """The files of the staged rows; of the days of one source if given."""
    return [
        str(path)
        for staged in staging.days
        if source is None or staged.source == source
        for path in staged.files.files
    ]


def newest_of_each_key(table: LayerTable) -> str:
    """The condition (QUALIFY) that leaves one row `s` a key: the newest, on the latest day."""
    key = ", ".join(f"s.{quote(name)}" for name in table.key)
    order = f"s.{quote(table.day_column)} DESC"
    if table.cursor_column:
        order = f"s.{quote(table.cursor_column)} DESC NULLS LAST, {order}"
    return f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1"


def insert(
    connection: duckdb.DuckDBPyConnection,
    staging: Staging,
    condition: str = "",
    into: LayerTable | None = None,
) -> int:
    """Insert those staged rows `s` that meet the condition, with audit columns; how many.

    `into` is a table of the same columns, in the place of the staging's own.
    """
    table = into or staging.table
    names = ", ".join(quote(column.name) for column in table.columns)
    parts: list[str] = []
    given: dict[str, object] = {}
    for number, source in enumerate(dict.fromkeys(staged.source for staged in staging.days)):
        files = files_of(staging, source)
        if files:
            given |= {f"files{number}": files, f"source{number}": source}
            parts.append(
                f"SELECT {names}, $source{number} AS _source FROM read_parquet($files{number})"  # noqa: S608
            )
    if not parts:
        return 0
    given |= {
        "at": max(staged.state.updated_at for staged in staging.days),
        "run": staging.days[0].state.run_id,
        "version": schema_version(table),
    }
    ((inserted,),) = connection.execute(
        f"INSERT INTO {relation(table)} "  # noqa: S608 - quoted
        f"({names}, _source, _ingested_at, _run_id, _schema_version) "
        f"SELECT {names}, _source, $at, $run, $version "
        f"FROM ({' UNION ALL '.join(parts)}) AS s {condition}",
        given,
    ).fetchall()
    return int(inserted)
