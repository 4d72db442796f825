"""What is in a warehouse, past the platform: its tables with their columns, and its own rows."""

from pathlib import Path
from typing import Any

from etl_assets.warehouse.system_tables import SYSTEM_TABLES
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.on_bigquery import BIGQUERY, _client, _prefix

LAYERS = ("raw", "staged", "enriched")


def columns(backend: Backend, folder: Path) -> dict[str, set[str]]:
    """The columns of each table of the layers, by path; days of a partitioned table are none."""
    found: dict[str, set[str]] = {}
    for dataset, table, column in _columns(backend, folder):
        if dataset in LAYERS and not _is_day(table):
            found.setdefault(f"{dataset}/{table}", set()).add(column)
    return found


def everything(backend: Backend, folder: Path) -> dict[str, Any]:
    """Production's tables with their columns, and all rows of the platform's own tables."""
    there = [row for row in _columns(backend, folder) if row[0] in (*LAYERS, "etl")]
    found: dict[str, Any] = {"columns": sorted(there)}
    for table in SYSTEM_TABLES:
        names = sorted(c for d, t, c in there if (d, t) == ("etl", table.name) and c != "id")
        if names:
            rows = backend.rows(folder, "etl", table.name, names)
            found[table.name] = sorted(map(repr, rows))
    return found


def _columns(backend: Backend, folder: Path) -> list[tuple[str, str, str]]:
    if backend is not BIGQUERY:
        if backend.name == "duckdb" and not (folder / "warehouse.duckdb").exists():
            return []
        names = ["table_schema", "table_name", "column_name"]
        rows = backend.rows(folder, "information_schema", "columns", names)
        return [row for row in rows if row[0] not in ("pg_catalog", "information_schema")]
    found, prefix = [], _prefix(folder)
    with _client(folder) as client:
        for dataset in client.list_datasets():
            if dataset.dataset_id.startswith(prefix):
                for item in client.list_tables(dataset.reference):
                    table = client.get_table(item.reference)
                    name = dataset.dataset_id.removeprefix(prefix)
                    found += [(name, item.table_id, field.name) for field in table.schema]
    return found


def _is_day(table: str) -> bool:
    return table.rpartition("_p")[2].isdecimal()
