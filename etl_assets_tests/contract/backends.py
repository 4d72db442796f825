"""The backends that the suite runs on, and what each cannot do.

A new backend is one entry of BACKENDS. What the tests demand of it stands in the tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.duckdb import DuckDBWarehouse

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Backend:
    """How to get at a warehouse, past its interface as well.

    `open` opens the warehouse of a test's folder, from any process; `rows` are the given
    columns of a dataset's table (`etl`, `etl_quarantine`), sorted; `descriptions` those of
    a table ("") and its columns; `run` executes a statement that an error message recommends.
    `cannot` maps a test to the reason why it is not for this backend.
    """

    name: str
    open: Callable[[Path], Warehouse]
    rows: Callable[[Path, str, str, Sequence[str]], Rows]
    descriptions: Callable[[Path, LayerTable], Mapping[str, str]]
    run: Callable[[Path, str], None]
    cannot: Mapping[str, str] = field(default_factory=dict)


def _duckdb_open(folder: Path) -> Warehouse:
    return DuckDBWarehouse(folder / "warehouse.duckdb", wait_seconds=30)


def _duckdb_rows(folder: Path, dataset: str, table: str, columns: Sequence[str]) -> Rows:
    names = ", ".join(map(_quoted, columns))
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        return connection.execute(
            f"SELECT {names} FROM {_quoted(dataset)}.{_quoted(table)} ORDER BY ALL"
        ).fetchall()


def _duckdb_descriptions(folder: Path, table: LayerTable) -> dict[str, str]:
    named = [str(table.layer), table.name]
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
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


def _duckdb_run(folder: Path, statement: str) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(statement)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


BACKENDS = {
    backend.name: backend
    for backend in [
        Backend("duckdb", _duckdb_open, _duckdb_rows, _duckdb_descriptions, _duckdb_run),
    ]
}
