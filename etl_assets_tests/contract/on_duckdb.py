"""The suite on DuckDB: a file in the test's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl_assets.core.table import LayerTable
from etl_assets_tests.contract.backends import Backend, Rows


def _settings(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    return {"warehouse_wait_seconds": 30}


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(folder / "warehouse.duckdb"))


def _rows(folder: Path, dataset: str, table: str, columns: Sequence[str]) -> Rows:
    names = ", ".join(map(_quoted, columns))
    with _connect(folder) as connection:
        return connection.execute(
            f"SELECT {names} FROM {_quoted(dataset)}.{_quoted(table)} ORDER BY ALL"
        ).fetchall()


def _descriptions(folder: Path, table: LayerTable) -> dict[str, str]:
    named = [str(table.layer), table.name]
    with _connect(folder) as connection:
        columns = connection.execute(
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE schema_name = ? AND table_name = ?",
            named,
        ).fetchall()
        whole = connection.execute(
            "SELECT '', comment FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?",
            named,
        ).fetchall()
    return dict(columns + whole)


def _run(folder: Path, statement: str) -> None:
    with _connect(folder) as connection:
        connection.execute(statement)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


DUCKDB = Backend("duckdb", _settings, _rows, _descriptions, _run)
